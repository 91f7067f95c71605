"""What changed from one image to another, for all hosts that made the same step."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from esx_drift.domain.changes.elements import Difference, DifferenceKind, build_change
from esx_drift.domain.changes.relabelled import LabelledVersion, Suspects, described_otherwise
from esx_drift.domain.images.description import Description
from esx_drift.domain.stored.identifiers import encode_canonical_json
from esx_drift.domain.stored.types import Change, Image, Json, Parts


@dataclass(frozen=True, slots=True)
class ImageTransition:
    """Two images, what each says of its parts, and the hosts that went from one to the other."""

    before: Image
    after: Image
    descriptions: tuple[Description, Description]
    hosts: list[str]


type _Found = tuple[str, Json, Json, str | None, tuple[Json, Json] | None]
"""The fields of a ``Difference``, of which the same may be found many times."""

type _Groups = dict[object, tuple[_Found, list[int]]]
"""Each difference once, and the numbers of the transitions that show it."""


def build_image_changes(transitions: list[ImageTransition], ranks: Mapping[str, int]) -> list[Change]:
    """The changes of all transitions; what is equal in several of them is one change.

    The hosts of each are sorted by ``ranks``.
    """
    groups = _grouped(transitions)
    differences = [Difference(*found) for found, _ in groups.values()]
    edges = _edges(differences) if differences else []
    hosts = _Hosts(transitions, ranks)
    return [
        build_change(difference, edge, hosts.of(numbers))
        for difference, edge, (_, numbers) in zip(differences, edges, groups.values(), strict=True)
    ]


def _grouped(transitions: list[ImageTransition]) -> _Groups:
    groups: _Groups = {}
    suspects = Suspects()
    for number, transition in enumerate(transitions):
        for found in _differences(transition, suspects):
            key: object = found
            try:
                group = groups.get(key)
            except TypeError:  # it holds an object
                key = encode_canonical_json(found)
                group = groups.get(key)
            if group is None:
                groups[key] = found, [number]
            else:
                group[1].append(number)
    return groups


def _differences(transition: ImageTransition, suspects: Suspects) -> list[_Found]:
    """Everything in which two images differ."""
    old, new = transition.before["alternatives"], transition.after["alternatives"]
    scopes: list[tuple[str | None, Parts, Parts]]
    scopes = [(None, transition.before["main"], transition.after["main"])]
    scopes += [(name, old[name], new[name]) for name in old.keys() & new.keys()]
    found = [difference for scope in scopes for difference in _unequal(*scope)]
    before, after = transition.descriptions
    suspected = suspects.between(before.whole, after.whole)
    if suspected:
        found += [one for scope in scopes for one in _relabelled(*scope, transition.descriptions, suspected)]
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


def _relabelled(
    name: str | None,
    old: Parts,
    new: Parts,
    descriptions: tuple[Description, Description],
    suspected: list[LabelledVersion],
) -> Iterator[_Found]:
    """What is the same, but for its labels."""
    for part, labels in described_otherwise(name, old, new, descriptions, suspected):
        if part in old:
            yield part, old[part], new[part], name, labels
        else:
            yield part, _alternative(old), _alternative(new), None, labels


def _alternative(parts: Parts | None) -> Json:
    """An alternative image as an element of its own: what it is built on, and whom it is for."""
    if parts is None:
        return None
    return {"version": parts["base_image"], "selection_criteria": parts["alternative_image"]}


def _edges(differences: list[Difference]) -> list[DifferenceKind]:
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


_EDGES: dict[str, DifferenceKind] = {
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
        return encode_canonical_json(value).decode()
    return value.replace("\\", "\\\\").replace("\n", "\\n") if "\n" in value or "\\" in value else value


class _Hosts:
    """The hosts of several transitions together, sorted once for all changes that share them."""

    def __init__(self, transitions: list[ImageTransition], ranks: Mapping[str, int]) -> None:
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
