"""What a look really saw: per host, whatever the report's status says."""

import json
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest

from tests.simulator.fault_kinds import document
from tests.simulator.notices import timestamp
from tests.unit.checking.reading import answering, moved, one, open_kinds
from tests.unit.checking.world import PROD_A, PROD_B, World

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import CheckRequest, Record

HOST_LIST = "GET /api/vcenter/host"
I40EN = "2.9.2.0-1OEM.800.1.0.20613240"


def test_a_dead_host_does_not_blind_the_rest(world: World) -> None:
    """It is named with its states and stays as it was known; what changed on another is told."""
    first = world.check()
    world.vcenter.hosts.disconnect("esx02", "NOT_RESPONDING", "POWERED_OFF")
    world.vcenter.hosts.set_component(["esx02", "esx03"], "Intel-i40en", I40EN)
    record = world.check()
    assert record["coverage"] == {"hosts": 4, "covered": 3, "failed": 1, "unsupported": 0}
    (uncovered,) = record["uncovered"]
    esx02 = world.vcenter.inventory.host("esx02").host
    assert uncovered == {
        "host": esx02,
        "name": "esx02",
        "why": "failed",
        "connection_state": "NOT_RESPONDING",
        "power_state": "POWERED_OFF",
    }
    assert [change["hosts"] for change in record["changes"]] == [[world.vcenter.inventory.host("esx03").host]]
    assert record["after"]["uncovered_since"] == {esx02: first["checked_at"]}
    world.vcenter.hosts.reconnect("esx02")
    healed = world.check()
    assert [change["hosts"] for change in healed["changes"]] == [[esx02]]
    assert healed["after"]["uncovered_since"] == {}
    assert ("host-failed", "resolved") in moved(healed)


def test_a_host_that_only_the_inventory_knows_is_uncovered(world: World) -> None:
    """Missing from the report is unknown, and not unchanged."""
    world.check()
    world.vcenter.hosts.leave_out("esx03")
    record = world.check()
    assert [uncovered["why"] for uncovered in record["uncovered"]] == ["missing"]
    assert moved(record) == {("host-not-covered", "opened")}
    assert record["changes"] == []


@pytest.mark.parametrize("status", ["SUCCESS", "PARTIAL_SUCCESS", "EXTRACT_INSTALLED_IMAGE_FAILURE"])
def test_hosts_that_were_read_count_whatever_the_status(world: World, status: str) -> None:
    """Each covered host is compared, also where the report as a whole is called a failure."""
    world.check()
    world.vcenter.hosts.set_component("esx01", "Intel-i40en", I40EN)
    world.vcenter.extractions.extract(PROD_A)
    world.set(extract=False)
    world.vcenter.extractions.reports[PROD_A] |= {"status": status}  # type: ignore[typeddict-item]  # open enum
    record = world.check()
    assert record["outcome"] == "changed"
    assert len(record["changes"]) == 1
    assert record["coverage"]["covered"] == 4  # type: ignore[index]  # it is there


@pytest.mark.parametrize(
    ("edit", "why"), [("host_in_no_image", "in-no-image"), ("host_in_two_images", "in-two-images")]
)
def test_a_host_that_the_report_contradicts_itself_on_is_uncovered(world: World, edit: str, why: str) -> None:
    """The document is called inconsistent, and the other hosts are compared all the same."""
    world.check()
    first = min(world.vcenter.inventory.hosts)
    world.vcenter.hosts.set_component(["esx01", "esx02"], "Intel-i40en", I40EN)
    world.vcenter.faults.inject("GET *domain-c9/installed-images", document(edit))
    record = world.check()
    assert [(uncovered["host"], uncovered["why"]) for uncovered in record["uncovered"]] == [(first, why)]
    assert open_kinds(record) >= {"document-inconsistent", "host-not-covered"}
    assert [change["hosts"] for change in record["changes"]] == [[world.vcenter.inventory.host("esx02").host]]


