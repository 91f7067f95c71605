"""A host is the same host wherever it goes on its vCenter: compared with what it ran where it was before."""

from collections import Counter
from collections.abc import Callable
from itertools import count, cycle
from random import Random
from typing import TYPE_CHECKING, cast

import pytest
from esx_drift.adapters.audit_store import S3Store
from esx_drift.checking import host_memory
from esx_drift.domain.changes.new_hosts import MAX_NAMED_DIFFERENCES
from esx_drift.domain.stored.identifiers import VCENTER_LOG, make_state_key
from esx_drift.domain.stored.types import Change, Record
from esx_drift.errors import OutOfTime, StoreUnavailable
from esx_drift.ports import StoredState

from tests.simulator import fault_kinds
from tests.unit.checking.decisions.person import Person
from tests.unit.checking.forms import FIRST, LOWER_CASE
from tests.unit.checking.reading import moved, of_host, one, open_kinds, told
from tests.unit.checking.world import INTERVAL_SECONDS, PROD_A, PROD_B, World

if TYPE_CHECKING:
    from esx_drift.domain.host_history import HostIndex

I40EN = "Intel-i40en"
OLDER = "1.8.6.0-1OEM.700.1.0.15843807"
VIB = "mft(4.25.0.802-0)"
GETS_OF_A_FIRST_LOOK = 9
"""Beside those of other logs."""
FROM_A = {"moved_from": {"id": PROD_A, "name": "prod-a"}}


def check_both(world: World) -> None:
    """Both clusters are known."""
    world.check(PROD_A)
    world.check(PROD_B)


def change_of(record: Record, element: str) -> Change:
    """The only change of an element."""
    (change,) = (change for change in record["changes"] if change["element"] == element)
    return change


def remove_and_add(world: World, name: str, cluster: str, new_name: str | None = None) -> str:
    """Take a host out of the vCenter, and add it to a cluster with what it ran; its new id."""
    gone = world.vcenter.inventory.host(name)
    world.vcenter.inventory.remove_host(name)
    added = world.vcenter.inventory.add_host(cluster, new_name or name, gone.software, gone.host_uuid)
    for vib in gone.orphaned_vibs:
        world.vcenter.hosts.add_orphaned_vib(added, vib)
    return added


@pytest.mark.parametrize("looked_since", [False, True])
def test_a_host_that_moves_is_compared_with_what_it_ran(world: World, *, looked_since: bool) -> None:
    """Whether or not the cluster that it left was looked at in between; what was accepted goes with it."""
    check_both(world)
    host = world.vcenter.inventory.host("esx04").host
    accepted = world.after()["accepted"][host]
    world.vcenter.hosts.move("esx04", "prod-b")
    world.vcenter.hosts.set_component("esx04", I40EN, OLDER)
    if looked_since:
        world.check(PROD_A)
    record = world.check(PROD_B)
    assert told(record) == {("host", "added", host), ("component", "downgraded", I40EN)}
    assert (of_host(record)["severity"], of_host(record)["detail"]) == ("info", FROM_A)
    assert change_of(record, "component")["severity"] == "critical"
    assert record["after"]["accepted"][host] == accepted
    assert one(record["findings"], "drift-unreviewed")["hosts"] == [host]


def test_a_host_that_moves_unchanged_changes_nothing_else(world: World) -> None:
    """Its orphaned VIB of the first look was accepted there, and is no worse here."""
    world.vcenter.hosts.add_orphaned_vib("esx04", VIB)
    check_both(world)
    world.vcenter.hosts.move("esx04", "prod-b")
    record = world.check(PROD_B)
    host = world.vcenter.inventory.host("esx04").host
    assert told(record) == {("host", "added", host), ("orphaned_vib", "added", VIB)}
    vib = change_of(record, "orphaned_vib")
    assert (vib["severity"], vib["detail"]) == ("info", {"brought_along": True})
    assert one(record["findings"], "orphaned-vib")["severity"] == "warning"
    assert "drift-unreviewed" not in open_kinds(record)


def test_a_vib_that_comes_on_the_way_is_critical(world: World) -> None:
    """It was not on the host where it was before."""
    check_both(world)
    world.vcenter.hosts.move("esx04", "prod-b")
    world.vcenter.hosts.add_orphaned_vib("esx04", VIB)
    record = world.check(PROD_B)
    vib = change_of(record, "orphaned_vib")
    assert (vib["severity"], vib["detail"]) == ("critical", None)
    assert one(record["findings"], "orphaned-vib")["severity"] == "critical"


