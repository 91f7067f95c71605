"""What a trail says of the past is what its snapshots say, whatever happened."""

import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from esx_drift.adapters.trail_files import DirectoryTrailFiles, S3TrailFiles
from esx_drift.domain.stored.identifiers import (
    VCENTER_LOG,
    ClusterRef,
    compute_sha256,
    make_record_key,
    make_record_prefix,
)
from esx_drift.domain.stored.types import Head, Json, LogState, Record, Snapshot
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.trail.evidence import build_log_evidence
from esx_drift.domain.trail.excerpt import AuditPeriod
from esx_drift.domain.trail.history import (
    list_history,
    list_orphans,
    list_parts_since,
    name_changed_part,
)
from esx_drift.domain.trail.hosts import find_sightings
from esx_drift.ports import FormerVersion, TrailFiles, TrailObject
from esx_drift.trail.past import TrailLogs

from tests.lab.demo.timeline import FOOTHOLD
from tests.unit.checking.decisions.person import ALICE, Person
from tests.unit.checking.world import PROD_A, PROD_B, World

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

I40EN, SMNTEMP = "Intel-i40en", "smntemp(910.1.0.0005)"
HOSTS = ("esx01", "esx02", "esx03", "esx04")

type Step = Callable[[World, str], object]

STEPS: tuple[Step, ...] = (
    lambda world, host: world.vcenter.hosts.set_component(host, I40EN, "2.9.2.0-1OEM.800.1.0.20613240"),
    lambda world, host: world.vcenter.hosts.set_component(host, I40EN, "2.7.2.0-1OEM.800.1.0.20613240"),
    lambda world, host: world.vcenter.hosts.upgrade(host, "8.0 U3e"),
    lambda world, host: world.vcenter.hosts.upgrade(host, "8.0 U3d"),
    lambda world, host: world.vcenter.hosts.add_orphaned_vib(host, SMNTEMP),
    lambda world, host: world.vcenter.hosts.remove_orphaned_vib(host, SMNTEMP),
    lambda world, host: world.vcenter.hosts.disconnect(host),
    lambda world, host: world.vcenter.hosts.reconnect(host),
    lambda world, host: world.vcenter.hosts.set_add_on(host, "800.3.0.11.8.0-7"),
    lambda world, _: Person(world).accept(Person(world).shown()),
)


@pytest.fixture
def logs(world: World) -> TrailLogs:
    """The trail that the world writes."""
    return TrailLogs(S3TrailFiles(lambda: world.aws.s3, "audit"))


def play(world: World, seed: int, steps: int) -> list[Record]:
    """A first look, then whatever comes: what happens to a host, and a check."""
    world.dispatch()
    world.check()
    random = Random(seed)
    for _ in range(steps):
        random.choice(STEPS)(world, random.choice(HOSTS))
        world.check()
    return world.records()


def snapshots_of(world: World, records: list[Record]) -> list[Snapshot]:
    """What each record left."""
    keys = [record["after"]["snapshot"] for record in records]
    return [world.aws.store.snapshot(key["key"]) for key in keys if key is not None]


def parts_of(snapshot: Snapshot, host: str) -> dict[str, Json]:
    """What a host runs, orphaned VIBs as well."""
    entry = snapshot["hosts"][host]
    if entry["image"] is None:
        return {}
    vibs = {f"orphaned_vib:{vib}": True for vib in entry["orphaned_vibs"] or []}
    return {**snapshot["images"][entry["image"]]["main"], **vibs}


@pytest.mark.parametrize("seed", [1, 2])
def test_each_part_is_there_since_the_record_that_brought_it(world: World, seed: int) -> None:
    """As a walk back through the snapshots finds it: the first of those that all have it."""
    records = play(world, seed, 25)
    left = snapshots_of(world, records)
    assert len(left) == len(records)
    found = list_parts_since(records, left[-1])
    assert {(one.host, one.part) for one in found} == {
        (host, part) for host in left[-1]["hosts"] for part in parts_of(left[-1], host)
    }
    for one in found:
        value = parts_of(left[-1], one.host)[one.part]
        since = len(records) - 1
        while since and parts_of(left[since - 1], one.host).get(one.part) == value:
            since -= 1
        assert one.seq == records[since]["seq"], one
        assert one.at == records[since]["checked_at"]
        assert one.origin == ("first-copy" if since == 0 else "change")


