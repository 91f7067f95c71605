"""Ratios of CPU time and of memory, measured in pairs so that a slower moment of the machine cancels out."""

import gc
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

SHORTEST_SECONDS = 0.02
"""A measurement repeats what is shorter until it takes this long."""

PAIRS = 7
MEMORY_PAIRS = 3
"""What Python holds hardly differs from run to run."""

SLOW_SECONDS = 0.5

type Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Spread:
    """Several measurements of one ratio: the least, the middle one and the greatest."""

    minimum: float
    median: float
    maximum: float


def spread(ratios: Sequence[float]) -> Spread:
    """The spread of some ratios."""
    return Spread(min(ratios), median(ratios), max(ratios))


def ratio(work: Work, unit: Work) -> Spread:
    """How often ``unit`` fits into ``work``, pair by pair, garbage collection off."""
    with _no_collection():
        repeats = _repeats(work), _repeats(unit)
        return spread([_typical(work, repeats[0]) / _typical(unit, repeats[1]) for _ in range(PAIRS)])


def growth(work: tuple[Work, Work], unit: tuple[Work, Work]) -> Spread:
    """How much more a large ``work`` takes than a small one, over what a large ``unit`` takes more.

    Each is a pair: the large one, and the small one.
    """
    with _no_collection():
        repeats = {each: _repeats(each) for each in (*work, *unit)}
        grown = []
        for _ in range(PAIRS):
            large, small, large_unit, small_unit = (_typical(each, repeats[each]) for each in (*work, *unit))
            grown.append(large / small / (large_unit / small_unit))
        return spread(grown)


def memory_ratio(work: Work, unit: Work) -> Spread:
    """The most memory that Python held during ``work``, over that of ``unit``, pair by pair; both warm."""
    work()
    unit()
    return spread([_peak_bytes(work) / _peak_bytes(unit) for _ in range(MEMORY_PAIRS)])


def _repeats(work: Work) -> int:
    """Warm up, and see how long it takes."""
    first = _seconds(work, 1)
    quick = first if first > SLOW_SECONDS else _seconds(work, 1)
    return max(1, round(SHORTEST_SECONDS / max(quick, 1e-6)))


def _typical(work: Work, repeats: int) -> float:
    """One run of what is slow, the median of five of what is quick, which is disturbed by what ran before."""
    first = _seconds(work, repeats)
    if first > SLOW_SECONDS:
        return first
    return median([first, *(_seconds(work, repeats) for _ in range(4))])


def _seconds(work: Work, repeats: int) -> float:
    gc.collect()
    start = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - start) / repeats


def _peak_bytes(work: Work) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@contextmanager
def _no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
