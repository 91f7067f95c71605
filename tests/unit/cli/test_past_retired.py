"""What is said of a cluster that was retired; and which cluster of two is meant."""

import json
from pathlib import Path

import pytest
from esx_drift.domain.stored.types import Record

from tests.unit.checking.decisions.person import Person
from tests.unit.checking.world import INTERVAL_SECONDS, PROD_A
from tests.unit.cli.conftest import Run
from tests.unit.trail.played import open_watched
from tests.unit.trail.test_past import I40EN, copy_audit_bucket


@pytest.fixture(scope="module")
def retired(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Record]]:
    """A copy of the trail of a cluster that is gone and retired, and its records."""
    with open_watched(tmp_path_factory.mktemp("tls")) as world:
        inventory = world.vcenter.inventory
        world.dispatch()
        world.check()
        world.wait(INTERVAL_SECONDS)
        world.vcenter.hosts.set_component("esx02", I40EN, "2.9.2.0")
        world.check()
        for host in inventory.hosts_of(PROD_A):
            inventory.remove_host(host.name)
        inventory.clusters.pop(PROD_A)
        for _ in range(2):
            world.wait(INTERVAL_SECONDS)
            world.dispatch()
        Person(world).retire(PROD_A)
        # Refused: nothing is decided on it any more.
        Person(world).maintain(3600)
        root = tmp_path_factory.mktemp("retired") / "copy"
        copy_audit_bucket(world.aws.s3, root)
        return root, world.records()


def test_what_a_retired_cluster_runs_is_of_before(run: Run, retired: tuple[Path, list[Record]]) -> None:
    """Nobody knows what runs there now: so say both that speak of hosts, also to programs."""
    copy, records = retired
    (at,) = [record["checked_at"] for record in records if record["outcome"] == "retired"]
    said = f"Retired {at[:19].replace('T', ' ')} UTC by alice: CHG-42. Nobody looked at it since."
    blamed = ("blame", "prod-a", "--host", "esx02", "--dir", copy)
    assert said in run(*blamed).out
    assert json.loads(run(*blamed, "--format", "json").out)["retired_at"] == at
    for moment in (records[0]["checked_at"], "2026-12-01"):
        asked = ("as-of", "prod-a", moment, "--dir", copy)
        assert said in run(*asked).out
        assert json.loads(run(*asked, "--format", "json").out)["retired_at"] == at


def test_what_is_taken_again_is_not_retired_any_more(
    run: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A decision is taken once the cluster is listed again, which may be before its first check."""
    with open_watched(tmp_path_factory.mktemp("tls")) as world:
        clusters, root = world.vcenter.inventory.clusters, tmp_path_factory.mktemp("again")
        world.dispatch()
        world.check()
        was = clusters.pop(PROD_A)
        for _ in range(2):
            world.wait(INTERVAL_SECONDS)
            world.dispatch()
        Person(world).retire(PROD_A)
        clusters[PROD_A] = was
        world.wait(INTERVAL_SECONDS)
        copy_audit_bucket(world.aws.s3, root / "before")
        world.dispatch()
        Person(world).maintain(3600)
        newest = world.records()[-1]
        assert (newest["outcome"], newest["decision"] and newest["decision"]["taken"]) == (
            "maintenance",
            [PROD_A],
        )
        copy_audit_bucket(world.aws.s3, root / "after")
    for copy, is_retired in ((root / "before", True), (root / "after", False)):
        for asked in (("blame", "prod-a"), ("as-of", "prod-a", "2026-12-01")):
            said = run(*asked, "--dir", copy)
            shown = json.loads(run(*asked, "--format", "json", "--dir", copy).out)
            assert ("Retired" in said.out, shown["retired_at"] is not None) == (is_retired, is_retired)


def test_retiring_is_of_no_host(run: Run, retired: tuple[Path, list[Record]]) -> None:
    """The id of a cluster is none of a host."""
    copy, _ = retired
    shown = run("history", "prod-a", "--format", "json", "--dir", copy).out
    (entry,) = [entry for entry in json.loads(shown)["entries"] if entry["outcome"] == "retired"]
    assert entry["hosts"] == []
