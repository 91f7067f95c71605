"""``esx-drift verify``: whether the trail is as it was written, and no check was left out.

Longer than 250 lines, because what is said of a verified trail stands beside its options.
"""

import json
from contextlib import contextmanager
from copy import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from esx_drift.cli.terminal import EXIT_DIFFERENCES, fail, make_stderr, print_line, print_note, read_clock
from esx_drift.cli.trail_source import TrailSource, with_trail_options
from esx_drift.domain.stored.types import Json
from esx_drift.domain.text.times import format_time
from esx_drift.domain.text.wording import clean_text, format_count, format_duration, join_all
from esx_drift.domain.trail.excerpt import EXCERPT_KEY, build_excerpt_manifest
from esx_drift.errors import ContractViolation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from esx_drift.domain.trail.excerpt import Excerpt, ExcerptCluster
    from esx_drift.domain.trail.verification import Problem
    from esx_drift.ports import PublicKey
    from esx_drift.trail.digest_chain import ChainResult
    from esx_drift.trail.verify import Verification


MAX_KEY_LENGTH: Final = 1_024
"""Of a key in S3: it is named whole."""

MAX_RETENTION_DAYS: Final = 36_500
"""As S3's Object Lock: https://docs.aws.amazon.com/general/latest/gr/s3.html"""


class VerifyFormat(StrEnum):
    """How the result is printed."""

    text = "text"
    json = "json"


VerdictFormatOption = Annotated[
    VerifyFormat, typer.Option("--format", help="For a person, or for a program.")
]

PublicKeysOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--public-key",
        metavar="FILE",
        help="The public key, in PEM, that must have signed the digests; once for each, if it was changed.",
    ),
]

VerifiedBeforeOption = Annotated[
    datetime | None,
    typer.Option(
        metavar="DATE",
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"],
        help="Take what was sealed before then (UTC) for verified, and look at the rest.",
    ),
]


def _require_possible(days: int | None) -> int | None:
    if days is not None and days > MAX_RETENTION_DAYS:
        raise typer.BadParameter(f"{days} days are more than the {MAX_RETENTION_DAYS} that S3 can keep")
    return days


RetentionOption = Annotated[
    int | None,
    typer.Option(
        metavar="DAYS",
        min=1,
        callback=_require_possible,
        help="For how many days documents are kept: the stack's setting, else 400.",
    ),
]


WholeOption = Annotated[
    bool, typer.Option("--whole", help="The copy is of the whole trail, though excerpt.json lies in it.")
]


@with_trail_options
def verify(
    public_keys: PublicKeysOption = None,
    since: VerifiedBeforeOption = None,
    retention_days: RetentionOption = None,
    output: VerdictFormatOption = VerifyFormat.text,
    whole: WholeOption = False,  # noqa: FBT002 -- typer passes it by name
    *,
    source: TrailSource,
) -> None:
    """Verify the trail: every object is read, hashed, and computed again.

    One line names each object that was altered, removed, put there or forked, and each request that left no
    record. Without --public-key the keys that lie in the trail itself are believed. A copy with excerpt.json
    is judged as the excerpt that this says it is, which is not signed; --whole takes it for the whole trail.

    Exit code: 0 intact, 1 not intact, 2 trouble, such as a key that signed no digest here, or no digest yet.

    Example: esx-drift verify --dir audit-copy --public-key key.pem
    """
    from esx_drift.adapters.public_keys import parse_public_key  # noqa: PLC0415 -- loads cryptography
    from esx_drift.trail.verify import Request, find_retention, verify_trail  # noqa: PLC0415 -- loads what compares

    pinned = read_public_keys(public_keys)
    now, is_copy = read_clock(), source.directory is not None
    begins_at = None if since is None else since.replace(tzinfo=UTC)
    request = Request(
        source.open, parse_public_key, pinned, begins_at, None if is_copy else now, now, whole=whole
    )
    days = read_document_days(source) if retention_days is None and not is_copy else retention_days
    if days is not None:
        request = replace(request, retention=timedelta(days=days))
    with (
        show_progress("Verifying") as on_progress,
        verify_trail(replace(request, on_progress=on_progress)) as found,
    ):
        if not found.objects:
            fail(f"the trail is empty: nothing was ever recorded there\n{source.empty_advice}")
        if found.chain.base and not found.looked and not found.index.count_problems():
            fail(
                f"nothing was verified: all that is here is sealed by {found.chain.base} and those before it"
                "\nSay an earlier --since, or none to verify the whole trail."
            )
        if output is VerifyFormat.json:
            _print_json(found, is_pinned=bool(pinned))
        else:
            _print_text(found, find_retention(found.excerpt, request), now, is_pinned=bool(pinned))
        require_proof(found, source, is_pinned=bool(pinned))
        if found.index.count_problems():
            note_missing(found, source)
            raise typer.Exit(EXIT_DIFFERENCES)


