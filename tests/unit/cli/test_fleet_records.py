import json
from copy import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from esx_drift.cli.fleet_records import KnownExtent
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
        "13 records since 2026-11-20 00:00 UTC, the first of 2026-11-23 02:14, the last of 2026-11-23 22:19",
        "Of these fleet.json would have told each route so many events (several may be one message):",
        "  all: 4 events",
        "  security: 1 event",
    ]
    assert len(replay("--format", "csv", ignore=[rule]).splitlines()) == 1
    hidden = json.loads(replay("--format", "json", ignore=[rule]))
    assert hidden["routes"] == [
        {
            "route": "all",
            "told": 2,
            "hidden": {"ignore:drivers": 6},
            "hidden_events": {"ignore:drivers": 2},
        },
        {"route": "security", "told": 1, "hidden": {}, "hidden_events": {}},
    ]
    assert hidden["differences"] is None
    kept = "    kept from it by the ignore rule drivers: 6 changes and findings, of 2 events\n"
    assert kept in replay(ignore=[rule])
    assert replay(since="2026-11-23T18:00").startswith("4 records since 2026-11-23 18:00 UTC, ")
    assert replay(since="2026-11-23T20:00+02:00").startswith("4 records since 2026-11-23 18:00 UTC, ")
    nothing = "0 records since 2026-12-20 00:00 UTC: there is nothing to replay\n"
    assert replay(since="2026-12-20") == nothing


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01", "2026-11-23T2", "20261123", "1"])
def test_what_is_no_date_is_refused_as_by_the_other_commands(run: Run, since: str) -> None:
    """Before anything is read, the file included."""
    ran = run("fleet", "replay", "fleet.yaml", "--since", since)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        f"esx-drift: {since} is no date\n"
        "  Expected 2026-11-23, 2026-11-23T02:14, or with its own zone: 2026-11-23T02:14+01:00\n"
    )


