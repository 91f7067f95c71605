"""``esx-drift evidence``: what an auditor files of some clusters and a period.

Longer than 250 lines, because what is copied, verified and reported is one run, in this order.
"""

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from copy import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer

from esx_drift.cli.evidence_pages import render_html, render_markdown
from esx_drift.cli.evidence_report import (
    CitedAcceptance,
    EvidenceReport,
    ReportedLog,
    ReportedSeal,
    build_report_blocks,
)
from esx_drift.cli.options import VCenterOption
from esx_drift.cli.past import LocalOption, Times, end_with_damages, find_log, make_times, open_logs
from esx_drift.cli.terminal import EXIT_DIFFERENCES, fail, print_line, print_note, print_warning, read_clock
from esx_drift.cli.trail_source import TRAIL_FOLDER, TrailSource, with_trail_options
from esx_drift.cli.verify import (
    PublicKeysOption,
    describe_excerpt,
    describe_number,
    describe_verdict,
    list_not_held,
    list_signers,
    read_document_days,
    read_public_keys,
    require_proof,
    show_progress,
)
from esx_drift.domain.stored.identifiers import DIGEST_PREFIX, VCENTER_LOG, ClusterRef, make_numbered_key
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.text.wording import join_names
from esx_drift.domain.trail.evidence import (
    build_log_evidence,
    count_looks,
    list_asked_looks,
    list_earlier_moments,
)
from esx_drift.domain.trail.excerpt import AuditPeriod, Excerpt
from esx_drift.domain.trail.history import Acceptance, list_acceptances
from esx_drift.domain.trail.verification import DEFAULT_RETENTION
from esx_drift.errors import TrailDamaged

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import Record
    from esx_drift.domain.trail.evidence import AskedLook
    from esx_drift.ports import PublicKey
    from esx_drift.trail.past import TrailLogs
    from esx_drift.trail.verify import Verification

MAX_NAMED_PROBLEMS: Final = 100
"""So many problems are named in the report; ``verify`` names all."""

AuditedClustersArgument = Annotated[list[str], typer.Argument(metavar="CLUSTER", help="Their names or ids.")]
BeginOption = Annotated[
    str,
    typer.Option("--from", metavar="DATE", help="The period's beginning: 2026-11-01, or 2026-11-01T06:00."),
]
EndOption = Annotated[
    str, typer.Option("--to", metavar="DATE", help="Its end: 2026-11-30 (to the end of that day).")
]
FolderOption = Annotated[
    Path, typer.Option("-o", "--output", metavar="DIR", help="The folder to write to: a new or an empty one.")
]


@with_trail_options
def evidence(  # noqa: PLR0913 -- each is an option of the command
    clusters: AuditedClustersArgument,
    begin: BeginOption,
    end: EndOption,
    folder: FolderOption,
    public_keys: PublicKeysOption = None,
    vcenter: VCenterOption = None,
    local: LocalOption = False,  # noqa: FBT002 -- typer passes it by name
    *,
    source: TrailSource,
) -> None:
    """Write what an auditor files: a signed excerpt of the trail, and a report in Markdown and HTML.

    DIR/trail is verified by itself: esx-drift verify --dir DIR/trail. The report says which checks were made
    and missed, what changed, who accepted it and why, and how to verify all of it.

    Exit code: 0 written and intact, 1 written and not intact, 2 trouble. Damage of the trail that the period
    does not rest on is named, and changes nothing of that.

    Example: esx-drift evidence prod-a --from 2026-11-01 --to 2026-11-30 -o nov
    """
    times, now = make_times(local=local), read_clock()
    period = _parse_period(times, begin, end, now)
    pinned = read_public_keys(public_keys)
    logs = open_logs(source)
    if source.is_excerpt:
        fail(f"{source.directory} is an excerpt already\nName a copy of the whole trail.")
    chosen = list(
        {
            log.record_prefix: log for log in (find_log(logs, source, name, vcenter) for name in clusters)
        }.values()
    )
    _require_records(logs, chosen, period, times)
    with _make_folder(folder):
        excerpt = _copy(source, folder / TRAIL_FOLDER, tuple(chosen), period, now)
        seal = _verify(replace(source, directory=folder / TRAIL_FOLDER), pinned, now)
        report = _write_report(folder, excerpt, chosen, seal, times, logs)
    print_line(f"Written to {folder}: report.html, report.md and {TRAIL_FOLDER}")
    for line in seal.lines:
        print_line(line)
    # What is damaged elsewhere in the whole trail is no part of the report, which others read.
    for damage in report.damages:
        print_warning(damage)
    for damage in dict.fromkeys(each.message for each in logs.damages):
        if damage not in report.damages:
            print_note(f"{damage}. This period does not rest on it: esx-drift verify names all such")
    if source.copy_advice and any(map(_names_missing_object, seal.lines)):
        print_note(source.copy_advice)
    if not seal.is_intact or report.damages:
        raise typer.Exit(EXIT_DIFFERENCES)


