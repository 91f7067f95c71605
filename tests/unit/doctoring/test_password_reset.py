"""A refused password, tried once more because a person says so: never so that the account is locked."""

import json

import pytest
from botocore.exceptions import EndpointConnectionError
from esx_drift.adapters.secrets import Secrets
from esx_drift.adapters.state_bucket import S3Breakers
from esx_drift.doctoring.password_reset import PasswordReset
from esx_drift.domain.breaker import Breaker, build_closed_breaker
from esx_drift.domain.stored.identifiers import encode_canonical_json, make_breaker_key
from esx_drift.errors import LoginSuspended, StoreConflict, StoreUnavailable
from esx_drift.ports import StoredBreaker

from tests.simulator.sessions import PASSWORD, USER
from tests.unit.adapters.vcenter.test_lockout import lose_the_first_reply
from tests.unit.adapters.vcenter.world import BUCKET, NAME
from tests.unit.doctoring.conftest import Clinic, outcomes

REFUSED = "ooooof" + "u" * 5
WELL = "o" * 11


@pytest.fixture
def refused(clinic: Clinic) -> Clinic:
    """The account's password was changed, the secret's was refused, and three minutes have passed."""
    clinic.vcenter.sessions.accounts[USER] = "another"
    assert outcomes(clinic.examine()) == REFUSED
    clinic.world.wait(180)
    return clinic


def _breaker(clinic: Clinic) -> Breaker:
    stored = S3Breakers(clinic.world.s3, BUCKET).read(NAME)
    assert stored is not None
    return stored.breaker


def test_a_password_that_is_right_after_all(refused: Clinic) -> None:
    """The account was mended, not the secret: after a reset all is well, for everybody."""
    refused.vcenter.sessions.accounts[USER] = PASSWORD
    assert outcomes(refused.examine()) == REFUSED
    assert outcomes(refused.examine(reset=True)) == WELL
    assert not _breaker(refused)["open"]
    assert refused.world.outcome("checker") == "in"


def test_a_password_that_is_still_wrong(refused: Clinic) -> None:
    """It is tried once, and nobody tries it again."""
    assert outcomes(refused.examine(reset=True)) == REFUSED
    assert refused.vcenter.sessions.refused_count == 2
    assert refused.world.outcome("dispatcher") == "LoginSuspended"
    assert _breaker(refused)["open"]


def test_whoever_is_impatient_locks_nothing(refused: Clinic) -> None:
    """Reset after reset within 180 s: one try, and the line says when the next may be."""
    for _ in range(6):
        lines = refused.examine(reset=True)
    assert refused.vcenter.sessions.refused_count == 2
    assert "Run it again after 2026-11-23T02:20:00.000Z" in lines["login"]["fix"]
    refused.world.wait(180)
    refused.examine(reset=True)
    assert refused.vcenter.sessions.refused_count == 3
    assert not refused.vcenter.sessions.is_locked(USER)


def test_nobody_else_tries_meanwhile(refused: Clinic) -> None:
    """While the doctor is at the login, all others are told to wait."""
    secret = Secrets(lambda: refused.world.secretsmanager).vcenter(NAME)
    with PasswordReset(refused.world.s3, BUCKET, refused.world.clock).guard_login(NAME, secret):
        assert refused.world.outcome("checker") == "LoginSuspended"
        assert refused.world.outcome("dispatcher") == "LoginSuspended"
        assert outcomes(refused.examine(reset=True)) == REFUSED
    assert refused.vcenter.sessions.refused_count == 1


