"""`make try` as a person runs it, at a terminal."""

import os
import re
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import pytest

from tests.lab.local_aws.place import CHECKOUT, environment
from tests.lab.trying.__main__ import LEFT, PARTS
from tests.lab.trying.test_asking import NEEDED
from tests.simulator import VCenter, VCenterServer
from tests.simulator.certificates import Authority, authority
from tests.simulator.fault_kinds import latency
from tests.simulator.scenarios import SCENARIOS
from tests.simulator.sessions import PASSWORD, USER

AT_A_TERMINAL = (
    "import fcntl, runpy, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    # Whoever runs tests in the background ignores Ctrl-C, and so would all that they start.
    " signal.signal(signal.SIGINT, signal.default_int_handler);"
    " runpy.run_module('tests.lab.trying', run_name='__main__')"
)
BOUND_SECONDS = 180
BETWEEN_LOOKS_SECONDS = 0.1
INSISTS_AFTER_SECONDS = 5
"""Long enough for a busy machine to answer: a Ctrl-C that it did not need would kill it while it ends."""

STOPPED = "Stopped."
CTRL_C, CTRL_D = "\x03", "\x04"
SLOW_SECONDS = 8
EXTRACT = "POST */installed-images"
ENDING = "Ending what is in flight"


@dataclass(frozen=True, slots=True)
class Step:
    """Keys to type as soon as something is so, by what stands on the terminal.

    ``insists``: they are typed again while nothing comes of it. A signal between a prompt and the read after
    it is lost on that read, in CPython: whoever sees nothing happen presses Ctrl-C again.
    """

    when: Callable[[str], bool]
    keys: str
    insists: bool = False


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


def _tried(real: Real, ca: Path | None, *steps: Step, **given: str) -> tuple[int, str]:
    """The exit code, and what stood on the terminal. A step is what to type once something stands there."""
    terminal, side = os.openpty()
    arguments = [f"--vcenter=https://127.0.0.1:{real.server.port}", f"--ca={ca or ''}"]
    arguments += [f"--{name}={value}" for name, value in given.items()]
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
        try:
            seen = _typed(terminal, [*steps])
        finally:
            os.close(terminal)  # which ends whoever still waits for an answer
        return process.wait(BOUND_SECONDS), seen


def _typed(terminal: int, steps: list[Step]) -> str:
    seen, until, insisted, typed_at = "", monotonic() + BOUND_SECONDS, "", 0.0
    while monotonic() < until:
        ready, _, _ = select.select([terminal], [], [], BETWEEN_LOOKS_SECONDS)
        if ready:
            try:
                part = os.read(terminal, 65536)
            except OSError:  # Linux's way to say that nobody is at the other side any more
                return seen
            seen += part.decode(errors="replace")
        if steps and steps[0].when(seen):
            step = steps.pop(0)
            insisted, typed_at = step.keys if step.insists else "", monotonic()
            os.write(terminal, step.keys.encode())
        elif insisted and STOPPED not in seen and monotonic() - typed_at > INSISTS_AFTER_SECONDS:
            typed_at = monotonic()
            os.write(terminal, insisted.encode())
    raise AssertionError(f"it does not end: {seen}")


def _login(password: str = PASSWORD) -> tuple[Step, Step]:
    return _on("User of", f"{USER}\n"), _on("Password of", f"{password}\n")


def _on(words: str, keys: str, *, insists: bool = False) -> Step:
    return Step(lambda seen: words in seen, keys, insists)


