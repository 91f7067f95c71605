"""What holds of every comparison, whatever the documents say."""

import json
from collections import Counter
from typing import cast

from esx_drift.domain.changes.diff import compare
from esx_drift.domain.images.canonical import seal_of
from esx_drift.domain.names import canonical_json
from esx_drift.domain.shapes import Change
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.comparing.clusters import (
    ClusterModel,
    changes_between,
    document_of,
    report_of,
    seal,
    snapshot_of,
)
from tests.core.comparing.strategies import clusters, pairs

FEW = settings(max_examples=150, deadline=None)
MIRRORED: dict[str, str] = {
    "added": "removed",
    "removed": "added",
    "upgraded": "downgraded",
    "downgraded": "upgraded",
}


@FEW
@given(clusters(), st.integers(1, 9))
def test_order_times_and_categories_never_matter(cluster: ClusterModel, seed: int) -> None:
    """Two documents that differ only in what means nothing have the same seal, and no changes."""
    assert seal(cluster, 0) == seal(cluster, seed)
    assert changes_between(cluster, cluster) == []


@FEW
@given(clusters())
def test_the_snapshot_is_json_that_survives_storing(cluster: ClusterModel) -> None:
    """What is read back from the bucket is what was stored."""
    snapshot = snapshot_of(cluster)
    assert json.loads(canonical_json(snapshot)) == snapshot


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
    return canonical_json({**change, "severity": None, "hosts": hosts, "key": key})


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
@given(pairs())
def test_equal_seals_mean_no_changes_and_the_other_way_round(pair: tuple[ClusterModel, ClusterModel]) -> None:
    """The seal stops a comparison only where there is nothing to find."""
    before, after = pair
    baseline = snapshot_of(before, 1)
    current = snapshot_of(after, 2, baseline)
    if seal_of(baseline) == seal_of(current):
        assert compare(baseline, current, {}) == []


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
        if change["element"] != "host" and change["kind"] != "relabelled":
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