@pytest.mark.parametrize("name", ["esx04", "ESX04", "esx04.", "esx04.corp.example"])
def test_a_host_that_is_removed_and_added_elsewhere_is_known_by_its_name(world: World, name: str) -> None:
    """In whatever case, with or without its domain: its new id hides nothing. No UUID helps."""
    world.vcenter.faults.inject("POST */RetrievePropertiesEx", fault_kinds.status(500))
    check_both(world)
    old = world.vcenter.inventory.host("esx04").host
    new = remove_and_add(world, "esx04", "prod-b", name)
    world.vcenter.hosts.set_component(new, I40EN, OLDER)
    record = world.check(PROD_B)
    assert told(record) == {("host", "changed", new), ("component", "downgraded", I40EN)}
    host = of_host(record)
    assert (host["from"], host["to"], host["detail"]) == (old, new, FROM_A)


def test_all_hosts_that_move_into_a_new_cluster_are_compared(world: World) -> None:
    """Its first look is one all the same: nothing is said of hosts that nobody knows."""
    check_both(world)
    cluster = world.vcenter.inventory.add_cluster("prod-new")
    names = [host.name for host in world.vcenter.inventory.hosts_of(PROD_A)]
    world.vcenter.hosts.move(names, "prod-new")
    world.vcenter.hosts.add_orphaned_vib("esx02", VIB)
    world.vcenter.inventory.add_host("prod-new", "esx99")
    record = world.check(cluster)
    assert record["outcome"] == "baseline"
    assert {(change["element"], change["kind"]) for change in record["changes"]} == {
        ("host", "added"),
        ("orphaned_vib", "added"),
    }
    added = {change["key"] for change in record["changes"] if change["element"] == "host"}
    assert added == {world.vcenter.inventory.host(name).host for name in names}
    assert change_of(record, "orphaned_vib")["severity"] == "critical"
    assert one(record["findings"], "orphaned-vib")["severity"] == "critical"
    types = [event["type"] for event in record["events"]]
    assert types == [
        "esx-drift.baseline.recorded",
        "esx-drift.orphaned-vib.detected",
        "esx-drift.drift.detected",
    ]


def test_two_clusters_that_swap_their_hosts_hide_nothing(world: World) -> None:
    """Each host is compared with what it ran in the other cluster."""
    check_both(world)
    in_a, in_b = (
        [host.name for host in world.vcenter.inventory.hosts_of(cluster)] for cluster in (PROD_A, PROD_B)
    )
    world.vcenter.hosts.move(in_a, "prod-b")
    world.vcenter.hosts.move(in_b, "prod-a")
    world.vcenter.hosts.set_component(in_a[0], I40EN, OLDER)
    host = world.vcenter.inventory.host(in_a[0]).host
    record = world.check(PROD_B)
    assert change_of(record, "component")["hosts"] == [host]
    kinds = {(change["element"], change["kind"]) for change in world.check(PROD_A)["changes"]}
    assert kinds == {("host", "added"), ("host", "removed")}


def test_what_was_seen_last_is_what_counts(world: World) -> None:
    """Back in its first cluster, a host is compared with what it ran in the second."""
    check_both(world)
    world.vcenter.hosts.move("esx04", "prod-b")
    world.check(PROD_A)
    world.vcenter.hosts.set_component("esx04", I40EN, OLDER)
    world.check(PROD_B)
    world.check(PROD_A)
    world.vcenter.hosts.move("esx04", "prod-a")
    record = world.check(PROD_A)
    host = world.vcenter.inventory.host("esx04").host
    assert told(record) == {("host", "added", host)}
    assert of_host(record)["detail"] == {"moved_from": {"id": PROD_B, "name": "prod-b"}}


def test_a_host_that_moves_unseen_is_compared_when_it_is_seen(world: World) -> None:
    """Nothing is lost by its being out of reach at first."""
    check_both(world)
    world.vcenter.hosts.move("esx04", "prod-b")
    world.vcenter.hosts.set_component("esx04", I40EN, OLDER)
    world.vcenter.hosts.fail_extraction("esx04")
    host = world.vcenter.inventory.host("esx04").host
    assert told(world.check(PROD_B)) == {("host", "added", host)}
    world.vcenter.hosts.fail_extraction("esx04", None)
    record = world.check(PROD_B)
    assert told(record) == {("component", "downgraded", I40EN)}
    assert ("drift-unreviewed", "opened") in moved(record)


