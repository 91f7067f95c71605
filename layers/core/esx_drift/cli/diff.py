"""``esx-drift diff``: what changed between two documents of a cluster, for a person or a program.

Longer than 250 lines, because what is compared and the table that is made of it are one command.
"""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Final

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from esx_drift.cli.comparison import ComparedDocument, Comparison, compare_documents, read_both
from esx_drift.cli.diff_clusters import PastDocuments, print_clusters
from esx_drift.cli.diff_sentence import render_sentence
from esx_drift.cli.terminal import fail, print_line, print_table, print_warning
from esx_drift.cli.trail_source import TrailSource, with_trail_options
from esx_drift.cli.validate import (
    SOURCE_HELP,
    STANDARD_INPUT,
    OwnObject,
    name_source,
    print_unknown_fields,
    read_document_from,
    render_violation_lines,
)
from esx_drift.domain.images.document import Document, list_error_texts, quote_first
from esx_drift.domain.stored.types import Change, Severity
from esx_drift.domain.text.times import format_time
from esx_drift.domain.text.versions import sort_naturally
from esx_drift.domain.text.wording import (
    clean_sentence,
    clean_text,
    format_count,
    format_moment,
    format_share,
    join_names,
    list_host_names,
    name_element,
    reword_times,
)
from esx_drift.errors import ContractViolation

MAX_TABLE_NAMES = 6
MAX_RELABELLED = 5
SEVERITY_STYLES: dict[Severity, str] = {"critical": "bold red", "warning": "yellow", "info": "dim"}
SEVERITY_ORDER: tuple[Severity, ...] = ("critical", "warning", "info")


class OutputFormat(StrEnum):
    """How the result is written."""

    text = "text"
    json = "json"


PAST_HELP: Final = f"{SOURCE_HELP} Or CLUSTER@DATE, from the trail."


@with_trail_options
def diff(
    baseline: Annotated[str, typer.Argument(metavar="BASELINE", help=f"The older document: {PAST_HELP}")],
    current: Annotated[str, typer.Argument(metavar="CURRENT", help="The newer one, likewise.")],
    output: Annotated[
        OutputFormat, typer.Option("--format", help="For a person or for a program.")
    ] = OutputFormat.text,
    *,
    source: TrailSource,
) -> None:
    """Tell what changed on every host between two documents of the same cluster.

    A document is a file, or what was last taken of a cluster until a date: prod-a@2026-11-23, in UTC; of two
    clusters of one name say which by its vCenter: vc01/prod-a@2026-11-23. Of two clusters what most of their
    hosts run is compared. Exit code: 0 no change, 1 changes, 2 trouble.

    Example: esx-drift diff monday.json today.json
    """
    if baseline == current == STANDARD_INPUT:
        fail("both documents can't be read from standard input: name a file for one of them")
    past = PastDocuments(source)
    older, newer = (_require_document(named, past) for named in (baseline, current))
    print_unknown_fields({baseline: older, current: newer})
    before, after = read_both(older, newer)
    if past.are_of_two_clusters:
        drifted = print_clusters(before, after, (baseline, current), as_json=output is OutputFormat.json)
        raise typer.Exit(past.find_exit_code(drifted))
    _require_visible_hosts(before, baseline)
    _require_visible_hosts(after, current)
    _warn_of_wrong_documents(before, after, (baseline, current))
    compared = compare_documents(before, after)
    _require_compared_hosts(compared, baseline, current)
    if output is OutputFormat.json:
        _write_json(compared)
    else:
        print_comparison(compared)
    raise typer.Exit(past.find_exit_code(bool(compared.changes)))


def _require_document(source: str, past: PastDocuments) -> Document:
    """The document at a source; ends the command if there is none."""
    try:
        return past.find(source) or read_document_from(source)
    except OwnObject as error:
        fail(f"{name_source(source)} is {error.message}")
    except ContractViolation as error:
        lines = render_violation_lines(error)
        fail("\n".join((f"{name_source(source)} is no installed-images document", *lines)))


def _warn_of_wrong_documents(
    before: ComparedDocument, after: ComparedDocument, sources: tuple[str, str]
) -> None:
    """Say where the two can hardly be what was meant: swapped in time, or of two clusters."""
    first, second = (name_source(source) for source in sources)
    older, newer = (side.report.completion_time for side in (before, after))
    if newer < older:
        times = [format_moment(format_time(moment), older.year) for moment in (newer, older)]
        print_warning(
            f"{second} is older than {first} ({times[0]} and {times[1]} UTC): the older one is given first"
        )
    hosts = [_list_short_names(side) for side in (before, after)]
    if all(hosts) and not hosts[0] & hosts[1]:
        print_warning(f"no host of {first} is in {second}: are both of the same cluster?")


def _list_short_names(side: ComparedDocument) -> set[str]:
    """The names of its hosts as a person compares them: without a domain, but an address whole."""
    names = {name.lower() for name in side.report.names.values()}
    return {name if name[:1].isdigit() else name.partition(".")[0] for name in names}


