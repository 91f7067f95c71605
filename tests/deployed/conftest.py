"""The deployed product, with `AUTH=true`, so that a missing permission fails. A stack for each module."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.local_aws.fixtures import local_aws, new_stack, packaged, trusted_authority
from tests.lab.local_aws.place import CHECKOUT, environment
from tests.lab.local_aws.rig import NewRig, Rig, rigged
from tests.lab.local_aws.stack import SLACK_ON_LOOPBACK, Stack
from tests.simulator.certificates import Authority

__all__ = ["local_aws", "new_stack", "packaged", "trusted_authority"]

ENDING_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Demo:
    """The demo's process, and the directory in which it plays and leaves what it prints."""

    process: subprocess.Popen[bytes]
    directory: Path

    @property
    def printed(self) -> str:
        """All that it printed so far."""
        return (self.directory / "printed").read_text()


@pytest.fixture(scope="session", autouse=True)
def demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo | None]:
    """The demo, if it is asked for: begun before all else, since it waits more than it works."""
    if not any(item.path.name == "test_demo.py" for item in request.session.items):
        yield None
        return
    directory = tmp_path_factory.mktemp("demo")
    with (directory / "printed").open("wb") as printed:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.lab.interruptible", "tests.lab.demo.__main__"],
            cwd=directory,
            env=environment({"PYTHONPATH": str(CHECKOUT), "COLUMNS": "100"}),
            stdout=printed,
            stderr=printed,
        )
    yield Demo(process, directory)
    if process.poll() is None:
        # As a person would: so it ends what it started.
        process.send_signal(signal.SIGINT)
        process.wait(ENDING_SECONDS)


@pytest.fixture(scope="session")
def new_rig(
    new_stack: Callable[[Mapping[str, str]], Stack],
    trusted_authority: Authority,
    tmp_path_factory: pytest.TempPathFactory,
) -> NewRig:
    """Makes a rig on a stack of its own."""

    @contextmanager
    def make(parameters: Mapping[str, str]) -> Iterator[Rig]:
        stack = new_stack(parameters)
        with rigged(stack, trusted_authority, Path(tmp_path_factory.mktemp("rig"))) as made:
            try:
                yield made
            finally:
                made.end_work()

    return make


@pytest.fixture(scope="module")
def rig(new_rig: NewRig) -> Iterator[Rig]:
    """A rig for one module; its tests take vCenters of names of their own."""
    with new_rig(SLACK_ON_LOOPBACK) as made:
        yield made