@pytest.mark.usefixtures("past", "checking")
def test_a_log_that_is_too_long_is_said_to_be_cut(
    world: World, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came before is not replayed: nobody takes the rest for the whole."""
    monkeypatch.setattr("esx_drift.cli.fleet_records.MAX_REPLAYED_RECORDS", 2)
    ran = run("fleet", "replay", _write(tmp_path, world), "--since", "2026-11-20")
    assert ran.code == 0
    assert (
        f"warning: of prod-a on {world.watched.name} only the newest 2 records are replayed,"
        " from 2026-11-23 18:18 UTC on\n"
    ) in ran.err


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{", "1 fault (not acceptable as JSON: expected JSON, got something else at line 1 column 2"),
        (b'{"schema_version": 1}', "1 fault (/vcenters: expected a value, got nothing)"),
        (b'{"schema_version": 2, "vcenters": []}', "2 faults (/schema_version: expected 1, got 2)"),
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
        assert ran.err.startswith(f"warning: the file in use has {why}")
        assert ran.err.endswith(": nothing is compared with it\n")
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

    assert replay().splitlines()[-1] == "The file that is in use would have told the same."
    lines = replay(ignore=[rule]).splitlines()
    begin = lines.index("The file that is in use would have told 2 events otherwise:")
    place = f"prod-a · {world.watched.name}"
    outcomes = [
        "    all, by the file in use: told",
        "    all, by fleet.json: not told: the ignore rule drivers hides 3 changes and findings",
    ]
    assert lines[begin + 1 :] == [
        f"  2026-11-23 10:16 UTC · Intel-i40en 2.7.2.0 → 2.9.2.0 on esx01 · {place}",
        *outcomes,
        f"  2026-11-23 18:18 UTC · Put back after 8 h 2 min: Intel-i40en 2.7.2.0 on esx01 · {place}",
        *outcomes,
    ]
    only = {"routes": [{"name": "all", "min_severity": "critical"}, {"name": "security"}]}
    found = json.loads(replay("--format", "json", **only))["differences"]
    assert {(one["route"], one["in_use"], one["changed"]) for one in found} == {
        ("all", "told", "not told: the route's min_severity left it out"),
        ("security", "not told: the route's families left it out", "told"),
    }
    unreviewed = {key: value for key, value in rule.items() if key != "keys"}
    unreviewed["findings"] = ["drift-unreviewed"]
    drivers = {"name": "drivers", "kinds": ["drift-unreviewed"]}
    found = json.loads(replay("--format", "json", ignore=[unreviewed], routes=[drivers, {"name": "all"}]))
    assert {(one["route"], one["in_use"], one["changed"]) for one in found["differences"]} == {
        ("all", "told", "told, but the ignore rule drivers hides 1 change or finding"),
        ("all", "told", "told, but the ignore rule drivers hides 2 changes and findings"),
        ("drivers", "not told: it has no such route", "told"),
        ("security", "told", "not told: it has no such route"),
    }
    in_use = _write(tmp_path, world, routes=[drivers]).read_bytes()
    world.aws.s3.put_object(Bucket="state", Key=FLEET_KEY, Body=in_use)
    found = json.loads(replay("--format", "json", ignore=[unreviewed], routes=[drivers]))
    hides = "not told: the ignore rule drivers hides"
    assert {(one["in_use"], one["changed"]) for one in found["differences"]} == {
        ("told", f"{hides} 1 change or finding; the rest is not for this route"),
        ("told", f"{hides} 2 changes and findings; the rest is not for this route"),
    }
    ending = {**rule, "until": "2026-11-23T12:00:00Z"}
    in_use = _write(tmp_path, world).read_bytes()
    world.aws.s3.put_object(Bucket="state", Key=FLEET_KEY, Body=in_use)
    lines = replay(ignore=[ending]).splitlines()
    assert "    all, by the file in use: not told: by its rules nothing was new then" in lines
    table = replay("--format", "csv", ignore=[rule]).splitlines()
    assert table[0] == "checked_at,vcenter,cluster,type,title,route,in_use,changed"
    assert len(table) == 3
    other = _write(tmp_path, world).read_bytes().replace(b'"name": "vc', b'"name": "old-vc')
    world.aws.s3.put_object(Bucket="state", Key=FLEET_KEY, Body=other)
    assert {one["in_use"] for one in json.loads(replay("--format", "json"))["differences"]} == {
        f"not told: it does not watch {world.watched.name}"
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
    *warnings, extent, unseen = ran.err.splitlines()
    assert extent.startswith("info: Compared with 3 clusters and ")
    assert unseen.startswith("info: Never seen, so that nothing is known of it: lab-a on ")
    assert [line.partition(".json: /")[2] for line in warnings if "w ended" not in line] == [
        f'vcenters/0/clusters/exclude/1: {world.watched.name}: no cluster that is known matches "lob-*"',
        'ignore/0/clusters/1: drivers: no cluster that is known matches "prd"',
        'ignore/0/hosts/2: drivers: no host that is known matches "esx99"',
        'ignore/0/keys/3: drivers: nothing that is known matches "nobody-has-it"',
    ]
    document["routes"][0]["name"] = "ALL"
    file.write_text(json.dumps(document))
    again = run("fleet", "check", file, "--records")
    assert (again.code, again.out.count("\n"), again.err.count("that is known")) == (1, 1, 4)
    document["vcenters"] = []
    file.write_text(json.dumps(document))
    assert (
        "info: --records: no pattern was looked at, because too little of the file can be understood\n"
        in run("fleet", "check", file, "--records").err
    )


def test_where_all_was_seen_nothing_more_is_said() -> None:
    """One sentence."""
    extent = KnownExtent(1, 2, 1, ["2026-11-23T02:14:00.000Z"])
    assert extent.describe() == [
        "Compared with 2 clusters and 1 host of 1 vCenter, as each was last seen, at 2026-11-23 02:14 UTC."
    ]


@pytest.mark.usefixtures("checking")
def test_what_was_never_seen_is_said_to_be_unknown(world: World, run: Run, tmp_path: Path) -> None:
    """Nobody takes silence for a pattern that matches."""
    file = _write(tmp_path, world)
    nothing = "info: Nothing was ever checked here: no pattern was compared with anything.\n"
    assert run("fleet", "check", file, "--records").err == nothing
    world.dispatch()
    document = json.loads(file.read_text())
    document["vcenters"].append({"name": "vc99"})
    file.write_text(json.dumps(document))

    def describe() -> list[str]:
        return [
            line.removeprefix("info: ") for line in run("fleet", "check", file, "--records").err.splitlines()
        ]

    name = world.watched.name
    assert describe() == [
        "Compared with 2 clusters and 0 hosts of 2 vCenters, as each was last seen, at 2026-11-23 02:14 UTC.",
        f"Never seen, so that nothing is known of it: prod-a on {name}, prod-b on {name}, vc99.",
    ]
    world.check()
    assert describe() == [
        (
            "Compared with 2 clusters and 4 hosts of 2 vCenters, as each was last seen,"
            " between 2026-11-23 02:14 and 2026-11-23 06:15 UTC."
        ),
        f"Never seen, so that nothing is known of it: prod-b on {name}, vc99.",
    ]
