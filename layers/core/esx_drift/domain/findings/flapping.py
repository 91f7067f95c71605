"""Findings that come and go: said once, not told each time, and told again when they are steady."""

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from msgspec import Struct, field

from esx_drift.domain.stored.types import Finding, FindingKind, Flapping, Json, Openings, rank_severity
from esx_drift.domain.text.times import format_time, parse_time

FLAPPING: Final = "flapping"
"""Why people are not told that something opened or ended."""

OPENINGS: Final = 3
"""So many openings, each soon after the one before, are a coming and going."""

MAX_APART: Final = timedelta(hours=36)
"""Between two openings: what opens once a day does so at another hour each day, by half a day at most."""

STEADY_AFTER: Final = timedelta(hours=24)
"""What was open, or gone, for so long comes and goes no more."""

MAX_REMEMBERED: Final = 100
"""Findings of a log whose openings are kept: those of a cluster's 96 hosts at once, and a few more."""


class _OpeningCounter(Struct):
    """Counts the openings of one check. ``openings`` are those of before, by fingerprint."""

    openings: Mapping[str, Openings]
    kinds: Container[FindingKind]
    now: datetime
    after: dict[str, Openings] = field(default_factory=dict)

    def count(self, finding: Finding) -> Finding:
        """Count a finding's transition, and say of the finding whether it comes and goes."""
        name, before = finding["fingerprint"], self.openings.get(finding["fingerprint"])
        if finding["transition"] == "opened":
            before = self._count_opening(finding, before)
        if before is None:
            return finding
        self.after[name] = before
        return self._say(finding, before) if "flapping" in before else finding

    def _count_opening(self, finding: Finding, before: Openings | None) -> Openings:
        at = format_time(self.now)
        opened = [*(before["opened"] if before else ()), at][-OPENINGS:]
        if before is not None and "flapping" in before:
            return {"opened": opened, "flapping": before["flapping"]}
        apart = [parse_time(later) - parse_time(former) for former, later in pairwise(opened)]
        if len(opened) < OPENINGS or max(apart) > MAX_APART:
            return {"opened": opened}
        begun: Flapping = {
            "since": opened[0],
            "times": OPENINGS - 1,
            "severity": finding["severity"],
            "turned_at": at,
            "gone": None,
            "is_said": False,
        }
        return {"opened": opened, "flapping": begun}

    def _say(self, finding: Finding, openings: Openings) -> Finding:
        flapping, at = openings["flapping"], format_time(self.now)
        transition = finding["transition"]
        times = flapping["times"] + (transition == "opened")
        is_worse = rank_severity(finding["severity"]) > rank_severity(flapping["severity"])
        has_turned = transition in {"opened", "resolved"}
        said = _add_detail(finding, {"times": times, "since": flapping["since"]})
        if not has_turned and self._is_steady(finding["kind"], flapping):
            del self.after[finding["fingerprint"]]
            return {**_add_steady(said), "transition": "opened"}
        self.after[finding["fingerprint"]] = {
            "opened": openings["opened"],
            "flapping": {
                "since": flapping["since"],
                "times": times,
                "severity": finding["severity"] if is_worse else flapping["severity"],
                "turned_at": at if has_turned else flapping["turned_at"],
                "gone": said if transition == "resolved" else None,
                "is_said": True,
            },
        }
        if transition == "still" or is_worse or not flapping["is_said"]:
            return said
        return {**said, "suppressed_by": FLAPPING}

    def list_gone(self, present: Container[str]) -> Iterable[Finding]:
        """List those of which no more was seen for long enough: their end is told once more."""
        for name, openings in self.openings.items():
            if name in present:
                continue
            flapping = openings.get("flapping")
            if flapping is None or flapping["gone"] is None:
                if flapping is None and self._is_recent(openings):
                    self.after[name] = openings
            elif self._is_steady(flapping["gone"]["kind"], flapping):
                yield {**_add_steady(flapping["gone"]), "severity": flapping["severity"]}
            else:
                self.after[name] = openings

    def _is_steady(self, kind: FindingKind, flapping: Flapping) -> bool:
        return kind in self.kinds and self.now - parse_time(flapping["turned_at"]) >= STEADY_AFTER

    def _is_recent(self, openings: Openings) -> bool:
        return bool(openings["opened"]) and self.now - parse_time(openings["opened"][-1]) <= MAX_APART


def count_openings(
    transitions: list[Finding], openings: Mapping[str, Openings], kinds: Container[FindingKind], now: datetime
) -> tuple[list[Finding], dict[str, Openings]]:
    """Count how often findings opened, and hold back from people what only comes and goes.

    The third opening, each within 36 hours of the one before, says so. From then on openings and ends are
    marked, unless it is worse than what was said, until it was open or gone for a day: then that is told, as
    an opening or an end. An orphaned VIB is told each time.

    Args:
        transitions: Every open finding and those resolved now.
        openings: What was counted so far, by fingerprint.
        kinds: The kinds that this check can say of whether they are over.
        now: When it was done.

    Returns:
        The transitions, and what is counted now.
    """
    counter = _OpeningCounter(openings, kinds, now)
    counted = [
        finding if finding["family"] == "orphaned-vib" else counter.count(finding) for finding in transitions
    ]
    counted += counter.list_gone({finding["fingerprint"] for finding in transitions})
    return counted, _keep_newest(counter.after)


def recount_openings(
    before: Mapping[str, Openings],
    after: Mapping[str, Openings],
    findings: Sequence[tuple[Finding, Finding]],
    now: datetime,
) -> tuple[list[Finding], dict[str, Openings]]:
    """Count only openings that people hear of: one that a rule hides is none, and one that is told late is.

    Args:
        before: What was counted before this check.
        after: What ``count_openings`` counted in it.
        findings: Each finding as that left it, and as rules left it.
        now: When the check was done.

    Returns:
        The findings as people hear of them, and what is counted.
    """
    counted, recounted = list[Finding](), dict(after)
    for raw, finding in findings:
        said, name, mark = finding, finding["fingerprint"], finding.get("suppressed_by")
        if raw["transition"] == "opened" and mark not in {None, FLAPPING}:
            recounted.pop(name, None)
            if name in before:
                recounted[name] = before[name]
            said = finding if "flapping" in before.get(name, {}) else drop_flapping(finding)
        elif raw["transition"] != "opened" and finding["transition"] == "opened":
            known = {name: after[name]} if name in after else {}
            (said,), late = count_openings([finding], known, (), now)
            recounted |= late
        counted.append(said)
    return counted, _keep_newest(recounted)


def drop_flapping(finding: Finding) -> Finding:
    """Drop from a ``finding`` that it comes and goes."""
    kept = {key: value for key, value in finding["detail"].items() if key != FLAPPING}
    return {**finding, "detail": kept} if FLAPPING in finding["detail"] else finding


def _keep_newest(openings: Mapping[str, Openings]) -> dict[str, Openings]:
    newest = sorted(openings.items(), key=lambda entry: (entry[1]["opened"][-1:], entry[0]))
    return dict(newest[-MAX_REMEMBERED:])


def _add_detail(finding: Finding, said: dict[str, Json]) -> Finding:
    return {**finding, "detail": {**finding["detail"], FLAPPING: said}}


def _add_steady(finding: Finding) -> Finding:
    said = finding["detail"][FLAPPING]
    return _add_detail(finding, {**said, "steady": True} if isinstance(said, dict) else {})
