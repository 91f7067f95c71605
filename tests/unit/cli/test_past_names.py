"""A cluster is found by what it is called, by what it was called, and by its id, and by nothing beside it."""

import json
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree

import pytest
from esx_drift.domain.stored.identifiers import VCENTER_LOG, make_record_key, make_record_prefix

from tests.simulator import Tls
from tests.simulator.certificates import Authority
from tests.unit.checking.cloud import Aws
from tests.unit.checking.conftest import ca, cloud, tls
from tests.unit.checking.world import PROD_A, PROD_B, open_world
from tests.unit.cli.conftest import Run
from tests.unit.cli.test_past import I40EN, SMNTEMP, Story
from tests.unit.trail.test_past import copy_audit_bucket

__all__ = ["ca", "cloud", "tls"]


@pytest.fixture(scope="module")
def renamed(cloud: Aws, ca: Authority, tls: Tls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """prod-a is prod-m for two runs, and then prod-x; prod-b is prod-y, and another cluster is prod-b.

    Two clusters were twin, one after the other.
    """
    with open_world(cloud, ca, tls, "vc03") as world:
        inventory, hosts = world.vcenter.inventory, world.vcenter.hosts

        def rename(*names: tuple[str, str]) -> None:
            for name, new_name in names:
                inventory.rename_cluster(name, new_name)
            for _ in range(2):
                world.wait(4 * 3600)
                world.dispatch()

        world.dispatch()
        world.check()
        world.check(PROD_B)
        inventory.add_cluster("twin", "domain-c70")
        rename(("prod-a", "prod-m"))
        rename(("prod-m", "prod-x"), ("prod-b", "prod-y"), ("twin", "t1"))
        inventory.add_cluster("prod-b", "domain-c80")
        inventory.add_cluster("twin", "domain-c71")
        rename()
        rename(("twin", "t2"))
        hosts.set_component("esx01", I40EN, "2.9.2.0")
        hosts.add_orphaned_vib("esx01", SMNTEMP)
        world.check()
        directory = tmp_path_factory.mktemp("renamed")
        copy_audit_bucket(cloud.s3, directory)
        yield Story(directory, world.records())


@pytest.fixture
def copy(renamed: Story, tmp_path: Path) -> Path:
    """A copy to put things into."""
    copytree(renamed.directory, tmp_path / "copy")
    return tmp_path / "copy"


QUESTIONS = (
    ("history",),
    ("as-of", "2026-11-26"),
    ("blame",),
    ("show",),
    ("orphans",),
)


@pytest.mark.parametrize("named", ["prod-a", "prod-m", "vc03/prod-m"])
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda each: each[0])
def test_a_cluster_is_found_by_what_it_was_called(
    run: Run, renamed: Story, question: tuple[str, ...], named: str
) -> None:
    """The answer is that of its name of now, and says both."""
    command, *rest = question
    at = ("--dir", renamed.directory)
    now, told = (run(command, name, *rest, *at) for name in ("prod-x", named))
    short = named.removeprefix("vc03/")
    assert (now.code, now.err) == (0, "")
    assert (told.code, told.err) == (0, f"info: {short} (now prod-x) is domain-c9 on vc03\n")
    assert told.out.replace(f"{short} (now prod-x)", "prod-x") == now.out
    if command not in {"show", "orphans"}:
        assert told.out.startswith(f"{short} (now prod-x) (domain-c9) on vc03")


def test_two_days_and_an_excerpt_are_asked_by_what_it_was_called(
    run: Run, renamed: Story, tmp_path: Path
) -> None:
    """As all else is."""
    at = ("--dir", renamed.directory)
    days = [record["checked_at"] for record in renamed.records]
    told = run("diff", f"prod-a@{days[0]}", f"prod-x@{days[-1]}", *at)
    assert told.code == 1
    assert told.err.startswith("info: prod-a (now prod-x) is domain-c9 on vc03\n")
    assert I40EN in told.out
    folder = tmp_path / "filed"
    period = ("--from", "2026-11-23", "--to", "2026-11-24", "-o", folder)
    written = run("evidence", "prod-a", *period, *at)
    assert "info: prod-a (now prod-x) is domain-c9 on vc03\n" in written.err
    said = json.loads((folder / "trail" / "excerpt.json").read_bytes())
    assert [one["cluster"] for one in said["excerpt"]["clusters"]] == [PROD_A]


