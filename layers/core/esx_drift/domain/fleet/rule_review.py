"""What is wrong with the rules and windows of a fleet file, by themselves and with each other.

Longer than 250 lines, because what is refused and what is only of no use are read together.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import combinations, islice, pairwise
from typing import Final

from msgspec import Struct, field

from esx_drift.domain.fleet.fleet import (
    FleetDocument,
    Route,
    VCenterSettings,
    build_fleet,
    find_matching_pattern,
)
from esx_drift.domain.fleet.rules import (
    MAX_IGNORED,
    MAX_REPEATED_WINDOW,
    MAX_WINDOW,
    IgnoreDocument,
    IgnoreRule,
    MaintenanceWindow,
    Period,
    Recurrence,
)
from esx_drift.domain.text.times import parse_duration, parse_time


def list_window_problems(document: FleetDocument) -> Iterator[str]:
    """List each window that never is, as a line, JSON Pointer first."""
    for at, window in enumerate(document.get("maintenance", ())):
        if "cron" in window:
            recurrence = Recurrence(window["cron"], window["timezone"], parse_duration(window["for"]))
            yield from (f"/maintenance/{at}/{problem}" for problem in recurrence.list_problems())
        if "from" in window and parse_time(window["from"]) >= parse_time(window["to"]):
            yield f"/maintenance/{at}/to: expected a time after from, got {window['to']}"


LOOKED_AHEAD: Final = 60
"""So many times that a window comes again are compared: a year of weeks, two months of nights."""


def list_rule_errors(document: FleetDocument, now: datetime, never_ignored: Container[str]) -> list[str]:
    """List what keeps each rule from being applied as it stands, a line each, JSON Pointer first.

    They are errors for whoever writes the file. The functions, which must not stop for a file that an older
    version took, leave out what can't be applied.

    Args:
        document: A document that is valid otherwise.
        now: When it is written.
        never_ignored: Kinds of findings that no rule hides.
    """
    rules = build_fleet(document).rules
    return [
        *(
            line
            for at, (entry, rule) in enumerate(zip(document.get("ignore", ()), rules.ignore, strict=True))
            for line in _list_faults(at, entry, rule, now, never_ignored)
        ),
        *_list_long_windows(document, rules.maintenance),
    ]


def list_rule_contradictions(document: FleetDocument, now: datetime) -> list[str]:
    """List what contradicts another rule of a ``document``, as it is ``now``; see ``list_rule_errors``."""
    rules = build_fleet(document).rules
    return [*_list_contradicting_ends(rules.ignore), *_list_contradicting_windows(rules.maintenance, now)]


def _list_faults(
    at: int, entry: IgnoreDocument, rule: IgnoreRule, now: datetime, never_ignored: Container[str]
) -> Iterator[str]:
    if not rule.is_narrow:
        yield f"/ignore/{at}: expected an element, kind, finding or key to narrow it, got all of them"
    if rule.until is None:
        yield f"/ignore/{at}/until: expected a time at most a year ahead, got nothing"
    elif rule.until > now + MAX_IGNORED:
        yield f"/ignore/{at}/until: expected a time at most a year ahead, got {entry['until']}"
    for index, kind in enumerate(rule.findings):
        if kind in never_ignored:
            yield f"/ignore/{at}/findings/{index}: expected a kind that may be hidden, got {kind}"


def _list_long_windows(document: FleetDocument, windows: Sequence[MaintenanceWindow]) -> Iterator[str]:
    for at, (entry, window) in enumerate(zip(document.get("maintenance", ()), windows, strict=True)):
        pointer = f"/maintenance/{at}"
        if "from" in entry and parse_time(entry["to"]) - parse_time(entry["from"]) > MAX_WINDOW:
            yield f"{pointer}/to: expected at most {MAX_WINDOW.days} days after from"
        if window.recurrence is None:
            continue
        if parse_duration(entry["for"]) > MAX_REPEATED_WINDOW:
            yield f"{pointer}/for: expected at most {MAX_REPEATED_WINDOW.days} days, got {entry['for']}"
        periods = list(islice(window.recurrence.list_periods(_BEGINNING), LOOKED_AHEAD))
        if any(first.ends_at >= then.begins_at for first, then in pairwise(periods)):
            yield f"{pointer}/for: expected to end before it begins again, got {entry['for']}"


_BEGINNING: Final = datetime.fromisoformat("2026-01-01T00:00:00+00:00")


def _list_contradicting_ends(rules: Sequence[IgnoreRule]) -> Iterator[str]:
    for (_, first), (at, then) in combinations(enumerate(rules), 2):
        if _get_filters(first) == _get_filters(then) and first.until != then.until:
            yield (
                f"/ignore/{at}/until: expected one end for what {first.name} and {then.name} both hide,"
                " got two: leave one of them out"
            )


def _get_filters(rule: IgnoreRule) -> tuple[frozenset[str], ...]:
    fields = (rule.vcenters, rule.clusters, rule.elements, rule.kinds, rule.findings, rule.keys, rule.hosts)
    return tuple(map(frozenset, fields))


def _list_contradicting_windows(windows: Sequence[MaintenanceWindow], now: datetime) -> Iterator[str]:
    for (_, first), (at, then) in combinations(enumerate(windows), 2):
        if first.accept != then.accept and _may_share_clusters(first, then) and _meet(first, then, now):
            accepts, does_not = (first, then) if first.accept else (then, first)
            yield (
                f"/maintenance/{at}/accept: expected the same for one time and cluster, got two:"
                f" {accepts.name} accepts what is done then, {does_not.name} does not"
            )


def _may_share_clusters(first: IgnoreRule | MaintenanceWindow, then: IgnoreRule | MaintenanceWindow) -> bool:
    return _may_share(first.vcenters, then.vcenters) and _may_share(first.clusters, then.clusters)


def _may_share(first: Iterable[str], then: Sequence[str]) -> bool:
    """Whether two lists of patterns have one that is, or matches, one of the other."""
    return any(
        find_matching_pattern([one], other) or find_matching_pattern([other], one)
        for one in first
        for other in then
    )


def _meet(first: MaintenanceWindow, then: MaintenanceWindow, now: datetime) -> bool:
    return any(
        one.begins_at < other.ends_at and other.begins_at < one.ends_at
        for one in _list_periods(first, now)
        for other in _list_periods(then, now)
    )


def _list_periods(window: MaintenanceWindow, now: datetime) -> list[Period]:
    if window.recurrence is not None:
        return list(islice(window.recurrence.list_periods(now), LOOKED_AHEAD))
    return [window.period] if window.period and window.period.ends_at > now else []


class KnownThings(Struct, frozen=True):
    """What the records of a stack know.

    ``clusters``: id and name of each, by vCenter. ``names``: all that a rule may name under ``keys``.
    ``hosts``: ids and names of all hosts. ``excluded``: as ``clusters``, those that the last run left out.
    """

    clusters: Mapping[str, Sequence[tuple[str, str]]]
    names: frozenset[str]
    hosts: frozenset[str] = frozenset()
    excluded: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)


def list_rule_warnings(document: FleetDocument, now: datetime, known: KnownThings | None) -> list[str]:
    """List what of the rules is of no use, or said twice: a line each, JSON Pointer first.

    Args:
        document: A valid document.
        now: When it is read.
        known: What there is; None where no stack was asked.
    """
    rules = build_fleet(document).rules
    lines = [
        f"/ignore/{at}: {rule.name} ended {rule.until:%Y-%m-%d %H:%M} UTC, and hides nothing any more"
        for at, rule in enumerate(rules.ignore)
        if rule.until is not None and rule.until <= now
    ]
    lines += [
        f"/maintenance/{at}: {window.name} ended {window.period.ends_at:%Y-%m-%d %H:%M} UTC"
        for at, window in enumerate(rules.maintenance)
        if window.period is not None and window.period.ends_at <= now
    ]
    lines += [
        f"/ignore/{at}: {first.name} and {then.name} may hide the same: the first of them is named"
        for (_, first), (at, then) in combinations(enumerate(rules.ignore), 2)
        if _may_hide_the_same(first, then)
    ]
    return lines if known is None else [*lines, *_list_idle_patterns(document, known)]


def _list_idle_patterns(document: FleetDocument, known: KnownThings) -> Iterator[str]:
    """List the patterns that match nothing that is known."""
    fleet = build_fleet(document)
    yield from _list_idle_filters(fleet.vcenters, known)
    yield from _list_idle_scopes("routes", fleet.routes, known)
    yield from _list_idle_scopes("ignore", fleet.rules.ignore, known)
    yield from _list_idle_scopes("maintenance", fleet.rules.maintenance, known)
    for at, rule in enumerate(fleet.rules.ignore):
        for part, patterns, names, what in (
            ("hosts", rule.hosts, known.hosts, "no host"),
            ("keys", rule.keys, known.names, "nothing"),
        ):
            for index, pattern in enumerate(patterns):
                if not any(find_matching_pattern([pattern], name) for name in names):
                    yield (
                        f'/ignore/{at}/{part}/{index}: {rule.name}: {what} that is known matches "{pattern}"'
                    )


def _list_idle_filters(vcenters: Sequence[VCenterSettings], known: KnownThings) -> Iterator[str]:
    """List what a vCenter's own patterns name in vain; of one that was never listed nothing is known."""
    for at, vcenter in enumerate(vcenters):
        clusters = [*known.clusters.get(vcenter.name, ()), *known.excluded.get(vcenter.name, ())]
        for part, patterns in (("include", vcenter.include), ("exclude", vcenter.exclude)):
            for index, pattern in enumerate(patterns if clusters else ()):
                if not any(find_matching_pattern([pattern], *names) for names in clusters):
                    yield (
                        f"/vcenters/{at}/clusters/{part}/{index}: {vcenter.name}:"
                        f' no cluster that is known matches "{pattern}"'
                    )


