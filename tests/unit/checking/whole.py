"""What must hold of every world when its test is over."""

import json

from esx_drift.contracts import list_violations
from esx_drift.domain.stored.identifiers import compute_digest, compute_sha256
from esx_drift.domain.stored.records import build_empty_state
from esx_drift.domain.stored.types import Head, Record
from esx_drift.log_reader import LogReader

from tests.unit.checking.world import World


def assert_whole(world: World) -> None:
    """All that was written keeps its schema, each log is one chain, all is told and nobody is left in."""
    written = [world.aws.written(vcenter.name) for vcenter in (world.watched, *world.others)]
    assert_written_whole(world, {key: body for part in written for key, body in part.items()})
    for event in world.topic.published:
        assert list_violations("event", event) == []
    assert world.vcenter.sessions.open_count == 0


def assert_written_whole(world: World, written: dict[str, bytes]) -> dict[str, list[Record]]:
    """Each log is one chain, each request is answered once, and each event was published as it was recorded.

    ``written`` is all that lies in the AuditBucket. Returns the logs by the keys' prefixes.
    """
    prefixes = {key.rpartition("/")[0] for key in written if key.startswith("records/")}
    logs = {prefix: _read_chain(world, prefix, written) for prefix in sorted(prefixes)}
    events = [event for records in logs.values() for record in records for event in record["events"]]
    by_id = {event["id"]: event for event in events}
    assert len(by_id) == len(events)
    assert world.topic.ids == by_id.keys()
    assert all(event == by_id[event["id"]] for event in world.topic.published)
    return logs


def _read_chain(world: World, prefix: str, written: dict[str, bytes]) -> list[Record]:
    """The records of one log, which ends where its pointer says."""
    head: Head | None = None
    after, records = build_empty_state(), list[Record]()
    for key in sorted(key for key in written if key.rpartition("/")[0] == prefix):
        record: Record = json.loads(written[key])
        assert record["seq"] == len(records) + 1
        assert record["previous"] == head
        assert record["before_sha256"] == compute_digest(after)
        after, head = (
            record["after"],
            {"seq": record["seq"], "key": key, "sha256": compute_sha256(written[key])},
        )
        for kept in (record["document"], record["snapshot"], record["quarantine"]):
            if kept is not None and kept["key"] not in world.spoilt:
                assert compute_sha256(written[kept["key"]]) == kept["sha256"]
        records.append(record)
    assert len({record["request_id"] for record in records}) == len(records)
    end = LogReader(world.aws.store, records[0]["vcenter"], records[0]["cluster"]).read()
    assert (end.head, end.outbox, end.damages) == (head, [], ())
    return records
