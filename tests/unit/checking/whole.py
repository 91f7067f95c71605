"""What must hold of every world when its test is over."""

import json
from typing import TYPE_CHECKING

from esx_drift.contracts import list_violations
from esx_drift.domain.stored.identifiers import (
    VCENTER_LOG,
    compute_digest,
    compute_sha256,
    make_record_prefix,
)
from esx_drift.domain.stored.records import build_empty_state
from esx_drift.log_reader import LogReader

from tests.unit.checking.world import PROD_A, PROD_B, World

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import Head


def assert_whole(world: World) -> None:
    """All that was written keeps its schema, each log is one chain, all is told and nobody is left in."""
    written = world.aws.written(world.watched.name)
    for cluster in (PROD_A, PROD_B, VCENTER_LOG):
        _assert_log(world, cluster, written)
    for event in world.topic.published:
        assert list_violations("event", event) == []
    assert world.vcenter.sessions.open_count == 0


def _assert_log(world: World, cluster: str, written: dict[str, bytes]) -> None:
    head: Head | None = None
    after = build_empty_state()
    for key in sorted(
        key for key in written if key.startswith(make_record_prefix(world.watched.name, cluster))
    ):
        record = json.loads(written[key])
        assert record["previous"] == head
        assert record["before_sha256"] == compute_digest(after)
        after, head = (
            record["after"],
            {"seq": record["seq"], "key": key, "sha256": compute_sha256(written[key])},
        )
        for kept in (record["document"], record["snapshot"], record["quarantine"]):
            spoilt = kept is None or kept["key"] in world.spoilt
            assert spoilt or compute_sha256(written[kept["key"]]) == kept["sha256"]
        assert {event["id"] for event in record["events"]} <= world.topic.ids
    if head is not None:
        end = LogReader(world.aws.store, world.watched.name, cluster).read()
        assert (end.head, end.outbox, end.damages) == (head, [], ())
