"""A week of what `make soak` plays for a quarter of a year, and how it judges."""

from pathlib import Path

import pytest

from tests.simulator.certificates import Authority
from tests.simulator.listener import Tls
from tests.soak import __main__ as soak
from tests.soak.measuring import Measure, build_flat, build_limited, build_shown, render_table
from tests.soak.quarter import EXTRACTING, GROWTH_BOUNDS, STATM, measure_quarter

WEEK_BOUNDS = GROWTH_BOUNDS | {
    "newest record of a log, mean, bytes": 1.6,
    "LIST a schedule": 2,
    "GET a schedule": 1.6,
    "PUT a schedule": 1.6,
}
"""A record fills up at first: after four schedules nothing was accepted yet, and no host has left. A look
that finds a new host makes one more listing, and a tenth here is four schedules: two of them are 1.5 of 1."""


@pytest.mark.skipif(not STATM.exists(), reason="Linux says what a process holds")
def test_a_week_of_schedules_takes_no_more_at_its_end(
    tmp_path: Path, slack_tls: Tls, slack_authority: Authority
) -> None:
    """Of memory, open files and S3; and no log fails whose vCenter is there."""
    measures = [*measure_quarter(40, 2, WEEK_BOUNDS, tmp_path, slack_tls, slack_authority)]
    table = render_table(measures)
    assert {one.name for one in measures} > GROWTH_BOUNDS.keys()
    assert [one.name for one in measures if not one.holds] == [], table
    (messages,) = (one.values for one in measures if one.name == "messages to chat a schedule")
    assert 5 < sum(messages) < 80
    (extractions,) = (one.values for one in measures if one.name == "extractions a schedule")
    assert [*extractions] == [2 * len(EXTRACTING)] * 40


def test_what_grows_is_missed() -> None:
    """The first tenth counts for nothing, and one schedule that takes more does not either."""
    filling = [*range(10), *[10.0] * 89, 500.0]
    assert build_flat("filled", filling, 1.05).holds
    growing = build_flat("growing", [100.0 + number for number in range(100)], 1.5)
    assert not growing.holds
    assert growing.judged == pytest.approx(194.5 / 114.5)
    assert not build_flat("from nothing", [0.0] * 50 + [1.0] * 50, 1.5).holds
    assert build_flat("nothing", [0.0] * 100, 1.0).holds


def test_a_table_says_what_is_missed() -> None:
    """And holds nothing of what is only shown."""
    table = render_table([build_limited("sessions", [1, 7], 5), build_shown("seconds", [1, 2, 4])])
    _, sessions, seconds = table.splitlines()
    assert " ".join(sessions.split()) == "sessions 1 4 7 maximum: 7 ≤ 5 MISSED"
    assert seconds.split() == ["seconds", "1", "2", "4"]


@pytest.mark.parametrize(("most", "code"), [(4, 1), (5, 0)])
def test_it_ends_in_1_if_a_bound_is_missed(
    most: float, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And says so at the end."""
    measures: list[Measure] = [build_limited("sessions", [5], most)]
    monkeypatch.setattr(soak, "_measure_all", lambda: iter([("Soak", measures)]))
    assert soak.main() == code
    said = capsys.readouterr().out
    assert "\nSoak\nmeasured " in said
    assert said.endswith("1 bounds are missed.\n" if code else "All bounds hold.\n")
