"""Where the labels of a snapshot come from, and which of them belong to which of its hosts."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from esx_drift.domain.images.description import Description
from esx_drift.domain.images.image import format_part_version
from esx_drift.domain.images.labels import DESCRIBED, Tables, find_label, make_part_name
from esx_drift.domain.stored.types import Image, Json, Parts

if TYPE_CHECKING:
    from esx_drift.domain.images.document import SoftwareInfo

type Said = tuple[str, list[Json]]
"""The version of a part, and its labels: one, unless there were several."""


class Source(Protocol):
    """Something that describes the image of some hosts."""

    @property
    def hosts(self) -> Collection[str]:
        """Whose image it is."""
        ...

    @property
    def alternatives(self) -> Iterable[str]:
        """The ids of the alternatives that the image has."""
        ...

    def tell(self, tables: Tables) -> None:
        """Keep every label in the tables."""
        ...

    def said(self, alternative: str | None, element: str, name: str) -> Said | None:
        """What it says of a part of the image or of one of its alternatives; none if that has none."""
        ...


@dataclass(frozen=True, slots=True)
class Listed:
    """An image as a report lists it."""

    hosts: frozenset[str]
    info: "SoftwareInfo"

    @property
    def alternatives(self) -> Iterable[str]:
        """The ids of the alternatives that the image has."""
        return self.info.get("alternative_images") or ()

    def tell(self, tables: Tables) -> None:
        """Keep every label in the tables."""
        tables.add(self.info)
        for name, image in (self.info.get("alternative_images") or {}).items():
            tables.add(image)
            tables.keep("alternative_image", name, "", {"display_name": image["display_name"]})

    def said(self, alternative: str | None, element: str, name: str) -> Said | None:
        """What it says of a part of the image or of one of its alternatives; none if that has none."""
        inside = self.info.get("alternative_images") or {}
        if element == "alternative_image":
            return ("", [{"display_name": inside[name]["display_name"]}]) if alternative == name else None
        found = find_label(self.info if alternative is None else inside[alternative], element, name)
        return None if found is None else (found[0], [found[1]])


@dataclass(frozen=True, slots=True)
class Remembered:
    """An image of hosts that were not seen, as it was described when they were."""

    hosts: list[str]
    image: Image
    description: Description

    @property
    def alternatives(self) -> Iterable[str]:
        """The ids of the alternatives that the image has."""
        return self.image["alternatives"]

    def tell(self, tables: Tables) -> None:
        """Keep every label in the tables."""
        for alternative in (None, *self.alternatives):
            for element, name in self._described(alternative):
                version, labels = cast("Said", self.said(alternative, element, name))
                for label in labels:
                    tables.keep(element, name, version, label)

    def said(self, alternative: str | None, element: str, name: str) -> Said | None:
        """What it says of a part of the image or of one of its alternatives; none if that has none."""
        part, version = make_part_name(element, name), ""
        if element != "alternative_image":
            value = self._parts(alternative).get(part)
            if value is None:
                return None
            version = format_part_version(value)
        elif alternative != name:
            return None
        return version, self.description.labels(alternative, part, version)

    def _parts(self, alternative: str | None) -> Parts:
        return self.image["main"] if alternative is None else self.image["alternatives"][alternative]

    def _described(self, alternative: str | None) -> Iterator[tuple[str, str]]:
        """The parts that can have labels, by element and id."""
        if alternative is not None:
            yield "alternative_image", alternative
        for part in self._parts(alternative):
            element, _, name = part.partition(":")
            if element in DESCRIBED and element != "alternative_image":  # whose criteria are no label
                yield element, name