@pytest.mark.parametrize("vib_goes", [False, True])
@pytest.mark.parametrize("was_unseen", [False, True])
def test_what_nobody_saw_of_a_host_that_is_added_again_is_not_over(
    world: World, *, vib_goes: bool, was_unseen: bool
) -> None:
    """Its orphaned VIB and its downgrade stay open under the new id; once it is read it is compared."""
    world.check()
    world.vcenter.hosts.add_orphaned_vib("esx04", VIB)
    world.vcenter.hosts.set_component("esx04", I40EN, OLDER)
    before = open_kinds(world.check())
    assert before == {"orphaned-vib", "drift-unreviewed", "image-not-uniform"}
    if was_unseen:
        world.vcenter.hosts.fail_extraction("esx04")
        world.check()
    since = world.after()["uncovered_since"]
    old = world.vcenter.inventory.host("esx04").host
    new = remove_and_add(world, "esx04", "prod-a")
    world.vcenter.hosts.fail_extraction(new)
    back = world.check()
    assert told(back) == {("host", "changed", new)}
    assert {finding["kind"] for finding in back["findings"] if finding["transition"] == "resolved"} <= {
        "host-failed"
    }
    assert one(back["after"]["findings"].values(), "orphaned-vib")["hosts"] == [new]
    assert open_kinds(back) == {*before, "host-failed"}
    assert not was_unseen or back["after"]["uncovered_since"] == {new: since[old]}
    assert world.check()["outcome"] == "unchanged"
    world.vcenter.hosts.fail_extraction(new, None)
    if vib_goes:
        world.vcenter.hosts.remove_orphaned_vib(new, VIB)
    seen = world.check()
    assert told(seen) == ({("orphaned_vib", "removed", VIB)} if vib_goes else set())
    assert (("orphaned-vib", "resolved") in moved(seen)) == vib_goes
    assert open_kinds(seen) == before - ({"orphaned-vib"} if vib_goes else set())


def test_a_host_that_comes_back_in_a_blind_look_is_unseen_for_as_long_as_before(world: World) -> None:
    """Though that look compares nothing: the next one that sees any host knows it again."""
    world.check()
    world.vcenter.hosts.fail_extraction("esx04")
    world.check()
    since = world.after()["uncovered_since"]
    (old,) = since
    new = remove_and_add(world, "esx04", "prod-a")
    others = [host.name for host in world.vcenter.inventory.hosts_of(PROD_A) if host.host != new]
    for host in (*others, new):
        world.vcenter.hosts.fail_extraction(host)
    assert [world.check()["outcome"] for _ in range(2)] == ["not-covered"] * 2
    for host in others:
        world.vcenter.hosts.fail_extraction(host, None)
    assert told(world.check()) == {("host", "changed", new)}
    assert world.after()["uncovered_since"] == {new: since[old]}
    world.vcenter.hosts.fail_extraction(new, None)
    world.check()
    assert world.after()["uncovered_since"] == {}


@pytest.mark.parametrize("differs", [False, True])
def test_a_host_that_nobody_knows_is_held_against_its_cluster(world: World, *, differs: bool) -> None:
    """One that runs what the others run is no warning; of another it is said in what it differs."""
    check_both(world)
    software = world.vcenter.inventory.host("esx01").software
    host = world.vcenter.inventory.add_host("prod-a", "esx77", software)
    if differs:
        world.vcenter.hosts.set_component("esx77", I40EN, OLDER)
    record = world.check(PROD_A)
    change = of_host(record)
    usual = software["components"][I40EN]["version"]
    differences = [{"element": "component", "key": I40EN, "from": usual, "to": OLDER}] if differs else []
    assert (change["kind"], change["key"]) == ("added", host)
    assert change["severity"] == ("warning" if differs else "info")
    assert change["detail"] == {"compared_with": 4, "differences": differences, "more": 0}