def _names_missing_object(line: str) -> bool:
    """Tell whether a ``line`` names an object that is missing, and not a digest that was never made."""
    return line.startswith("missing ") and not line.startswith(f"missing {DIGEST_PREFIX}:")


def _parse_period(times: Times, begin: str, end: str, now: datetime) -> AuditPeriod:
    begins_at, ends_at = times.parse_beginning(begin), times.parse_end(end)
    if begins_at > ends_at:
        fail(f"--from {begin} is later than --to {end}")
    if begins_at > now:
        fail(f"--from {begin} is in the future")
    return AuditPeriod(begins_at, min(ends_at, now))


def _require_records(
    logs: "TrailLogs", chosen: "list[ClusterRef]", period: AuditPeriod, times: Times
) -> None:
    """End the command if no record of any of the clusters is of the period; say of which there is none."""
    empty = [log for log in chosen if not _has_records(logs, log, period)]
    span = f"{times.format(format_time(period.begins_at))} to {times.format_exactly(period.ends_at)}"
    names = join_names([log.name for log in empty])
    if len(empty) == len(chosen):
        end_with_damages(logs, code=None)
        kept = "\n".join(_describe_kept(logs, log, times) for log in empty)
        fail(f"nothing was recorded of {names} from {span}\n{kept}")
    if empty:
        print_warning(f"nothing was recorded of {names} from {span}")


def _describe_kept(logs: "TrailLogs", log: "ClusterRef", times: Times) -> str:
    """Describe from when to when there are records of a ``log``."""
    numbers = logs.list_numbers(log)
    ends = [record for at in numbers[:1] + numbers[-1:] for record in logs.read_records(log, [at])]
    if not ends:
        return f"No record is there of {log.name} at all."
    first, last = (times.format_zoned(each["checked_at"]) for each in (ends[0], ends[-1]))
    return f"Records of {log.name} are of {first} to {last}."


def _has_records(logs: "TrailLogs", log: "ClusterRef", period: AuditPeriod) -> bool:
    numbers = logs.list_numbers(log)
    known = logs.find_last_until(log, numbers, period.ends_at)
    last = next(logs.read_records(log, reversed(numbers[:known]), 1), None)
    return last is not None and parse_time(last["checked_at"]) >= period.begins_at


