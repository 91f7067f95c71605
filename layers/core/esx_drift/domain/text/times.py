"""Times as text: RFC 3339 in UTC, as the vCenter itself writes them."""

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

FIRST_USABLE_YEAR: Final = 1900
LAST_USABLE_YEAR: Final = 8999


def format_time(moment: datetime) -> str:
    """Format a time as ``2026-11-23T02:14:00.000Z``.

    Raises:
        ValueError: The time has no zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """Parse any RFC 3339 text into an aware time in UTC.

    Raises:
        ValueError: The text is no such time, or has no zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"a time without a zone: {text}")
    return convert_to_utc(moment)


def is_time(value: object) -> bool:
    """Say whether a ``value`` is a time, as stored."""
    try:
        parse_time(str(value))
    except ValueError:
        return False
    return True


def convert_to_utc(moment: datetime) -> datetime:
    """Convert an aware time to UTC; raises ``ValueError`` for one that UTC would put beyond the calendar."""
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"a time beyond the calendar: {moment.isoformat()}") from error


def is_usable(moment: datetime) -> bool:
    """Tell whether a time can be reckoned with: near either end of the calendar, no duration can be added."""
    return FIRST_USABLE_YEAR <= moment.year <= LAST_USABLE_YEAR


_DURATION: Final = re.compile(r"(?=\d)(?:(\d{1,3})d)?(?:(\d{1,4})h)?(?:(\d{1,5})m)?")


def parse_duration(text: str) -> timedelta:
    """Parse a duration as people write it: ``4h``, ``90m``, ``1d12h``.

    Raises:
        ValueError: The text is none, or no time at all.
    """
    found = _DURATION.fullmatch(text)
    days, hours, minutes = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    duration = timedelta(days=days, hours=hours, minutes=minutes)
    if not duration:
        raise ValueError(f"no duration such as 4h or 1d12h: {text}")
    return duration


JITTER_PART: Final = 10
"""A delay grows by up to a tenth. It never shrinks: it is the least time between two tries."""


def add_jitter(delay_seconds: int, seed: str) -> int:
    """Add up to a tenth to ``delay_seconds``.

    What is added is the same for the same ``seed``, and evenly spread over different ones.
    """
    share = int.from_bytes(sha256(seed.encode("utf-8", "surrogatepass")).digest()[:4]) / 2**32
    return delay_seconds + int((delay_seconds // JITTER_PART + 1) * share)
