"""``esx-drift accept``: show what differs from what was accepted, ask, and have it accepted as it was shown.

Longer than 250 lines, because what is shown is what is sent.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from copy import replace
from typing import Annotated

import typer
from msgspec import Struct

from esx_drift.checking.baseline import BaselineReader
from esx_drift.cli.decision_client import (
    DecisionClient,
    DecisionOptions,
    open_decision_client,
    parse_decision_options,
    parse_until,
)
from esx_drift.cli.options import (
    ReasonOption,
    StackOptions,
    TicketOption,
    VCenterOption,
    WaitOption,
    YesOption,
    with_stack_options,
)
from esx_drift.cli.terminal import EXIT_DIFFERENCES, fail, print_line, read_clock
from esx_drift.domain.acceptance import compare_with_accepted, expire_accepted
from esx_drift.domain.decisions import REPLACED, accept_hosts, list_acceptable_hosts
from esx_drift.domain.findings.kinds import PERSON_KINDS
from esx_drift.domain.images.labels import name_esxi_release
from esx_drift.domain.stored.identifiers import VCENTER_LOG, ClusterRef
from esx_drift.domain.stored.types import (
    Accepted,
    Change,
    Decision,
    Finding,
    Image,
    LogState,
    RecordedDecision,
    ShownHost,
    Snapshot,
)
from esx_drift.domain.text.versions import sort_naturally
from esx_drift.domain.text.wording import (
    clean_sentence,
    clean_text,
    format_count,
    format_end,
    format_moment,
    join_names,
    list_host_names,
    reword_times,
    split_vib_key,
)
from esx_drift.domain.trail.hosts import is_new_vcenter
from esx_drift.errors import TrailDamaged
from esx_drift.messages.change_lines import ChangeWords, render_change_lines

MAX_LISTED_HOSTS = 20


class AcceptPreview(Struct, frozen=True):
    """What a person is shown of a cluster before he accepts it.

    ``hosts`` are those that can be accepted, ``unseen`` those that can't, because the last look did not show
    them. ``differing``: those of the hosts that are not as they were last accepted. ``closed``: the findings
    that accepting them closes. ``names`` are those of all hosts of the cluster, by id. ``damages``: what is
    damaged of the trail. ``temporary``: until when a host is accepted that is for a time only. ``unvouched``:
    the hosts that no person ever accepted.
    """

    seq: int
    seen_at: str
    snapshot: Snapshot
    hosts: dict[str, ShownHost]
    changes: list[Change]
    unseen: tuple[str, ...]
    differing: tuple[str, ...]
    closed: tuple[Finding, ...]
    names: dict[str, str]
    damages: list[str]
    temporary: dict[str, str]
    unvouched: tuple[str, ...]

    @property
    def changes_nothing(self) -> bool:
        """Whether nothing is left to accept: all is as it was accepted, and no VIB is to be vouched for.

        An orphaned VIB that was there at the first look is accepted with the first copy; only a person who
        accepts the host vouches for it. What is accepted for a time can be accepted for longer, or for good.
        """
        vibs = any(self.hosts[host]["orphaned_vibs"] for host in self.unvouched)
        return not (self.differing or self.closed or self.temporary or vibs)

    def ask(self, person: str, *, named: bool) -> str:
        """The question to ``person``; ``named``: whether he named the hosts, or means all without a word."""
        hosts = format_count(len(self.hosts), "host")
        if named:
            return f"Accept {hosts} as shown, as {person}?"
        which = f"all {hosts} that were seen" if len(self.hosts) > 1 else "the one host that was seen"
        return f"No --hosts: accept {which}, as shown, as {person}?"

    def render(self) -> Iterator[str]:
        """What runs, what differs, which orphaned VIBs were there before, and who is left out."""
        seen = f"as seen {format_moment(self.seen_at, read_clock().year)} UTC (record {self.seq})"
        yield f"{format_count(len(self.hosts), 'host')} {seen}:"
        for release, number in self._count_releases():
            yield f"  {clean_text(release)} · {format_count(number, 'host')}"
        if self.differing:
            yield f"Not as last accepted: {self.render_names(list(self.differing))}"
        temporary = [
            f"{name} until {format_end(self.temporary[host])}"
            for host, name in zip(self.temporary, list_host_names([*self.temporary], self.names), strict=True)
        ]
        changes = render_change_lines(self.changes, ChangeWords(self.names))
        yield from _render_block("Other than last accepted:", changes)
        yield from _render_block("Orphaned VIBs, there since before:", list(self._list_earlier_vibs()))
        yield from _render_block("Accepted so far, for a time:", temporary)
        unseen = join_names(list_host_names(self.unseen, self.names))
        yield from _render_block("Not seen, so not accepted:", [unseen])
        yield from _render_block("Damaged, and accepted with all hosts:", self.damages)

    def render_names(self, hosts: list[str]) -> str:
        """How many hosts these are, and their names."""
        names = join_names(list_host_names(hosts, self.names), MAX_LISTED_HOSTS)
        return f"{format_count(len(hosts), 'host')}: {names}"

    def _count_releases(self) -> list[tuple[str, int]]:
        images, labels = self.snapshot["images"], self.snapshot["labels"]
        running = Counter(name_esxi_release(images[host["image"]], labels) for host in self.hosts.values())
        return sorted(running.items(), key=lambda release: (-release[1], release[0]))

    def _list_earlier_vibs(self) -> Iterator[str]:
        new = {(change["key"], host) for change in self.changes for host in change["hosts"]}
        where: dict[str, list[str]] = {}
        for host in sort_naturally(self.hosts):
            for key in self.hosts[host]["orphaned_vibs"]:
                if (key, host) not in new:
                    where.setdefault(key, []).append(host)
        for key in sort_naturally(where):
            names = join_names(list_host_names(where[key], self.names))
            yield f"{' '.join(filter(None, split_vib_key(key)))} · {names}"


def _render_block(title: str, lines: list[str]) -> Iterator[str]:
    if any(lines):
        yield title
        yield from (f"  {line}" for line in lines)


def build_preview(
    after: LogState,
    seq: int,
    snapshot: Snapshot,
    wanted: frozenset[str],
    images: Mapping[str, Image],
) -> AcceptPreview:
    """The preview of what can be accepted.

    Args:
        after: What the cluster's log knows.
        seq: The number of the last record, which the person was shown.
        snapshot: The last snapshot.
        wanted: The ids of the hosts to accept.
        images: Those that were accepted so far, by digest; one that is damaged is not there.
    """
    acceptable = list_acceptable_hosts(snapshot, after["uncovered_since"])
    hosts = {host: shown for host, shown in acceptable.items() if host in wanted}
    accepted = {host: entry for host, entry in after["accepted"].items() if host in hosts}
    return AcceptPreview(
        seq=seq,
        seen_at=str(after["last_look_at"]),
        snapshot=snapshot,
        hosts=hosts,
        changes=compare_with_accepted(snapshot, accepted, images),
        unseen=tuple(sort_naturally(wanted - hosts.keys())),
        differing=tuple(host for host in sort_naturally(hosts) if _differs(hosts[host], accepted.get(host))),
        temporary={host: entry["until"] for host, entry in accepted.items() if "until" in entry},
        unvouched=tuple(host for host in hosts if "decided_at" not in accepted.get(host, {})),
        closed=_list_closed_findings(after, seq, hosts, snapshot),
        names={host: entry["name"] for host, entry in snapshot["hosts"].items()},
        damages=list_damage_lines(after["findings"].values()),
    )


def _differs(shown: ShownHost, entry: Accepted | None) -> bool:
    return entry is None or (entry["image"], entry["orphaned_vibs"]) != (
        shown["image"],
        shown["orphaned_vibs"],
    )


def _list_closed_findings(
    after: LogState, seq: int, hosts: dict[str, ShownHost], snapshot: Snapshot
) -> tuple[Finding, ...]:
    """List the findings that the checker closes if these hosts are accepted, by its own rule."""
    decision: Decision = {"by": "", "reason": "", "shown_at": seq, "hosts": hosts, "instance_uuid": None}
    findings = after["findings"]
    left = accept_hosts(after, decision, snapshot, "", read_clock(), findings.keys()).after["findings"]
    return tuple(finding for key, finding in findings.items() if key not in left)


def list_damage_lines(findings: Iterable[Finding]) -> list[str]:
    """List what is damaged of the trail, a line each, for a person who is to accept it."""
    damages = [finding for finding in findings if finding["kind"] in PERSON_KINDS]
    year = read_clock().year
    return [clean_sentence(reword_times(damage["summary"], year)) for damage in damages]


AcceptedArgument = Annotated[
    str, typer.Argument(metavar="CLUSTER", help="The cluster's name or id; @NAME for a vCenter as a whole.")
]
UntilOption = Annotated[
    str | None,
    typer.Option(
        metavar="DATE",
        help="Only until then: 2026-12-24 means all of that day, in UTC; or a time with its zone.",
    ),
]
HostsOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES", help="Only these hosts (names or ids, separated by commas) of all that were seen."
    ),
]


RecordOption = Annotated[
    int | None,
    typer.Option(
        "--record", min=1, metavar="N", help="As this record showed it: what runs otherwise since is refused."
    ),
]


@with_stack_options
def accept(  # noqa: PLR0913, PLR0917 -- each is an option, which typer passes by name
    cluster: AcceptedArgument,
    reason: ReasonOption = None,
    vcenter: VCenterOption = None,
    hosts: HostsOption = None,
    record: RecordOption = None,
    until: UntilOption = None,
    ticket: TicketOption = None,
    yes: YesOption = False,  # noqa: FBT002 -- typer passes it by name
    wait: WaitOption = 120,
    *,
    target: StackOptions,
) -> None:
    """Show what differs from what was last accepted, ask, and have it accepted as shown.

    Without --hosts all hosts that were seen are meant; with --record as that record of the cluster showed
    them, which messages name. What has changed again meanwhile is refused. After --until what was accepted
    before holds again. An accepted vCenter begins with first looks. Exit code 0: all was accepted, 1: some
    was refused, or nothing was sent, since there was nothing to accept or you said no, 2: trouble.

    Example: esx-drift accept prod-a --hosts esx03 --reason CHG-2042
    """
    options = replace(
        parse_decision_options(reason, ticket, ask=not yes, wait_seconds=wait),
        until=parse_until(until, read_clock()),
    )
    if not cluster.startswith("@"):
        names = tuple(name.strip() for name in hosts.split(",")) if hosts is not None else ()
        client = open_decision_client(target)
        _accept_cluster(client, client.find_cluster(cluster, vcenter), names, record, options)
    elif any(given is not None for given in (hosts, record, until)) or vcenter not in {None, cluster[1:]}:
        fail(f"{cluster} is a vCenter as a whole: leave --hosts, --record, --until and --vcenter out")
    else:
        _accept_vcenter(open_decision_client(target), cluster[1:], options)


def _accept_cluster(
    client: DecisionClient,
    cluster: ClusterRef,
    names: tuple[str, ...],
    record: int | None,
    options: DecisionOptions,
) -> None:
    """Accept the hosts of these names or ids; all that were seen, where there are none."""
    client.require_watched(cluster)
    preview = _read_preview(client, cluster, names, record)
    print_line(f"{clean_text(cluster.name)} ({cluster.cluster}) on {cluster.vcenter}", "bold")
    for line in preview.render():
        print_line(line)
    if not preview.hosts:
        fail("there is no host to accept")
    if preview.changes_nothing:
        fail("nothing to accept: all of this is accepted already, and nothing was sent", EXIT_DIFFERENCES)
    person = client.identify_person()
    options.require_confirmation(preview.ask(person.arn, named=bool(names) or record is not None))
    decision = options.build_decision(person, preview.seq, preview.hosts)
    seq, recorded = client.send_decision("accept", cluster, decision, options.wait_seconds)
    if not recorded["taken"]:
        # It may have been retired while the person read what he was shown.
        client.require_watched(cluster)
    _print_answer(preview, seq, recorded)


def _read_preview(
    client: DecisionClient, cluster: ClusterRef, names: tuple[str, ...], record: int | None
) -> AcceptPreview:
    log = client.read_log(cluster.vcenter, cluster.cluster)
    if log.head is None or log.after["snapshot"] is None:
        fail(f"{cluster.name} was not looked at yet: there is nothing to accept")
    shown = log.after if record is None else _read_shown(client, cluster, record, log.after)
    reader = BaselineReader(client.store, cluster.vcenter, cluster.cluster)
    baseline = reader.read(expire_accepted(shown, read_clock()))
    if baseline is None:
        fail(f"{reader.damages[0].message}: restore its former version in S3 first")
    snapshot = baseline.snapshot
    return build_preview(
        baseline.state,
        record or log.head["seq"],
        snapshot,
        frozenset(_find_host_ids(snapshot, names) if names else snapshot["hosts"]),
        reader.find_images(baseline.state["accepted"].values(), snapshot["images"]),
    )


def _read_shown(client: DecisionClient, cluster: ClusterRef, record: int, newest: LogState) -> LogState:
    """Read what a ``record`` showed, beside what is accepted and open by the ``newest``."""
    from esx_drift.log_reader import LogReader  # noqa: PLC0415 -- the help needs none of it

    try:
        found = LogReader(client.store, cluster.vcenter, cluster.cluster).find_record(record)
    except TrailDamaged as damage:
        fail(f"{damage.message}: leave --record out, and look at what is shown")
    if found is None or found["after"]["snapshot"] is None:
        fail(f"the log of {cluster.name} has no record {record} that shows what runs there")
    after = found["after"]
    if is_new_vcenter(found, newest["instance_uuid"]):
        fail(
            f"record {record} of {cluster.name} is of a vCenter that was replaced: its hosts are others\n"
            "Leave --record out, and look at what is shown"
        )
    findings = {
        key: finding
        for key, finding in newest["findings"].items()
        if finding["kind"] not in PERSON_KINDS or key in after["findings"]
    }
    return {
        **newest,
        "findings": findings,
        "snapshot": after["snapshot"],
        "seal": after["seal"],
        "last_taken": after["last_taken"],
        "uncovered_since": after["uncovered_since"],
        "last_look_at": after["last_look_at"],
    }


def _find_host_ids(snapshot: Snapshot, names: tuple[str, ...]) -> list[str]:
    wanted: list[str] = []
    for name in names:
        ids = [id_ for id_, host in snapshot["hosts"].items() if name in {id_, host["name"]}]
        if not ids:
            all_names = [clean_text(host["name"]) for host in snapshot["hosts"].values()]
            listed = join_names(all_names, MAX_LISTED_HOSTS)
            fail(f"the cluster has no host called {name!r}; it has {listed}")
        wanted += ids
    return wanted


def _print_answer(preview: AcceptPreview, seq: int, recorded: RecordedDecision) -> None:
    if recorded["taken"]:
        until = f" until {format_end(recorded['until'])}" if "until" in recorded else ""
        print_line(f"Accepted{until} (record {seq}): {preview.render_names(recorded['taken'])}", "green")
    if recorded["refused"]:
        print_line(f"Refused (record {seq}): {preview.render_names(recorded['refused'])}", "yellow")
        print_line("They are no longer as they were shown. Run it again to see how they are now.")
        raise typer.Exit(EXIT_DIFFERENCES)


def _accept_vcenter(client: DecisionClient, vcenter: str, options: DecisionOptions) -> None:
    """Accept that another vCenter answers under this name; where none does, damage of its own log."""
    client.require_vcenter(vcenter)
    log = client.read_log(vcenter)
    findings = list(log.after["findings"].values())
    replacement = next((finding for finding in findings if finding["kind"] == REPLACED), None)
    damages = list_damage_lines(findings)
    if replacement:
        _print_replacement(client, vcenter, replacement)
    elif damages:
        print_line(f"The log of {vcenter} as a whole", "bold")
        for line in damages:
            print_line(f"  {line}")
    else:
        fail(
            f"{vcenter} is the vCenter that it was, and its log is sound: there is nothing to accept",
            EXIT_DIFFERENCES,
        )
    person = client.identify_person()
    options.require_confirmation(f"Accept it, as {person.arn}?")
    decision: Decision = {
        **options.build_decision(person, log.head["seq"] if log.head else None, {}),
        "instance_uuid": str(replacement["detail"]["now"]) if replacement else None,
    }
    whole = ClusterRef(vcenter, VCENTER_LOG, vcenter)
    seq, recorded = client.send_decision("accept", whole, decision, options.wait_seconds)
    if recorded["refused"]:
        again = "by now yet another vCenter answers. Run it again to see which."
        fail(f"refused (record {seq}): {again}", EXIT_DIFFERENCES)
    then = " The next run dispatches its clusters." if replacement else ""
    print_line(f"Accepted (record {seq}).{then}", "green")


def _print_replacement(client: DecisionClient, vcenter: str, finding: Finding) -> None:
    since = format_moment(finding["opened_at"], read_clock().year)
    print_line(f"{vcenter} answers as another vCenter since {since} UTC", "bold")
    print_line(f"  before {clean_text(str(finding['detail']['before']))}")
    print_line(f"  now    {clean_text(str(finding['detail']['now']))}")
    watched = sum(entry["retired_at"] is None for entry in client.read_clusters(vcenter).values())
    clusters = format_count(watched, "cluster")
    print_line(f"Accepting it retires the {clusters} known so far, with what is open on them.")
    print_line("It ends maintenance that people began on them.")
    print_line("Each cluster that it lists begins with a first look, in the same log.")
