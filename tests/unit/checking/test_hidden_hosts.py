"""A host that the report has and the account does not see: looked at again until that is certain."""

from copy import deepcopy
from datetime import timedelta
from math import inf
from typing import TYPE_CHECKING, cast

import pytest
from esx_drift.domain.findings.update import MAX_LATER_LOOKS, asks_for_later_look
from esx_drift.domain.stored.identifiers import make_next_attempt_id
from esx_drift.domain.text.times import format_time
from esx_drift.errors import RequestRefused

from tests.simulator import fault_kinds
from tests.unit.checking.reading import answering, moved, one, open_kinds
from tests.unit.checking.world import INTERVAL_SECONDS, PROD_A, World

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import CheckRequest, Record

HOST_LIST = "GET /api/vcenter/host"
EXTRACT = "POST *domain-c9/installed-images"


def suspect_host(world: World) -> "Record":
    """The look that suspects esx03 to be hidden, and asks for another one at once."""
    world.check()
    world.vcenter.hosts.hide("esx03")
    first = world.check()
    assert moved(first) == set()
    assert world.aws.sent[-1].delay_seconds == 0
    return first


def lose_permission(world: World) -> "Record":
    """The look that suspects that the account lost sight of most hosts."""
    world.check()
    world.vcenter.faults.inject(HOST_LIST, answering([]))
    first = world.check()
    assert moved(first) == set()
    assert world.aws.sent[-1].delay_seconds == 0
    return first


SUSPECTED = {"host-hidden": suspect_host, "vcenter-authorization": lose_permission}


@pytest.mark.parametrize("kind", SUSPECTED)
@pytest.mark.parametrize("trouble", ["busy", "failed", "unavailable", "broken"])
def test_a_look_that_can_not_tell_is_made_again(world: World, kind: str, trouble: str) -> None:
    """The cluster was busy, or its extraction failed, or no call got through: the next look decides."""
    first = SUSPECTED[kind](world)
    request = world.comes_back()
    world.wait(1)
    if trouble == "busy":
        world.vcenter.extractions.occupy(PROD_A, 600)
    elif trouble == "failed":
        world.vcenter.inventory.set_outcome(PROD_A, None, "FAILED")
    elif trouble == "unavailable":
        world.vcenter.faults.inject(EXTRACT, fault_kinds.status(503), times=1)
    else:
        world.vcenter.faults.inject(
            "GET *domain-c9/installed-images", fault_kinds.document("without_required"), times=1
        )
    record = world.follow(request)
    assert kind not in {finding["kind"] for finding in record["findings"]}
    assert [suspect["first_at"] for suspect in record["after"]["suspects"].values()].count(
        first["checked_at"]
    ) == 1
    again = world.aws.sent[-1]
    assert (again.body["attempt"], again.body["phase"]) == (2, "extract")
    assert 600 <= again.delay_seconds <= 660
    world.vcenter.inventory.set_outcome(PROD_A)
    record = world.follow(world.comes_back())
    assert one(record["findings"], kind)["opened_at"] == first["checked_at"]
    assert kind in open_kinds(record)
    sent = len(world.aws.sent)
    world.handle(cast("CheckRequest", again.body))
    assert len(world.aws.sent) == sent, "it is certain: nothing more is asked for"


@pytest.mark.parametrize("kind", SUSPECTED)
def test_a_cluster_that_stays_busy_is_not_looked_at_without_end(world: World, kind: str) -> None:
    """Four looks more, in under three hours: then the next check by schedule decides, when it can."""
    first = SUSPECTED[kind](world)
    world.vcenter.extractions.occupy(PROD_A, inf)
    started, looks = world.now, 0
    while world.aws.sent[-1].body["attempt"] == looks + 1:
        assert kind not in open_kinds(world.follow(world.comes_back()))
        looks += 1
    assert looks == MAX_LATER_LOOKS
    assert (world.now - started) < timedelta(seconds=INTERVAL_SECONDS)
    sent = len(world.aws.sent)
    record = world.check()
    assert world.aws.sent[-1].body["attempt"] == 0, "a check by schedule begins no other chain"
    assert len(record["after"]["suspects"]) == 1
    assert len(world.aws.sent) > sent
    world.vcenter.extractions.occupy(PROD_A, 0)
    assert kind not in open_kinds(world.check()), "that report is somebody else's"
    record = world.check()
    assert one(record["findings"], kind)["opened_at"] == first["checked_at"]


def test_no_more_looks_are_made_than_are_asked_for(world: World) -> None:
    """Their ids can be made by anybody: the last record says that it asks for none."""
    suspect_host(world)
    world.vcenter.extractions.occupy(PROD_A, inf)
    for _ in range(MAX_LATER_LOOKS):
        last = world.comes_back()
        world.follow(last)
    attempt = last["attempt"] + 1
    forged: CheckRequest = {
        **last,
        "attempt": attempt,
        "request_id": make_next_attempt_id(last["request_id"], attempt),
        "task": None,
    }
    with pytest.raises(RequestRefused, match="the attempt before left nothing"):
        world.handle(forged)


