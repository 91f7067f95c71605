"""What changed from one image to another, for all hosts that made the same step."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from esx_drift.domain.changes.elements import Difference, Edge, change_of
from esx_drift.domain.images.image import version_of
from esx_drift.domain.names import canonical_json
from esx_drift.domain.shapes import Change, Image, Json, Labels, Parts


@dataclass(frozen=True, slots=True)
class Transition:
    """Two images, and the hosts that went from one to the other.

    ``described``: the labels at hand are those of both images.
    """

    before: Image
    after: Image
    hosts: list[str]
    described: bool


type _Found = tuple[str, Json, Json, str | None, tuple[Json, Json] | None]
"""The fields of a ``Difference``, of which the same may be found many times."""

type _Relabelled = tuple[str, str, tuple[Json, Json]]
"""A part, its version, and its label before and after."""


type _Groups = dict[object, tuple[_Found, list[int]]]
"""Each difference once, and the numbers of the transitions that show it."""


def image_changes(
    transitions: list[Transition], old_labels: Labels, new_labels: Labels, ranks: Mapping[str, int]
) -> list[Change]:
    """The changes of all transitions; what is equal in several of them is one change.

    The hosts of each are sorted by ``ranks``.
    """
    groups = _grouped(transitions, _relabelled(old_labels, new_labels))
    differences = [Difference(*found) for found, _ in groups.values()]
    edges = _edges(differences) if differences else []
    hosts = _Hosts(transitions, ranks)
    return [
        change_of(difference, edge, hosts.of(numbers))
        for difference, edge, (_, numbers) in zip(differences, edges, groups.values(), strict=True)
    ]


def _grouped(transitions: list[Transition], relabelled: list[_Relabelled]) -> _Groups:
    groups: _Groups = {}
    for number, transition in enumerate(transitions):
        for found in _differences(transition, relabelled if transition.described else []):
            key: object = found
            try:
                group = groups.get(key)
            except TypeError:  # it holds an object
                key = canonical_json(found)
                group = groups.get(key)
            if group is None:
                groups[key] = found, [number]
            else:
                group[1].append(number)
    return groups


def _differences(transition: Transition, relabelled: list[_Relabelled]) -> list[_Found]:
    """Everything in which two images differ."""
    old, new = transition.before["alternatives"], transition.after["alternatives"]
    scopes: list[tuple[str | None, Parts, Parts]]
    scopes = [(None, transition.before["main"], transition.after["main"])]
    scopes += [(name, old[name], new[name]) for name in old.keys() & new.keys()]
    found = [difference for scope in scopes for difference in _unequal(*scope)]
    found += [difference for scope in scopes for difference in _described_otherwise(*scope, relabelled)]
    return found + [
        (f"alternative_image:{name}", _alternative(old.get(name)), _alternative(new.get(name)), None, None)
        for name in old.keys() ^ new.keys()
    ]


def _unequal(name: str | None, old: Parts, new: Parts) -> list[_Found]:
    """What differs in two images themselves, or in an alternative image of both.

    ``!=`` is exact here: no leaf is a number or a boolean.
    """
    if old == new:
        return []
    parts = [part for part, value in new.items() if part not in old or old[part] != value]
    parts += old.keys() - new.keys()
    return [
        (f"alternative_image:{name}", _alternative(old), _alternative(new), None, None)
        if part == "alternative_image"
        else (part, old.get(part), new.get(part), name, None)
        for part in parts
    ]


def _described_otherwise(
    name: str | None, old: Parts, new: Parts, relabelled: list[_Relabelled]
) -> Iterator[_Found]:
    """What is the same, but for its labels."""
    own = None if name is None else f"alternative_image:{name}"
    for part, version, labels in relabelled:
        value = old.get(part)
        if value is not None and value == new.get(part) and version_of(value) == version:
            yield part, value, value, name, labels
        elif part == own and old["alternative_image"] == new["alternative_image"]:
            yield part, _alternative(old), _alternative(new), None, labels


def _alternative(parts: Parts | None) -> Json:
    """An alternative image as an element of its own: what it is built on, and whom it is for."""
    if parts is None:
        return None
    return {"version": parts["base_image"], "selection_criteria": parts["alternative_image"]}


def _relabelled(old: Labels, new: Labels) -> list[_Relabelled]:
    """The parts whose labels are not as they were, in the versions that have them."""
    changed = [part for part in old.keys() | new.keys() if old.get(part) != new.get(part)]
    sides = [(part, old.get(part, {}), new.get(part, {})) for part in changed]
    return [
        (part, version, (_label(before.get(version)), _label(after.get(version))))
        for part, before, after in sides
        for version in before.keys() | after.keys()
        if before.get(version) != after.get(version)
    ]


def _label(variants: list[Json] | None) -> Json:
    """The label, or all of them where there are several."""
    return variants[0] if variants and len(variants) == 1 else variants


def _edges(differences: list[Difference]) -> list[Edge]:
    """How each difference came about.

    DeepDiff sees each distinct one once, under a number of ours: it takes its time, and no name from outside
    is ever read as a path.
    """
    from deepdiff import DeepDiff  # noqa: PLC0415 - an unchanged cluster, which is nearly all, must not load it

    tree = DeepDiff(
        _numbered(differences, 0),
        _numbered(differences, 1),
        view="tree",
        ignore_order=False,
        threshold_to_diff_deeper=0,
        ignore_private_variables=False,
    )
    found = {level.get_root_key(): _EDGES[kind] for kind, levels in tree.items() for level in levels}
    return [
        "relabelled" if difference.labels else found[str(number)]
        for number, difference in enumerate(differences)
    ]


_EDGES: dict[str, Edge] = {
    "dictionary_item_added": "added",
    "dictionary_item_removed": "removed",
    "values_changed": "changed",
}


def _numbered(differences: list[Difference], side: int) -> dict[str, str]:
    values = [difference.labels or (difference.before, difference.after) for difference in differences]
    return {str(number): _line(value[side]) for number, value in enumerate(values) if value[side] is not None}


def _line(value: Json) -> str:
    """A value on one line, different for different values: of longer ones DeepDiff makes a slow line diff."""
    if not isinstance(value, str):
        return canonical_json(value).decode()
    return value.replace("\\", "\\\\").replace("\n", "\\n") if "\n" in value or "\\" in value else value


class _Hosts:
    """The hosts of several transitions together, sorted once for all changes that share them."""

    def __init__(self, transitions: list[Transition], ranks: Mapping[str, int]) -> None:
        self._transitions = transitions
        self._ranks = ranks
        self._known: dict[tuple[int, ...], list[str]] = {}

    def of(self, numbers: list[int]) -> list[str]:
        """The hosts of these transitions, in order; a list of the caller's own."""
        key = tuple(numbers)
        if key not in self._known:
            hosts = [host for number in numbers for host in self._transitions[number].hosts]
            self._known[key] = sorted(hosts, key=self._ranks.__getitem__)
        return list(self._known[key])
