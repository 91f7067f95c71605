"""What a month of esx-drift costs: what was measured, times AWS's list prices."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypedDict

import yaml

from tests.benchmarks.prices import PRICES
from tests.paths import GOLDEN, ROOT

CALLS: Final = GOLDEN / "costs" / "calls.json"
"""What each invocation asks of AWS: ``tests/unit/functions/test_cost_table.py`` measures it."""

HOSTS: Final = 12
"""In each cluster: what is measured has as many, of one image of 120 components."""

HOURS: Final = 730
INTERVAL_HOURS: Final = 4
RUNS: Final = HOURS / INTERVAL_HOURS
POLLS: Final = 1
"""An extraction takes 3 minutes: asked after a minute later in vain, collected two minutes after that."""

CHANGES: Final = 4
"""Checks a month and cluster that find something, each with one event for one route."""

REPORTS: Final = 4 * HOURS
"""Runs of the reporter, every 15 minutes. One an hour reads where all logs end, one a day its records."""

DAYS: Final = HOURS / 24
DAY_RECORDS: Final = 24 / INTERVAL_HOURS + 1
"""Of each log, that a daily report reads: a day's, and the one before."""

CHANGE_OBJECTS: Final = 4
"""That a change leaves beside its record: document, snapshot, what its message tells, the receipt."""

KEYS_A_LISTING: Final = 1_000
"""That S3 gives by one call (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html)."""

POLLERS: Final = 5
EMPTY_RECEIVES_A_MINUTE: Final = 3 * POLLERS
"""Of each queue that invokes a function: five pollers, a long poll of 20 seconds each
(https://github.com/getlift/lift/issues/132 counted 15 a minute)."""

SECONDS: Final = {
    "run": 2.0,
    "listing": 5.0,
    "listing, each further cluster": 0.05,
    "extract": 4.0,
    "poll": 3.0,
    "collect, nothing new": 5.0,
    "collect, a change": 7.0,
    "gather an event": 2.0,
    "post a message": 3.0,
    "report, nothing due": 1.5,
    "report, all logs read": 2.0,
    "report, each further cluster": 0.02,
    "report of a day": 4.0,
    "report of a day, each further cluster": 0.1,
    "seal, nothing due": 1.5,
    "seal of a day": 4.0,
    "seal of a day, each further cluster": 0.2,
}
"""Billed, a cold start and slow answers of the vCenter included."""

FUNCTIONS: Final = {
    "run": "Dispatcher",
    "listing": "Dispatcher",
    "gather an event": "Notifier",
    "post a message": "Sender",
    "report, nothing due": "Reporter",
    "report, all logs read": "Reporter",
    "report of a day": "Reporter",
    "seal, nothing due": "Sealer",
    "seal of a day": "Sealer",
}
WRITTEN_OVER: Final = ("state", "routes")
"""Of these, what was before goes after days."""

READ_TWICE: Final = 2
"""By verifying, of what a change leaves: the document, and the snapshot."""

LAMBDAS_OWN_LOG_BYTES: Final = 400
"""START, END and REPORT of an invocation."""

METRIC_SHARE: Final = min(1.0, 2 * RUNS / HOURS)
"""A custom metric is billed for the hours in which it was sent: two a run."""

LOG_MONTHS: Final = 3
KMS_CALLS_BOUND: Final = HOURS * 3600 / 300 * 2 * 2
"""Two publishers, a data key for 5 minutes: R = B / D * (2 * P), by
https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html."""

VPC_KILOBYTES: Final = 50
"""That an invocation exchanges with SQS, SNS and Secrets Manager, handshakes included."""

VPC_ENDPOINTS: Final = ("sqs", "sns", "secretsmanager")
ZONES: Final = 2
GIGABYTE: Final = 1e9


@dataclass(frozen=True, slots=True)
class Fleet:
    """How much is watched."""

    clusters: int
    vcenters: int


FLEETS: Final = (Fleet(10, 1), Fleet(100, 2), Fleet(1_000, 20))


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as the plain values that they hold."""


_Loader.add_multi_constructor("!", lambda _loader, _suffix, node: str(node.value))


class Step(TypedDict):
    """What one invocation asked of AWS: its calls, the bytes that it stored by kind, and what it logged."""

    calls: dict[str, int]
    stored_bytes: dict[str, int]
    log_bytes: int


class Table(TypedDict):
    """What was measured: each invocation by its name, and the names of the metrics that they sent."""

    steps: dict[str, Step]
    metrics: list[str]


def read_table() -> Table:
    """Read what was measured."""
    table: Table = json.loads(CALLS.read_text())
    return table


@cache
def _read_template() -> dict[str, Any]:
    """Read the template: seconds each time, and each sum asks it."""
    template: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text(), _Loader)  # noqa: S506 -- safe
    return template


def read_resources(kind: str) -> dict[str, dict[str, Any]]:
    """Read the properties of the template's resources of a type."""
    resources = _read_template()["Resources"]
    return {name: each["Properties"] for name, each in resources.items() if each["Type"] == kind}