def test_an_empty_cluster_is_one_harmless_finding(world: World) -> None:
    """There is nothing to read, and nobody is to be woken for it."""
    for host in ("esx01", "esx02", "esx03", "esx04"):
        world.vcenter.inventory.remove_host(host)
    record = world.check()
    assert record["coverage"] == {"hosts": 0, "covered": 0, "failed": 0, "unsupported": 0}
    assert [(found["kind"], found["severity"]) for found in record["findings"]] == [
        ("extraction-unavailable", "info")
    ]
    assert world.check()["outcome"] == "unchanged"


def test_an_orphaned_vib_on_no_host_contradicts_itself(world: World) -> None:
    """What the report names and puts nowhere is told: it must not vanish."""
    world.check()
    world.vcenter.extractions.extract(PROD_A)
    world.set(extract=False)
    world.vcenter.extractions.reports[PROD_A] |= {"orphaned_vibs": {"evil(1)": []}}
    record = world.check()
    assert "evil(1)" in one(record["findings"], "document-inconsistent")["summary"]


def test_the_first_hosts_of_an_empty_cluster_bring_nothing_that_is_accepted(world: World) -> None:
    """An orphaned VIB on them was there at nobody's first look."""
    hosts = [world.vcenter.inventory.hosts.pop(key) for key in list(world.vcenter.inventory.hosts)]
    world.check()
    world.vcenter.inventory.hosts = {host.host: host for host in hosts}
    world.vcenter.hosts.add_orphaned_vib("esx01", "smntemp(910.1.0.0005)")
    assert one(world.check()["findings"], "orphaned-vib")["severity"] == "critical"
    assert all(not kept["orphaned_vibs"] for kept in world.after()["accepted"].values())


def test_a_cluster_of_too_old_hosts_is_one_harmless_finding(world: World) -> None:
    """Not one a host, and no failure of the extraction beside it."""
    world.vcenter.hosts.upgrade(["esx01", "esx02", "esx03", "esx04"], "7.0 U1d")
    record = world.check()
    assert record["outcome"] == "not-covered"
    assert record["coverage"] == {"hosts": 4, "covered": 0, "failed": 0, "unsupported": 4}
    assert [(found["kind"], found["severity"]) for found in record["findings"]] == [
        ("host-unsupported", "info")
    ]
    assert record["document"] is not None
    assert record["snapshot"] is None


def test_a_report_that_covers_nobody_is_no_look(world: World) -> None:
    """Every host failed: the baseline stays, and so does the time of the last look."""
    first = world.check()
    world.vcenter.hosts.disconnect(["esx01", "esx02", "esx03", "esx04"])
    record = world.check()
    assert record["outcome"] == "not-covered"
    assert record["changes"] == []
    assert record["after"]["seal"] == first["after"]["seal"]
    assert record["after"]["last_look_at"] == first["checked_at"]
    assert record["after"]["blind_since"] == first["checked_at"]
    again = world.check()
    assert again["outcome"] == "not-covered", "never unchanged: nobody knows"
    assert again["document"] is None
    assert again["same_as"] == record["seq"]
    assert again["after"]["last_look_at"] == first["checked_at"]
    world.vcenter.inventory.remove_host("esx04")
    assert world.check()["changes"] == [], "told when there is a look"
    world.vcenter.hosts.reconnect(["esx01", "esx02", "esx03"])
    healed = world.check()
    assert open_kinds(healed) == set()
    assert [(change["element"], change["kind"]) for change in healed["changes"]] == [("host", "removed")]
    assert healed["after"]["blind_since"] is None