@pytest.mark.parametrize("seed", [3, 4])
def test_the_history_leads_from_each_snapshot_to_the_next(world: World, seed: int) -> None:
    """Each part that differs between two is named once, with its host, and no other is."""
    records = play(world, seed, 25)
    entries = list_history(records)
    for (before, after), (_, record) in zip(
        pairwise(snapshots_of(world, records)), pairwise(records), strict=True
    ):
        differing = {
            (host, part)
            for host in after["hosts"]
            for part in parts_of(before, host).keys() | parts_of(after, host).keys()
            if parts_of(before, host).get(part) != parts_of(after, host).get(part)
        }
        named = [
            (host, name_changed_part(entry.change))
            for entry in entries
            if entry.seq == record["seq"]
            and entry.change is not None
            and entry.change["kind"] != "relabelled"
            for host in entry.hosts
        ]
        assert sorted(named) == sorted(differing)


def test_an_acceptance_stands_with_what_it_accepted(world: World) -> None:
    """With the change that still holds on its hosts; not with what was replaced before, or came later."""
    world.dispatch()
    world.check()
    for version in ("2.8.0.0", "2.9.2.0"):
        world.vcenter.hosts.set_component(["esx01", "esx02"], I40EN, version)
        world.check()
    shown = Person(world).shown()
    Person(world).accept({"host-16": shown["host-16"]}, ticket="CHG-1")
    world.vcenter.hosts.add_orphaned_vib("esx01", SMNTEMP)
    world.check()
    changes = [entry for entry in list_history(world.records()) if entry.kind == "change"]
    assert [[(one.by, one.ticket, one.hosts) for one in entry.acceptances] for entry in changes] == [
        [],
        [(ALICE, "CHG-1", ("host-16",))],
        [],
    ]


def test_a_change_is_undone_once_it_is_on_all_its_hosts(world: World) -> None:
    """Not where one of them still runs it; a host that was added again is the same one."""
    world.dispatch()
    world.check()
    were = {name: deepcopy(world.vcenter.inventory.host(name).software) for name in ("esx01", "esx02")}
    world.vcenter.hosts.set_component(["esx01", "esx02"], I40EN, "2.9.2.0")
    world.check()
    assert find_undone(world) == [None]
    world.vcenter.inventory.host("esx01").software = were["esx01"]
    world.check()
    assert find_undone(world) == [None, None]
    world.vcenter.inventory.re_add_host("esx02")
    world.check()
    world.vcenter.inventory.host("esx02").software = were["esx02"]
    last = world.check()
    assert find_undone(world)[0] == last["seq"]


def test_what_goes_back_to_what_was_accepted_since_undoes_nothing_before(world: World) -> None:
    """It ends what came after that; unless it is just what was there before."""
    world.dispatch()
    world.check()
    first = deepcopy(world.vcenter.inventory.host("esx01").software)
    for version in ("2.9.2.0", "2.9.3.0"):
        world.vcenter.hosts.set_component("esx01", I40EN, version)
        world.check()
    accepted = deepcopy(world.vcenter.inventory.host("esx01").software)
    Person(world).accept({"host-16": Person(world).shown()["host-16"]})
    world.vcenter.hosts.set_component("esx01", I40EN, "2.9.4.0")
    world.check()
    world.vcenter.inventory.host("esx01").software = accepted
    back = world.check()
    assert find_undone(world) == [None, None, back["seq"], None]
    world.vcenter.inventory.host("esx01").software = first
    as_first = world.check()
    assert find_undone(world) == [as_first["seq"], None, back["seq"], None, None]


def test_what_a_host_takes_with_it_is_not_undone(world: World) -> None:
    """Nobody removed it: it is wherever the host is."""
    world.dispatch()
    world.check()
    world.vcenter.hosts.add_orphaned_vib("esx01", FOOTHOLD)
    world.check()
    world.vcenter.inventory.remove_host("esx01")
    record = world.check()
    assert [change["kind"] for change in record["changes"]] == ["removed", "removed"]
    assert find_undone(world)[0] is None


def find_undone(world: World) -> list[int | None]:
    """Which record undid each change, as evidence says."""
    records = world.records()
    whole = AuditPeriod(*(parse_time(records[each]["checked_at"]) for each in (0, -1)))
    return [each.undone_by for each in build_log_evidence(records, whole).changes]