@contextmanager
def _make_folder(folder: Path) -> Iterator[None]:
    """Make the folder, which must be new or empty; what was written is removed where it can't be ended."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        taken = any(folder.iterdir())
    except OSError as error:
        fail(f"{folder} can't be written to: {error.strerror}")
    if taken:
        fail(f"{folder} is not empty: evidence is written to a folder of its own")
    is_whole = False
    try:
        yield
        is_whole = True
    except OSError as error:
        fail(f"{folder} can't be written to: {error.strerror}")
    finally:
        if not is_whole:
            shutil.rmtree(folder, ignore_errors=True)


def _copy(
    source: TrailSource, to: Path, chosen: "tuple[ClusterRef, ...]", period: AuditPeriod, now: datetime
) -> Excerpt:
    from esx_drift.adapters.public_keys import parse_public_key  # noqa: PLC0415 -- loads cryptography
    from esx_drift.adapters.trail_files import DirectoryTrailCopy  # noqa: PLC0415 -- loads botocore
    from esx_drift.trail.excerpt import ExcerptRequest, copy_excerpt  # noqa: PLC0415 -- loads what compares

    days = None if source.directory is not None else read_document_days(source)
    with show_progress("Copying") as on_progress:
        request = ExcerptRequest(
            clusters=chosen,
            period=period,
            made_at=now,
            document_days=DEFAULT_RETENTION.days if days is None else days,
            parse_key=parse_public_key,
            on_progress=on_progress,
        )
        return copy_excerpt(source.open(), DirectoryTrailCopy(to), request)


def _verify(source: TrailSource, pinned: "tuple[PublicKey, ...]", now: datetime) -> ReportedSeal:
    """Verify the excerpt that was written."""
    from esx_drift.adapters.public_keys import parse_public_key  # noqa: PLC0415 -- loads cryptography
    from esx_drift.trail.verify import Request, verify_trail  # noqa: PLC0415 -- loads what compares

    request = Request(source.open, parse_public_key, pinned, clock=now)
    with (
        show_progress("Verifying") as on_progress,
        verify_trail(replace(request, on_progress=on_progress)) as found,
    ):
        number, chain = found.index.count_problems(), found.chain
        require_proof(found, source, is_pinned=bool(pinned))
        until = chain.sealed_until
        return ReportedSeal(
            is_intact=not number,
            lines=[*_list_problems(found, number), describe_verdict(number, found, is_pinned=bool(pinned))],
            sealed_until=None if until is None else format_time(until),
            signers=sorted(chain.signers.keys() | chain.time_signers),
            is_pinned=bool(pinned),
        )


def _list_problems(found: "Verification", number: int) -> Iterator[str]:
    for _, problem in zip(range(MAX_NAMED_PROBLEMS), found.problems, strict=False):
        yield f"{problem.kind} {problem.key}: {problem.text}"
    if number > MAX_NAMED_PROBLEMS:
        yield f"And {number - MAX_NAMED_PROBLEMS} more."
    yield describe_number(found)
    excerpt = cast("Excerpt", found.excerpt)
    yield describe_excerpt(excerpt, found.chain)
    yield from list_not_held(found, excerpt.retention)
    if len(found.chain.signers.keys() | found.chain.time_signers) > 1 or found.chain.unused:
        yield from list_signers(found.chain)


def _write_report(
    folder: Path,
    excerpt: Excerpt,
    chosen: "list[ClusterRef]",
    seal: ReportedSeal,
    times: Times,
    whole: "TrailLogs",
) -> EvidenceReport:
    """Write the report: of what the excerpt holds, and who accepted before, as the ``whole`` trail says."""
    from esx_drift.adapters.trail_files import DirectoryTrailFiles  # noqa: PLC0415 -- loads botocore
    from esx_drift.trail.past import TrailLogs  # noqa: PLC0415 -- the help needs none of it

    logs = TrailLogs(DirectoryTrailFiles(folder / TRAIL_FOLDER))
    vcenters = [
        _read_vcenter(logs, name, chosen, excerpt) for name in sorted({log.vcenter for log in chosen})
    ]
    asked = {log.record_prefix: asked for _, by_log in vcenters for log, asked in by_log}
    clusters = [_read_cluster(logs, log, asked[log.record_prefix], excerpt, whole) for log in chosen]
    # What the whole trail shows of an object that the excerpt holds is damage of the period, too: the next
    # record may be behind it.
    held = [each for each in whole.damages if logs.linked.read_bytes(each.key) is not None]
    not_cited = [damage for cluster in clusters for damage in cluster.not_cited]
    damages = list(dict.fromkeys(each.message for each in (*logs.damages, *held, *not_cited)))
    own = [vcenter for vcenter, _ in vcenters]
    report = EvidenceReport(excerpt, clusters, own, seal, damages, times)
    blocks = build_report_blocks(report)
    (folder / "report.md").write_text(render_markdown(blocks), encoding="utf-8")
    (folder / "report.html").write_text(render_html(report.title, blocks), encoding="utf-8")
    return report


def _read_vcenter(
    logs: "TrailLogs", vcenter: str, chosen: "list[ClusterRef]", excerpt: Excerpt
) -> "tuple[ReportedLog, list[tuple[ClusterRef, list[AskedLook]]]]":
    """Read a vCenter's own log, and what its runs meant to do about each of the clusters."""
    log = ClusterRef(vcenter, VCENTER_LOG, VCENTER_LOG)
    own = [each for each in chosen if each.vcenter == vcenter]
    asked: dict[str, list[AskedLook]] = {each.cluster: [] for each in own}
    records: list[Record] = []
    names: dict[str, str] = {}
    for record in logs.read_records(log, logs.list_numbers(log)):
        for cluster, look in list_asked_looks(record, asked).items():
            asked[cluster].append(look)
        names = {cluster: known["name"] for cluster, known in (record["after"]["clusters"] or {}).items()}
        # Each names all clusters of the vCenter: of a year that is more than has to be held.
        records.append({**record, "dispatch": None, "after": {**record["after"], "clusters": None}})
    reported = ReportedLog(log, lambda _: names, build_log_evidence(records, excerpt.period))
    return reported, [(each, asked[each.cluster]) for each in own]


