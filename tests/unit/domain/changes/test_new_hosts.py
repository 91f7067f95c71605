"""Hosts that are new in a cluster: which known one each is, and what is said of those that nobody knows."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from esx_drift.domain.changes.compare import compare_snapshots
from esx_drift.domain.changes.new_hosts import (
    describe_new_hosts,
    list_left_hosts,
    list_new_hosts,
    match_remembered_hosts,
)
from esx_drift.domain.host_history import RememberedHost
from esx_drift.domain.stored.types import Change, Image, Snapshot
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.changes.clusters import ClusterModel, HostModel, Wire, snapshot_of
from tests.unit.domain.changes.sample import alternative, component, software

SEEN_AT = datetime(2026, 11, 20, tzinfo=UTC)
B = {"id": "domain-b", "name": "prod-b"}
USUAL: Wire = software()


def other(version: str = "2.5.1.0-1OEM") -> Wire:
    """An image with another driver."""
    found = deepcopy(USUAL)
    found["components"]["Intel-i40en"] = component(version)
    return found


def offering(image: Wire, *inside: Wire) -> Wire:
    """The image, with these as its alternative images."""
    criteria = {"selection_type": "HOST_UUID", "host_uuids": ["a"]}
    offered = [{**alternative(criteria), **part} for part in inside]
    return {**image, "alternative_images": {str(number): one for number, one in enumerate(offered)}}


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


def described(
    before: ClusterModel, now: ClusterModel, known: tuple[RememberedHost, ...] = ()
) -> dict[str, Change]:
    """What is told of hosts that came, by their names."""
    old = snapshot_of(before)
    new: Snapshot = snapshot_of(now, 0, old)
    returned = match_remembered_hosts(old, new, [*list_left_hosts(old, new), *known])
    changes = describe_new_hosts(
        compare_snapshots(old, new, returned), new, list_new_hosts(old, new, returned)
    )
    return {new["hosts"][change["key"]]["name"]: change for change in changes if change["element"] == "host"}


def compared(change: Change) -> tuple[object, int, str]:
    """With how many, in how many things it differs, and how bad that is."""
    detail = change["detail"] or {}
    differences = detail["differences"]
    assert isinstance(differences, list)
    return detail["compared_with"], len(differences), change["severity"]


CLUSTER = {f"host-{number}": HostModel(f"esx{number}", USUAL) for number in range(1, 4)}
COMPARISONS: dict[str, tuple[list[Wire], Wire, tuple[object, ...] | None]] = {
    "the same": ([USUAL] * 3, USUAL, (3, 0, "info")),
    "another": ([USUAL] * 3, other(), (3, 1, "warning")),
    "nobody there": ([], USUAL, (0, 0, "warning")),
    "one of two halves, the other": ([USUAL, USUAL, other(), other()], USUAL, (2, 0, "info")),
    "one of two halves": ([USUAL, USUAL, other(), other()], other(), (2, 0, "info")),
    "what few run": ([USUAL, USUAL, other()], other(), (2, 1, "warning")),
    "an alternative of theirs": ([offering(USUAL, other())] * 2, other(), None),
    "one that some of them offer": ([USUAL, USUAL, offering(USUAL, other())], other(), None),
    "theirs, without the alternatives": ([offering(USUAL, other())] * 2, USUAL, (2, 0, "info")),
    "another, and it offers theirs": ([USUAL], offering(other(), USUAL), (1, 1, "warning")),
    "another, and it offers itself": ([USUAL] * 3, offering(other(), other()), (3, 1, "warning")),
}


@pytest.mark.parametrize("was_there", [False, True])
@pytest.mark.parametrize("case", COMPARISONS)
def test_what_sets_a_new_host_apart(case: str, *, was_there: bool) -> None:
    """As the finding of a whole cluster has it; whether it joined now, or before and is read only now."""
    images, own, expected = COMPARISONS[case]
    hosts = {f"host-{n}": HostModel(f"esx{n}", image) for n, image in enumerate(images, 1)}
    before = ClusterModel(hosts, failed={"host-9": "new"} if was_there else {})
    told = described(before, ClusterModel({**hosts, "host-9": HostModel("new", own)}))
    if expected is None:
        assert [change["detail"] for change in told.values()] == ([] if was_there else [None])
        return
    assert [*told] == ["new"]
    assert compared(told["new"]) == expected
    assert ("was_unseen" in (told["new"]["detail"] or {})) == was_there


def test_a_witness_is_not_meant_to_be_like_the_others() -> None:
    """It joined, and that is all; where it was there unread, nothing."""
    witness = {"host-9": HostModel("witness", other(), witness=True)}
    told = described(ClusterModel(CLUSTER), ClusterModel(CLUSTER | witness))
    assert [(change["severity"], change["detail"]) for change in told.values()] == [("info", None)]
    unread = ClusterModel(CLUSTER, failed={"host-9": "witness"})
    assert described(unread, ClusterModel(CLUSTER | witness))["witness"]["kind"] == "relabelled"


def test_a_host_that_joins_unread_is_described_when_it_is_read() -> None:
    """Not before: there is nothing to say. Two read at once are held against those that were there."""
    unread = ClusterModel(CLUSTER, failed={"host-8": "eight", "host-9": "nine"})
    told = described(ClusterModel(CLUSTER), unread)
    assert {name: (change["severity"], change["detail"]) for name, change in told.items()} == {
        "eight": ("info", None),
        "nine": ("info", None),
    }
    read = {"host-8": HostModel("eight", other()), "host-9": HostModel("nine", other())}
    told = described(unread, ClusterModel({**CLUSTER, **read}))
    assert {name: compared(change) for name, change in told.items()} == {
        "eight": (3, 1, "warning"),
        "nine": (3, 1, "warning"),
    }
    assert described(ClusterModel({**CLUSTER, **read}), ClusterModel({**CLUSTER, **read})) == {}


def test_a_host_is_described_where_it_is_known_and_nobody_ever_read_it() -> None:
    """What is told of its return stays; its place among the changes of hosts is by its id."""
    unread = ClusterModel(CLUSTER, failed={"host-9": "esx9"})
    now = ClusterModel({**CLUSTER, "host-10": HostModel("esx9", other()), "host-2": HostModel("2", USUAL)})
    told = described(unread, now)
    assert [*told] == ["2", "esx9"]
    again = told["esx9"]
    assert (again["kind"], again["from"], again["to"]) == ("changed", "host-9", "host-10")
    assert compared(again) == (3, 1, "warning")
    moved = RememberedHost("host-10", "esx9", None, None, SEEN_AT, {"id": "domain-b", "name": "prod-b"})
    told = described(
        ClusterModel(CLUSTER), ClusterModel({**CLUSTER, "host-10": now.hosts["host-10"]}), (moved,)
    )
    assert (told["esx9"]["detail"] or {})["moved_from"] == B
    assert compared(told["esx9"]) == (3, 1, "warning")