def test_of_a_very_different_host_the_first_differences_are_named(world: World) -> None:
    """The others are counted."""
    check_both(world)
    software = world.vcenter.inventory.host("esx01").software
    world.vcenter.inventory.add_host("prod-a", "esx77", software)
    for component in [*software["components"]][: MAX_NAMED_DIFFERENCES + 2]:
        world.vcenter.hosts.uninstall_component("esx77", component)
    detail = of_host(world.check(PROD_A))["detail"]
    assert detail is not None
    assert len(cast("list[object]", detail["differences"])) == MAX_NAMED_DIFFERENCES
    assert detail["more"] == 2


def test_new_hosts_of_an_empty_cluster_are_held_against_each_other(world: World) -> None:
    """There is nobody else; a single one can be held against nothing."""
    cluster = world.vcenter.inventory.add_cluster("prod-new")
    assert world.check(cluster)["coverage"] == {"hosts": 0, "covered": 0, "failed": 0, "unsupported": 0}
    world.vcenter.inventory.add_host("prod-new", "esx70")
    alone = of_host(world.check(cluster))
    assert (alone["severity"], alone["detail"]) == (
        "warning",
        {"compared_with": 0, "differences": [], "more": 0},
    )
    world.vcenter.inventory.remove_host("esx70")
    world.check(cluster)
    for name in ("esx71", "esx72", "esx73"):
        world.vcenter.inventory.add_host("prod-new", name)
    record = world.check(cluster)
    assert {change["severity"] for change in record["changes"]} == {"info"}
    assert {str(change["detail"]) for change in record["changes"]} == {
        str({"compared_with": 2, "differences": [], "more": 0})
    }


def test_a_new_host_that_is_not_seen_yet_is_no_warning_by_itself(world: World) -> None:
    """Its finding says so."""
    check_both(world)
    world.vcenter.inventory.add_host("prod-a", "esx77")
    world.vcenter.hosts.fail_extraction("esx77")
    record = world.check(PROD_A)
    assert of_host(record)["severity"] == "info"
    assert ("host-failed", "opened") in moved(record)


def test_a_namesake_is_another_host(world: World) -> None:
    """Where the vCenter still has the one that was known by the name, it is not the one that came."""
    world.vcenter.inventory.host("esx04").name = "esx04.site-a.example"
    check_both(world)
    new = world.vcenter.inventory.add_host("prod-b", "esx04")
    record = world.check(PROD_B)
    assert told(record) == {("host", "added", new)}
    assert "moved_from" not in (of_host(record)["detail"] or {})


def test_hosts_of_two_domains_are_not_taken_for_one(world: World) -> None:
    """A short name says nothing where two hosts may be meant, gone or come."""
    for name, domain in (("esx03", "site-a"), ("esx04", "site-b")):
        world.vcenter.inventory.host(name).name = f"esx.{domain}.example"
    check_both(world)
    for domain in ("site-a", "site-b"):
        world.vcenter.inventory.remove_host(f"esx.{domain}.example")
    new = world.vcenter.inventory.add_host("prod-b", "esx")
    assert told(world.check(PROD_B)) == {("host", "added", new)}


@pytest.mark.parametrize("stays", [False, True])
def test_who_left_just_now_is_asked_for_too(world: World, *, stays: bool) -> None:
    """A host that moved away is still in the vCenter: one of its first name that joins is another."""
    check_both(world)
    old = world.vcenter.inventory.host("esx04").host
    machine = world.vcenter.inventory.host("esx04")
    if stays:
        world.vcenter.hosts.move("esx04", "prod-b")
    else:
        world.vcenter.inventory.remove_host("esx04")
    uuid = None if stays else machine.host_uuid
    new = world.vcenter.inventory.add_host("prod-a", "esx04.site-b.example", machine.software, uuid)
    world.vcenter.hosts.set_component(new, I40EN, OLDER)
    record = world.check(PROD_A)
    if stays:
        assert told(record) == {("host", "removed", old), ("host", "added", new)}
        assert (of_host_at(record, new)["detail"] or {})["compared_with"] == 3
    else:
        assert told(record) == {("host", "changed", new), ("component", "downgraded", I40EN)}


def test_a_host_of_another_domain_that_joins_as_one_leaves_is_another(world: World) -> None:
    """The first label is all that they have in common."""
    world.vcenter.inventory.host("esx04").name = "esx04.site-a.example"
    check_both(world)
    old = world.vcenter.inventory.host("esx04.site-a.example").host
    world.vcenter.inventory.remove_host(old)
    new = world.vcenter.inventory.add_host("prod-a", "esx04.site-b.example")
    record = world.check(PROD_A)
    assert told(record) == {("host", "removed", old), ("host", "added", new)}


