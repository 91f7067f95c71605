"""A change that spreads from host to host: told when it begins, stalls and ends, and not host by host.

Only what was told before is held back; a downgrade or an orphaned VIB never is.

Longer than 250 lines, because how one begins, moves, stalls and ends is read together.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from copy import replace
from datetime import datetime, timedelta
from typing import Final, Literal

from msgspec import Struct, field

from esx_drift.domain.findings.condition import Condition
from esx_drift.domain.images.image import format_part_version
from esx_drift.domain.images.labels import name_esxi_release
from esx_drift.domain.stored.identifiers import compute_digest
from esx_drift.domain.stored.types import (
    NO_ROLLOUT_DETAIL,
    Change,
    Finding,
    Json,
    RecentSteps,
    Rollout,
    RolloutLead,
    Severity,
    Snapshot,
    rank_severity,
)
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.text.versions import sort_naturally

ROLLOUT: Final = "rollout"
"""Why people are not told of a change that only reached another host; and what a finding says of it."""

MAX_KNOWN_STEPS: Final = 500
"""So many steps are remembered: an upgrade of ESXi and its add-on changes up to 300 parts."""

FORGOTTEN_AFTER: Final = timedelta(days=30)
"""A rollout that reaches no further host for so long is none any more."""


class RolloutUpdate(Struct, frozen=True):
    """What a look says of what spreads over its cluster.

    Attributes:
        rollout: What the next look has to know; None where nothing spreads.
        changes: The changes of this look; people are not told again of those that are marked.
        state: How it is with the rollout; None where there is none.
        facts: What the finding on uniformity says of it.
        severity: How bad it was said to be when it began: so its end is told.
        held_back: Since when a drift is open that a rollout held back which came to no end; None: none is.
    """

    rollout: Rollout | None
    changes: list[Change]
    state: Literal["moving", "stalled", "done"] | None = None
    facts: Mapping[str, Json] = field(default_factory=dict)
    severity: Severity = "info"
    held_back: str | None = None

    def adjust(self, condition: Condition) -> Condition:
        """Say in a ``condition`` that hosts differ because of a rollout; while it moves, that is no alarm."""
        if condition.kind != "image-not-uniform" or self.state is None:
            return condition
        said = replace(condition, detail={**condition.detail, ROLLOUT: dict(self.facts)})
        return replace(said, severity="info", lowers=True) if self.state == "moving" else said

    def report_held_back(self, transitions: Sequence[Finding]) -> list[Finding]:
        """Report among the ``transitions`` a drift that was held back by a rollout which is none any more."""
        return [self._report(finding) for finding in transitions]

    def _report(self, finding: Finding) -> Finding:
        held = self.held_back is not None and finding["opened_at"] == self.held_back
        if not held or (finding["kind"], finding["transition"]) != ("drift-unreviewed", "still"):
            return finding
        return {**finding, "transition": "raised", "detail": {**finding["detail"], NO_ROLLOUT_DETAIL: True}}

    def finish(self, transitions: Sequence[Finding]) -> tuple[list[Change], list[Finding]]:
        """Say in the ``transitions`` of findings that the rollout is over, and hold back what it opened.

        Returns:
            The changes, of which none is held back where nothing else would say that it is over; and the
            transitions.
        """
        finished = [self._hold_back(self._end(finding)) for finding in transitions]
        says_end = any(
            finding["kind"] == "image-not-uniform" and finding["transition"] != "still"
            for finding in finished
        )
        if self.state == "done" and not says_end:
            return [_drop_mark(change) for change in self.changes], finished
        return self.changes, finished

    def _end(self, finding: Finding) -> Finding:
        is_over = finding["kind"] == "image-not-uniform" and finding["transition"] == "resolved"
        if not is_over or self.state != "done":
            return finding
        worst = max(finding["severity"], self.severity, key=rank_severity)
        return {**finding, "severity": worst, "detail": {**finding["detail"], ROLLOUT: dict(self.facts)}}

    def _hold_back(self, finding: Finding) -> Finding:
        """Mark what opens only because known steps reached more hosts: others were told of before.

        Only while a rollout goes on, whose end will name it: what opens with the end is told with it.
        """
        goes_on = self.state in {"moving", "stalled"}
        if not goes_on or (finding["kind"], finding["transition"]) != ("drift-unreviewed", "opened"):
            return finding
        own = [change for change in self.changes if not set(change["hosts"]).isdisjoint(finding["hosts"])]
        reached = {host for change in own for host in change["hosts"]}
        is_known = all(change.get("suppressed_by") == ROLLOUT for change in own)
        if not is_known or finding["severity"] == "critical" or not reached.issuperset(finding["hosts"]):
            return finding
        return {**finding, "suppressed_by": ROLLOUT}


class RolloutLook(Struct, frozen=True):
    """A look, as far as it says how far a change has spread.

    Attributes:
        snapshot: What the hosts run, or ran last.
        unseen: What is unusual about the hosts that it did not see, by id: ``NOT_RESPONDING``, or nothing.
        now: When it was made.
        stall_after_seconds: A rollout that reaches no further host for so long has stalled.
        alarm: How bad it was said to be so far that hosts run different images; ``info`` where it was not.
    """

    snapshot: Snapshot
    unseen: Mapping[str, str]
    now: datetime
    stall_after_seconds: int
    alarm: Severity = "info"

    def follow(self, before: Rollout | None, changes: Sequence[Change]) -> RolloutUpdate:
        """Follow what spreads: mark the changes that were told before, and say how far the rollout has come.

        Args:
            before: What the look before left.
            changes: What changed since then; what is marked already was not told, so it is not known.
        """
        lead, recent = (before["lead"], self._list_recent(before["recent"])) if before else (None, [])
        known = {step for group in recent for step in group["steps"]}
        held = {*known, *(lead["steps"] if lead and "unheard" not in lead else ())}
        marked = [_mark(change, held) for change in changes]
        begun = self._begin([change for change in marked if not lead or not _is_of_lead(change, lead)])
        held_back = lead.get("held_back") if lead else None
        lead = begun or lead or self._find_spreading(marked, recent)
        left, arrived = self._count_hosts(lead) if lead else ([], 0)
        over = RolloutUpdate(self._build_rollout(None, recent, marked), marked, held_back=held_back)
        if lead is None or not arrived or (begun and not left):
            return over
        lead = self._move(lead, marked)
        facts = self._describe(lead, left, arrived)
        if not left:
            rollout = self._build_rollout(None, recent, marked)
            return RolloutUpdate(rollout, marked, "done", {**facts, "state": "done"}, lead["severity"])
        idle = self.now - parse_time(lead["moved_at"])
        if idle > FORGOTTEN_AFTER:
            return over
        rollout = self._build_rollout(lead, recent, marked)
        if idle >= timedelta(seconds=self.stall_after_seconds):
            return RolloutUpdate(rollout, marked, "stalled", {**facts, "state": "stalled"}, lead["severity"])
        return RolloutUpdate(rollout, marked, "moving", {**facts, "state": "moving"}, lead["severity"])

    def _list_recent(self, recent: Sequence[RecentSteps]) -> list[RecentSteps]:
        oldest = self.now - timedelta(seconds=self.stall_after_seconds)
        return [group for group in recent if parse_time(group["at"]) >= oldest]

    def _begin(self, changes: Sequence[Change]) -> RolloutLead | None:
        """Begin a rollout where an image was upgraded: ESXi itself, or else its add-on."""
        news = [change for change in changes if "suppressed_by" not in change and _is_upgrade(change)]
        bases = [change for change in news if change["element"] == "base_image"]
        first = max(bases or news, key=lambda change: len(change["hosts"]), default=None)
        return self._build_lead(first, format_time(self.now)) if first else None

    def _find_spreading(self, changes: Sequence[Change], recent: Sequence[RecentSteps]) -> RolloutLead | None:
        """Find what spreads though it was no upgrade of an image: a driver that reaches more hosts."""
        spreading = [
            change
            for change in changes
            if change.get("suppressed_by") == ROLLOUT and change["alternative_image"] is None
        ]
        first = max(spreading, key=lambda change: len(change["hosts"]), default=None)
        if first is None:
            return None
        step = _make_step(first)
        return self._build_lead(first, min(group["at"] for group in recent if step in group["steps"]))

    def _build_lead(self, change: Change, started_at: str) -> RolloutLead:
        is_base = change["element"] == "base_image"
        return {
            "element": change["element"],
            "key": change["key"],
            "from_version": change["from"],
            "to_version": change["to"],
            "from_release": self._name_release(change["from"]) if is_base else None,
            "to_release": self._name_release(change["to"]) if is_base else None,
            "started_at": started_at,
            "moved_at": started_at,
            "severity": max(change["severity"], self.alarm, key=rank_severity),
            "steps": [],
        }

    def _name_release(self, version: str | None) -> str:
        return name_esxi_release(
            {"main": {"base_image": version}, "alternatives": {}}, self.snapshot["labels"]
        )

    def _count_hosts(self, lead: RolloutLead) -> tuple[list[str], int]:
        """List the hosts that the rollout did not reach yet, and count those that it did."""
        part = lead["element"] if lead["key"] == lead["element"] else f"{lead['element']}:{lead['key']}"
        left, arrived = [], 0
        for host, entry in self.snapshot["hosts"].items():
            if entry["image"] is None or entry["witness"]:
                continue
            value = self.snapshot["images"][entry["image"]]["main"].get(part)
            if value is None and None not in {lead["from_version"], lead["to_version"]}:
                continue  # It has no such hardware, and needs no such driver.
            if (None if value is None else format_part_version(value)) == lead["to_version"]:
                arrived += 1
            else:
                left.append(host)
        return sort_naturally(left), arrived

    def _move(self, lead: RolloutLead, changes: Sequence[Change]) -> RolloutLead:
        """Note that it reached further hosts, and what else changed on them."""
        own = [change for change in changes if _is_of_lead(change, lead)]
        if not own:
            return lead
        hosts = {host for change in own for host in change["hosts"]}
        along = [
            _make_step(change)
            for change in changes
            if _can_be_held_back(change) and not hosts.isdisjoint(change["hosts"])
        ]
        steps = list(dict.fromkeys([*lead["steps"], *along]))
        return {**lead, "moved_at": format_time(self.now), "steps": steps[-MAX_KNOWN_STEPS:]}

    def _describe(self, lead: RolloutLead, left: list[str], arrived: int) -> dict[str, Json]:
        states: dict[str, Json] = {host: self.unseen[host] for host in left if self.unseen.get(host)}
        return {
            "element": lead["element"],
            "key": lead["key"],
            "from": lead["from_version"],
            "to": lead["to_version"],
            "from_release": lead["from_release"],
            "to_release": lead["to_release"],
            "done": arrived,
            "of": arrived + len(left),
            "left": [*left],
            "unseen": [host for host in left if host in self.unseen],
            **({"unseen_states": states} if states else {}),
            "started_at": lead["started_at"],
            "moved_at": lead["moved_at"],
        }

    def _build_rollout(
        self, lead: RolloutLead | None, recent: Sequence[RecentSteps], changes: Iterable[Change]
    ) -> Rollout | None:
        """Remember what was told: by this look, or by one before that is not long ago."""
        seen = dict.fromkeys(_make_step(change) for change in changes if _can_be_held_back(change))
        kept: list[RecentSteps] = [
            {"at": group["at"], "steps": [step for step in group["steps"] if step not in seen]}
            for group in recent
        ]
        if seen:
            kept.append({"at": format_time(self.now), "steps": [*seen][-MAX_KNOWN_STEPS:]})
        kept = _cut_recent([group for group in kept if group["steps"]])
        return {"lead": lead, "recent": kept} if lead or kept else None


def keep_heard_steps(
    before: Rollout | None,
    after: Rollout | None,
    changes: Sequence[Change],
    findings: Sequence[Finding],
    *,
    is_heard: bool,
) -> Rollout | None:
    """Keep of what spreads only what people heard of: who heard of no beginning must hear of what follows it.

    Args:
        before: What the look before left.
        after: What this look leaves.
        changes: The changes of this look, with the marks of rules.
        findings: The findings of this look, with the same marks.
        is_heard: Whether people hear now of a finding that says how far it is.
    """
    if after is None:
        return None
    hidden = [change for change in changes if change.get("suppressed_by", ROLLOUT) != ROLLOUT]
    unheard = {_make_step(change) for change in hidden}
    recent: list[RecentSteps] = [
        {"at": group["at"], "steps": [step for step in group["steps"] if step not in unheard]}
        for group in after["recent"]
    ]
    lead = after["lead"]
    if lead is not None:
        begun = before["lead"] if before else None
        is_same = begun is not None and begun["started_at"] == lead["started_at"]
        own = [change for change in changes if _is_of_lead(change, lead)]
        is_hidden = all(change in hidden for change in own) and ("unheard" in lead if is_same else bool(own))
        lead = _set_unheard(lead, is_unheard=is_hidden and not is_heard)
        lead = _set_held_back(lead, _find_held_back(begun, findings))
    kept = [group for group in recent if group["steps"]]
    return {"lead": lead, "recent": kept} if lead or kept else None


def _set_unheard(lead: RolloutLead, *, is_unheard: bool) -> RolloutLead:
    after = lead.copy()
    after.pop("unheard", None)
    return {**after, "unheard": True} if is_unheard else after


def _find_held_back(before: RolloutLead | None, findings: Sequence[Finding]) -> str | None:
    """Find since when a drift is open that people do not hear of because of what spreads."""
    drift = next((finding for finding in findings if finding["kind"] == "drift-unreviewed"), None)
    if drift is not None and drift["transition"] == "opened":
        return drift["opened_at"] if drift.get("suppressed_by") == ROLLOUT else None
    is_news = drift is not None and drift["transition"] != "still" and "suppressed_by" not in drift
    return before.get("held_back") if before and not is_news else None


def _set_held_back(lead: RolloutLead, since: str | None) -> RolloutLead:
    after = lead.copy()
    after.pop("held_back", None)
    return {**after, "held_back": since} if since else after


def _cut_recent(recent: Sequence[RecentSteps]) -> list[RecentSteps]:
    """The newest of what was told, so that a record stays small."""
    kept, room = list[RecentSteps](), MAX_KNOWN_STEPS
    for group in reversed(recent):
        steps = group["steps"][:room]
        room -= len(steps)
        if steps:
            kept.insert(0, {"at": group["at"], "steps": steps})
    return kept


def _mark(change: Change, known: Container[str]) -> Change:
    if not _can_be_held_back(change) or _make_step(change) not in known:
        return change
    return {**change, "suppressed_by": ROLLOUT}


def _drop_mark(change: Change) -> Change:
    kept = change.copy()
    if kept.get("suppressed_by") == ROLLOUT:
        del kept["suppressed_by"]
    return kept


def _can_be_held_back(change: Change) -> bool:
    """Whether a change is one that people need not hear of host by host, and that was told if it is known.

    What is put back is the end of something, and told to whoever heard of that.
    """
    is_image = change["element"] not in {"host", "orphaned_vib"}
    is_step = change["kind"] not in {"downgraded", "relabelled"} and "put_back" not in change
    return is_image and is_step and change.get("suppressed_by", ROLLOUT) == ROLLOUT


def _is_upgrade(change: Change) -> bool:
    is_image = change["element"] in {"base_image", "add_on"} and change["alternative_image"] is None
    return is_image and change["kind"] == "upgraded" and "put_back" not in change


def _is_of_lead(change: Change, lead: RolloutLead) -> bool:
    part = change["element"], change["key"], change["to"], change["alternative_image"]
    return part == (lead["element"], lead["key"], lead["to_version"], None)


def _make_step(change: Change) -> str:
    """Make the digest of what became of a part, whatever the host."""
    alternative = change["alternative_image"]
    step = [change["element"], change["key"], change["kind"], change["from"], change["to"], alternative]
    return compute_digest([*step, change["detail"]])[:12]
