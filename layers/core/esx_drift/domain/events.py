"""Events, built from a record, and what goes out of them: a message for people, and what SNS is given.

One event a family a check, made so that the same check gives the same bytes.

Longer than 250 lines, because what of an event is for people is rated and counted by the rules that built it.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal, cast
from urllib.parse import quote

from msgspec import Struct

from esx_drift.domain.stored.identifiers import make_event_id, make_window_name
from esx_drift.domain.stored.types import (
    LEFT_DETAIL,
    Change,
    ClusterName,
    Event,
    EventData,
    EventDecision,
    Family,
    Finding,
    Json,
    OpenWindow,
    Record,
    RecordedDecision,
    Severity,
    Totals,
    is_end,
    rank_severity,
)
from esx_drift.domain.text.wording import cut_text, split_vib_key


class NextStep(Struct, frozen=True):
    """One thing to do next, and the command or name that goes with it; empty where there is none.

    ``more``: the same for other clusters, where a message is about several.
    """

    text: str
    command: str = ""
    more: tuple[str, ...] = ()

    @property
    def commands(self) -> tuple[str, ...]:
        """All of them."""
        return (self.command, *self.more) if self.command else ()


class Moment(Struct, frozen=True):
    """A time in a message, which a channel shows in its reader's zone where it can.

    Attributes:
        time: The time, as stored.
        fallback: The same as text, in UTC; with the date where that is another day than the message's.
        has_date: The day is shown as well.
        has_seconds: Seconds are shown as well: in an interval of less than a minute.
    """

    time: str
    fallback: str
    has_date: bool = True
    has_seconds: bool = False


type Level = Literal["critical", "warning", "info", "over"]
"""How a message looks at a glance: how bad it is, or that what it tells is over."""


class MessageContent(Struct, frozen=True):
    """What a message says. Names from outside may be anywhere in it: cleaned, but never to be read as markup.

    Attributes:
        title: What, on what, and where.
        items: The lines of a list.
        notes: Sentences below it.
        next_step: What to do; None: nothing.
        facts: How much was seen, how bad it is, and where it is kept.
        unlisted: How many changes and findings the event itself had no room for.
        level: Whether it is bad, or over. Its sign goes before the title; the words say the same.
        when: The sentence that says between which times; it stands before the notes, and may be empty.
        place: Where; a title that ends in it keeps it, however short it is cut.
        thread: What messages about the same finding have in common; empty where this one is about several.
        event_type: The type of the event that leads it; empty where it tells of none.
    """

    title: str
    items: tuple[str, ...]
    notes: tuple[str, ...]
    next_step: NextStep | None
    facts: tuple[str, ...]
    unlisted: int = 0
    level: Level = "info"
    when: tuple[str | Moment, ...] = ()
    place: str = ""
    thread: str = ""
    event_type: str = ""

    @property
    def when_text(self) -> str:
        """The same sentence with its times in UTC."""
        return "".join(part if isinstance(part, str) else part.fallback for part in self.when)


class Publication(Struct, frozen=True):
    """The arguments of one Publish. Lists among the attributes are ``String.Array``."""

    subject: str
    message: str
    attributes: Mapping[str, str | tuple[str, ...]]

    @property
    def size_bytes(self) -> int:
        """What SNS counts: the message, the subject, and every attribute's name, type and value."""
        parts = [self.subject, self.message]
        for name, value in self.attributes.items():
            parts += [name, *format_attribute(value)]
        return sum(len(part.encode()) for part in parts)


def format_attribute(value: str | tuple[str, ...]) -> tuple[str, str]:
    """Format an attribute's type and value as SNS wants them."""
    return ("String", value) if isinstance(value, str) else ("String.Array", json.dumps(value))


BASELINE_RECORDED: Final = "esx-drift.baseline.recorded"
ROUTE_DEAD: Final = "esx-drift.report.route-dead"
MAINTENANCE_STARTED: Final = "esx-drift.report.maintenance-started"
MAINTENANCE_ENDED: Final = "esx-drift.report.maintenance-ended"
DATA_SCHEMA: Final = "urn:esx-drift:schema:event:1"
FAMILIES: Final[tuple[Family, ...]] = ("failure", "orphaned-vib", "drift")
OPENING_TRANSITIONS: Final = ("opened", "raised")
TRANSITIONS: Final = (*OPENING_TRANSITIONS, "resolved", "still")


