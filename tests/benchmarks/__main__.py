"""Measure everything into ``build/bench.json``; exit 1 if a target is missed."""

import json
import sys
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from zipfile import ZIP_DEFLATED, ZipFile

from tests.benchmarks.checks import check, loads, naive
from tests.benchmarks.fleet import all_different, body_of, fleet, moved, upgraded
from tests.benchmarks.invocations import measure_invocations
from tests.benchmarks.measuring import Spread, growth, memory_ratio, ratio, spread
from tests.benchmarks.year import measure_state_year
from tests.lab.local_aws.place import BUILT
from tests.lab.local_aws.runtime import LAYERS
from tests.simulator.inventory import Host

RESULT = Path("build/bench.json")
EXPLAINED = "tests/benchmarks/README.md"
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Result:
    """A ratio, measured several times, and what its median has to stay below (or, ``at_least``, above)."""

    name: str
    spread: Spread
    target: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether the target is met."""
        ratio = self.spread.median
        return ratio >= self.target if self.at_least else ratio <= self.target


def main() -> int:
    """Measure, tell as it goes, write the file."""
    results = []
    sys.stdout.write(f"{'case':36}{'minimum':>9}{'median':>9}{'maximum':>9}  target\n")
    for result in measured():
        results.append(result)
        sign = "≥" if result.at_least else "≤"
        missed = "" if result.holds else "   MISSED"
        spread = "".join(f"{ratio:9.2f}" for ratio in astuple(result.spread))
        sys.stdout.write(f"{result.name:36}{spread}  {sign} {result.target:g}{missed}\n")
        sys.stdout.flush()
    RESULT.parent.mkdir(exist_ok=True)
    found = {result.name: _describe(result) for result in results}
    RESULT.write_text(json.dumps(found, indent=2) + "\n")
    held = sum(result.holds for result in results)
    sys.stdout.write(
        f"{held} of {len(results)} targets hold, by the median. What each is over what: {EXPLAINED}\n"
    )
    return 0 if held == len(results) else 1


def _describe(result: Result) -> dict[str, object]:
    least, middle, most = (round(ratio, 3) for ratio in astuple(result.spread))
    measured = {"ratio": middle, "minimum": least, "maximum": most}
    return {**measured, "target": result.target, "holds": result.holds}


def measured() -> Iterator[Result]:
    """Every ratio that is promised."""
    yield from _against_loads()
    yield from _against_naive()
    yield _growth()
    yield Result("peak-memory", _memory(), 1.3)
    yield _once("state-year", measure_state_year(), 1.5)
    yield from measure_layers()
    yield from _invocations()


def _looks(before: list[Host], after: list[Host]) -> tuple[bytes, bytes]:
    """The documents of two looks, one after the other."""
    return body_of(before, 0), body_of(after, 1)


def _against_loads() -> Iterator[Result]:
    for images in (1, 4, 96):
        sides = _looks(fleet(96, images), fleet(96, images))
        yield Result(f"unchanged-96x{images}", ratio(check(*sides), loads(sides[1])), 4)
    four, many = fleet(96, 4), fleet(96, 96)
    changes = {
        "changed-96x4-move": (_looks(four, moved(four)), 6),
        "changed-96x4-upgrade": (_looks(four, upgraded(four)), 6),
        "changed-96x4-all-different": (_looks(four, all_different(four)), 7.5),
        "changed-96x96-upgrade": (_looks(many, upgraded(many)), 6),
    }
    for name, (sides, target) in changes.items():
        yield Result(name, ratio(check(*sides), loads(sides[1])), target)


def _against_naive() -> Iterator[Result]:
    four = fleet(96, 4)
    cases = {
        "naive-over-ours-unchanged-96x4": (_looks(four, four), 60),
        "naive-over-ours-move-96x4": (_looks(four, moved(four)), 40),
        "naive-over-ours-rolling-16x16": (_rolling(16), 170),
        "naive-over-ours-rolling-32x32": (_rolling(32), 210),
    }
    for name, (sides, target) in cases.items():
        yield Result(name, ratio(naive(*sides), check(*sides)), target, at_least=True)


def _rolling(hosts: int) -> tuple[bytes, bytes]:
    """Each host on an image of its own, and half of them upgraded."""
    before = fleet(hosts, hosts)
    return _looks(before, upgraded(before, hosts // 2))


def _growth() -> Result:
    whole, half = _looks(fleet(96, 96), fleet(96, 96)), _looks(fleet(48, 48), fleet(48, 48))
    checks, units = (check(*whole), check(*half)), (loads(whole[1]), loads(half[1]))
    return Result("growth-48-to-96", growth(checks, units), 1.3)


def _memory() -> Spread:
    before = fleet(96, 96)
    sides = _looks(before, upgraded(before))
    return memory_ratio(check(*sides), loads(sides[1]))


def measure_layers() -> Iterator[Result]:
    """Measure in MB, which is no ratio, what Lambda loads and unpacks at each cold start."""
    files = {layer: [file for file in (BUILT / layer).rglob("*") if file.is_file()] for layer in LAYERS}
    for layer, name, target in (("DependenciesLayer", "layer-zip-mb", 12), ("CoreLayer", "own-zip-mb", 2.5)):
        with TemporaryFile() as packed:
            with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
                for file in sorted(files[layer]):
                    archive.write(file, file.relative_to(BUILT / layer))
            yield _once(name, packed.tell() / MB, target)
    unpacked = sum(file.stat().st_size for each in files.values() for file in each)
    yield _once("layer-unpacked-mb", unpacked / MB, 45)


def _invocations() -> Iterator[Result]:
    measured = measure_invocations()
    yield Result("cold-unchanged", measured.cold_unchanged, 1.6)
    yield Result("cold-changed", measured.cold_changed, 2.0)
    yield Result("warm-unchanged", measured.warm_unchanged, 1.5)
    yield Result("run-1000", measured.run_1000, 1.2)


def _once(name: str, ratio: float, target: float) -> Result:
    """A result of what is counted, and so the same each time."""
    return Result(name, spread([ratio]), target)


if __name__ == "__main__":
    sys.exit(main())