@pytest.mark.parametrize("how", ["no report", "failed", "refused"])
def test_an_empty_cluster_is_harmless_whatever_the_vcenter_makes_of_it(world: World, how: str) -> None:
    """It never had hosts: that there is no report, or only an old one, is no alarm, however long it lasts."""
    cluster = world.vcenter.inventory.add_cluster("empty")
    if how == "failed":
        world.vcenter.extractions.extract(cluster)
        world.wait(2 * world.watched.max_age_seconds)
        world.vcenter.inventory.set_outcome(cluster, None, "FAILED")
    elif how == "refused":
        world.vcenter.inventory.set_outcome(cluster, None, refused=True)
    else:
        world.vcenter.faults.inject(
            f"POST *{cluster}/installed-images", answering({"error_type": "NOT_FOUND", "messages": []}, 404)
        )
    for _ in range(2):
        record = world.check(cluster)
        assert open_kinds(record) == {"extraction-unavailable"}
        assert {finding["severity"] for finding in record["findings"]} == {"info"}
        world.wait(2 * world.watched.blind_after_seconds)


def test_a_cluster_that_had_hosts_is_not_called_empty_without_a_report(world: World) -> None:
    """A list that is empty all of a sudden may be a lost permission."""
    world.check()
    world.vcenter.faults.inject(HOST_LIST, answering([]))
    world.vcenter.inventory.set_outcome("domain-c9", None, "FAILED")
    record = world.check()
    assert open_kinds(record) == {"extraction-failed"}
    assert {finding["severity"] for finding in record["findings"]} == {"warning"}


def test_the_blind_stay_blind_when_the_vcenter_fails_otherwise(world: World) -> None:
    """Days without a look are critical, and one that covers nobody is none: it begins nothing anew."""
    world.vcenter.inventory.set_outcome("domain-c9", None, "FAILED")
    world.vcenter.extractions.reports.clear()
    for _ in range(2):
        record = world.check()
        world.wait(world.watched.blind_after_seconds)
    world.vcenter.hosts.disconnect(["esx01", "esx02", "esx03", "esx04"])
    world.vcenter.inventory.set_outcome("domain-c9", "EXTRACT_INSTALLED_IMAGE_FAILURE")
    record = world.check()
    assert record["outcome"] == "not-covered"
    assert {one["severity"] for one in record["findings"] if one["transition"] != "resolved"} == {"critical"}


def test_an_inventory_that_vanished_is_a_lost_permission(world: World) -> None:
    """No host is said to have left because the account may no longer list any."""
    world.check()
    world.vcenter.faults.inject(HOST_LIST, answering([]))
    first = world.check()
    assert (first["outcome"], moved(first)) == ("not-looked", set())
    assert world.aws.sent[-1].delay_seconds == 0
    record = world.follow(world.comes_back())
    assert record["outcome"] == "not-looked"
    assert record["changes"] == []
    assert record["failure"]["at"] == "hosts"  # type: ignore[index]  # it is there
    assert one(record["findings"], "vcenter-authorization")["opened_at"] == first["checked_at"]
    assert one(record["findings"], "vcenter-authorization")["severity"] == "critical"
    world.vcenter.faults.clear()
    healed = world.check()
    assert healed["outcome"] == "changed"
    assert healed["changes"] == []
    assert moved(healed) == {("vcenter-authorization", "resolved")}


def test_a_cluster_that_got_blinder_has_not_recovered(world: World) -> None:
    """One host fails, then all do: what is open on the first one stays, and no host is told by itself."""
    world.check()
    world.vcenter.hosts.disconnect("esx01")
    assert open_kinds(world.check()) == {"host-failed"}
    world.vcenter.hosts.disconnect(["esx02", "esx03", "esx04"])
    world.vcenter.inventory.set_outcome("domain-c9", "EXTRACT_INSTALLED_IMAGE_FAILURE")
    record = world.check()
    assert moved(record) == {("extraction-failed", "opened")}
    assert open_kinds(record) == {"host-failed", "extraction-failed"}


