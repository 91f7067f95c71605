"""Measure everything into ``build/bench.json``; exit 1 if a target is missed."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.checks import check, loads, naive
from tests.benchmarks.fleet import all_different, body_of, fleet, moved, upgraded
from tests.benchmarks.measuring import memory_ratio, ratio

RESULT = Path("build/bench.json")
PAIRS = 9
SLOW_PAIRS = 3


@dataclass(frozen=True, slots=True)
class Result:
    """A measured ratio, and the one it has to stay below (or, ``at_least``, above)."""

    name: str
    ratio: float
    target: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether the target is met."""
        return self.ratio >= self.target if self.at_least else self.ratio <= self.target


def main() -> int:
    """Measure, tell as it goes, write the file."""
    results = []
    for result in measured():
        results.append(result)
        sign = "≥" if result.at_least else "≤"
        missed = "" if result.holds else "   MISSED"
        sys.stdout.write(f"{result.name:36}{result.ratio:9.2f}  {sign} {result.target:g}{missed}\n")
        sys.stdout.flush()
    RESULT.parent.mkdir(exist_ok=True)
    told = {
        result.name: {"ratio": round(result.ratio, 3), "target": result.target, "holds": result.holds}
        for result in results
    }
    RESULT.write_text(json.dumps(told, indent=2) + "\n")
    return 0 if all(result.holds for result in results) else 1


def measured() -> Iterator[Result]:
    """Every ratio that is promised."""
    yield from _against_loads()
    yield from _against_naive()
    yield _growth()
    yield _memory()


def _against_loads() -> Iterator[Result]:
    for images in (1, 4, 96):
        body = body_of(fleet(96, images))
        yield Result(f"unchanged-96x{images}", ratio(check(body, body), loads(body), PAIRS), 4)
    four, many = fleet(96, 4), fleet(96, 96)
    changes = {
        "changed-96x4-move": (four, moved(four)),
        "changed-96x4-upgrade": (four, upgraded(four)),
        "changed-96x4-all-different": (four, all_different(four)),
        "changed-96x96-upgrade": (many, upgraded(many)),
    }
    for name, (before, after) in changes.items():
        body = body_of(after)
        yield Result(name, ratio(check(body_of(before), body), loads(body), PAIRS), 6)


def _against_naive() -> Iterator[Result]:
    four = fleet(96, 4)
    body, other = body_of(four), body_of(moved(four))
    name = "naive-over-ours-unchanged-96x4"
    yield Result(name, ratio(naive(body, body), check(body, body), SLOW_PAIRS), 60, at_least=True)
    name = "naive-over-ours-move-96x4"
    yield Result(name, ratio(naive(body, other), check(body, other), SLOW_PAIRS), 40, at_least=True)
    for hosts, target, pairs in ((16, 250, SLOW_PAIRS), (32, 450, 1)):
        rolling = fleet(hosts, hosts)
        sides = body_of(rolling), body_of(upgraded(rolling, hosts // 2))
        measured_ratio = ratio(naive(*sides), check(*sides), pairs)
        yield Result(f"naive-over-ours-rolling-{hosts}x{hosts}", measured_ratio, target, at_least=True)


def _growth() -> Result:
    whole, half = body_of(fleet(96, 96)), body_of(fleet(48, 48))
    return Result("growth-48-to-96", ratio(check(whole, whole), check(half, half), PAIRS), 2.3)


def _memory() -> Result:
    before, after = fleet(96, 96), upgraded(fleet(96, 96))
    body = body_of(after)
    return Result("peak-memory", memory_ratio(check(body_of(before), body), loads(body)), 1.3)


if __name__ == "__main__":
    sys.exit(main())
