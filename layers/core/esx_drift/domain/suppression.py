"""Which rule of the fleet file keeps a change or a finding from people, and what is told once none does.

Nothing is lost by it. A change is an edge, and hidden for good; what it leads to is a finding, a level: one
whose beginning was hidden, and that is still open when no rule hides it, is told as opened then. Its end is
told if its beginning was. A mark in ``after.findings`` says that people do not know of a finding yet. Where
people know of a drift, and a window hides that it grows, they hear so once, at the window's end. What
spreads, and what comes and goes, is known to people only as far as they heard of it.

What no rule may hide stands in ``NEVER_IGNORED`` and ``NEVER_IN_A_WINDOW``, and in the functions below them.

Longer than 250 lines, because what hides and what must not are read together.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import replace
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from esx_drift.domain.findings.flapping import FLAPPING, drop_flapping, recount_openings
from esx_drift.domain.findings.rollouts import keep_heard_steps
from esx_drift.domain.fleet.fleet import find_matching_pattern
from esx_drift.domain.fleet.rules import IgnoreRule, MaintenanceWindow, SilencingRules
from esx_drift.domain.stored.identifiers import VCENTER_LOG, make_fingerprint
from esx_drift.domain.stored.types import (
    HIDDEN_DETAIL,
    Accepted,
    Change,
    EndedWindow,
    Finding,
    KnownHost,
    LogState,
    Maintenance,
    OpenAtEnd,
    OpenWindow,
    Record,
    is_end,
    rank_severity,
)
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.text.versions import sort_naturally

NEVER_IGNORED: Final = frozenset(
    {"vcenter-authentication", "vcenter-replaced", "trail-damaged", "host-hidden"}
)
"""Findings that no rule hides: a refused password, another vCenter, a damaged trail, a host out of sight."""


NEVER_IN_A_WINDOW: Final = NEVER_IGNORED | {
    "orphaned-vib",
    "vcenter-authorization",
    "check-overdue",
    "cluster-renamed",
    "nothing-watched",
}
"""Findings that no planned work brings about, or that say that nobody looks; what is critical joins them."""


FLEET_FILE: Final = "fleet file"
"""Who started a window that stands in the fleet file."""


MAX_SETTLING: Final = timedelta(hours=26)
"""How long after its end a window's work may still be accepted, by the first look since: two checks are at
most 24 hours apart (CheckIntervalHours), and an extraction takes its time."""


MAX_LISTED_AT_END: Final = 20
"""Of findings and hosts that the end of a window lists: its event has to fit into one Publish, whole."""


_IGNORE: Final = "ignore:"
_MAINTENANCE: Final = "maintenance:"


_FOLLOWING: Final = frozenset({"drift-unreviewed", "image-not-uniform"})
"""Findings that follow from changes: where each of those is ignored, so are they."""


def covers(scope: IgnoreRule | MaintenanceWindow, vcenter: str, cluster: Sequence[str]) -> bool:
    """Say whether a rule or window holds somewhere.

    Args:
        scope: The rule or window.
        vcenter: The name of the vCenter.
        cluster: Id and name of the cluster; empty for the vCenter as a whole, which only those cover that
            hold for all its clusters.
    """
    if find_matching_pattern(scope.vcenters, vcenter) is None:
        return False
    if cluster:
        return find_matching_pattern(scope.clusters, *cluster) is not None
    return any(not pattern.strip("*") for pattern in scope.clusters)


def ignores_change(rule: IgnoreRule, change: Change, names: Mapping[str, str]) -> bool:
    """Say whether a ``rule`` is about a ``change``; the ``names`` of hosts are by id.

    A downgrade must be named by its kind, and an orphaned VIB by its whole name.
    """
    if not rule.is_of_changes or not _is_of_hosts(rule, change["hosts"], names):
        return False
    if rule.elements and change["element"] not in rule.elements:
        return False
    if rule.kinds and change["kind"] not in rule.kinds:
        return False
    if change["kind"] == "downgraded" and not is_end(change) and "downgraded" not in rule.kinds:
        return False
    return _is_of_key(rule, change["key"], is_exact=change["element"] == "orphaned_vib")


def ignores_finding(rule: IgnoreRule, finding: Finding, names: Mapping[str, str]) -> bool:
    """Say whether a ``rule`` is about a ``finding``; the ``names`` of hosts are by id.

    A critical one must be named by its kind, and an orphaned VIB by its whole name.
    """
    kind = finding["kind"]
    if kind in NEVER_IGNORED or not rule.is_of_findings or not _is_of_hosts(rule, finding["hosts"], names):
        return False
    if rule.findings and kind not in rule.findings:
        return False
    is_vib = kind == "orphaned-vib"
    if finding["severity"] == "critical" and not is_vib and kind not in rule.findings:
        return False
    return _is_of_key(rule, finding["subject"], is_exact=is_vib)


def _is_of_hosts(rule: IgnoreRule, hosts: Sequence[str], names: Mapping[str, str]) -> bool:
    if not rule.hosts:
        return True
    return bool(hosts) and all(
        find_matching_pattern(rule.hosts, host, names.get(host, host)) is not None for host in hosts
    )


def _is_of_key(rule: IgnoreRule, key: str, *, is_exact: bool) -> bool:
    if is_exact:
        return key in rule.keys
    return not rule.keys or find_matching_pattern(rule.keys, key) is not None


def may_windows_hide_change(change: Change) -> bool:
    """Say whether planned work may hide a change: none that is critical, a downgrade, or a new orphan."""
    if is_end(change):
        return True
    is_orphan = change["element"] == "orphaned_vib"
    return not is_orphan and change["kind"] != "downgraded" and change["severity"] != "critical"


def may_windows_hide_finding(finding: Finding) -> bool:
    """Say whether planned work may hide a finding: none that is critical, or in ``NEVER_IN_A_WINDOW``."""
    return finding["kind"] not in NEVER_IN_A_WINDOW and finding["severity"] != "critical"


class Log(Struct, frozen=True):
    """Whose log it is: the vCenter's name, and id and name of the cluster; none for the vCenter's own."""

    vcenter: str
    cluster: tuple[str, ...]


class Silencer(Struct, frozen=True):
    """All that may hide something of one record.

    ``ignore``: the rules that are in effect. ``windows``: those of the log, at the time ``now``; ``scopes``:
    those of the fleet file by name. ``names``: of hosts, by id. ``open_before``: the findings that were open.
    """

    record: Record
    now: datetime
    ignore: tuple[IgnoreRule, ...]
    windows: tuple[OpenWindow, ...]
    scopes: Mapping[str, MaintenanceWindow]
    names: Mapping[str, str]
    open_before: Mapping[str, Finding]

    def mark_change(self, change: Change) -> Change:
        """Mark a change with why it is hidden, if it is; one that is marked already stays as it is."""
        if "suppressed_by" in change:
            return change
        mark = self._find_mark_of_change(change)
        return change if mark is None else {**change, "suppressed_by": mark}

    def mark_finding(self, finding: Finding, changes: Sequence[Change]) -> Finding:
        """Mark a finding with why it is hidden, if it is.

        One that people know of is not hidden when it gets worse or ends. One that they do not know of, and
        that nothing hides any more, is opened by this record.

        Args:
            finding: The finding with its transition.
            changes: The changes of the same record, marked.
        """
        before = self.open_before.get(finding["fingerprint"])
        held = _find_own_mark(before)
        if "suppressed_by" in finding and _find_own_mark(finding) is None:
            return finding
        clean = self._add_reason(_strip_mark(finding))
        if before is not None and held is None:
            mark = self._find_mark_of_expiry(clean, before)
            return clean if mark is None else _add_mark(clean, mark)
        if finding["transition"] == "resolved":
            return clean if held is None else _add_mark(clean, held)
        mark = self._find_mark_of_finding(clean, held, changes)
        if mark is not None:
            return _add_mark(clean, mark)
        if held is None:
            return clean
        return {**clean, "transition": "opened", "detail": {**clean["detail"], HIDDEN_DETAIL: held}}

    def _find_mark_of_change(self, change: Change) -> str | None:
        begun = self._find_beginning(change)
        if begun is not None:
            return _find_own_mark(begun)
        place = self._get_place(None)
        for rule in self.ignore:
            if self._covers(rule, place) and ignores_change(rule, change, self.names):
                return f"{_IGNORE}{rule.name}"
        for window in self.windows:
            hides = self._holds(window) or _is_accepted(window, change)
            if hides and self._is_in_scope(window, place) and may_windows_hide_change(change):
                return f"{_MAINTENANCE}{window['name']}"
        return None

    def _find_beginning(self, change: Change) -> Finding | None:
        """Find the finding that a change brings to an end, or nearer to it; None if it begins something."""
        if not is_end(change):
            return None
        kind, subject = ("drift-unreviewed", "") if "put_back" in change else ("orphaned-vib", change["key"])
        return next(
            (
                each
                for each in self.open_before.values()
                if (each["kind"], each["subject"]) == (kind, subject)
            ),
            None,
        )

    def _find_mark_of_finding(
        self, finding: Finding, held: str | None, changes: Sequence[Change]
    ) -> str | None:
        place = self._get_place(finding)
        for rule in self.ignore:
            if self._covers(rule, place) and ignores_finding(rule, finding, self.names):
                return f"{_IGNORE}{rule.name}"
        cause = self._find_mark_of_cause(held, changes) if finding["kind"] in _FOLLOWING else None
        return cause or self._find_mark_of_window(finding, held)

    def _add_reason(self, finding: Finding) -> Finding:
        """Say of a finding that a window accepted who did so, and why; a person's decision says so itself."""
        if finding["resolved_because"] != "accepted" or "decided_by" in finding["detail"]:
            return finding
        hosts = {*finding["hosts"]}
        # Several may end at one look, each with hosts of its own.
        windows = [each for each in self.windows if hosts & {*each.get("accepted", ())}]
        if not windows:
            return finding
        by = ", ".join(dict.fromkeys(each["by"] for each in windows))
        reason = "; ".join(f"maintenance {each['name']}: {each['reason']}" for each in windows)
        return {**finding, "detail": {**finding["detail"], "decided_by": by, "reason": reason}}

    def _find_mark_of_expiry(self, finding: Finding, before: Finding) -> str | None:
        """Find the window that hides that a known drift grew because an acceptance ended, and is no worse."""
        is_worse = rank_severity(finding["severity"]) > rank_severity(before["severity"])
        if finding["kind"] != "drift-unreviewed" or finding["transition"] != "raised" or is_worse:
            return None
        return self._find_mark_of_window(finding, None)

    def _find_mark_of_window(self, finding: Finding, held: str | None) -> str | None:
        place = self._get_place(finding)
        for window in self.windows:
            mark = f"{_MAINTENANCE}{window['name']}"
            hides = self._holds(window) or (mark == held and self._is_unsettled(window))
            if hides and self._is_in_scope(window, place) and may_windows_hide_finding(finding):
                return mark
        return None

    def _find_mark_of_cause(self, held: str | None, changes: Sequence[Change]) -> str | None:
        """Find what hides all changes that a finding follows from; None if something is not hidden."""
        begun = [each for each in changes if _leads_to_findings(each)]
        marks = [each.get("suppressed_by", "") for each in begun]
        in_effect = {f"{_IGNORE}{rule.name}" for rule in self.ignore}
        if not all(mark.startswith(_IGNORE) for mark in marks):
            return None
        return next(iter(marks), held if held in in_effect else None)

    def _get_place(self, finding: Finding | None) -> tuple[str, ...]:
        """Get the id and name of the cluster that something is about; empty: the vCenter as a whole."""
        if self.record["cluster"] != VCENTER_LOG:
            return (self.record["cluster"], self.record["cluster_name"] or self.record["cluster"])
        known = (self.record["after"]["clusters"] or {}).get(finding["subject"] if finding else "")
        return (finding["subject"], known["name"]) if finding and known else ()

    def _covers(self, scope: IgnoreRule | MaintenanceWindow, place: Sequence[str]) -> bool:
        return covers(scope, self.record["vcenter"], place)

    def _is_in_scope(self, window: OpenWindow, place: Sequence[str]) -> bool:
        scope = self.scopes.get(window["name"]) if window["by"] == FLEET_FILE else None
        return scope is None or self._covers(scope, place)

    def _holds(self, window: OpenWindow) -> bool:
        return parse_time(window["to"]) > self.now

    def _is_unsettled(self, window: OpenWindow) -> bool:
        return _is_to_settle(window, self.now)

    def is_over(self, window: OpenWindow) -> bool:
        """Say whether a window has ended, and nothing is left to be accepted."""
        ended_at = parse_time(window["to"])
        return ended_at <= self.now and not _is_to_settle(window, self.now)


