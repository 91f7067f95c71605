import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from esx_drift.adapters import aws_clients as clients
from esx_drift.domain.stored.identifiers import make_next_request_id
from esx_drift.errors import ContractViolation, FleetInvalid, FleetMissing, RequestRefused, TransientError
from esx_drift.runtime import runtime

from tests.simulator import fault_kinds
from tests.simulator.sessions import USER
from tests.unit.fleets import fleet
from tests.unit.functions.conftest import RUN_ID, Deployed, FunctionLog


def test_a_fleet_file_with_faults_stops_the_run_and_names_each(deployed: Deployed) -> None:
    """Nothing is half dispatched, and whoever reads the alarm's log can mend the file at once."""
    faulty = fleet(routes=[{"name": "ops", "min_severity": "loud"}], ignore=[{"name": "all"}])
    deployed.put_fleet(faulty)
    with pytest.raises(FleetInvalid) as caught:
        deployed.invoke("dispatcher", {})
    assert len(caught.value.problems) >= 2
    assert all(problem in str(caught.value) for problem in caught.value.problems)
    assert deployed.records() == []
    assert deployed.waiting("CheckQueue") == deployed.waiting("RetryQueue") == 0


def test_a_run_before_there_is_a_fleet_file_ends_well(
    deployed: Deployed, function_log: FunctionLog, capfd: pytest.CaptureFixture[str]
) -> None:
    """The schedule fires as soon as it is deployed: that is no error, and no dead letter; the log says why.

    It doesn't count as a run: where a fleet file vanishes, the alarm on missing runs rings.
    """
    clients.s3().delete_object(Bucket="state", Key="config/fleet.json")
    reply = deployed.invoke("dispatcher", {})
    assert reply == {"run_id": RUN_ID, "asked": [], "dispatched": [], "failed": []}
    (line,) = function_log.lines("nothing is watched yet")
    assert (line["level"], line["run_id"]) == ("WARNING", RUN_ID)
    assert "esx-drift fleet push FILE" in line["why"]
    assert "RunsEnded" not in capfd.readouterr().out


def test_whoever_asks_for_clusters_hears_that_there_is_no_fleet_file(deployed: Deployed) -> None:
    """A person waits for the answer; and a message that names a vCenter is proof that there was a file."""
    clients.s3().delete_object(Bucket="state", Key="config/fleet.json")
    with pytest.raises(FleetMissing):
        deployed.invoke("dispatcher", {"clusters": [{"vcenter": "vc01", "cluster": "prod-a"}]})
    with pytest.raises(FleetMissing):
        deployed.invoke("dispatcher", {"Records": []})


@pytest.mark.parametrize(
    "event",
    [
        {"clusters": []},
        {"clusters": [{"vcenter": "vc01"}]},
        {"clusters": [{"vcenter": "vc01", "cluster": ""}]},
        {"clusters": [{"vcenter": "vc01", "cluster": "prod-a", "phase": "extract"}]},
        {"cluster": "prod-a"},
        {"vcenters": []},
        {"vcenters": ["vc01"], "clusters": [{"vcenter": "vc01", "cluster": "prod-a"}]},
        {"run_id": "mine"},
        {"run_id": make_next_request_id(RUN_ID, "retry vc01")},
    ],
)
def test_an_event_that_asks_wrongly_is_refused(deployed: Deployed, event: dict[str, Any]) -> None:
    """What a person misspelt does not become a run of the whole fleet."""
    with pytest.raises(ContractViolation):
        deployed.invoke("dispatcher", event)
    assert deployed.records() == []


def test_every_line_of_a_run_names_the_run(deployed: Deployed, function_log: FunctionLog) -> None:
    """One line for the whole, and for each vCenter what came of it."""
    deployed.invoke("dispatcher", {})
    deployed.list_each()
    lines = function_log.lines()
    assert {line["run_id"] for line in lines} == {deployed.context.aws_request_id}
    told = {(line["message"], line.get("vcenter"), line.get("reason")) for line in lines}
    assert told == {
        ("run asked for", None, None),
        ("vCenter dispatched", "vc01", None),
        ("run ended", "vc01", None),
        ("vCenter not dispatched", "vc02", "vcenter-unreachable"),
        ("run ended", "vc02", None),
    }


def test_a_run_is_counted(deployed: Deployed, capfd: pytest.CaptureFixture[str]) -> None:
    """Metrics of the namespace, by stack and function: each sum is the run's.

    A whole run is counted once all vCenters are asked for; by its trigger too, which its alarm watches.
    """
    deployed.invoke("dispatcher", {})
    deployed.list_each()
    metrics = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    counted: Counter[tuple[str, ...]] = Counter()
    for line in metrics:
        assert (line["stack"], line["service"]) == ("esx-drift", "tested")
        (metric,) = line["_aws"]["CloudWatchMetrics"]
        assert metric["Namespace"] == "esx-drift"
        (dimensions,), (named,) = metric["Dimensions"], metric["Metrics"]
        further = [line[name] for name in dimensions if name not in {"stack", "service"}]
        counted[named["Name"], *further] += sum(line[named["Name"]])
    assert counted == {
        ("ListingsAsked",): 2,
        ("RunsEnded",): 1,
        ("RunsEnded", "schedule"): 1,
        ("ChecksDispatched",): 1,
        ("DispatchesFailed",): 1,
    }


