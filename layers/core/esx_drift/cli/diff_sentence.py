"""A comparison in one sentence, for the first line of ``esx-drift diff``."""

from collections.abc import Iterator, Sequence

from esx_drift.cli.comparison import ComparedDocument, Comparison
from esx_drift.cli.diff_moves import (
    MAX_SENTENCE_NAMES,
    Move,
    list_moves,
    list_software_changes,
    name_release,
    render_names,
    render_software_clauses,
    shorten_release,
)
from esx_drift.domain.images.image import ImageGroup, describe_difference, group_hosts_by_image
from esx_drift.domain.text.versions import make_natural_key, sort_naturally
from esx_drift.domain.text.wording import format_count, list_host_names, split_vib_key

_HOST_VERBS = {"added": "joined", "removed": "left", "changed": "was added again"}


def render_sentence(compared: Comparison) -> str:
    """What changed, the worst first, then how the cluster stands, and what is not known."""
    vibs = [*_render_vibs(compared, "added", "appeared on"), *_render_reported_vibs(compared)]
    gone = _render_vibs(compared, "removed", "is gone from")
    changes = [*vibs, *render_software_clauses(compared), *_render_hosts(compared), *gone]
    nothing = "nothing changed but descriptions" if compared.changes else "nothing changed"
    standing = [*render_standing_clauses(compared), *_render_unread(compared), *_render_doubts(compared)]
    sentence = "; ".join([*(changes or [nothing]), *standing])
    return f"{sentence[0].upper()}{sentence[1:]}."


def _render_hosts(compared: Comparison) -> Iterator[str]:
    for kind, verb in _HOST_VERBS.items():
        hosts = [
            change["key"]
            for change in compared.changes
            if change["element"] == "host" and change["kind"] == kind
        ]
        if hosts:
            single = len(hosts) == 1
            names = render_names(hosts, compared)
            yield f"{'host' if single else 'hosts'} {names} {verb if single else verb.replace('was', 'were')}"


def _render_vibs(compared: Comparison, kind: str, verb: str) -> Iterator[str]:
    changes = [
        change
        for change in compared.changes
        if change["element"] == "orphaned_vib" and change["kind"] == kind
    ]
    if len(changes) == 1:
        names = render_names(changes[0]["hosts"], compared)
        yield f"orphaned VIB {_render_vib(changes[0]['key'])} {verb} {names}"
    elif changes:
        hosts = {host for change in changes for host in change["hosts"]}
        yield f"{len(changes)} orphaned VIBs {verb.replace('is', 'are')} {format_count(len(hosts), 'host')}"


def _render_vib(key: str) -> str:
    return " ".join(part for part in split_vib_key(key) if part)


def _render_reported_vibs(compared: Comparison) -> Iterator[str]:
    """VIBs on hosts that were not compared: no change, yet as bad as one."""
    changed = {change["key"] for change in compared.changes if change["element"] == "orphaned_vib"}
    for finding in compared.findings:
        new = finding["transition"] == "opened" and finding["subject"] not in changed
        if finding["kind"] == "orphaned-vib" and new:
            where = render_names(finding["hosts"], compared)
            yield f"orphaned VIB {_render_vib(finding['subject'])} is reported on {where}"


def _render_unread(compared: Comparison) -> Iterator[str]:
    """Hosts that one of the documents does not show, though both know them, or that joined unread."""
    before, after = compared.baseline.snapshot["hosts"], compared.current.report.names
    unknown = {host for host in after if host in before and before[host]["image"] is None}
    hosts = sort_naturally(unknown | (after.keys() - compared.current.report.runs.keys()))
    if hosts:
        share = f"{len(hosts)} of {format_count(len(after), 'host')} could not be compared"
        yield f"{share} ({render_names(hosts, compared)})" if len(hosts) <= MAX_SENTENCE_NAMES else share


def _render_doubts(compared: Comparison) -> Iterator[str]:
    if any(
        finding["kind"] == "document-inconsistent" and finding["transition"] == "opened"
        for finding in compared.findings
    ):
        yield "the report contradicts itself"


def render_standing_clauses(compared: Comparison) -> Iterator[str]:
    """How the hosts' software compares with each other's; nothing where that is as before."""
    before, after = _group_hosts(compared.baseline), _group_hosts(compared.current)
    hosts = sum(len(group.hosts) for group in after)
    if len(after) > 1 and hosts == len(after):
        yield from _render_all_different(before, after, compared)
    elif len(after) > 1:
        yield from _render_groups(before, after, compared)
    elif len(before) > 1 and hosts > 1:
        yield f"all {hosts} now run the same software"


