"""What one fresh look shows to hold now."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from esx_drift.domain.images.consistency import list_report_inconsistencies
from esx_drift.domain.images.coverage import Inventory
from esx_drift.domain.images.report import Report
from esx_drift.domain.images.versions import sort_naturally
from esx_drift.domain.judging.cluster_conditions import list_cluster_conditions
from esx_drift.domain.judging.condition import Condition
from esx_drift.domain.judging.host_conditions import list_host_conditions
from esx_drift.domain.judging.uniformity import group_hosts_by_image, list_uniformity_conditions
from esx_drift.domain.judging.unseen import UncoveredHosts
from esx_drift.domain.shapes import Accepted, Json, Severity, Snapshot
from esx_drift.domain.telling.wording import clean_text, join_names, list_host_names

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
