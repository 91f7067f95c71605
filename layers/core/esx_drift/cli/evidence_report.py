"""The report that an auditor files beside an excerpt: what was checked, what changed, who accepted it.

Longer than 250 lines, because the sections of the one report stand here in its order.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final, cast

from msgspec import Struct, field

from esx_drift import __version__
from esx_drift.cli.evidence_pages import Block, Commands, Grid, Heading, Paragraph
from esx_drift.cli.history import describe_unread, describe_window_step, render_end
from esx_drift.cli.past import Times
from esx_drift.domain.stored.identifiers import VCENTER_LOG, ClusterRef, make_public_key_key
from esx_drift.domain.stored.types import Change, Finding, RecordedDecision, ResolvedBecause, is_end
from esx_drift.domain.text.times import format_time
from esx_drift.domain.text.wording import (
    clean_text,
    format_count,
    format_duration,
    list_host_names,
    name_element,
    split_vib_key,
)
from esx_drift.domain.trail.evidence import (
    AskedLook,
    ChangeEvidence,
    EndedFinding,
    LogEvidence,
    LookCount,
    MissedLook,
    OrphanEvidence,
    PartialLook,
    list_earlier_moments,
)
from esx_drift.domain.trail.excerpt import Excerpt
from esx_drift.domain.trail.history import Acceptance, HistoryEntry, MaintenanceStep
from esx_drift.errors import TrailDamaged

MAX_SENTENCE: Final = 500
"""Characters of a reason, a summary or a person's ARN."""


class CitedAcceptance(Struct, frozen=True):
    """An ``acceptance`` of before the excerpt begins, as the whole trail says.

    ``elsewhere``: the log of another cluster in which it stands, where the host was then; none for the own.
    ``is_held``: the excerpt holds that record all the same.
    """

    acceptance: Acceptance
    elsewhere: ClusterRef | None = None
    is_held: bool = False


class ReportedLog(Struct, frozen=True):
    """A log of the excerpt; ``looks`` only of a cluster's.

    ``find_names`` finds what its hosts are called that were there at a time, by id: another vCenter in the
    former one's place gives their ids to others.
    ``cited``: who accepted before the excerpt begins, by when, as the whole trail says.
    ``not_cited``: what is damaged of that, or missing.
    """

    log: ClusterRef
    find_names: Callable[[str], Mapping[str, str]]
    evidence: LogEvidence
    looks: LookCount | None = None
    cited: Mapping[str, CitedAcceptance] = field(default_factory=dict)
    not_cited: Sequence[TrailDamaged] = ()


class ReportedSeal(Struct, frozen=True):
    """What came of verifying the excerpt.

    Attributes:
        is_intact: Whether nothing is wrong.
        lines: What verifying says, the verdict last.
        sealed_until: Up to when it is sealed; none if nothing is.
        signers: The fingerprints of the keys that signed it.
        is_pinned: Whether keys were given on another way.
    """

    is_intact: bool
    lines: Sequence[str]
    sealed_until: str | None
    signers: Sequence[str]
    is_pinned: bool


class EvidenceReport(Struct, frozen=True):
    """All that a report is made of."""

    excerpt: Excerpt
    clusters: Sequence[ReportedLog]
    vcenters: Sequence[ReportedLog]
    seal: ReportedSeal
    damages: Sequence[str]
    times: Times

    @property
    def title(self) -> str:
        """What it is called."""
        names = ", ".join(clean_text(each.log.name) for each in self.clusters)
        return f"Evidence of what ran on {names}"


def build_report_blocks(report: EvidenceReport) -> list[Block]:
    """Build the blocks of a ``report``."""
    blocks: list[Block] = [Heading(1, report.title), _build_facts(report)]
    blocks += [Heading(2, "Summary"), _build_summary(report), Paragraph(_HOW_COUNTED)]
    blocks += [Heading(2, "Whether it is genuine"), *_build_seal(report)]
    for each in report.clusters:
        blocks += [Heading(2, each.log.render()), *_build_cluster(each, report.times)]
    for each in report.vcenters:
        blocks += [Heading(2, f"vCenter {each.log.vcenter}"), *_build_vcenter(each, report.times)]
    return [*blocks, Heading(2, "How to verify it yourself"), *_build_commands(report)]