def _group_hosts(side: ComparedDocument) -> list[ImageGroup]:
    ordinary = {host: image for host, image in side.report.runs.items() if host not in side.report.witnesses}
    return group_hosts_by_image(side.report.images, ordinary)


def _render_all_different(
    before: list[ImageGroup], after: list[ImageGroup], compared: Comparison
) -> Iterator[str]:
    """Two hosts that differ, or more of which no two run the same."""
    if _build_partition(before) != _build_partition(after):
        hosts = [host for group in after for host in group.hosts]
        who = f"all {len(hosts)} hosts"
        if len(hosts) == 2:  # noqa: PLR2004 -- both can be named
            who = " and ".join(list_host_names(sort_naturally(hosts), compared.names))
        yield f"{who} now run different software"


def _render_groups(before: list[ImageGroup], after: list[ImageGroup], compared: Comparison) -> Iterator[str]:
    moves = list_moves(compared)
    lonely = {group.hosts for group in before if len(group.hosts) == 1}
    odd = [group for group in after[1:] if len(group.hosts) == 1]
    odd.sort(key=lambda group: make_natural_key(group.hosts[0]))
    alone = [group for group in odd if _is_unique(group, after, compared)]
    alone = [group for group in alone if moves or group.hosts not in lonely]
    others = [group for group in odd if group not in alone and group.hosts not in lonely]
    clauses = [*_render_alone(alone, moves, compared), *_render_different(others, after, compared)]
    if clauses or _build_partition(before) == _build_partition(after):
        yield from clauses
    else:
        yield from list(_render_staying(moves, compared)) or [
            f"the hosts now run {len(after)} different images"
        ]


def _build_partition(groups: list[ImageGroup]) -> set[tuple[str, ...]]:
    return {group.hosts for group in groups}


def _is_unique(group: ImageGroup, groups: list[ImageGroup], compared: Comparison) -> bool:
    own = _name_group_release(group, compared)
    return all(_name_group_release(other, compared) != own for other in groups if other is not group)


def _name_group_release(group: ImageGroup, compared: Comparison) -> str:
    return name_release(str(group.image["main"]["base_image"]), compared.current.snapshot["labels"])


def _render_alone(groups: list[ImageGroup], moves: Sequence[Move], compared: Comparison) -> Iterator[str]:
    """``esx07 is now the only one on U3c``; with several: ``, esx08 on U3b``."""
    if len(groups) > MAX_SENTENCE_NAMES:
        yield f"{len(groups)} hosts are now each alone on a release"
        return
    clauses = [
        f"{render_names(group.hosts, compared)} {'is now the only one ' if not number else ''}on {release}"
        for number, group in enumerate(groups)
        for release in [_shorten(_name_group_release(group, compared), moves)]
    ]
    if clauses:
        yield ", ".join(clauses)


def _shorten(release: str, moves: Sequence[Move]) -> str:
    """The release, shortened where the sentence named others before."""
    return shorten_release(release, *(name for move in moves for name in (move.new, move.old)))


def _render_different(
    groups: list[ImageGroup], after: list[ImageGroup], compared: Comparison
) -> Iterator[str]:
    """Alone, but on a release that others have."""
    if len(groups) > 1:
        names = render_names([group.hosts[0] for group in groups], compared)
        yield f"{names} now each differ from all others"
    for group in groups if len(groups) == 1 else ():
        changes = list_software_changes(compared)
        like = next(
            other
            for other in after
            if other is not group
            and _name_group_release(other, compared) == _name_group_release(group, compared)
        )
        who = render_names(group.hosts, compared)
        if len(changes) == 1 and len(after) == 2 and tuple(changes[0]["hosts"]) == group.hosts:  # noqa: PLR2004 -- the group and the rest
            how = "on" if list_moves(compared) else "without" if changes[0]["kind"] == "removed" else "with"
            yield f"{who} is now the only one {how} it"
        else:
            where = (
                ""
                if like is after[0]
                else f" on {_shorten(_name_group_release(group, compared), list_moves(compared))}"
            )
            difference = describe_difference(like.image, group.image)
            yield f"{who} now differs from the others{where} in {difference}"


def _render_staying(moves: Sequence[Move], compared: Comparison) -> Iterator[str]:
    """Who has not moved yet."""
    movers = {host for move in moves for host in move.hosts}
    after = _group_hosts(compared.current)
    for old in dict.fromkeys(move.old for move in moves if not move.back):
        same = [group for group in after if _name_group_release(group, compared) == old]
        staying = len({host for group in same for host in group.hosts} - movers)
        if staying:
            who = f"{format_count(staying, 'host')} {'is' if staying == 1 else 'are'}"
            yield f"{who} still on {_shorten(old, moves)}"