def _require_visible_hosts(side: ComparedDocument, source: str) -> None:
    """End the command where "no change" or "all left" would only mean "nothing seen"."""
    if side.is_blind:
        hosts = side.coverage["hosts"]
        what = f"shows none of its {format_count(hosts, 'host')}" if hosts else "names no host"
        why = quote_first(
            [text for notices in side.report.notifications.values() for text in list_error_texts(notices)]
        )
        status = f"Its status is {clean_text(side.report.status)}{why}"
        fail(f"{name_source(source)} {what}, so nothing can be compared\n{status}")


def _require_compared_hosts(compared: Comparison, baseline: str, current: str) -> None:
    """End the command where two documents show hosts, but no host twice."""
    if compared.is_empty:
        shown = [
            f"{name_source(source)} shows"
            f" {join_names(list_host_names(sort_naturally(side.report.runs), compared.names))}"
            for source, side in ((baseline, compared.baseline), (current, compared.current))
        ]
        fail("\n".join(("no host was read in both documents, so nothing can be compared", *shown)))


def _write_json(compared: Comparison) -> None:
    result = {
        "schema_version": 1,
        "drifted": compared.drifted,
        "changes": compared.changes,
        "findings": compared.findings,
    }
    typer.echo(json.dumps(result, indent=2))


def print_comparison(compared: Comparison) -> None:
    """Print a comparison as a person reads it: a sentence, then tables."""
    print_line(render_sentence(compared), "bold")
    changes = [change for change in compared.changes if change["kind"] != "relabelled"]
    if changes:
        print_table(_build_changes_table(changes, compared))
    relabelled = [change for change in compared.changes if change["kind"] == "relabelled"]
    if relabelled:
        descriptions = list(dict.fromkeys(_describe_relabelled(change, compared) for change in relabelled))
        print_line(
            f"Only described otherwise: {'; '.join(descriptions[:MAX_RELABELLED])}{_count_more(descriptions)}"
        )
    if compared.findings:
        print_table(_build_findings_table(compared))
    if changes or compared.findings:
        print_line("")
    print_line(_render_footer(compared), "dim")


def _describe_relabelled(change: Change, compared: Comparison) -> str:
    """``base image on all 3``, ``host esx02 (was esx01)``."""
    what = f"{name_element(change['element'])} {_render_name(change, compared)}".rstrip()
    if change["element"] != "host":
        return f"{what} on {_render_hosts(change['hosts'], compared)}"
    before = clean_text(compared.baseline.report.names.get(change["key"], change["key"]))
    return what if before == _render_name(change, compared) else f"{what} (was {before})"


def _count_more(descriptions: Sequence[str]) -> str:
    return f"; and {len(descriptions) - MAX_RELABELLED} more" if len(descriptions) > MAX_RELABELLED else ""


def _build_changes_table(changes: Sequence[Change], compared: Comparison) -> Table:
    table = _make_table("", "what", "name", "change", "from", "to", "hosts")
    for change in sorted(changes, key=lambda change: SEVERITY_ORDER.index(change["severity"])):
        table.add_row(
            _render_severity(change["severity"]),
            name_element(change["element"]),
            _render_name(change, compared),
            change["kind"],
            _render_version(change, "from"),
            _render_version(change, "to"),
            _render_hosts(change["hosts"], compared),
        )
    return table


def _render_name(change: Change, compared: Comparison) -> str:
    if change["key"] == change["element"]:
        return ""
    name = compared.names.get(change["key"], change["key"]) if change["element"] == "host" else change["key"]
    inside = change["alternative_image"]
    return clean_text(name) + (f" (alternative image {clean_text(inside)})" if inside is not None else "")


def _render_version(change: Change, side: str) -> str:
    version = change["from"] if side == "from" else change["to"]
    if version is None:
        return ""
    if change["from"] == change["to"]:
        return "same version, other content" if side == "to" else clean_text(version or "no version")
    return clean_text(version) if version else "no version"


def _render_hosts(hosts: Sequence[str], compared: Comparison) -> str:
    total = compared.current.coverage["hosts"]
    return (
        f"all {total}"
        if len(hosts) == total > 1
        else join_names(list_host_names(hosts, compared.names), MAX_TABLE_NAMES)
    )


def _build_findings_table(compared: Comparison) -> Table:
    findings, year = compared.findings, compared.current.report.completion_time.year
    table = _make_table("", "finding", "seen", "what CURRENT shows")
    for finding in sorted(findings, key=lambda finding: SEVERITY_ORDER.index(finding["severity"])):
        seen = "before, too" if finding["transition"] == "still" else "new"
        table.add_row(
            _render_severity(finding["severity"]),
            finding["kind"],
            seen,
            clean_sentence(reword_times(finding["summary"], year)),
        )
    return table


def _make_table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _render_severity(severity: Severity) -> Text:
    return Text(severity, SEVERITY_STYLES[severity])


def _render_footer(compared: Comparison) -> str:
    coverage = compared.current.coverage
    times = [
        format_moment(format_time(side.report.completion_time), compared.current.report.completion_time.year)
        for side in (compared.baseline, compared.current)
    ]
    return f"{format_share(coverage['covered'], coverage['hosts'])} read · {times[0]} → {times[1]} UTC"