def test_a_host_is_as_sure_as_the_looks_around(world: World, logs: TrailLogs) -> None:
    """Seen before and after: it ran that, unless it changed in between; unseen: since when and until when."""
    world.dispatch()
    first = world.check()
    world.vcenter.hosts.set_component("esx01", I40EN, "2.9.2.0")
    world.vcenter.hosts.disconnect("esx02")
    second = world.check()
    world.vcenter.hosts.reconnect("esx02")
    third = world.check()
    log = ClusterRef(world.watched.name, PROD_A, "prod-a")
    numbers = logs.list_numbers(log)
    moment = parse_time(first["checked_at"])
    assert logs.find_last_until(log, numbers, moment) == 1
    looks = [record["after"]["last_look_at"] for record in (first, second, third)]
    hosts = ("host-16", "host-17", "host-18")
    sightings = find_sightings(hosts, moment, first, iter([second, third]))
    assert [(one.before, one.after, one.changed_between) for one in sightings.values()] == [
        (looks[0], looks[1], True),
        (looks[0], looks[2], False),
        (looks[0], looks[1], False),
    ]
    unseen = find_sightings(["host-17"], parse_time(second["checked_at"]), second, [])["host-17"]
    assert (unseen.before, unseen.after) == (looks[0], None)
    # A check that saw nothing since says nothing of what was there.
    assert find_sightings(["host-18"], moment, first, [first, second])["host-18"].after == looks[1]
    more = iter([second, third])
    find_sightings(["host-18"], moment, first, more)
    assert list(more) == [third]


def test_an_orphaned_vib_is_followed_from_host_to_host(world: World) -> None:
    """When it was first seen and where, on which hosts it is, was, and when it had gone from all."""
    world.dispatch()
    world.vcenter.hosts.add_orphaned_vib("esx04", "mft(4.25.0.703-0)")
    world.check()
    world.vcenter.hosts.add_orphaned_vib("esx01", SMNTEMP)
    appeared = world.check()
    world.vcenter.hosts.add_orphaned_vib("esx02", SMNTEMP)
    world.check()
    for host in ("esx01", "esx02"):
        world.vcenter.hosts.remove_orphaned_vib(host, SMNTEMP)
        gone = world.check()
    mft, smntemp = list_orphans(world.records())
    assert (mft.vib, mft.gone_at, mft.hosts) == ("mft(4.25.0.703-0)", None, mft.ever)
    assert (smntemp.first_seen, smntemp.gone_at) == (appeared["checked_at"], gone["checked_at"])
    assert (smntemp.first_hosts, smntemp.ever, smntemp.hosts) == (("host-16",), ("host-16", "host-17"), ())


def test_the_logs_of_a_vcenter_are_known_by_name_and_id(world: World, logs: TrailLogs) -> None:
    """A cluster's, and the vCenter's own; of one vCenter, or of all."""
    world.dispatch()
    world.check()
    name = world.watched.name
    log = ClusterRef(name, PROD_A, "prod-a")
    known = logs.list_known_logs(name)
    assert ClusterRef(name, VCENTER_LOG, VCENTER_LOG) in known
    for asked in ("prod-a", PROD_A, f"{name}/prod-a", f"{name}/{PROD_A}"):
        assert [one for one in known if one.is_called(asked)] == [log]
    assert logs.list_known_logs("vc-other") == []
    assert log in logs.list_known_logs()


def test_a_window_accepts_what_changed_in_it(world: World) -> None:
    """At its end; so says the change."""
    world.dispatch()
    world.check()
    Person(world).maintain(3600, accept=True)
    world.vcenter.hosts.set_component("esx01", I40EN, "2.9.2.0")
    world.wait(600)
    world.follow(world.request())
    world.check()
    Person(world).maintain(3600)
    world.check()
    assert world.records()[-1]["maintenance_ended"]
    (change,) = [entry for entry in list_history(world.records()) if entry.kind == "change"]
    assert [(one.reason, one.hosts) for one in change.acceptances] == [("CHG-42", ("host-16",))]


