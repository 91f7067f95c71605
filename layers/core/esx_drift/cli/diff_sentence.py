"""A comparison in one sentence, for the first line."""

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
from esx_drift.domain.images.image_groups import ImageGroup, describe_difference, group_hosts_by_image
from esx_drift.domain.text.versions import make_natural_key, sort_naturally
from esx_drift.domain.text.wording import format_count, list_host_names, split_vib_key

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


def render_standing_clauses(compared: Comparison) -> Iterator[str]:
    """Nothing where the hosts stand to each other as they did before."""
    before, after = _groups(compared.baseline), _groups(compared.current)
    hosts = sum(len(group.hosts) for group in after)
    if len(after) > 1 and hosts == len(after):
        yield from _all_alone(before, after, compared)
    elif len(after) > 1:
        yield from _told(before, after, compared)
    elif len(before) > 1 and hosts > 1:
        yield f"all {hosts} now run the same software"


def _groups(side: ComparedDocument) -> list[ImageGroup]:
    ordinary = {host: image for host, image in side.report.runs.items() if host not in side.report.witnesses}
    return group_hosts_by_image(side.report.images, ordinary)


def _all_alone(before: list[ImageGroup], after: list[ImageGroup], compared: Comparison) -> Iterator[str]:
    """Two hosts that differ, or more of which no two run the same."""
    if _partition(before) != _partition(after):
        hosts = [host for group in after for host in group.hosts]
        who = f"all {len(hosts)} hosts"
        if len(hosts) == 2:  # noqa: PLR2004 - both can be named
            who = " and ".join(list_host_names(sort_naturally(hosts), compared.names))
        yield f"{who} now run different software"


def _told(before: list[ImageGroup], after: list[ImageGroup], compared: Comparison) -> Iterator[str]:
    moves = list_moves(compared)
    lonely = {group.hosts for group in before if len(group.hosts) == 1}
    odd = [group for group in after[1:] if len(group.hosts) == 1]
    odd.sort(key=lambda group: make_natural_key(group.hosts[0]))
    alone = [group for group in odd if _is_unique(group, after, compared)]
    alone = [group for group in alone if moves or group.hosts not in lonely]
    others = [group for group in odd if group not in alone and group.hosts not in lonely]
    said = [*_alone(alone, moves, compared), *_odd(others, after, compared)]
    if said or _partition(before) == _partition(after):
        yield from said
    else:
        yield from list(_still(moves, compared)) or [f"the hosts now run {len(after)} different images"]


def _partition(groups: list[ImageGroup]) -> set[tuple[str, ...]]:
    return {group.hosts for group in groups}


def _is_unique(group: ImageGroup, groups: list[ImageGroup], compared: Comparison) -> bool:
    own = _release(group, compared)
    return all(_release(other, compared) != own for other in groups if other is not group)


def _release(group: ImageGroup, compared: Comparison) -> str:
    return name_release(str(group.image["main"]["base_image"]), compared.current.snapshot["labels"])


def _alone(groups: list[ImageGroup], moves: Sequence[Move], compared: Comparison) -> Iterator[str]:
    """``esx07 is now the only one on U3c``; with several: ``, esx08 on U3b``."""
    if len(groups) > MAX_SENTENCE_NAMES:
        yield f"{len(groups)} hosts are now each alone on a release"
        return
    told = [
        f"{render_names(group.hosts, compared)} {'is now the only one ' if not number else ''}on {release}"
        for number, group in enumerate(groups)
        for release in [_beside(_release(group, compared), moves)]
    ]
    if told:
        yield ", ".join(told)


def _beside(release: str, moves: Sequence[Move]) -> str:
    """As short as it can be, once other releases were named."""
    spoken = [name for move in moves for name in (move.new, move.old) if name != release]
    return shorten_release(release, spoken[0]) if spoken else release


def _odd(groups: list[ImageGroup], after: list[ImageGroup], compared: Comparison) -> Iterator[str]:
    """Alone, but on a release that others have."""
    if len(groups) > 1:
        yield f"{render_names([group.hosts[0] for group in groups], compared)} now each differ from all others"
    for group in groups if len(groups) == 1 else ():
        told = list_software_changes(compared)
        like = next(
            other
            for other in after
            if other is not group and _release(other, compared) == _release(group, compared)
        )
        who = render_names(group.hosts, compared)
        if len(told) == 1 and len(after) == 2 and tuple(told[0]["hosts"]) == group.hosts:  # noqa: PLR2004 - it and the rest
            how = "on" if list_moves(compared) else "without" if told[0]["kind"] == "removed" else "with"
            yield f"{who} is now the only one {how} it"
        else:
            where = (
                "" if like is after[0] else f" on {_beside(_release(group, compared), list_moves(compared))}"
            )
            yield f"{who} now differs from the others{where} in {describe_difference(like.image, group.image)}"


def _still(moves: Sequence[Move], compared: Comparison) -> Iterator[str]:
    """Who has not moved yet."""
    movers = {host for move in moves for host in move.hosts}
    after = _groups(compared.current)
    for old in dict.fromkeys(move.old for move in moves if not move.back):
        same = [group for group in after if _release(group, compared) == old]
        staying = len({host for group in same for host in group.hosts} - movers)
        if staying:
            beside = shorten_release(old, next(move.new for move in moves if move.old == old))
            yield f"{format_count(staying, 'host')} {'is' if staying == 1 else 'are'} still on {beside}"