def test_two_resets_at_once(refused: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only one of them gets to try: the other's claim is refused by S3."""
    secret = Secrets(lambda: refused.world.secretsmanager).vcenter(NAME)
    reset = PasswordReset(refused.world.s3, BUCKET, refused.world.clock)
    before = StoredBreaker(build_closed_breaker(NAME), '"of-before"')
    monkeypatch.setattr(S3Breakers, "read_for_reset", lambda _self, _vcenter: before)
    with pytest.raises(LoginSuspended, match="somebody else"), reset.guard_login(NAME, secret):
        pytest.fail("it must not be tried")


@pytest.mark.parametrize("is_own", [False, True])
def test_a_claim_whose_reply_was_lost(refused: Clinic, *, is_own: bool) -> None:
    """Another reset of the same moment may lie there, or the own claim with a checker's outcome over it."""

    def write_over(sent: bytes) -> bytes:
        claim = json.loads(sent)
        return encode_canonical_json(
            {**claim, "refused": ["old"]} if is_own else {**claim, "holder": "other"}
        )

    lose_the_first_reply(refused.world, write_over)
    refused.vcenter.sessions.accounts[USER] = PASSWORD
    assert outcomes(refused.examine(reset=True)) == (WELL if is_own else REFUSED)
    assert "holder" not in _breaker(refused) or not is_own


def test_a_breaker_that_can_not_be_read(clinic: Clinic) -> None:
    """It keeps everybody out; a reset is what ends that."""
    clinic.world.s3.put_object(Bucket=BUCKET, Key=make_breaker_key(NAME), Body=b"nonsense")
    suspended = clinic.examine()
    assert outcomes(suspended) == REFUSED
    assert suspended["login"]["fix"].endswith("esx-drift doctor --reset vc01")
    assert outcomes(clinic.examine(reset=True)) == WELL
    assert clinic.world.outcome("checker") == "in"


def test_a_reset_of_nothing(clinic: Clinic) -> None:
    """Where no login was ever refused, it is a login like any other."""
    assert outcomes(clinic.examine(reset=True)) == WELL
    assert not _breaker(clinic)["open"]


def test_an_outage_during_a_reset_heals_by_itself(refused: Clinic) -> None:
    """The login was not answered: the dispatcher may try the password after 180 s, and not before."""
    refused.vcenter.sessions.accounts[USER] = PASSWORD
    secret = Secrets(lambda: refused.world.secretsmanager).vcenter(NAME)
    reset = PasswordReset(refused.world.s3, BUCKET, refused.world.clock)
    with pytest.raises(StoreUnavailable), reset.guard_login(NAME, secret):
        raise StoreUnavailable("as if the vCenter were away")
    assert refused.world.outcome("dispatcher") == "LoginSuspended"
    refused.world.wait(180)
    assert refused.world.outcome("dispatcher") == "in"


def test_a_breaker_that_vanishes_is_a_conflict(refused: Clinic) -> None:
    """The outcome is not written over what somebody else has made of it."""
    secret = Secrets(lambda: refused.world.secretsmanager).vcenter(NAME)
    reset = PasswordReset(refused.world.s3, BUCKET, refused.world.clock)
    with pytest.raises(StoreConflict), reset.guard_login(NAME, secret):
        refused.world.s3.delete_object(Bucket=BUCKET, Key=make_breaker_key(NAME))


def test_a_store_that_fails_keeps_the_password_back(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not knowing must not lock the account."""
    clinic.world.s3.delete_bucket(Bucket=BUCKET)
    lines = clinic.examine(reset=True)
    assert outcomes(lines) == REFUSED

    def away(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://s3")

    monkeypatch.setattr(clinic.world.s3, "get_object", away)
    assert outcomes(clinic.examine(reset=True)) == REFUSED
    assert len(clinic.vcenter.sessions.logins) == 0


def test_a_reset_waits_until_nobody_is_logging_in(refused: Clinic) -> None:
    """A run has taken its turn: that one and this would be one too many beside the checkers."""
    known = S3Breakers(refused.world.s3, BUCKET)
    stored = known.read(NAME)
    assert stored is not None
    turn = {**stored.breaker, "open": False, "claimed_until": "2026-11-23T02:19:00.000Z"}
    assert known.write(turn, stored.etag)  # type: ignore[arg-type]  # a breaker with a turn
    lines = refused.examine(reset=True)
    assert "somebody else is just logging in" in lines["login"]["said"]
    assert lines["login"]["fix"] == "Try again in 3 minutes."
    assert refused.vcenter.sessions.refused_count == 1
