"""What became of the hosts' software, in clauses: what is critical first, then the moves between releases."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from esx_drift.cli.comparison import Comparison
from esx_drift.domain.images.labels import name_esxi_release
from esx_drift.domain.stored.types import Change, Labels
from esx_drift.domain.text.wording import clean_text, format_count, join_names, list_host_names

MAX_SENTENCE_NAMES = 3
_ONLY = {"base_image": "ESXi", "add_on": "add-on"}
_NOUNS = {
    "solution": "solution",
    "hardware_support_package": "firmware of",
    "removed_component": "removed component",
    "alternative_image": "alternative image",
}


class Move(Struct, frozen=True):
    """Hosts that went from one release to another; ``back`` to an older one."""

    old: str
    new: str
    hosts: frozenset[str]
    back: bool

    @property
    def verb(self) -> str:
        """What they did."""
        return "went back" if self.back else "moved"


def list_software_changes(compared: Comparison) -> list[Change]:
    """The changes of what hosts run, without those that only describe."""
    others = {"host", "orphaned_vib"}
    return [
        change
        for change in compared.changes
        if change["kind"] != "relabelled" and change["element"] not in others
    ]


def list_moves(compared: Comparison) -> list[Move]:
    """Who went from which release to which: those that went back first, then the largest."""
    moves = [_build_move(change, compared) for change in list_software_changes(compared) if _is_base(change)]
    return sorted(moves, key=lambda move: (not move.back, -len(move.hosts)))


def render_software_clauses(compared: Comparison) -> Iterator[str]:
    """The only change; or what is critical, who moved, and what else changed."""
    changes, moves = list_software_changes(compared), list_moves(compared)
    if len(changes) == 1 and not moves:
        yield f"{_format_share(compared, _list_hosts(changes))} changed: {_render_step(changes[0])}"
        return
    rest = [change for change in changes if not _is_base(change) and not _is_part_of_move(change, moves)]
    yield from _render_critical([change for change in rest if change["severity"] == "critical"], compared)
    yield from _render_moves(moves, compared)
    yield from _render_others([change for change in rest if change["severity"] != "critical"], compared)


def _is_base(change: Change) -> bool:
    return change["element"] == "base_image" and change["alternative_image"] is None


def _build_move(change: Change, compared: Comparison) -> Move:
    before, after = change["from"] or "", change["to"] or ""
    old = name_release(before, compared.baseline.snapshot["labels"])
    new = name_release(after, compared.current.snapshot["labels"])
    if old == new:
        old, new = name_release(before, {}), name_release(after, {})
    return Move(old, new, frozenset(change["hosts"]), change["kind"] == "downgraded")


def name_release(version: str, labels: Labels) -> str:
    """Name a base image as people do: by ``labels``, or by its ``version`` if they don't know that."""
    return clean_text(name_esxi_release({"main": {"base_image": version}, "alternatives": {}}, labels))


def _is_part_of_move(change: Change, moves: Sequence[Move]) -> bool:
    """Whether a change is part of a move. A downgrade is one only where hosts went back."""
    critical = change["severity"] == "critical"
    movers = {host for move in moves if move.back or not critical for host in move.hosts}
    return movers.issuperset(change["hosts"])


def _render_critical(changes: Sequence[Change], compared: Comparison) -> Iterator[str]:
    if len(changes) > MAX_SENTENCE_NAMES:
        where = format_count(len(_list_hosts(changes)), "host")
        yield f"critical: {_join_change_names(changes)} downgraded on {where}"
    elif changes:
        steps = [f"{_render_step(change)} on {render_names(change['hosts'], compared)}" for change in changes]
        yield f"critical: {', '.join(steps)}"


def _render_moves(moves: Sequence[Move], compared: Comparison) -> Iterator[str]:
    if len(moves) > 1 and len({(move.new, move.back) for move in moves}) == 1:
        everyone = frozenset[str]().union(*(move.hosts for move in moves))
        named = [name for move in moves for name in (move.new, move.old)]
        sources = [
            f"{len(move.hosts)} from {shorten_release(move.old, *named)}"
            for move in moves[:MAX_SENTENCE_NAMES]
        ]
        rest = sum(len(move.hosts) for move in moves[MAX_SENTENCE_NAMES:])
        sources += [f"{rest} from others"] if rest else []
        yield f"{_format_share(compared, everyone)} {moves[0].verb} to {moves[0].new}: {', '.join(sources)}"
        return
    for number, move in enumerate(moves[:MAX_SENTENCE_NAMES]):
        who = str(len(move.hosts)) if number else _format_share(compared, move.hosts)
        yield f"{who} {move.verb} from {move.old} to {_drop_product(move.new, move.old)}"
    rest = sum(len(move.hosts) for move in moves[MAX_SENTENCE_NAMES:])
    if rest:
        yield f"{format_count(rest, 'more host')} moved between other releases"


def _render_others(changes: Sequence[Change], compared: Comparison) -> Iterator[str]:
    if len(changes) == 1:
        yield f"{_render_step(changes[0])} on {render_names(changes[0]['hosts'], compared)}"
    elif changes:
        kinds = {change["kind"] for change in changes}
        how = kinds.pop() if len(kinds) == 1 else ""
        share = _format_share(compared, _list_hosts(changes))
        yield f"{share} changed: {_join_change_names(changes)} {how}".rstrip()


def shorten_release(release: str, *named: str) -> str:
    """Shorten ``release`` by the words that all ``named`` begin with, too: ``U3c`` beside ``ESXi 8.0 U3e``.

    Beside ``ESXi 8.0``, which it begins with whole, it is ``8.0 U3c``: ``U3c`` alone would say nothing.
    """
    others = [other for other in named if other != release]
    return max((_drop_common_words(release, other) for other in others), key=len, default=release)


def _drop_common_words(release: str, than: str) -> str:
    words, others = release.split(), than.split()
    alike = 0
    while alike < min(len(words), len(others)) - 1 and words[alike] == others[alike]:
        alike += 1
    return " ".join(words[alike:]) or release


def _drop_product(release: str, like: str) -> str:
    product, _, rest = release.partition(" ")
    return rest if rest and like.startswith(f"{product} ") else release


def render_names(hosts: Sequence[str], compared: Comparison) -> str:
    """Render the names of three of ``hosts``, given by id, and how many more there are.

    ``compared`` has the names.
    """
    return join_names(list_host_names(hosts, compared.names), MAX_SENTENCE_NAMES)


def _list_hosts(changes: Sequence[Change]) -> frozenset[str]:
    return frozenset(host for change in changes for host in change["hosts"])


def _format_share(compared: Comparison, hosts: frozenset[str]) -> str:
    return f"{len(hosts)} of {format_count(compared.current.coverage['hosts'], 'host')}"


def _join_change_names(changes: Sequence[Change]) -> str:
    return join_names(list(dict.fromkeys(_name_change(change) for change in changes)), MAX_SENTENCE_NAMES)


def _name_change(change: Change) -> str:
    inside = change["alternative_image"]
    name = f"{_NOUNS.get(change['element'], '')} {clean_text(change['key'])}".strip()
    where = f" in the alternative image {clean_text(inside)}" if inside is not None else ""
    return _ONLY.get(change["element"], name) + where


def _render_step(change: Change) -> str:
    if change["kind"] in {"added", "removed"} or change["from"] == change["to"]:
        return f"{_name_change(change)} {change['kind']}"
    old, new = clean_text(change["from"] or "no version"), clean_text(change["to"] or "no version")
    return f"{_name_change(change)} {change['kind']} from {old} to {new}"
