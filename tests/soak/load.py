"""One schedule over many clusters on the local AWS: the deployed product over real sockets.

Then a few clusters of each vCenter twice more: as they are, and with one vCenter that answers slowly. The
local AWS hands out messages in the order of their arrival, whatever their group: what a slow vCenter costs
the others there is the most that it can cost them. On AWS fair queues hand out the others' messages first.
"""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.text.times import parse_time

from tests.lab.local_aws.rig import Rig
from tests.lab.local_aws.waiting import until
from tests.simulator import fault_kinds
from tests.simulator.extraction import Pace
from tests.simulator.fleet import seeded_fleet
from tests.soak.measuring import Measure, build_limited, build_shown

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import Record

CHECKERS, DISPATCHERS = 3, 2
"""CheckConcurrency and the RetryQueue's MaximumConcurrency: each has one session, and one request in it."""

SECONDS_A_CHECK = 6
"""So long a check may take on a machine that does all at once, before it counts as lost."""

QUEUES = ("RetryQueue", "CheckQueue", "NotifyQueue", "DeliveryQueue")
FUNCTIONS = tuple(f"{name}Function" for name in ("Dispatcher", "Checker", "Notifier", "Reporter", "Sender"))
HIDDEN_SECONDS = 300
_REPORT = re.compile(r"^REPORT .*\tDuration: ([\d.]+) ms\t")


@dataclass(frozen=True, slots=True)
class Load:
    """How much is asked of the product. ``few``: so many clusters of each vCenter are checked again."""

    vcenters: int
    clusters_of_one: int
    hosts_of_one: int
    slow_seconds: float
    few: int = 2

    @property
    def clusters(self) -> int:
        """Of all vCenters."""
        return self.vcenters * self.clusters_of_one


def measure_load(rig: Rig, load: Load) -> Iterator[Measure]:
    """Play it on a new stack; what was measured, and its bounds."""
    fleet = seeded_fleet(
        13, vcenters=load.vcenters, clusters=load.clusters_of_one, hosts=load.hosts_of_one, component_count=4
    )
    for number, vcenter in enumerate(fleet, 1):
        vcenter.extractions.pace = Pace(())
        rig.add_vcenter(f"load{number:02}", vcenter)
    rig.put_fleet(rig.fleet())
    yield from _measure_schedule(rig, load)
    yield from _measure_slowness(rig, load)
    rig.report()
    yield from _measure_functions(rig)
    yield build_shown("messages to chat", [len(rig.slack.accepted)])
    dead = [name for name in rig.stack.resources if name.endswith("DeadLetterQueue")]
    assert len(dead) > len(QUEUES) / 2
    yield build_limited("dead letters of a queue", [rig.count_held(name) for name in dead], 0)


def _measure_schedule(rig: Rig, load: Load) -> Iterator[Measure]:
    extracted = {name: vcenter.extractions.count for name, vcenter in rig.vcenters.items()}
    bound_seconds = 120 + SECONDS_A_CHECK * load.clusters
    began = monotonic()
    with rig.without_checker():
        dispatched = rig.dispatch()["dispatched"]
        # The record of a listing is there before its last request is sent.
        asked = f"{len(dispatched)} checks to be asked for"
        until(lambda: rig.count_held("CheckQueue") >= len(dispatched), asked, bound_seconds)
        yield build_shown("listing and asking, seconds", [monotonic() - began])
        yield from _measure_groups(rig, load, len(dispatched))
    checking = monotonic()
    vcenters = rig.vcenters.values()
    until(
        lambda: sum(vcenter.looks.total() for vcenter in vcenters) >= load.clusters,
        f"{load.clusters} clusters to be looked at",
        bound_seconds,
    )
    rig.await_quiet(*QUEUES, bound_seconds=bound_seconds)
    yield build_shown("checking and telling, seconds", [monotonic() - checking])
    yield from _measure_records(rig, load)
    looks = [vcenter.looks[cluster] for vcenter in vcenters for cluster in vcenter.inventory.clusters]
    tasks = [vcenter.extractions.count - extracted[name] for name, vcenter in rig.vcenters.items()]
    yield build_limited("looks at a cluster", looks, 1)
    yield build_limited("clusters without a look", [looks.count(0)], 0)
    yield build_limited("extractions of a vCenter", tasks, load.clusters_of_one)
    limit = CHECKERS + DISPATCHERS
    yield build_limited("sessions of a vCenter at once", [one.sessions.max_open for one in vcenters], limit)
    yield build_limited(
        "requests to a vCenter at once", [one.requests_at_once.most for one in vcenters], limit
    )
    yield build_limited("sessions left open", [one.sessions.open_count for one in vcenters], 0)
    yield build_shown("requests to a vCenter", [one.requests.total() for one in vcenters])