def note_missing(found: "Verification", source: TrailSource) -> None:
    """Note how a copy is completed where objects are missing of what was ``found`` in ``source``."""
    if source.copy_advice and any(map(_is_missing_object, found.problems)):
        print_note(source.copy_advice)


def _is_missing_object(problem: "Problem") -> bool:
    """Tell whether a ``problem`` is that an object is missing, and not that a digest was never made."""
    return problem.kind == "missing" and not problem.key.endswith("/")


def require_proof(found: "Verification", source: TrailSource, *, is_pinned: bool) -> None:
    """End the command where a key was given and proves nothing of what was ``found``.

    Args:
        found: What came of verifying.
        source: The trail that was verified, or that the excerpt was copied from which was.
        is_pinned: Whether a key was given.
    """
    chain = found.chain
    if _is_unsealed(found, is_pinned=is_pinned):
        fail(
            "nothing is sealed yet: no digest is here that the key could have signed\n"
            "The sealer makes the first one within three hours of the deployment:"
            f" {source.target.name_command('doctor')} says when."
            " Without --public-key it is verified whether all agrees with itself."
        )
    if chain.is_of_other_key:
        signers = join_all(sorted(chain.signers.keys() | chain.time_signers), "and")
        fail(
            f"no digest here is signed by {', nor by '.join(chain.unused)}, which was given: they are signed"
            f" by {signers}\n"
            "Either that is the key of another trail, or somebody signed all of this one anew."
            " Nothing here is proved.\n"
            "The key comes from the account that signs, on another way than the trail."
        )


def _is_unsealed(found: "Verification", *, is_pinned: bool) -> bool:
    """Tell whether a key was given, and there is no digest yet; one that should be there is a problem."""
    return is_pinned and not found.chain.digests and not found.index.count_problems()


def read_public_keys(paths: "Sequence[Path] | None") -> "tuple[PublicKey, ...]":
    """Read the keys in the files ``paths``, each once; ends the command if one is no key."""
    keys = [_read_public_key(path) for path in paths or ()]
    return tuple({key.fingerprint: key for key in keys}.values())


def _read_public_key(path: Path) -> "PublicKey":
    from esx_drift.adapters.public_keys import parse_public_key  # noqa: PLC0415 -- loads cryptography

    try:
        return parse_public_key(path.read_bytes())
    except OSError as error:
        fail(f"{path} can't be read: {error.strerror}")
    except ContractViolation as error:
        fail(f"{path} is not a key that signs digests: {error.message}")