def _read_cluster(
    logs: "TrailLogs", log: "ClusterRef", asked: "list[AskedLook]", excerpt: Excerpt, whole: "TrailLogs"
) -> ReportedLog:
    records = list(logs.read_records(log, logs.list_numbers(log)))
    looks = count_looks(asked, records, excerpt.period, excerpt.made_at)
    found = build_log_evidence(records, excerpt.period)
    here = {acceptance.at for record in records for acceptance in list_acceptances(record)}
    # Only what the report says: who accepted something else is asked by nobody.
    earlier = {at for finding in found.open_at_end for at in list_earlier_moments(found, finding)}
    cited, not_cited = _cite_acceptances(logs, log, earlier - here, whole)
    known = logs.read_hosts(records)

    def find_names(time: str) -> dict[str, str]:
        return known.get_at(time).distinct_names

    return ReportedLog(log, find_names, found, looks, cited, not_cited)


def _cite_acceptances(
    logs: "TrailLogs", log: "ClusterRef", moments: Collection[str], whole: "TrailLogs"
) -> tuple[dict[str, CitedAcceptance], "list[TrailDamaged]"]:
    """Cite from the ``whole`` trail who accepted at some ``moments``, and list what is damaged of that.

    A host that came from another cluster brings what was accepted there: that stands in the other's log.
    """
    cited: dict[str, CitedAcceptance] = {}
    not_cited: list[TrailDamaged] = []
    for at in sorted(moments):
        met = len(whole.damages)
        own = _find_acceptance(whole, log, at)
        found = CitedAcceptance(own) if own is not None else _cite_elsewhere(logs, log, at, whole)
        if found is not None:
            cited[at] = found
        else:
            missing = f"no record can be read that says who accepted at {at} what runs on {log.render()}"
            not_cited += [*whole.damages[met:], TrailDamaged(missing, log.record_prefix)]
    return cited, not_cited


def _find_acceptance(whole: "TrailLogs", log: "ClusterRef", at: str) -> Acceptance | None:
    """Find who accepted at a moment, by the log's record of then: about a dozen records are read.

    Both are read between which the moment is found: one with a time that somebody rewrote is among them.
    """
    numbers = whole.list_numbers(log)
    known = whole.find_last_until(log, numbers, parse_time(at))
    between = whole.read_records(log, numbers[max(0, known - 1) : known + 1])
    own = [record for record in between if record["checked_at"] == at]
    return next((acceptance for record in own for acceptance in list_acceptances(record)), None)


def _cite_elsewhere(
    logs: "TrailLogs", log: "ClusterRef", at: str, whole: "TrailLogs"
) -> CitedAcceptance | None:
    """Cite who accepted at a moment by the log of another cluster of the vCenter; none if none says so."""
    for other in whole.list_known_logs(log.vcenter):
        is_other = other.cluster not in {VCENTER_LOG, log.cluster}
        acceptance = _find_acceptance(whole, other, at) if is_other else None
        if acceptance is not None:
            key = make_numbered_key(other.record_prefix, acceptance.seq)
            return CitedAcceptance(acceptance, other, is_held=logs.linked.read_bytes(key) is not None)
    return None
