"""How much is asked to know which log a name means."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from esx_drift.domain.stored.identifiers import (
    VCENTER_LOG,
    compute_sha256,
    make_record_key,
    make_record_prefix,
)
from esx_drift.domain.text.times import format_time
from esx_drift.trail.naming import MOST_READ_FOR_NAMES, find_named_logs
from esx_drift.trail.past import TrailLogs

from tests.unit.checking.world import NOW, PROD_A, PROD_B, World
from tests.unit.trail.test_past import CHECKS_OF_A_YEAR, CountedFiles

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import Head


@dataclass(slots=True)
class ListedFiles(CountedFiles):
    """One that also knows whose folders were listed."""

    listed_folders: list[str] = field(default_factory=list)

    def list_folders(self, prefix: str) -> Iterator[str]:
        """Each once."""
        self.listed_folders.append(prefix)
        return CountedFiles.list_folders(self, prefix)


def play_names(world: World, names: list[str]) -> ListedFiles:
    """A year of a vCenter's own log, whose prod-a is called so in each of its records."""
    like = world.dispatch()
    vcenter, clusters = like["vcenter"], like["after"]["clusters"] or {}
    objects: dict[str, bytes] = {}
    before: Head | None = None
    for number, name in enumerate(names, start=1):
        known = {**clusters, PROD_A: {**clusters[PROD_A], "name": name}}
        record = {**like, "seq": number, "after": {**like["after"], "clusters": known}}
        record["checked_at"] = format_time(NOW + timedelta(hours=4 * number))
        record["previous"], key = before, make_record_key(vcenter, VCENTER_LOG, number)
        objects[key] = json.dumps(record).encode()
        before = {"seq": number, "key": key, "sha256": compute_sha256(objects[key])}
    return ListedFiles(objects)


@pytest.mark.parametrize("asked", [PROD_A, f"vc01/{PROD_A}"])
def test_by_its_id_no_other_log_is_listed(world: World, asked: str) -> None:
    """One record is read: the newest of its vCenter's own log, which has its name."""
    files = play_names(world, ["prod-a"] * 3)
    named = find_named_logs(TrailLogs(files), asked.replace("vc01", world.watched.name))
    assert [log.name for log in named.found] == ["prod-a"]
    assert (len(files.read_keys), files.listed_folders) == (1, [])
    own = make_record_prefix(world.watched.name, VCENTER_LOG)
    assert all(key.startswith(own) for key in files.listed_keys)


def test_by_a_name_of_today_the_folders_are_listed(world: World) -> None:
    """A cluster that its vCenter forgot may have had the same name."""
    files = play_names(world, ["prod-a"] * 3)
    assert len(find_named_logs(TrailLogs(files), "prod-a").found) == 1
    assert (len(files.read_keys), len(files.listed_folders)) == (1, 1)
    assert not [key for key in files.listed_keys if f"={PROD_B}/" in key]


@pytest.mark.parametrize("begins", [1, 2, 700, CHECKS_OF_A_YEAR - 1])
def test_a_name_of_one_run_of_a_year_is_found_by_halving(world: World, begins: int) -> None:
    """Some two dozen records are read, and not all."""
    names = ["old"] * begins + ["short"] + ["new"] * (CHECKS_OF_A_YEAR - begins - 1)
    files = play_names(world, names[:CHECKS_OF_A_YEAR])
    for asked in ("old", "short"):
        files.read_keys.clear()
        (log,) = find_named_logs(TrailLogs(files), asked).found
        assert (log.name, log.former) == (names[-1], asked if asked != names[-1] else None)
        assert len(files.read_keys) <= 30


def test_however_often_a_cluster_was_renamed_what_is_read_has_an_end(world: World) -> None:
    """A name of each run; by its id it is found all the same."""
    files = play_names(world, [f"name-{number}" for number in range(CHECKS_OF_A_YEAR)])
    assert find_named_logs(TrailLogs(files), "name-3").found == []
    assert len(files.read_keys) <= MOST_READ_FOR_NAMES + 1
    assert find_named_logs(TrailLogs(files), PROD_A).found[0].name == f"name-{CHECKS_OF_A_YEAR - 1}"