def _is_accepted(window: OpenWindow, change: Change) -> bool:
    return bool(change["hosts"]) and {*change["hosts"]} <= {*window.get("accepted", ())}


def _leads_to_findings(change: Change) -> bool:
    return not is_end(change) and change["kind"] != "relabelled" and change["element"] != "orphaned_vib"


def _find_own_mark(finding: Finding | None) -> str | None:
    """The mark that a rule or window made; None also where something else hides the finding."""
    mark = finding.get("suppressed_by", "") if finding else ""
    return mark if mark.startswith((_IGNORE, _MAINTENANCE)) else None


def _strip_mark(finding: Finding) -> Finding:
    clean = finding.copy()
    clean.pop("suppressed_by", None)
    return clean


def _add_mark(finding: Finding, mark: str) -> Finding:
    return {**finding, "suppressed_by": mark}


def _take_mark(finding: Finding, marked: Finding, before: Finding | None) -> Finding:
    """The finding with our mark of the marked one; where something else hides that, with ours of before."""
    clean = finding if _find_own_mark(finding) is None else _strip_mark(finding)
    clean = clean if FLAPPING in marked["detail"] else drop_flapping(clean)
    if before is not None and _find_own_mark(before) is None:
        # People know of it, whatever of it is hidden now.
        return clean
    mark = _find_own_mark(marked)
    if mark is None and "suppressed_by" in marked:
        mark = _find_own_mark(before)
    return clean if mark is None else _add_mark(clean, mark)


