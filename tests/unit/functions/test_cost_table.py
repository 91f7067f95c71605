"""What each invocation asks of AWS, counted with the real handlers: docs/costs.md is made of it."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from botocore.client import BaseClient
from esx_drift.adapters import aws_clients as clients
from esx_drift.domain.stored.identifiers import REPORT_STATE_KEY
from moto.s3.models import s3_backends

from tests.benchmarks.costs import CALLS, HOSTS, read_table
from tests.benchmarks.fleet import BEFORE, COMPONENTS
from tests.simulator import catalogue
from tests.simulator.extraction import Pace
from tests.unit.fleets import fleet
from tests.unit.functions.conftest import Deployed, FunctionLog

CLUSTER: Final = "measured"
SIZES_MAY_DIFFER_BY: Final = 0.15
"""Times and ids differ from run to run, and so does what gzip makes of them."""
TIMEOUT_MS: Final = 300_000
"""What the template gives the checker: with less of it left, hosts' UUIDs are read by a later check."""


@dataclass(slots=True)
class Meter:
    """Plays the life of a fleet, one invocation after the other, and notes what each asks of AWS."""

    deployed: Deployed
    function_log: FunctionLog
    capfd: pytest.CaptureFixture[str]
    calls: Counter[str] = field(default_factory=Counter)
    sent: list[tuple[str, str]] = field(default_factory=list)
    stored: Counter[str] = field(default_factory=Counter)
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    metrics: set[str] = field(default_factory=set)
    runs: int = 0

    def note(self, service: str, operation: str, params: Mapping[str, Any]) -> None:
        """Note a call to AWS; what it sends is kept, so that a delayed message need not be waited for."""
        self.calls[f"{service} {operation}"] += 1
        if operation == "SendMessage":
            self.sent.append((params["QueueUrl"].rpartition("/")[2], params["MessageBody"]))
        elif operation == "PutObject":
            self.stored[params["Key"].partition("/")[0]] += len(params["Body"])
        elif operation == "Publish":
            self.sent.append(("NotifyQueue", json.loads(params["Message"])["default"]))

    def invoke(self, step: str | None, function: str, event: dict[str, Any]) -> None:
        """Invoke a function; what it asked for stands in the table under ``step``, if that has a name."""
        self.calls.clear()
        self.sent.clear()
        self.stored.clear()
        before = len(self.function_log.text)
        self.capfd.readouterr()
        assert not (self.deployed.invoke(function, event) or {}).get("batchItemFailures")
        printed = self.capfd.readouterr().out
        for line in filter(lambda line: '"_aws"' in line, printed.splitlines()):
            (emitted,) = json.loads(line)["_aws"]["CloudWatchMetrics"]
            names = [metric["Name"] for metric in emitted["Metrics"]]
            values = [json.loads(line)[name] for name in emitted["Dimensions"][0]]
            self.metrics |= {" ".join((*names, *(value for value in values if value != "tested")))}
        if step is not None:
            logged = len(self.function_log.text) - before + len(printed)
            self.steps[step] = {
                "calls": dict(sorted(self.calls.items())),
                "stored_bytes": dict(sorted(self.stored.items())),
                "log_bytes": logged,
            }

    def run(self, step: str | None = None) -> str:
        """Let the schedule begin a run; the first message that it sends."""
        self.runs += 1
        self.deployed.context.aws_request_id = str(UUID(int=self.runs, version=4))
        self.invoke(step, "dispatcher", {})
        return self.sent[0][1]

    def list_clusters(self, step: str | None = None) -> str:
        """Begin a run and list the vCenter; the request to check the cluster that is measured."""
        asked = self.run()
        self.invoke(step, "dispatcher", deliver(asked))
        return next(body for _, body in self.sent if json.loads(body).get("cluster_name") == CLUSTER)

    def check(self, extract: str | None, poll: str | None, collect: str) -> None:
        """Check the cluster to the end: asked for, asked after once in vain, collected."""
        request = self.list_clusters()
        for step in (extract, poll):
            self.invoke(step, "checker", deliver(request))
            ((_, request),) = self.sent
        self.invoke(collect, "checker", deliver(request))


def deliver(body: str) -> dict[str, Any]:
    """The event with which a queue invokes a function for one message."""
    attributes = {"ApproximateReceiveCount": "1", "SenderId": "AROATEST:function", "SentTimestamp": "1"}
    message = {"messageId": "1", "receiptHandle": "1", "body": body, "attributes": attributes}
    return {"Records": [{**message, "messageAttributes": {}, "eventSource": "aws:sqs"}]}


