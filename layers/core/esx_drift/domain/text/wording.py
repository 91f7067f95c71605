"""Small pieces of sentences: names from outside made harmless, numbers, times and lists."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Final

from esx_drift.domain.text.times import is_time, parse_time

MAX_NAME_CHARACTERS = 80
MAX_SENTENCE_CHARACTERS = 400
MAX_LISTED = 10
LONGEST_NAME: Final = 253
"""Of a host, as DNS has them (RFC 1035): what is longer is none that somebody types."""

SHORTEST_NAMED_TICKET: Final = 4
"""A ticket of fewer characters may be any word of a reason: it stands beside it, then twice."""

MINUTE_SECONDS: Final = 60
HOUR_SECONDS: Final = 3600
DAY_SECONDS: Final = 86400
_ARGUMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def clean_text(text: str, most: int = MAX_NAME_CHARACTERS) -> str:
    """Clean a ``text`` from outside: one line, at most ``most`` characters, ``(no name)`` if it is blank.

    Blanks, tabs and line ends in a row become one blank: several lines are one sentence after another.
    Characters that control the text, such as one that reverses its direction, are replaced.
    """
    cut = cut_text(" ".join(text.split()), most)
    shown = "".join("\ufffd" if unicodedata.category(char).startswith("C") else char for char in cut)
    return shown or "(no name)"


def cut_text(text: str, most: int) -> str:
    """Cut a ``text`` to at most ``most`` characters, of which the last says that it was cut."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def clean_sentence(text: str, most: int = MAX_SENTENCE_CHARACTERS) -> str:
    """Clean a sentence, ``text`` from outside, as ``clean_text`` does.

    Where it has more than ``most`` characters and is cut, no name in it is cut in two. What is longer than
    any name, as a reply of JSON, is.
    """
    cleaned = clean_text(text, most)
    begin, blank, last = cleaned.rpartition(" ")
    is_cut = len(" ".join(text.split())) > most
    return f"{begin} …" if is_cut and blank and len(last) <= LONGEST_NAME else cleaned


def end_sentence(text: str) -> str:
    """End a sentence, which may hold names from outside, with a full stop."""
    sentence = clean_text(text, MAX_SENTENCE_CHARACTERS)
    ended = sentence.removesuffix('"').endswith((".", "!", "?", "…"))
    return sentence if ended else f"{sentence}."


def format_count(number: int, noun: str) -> str:
    """Format a ``number`` of things, each of them a ``noun``: ``1 host``, ``3 hosts``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def format_share(number: int, hosts: int | None) -> str:
    """Format a ``number`` of hosts out of the ``hosts`` that a cluster has: ``3 of 12 hosts``.

    Where ``hosts`` is not known (None) or smaller than ``number``, it is left out: ``3 hosts``.
    """
    if hosts is None or hosts < number:
        return format_count(number, "host")
    return f"{number} of {format_count(hosts, 'host')}"


def join_names(names: Sequence[str], most: int = MAX_LISTED) -> str:
    """Join ``names``, at most ``most`` of them: ``esx02, esx07 and 4 more``."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def join_all(names: Iterable[str], word: str) -> str:
    """Join all ``names``, of which there is one at least, the last by a ``word``: ``a, b and c``."""
    *others, last = names
    return f"{', '.join(others)} {word} {last}" if others else last


def join_reason(reason: str, ticket: str | None) -> str:
    """Join why somebody decided something and the ``ticket`` that it belongs to: ``CHG-2042 · new driver``.

    A ticket that the ``reason`` names already stands once; one of few characters may be any word of it.
    """
    if not ticket or ticket == reason:
        return reason
    named = rf"(?<![\w-])(?<!\w[./]){re.escape(ticket)}(?![\w-]|[./]\w)"
    if len(ticket) >= SHORTEST_NAMED_TICKET and re.search(named, reason, re.IGNORECASE):
        return reason
    return f"{ticket} · {reason}" if reason else ticket