def of_host_at(record: Record, host: str) -> Change:
    """The only change of this host itself."""
    (change,) = (one for one in record["changes"] if (one["element"], one["key"]) == ("host", host))
    return change


@pytest.mark.parametrize("moves", [False, True])
def test_hosts_that_swap_their_names_are_who_they_are(world: World, *, moves: bool) -> None:
    """By their ids, here and in another cluster: each is compared with what it ran itself."""
    world.vcenter.hosts.set_component("esx03", I40EN, OLDER)
    check_both(world)
    three, four = (world.vcenter.inventory.host(name) for name in ("esx03", "esx04"))
    three.name, four.name = four.name, three.name
    if moves:
        world.vcenter.hosts.move([three.host, four.host], "prod-b")
    record = world.check(PROD_B if moves else PROD_A)
    kind = "added" if moves else "relabelled"
    assert told(record) == {("host", kind, three.host), ("host", kind, four.host)}


def test_a_host_under_the_former_name_of_one_that_moved_is_another(world: World) -> None:
    """Though it has the lower id, and comes with it."""
    stranger = world.vcenter.inventory.add_host(None, "esx99")
    first = world.vcenter.inventory.add_host("prod-a", "esx08")
    assert int(stranger.removeprefix("host-")) < int(first.removeprefix("host-"))
    check_both(world)
    world.vcenter.inventory.host(first).name = "esx98"
    world.vcenter.inventory.host(stranger).name = "esx08"
    world.vcenter.hosts.move([stranger, first], "prod-b")
    record = world.check(PROD_B)
    assert of_host_at(record, first)["detail"] == FROM_A
    assert (of_host_at(record, stranger)["detail"] or {})["compared_with"] == 3


def test_of_two_that_may_be_one_known_host_one_is(world: World) -> None:
    """Whose whole name it is; the other counts as unknown."""
    world.vcenter.inventory.host("esx04").name = "esx04.site-a.example"
    check_both(world)
    old = world.vcenter.inventory.host("esx04.site-a.example").host
    world.vcenter.inventory.add_host("prod-b", "esx04")
    new = remove_and_add(world, old, "prod-b", "esx04.site-a.example")
    record = world.check(PROD_B)
    assert {
        (change["kind"], change["from"]) for change in record["changes"] if change["element"] == "host"
    } == {
        ("added", None),
        ("changed", old),
    }
    assert of_host_at(record, new)["detail"] == FROM_A


@pytest.mark.parametrize("added_again", [False, True])
def test_a_full_cluster_that_moves_is_compared(world: World, *, added_again: bool) -> None:
    """96 hosts at once, as many as a cluster of vSphere 8 has: what one of them runs else is one change."""
    software = world.vcenter.inventory.host("esx01").software
    names = [f"esx{number}" for number in range(101, 193)]
    for name in names:
        world.vcenter.inventory.add_host("prod-a", name, software)
    check_both(world)
    names += [f"esx0{number}" for number in range(1, 5)]
    if added_again:
        names = [remove_and_add(world, name, "prod-b") for name in names]
    else:
        world.vcenter.hosts.move(names, "prod-b")
    world.vcenter.hosts.set_component(names[0], I40EN, OLDER)
    reads = reads_of(world, PROD_B, PROD_A)
    record = world.records(PROD_B)[-1]
    hosts = [change for change in record["changes"] if change["element"] == "host"]
    assert len(hosts) == 96
    assert {change["kind"] for change in hosts} == {"changed" if added_again else "added"}
    assert {str(change["detail"]) for change in hosts} == {str(FROM_A)}
    assert len(change_of(record, "component")["hosts"]) == 1
    assert reads == ["GetObject"] * 3


