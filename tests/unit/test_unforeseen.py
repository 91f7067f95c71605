"""A bug is told by its kind and its place, never by the values that it met."""

import re

import pytest
from esx_drift.domain.text.times import parse_time
from esx_drift.errors import InternalError, OutOfTime
from esx_drift.unforeseen import MAX_LOGGED_FRAMES, hold_unforeseen

SECRET = "S3cret-of-nobody"


def _walk_in(depth: int) -> int:
    return _walk_on(depth + 1) + 1


def _walk_on(depth: int) -> int:
    return _walk_in(depth + 1) + 1


def test_a_bug_is_told_by_its_kind_and_place(caplog: pytest.LogCaptureFixture) -> None:
    """The innermost line of ours, though it broke in a library; and the way there."""
    with pytest.raises(InternalError) as caught, hold_unforeseen("the look at prod-a"):
        parse_time(f"{SECRET}Z")
    place = r"ValueError at esx_drift/domain/text/times\.py:\d+ in parse_time"
    assert re.fullmatch(f"a bug in esx-drift ended the look at prod-a: {place}", caught.value.message)
    assert re.fullmatch(place, caught.value.facts["bug"])
    (line,) = [vars(record) for record in caplog.records]
    assert (line["levelname"], line["message"], line["work"]) == ("ERROR", "bug", "the look at prod-a")
    assert "parse_time" in line["frames"][-1]
    assert line["bug"] == caught.value.facts["bug"]


def test_no_value_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Neither in the error, nor in what Python would print of it, nor in the log."""
    with pytest.raises(InternalError) as caught, hold_unforeseen("a logout"):
        raise KeyError(SECRET)
    assert SECRET not in f"{caught.value}{caught.value.facts}{vars(caplog.records[0])}"
    assert caught.value.__suppress_context__


def test_our_own_errors_pass_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    """What was foreseen is handled where it is known what it means."""
    error = OutOfTime("no time is left")
    with pytest.raises(OutOfTime) as caught, hold_unforeseen("a look"):
        raise error
    assert caught.value is error
    assert caplog.records == []


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_the_end_of_the_process_is_not_held(end: type[BaseException]) -> None:
    """Whoever ends the process means all of it."""
    with pytest.raises(end), hold_unforeseen("a look"):
        raise end


def test_a_recursion_without_end_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    """Its last steps say where it was."""
    with pytest.raises(InternalError, match="RecursionError"), hold_unforeseen("a look"):
        _walk_in(0)
    assert len(vars(caplog.records[0])["frames"]) == MAX_LOGGED_FRAMES