def test_a_name_of_today_is_that_of_today(run: Run, renamed: Story) -> None:
    """Though another cluster had it before. Of two that had it both are named."""
    at = ("--dir", renamed.directory)
    told = run("history", "prod-b", *at)
    assert (told.code, "nothing is recorded here of prod-b (domain-c80) on vc03" in told.err) == (2, True)
    several = run("history", "twin", *at)
    assert (several.code, several.out) == (2, "")
    both = "twin may be twin (now t1) (domain-c70) on vc03, twin (now t2) (domain-c71) on vc03."
    assert both in " ".join(several.err.split())
    never = run("history", "prod-n", *at)
    assert (never.code, never.out) == (2, "")
    assert "Names of before were looked for, too; by its id each cluster is found." in never.err
    assert run("history", "prod-a", "--vcenter", "vc09", *at).code == 2


def test_a_damaged_record_hides_no_other_name(run: Run, copy: Path) -> None:
    """It is named, since a name may have stood there alone."""
    for number in (1, 3):
        (copy / make_record_key("vc03", VCENTER_LOG, number)).write_bytes(b"{")
    told = run("history", "prod-m", "--dir", copy)
    assert told.code == 1
    assert told.out.startswith("prod-m (now prod-x) (domain-c9) on vc03")
    assert "0000000001.json is no record" in told.err


FOREIGN = (
    "records/readme.txt",
    "records/other/x",
    "records/vcenter=vc03/x",
    "records/vcenter=vc03/notes/x/y",
    f"{make_record_prefix('vc03', 'domain-c404')}x",
    f"{make_record_prefix('vc03', PROD_B)}x",
    f"{make_record_prefix('vc09', VCENTER_LOG)}0000000001.json",
)


@pytest.mark.parametrize("key", FOREIGN)
def test_what_lies_beside_a_log_is_no_part_of_its_answer(run: Run, copy: Path, key: str) -> None:
    """By name it may be met, and is noted; the exit code is that of the answer. Verify names it."""
    (copy / key).parent.mkdir(parents=True, exist_ok=True)
    (copy / key).write_bytes(b"{")
    for name in ("prod-x", PROD_A, "prod-a"):
        told = run("history", name, "--dir", copy)
        assert told.code == 0, told.err
        assert "warning: " not in told.err
        named = "prod-a (now prod-x)" if name == "prod-a" else "prod-x"
        for line in told.err.splitlines():
            assert line.endswith(
                (f" no part of {named}: esx-drift verify names all such", f"{named} is domain-c9 on vc03")
            )
    only = run("history", PROD_A, "--vcenter", "vc03", "--dir", copy)
    assert (only.code, only.err) == (0, "")
    assert run("verify", "--dir", copy).code == 1
    if f"={PROD_A}/" not in key:
        never = run("history", "prod-n", "--dir", copy)
        assert never.code == 2


def test_what_lies_in_a_log_is_a_part_of_its_answer(run: Run, copy: Path) -> None:
    """And in that of its vCenter, which says its name."""
    for folder in (PROD_A, VCENTER_LOG):
        key = f"{make_record_prefix('vc03', folder)}x"
        (copy / key).write_bytes(b"")
        told = run("history", "prod-x", "--dir", copy)
        assert (told.code, told.err) == (1, f"warning: {key} is no record: no record has such a key\n")
        (copy / key).unlink()


def test_an_id_of_several_vcenters_is_not_guessed_at(run: Run, copy: Path) -> None:
    """Also where one of them forgot it, or has no log of its own any more."""
    record = json.loads((copy / make_record_key("vc03", PROD_A, 1)).read_bytes())
    for vcenter in ("vc04", "vc05"):
        (copy / make_record_prefix(vcenter, PROD_A)).mkdir(parents=True)
        body = json.dumps({**record, "vcenter": vcenter})
        (copy / make_record_key(vcenter, PROD_A, 1)).write_text(body)
    own = json.loads((copy / make_record_key("vc03", VCENTER_LOG, 1)).read_bytes())
    own["after"]["clusters"].pop(PROD_A)
    for vcenter in ("vc04", "vc06"):
        (copy / make_record_prefix(vcenter, VCENTER_LOG)).mkdir(parents=True)
        key = make_record_key(vcenter, VCENTER_LOG, 1)
        (copy / key).write_text(json.dumps({**own, "vcenter": vcenter}))
    told = run("history", PROD_A, "--dir", copy)
    assert (told.code, told.out) == (2, "")
    for vcenter in ("vc03", "vc04", "vc05"):
        assert f"({PROD_A}) on {vcenter}" in told.err
    assert "vc06" not in told.err
    assert run("history", f"vc03/{PROD_A}", "--dir", copy).code == 0
