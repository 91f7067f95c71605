"""Small pieces of sentences: names from outside made harmless, numbers, times and lists."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

from esx_drift.domain.stored.types import Coverage
from esx_drift.domain.text.times import parse_time

MAX_NAME_CHARACTERS = 80
MAX_SENTENCE_CHARACTERS = 400
MAX_LISTED = 10
MINUTE_SECONDS: Final = 60
HOUR_SECONDS: Final = 3600
DAY_SECONDS: Final = 86400
_VIB = re.compile(r"(?s)(?P<name>.+?) ?\((?P<version>.*)\)")
_ARGUMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def clean_text(text: str, most: int = MAX_NAME_CHARACTERS) -> str:
    """Text from outside on one line and of bounded length: no control or direction characters."""
    cut = text if len(text) <= most else f"{text[: most - 1]}…"
    shown = ("\ufffd" if unicodedata.category(char).startswith("C") else char for char in cut)
    return " ".join("".join(shown).split()) or "(no name)"


def end_sentence(text: str) -> str:
    """A sentence that may hold names from outside, ended by a full stop."""
    said = clean_text(text, MAX_SENTENCE_CHARACTERS)
    return said if said.removesuffix('"').endswith((".", "!", "?", "…")) else f"{said}."


def format_count(number: int, noun: str) -> str:
    """``1 host``, ``3 hosts``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def format_share(number: int, coverage: Coverage | None) -> str:
    """``3 of 12 hosts``; without the "of" where the cluster's size is not known or cannot be right."""
    if coverage is None or coverage["hosts"] < number:
        return format_count(number, "host")
    return f"{number} of {format_count(coverage['hosts'], 'host')}"


def join_names(names: Sequence[str], most: int = MAX_LISTED) -> str:
    """``esx02, esx07 and 4 more``."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def list_host_names(hosts: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """The hosts' names; their ids where no name is known."""
    return [clean_text(names.get(host, host)) for host in hosts]


def split_vib_key(key: str) -> tuple[str, str]:
    """Name and version of a VIB from the API's ``name(version)``; all of it is the name if it isn't that."""
    match = _VIB.fullmatch(key)
    return (clean_text(match["name"]), clean_text(match["version"])) if match else (clean_text(key), "")


def find_shell_argument(name: str) -> str | None:
    """The name if it can be pasted into a shell as it stands; a name from a host may be made to harm.

    One that is too long to be shown whole is none: cut, it would name something else.
    """
    return name if len(name) <= MAX_NAME_CHARACTERS and _ARGUMENT.fullmatch(name) else None


def format_moment(text: str) -> str:
    """``23 Nov 02:14``, in UTC."""
    time = parse_time(text)
    return f"{time.day} {time:%b %H:%M}"


def format_between(since: str, until: str) -> str:
    """``01:14 and 02:14``, with the days where they are not the same."""
    first, last = parse_time(since), parse_time(until)
    if first.date() == last.date():
        return f"{first:%H:%M} and {last:%H:%M}"
    return f"{format_moment(since)} and {format_moment(until)}"


def format_elapsed(since: str, until: str) -> str:
    """``47 min``, ``5 h 40 min``, ``7 days``; ``less than a minute``."""
    return format_duration((parse_time(until) - parse_time(since)).total_seconds())


def format_duration(seconds: float) -> str:
    """The same from its length; what is below zero is less than a minute."""
    whole = int(seconds)
    if whole < MINUTE_SECONDS:
        return "less than a minute"
    if whole < HOUR_SECONDS:
        return f"{whole // MINUTE_SECONDS} min"
    if whole < 2 * DAY_SECONDS:
        minutes = whole % HOUR_SECONDS // MINUTE_SECONDS
        return f"{whole // HOUR_SECONDS} h" + (f" {minutes} min" if minutes else "")
    return f"{whole // DAY_SECONDS} days"
