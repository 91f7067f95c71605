"""What changed from one image to another, for all hosts that made the same step."""

from collections.abc import Mapping, Sequence
from itertools import batched
from typing import Final

from msgspec import Struct

from esx_drift.domain.changes.elements import Difference, DifferenceKind, build_alternative, build_change
from esx_drift.domain.stored.identifiers import encode_canonical_json
from esx_drift.domain.stored.types import Change, Image, Json, Parts

DIFFERENCES_AT_ONCE: Final = 1_000
"""How many DeepDiff is given at once: it keeps several kilobytes of each until it is done with all."""


class ImageTransition(Struct, frozen=True):
    """Two images, and the hosts that went from one to the other.

    ``accepted`` is what was accepted for all of them; None where nothing can be put back, or it is not known.
    """

    before: Image
    after: Image
    hosts: list[str]
    accepted: Image | None = None


type _Difference = tuple[str, Json, Json, str | None]
"""The part, what it was, what it is, and the alternative image that it is in."""

type _Fields = tuple[str, Json, Json, str | None, None, bool]
"""The fields of a ``Difference``, of which the same may be found many times."""

type _Groups = dict[object, tuple[_Fields, list[int]]]
"""Each difference once, and the numbers of the transitions that show it."""


def build_image_changes(transitions: list[ImageTransition], ranks: Mapping[str, int]) -> list[Change]:
    """Build the changes of all ``transitions``; what is equal in several of them is one change.

    The hosts of a change are sorted by ``ranks``, which gives each host's place by its id.
    """
    groups = _group_differences(transitions)
    differences = [Difference(*fields) for fields, _ in groups.values()]
    batches = batched(differences, DIFFERENCES_AT_ONCE, strict=False)
    kinds = (kind for batch in batches for kind in _find_kinds(batch))
    hosts = _HostLists(transitions, ranks)
    return [
        build_change(difference, kind, hosts.merge(numbers))
        for difference, kind, (_, numbers) in zip(differences, kinds, groups.values(), strict=True)
    ]


def _group_differences(transitions: list[ImageTransition]) -> _Groups:
    groups: _Groups = {}
    for number, transition in enumerate(transitions):
        for fields in _list_differences(transition):
            key: object = fields
            try:
                group = groups.get(key)
            except TypeError:  # it holds an object
                key = encode_canonical_json(fields)
                group = groups.get(key)
            if group is None:
                groups[key] = fields, [number]
            else:
                group[1].append(number)
    return groups


def _list_differences(transition: ImageTransition) -> list[_Fields]:
    """List everything in which two images differ."""
    old, new = transition.before["alternatives"], transition.after["alternatives"]
    differences = _list_unequal_parts(None, transition.before["main"], transition.after["main"])
    for name in old.keys() & new.keys():
        differences += _list_unequal_parts(name, old[name], new[name])
    differences += [
        (
            f"alternative_image:{name}",
            build_alternative(old.get(name)),
            build_alternative(new.get(name)),
            None,
        )
        for name in old.keys() ^ new.keys()
    ]
    accepted = transition.accepted
    return [
        (*difference, None, accepted is not None and _is_as_accepted(accepted, difference))
        for difference in differences
    ]


def _is_as_accepted(accepted: Image, difference: _Difference) -> bool:
    """Whether the part is now what it is in the accepted image: absent, if it is absent there."""
    part, _, after, alternative = difference
    if part.startswith("alternative_image:"):
        return build_alternative(accepted["alternatives"].get(part.partition(":")[2])) == after
    parts = accepted["main"] if alternative is None else accepted["alternatives"].get(alternative, {})
    return parts.get(part) == after


def _list_unequal_parts(name: str | None, old: Parts, new: Parts) -> list[_Difference]:
    """List what differs in two images themselves, or in an alternative image of both.

    ``!=`` is exact here: no leaf is a number or a boolean.
    """
    if old == new:
        return []
    parts = [part for part, value in new.items() if part not in old or old[part] != value]
    parts += old.keys() - new.keys()
    return [
        (f"alternative_image:{name}", build_alternative(old), build_alternative(new), None)
        if part == "alternative_image"
        else (part, old.get(part), new.get(part), name)
        for part in parts
    ]


def _find_kinds(differences: Sequence[Difference]) -> list[DifferenceKind]:
    """Find how each difference came about.

    DeepDiff sees each distinct one once, under a number of ours: it takes its time, and no name from outside
    is ever read as a path.
    """
    from deepdiff import DeepDiff  # noqa: PLC0415 - an unchanged cluster, which is nearly all, must not load it

    tree = DeepDiff(
        _number_values([difference.before for difference in differences]),
        _number_values([difference.after for difference in differences]),
        view="tree",
        ignore_order=False,
        threshold_to_diff_deeper=0,
        ignore_private_variables=False,
    )
    kinds = {level.get_root_key(): _KINDS[name] for name, levels in tree.items() for level in levels}
    return [kinds[str(number)] for number in range(len(differences))]


_KINDS: dict[str, DifferenceKind] = {
    "dictionary_item_added": "added",
    "dictionary_item_removed": "removed",
    "values_changed": "changed",
}


def _number_values(values: list[Json]) -> dict[str, str]:
    return {str(number): _format_line(value) for number, value in enumerate(values) if value is not None}


def _format_line(value: Json) -> str:
    """A value on one line, different for different values: of longer ones DeepDiff makes a slow line diff."""
    if not isinstance(value, str):
        return encode_canonical_json(value).decode()
    return value.replace("\\", "\\\\").replace("\n", "\\n") if "\n" in value or "\\" in value else value


class _HostLists:
    """The hosts of several transitions together, sorted once for all changes that share them."""

    def __init__(self, transitions: list[ImageTransition], ranks: Mapping[str, int]) -> None:
        self._transitions = transitions
        self._ranks = ranks
        self._known: dict[tuple[int, ...], list[str]] = {}

    def merge(self, numbers: list[int]) -> list[str]:
        """Merge the hosts of these transitions, in order; a list of the caller's own."""
        key = tuple(numbers)
        if key not in self._known:
            hosts = [host for number in numbers for host in self._transitions[number].hosts]
            self._known[key] = sorted(hosts, key=self._ranks.__getitem__)
        return list(self._known[key])
