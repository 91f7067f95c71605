import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run, Write
from tests.unit.fleets import fleet

FAULTY = sorted(Path("tests/unit/cli/faulty").glob("*.yaml"))


@pytest.mark.parametrize("file", FAULTY, ids=[file.stem for file in FAULTY])
def test_an_error_is_told_with_its_line_and_its_path(file: Path, run: Run) -> None:
    """One line on stdout an error, as the file's own first line says; the exit code is 1."""
    ran = run("fleet", "check", file)
    assert ran.out == f"{file}:{file.read_text().splitlines()[0].removeprefix('# ')}\n"
    assert ran.err == f"esx-drift: {file} has 1 error\n"
    assert ran.code == 1


def test_every_error_is_told_in_the_order_of_the_file(tmp_path: Path, run: Run) -> None:
    """Nobody has to run it twice."""
    file = tmp_path / "fleet.yaml"
    file.write_text("vcenters:\n  - name: VC\n  - extract: 1\nschema_version: 2\n")
    ran = run("fleet", "check", file)
    assert [line.split(": ")[0] for line in ran.out.splitlines()] == [
        f"{file}:{line}" for line in (2, 3, 3, 4)
    ]
    assert "has 4 errors" in ran.err


def test_json_is_checked_as_well(tmp_path: Path, run: Run) -> None:
    """Its errors have paths, though no lines."""
    file = tmp_path / "fleet.json"
    file.write_text(json.dumps(fleet(schema_version=2)))
    assert run("fleet", "check", file).out == f"{file}: /schema_version: expected 1, got 2\n"
    file.write_text(json.dumps(fleet()))
    assert run("fleet", "check", file).code == 0


def test_the_example_is_valid(run: Run) -> None:
    """What people copy works; what this version keeps but does not apply is said."""
    ran = run("fleet", "check", "docs/fleet.example.yaml")
    assert ran.code == 0
    assert ran.err.splitlines() == [
        f"warning: this version does not apply {what} yet: what they name is told all the same"
        for what in ("ignore rules", "maintenance windows")
    ]
    assert ran.out.endswith("is valid: 2 vCenters, 3 routes, 1 ignore rule, 1 maintenance window\n")


def test_a_file_without_routes_is_warned_of(write: Write, run: Run) -> None:
    """It is valid, and silence would be all that anybody in chat hears."""
    ran = run("fleet", "check", write(routes=[]))
    assert ran.code == 0
    assert ran.err.startswith("warning: there are no routes: nobody is told anything in Slack")


def test_a_text_that_is_neither_yaml_nor_json_is_an_error(tmp_path: Path, run: Run) -> None:
    """With its line, as any other."""
    file = tmp_path / "fleet.yaml"
    file.write_text("vcenters:\n  - name: [\n")
    ran = run("fleet", "check", file)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"esx-drift: {file}:3: ")


def test_a_file_that_cannot_be_read_is_trouble(tmp_path: Path, run: Run) -> None:
    """Missing, a folder, or not UTF-8: exit code 2, one sentence, no traceback."""
    binary = tmp_path / "binary"
    binary.write_bytes(b"a: \xff\xfe")
    for path, why in (
        (tmp_path / "none", "No such file"),
        (tmp_path, "Is a directory"),
        (binary, "not UTF-8"),
    ):
        ran = run("fleet", "check", path)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith(f"esx-drift: {path} can't be read: ")
        assert why in ran.err


def test_a_byte_order_mark_is_no_error(tmp_path: Path, run: Run) -> None:
    """Windows editors write one."""
    file = tmp_path / "fleet.yaml"
    file.write_text(json.dumps(fleet()), "utf-8-sig")
    assert run("fleet", "check", file).code == 0


def test_control_characters_of_a_file_never_reach_the_terminal(tmp_path: Path, run: Run) -> None:
    """A file from elsewhere can't move the cursor or set a colour."""
    file = tmp_path / "fleet.yaml"
    file.write_text('schema_version: 1\nvcenters: [{name: "\\e[31mred"}]\n"\\e]0;x\\a": 1\n')
    ran = run("fleet", "check", file)
    assert ran.code == 1
    assert "\x1b" not in ran.out + ran.err
    assert "\x07" not in ran.out + ran.err


def test_colour_is_for_terminals_only(tmp_path: Path) -> None:
    """A pipe gets plain text, a terminal gets colour."""
    command = [
        sys.executable,
        "-c",
        "from esx_drift.cli import main; main()",
        "fleet",
        "check",
        "docs/fleet.example.yaml",
    ]
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "HOME": str(tmp_path)}
    piped = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    ours, theirs = pty.openpty()
    subprocess.run(command, env=environment, stdout=theirs, check=True)
    os.close(theirs)
    shown = os.read(ours, 10_000)
    os.close(ours)
    assert b"\x1b[" not in piped
    assert b"\x1b[32m" in shown


def test_checking_loads_no_aws_library() -> None:
    """A check before a commit has to be quick."""
    code = (
        "import sys\nfrom esx_drift.cli import main\ntry:\n    main()\nexcept SystemExit as end:\n"
        "    assert end.code == 0\nassert not {'boto3', 'deepdiff', 'requests'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, "fleet", "check", "docs/fleet.example.yaml"], check=True)
