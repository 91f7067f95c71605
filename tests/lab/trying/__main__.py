"""`make try`: checks a real vCenter once from this machine, in an AWS of its own that is gone afterwards.

Ends in 0 if every cluster was read, in 1 if something was not.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from copy import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from esx_drift.cli.doctor import print_results
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from rich.console import Console

from tests.lab.local_aws.local_aws import LocalAws
from tests.lab.local_aws.place import CHECKOUT, NotReadyError
from tests.lab.local_aws.stack import deploy, package
from tests.lab.trying.asking import Asked, asked
from tests.lab.trying.telling import tell_software, tell_stories, tell_table
from tests.lab.trying.watching import Trial
from tests.simulator import VCenter, VCenterServer
from tests.simulator.certificates import authority
from tests.simulator.scenarios import SCENARIOS

PARAMETERS = {"ScheduleState": "DISABLED"}
INTERRUPTED = 130
LEFT = Path("build/try/audit")
PARTS = f".venv/bin/esx-drift blame CLUSTER --all --dir {LEFT}"
SCENARIO = "orphaned-vib"
"""What happened in the simulated vCenter: two clusters, and a VIB that belongs to nothing."""


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    console = Console(highlight=False)
    try:
        of = asked(arguments)
    except KeyboardInterrupt:
        console.print("\nStopped. Nothing was sent to the vCenter.")
        return INTERRUPTED
    trials: list[Trial] = []
    try:
        return _tried(console, of, trials)
    except KeyboardInterrupt:
        dispatched = any(trial.dispatched for trial in trials)
        console.print(f"\nStopped.{' What vCenter was asked to extract, it still finishes.' * dispatched}")
        return INTERRUPTED
    except NotReadyError as error:
        console.print(str(error), markup=False)
        return 1


def _tried(console: Console, of: Asked, trials: list[Trial]) -> int:
    """`trials` is given the trial as soon as it may reach out."""
    (CHECKOUT / "build").mkdir(exist_ok=True)
    now = datetime.now(UTC)
    with ExitStack() as ending:
        with console.status("Starting an AWS on this machine") as doing:
            folder = Path(ending.enter_context(TemporaryDirectory(prefix="try-", dir=CHECKOUT / "build")))
            if of.given.simulated:
                of = ending.enter_context(simulated(of, folder, now))
            local_aws = ending.enter_context(LocalAws(folder, authority(now, "CA of this trial"), now))
            doing.update("Deploying to an AWS on this machine")
            trial = Trial(deploy(local_aws, package(local_aws), "esx-drift", PARAMETERS), of)
            trial.prepare()
        trials.append(trial)
        try:
            return _looked(console, trial, local_aws)
        finally:
            # The local AWS is killed with all its functions: before that, each has to end its session.
            _ended(console, trial)


@contextmanager
def simulated(of: Asked, folder: Path, now: datetime) -> Iterator[Asked]:
    """Serve a simulated vCenter meanwhile; what was asked, with its port and its CA."""
    own, vcenter, scenario = authority(now, "CA of the simulated vCenter"), VCenter(), SCENARIOS[SCENARIO]
    scenario.prepare(vcenter)
    scenario.change(vcenter, 0)
    (folder / "vcenter").mkdir()
    with VCenterServer(vcenter, tls=own.issue(folder / "vcenter", now)) as server:
        yield replace(of, given=replace(of.given, port=server.port, ca_bundle=own.pem))


def _ended(console: Console, trial: Trial) -> None:
    try:
        trial.end(console)
    except KeyboardInterrupt:
        console.print("\nEnded at once: a session may stay open until the vCenter ends it for being idle.")
        raise


def _looked(console: Console, trial: Trial, local_aws: LocalAws) -> int:
    with console.status(f"Examining the way to {trial.asked.given.host}"):
        lines = trial.examine()
    print_results(lines)
    if any(line["outcome"] == "failed" for line in lines):
        console.print("\nNothing was checked. Mend what failed above, and try again.", style="bold red")
        return 1
    console.print("\nReading each cluster", style="bold")
    try:
        records = trial.check(console)
    except TimeoutError as error:
        console.print(f"Given up: {error}", style="bold red")
        return 1
    for failure in (record["failure"] for record in records if record["cluster"] == VCENTER_LOG):
        if failure:
            console.print(f"  not listed: {failure['message']}", style="bold red", markup=False)
    console.print()
    tell_table(local_aws, os.environ)
    tell_software(console, records, trial.store)
    tell_stories(console, records)
    trial.leave(LEFT)
    console.print(f"\nNothing was sent to anyone. What vCenter said is in {LEFT}/; the password is nowhere.")
    console.print(f"Each part of what hosts run: {PARTS}", soft_wrap=True)
    return 1 if any(record["failure"] for record in records) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
