"""``esx-drift history``: what happened to a cluster, by its records.

Longer than 250 lines, because what text, JSON and CSV say of an entry stands side by side.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer

from esx_drift.cli.options import (
    ClusterArgument,
    FormatOption,
    ListFormat,
    VCenterOption,
    describe_nearest,
)
from esx_drift.cli.past import (
    FromOption,
    HostOption,
    LocalOption,
    PastQuestion,
    Times,
    WantedHost,
    describe_nothing,
    end_with_damages,
    fail_unanswered,
    find_log,
    format_argument,
    list_ids,
    make_times,
    open_logs,
    parse_wanted_host,
    read_hosts_of_then,
    render_host,
    select_host,
)
from esx_drift.cli.terminal import (
    build_table,
    escape_unprintable,
    print_line,
    print_table,
    print_warning,
    render_csv,
)
from esx_drift.cli.trail_source import TrailSource, with_trail_options
from esx_drift.domain.stored.identifiers import ClusterRef
from esx_drift.domain.stored.types import Change, EndedWindow, Json, OpenWindow, Record, RecordedDecision
from esx_drift.domain.text.wording import (
    clean_sentence,
    clean_text,
    format_count,
    join_names,
    join_reason,
    list_host_names,
)
from esx_drift.domain.trail.history import (
    Acceptance,
    HistoryEntry,
    MaintenanceStep,
    list_history,
)
from esx_drift.domain.trail.known_hosts import InstanceHosts, KnownHosts, KnownMachine, list_relabelled_names
from esx_drift.messages.change_lines import ChangeWords, list_change_lines

if TYPE_CHECKING:
    from esx_drift.trail.past import TrailLogs

_HEADINGS: Final = ("After", "Found", "Record", "What", "Hosts", "Accepted")
_COLUMNS: Final = (
    "record", "after", "found", "kind", "severity", "element", "change", "key", "from", "to", "hosts",
    "host_ids", "put_back", "suppressed_by", "summary", "by", "reason", "ticket", "accepted_by",
    "accepted_reason", "accepted_at", "maintenance", "maintenance_from", "maintenance_to",
    "is_of_new_vcenter", "replaced_by", "refused", "unread_records", "until", "accepted_until",
)  # fmt: skip

MAX_SHOWN_WHY: Final = 200
"""Of a reason in a table, in which it has one cell."""

ONE_MOMENT: Final = timedelta(milliseconds=1)
"""Records have times of whole milliseconds."""

ComponentOption = Annotated[
    str | None,
    typer.Option("--component", metavar="NAME", help="Only this component, add-on, solution or VIB."),
]
FindingsOption = Annotated[
    bool, typer.Option("--findings", help="Also what opened and ended without a change, such as failures.")
]


@with_trail_options
def history(  # noqa: PLR0913, PLR0917 -- each is an option of the command
    cluster: ClusterArgument,
    host: HostOption = None,
    component: ComponentOption = None,
    since: FromOption = None,
    findings: FindingsOption = False,  # noqa: FBT002 -- typer passes it by name
    vcenter: VCenterOption = None,
    output: FormatOption = ListFormat.text,
    local: LocalOption = False,  # noqa: FBT002 -- likewise
    *,
    source: TrailSource,
) -> None:
    """Tell what changed on a cluster, between which looks, on which hosts, and who accepted it and why.

    Exit code: 0 told, 1 told but for what is damaged, 2 trouble.

    Example: esx-drift history prod-a --host esx07 --since 2026-11-01
    """
    times, logs = make_times(local=local), open_logs(source)
    start = times.parse_beginning(since) if since else None
    log = find_log(logs, source, cluster, vcenter)
    records, own = _read_records(logs, log, start)
    wanted = parse_wanted_host(host, times)
    known, only = _read_hosts(logs, log, records, wanted)
    listed = [
        entry
        for entry in list_history(records)
        if entry.seq in own
        and (only is None or not set(only.list_ids_at(known.get_at(entry.at))).isdisjoint(entry.hosts))
        and (component is None or _is_about(entry, component))
    ]
    entries = [entry for entry in listed if findings or entry.kind != "finding"]
    _warn_of_unknown(component, records, logs)
    if output is ListFormat.json:
        document = {**_build_document(log, entries, known), "host_ids": cast("Json", only and only.ids)}
        typer.echo(json.dumps(document, indent=2))
    elif output is ListFormat.csv:
        cells = (_list_cells(entry, known.get_at(entry.at).newest_names) for entry in entries)
        typer.echo(render_csv(_COLUMNS, cells), nl=False)
    else:
        of = f" of {render_host(only)}" if only else ""
        asked = (
            f"{format_count(len(own), 'record')}{f' since {times.format_exactly(start)}' if start else ''}"
        )
        print_line(f"{log.render()}: {_count(entries)}{of} in {asked}", "bold")
        if records and not own:
            newest = times.format_zoned(records[-1]["checked_at"])
            print_line(f"The newest record is of {newest}: nothing is known of the time after it.")
            question = PastQuestion(source, "history", cluster, {"--host": host, "--vcenter": vcenter}, local)
            asked_again = question.name_command("--since", format_argument(records[-1]["checked_at"]))
            print_line(f"To see that record: {asked_again}")
        elif start is not None and len(records) == len(own):
            first = times.format_zoned(records[0]["checked_at"])
            print_line(f"The first record is of {first}: nothing is known of the time before it.")
        _print_unlisted(listed, entries)
        _print_entries(entries, known, times)
    end_with_damages(logs)


def _read_records(
    logs: "TrailLogs", log: ClusterRef, start: datetime | None
) -> tuple[list[Record], set[int]]:
    """Read the records since a time, with the one before it, which says when the look before was.

    Returns:
        Those, and the numbers of the records that are not before it.
    """
    numbers = logs.list_numbers(log)
    if not numbers:
        fail_unanswered(logs, describe_nothing(logs, log, f"nothing is recorded here of {log.render()}"))
    before = logs.find_last_until(log, numbers, start - ONE_MOMENT) if start else 0
    return list(logs.read_records(log, numbers[max(0, before - 1) :])), set(numbers[before:])


def _read_hosts(
    logs: "TrailLogs", log: ClusterRef, records: Sequence[Record], wanted: WantedHost | None
) -> tuple[KnownHosts, KnownMachine | None]:
    """Read what is known of the hosts of a log by its ``records``; of one ``wanted`` also by those before.

    It may have had another name or id then, and who had it at another time may be there no more.

    Returns:
        The hosts, and the one that is wanted; none where all are.
    """
    known = logs.read_hosts(records)
    is_of_now = wanted is not None and wanted.moment is None
    if wanted is None or not records or (is_of_now and known.find_machines(wanted.named)):
        return known, select_host(known, wanted, log)
    numbers = (number for number in logs.list_numbers(log) if number < records[0]["seq"])
    every = [*logs.read_records(log, numbers), *records]
    known, then = logs.read_hosts(every), read_hosts_of_then(logs, log, every, wanted)
    return known, select_host(known, wanted, log, then=then)


def _is_about(entry: HistoryEntry, component: str) -> bool:
    named = component.casefold()
    return entry.change is not None and named in map(str.casefold, _list_part_names(entry.change["key"]))


def _list_part_names(key: str) -> tuple[str, str]:
    """List what a part may be called that has a ``key``: a VIB also without its version."""
    return key, key.partition("(")[0]


def _warn_of_unknown(component: str | None, records: Sequence[Record], logs: "TrailLogs") -> None:
    """Warn if nothing is called ``component``: no change in ``records``, and no part of what they left."""
    if component is None:
        return
    snapshot = logs.read_left_snapshot(records)
    keys = {change["key"] for record in records for change in record["changes"]}
    if snapshot is not None:
        keys |= {part.rpartition(":")[2] for image in snapshot["images"].values() for part in image["main"]}
        keys |= {vib for known in snapshot["hosts"].values() for vib in known["orphaned_vibs"] or ()}
    names = {name for key in keys for name in _list_part_names(key)}
    if component.casefold() not in map(str.casefold, names):
        print_warning(f"nothing here is called {component}{describe_nearest(component, names)}")


def _count(entries: Sequence[HistoryEntry]) -> str:
    return format_count(sum(entry.kind == "change" for entry in entries), "change")


def _print_unlisted(listed: Sequence[HistoryEntry], entries: Sequence[HistoryEntry]) -> None:
    """Say how many of all that are ``listed`` the ``entries`` leave out, where no change is among them."""
    if len(listed) > len(entries) and not any(entry.change for entry in entries):
        moves = format_count(len(listed) - len(entries), "time")
        print_line(f"A finding, such as an outage, opened, grew or ended {moves}: --findings lists them.")


def _print_entries(entries: Sequence[HistoryEntry], known: KnownHosts, times: Times) -> None:
    if entries:
        headings = (f"After ({times.name})", f"Found ({times.name})", *_HEADINGS[2:])
        print_table(
            build_table(headings, (_render_cells(entry, known.get_at(entry.at), times) for entry in entries))
        )


def _render_cells(entry: HistoryEntry, known: InstanceHosts, times: Times) -> list[str]:
    names = known.distinct_names
    cells = [
        times.format(entry.since) if entry.since else "-",
        times.format(entry.at),
        str(entry.seq),
        describe_maintenance(entry, times) or _describe(entry, known, times),
        join_names(list_host_names(entry.hosts, names)) if entry.hosts else "-",
        _render_acceptances(entry, names, times),
    ]
    return [escape_unprintable(cell) for cell in cells]


def _describe(entry: HistoryEntry, known: InstanceHosts, times: Times) -> str:
    if entry.change is not None and entry.change["kind"] == "relabelled":
        return _describe_label(entry.change)
    if entry.change is not None:
        words = ChangeWords(known.newest_names, releases=known.releases)
        what = list_change_lines([entry.change], words)[0].long
        return f"{what} (put back)" if "put_back" in entry.change else what
    if entry.finding is not None:
        return f"{entry.finding['transition']}: {clean_sentence(times.reword(entry.finding['summary']), 200)}"
    if entry.decision is not None:
        return _describe_decision(entry.outcome, entry.decision, known.newest_names, times)
    return (
        "first copy, of the vCenter that took the former one's place"
        if entry.is_of_new_vcenter
        else "first copy"
    )


def _describe_decision(
    outcome: str, decision: RecordedDecision, names: Mapping[str, str], times: Times
) -> str:
    """Describe a decision; what of it was refused, nobody accepted or retired."""
    who, reason = name_person(decision["by"]), render_reason(decision)
    refused = join_names(list_host_names(decision["refused"], names))
    if decision["refused"] and not decision["taken"]:
        return f"{who} was refused, nothing is {outcome}: {reason}"
    end = render_end(decision.get("until"), times)
    return f"{outcome} by {who}{end}: {reason}{f'; refused for {refused}' if refused else ''}"


def render_reason(said: RecordedDecision | OpenWindow | EndedWindow) -> str:
    """Render why a person decided or began what is ``said``, with its ticket, on one line."""
    return clean_text(join_reason(said["reason"], said.get("ticket")), MAX_SHOWN_WHY)


def render_end(until: str | None, times: Times) -> str:
    """Render in ``times``, behind a space, ``until`` when something is accepted; empty if it is for good."""
    return f" until {times.format_end(until)}" if until else ""


def describe_maintenance(entry: HistoryEntry, times: Times) -> str:
    """Describe maintenance of an ``entry`` that began or ended: who, until when (``times``), and why.

    Empty where it is none.
    """
    decision, step = entry.decision, entry.maintenance
    if decision is not None and entry.outcome == "maintenance" and step is None:
        who, why = name_person(decision["by"]), render_reason(decision)
        return (
            f"maintenance ended by {who}: {why}"
            if decision["taken"]
            else f"{who} was refused, no maintenance was begun or ended: {why}"
        )
    return "" if step is None else describe_window_step(step, times)


def describe_window_step(step: MaintenanceStep, times: Times) -> str:
    """Describe a ``step`` of a maintenance window: that it began, or ended; ``times`` writes when."""
    window = step.window
    who, why = name_person(window["by"]), render_reason(window)
    begun, until = times.format(window["from"]), times.format(window["to"])
    accepts = ", which accepts at its end what was done" if window["accept"] else ""
    if not step.is_end:
        return f"maintenance begun by {who}, until {until}{accepts}: {why}"
    hidden = sum(window["changes"].values()), sum(window["findings"].values())
    kept = f"{format_count(hidden[0], 'change')} and {format_count(hidden[1], 'finding')} kept from chat"
    return f"maintenance of {who} over, {begun} to {until}, {kept}: {why}"


def _describe_label(change: Change) -> str:
    """Describe a change of what only describes: of a host its name, where it has another one."""
    names = list(dict.fromkeys(clean_text(name) for name in list_relabelled_names(change)))
    is_renamed = len(names) > 1
    return (
        f"renamed: {' -> '.join(names)}"
        if is_renamed
        else f"{clean_text(change['key'])} only described otherwise"
    )


def describe_retirement(record: Record | None, times: Times) -> str:
    """Describe by whom and why a ``record`` retired its cluster, in ``times``; empty if there is none."""
    decision = None if record is None else record["decision"]
    if record is None or decision is None:
        return ""
    who, why = name_person(decision["by"]), render_reason(decision)
    when = f"{times.format(record['checked_at'])} {times.name}"
    return f"Retired {when} by {who}: {why}. Nobody looked at it since."


def name_person(arn: str) -> str:
    """Name whom an ``arn`` means: the last part of it, which is a user or a session."""
    return clean_text(arn.rpartition("/")[2])


def _render_acceptances(entry: HistoryEntry, names: Mapping[str, str], times: Times) -> str:
    said = [_render_acceptance(one, entry, names, times) for one in entry.acceptances]
    if entry.replaced_by is not None:
        said.append(f"{'else ' if said else ''}never: the vCenter was replaced (record {entry.replaced_by})")
    if entry.unread is not None:
        said.append(f"{'else ' if said else ''}not known: {describe_unread(entry.unread)}")
    return "; ".join(said) or "-"


def describe_unread(numbers: tuple[int, int]) -> str:
    """Describe that records can't be read: the first and the last of these ``numbers``, and those between."""
    first, last = numbers
    which = f"record {first}" if first == last else f"records {first} to {last}"
    return f"{which} can't be read"


