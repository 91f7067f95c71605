"""A comparison in one sentence, for the first line."""

from collections.abc import Iterator

from esx_drift.cli.comparison import Comparison
from esx_drift.cli.diff_moves import MAX_SENTENCE_NAMES, render_names, render_software_clauses
from esx_drift.cli.diff_stand import render_standing_clauses
from esx_drift.domain.images.versions import sort_naturally
from esx_drift.domain.telling.wording import format_count, split_vib_key

_HOST_VERBS = {"added": "joined", "removed": "left", "changed": "was added again"}


def render_sentence(compared: Comparison) -> str:
    """What changed, the worst first, then how the cluster stands, and what is not known."""
    vibs = [*_vibs(compared, "added", "appeared on"), *_reported(compared)]
    gone = _vibs(compared, "removed", "is gone from")
    told = [*vibs, *render_software_clauses(compared), *_hosts(compared), *gone]
    nothing = "nothing changed but descriptions" if compared.changes else "nothing changed"
    stands = [*render_standing_clauses(compared), *_unread(compared), *_doubts(compared)]
    said = "; ".join([*(told or [nothing]), *stands])
    return f"{said[0].upper()}{said[1:]}."


def _hosts(compared: Comparison) -> Iterator[str]:
    for kind, verb in _HOST_VERBS.items():
        hosts = [
            change["key"]
            for change in compared.changes
            if change["element"] == "host" and change["kind"] == kind
        ]
        if hosts:
            one = len(hosts) == 1
            names = render_names(hosts, compared)
            yield f"{'host' if one else 'hosts'} {names} {verb if one else verb.replace('was', 'were')}"


def _vibs(compared: Comparison, kind: str, verb: str) -> Iterator[str]:
    found = [
        change
        for change in compared.changes
        if change["element"] == "orphaned_vib" and change["kind"] == kind
    ]
    if len(found) == 1:
        yield f"orphaned VIB {_vib(found[0]['key'])} {verb} {render_names(found[0]['hosts'], compared)}"
    elif found:
        hosts = {host for change in found for host in change["hosts"]}
        yield f"{len(found)} orphaned VIBs {verb.replace('is', 'are')} {format_count(len(hosts), 'host')}"


def _vib(key: str) -> str:
    return " ".join(part for part in split_vib_key(key) if part)


def _reported(compared: Comparison) -> Iterator[str]:
    """VIBs on hosts that were not compared: no change, and yet the worst that there is to tell."""
    told = {change["key"] for change in compared.changes if change["element"] == "orphaned_vib"}
    for finding in compared.findings:
        new = finding["transition"] == "opened" and finding["subject"] not in told
        if finding["kind"] == "orphaned-vib" and new:
            where = render_names(finding["hosts"], compared)
            yield f"orphaned VIB {_vib(finding['subject'])} is reported on {where}"


def _unread(compared: Comparison) -> Iterator[str]:
    """Hosts that one of the documents does not show, though both know them, or that joined unread."""
    before, after = compared.baseline.snapshot["hosts"], compared.current.report.names
    unknown = {host for host in after if host in before and before[host]["image"] is None}
    hosts = sort_naturally(unknown | (after.keys() - compared.current.report.runs.keys()))
    if hosts:
        share = f"{len(hosts)} of {format_count(len(after), 'host')} could not be compared"
        yield f"{share} ({render_names(hosts, compared)})" if len(hosts) <= MAX_SENTENCE_NAMES else share


def _doubts(compared: Comparison) -> Iterator[str]:
    if any(
        one["kind"] == "document-inconsistent" and one["transition"] == "opened" for one in compared.findings
    ):
        yield "the report contradicts itself"
