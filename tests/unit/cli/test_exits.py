"""How the command ends and speaks where it is not on a terminal of UTF-8 with room for everything."""

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from esx_drift.cli import diff as compare
from esx_drift.cli import main
from esx_drift.cli.terminal import EXIT_DIFFERENCES, EXIT_TROUBLE, EXIT_UNREAD, ExitCodes, OutputLost

from tests.paths import GOLDEN
from tests.unit.cli.conftest import Run

DIFFS = GOLDEN / "diff"
SAME = DIFFS / "nothing-changed" / "baseline.json"
COMMAND = [sys.executable, "-c", "from esx_drift.cli import main; main()"]
ESCAPE = "\x1b["


def changed(name: str = "rollout-half-done") -> tuple[Path, Path]:
    """Two documents that differ."""
    return DIFFS / name / "baseline.json", DIFFS / name / "current.json"


def environment(**more: str) -> dict[str, str]:
    """The environment of a command: nothing in it asks for colours."""
    kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    return kept | {"TERM": "xterm-256color", "PYTHONPATH": "layers/core"} | more


def process(*arguments: object, **more: str) -> subprocess.CompletedProcess[bytes]:
    """The command as a process of its own, its output in pipes."""
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, env=environment(**more))


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_every_encoding_gets_the_text(encoding: str) -> None:
    """What the terminal can't show is replaced; the exit code stays the same."""
    ran = process("diff", *changed(), PYTHONIOENCODING=encoding)
    assert (ran.returncode, ran.stderr) == (EXIT_DIFFERENCES, b"")
    text = ran.stdout.decode(encoding)
    assert text.startswith("2 of 4 hosts moved from ESXi 8.0 U3d to 9.0.2.0")
    assert ("23 Nov 01:13 → 23 Nov 02:13" if encoding == "utf-8" else "23 Nov 01:13 -> 23 Nov 02:13") in text
    assert process("diff", SAME, SAME, PYTHONIOENCODING=encoding).returncode == 0


def test_what_is_replaced_stays_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrows and dots by their likes, all else by a question mark."""
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    monkeypatch.setattr(sys, "stdout", narrow)
    with ExitCodes():
        sys.stdout.write("a → b · c… ключ")
    assert narrow.buffer.getvalue() == b"a -> b - c... ????"


def test_json_is_ascii() -> None:
    """No encoding harms it."""
    ran = process("diff", *changed(), "--format", "json", PYTHONIOENCODING="utf-16")
    assert json.loads(ran.stdout.decode("utf-16"))["drifted"] is True
    assert json.loads(process("diff", *changed(), "--format", "json").stdout.decode("ascii"))["drifted"]


@pytest.mark.parametrize("layout", ["text", "json"])
def test_a_failed_write_is_trouble_in_one_line(
    layout: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a full disk, where 1 would mean "changes" and 0 "told"."""
    with open("/dev/full", "w") as full:  # noqa: PTH123 -- no file to be found, but a device
        monkeypatch.setattr(sys, "stdout", full)
        monkeypatch.setattr(sys, "argv", ["esx-drift", "diff", str(SAME), str(SAME), "--format", layout])
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == EXIT_TROUBLE
    assert capsys.readouterr().err == "esx-drift: can't write the result: No space left on device\n"


def test_what_stays_in_the_buffer_until_the_end_is_not_forgotten(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command that only writes fails all the same when it ends, not when Python does."""
    with open("/dev/full", "w") as full:  # noqa: PTH123 -- same
        monkeypatch.setattr(sys, "stdout", full)
        monkeypatch.setattr(sys, "argv", ["esx-drift", "diff", str(SAME), str(SAME)])
        monkeypatch.setattr(compare, "compare_documents", lambda *_: full.write("buffered") and sys.exit(0))
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == EXIT_TROUBLE
    assert "No space left" in capsys.readouterr().err


def test_a_failure_that_somebody_swallowed_is_still_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a library does that only tries the stream."""
    with open("/dev/full", "w") as full:  # noqa: PTH123 -- same
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit) as ended, ExitCodes(), suppress(OutputLost):
            print("lost", flush=True)  # noqa: T201 -- as any library may
    assert ended.value.code == EXIT_TROUBLE
    assert "No space left" in capsys.readouterr().err


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("layout", ["text", "json"])
def test_a_full_disk_is_trouble_for_the_process(layout: str, unbuffered: str) -> None:
    """However Python buffers."""
    command = [*COMMAND, "diff", str(SAME), str(SAME), "--format", layout]
    with open("/dev/full", "w") as full:  # noqa: PTH123 -- same
        ran = subprocess.run(
            command,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            env=environment(PYTHONUNBUFFERED=unbuffered),
        )
    assert (ran.returncode, ran.stderr) == (
        EXIT_TROUBLE,
        b"esx-drift: can't write the result: No space left on device\n",
    )