def test_hosts_that_are_hidden_have_not_left(world: World) -> None:
    """A list that lacks over half of the hosts that the report names is a lost permission."""
    world.check()
    first = world.vcenter.inventory.host("esx01")
    shown = {"host": first.host, "name": "esx01", "connection_state": "CONNECTED"}
    for listed in ([], [shown]):
        world.vcenter.hosts.disconnect(["esx01", "esx02", "esx03", "esx04"])
        world.vcenter.faults.inject(HOST_LIST, answering(listed))
        record = world.check()
        if record["after"]["suspects"]:
            record = world.follow(world.comes_back())
        assert record["outcome"] == "not-looked"
        assert record["changes"] == []
        assert open_kinds(record) == {"vcenter-authorization"}


@pytest.mark.parametrize("extract", [True, False])
def test_a_host_that_only_the_report_has_is_hidden(world: World, *, extract: bool) -> None:
    """The report is the better witness: the host is compared as always, and the lost sight is critical.

    It is certain with the second report, since the host may have left after the first: one of our own is
    asked for at once.
    """
    world.check()
    world.set(extract=extract)
    world.vcenter.hosts.hide("esx03")
    hidden = world.vcenter.inventory.host("esx03").host
    if not extract:
        world.vcenter.extract_all()
        world.wait(3600)
        record = world.follow(world.request())
        assert [(change["kind"], change["key"]) for change in record["changes"]] == [("removed", hidden)]
        world.wait(3600)
        world.vcenter.extract_all()
        record = world.follow(world.request())
        assert moved(record) == {("host-hidden", "opened")}
    else:
        first = world.check()
        assert (first["changes"], moved(first)) == ([], set())
        record = world.follow(world.comes_back())
        assert (record["changes"], moved(record)) == ([], {("host-hidden", "opened")})
        assert one(record["findings"], "host-hidden")["opened_at"] == first["checked_at"]
    assert one(record["findings"], "host-hidden")["severity"] == "critical"
    assert record["coverage"] == {"hosts": 4, "covered": 4, "failed": 0, "unsupported": 0}
    world.vcenter.hosts.add_orphaned_vib("esx03", "smntemp(910.1.0.0005-5vmw.803.0.0.24022510)")
    world.vcenter.extract_all()
    record = world.check()
    assert ("orphaned-vib", "opened") in moved(record)
    assert [change["hosts"] for change in record["changes"]] == [[hidden]]
    world.vcenter.hosts.hide("esx03", hidden=False)
    world.vcenter.extract_all()
    assert moved(world.check()) == {("host-hidden", "resolved")}


def leave_after_extraction(world: World) -> "Record":
    """A look at a cluster that esx03 leaves between its extraction and the listing of its hosts."""
    world.asked()
    request = world.comes_back()
    world.vcenter.extractions.settle()
    world.vcenter.inventory.remove_host("esx03")
    return world.follow(request)


def test_a_host_that_left_after_the_extraction_is_never_called_hidden(world: World) -> None:
    """The report still names it: the cluster is looked at once more, at once, and then it has left."""
    world.check()
    sent = len(world.aws.sent)
    left = world.vcenter.inventory.host("esx03").host
    record = leave_after_extraction(world)
    assert (record["changes"], moved(record)) == ([], set())
    assert len(record["after"]["suspects"]) == 1
    again = world.aws.sent[-1]
    assert (again.body["attempt"], again.body["phase"], again.delay_seconds) == (1, "extract", 0)
    record = world.follow(world.comes_back())
    assert [(change["kind"], change["key"]) for change in record["changes"]] == [("removed", left)]
    assert moved(record) == set()
    assert record["after"]["suspects"] == {}
    assert len(world.aws.sent) == sent + 3, "asked for, looked at once more, asked for"
    assert world.check()["outcome"] == "unchanged"


