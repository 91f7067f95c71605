"""A person decides, by the command as it is installed, on what the deployed product saw."""

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.stored.records import build_check_request

from tests.deployed.stage import BY_HAND, CLUSTER, FOOTHOLD, HOSTS, I40EN, send, small
from tests.lab.local_aws.local_aws import LocalAws
from tests.lab.local_aws.rig import Rig
from tests.lab.local_aws.waiting import until
from tests.unit.cli.conftest import Run, run

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import Record

__all__ = ["run"]

SAYS = ("-y", "--reason", "CHG-42")


@pytest.fixture
def decide(run: Run, rig: Rig, local_aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``esx-drift`` on that stack, as its administrator."""
    for name, value in local_aws.environment.items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: run(*arguments, *SAYS, "--stack", rig.stack.name)


@pytest.fixture
def vcenter(rig: Rig) -> Iterator[str]:
    """A vCenter of this test's own, looked at once: prod-a, prod-b and prod-c of three hosts each."""
    name = f"deciding{len(rig.vcenters) + 1}"
    model = small()
    for cluster in ("prod-b", "prod-c"):
        model.inventory.add_cluster(cluster)
        for host in HOSTS:
            model.inventory.add_host(cluster, f"{cluster}-{host}")
    rig.add_vcenter(name, model)
    rig.put_fleet({**rig.fleet(), "vcenters": [{"name": name}]})
    assert {record["outcome"] for record in rig.check()} == {"baseline"}
    yield name
    # What was told was told before its function had logged out.
    rig.await_quiet("CheckQueue")
    assert model.sessions.open_count == 0


def _of(records: "list[Record]", cluster: str) -> "Record":
    (found,) = (record for record in records if record["cluster"] == cluster)
    return found


def _headlines(rig: Rig) -> list[str]:
    return [message["text"] for message in rig.slack.accepted]


def test_what_is_accepted_is_told_and_stays_quiet(rig: Rig, vcenter: str, decide: Run) -> None:
    """Drift and a foothold, accepted as shown: chat hears who closed it, and the next look is silent."""
    model = rig.vcenters[vcenter]
    model.hosts.set_component("esx01", I40EN, BY_HAND)
    model.hosts.add_orphaned_vib("esx02", FOOTHOLD)
    rig.check()
    ran = decide("accept", "prod-a")
    assert (ran.code, ran.err) == (0, "")
    assert "Accepted (record 3): 3 hosts: esx01, esx02, esx03" in ran.out
    record = rig.record(vcenter, CLUSTER, 3)
    assert record["decision"] is not None
    assert record["decision"]["by"].startswith("arn:aws:")
    assert record["decision"]["sender_id"] == record["decision"]["by"].split(":")[4], "the account's root"
    rig.await_told(record["events"])
    assert any("prod-a" in text and " accepted " in text for text in _headlines(rig))
    after = _of(rig.check(), CLUSTER)
    assert (after["outcome"], after["events"]) == ("unchanged", [])


def test_nobody_decides_in_anothers_name(rig: Rig, vcenter: str) -> None:
    """The message is a dead letter at once, and the function's log says who sent it."""
    request = build_check_request(
        "accept",
        str(uuid4()),
        None,
        vcenter,
        (CLUSTER, "prod-a"),
        rig.vcenters[vcenter].now(),
        decision={
            "by": "arn:aws:iam::000000000000:user/alice",
            "user_id": "AIDAALICEEXAMPLE",
            "reason": "CHG-42",
            "shown_at": 1,
            "hosts": {},
            "instance_uuid": None,
        },
    )
    send(rig, "CheckQueue", request)
    dead = rig.stack.await_message("CheckDeadLetterQueue")
    assert json.loads(dead["Body"]) == request
    why = "it says that AIDAALICEEXAMPLE decided, and SQS says that 000000000000 sent it"
    assert any(why in line for line in rig.stack.log_of("CheckerFunction"))
    assert len(rig.records(vcenter, CLUSTER)) == 1
    ids = rig.stack.variables_of("CheckerFunction")["OWN_ROLE_IDS"].split(",")
    assert len({one for one in ids if re.fullmatch("AROA[A-Z0-9]{12,124}", one)}) == 4


def test_a_cluster_that_is_gone_is_retired(rig: Rig, vcenter: str, decide: Run) -> None:
    """The same decision cannot be made of one that is listed."""
    rig.vcenters[vcenter].inventory.hide_cluster("prod-b")
    rig.dispatch()
    assert decide("retire", "prod-c").code == 1
    ran = decide("retire", "prod-b")
    assert (ran.code, ran.err) == (0, "")
    struck = rig.records(vcenter)[-1]
    assert [finding["resolved_because"] for finding in struck["findings"]] == ["retired"]
    rig.await_told(struck["events"])
    assert {record["cluster_name"] for record in rig.check()} == {"prod-a", "prod-c"}


def test_a_replaced_vcenter_begins_anew_once_it_is_accepted(rig: Rig, vcenter: str, decide: Run) -> None:
    """Nothing is looked at before; then each cluster has a first look, in the log that it had."""
    model = rig.vcenters[vcenter]
    model.hosts.add_orphaned_vib("esx02", FOOTHOLD)
    rig.check()
    model.hosts.remove_orphaned_vib("esx02", FOOTHOLD)
    model.replace()
    assert rig.dispatch()["dispatched"] == []
    ran = decide("accept", f"@{vcenter}")
    assert (ran.code, ran.err) == (0, "")
    accepted = rig.records(vcenter)[-1]
    assert accepted["outcome"] == "accepted"

    def closed() -> bool:
        end = rig.log_end(vcenter, CLUSTER)
        return end.head is not None and not end.after["findings"]

    until(closed, "the findings on the former prod-a to be closed", 30)
    records = rig.check()
    assert {record["outcome"] for record in records} == {"baseline"}
    assert all(record["seq"] > 1 and record["changes"] == [] for record in records)
    assert rig.log_end(vcenter, VCENTER_LOG).head is not None


def test_what_the_fleet_file_leaves_out_is_closed(rig: Rig, vcenter: str) -> None:
    """Its findings end in the fleet file's name, without a person's word."""
    rig.vcenters[vcenter].hosts.set_component("esx01", I40EN, BY_HAND)
    rig.check()
    rig.put_fleet({**rig.fleet(), "vcenters": [{"name": vcenter, "clusters": {"exclude": ["prod-a"]}}]})
    rig.dispatch()

    def retired() -> "list[Record]":
        return [one for one in rig.records(vcenter, CLUSTER) if one["outcome"] == "retired"]

    (record,) = until(retired, "prod-a to be retired", 30)
    assert record["decision"] is not None
    assert (record["decision"]["by"], record["decision"]["reason"]) == ("the fleet file", "exclude: prod-a")
    assert record["after"]["findings"] == {}