def test_of_a_vcenter_in_the_place_of_another_no_host_is_known(world: World) -> None:
    """It gives the same ids and names to other machines: nothing of what the logs know is theirs."""
    check_both(world)
    world.dispatch()
    world.vcenter.replace()
    world.vcenter.hosts.set_component("esx04", I40EN, OLDER)
    world.vcenter.hosts.move("esx04", "prod-b")
    world.vcenter.inventory.host("esx05").name = "esx01.corp.example"
    world.vcenter.extract_all()
    assert open_kinds(world.dispatch()) == {"vcenter-replaced"}
    Person(world).accept_vcenter(world.vcenter.instance_uuid)
    record = world.check(PROD_B)
    assert (record["outcome"], record["changes"]) == ("baseline", [])
    world.vcenter.inventory.add_host("prod-b", "esx02", world.vcenter.inventory.host("esx06").software)
    assert "moved_from" not in (of_host(world.check(PROD_B))["detail"] or {})


def test_a_spoilt_pointer_of_another_log_hides_no_host(world: World) -> None:
    """The records of that log are the truth."""
    check_both(world)
    world.aws.s3.put_object(Bucket="state", Key=make_state_key(world.watched.name, PROD_A), Body=b"rubbish")
    world.vcenter.hosts.move("esx04", "prod-b")
    world.vcenter.hosts.set_component("esx04", I40EN, OLDER)
    assert ("component", "downgraded", I40EN) in told(world.check(PROD_B))
    assert ("trail-damaged", "opened") in moved(world.check(PROD_A))


def delete_snapshot(world: World) -> None:
    """And the document that it could be made of again."""
    known = world.after()["snapshot"]
    record = world.records()[-1]
    assert known is not None
    assert record["document"] is not None
    for key in (known["key"], record["document"]["key"]):
        world.aws.s3.delete_object(Bucket="audit", Key=key)
        world.spoilt.add(key)


def be_of_a_newer_form(world: World) -> None:
    """As after a rollback of this product in the middle of a day: prod-a's is of a later form."""
    with pytest.MonkeyPatch.context() as patch:
        LOWER_CASE.use(patch)
        world.check(PROD_A)


@pytest.mark.parametrize("spoil", [delete_snapshot, be_of_a_newer_form])
def test_what_cannot_be_read_of_another_log_ends_no_look(
    world: World, spoil: Callable[[World], None]
) -> None:
    """Its host counts as one that nobody knows, which is more said and not less."""
    check_both(world)
    spoil(world)
    world.vcenter.hosts.move("esx04", "prod-b")
    record = world.check(PROD_B)
    assert of_host(record)["severity"] == "warning"
    assert "differences" in (of_host(record)["detail"] or {})