def _render_acceptance(
    acceptance: Acceptance, entry: HistoryEntry, names: Mapping[str, str], times: Times
) -> str:
    where = (
        ""
        if acceptance.hosts == entry.hosts
        else f" on {join_names(list_host_names(acceptance.hosts, names))}"
    )
    end = render_end(acceptance.until, times)
    who = f"{times.format(acceptance.at)} by {name_person(acceptance.by)}{where}{end}"
    return f"{who}: {clean_text(join_reason(acceptance.reason, acceptance.ticket), MAX_SHOWN_WHY)}"


def _build_document(log: ClusterRef, entries: Iterable[HistoryEntry], known: KnownHosts) -> dict[str, Json]:
    return {
        "schema_version": 1,
        "vcenter": log.vcenter,
        "cluster": {"id": log.cluster, "name": log.name},
        "entries": [_build_entry(entry, known.get_at(entry.at).newest_names) for entry in entries],
    }


def _build_entry(entry: HistoryEntry, names: dict[str, str]) -> Json:
    return {
        "record": entry.seq,
        "after": entry.since,
        "found": entry.at,
        "kind": entry.kind,
        "severity": entry.severity,
        "hosts": list_ids(entry.hosts, names),
        "outcome": entry.outcome,
        "change": cast("Json", entry.change),
        "finding": cast("Json", entry.finding),
        "decision": cast("Json", entry.decision),
        "maintenance": _build_maintenance(entry),
        "is_of_new_vcenter": entry.is_of_new_vcenter,
        "replaced_by": entry.replaced_by,
        "unread_records": None if entry.unread is None else [*entry.unread],
        "accepted": [
            {
                "by": one.by,
                "reason": one.reason,
                "ticket": one.ticket,
                "until": one.until,
                "at": one.at,
                "record": one.seq,
                "hosts": [*one.hosts],
            }
            for one in entry.acceptances
        ],
    }


