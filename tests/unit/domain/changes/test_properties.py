"""What holds of every comparison, whatever the documents say."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

from esx_drift.domain.changes.compare import compare_snapshots
from esx_drift.domain.findings.condition import Condition
from esx_drift.domain.findings.look_conditions import list_look_conditions
from esx_drift.domain.images.report import build_inventory
from esx_drift.domain.images.snapshot import build_snapshot, compute_seal
from esx_drift.domain.stored.identifiers import encode_canonical_json
from esx_drift.domain.stored.types import Change, Snapshot
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.changes.clusters import (
    ClusterModel,
    Wire,
    changes_between,
    compare,
    document_of,
    report_of,
    snapshot_of,
)
from tests.unit.domain.changes.oracle import Oracle
from tests.unit.domain.changes.sample import notification
from tests.unit.domain.changes.strategies import clusters, looks, pairs
from tests.unit.examples import try_examples

FEW = try_examples(150)
MIRRORED: dict[str, str] = {
    "added": "removed",
    "removed": "added",
    "upgraded": "downgraded",
    "downgraded": "upgraded",
}


def noisy(cluster: ClusterModel, seed: int) -> Wire:
    """A document of the cluster in which all that means nothing is as ``seed`` has it."""
    document = document_of(cluster, seed, f"2026-11-{10 + seed}T02:13:20.{seed}Z")
    document["notifications"] = {"EXTRACT_INSTALLED_IMAGE": {"info": [_notice("INFO", "by the way", seed)]}}
    for number, host in enumerate(sorted(cluster.hosts.keys() | cluster.failed.keys())):
        errors = [_notice("ERROR", f"{number}", seed)] if number % 2 else None
        alone = host in cluster.hosts and not errors
        remarks = [_notice("WARNING", "beware", seed)] * (seed % 3 if alone else 1)
        document["host_notifications"][host] = {"errors": errors, "warnings": remarks}
    return document


def _notice(level: str, text: str, seed: int) -> Wire:
    found = notification(level, text) | {"id": f"{seed}", "time": f"2026-11-{10 + seed}T02:00:00Z"}
    found["message"]["args"] = [f"{seed}"]
    return found


def judged(document: Wire) -> tuple[Snapshot, list[Condition]]:
    """What a look makes of it; but that a report contradicts itself hangs on where it lists which image."""
    report = report_of(document)
    snapshot = build_snapshot(report, None)
    found = list_look_conditions(
        report,
        snapshot,
        build_inventory(report),
        now=datetime(2026, 11, 30, tzinfo=UTC),
        uncovered_since={},
        accepted={},
        first_look=False,
        blind_after_seconds=0,
    )
    return snapshot, [one for one in found if one.kind != "document-inconsistent"]


@FEW
@given(clusters(), st.integers(1, 9))
def test_order_times_and_categories_never_matter(cluster: ClusterModel, seed: int) -> None:
    """Nor do ids of notifications, nor remarks: such documents have one snapshot, and are judged alike."""
    (before, then), (after, now) = judged(noisy(cluster, 0)), judged(noisy(cluster, seed))
    assert (before, compute_seal(before), then) == (after, compute_seal(after), now)
    assert compare(before, after) == []


@FEW
@given(clusters())
def test_the_snapshot_is_json_that_survives_storing(cluster: ClusterModel) -> None:
    """What is read back from the bucket is what was stored."""
    snapshot = snapshot_of(cluster)
    assert json.loads(encode_canonical_json(snapshot)) == snapshot


@FEW
@given(pairs(covered=True))
def test_going_back_is_the_mirror_image(pair: tuple[ClusterModel, ClusterModel]) -> None:
    """For fully covered documents: from and to change places, up is down, all else stays."""
    before, after = pair
    forth, back = changes_between(before, after), changes_between(after, before)
    old_ids = {change["key"]: str(change["from"]) for change in forth if _is_return(change)}
    assert Counter(_told(_mirrored(change), old_ids) for change in forth) == Counter(
        _told(change, {}) for change in back
    )


def _is_return(change: Change) -> bool:
    return change["element"] == "host" and change["kind"] == "changed"


def _mirrored(change: Change) -> Change:
    kind = MIRRORED.get(change["kind"], change["kind"])
    detail = change["detail"] and {"from": change["detail"]["to"], "to": change["detail"]["from"]}
    return cast(
        "Change", {**change, "kind": kind, "from": change["to"], "to": change["from"], "detail": detail}
    )


def _told(change: Change, old_ids: dict[str, str]) -> bytes:
    """A change without its severity, which has a direction, and hosts by the ids that they had before."""
    hosts = sorted(old_ids.get(host, host) for host in change["hosts"])
    key = None if _is_return(change) else change["key"]
    return encode_canonical_json({**change, "severity": None, "hosts": hosts, "key": key})


@FEW
@given(pairs())
def test_every_change_is_told_once_and_its_hosts_exist(pair: tuple[ClusterModel, ClusterModel]) -> None:
    """No two changes say the same of a host, and nobody is named who is on neither side."""
    before, after = pair
    hosts = {host for side in pair for those in (side.hosts, side.failed, side.unsupported) for host in those}
    told: set[object] = set()
    for change in changes_between(before, after):
        assert change["hosts"], change
        for host in change["hosts"]:
            assert host in hosts
            about = (change["element"], change["key"], change["alternative_image"], change["kind"], host)
            assert about not in told
            told.add(about)


@FEW
@given(st.one_of(pairs(), looks(), st.tuples(clusters()).map(lambda one: one * 2)))
def test_equal_seals_mean_no_changes_and_the_other_way_round(sides: Sequence[ClusterModel]) -> None:
    """The seal stops a comparison just where there is nothing to find and nobody seen for the first time."""
    baseline = snapshot_of(sides[0], 1)
    for seed, after in enumerate(sides[1:], 2):
        current = snapshot_of(after, seed, baseline)
        known = {host for host, it in baseline["hosts"].items() if it["image"] is None}
        first_seen = known & after.hosts.keys()
        nothing = compare(baseline, current, covered=after.hosts) == [] and not first_seen
        assert (compute_seal(baseline) == compute_seal(current)) == nothing
        baseline = current


@FEW
@given(looks())
def test_relabelled_are_just_the_seen_hosts_with_what_the_cluster_words_otherwise(
    sides: list[ClusterModel],
) -> None:
    """Once a part and version, however many wordings there are and however long a host was not seen."""
    oracle = Oracle()
    oracle.relabelled(sides[0])
    baseline = snapshot_of(sides[0], 1)
    for seed, after in enumerate(sides[1:], 2):
        current = snapshot_of(after, seed, baseline)
        changes = compare(baseline, current, covered=after.hosts)
        assert {
            ((change["element"], change["key"], change["alternative_image"]), host, *_words(change))
            for change in changes
            if change["kind"] == "relabelled"
            for host in change["hosts"]
        } == oracle.relabelled(after)
        assert current == snapshot_of(after, seed + 5, baseline)
        baseline = current


def _words(change: Change) -> tuple[bytes, bytes]:
    detail = change["detail"] or {}
    return encode_canonical_json(detail["from"]), encode_canonical_json(detail["to"])


@FEW
@given(looks())
def test_the_last_look_is_what_counts(sides: list[ClusterModel]) -> None:
    """Where all hosts are seen, nothing is left of what was known before."""
    *_, before, last = sides
    whole = ClusterModel(before.hosts | last.hosts)
    assert snapshot_of(whole, 1, snapshot_of(before)) == snapshot_of(whole, 2)


@FEW
@given(pairs())
def test_what_is_not_covered_is_not_compared(pair: tuple[ClusterModel, ClusterModel]) -> None:
    """A host that is not read is in no change but those of hosts themselves, and keeps what was known."""
    before, after = pair
    unread = {*after.failed, *after.unsupported}
    baseline = snapshot_of(before, 1)
    current = snapshot_of(after, 2, baseline)
    for host in unread & baseline["hosts"].keys():
        assert current["hosts"][host]["image"] == baseline["hosts"][host]["image"]
        assert current["hosts"][host]["orphaned_vibs"] == baseline["hosts"][host]["orphaned_vibs"]
    for change in changes_between(before, after):
        if change["element"] != "host":
            assert not unread & set(change["hosts"])


@FEW
@given(clusters())
def test_a_report_says_of_each_host_what_the_model_says(cluster: ClusterModel) -> None:
    """Exactly the hosts that were read are covered, each with its own orphaned VIBs."""
    report = report_of(document_of(cluster))
    assert set(report.runs) == set(cluster.hosts)
    assert {host: set(vibs) for host, vibs in report.orphaned_vibs.items()} == {
        host: set(model.vibs) for host, model in cluster.hosts.items() if model.vibs
    }


@FEW
@given(pairs(covered=True))
def test_the_way_back_to_what_was_accepted_is_put_back_part_by_part(
    pair: tuple[ClusterModel, ClusterModel],
) -> None:
    """The same changes as without acceptance, each of them harmless; the way there is no end of anything."""
    accepted, current = (snapshot_of(cluster) for cluster in pair)
    images = {
        host: (entry["image"], accepted["images"][entry["image"]])
        for host, entry in accepted["hosts"].items()
        if entry["image"] is not None
    }
    plain = compare_snapshots(current, accepted, {})
    rated = compare_snapshots(current, accepted, {}, accepted=images)
    software = [each for each in rated if each["element"] not in {"host", "orphaned_vib"}]
    moved = [each for each in software if each["kind"] != "relabelled"]
    assert all(each.get("put_back") and each["severity"] == "info" for each in moved)
    assert [_without_rating(each) for each in rated] == [_without_rating(each) for each in plain]
    away = compare_snapshots(accepted, current, {}, accepted=images)
    assert away == compare_snapshots(accepted, current, {})


def _without_rating(change: Change) -> dict[str, object]:
    return {name: value for name, value in change.items() if name not in {"severity", "put_back"}}
