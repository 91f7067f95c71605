"""`make try` as a person runs it, at a terminal."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.simulator import VCenter, VCenterServer
from tests.simulator.certificates import Authority, authority
from tests.simulator.scenarios import SCENARIOS
from tests.simulator.sessions import PASSWORD, USER
from tests.stack.place import CHECKOUT, environment
from tests.trying.__main__ import LEFT

AT_A_TERMINAL = (
    "import fcntl, runpy, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    " runpy.run_module('tests.trying', run_name='__main__')"
)
BOUND_SECONDS = 180


@dataclass(frozen=True, slots=True)
class Real:
    """A vCenter that somebody wants to try, and the CA that signed its certificate."""

    vcenter: VCenter
    server: VCenterServer
    authority: Authority


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Real]:
    """With two clusters, and a VIB that belongs to nothing."""
    now = datetime.now(UTC)
    own, vcenter = authority(now), VCenter()
    scenario = SCENARIOS["orphaned-vib"]
    scenario.prepare(vcenter)
    scenario.change(vcenter, 0)
    with VCenterServer(vcenter, tls=own.issue(tmp_path, now)) as server:
        yield Real(vcenter, server, own)


def _tried(real: Real, ca: Path, password: str = PASSWORD) -> tuple[int, str]:
    """The exit code, and what stood on the terminal."""
    terminal, side = os.openpty()
    arguments = ["--vcenter", f"https://127.0.0.1:{real.server.port}", "--ca", str(ca)]
    with subprocess.Popen(
        [sys.executable, "-c", AT_A_TERMINAL, *arguments],
        stdin=side,
        stdout=side,
        stderr=side,
        cwd=CHECKOUT,
        env=environment({"TERM": "xterm", "COLUMNS": "200"}),
        start_new_session=True,
    ) as process:
        os.close(side)
        seen = _typed(terminal, {"User of": USER, "Password of": password})
        os.close(terminal)
        return process.wait(BOUND_SECONDS), seen


def _typed(terminal: int, answers: dict[str, str]) -> str:
    seen, waiting = "", list(answers.items())
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux's way to say that nobody is at the other side any more
            return seen
        seen += part.decode(errors="replace")
        if waiting and waiting[0][0] in seen:
            os.write(terminal, f"{waiting.pop(0)[1]}\n".encode())


def test_a_vcenter_is_checked_once_and_told(real: Real, tmp_path: Path) -> None:
    """Each cluster by name, the fleet's table, what is wrong, the trail; and nothing of the password."""
    code, seen = _tried(real, real.authority.write(tmp_path))
    assert code == 0, seen
    assert "prod-a: 4 of 4 hosts read" in seen
    assert "prod-b: 3 of 3 hosts read" in seen
    assert "2 of 2 clusters looked at, 7 of 7 hosts covered" in seen
    assert "orphaned VIB on 2 of 4 hosts" in seen
    assert PASSWORD not in seen
    kept = [path for path in (CHECKOUT / LEFT).rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if PASSWORD.encode() in path.read_bytes()]
    assert real.vcenter.sessions.open_count == 0
    assert len(real.vcenter.extractions.tasks) == 2


def test_what_keeps_it_from_looking_is_told(real: Real, tmp_path: Path) -> None:
    """The step that failed, with its fix; one refused login, and nothing was dispatched."""
    code, seen = _tried(real, real.authority.write(tmp_path), "mistyped")
    assert code == 1
    assert "refused the login" in seen
    assert "Nothing was checked." in seen
    assert real.vcenter.sessions.refused_count == 1
    assert real.vcenter.extractions.tasks == {}
