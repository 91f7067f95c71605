"""What docs/operations.md shows of the past is what the commands print, of a trail that is played anew."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.paths import ROOT
from tests.unit.aws_commands import list_shell_calls
from tests.unit.checking.decisions.person import Person, answered
from tests.unit.checking.world import PROD_A
from tests.unit.cli.conftest import Run
from tests.unit.cli.test_past import SMNTEMP
from tests.unit.trail.played import open_watched, run_checks
from tests.unit.trail.test_past import copy_audit_bucket

PAGE: Final = ROOT / "docs" / "operations.md"
BLOCK: Final = re.compile(r"(<!-- past -->\n```console\n)(.*?)(```\n<!-- /past -->)", re.DOTALL)
CUT: Final = re.compile(r"^Kept\n.*", re.DOTALL | re.MULTILINE)
"""What a page leaves out: keys of objects, which are long, and the ids of what was published."""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of a trail of a day: a driver that is accepted, an orphaned VIB, a host with a new release."""
    with open_watched(tmp_path_factory.mktemp("tls")) as world:
        hosts = world.vcenter.hosts
        hosts.set_component("esx03", "Intel-i40en", "2.9.1.0")
        run_checks(world)
        run_checks(world)
        hosts.set_component("esx03", "Intel-i40en", "2.9.2.0")
        run_checks(world)
        person = Person(world)
        request = person.request("accept", PROD_A, {"host-18": person.shown()["host-18"]})
        assert request["decision"] is not None
        request["decision"]["reason"] = "driver fix"
        request["decision"]["ticket"] = "CHG-2042"
        answered(world, request)
        hosts.add_orphaned_vib("esx02", SMNTEMP)
        run_checks(world)
        hosts.upgrade("esx04", "8.0 U3e")
        run_checks(world)
        run_checks(world)
        directory = tmp_path_factory.mktemp("shown")
        copy_audit_bucket(world.aws.s3, directory)
        yield directory


def test_what_operations_show_of_the_past_is_what_is_printed(
    run: Run, shown: Path, *, refresh_goldens: bool
) -> None:
    """Command by command; --refresh-goldens writes what each prints now."""
    page = PAGE.read_text()
    found = BLOCK.search(page)
    assert found is not None
    asked = re.findall(r"^\$ .*\n", found[2], re.MULTILINE)
    assert len(asked) >= 6
    printed = ""
    for line in asked:
        (words,) = list_shell_calls(line, "esx-drift")
        told = run(*words[1:], "--dir", shown)
        assert (told.code, told.err) == (1 if words[1] == "diff" else 0, ""), line
        printed += line + re.sub(r" +$", "", CUT.sub("…\n", told.out), flags=re.MULTILINE)
    if refresh_goldens:
        PAGE.write_text(page[: found.start(2)] + printed + page[found.end(2) :])
    else:
        assert found[2] == printed


def test_releases_are_named_as_messages_do(run: Run, shown: Path) -> None:
    """In what a person reads, with the build; a program gets versions as they are."""
    at = ("--dir", shown)
    named = "ESXi 8.0 U3e (build 24674464) from U3d"
    told = run("history", "prod-a", "--host", "esx04", *at)
    assert named in told.out, told.out
    number = re.search(r"  (\d+)  +ESXi 8", told.out)
    assert number is not None
    assert named in run("show", "prod-a", number[1], *at).out
    rows = run("history", "prod-a", "--host", "esx04", "--format", "csv", *at).out
    assert ",8.0.3-0.60.24585383,8.0.3-0.70.24674464," in rows
