"""Play the soak, print what was measured; exit 1 if a bound is missed."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.simulator.certificates import authority
from tests.soak.measuring import Measure, render_table
from tests.soak.quarter import GROWTH_BOUNDS, measure_quarter

SCHEDULES, CLUSTERS_OF_ONE = 500, 5


def main() -> int:
    """Play and tell."""
    missed = 0
    for title, measures in _measure_all():
        sys.stdout.write(f"{title}\n{render_table(measures)}\n")
        sys.stdout.flush()
        missed += sum(not one.holds for one in measures)
    sys.stdout.write(f"{missed} bounds are missed.\n" if missed else "All bounds hold.\n")
    return 1 if missed else 0


def _measure_all() -> Iterator[tuple[str, list[Measure]]]:
    now = datetime.now(UTC)
    with TemporaryDirectory() as name:
        directory, trusted = Path(name), authority(now)
        tls = trusted.issue(directory, now)
        quarter = measure_quarter(SCHEDULES, CLUSTERS_OF_ONE, GROWTH_BOUNDS, directory, tls, trusted)
        yield f"Soak: {SCHEDULES} schedules over {4 * CLUSTERS_OF_ONE} clusters", [*quarter]


if __name__ == "__main__":
    sys.exit(main())
