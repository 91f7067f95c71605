"""Times as text, and back."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from esx_drift.domain.text.times import format_time, parse_time
from hypothesis import given, settings
from hypothesis import strategies as st

zones = st.builds(timezone, st.timedeltas(timedelta(hours=-14), timedelta(hours=14)))
moments = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=zones)  # noqa: DTZ001  # zones are given


@settings(deadline=None)
@given(moments)
def test_a_time_survives_being_written(moment: datetime) -> None:
    """To the millisecond, which is what the vCenter itself writes; never rounded up into the future."""
    back = parse_time(format_time(moment))
    assert timedelta(0) <= moment - back < timedelta(milliseconds=1)
    assert format_time(back) == format_time(moment)


@settings(deadline=None)
@given(moments, moments)
def test_texts_sort_like_their_times(one: datetime, other: datetime) -> None:
    """Keys and logs are sorted as text."""
    if parse_time(format_time(one)) < parse_time(format_time(other)):
        assert format_time(one) < format_time(other)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T02:14:00Z",
        "2026-11-23T02:14:00.000Z",
        "2026-11-23T04:14:00+02:00",
        "2026-11-22T21:14:00-05:00",
    ],
)
def test_every_spelling_of_a_moment_is_read_in_utc(text: str) -> None:
    """Whatever zone a vCenter writes in."""
    assert parse_time(text) == datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
    assert parse_time(text).utcoffset() == timedelta(0)
    assert format_time(parse_time(text)) == "2026-11-23T02:14:00.000Z"


@pytest.mark.parametrize("text", ["2026-11-23T02:14:00", "yesterday", ""])
def test_what_is_no_moment_is_refused(text: str) -> None:
    """A time without a zone says nothing."""
    with pytest.raises(ValueError, match=r"zone|isoformat"):
        parse_time(text)


def test_a_moment_without_a_zone_is_not_written() -> None:
    """Better an error here than a time that is hours off."""
    with pytest.raises(ValueError, match="without a zone"):
        format_time(datetime(2026, 11, 23))  # noqa: DTZ001  # that is what is tested