def _list_idle_scopes(
    part: str, scopes: Sequence[Route | IgnoreRule | MaintenanceWindow], known: KnownThings
) -> Iterator[str]:
    for at, scope in enumerate(scopes):
        clusters = [
            cluster
            for vcenter, listed in known.clusters.items()
            if find_matching_pattern(scope.vcenters, vcenter)
            for cluster in listed
        ]
        for index, pattern in enumerate(scope.clusters):
            if pattern.strip("*") and not any(find_matching_pattern([pattern], *names) for names in clusters):
                yield (
                    f"/{part}/{at}/clusters/{index}: {scope.name}:"
                    f' no cluster that is known matches "{pattern}"'
                )


def _may_hide_the_same(first: IgnoreRule, then: IgnoreRule) -> bool:
    if not _may_share_clusters(first, then) or not _may_share_values(first.hosts, then.hosts, patterns=True):
        return False
    if not _may_share_values(first.keys, then.keys, patterns=True):
        return False
    changes = first.is_of_changes and then.is_of_changes
    findings = first.is_of_findings and then.is_of_findings
    return (
        changes
        and _may_share_values(first.elements, then.elements)
        and _may_share_values(first.kinds, then.kinds)
    ) or (findings and _may_share_values(first.findings, then.findings))


def _may_share_values(first: Sequence[str], then: Sequence[str], *, patterns: bool = False) -> bool:
    if not first or not then:
        return True
    return _may_share(first, then) if patterns else bool({*first} & {*then})
