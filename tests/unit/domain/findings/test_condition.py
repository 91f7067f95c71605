"""What tells two conditions apart."""

from copy import replace

from esx_drift.domain.findings.condition import Condition
from esx_drift.domain.stored.identifiers import make_fingerprint

CONDITION = Condition("failure", "host-failed", "host-16", "warning", "esx01 could not be read")


def test_family_kind_and_subject_are_its_name() -> None:
    """And nothing else: it is the same one when it gets worse, or is worded otherwise."""
    assert CONDITION.fingerprint == make_fingerprint("failure", "host-failed", "host-16")
    same = replace(
        CONDITION, severity="critical", summary="x", hosts=("host-16",), detail={"a": 1}, confirm=True
    )
    assert same.fingerprint == CONDITION.fingerprint
    others = [
        replace(CONDITION, subject="host-17"),
        replace(CONDITION, kind="host-error"),
        replace(CONDITION, family="drift"),
    ]
    assert len({CONDITION.fingerprint, *(other.fingerprint for other in others)}) == 4