MAX_ENDED_WINDOWS: Final = 10
"""Of those that end by one record; each takes up to 20 KB of the event, which has room for 240."""


MAX_NAME_LENGTH: Final = 200
"""vSphere allows 80 characters for a name (the API's inventory objects); longer ones are an attack."""


def find_change_family(change: Change) -> Family:
    """The family whose event a change travels in."""
    return "orphaned-vib" if change["element"] == "orphaned_vib" else "drift"


def build_events(
    record: Record,
    address: str,
    since: str | None,
    host_names: Mapping[str, str],
    release_names: Mapping[str, str] = MappingProxyType({}),
) -> list[Event]:
    """Build the events of a check from its record.

    A family's event is ``detected`` if anything was opened or raised, or any change is no end, else
    ``resolved``. What still holds comes along and causes nothing, unless a person accepted some of it; a
    change that is ``relabelled`` is in no event.

    Args:
        record: The record, complete but for its events.
        address: The ``s3://`` address under which the record will lie.
        since: The time of the look before, as text; None if there was none.
        host_names: The names of the cluster's hosts by id; those that an event mentions go into it.
        release_names: The same for releases of ESXi, by version.

    Returns:
        One event a family that something moved in, one more for a baseline, and one each where maintenance
        ended or a person began it; of any size.
    """
    facts = _RecordFacts(record, address, since, host_names, release_names)
    events = [_build_event(facts, BASELINE_RECORDED, (), ())] if record["outcome"] == "baseline" else []
    for family in FAMILIES:
        changes = [change for change in record["changes"] if _is_in_family(change, family)]
        findings = _sort_moved_first(
            [finding for finding in record["findings"] if finding["family"] == family]
        )
        transitions = {finding["transition"] for finding in findings}
        has_begun = not all(map(is_end, changes)) or transitions.intersection(OPENING_TRANSITIONS)
        if has_begun:
            events.append(_build_event(facts, f"esx-drift.{family}.detected", changes, findings))
        elif changes or "resolved" in transitions or any("accepted" in finding for finding in findings):
            events.append(_build_event(facts, f"esx-drift.{family}.resolved", changes, findings))
    if "maintenance_ended" in record:
        windows = cast("list[Json]", record["maintenance_ended"][:MAX_ENDED_WINDOWS])
        report = _build_event(facts, MAINTENANCE_ENDED, (), ())
        # First, since it explains what it leaves open.
        events.insert(0, {**report, "data": {**report["data"], "report": {"windows": windows}}})
    window, decision = _find_started_window(record), record["decision"]
    if window is not None and decision is not None:
        report = _build_event(facts, MAINTENANCE_STARTED, (), ())
        data: EventData = {
            **report["data"],
            "decision": _build_decision(decision),
            "report": {"window": cast("Json", {key: window[key] for key in WINDOW_FIELDS})},
        }
        events.append({**report, "data": data})
    return events


WINDOW_FIELDS: Final = ("name", "by", "reason", "from", "to", "accept")
"""What is told of a window that begins."""


def _find_started_window(record: Record) -> OpenWindow | None:
    """Find the window that a person began by this very record; it is called after it."""
    windows = (record["after"]["maintenance"] or {"windows": []})["windows"]
    began = make_window_name(record["seq"])
    return next((window for window in windows if window["name"] == began), None)


def build_cloud_event(event_id: str, event_type: str, subject: str, source: str, data: EventData) -> Event:
    """Wrap ``data`` in a CloudEvent 1.0 with ``event_id``, ``event_type``, ``subject`` and ``source``."""
    return {
        "specversion": "1.0",
        "id": event_id,
        "type": event_type,
        "source": source,
        "subject": subject,
        "time": data["checked_at"],
        "datacontenttype": "application/json",
        "dataschema": DATA_SCHEMA,
        "data": data,
    }


def clip_name(text: str) -> str:
    """Cut a name or an id to ``MAX_NAME_LENGTH`` characters, so that what can't be cut later is small."""
    return cut_text(text, MAX_NAME_LENGTH)


def rate_event(changes: Sequence[Change], findings: Sequence[Finding]) -> Severity:
    """Rate an event by the worst of its ``changes`` and of those ``findings`` that moved; else ``info``.

    What was resolved or accepted counts with the severity that it had: whoever heard of it also hears of
    that. So does what is still not as accepted, where some of it was put back, and a VIB that has gone from
    some of its hosts.
    """
    moved = [item["severity"] for item in changes]
    moved += [item["severity"] for item in findings if item["transition"] != "still"]
    moved += [item["accepted"]["was"] for item in findings if "accepted" in item]
    if any("put_back" in change for change in changes):
        moved += [item["severity"] for item in findings if item["kind"] == "drift-unreviewed"]
    if _find_vanished(changes, findings):
        moved.append("critical")
    return max(moved, key=rank_severity, default="info")