_HOW_COUNTED: Final = (
    "A check is expected when a run of the dispatcher, as its record says, meant to check the cluster; runs"
    " that were repeated count by themselves. It is made if it saw what the cluster runs. Findings are of the"
    " cluster; those of its vCenter stand in the vCenter's own part."
)


def _build_facts(report: EvidenceReport) -> Grid:
    excerpt, times, seal = report.excerpt, report.times, report.seal
    sealed = times.format(seal.sealed_until) if seal.sealed_until else "nothing is sealed"
    rows = [
        ("Period", f"{_format(excerpt.period.begins_at, times)} to {_format(excerpt.period.ends_at, times)}"),
        ("Times", f"{times.name}, to the second"),
        ("Clusters", "; ".join(each.log.render() for each in report.clusters)),
        ("Written", f"{_format(excerpt.made_at, times)} by esx-drift {__version__}"),
        ("Sealed up to", sealed),
        ("Key", "; ".join(seal.signers) or "none"),
        ("Verified", seal.lines[-1]),
    ]
    return Grid(("This report", ""), rows)


def _format(moment: datetime, times: Times) -> str:
    return times.format(format_time(moment))


def _build_summary(report: EvidenceReport) -> Grid:
    headings = (
        "Cluster", "Checks expected", "Made", "Missed", "Changes", "Not accepted", "Orphaned VIBs at the end",
        "Open at the beginning", "Open at the end",
    )  # fmt: skip
    return Grid(headings, [_render_summary(each) for each in report.clusters])


def _render_summary(each: ReportedLog) -> list[str]:
    looks, evidence = cast("LookCount", each.looks), each.evidence
    counted = (looks.expected, looks.made, len(looks.missed))
    numbers = (
        *counted,
        len(evidence.changes),
        sum(_judge_acceptance(change).startswith(_OPEN) for change in evidence.changes),
        sum(bool(orphan.at_end) for orphan in evidence.orphans),
        len(evidence.open_at_start),
        len(evidence.open_at_end),
    )
    return [each.log.render(), *map(str, numbers)]


def _build_seal(report: EvidenceReport) -> Iterator[Block]:
    seal = report.seal
    yield Paragraph(
        "The folder trail beside this report holds every record of these clusters in the period, what each"
        " was made of, and the signed digests that name them. When this was written, verifying it said:"
    )
    *rest, verdict = seal.lines
    for line in rest:
        yield Paragraph(line)
    yield Paragraph(verdict, is_bad=not seal.is_intact)
    yield Paragraph(_describe_proof(seal, report.times), is_bad=not (seal.is_pinned and seal.signers))
    for damage in report.damages:
        yield Paragraph(f"Not read for this report: {damage}", is_bad=True)


def _describe_proof(seal: ReportedSeal, times: Times) -> str:
    """Describe what is proved by a signature, and what is not."""
    if not seal.sealed_until:
        return (
            "Nothing here is signed. That objects name each other by their sha256 shows that they fit"
            " together, not who wrote them: this is no proof."
        )
    until = times.format_zoned(seal.sealed_until)
    rest = f"What was written after {until} is not signed yet, and not proved."
    if seal.is_pinned:
        keys = "the key that was given" if len(seal.signers) == 1 else "keys that were given"
        return f"Signed by {keys}: what was written up to {until}. {rest}"
    return (
        f"Signed up to {until}, by a key that lies in the trail itself: whoever could rewrite"
        " all of the trail could have put it there. It is proved only once the key's fingerprint, above, is"
        f" that of the key that you were given on another way. {rest}"
    )


_CHANGE_HEADINGS: Final = (
    "Found", "Look before", "Record", "What", "From", "To", "Hosts", "Severity", "Accepted",
)  # fmt: skip
_ENDED_HEADINGS: Final = (
    "Since", "Severity", "Kind", "About", "Hosts", "What", "Ended", "Record", "Why it ended",
)  # fmt: skip
_DECISION_HEADINGS: Final = ("When", "Record", "What", "Who", "Why", "Ticket", "Hosts")
_ORPHAN_HEADINGS: Final = (
    "VIB", "Version", "First seen", "Seen on", "On at the beginning", "On at the end", "Gone", "Who said why",
)  # fmt: skip


