import json
from copy import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from esx_drift.domain.fleet.rules import IgnoreRule, SilencingRules
from esx_drift.domain.stored.identifiers import FLEET_KEY

from tests.lab.demo.timeline import BY_HAND, FOOTHOLD, I40EN, SHIPPED
from tests.unit.checking.cloud import cloud
from tests.unit.checking.decisions.conftest import ca, checking, person, tls, world
from tests.unit.checking.decisions.person import Person
from tests.unit.checking.world import PROD_A, World
from tests.unit.cli.conftest import Run
from tests.unit.fleets import fleet

__all__ = ["ca", "checking", "cloud", "person", "tls", "world"]

FAULTY = "warning: the file in use has a fault, so nothing is compared with it"
NOTE = "info: no fleet file is in use: there is nothing to compare with\n"


@pytest.fixture
def rule(world: World) -> dict[str, Any]:
    """A rule about a driver that holds in the recorded past, and that can be checked now."""
    return {
        "name": "drivers",
        "reason": "known",
        "keys": [I40EN],
        "until": f"{world.now.year + 1}-11-01T00:00:00Z",
    }


@pytest.fixture
def past(world: World, person: Person) -> None:
    """A driver changed under a rule of then and put back in maintenance; and an orphaned VIB."""
    world.dispatch()
    world.check()
    first, *_ = world.vcenter.inventory.hosts_of(PROD_A)
    hosts = world.vcenter.hosts
    until = world.now + timedelta(days=3)
    world.rules = SilencingRules((IgnoreRule("then", "known", until, keys=(I40EN,)),))
    hosts.set_component(first.name, I40EN, BY_HAND)
    world.check()
    world.rules = SilencingRules()
    world.check()
    person.maintain(9 * 3600)
    hosts.set_component(first.name, I40EN, SHIPPED)
    world.check()
    hosts.add_orphaned_vib([first.name], FOOTHOLD)
    world.check()


def _write(tmp_path: Path, world: World, **parts: Any) -> Path:  # noqa: ANN401 -- any part of the file
    file = tmp_path / "fleet.json"
    routes = parts.pop("routes", [{"name": "all"}, {"name": "security", "families": ["orphaned-vib"]}])
    document = fleet(vcenters=[{"name": world.watched.name}], routes=routes, **parts)
    file.write_text(json.dumps(document))
    return file


@pytest.mark.usefixtures("past", "checking")
def test_a_changed_file_is_replayed_over_the_recorded_past(
    world: World, run: Run, tmp_path: Path, rule: dict[str, Any]
) -> None:
    """Without a rule all is told, with one the driver is hidden; maintenance of then stays what it was."""

    def replay(*arguments: str, since: str = "2026-11-20", **parts: Any) -> str:  # noqa: ANN401 -- any part of the file
        ran = run("fleet", "replay", _write(tmp_path, world, **parts), "--since", since, *arguments)
        assert (ran.code, ran.err) == (0, NOTE)
        return ran.out

    world.aws.s3.delete_object(Bucket="state", Key=FLEET_KEY)
    assert replay().splitlines() == [
        "13 records since 2026-11-20",
        "  all: 5 events told",
        "  security: 1 event told",
    ]
    assert len(replay("--format", "csv", ignore=[rule]).splitlines()) == 1
    hidden = json.loads(replay("--format", "json", ignore=[rule]))
    assert hidden["routes"] == [
        {"route": "all", "told": 3, "hidden": {"ignore:drivers": 6}},
        {"route": "security", "told": 1, "hidden": {}},
    ]
    assert hidden["differences"] is None
    assert "    hidden by ignore:drivers: 6" in replay(ignore=[rule])
    assert replay(since="2026-12-20").startswith("0 records")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{", "not acceptable as JSON: expected JSON, got something else at line 1 column 2"),
        (b'{"schema_version": 1}', "/vcenters: expected a value, got nothing\n"),
        (
            b'{"schema_version": 2, "vcenters": []}',
            "/schema_version: expected 1, got 2, and 1 other fault\n",
        ),
    ],
)
@pytest.mark.usefixtures("past", "checking")
def test_a_mended_file_is_replayed_though_the_one_in_use_is_broken(
    world: World, run: Run, tmp_path: Path, body: bytes, why: str
) -> None:
    """A warning says that nothing is compared, and why."""
    world.aws.s3.put_object(Bucket="state", Key=FLEET_KEY, Body=body)
    file = _write(tmp_path, world)
    for output, begin in (("text", "13 records since"), ("csv", "checked_at,"), ("json", "{")):
        ran = run("fleet", "replay", file, "--since", "2026-11-20", "--format", output)
        assert (ran.code, ran.out.startswith(begin)) == (0, True)
        assert ran.err.startswith(f"{FAULTY}: {why}")
        assert "would have told the same" not in ran.out


