"""Whether hosts run the same software, and who does not."""

from collections.abc import Mapping
from dataclasses import dataclass

from esx_drift.domain.condition import Condition
from esx_drift.domain.names import digest_of
from esx_drift.domain.shapes import Image, Json, Parts
from esx_drift.domain.versions import natural, sorted_naturally
from esx_drift.domain.wording import clean, counted, listed, named

MAX_PARTS = 10
MAX_GROUPS = 3
MAX_NAMES = 5


@dataclass(frozen=True, slots=True)
class Group:
    """Hosts that run the same software, in their natural order."""

    image: Image
    hosts: tuple[str, ...]

    @property
    def release(self) -> str:
        """``ESXi 8.0 U3e`` if the depot knows it, else the base image's version."""
        return release_of(self.image)


def release_of(image: Image) -> str:
    """What people call the image's ESXi: the display version, which ends in the build, without the build."""
    version = str(image["software"]["main"]["base_image"])
    label = image["labels"]["main"].get("base_image")
    if not isinstance(label, dict):
        return f"ESXi {clean(version)}"
    return clean(f"{label['display_name']} {str(label['display_version']).rpartition(' - ')[0] or version}")


def groups_of(images: Mapping[str, Image], runs: Mapping[str, str]) -> list[Group]:
    """The hosts of ``runs`` (id to image), grouped by software, the group that the others differ from first.

    That is the largest; of equally large ones the one with the newest release. A host that runs an
    alternative image of another one is as it should be, so it is in no group; nor do two images differ
    by the alternatives that they offer to others.
    """
    alternatives = _alternatives(images, set(runs.values()))
    main = {digest: _main_digest(images[digest], digest, alternatives) for digest in set(runs.values())}
    hosts: dict[str, list[str]] = {}
    image: dict[str, Image] = {}
    for host in sorted_naturally(runs):
        own = main[runs[host]]
        hosts.setdefault(own, []).append(host)
        image[own] = images[runs[host]]
    counted_hosts = {own: several for own, several in hosts.items() if own not in alternatives} or hosts
    groups = [(own, Group(image[own], tuple(several))) for own, several in counted_hosts.items()]
    return [group for _, group in sorted(groups, key=_size, reverse=True)]


def _size(group: tuple[str, Group]) -> tuple[object, ...]:
    own, it = group
    return len(it.hosts), natural(str(it.image["software"]["main"]["base_image"])), own


def _alternatives(images: Mapping[str, Image], used: set[str]) -> set[str]:
    return {
        digest_of({part: value for part, value in parts.items() if part != "alternative_image"})
        for digest in used
        for parts in images[digest]["software"]["alternatives"].values()
    }


def _main_digest(image: Image, digest: str, alternatives: set[str]) -> str:
    """What the hosts themselves run; where nobody has alternatives, the whole image's digest will do."""
    return digest_of(image["software"]["main"]) if alternatives else digest


def not_uniform(groups: list[Group], names: Mapping[str, str]) -> list[Condition]:
    """One condition if there is more than one group, with the outliers as its hosts."""
    if len(groups) < 2:  # noqa: PLR2004 - one group is what uniform means
        return []
    majority, *others = groups
    outliers = tuple(sorted_naturally([host for group in others for host in group.hosts]))
    detail: dict[str, Json] = {
        "majority": _facts(majority),
        "outliers": [_facts(group, majority) for group in others],
    }
    summary = _summary(majority, others, names)
    return [Condition("drift", "image-not-uniform", "", "warning", summary, outliers, detail)]


def _summary(majority: Group, others: list[Group], names: Mapping[str, str]) -> str:
    total = len(majority.hosts) + sum(len(group.hosts) for group in others)
    if len(majority.hosts) == 1:
        return f"{total} hosts run {total} different images"
    told = [_told(group, majority, names) for group in others[:MAX_GROUPS]]
    if len(others) > MAX_GROUPS:
        told.append(
            f"{counted(sum(len(group.hosts) for group in others[MAX_GROUPS:]), 'more host')} otherwise"
        )
    return f"{len(majority.hosts)} of {total} hosts run {majority.release}; {'; '.join(told)}"


def _told(group: Group, majority: Group, names: Mapping[str, str]) -> str:
    who, one = listed(named(group.hosts, names), MAX_NAMES), len(group.hosts) == 1
    if group.release != majority.release:
        return f"{who} {'runs' if one else 'run'} {group.release}"
    parts = differing_parts(majority.image, group.image)
    what = shown_part(parts[0]) if len(parts) == 1 else counted(len(parts), "part")
    return f"{who} {'differs' if one else 'differ'} in {what}"


def _facts(group: Group, majority: Group | None = None) -> dict[str, Json]:
    facts: dict[str, Json] = {"release": group.release, "hosts": list(group.hosts)}
    if majority is None:
        return facts
    parts = differing_parts(majority.image, group.image)
    shown: list[Json] = [shown_part(part) for part in parts[:MAX_PARTS]]
    return facts | {"differs_in": shown, "differing_parts": len(parts)}


def differing_parts(one: Image, other: Image) -> list[str]:
    """The parts in which two images differ, leaving out the alternatives that they offer to others."""
    left: Parts = one["software"]["main"]
    right: Parts = other["software"]["main"]
    return sorted_naturally(part for part in left.keys() | right.keys() if left.get(part) != right.get(part))


def shown_part(part: str) -> str:
    """A part as a person reads it: ``component Intel-i40en``, ``add-on``."""
    element, _, name = part.partition(":")
    return clean(f"{_ELEMENTS.get(element, element.replace('_', ' '))} {name}".strip())


_ELEMENTS = {"add_on": "add-on", "base_image": "base image"}