def _build_cluster(each: ReportedLog, times: Times) -> Iterator[Block]:
    evidence, looks = each.evidence, cast("LookCount", each.looks)
    yield Paragraph(_describe_records(evidence))
    yield from _build_looks(looks, each, times)
    yield Heading(3, "Changes")
    if evidence.changes:
        rows = [
            _render_change(change, each.find_names(change.entry.at), times) for change in evidence.changes
        ]
        yield Grid(_CHANGE_HEADINGS, rows)
    else:
        yield Paragraph("Nothing changed.")
    if evidence.decisions:
        yield Heading(3, "What persons decided")
        rows = [_render_decision(entry, each.find_names(entry.at), times) for entry in evidence.decisions]
        yield Grid(_DECISION_HEADINGS, rows)
    if evidence.maintenance:
        yield Heading(3, "Maintenance")
        yield Grid(
            ("When", "Record", "Who", "What and why"),
            [_render_maintenance(entry, times) for entry in evidence.maintenance],
        )
    if evidence.orphans:
        yield Heading(3, "Orphaned VIBs")
        yield Grid(_ORPHAN_HEADINGS, list(_render_orphans(each, times)))
    yield from _build_findings(each, times)


def _build_vcenter(each: ReportedLog, times: Times) -> Iterator[Block]:
    yield Paragraph(_describe_records(each.evidence))
    yield from _build_findings(each, times)


def _describe_records(evidence: LogEvidence) -> str:
    if evidence.records is None:
        return "Nothing was recorded in the period."
    first, last = evidence.records
    return f"{format_count(evidence.number, 'record')}: {first} to {last}."


def _build_looks(looks: LookCount, each: ReportedLog, times: Times) -> Iterator[Block]:
    repeated = f", {looks.repeated} of them at a later try" if looks.repeated else ""
    begun, ended = looks.longest
    longest = format_duration((ended - begun).total_seconds())
    span = f"{_format(begun, times)} to {_format(ended, times)}"
    expected = f"{format_count(looks.expected, 'check')} expected"
    partial = f", {len(looks.partial)} of them without all hosts" if looks.partial else ""
    since = f" Its first record is of {times.format(looks.known_since)}." if looks.known_since else ""
    yield Paragraph(
        f"{expected}, {looks.made} made{repeated}{partial}, {len(looks.missed)} missed.{since}"
        f" The longest time without a look: {longest}, from {span}."
    )
    if looks.missed:
        yield Heading(3, "Checks missed")
        yield Grid(("From", "To", "Checks", "Why", "Records"), list(_render_missed(looks.missed, times)))
    if looks.partial:
        yield Heading(3, "Checks that did not see all hosts")
        yield Grid(
            ("Checked", "Record", "Not seen, and why"), list(_render_partial(looks.partial, each, times))
        )
    if looks.left_out:
        yield Heading(3, "Checks left out on purpose")
        yield Grid(("From", "To", "Runs", "Why"), list(_render_left_out(looks.left_out, times)))


def _render_partial(partial: Iterable[PartialLook], each: ReportedLog, times: Times) -> Iterator[list[str]]:
    for look in partial:
        names = each.find_names(look.at)
        unseen = (f"{clean_text(names.get(host, host))} ({clean_text(why)})" for host, why in look.unseen)
        yield [times.format(look.at), str(look.seq), ", ".join(unseen)]


def _render_missed(missed: Iterable[MissedLook], times: Times) -> Iterator[list[str]]:
    """Render those in a row that have one reason as one line."""
    for reason, group in groupby(missed, key=lambda each: each.reason):
        some = list(group)
        records = [f"{each.seq}" if each.seq else f"{VCENTER_LOG} {each.dispatch_seq}" for each in some]
        yield [*_render_span(some, times), clean_text(reason, MAX_SENTENCE), ", ".join(records)]


def _render_left_out(left_out: Iterable[AskedLook], times: Times) -> Iterator[list[str]]:
    for reason, group in groupby(left_out, key=lambda each: each.reason):
        yield [*_render_span(list(group), times), clean_text(reason, MAX_SENTENCE)]


def _render_span(some: Sequence[MissedLook | AskedLook], times: Times) -> list[str]:
    return [times.format(some[0].at), times.format(some[-1].at), str(len(some))]


