"""Whether hosts run the same software, and who does not."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from esx_drift.domain.images.labels import name_esxi_release
from esx_drift.domain.images.versions import make_natural_key, sort_naturally
from esx_drift.domain.judging.condition import Condition
from esx_drift.domain.names import compute_digest
from esx_drift.domain.shapes import Image, Json, Labels
from esx_drift.domain.telling.wording import clean_text, format_count, join_names, list_host_names

MAX_PARTS = 10
MAX_GROUPS = 3
MAX_NAMED_OUTLIERS = 5


@dataclass(frozen=True, slots=True)
class ImageGroup:
    """Hosts that run the same software, in their natural order."""

    image: Image
    hosts: tuple[str, ...]


def group_hosts_by_image(images: Mapping[str, Image], runs: Mapping[str, str]) -> list[ImageGroup]:
    """The hosts of ``runs`` (id to image), grouped by software, the group that the others differ from first.

    That is the largest; of equally large ones the one that offers another as an alternative image, or else
    has the newest release. A host that runs an alternative which that largest group offers is as it should
    be, so it is in no group; what a smaller group offers excuses nobody, or one host could excuse all the
    others. Nor do two images differ by the alternatives that they offer.
    """
    used = set(runs.values())
    offering = any(images[digest]["alternatives"] for digest in used)
    # What the hosts themselves run; where nobody offers alternatives, the whole image's digest will do.
    main = {digest: compute_digest(images[digest]["main"]) if offering else digest for digest in used}
    found: dict[str, _Gathered] = {}
    for host in sort_naturally(runs):
        gathered = found.setdefault(main[runs[host]], _Gathered())
        gathered.hosts.append(host)
        gathered.images[runs[host]] = images[runs[host]]
    several = sorted(found.items(), key=lambda one: _rank(one, found.keys()), reverse=True)
    excused = several[0][1].offered - {several[0][0]} if several else set()
    return [gathered.group for own, gathered in several if own not in excused]


@dataclass(slots=True)
class _Gathered:
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


def _rank(one: tuple[str, _Gathered], all_of_them: AbstractSet[str]) -> tuple[object, ...]:
    own, it = one
    offers = not it.offered.isdisjoint(all_of_them - {own})
    return len(it.hosts), offers, make_natural_key(str(it.image["main"]["base_image"])), own


def list_uniformity_conditions(
    groups: list[ImageGroup], names: Mapping[str, str], labels: Labels
) -> list[Condition]:
    """One condition if there is more than one group, with the outliers as its hosts."""
    if len(groups) < 2:  # noqa: PLR2004 - one group is what uniform means
        return []
    told = _Told(groups[0], names, labels)
    outliers = tuple(sort_naturally([host for group in groups[1:] for host in group.hosts]))
    detail: dict[str, Json] = {
        "majority": told.facts(groups[0]),
        "outliers": [told.facts(group) for group in groups[1:]],
    }
    return [
        Condition("drift", "image-not-uniform", "", "warning", told.summary(groups[1:]), outliers, detail)
    ]


@dataclass(frozen=True, slots=True)
class _Told:
    """Groups in words, as they differ from the majority."""

    majority: ImageGroup
    names: Mapping[str, str]
    labels: Labels

    def summary(self, others: list[ImageGroup]) -> str:
        """``11 of 12 hosts run ESXi 8.0 U3e; esx07 runs ESXi 8.0 U3d``."""
        total = len(self.majority.hosts) + sum(len(group.hosts) for group in others)
        if len(self.majority.hosts) == 1:
            return self._two(others[0]) if total == 2 else f"{total} hosts run {total} different images"  # noqa: PLR2004 - of two it can be said how they differ
        told = [self._outlier(group, others[:number]) for number, group in enumerate(others[:MAX_GROUPS])]
        rest = sum(len(group.hosts) for group in others[MAX_GROUPS:])
        told += [f"{format_count(rest, 'more host')} something else"] if rest else []
        most = f"{len(self.majority.hosts)} of {total} hosts run {self.release(self.majority)}"
        return "; ".join((most, *told))

    def _two(self, other: ImageGroup) -> str:
        one, two = sorted((self.majority, other), key=lambda group: make_natural_key(group.hosts[0]))
        if self.release(one) != self.release(two):
            return "; ".join(f"{self._first(group)} runs {self.release(group)}" for group in (one, two))
        differs = describe_difference(one.image, two.image)
        return f"{self._first(one)} and {self._first(two)} run {self.release(one)}, but differ in {differs}"

    def facts(self, group: ImageGroup) -> dict[str, Json]:
        """A group for programs."""
        parts = list_differing_parts(self.majority.image, group.image)
        shown: list[Json] = [format_part(part) for part in parts[:MAX_PARTS]]
        facts: dict[str, Json] = {"release": self.release(group), "hosts": list(group.hosts)}
        return facts | ({"differs_in": shown, "differing_parts": len(parts)} if parts else {})

    def release(self, group: ImageGroup) -> str:
        """``ESXi 8.0 U3e``."""
        return clean_text(name_esxi_release(group.image, self.labels))

    def _outlier(self, group: ImageGroup, before: list[ImageGroup]) -> str:
        """What it runs; or, where that is called like what another group runs, in what it differs from it."""
        who, one = (
            join_names(list_host_names(group.hosts, self.names), MAX_NAMED_OUTLIERS),
            len(group.hosts) == 1,
        )
        release = self.release(group)
        if release == self.release(self.majority):
            return f"{who} {'differs' if one else 'differ'} in {describe_difference(self.majority.image, group.image)}"
        runs = f"{who} {'runs' if one else 'run'} {release}"
        like = next((other for other in before if self.release(other) == release), None)
        if like is None:
            return runs
        differs = describe_difference(like.image, group.image)
        return f"{runs}, but {'differs' if one else 'differ'} from {self._first(like)} in {differs}"

    def _first(self, group: ImageGroup) -> str:
        return list_host_names(group.hosts, self.names)[0]


def describe_difference(one: Image, other: Image) -> str:
    """``component Intel-i40en`` if two images differ in nothing else, else ``3 parts``."""
    parts = list_differing_parts(one, other)
    return format_part(parts[0]) if len(parts) == 1 else format_count(len(parts), "part")


def list_differing_parts(one: Image, other: Image) -> list[str]:
    """The parts in which two images differ, leaving out the alternatives that they offer to others."""
    left = one["main"]
    right = other["main"]
    return sort_naturally(part for part in left.keys() | right.keys() if left.get(part) != right.get(part))


def format_part(part: str) -> str:
    """A part as a person reads it: ``component Intel-i40en``, ``add-on``."""
    element, _, name = part.partition(":")
    return clean_text(f"{_ELEMENTS.get(element, element.replace('_', ' '))} {name}".strip())


_ELEMENTS = {"add_on": "add-on", "base_image": "base image"}