def apply_rules(record: Record, before: LogState, rules: SilencingRules, names: Mapping[str, str]) -> Record:
    """Mark what people are not told of a record, open what is hidden no more, and sum up windows that ended.

    Args:
        record: The record, complete but for its events.
        before: What the record before it left.
        rules: What the fleet file says.
        names: The names of hosts by id.

    Returns:
        The record with its marks, and with the windows of its log in ``after``.
    """
    silencer = build_silencer(record, before, rules, names)
    changes = [silencer.mark_change(change) for change in record["changes"]]
    findings = [silencer.mark_finding(finding, changes) for finding in record["findings"]]
    windows = [_count_hidden(silencer, window, changes, findings) for window in silencer.windows]
    ended = [window for window in windows if silencer.is_over(window)]
    findings, left = _report_grown(
        findings, ended, [window for window in windows if not silencer.is_over(window)]
    )
    summaries = [_sum_up(window, before, findings) for window in ended if _has_effect(window)]
    marked = _keep_what_is_heard({**record, "changes": changes, "findings": findings}, record, before)
    marked["after"]["maintenance"] = {"windows": left} if left else None
    if summaries:
        marked["maintenance_ended"] = summaries
    if marked["outcome"] == "unchanged" and (summaries or _has_news(record["findings"], findings)):
        # A record that has news is no unchanged one.
        marked["outcome"] = "changed"
    return marked


