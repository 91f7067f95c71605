"""Whether the hosts of a cluster run the same image, as a condition in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from esx_drift.domain.findings.condition import Condition, build_condition
from esx_drift.domain.images.image import (
    ImageGroup,
    describe_difference,
    format_part,
    list_differing_parts,
)
from esx_drift.domain.images.labels import name_esxi_release
from esx_drift.domain.stored.types import Json, Labels
from esx_drift.domain.text.versions import make_natural_key, sort_naturally
from esx_drift.domain.text.wording import clean_text, format_count, join_names, list_host_names

MAX_LISTED_PARTS: Final = 10
MAX_DESCRIBED_GROUPS: Final = 3
MAX_NAMED_OUTLIERS: Final = 5


def list_uniformity_conditions(
    groups: list[ImageGroup], names: Mapping[str, str], labels: Labels
) -> list[Condition]:
    """List one condition if there is more than one group, with the outliers as its hosts.

    Args:
        groups: The hosts by image, the majority first.
        names: The names of hosts by id.
        labels: What the images say of releases.
    """
    if len(groups) < 2:  # noqa: PLR2004 - one group is what uniform means
        return []
    majority, *others = groups
    wording = _GroupWording(majority, names, labels)
    return [
        build_condition(
            "image-not-uniform",
            wording.summarize(others),
            hosts=tuple(sort_naturally([host for group in others for host in group.hosts])),
            detail={
                "majority": wording.build_facts(majority),
                "outliers": [wording.build_facts(group) for group in others],
            },
        )
    ]


@dataclass(frozen=True, slots=True)
class _GroupWording:
    """Groups in words, as they differ from the majority."""

    majority: ImageGroup
    names: Mapping[str, str]
    labels: Labels

    def summarize(self, others: list[ImageGroup]) -> str:
        """``11 of 12 hosts run ESXi 8.0 U3e; esx07 runs ESXi 8.0 U3d``."""
        total = len(self.majority.hosts) + sum(len(group.hosts) for group in others)
        if len(self.majority.hosts) == 1:
            return self._summarize_singles(others, total)
        described = others[:MAX_DESCRIBED_GROUPS]
        outliers = [self._describe_outlier(group, others[:number]) for number, group in enumerate(described)]
        rest = sum(len(group.hosts) for group in others[MAX_DESCRIBED_GROUPS:])
        outliers += [f"{format_count(rest, 'more host')} something else"] if rest else []
        most = f"{len(self.majority.hosts)} of {total} hosts run {self._name_release(self.majority)}"
        return "; ".join((most, *outliers))

    def _summarize_singles(self, others: list[ImageGroup], total: int) -> str:
        """In words where no two hosts run the same. Of two hosts it can be said how they differ."""
        if total > 2:  # noqa: PLR2004 - two hosts
            return f"{total} hosts run {total} different images"
        pair = sorted((self.majority, others[0]), key=lambda group: make_natural_key(group.hosts[0]))
        releases = [self._name_release(group) for group in pair]
        first, second = (self._name_first_host(group) for group in pair)
        if releases[0] != releases[1]:
            return f"{first} runs {releases[0]}; {second} runs {releases[1]}"
        difference = describe_difference(pair[0].image, pair[1].image)
        return f"{first} and {second} run {releases[0]}, but differ in {difference}"

    def build_facts(self, group: ImageGroup) -> dict[str, Json]:
        """Build what programs are told of a group."""
        parts = list_differing_parts(self.majority.image, group.image)
        listed: list[Json] = [format_part(part) for part in parts[:MAX_LISTED_PARTS]]
        facts: dict[str, Json] = {"release": self._name_release(group), "hosts": list(group.hosts)}
        return facts | ({"differs_in": listed, "differing_parts": len(parts)} if parts else {})

    def _name_release(self, group: ImageGroup) -> str:
        """``ESXi 8.0 U3e``."""
        return clean_text(name_esxi_release(group.image, self.labels))

    def _describe_outlier(self, group: ImageGroup, before: list[ImageGroup]) -> str:
        """Describe what it runs; or how it differs, where a group before has a release of the same name."""
        hosts = join_names(list_host_names(group.hosts, self.names), MAX_NAMED_OUTLIERS)
        run, differ = ("runs", "differs") if len(group.hosts) == 1 else ("run", "differ")
        release = self._name_release(group)
        if release == self._name_release(self.majority):
            return f"{hosts} {differ} in {describe_difference(self.majority.image, group.image)}"
        alike = next((other for other in before if self._name_release(other) == release), None)
        if alike is None:
            return f"{hosts} {run} {release}"
        difference = describe_difference(alike.image, group.image)
        return f"{hosts} {run} {release}, but {differ} from {self._name_first_host(alike)} in {difference}"

    def _name_first_host(self, group: ImageGroup) -> str:
        return list_host_names(group.hosts, self.names)[0]
