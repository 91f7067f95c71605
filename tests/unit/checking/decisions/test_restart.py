from typing import TYPE_CHECKING

from esx_drift.domain.stored.identifiers import VCENTER_LOG

from tests.lab.demo.timeline import FOOTHOLD
from tests.simulator import fault_kinds
from tests.unit.checking.decisions.person import Person, answered, decided, retire_requests
from tests.unit.checking.reading import moved, one, open_kinds
from tests.unit.checking.world import PROD_A, PROD_B, World

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import Record

INTERVAL_SECONDS = 4 * 3600


def _run(world: World) -> "Record":
    world.wait(INTERVAL_SECONDS)
    return world.dispatch()


def _replaced(world: World) -> str:
    """A watched vCenter with something open on prod-a, then another one in its place; its instance UUID."""
    _run(world)
    world.check()
    world.vcenter.hosts.add_orphaned_vib(_host(world), FOOTHOLD)
    world.check(PROD_B)
    assert ("orphaned-vib", "opened") in moved(world.check())
    world.vcenter.hosts.remove_orphaned_vib(_host(world), FOOTHOLD)
    world.vcenter.replace()
    world.vcenter.extract_all()
    assert ("vcenter-replaced", "opened") in moved(_run(world))
    return world.vcenter.instance_uuid


def _host(world: World) -> str:
    return world.vcenter.inventory.hosts_of(PROD_A)[0].name


def test_nothing_is_compared_until_somebody_accepts(world: World) -> None:
    """What is asked for meanwhile is recorded as not looked at."""
    _replaced(world)
    record = world.check()
    assert (record["outcome"], moved(record)) == ("not-looked", set())
    assert open_kinds(record) == {"orphaned-vib"}


def test_an_accepted_vcenter_begins_with_first_looks(world: World, person: Person) -> None:
    """In the same log; nothing is compared, and what was open on the cluster of before is retired."""
    uuid = _replaced(world)
    accepted = person.accept_vcenter(uuid)
    assert (accepted["outcome"], decided(accepted)["taken"]) == ("accepted", [uuid])
    assert moved(accepted) == {("vcenter-replaced", "resolved")}
    assert one(accepted["findings"], "vcenter-replaced")["resolved_because"] == "accepted"
    run = _run(world)
    assert run["outcome"] == "dispatched"
    assert [notice for notice in run["notices"] if "is watched again" in notice]
    seq = len(world.records())
    answered_before = world.after()["answered"]
    record = world.check()
    assert (record["seq"], record["outcome"], record["changes"]) == (seq + 1, "baseline", [])
    assert moved(record) == {("orphaned-vib", "resolved")}
    closed = one(record["findings"], "orphaned-vib")
    assert (closed["resolved_because"], closed["hosts"]) == ("retired", [])
    assert record["after"]["instance_uuid"] == uuid
    assert record["after"]["answered"][:-1] == answered_before
    assert [event["type"] for event in record["events"]] == [
        "esx-drift.baseline.recorded",
        "esx-drift.orphaned-vib.resolved",
    ]
    assert world.check()["outcome"] == "unchanged"


def test_what_the_new_cluster_shows_as_well_is_not_closed(world: World, person: Person) -> None:
    """One finding a record under one name: it is opened, and not at once resolved."""
    uuid = _replaced(world)
    world.vcenter.hosts.add_orphaned_vib(_host(world), FOOTHOLD)
    person.accept_vcenter(uuid)
    record = world.check()
    found = one(record["findings"], "orphaned-vib")
    assert (found["transition"], found["severity"]) == ("opened", "warning")


def test_a_restart_that_fails_closes_what_is_over_all_the_same(world: World, person: Person) -> None:
    """The first try at the new vCenter finds a report that is none; the next is a first look."""
    person.accept_vcenter(_replaced(world))
    world.vcenter.faults.inject("GET */installed-images", fault_kinds.document("legacy_maps"))
    record = world.check()
    assert record["outcome"] == "not-looked"
    assert moved(record) == {("orphaned-vib", "resolved"), ("document-invalid", "opened")}
    world.vcenter.faults.clear()
    after = world.check()
    assert (after["outcome"], moved(after)) == ("baseline", {("document-invalid", "resolved")})


def test_another_vcenter_than_was_shown_is_refused(world: World, person: Person) -> None:
    """Who accepted one instance accepted no other."""
    shown = _replaced(world)
    world.vcenter.replace()
    world.vcenter.extract_all()
    _run(world)
    record = person.accept_vcenter(shown)
    assert (decided(record)["taken"], decided(record)["refused"]) == ([], [shown])
    assert open_kinds(record) == {"vcenter-replaced"}
    assert retire_requests(world) == []
    assert world.check()["outcome"] == "not-looked"


def test_a_vcenter_that_was_not_replaced_cannot_be_accepted(world: World, person: Person) -> None:
    """There is nothing to accept."""
    _run(world)
    assert decided(person.accept_vcenter(world.vcenter.instance_uuid))["taken"] == []


def test_the_clusters_of_the_former_vcenter_are_closed(world: World, person: Person) -> None:
    """Each by a request of its own, also those whose id the new vCenter does not have."""
    uuid = _replaced(world)
    world.vcenter.inventory.remove_cluster("prod-a")
    request = person.request("accept", VCENTER_LOG, instance_uuid=uuid)
    answered(world, request)
    first = retire_requests(world)
    assert {one_["cluster"] for one_ in first} == {PROD_A, PROD_B}
    answered(world, request)
    assert [one_["request_id"] for one_ in retire_requests(world)] == [
        one_["request_id"] for one_ in (*first, *first)
    ]
    closed = answered(world, next(one_ for one_ in first if one_["cluster"] == PROD_A))
    assert moved(closed) == {("orphaned-vib", "resolved")}
    assert closed["events"][0]["data"]["findings"][0]["detail"]["reason"] == "CHG-42"
    run = _run(world)
    assert (run["outcome"], run["dispatch"] and run["dispatch"]["missing"]) == ("dispatched", [])
    assert moved(run) == set()


def test_a_log_that_began_anew_is_not_closed_by_what_was_before(world: World, person: Person) -> None:
    """A check that was still in the queue overtook the request to close the former cluster."""
    person.accept_vcenter(_replaced(world))
    late = next(one_ for one_ in retire_requests(world) if one_["cluster"] == PROD_A)
    world.vcenter.hosts.add_orphaned_vib(_host(world), FOOTHOLD)
    world.check()
    record = answered(world, late)
    assert decided(record)["refused"] == [PROD_A]
    assert open_kinds(record) == {"orphaned-vib"}


def test_what_was_open_about_former_clusters_is_retired(world: World, person: Person) -> None:
    """A cluster that was missing on the former vCenter is not missing on this one."""
    _run(world)
    world.vcenter.inventory.hide_cluster("prod-b")
    assert moved(_run(world)) == {("cluster-missing", "opened")}
    world.vcenter.replace()
    _run(world)
    record = person.accept_vcenter(world.vcenter.instance_uuid)
    assert one(record["findings"], "cluster-missing")["resolved_because"] == "retired"
    assert moved(_run(world)) == set()
