"""A snapshot that is gone or was changed: the check looks all the same, and says what it could not read."""

import gzip
from collections.abc import Callable
from typing import cast

import pytest
from esx_drift.domain.stored.types import Record, StoredObject

from tests.unit.checking.reading import moved, one
from tests.unit.checking.world import PROD_B, World

type Spoil = Callable[[World, str], None]


def _delete(world: World, key: str) -> None:
    world.spoilt.add(key)
    world.aws.s3.delete_object(Bucket="audit", Key=key)


def _overwrite(body: bytes) -> Spoil:
    def spoil(world: World, key: str) -> None:
        _delete(world, key)
        world.aws.s3.put_object(Bucket="audit", Key=key, Body=body, IfNoneMatch="*")

    return spoil


def _swap(world: World, key: str) -> None:
    """The snapshot of the other cluster, sound by itself."""
    other = world.check(PROD_B)["after"]["snapshot"]
    assert other is not None
    _overwrite(world.aws.s3.get_object(Bucket="audit", Key=other["key"])["Body"].read())(world, key)


SPOILT: dict[str, Spoil] = {
    "gone": _delete,
    "empty": _overwrite(b""),
    "no gzip": _overwrite(b"{}"),
    "no JSON": _overwrite(gzip.compress(b"<html>")),
    "no snapshot": _overwrite(gzip.compress(b"[]")),
    "a bomb": _overwrite(gzip.compress(bytes(200_000_000), 9)),
    "another cluster's": _swap,
}


def _key(record: Record) -> str:
    return cast("StoredObject", record["after"]["snapshot"])["key"]


def _lose_documents(world: World, records: list[Record], spoil: Spoil = _delete) -> None:
    """They are kept for a time only, and may be spoilt like anything else."""
    for record in records:
        if record["document"]:
            spoil(world, record["document"]["key"])


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_spoilt_snapshot_is_made_again_of_its_document(world: World, spoil: Spoil) -> None:
    """What changed is compared exactly; that the snapshot is damaged is reported."""
    first = world.check()
    spoil(world, _key(first))
    world.vcenter.hosts.set_component("esx02", "Intel-i40en", "2.9.2.0-1OEM.800.1.0.20613240")
    record = world.check()
    assert [(change["element"], change["key"]) for change in record["changes"]] == [
        ("component", "Intel-i40en")
    ]
    assert one(record["findings"], "trail-damaged")["subject"] == _key(first)
    assert ("drift-unreviewed", "opened") in moved(record)
    after = world.check()
    assert (after["outcome"], moved(after)) == ("unchanged", set())


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_what_was_lost_with_a_snapshot_is_not_taken_for_unchanged(world: World, spoil: Spoil) -> None:
    """Without its document, or with one spoilt alike, nothing can be compared.

    That the host is not as accepted is seen all the same.
    """
    first = world.check()
    spoil(world, _key(first))
    _lose_documents(world, world.records(), spoil)
    world.vcenter.hosts.set_component("esx02", "Intel-i40en", "2.9.2.0-1OEM.800.1.0.20613240")
    record = world.check()
    assert (record["outcome"], record["changes"]) == ("changed", [])
    damage = one(record["findings"], "trail-damaged")
    assert (damage["severity"], damage["subject"]) == ("critical", _key(first))
    assert ("drift-unreviewed", "opened") in moved(record)
    world.vcenter.hosts.set_component("esx03", "Intel-i40en", "2.9.2.0-1OEM.800.1.0.20613240")
    after = world.check()
    assert [change["hosts"] for change in after["changes"]] == [[world.vcenter.inventory.host("esx03").host]]
    assert moved(after) == set()


def test_a_lost_snapshot_beside_hosts_that_are_not_seen(world: World) -> None:
    """Their images were only there; they are unknown now, and said to be uncovered."""
    first = world.check()
    _delete(world, _key(first))
    _lose_documents(world, world.records())
    world.vcenter.hosts.fail_extraction("esx04")
    record = world.check()
    assert record["outcome"] == "changed"
    assert one(record["findings"], "trail-damaged")["subject"] == _key(first)
    assert [host["host"] for host in record["uncovered"]] == [world.vcenter.inventory.host("esx04").host]


def test_a_host_that_comes_back_finds_its_former_image_lost(world: World) -> None:
    """It is a host that came back, compared with nothing; the rest is compared as always."""
    first = world.check()
    left = world.vcenter.inventory.host("esx04")
    world.vcenter.inventory.remove_host("esx04")
    world.check()
    _delete(world, _key(first))
    world.vcenter.inventory.add_host("prod-a", "esx04", left.software)
    record = world.check()
    assert one(record["findings"], "trail-damaged")["subject"] == _key(first)
    assert [(change["element"], change["kind"]) for change in record["changes"]] == [("host", "changed")]