def _keep_what_is_heard(marked: Record, record: Record, before: LogState) -> Record:
    """Keep in the state of a marked record what people know of; ``record`` is what it was before rules."""
    after = record["after"]
    findings, openings = recount_openings(
        before.get("turns", {}),
        after.get("turns", {}),
        [*zip(record["findings"], marked["findings"], strict=True)],
        parse_time(record["checked_at"]),
    )
    by_fingerprint = {finding["fingerprint"]: finding for finding in findings}
    is_heard = any(map(_is_drift_news, findings))
    heard: LogState = {
        **after,
        "findings": {
            key: _take_mark(each, by_fingerprint.get(key, each), before["findings"].get(key))
            for key, each in after["findings"].items()
        },
        "rollout": keep_heard_steps(
            before["rollout"], after["rollout"], marked["changes"], findings, is_heard=is_heard
        ),
    }
    if openings or "turns" in after:
        heard["turns"] = openings
    return {**marked, "findings": findings, "after": heard}


def _is_drift_news(finding: Finding) -> bool:
    """Whether people hear now of a drift, and with it of all that differs."""
    is_told = finding["transition"] in {"opened", "raised"} and "suppressed_by" not in finding
    return finding["family"] == "drift" and is_told


def _report_grown(
    findings: Sequence[Finding], ended: Sequence[OpenWindow], left: Sequence[OpenWindow]
) -> tuple[list[Finding], list[OpenWindow]]:
    """Report once what a known drift came to hold for while windows hid it.

    Where another window still holds, it is reported at the end of that.

    Returns:
        The findings, and the windows that are left.
    """
    grown = {host for window in ended for host in window.get("grown", ())}
    if any(map(_is_known_drift_news, findings)):
        return [*findings], [_set_grown(window, ()) for window in left]
    if left and grown:
        first, *others = left
        return [*findings], [_set_grown(first, {*grown, *first.get("grown", ())}), *others]
    name = next((window["name"] for window in ended if window.get("grown")), "")
    return [
        {**each, "transition": "raised", "detail": {**each["detail"], HIDDEN_DETAIL: f"{_MAINTENANCE}{name}"}}
        if each["kind"] == "drift-unreviewed" and each["transition"] == "still" and grown & {*each["hosts"]}
        else each
        for each in findings
    ], [*left]


