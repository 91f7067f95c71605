"""How `make bench` measures and judges; what it measures takes too long here."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks import __main__ as bench
from tests.benchmarks import invocations, measuring
from tests.benchmarks.__main__ import Result
from tests.benchmarks.measuring import memory_ratio, ratio, spread


def test_each_ratio_is_of_so_many_pairs() -> None:
    """Each of them right after the other: what disturbs one disturbs both."""
    calls: list[str] = []
    both = ratio(lambda: calls.append("work"), lambda: calls.append("unit"))
    assert both.minimum <= both.median <= both.maximum
    turns = [name for name, before in zip(calls, ["", *calls], strict=False) if name != before]
    # The first two find out how often each is repeated.
    assert turns == ["work", "unit"] * (1 + measuring.PAIRS)
    assert measuring.PAIRS == invocations.PAIRS == 7


def test_memory_is_measured_more_than_once() -> None:
    """What ten times as much is made in holds ten times as much."""
    found = memory_ratio(lambda: bytes(10_000_000), lambda: bytes(1_000_000))
    assert measuring.MEMORY_PAIRS == 3
    assert 9 < found.minimum <= found.maximum < 11


def test_the_median_is_judged() -> None:
    """And neither the least nor the greatest, which a busy moment makes."""
    disturbed = spread([1, 1, 1, 2, 2, 2, 90])
    assert Result("lower", disturbed, 2).holds
    assert not Result("lower", disturbed, 1.9).holds
    assert Result("higher", disturbed, 2, at_least=True).holds
    assert not Result("higher", disturbed, 2.1, at_least=True).holds


@pytest.mark.parametrize(("target", "code"), [(2, 0), (1, 1)])
def test_it_shows_all_three_and_ends_in_1_if_a_target_is_missed(
    target: float,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And keeps them in a file."""

    def measured() -> Iterator[Result]:
        yield Result("unchanged", spread([1, 2, 3]), target)

    monkeypatch.setattr(bench, "measured", measured)
    monkeypatch.setattr(bench, "RESULT", tmp_path / "bench.json")
    assert bench.main() == code
    said = capsys.readouterr().out.splitlines()[1].split()
    assert said[:6] == ["unchanged", "1.00", "2.00", "3.00", "≤", str(target)]
    assert (said[6:] == ["MISSED"]) == bool(code)
    kept = json.loads((tmp_path / "bench.json").read_text())["unchanged"]
    assert kept == {"ratio": 2, "minimum": 1, "maximum": 3, "target": target, "holds": not code}
