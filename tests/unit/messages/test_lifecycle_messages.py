"""The events of rollouts, acceptances and what comes and goes, made by the real rules, as goldens."""

import json
from collections.abc import Callable
from copy import replace

import pytest
from esx_drift.messages.content import build_content

from tests.paths import GOLDEN
from tests.unit.domain.changes.clusters import ClusterModel
from tests.unit.domain.cluster_log import DRIVER, NEW_DRIVER, U3D, U3E, VIB, ClusterLog, Told, cluster, image


def _begin() -> tuple[ClusterLog, ClusterModel]:
    log, model = ClusterLog(), cluster(12)
    log.look(model)
    return log, model


def _move(model: ClusterModel, hosts: range, release: tuple[str, str] = U3E, driver: str = DRIVER) -> None:
    for number in hosts:
        model.hosts[f"host-{number}"].software = image(release, driver)


def _roll_out(*, to_the_end: bool = False, stalls: bool = False) -> Told:
    log, model = _begin()
    _move(model, range(1, 2))
    told = log.look(model, 1)
    if stalls:
        _move(model, range(2, 8))
        log.look(model, 1)
        model.failed["host-11"] = model.hosts.pop("host-11").name
        log.look(model, 1)
        return log.look(model, 5)
    if to_the_end:
        _move(model, range(2, 12))
        log.look(model, 4)
        _move(model, range(12, 13))
        told = log.look(model, 1)
    return told


def _spread_driver() -> Told:
    log, model = _begin()
    _move(model, range(1, 2), U3D, NEW_DRIVER)
    log.look(model, 1)
    _move(model, range(2, 5), U3D, NEW_DRIVER)
    log.look(model, 1)
    return log.look(model, 6)


def _drift() -> tuple[ClusterLog, ClusterModel]:
    log, model = _begin()
    _move(model, range(7, 9), U3D, NEW_DRIVER)
    model.hosts["host-2"].vibs = frozenset({VIB})
    log.look(model, 1)
    return log, model


def _expire(number: int) -> Told:
    log, model = _drift()
    log.accept(["host-2", "host-7"], 24, "CHG-2042")
    told = log.look(model, 25)
    return replace(told, events=[told.events[number]])


def _flap(*, steady: bool) -> Told:
    log, model = _begin()
    unread = model.hosts["host-11"]
    told = None
    for _ in range(3):
        del model.hosts["host-11"]
        model.failed["host-11"] = unread.name
        told = log.look(model, 2)
        if _ == 2:
            break
        model.failed.clear()
        model.hosts["host-11"] = unread
        log.look(model, 2)
    assert told is not None
    if steady:
        model.failed.clear()
        model.hosts["host-11"] = unread
        log.look(model, 2)
        told = log.look(model, 25)
    return told


def _begin_maintenance() -> Told:
    log, _ = _begin()
    log.windows = 40  # the record that is played has the number 41
    return log.maintain(4)


PLAYS: dict[str, Callable[[], Told]] = {
    "rollout-started": _roll_out,
    "rollout-stalled": lambda: _roll_out(stalls=True),
    "rollout-done": lambda: _roll_out(to_the_end=True),
    "driver-spread-and-stopped": _spread_driver,
    # As a person who writes --until 2026-12-23 means it: all of that day.
    "accepted-until": lambda: _drift()[0].accept(["host-7", "host-8"], 24 * 30 + 17, "CHG-2042"),
    "accepted-in-part": lambda: _drift()[0].accept(["host-7"]),
    "accepted-orphaned-vib": lambda: _drift()[0].accept(["host-2"], ticket="CHG-2042"),
    "acceptance-of-vib-expired": lambda: _expire(0),
    "acceptance-expired": lambda: _expire(1),
    "maintenance-started": _begin_maintenance,
    "host-comes-and-goes": lambda: _flap(steady=False),
    "host-steady-again": lambda: _flap(steady=True),
}


@pytest.mark.parametrize("name", PLAYS)
def test_an_event_is_as_agreed(name: str, refresh_goldens: bool) -> None:  # noqa: FBT001 -- a fixture
    """What is played gives the event whose words stand beside it; --refresh-goldens writes it anew."""
    (event,) = PLAYS[name]().events
    made = json.dumps(event, indent=2, ensure_ascii=False) + "\n"
    golden = GOLDEN / "messages" / name / "event.json"
    if refresh_goldens:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(made)
    assert golden.read_text() == made


def test_the_rest_of_a_vib_that_was_accepted_on_one_host_is_evidence() -> None:
    """Nobody is told to put it back or to accept it, too."""
    event = json.loads((GOLDEN / "messages" / "accepted-orphaned-vib" / "event.json").read_text())
    (found,) = event["data"]["findings"]
    found |= {"hosts": ["host-2", "host-9"], "severity": "critical"}
    found["detail"]["not_accepted_on"] = ["host-9"]
    content = build_content(event)
    assert content.level == "critical"
    assert content.next_step is not None
    assert content.next_step.text == "what is left is evidence: tell security first. To see it:"


@pytest.mark.parametrize(
    ("record", "option"),
    [("s3://a/records/vcenter=vc01/cluster=domain-c9/0000000041.json", " --record 41"), ("", "")],
)
def test_a_done_upgrade_is_accepted_as_its_record_shows_it(record: str, option: str) -> None:
    """What comes after it is not meant by a command that is pasted later."""
    event = json.loads((GOLDEN / "messages" / "rollout-done" / "event.json").read_text())
    event["data"]["record"] = record
    step = build_content(event).next_step
    assert step is not None
    assert step.command == f"esx-drift accept prod-a --vcenter vc01{option}"