def count_invocations(fleet: Fleet) -> dict[str, float]:
    """Count the invocations of a month by step; of the runs and listings by what is in each, too."""
    checks, changes = RUNS * fleet.clusters, float(CHANGES * fleet.clusters)
    return {
        "run": RUNS,
        "listing": RUNS * fleet.vcenters,
        "extract": checks,
        "poll": checks * POLLS,
        "collect, nothing new": checks - changes,
        "collect, a change": changes,
        "gather an event": changes,
        "post a message": changes,
        "report, nothing due": REPORTS - HOURS,
        "report, all logs read": HOURS - DAYS,
        "report of a day": DAYS,
        "seal, nothing due": HOURS - DAYS,
        "seal of a day": DAYS,
    }


def count_calls(fleet: Fleet) -> dict[str, float]:
    """Count the calls of a month by service and operation."""
    steps = {name: step["calls"] for name, step in read_table()["steps"].items()}
    invocations = count_invocations(fleet)
    more_vcenters = _subtract(steps["run of 2 vCenters"], steps["run of 1 vCenter"])
    more_clusters = _subtract(steps["listing of 2 clusters"], steps["listing of 1 cluster"])
    parts = [
        (steps["run of 1 vCenter"], invocations["run"]),
        (more_vcenters, invocations["run"] * (fleet.vcenters - 1)),
        (steps["listing of 1 cluster"], invocations["listing"]),
        (more_clusters, RUNS * (fleet.clusters - fleet.vcenters)),
        *((steps[name], number) for name, number in invocations.items() if name in steps),
    ]
    calls: defaultdict[str, float] = defaultdict(float)
    for each, number in parts:
        for call, times in each.items():
            calls[call] += times * number
    calls["s3 GetObject"] += _count_further_reads(fleet) + count_sealed(fleet)
    calls["s3 ListObjectsV2"] += _count_further_listings(fleet)
    return calls


def _count_further_reads(fleet: Fleet) -> float:
    """Count what the reporter reads of all logs but those of one vCenter and one cluster.

    That is the pointer to each log's end and the record there, and once a day the day's records.
    """
    vcenters, clusters = fleet.vcenters - 1, fleet.clusters - 1
    return 2 * (vcenters * REPORTS + clusters * HOURS) + DAYS * DAY_RECORDS * (vcenters + clusters)


def count_sealed(fleet: Fleet) -> float:
    """Count the objects that a month's checks leave in the AuditBucket: the sealer reads each once."""
    return RUNS * (fleet.clusters + fleet.vcenters) + CHANGE_OBJECTS * CHANGES * fleet.clusters


def count_verified(fleet: Fleet) -> tuple[float, float]:
    """Count what `esx-drift verify` reads of a year's trail, and its listings, by names and by versions.

    Each object once, but for documents and snapshots, which it reads anew to compare (tests/unit/trail).
    """
    twice = CHANGES * fleet.clusters * READ_TWICE
    objects = 12 * count_sealed(fleet)
    return objects + 12 * twice, 2 * objects / KEYS_A_LISTING


def price_verifying(fleet: Fleet) -> float:
    """What it costs to verify a year's trail once, in US dollars."""
    reads, listings = count_verified(fleet)
    return _price("S3, GET", reads) + _price("S3, PUT and LIST", listings)


def count_sealer_listings(fleet: Fleet) -> tuple[float, float]:
    """Count the listings of one seal, once the trail is a year old: of logs, and of all else.

    A log is listed behind what is named (tests/unit/sealing). All else is listed whole: documents, snapshots
    and messages, which a year's changes left.
    """
    return fleet.vcenters + fleet.clusters, 12 * CHANGE_OBJECTS * CHANGES * fleet.clusters / KEYS_A_LISTING


def price_sealer_listings(fleet: Fleet) -> float:
    """What the listings of a month's seals cost, in US dollars."""
    return _price("S3, PUT and LIST", DAYS * sum(count_sealer_listings(fleet)))


def _count_further_listings(fleet: Fleet) -> float:
    """Count the listings of the sealer, but for those of one vCenter and one cluster."""
    logs, others = count_sealer_listings(fleet)
    return DAYS * (logs - 2 + others)


def _subtract(more: Mapping[str, int], less: Mapping[str, int]) -> dict[str, int]:
    return {call: number - less.get(call, 0) for call, number in more.items()}


def count_gigabyte_seconds(fleet: Fleet) -> float:
    """Count what Lambda bills of memory and time."""
    functions = read_resources("AWS::Serverless::Function")
    further = RUNS * (fleet.clusters - fleet.vcenters) * SECONDS["listing, each further cluster"]
    seconds = {step: number * SECONDS[step] for step, number in count_invocations(fleet).items()}
    seconds["listing"] += further
    seconds["report, all logs read"] += HOURS * (fleet.clusters - 1) * SECONDS["report, each further cluster"]
    each_day = SECONDS["report of a day, each further cluster"]
    seconds["report of a day"] += DAYS * (fleet.clusters - 1) * each_day
    seconds["seal of a day"] += DAYS * (fleet.clusters - 1) * SECONDS["seal of a day, each further cluster"]
    return sum(
        spent * int(functions[f"{FUNCTIONS.get(step, 'Checker')}Function"]["MemorySize"]) / 1024
        for step, spent in seconds.items()
    )