def _build_maintenance(entry: HistoryEntry) -> Json:
    step = entry.maintenance
    return None if step is None else {"ended": step.is_end, "window": cast("Json", step.window)}


def _list_cells(entry: HistoryEntry, names: Mapping[str, str]) -> dict[str, object]:
    """List the cells of one line: of several acceptances the last."""
    change, finding, decision = entry.change, entry.finding, entry.decision
    last = entry.acceptances[-1] if entry.acceptances else None
    step = entry.maintenance
    window = step.window if step else None
    said = decision or window
    return {
        "record": entry.seq,
        "after": entry.since,
        "found": entry.at,
        "kind": entry.kind,
        "severity": entry.severity,
        "element": change["element"] if change else None,
        "change": change["kind"] if change else None,
        "key": change["key"] if change else finding["subject"] if finding else None,
        "from": change["from"] if change else None,
        "to": change["to"] if change else None,
        "hosts": " ".join(names.get(host, host) for host in entry.hosts),
        "host_ids": " ".join(entry.hosts),
        "put_back": "put_back" in change if change else None,
        "suppressed_by": (change.get("suppressed_by") if change else None)
        or (finding.get("suppressed_by") if finding else None),
        "summary": finding["summary"] if finding else None,
        "by": said["by"] if said else None,
        "reason": said["reason"] if said else None,
        "ticket": said.get("ticket") if said else None,
        "until": decision.get("until") if decision else None,
        "refused": " ".join(names.get(host, host) for host in decision["refused"]) if decision else "",
        "accepted_by": last.by if last else None,
        "accepted_reason": last.reason if last else None,
        "accepted_until": last.until if last else None,
        "accepted_at": last.at if last else None,
        "maintenance": ("ended" if step.is_end else "begun") if step else None,
        "maintenance_from": window["from"] if window else None,
        "maintenance_to": window["to"] if window else None,
        "is_of_new_vcenter": entry.is_of_new_vcenter,
        "replaced_by": entry.replaced_by,
        "unread_records": "{}-{}".format(*entry.unread) if entry.unread else None,
    }
