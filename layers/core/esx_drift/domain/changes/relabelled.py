"""What is the same in two images, but for what they say of it."""

from collections.abc import Iterator

from esx_drift.domain.images.description import Description, Descriptions
from esx_drift.domain.images.image import format_part_version
from esx_drift.domain.stored.types import Json, Parts

type LabelledVersion = tuple[str, str]
"""A part and its version."""


class Suspects:
    """Which parts may be described otherwise than before, found once for all hosts of two snapshots."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], list[LabelledVersion]] = {}

    def between(self, old: Descriptions, new: Descriptions) -> list[LabelledVersion]:
        """Those of which not everybody always says the same; both must live as long as this does."""
        pair = id(old), id(new)
        if pair not in self._known:
            self._known[pair] = list(_suspects(old, new))
        return self._known[pair]


def _suspects(old: Descriptions, new: Descriptions) -> Iterator[LabelledVersion]:
    several = old.several | new.several
    for part in old.labels.keys() | new.labels.keys():
        before, after = old.labels.get(part, {}), new.labels.get(part, {})
        if before != after or part in several:
            for version in before.keys() | after.keys():
                if before.get(version) != after.get(version) or len(before[version]) > 1:
                    yield part, version


def described_otherwise(
    alternative: str | None,
    old: Parts,
    new: Parts,
    sides: tuple[Description, Description],
    suspects: list[LabelledVersion],
) -> Iterator[tuple[str, tuple[Json, Json]]]:
    """The parts that two images, or an ``alternative`` of both, have alike, with labels that are not."""
    own = None if alternative is None else f"alternative_image:{alternative}"
    for part, version in suspects:
        value = old.get(part)
        if value is None:
            if part != own or old["alternative_image"] != new["alternative_image"]:
                continue
        elif value != new.get(part) or format_part_version(value) != version:
            continue
        before, after = (side.label(alternative, part, version) for side in sides)
        if before != after:
            yield part, (before, after)