def _render_change(evidence: ChangeEvidence, names: Mapping[str, str], times: Times) -> list[str]:
    entry = evidence.entry
    change = cast("Change", entry.change)
    what = f"{name_element(change['element'])} {_name_subject(change, names)}".strip()
    came = ", came with its host" if "brought_along" in (change["detail"] or {}) else ""
    by, _, window = change.get("suppressed_by", "").partition(":")
    within = f", within maintenance ({clean_text(window)})" if by == "maintenance" else ""
    return [
        times.format(entry.at),
        times.format(entry.since) if entry.since else "none",
        str(entry.seq),
        f"{what} {change['kind']}{' (put back)' if 'put_back' in change else ''}{came}{within}",
        *_render_versions(change),
        ", ".join(list_host_names(entry.hosts, names)),
        entry.severity,
        _describe_acceptances(evidence, names, times),
    ]


def _render_versions(change: Change) -> tuple[str, str]:
    """Render what was there before, and what is there now; what has no version is there or not."""
    there = "present" if change["from"] == change["to"] else "absent"
    old, new = (clean_text(value) if value else there for value in (change["from"], change["to"]))
    if change["kind"] == "added":
        return "absent", new
    return (old, "absent") if change["kind"] == "removed" else (old, new)


def _name_subject(change: Change, names: Mapping[str, str]) -> str:
    """Name what changed; nothing where the element says it all, such as the base image."""
    if change["element"] == "host":
        return clean_text(names.get(change["key"], change["key"]))
    return "" if change["key"] == change["element"] else clean_text(change["key"])


_NOT_ACCEPTED: Final = "not yet accepted"
_NEVER_ACCEPTED: Final = "never accepted: the vCenter was replaced"
_NOT_KNOWN: Final = "not known whether it was accepted"
_OPEN: Final = (_NOT_ACCEPTED, _NEVER_ACCEPTED, _NOT_KNOWN)


def _judge_acceptance(evidence: ChangeEvidence) -> str:
    """Judge how a change stands that nobody accepted on all of its hosts; empty: somebody did."""
    entry, change = evidence.entry, evidence.entry.change
    accepted = {host for one in entry.acceptances for host in one.hosts}
    if change is None or (entry.acceptances and accepted >= set(entry.hosts)):
        return ""
    if evidence.undone_by is not None:
        why = "; nobody said why it was there" if change["element"] == "orphaned_vib" else ""
        return f"undone, as record {evidence.undone_by} found{why}"
    if is_end(change):
        return "nothing to accept: it ends a difference"
    if change["element"] == "host" or change["kind"] == "relabelled":
        return "nothing to accept: nothing else is installed"
    if entry.unread is not None:
        return f"{_NOT_KNOWN}: {describe_unread(entry.unread)}"
    return _NOT_ACCEPTED if entry.replaced_by is None else _NEVER_ACCEPTED


def _describe_acceptances(evidence: ChangeEvidence, names: Mapping[str, str], times: Times) -> str:
    entry, rest = evidence.entry, _judge_acceptance(evidence)
    said = [_describe_acceptance(one, entry, names, times) for one in entry.acceptances]
    accepted = {host for one in entry.acceptances for host in one.hosts}
    open_hosts = list_host_names([host for host in entry.hosts if host not in accepted], names)
    where = f" on {', '.join(open_hosts)}" if said and rest else ""
    return "; ".join([*said, *([f"{rest}{where}"] if rest else [])])


def _describe_acceptance(one: Acceptance, entry: HistoryEntry, names: Mapping[str, str], times: Times) -> str:
    where = "" if one.hosts == entry.hosts else f" on {', '.join(list_host_names(one.hosts, names))}"
    return _tell_acceptance(one, where, times)


def _tell_acceptance(one: Acceptance, where: str, times: Times) -> str:
    ticket = f", ticket {clean_text(one.ticket)}" if one.ticket else ""
    who, why = clean_text(one.by, MAX_SENTENCE), clean_text(one.reason, MAX_SENTENCE)
    end = render_end(one.until, times)
    return f"{times.format(one.at)} by {who}{where}{end}: {why}{ticket} (record {one.seq})"


def _render_decision(entry: HistoryEntry, names: Mapping[str, str], times: Times) -> list[str]:
    decision = cast("RecordedDecision", entry.decision)
    return [
        times.format(entry.at),
        str(entry.seq),
        _name_decision(entry, decision, times),
        clean_text(decision["by"], MAX_SENTENCE),
        clean_text(decision["reason"], MAX_SENTENCE),
        clean_text(decision["ticket"]) if "ticket" in decision else "",
        ", ".join(list_host_names(entry.hosts, names)),
    ]


