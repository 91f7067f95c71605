"""Which clusters a run asks to be checked."""

from typing import Any

import pytest
from esx_drift.contracts import list_violations
from esx_drift.domain.stored.identifiers import VCENTER_LOG, make_request_id
from esx_drift.errors import RequestRefused
from esx_drift.messages.content import build_content

from tests.simulator import fault_kinds
from tests.simulator.faults import Fault
from tests.unit.checking.reading import moved
from tests.unit.dispatching.world import World, dispatch_in, names_in


def test_each_listed_cluster_is_asked_for_once(world: World) -> None:
    """By a valid request, grouped by vCenter, with ids that follow from the run; the reply says the same."""
    name = world.add("prod-a", "prod-b")
    reply = world.run(run_id="run")
    sent = world.sent("check")
    assert [(one.body["cluster_name"], one.delay_seconds, one.group) for one in sent] == [
        ("prod-a", 0, name),
        ("prod-b", 0, name),
    ]
    for one, dispatched in zip(sent, reply["dispatched"], strict=True):
        assert list_violations("check-request", one.body) == []
        assert one.body["phase"] == "extract"
        assert one.body["run_id"] == "run"
        assert one.body["request_id"] == make_request_id("run", name, one.body["cluster"])
        assert dispatched["request_id"] == one.body["request_id"]
    assert reply["failed"] == []


def test_without_extraction_the_last_report_is_collected(world: World) -> None:
    """A vCenter whose fleet entry says so is never asked to extract."""
    world.add("prod-a", extract=False)
    world.run()
    assert [one.body["phase"] for one in world.sent("check")] == ["collect"]


def test_patterns_leave_out_by_name_and_by_id(world: World) -> None:
    """The record says which pattern did it."""
    name = world.add("prod-a", "lab-1", "test", exclude=("lab-*", "domain-c1016"))
    assert names_in(world.run()) == ["prod-a"]
    excluded = {one["name"]: one["pattern"] for one in dispatch_in(world.last(name))["excluded"]}
    assert excluded == {"lab-1": "exclude: lab-*", "test": "exclude: domain-c1016"}


def test_only_what_is_included_is_asked_for(world: World) -> None:
    """What nothing includes is left out by all of the patterns."""
    name = world.add("prod-a", "lab-1", include=("prod-*",))
    assert names_in(world.run()) == ["prod-a"]
    (excluded,) = dispatch_in(world.last(name))["excluded"]
    assert (excluded["name"], excluded["pattern"]) == ("lab-1", "include: prod-*")


@pytest.mark.parametrize("name", ["DEV/QA", "DEV\\QA", "DEV%QA", "DEV%2fQA"])
def test_patterns_match_names_as_people_wrote_them(world: World, name: str) -> None:
    """The API escapes these characters; records and messages show none of that."""
    vcenter = world.add(name, "prod-a", exclude=(f"{name[:4]}*",))
    assert names_in(world.run()) == ["prod-a"]
    assert [one["name"] for one in dispatch_in(world.last(vcenter))["excluded"]] == [name]
    world.set(vcenter, include=(name,), exclude=())
    assert names_in(world.run()) == [name]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"include": ("prd-*",)}, "include: prd-*"),
        ({"exclude": ("prod-*", "lab-*")}, "exclude: lab-*, exclude: prod-*"),
    ],
)
def test_a_vcenter_of_which_nothing_is_watched_is_told_until_something_is(
    world: World, settings: dict[str, Any], why: str
) -> None:
    """Once, in the vCenter's own log: a typo in a pattern is no silence."""
    name = world.add("prod-a", "lab-1", **settings)
    for _ in range(3):
        assert names_in(world.run()) == []
        world.wait(hours=4)
    finding = world.findings(name)["nothing-watched"]
    assert (finding["severity"], finding["subject"], finding["detail"]["listed"]) == ("warning", "", 2)
    assert finding["summary"] == (
        f"{name} lists 2 clusters (prod-a, lab-1), and the fleet file leaves out every one ({why}):"
        f" nothing of {name} is watched"
    )
    content = build_content(world.topic.published[0])
    assert content.title == f"{name}: nothing of it is watched: the fleet file leaves out every cluster"
    assert content.next_step is not None
    world.set(name, include=("prod-*",), exclude=())
    assert names_in(world.run()) == ["prod-a"]
    assert moved(world.last(name)) == {("nothing-watched", "resolved")}
    assert build_content(world.topic.published[1]).title.startswith(
        f"{name}: clusters of it are watched again"
    )
    assert len(world.topic.published) == 2
    world.assert_well_told()


