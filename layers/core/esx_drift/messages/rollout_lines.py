"""What takes its time, in words: an upgrade that goes from host to host, and what comes and goes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from esx_drift.domain.events import Moment
from esx_drift.domain.images.part_words import cut_tail, format_earlier_release, format_release, name_part
from esx_drift.domain.stored.types import Change, Finding
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.text.wording import (
    clean_text,
    format_elapsed,
    join_names,
    list_host_names,
)
from esx_drift.messages.event_lines import build_host_placeholders, build_moment, render_place
from esx_drift.messages.message_data import MessageData

HEARD_AGAIN: Final = "Reported again when it is done or stalls."


class RolloutWords(Struct, frozen=True):
    """How an upgrade that goes from host to host is told.

    Attributes:
        title: What stands in the title.
        items: What its list begins with.
        note: A sentence of its own; empty: none.
        when: When it moved last; empty: said as of any other message.
        step: What to do, where that is not what any drift asks for.
        is_calm: Nothing is to be done.
        is_over: It is done.
    """

    title: str
    items: tuple[str, ...] = ()
    note: str = ""
    when: tuple[str | Moment, ...] = ()
    step: str = ""
    is_calm: bool = False
    is_over: bool = False


def find_rollout_words(
    findings: Sequence[Finding], data: MessageData, change_title: str, unaccepted: str = ""
) -> RolloutWords | None:
    """Find the words for the first of ``findings`` that is about an upgrade under way; None: none is.

    Args:
        findings: Those that moved.
        data: What the message says.
        change_title: What a title says of its changes; empty where there are none.
        unaccepted: The hosts that came to be not as last accepted, as a title names them; empty: none did.
    """
    for finding in findings:
        rollout = _find_detail(finding, "rollout", _ROLLOUT_FIELDS)
        if rollout and rollout["state"] == "done":
            is_uniform = finding["transition"] == "resolved"
            news = f"not as last accepted: {unaccepted}" if unaccepted else change_title if is_uniform else ""
            return _word_done_rollout(rollout, data, news, is_uniform=is_uniform)
        if rollout:
            return _word_rollout(finding, rollout, data, change_title)
    return None


def find_steady_rollouts(findings: Iterable[Finding], begun: Iterable[Change]) -> list[Finding]:
    """Find the ``findings`` that did not move though an upgrade begins or ends by the changes ``begun``.

    Where hosts ran different images before it, and do so after it, it says nothing of that.
    """
    steps = {(change["element"], change["key"], change["to"]) for change in begun}
    found = []
    for finding in findings:
        rollout = _find_detail(finding, "rollout", _ROLLOUT_FIELDS)
        is_turn = rollout and (rollout["state"] == "done" or _is_beginning(rollout))
        is_own = rollout and (rollout["element"], rollout["key"], rollout["to"]) in steps
        if finding["transition"] == "still" and is_turn and is_own:
            found.append(finding)
    return found


def _is_beginning(rollout: Mapping[str, Any]) -> bool:
    return bool(rollout["state"] == "moving" and rollout.get("moved_at") == rollout["started_at"])


def _find_detail(finding: Finding, name: str, fields: frozenset[str]) -> Mapping[str, Any]:
    """Find what a finding holds under ``name``; empty where it is not whole: a large event is cut."""
    held: Any = finding["detail"].get(name)
    if not isinstance(held, dict) or not fields <= held.keys():
        return {}
    if not all(isinstance(held.get(each, []), list) for each in ("left", "unseen")):
        return {}
    try:
        parse_time(str(held.get("started_at", held.get("since"))))
    except ValueError:
        return {}
    return held


_ROLLOUT_FIELDS: Final = frozenset(
    {"element", "key", "from", "to", "done", "of", "left", "unseen", "started_at", "state"}
)
_FLAPPING_FIELDS: Final = frozenset({"times", "since"})


def _word_rollout(
    finding: Finding, rollout: Mapping[str, Any], data: MessageData, change_title: str
) -> RolloutWords:
    new, old = _name_versions(rollout, data)
    share, place = clean_text(f"{rollout['done']} of {rollout['of']} hosts"), render_place(data)
    time = format_elapsed(rollout["started_at"], data["checked_at"])
    left = tuple(_list_left(rollout, data, old))
    match rollout["state"]:
        case "stalled":
            title = f"Upgrade to {new} stalled at {share} after {time} · {place}"
            when, step = _find_last_move(rollout, data), _build_stalled_step(rollout, data)
            return RolloutWords(title, left, when=when, step=step)
        case _ if finding["transition"] in {"opened", "still"}:
            title = f"Upgrade under way: {share} on {new} from {old} · {place}"
            return RolloutWords(title, note=HEARD_AGAIN, step=_build_begun_step(data), is_calm=True)
        case _:
            elsewhere = change_title or "hosts differ"
            return RolloutWords(f"Beside the upgrade to {new} ({share} on it): {elsewhere} · {place}", left)


def _word_done_rollout(
    rollout: Mapping[str, Any], data: MessageData, news: str, *, is_uniform: bool
) -> RolloutWords:
    """Word the end of an upgrade, with the ``news`` that came with it: they must not hide behind it."""
    new, _ = _name_versions(rollout, data)
    share = clean_text(f"{rollout['done']} of {rollout['of']} hosts")
    time = format_elapsed(rollout["started_at"], data["checked_at"])
    again = f"{', uniform again' if is_uniform else ''}{f'; {news}' if news else ''}"
    title = f"Upgrade done: {share} on {new} after {time}{again} · {render_place(data)}"
    note = "" if is_uniform else "In other parts the hosts still differ."
    return RolloutWords(title, note=note, is_calm=True, is_over=True)


def _find_last_move(rollout: Mapping[str, Any], data: MessageData) -> tuple[str | Moment, ...]:
    """Find when a host got there last; nothing where it isn't known."""
    try:
        return (
            "Last host done by ",
            build_moment(str(rollout.get("moved_at")), data["now"], ends=True),
            ", none since.",
        )
    except ValueError:
        return ()


