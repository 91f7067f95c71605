"""What changed from one image to another, for all hosts that made the same step."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from esx_drift.domain.elements import Difference, Edge, change_of
from esx_drift.domain.names import canonical_json
from esx_drift.domain.shapes import Change, Image, Json, Parts, Software
from esx_drift.domain.versions import sorted_naturally


@dataclass(frozen=True, slots=True)
class Transition:
    """Two images, and the hosts that went from one to the other."""

    before: Image
    after: Image
    hosts: list[str]


@dataclass(frozen=True, slots=True)
class _Group:
    """A difference, and the numbers of the transitions that show it."""

    difference: Difference
    transitions: list[int]


def image_changes(transitions: list[Transition]) -> list[Change]:
    """The changes of all transitions; what is equal in several of them is one change."""
    groups = _grouped(transitions)
    hosts = _Hosts(transitions)
    edges = _edges([group.difference for group in groups]) if groups else {}
    return [
        change_of(group.difference, edges[number], hosts.of(group.transitions))
        for number, group in enumerate(groups)
    ]


def _grouped(transitions: list[Transition]) -> list[_Group]:
    found: dict[object, _Group] = {}
    for number, transition in enumerate(transitions):
        for difference in _differences(transition.before, transition.after):
            group = found.setdefault(_identity(difference), _Group(difference, []))
            group.transitions.append(number)
    return list(found.values())


def _identity(difference: Difference) -> object:
    values = (difference.before, difference.after)
    if difference.labels is None and all(isinstance(value, str | None) for value in values):
        return (difference.alternative_image, difference.part, *values)
    return (difference.alternative_image, difference.part, canonical_json([values, difference.labels]))


def _differences(before: Image, after: Image) -> Iterator[Difference]:
    """Everything in which two images differ."""
    old, new = before["software"]["alternatives"], after["software"]["alternatives"]
    yield from _in_scope(before, after, None)
    for name in old.keys() | new.keys():
        if name in old and name in new:
            yield from _in_scope(before, after, name)
        else:
            whole = _alternative(old.get(name)), _alternative(new.get(name))
            yield Difference(f"alternative_image:{name}", *whole)


def _in_scope(before: Image, after: Image, name: str | None) -> Iterator[Difference]:
    """The differences between the images themselves, or between an alternative image of both."""
    old, new = _scope(before["software"], name), _scope(after["software"], name)
    old_labels, new_labels = _scope(before["labels"], name), _scope(after["labels"], name)
    for part in _unequal(old, new):
        yield _difference(name, part, old, new)
    for part in _unequal(old_labels, new_labels):
        if part in old and old[part] == new.get(part):
            labels = (old_labels.get(part), new_labels.get(part))
            yield replace(_difference(name, part, old, new), labels=labels)


def _unequal(old: Parts, new: Parts) -> Iterator[str]:
    """Where two maps differ. ``==`` is exact here: no leaf is a number or a boolean."""
    if old != new:
        yield from (part for part in old.keys() | new.keys() if old.get(part) != new.get(part))


def _scope(software: Software, name: str | None) -> Parts:
    return software["main"] if name is None else software["alternatives"][name]


def _difference(name: str | None, part: str, old: Parts, new: Parts) -> Difference:
    if part == "alternative_image":
        return Difference(f"alternative_image:{name}", _alternative(old), _alternative(new))
    return Difference(part, old.get(part), new.get(part), alternative_image=name)


def _alternative(parts: Parts | None) -> Json:
    """An alternative image as an element of its own: what it is built on, and whom it is for."""
    if parts is None:
        return None
    return {"version": parts["base_image"], "selection_criteria": parts["alternative_image"]}


def _edges(differences: list[Difference]) -> dict[int, Edge]:
    """How each difference came about, by its number.

    DeepDiff sees each distinct difference once, under our number: it takes 12 µs for each, and reads
    no name from outside as a path.
    """
    from deepdiff import DeepDiff  # noqa: PLC0415 - an unchanged cluster, which is nearly all, must not load it

    before, after = _numbered(differences, 0), _numbered(differences, 1)
    tree = DeepDiff(
        before,
        after,
        view="tree",
        ignore_order=False,
        threshold_to_diff_deeper=0,
        ignore_private_variables=False,
    )
    edges: dict[int, Edge] = {}
    for kind, levels in tree.items():
        for level in levels:
            number, *deeper = level.path(output_format="list")
            edges[number] = "changed" if deeper else _EDGES.get(kind, "changed")
    return {number: "relabelled" if differences[number].labels else edge for number, edge in edges.items()}


_EDGES: dict[str, Edge] = {"dictionary_item_added": "added", "dictionary_item_removed": "removed"}


def _numbered(differences: list[Difference], side: int) -> dict[int, Json]:
    values = [difference.labels or (difference.before, difference.after) for difference in differences]
    return {number: value[side] for number, value in enumerate(values) if value[side] is not None}


class _Hosts:
    """The hosts of several transitions together, sorted once for all changes that share them."""

    def __init__(self, transitions: list[Transition]) -> None:
        self._transitions = transitions
        self._known: dict[tuple[int, ...], list[str]] = {}

    def of(self, numbers: list[int]) -> list[str]:
        """The hosts of these transitions, in their natural order; a list of the caller's own."""
        key = tuple(numbers)
        if key not in self._known:
            self._known[key] = sorted_naturally(
                [host for number in numbers for host in self._transitions[number].hosts]
            )
        return list(self._known[key])