@pytest.mark.usefixtures("past", "checking")
def test_what_a_changed_file_would_have_told_otherwise_is_listed(
    world: World, run: Run, tmp_path: Path, rule: dict[str, Any]
) -> None:
    """Event by event and route by route: by which rule, or by whose filter."""
    in_use = _write(tmp_path, world).read_bytes()
    world.aws.s3.put_object(Bucket="state", Key=FLEET_KEY, Body=in_use)

    def replay(*arguments: str, **parts: Any) -> str:  # noqa: ANN401 -- any part of the file
        file = _write(tmp_path, world, **parts)
        ran = run("fleet", "replay", file, "--since", "2026-11-20", *arguments)
        assert ran.code == 0
        return ran.out

    assert replay().splitlines()[-1] == "The file that is in use would have told the same"
    lines = replay(ignore=[rule]).splitlines()
    begin = lines.index("Otherwise than by the file that is in use: 2 times")
    place = f"prod-a · {world.watched.name}"
    assert lines[begin + 1 :] == [
        f"  23 Nov 10:16 UTC · Intel-i40en 2.7.2.0 → 2.9.2.0 on esx01 · {place}",
        "    all: told → hidden: 3 by ignore:drivers",
        f"  23 Nov 18:18 UTC · Put back after 8 h 2 min: Intel-i40en 2.7.2.0 on esx01 · {place}",
        "    all: told → hidden: 3 by ignore:drivers",
    ]
    only = {"routes": [{"name": "all", "min_severity": "critical"}, {"name": "security"}]}
    found = json.loads(replay("--format", "json", **only))["differences"]
    assert {(one["route"], one["in_use"], one["changed"]) for one in found} == {
        ("all", "told", "not for this route"),
        ("security", "not for this route", "told"),
    }
    table = replay("--format", "csv", ignore=[rule]).splitlines()
    assert table[0] == "checked_at,vcenter,cluster,type,title,route,in_use,changed"
    assert len(table) == 3
    other = _write(tmp_path, world).read_bytes().replace(b'"name": "vc', b'"name": "old-vc')
    world.aws.s3.put_object(Bucket="state", Key=FLEET_KEY, Body=other)
    assert {one["in_use"] for one in json.loads(replay("--format", "json"))["differences"]} == {
        "not for this route"
    }


@pytest.mark.usefixtures("past", "checking")
def test_a_rule_that_matches_nothing_is_named(
    world: World, run: Run, tmp_path: Path, rule: dict[str, Any]
) -> None:
    """By what the newest records know; a driver, a VIB and a host are known, and what a run left out."""
    keys = [I40EN, FOOTHOLD, "host-16", "nobody-has-it"]
    world.vcenter.inventory.add_cluster("lab-a")
    world.watched = replace(world.watched, exclude=("lab-*",))
    world.dispatch()
    over = {"name": "w", "reason": "r", "from": "2025-12-01T00:00:00Z", "to": "2025-12-02T00:00:00Z"}
    hosts = [world.vcenter.inventory.hosts_of(PROD_A)[0].name, "host-16", "esx99"]
    rules = [{**rule, "keys": keys, "clusters": ["prod-*", "prd"], "hosts": hosts}]
    file = _write(tmp_path, world, ignore=rules, maintenance=[over])
    document = json.loads(file.read_text())
    document["vcenters"][0]["clusters"] = {"exclude": ["lab-*", "lob-*"]}
    file.write_text(json.dumps(document))
    ran = run("fleet", "check", file, "--records")
    assert ran.code == 0
    assert ran.err.count("w ended") == 1
    assert [line.partition(".json: /")[2] for line in ran.err.splitlines() if "w ended" not in line] == [
        f'vcenters/0/clusters/exclude/1: {world.watched.name}: no cluster that is known matches "lob-*"',
        'ignore/0/clusters/1: drivers: no cluster that is known matches "prd"',
        'ignore/0/hosts/2: drivers: no host that is known matches "esx99"',
        'ignore/0/keys/3: drivers: nothing that is known matches "nobody-has-it"',
    ]
    document["routes"][0]["name"] = "ALL"
    file.write_text(json.dumps(document))
    again = run("fleet", "check", file, "--records")
    assert (again.code, again.out.count("\n"), again.err.count("that is known")) == (1, 1, 4)