def test_a_password_that_is_refused_is_counted_whether_it_was_tried_or_not(
    deployed: Deployed, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The alarm rings until the secret has another one, also while the breaker keeps it from being tried.

    Not by the first refusal, after which it is tried once more, nor by a wait for that.
    """
    deployed.vcenter.sessions.accounts[USER] = "another"
    begun, counted = datetime.now(UTC), []
    for number, seconds in enumerate((0, 100, 200, 300)):
        monkeypatch.setattr(runtime, "_now", lambda ahead=seconds: begun + timedelta(seconds=ahead))
        deployed.context.aws_request_id = RUN_ID.replace("5f1c", f"{number}f1c")
        deployed.invoke("dispatcher", {"vcenters": ["vc01"]})
        deployed.list_each()
        counted.append('"LoginsRefused":[1.0]' in capfd.readouterr().out)
    assert counted == [False, False, True, True]
    assert len(deployed.vcenter.sessions.logins) == 2


def test_a_proxy_that_refuses_a_login_says_nothing_of_the_password(
    deployed: Deployed, capfd: pytest.CaptureFixture[str]
) -> None:
    """A page of its own with a 401; the alarm would send somebody to mend a password that is right."""
    deployed.vcenter.faults.inject("POST /api/session", fault_kinds.web_page(401, "401 Unauthorized"))
    deployed.invoke("dispatcher", {"vcenters": ["vc01"]})
    deployed.list_each()
    written = capfd.readouterr().out
    assert '"DispatchesFailed":[1.0]' in written
    assert "LoginsRefused" not in written


def test_a_run_of_chosen_clusters_is_no_whole_run(
    deployed: Deployed, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whoever checks one cluster by hand each day must not keep the alarm on missing runs from ringing."""
    deployed.invoke("dispatcher", {"clusters": [{"vcenter": "vc01", "cluster": "prod-a"}]})
    assert "RunsEnded" not in capfd.readouterr().out


def test_the_same_invocation_repeated_asks_for_the_same(deployed: Deployed) -> None:
    """Lambda repeats an asynchronous invocation under its request id: each vCenter has one record of it."""
    first = deployed.invoke("dispatcher", {})
    assert deployed.invoke("dispatcher", {}) == first
    deployed.list_each()
    assert len(deployed.records()) == 2
    assert deployed.waiting("CheckQueue") == 1


@pytest.mark.parametrize(
    ("chosen", "asked"), [({}, ["vc01", "vc02"]), ({"vcenters": ["vc02", "vc02"]}, ["vc02"])]
)
def test_whoever_asks_may_name_the_run_and_the_vcenters(
    deployed: Deployed, chosen: dict[str, Any], asked: list[str]
) -> None:
    """So that he can follow it. It covers all clusters of these, and says that no schedule asked."""
    run_id = "11111111-2222-4333-8444-555555555555"
    reply = deployed.invoke("dispatcher", {"run_id": run_id, **chosen})
    assert (reply["run_id"], reply["asked"]) == (run_id, asked)
    deployed.list_each()
    found = [json.loads(deployed.stored(key)) for key in deployed.records()]
    assert [record["run_id"] for record in found] == [run_id] * len(asked)
    assert {(one["dispatch"]["trigger"], one["dispatch"]["selected"]) for one in found} == {("direct", False)}


def test_a_vcenter_that_the_fleet_does_not_know_is_refused(deployed: Deployed) -> None:
    """Before anything is asked for."""
    with pytest.raises(RequestRefused, match="'vc99'"):
        deployed.invoke("dispatcher", {"vcenters": ["vc01", "vc99"]})
    assert deployed.waiting("RetryQueue") == 0


def test_chosen_clusters_of_several_vcenters_are_asked_for_one_by_one(deployed: Deployed) -> None:
    """Neither vCenter can end the look at the other; of a single one the reply says what was dispatched."""
    chosen = [{"vcenter": name, "cluster": "prod-a"} for name in ("vc01", "vc02")]
    reply = deployed.invoke("dispatcher", {"clusters": chosen})
    assert (reply["asked"], reply["dispatched"], reply["failed"]) == (["vc01", "vc02"], [], [])
    deployed.list_each()
    assert deployed.waiting("CheckQueue") == 1
    alone = deployed.invoke("dispatcher", {"clusters": chosen[:1]})
    assert (alone["asked"], [one["name"] for one in alone["dispatched"]]) == ([], ["prod-a"])


def test_a_retry_that_is_delivered_again_sends_again(deployed: Deployed) -> None:
    """A first receipt that was cut off may have sent nothing; a second message of the same run is done."""
    request = {
        "schema_version": 1,
        "vcenter": "vc01",
        "run_id": make_next_request_id(RUN_ID, "retry vc01"),
        "attempt": 1,
        "reason": "vcenter-error",
        "dispatch_seq": 1,
    }

    def record(receives: int) -> dict[str, Any]:
        return {
            "messageId": str(receives),
            "receiptHandle": "receipt",
            "body": json.dumps(request),
            "attributes": {"ApproximateReceiveCount": str(receives)},
        }

    deployed.vcenter.faults.inject("POST /api/session", fault_kinds.status(500), times=1)
    deployed.invoke("dispatcher", {})
    deployed.list_each()
    for receives, waiting in ((1, 1), (1, 1), (2, 2)):
        deployed.invoke("dispatcher", {"Records": [record(receives)]})
        assert deployed.waiting("CheckQueue") == waiting


def test_a_run_that_aws_fails_is_an_error(deployed: Deployed, capfd: pytest.CaptureFixture[str]) -> None:
    """So that Lambda runs it again, and in the end somebody hears of it."""
    boto3.client("sqs").delete_queue(QueueUrl=deployed.urls["RetryQueue"])
    with pytest.raises(TransientError, match=r"vc01: .*\n.*vc02: "):
        deployed.invoke("dispatcher", {})
    assert "RunsEnded" not in capfd.readouterr().out
