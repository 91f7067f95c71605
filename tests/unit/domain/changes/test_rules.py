"""Hosts that are not seen, leave, come back, or were never known: what is told, and what is not."""

from datetime import UTC, datetime
from typing import Any

import pytest
from esx_drift.domain.changes.elements import Difference, build_change
from esx_drift.domain.host_history import RememberedHost
from esx_drift.domain.images.snapshot import build_snapshot, compute_seal
from esx_drift.domain.stored.types import Change, Json, Snapshot

from tests.unit.domain.changes.clusters import (
    ClusterModel,
    HostModel,
    Wire,
    changes_between,
    compare,
    document_of,
    report_of,
    snapshot_of,
)
from tests.unit.domain.changes.sample import alternative, component, software

VIB = "mft(4.25.0.802-0)"


def older() -> Wire:
    """An image with an older driver."""
    found = software()
    found["components"]["Intel-i40en"] = component("2.5.1.0-1OEM")
    return found


def host(name: str = "esx01", image: Wire | None = None, *vibs: str) -> HostModel:
    """A host that was read."""
    return HostModel(name, image or software(), frozenset(vibs))


def told(changes: list[Change]) -> list[tuple[Any, ...]]:
    """The changes in short."""
    return [(change["element"], change["kind"], change["key"], *change["hosts"]) for change in changes]


def test_a_host_that_could_not_be_read_stays_as_it_was_known() -> None:
    """Neither it nor its VIBs are told gone; once it is read again it is compared with what was known."""
    known = snapshot_of(ClusterModel({"host-1": host("esx01", None, VIB), "host-2": host("esx02")}))
    blind = snapshot_of(ClusterModel({"host-2": host("esx02")}, failed={"host-1": "esx01"}), 0, known)
    assert compare(known, blind) == []
    assert compute_seal(blind) == compute_seal(known)
    seen = snapshot_of(ClusterModel({"host-1": host("esx01", older()), "host-2": host("esx02")}), 0, blind)
    assert told(compare(blind, seen)) == [
        ("component", "downgraded", "Intel-i40en", "host-1"),
        ("orphaned_vib", "removed", VIB, "host-1"),
    ]


@pytest.mark.parametrize("fate", ["failed_hosts", "unsupported_hosts", "successful_hosts"])
def test_a_host_that_the_report_does_not_describe_keeps_its_name(fate: str) -> None:
    """And stays the witness that it is, whether it was read or not; unknown, it goes by its id."""
    both = {"host-1": host(), "host-2": HostModel("esx02", software(), witness=True)}
    document = document_of(ClusterModel(both))
    known = build_snapshot(report_of(document), None)
    document["successful_hosts"] = ["host-1"]
    document[fate] = sorted({*document[fate], "host-2"})
    del document["host_info"]["host-2"]
    after = build_snapshot(report_of(document), known)
    assert after == known
    assert build_snapshot(report_of(document), None)["hosts"]["host-2"]["name"] == "host-2"


def test_a_host_never_read_before_is_not_compared() -> None:
    """There is nothing to compare it with; nor are its VIBs new."""
    before = ClusterModel({"host-2": host("esx02")}, failed={"host-1": "esx01"})
    after = ClusterModel({"host-1": host("esx01", older(), VIB), "host-2": host("esx02")})
    assert changes_between(before, after) == []


def test_only_the_inventory_says_who_left() -> None:
    """A host that is missing from the report stays; one that the inventory no longer has is gone."""
    both = snapshot_of(ClusterModel({"host-1": host(), "host-2": host("esx02", None, VIB)}))
    report = report_of(document_of(ClusterModel({"host-1": host()})))
    missing = build_snapshot(report, both, {"host-1": "esx01", "host-2": "esx02"})
    assert compare(both, missing) == []
    left = build_snapshot(report, both, {"host-1": "esx01"})
    assert told(compare(both, left)) == [
        ("host", "removed", "host-2", "host-2"),
        ("orphaned_vib", "removed", VIB, "host-2"),
    ]
    moved_in = build_snapshot(
        report_of(document_of(ClusterModel({"host-1": host(), "host-9": host()}))), None, {}
    )
    assert moved_in["hosts"] == {}


def test_a_host_that_joins_brings_its_vibs_but_no_components() -> None:
    """Its image is its first copy."""
    before = ClusterModel({"host-1": host()})
    after = ClusterModel({"host-1": host(), "host-2": host("esx02", older(), VIB)})
    assert told(changes_between(before, after)) == [
        ("host", "added", "host-2", "host-2"),
        ("orphaned_vib", "added", VIB, "host-2"),
    ]


def test_a_host_added_again_is_compared_with_itself() -> None:
    """Under a new id, and whatever the case of its name: only what really changed is told."""
    before = ClusterModel({"host-1": host("esx01.corp", None, VIB)})
    after = ClusterModel({"host-99": host("ESX01.corp", older(), VIB)})
    changes = changes_between(before, after)
    assert told(changes) == [
        ("host", "changed", "host-99", "host-99"),
        ("component", "downgraded", "Intel-i40en", "host-99"),
    ]
    assert (changes[0]["from"], changes[0]["to"]) == ("host-1", "host-99")


LEFT_AT = datetime(2026, 11, 20, tzinfo=UTC)


def former(image: Wire | None = None) -> list[RememberedHost]:
    """A host that left in an earlier check."""
    snapshot = snapshot_of(ClusterModel({"host-1": host("esx01", image)}))
    (known,) = snapshot["images"].values()
    return [RememberedHost("host-1", "esx01", known, [VIB], LEFT_AT)]


