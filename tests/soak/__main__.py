"""Play the soak, print what was measured; exit 1 if a bound is missed."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.lab.local_aws.local_aws import LocalAws
from tests.lab.local_aws.rig import rigged
from tests.lab.local_aws.stack import QUIET, SLACK_ON_LOOPBACK, deploy, package
from tests.simulator.certificates import authority
from tests.soak.load import Load, measure_load
from tests.soak.measuring import Measure, render_table
from tests.soak.quarter import GROWTH_BOUNDS, VCENTERS, measure_quarter

SCHEDULES, CLUSTERS_OF_ONE = 500, 5
LOAD = Load(vcenters=10, clusters_of_one=100, hosts_of_one=12, slow_seconds=28)
"""A vCenter may take 30 seconds to begin an answer: one that takes longer does not answer."""

LOG_DIRECTORY = Path("build/soak")


def main() -> int:
    """Play and tell."""
    missed = 0
    sys.stdout.write("It takes some minutes to half an hour on two processors.\n\n")
    sys.stdout.flush()
    for title, measures in _measure_all():
        sys.stdout.write(f"{title}\n{render_table(measures)}\n")
        sys.stdout.flush()
        missed += sum(not one.holds for one in measures)
    sys.stdout.write(f"{missed} bounds are missed.\n" if missed else "All bounds hold.\n")
    return 1 if missed else 0


def _measure_all() -> Iterator[tuple[str, list[Measure]]]:
    now = datetime.now(UTC)
    with TemporaryDirectory() as name:
        directory, trusted = Path(name), authority(now, "Trusted CA")
        tls = trusted.issue(directory, now)
        quarter = measure_quarter(SCHEDULES, CLUSTERS_OF_ONE, GROWTH_BOUNDS, directory, tls, trusted)
        yield f"Soak: {SCHEDULES} schedules over {len(VCENTERS) * CLUSTERS_OF_ONE} clusters", [*quarter]
        with LocalAws(LOG_DIRECTORY, trusted, now) as local_aws:
            stack = deploy(local_aws, package(local_aws), "soak", QUIET | SLACK_ON_LOOPBACK)
            with rigged(stack, trusted, directory) as rig:
                measures = [*measure_load(rig, LOAD)]
        yield f"Load: one schedule over {LOAD.clusters} clusters of {LOAD.vcenters} vCenters", measures


if __name__ == "__main__":
    sys.exit(main())