def _is_known_drift_news(finding: Finding) -> bool:
    return finding["kind"] == "drift-unreviewed" and _is_drift_news(finding)


def _set_grown(window: OpenWindow, hosts: Iterable[str]) -> OpenWindow:
    after = window.copy()
    after.pop("grown", None)
    grown = sort_naturally(hosts)
    return {**after, "grown": grown} if grown else after


def build_silencer(
    record: Record, before: LogState, rules: SilencingRules, names: Mapping[str, str]
) -> Silencer:
    """Build what may hide something of a record.

    Args:
        record: The record.
        before: What the record before it left.
        rules: What the fleet file says.
        names: The names of hosts by id.
    """
    now = parse_time(record["checked_at"])
    ignore = tuple(rule for rule in rules.ignore if rule.is_in_effect(now))
    scopes = {window.name: window for window in rules.maintenance}
    silencer = Silencer(record, now, ignore, (), scopes, names, before["findings"])
    name = record["cluster_name"] or record["cluster"]
    log = Log(record["vcenter"], () if record["cluster"] == VCENTER_LOG else (record["cluster"], name))
    windows = _list_windows(log, record["after"]["maintenance"], before, rules, now)
    return replace(silencer, windows=tuple(windows))


def _list_windows(
    log: Log, maintenance: Maintenance | None, before: LogState, rules: SilencingRules, now: datetime
) -> Iterator[OpenWindow]:
    """List the windows of a log: those of the fleet file in its order, then those that a person started."""
    known = {(each["name"], each["from"]): each for each in (maintenance or {"windows": []})["windows"]}
    for rule in rules.maintenance:
        if not (covers(rule, log.vcenter, log.cluster) if log.cluster else _is_of_vcenter(rule, log.vcenter)):
            continue
        period = rule.find_period(_find_last_time(before, now), now)
        if period is None:
            continue
        began, ends = format_time(period.begins_at), format_time(period.ends_at)
        window = known.pop((rule.name, began), None) or _build_window(rule, began, ends, before)
        has_hidden = window["changes"] or window["findings"] or window.get("grown")
        if period.ends_at > now or rule.accept or has_hidden:
            yield {**window, "to": ends, "accept": rule.accept}
    for window in known.values():
        # One that left the file, or whose times there are others now, ends.
        has_left = window["by"] == FLEET_FILE and parse_time(window["to"]) > now
        yield {**window, "to": format_time(now), "accept": False} if has_left else window


def list_running_windows(log: Log, after: LogState, rules: SilencingRules, now: datetime) -> list[OpenWindow]:
    """List the maintenance windows in which a log is, also those that began since its newest record.

    Args:
        log: Whose log it is.
        after: What its newest record left.
        rules: What the fleet file says.
        now: The time that is asked about.
    """
    windows = _list_windows(log, after["maintenance"], after, rules, now)
    return [window for window in windows if parse_time(window["to"]) > now]