def list_host_names(hosts: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """List the names of ``hosts`` (ids), made harmless; the id itself where ``names`` (by id) lacks it."""
    return [clean_text(names.get(host, host)) for host in hosts]


_ELEMENT_NAMES: Final = {"base_image": "base image", "add_on": "add-on", "orphaned_vib": "orphaned VIB"}


def name_element(element: str) -> str:
    """Name an element of a change as a person does: ``component``, ``add-on``, ``removed component``."""
    return _ELEMENT_NAMES.get(element, element.replace("_", " "))


def split_vib_key(key: str) -> tuple[str, str]:
    """Split the API's ``name(version)`` of a VIB; all of it is the name if it has another form.

    Two searches for one character each, since a pattern would try every bracket as the first against every
    one as the last.
    """
    bracket = key.find("(", 1)
    if bracket < 0 or not key.endswith(")"):
        return clean_text(key), ""
    return clean_text(key[:bracket].removesuffix(" ")), clean_text(key[bracket + 1 : -1])


def find_shell_argument(name: str) -> str | None:
    """Return a name from outside if it can be pasted into a shell as it stands.

    Returns:
        None if it could do harm there, or is too long to be shown whole: cut, it would name something else.
    """
    return name if len(name) <= MAX_NAME_CHARACTERS and _ARGUMENT.fullmatch(name) else None


def format_moment(text: str, year: int | None = None) -> str:
    """Format a time of a record, ``text``, as ``23 Nov 02:14``, in UTC.

    With its year, ``23 Nov 2025 02:14``, where that is known not to be the ``year`` in which it is read.
    """
    moment = parse_time(text)
    return f"{_format_day(moment, moment.year if year is None else year)} {moment:%H:%M}"


def _format_day(moment: datetime, year: int) -> str:
    return f"{moment.day} {moment:%b}" if moment.year == year else f"{moment.day} {moment:%b} {moment.year}"


_STORED_TIME: Final = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def reword_times(text: str, year: int, *, has_seconds: bool = False) -> str:
    """Reword each stored time in a ``text`` to ``23 Nov 02:14 UTC``; ``has_seconds``: with its seconds.

    One of another year than the ``year`` in which it is read has its own: ``23 Nov 2025 02:14 UTC``.
    """
    form = "%H:%M:%S" if has_seconds else "%H:%M"

    def write(stored: str) -> str:
        moment = parse_time(stored)
        return f"{_format_day(moment, year)} {moment:{form}} UTC"

    return replace_times(text, write)


def replace_times(text: str, write: Callable[[str], str]) -> str:
    """Replace each stored time in a ``text`` by what ``write`` makes of it."""
    return _STORED_TIME.sub(lambda found: write(found[0]) if is_time(found[0]) else found[0], text)


def format_end(text: str) -> str:
    """Format when something ends, up to which it holds: ``2026-12-24`` for all of that day, in UTC.

    Of a day that is no whole one, its time: ``2026-12-24 18:00 UTC``.
    """
    return find_last_day(text) or f"{parse_time(text):%Y-%m-%d %H:%M} UTC"


def find_last_day(text: str) -> str | None:
    """Find the last day, in UTC, of what ends with it: ``2026-12-24``; None if it ends within a day."""
    end = parse_time(text)
    return f"{end - timedelta(days=1):%Y-%m-%d}" if end.time() == time.min else None


def format_between(since: str, until: str) -> str:
    """Format the times ``since`` and ``until`` as ``01:14 and 02:14``.

    With the days where these differ, and with seconds where the minutes do not.
    """
    first, last = parse_time(since), parse_time(until)
    if first.date() == last.date():
        form = "%H:%M:%S" if f"{first:%H:%M}" == f"{last:%H:%M}" else "%H:%M"
        return f"{first:{form}} and {last:{form}}"
    return f"{format_moment(since)} and {format_moment(until)}"


def format_elapsed(since: str, until: str) -> str:
    """Format the time from ``since`` to ``until``, both as text.

    It reads ``47 min``, ``5 h 40 min``, ``7 days`` or ``less than a minute``.
    """
    return format_duration((parse_time(until) - parse_time(since)).total_seconds())


def format_duration(seconds: float) -> str:
    """Format a length of time as ``format_elapsed`` does; less than zero is less than a minute."""
    whole = int(seconds)
    if whole < MINUTE_SECONDS:
        return "less than a minute"
    if whole < HOUR_SECONDS:
        return f"{whole // MINUTE_SECONDS} min"
    if whole < 2 * DAY_SECONDS:
        minutes = whole % HOUR_SECONDS // MINUTE_SECONDS
        return f"{whole // HOUR_SECONDS} h" + (f" {minutes} min" if minutes else "")
    return f"{whole // DAY_SECONDS} days"
