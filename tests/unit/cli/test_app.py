import re
import shlex
import subprocess
import sys
from typing import Any

import pytest
import typer.main
from esx_drift import __version__
from esx_drift.cli.app import app

from tests.paths import GOLDEN
from tests.test_readme import walk
from tests.unit.cli.conftest import Run

DOCUMENT = GOLDEN / "diff" / "nothing-changed" / "baseline.json"
WITHOUT_AWS = [
    ("--help",),
    ("accept", "--help"),
    ("doctor", "--help"),
    ("status", "--help"),
    ("inventory", "--help"),
    ("check", "--help"),
    ("fleet", "push", "--help"),
    ("-h",),
    (),
    ("fleet", "check", "docs/fleet.example.yaml"),
    ("validate", str(DOCUMENT)),
    ("diff", str(DOCUMENT), str(DOCUMENT)),
]


COMMANDS = [path for path, _ in walk(typer.main.get_command(app), ())]


def _find_command(path: tuple[str, ...]) -> Any:  # noqa: ANN401 -- typer's
    found: Any = typer.main.get_command(app)
    for name in path:
        found = found.commands[name]
    return found


def test_the_version_is_told(run: Run) -> None:
    """Whoever asks for help is asked for it."""
    ran = run("--version")
    assert (ran.code, ran.out) == (0, f"esx-drift {__version__}\n")


@pytest.mark.parametrize("arguments", [(), ("fleet",)], ids=["esx-drift", "esx-drift fleet"])
def test_whoever_names_no_command_is_shown_which_there_are(run: Run, arguments: tuple[str, ...]) -> None:
    """On stdout, and without an error: nothing was asked for wrongly."""
    ran = run(*arguments)
    assert (ran.code, ran.err) == (0, "")
    assert "Commands:" in ran.out
    assert run(*arguments, "-h").out == ran.out


@pytest.mark.parametrize("arguments", [(), ("fleet",), ("maintenance",)], ids=" ".join)
def test_no_line_of_the_list_of_commands_is_cut(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """In a terminal of 80 columns each is whole."""
    monkeypatch.setenv("COLUMNS", "80")
    _, _, commands = run(*arguments).out.partition("Commands:\n")
    assert commands
    assert [line for line in commands.splitlines() if not line.endswith(".") or line.endswith("...")] == []


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_each_command_explains_itself(run: Run, path: tuple[str, ...]) -> None:
    """By -h as by --help, with capital words for what is to be put in, and an example that can be typed."""
    shown = run(*path, "-h")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out == run(*path, "--help").out
    command = _find_command(path)
    for parameter in command.params:
        if not getattr(parameter, "is_flag", False) and parameter.name not in {"help", "output"}:
            assert re.fullmatch("[A-Z]+", str(parameter.metavar)), parameter.name
    assert not set("<{}") & set(shown.out), "Python's types and typer's braces say nothing to a person"
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            assert re.search(rf"^  {parameter.metavar}  ", shown.out, re.MULTILINE)
    (example,) = re.findall(r"^ +Example: esx-drift (.+)$", shown.out, re.MULTILINE)
    words = shlex.split(example.partition(" > ")[0])
    assert tuple(words[: len(path)]) == path
    command.make_context("example", words[len(path) :])


@pytest.mark.parametrize("arguments", WITHOUT_AWS, ids=" ".join)
def test_what_needs_no_aws_loads_no_aws_library(arguments: tuple[str, ...]) -> None:
    """A check before a commit has to be quick."""
    code = (
        "import sys\nfrom esx_drift.cli import main\ntry:\n    main()\nexcept SystemExit as end:\n"
        "    assert end.code == 0\n"
        "assert not {'boto3', 'botocore', 'deepdiff', 'requests'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, *arguments], check=True)