@pytest.mark.parametrize("cluster", ["prod-b", "prod-new"])
def test_where_s3_does_not_answer_the_check_is_made_again(
    world: World, cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the host would count as unknown, and what changed on the way as accepted; at a first look, too."""
    world.check(PROD_A)
    world.check(PROD_B)
    where = PROD_B if cluster == "prod-b" else world.vcenter.inventory.add_cluster(cluster)
    world.vcenter.hosts.move("esx04", cluster)
    world.vcenter.hosts.set_component("esx04", I40EN, OLDER)
    world.wait(INTERVAL_SECONDS)
    request, read = world.request(where), S3Store.state

    def throttled(self: S3Store, vcenter: str, name: str) -> StoredState | None:
        if name == PROD_A:
            raise StoreUnavailable("S3 could not serve it: SlowDown")
        return read(self, vcenter, name)

    with monkeypatch.context() as patch:
        patch.setattr(S3Store, "state", throttled)
        with pytest.raises(StoreUnavailable, match="SlowDown"):
            world.follow(request)
    record = world.follow(world.comes_back())
    assert ("component", "downgraded", I40EN) in told(record)


def test_another_clusters_older_form_is_converted(world: World) -> None:
    """What is carried over refers to snapshots that are stored with the record."""
    with pytest.MonkeyPatch.context() as patch:
        FIRST.use(patch)
        check_both(world)
    world.vcenter.hosts.move("esx04", "prod-b")
    world.vcenter.hosts.set_component("esx04", I40EN, OLDER)
    record = world.check(PROD_B)
    host = world.vcenter.inventory.host("esx04").host
    assert told(record) == {("host", "added", host), ("component", "downgraded", I40EN)}
    accepted = record["after"]["accepted"][host]
    assert accepted["image"] in world.aws.store.snapshot(accepted["snapshot"])["images"]


def test_looking_for_a_new_host_costs_three_gets_a_cluster(world: World) -> None:
    """Beside the two that list them. Where no host is new, it costs nothing."""
    check_both(world)
    world.vcenter.hosts.set_component("esx01", I40EN, OLDER)
    assert reads_of(world, PROD_A, PROD_B) == []
    world.vcenter.hosts.move("esx04", "prod-b")
    world.check(PROD_B)
    world.vcenter.inventory.add_host("prod-a", "esx77")
    assert reads_of(world, PROD_A, PROD_B) == ["GetObject"] * 3


def reads_of(world: World, cluster: str, other: str) -> list[str]:
    """The calls by which a check of a cluster reads another one's log."""
    world.aws.calls.clear()
    world.check(cluster)
    mine = f"cluster={other}/", f"/{other}.json"
    return [operation for operation, key in world.aws.calls if any(part in key for part in mine)]


@pytest.mark.parametrize("clusters", [5, 10, 20])
@pytest.mark.parametrize("processes", [1, 3])
def test_a_first_schedule_costs_in_proportion_to_its_clusters(
    world: World, clusters: int, processes: int
) -> None:
    """Each process reads each log once, and each look lists them. Hosts have one name in many domains."""
    world.set(extract=False)
    others = [world.vcenter.inventory.add_cluster(f"new-{number:02}") for number in range(clusters - 2)]
    for number, cluster in enumerate(others):
        world.vcenter.inventory.add_host(cluster, f"esx01.site-{number}.example")
    world.vcenter.extract_all()
    requests = [world.request(cluster, "run") for cluster in (*others, PROD_A, PROD_B)]
    indexes: list[HostIndex] = [{} for _ in range(processes)]
    world.aws.calls.clear()
    for request, index in zip(requests, cycle(indexes)):  # processes take turns
        world.host_index = index
        record = world.handle(request)
        assert record is not None
        assert record["outcome"] == "baseline"
    asked = Counter(operation for operation, _ in world.aws.calls)
    assert asked["GetObject"] <= (GETS_OF_A_FIRST_LOOK + 3 * processes) * clusters
    assert asked["ListObjectsV2"] <= 2 * clusters


def test_what_a_process_knows_of_logs_hides_no_host(world: World, other_world: World) -> None:
    """Whatever hosts do: a process that has read the logs before says what one says that has read none."""
    random = Random(7)
    both = world, other_world
    names = [f"esx0{number}" for number in range(1, 8)]
    renamed = count(1)

    def move(here: World, name: str, cluster: str) -> None:
        here.vcenter.hosts.move(name, cluster)

    def add_again(here: World, name: str, cluster: str) -> None:
        remove_and_add(here, name, cluster)

    def change(here: World, name: str, version: str) -> None:
        here.vcenter.hosts.set_component(name, I40EN, version)

    def rename(here: World, name: str, new: str) -> None:
        remove_and_add(here, name, "prod-a", new)

    for here in both:
        here.vcenter.inventory.add_cluster("prod-new")
        check_both(here)
    compared = 0
    for _ in range(30):
        name, cluster = random.choice(names), random.choice(["prod-a", "prod-b", "prod-new"])
        act, argument = random.choice(
            [
                (move, cluster),
                (add_again, cluster),
                (change, random.choice([OLDER, "1.8.5.0-1OEM.700.1.0.15843807"])),
                (rename, f"esx1{next(renamed):02}"),
            ]
        )
        checked = random.choice([*world.vcenter.inventory.clusters])
        found = []
        for here in both:
            act(here, name, argument)
            other_world.host_index.clear()
            record = here.check(checked)
            found.append((record["outcome"], record["changes"], open_kinds(record)))
        if act is rename:
            names[names.index(name)] = argument
        assert found[0] == found[1]
        compared += sum("from" in str(one["detail"]) for one in found[0][1])
    assert compared > 5


def test_a_snapshot_that_is_there_again_is_searched(world: World) -> None:
    """What could not be read of a log is not kept: it may be mended, and its pointer is the same."""
    check_both(world)
    known = world.after()["snapshot"]
    document = world.records()[-1]["document"]
    assert known is not None
    assert document is not None
    kept = {
        key: world.aws.s3.get_object(Bucket="audit", Key=key)["Body"].read()
        for key in (known["key"], document["key"])
    }
    delete_snapshot(world)
    world.host_index.clear()
    world.vcenter.hosts.move("esx03", "prod-b")
    assert of_host(world.check(PROD_B))["severity"] == "warning"
    for key, body in kept.items():
        world.aws.s3.put_object(Bucket="audit", Key=key, Body=body, IfNoneMatch="*")
        world.spoilt.discard(key)
    world.vcenter.hosts.move("esx04", "prod-b")
    assert of_host(world.check(PROD_B))["detail"] == FROM_A


@pytest.mark.parametrize("most", [0, 1])
def test_pointers_that_nobody_needs_hide_no_host(
    world: World, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where too many lie there, each log is read as if nothing were known of it, if there is one."""
    check_both(world)
    monkeypatch.setattr(host_memory, "MAX_LISTED_POINTERS", most)
    world.vcenter.inventory.add_cluster("prod-new")
    planted = make_state_key(world.watched.name, "a-planted-one")
    world.aws.s3.put_object(Bucket="state", Key=planted, Body=b"rubbish")
    world.vcenter.hosts.move("esx04", "prod-b")
    world.vcenter.hosts.set_component("esx04", I40EN, OLDER)
    assert ("component", "downgraded", I40EN) in told(world.check(PROD_B))


def test_a_process_forgets_the_logs_of_clusters_that_are_gone(world: World) -> None:
    """Else a vCenter with other clusters each day would fill it."""
    check_both(world)
    known = world.host_index[world.watched.name]
    assert known.keys() == {PROD_A}
    known["domain-c404"] = known[PROD_A]
    world.vcenter.inventory.add_host("prod-b", "esx81")
    world.check(PROD_B)
    assert known.keys() == {PROD_A}


def test_a_log_whose_pointer_is_gone_is_not_searched(world: World) -> None:
    """Its host counts as one that nobody knows; its own next check writes the pointer anew."""
    check_both(world)
    world.aws.s3.delete_object(Bucket="state", Key=make_state_key(world.watched.name, PROD_A))
    world.vcenter.hosts.move("esx04", "prod-b")
    assert of_host(world.check(PROD_B))["severity"] == "warning"
    world.check(PROD_A)
    world.vcenter.hosts.move("esx03", "prod-b")
    assert of_host(world.check(PROD_B))["detail"] == FROM_A


@pytest.mark.parametrize(("began_with", "raises"), [(200, OutOfTime), (300, StoreUnavailable)])
def test_a_search_that_no_time_is_left_for_is_made_again(
    world: World, began_with: int, raises: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be killed. Begun late it is put off; with a run for itself it is a try of its message."""
    check_both(world)
    world.vcenter.hosts.move("esx04", "prod-b")
    world.vcenter.hosts.set_component("esx04", I40EN, OLDER)
    world.wait(INTERVAL_SECONDS)
    request = world.request(PROD_B)
    assert world.handle(request) is None
    read = S3Store.state

    def slow(self: S3Store, vcenter: str, name: str) -> StoredState | None:
        if name == VCENTER_LOG:
            world.wait(began_with - 100)
        return read(self, vcenter, name)

    later = world.comes_back()
    world.run_ends_after(began_with)
    with monkeypatch.context() as patch:
        patch.setattr(S3Store, "state", slow)
        with pytest.raises(raises, match="no time is left in this run to look for a new host"):
            world.handle(later)
    world.ends_at = None
    record = world.follow(later)
    assert ("component", "downgraded", I40EN) in told(record)


def test_no_more_than_so_many_logs_are_searched(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond them a host counts as one that nobody knows."""
    monkeypatch.setattr(host_memory, "MAX_SEARCHED_LOGS", 0)
    check_both(world)
    world.vcenter.hosts.move("esx04", "prod-b")
    assert of_host(world.check(PROD_B))["severity"] == "warning"


def test_a_report_of_the_same_moment_has_the_other_logs_searched_once(world: World) -> None:
    """That it shows otherwise is known by its seal: only what is then compared needs to know more."""
    world.set(extract=False)
    world.vcenter.extract_all()
    world.wait(-INTERVAL_SECONDS)
    check_both(world)
    reports = world.vcenter.extractions.reports
    before = reports[PROD_A]["completion_time"]
    world.vcenter.inventory.add_host("prod-a", "esx77")
    world.vcenter.extract_all()
    reports[PROD_A] |= {"completion_time": before}
    assert reads_of(world, PROD_A, PROD_B) == ["GetObject"] * 3
    assert world.after()["snapshot"] is not None
    assert "esx77" in {host["name"] for host in world.snapshot()["hosts"].values()}