def test_a_host_that_comes_back_brings_its_past(world: World) -> None:
    """Under another id; what an alternative image offers is no part of what it runs."""
    world.dispatch()
    world.check()
    world.vcenter.hosts.set_component("esx02", I40EN, "2.9.2.0")
    changed = world.check()
    world.vcenter.hosts.set_alternative_image("esx01", "gpu", "8.0 U3e")
    world.check()
    world.vcenter.hosts.set_alternative_image("esx01", "gpu", "8.0 U3d")
    world.check()
    new = world.vcenter.inventory.re_add_host("esx02")
    world.vcenter.inventory.add_host(PROD_A, "esx99")
    world.vcenter.hosts.disconnect("esx99")
    world.check()
    records = world.records()
    parts = {(one.host, one.part): one for one in list_parts_since(records, world.snapshot())}
    assert parts[new, f"component:{I40EN}"].seq == changed["seq"]
    assert parts[new, "base_image"].origin == "first-copy"
    assert {host for host, _ in parts} == {"host-16", new, "host-18", "host-19"}


def test_a_document_is_that_of_the_record_that_took_it(world: World, logs: TrailLogs) -> None:
    """An unchanged check keeps none of its own; where none was ever taken there is none."""
    world.dispatch()
    first = world.check()
    unchanged = world.check()
    log = ClusterRef(world.watched.name, PROD_A, "prod-a")
    assert unchanged["document"] is None
    assert first["document"] is not None
    assert logs.read_document(log, unchanged) == world.stored(first["document"]["key"])
    taken = unchanged["after"]["last_taken"]
    assert taken is not None
    for other, seq in ((None, 0), ({**taken, "seq": 2}, 2), ({**taken, "seq": 9}, 9)):
        record: Record = {**unchanged, "after": {**unchanged["after"], "last_taken": other}}  # type: ignore[typeddict-item]  # as stored
        assert logs.read_document(log, record) is None, seq


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(b"{", mtime=0)])
def test_a_snapshot_that_is_none_is_named(tmp_path: Path, body: bytes) -> None:
    """Though its bytes have the hash that its name says."""
    key = f"snapshots/{compute_sha256(body)}.json.gz"
    (tmp_path / "snapshots").mkdir()
    (tmp_path / key).write_bytes(body)
    logs = TrailLogs(DirectoryTrailFiles(tmp_path))
    assert logs.read_snapshot(key) is None
    assert [damage.key for damage in logs.damages] == [key]


def test_a_vcenter_whose_log_is_rubbish_is_known_by_nothing(tmp_path: Path) -> None:
    """It is named as damaged."""
    key = make_record_key("vc01", VCENTER_LOG, 1)
    (tmp_path / key).parent.mkdir(parents=True)
    (tmp_path / key).write_bytes(b"{")
    logs = TrailLogs(DirectoryTrailFiles(tmp_path))
    assert logs.list_known_logs() == []
    assert [damage.key for damage in logs.damages] == [key]


def test_what_is_damaged_is_named_and_the_rest_answered(
    world: World, logs: TrailLogs, tmp_path: Path
) -> None:
    """A record that is rubbish or another's, an object with no record's key, a snapshot that was changed."""
    world.dispatch()
    records = [world.check() for _ in range(4)]
    copy_trail(logs.files, tmp_path)
    copy = TrailLogs(DirectoryTrailFiles(tmp_path))
    log = ClusterRef(world.watched.name, PROD_A, "prod-a")
    first, second, third = (tmp_path / make_record_key(log.vcenter, PROD_A, number) for number in (1, 2, 3))
    second.write_bytes(b"{")
    third.write_bytes(first.read_bytes())
    (first.parent / "zzz.txt").touch()
    (tmp_path / "records" / "readme").touch()
    snapshot = records[0]["after"]["snapshot"]
    assert snapshot is not None
    (tmp_path / snapshot["key"]).write_bytes(b"x")
    numbers = copy.list_numbers(log)
    assert [record["seq"] for record in copy.read_records(log, numbers)] == [1, 4]
    assert copy.read_snapshot(snapshot["key"]) is None
    assert copy.read_snapshot("snapshots/gone") is None
    named = [damage.key.rpartition("/")[2] for damage in copy.damages]
    assert named == ["zzz.txt", second.name, third.name, snapshot["key"].rpartition("/")[2], "gone"]
    assert copy.find_last_until(log, numbers, parse_time(records[2]["checked_at"])) == 3
    assert log in copy.list_known_logs()
    assert any(damage.key == "records/readme" for damage in copy.damages)


def copy_trail(files: TrailFiles, directory: Path) -> None:
    """Copy all that there is, as ``aws s3 sync`` does."""
    for found in files.list_objects(""):
        body = files.read(found.key)
        assert body is not None
        (directory / found.key).parent.mkdir(parents=True, exist_ok=True)
        (directory / found.key).write_bytes(body)