def _name_decision(entry: HistoryEntry, decision: "RecordedDecision", times: Times) -> str:
    if entry.outcome != "maintenance":
        is_refused = decision["refused"] and not decision["taken"]
        end = render_end(decision.get("until"), times)
        return f"refused: nothing is {entry.outcome}" if is_refused else f"{entry.outcome}{end}"
    if entry.maintenance is not None:
        return "maintenance begun"
    return "maintenance ended" if decision["taken"] else "refused: no maintenance was begun or ended"


def _render_maintenance(entry: HistoryEntry, times: Times) -> list[str]:
    step = cast("MaintenanceStep", entry.maintenance)
    who = clean_text(step.window["by"], MAX_SENTENCE)
    return [times.format(entry.at), str(entry.seq), who, describe_window_step(step, times)]


def _render_orphans(each: ReportedLog, times: Times) -> Iterator[list[str]]:
    for orphan in each.evidence.orphans:
        seen, names = (orphan.ever, orphan.at_start, orphan.at_end), each.find_names(orphan.first_seen)
        hosts = (", ".join(list_host_names(on, names)) for on in seen)
        gone = (
            f"{times.format(orphan.gone_at)}{_WHY_GONE.get(orphan.gone_because, '')}"
            if orphan.gone_at
            else ""
        )
        why = _explain_orphan(orphan, each, times)
        yield [*split_vib_key(orphan.vib), times.format(orphan.first_seen), *hosts, gone, why]


_WHY_GONE: Final[Mapping[ResolvedBecause | None, str]] = {
    "host-left": ", with its host, which left",
    "retired": ", as the cluster was retired",
}


def _explain_orphan(orphan: OrphanEvidence, each: ReportedLog, times: Times) -> str:
    """Explain an orphaned VIB by whoever accepted it in the period."""
    evidence = each.evidence
    ended = [one.acceptances for one in evidence.ended if one.finding["subject"] == orphan.vib]
    still = [
        evidence.acceptances.get(one["fingerprint"], ())
        for one in evidence.open_at_end
        if one["subject"] == orphan.vib
    ]
    said = [_render_acceptance(one, each, times) for some in (*ended, *still) for one in some]
    own = [one for one in evidence.open_at_end if one["subject"] == orphan.vib]
    before = [_tell_earlier_acceptance(one, each, times) for one in own]
    return "; ".join(said or filter(None, before)) or "nobody said why"


def _tell_earlier_acceptance(finding: Finding, each: ReportedLog, times: Times) -> str:
    """Tell that an open finding was accepted earlier than records here say; nothing where it was not."""
    moments = list_earlier_moments(each.evidence, finding)
    return "; ".join(_tell_earlier(at, each.cited.get(at), times) for at in moments)


def _tell_earlier(at: str, cited: CitedAcceptance | None, times: Times) -> str:
    if cited is None:
        return f"accepted earlier, {times.format(at)}: the record of then says by whom, and why"
    other = cited.elsewhere
    where = f" on {other.render()}, where the host was then" if other else ""
    proof = "that record is of the whole trail, and no part of this excerpt, which does not prove it"
    said = f"accepted earlier{where}, {_tell_acceptance(cited.acceptance, '', times)}"
    return said if cited.is_held else f"{said}: {proof}"


def _render_acceptance(one: Acceptance, each: ReportedLog, times: Times) -> str:
    where = f" on {', '.join(list_host_names(one.hosts, each.find_names(one.at)))}"
    return f"accepted {_tell_acceptance(one, where, times)}"


def _build_findings(each: ReportedLog, times: Times) -> Iterator[Block]:
    evidence = each.evidence
    for when, found in (("beginning", evidence.open_at_start), ("end", evidence.open_at_end)):
        yield Heading(3, f"Open at the {when} of the period")
        if found:
            headings = ("Since", "Severity", "Kind", "About", "Hosts", "What", "Accepted")
            yield Grid(headings, [_render_open_finding(one, each, times, when) for one in found])
        else:
            yield Paragraph("Nothing was open.")
    yield Heading(3, "Ended in the period")
    if evidence.ended:
        yield Grid(_ENDED_HEADINGS, [_render_ended_finding(one, each, times) for one in evidence.ended])
    else:
        yield Paragraph("Nothing ended.")


