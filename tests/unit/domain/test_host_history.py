"""What a log keeps of single hosts."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import pytest
from esx_drift.domain.host_history import (
    RememberedHost,
    carry_over_accepted,
    is_of_other_cluster,
    update_accepted,
    update_departed,
    update_uncovered_since,
)
from esx_drift.domain.images.report import read_report
from esx_drift.domain.stored.records import build_empty_state
from esx_drift.ports import InventoryEntry

from tests.unit.domain.changes.sample import sample

if TYPE_CHECKING:
    from esx_drift.domain.images.document import Document
    from esx_drift.domain.stored.types import Accepted, Departed, KnownHost, LogState

NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
TEXT = "2026-11-23T02:14:00.000Z"
SEEN = "2026-11-22T22:14:00.000Z"


def host(name: str = "esx01", image: str | None = "a", vibs: list[str] | None = None) -> "KnownHost":
    """A host of a snapshot."""
    return {"name": name, "image": image, "orphaned_vibs": vibs, "witness": False}


def gone(name: str = "esx01", image: str | None = "a") -> "Departed":
    """A host that left."""
    return {
        "name": name,
        "image": image,
        "orphaned_vibs": [],
        "snapshot": "old",
        "seen_at": SEEN,
        "left_at": TEXT,
    }


def state(departed: "dict[str, Departed]") -> "LogState":
    """A log's, before a look."""
    return {
        **build_empty_state(),
        "snapshot": {"key": "key", "sha256": "a" * 64},
        "departed": departed,
        "last_look_at": SEEN,
    }


def back(host: str, accepted: "Accepted | None" = None) -> RememberedHost:
    """A host that came, as it was known before."""
    return RememberedHost(host, "esx01", None, [], NOW, None, accepted)


def accepted(image: str) -> "Accepted":
    """What was accepted."""
    return {"image": image, "orphaned_vibs": [], "snapshot": "old"}


def test_the_first_look_stands_for_everything() -> None:
    """Images and orphaned VIBs of what was covered; a host that was not has nothing yet."""
    hosts = {"h1": host(vibs=["mft(1)"]), "h2": host(image=None)}
    assert update_accepted({}, hosts, {"h1"}, "key", first_look=True) == {
        "h1": {"image": "a", "orphaned_vibs": ["mft(1)"], "snapshot": "key"}
    }


def test_later_nobody_accepts_an_orphaned_vib_by_being_silent() -> None:
    """A host that joins brings its image only, and what is accepted of others does not move."""
    known = {"h1": accepted("a")}
    hosts = {"h1": host(image="b"), "h2": host(vibs=["mft(1)"]), "h3": host(vibs=None)}
    after = update_accepted(known, hosts, {"h1", "h2", "h3"}, "key", first_look=False)
    assert after["h1"] == accepted("a")
    assert after["h2"]["orphaned_vibs"] == []
    assert after["h3"]["orphaned_vibs"] == []


def test_accepted_follows_a_host_to_its_new_id() -> None:
    """Only where the host came back, and only if there is anything to follow."""
    known = {"h1": accepted("a")}
    assert carry_over_accepted(known, {"h9": back("h1")}) == {"h9": accepted("a")}
    assert carry_over_accepted(known, {"h9": back("h8")}) == known
    assert carry_over_accepted(known, {"h1": back("h1")}) == known
    assert carry_over_accepted(known, {}) == known
    assert known == {"h1": accepted("a")}


def test_accepted_follows_a_host_from_another_cluster() -> None:
    """It is newer than what this cluster kept of the same host; hosts that swap ids keep their own."""
    known = {"h1": accepted("a"), "h2": accepted("b")}
    moved = back("h1", accepted=accepted("elsewhere"))
    assert carry_over_accepted(known, {"h1": moved}) == {**known, "h1": accepted("elsewhere")}
    assert carry_over_accepted(known, {"h1": back("h2"), "h2": back("h1")}) == {
        "h1": accepted("b"),
        "h2": accepted("a"),
    }


def test_a_host_that_left_is_kept_until_it_is_seen_again() -> None:
    """By its id or by its name in any case, and with an image: a name alone is not enough."""
    left = update_departed(state({}), {"h1": host()}, {}, {}, NOW)
    assert left == {"h1": {**gone(), "orphaned_vibs": None, "snapshot": "key"}}
    known = state(left)
    assert update_departed(known, {}, {"h9": host("ESX01.")}, {}, NOW) == {}
    assert update_departed(known, {}, {"h1": host("renamed")}, {}, NOW) == {}
    assert update_departed(known, {}, {"h9": host("esx01", image=None)}, {}, NOW) == left
    assert update_departed(known, {}, {"h2": host("esx02")}, {}, NOW) == left
    assert update_departed(known, {}, {"h9": host("esx01.corp")}, {"h9": back("h1")}, NOW) == {}
    unseen = {"h9": host("esx01.corp", image=None)}
    assert update_departed(known, {}, unseen, {"h9": back("h1")}, NOW) == left


def test_a_host_that_leaves_unseen_is_still_what_it_was() -> None:
    """What is known of it is not replaced by nothing; one of which nothing is known is kept as that."""
    known = {"h1": gone()}
    assert update_departed(state(known), {"h9": host("ESX01", image=None)}, {}, {}, NOW) == known
    after = update_departed(state(known), {"h2": host("esx02", image=None)}, {}, {}, NOW)
    assert after["h2"]["image"] is None
    seen = update_departed(state(known), {"h9": host("esx01", image="b")}, {}, {}, NOW)
    assert seen["h9"]["image"] == "b"
    assert seen["h9"].get("seen_at") == SEEN
    blind: LogState = {**state({}), "uncovered_since": {"h1": TEXT}}
    assert update_departed(blind, {"h1": host()}, {}, {}, NOW)["h1"].get("seen_at") == TEXT


def test_a_host_is_unseen_since_its_cluster_was_seen_last() -> None:
    """If it was not unseen before. Covered again, it is forgotten."""
    before = {"h1": "before"}
    assert update_uncovered_since(before, ["h1"], "look", is_blind=False) == before
    assert update_uncovered_since(before, ["h2"], "look", is_blind=False) == {"h2": "look"}
    assert update_uncovered_since(before, ["h2"], "look", is_blind=True) == {**before, "h2": "look"}


@pytest.mark.parametrize(
    ("reported", "listed", "is_other"),
    [
        ("esx01", "esx01", False),
        ("esx01", "ESX01.example.org", False),
        ("esx01.example.org.", "esx01", False),
        ("10.0.0.5", "esx01", False),
        ("esx01", "fd00::5", False),
        ("esx01\u202e", "esx01", False),
        ("esx02", "esx01", True),
        ("esx01.example.org", "esx010.example.org", True),
    ],
)
def test_a_report_of_which_no_host_is_the_clusters_is_another_ones(
    reported: str, listed: str, *, is_other: bool
) -> None:
    """Under the same ids, by their names; what may be one host counts as one."""
    document = sample()
    document["host_info"] = {host: {**info, "name": reported} for host, info in document["host_info"].items()}
    report = read_report(cast("Document", document))
    inventory = {host: InventoryEntry(host, listed, "CONNECTED", None) for host in document["host_info"]}
    assert is_of_other_cluster(report, inventory) == is_other
    assert not is_of_other_cluster(report, {})
    assert is_of_other_cluster(
        report, {"host-9999": InventoryEntry("host-9999", reported, "CONNECTED", None)}
    )
