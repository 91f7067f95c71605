"""An exception that nobody foresaw ends one look, as a record that says where it was; nothing else stops."""

from typing import Any

import pytest

from tests.unit.checking.reading import moved
from tests.unit.checking.world import PROD_A, PROD_B, World

SECRET = "S3cret-of-nobody"


def _broken(*_: object, **__: object) -> Any:  # noqa: ANN401 -- it never returns
    raise KeyError(SECRET)


@pytest.mark.parametrize(
    ("broken", "at"),
    [
        ("esx_drift.checking.checker.read_report", "report"),
        ("esx_drift.checking.fresh_report.list_look_conditions", "report"),
        ("esx_drift.checking.collect.require_same_vcenter", "about"),
    ],
)
def test_a_bug_in_a_look_is_told_like_an_outage(
    world: World, monkeypatch: pytest.MonkeyPatch, broken: str, at: str
) -> None:
    """Met twice it opens a finding that names the place and no value; and the next look ends it."""
    world.check()
    with monkeypatch.context() as patch:
        patch.setattr(broken, _broken)
        record = world.check()
        failure = record["failure"]
        assert failure is not None
        assert (record["outcome"], failure["reason"], failure["at"]) == ("not-looked", "vcenter-error", at)
        assert (
            f"ended the look at {PROD_A} on {world.watched.name}: KeyError at esx_drift/"
            in failure["message"]
        )
        assert SECRET not in str(record)
        again = world.follow(world.comes_back())
        assert moved(again) == {("vcenter-error", "opened")}
    healed = world.check()
    assert moved(healed) == {("vcenter-error", "resolved")}


def test_a_bug_at_one_cluster_keeps_no_other_from_being_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does anything of what was known get lost."""
    before = world.check()
    with monkeypatch.context() as patch:
        patch.setattr("esx_drift.checking.checker.read_report", _broken)
        after = world.check()
    assert world.check(PROD_B)["outcome"] == "baseline"
    assert (after["after"]["seal"], after["after"]["snapshot"]) == (
        before["after"]["seal"],
        before["after"]["snapshot"],
    )
