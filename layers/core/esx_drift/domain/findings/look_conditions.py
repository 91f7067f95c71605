"""Conditions that one fresh look shows to hold now.

Longer than 250 lines, because that hosts differ is told by the very images of which all else is told here.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import replace
from datetime import datetime
from typing import Final

from msgspec import Struct

from esx_drift.domain.acceptance import (
    build_difference_detail,
    find_expiry,
    list_differences,
    list_differing_hosts,
)
from esx_drift.domain.findings.condition import Condition, build_condition
from esx_drift.domain.findings.coverage_conditions import (
    UncoveredHosts,
    build_hidden_host_condition,
    list_cluster_conditions,
    list_host_conditions,
)
from esx_drift.domain.images.consistency import list_report_inconsistencies
from esx_drift.domain.images.image import (
    ImageGroup,
    describe_difference,
    format_part,
    group_hosts_by_image,
    list_differing_parts,
)
from esx_drift.domain.images.labels import name_esxi_release
from esx_drift.domain.images.part_words import describe_differences, format_called_release
from esx_drift.domain.images.report import Inventory, Report
from esx_drift.domain.stored.types import (
    LEFT_DETAIL,
    Accepted,
    Change,
    Finding,
    Json,
    Labels,
    Severity,
    Snapshot,
    rank_severity,
)
from esx_drift.domain.text.versions import make_natural_key, sort_naturally
from esx_drift.domain.text.wording import clean_text, format_count, join_names, list_host_names

_UNREVIEWED: Final = "not as last accepted"

MAX_NAMED_HOSTS: Final = 5
MAX_INCONSISTENCIES: Final = 20
MAX_LISTED_PARTS: Final = 10
MAX_DESCRIBED_GROUPS: Final = 3
MAX_NAMED_OUTLIERS: Final = 5


class UnreviewedSoftware(Struct, frozen=True):
    """How what hosts run differs from what was last accepted for them: in full, how bad, and in short."""

    detail: Mapping[str, Json]
    severity: Severity
    said: str = ""

    def add_to(self, summary: str) -> str:
        """Add to a ``summary`` in what its hosts differ, as far as that is known."""
        return f"{summary}: {self.said}" if self.said else summary


NOTHING_UNREVIEWED: Final = UnreviewedSoftware({}, "info")


def rate_unreviewed_software(changes: Sequence[Change], releases: Mapping[str, str]) -> UnreviewedSoftware:
    """Rate the net ``changes`` from what was accepted to what runs, and describe them for a finding.

    ``releases``: what releases of ESXi are called, by version.
    """
    severities = [NOTHING_UNREVIEWED.severity, *(change["severity"] for change in changes)]
    said = describe_differences(list_differences(changes), len(changes), releases)
    return UnreviewedSoftware(build_difference_detail(changes), max(severities, key=rank_severity), said)


def repeat_unreviewed_software(before: Finding) -> UnreviewedSoftware | None:
    """Repeat what the finding of the check ``before`` says, if nothing moved since; None: it does not say it.

    What the releases that were accepted are called may be known no more.
    """
    detail: dict[str, Json] = {
        key: value for key, value in before["detail"].items() if key in {"differences", "total"}
    }
    said = before["summary"].partition(f"{_UNREVIEWED}: ")[2]
    return UnreviewedSoftware(detail, before["severity"], said) if detail and said else None


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
    hidden: Sequence[str] = (),
    changes: Sequence[Change] = (),
    unreviewed: UnreviewedSoftware = NOTHING_UNREVIEWED,
) -> list[Condition]:
    """List every condition that a fresh report shows on the hosts of ``inventory``.

    Args:
        report: The report.
        snapshot: What was made of it.
        inventory: The hosts of the cluster.
        now: When it was looked at.
        uncovered_since: Since when each uncovered host is not seen.
        accepted: What was last accepted, by host.
        first_look: Whether the cluster was never seen before; hosts that came from elsewhere are accepted.
        blind_after_seconds: How long a host may be unseen before that is critical.
        managed_by_image: Whether the cluster is managed by an image; None: not known.
        document_inconsistencies: What ``list_document_inconsistencies`` says of the document.
        hidden: The ids of the hosts that only the report has, and the account does not see.
        changes: What changed since the look before.
        unreviewed: How what hosts run differs from what was last accepted for them.
    """
    images = {host: image for host, image in report.runs.items() if host in inventory}
    unseen = UncoveredHosts(report, snapshot, inventory, now, uncovered_since, blind_after_seconds)
    names = {host: entry.name for host, entry in inventory.items()}
    of_cluster = list_cluster_conditions(unseen, managed_by_image=managed_by_image)
    # Where no host was seen and the cluster's own condition says why, no host says it again.
    opens = bool(images) or not of_cluster
    return [
        *_list_drift_conditions(snapshot, images, accepted, names, changes, unreviewed),
        *_list_vib_conditions(report, snapshot, names, accepted, changes, first_look=first_look),
        *of_cluster,
        *_list_inconsistencies([*document_inconsistencies, *list_report_inconsistencies(report)]),
        *(replace(condition, opens=opens) for condition in list_host_conditions(unseen)),
        *(
            build_hidden_host_condition(report, host, inventory[host], uncovered_since.get(host))
            for host in hidden
        ),
    ]


def _list_drift_conditions(
    snapshot: Snapshot,
    seen: Mapping[str, str],
    accepted: Mapping[str, Accepted],
    names: Mapping[str, str],
    changes: Sequence[Change],
    software: UnreviewedSoftware,
) -> list[Condition]:
    """List what the hosts seen show, and what the images last known of the others keep open.

    What is not as accepted is as bad as the worst change that made it so: whoever hears of that change hears
    of its end as well, and a downgrade that nobody looks into stays as bad as it is.
    """
    hosts = snapshot["hosts"].items()
    known = {host: entry["image"] for host, entry in hosts if entry["image"] is not None}
    unreviewed = [
        replace(
            condition,
            summary=software.add_to(condition.summary),
            severity=_rate_unreviewed(condition, changes, software.severity),
            detail={**software.detail, **condition.detail},
        )
        for condition in find_unreviewed(snapshot, known, accepted, names)
    ]
    return keep_open_for_unseen(
        [
            # One host that is seen to differ opens it; then it names the unseen ones, too.
            *(unreviewed if any(find_unreviewed(snapshot, seen, accepted, names)) else ()),
            *_list_uniformity_conditions(snapshot, seen, names),
        ],
        [*unreviewed, *_list_uniformity_conditions(snapshot, known, names)],
    )


def _rate_unreviewed(condition: Condition, changes: Sequence[Change], net: Severity) -> Severity:
    software = [change for change in changes if change["element"] not in {"host", "orphaned_vib"}]
    made_so = [
        change["severity"] for change in software if not set(change["hosts"]).isdisjoint(condition.hosts)
    ]
    return max((condition.severity, net, *made_so), key=rank_severity)


def keep_open_for_unseen(seen: Iterable[Condition], last_known: Iterable[Condition]) -> list[Condition]:
    """Put the conditions of the hosts seen together with those that only unseen hosts give.

    A host that is not seen was not put back, so its condition keeps a finding open, and opens none.

    Args:
        seen: What the hosts seen show.
        last_known: What the images last known of all hosts show.

    Returns:
        The conditions of ``seen``, and those of ``last_known`` that are not among them: each kind (and each
        subject of it) by itself.
    """
    shown = {condition.fingerprint: condition for condition in seen}
    return [
        *shown.values(),
        *(replace(condition, opens=False) for condition in last_known if condition.fingerprint not in shown),
    ]


def _list_uniformity_conditions(
    snapshot: Snapshot, images: Mapping[str, str], names: Mapping[str, str]
) -> list[Condition]:
    """List one condition if the hosts run different images, with the outliers as its hosts.

    A witness of vSAN never counts.

    Args:
        snapshot: The cluster.
        images: What the hosts run that are compared, by id.
        names: The names of hosts by id.
    """
    hosts = snapshot["hosts"]
    ordinary = {host: image for host, image in images.items() if not hosts[host]["witness"]}
    groups = group_hosts_by_image(snapshot["images"], ordinary)
    if len(groups) < 2:  # noqa: PLR2004 - one group is what uniform means
        return []
    majority, *others = groups
    wording = _GroupWording(majority, names, snapshot["labels"])
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


def find_unreviewed(
    snapshot: Snapshot, hosts: Iterable[str], accepted: Mapping[str, Accepted], names: Mapping[str, str]
) -> Iterator[Condition]:
    """Find one condition if any of the hosts has another image than was last accepted for it.

    Args:
        snapshot: What runs.
        hosts: The hosts that are asked about.
        accepted: What was last accepted, by host.
        names: The names of hosts by id.
    """
    differing = list_differing_hosts(snapshot, hosts, accepted)
    if differing:
        joined = join_names(list_host_names(differing, names), MAX_NAMED_HOSTS)
        summary = f"{joined} {'is' if len(differing) == 1 else 'are'} {_UNREVIEWED}"
        detail = find_expiry(differing, accepted)
        yield build_condition("drift-unreviewed", summary, hosts=tuple(differing), detail=detail)


def _list_vib_conditions(
    report: Report,
    snapshot: Snapshot,
    names: Mapping[str, str],
    accepted: Mapping[str, Accepted],
    changes: Sequence[Change],
    *,
    first_look: bool,
) -> Iterator[Condition]:
    """List a condition for each orphaned VIB; at a ``first_look`` those count as new of hosts that are known.

    On a host that is not covered, a VIB counts as long as it is known, or reported all the same.
    """
    left = _list_vibs_that_left(changes)
    for vib, hosts in _find_orphaned_vibs(report, snapshot, names):
        judged = [host for host in hosts if not first_look or host in accepted]
        new = [host for host in judged if _is_new(vib, accepted.get(host))]
        yield build_condition(
            "orphaned-vib",
            f"{clean_text(vib)} is orphaned on {join_names(list_host_names(hosts, names), MAX_NAMED_HOSTS)}",
            subject=vib,
            severity=None if new else "warning",
            hosts=tuple(hosts),
            detail={
                "not_accepted_on": [*new],
                **({LEFT_DETAIL: True} if vib in left else {}),
                **find_expiry(new, accepted),
            },
        )


def _list_vibs_that_left(changes: Sequence[Change]) -> set[str]:
    """List the VIBs that hosts took with them that left, and that have gone from no other host."""
    removed = [change for change in changes if change["kind"] == "removed"]
    hosts = {change["key"] for change in removed if change["element"] == "host"}
    return {
        change["key"]
        for change in removed
        if change["element"] == "orphaned_vib" and hosts.issuperset(change["hosts"])
    }


def _find_orphaned_vibs(
    report: Report, snapshot: Snapshot, names: Mapping[str, str]
) -> list[tuple[str, list[str]]]:
    """Find each orphaned VIB and its hosts, both sorted."""
    hosts_by_vib: defaultdict[str, list[str]] = defaultdict(list)
    for host in sort_naturally(names):
        known = set(snapshot["hosts"][host]["orphaned_vibs"] or ())
        for vib in known.union(report.orphaned_vibs.get(host, ())):
            hosts_by_vib[vib].append(host)
    return sorted(hosts_by_vib.items())


def _is_new(vib: str, accepted: Accepted | None) -> bool:
    return accepted is None or vib not in accepted["orphaned_vibs"]


def _list_inconsistencies(lines: Sequence[str]) -> Iterator[Condition]:
    if lines:
        more = f", and {len(lines) - 1} more" if len(lines) > 1 else ""
        summary = f"the report contradicts itself: {lines[0]}{more}"
        detail: dict[str, Json] = {"inconsistencies": [*lines[:MAX_INCONSISTENCIES]]}
        yield build_condition("document-inconsistent", summary, detail=detail)


class _GroupWording(Struct, frozen=True):
    """Groups in words, as they differ from the majority."""

    majority: ImageGroup
    names: Mapping[str, str]
    labels: Labels

    def summarize(self, others: list[ImageGroup]) -> str:
        """``11 of 12 hosts run ESXi 8.0 U3e (build 24674464); esx07 runs ESXi 8.0 U3d (build 24585383)``."""
        total = len(self.majority.hosts) + sum(len(group.hosts) for group in others)
        if len(self.majority.hosts) == 1:
            return self._summarize_singles(others, total)
        described = others[:MAX_DESCRIBED_GROUPS]
        outliers = [self._describe_outlier(group, others[:number]) for number, group in enumerate(described)]
        rest = sum(len(group.hosts) for group in others[MAX_DESCRIBED_GROUPS:])
        outliers += [f"{format_count(rest, 'more host')} something else"] if rest else []
        release = self._name_release(self.majority)
        is_same = all(self._name_release(group) == release for group in others)
        most = (
            f"{f'all {total}' if is_same else f'{len(self.majority.hosts)} of {total}'} hosts run {release}"
        )
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
        release = clean_text(name_esxi_release(group.image, self.labels))
        facts: dict[str, Json] = {"release": release, "hosts": list(group.hosts)}
        return facts | ({"differs_in": listed, "differing_parts": len(parts)} if parts else {})

    def _name_release(self, group: ImageGroup) -> str:
        """``ESXi 8.0 U3e (build 24674464)``."""
        version = str(group.image["main"]["base_image"])
        return format_called_release(version, name_esxi_release(group.image, self.labels))

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
