"""What one fresh look shows to hold now."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from esx_drift.domain.findings.condition import Condition
from esx_drift.domain.findings.coverage_conditions import (
    UncoveredHosts,
    list_cluster_conditions,
    list_host_conditions,
)
from esx_drift.domain.images.consistency import list_report_inconsistencies
from esx_drift.domain.images.image_groups import (
    ImageGroup,
    describe_difference,
    format_part,
    group_hosts_by_image,
    list_differing_parts,
)
from esx_drift.domain.images.labels import name_esxi_release
from esx_drift.domain.images.report import Inventory, Report
from esx_drift.domain.stored.types import Accepted, Json, Labels, Severity, Snapshot
from esx_drift.domain.text.versions import make_natural_key, sort_naturally
from esx_drift.domain.text.wording import clean_text, format_count, join_names, list_host_names

MAX_NAMED_HOSTS = 5


MAX_INCONSISTENCIES = 20


def list_look_conditions(  # noqa: PLR0913 - each is a fact of its own, and all but three have to be named
    report: Report,
    snapshot: Snapshot,
    inventory: Inventory,
    *,
    now: datetime,
    uncovered_since: Mapping[str, str],
    accepted: Mapping[str, Accepted],
    first_look: bool,
    blind_after_seconds: int,
    managed_by_image: bool | None = None,
    document_inconsistencies: Sequence[str] = (),
) -> list[Condition]:
    """Every condition that a fresh report shows on the hosts of ``inventory``.

    ``snapshot`` is what was made of the report. A host in ``uncovered_since`` for longer than
    ``blind_after_seconds`` makes its condition critical. ``managed_by_image``: none if it is not known.
    ``document_inconsistencies``: what ``list_document_inconsistencies`` says of the document.
    """
    runs = {host: image for host, image in report.runs.items() if host in inventory}
    unseen = UncoveredHosts(
        report, snapshot, inventory, now, uncovered_since, timedelta(seconds=blind_after_seconds)
    )
    names = {host: seen.name for host, seen in inventory.items()}
    whole = list_cluster_conditions(unseen, managed_by_image=managed_by_image)
    return [
        *_drifted(snapshot, runs, accepted, names),
        *_orphaned(report, snapshot, names, {} if first_look else accepted, first_look=first_look),
        *whole,
        *_inconsistent([*document_inconsistencies, *list_report_inconsistencies(report)]),
        # Where nothing was seen and the cluster's own condition says why, no host says it again.
        *(replace(one, opens=bool(runs) or not whole) for one in list_host_conditions(unseen)),
    ]


def _drifted(
    snapshot: Snapshot, runs: Mapping[str, str], accepted: Mapping[str, Accepted], names: Mapping[str, str]
) -> Iterator[Condition]:
    """What the hosts seen (``runs``) show. One that is not seen was not put back: it keeps open what is."""
    hosts = snapshot["hosts"].items()
    known = {host: last["image"] for host, last in hosts if last["image"] is not None}
    opens = any(find_unreviewed(snapshot, runs, accepted, names))
    yield from (replace(one, opens=opens) for one in find_unreviewed(snapshot, known, accepted, names))
    uniformity = _uniformity(snapshot, runs, names)
    yield from uniformity or [replace(one, opens=False) for one in _uniformity(snapshot, known, names)]


def _uniformity(snapshot: Snapshot, runs: Mapping[str, str], names: Mapping[str, str]) -> list[Condition]:
    """Witnesses of vSAN never count."""
    hosts = snapshot["hosts"]
    ordinary = {host: image for host, image in runs.items() if not hosts[host]["witness"]}
    return list_uniformity_conditions(
        group_hosts_by_image(snapshot["images"], ordinary), names, snapshot["labels"]
    )


def find_unreviewed(
    snapshot: Snapshot, runs: Iterable[str], accepted: Mapping[str, Accepted], names: Mapping[str, str]
) -> Iterator[Condition]:
    """One condition if any of the hosts ``runs`` has another image than was last accepted for it."""
    hosts = [host for host in runs if host in accepted and _differs(snapshot, host, accepted[host])]
    if hosts:
        hosts = sort_naturally(hosts)
        who = join_names(list_host_names(hosts, names), MAX_NAMED_HOSTS)
        summary = f"{who} {'is' if len(hosts) == 1 else 'are'} not as last accepted"
        yield Condition("drift", "drift-unreviewed", "", "warning", summary, tuple(hosts))


def _differs(snapshot: Snapshot, host: str, accepted: Accepted) -> bool:
    """Whether a host runs another image. An orphaned VIB is a finding of its own: it is not told twice."""
    return accepted["image"] is not None and snapshot["hosts"][host]["image"] != accepted["image"]


def _orphaned(
    report: Report,
    snapshot: Snapshot,
    names: Mapping[str, str],
    accepted: Mapping[str, Accepted],
    *,
    first_look: bool,
) -> Iterator[Condition]:
    """A VIB on a host that is not covered counts as long as it is known, or reported all the same."""
    found: dict[str, list[str]] = {}
    for host in sort_naturally(names):
        known = set(snapshot["hosts"][host]["orphaned_vibs"] or ())
        for vib in known.union(report.orphaned_vibs.get(host, ())):
            found.setdefault(vib, []).append(host)
    for vib, hosts in sorted(found.items()):
        new = [host for host in hosts if host not in accepted or vib not in accepted[host]["orphaned_vibs"]]
        severity: Severity = "warning" if first_look or not new else "critical"
        summary = (
            f"{clean_text(vib)} is orphaned on {join_names(list_host_names(hosts, names), MAX_NAMED_HOSTS)}"
        )
        detail: dict[str, Json] = {"not_accepted_on": [] if first_look else [*new]}
        yield Condition("orphaned-vib", "orphaned-vib", vib, severity, summary, tuple(hosts), detail)


def _inconsistent(lines: Sequence[str]) -> Iterator[Condition]:
    if lines:
        more = f", and {len(lines) - 1} more" if len(lines) > 1 else ""
        detail: dict[str, Json] = {"inconsistencies": [*lines[:MAX_INCONSISTENCIES]]}
        summary = f"the report contradicts itself: {lines[0]}{more}"
        yield Condition("failure", "document-inconsistent", "", "warning", summary, detail=detail)


MAX_PARTS = 10


MAX_GROUPS = 3


MAX_NAMED_OUTLIERS = 5


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