def test_only_what_a_later_look_can_show_asks_for_one(world: World) -> None:
    """A suspicion of another kind has tries of its own, which this neither begins nor hastens."""
    record = suspect_host(world)
    ((name, suspect),) = record["after"]["suspects"].items()
    before = format_time(world.now - timedelta(hours=4))
    for kind, first_at, attempt, is_asked in (
        ("host-hidden", record["checked_at"], 0, True),
        ("host-hidden", record["checked_at"], 90, True),
        ("host-hidden", before, 0, False),
        ("host-hidden", before, 1, True),
        ("host-hidden", before, MAX_LATER_LOOKS, False),
        ("vcenter-authorization", record["checked_at"], 0, True),
        ("vcenter-unavailable", record["checked_at"], 0, False),
        ("vcenter-unavailable", before, 1, False),
    ):
        changed = deepcopy(record)
        changed["after"]["suspects"] = {name: {**suspect, "kind": kind, "first_at": first_at}}  # type: ignore[typeddict-item]  # a kind
        assert asks_for_later_look(changed, attempt) == is_asked, (kind, first_at, attempt)


@pytest.mark.parametrize("kind", SUSPECTED)
@pytest.mark.parametrize("newer", [False, True])
def test_what_is_extracted_no_more_is_decided_by_the_list(world: World, kind: str, *, newer: bool) -> None:
    """The fleet file stops the extractions: no report of our own will come. A second list says the same."""
    first = SUSPECTED[kind](world)
    world.set(extract=False)
    if newer:
        world.wait(60)
        world.vcenter.extract_all()
    record = world.follow(world.comes_back())
    assert moved(record) == {(kind, "opened")}
    assert one(record["findings"], kind)["opened_at"] == first["checked_at"]
    assert record["after"]["suspects"] == {}
    again = world.check()
    assert moved(again) == set()
    assert open_kinds(again) == {kind}


def test_a_host_that_is_seen_again_where_nothing_is_extracted_is_suspected_no_more(world: World) -> None:
    """The same report, and a list that has the host: or another cluster has it."""
    suspect_host(world)
    world.set(extract=False)
    world.vcenter.hosts.hide("esx03", hidden=False)
    record = world.follow(world.comes_back())
    assert (record["outcome"], moved(record)) == ("same-report", set())
    assert record["after"]["suspects"] == {}


@pytest.mark.parametrize("share", ["most", "one"])
def test_where_nothing_is_extracted_a_list_is_believed_at_once(world: World, share: str) -> None:
    """No better witness will come: what the report names, and was gone before it, is hidden."""
    world.set(extract=False)
    world.vcenter.extract_all()
    world.check()
    if share == "most":
        world.vcenter.extract_all()
        world.vcenter.faults.inject(HOST_LIST, answering([]))
        record = world.check()
        assert moved(record) == {("vcenter-authorization", "opened")}
        assert record["outcome"] == "not-looked"
    else:
        world.vcenter.hosts.hide("esx03")
        world.vcenter.extract_all()
        world.check()
        world.wait(INTERVAL_SECONDS)
        world.vcenter.extract_all()
        assert ("host-hidden", "opened") in moved(world.check())


def test_a_report_of_somebody_elses_only_begins_a_suspicion_of_most_hosts(world: World) -> None:
    """A small cluster may have been emptied after it: a look of our own is asked for, at once."""
    world.check()
    world.vcenter.faults.inject(HOST_LIST, answering([]))
    world.vcenter.extractions.occupy(PROD_A, 60)
    first = world.check()
    assert first["task"]["id"] is None  # type: ignore[index]  # it was busy
    assert (first["outcome"], moved(first)) == ("not-looked", set())
    assert world.aws.sent[-1].delay_seconds == 0
    record = world.follow(world.comes_back())
    assert moved(record) == {("vcenter-authorization", "opened")}


@pytest.mark.parametrize("trouble", ["failed", "refused", "broken"])
def test_a_lost_permission_on_hosts_is_not_over_without_a_list_beside_a_report(
    world: World, trouble: str
) -> None:
    """That the vCenter answers all calls says nothing of it: neither ends it nor forgets the suspicion."""
    lose_permission(world)
    world.follow(world.comes_back())
    assert open_kinds(world.records()[-1]) == {"vcenter-authorization"}
    if trouble == "broken":
        world.vcenter.faults.inject(
            "GET *domain-c9/installed-images", fault_kinds.document("without_required")
        )
    else:
        world.vcenter.inventory.set_outcome(PROD_A, None, "FAILED", refused=trouble == "refused")
    record = world.check()
    assert "vcenter-authorization" in open_kinds(record)
    world.vcenter.faults.clear()
    world.vcenter.inventory.set_outcome(PROD_A)
    assert open_kinds(world.check()) == set()
