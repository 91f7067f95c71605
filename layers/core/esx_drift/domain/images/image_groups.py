"""Hosts in groups that run the same software."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from esx_drift.domain.stored.identifiers import compute_digest
from esx_drift.domain.stored.types import Image
from esx_drift.domain.text.versions import make_natural_key, sort_naturally
from esx_drift.domain.text.wording import clean_text, format_count, name_element


@dataclass(frozen=True, slots=True)
class ImageGroup:
    """Hosts that run the same software, in their natural order."""

    image: Image
    hosts: tuple[str, ...]


def group_hosts_by_image(images: Mapping[str, Image], runs: Mapping[str, str]) -> list[ImageGroup]:
    """Group hosts by the software that they run, the group that the others differ from first.

    That is the largest; of equally large ones the one that offers another as an alternative image, or else
    has the newest release. A host that runs an alternative which that largest group offers is as it should
    be, so it is in no group; what a smaller group offers excuses nobody, or one host could excuse all the
    others. Nor do two images differ by the alternatives that they offer.

    Args:
        images: The images by their digests; there may be more than these hosts run.
        runs: The digest of each host's image, by the host's id.
    """
    used = set(runs.values())
    offering = any(images[digest]["alternatives"] for digest in used)
    # What the hosts themselves run; where nobody offers alternatives, the whole image's digest will do.
    main = {digest: compute_digest(images[digest]["main"]) if offering else digest for digest in used}
    groups: dict[str, _HostCollector] = {}
    for host in sort_naturally(runs):
        group = groups.setdefault(main[runs[host]], _HostCollector())
        group.hosts.append(host)
        group.images[runs[host]] = images[runs[host]]
    ranked = sorted(groups.items(), key=lambda entry: _rank(entry[0], entry[1], groups.keys()), reverse=True)
    excused = ranked[0][1].offered - {ranked[0][0]} if ranked else set()
    return [group.group for digest, group in ranked if digest not in excused]


@dataclass(slots=True)
class _HostCollector:
    """Hosts with the same main parts, and their images by digest: they may offer different alternatives."""

    hosts: list[str] = field(default_factory=list)
    images: dict[str, Image] = field(default_factory=dict)

    @property
    def image(self) -> Image:
        return next(iter(self.images.values()))

    @property
    def group(self) -> ImageGroup:
        return ImageGroup(self.image, tuple(self.hosts))

    @property
    def offered(self) -> set[str]:
        return {
            compute_digest({part: value for part, value in parts.items() if part != "alternative_image"})
            for image in self.images.values()
            for parts in image["alternatives"].values()
        }


def _rank(digest: str, group: _HostCollector, digests: AbstractSet[str]) -> tuple[object, ...]:
    offers = not group.offered.isdisjoint(digests - {digest})
    return len(group.hosts), offers, make_natural_key(str(group.image["main"]["base_image"])), digest


def describe_difference(first: Image, other: Image) -> str:
    """Describe in what ``first`` and ``other`` differ.

    One part is named, ``component Intel-i40en``; several, or none, are counted: ``3 parts``.
    """
    parts = list_differing_parts(first, other)
    return format_part(parts[0]) if len(parts) == 1 else format_count(len(parts), "part")


def list_differing_parts(first: Image, other: Image) -> list[str]:
    """List the parts in which ``first`` and ``other`` differ, without the alternatives that they offer."""
    left = first["main"]
    right = other["main"]
    return sort_naturally(part for part in left.keys() | right.keys() if left.get(part) != right.get(part))


def format_part(part: str) -> str:
    """Format a part as a person reads it: ``component Intel-i40en``, ``add-on``."""
    element, _, name = part.partition(":")
    return clean_text(f"{name_element(element)} {name}".strip())