@pytest.fixture
def meter(
    deployed: Deployed,
    function_log: FunctionLog,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Meter:
    """It stands where every call of every client of boto3 passes."""
    deployed.context.remaining_ms = TIMEOUT_MS
    made = Meter(deployed, function_log, capfd)
    call = vars(BaseClient)["_make_api_call"]

    def noted(client: BaseClient, operation: str, params: Mapping[str, Any]) -> Any:  # noqa: ANN401 -- boto3's
        made.note(client.meta.service_model.service_name, operation, params)
        return call(client, operation, params)

    monkeypatch.setattr(BaseClient, "_make_api_call", noted)
    return made


def play_life(meter: Meter) -> dict[str, Any]:
    """Have each function do what it does in a month; what each step asked of AWS, and the metrics."""
    deployed, inventory = meter.deployed, meter.deployed.vcenter.inventory
    deployed.vcenter.extractions.pace = Pace(("RUNNING",))
    routes = [{"name": "ops"}]
    deployed.put_fleet(fleet(routes=routes))
    meter.run("run of 2 vCenters")
    watched = {"name": "vc01", "clusters": {"exclude": ["prod-a"]}}
    deployed.put_fleet({**fleet(routes=routes), "vcenters": [watched]})
    meter.run("run of 1 vCenter")
    inventory.add_cluster(CLUSTER)
    software = catalogue.software(BEFORE, component_count=COMPONENTS)
    for number in range(1, HOSTS + 1):
        inventory.add_host(CLUSTER, f"big{number:02d}", software)
    meter.check(None, None, "first look")
    meter.list_clusters("listing of 1 cluster")
    meter.check("extract", "poll", "collect, nothing new")
    deployed.vcenter.hosts.set_component("big01", "Intel-i40en", "2.9.2.0-1OEM.800.1.0.20613240")
    meter.check(None, None, "collect, a change")
    ((queue, event),) = meter.sent
    assert queue == "NotifyQueue"
    meter.invoke("gather an event", "notifier", deliver(event))
    ((queue, delivery),) = meter.sent
    assert queue == "DeliveryQueue"
    meter.invoke("post a message", "sender", deliver(delivery))
    assert len(deployed.slack.accepted) == 1
    _report(meter)
    _seal(meter)
    inventory.add_cluster("next")
    meter.list_clusters()
    meter.list_clusters("listing of 2 clusters")
    return {"steps": meter.steps, "metrics": sorted(meter.metrics)}


def _report(meter: Meter) -> None:
    """Let the reporter begin, which tells the first look; then a run of each kind."""
    meter.invoke(None, "reporter", {})
    meter.invoke("report, nothing due", "reporter", {})
    s3 = clients.s3()
    state = json.loads(s3.get_object(Bucket="state", Key=REPORT_STATE_KEY)["Body"].read())
    s3.put_object(Bucket="state", Key=REPORT_STATE_KEY, Body=json.dumps({**state, "swept_at": None}))
    meter.invoke("report, all logs read", "reporter", {})
    meter.invoke("report of a day", "reporter", {"report": "daily"})


def _seal(meter: Meter) -> None:
    """Let the sealer name all there is; then what it asks for beside new objects and further logs."""
    for stored in s3_backends["123456789012"]["aws"].buckets["audit"].keys.values():
        # Not of this second, which is left to the next digest.
        stored.last_modified -= timedelta(hours=1)
    meter.invoke(None, "sealer", {"settle_seconds": 0})
    meter.invoke("seal, nothing due", "sealer", {})
    meter.invoke("seal of a day", "sealer", {"settle_seconds": 86_400})


def test_the_table_of_calls_is_what_the_functions_ask_for(meter: Meter, *, refresh_goldens: bool) -> None:
    """Every call exactly; sizes as far as they are the same from run to run. --refresh-goldens writes it."""
    measured = play_life(meter)
    if refresh_goldens:
        CALLS.write_text(json.dumps(measured, indent=2) + "\n")
    table = read_table()
    assert measured["metrics"] == table["metrics"]
    assert measured["steps"].keys() == table["steps"].keys()
    for name, known in table["steps"].items():
        found = measured["steps"][name]
        assert found["calls"] == known["calls"], name
        assert found["stored_bytes"] == pytest.approx(known["stored_bytes"], rel=SIZES_MAY_DIFFER_BY), name
        assert found["log_bytes"] == pytest.approx(known["log_bytes"], rel=SIZES_MAY_DIFFER_BY), name


def test_a_process_reads_each_log_once_for_new_hosts(meter: Meter) -> None:
    """Of four first looks each reads what came since its process read the others, and not all of them."""
    inventory = meter.deployed.vcenter.inventory
    meter.deployed.vcenter.extractions.pace = Pace(("RUNNING",))
    meter.deployed.put_fleet({**fleet(), "vcenters": [{"name": "vc01", "clusters": {"exclude": ["prod-a"]}}]})
    gets: list[int] = []
    for number in range(4):
        name = f"measured-{number}"
        cluster = inventory.add_cluster(CLUSTER)
        inventory.add_host(cluster, f"{name}.corp.example")
        meter.check(None, None, name)
        inventory.rename_cluster(CLUSTER, name)
        gets.append(meter.steps[name]["calls"]["s3 GetObject"])
    assert gets == [gets[0], *[gets[0] + 3] * 3]