def _print_text(found: "Verification", retention: timedelta, now: datetime, *, is_pinned: bool) -> None:
    chain, number = found.chain, found.index.count_problems()
    if found.excerpt is not None:
        print_line(describe_excerpt(found.excerpt, chain), "yellow")
        print_line(f"So says {EXCERPT_KEY}, which is not signed: of a whole trail, say --whole.", "yellow")
    for problem in found.problems:
        print_line(f"{problem.kind:<9} {problem.key}: {problem.text}")
    print_line(describe_number(found))
    if chain.base:
        print_line(f"Taken for verified: what {chain.base} and those before it name.")
    if chain.sealed_until is not None:
        until, ago = chain.sealed_until, format_duration((now - chain.sealed_until).total_seconds())
        # A trail whose end was cut off is whole in itself: only this line shows it.
        print_line(f"Sealed up to {until:%Y-%m-%dT%H:%M:%SZ}, {ago} ago (digest {chain.sealed_by}).")
    for line in list_not_held(found, retention):
        print_line(line)
    for line in list_signers(chain):
        print_line(line)
    color = "red" if number else "green" if chain.signers else "yellow"
    print_line(describe_verdict(number, found, is_pinned=is_pinned), color)


def describe_number(found: "Verification") -> str:
    """Describe how much was ``found``."""
    digests = format_count(found.chain.digests, "digest")
    return f"{format_count(found.objects, 'object')}, {format_count(found.records, 'record')}, {digests}."


def list_signers(chain: "ChainResult") -> "Iterator[str]":
    """List which keys signed the digests in a ``chain``: of several, which digests each."""
    spans = sorted(chain.signers.items(), key=lambda each: each[1])
    for fingerprint, (first, last) in spans:
        yield f"Signed by: {fingerprint}{f', {first} to {last}' if len(spans) > 1 else ''}"
    for fingerprint in sorted(chain.time_signers - chain.signers.keys()):
        yield f"Signed by: {fingerprint}, the newest digest, which proves only that it is of later"
    for fingerprint in chain.unused:
        yield f"No digest here is signed by {fingerprint}, which was given."


def list_not_held(found: "Verification", retention: timedelta) -> "Iterator[str]":
    """List how much of what was ``found`` is gone after ``retention``, and how much is too new, if any."""
    for cluster in found.list_unknown_clusters():
        yield f"No record is here of {_name_cluster(cluster)}: nothing is proved of it."
    if found.expired:
        days, who = format_count(retention.days, "day"), ""
        if found.excerpt is not None and retention == found.excerpt.retention:
            who = f", as {EXCERPT_KEY} says, which is not signed"
        yield f"Expired: {format_count(found.expired, 'object')}, which are kept for {days}{who}."
    if found.unexplained:
        yield (
            f"Gone without proof: {format_count(found.unexplained, 'object')}, whose time was over only after"
            f" the newest seal here, of {format_time(cast('datetime', found.chain.proved_at))}:"
            " nothing signed says whether they expired or somebody removed them."
        )
    if found.not_sealed:
        yield f"Not sealed yet: {format_count(found.not_sealed, 'object')}, which no digest names."
    if found.unnamed:
        yield (
            f"Named by no record: {format_count(found.unnamed, 'object')}, which a digest names: what a check"
            " kept that was cut off, or somebody put there before it was sealed. Nothing here rests on them."
        )
    for key in found.chain.unread:
        yield f"Not sealed: {clean_text(key, MAX_KEY_LENGTH)}, which the sealer could not read."


def describe_excerpt(excerpt: "Excerpt", chain: "ChainResult") -> str:
    """Describe which part of a trail an ``excerpt`` is, beside what the digests in its ``chain`` name."""
    names = ", ".join(map(_name_cluster, excerpt.clusters))
    known = max(chain.clusters, len(excerpt.clusters))
    period = f"{format_time(excerpt.period.begins_at)} to {format_time(excerpt.period.ends_at)}"
    open_end = "" if chain.covers(excerpt.period.ends_at) else " It is not sealed up to its end."
    others = format_count(chain.left_out, "object")
    verb = "is" if chain.left_out == 1 else "are"
    return (
        f"Excerpt: {len(excerpt.clusters)} of {format_count(known, 'cluster')} ({names}), {period}."
        f" {others} of others {verb} named by the digests, and not part of it.{open_end}"
    )


