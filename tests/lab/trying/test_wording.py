"""The doctor's advice, as `make try` gives it."""

import ssl
from typing import TYPE_CHECKING

import pytest
from esx_drift.adapters.tls import find_certificate_remedy
from esx_drift.doctoring.examination import find_fix
from esx_drift.errors import LoginRefused, SecretInvalid

from tests.lab.local_aws.place import CHECKOUT
from tests.lab.trying.wording import ANOTHER_CA, HERE, NO_CA, here

if TYPE_CHECKING:
    from esx_drift.doctoring.examination import StepResult

UNTRUSTED, EXPIRED, ANOTHER_NAME, SLOPPY = 20, 10, 62, 89


def _fix(fix: str) -> str:
    line: StepResult = {"about": "vc01", "step": "tls", "outcome": "failed", "said": "said", "fix": fix}
    return here(line)["fix"]


def _remedy(code: int) -> str:
    return _fix(find_certificate_remedy(_refusal(code)))


def _refusal(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError()
    error.verify_code = code
    return error


@pytest.mark.parametrize(
    ("code", "words"),
    [(UNTRUSTED, "CA=FILE"), (ANOTHER_NAME, "VCENTER"), (SLOPPY, "STRICT=no"), (EXPIRED, "Renew")],
)
def test_a_refused_certificate_is_mended_by_what_is_typed(code: int, words: str) -> None:
    """Nobody who tries it has a secret."""
    assert words in _remedy(code)
    assert "secret" not in _remedy(code)


def test_a_wrong_ca_is_not_told_as_none() -> None:
    """Who gave one and reads "give one" looks for the mistake in the wrong place."""
    fix = find_certificate_remedy(_refusal(UNTRUSTED))
    line: StepResult = {"about": "vc01", "step": "tls", "outcome": "failed", "said": "said", "fix": fix}
    assert NO_CA in here(line)["fix"]
    assert ANOTHER_CA in here(line, has_ca=True)["fix"]
    assert NO_CA not in here(line, has_ca=True)["fix"]


def test_no_other_advice_names_a_secret() -> None:
    """A refused login, and a secret that can't be read."""
    refused = find_fix(LoginRefused("refused"), {"vcenter": "vc01", "secret": "esx-drift/vcenter/vc01"})
    assert "secret" in refused
    assert "secret" not in _fix(refused)
    assert "secret" not in _fix(find_fix(SecretInvalid("wrong"), {})).lower()


def test_the_doctor_still_speaks_so() -> None:
    """Every pattern is found in the product: one that no longer is would let its advice through as it is."""
    told = " ".join(
        path.read_text().replace("\\", "") for path in (CHECKOUT / "layers/core/esx_drift").rglob("*.py")
    ).lower()
    for pattern, _ in HERE:
        plain = pattern.replace("\\", "").removesuffix(".*").strip().lower()
        assert plain in told, plain