def copy_audit_bucket(s3: "S3Client", directory: Path) -> None:
    """Copy the trail that a played world left in its AuditBucket."""
    copy_trail(S3TrailFiles(lambda: s3, "audit"), directory)


CHECKS_OF_A_YEAR = 2190


@dataclass(slots=True)
class CountedFiles:
    """A trail in memory, which counts what is asked of it."""

    objects: dict[str, bytes]
    read_keys: list[str] = field(default_factory=list)
    listed_keys: list[str] = field(default_factory=list)

    def is_of(self, bucket: str) -> bool:
        """Of any."""
        return bool(bucket)

    def list_folders(self, prefix: str) -> Iterator[str]:
        """Each once."""
        rests = (key.removeprefix(prefix) for key in sorted(self.objects) if key.startswith(prefix))
        return iter(dict.fromkeys(f"{prefix}{rest.partition('/')[0]}/" for rest in rests if "/" in rest))

    def list_objects(self, prefix: str, start_after: str = "") -> Iterator[TrailObject]:
        """List them in the order of their keys."""
        for key in sorted(self.objects):
            if key.startswith(prefix) and key > start_after:
                self.listed_keys.append(key)
                yield TrailObject(key, len(self.objects[key]), None)

    def read(self, key: str) -> bytes | None:
        """Read one."""
        self.read_keys.append(key)
        return self.objects.get(key)

    def list_former_versions(self, prefix: str) -> Iterator[FormerVersion]:
        """List none: nobody rewrote anything."""
        del prefix
        return iter(())


def lengthen(files: TrailFiles, records: Sequence[Record]) -> dict[str, bytes]:
    """Make a year of a log of ``records``, a check every 4 hours, in two clusters; one vCenter names both."""
    vcenter = records[0]["vcenter"]
    own = make_record_prefix(vcenter, VCENTER_LOG)
    objects = {found.key: files.read(found.key) or b"" for found in files.list_objects(own)}
    start = parse_time(records[0]["checked_at"])
    before: dict[str, Head] = {}
    for number in range(1, CHECKS_OF_A_YEAR + 1):
        like = records[min(number, len(records)) - 1]
        at = format_time(start + timedelta(hours=4 * (number - 1)))
        after: LogState = {**like["after"], "last_look_at": at}
        for cluster in (PROD_A, PROD_B):
            key = make_record_key(vcenter, cluster, number)
            record = {**like, "seq": number, "checked_at": at, "after": after, "cluster": cluster}
            objects[key] = json.dumps({**record, "previous": before.get(cluster)}).encode()
            before[cluster] = {"seq": number, "key": key, "sha256": compute_sha256(objects[key])}
    return objects


def test_a_year_of_a_cluster_is_asked_in_few_requests(world: World, logs: TrailLogs) -> None:
    """Each record is read once for a history, some 15 for one moment, and no other cluster's is listed."""
    files = CountedFiles(lengthen(logs.files, play(world, 5, 12)))
    year = TrailLogs(files)
    (log,) = [one for one in year.list_known_logs() if one.is_called("prod-a")]
    assert len(files.read_keys) == 1
    numbers = year.list_numbers(log)
    records = list(year.read_records(log, numbers))
    assert len(records) == CHECKS_OF_A_YEAR
    assert len(files.read_keys) == 1 + CHECKS_OF_A_YEAR
    assert list_history(records)[0].kind == "first-copy"
    files.read_keys.clear()
    found, earlier, later = year.find_at(log, parse_time(records[999]["checked_at"]))
    assert found is not None
    assert (found["seq"], len(earlier), len(later)) == (1000, 1000, CHECKS_OF_A_YEAR - 1000)
    assert len(files.read_keys) <= 16
    assert not year.damages
    assert {key for key in files.listed_keys if f"={PROD_B}/" in key} == set()


def test_what_stands_in_a_records_place_is_named(tmp_path: Path) -> None:
    """A folder is no record, and ends no answer."""
    log = ClusterRef("vc01", PROD_A, "prod-a")
    key = make_record_key("vc01", PROD_A, 1)
    (tmp_path / key).mkdir(parents=True)
    logs = TrailLogs(DirectoryTrailFiles(tmp_path))
    assert list(logs.read_records(log, [1])) == []
    assert [damage.key for damage in logs.damages] == [key]
