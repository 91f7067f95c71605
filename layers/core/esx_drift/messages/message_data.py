"""What one message is made of: an event's data, or those of several clusters put together."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast

from msgspec import Struct

from esx_drift.config import DEFAULT_STACK
from esx_drift.domain.events import select_for_people
from esx_drift.domain.stored.identifiers import compute_digest
from esx_drift.domain.stored.types import (
    ENDED_DETAIL,
    EXPIRY_DETAIL,
    HIDDEN_DETAIL,
    NO_ROLLOUT_DETAIL,
    AcceptedPart,
    Change,
    Coverage,
    EventData,
    Finding,
    Json,
    NetDifference,
    Totals,
    rank_severity,
)
from esx_drift.domain.text.times import is_time, parse_time
from esx_drift.domain.text.wording import (
    MAX_NAME_CHARACTERS,
    clean_text,
    end_sentence,
    find_shell_argument,
    reword_times,
)

LATE_AFTER_SECONDS: Final = 1_800
"""After so long a message says that it is late. In a good hour it comes within a minute or two."""

type Place = tuple[str, str | None]
"""A vCenter, and the id of a cluster; None: the vCenter as a whole."""


class MessageData(EventData):
    """An event's data for one message, posted at ``now``, without what people are not told.

    ``parts``: the data of each event that is in it, as it was published but for what people are not told.
    """

    parts: tuple[EventData, ...]
    now: datetime


def merge_data(several: Sequence[EventData], now: datetime) -> MessageData:
    """Merge the data of ``several`` events of one type into what one message, posted at ``now``, says.

    Hosts of different clusters stay different, and equal changes of theirs become one change.
    """
    parts = tuple(map(_select_items, several))
    if len(parts) == 1:
        return cast("MessageData", {**parts[0], "parts": parts, "now": now})
    places = {place: number for number, place in enumerate(dict.fromkeys(map(find_place, parts)))}
    moved = [_rename_hosts(part, f"{places[find_place(part)]}/") for part in parts]
    merged = {
        **parts[0],
        "checked_at": max(part["checked_at"] for part in parts),
        "extracted_at": max((part["extracted_at"] for part in parts if part["extracted_at"]), default=None),
        "since": min((part["since"] for part in parts if part["since"]), default=None),
        "coverage": _add_coverage(parts),
        "severity": max((part["severity"] for part in parts), key=rank_severity),
        "changes": _merge_changes(change for part in moved for change in part["changes"]),
        "findings": [finding for part in moved for finding in part["findings"]],
        "host_names": {host: name for part in moved for host, name in part["host_names"].items()},
        "release_names": {
            version: name for part in parts for version, name in part.get("release_names", {}).items()
        },
        "totals": _add_totals(parts),
        "suppressed": dict(sum((Counter(part["suppressed"]) for part in parts), Counter[str]())),
        "truncated": any(part["truncated"] for part in parts),
        "parts": parts,
        "now": now,
    }
    if any(part.get("decision") != parts[0].get("decision") for part in parts):
        merged.pop("decision", None)
    return cast("MessageData", merged)


def find_place(data: EventData) -> Place:
    """Find where the events of this ``data`` happened."""
    return data["vcenter"], data["cluster"]["id"] if data["cluster"] else None


def render_stack_option(data: EventData) -> str:
    """Render the option that names the stack of ``data``; empty where it is asked without a name anyway."""
    stack = find_shell_argument(data.get("stack", DEFAULT_STACK))
    return "" if stack in {None, DEFAULT_STACK} else f" --stack {stack}"


def add_stack(command: str, data: EventData) -> str:
    """Name the stack of ``data`` in a ``command`` that asks AWS."""
    return f"{command}{render_stack_option(data)}" if command.startswith("esx-drift ") else command


_NOT_READ: Final = re.compile(r"^(.+?) could not be read(?=$|[,:;.])")
_ORPHANED: Final = re.compile(r"^(\S+?)\((\S+)\)(?= is orphaned on )")
_NOT_SEEN: Final = re.compile(r" not checked((?:, [A-Z_]+)*), not seen since")


def reword_summary(summary: str, told_at: str) -> str:
    """Reword how a finding's ``summary`` names VIBs and times, and says that a host was not checked.

    ``told_at`` is the time of the event that tells it: what is of its year is told without the year.
    """
    timed = reword_times(_ORPHANED.sub(r"VIB \1 \2", summary), parse_time(told_at).year)
    return _NOT_SEEN.sub(r" not checked\1 since", _NOT_READ.sub(r"\1 not checked", timed))


def name_summary(summary: str, told_at: str, most: int = MAX_NAME_CHARACTERS) -> str:
    """Reword a ``summary``, cut to at ``most`` so many characters, as a part of a line: without its stop.

    ``told_at`` is the time of the event that tells it.
    """
    return end_sentence(clean_text(reword_summary(summary, told_at), most)).removesuffix(".")


def count_places(data: MessageData) -> int:
    """Count the clusters, or vCenters, that a message is about."""
    return len(set(map(find_place, data["parts"])))


class EndedAcceptance(Struct, frozen=True):
    """An acceptance that ended: when, for which hosts, and who had accepted it, and why, as far as known."""

    at: str
    hosts: tuple[str, ...]
    by: str = ""
    why: str = ""


def list_ended_acceptances(finding: Finding) -> list[EndedAcceptance]:
    """List the acceptances that ended of what a ``finding`` is about, the last first; not of one held back.

    Of an event of an earlier version, or of one that was cut, the time and the hosts at least.
    """
    detail, hosts = finding["detail"], finding["hosts"]
    if not is_time(detail.get(EXPIRY_DETAIL)) or HIDDEN_DETAIL in detail or NO_ROLLOUT_DETAIL in detail:
        return []
    held: Any = detail.get(ENDED_DETAIL)
    ends = [
        EndedAcceptance(
            each["at"],
            tuple(host for host in hosts if host in each["hosts"]),
            str(each.get("by", "")),
            " · ".join(dict.fromkeys(str(each[key]) for key in ("ticket", "reason") if each.get(key))),
        )
        for each in (held if isinstance(held, list) else ())
        if isinstance(each, dict) and isinstance(each.get("hosts"), list) and is_time(each.get("at"))
    ]
    return [each for each in ends if each.hosts] or [
        EndedAcceptance(str(detail[EXPIRY_DETAIL]), tuple(hosts))
    ]


def list_hosts_to_renew(finding: Finding) -> list[str]:
    """List the hosts for which an acceptance ended of what a ``finding`` is about, in its order."""
    ended = {host for each in list_ended_acceptances(finding) for host in each.hosts}
    return [host for host in finding["hosts"] if host in ended]


def _select_items(data: EventData) -> EventData:
    """Leave out what is marked; data from which it was left out before stays as it is."""
    items = (*data["changes"], *data["findings"])
    marked = any("suppressed_by" in item for item in items)
    return (select_for_people(data) or data) if marked else data


def _rename_hosts(data: EventData, prefix: str) -> EventData:
    """Give the hosts ids that no other cluster has; each keeps its name, or else its id as such."""
    items = (*data["changes"], *data["findings"])
    hosts = dict.fromkeys((*data["host_names"], *(host for item in items for host in item["hosts"])))
    return {
        **data,
        "changes": [_rename_hosts_of_change(change, prefix) for change in data["changes"]],
        "findings": [_rename_hosts_of_finding(finding, prefix) for finding in data["findings"]],
        "host_names": {f"{prefix}{host}": data["host_names"].get(host, host) for host in hosts},
    }


def _rename_hosts_of_change(change: Change, prefix: str) -> Change:
    return {**change, "hosts": [f"{prefix}{host}" for host in change["hosts"]]}


def _rename_hosts_of_finding(finding: Finding, prefix: str) -> Finding:
    renamed: Finding = {**finding, "hosts": [f"{prefix}{host}" for host in finding["hosts"]]}
    ends = list_ended_acceptances(finding)
    if ends:
        held: list[Json] = [
            {
                "at": each.at,
                "by": each.by,
                "reason": each.why,
                "hosts": [f"{prefix}{host}" for host in each.hosts],
            }
            for each in ends
        ]
        renamed["detail"] = {**finding["detail"], ENDED_DETAIL: held}
    if "accepted" in finding:
        renamed["accepted"] = _rename_hosts_of_accepted(finding["accepted"], prefix)
    return renamed


def _rename_hosts_of_accepted(accepted: AcceptedPart, prefix: str) -> AcceptedPart:
    differences: list[NetDifference] = [
        {**each, "hosts": [f"{prefix}{host}" for host in each["hosts"]]} for each in accepted["differences"]
    ]
    hosts = [f"{prefix}{host}" for host in accepted["hosts"]]
    return {**accepted, "hosts": hosts, "differences": differences}


def _merge_changes(changes: Iterable[Change]) -> list[Change]:
    merged: dict[str, Change] = {}
    for change in changes:
        bare: Mapping[str, object] = {**change, "hosts": []}
        known = merged.setdefault(compute_digest(bare), {**change, "hosts": []})
        known["hosts"] = [*dict.fromkeys((*known["hosts"], *change["hosts"]))]
    return [*merged.values()]


def _add_coverage(parts: Sequence[EventData]) -> Coverage | None:
    """Add up what was seen, each cluster once; None where of one of them it is not known."""
    seen = {find_place(part): part["coverage"] for part in parts}
    known = [coverage for coverage in seen.values() if coverage is not None]
    if len(known) < len(seen):
        return None
    return {
        "hosts": sum(coverage["hosts"] for coverage in known),
        "covered": sum(coverage["covered"] for coverage in known),
        "failed": sum(coverage["failed"] for coverage in known),
        "unsupported": sum(coverage["unsupported"] for coverage in known),
    }


def _add_totals(parts: Sequence[EventData]) -> Totals:
    names = parts[0]["totals"].keys()
    sums = {name: sum(cast("Mapping[str, int]", part["totals"])[name] for part in parts) for name in names}
    return cast("Totals", sums)
