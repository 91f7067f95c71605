"""What people, and whoever can reach a queue, may get wrong: refused, named, kept, and never half done."""

import json
from datetime import UTC, datetime

import pytest
from esx_drift.domain.stored.identifiers import VCENTER_LOG

from tests.deployed.stage import give_up_after, request_of, send, small
from tests.lab.local_aws.rig import Rig
from tests.lab.local_aws.stack import FunctionError
from tests.lab.local_aws.waiting import until
from tests.simulator.certificates import authority

FAULTY = {
    "schema_version": 1,
    "settings": {"confirm_after_seconds": -1},
    "vcenters": [{"name": "vc01", "host": "198.51.100.7"}, {"name": "vc01"}],
    "routes": [{"name": "ops", "min_severity": "loud"}],
}
FAULTS = (
    "/settings/confirm_after_seconds",
    "/vcenters/0/host",
    "/routes/0/min_severity",
)
"""A vCenter's address is one of them: only its secret says where its password goes."""


@pytest.fixture(scope="module")
def fleet(rig: Rig) -> Rig:
    """A fleet of one small vCenter, `good`, whose queues give up at the second try.

    Bad messages need no short time out of sight, since the functions hand them out again at once. With one,
    a slow machine would get the good message twice at the same time, and the second finds its cluster busy.
    """
    rig.add_vcenter("good", small())
    rig.put_fleet(rig.fleet("good"))
    for queue in ("CheckQueue", "RetryQueue"):
        give_up_after(rig, queue, tries=2)
    return rig


def test_a_run_before_there_is_a_fleet_file_asks_for_nothing(rig: Rig) -> None:
    """The log says where it was looked for; who asks for a cluster hears it."""
    reply = rig.dispatch()
    assert (reply["asked"], reply["dispatched"], reply["failed"]) == ([], [], [])
    with pytest.raises(FunctionError, match=r"FleetMissing.*config/fleet\.json"):
        rig.dispatch({"clusters": [{"vcenter": "good", "cluster": "prod-a"}]})


def test_a_faulty_fleet_file_fails_the_run_with_each_fault(rig: Rig) -> None:
    """And nothing of it is dispatched, not even what is right in it."""
    rig.put_fleet(FAULTY)
    with pytest.raises(FunctionError) as failed:
        rig.dispatch()
    assert all(fault in str(failed.value) for fault in FAULTS)
    assert [*rig.audit()] == []


def test_a_lost_scheduled_run_ends_as_a_dead_letter_that_names_each_fault(rig: Rig) -> None:
    """Nobody waits for a scheduled run: what is left of it is the alarm on this queue."""
    rig.put_fleet(FAULTY)
    rig.stack.aws.functions.invoke(
        FunctionName=rig.stack.resources["DispatcherFunction"], InvocationType="Event", Payload=b"{}"
    )
    lost = rig.stack.await_message("DispatcherDeadLetterQueue", 30)["Body"]
    assert all(fault in lost for fault in FAULTS)


def test_a_fleet_file_that_is_no_json_fails_the_run(rig: Rig) -> None:
    """A fleet file written for people is not what is uploaded."""
    rig.put_fleet(b"vcenters:\n  - name: vc01\n")
    with pytest.raises(FunctionError, match="FleetInvalid"):
        rig.dispatch()


def test_bad_messages_are_kept_and_good_ones_beside_them_are_answered(fleet: Rig) -> None:
    """Not JSON, no request, a field too many, a vCenter that nobody knows, a check that no run asked for."""
    good = request_of("run-1", "good", fleet)
    bad = [
        "{not json",
        "[]",
        {**good, "host": "198.51.100.7"},
        {**good, "vcenter": "evil"},
        {**good, "cluster": "domain-c404"},
        {**good, "attempt": 1},
    ]
    send(fleet, "CheckQueue", *bad, good)
    assert fleet.await_answer("good", "domain-c9", good["request_id"])["outcome"] == "baseline"
    kept = [fleet.stack.await_message("CheckDeadLetterQueue", 30)["Body"] for _ in bad]
    assert sorted(kept) == sorted(one if isinstance(one, str) else json.dumps(one) for one in bad)
    assert fleet.log_end("evil", "domain-c9").head is None
    assert fleet.log_end("good", "domain-c404").head is None