def test_most_hosts_that_left_after_the_extraction_are_no_lost_permission(world: World) -> None:
    """As where a small cluster is emptied: it is looked at once more, at once, and then they have left."""
    world.check()
    for host in ("esx01", "esx02", "esx04"):
        world.vcenter.inventory.remove_host(host)
    world.check()
    record = leave_after_extraction(world)
    assert (record["outcome"], record["changes"], moved(record)) == ("not-looked", [], set())
    record = world.follow(world.comes_back())
    assert [(change["element"], change["kind"]) for change in record["changes"]] == [("host", "removed")]
    assert open_kinds(record) == {"extraction-unavailable"}
    assert record["after"]["suspects"] == {}


def test_only_a_look_that_was_asked_for_later_shows_a_host_hidden(world: World) -> None:
    """Another run's report that was being extracted while the host left names it as well."""
    world.check()
    world.asked()
    first = world.comes_back()
    world.vcenter.extractions.settle()
    assert world.handle(world.request()) is None
    collected = world.aws.sent[-1].body
    world.wait(1)
    world.vcenter.inventory.set_outcome(PROD_A, None, "SUCCEEDED")
    world.vcenter.inventory.remove_host("esx03")
    assert moved(world.follow(first)) == set()
    again = world.comes_back()
    world.wait(60)
    completed = timestamp(world.now - timedelta(seconds=10))
    world.vcenter.extractions.reports[PROD_A] |= {"completion_time": completed}
    record = world.follow(cast("CheckRequest", collected))
    assert (record["report"]["freshness"], moved(record)) == ("fresh", set())  # type: ignore[index]  # it is there
    assert world.aws.sent[-1].body["request_id"] == again["request_id"], "nothing more is sent"
    world.vcenter.inventory.set_outcome(PROD_A)
    assert open_kinds(world.follow(again)) == set()


def test_a_suspicion_outlasts_a_report_that_somebody_else_asked_for(world: World) -> None:
    """It may be older than the host's leaving: the host neither counts as gone nor as hidden by it."""
    world.check()
    world.vcenter.hosts.hide("esx03")
    assert moved(world.check()) == set()
    again = world.comes_back()
    world.vcenter.extractions.occupy(PROD_A, 60)
    record = world.follow(again)
    assert record["task"]["id"] is None  # type: ignore[index]  # it was busy
    assert (record["changes"], moved(record)) == ([], set())
    assert moved(world.check()) == {("host-hidden", "opened")}


def test_a_host_that_moved_while_its_cluster_was_extracted_is_not_hidden(world: World) -> None:
    """The account sees it elsewhere: it has left."""
    world.check()
    world.asked()
    world.vcenter.extractions.extract(PROD_A)
    world.vcenter.hosts.move("esx03", "prod-b")
    record = world.follow(world.comes_back())
    assert "host-hidden" not in open_kinds(record)
    left = world.vcenter.inventory.host("esx03").host
    assert [(change["kind"], change["key"]) for change in record["changes"]] == [("removed", left)]


@pytest.mark.parametrize("same_ids", [False, True])
def test_a_report_of_another_cluster_is_not_used(world: World, *, same_ids: bool) -> None:
    """None of the cluster's hosts is in it under its name; it is kept apart, and the next one is used."""
    first = world.check()
    reports = world.vcenter.extractions.reports
    world.vcenter.extractions.extract(PROD_B)
    other = json.dumps(reports[PROD_B])
    if same_ids:
        ours = [host.host for host in world.vcenter.inventory.hosts_of(PROD_A)]
        for host, own in zip(world.vcenter.inventory.hosts_of(PROD_B), ours, strict=False):
            other = other.replace(f'"{host.host}"', f'"{own}"')
    world.vcenter.faults.inject("GET *domain-c9/installed-images", answering(json.loads(other)))
    record = world.check()
    assert (record["outcome"], record["changes"]) == ("not-looked", [])
    assert "another cluster's" in one(record["findings"], "document-invalid")["summary"]
    assert record["quarantine"] is not None
    assert record["after"]["seal"] == first["after"]["seal"]
    world.vcenter.faults.clear()
    assert moved(world.check()) == {("document-invalid", "resolved")}