def test_nobody_to_tell_is_trouble_all_the_same() -> None:
    """Both streams on a full disk, or both closed: only the exit code is left."""
    command = " ".join(f"'{word}'" for word in [*COMMAND, "diff", str(SAME), str(SAME)])
    for where in (">/dev/full 2>&1", ">&- 2>&-"):
        ran = subprocess.run(["sh", "-c", f"{command} {where}"], check=False, env=environment())
        assert ran.returncode == EXIT_TROUBLE


def test_where_stderr_is_lost_too_nothing_else_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, in this process."""
    with open("/dev/full", "w") as out, open("/dev/full", "w") as err:  # noqa: PTH123 -- same
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        monkeypatch.setattr(sys, "argv", ["esx-drift", "diff", str(SAME), str(SAME)])
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == EXIT_TROUBLE


@pytest.mark.parametrize("layout", ["text", "json"])
def test_a_reader_that_had_enough_hears_nothing_more(
    layout: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As ``head`` leaves a pipe: no word, no traceback, and no code for "changes" or trouble."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as broken:
        monkeypatch.setattr(sys, "stdout", broken)
        monkeypatch.setattr(sys, "argv", ["esx-drift", "diff", str(SAME), str(SAME), "--format", layout])
        with pytest.raises(SystemExit) as ended:
            main()
    assert (ended.value.code, capsys.readouterr().err) == (EXIT_UNREAD, "")


def test_an_unforeseen_error_is_trouble(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """1 would mean "changes". What happened is told in full, since nobody knows what matters."""
    foreseen: dict[str, object] = {}
    monkeypatch.setattr(compare, "compare_documents", lambda *_: foreseen["nobody foresaw this"])
    ran = run("diff", SAME, SAME)
    assert (ran.code, ran.out) == (EXIT_TROUBLE, "")
    assert "Traceback" in ran.err
    assert "esx-drift: a fault of esx-drift itself: KeyError: 'nobody foresaw this'" in ran.err


def test_a_closed_stdout_is_trouble(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python has none then."""
    monkeypatch.setattr(sys, "stdout", None)
    assert run("diff", SAME, SAME).code == EXIT_TROUBLE


def on_terminal(*arguments: object, **more: str) -> tuple[int, str]:
    """The command on a terminal of its own: its exit code, and what the terminal got."""
    ours, theirs = pty.openpty()
    command = [*COMMAND, *map(str, arguments)]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment(**more)) as running:
        os.close(theirs)
        told = b"".join(_read(ours))
    os.close(ours)
    return running.returncode, told.decode()


def _read(terminal: int) -> Iterator[bytes]:
    """All that comes until the other end is closed, which Linux tells by an error."""
    while True:
        try:
            yield os.read(terminal, 65536)
        except OSError:
            return


def test_colour_is_for_terminals() -> None:
    """On one, unless it is unwanted; never in a pipe, whatever the environment asks for."""
    code, told = on_terminal("diff", *changed())
    assert code == EXIT_DIFFERENCES
    assert f"{ESCAPE}33mwarning" in told
    assert f"{ESCAPE}33m" not in on_terminal("diff", *changed(), NO_COLOR="1")[1]
    assert ESCAPE.encode() not in process("diff", *changed()).stdout
    assert ESCAPE.encode() not in process("diff", *changed(), FORCE_COLOR="1", TTY_COMPATIBLE="1").stdout
    assert ESCAPE.encode() not in process("diff", SAME, "none.json", FORCE_COLOR="1").stderr