def test_a_retry_of_an_unknown_vcenter_is_kept(fleet: Rig) -> None:
    """The fleet file may have changed since it was sent: a person decides."""
    retry = {
        "schema_version": 1,
        "vcenter": "gone",
        "run_id": "run-2",
        "attempt": 1,
        "reason": "vcenter-unreachable",
    }
    send(fleet, "RetryQueue", retry)
    assert json.loads(fleet.stack.await_message("RetryDeadLetterQueue", 30)["Body"]) == retry


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ({"clusters": [{"vcenter": "evil", "cluster": "prod-a"}]}, "'evil'"),
        ({"clusters": [{"vcenter": "good"}]}, "/clusters/0/cluster"),
        ({"cluster": []}, "/cluster"),
    ],
    ids=["unknown vCenter", "no cluster", "misspelt"],
)
def test_a_run_that_asks_for_nonsense_is_refused(event: dict[str, object], told: str, fleet: Rig) -> None:
    """With what is wrong, and before anything is sent."""
    known = len(fleet.records("good"))
    with pytest.raises(FunctionError, match=told):
        fleet.dispatch(event)
    assert len(fleet.records("good")) == known


def test_a_cluster_that_no_vcenter_lists_is_named_in_the_reply(fleet: Rig) -> None:
    """The others asked for are checked all the same."""
    clusters = [{"vcenter": "good", "cluster": name} for name in ("prod-a", "prod-x")]
    reply = fleet.dispatch({"clusters": clusters})
    assert [one["name"] for one in reply["dispatched"]] == ["prod-a"]
    assert [(one["cluster"], one["reason"]) for one in reply["failed"]] == [("prod-x", "cluster-missing")]
    assert reply["asked"] == []


def test_a_vcenter_with_another_ca_is_unreachable_and_says_why(fleet: Rig) -> None:
    """In OpenSSL's words, with what to do; it is never trusted all the same, and never sent a password."""
    fleet.add_vcenter("distrusted", small(1))
    stranger = authority(datetime.now(UTC), "Another CA")
    fleet.put_secret("vcenter/distrusted", fleet.vcenter_secret("distrusted", ca_bundle=stranger.pem))
    fleet.put_fleet(fleet.fleet("distrusted"))
    fleet.dispatch()
    ((kind, summary),) = until(lambda: _open(fleet, "distrusted"), "the distrust to be told", 30)
    assert kind == "vcenter-unreachable"
    assert "refused: unable to get local issuer certificate" in summary
    assert "ca_bundle" in summary
    assert fleet.vcenters["distrusted"].sessions.logins == []
    fleet.put_secret("vcenter/distrusted", fleet.vcenter_secret("distrusted"))
    until(lambda: not _open(fleet, "distrusted"), "the right CA to be tried", 30)


def test_a_secret_that_points_to_another_vcenter_is_noticed(fleet: Rig) -> None:
    """Its clusters have the same ids: compared with the wrong baseline, everything would seem changed."""
    fleet.add_vcenter("moved", small(2))
    fleet.put_fleet(fleet.fleet("moved"))
    (first,) = fleet.check()
    fleet.put_secret("vcenter/moved", fleet.vcenter_secret("moved", port=fleet.servers["good"].port))
    fleet.dispatch()
    assert [kind for kind, _ in _open(fleet, "moved")] == ["vcenter-replaced"]
    assert [record["seq"] for record in fleet.records("moved", "domain-c9")] == [first["seq"]]
    fleet.put_secret("vcenter/moved", fleet.vcenter_secret("moved"))
    (again,) = fleet.check()
    assert (again["outcome"], _open(fleet, "moved")) == ("unchanged", [])


def test_a_vcenter_without_a_secret_is_named(fleet: Rig) -> None:
    """Nobody can log in: told at once, with the secret that is missing."""
    fleet.put_fleet({**fleet.fleet("good"), "vcenters": [{"name": "secretless"}]})
    fleet.dispatch()
    ((kind, summary),) = _open(fleet, "secretless")
    assert kind == "vcenter-authentication"
    assert "esx-drift/vcenter/secretless" in summary


def _open(rig: Rig, vcenter: str) -> list[tuple[str, str]]:
    findings = rig.log_end(vcenter, VCENTER_LOG).after["findings"].values()
    return [(finding["kind"], finding["summary"]) for finding in findings]