def test_a_vcenter_is_checked_once_and_told(real: Real, tmp_path: Path) -> None:
    """Each cluster by name, the fleet's table, what is wrong, the trail; and nothing of the password."""
    code, seen = _tried(real, real.authority.write(tmp_path), *_login())
    assert code == 0, seen
    assert "prod-a: 4 of 4 hosts read" in seen
    assert "prod-b: 3 of 3 hosts read" in seen
    assert "2 of 2 clusters seen by the last check, 7 of 7 known hosts covered" in seen
    assert re.search("(?i)orphaned VIB smntemp 910.1.0.0005 on 2 of 4 hosts · prod-a", seen)
    assert re.search(r"4: esx01, esx02, esx03, esx04 +ESXi 8.0 U3d +24585383 +\S.* 22", seen)
    assert "1 orphaned VIB on esx03: smntemp 910.1.0.0005-5vmw.803.0.0.24022510" in seen
    assert not re.search(r"ok +(secret|last run)", seen)
    assert PASSWORD not in seen
    assert f"Each part of what hosts run: {PARTS}" in " ".join(seen.split())
    blame = (str(CHECKOUT / PARTS.split()[0]), "blame", "prod-a", *PARTS.split()[3:])
    parts = subprocess.run(blame, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    assert "component Intel-i40en" in parts
    kept = [path for path in (CHECKOUT / LEFT).rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if PASSWORD.encode() in path.read_bytes()]
    assert real.vcenter.sessions.open_count == 0
    assert len(real.vcenter.extractions.tasks) == 2


def test_what_keeps_it_from_looking_is_told(real: Real, tmp_path: Path) -> None:
    """The step that failed, with its fix; one refused login, and nothing was dispatched."""
    code, seen = _tried(real, real.authority.write(tmp_path), *_login("mistyped"))
    assert code == 1
    assert "refused the login" in seen
    assert "Nothing was checked." in seen
    assert "Try again with the right password" in seen
    assert real.vcenter.sessions.refused_count == 1
    assert real.vcenter.extractions.tasks == {}


def test_without_the_ca_it_says_what_to_type(real: Real) -> None:
    """Nobody who tries it has a secret to mend."""
    code, seen = _tried(real, None, *_login())
    assert code == 1
    assert "CA=FILE" in seen
    assert "secret's" not in seen
    assert real.vcenter.sessions.logins == []


def test_another_ca_is_told_apart_from_none(real: Real, tmp_path: Path) -> None:
    """It is there, and signed something else."""
    code, seen = _tried(real, authority(datetime.now(UTC), "Another CA").write(tmp_path), *_login())
    assert code == 1
    assert "None of the certificates in the CA file signed it" in seen


@pytest.mark.parametrize(("cluster", "code"), [("prod-b", 0), ("prod-x", 1)])
def test_one_cluster_is_chosen(cluster: str, code: int, real: Real, tmp_path: Path) -> None:
    """The others are not touched; a name that there is none of is said before anything is extracted."""
    ended, seen = _tried(real, real.authority.write(tmp_path), *_login(), cluster=cluster)
    assert ended == code, seen
    if code:
        assert "CLUSTER names none of them" in seen
        assert "Correct CLUSTER" in seen
    else:
        assert "prod-b: 3 of 3 hosts read" in seen
        assert "prod-a: " not in seen
    assert len(real.vcenter.extractions.tasks) == 1 - code


def test_the_simulated_vcenter_needs_no_terminal() -> None:
    """Whoever has no vCenter at hand sees what it does."""
    tried = subprocess.run(
        [sys.executable, "-m", "tests.lab.trying", "--vcenter=simulator", "--cluster=prod-a"],
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=BOUND_SECONDS,
        env=environment({"COLUMNS": "80"}),
    )
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert f"User and password of the simulated vCenter: {USER}, {PASSWORD}" in tried.stdout
    assert "prod-a: 4 of 4 hosts read" in tried.stdout
    assert "orphaned VIB on esx02" in tried.stdout


def _slow(real: Real, route: str) -> Callable[[str], bool]:
    """Answers to it come late; whether one is under way."""
    real.vcenter.faults.inject(route, latency(SLOW_SECONDS))
    return lambda _seen: real.vcenter.faults.hits("latency") > 0


@pytest.mark.parametrize(
    ("route", "last"),
    [
        ("GET /api/vcenter/cluster", "Stopped."),
        (EXTRACT, "Stopped. What vCenter was asked to extract, it still finishes."),
    ],
    ids=["while examining", "while checking"],
)
def test_ctrl_c_lets_what_is_in_flight_end_its_session(
    route: str, last: str, real: Real, tmp_path: Path
) -> None:
    """Killed in the middle of a call, a session would stay open for as long as the vCenter likes."""
    stopped = Step(_slow(real, route), CTRL_C)
    code, seen = _tried(real, real.authority.write(tmp_path), *_login(), stopped)
    assert code == 130, seen
    assert ENDING in seen
    assert seen.rstrip().endswith(last)
    assert "Traceback" not in seen
    assert real.vcenter.sessions.logins
    assert real.vcenter.sessions.open_count == 0


def test_another_ctrl_c_ends_it_at_once(real: Real, tmp_path: Path) -> None:
    """Whoever can't wait is told what stays behind."""
    stopped = Step(_slow(real, EXTRACT), CTRL_C), _on(ENDING, CTRL_C)
    code, seen = _tried(real, real.authority.write(tmp_path), *_login(), *stopped)
    assert code == 130, seen
    assert "a session may stay open" in seen
    assert "Traceback" not in seen
    assert real.vcenter.sessions.open_count > 0


@pytest.mark.parametrize(
    ("steps", "code", "last"),
    [
        ((_on("User of", CTRL_C, insists=True),), 130, "Stopped. Nothing was sent to the vCenter."),
        (
            (_login()[0], _on("Password of", CTRL_C, insists=True)),
            130,
            "Stopped. Nothing was sent to the vCenter.",
        ),
        (_login(""), 2, "no password was given, so that nothing was sent"),
        ((_on("User of", CTRL_D),), 2, "no user was given, so that nothing was sent"),
    ],
    ids=["ctrl-c", "ctrl-c-later", "empty", "ctrl-d"],
)
def test_whoever_gives_no_answer_sends_nothing(
    steps: tuple[Step, ...], code: int, last: str, real: Real
) -> None:
    """An empty password is a failed login too, and of extractions nothing is said."""
    ended, seen = _tried(real, None, *steps)
    assert (ended, seen.strip().endswith(last)) == (code, True), seen
    assert "extract" not in seen
    assert len(real.vcenter.journal) == 0


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (
            (),
            f"make try: {NEEDED}",
        ),
        (("VCENTER=vc01",), "make try: expected VCENTER=https://HOST[:PORT], got 'vc01'"),
        (("VCENTER=https://vc01",), "make try: it asks for user and password: run it at a terminal"),
    ],
)
def test_make_looks_before_it_builds(given: tuple[str, ...], line: str) -> None:
    """One clear line, and then make's own that it failed."""
    made = subprocess.run(
        ["make", "--silent", "--what-if=template.yaml", "try", *given],
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=BOUND_SECONDS,
        env=environment({}),
    )
    assert made.returncode == 2
    assert made.stdout == ""
    *told, of_make = made.stderr.splitlines()
    assert told == line.splitlines()
    assert of_make.startswith("make: ***")
