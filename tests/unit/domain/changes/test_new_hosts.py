"""Hosts that are new in a cluster: which known one each is."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from esx_drift.domain.changes.compare import compare_snapshots
from esx_drift.domain.changes.new_hosts import list_left_hosts, match_remembered_hosts
from esx_drift.domain.host_history import RememberedHost
from esx_drift.domain.stored.types import Image
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.changes.clusters import ClusterModel, HostModel, Wire, snapshot_of
from tests.unit.domain.changes.sample import component, software

SEEN_AT = datetime(2026, 11, 20, tzinfo=UTC)
USUAL: Wire = software()


def other(version: str = "2.5.1.0-1OEM") -> Wire:
    """An image with another driver."""
    found = deepcopy(USUAL)
    found["components"]["Intel-i40en"] = component(version)
    return found


def image_of(wire: Wire) -> Image:
    """An image as snapshots have it."""
    (image,) = snapshot_of(ClusterModel({"host-1": HostModel("esx01", wire)}))["images"].values()
    return image


IMAGE, OLDER = image_of(USUAL), image_of(other())


def remembered(host: str, name: str, image: Image | None = IMAGE, hours: float = 0) -> RememberedHost:
    """A host that a log knows, seen so many hours later than others."""
    return RememberedHost(host, name, image, [], SEEN_AT + timedelta(hours=hours))


@dataclass(frozen=True, slots=True)
class Match:
    """Hosts by id: those of the baseline, those there now, and who of these is which."""

    now: Mapping[str, str]
    expected: Mapping[str, str]
    before: Mapping[str, str] = field(default_factory=dict)
    remembered: tuple[RememberedHost, ...] = ()


MATCHES = {
    "of two domains: another host": Match(
        before={"host-1": "esx.a.example"}, now={"host-9": "esx.b.example"}, expected={}
    ),
    "in any case, without the last dot": Match(
        before={"host-1": "ESX.a.example."}, now={"host-9": "esx.a.example"}, expected={"host-9": "host-1"}
    ),
    "without its domain": Match(
        before={"host-1": "esx"}, now={"host-9": "esx.b.example"}, expected={"host-9": "host-1"}
    ),
    "two left that it may be": Match(
        before={"host-1": "esx.a.example", "host-2": "esx.b.example"}, now={"host-9": "esx"}, expected={}
    ),
    "two came that may be it": Match(
        before={"host-1": "esx"}, now={"host-8": "esx.a.example", "host-9": "esx.b.example"}, expected={}
    ),
    "two came, of which one is it by its whole name": Match(
        remembered=(remembered("host-1", "esx.a.example"),),
        now={"host-8": "esx", "host-9": "esx.a.example"},
        expected={"host-9": "host-1"},
    ),
    "two came under one name: the first is it": Match(
        remembered=(remembered("host-1", "esx"),),
        now={"host-8": "esx", "host-9": "ESX"},
        expected={"host-8": "host-1"},
    ),
    "two came under one name, of which the only one left just now; another log knows it, too": Match(
        before={"host-1": "esx"},
        remembered=(remembered("host-1", "esx"),),
        now={"host-8": "esx", "host-9": "ESX"},
        expected={"host-8": "host-1"},
    ),
    "two came, of which one has its id, the other its name": Match(
        remembered=(remembered("host-7", "esx"),),
        now={"host-3": "esx", "host-7": "renamed"},
        expected={"host-7": "host-7"},
    ),
    "two came that swapped their names": Match(
        remembered=(remembered("host-3", "esx-a"), remembered("host-7", "esx-b")),
        now={"host-3": "esx-b", "host-7": "esx-a"},
        expected={"host-3": "host-3", "host-7": "host-7"},
    ),
    "two added again that swapped their names: a name is all that is known": Match(
        before={"host-1": "esx-a", "host-2": "esx-b"},
        now={"host-8": "esx-b", "host-9": "esx-a"},
        expected={"host-8": "host-2", "host-9": "host-1"},
    ),
    "one has its id, and the name of one that left": Match(
        before={"host-1": "esx.a.example"},
        remembered=(remembered("host-9", "other"),),
        now={"host-9": "esx"},
        expected={"host-9": "host-9"},
    ),
    "one came with the name of a host that is here": Match(
        before={"host-1": "renamed"},
        remembered=(remembered("host-1", "esx"),),
        now={"host-1": "renamed", "host-9": "esx"},
        expected={},
    ),
    "the one that left just now, and not one of before": Match(
        before={"host-2": "esx"},
        remembered=(remembered("host-1", "esx", hours=9),),
        now={"host-9": "esx"},
        expected={"host-9": "host-2"},
    ),
    "of those of before the one seen last": Match(
        remembered=(remembered("host-1", "esx", hours=1), remembered("host-2", "esx", hours=2)),
        now={"host-9": "esx"},
        expected={"host-9": "host-2"},
    ),
    "of those of before the one that was ever read": Match(
        remembered=(remembered("host-1", "esx"), remembered("host-2", "esx", None, hours=2)),
        now={"host-9": "esx"},
        expected={"host-9": "host-1"},
    ),
}


def left(names: Mapping[str, str]) -> dict[str, HostModel]:
    """Hosts that were read."""
    return {host: HostModel(name, USUAL) for host, name in names.items()}


@pytest.mark.parametrize("case", MATCHES)
def test_who_is_which_known_host(case: str) -> None:
    """By id before name, by a name only where no other can be meant, and each known host once."""
    one = MATCHES[case]
    before = snapshot_of(ClusterModel(left(one.before)))
    now = snapshot_of(ClusterModel(left(one.now)))
    entries = [*list_left_hosts(before, now), *one.remembered]
    for order in permutations(entries):
        found = match_remembered_hosts(before, now, order)
        assert {host: former.id for host, former in found.items()} == one.expected


NAMES = st.sampled_from(["esx", "ESX", "esx.", "esx.a.example", "esx.b.example", "esx2", "10.0.0.1"])
HOSTS = st.dictionaries(st.sampled_from([f"host-{number}" for number in range(8)]), NAMES)


@given(HOSTS, HOSTS, st.lists(st.tuples(st.sampled_from([f"host-{n}" for n in range(8)]), NAMES), max_size=6))
def test_no_known_host_is_two(
    before: dict[str, str], now: dict[str, str], known: list[tuple[str, str]]
) -> None:
    """Whoever comes and goes: one that is here under its own id is nobody else; none comes back twice."""
    old, new = snapshot_of(ClusterModel(left(before))), snapshot_of(ClusterModel(left(now)))
    entries = [*list_left_hosts(old, new), *(remembered(host, name) for host, name in known)]
    found = match_remembered_hosts(old, new, entries)
    assert found.keys() <= now.keys() - before.keys()
    formers = [former.id for former in found.values()]
    assert len(formers) == len(set(formers))
    for host, former in found.items():
        assert former.id == host or former.id not in now


@pytest.mark.parametrize("is_here", [False, True])
def test_what_nobody_saw_gives_way_to_what_was_seen_before(*, is_here: bool) -> None:
    """A host came back unseen, and left or was renamed: known by its last id, with what it ran before."""
    unseen = snapshot_of(ClusterModel({}, failed={"host-2": "esx"}))
    host = "host-2" if is_here else "host-9"
    now = snapshot_of(ClusterModel({host: HostModel("esx", USUAL)}))
    known = remembered("host-1", "esx", OLDER)
    of_other = RememberedHost("host-2", "esx", None, None, SEEN_AT, {"id": "domain-b", "name": "prod-b"})
    entries = [*list_left_hosts(unseen, now), known, *([of_other] if is_here else [])]
    (former,) = match_remembered_hosts(unseen, now, entries).values()
    assert (former.id, former.image, former.seen_at) == ("host-2", OLDER, SEEN_AT)
    assert former.cluster == (of_other.cluster if is_here else None)
    changes = compare_snapshots(unseen, now, {host: former})
    kinds = {(change["element"], change["kind"], change["from"]) for change in changes}
    came_back = set() if is_here else {("host", "changed", "host-2")}
    assert kinds == {("component", "upgraded", "2.5.1.0-1OEM"), *came_back}
