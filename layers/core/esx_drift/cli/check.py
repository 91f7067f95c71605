"""``esx-drift check``: has the fleet, or chosen clusters, checked now, and shows what came of it.

The run has an id that is made here, and each record of it is found by an id made of that.

Longer than 250 lines, because asking, waiting and telling are one command; nobody else needs a part of it.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from copy import replace
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Final
from uuid import uuid4

import typer
from msgspec import Struct, field
from rich.text import Text

from esx_drift.cli.options import ClusterFinder, OnlyVCenterOption, StackOptions, with_stack_options
from esx_drift.cli.terminal import (
    EXIT_DIFFERENCES,
    EXIT_TROUBLE,
    build_table,
    escape_unprintable,
    fail,
    make_stderr,
    print_line,
    print_table,
    read_clock,
)
from esx_drift.domain.dispatching.run import Run, list_failed_dispatches
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.stored.types import (
    SEVERITIES,
    Change,
    Dispatch,
    Finding,
    Outcome,
    Record,
    rank_severity,
    rank_worst,
)
from esx_drift.domain.text.wording import (
    clean_text,
    find_shell_argument,
    format_count,
    join_names,
    reword_times,
)
from esx_drift.errors import StoreUnavailable
from esx_drift.messages.change_lines import ChangeWords, list_change_lines, render_change_line
from esx_drift.messages.message_data import name_summary

if TYPE_CHECKING:
    from esx_drift.adapters.audit_store import S3Store
    from esx_drift.cli.aws import DeployedStack

DEFAULT_TIMEOUT_SECONDS: Final = 1_800
"""As long as an extraction may take by default (``extract_deadline_seconds``)."""

ROUND_SECONDS = 2.0
ROUND_SECONDS_EACH: Final = 0.05
"""So much longer is the pause between two rounds for each cluster that is waited for: a thousand of them are
asked for about once a minute, at two GETs each."""

MAX_PARALLEL_POLLS: Final = 8
MAX_SAID_CHARACTERS: Final = 200

MAX_DETAILED_RECORDS: Final = 10
MAX_DETAIL_LINES: Final = 5
"""Of so many records so many things that moved are shown; of the others it is counted how many there are."""

OUTCOMES: Final[dict[Outcome, str]] = {
    "baseline": "first copy saved",
    "unchanged": "nothing changed",
    "same-report": "the report is the one of before",
    "superseded": "only an older report was to be had",
    "not-covered": "no host could be read",
}
"""Those that a check of a cluster may have, beside ``changed`` and ``not-looked``, which say more."""

LOOKED: Final[frozenset[Outcome]] = frozenset({"baseline", "changed", "unchanged", "same-report"})

RESULT_HEADINGS: Final = ("vCenter", "Cluster", "What came of it", "Hosts seen", "Open findings")
AS_A_WHOLE: Final = "(the vCenter)"

ClustersArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="CLUSTER", help="Names or ids of clusters; all where none is named."),
]
FollowOption = Annotated[bool, typer.Option("--wait", help="Wait, and show what came of each cluster.")]
TimeoutOption = Annotated[
    int, typer.Option("--timeout", metavar="SECONDS", min=0, help="How long to wait, with --wait.")
]


@with_stack_options
def check_now(
    cluster: ClustersArgument = None,
    vcenter: OnlyVCenterOption = None,
    wait: FollowOption = False,  # noqa: FBT002 -- typer passes it by name
    timeout: TimeoutOption = DEFAULT_TIMEOUT_SECONDS,
    *,
    target: StackOptions,
) -> None:
    """Have the fleet, or the clusters that are named, checked now.

    A check goes on by itself when the wait for it ends. Exit code 0: asked for. With --wait, 0: all was
    looked at, and nothing of warning or higher is open, 1: something is, 2: something could not be looked at,
    or did not answer in time.

    Example: esx-drift check prod-a --wait
    """
    from esx_drift.cli.aws import open_stack  # noqa: PLC0415 -- boto3 takes long to load

    stack = open_stack(target)
    (function,), store = stack.read_outputs("DispatcherFunctionName"), stack.open_store()
    run, vcenters = _choose_run(stack, store, tuple(cluster or ()), vcenter)
    _ask_for_checks(stack, function, run)
    print_line(f"Asked for a check of {_describe_run(run)} (run {run.id}).")
    if not wait:
        print_line(f"See what comes of it: {target.name_command('status')}")
        return
    follower = RunFollower(store, run, vcenters)
    _follow_patiently(follower, timeout, target)
    _print_results(follower, timeout, target)


class RunFollower(Struct):
    """What a run has come to so far: ``listings`` by vCenter, and ``checks`` by vCenter, cluster and name.

    A check that is not answered yet has no record.
    """

    store: "S3Store"
    run: Run
    vcenters: tuple[str, ...]
    listings: dict[str, tuple[Record, Dispatch]] = field(default_factory=dict)
    checks: dict[tuple[str, str, str], Record | None] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """Whether each vCenter and each of its clusters has answered."""
        return len(self.listings) == len(self.vcenters) and None not in self.checks.values()

    @property
    def pause_seconds(self) -> float:
        """How long to wait before the next round."""
        return ROUND_SECONDS + ROUND_SECONDS_EACH * list(self.checks.values()).count(None)

    def describe_progress(self) -> str:
        """How many have answered, in words."""
        if not self.checks:
            return f"{len(self.listings)} of {format_count(len(self.vcenters), 'vCenter')} listed"
        answered = len(self.checks) - list(self.checks.values()).count(None)
        return f"{answered} of {format_count(len(self.checks), 'cluster')} answered"

    def look(self) -> None:
        """Read what is new: of each vCenter not listed yet, and of each cluster that owes an answer."""
        from esx_drift.cli.aws import find_answer  # noqa: PLC0415 -- boto3 takes long to load

        for vcenter in self.vcenters:
            if vcenter not in self.listings:
                self._look_for_listing(vcenter)
        owing = [key for key, record in self.checks.items() if record is None]
        ids = {
            (vcenter, expected["cluster"]): expected["request_id"]
            for vcenter, (_, dispatch) in self.listings.items()
            for expected in dispatch["expected"]
        }
        with ThreadPoolExecutor(MAX_PARALLEL_POLLS) as pool:
            found = pool.map(lambda key: find_answer(self.store, key[0], key[1], ids[key[0], key[1]]), owing)
            self.checks.update(zip(owing, found, strict=True))

    def _look_for_listing(self, vcenter: str) -> None:
        from esx_drift.cli.aws import find_answer  # noqa: PLC0415 -- boto3 takes long to load

        record = find_answer(self.store, vcenter, VCENTER_LOG, self.run.make_record_id(vcenter))
        if record is not None and record["dispatch"] is not None:
            self.listings[vcenter] = record, record["dispatch"]
            for expected in record["dispatch"]["expected"]:
                self.checks[vcenter, expected["cluster"], expected["name"]] = None


def _choose_run(
    stack: "DeployedStack", store: "S3Store", clusters: tuple[str, ...], vcenter: str | None
) -> tuple[Run, tuple[str, ...]]:
    """Choose what to ask for, and which vCenters answer."""
    fleet = stack.read_fleet(store.state_bucket)
    finder = ClusterFinder(stack.options, fleet, store)
    run_id, vcenters = str(uuid4()), tuple(finder.select_vcenters(vcenter))
    if not clusters:
        return Run(run_id, "direct", vcenters=None if vcenter is None else vcenters), vcenters
    selected: dict[str, tuple[str, ...]] = {}
    for ref in dict.fromkeys(finder.find(cluster, vcenter) for cluster in clusters):
        selected[ref.vcenter] = (*selected.get(ref.vcenter, ()), ref.cluster)
    return Run(run_id, "direct", selected), tuple(selected)


def _ask_for_checks(stack: "DeployedStack", function: str, run: Run) -> None:
    """Invoke the dispatcher without waiting for it: Lambda keeps the event, and repeats it if that fails."""
    from esx_drift.cli.aws import explain_aws_errors  # noqa: PLC0415 -- boto3 takes long to load

    request: dict[str, object] = {"run_id": run.id}
    if run.selected is not None:
        request["clusters"] = [
            {"vcenter": vcenter, "cluster": cluster}
            for vcenter, chosen in run.selected.items()
            for cluster in chosen
        ]
    elif run.vcenters is not None:
        request["vcenters"] = list(run.vcenters)
    with explain_aws_errors(f"Asking {function} for a check"):
        stack.clients.functions().invoke(
            FunctionName=function, InvocationType="Event", Payload=json.dumps(request)
        )


def _describe_run(run: Run) -> str:
    if run.selected is not None:
        return format_count(sum(map(len, run.selected.values())), "cluster")
    return "the whole fleet" if run.vcenters is None else f"all clusters of {run.vcenters[0]}"


def pause_between_rounds(seconds: float) -> None:
    """Wait for so many ``seconds``."""
    Event().wait(seconds)


def _follow_patiently(follower: RunFollower, timeout: int, target: StackOptions) -> None:
    """Look again and again until all have answered, the time is over, or the person ends it."""
    until = monotonic() + timeout
    try:
        with make_stderr().status("Waiting for the vCenters to be listed") as shown:
            follower.look()
            while not follower.is_done and monotonic() < until:
                shown.update(f"Waiting: {follower.describe_progress()}")
                pause_between_rounds(min(follower.pause_seconds, max(0, until - monotonic())))
                # What could be read a moment ago is read again in the next round.
                with suppress(StoreUnavailable):
                    follower.look()
    except KeyboardInterrupt:
        status = target.name_command("status")
        fail(f"the wait ends here ({follower.describe_progress()}); the check goes on\nSee later: {status}")


class CheckResult(Struct, frozen=True):
    """What came of one cluster, or of a vCenter as a whole.

    ``worst``: the rank of its worst open finding; -1 where there is none. ``gone``: the id of a cluster that
    its vCenter no longer has, or shows. ``record``: what it left; None where it has not answered, or another
    result has it. ``argument``: what names its log in a command.
    """

    vcenter: str
    cluster: str
    said: str
    hosts: str = ""
    open: str = ""
    worst: int = -1
    looked: bool = True
    gone: str = ""
    record: Record | None = None
    argument: str = ""

    def name_place(self) -> str:
        """What this is about, in words."""
        if self.cluster == AS_A_WHOLE:
            return self.vcenter
        return f"{clean_text(self.cluster)} on {self.vcenter}"

    def name_log(self) -> str:
        """What the log of its record is about, in words."""
        return self.vcenter if self.argument.endswith(VCENTER_LOG) else self.name_place()

    def render_cells(self, year: int) -> list[Text]:
        """The row of the table; ``year`` is that in which it is read."""
        style = "" if self.looked else "yellow"
        return [
            Text(escape_unprintable(self.vcenter)),
            Text(escape_unprintable(clean_text(self.cluster))),
            Text(escape_unprintable(clean_text(reword_times(self.said, year), MAX_SAID_CHARACTERS)), style),
            Text(self.hosts),
            Text(self.open),
        ]


def list_results(follower: RunFollower) -> Iterator[CheckResult]:
    """List what came of each vCenter and each cluster of a run, as far as it has answered."""
    for vcenter in follower.vcenters:
        listing = follower.listings.get(vcenter)
        if listing is None:
            yield CheckResult(vcenter, AS_A_WHOLE, "not listed yet", looked=False)
            continue
        yield from _list_vcenter_results(follower.run, *listing)
        gone = _list_gone(*listing)
        for (owner, cluster, name), record in follower.checks.items():
            if owner == vcenter:
                is_gone = cluster in gone or _is_missing(record)
                result = _build_result(vcenter, name, record, cluster if is_gone else "")
                yield replace(result, argument=_choose_argument(cluster, name, listing[0]))


def _list_gone(listing: Record, dispatch: Dispatch) -> set[str]:
    """List the ids of the clusters that a vCenter lists no more."""
    findings = listing["after"]["findings"].values()
    known = {finding["subject"] for finding in findings if finding["kind"] == "cluster-missing"}
    return known | {cluster["cluster"] for cluster in dispatch["missing"]}


def _is_missing(record: Record | None) -> bool:
    """Whether the vCenter answered that there is no such cluster."""
    failure = record["failure"] if record else None
    return failure is not None and failure["reason"] == "cluster-missing"


def _list_vcenter_results(run: Run, listing: Record, dispatch: Dispatch) -> Iterator[CheckResult]:
    """What could not be dispatched, and what is open about the vCenter as a whole."""
    vcenter = listing["vcenter"]
    own = f"{vcenter}/{VCENTER_LOG}"
    failed = list_failed_dispatches(run, listing, dispatch["expected"])
    for at, one in enumerate(failed):
        record = None if at else listing
        name = one["cluster"] or AS_A_WHOLE
        yield CheckResult(vcenter, name, one["message"], looked=False, record=record, argument=own)
    findings = listing["after"]["findings"].values()
    if (findings or listing["findings"]) and not failed:
        opened, worst = _count_open(findings), rank_worst(findings)
        yield CheckResult(vcenter, AS_A_WHOLE, "listed", "", opened, worst, record=listing, argument=own)


def _choose_argument(cluster: str, name: str, listing: Record) -> str:
    """Choose how a command names a cluster: by its name, if a shell takes it and no other has it."""
    known = (listing["after"]["clusters"] or {}).values()
    is_unique = [each["name"] for each in known].count(name) <= 1
    return (find_shell_argument(name) if is_unique else None) or find_shell_argument(cluster) or "CLUSTER"


def _build_result(vcenter: str, name: str, record: Record | None, gone: str) -> CheckResult:
    if record is None:
        return CheckResult(vcenter, name, "no answer yet", looked=False)
    after, looked = record["after"], record["outcome"] in LOOKED
    findings = after["findings"].values()
    coverage = record["coverage"] or (after["coverage"] if looked else None)
    return CheckResult(
        vcenter,
        name,
        f"{vcenter} lists it no more" if gone and not looked else _describe_outcome(record),
        f"{coverage['covered']} of {coverage['hosts']}" if coverage else "",
        _count_open(findings),
        rank_worst(findings),
        looked=looked,
        gone="" if looked else gone,
        record=record,
    )


def _describe_outcome(record: Record) -> str:
    if record["failure"] is not None:
        return record["failure"]["message"]
    if record["outcome"] != "changed":
        return OUTCOMES.get(record["outcome"], record["outcome"])
    changes = _list_counted_changes(record)
    return format_count(len(changes), "change") if changes else "no change; findings moved"


def _count_open(findings: Iterable[Finding]) -> str:
    counts = Counter(finding["severity"] for finding in findings)
    return ", ".join(f"{counts[name]} {name}" for name in reversed(SEVERITIES) if counts[name]) or "none"


MOVES: Final = {"opened": "opened", "raised": "now worse", "resolved": "over"}
"""How a finding moved, for a person."""


class RecordNews(Struct, frozen=True):
    """What a record says that is new: in ``lines``, critical first, and how much it is, as ``counted``."""

    lines: tuple[str, ...]
    counted: str
    is_critical: bool


def list_record_news(record: Record) -> RecordNews:
    """List what changed by a ``record``, and which findings it opened, made worse or ended."""
    published = [event["data"] for event in record["events"]]
    names = {host: name for data in published for host, name in data["host_names"].items()}
    releases = {key: name for data in published for key, name in data.get("release_names", {}).items()}
    words = ChangeWords(names, record["coverage"], releases)
    changes = _list_counted_changes(record)
    lines = [
        (line.is_critical and not ending, f"{render_change_line(line, words)}{ending}")
        for ending, are_back in (("", False), (" (put back)", True))
        for line in list_change_lines([one for one in changes if ("put_back" in one) is are_back], words)
    ]
    counts = [format_count(len(changes), "change")] if changes else []
    for transition, word in MOVES.items():
        moved = [finding for finding in record["findings"] if finding["transition"] == transition]
        lines += [
            (
                finding["severity"] == "critical" and transition != "resolved",
                _render_move(finding, word, record["checked_at"]),
            )
            for finding in moved
        ]
        counts += [f"{format_count(len(moved), 'finding')} {word}"] if moved else []
    lines.sort(key=lambda line: not line[0])
    return RecordNews(tuple(text for _, text in lines), ", ".join(counts), any(first for first, _ in lines))


def _render_move(finding: Finding, word: str, checked_at: str) -> str:
    said = name_summary(finding["summary"], checked_at, MAX_SAID_CHARACTERS)
    return f"{word} ({finding['severity']}): {said}"


def _list_counted_changes(record: Record) -> list[Change]:
    return [change for change in record["changes"] if change["kind"] != "relabelled"]


def _print_news(results: Iterable[CheckResult], target: StackOptions) -> None:
    """Print what is new by the records of the ``results``, those with something critical first."""
    listed = [(one, one.record, list_record_news(one.record)) for one in results if one.record is not None]
    moved = sorted((each for each in listed if each[2].lines), key=lambda each: not each[2].is_critical)
    for result, record, news in moved[:MAX_DETAILED_RECORDS]:
        print_line("")
        print_line(f"{result.name_log()}: {news.counted}", "bold")
        for line in news.lines[:MAX_DETAIL_LINES]:
            print_line(f"  {line}")
        if len(news.lines) > MAX_DETAIL_LINES:
            print_line(f"  and {len(news.lines) - MAX_DETAIL_LINES} more")
        owner = "" if result.argument.endswith(VCENTER_LOG) else f" --vcenter {result.vcenter}"
        print_line(f"  All of it: {target.name_command(f'show {result.argument} {record["seq"]}{owner}')}")
    if len(moved) > MAX_DETAILED_RECORDS:
        others = format_count(len(moved) - MAX_DETAILED_RECORDS, "other log")
        print_line("")
        print_line(f"Something is new in {others}, too: {target.name_command('history CLUSTER')} shows it")


def _render_retirement(result: CheckResult, target: StackOptions) -> str:
    # By its id: one that was made anew may have its name.
    cluster = find_shell_argument(result.gone) or "CLUSTER"
    command = target.name_command(f"retire {cluster} --vcenter {result.vcenter}")
    return (
        f"{result.name_place()}: if the account lost its permission there, give it back; if it is gone for"
        f" good: {command}"
    )


def _print_results(follower: RunFollower, timeout: int, target: StackOptions) -> None:
    """Print the table, and end the command by what is in it."""
    results = list(list_results(follower))
    year = read_clock().year
    print_table(build_table(RESULT_HEADINGS, (result.render_cells(year) for result in results)))
    _print_news(results, target)
    open_now = [result for result in results if result.open not in {"", "none"}]
    if open_now:
        print_line("")
        print_line(f"What is open: {target.name_command('status')}")
    if not follower.is_done:
        status = target.name_command("status")
        fail(
            f"not all have answered within {timeout} s ({follower.describe_progress()}); the check goes on\n"
            f"See later: {status}\n"
            "If nothing comes: the dispatcher's and the checker's logs and dead letter queues say why."
        )
    for result in results:
        if result.gone:
            print_line(_render_retirement(result, target))
    unseen = [result.name_place() for result in results if not result.looked]
    if unseen:
        fail(f"could not look at {join_names(unseen)}", EXIT_TROUBLE)
    if any(result.worst >= rank_severity("warning") for result in results):
        raise typer.Exit(EXIT_DIFFERENCES)
