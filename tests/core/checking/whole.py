"""What must hold of every world when its test is over."""

from typing import TYPE_CHECKING

from esx_drift.contracts import violations
from esx_drift.domain.names import VCENTER_LOG, digest_of, record_key, sha256_hex
from esx_drift.log import empty_after

from tests.core.checking.world import PROD_A, PROD_B, World

if TYPE_CHECKING:
    from esx_drift.domain.shapes import Head


def assert_whole(world: World) -> None:
    """All that was written keeps its schema, each log is one chain, all is told and nobody is left in."""
    for cluster in (PROD_A, PROD_B, VCENTER_LOG):
        _assert_log(world, cluster)
    for event in world.topic.published:
        assert violations("event", event) == []
    assert world.vcenter.sessions.open_count == 0


def _assert_log(world: World, cluster: str) -> None:
    head: Head | None = None
    store, after, kept = world.aws.store, empty_after(), set[tuple[str, str]]()
    for seq in range(1, (store.last_record(world.watched.name, cluster, 0) or 0) + 1):
        record, sha256 = store.record(world.watched.name, cluster, seq)
        assert record["previous"] == head
        assert record["before_sha256"] == digest_of(after)
        after, key = record["after"], record_key(world.watched.name, cluster, seq)
        head = {"seq": seq, "key": key, "sha256": sha256}
        several = (record["document"], record["snapshot"], record["quarantine"])
        kept |= {(stored["key"], stored["sha256"]) for stored in several if stored is not None}
        assert {event["id"] for event in record["events"]} <= world.topic.ids
    for key, sha256 in kept:
        assert sha256_hex(world.aws.s3.get_object(Bucket="audit", Key=key)["Body"].read()) == sha256
    if head is not None:
        state = world.state(cluster)
        assert (state["head"], state["outbox"]) == (head, [])