def test_an_empty_listing_does_not_end_it(world: World) -> None:
    """That the account sees nothing any more is told beside it."""
    name = world.add("lab-1", include=("prod-*",))
    world.run()
    world.vcenters[name].inventory.hide_cluster("lab-1")
    world.wait(hours=4)
    world.run()
    assert world.findings(name).keys() == {"nothing-watched", "vcenter-authorization"}
    assert "(lab-1)" in world.findings(name)["nothing-watched"]["summary"]


def test_what_the_fleet_file_gives_up_is_retired_and_nothing_is_left(world: World) -> None:
    """A pattern that leaves out all that was watched closes their findings, and is told itself."""
    name = world.add("prod-a")
    world.run()
    world.set(name, exclude=("prod-?",))
    world.wait(hours=4)
    world.run()
    assert moved(world.last(name)) == {("nothing-watched", "opened")}
    assert [one.body["action"] for one in world.sent("check")] == ["check", "retire"]


def test_a_known_cluster_is_asked_for_though_it_is_not_listed(world: World) -> None:
    """Its own check then says what the vCenter answers of it."""
    name = world.add("prod-a", "prod-b", "prod-c")
    world.run()
    world.vcenters[name].inventory.remove_cluster("prod-b")
    assert names_in(world.run()) == ["prod-a", "prod-b", "prod-c"]
    dispatch = dispatch_in(world.last(name))
    assert [one["name"] for one in dispatch["expected"] if not one["listed"]] == ["prod-b"]
    assert [one["name"] for one in dispatch["missing"]] == ["prod-b"]


@pytest.mark.parametrize("cluster", ["@vcenter", "..", "domain\nc9", "c" * 301])
def test_a_cluster_whose_id_is_of_no_use_is_told(world: World, cluster: str) -> None:
    """At once and once, as long as it is listed and no pattern leaves it out; the others are asked for."""
    name = world.add("prod-a", exclude=("lab",))
    inventory = world.vcenters[name].inventory
    inventory.add_cluster("odd\x00", cluster)
    inventory.add_cluster("lab", f"@{cluster}")
    assert names_in(world.run()) == ["prod-a"]
    summary = world.findings(name)["vcenter-error"]["summary"]
    assert summary.endswith(
        "lists 1 cluster under an id that no vCenter makes, which nobody can check: odd\ufffd"
    )
    world.wait(hours=4)
    assert names_in(world.run()) == ["prod-a"]
    assert moved(world.last(name)) == set()
    inventory.remove_cluster("odd\x00")
    world.wait(hours=4)
    world.run()
    assert moved(world.last(name)) == {("vcenter-error", "resolved")}


def test_chosen_clusters_go_by_id_or_name(world: World) -> None:
    """Just these are asked for; one that there isn't, or that a pattern leaves out, is named as failed."""
    name = world.add("prod-a", "prod-b", "prod-c", "lab", exclude=("lab",))
    other = world.add("edge")
    reply = world.run({name: ("domain-c9", "prod-c", "gone", "lab")})
    assert names_in(reply) == ["prod-a", "prod-c"]
    assert [(one["cluster"], one["reason"]) for one in reply["failed"]] == [
        ("gone", "cluster-missing"),
        ("lab", "cluster-missing"),
    ]
    assert world.records(other) == []
    assert dispatch_in(world.last(name))["selected"]


def test_a_vcenter_that_the_fleet_does_not_know_stops_the_run(world: World) -> None:
    """Nothing is written and nothing is sent, for the known one neither."""
    name = world.add("prod-a")
    with pytest.raises(RequestRefused, match="vc99"):
        world.run({name: ("prod-a",), "vc99": ("prod-a",)})
    assert world.records(name) == []
    assert world.aws.sent == []


def test_a_retry_of_a_vcenter_that_left_the_fleet_is_refused(world: World) -> None:
    """The message ends as a dead letter instead of being forgotten."""
    retry = {"schema_version": 1, "vcenter": "vc99", "run_id": "r", "attempt": 1, "reason": "vcenter-error"}
    with pytest.raises(RequestRefused, match="vc99"):
        world.retry(retry)


def test_standalone_hosts_are_counted(world: World) -> None:
    """Nobody looks at them: the record says how many they are."""
    name = world.add("prod-a")
    for host in ("alone-1", "alone-2"):
        world.vcenters[name].inventory.add_host(None, host)
    world.run()
    assert dispatch_in(world.last(name))["standalone_hosts"] == 2


@pytest.mark.parametrize(
    "fault", [fault_kinds.status(403), fault_kinds.status(500), fault_kinds.connection("close")]
)
def test_hosts_that_cannot_be_counted_keep_no_cluster_from_being_checked(world: World, fault: Fault) -> None:
    """Nobody watches them anyway; the record says that they were not counted, and why."""
    name = world.add("prod-a")
    world.vcenters[name].faults.inject("GET /api/vcenter/host", fault)
    assert names_in(world.run()) == ["prod-a"]
    record = world.last(name)
    assert dispatch_in(record)["standalone_hosts"] is None
    (notice,) = record["notices"]
    assert notice.startswith("hosts in no cluster were not counted: ")
    assert world.topic.published == []


