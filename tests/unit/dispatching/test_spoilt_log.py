"""A vCenter's own log that somebody spoilt: its clusters are asked for all the same, and it is told."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from esx_drift.domain.stored.identifiers import VCENTER_LOG, make_record_key, make_state_key
from esx_drift.log_reader import MAX_DAMAGED_RECORDS

from tests.unit.checking.reading import moved
from tests.unit.dispatching.world import World, dispatch_in, names_in

KIND = "trail-damaged"


@contextmanager
def _spoilt_record(world: World, name: str, seq: int) -> Iterator[None]:
    """Rubbish under the key of a record, which may be there already; afterwards all is as it was."""
    s3, key = world.aws.s3, make_record_key(name, VCENTER_LOG, seq)
    before = world.aws.written(name).get(key)
    s3.delete_object(Bucket="audit", Key=key)
    s3.put_object(Bucket="audit", Key=key, Body=b"no record", IfNoneMatch="*")
    yield
    s3.delete_object(Bucket="audit", Key=key)
    if before is not None:
        s3.put_object(Bucket="audit", Key=key, Body=before, IfNoneMatch="*")


@pytest.mark.parametrize(("seq", "numbers"), [(2, [1, 2, 3, 4]), (3, [1, 2, 4, 5])], ids=["newest", "next"])
def test_a_record_that_is_none_keeps_no_cluster_from_being_checked(
    world: World, seq: int, numbers: list[int]
) -> None:
    """Neither the newest one, nor one planted where the next goes; other vCenters least of all."""
    name, other = world.add("prod-a", "prod-b"), world.add("edge")
    for _ in range(2):
        world.run()
    with _spoilt_record(world, name, seq):
        assert names_in(world.run()) == ["prod-a", "prod-b", "edge"]
        assert names_in(world.run()) == ["prod-a", "prod-b", "edge"]
    assert [record["seq"] for record in world.records(name)] == numbers
    assert ("trail-damaged", "opened") in moved(world.records(name)[2])
    assert moved(world.last(name)) == moved(world.last(other)) == set()


@pytest.mark.parametrize("seq", [0, 9_999, 9_999_999_999])
def test_a_forged_pointer_moves_no_number(world: World, seq: int) -> None:
    """The log goes on where it ended."""
    name = world.add("prod-a")
    world.run()
    key = make_state_key(name, VCENTER_LOG)
    pointer = json.loads(world.aws.s3.get_object(Bucket="state", Key=key)["Body"].read())
    pointer["head"] |= {"seq": seq, "key": make_record_key(name, VCENTER_LOG, seq)}
    world.aws.s3.put_object(Bucket="state", Key=key, Body=json.dumps(pointer).encode())
    assert names_in(world.run()) == ["prod-a"]
    assert [record["seq"] for record in world.records(name)] == [1, 2]
    assert moved(world.last(name)) == {("trail-damaged", "opened")}


@pytest.mark.parametrize("is_listed", [True, False])
def test_a_clusters_log_that_is_beyond_use_keeps_no_other_from_being_checked(
    world: World, *, is_listed: bool
) -> None:
    """It is read only once its cluster was not looked at for long, or is gone; then it is reported, once."""
    name = world.add("prod-a", "prod-b", "prod-c")
    world.run()
    cluster = dispatch_in(world.last(name))["expected"][0]["cluster"]
    for seq in range(1, MAX_DAMAGED_RECORDS + 2):
        key = make_record_key(name, cluster, seq)
        world.aws.s3.put_object(Bucket="audit", Key=key, Body=b"no record", IfNoneMatch="*")
    if not is_listed:
        world.vcenters[name].inventory.hide_cluster("prod-a")
    for _ in range(5):
        world.wait(hours=4)
        assert {"prod-b", "prod-c"} <= {*names_in(world.run())}
    damages = [one for record in world.records(name) for one in record["findings"] if one["kind"] == KIND]
    assert {(one["subject"], one["severity"]) for one in damages} == {
        (make_state_key(name, cluster), "critical")
    }
    assert [one["transition"] for one in damages].count("opened") == 1
    assert f"log of {cluster} on {name}" in damages[0]["summary"]
    assert is_listed or ("cluster-missing", "opened") in set().union(*map(moved, world.records(name)))
