"""Parts that are the same in both snapshots, but for how the cluster's report words them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from esx_drift.domain.changes.elements import Difference, build_alternative, build_change
from esx_drift.domain.images.image import format_part_version
from esx_drift.domain.stored.types import Change, Image, Json, Parts, Snapshot
from esx_drift.domain.text.versions import sort_naturally

type ImagePair = tuple[str, str]
"""The digests of an image in the baseline and of one in the current snapshot."""


@dataclass(frozen=True, slots=True)
class Rewording:
    """A version of a part with its labels before and now; null where it is not described."""

    part: str
    version: str
    before: Json
    after: Json


def build_relabelled_changes(
    baseline: Snapshot, current: Snapshot, hosts_by_images: Mapping[ImagePair, list[str]]
) -> list[Change]:
    """Build a change of each part whose wording is another one now.

    Args:
        baseline: The snapshot before.
        current: The snapshot now.
        hosts_by_images: The hosts that may be relabelled, by what they ran and run. Of these a change lists
            those that had the version before and have it still.
    """
    changes = []
    for rewording in list_rewordings(baseline, current):
        places: dict[tuple[str | None, str, str], tuple[Difference, list[str]]] = {}
        for (old, new), hosts in hosts_by_images.items():
            difference = _find_difference(rewording, baseline["images"][old], current["images"][new])
            if difference is not None:
                versions = format_part_version(difference.before), format_part_version(difference.after)
                place = difference.alternative_image, *versions
                places.setdefault(place, (difference, []))[1].extend(hosts)
        changes += [
            build_change(difference, "relabelled", sort_naturally(hosts))
            for difference, hosts in places.values()
        ]
    return changes


def list_rewordings(baseline: Snapshot, current: Snapshot) -> list[Rewording]:
    """List the versions of parts that ``baseline`` and ``current`` both have and label differently."""
    before, after = baseline["labels"], current["labels"]
    rewordings, added, removed = [], [], []
    for part in before.keys() | after.keys():
        old, new = before.get(part, {}), after.get(part, {})
        if old != new:
            added += [(part, version) for version in new.keys() - old.keys()]
            removed += [(part, version) for version in old.keys() - new.keys()]
            both = [version for version in old.keys() & new.keys() if old[version] != new[version]]
            rewordings += [Rewording(part, version, old[version], new[version]) for version in both]
    # A version without a label may be in the snapshot all the same.
    for part, version in _select_present(baseline, added):
        rewordings.append(Rewording(part, version, None, after[part][version]))
    for part, version in _select_present(current, removed):
        rewordings.append(Rewording(part, version, before[part][version], None))
    return rewordings


def _select_present(snapshot: Snapshot, versions: list[tuple[str, str]]) -> set[tuple[str, str]]:
    """Select the versions of parts that some image of the snapshot has."""
    images = snapshot["images"].values()
    scopes = [parts for image in images for parts in (image["main"], *image["alternatives"].values())]
    return {
        (part, version)
        for part, version in versions
        for parts in scopes
        if (value := parts.get(part)) == version
        or (isinstance(value, dict) and format_part_version(value) == version)
    }


def _find_difference(rewording: Rewording, old: Image, new: Image) -> Difference | None:
    """Find where both images have the part: in themselves, or else in the first such alternative image.

    Returns:
        None where they don't both have it, in the version that is meant.
    """
    labels = rewording.before, rewording.after
    if rewording.part.startswith("alternative_image:"):
        before, after = (_find_alternative(rewording.part, image) for image in (old, new))
        same = before and after and before["alternative_image"] == after["alternative_image"]
        sides = build_alternative(before), build_alternative(after)
        return Difference(rewording.part, *sides, None, labels) if same else None
    for alternative, before, after in _list_scopes(old, new):
        value = before.get(rewording.part)
        same = value is not None and value == after.get(rewording.part)
        if same and format_part_version(value) == rewording.version:
            return Difference(rewording.part, value, value, alternative, labels)
    return None


def _find_alternative(part: str, image: Image) -> Parts | None:
    return image["alternatives"].get(part.partition(":")[2])


def _list_scopes(old: Image, new: Image) -> Iterator[tuple[str | None, Parts, Parts]]:
    """List both images themselves, and each alternative image that both have, by its id."""
    yield None, old["main"], new["main"]
    for name in sorted(old["alternatives"].keys() & new["alternatives"].keys()):
        yield name, old["alternatives"][name], new["alternatives"][name]