def test_a_host_that_left_long_ago_is_known_again_by_its_name() -> None:
    """Its VIBs were told gone when it left, so they are told again: as no news, if it had them then."""
    before = ClusterModel({"host-2": host("esx02")})
    after = ClusterModel({"host-2": host("esx02"), "host-99": host("esx01", older(), VIB)})
    assert told(changes_between(before, after, former())) == [
        ("host", "changed", "host-99", "host-99"),
        ("component", "downgraded", "Intel-i40en", "host-99"),
        ("orphaned_vib", "added", VIB, "host-99"),
    ]


def test_a_host_that_comes_back_under_its_old_id_has_joined() -> None:
    """As after a stay in another cluster, or under another name; it is compared all the same."""
    before = ClusterModel({"host-2": host("esx02")})
    after = ClusterModel({"host-2": host("esx02"), "host-1": host("renamed", older())})
    assert told(changes_between(before, after, former())) == [
        ("host", "added", "host-1", "host-1"),
        ("component", "downgraded", "Intel-i40en", "host-1"),
    ]


def test_coming_back_unseen_hides_nothing() -> None:
    """Added again but not read at first, it is still compared with its last known image when it is."""
    gone: Snapshot = snapshot_of(ClusterModel({"host-2": host("esx02")}))
    unseen = snapshot_of(ClusterModel({"host-2": host("esx02")}, failed={"host-99": "esx01"}), 0, gone)
    assert told(compare(gone, unseen, former())) == [("host", "changed", "host-99", "host-99")]
    seen = snapshot_of(
        ClusterModel({"host-2": host("esx02"), "host-99": host("esx01", older(), VIB)}), 0, unseen
    )
    assert told(compare(unseen, seen, former())) == [
        ("component", "downgraded", "Intel-i40en", "host-99"),
        ("orphaned_vib", "added", VIB, "host-99"),
    ]


def test_a_host_that_left_without_a_known_image_is_known_by_name_alone() -> None:
    """It came back, and that is all that can be said."""
    before = ClusterModel({"host-2": host("esx02")}, failed={"host-1": "esx01"})
    after = ClusterModel({"host-2": host("esx02"), "host-99": host("esx01", older(), VIB)})
    assert told(changes_between(before, after)) == [("host", "changed", "host-99", "host-99")]


def test_the_same_version_described_in_two_ways_depends_on_no_order() -> None:
    """One wording is kept, of two that are as frequent the first; not that which is listed first."""
    other = software()
    other["components"]["Intel-i40en"]["details"]["vendor"] = "Another"
    cluster = ClusterModel({"host-1": host("a", software()), "host-2": host("b", other)})
    seals = {compute_seal(snapshot_of(cluster, seed)) for seed in range(8)}
    assert len(seals) == 1
    (change,) = changes_between(ClusterModel({"host-1": host("a"), "host-2": host("b")}), cluster)
    assert (change["kind"], change["hosts"]) == ("relabelled", ["host-1", "host-2"])


def test_labels_of_an_unseen_hosts_image_are_kept() -> None:
    """So that a blind host does not look relabelled."""
    known = snapshot_of(ClusterModel({"host-1": host("a", older()), "host-2": host("b")}))
    blind = snapshot_of(ClusterModel({"host-2": host("b")}, failed={"host-1": "a"}), 0, known)
    assert blind["labels"] == known["labels"]


@pytest.mark.parametrize(
    ("before", "after", "kind", "detail"),
    [
        ("1.0", "1.1", "upgraded", None),
        ({"version": "1.0", "level": "a"}, {"version": "1.1", "level": "a"}, "upgraded", None),
        (
            {"version": "1.1", "level": "a"},
            {"version": "1.0", "level": "b"},
            "downgraded",
            {"from": {"version": "1.1", "level": "a"}, "to": {"version": "1.0", "level": "b"}},
        ),
        (
            {"version": "1.0", "level": "a"},
            {"version": "1.0", "level": "b"},
            "changed",
            {"from": {"version": "1.0", "level": "a"}, "to": {"version": "1.0", "level": "b"}},
        ),
        (
            "1.0",
            {"version": "1.0", "level": "b"},
            "changed",
            {"from": {"version": "1.0"}, "to": {"version": "1.0", "level": "b"}},
        ),
    ],
)
def test_whatever_a_part_has_beside_its_version_is_told_where_it_differs(
    before: Json, after: Json, kind: str, detail: Json
) -> None:
    """Of any element, with a value that a later release may add: known before, or for the first time now."""
    change = build_change(Difference("component:Intel-i40en", before, after, None), "changed", ["host-1"])
    assert (change["kind"], change["detail"]) == (kind, detail)


def test_a_base_image_in_another_spelling_is_no_change() -> None:
    """One release of 9.x, as KB 395110 spells it and as the depot does, also in an alternative image."""
    looks = []
    for spelt in ("9.0.1-0101.24957456", "9.0.1.0101.24957456"):
        image, inside = software(), alternative({"selection_type": "UNKNOWN"})
        image["base_image"]["version"] = inside["base_image"]["version"] = spelt
        image["alternative_images"] = {"other": inside}
        looks.append(ClusterModel({"host-1": host("esx01", image)}))
    before, after = looks
    assert changes_between(before, after) == []
    first, second = snapshot_of(before), snapshot_of(after)
    assert compute_seal(first) == compute_seal(second)