def _name_cluster(cluster: "ExcerptCluster") -> str:
    """Name a cluster by name, id and vCenter: by its name alone it could be any."""
    name, own, vcenter = (clean_text(cluster[part]) for part in ("name", "cluster", "vcenter"))
    return f"{name} ({own}) on {vcenter}"


def describe_verdict(number: int, found: "Verification", *, is_pinned: bool) -> str:
    """Describe what came of verifying.

    Args:
        number: How many problems there are.
        found: What came of it.
        is_pinned: Keys were given of which one had to have signed; else any that is kept with the trail.
    """
    if found.chain.is_of_other_key:
        return "Not proved: no digest here is signed by a key that was given."
    if number:
        return f"Not intact: {format_count(number, 'problem')}."
    if _is_unsealed(found, is_pinned=is_pinned):
        return "Not proved: nothing is sealed yet. What is here agrees with itself."
    if not found.chain.signers:
        return (
            "Nothing is signed: no digest is here. All agrees with itself, and that is no proof:"
            " whoever could rewrite all of it could have made it so."
        )
    what = "Intact" if found.excerpt is None else "Intact as an excerpt"
    pinned_or_not = "" if is_pinned else ", key not pinned"
    ends_later = found.excerpt is not None and not found.chain.covers(found.excerpt.period.ends_at)
    is_open = ends_later or bool(found.not_sealed)
    rest = ", as far as it is sealed: what is of later is not proved" if is_open else ""
    lost = format_count(found.unexplained, "object")
    gone = f", but {lost} gone without proof of having expired" if found.unexplained else ""
    return f"{what}{pinned_or_not}{rest}{gone}."


def _print_json(found: "Verification", *, is_pinned: bool) -> None:
    chain = found.chain
    shown = {
        "schema_version": 1,
        "intact": not found.index.count_problems() and not _is_unsealed(found, is_pinned=is_pinned),
        "key_pinned": is_pinned,
        "signed": bool(chain.signers),
        "objects": found.objects,
        "records": found.records,
        "digests": chain.digests,
        "not_sealed": found.not_sealed,
        "named_by_no_record": found.unnamed,
        "unread": chain.unread,
        "expired": found.expired,
        "gone_without_proof": found.unexplained,
        "sealed_until": None if chain.sealed_until is None else format_time(chain.sealed_until),
        "sealed_by": chain.sealed_by,
        "signers": sorted(chain.signers),
        "unused_keys": chain.unused,
        "since_digest": chain.base,
        "excerpt": None if found.excerpt is None else _build_excerpt(found.excerpt, chain),
        "problems": [
            {"kind": problem.kind, "key": problem.key, "text": problem.text} for problem in found.problems
        ],
    }
    print_line(json.dumps(shown))


def _build_excerpt(excerpt: "Excerpt", chain: "ChainResult") -> Json:
    claim = build_excerpt_manifest(excerpt)["excerpt"]
    return {
        **cast("dict[str, Json]", claim),
        "sealed_to_end": chain.covers(excerpt.period.ends_at),
        "known_clusters": chain.clusters,
        "objects_of_others": chain.left_out,
    }


@contextmanager
def show_progress(what: str) -> "Iterator[Callable[[int, int], None]]":
    """Show a bar on a terminal, and nothing elsewhere; ``what`` is being done stands before it.

    Returns:
        What is to be called with how much is done, of how much.
    """
    console = make_stderr()
    columns = (what, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("")
        yield lambda done, total: progress.update(task, completed=done, total=total)


def read_document_days(source: TrailSource) -> int | None:
    """Read for how many days the stack keeps documents; none where it says nothing of it."""
    from esx_drift.cli.aws import open_stack  # noqa: PLC0415 -- boto3 takes long to load

    return open_stack(source.target).read_document_days()
