"""Measure everything into ``build/bench.json``; exit 1 if a target is missed."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.checks import check, loads, naive
from tests.benchmarks.fleet import all_different, body_of, fleet, moved, upgraded
from tests.benchmarks.measuring import memory_ratio, ratio
from tests.simulator.inventory import Host

RESULT = Path("build/bench.json")
PAIRS = 7
SLOW_PAIRS = 5


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
    sys.stdout.write(f"{'case':36}{'ratio':>9}  target\n")
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
    held = sum(result.holds for result in results)
    sys.stdout.write(
        f"{held} of {len(results)} targets hold. What each is over what: tests/benchmarks/checks.py\n"
    )
    return 0 if held == len(results) else 1


def measured() -> Iterator[Result]:
    """Every ratio that is promised."""
    yield from _against_loads()
    yield from _against_naive()
    yield _growth()
    yield _memory()


def _looks(before: list[Host], after: list[Host]) -> tuple[bytes, bytes]:
    """The documents of two looks, one after the other."""
    return body_of(before, 0), body_of(after, 1)


def _against_loads() -> Iterator[Result]:
    for images in (1, 4, 96):
        sides = _looks(fleet(96, images), fleet(96, images))
        yield Result(f"unchanged-96x{images}", ratio(check(*sides), loads(sides[1]), PAIRS), 4)
    four, many = fleet(96, 4), fleet(96, 96)
    changes = {
        "changed-96x4-move": _looks(four, moved(four)),
        "changed-96x4-upgrade": _looks(four, upgraded(four)),
        "changed-96x4-all-different": _looks(four, all_different(four)),
        "changed-96x96-upgrade": _looks(many, upgraded(many)),
    }
    for name, sides in changes.items():
        yield Result(name, ratio(check(*sides), loads(sides[1]), PAIRS), 6)


def _against_naive() -> Iterator[Result]:
    four = fleet(96, 4)
    cases = {
        "naive-over-ours-unchanged-96x4": (_looks(four, four), 60, SLOW_PAIRS),
        "naive-over-ours-move-96x4": (_looks(four, moved(four)), 40, SLOW_PAIRS),
        "naive-over-ours-rolling-16x16": (_rolling(16), 250, SLOW_PAIRS),
        "naive-over-ours-rolling-32x32": (_rolling(32), 450, 1),
    }
    for name, (sides, target, pairs) in cases.items():
        yield Result(name, ratio(naive(*sides), check(*sides), pairs), target, at_least=True)


def _rolling(hosts: int) -> tuple[bytes, bytes]:
    """Each host on an image of its own, and half of them upgraded."""
    before = fleet(hosts, hosts)
    return _looks(before, upgraded(before, hosts // 2))


def _growth() -> Result:
    whole, half = _looks(fleet(96, 96), fleet(96, 96)), _looks(fleet(48, 48), fleet(48, 48))
    return Result("growth-48-to-96", ratio(check(*whole), check(*half), PAIRS), 2.3)


def _memory() -> Result:
    before = fleet(96, 96)
    sides = _looks(before, upgraded(before))
    return Result("peak-memory", memory_ratio(check(*sides), loads(sides[1])), 1.3)


if __name__ == "__main__":
    sys.exit(main())
