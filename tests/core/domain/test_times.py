"""Times as text, and back."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from esx_drift.domain.times import text_of, time_of
from hypothesis import given, settings
from hypothesis import strategies as st

zones = st.builds(timezone, st.timedeltas(timedelta(hours=-14), timedelta(hours=14)))
moments = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=zones)  # noqa: DTZ001  # zones are given


@settings(deadline=None)
@given(moments)
def test_a_time_survives_being_written(moment: datetime) -> None:
    """To the millisecond, which is what the vCenter itself writes; never rounded up into the future."""
    back = time_of(text_of(moment))
    assert timedelta(0) <= moment - back < timedelta(milliseconds=1)
    assert text_of(back) == text_of(moment)


@settings(deadline=None)
@given(moments, moments)
def test_texts_sort_like_their_times(one: datetime, other: datetime) -> None:
    """Keys and logs are sorted as text."""
    if time_of(text_of(one)) < time_of(text_of(other)):
        assert text_of(one) < text_of(other)


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
    assert time_of(text) == datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
    assert time_of(text).utcoffset() == timedelta(0)
    assert text_of(time_of(text)) == "2026-11-23T02:14:00.000Z"


@pytest.mark.parametrize("text", ["2026-11-23T02:14:00", "yesterday", ""])
def test_what_is_no_moment_is_refused(text: str) -> None:
    """A time without a zone says nothing."""
    with pytest.raises(ValueError, match=r"zone|isoformat"):
        time_of(text)


def test_a_moment_without_a_zone_is_not_written() -> None:
    """Better an error here than a time that is hours off."""
    with pytest.raises(ValueError, match="without a zone"):
        text_of(datetime(2026, 11, 23))  # noqa: DTZ001  # that is what is tested
