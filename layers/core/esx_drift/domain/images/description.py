"""What the image of each host says of its parts, beyond what they are."""

from dataclasses import dataclass

from esx_drift.domain.stored.types import Described, Json, Snapshot


class Descriptions:
    """The descriptions of a snapshot. ``several``: the parts that its images don't all describe alike."""

    def __init__(self, snapshot: Snapshot) -> None:
        groups = snapshot.get("described", [])
        self.labels = snapshot["labels"]
        self.several = {
            part
            for group in groups
            for parts in (group["main"], *group["alternatives"].values())
            for part in parts
        }
        self._usual = Description(self, None, "")
        own = [Description(self, group, group["hosts"][0]) for group in groups]
        self._own = {host: one for one, group in zip(own, groups, strict=True) for host in group["hosts"]}

    def of(self, host: str) -> "Description":
        """What the image of this host says."""
        return self._own.get(host, self._usual)


@dataclass(frozen=True, slots=True)
class Description:
    """What one host's image says: as all of the snapshot do, or in the words of its ``own``.

    ``key`` is the same for all hosts of the snapshot with the same words; it may be empty.
    """

    whole: Descriptions
    own: Described | None
    key: str

    def labels(self, alternative: str | None, part: str, version: str) -> list[Json]:
        """The labels of a part of the image or of its ``alternative``: one, unless the report had several."""
        variants = self.whole.labels.get(part, {}).get(version, [None])
        if len(variants) == 1 or self.own is None:
            return variants
        own = self.own["main"] if alternative is None else self.own["alternatives"].get(alternative, {})
        return [variants[number] for number in own[part]] if part in own else variants

    def label(self, alternative: str | None, part: str, version: str) -> Json:
        """The label, null where it is not described; all of them where there are several."""
        labels = self.labels(alternative, part, version)
        return labels[0] if len(labels) == 1 else labels