def select_for_people(data: EventData) -> EventData | None:
    """Select what people are told of an event: all but what is marked as suppressed.

    Args:
        data: The event's ``data``.

    Returns:
        ``data`` without suppressed changes and findings, rated and counted without them; itself where nothing
        is suppressed. None if nothing that moved is left.
    """
    suppressed, totals = sum(data["suppressed"].values()), data["totals"]
    if not suppressed:
        return data
    if suppressed >= totals["changes"] + totals["opened"] + totals["raised"] + totals["resolved"]:
        return None
    changes = [change for change in data["changes"] if "suppressed_by" not in change]
    findings = [finding for finding in data["findings"] if "suppressed_by" not in finding]
    if data["truncated"]:
        # Which of the changes that were cut off are suppressed is not known: they count as not suppressed.
        return {**data, "changes": changes, "findings": findings}
    return {
        **data,
        "changes": changes,
        "findings": findings,
        "totals": _count_totals(changes, findings),
        "severity": rate_event(changes, findings),
    }


def list_vanished(data: EventData) -> list[Change]:
    """List the orphaned VIBs of an event's ``data`` that have gone, though nobody had accepted them.

    One in whose place another version of it came has not gone, and one that left with its hosts is there.
    """
    return _find_vanished(data["changes"], data["findings"])


def list_left_vibs(data: EventData) -> frozenset[str]:
    """List the orphaned VIBs of an event's ``data`` that only left with their hosts, as changes name them."""
    return frozenset(
        finding["subject"]
        for finding in data["findings"]
        if finding["kind"] == "orphaned-vib"
        and (finding["resolved_because"] == "host-left" or LEFT_DETAIL in finding["detail"])
    )


def _find_vanished(changes: Sequence[Change], findings: Sequence[Finding]) -> list[Change]:
    critical = {
        finding["subject"]
        for finding in findings
        if finding["kind"] == "orphaned-vib"
        and finding["severity"] == "critical"
        and finding["resolved_because"] in {None, "removed"}
        and LEFT_DETAIL not in finding["detail"]
    }
    vibs = [change for change in changes if change["element"] == "orphaned_vib"]
    came = {split_vib_key(change["key"])[0] for change in vibs if change["kind"] == "added"}
    return [
        change
        for change in vibs
        if change["kind"] == "removed"
        and change["key"] in critical
        and split_vib_key(change["key"])[0] not in came
    ]


def list_moved_kinds(data: EventData) -> frozenset[str] | None:
    """List what moved in an event's ``data``, as a route names it.

    Returns:
        Kinds of findings; of changes the element, the kind, and both as ``component:upgraded``. None where
        nothing moved, as in a report, or where lists were cut, so that it is not known.
    """
    if data["truncated"]:
        return None
    kinds: set[str] = {finding["kind"] for finding in data["findings"] if finding["transition"] != "still"}
    for change in data["changes"]:
        kinds |= {change["element"], change["kind"], f"{change['element']}:{change['kind']}"}
    return frozenset(kinds) or None