def _measure_functions(rig: Rig) -> Iterator[Measure]:
    """How often each function was invoked, and how long that took, by the report of each invocation."""
    for function in FUNCTIONS:
        seconds = [
            float(found[1]) / 1000 for line in rig.stack.log_of(function) if (found := _REPORT.match(line))
        ]
        yield build_shown(f"{function}, invocations", [len(seconds)])
        yield build_shown(f"{function}, seconds each", seconds)


def _measure_groups(rig: Rig, load: Load, dispatched: int) -> Iterator[Measure]:
    """The group of each message of the CheckQueue, which is the name of its vCenter."""
    sqs, url = rig.stack.aws.sqs, rig.stack.resources["CheckQueue"]
    groups: Counter[tuple[str, str]] = Counter()
    handles: list[str] = []
    while len(handles) < dispatched:
        received = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=HIDDEN_SECONDS,
            MessageSystemAttributeNames=["MessageGroupId"],
        )["Messages"]
        for message in received:
            handles.append(message["ReceiptHandle"])
            groups[message["Attributes"]["MessageGroupId"], json.loads(message["Body"])["vcenter"]] += 1
    for handle in handles:
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    of_others = sum(many for (group, vcenter), many in groups.items() if group != vcenter)
    yield build_limited("messages in another vCenter's group", [of_others], 0)
    yield build_limited("messages of a group", [*groups.values()], load.clusters_of_one)
    yield build_limited("groups that are missing", [load.vcenters - len(groups)], 0)


def _measure_records(rig: Rig, load: Load) -> Iterator[Measure]:
    """Each cluster's log has one record, which saw all hosts."""
    records: Counter[tuple[str, str]] = Counter()
    seconds: list[float] = []
    failed = covered = 0
    for _, body in rig.audit("records/"):
        record: Record = json.loads(body)
        if record["cluster"] == VCENTER_LOG:
            continue
        records[record["vcenter"], record["cluster"]] += 1
        failed += record["failure"] is not None
        covered += record["coverage"]["covered"] if record["coverage"] else 0
        seconds.append(_measure_check(record))
    yield build_limited("clusters without a record", [load.clusters - len(records)], 0)
    yield build_limited("records of a cluster", [*records.values()], 1)
    yield build_limited("checks that failed", [failed], 0)
    yield build_limited("hosts not covered", [load.clusters * load.hosts_of_one - covered], 0)
    yield build_shown("from a check's begin to its end, seconds", seconds)


def _measure_check(record: "Record") -> float:
    return (parse_time(record["checked_at"]) - parse_time(record["started_at"])).total_seconds()


def _measure_slowness(rig: Rig, load: Load) -> Iterator[Measure]:
    """A few clusters of each vCenter, with all at their best, and then with one that answers slowly."""
    slow, *others = rig.vcenters
    quiet = _check_few(rig, load.few)
    rig.vcenters[slow].faults.inject("GET */installed-images", fault_kinds.latency(load.slow_seconds))
    ended = _check_few(rig, load.few)
    rig.vcenters[slow].faults.clear()
    at_best, with_slow = _list_ends(quiet, others), _list_ends(ended, others)
    yield build_shown("all quick: a vCenter is done after, seconds", at_best)
    yield build_shown("one slow: it is done after, seconds", [ended[slow]])
    waits = load.few * load.slow_seconds
    limit = max(at_best) + waits + SECONDS_A_CHECK
    yield build_limited("one slow: another is done after, seconds", with_slow, round(limit, 1))


def _check_few(rig: Rig, few: int) -> dict[str, float]:
    """Have the first clusters of each vCenter checked; after how many seconds each vCenter was done."""
    chosen: list[dict[str, Any]] = [
        {"vcenter": name, "cluster": cluster}
        for name, vcenter in rig.vcenters.items()
        for cluster in [*vcenter.inventory.clusters][:few]
    ]
    with rig.without_checker():
        dispatched = rig.dispatch({"clusters": chosen})["dispatched"]
    began, ends = datetime.now(UTC), dict.fromkeys(rig.vcenters, 0.0)
    for one in dispatched:
        record = rig.await_answer(one["vcenter"], one["cluster"], one["request_id"])
        after = (parse_time(record["checked_at"]) - began).total_seconds()
        ends[one["vcenter"]] = max(ends[one["vcenter"]], after)
    rig.await_quiet(*QUEUES)
    return ends


def _list_ends(ends: dict[str, float], names: Collection[str]) -> list[float]:
    return [ends[name] for name in names]