class Work(Struct, frozen=True):
    """What a look shows of work that may be accepted.

    ``hosts``: those that it covered, as they are; ``make_key`` makes the key of the snapshot that holds their
    images, which takes long; ``changes``: what is new.
    """

    hosts: Mapping[str, KnownHost]
    make_key: Callable[[], str]
    changes: Sequence[Change]


def accept_finished_work(
    state: LogState, log: Log, rules: SilencingRules, now: datetime, work: Work
) -> LogState:
    """Accept what was done in windows that say so and have ended.

    Left out, and so told, are hosts that were not as accepted when the window began, that changed in a way
    which no window hides, or that have an orphaned VIB which nobody accepted.

    Args:
        state: The state of the log, in which accepted images and windows are kept.
        log: Whose log it is.
        rules: What the fleet file says.
        now: When the look was done.
        work: What it shows.

    Returns:
        The state with what is accepted, and with the hosts in each such window; itself where no window ended.
    """
    windows = list(_list_windows(log, state["maintenance"], state, rules, now))
    if not any(_is_to_settle(window, now) for window in windows):
        return state
    accepted = dict(state["accepted"])
    settled: list[OpenWindow] = []
    for window in windows:
        if not _is_to_settle(window, now):
            settled.append(window)
            continue
        hosts = [host for host in _list_changed_hosts(window, work) if _is_acceptable(host, accepted, work)]
        for host in hosts:
            vibs = accepted[host]["orphaned_vibs"]
            image = work.hosts[host]["image"]
            accepted[host] = {"image": image, "orphaned_vibs": vibs, "snapshot": work.make_key()}
        settled.append({**window, "accepted": hosts})
    return {**state, "accepted": accepted, "maintenance": {"windows": settled}}


def _is_to_settle(window: OpenWindow, now: datetime) -> bool:
    ended_at = parse_time(window["to"])
    return window["accept"] and "accepted" not in window and ended_at <= now <= ended_at + MAX_SETTLING


def _list_changed_hosts(window: OpenWindow, work: Work) -> list[str]:
    """List the hosts that work of the window changed, and that nothing excepts."""
    hideable = [change for change in work.changes if may_windows_hide_change(change)]
    others = [change for change in work.changes if not may_windows_hide_change(change)]
    excepted = {*window["unreviewed"], *_unite(window["excepted"], others)}
    return [host for host in _unite(window["hosts"], hideable) if host not in excepted]


def _is_acceptable(host: str, accepted: Mapping[str, Accepted], work: Work) -> bool:
    if host not in accepted or host not in work.hosts or "until" in accepted[host]:
        # What a person accepted for a time holds until then, whatever a window says.
        return False
    entry, now = accepted[host], work.hosts[host]
    has_new_vib = not {*(now["orphaned_vibs"] or ())} <= {*entry["orphaned_vibs"]}
    return not has_new_vib and now["image"] not in {None, entry["image"]}


def _is_of_vcenter(rule: MaintenanceWindow, vcenter: str) -> bool:
    return find_matching_pattern(rule.vcenters, vcenter) is not None


def _find_last_time(before: LogState, now: datetime) -> datetime:
    """Find when the record before was written; now where there is none, or it did not say."""
    answered = before["answered"]
    return parse_time(answered[-1].get("at", format_time(now))) if answered else now


def _build_window(rule: MaintenanceWindow, began: str, ends: str, before: LogState) -> OpenWindow:
    return build_open_window(rule.name, FLEET_FILE, rule.reason, (began, ends), before, accept=rule.accept)


def build_open_window(
    name: str, by: str, reason: str, times: tuple[str, str], before: LogState, *, accept: bool
) -> OpenWindow:
    """Build a window that hid nothing yet.

    Args:
        name: Its name in ``suppressed_by``.
        by: Who started it.
        reason: Why.
        times: From when to when.
        before: The state of the log when it begins.
        accept: Whether what is done in it is accepted at its end.
    """
    unreviewed = [
        host
        for finding in before["findings"].values()
        if finding["kind"] == "drift-unreviewed"
        for host in finding["hosts"]
    ]
    return {
        "name": name,
        "by": by,
        "reason": reason,
        "from": times[0],
        "to": times[1],
        "accept": accept,
        "unreviewed": unreviewed,
        "excepted": [],
        "hosts": [],
        "changes": {},
        "findings": {},
    }


