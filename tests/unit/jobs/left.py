"""What a job left behind, but for times and digests: the same, however it was delivered."""

from collections.abc import Mapping
from dataclasses import dataclass

from esx_drift.domain.stored.types import Finding, Record

from tests.unit.checking.cloud import Sent
from tests.unit.checking.whole import assert_written_whole
from tests.unit.jobs.deliveries import Stage

type Facts = dict[str, object]


@dataclass(frozen=True, slots=True)
class Left:
    """The records by log, in their order; the messages that were sent and the events, each once."""

    records: dict[str, list[Facts]]
    sent: set[tuple[object, ...]]
    events: set[tuple[str, str]]

    @property
    def outcomes(self) -> dict[str, list[object]]:
        """How the records ended, by log."""
        return {log: [record["outcome"] for record in records] for log, records in self.records.items()}


def require_whole(stage: Stage) -> Left:
    """What is new since the job began; fails if a log, its pointer or an event is not as it should be."""
    world, written = stage.world, stage.read_audit()
    logs = assert_written_whole(world, written)
    assert world.vcenter.sessions.open_count == 0
    new = {
        prefix: sum(stage.is_new(key) for key in written if key.startswith(f"{prefix}/")) for prefix in logs
    }
    return Left(
        {
            _name_log(stage, records[0]): [_describe(record) for record in records[-new[prefix] :]]
            for prefix, records in logs.items()
            if new[prefix]
        },
        {_identify(sent) for sent in world.aws.sent},
        {(event["id"], event["type"]) for event in world.topic.published},
    )


def _name_log(stage: Stage, record: Record) -> str:
    """The cluster, and which of the other vCenters it is on."""
    return record["cluster"] + record["vcenter"].removeprefix(stage.world.watched.name)


def _describe(record: Record) -> Facts:
    dispatch, failure = record["dispatch"], record["failure"]
    same = (
        "seq",
        "outcome",
        "request_id",
        "run_id",
        "changes",
        "coverage",
        "decision",
        "unpublished",
        "about",
    )
    return {name: value for name, value in record.items() if name in same} | {
        "findings": _list_findings({finding["fingerprint"]: finding for finding in record["findings"]}),
        "open": _list_findings(record["after"]["findings"]),
        "suspects": sorted(record["after"]["suspects"]),
        "failure": failure and (failure["reason"], failure["at"], failure["told_by"]),
        "events": [(event["id"], event["type"]) for event in record["events"]],
        "dispatch": dispatch
        and (dispatch["expected"], dispatch["excluded"], dispatch["retry_after_seconds"]),
    }


def _list_findings(findings: Mapping[str, Finding]) -> list[object]:
    return [
        (name, finding["kind"], finding["transition"], finding["resolved_because"], finding["hosts"])
        for name, finding in sorted(findings.items())
    ]


def _identify(sent: Sent) -> tuple[object, ...]:
    """What tells a message from others: not when it was sent, nor after which task it asks."""
    names = ("vcenter", "cluster", "request_id", "run_id", "action", "phase", "attempt", "reason", "decision")
    return sent.queue, *(str(sent.body.get(name)) for name in names)