def _build_begun_step(data: MessageData) -> str:
    """Build what to do about an upgrade that began: often it is meant."""
    place = build_host_placeholders([], data)["cluster"]
    where = f"vCenter > {place} > Monitor > Tasks"
    return f"nothing, if it is planned; if nobody knows, see who began it in {where}."


def _build_stalled_step(rollout: Mapping[str, Any], data: MessageData) -> str:
    """Build what to do about hosts that are not reached: why comes before what to do."""
    unread = {str(host) for host in rollout["unseen"]}
    hosts = [str(host) for host in rollout["left"] if host not in unread]
    left = join_names(list_host_names(hosts, data["host_names"]))
    place = build_host_placeholders([], data)["cluster"]
    return (
        f"in vCenter > {place} > Monitor > Tasks, see who began it, and why {left or 'the rest'} did not "
        f"follow. If it is planned, {'' if left else 'bring them back, and '}remediate them to the cluster's "
        "image (Updates); if nobody knows of it, remediate nothing."
    )


def _name_versions(rollout: Mapping[str, Any], data: MessageData) -> tuple[str, str]:
    """Name what hosts go to, and what they come from."""
    old, new = str(rollout["from"] or ""), str(rollout["to"] or "")
    if rollout["element"] == "base_image":
        named = {old: rollout.get("from_release"), new: rollout.get("to_release")}
        known = {version: str(name) for version, name in named.items() if name}
        releases = {**data.get("release_names", {}), **known}
        name = format_release(new, releases)
        return name, format_earlier_release(format_release(old, releases), name)
    part = name_part(str(rollout["element"]), str(rollout["key"]))
    new, old = clean_text(cut_tail(new)), clean_text(cut_tail(old))
    # An add-on has its name before both versions.
    name = new.rpartition(" ")[0]
    return f"{part} {new}", old.removeprefix(f"{name} ") if name else old


def _list_left(rollout: Mapping[str, Any], data: MessageData, old: str) -> Iterator[str]:
    """List who is not there yet, and who was not seen."""
    unseen = [str(host) for host in rollout["unseen"]]
    left = [str(host) for host in rollout["left"] if host not in unseen]
    if left:
        yield f"Still on {old}: {join_names(list_host_names(left, data['host_names']))}"
    if unseen:
        yield f"Not checked: {join_names(_list_unseen(rollout, unseen, data))}"


def _list_unseen(rollout: Mapping[str, Any], unseen: Sequence[str], data: MessageData) -> list[str]:
    """List the names of the hosts that were not seen, each with why: ``esx11 (NOT_RESPONDING)``."""
    held = rollout.get("unseen_states")
    states = held if isinstance(held, dict) else {}
    named = zip(unseen, list_host_names(unseen, data["host_names"]), strict=True)
    return [f"{name} ({clean_text(str(states[host]))})" if states.get(host) else name for host, name in named]


def find_release_names(findings: Sequence[Finding]) -> dict[str, str]:
    """Find what the upgrades under way of ``findings`` call their releases, by version."""
    names: dict[str, str] = {}
    for finding in findings:
        rollout = _find_detail(finding, "rollout", _ROLLOUT_FIELDS)
        named = {str(rollout.get(side)): rollout.get(f"{side}_release") for side in ("from", "to")}
        names |= {version: str(name) for version, name in named.items() if name}
    return names


def find_flapping(findings: Sequence[Finding], data: MessageData) -> tuple[str, str]:
    """Find how often the first of ``findings`` that comes and goes did so; ``data`` is that of the message.

    Returns:
        What its title begins with, and a sentence; two empty texts where none comes and goes.
    """
    for finding in findings:
        flapping = _find_detail(finding, "flapping", _FLAPPING_FIELDS)
        if flapping:
            time = format_elapsed(flapping["since"], data["checked_at"])
            often = clean_text(f"{flapping['times']} times in {time}")
            if not flapping.get("steady"):
                return (
                    f"Comes and goes ({often}): ",
                    "Not reported each time: only once it has stayed the same for a day.",
                )
            is_over = finding["transition"] == "resolved"
            return "Steady again: " if is_over else f"Came and went ({often}), and stays now: ", ""
    return "", ""
