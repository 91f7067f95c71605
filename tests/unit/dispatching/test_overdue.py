"""A cluster that nobody looks at, though it is asked for: the product itself is amiss."""

import pytest
from esx_drift.domain.stored.records import build_empty_state
from esx_drift.domain.stored.types import Finding, FindingKind, LogState
from esx_drift.domain.text.times import format_time
from esx_drift.messages.content import build_content

from tests.unit.checking.reading import moved, open_kinds
from tests.unit.dispatching.world import World
from tests.unit.logs import leave_log

CLUSTER = "domain-c9"


@pytest.fixture
def name(world: World) -> str:
    """A vCenter of one cluster, that is dispatched every four hours from now on."""
    made = world.add("prod-a")
    world.run()
    return made


def _passed(world: World, hours: int) -> None:
    for _ in range(hours // 4):
        world.wait(hours=4)
        world.run()


def _looked(world: World, name: str, **changes: object) -> None:
    """The cluster's log says that it was looked at just now."""
    after: LogState = {**build_empty_state(), "last_look_at": format_time(world.now), **changes}  # type: ignore[typeddict-item]  # the tests name real fields
    leave_log(world.aws.store, name, CLUSTER, after)


LATER = "2026-11-24T02:14:00.000Z"
"""After all that these tests wait: met at each check since."""


def _open(kind: FindingKind, family: str = "failure", last_seen: str = LATER) -> dict[str, Finding]:
    finding: Finding = {
        "fingerprint": "0" * 32,
        "family": family,  # type: ignore[typeddict-item]  # one of them
        "kind": kind,
        "subject": "",
        "severity": "warning",
        "hosts": [],
        "opened_at": "2026-11-23T02:14:00.000Z",
        "last_seen": last_seen,
        "transition": "opened",
        "resolved_because": None,
        "summary": "so it is",
        "detail": {},
    }
    return {finding["fingerprint"]: finding}


def test_a_cluster_that_was_never_looked_at_is_overdue(world: World, name: str) -> None:
    """Three intervals after it was first listed; told once, and critical."""
    _passed(world, 12)
    assert open_kinds(world.last(name)) == set()
    _passed(world, 8)
    (finding,) = world.last(name)["findings"]
    assert (finding["kind"], finding["severity"]) == ("check-overdue", "critical")
    assert (finding["subject"], finding["detail"]["name"]) == (CLUSTER, "prod-a")
    assert len(world.topic.published) == 1


def test_a_look_ends_it(world: World, name: str) -> None:
    """By the next run of the schedule."""
    _passed(world, 16)
    _looked(world, name)
    _passed(world, 4)
    assert moved(world.last(name)) == {("check-overdue", "resolved")}


def test_a_failure_that_now_says_why_ends_it_and_is_told_as_that(world: World, name: str) -> None:
    """Nobody has looked at the cluster: the end must not say so."""
    _passed(world, 16)
    _looked(world, name, last_look_at="2026-11-23T02:15:00.000Z", findings=_open("extraction-failed"))
    _passed(world, 4)
    (finding,) = world.last(name)["findings"]
    assert (finding["transition"], finding["detail"]["now_known"]) == ("resolved", "so it is")
    content = build_content(world.topic.published[-1])
    assert content.title == f"{name}: now known why prod-a is not checked after 4 h"
    assert content.items[0].startswith(
        "Now known: so it is. It was: prod-a (domain-c9) has not been looked at"
    )
    _passed(world, 8)
    assert open_kinds(world.last(name)) == set()


def test_a_cluster_that_is_gone_is_why_nobody_looks_at_it(world: World) -> None:
    """One end says it, and one finding stays."""
    name = world.add("prod-a", "prod-b", "prod-c")
    world.run()
    _passed(world, 16)
    world.vcenters[name].inventory.hide_cluster("prod-a")
    _passed(world, 4)
    assert moved(world.last(name)) == {("cluster-missing", "opened"), ("check-overdue", "resolved")}
    (ended,) = [one for one in world.last(name)["findings"] if one["transition"] == "resolved"]
    assert "prod-a (domain-c9) is no longer listed" in str(ended["detail"]["now_known"])
    world.assert_well_told()


def test_the_worst_of_several_failures_says_why(world: World, name: str) -> None:
    """A warning beside it is not what a person must act on."""
    _passed(world, 16)
    found = {
        "a": _open("document-invalid"),
        "b": _open("vcenter-authorization"),
        "c": _open("api-unsupported"),
    }
    findings = {key: next(iter(one.values())) for key, one in found.items()}
    findings["b"] = {**findings["b"], "severity": "critical", "summary": "it lacks a privilege"}
    _looked(world, name, last_look_at=None, findings=findings)
    _passed(world, 4)
    (finding,) = world.last(name)["findings"]
    assert finding["detail"]["now_known"] == "it lacks a privilege"


def test_without_extraction_a_report_may_be_as_old_as_max_age(world: World) -> None:
    """Nobody may have asked for one since; three intervals later the checks would have said so."""
    name = world.add("prod-a", extract=False, max_age_seconds=24 * 3600)
    world.run()
    _looked(world, name)
    _passed(world, 36)
    assert open_kinds(world.last(name)) == set()
    _passed(world, 4)
    assert open_kinds(world.last(name)) == {"check-overdue"}


def test_a_cluster_that_is_looked_at_is_never_overdue(world: World, name: str) -> None:
    """However late within three intervals."""
    for _ in range(4):
        _passed(world, 12)
        _looked(world, name)
    assert world.topic.published == []


def test_looks_that_cease_are_noticed(world: World, name: str) -> None:
    """The cluster was seen, and then no more."""
    _passed(world, 8)
    _looked(world, name)
    _passed(world, 16)
    (finding,) = world.last(name)["findings"]
    assert finding["detail"]["last_look_at"] == "2026-11-23T10:14:00.000Z"


@pytest.mark.parametrize(
    "kind", ["extraction-failed", "document-invalid", "vcenter-error", "eligibility-failed"]
)
def test_a_failure_that_says_why_is_enough(world: World, name: str, kind: FindingKind) -> None:
    """One message for one cause."""
    _looked(world, name, findings=_open(kind))
    _passed(world, 20)
    assert world.topic.published == []


@pytest.mark.parametrize(
    ("kind", "family"),
    [("host-failed", "failure"), ("image-not-uniform", "drift"), ("orphaned-vib", "orphaned-vib")],
)
def test_a_finding_that_does_not_say_why_hides_nothing(
    world: World, name: str, kind: FindingKind, family: str
) -> None:
    """One host that can't be read is no reason why the cluster is not looked at."""
    coverage = {"hosts": 3, "covered": 2, "failed": 1, "unsupported": 0}
    _looked(world, name, findings=_open(kind, family), coverage=coverage)
    _passed(world, 16)
    assert open_kinds(world.last(name)) == {"check-overdue"}


def test_a_failure_that_nobody_met_since_hides_nothing(world: World, name: str) -> None:
    """Where the checks themselves have ceased, what was open then says nothing of now."""
    _looked(world, name, findings=_open("document-invalid", last_seen="2026-11-23T02:14:00.000Z"))
    _passed(world, 20)
    assert open_kinds(world.last(name)) == {"check-overdue"}


def test_hosts_that_all_fail_say_why(world: World, name: str) -> None:
    """A report that covers nobody is no look, and its findings tell of it."""
    coverage = {"hosts": 3, "covered": 0, "failed": 3, "unsupported": 0}
    _looked(world, name, findings=_open("host-failed"), coverage=coverage)
    _passed(world, 20)
    assert world.topic.published == []


def test_an_outage_makes_nobody_overdue(world: World, name: str) -> None:
    """When the vCenter is back, its clusters get their time to be looked at before anybody is told."""
    _looked(world, name)
    world.servers[name].stop()
    _passed(world, 72)
    world.servers[name].start()
    world.run()
    assert moved(world.last(name)) == {("vcenter-unreachable", "resolved")}
    world.wait(seconds=60)
    world.run()
    assert open_kinds(world.last(name)) == set()
    _passed(world, 16)
    assert open_kinds(world.last(name)) == {"check-overdue"}


def test_who_was_overdue_before_an_outage_still_is(world: World, name: str) -> None:
    """The outage's end is not the look that was missed."""
    _passed(world, 16)
    world.servers[name].stop()
    _passed(world, 8)
    world.servers[name].start()
    world.run()
    assert open_kinds(world.last(name)) == {"check-overdue"}


def test_lost_packets_do_not_hide_it(world: World, name: str) -> None:
    """A vCenter that needs a second try each time gives its clusters no new time."""
    for _ in range(5):
        world.wait(hours=4)
        world.servers[name].stop()
        world.run()
        world.servers[name].start()
        world.retries_come()
    assert open_kinds(world.last(name)) == {"check-overdue"}


def test_a_missing_cluster_is_not_overdue_as_well(world: World) -> None:
    """That it is missing says why nobody looks at it."""
    name = world.add("prod-a", "prod-b", "prod-c")
    world.run()
    world.vcenters[name].inventory.hide_cluster("prod-a")
    for _ in range(5):
        world.wait(hours=3)
        world.run()
    kinds = {(one["kind"], one["subject"]) for one in world.last(name)["after"]["findings"].values()}
    assert kinds == {
        ("cluster-missing", CLUSTER),
        ("check-overdue", "domain-c1008"),
        ("check-overdue", "domain-c1016"),
    }


def test_a_run_of_chosen_clusters_looks_into_no_log(world: World, name: str) -> None:
    """It tests nothing that needs them."""
    _passed(world, 12)
    world.wait(hours=8)
    world.run({name: ("prod-a",)})
    assert open_kinds(world.last(name)) == set()


@pytest.mark.usefixtures("name")
def test_logs_are_read_only_when_somebody_may_be_overdue(world: World) -> None:
    """A young installation of many clusters costs no request more than a listing."""
    world.aws.calls.clear()
    _passed(world, 4)
    assert not [key for call, key in world.aws.calls if CLUSTER in key]
