"""Ctrl-C while the demo runs: one line, exit code 130, and nothing that goes on running."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lab.local_aws.place import CHECKOUT, build_app, environment
from tests.lab.local_aws.waiting import until

BOUND_SECONDS = 180
LAST_LINE = "Stopped. All that it started is ended."


def _list_processes_of(directory: Path) -> list[str]:
    """The processes that know this directory by their environment, as all do that the local AWS starts."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            known = str(directory).encode() in (process / "environ").read_bytes()
        except OSError:  # it has just ended, or is another user's
            continue
        if known:
            found.append(process.name)
    return found


@pytest.mark.parametrize(
    "when",
    [
        lambda printed: "Starting the demo" in printed,
        lambda printed: "Starting a local AWS" in printed,
        lambda printed: "Uploading" in printed,
        lambda printed: "\n1. " in printed,
    ],
    ids=["at once", "while starting", "while deploying", "while playing"],
)
def test_ctrl_c_ends_all_with_one_line(when: Callable[[str], bool], tmp_path: Path) -> None:
    """A second one changes nothing: it would leave behind what the first was just ending."""
    build_app()
    printed = tmp_path / "printed"
    with printed.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.lab.interruptible", "tests.lab.demo.__main__"],
            cwd=tmp_path,
            env=environment({"PYTHONPATH": str(CHECKOUT), "STARTED_IN": str(tmp_path)}),
            stdout=out,
            stderr=out,
        )
        until(lambda: when(printed.read_text()), "the demo to come so far", BOUND_SECONDS)
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        code = process.wait(BOUND_SECONDS)
    seen = printed.read_text()
    assert (code, seen.splitlines()[-1]) == (130, LAST_LINE), seen
    assert "Traceback" not in seen
    until(lambda: not _list_processes_of(tmp_path), "all processes to end", BOUND_SECONDS)


SWALLOWING = """
import signal

class Last:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

def main():
    Last()
    while True:
        signal.pause()
"""


def test_ctrl_c_in_a_finalizer_ends_all_the_same(tmp_path: Path) -> None:
    """Python swallows what is raised in one."""
    (tmp_path / "swallowing.py").write_text(SWALLOWING)
    path = os.pathsep.join((str(CHECKOUT), str(tmp_path)))
    ended = subprocess.run(
        [sys.executable, "-m", "tests.lab.interruptible", "swallowing"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=BOUND_SECONDS,
    )
    assert (ended.returncode, ended.stdout.splitlines()[-1], ended.stderr) == (130, LAST_LINE, "")