def _sort_moved_first(findings: Sequence[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: TRANSITIONS.index(finding["transition"]))


def _is_in_family(change: Change, family: Family) -> bool:
    return change["kind"] != "relabelled" and find_change_family(change) == family


class _RecordFacts(Struct, frozen=True):
    """What the events of one record are made of."""

    record: Record
    address: str
    since: str | None
    host_names: Mapping[str, str]
    release_names: Mapping[str, str]

    @property
    def cluster(self) -> ClusterName | None:
        """None where the vCenter as a whole is meant."""
        name = self.record["cluster_name"]
        if name is None:
            return None
        return {"id": clip_name(self.record["cluster"]), "name": clip_name(name)}


def _build_event(
    facts: _RecordFacts, event_type: str, changes: Sequence[Change], findings: Sequence[Finding]
) -> Event:
    record, cluster = facts.record, facts.cluster
    return build_cloud_event(
        make_event_id(record["check_id"], event_type),
        event_type,
        (cluster["name"] or cluster["id"]) if cluster else record["vcenter"],
        _build_source(record["vcenter"], cluster),
        _build_data(facts, changes, findings),
    )


def _build_source(vcenter: str, cluster: ClusterName | None) -> str:
    source = f"/vcenters/{quote(vcenter, safe='')}"
    return f"{source}/clusters/{quote(cluster['id'], safe='', errors='replace')}" if cluster else source


def _build_data(facts: _RecordFacts, changes: Sequence[Change], findings: Sequence[Finding]) -> EventData:
    record = facts.record
    taken, decision = record["after"]["last_taken"], record["decision"]
    data: EventData = {
        "schema_version": 1,
        "vcenter": record["vcenter"],
        "cluster": facts.cluster,
        "check_id": record["check_id"],
        "checked_at": record["checked_at"],
        "extracted_at": taken["completion_time"] if taken else None,
        "since": facts.since,
        "coverage": record["coverage"],
        "severity": rate_event(changes, findings),
        "changes": list(changes),
        "findings": list(findings),
        "host_names": _select_names(facts.host_names, changes, findings),
        "totals": _count_totals(changes, findings),
        "suppressed": _count_suppressed(changes, findings),
        "record": facts.address,
        "truncated": False,
    }
    if "stack" in record:
        data["stack"] = record["stack"]
    # What is told when a person ends maintenance, he did not decide.
    if decision is not None and record["outcome"] != "maintenance":
        data["decision"] = _build_decision(decision)
    releases = _select_releases(facts.release_names, changes, findings)
    if releases:
        data["release_names"] = releases
    return data


def _build_decision(recorded: RecordedDecision) -> EventDecision:
    decision: EventDecision = {"by": recorded["by"], "reason": recorded["reason"]}
    if "ticket" in recorded:
        decision["ticket"] = recorded["ticket"]
    if "until" in recorded:
        decision["until"] = recorded["until"]
    return decision


def _select_names(
    names: Mapping[str, str], changes: Sequence[Change], findings: Sequence[Finding]
) -> dict[str, str]:
    accepted = [finding["accepted"] for finding in findings if "accepted" in finding]
    hosts = dict.fromkeys(host for item in (*changes, *findings, *accepted) for host in item["hosts"])
    rollouts = [finding["detail"].get("rollout") for finding in findings]
    left = [rollout.get("left") for rollout in rollouts if isinstance(rollout, dict)]
    hosts |= dict.fromkeys(str(host) for each in left if isinstance(each, list) for host in each)
    renamed = [change for change in changes if change["element"] == "host"]
    hosts |= dict.fromkeys(id_ for change in renamed for id_ in (change["key"], change["from"]) if id_)
    return {host: names[host] for host in hosts if host in names}


def _select_releases(
    names: Mapping[str, str], changes: Sequence[Change], findings: Sequence[Finding]
) -> dict[str, str]:
    said: list[Any] = [change["detail"] or {} for change in changes if change["element"] == "host"]
    said += [finding["accepted"] for finding in findings if "accepted" in finding]
    said += [{"differences": _list_differences(finding)} for finding in findings]
    parts: list[Any] = [*changes, *(part for detail in said for part in detail.get("differences", ()))]
    versions = [part[side] for part in parts for side in ("from", "to") if _is_base_image(part)]
    return {version: clip_name(names[version]) for version in versions if version in names}


def _is_base_image(part: Any) -> bool:  # noqa: ANN401 -- a change, or a difference of any form
    return isinstance(part, dict) and part.get("element") == "base_image"


def _list_differences(finding: Finding) -> list[Json]:
    held = finding["detail"].get("differences")
    return held if finding["kind"] == "drift-unreviewed" and isinstance(held, list) else []


def _count_suppressed(changes: Sequence[Change], findings: Sequence[Finding]) -> dict[str, int]:
    moved = [finding for finding in findings if finding["transition"] != "still"]
    marks = [item["suppressed_by"] for item in (*changes, *moved) if "suppressed_by" in item]
    return dict(sorted(Counter(marks).items()))


def _count_totals(changes: Sequence[Change], findings: Sequence[Finding]) -> Totals:
    transitions = [finding["transition"] for finding in findings]
    return {
        "changes": len(changes),
        "findings": len(findings),
        "opened": transitions.count("opened"),
        "raised": transitions.count("raised"),
        "still": transitions.count("still"),
        "resolved": transitions.count("resolved"),
    }
