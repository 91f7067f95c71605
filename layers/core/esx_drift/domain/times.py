"""Times as text: RFC 3339 in UTC, as the vCenter itself writes them."""

from datetime import UTC, datetime


def format_time(moment: datetime) -> str:
    """``2026-11-23T02:14:00.000Z``; raises ``ValueError`` for a time without a zone."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """An aware time in UTC from any RFC 3339 text; raises ``ValueError`` for anything else."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"a time without a zone: {text}")
    return moment.astimezone(UTC)