def measure_stored(fleet: Fleet) -> float:
    """Measure the gigabytes in both buckets after a year; versions of a state last a month."""
    steps = read_table()["steps"] | {"listing": read_table()["steps"]["listing of 1 cluster"]}
    return sum(
        size * number * (1 if kind in WRITTEN_OVER else 12) / GIGABYTE
        for step, number in count_invocations(fleet).items()
        for kind, size in (steps[step]["stored_bytes"].items() if step in steps else ())
    )


def price_month(fleet: Fleet, architecture: str) -> dict[str, float]:
    """Price a month by service, in dollars, without a VPC."""
    table, calls, invocations = read_table(), count_calls(fleet), sum(count_invocations(fleet).values())
    messages = calls["sqs SendMessage"]
    events = calls["sns Publish"]
    receiving = 2 * (messages + events)  # each is received and deleted by itself
    mappings = sum(len(_list_queues(each)) for each in read_resources("AWS::Serverless::Function").values())
    idle = mappings * EMPTY_RECEIVES_A_MINUTE * 60 * HOURS
    logged = _measure_logs(fleet) / GIGABYTE
    return {
        "Lambda": _price("Lambda, requests", invocations)
        + _price(f"Lambda, {architecture}", count_gigabyte_seconds(fleet)),
        "SQS, polling of empty queues": _price("SQS, standard queue", idle),
        "SQS, messages": _price("SQS, standard queue", messages + receiving)
        + _price("SQS, fair queue, on top", 3 * messages),
        "S3, requests": _price("S3, PUT and LIST", calls["s3 PutObject"] + calls["s3 ListObjectsV2"])
        + _price("S3, GET", calls["s3 GetObject"]),
        "S3, stored after a year": _price("S3, Standard", measure_stored(fleet)),
        "Secrets Manager": _price("Secrets Manager", fleet.vcenters + 1)
        + _price("Secrets Manager, calls", calls["secretsmanager GetSecretValue"]),
        "SNS and its key": _price("SNS, publish", events) + _price("KMS", min(2 * events, KMS_CALLS_BOUND)),
        "KMS, the key that signs": _price("KMS, key", len(read_resources("AWS::KMS::Key")))
        + _price("KMS, signing", calls["kms Sign"] + calls["kms GetPublicKey"]),
        "CloudWatch alarms": _price("CloudWatch, alarms", count_alarm_metrics()),
        "CloudWatch dashboard": _price(
            "CloudWatch, dashboards", len(read_resources("AWS::CloudWatch::Dashboard"))
        ),
        "CloudWatch metrics": _price("CloudWatch, metrics", len(table["metrics"]) * METRIC_SHARE),
        "CloudWatch Logs": _price("CloudWatch Logs, written", logged)
        + _price("CloudWatch Logs, kept", logged * LOG_MONTHS),
        "EventBridge Scheduler": _price("EventBridge Scheduler", RUNS + REPORTS + HOURS),
    }


def price_network(fleet: Fleet) -> dict[str, float]:
    """Price a month's way out of a VPC, in dollars; the way to the vCenters is somebody else's."""
    gigabytes = sum(count_invocations(fleet).values()) * VPC_KILOBYTES * 1e3 / GIGABYTE
    hours = HOURS * len(VPC_ENDPOINTS) * ZONES
    return {
        "NAT gateway": _price("NAT gateway", HOURS)
        + _price("Public IPv4 address", HOURS)
        + _price("NAT gateway, data", gigabytes),
        "interface endpoints": _price("Interface endpoint", hours)
        + _price("Interface endpoint, data", gigabytes),
    }


def count_alarm_metrics() -> int:
    """Count the metrics that the template's alarms watch: each is billed."""
    return sum(
        len([each for each in alarm["Metrics"] if "MetricStat" in each]) if "Metrics" in alarm else 1
        for alarm in read_resources("AWS::CloudWatch::Alarm").values()
    )


def _list_queues(function: Mapping[str, Any]) -> list[object]:
    return [each for each in function.get("Events", {}).values() if each["Type"] == "SQS"]


def _measure_logs(fleet: Fleet) -> float:
    sizes = {name: step["log_bytes"] for name, step in read_table()["steps"].items()}
    sizes |= {"run": sizes["run of 1 vCenter"], "listing": sizes["listing of 1 cluster"]}
    return sum(
        number * (sizes[step] + LAMBDAS_OWN_LOG_BYTES) for step, number in count_invocations(fleet).items()
    )


def _price(name: str, number: float) -> float:
    return PRICES[name].each * number