@pytest.mark.parametrize(("skew_seconds", "said"), [(301, "5 min ahead of"), (-7200, "120 min behind")])
def test_a_clock_that_is_wrong_is_told_until_it_goes_right(
    world: World, skew_seconds: int, said: str
) -> None:
    """Over 5 minutes, once for all clusters; how far it is off stands in each record."""
    name = world.add("prod-a", "prod-b")
    for skew, expected in (
        (300, set()),
        (skew_seconds, {("clock-skewed", "opened")}),
        (skew_seconds, set()),
        (0, {("clock-skewed", "resolved")}),
    ):
        world.vcenters[name].skew_seconds = skew
        world.run()
        record = world.last(name)
        assert record["clock"]["skew_seconds"] == skew  # type: ignore[index]  # it is there
        assert moved(record) == expected
    opened = world.topic.published[0]["data"]["findings"][0]
    assert said in opened["summary"]
    assert opened["severity"] == "warning"


def test_a_cluster_that_is_renamed_to_be_left_out_is_watched_and_told(world: World) -> None:
    """Whoever may rename it in the vCenter does not decide what is watched: the fleet file does."""
    name = world.add("prod-a", "prod-b", exclude=("lab-*",))
    world.run()
    world.vcenters[name].inventory.rename_cluster("prod-b", "lab-b")
    for expected in ({("cluster-renamed", "opened")}, set()):
        assert names_in(world.run()) == ["prod-a", "lab-b"]
        assert moved(world.last(name)) == expected
    assert "prod-b" in world.topic.published[0]["data"]["findings"][0]["summary"]
    world.set(name, exclude=("lab-*", "prod-b"))
    assert names_in(world.run()) == ["prod-a"]
    (finding,) = world.last(name)["findings"]
    assert finding["resolved_because"] == "retired"


def test_the_reply_keeps_the_order_of_the_fleet_file(world: World) -> None:
    """However long each vCenter takes, and with more of them than are listed at once."""
    names = [world.add("prod") for _ in range(12)]
    reply = world.run()
    assert [one["vcenter"] for one in reply["dispatched"]] == names
    assert len(world.sent("check")) == 12


def test_an_empty_fleet_has_nothing_to_do(world: World) -> None:
    """A fleet file without a vCenter is valid."""
    reply = world.run()
    assert (reply["dispatched"], reply["failed"]) == ([], [])


def test_the_record_tells_who_answered(world: World) -> None:
    """Outcome, instance and release; nothing else is open, and nobody is told."""
    name = world.add("prod-a")
    world.run()
    record = world.last(name)
    assert record["cluster"] == VCENTER_LOG
    assert record["outcome"] == "dispatched"
    assert record["about"] == {
        "instance_uuid": world.vcenters[name].instance_uuid,
        "version": "8.0.3",
        "build": "24674346",
    }
    assert world.topic.published == []


def test_what_is_new_about_a_vcenter_is_noticed_once(world: World) -> None:
    """A cluster that is new, renamed or back, and another release: in the record, and no event."""
    name = world.add("prod-a", "prod-b")
    vcenter = world.vcenters[name]
    world.run()
    assert world.last(name)["notices"] == []
    vcenter.inventory.rename_cluster("prod-a", "prod-z")
    vcenter.inventory.add_cluster("prod-c")
    vcenter.version, vcenter.build = "9.0.0", "24755230"
    world.run()
    assert world.last(name)["notices"] == [
        f"{name} is now vCenter 9.0.0 build 24755230, before vCenter 8.0.3 build 24674346",
        "cluster domain-c9 is now called prod-z, before prod-a",
        "cluster prod-c (domain-c1016) is new",
    ]
    assert [one.body["cluster_name"] for one in world.sent("check")][-3:] == ["prod-z", "prod-b", "prod-c"]
    world.run()
    assert world.last(name)["notices"] == []
    assert world.topic.published == []


def test_an_upgrade_is_noticed_behind_the_outage_that_it_is(world: World) -> None:
    """The vCenter was away while it was upgraded: what it was before is not forgotten."""
    name = world.add("prod-a")
    world.run()
    world.servers[name].stop()
    world.run()
    world.vcenters[name].version = "9.0.0"
    world.servers[name].start()
    world.run()
    (notice,) = world.last(name)["notices"]
    assert notice.startswith(f"{name} is now vCenter 9.0.0")