def _count_hidden(
    silencer: Silencer, window: OpenWindow, changes: Sequence[Change], findings: Sequence[Finding]
) -> OpenWindow:
    mark = f"{_MAINTENANCE}{window['name']}"
    holds = parse_time(window["to"]) > silencer.now
    if not holds and "accepted" not in window:
        return window
    hidden = [change for change in changes if change.get("suppressed_by") == mark]
    news = [
        finding
        for finding in findings
        if finding.get("suppressed_by") == mark and finding["transition"] in {"opened", "raised"}
    ]
    done = [change for change in changes if may_windows_hide_change(change)]
    excepted = [change for change in changes if not may_windows_hide_change(change)]
    counted: OpenWindow = {
        **window,
        "hosts": _unite(window["hosts"], done),
        "excepted": _unite(window["excepted"], excepted),
        "changes": _add_counts(window["changes"], [change["element"] for change in hidden]),
        "findings": _add_counts(window["findings"], [finding["kind"] for finding in news]),
    }
    return _set_grown(counted, {*window.get("grown", ()), *_list_grown(silencer, hidden, news)})


def _list_grown(silencer: Silencer, changes: Sequence[Change], findings: Sequence[Finding]) -> Iterator[str]:
    """List the hosts for which a drift that people know of came to hold, by what was hidden from them."""
    known = silencer.open_before.get(make_fingerprint("drift", "drift-unreviewed", ""))
    if known is None or _find_own_mark(known) is not None:
        return
    for change in filter(_leads_to_findings, changes):
        yield from change["hosts"] if change["element"] != "host" else ()
    for finding in findings:
        yield from finding["hosts"] if finding["transition"] == "raised" else ()


def _unite(hosts: Sequence[str], changes: Sequence[Change]) -> list[str]:
    return sort_naturally({*hosts, *(host for change in changes for host in change["hosts"])})


def _add_counts(counts: Mapping[str, int], more: Sequence[str]) -> dict[str, int]:
    return {key: counts.get(key, 0) + more.count(key) for key in sorted({*counts, *more})}


def _has_effect(window: OpenWindow) -> bool:
    """Whether the end of a window is told: a person started it, or it hid or accepted something."""
    kept = window["changes"] or window["findings"] or window.get("accepted")
    return window["by"] != FLEET_FILE or bool(kept)


def _has_news(before: Sequence[Finding], after: Sequence[Finding]) -> bool:
    return any(was["transition"] != now["transition"] for was, now in zip(before, after, strict=True))


def _sum_up(window: OpenWindow, before: LogState, findings: Sequence[Finding]) -> EndedWindow:
    mark = f"{_MAINTENANCE}{window['name']}"
    hidden = {key for key, finding in before["findings"].items() if finding.get("suppressed_by") == mark}
    still_open: list[OpenAtEnd] = [
        {
            "kind": finding["kind"],
            "subject": _clip(finding["subject"]),
            "severity": finding["severity"],
            "summary": _clip(finding["summary"]),
        }
        for finding in findings
        if finding["fingerprint"] in hidden and finding["transition"] != "resolved"
    ]
    accepted = window.get("accepted", [])
    return {
        "name": window["name"],
        "by": window["by"],
        "reason": window["reason"],
        "from": window["from"],
        "to": window["to"],
        "changes": window["changes"],
        "findings": window["findings"],
        "still_open": still_open[:MAX_LISTED_AT_END],
        "still_open_total": len(still_open),
        "accept": window["accept"],
        "accepted": accepted[:MAX_LISTED_AT_END],
        "accepted_total": len(accepted),
    }


_MAX_CLIPPED: Final = 200
"""Characters of a text from outside in a window's summary."""


def _clip(text: str) -> str:
    """Cut a text to ``_MAX_CLIPPED`` characters."""
    return text if len(text) <= _MAX_CLIPPED else f"{text[: _MAX_CLIPPED - 1]}…"
