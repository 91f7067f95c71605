"""A comparison as a person reads it: a sentence, then tables."""

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from esx_drift.cli.comparison import Comparison
from esx_drift.cli.diff_sentence import render_sentence
from esx_drift.cli.terminal import print_line, print_table
from esx_drift.domain.stored.types import Change, Finding, Severity
from esx_drift.domain.text.times import format_time
from esx_drift.domain.text.wording import clean_text, format_moment, format_share, join_names, list_host_names

MAX_TABLE_NAMES = 6
MAX_RELABELLED = 5
_STYLES: dict[Severity, str] = {"critical": "bold red", "warning": "yellow", "info": "dim"}
_ELEMENTS = {
    "base_image": "base image",
    "add_on": "add-on",
    "orphaned_vib": "orphaned VIB",
}
_ORDER: tuple[Severity, ...] = ("critical", "warning", "info")


def print_comparison(compared: Comparison) -> None:
    """Write it to stdout."""
    print_line(render_sentence(compared), "bold")
    told = [change for change in compared.changes if change["kind"] != "relabelled"]
    if told:
        print_table(_changes(told, compared))
    relabelled = [change for change in compared.changes if change["kind"] == "relabelled"]
    if relabelled:
        whats = list(dict.fromkeys(_described(change, compared) for change in relabelled))
        print_line(f"Only described otherwise: {'; '.join(whats[:MAX_RELABELLED])}{_more(whats)}")
    if compared.findings:
        print_table(_findings(compared.findings))
    if told or compared.findings:
        print_line("")
    print_line(_footer(compared), "dim")


def _described(change: Change, compared: Comparison) -> str:
    """``base image on all 3``, ``host esx02 (was esx01)``."""
    what = f"{_element(change)} {_name(change, compared)}".rstrip()
    if change["element"] != "host":
        return f"{what} on {_hosts(change['hosts'], compared)}"
    before = clean_text(compared.baseline.report.names.get(change["key"], change["key"]))
    return what if before == _name(change, compared) else f"{what} (was {before})"


def _more(whats: Sequence[str]) -> str:
    return f"; and {len(whats) - MAX_RELABELLED} more" if len(whats) > MAX_RELABELLED else ""


def _element(change: Change) -> str:
    return _ELEMENTS.get(change["element"], change["element"].replace("_", " "))


def _changes(changes: Sequence[Change], compared: Comparison) -> Table:
    table = _table("", "what", "name", "change", "from", "to", "hosts")
    for change in sorted(changes, key=lambda change: _ORDER.index(change["severity"])):
        table.add_row(
            _severity(change["severity"]),
            _element(change),
            _name(change, compared),
            change["kind"],
            _version(change, "from"),
            _version(change, "to"),
            _hosts(change["hosts"], compared),
        )
    return table


def _name(change: Change, compared: Comparison) -> str:
    if change["key"] == change["element"]:
        return ""
    name = compared.names.get(change["key"], change["key"]) if change["element"] == "host" else change["key"]
    inside = change["alternative_image"]
    return clean_text(name) + (f" (alternative image {clean_text(inside)})" if inside is not None else "")


def _version(change: Change, side: str) -> str:
    version = change["from"] if side == "from" else change["to"]
    if version is None:
        return ""
    if change["from"] == change["to"]:
        return "same version, other content" if side == "to" else clean_text(version or "no version")
    return clean_text(version) if version else "no version"


def _hosts(hosts: Sequence[str], compared: Comparison) -> str:
    total = compared.current.coverage["hosts"]
    return (
        f"all {total}"
        if len(hosts) == total > 1
        else join_names(list_host_names(hosts, compared.names), MAX_TABLE_NAMES)
    )


def _findings(findings: Sequence[Finding]) -> Table:
    table = _table("", "finding", "seen", "what CURRENT shows")
    for finding in sorted(findings, key=lambda finding: _ORDER.index(finding["severity"])):
        seen = "before, too" if finding["transition"] == "still" else "new"
        table.add_row(
            _severity(finding["severity"]), finding["kind"], seen, clean_text(finding["summary"], 400)
        )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _severity(severity: Severity) -> Text:
    return Text(severity, _STYLES[severity])


def _footer(compared: Comparison) -> str:
    coverage = compared.current.coverage
    times = [
        format_moment(format_time(side.report.completion_time))
        for side in (compared.baseline, compared.current)
    ]
    return f"{format_share(coverage['covered'], coverage['hosts'])} read · {times[0]} → {times[1]} UTC"