def _render_open_finding(finding: Finding, each: ReportedLog, times: Times, when: str) -> list[str]:
    said = each.evidence.acceptances.get(finding["fingerprint"], ()) if when == "end" else ()
    accepted = "; ".join(_render_acceptance(one, each, times) for one in said)
    if when == "end" and not said:
        accepted = _tell_earlier_acceptance(finding, each, times)
    return [*_render_finding(finding, each, times), accepted]


def _render_ended_finding(one: EndedFinding, each: ReportedLog, times: Times) -> list[str]:
    said = [_render_acceptance(acceptance, each, times) for acceptance in one.acceptances]
    because = _WHY_ENDED.get(one.finding["resolved_because"], "not known")
    when = [times.format(one.at), str(one.seq), "; ".join([because, *said])]
    return [*_render_finding(one.finding, each, times), *when]


_WHY_ENDED: Final[Mapping[ResolvedBecause | None, str]] = {
    "reverted": "what differed does no more",
    "removed": "it was removed",
    "host-left": "its host left the cluster",
    "accepted": "a person accepted it",
    "recovered": "it was well again",
    "retired": "the cluster was retired",
}


def _render_finding(finding: Finding, each: ReportedLog, times: Times) -> list[str]:
    names = each.find_names(finding["opened_at"])
    return [
        times.format(finding["opened_at"]),
        finding["severity"],
        finding["kind"],
        _name_finding_subject(finding, names),
        ", ".join(list_host_names(finding["hosts"], names)),
        clean_text(finding["summary"], MAX_SENTENCE),
    ]


def _name_finding_subject(finding: Finding, names: Mapping[str, str]) -> str:
    """Name what a finding is about; one of the whole cluster or vCenter has no subject."""
    subject = finding["subject"]
    return clean_text(names.get(subject, subject)) if subject else "the whole"


_READ_KEY: Final = (
    "aws kms get-public-key --key-id KEY --query PublicKey --output text | base64 -d"
    " | openssl pkey -pubin -inform DER -out key.pem"
)
_CHECK_SIGNATURES: Final = (
    'for digest in trail/digests/*Z.json; do openssl dgst -sha256 -verify {key} -signature "$digest.sig"'
    ' "$digest"; done'
)
_CHECK_BY_ANY_KEY: Final = (
    "for digest in trail/digests/*Z.json; do for key in trail/digests/keys/*.pem; do"
    ' openssl dgst -sha256 -verify "$key" -signature "$digest.sig" "$digest" >/dev/null 2>&1'
    ' && echo "$digest: by $key" && break; done || echo "$digest: by none"; done'
)
_CHECK_OBJECTS: Final = (
    "cd trail && jq -r '.objects[] | \"\\(.sha256)  \\(.key)\"' digests/*Z.json"
    " | sha256sum --check --quiet --ignore-missing"
)


def _build_commands(report: EvidenceReport) -> Iterator[Block]:
    yield Paragraph(
        "In the folder of this report. The key comes from the account that signs, on another way than this"
        " folder; KEY is the stack's output SigningKeyArn. Whoever can't ask KMS is given that public key"
        " as a file."
    )
    keys = [f"trail/{make_public_key_key(fingerprint)}" for fingerprint in report.seal.signers]
    is_changed = len(keys) > 1
    if is_changed:
        yield Paragraph(
            f"The key was changed: {len(keys)} have signed here. The public key of each is given by a"
            " --public-key of its own; of a former one it is a file that was kept."
        )
    former = " --public-key former-key.pem" if is_changed else ""
    yield Commands((_READ_KEY, f"esx-drift verify --dir trail --public-key key.pem{former}"))
    if not keys:
        yield Paragraph("Nothing is sealed: there is no signature to check.")
        return
    yield Paragraph(
        "Without esx-drift: the fingerprint of the key, the signature of each digest, and every object here"
        " that they name. That none is missing is for esx-drift to say: digests name other clusters', too."
    )
    fingerprints = [f"openssl pkey -pubin -in {key} -outform DER | sha256sum" for key in keys]
    yield Commands(
        [*fingerprints, _CHECK_BY_ANY_KEY if is_changed else _CHECK_SIGNATURES.format(key=keys[0])]
    )
    yield Commands((_CHECK_OBJECTS,))
