"""What was measured, the bound that it is held to, and the table of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Measure:
    """Values of one kind. ``judged`` is what is held to ``bound``: None where there is nothing to hold."""

    name: str
    values: Sequence[float]
    judged: float | None = None
    bound: float | None = None
    judged_as: str = ""

    @property
    def holds(self) -> bool:
        """Whether the bound is kept."""
        return self.judged is None or self.bound is None or self.judged <= self.bound


def build_flat(name: str, values: Sequence[float], bound: float) -> Measure:
    """A series that is not to grow: the median of its last tenth over that of its second tenth.

    The first tenth is left out: what is empty at first fills up.
    """
    tenth = len(values) // 10
    early, late = median(values[tenth : 2 * tenth]), median(values[-tenth:])
    growth = late / early if early else float(late > 0) + 1
    return Measure(name, values, growth, bound, "last tenth / second tenth")


def build_limited(name: str, values: Sequence[float], limit: float) -> Measure:
    """Values none of which is to be above a limit."""
    return Measure(name, values, max(values), limit, "maximum")


def build_shown(name: str, values: Sequence[float]) -> Measure:
    """Values that are only shown."""
    return Measure(name, values)


def render_table(measures: Iterable[Measure]) -> str:
    """One line each: minimum, median, maximum, and what was judged."""
    lines = [f"{'measured':44}{'min':>10}{'median':>10}{'max':>10}   judged"]
    for one in measures:
        low, middle, high = min(one.values), median(one.values), max(one.values)
        judged = ""
        if one.judged is not None and one.bound is not None:
            missed = "" if one.holds else "   MISSED"
            judged = f"   {one.judged_as}: {one.judged:.3g} ≤ {one.bound:g}{missed}"
        lines.append(f"{one.name:44}{low:10.5g}{middle:10.5g}{high:10.5g}{judged}")
    return "\n".join(lines) + "\n"
