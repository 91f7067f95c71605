"""How the cluster stands after the changes: who is alone now, who is left behind, or that nobody is."""

from collections.abc import Iterator, Sequence

from esx_drift.cli.comparison import ComparedDocument, Comparison
from esx_drift.cli.diff_moves import (
    MAX_SENTENCE_NAMES,
    Move,
    list_moves,
    list_software_changes,
    name_release,
    render_names,
    shorten_release,
)
from esx_drift.domain.images.versions import make_natural_key, sort_naturally
from esx_drift.domain.judging.uniformity import ImageGroup, describe_difference, group_hosts_by_image
from esx_drift.domain.telling.wording import format_count, list_host_names


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
