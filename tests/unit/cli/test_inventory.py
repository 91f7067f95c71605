"""``esx-drift inventory`` on what real checks of a simulated vCenter left behind."""

import csv
import json
from collections import Counter
from typing import Any

import boto3
import pytest
from esx_drift.cli.inventory import MAX_SHOWN_PARTS
from esx_drift.domain.stored.identifiers import VCENTER_LOG, make_state_key

from tests.lab.demo.timeline import BY_HAND, FOOTHOLD, I40EN
from tests.paths import ROOT
from tests.unit.checking.cloud import cloud
from tests.unit.checking.decisions.conftest import ca, checking, tls, world
from tests.unit.checking.decisions.consumer import Consumer
from tests.unit.checking.world import PROD_A, PROD_B, World
from tests.unit.cli.conftest import CloudFormation, Run

__all__ = ["ca", "checking", "cloud", "tls", "world"]

HOSTILE_VIB, HOSTILE_PART = "=cmd|x(1.0)", "@SUM\x1b[31m"


@pytest.fixture
def drifted(world: World, checking: Consumer, monkeypatch: pytest.MonkeyPatch) -> World:  # noqa: ARG001 -- the stack
    """Both clusters were looked at: in prod-a a driver by hand, a VIB on two hosts, one host not read."""
    world.dispatch()
    world.check(PROD_B)
    names = [host.name for host in world.vcenter.inventory.hosts_of(PROD_A)]
    world.check()
    world.vcenter.hosts.set_component(names[0], I40EN, BY_HAND)
    world.vcenter.hosts.add_orphaned_vib(names[1:3], FOOTHOLD)
    world.vcenter.hosts.fail_extraction(names[3])
    world.check()
    world.wait(7200)
    monkeypatch.setattr("esx_drift.cli.inventory.read_clock", world.clock)
    return world


def read_lines(run: Run, *arguments: object) -> list[dict[str, str]]:
    """What it says for a spreadsheet."""
    ran = run("inventory", *arguments, "--format", "csv")
    assert (ran.code, ran.err) == (0, "")
    return list(csv.DictReader(ran.out.splitlines()))


def read_document(run: Run, *arguments: object) -> dict[str, Any]:
    """What it says for a program."""
    ran = run("inventory", *arguments, "--format", "json")
    assert (ran.code, ran.err) == (0, "")
    found: dict[str, Any] = json.loads(ran.out)
    return found


def show(run: Run, world: World, *arguments: object) -> list[str]:
    """What a person reads, with a short name of the vCenter."""
    ran = run("inventory", *arguments)
    assert (ran.code, ran.err) == (0, "")
    return ran.out.replace(world.watched.name, "vc01").splitlines()


def test_which_hosts_run_a_driver(drifted: World, run: Run) -> None:
    """By version, and grouped by cluster; the host that was not read is unknown, whatever it ran before."""
    shown = show(run, drifted, "--component", "i40en", "--version", "2.9")
    assert shown == [
        "i40en 2.9: on 1 of 6 hosts that the last check read, in 1 of 2 clusters",
        f"component {I40EN} {BY_HAND}: 1 host of 1 cluster",
        "  prod-a on vc01: esx01",
        "1 host is unknown: not read at the last check",
        "  prod-a on vc01: esx04",
    ]
    assert "\n".join(shown) in (ROOT / "docs" / "operations.md").read_text()
    lines = read_lines(run, "prod-a", "--component", "I40EN")
    assert [(line["name"], line["version"] == BY_HAND, line["seen"]) for line in lines] == [
        ("esx02", False, "yes"),
        ("esx03", False, "yes"),
        ("esx01", True, "yes"),
        ("esx04", False, "no"),
    ]
    assert {line["look_age_seconds"] for line in lines} == {"7200"}
    assert lines[-1]["unseen_because"] == "could not be read (connected, powered on)"


def test_without_a_name_there_is_a_summary(drifted: World, run: Run) -> None:
    """Each part and version with exact numbers, components last; the unknown host is counted apart."""
    found = show(run, drifted)
    assert found[0].endswith(" parts: on 6 of 6 hosts that the last check read, in 2 of 2 clusters")
    kinds = [line.split("  ")[0].strip() for line in found[3:]]
    assert kinds[0] == "base image"
    rows = {" ".join(line.split()) for line in found}
    assert f"component {I40EN} {BY_HAND} 1 1" in rows
    name, version = FOOTHOLD.removesuffix(")").split("(")
    assert f"orphaned VIB {name} {version} 2 1" in rows
    assert found[-2:] == ["1 host is unknown: not read at the last check", "  prod-a on vc01: esx04"]
    shown = read_document(run)
    (by_hand,) = [part for part in shown["parts"] if part["version"] == BY_HAND]
    assert (by_hand["hosts"], by_hand["on"][0]["hosts"]) == (1, 1)
    assert [
        (one["cluster"]["name"], one["read_hosts"], one["unknown_hosts"]) for one in shown["clusters"]
    ] == [
        ("prod-a", 3, 1),
        ("prod-b", 3, 0),
    ]
    lines = read_lines(run)
    assert Counter(line["seen"] for line in lines)["no"] == 1
    assert sum(int(line["hosts"]) for line in lines if line["part"] == "base_image") == 6


def test_many_parts_are_cut_and_counted(drifted: World, run: Run) -> None:
    """Parts of several versions stay; a host's own list is whole."""
    for number in range(MAX_SHOWN_PARTS + 1):
        drifted.vcenter.hosts.set_component("esx01", f"acme-{number:02}", "1.0-1")
    drifted.check()
    found = show(run, drifted)
    total = int(found[0].split()[0])
    assert f"and {total - MAX_SHOWN_PARTS} more: name one by --component, or take --format csv" in found
    assert any(BY_HAND in line for line in found)
    assert not any(" more:" in line for line in show(run, drifted, "--host", "ESX01"))
    named = show(run, drifted, "--component", "acme")
    assert "and 1 more: say more of the name, or take --format csv" in named


@pytest.mark.parametrize("named", ["base_image", "Base-Image", "add_on", "add-on", "HPE-Custom", "smntemp"])
def test_what_is_no_component_is_found_as_well(drifted: World, run: Run, named: str) -> None:
    """A base image, an add-on by kind or name, an orphaned VIB."""
    drifted.vcenter.hosts.add_orphaned_vib("esx01", "smntemp(910.1.0.0005)")
    drifted.check()
    found = read_document(run, "--component", named)
    assert found["parts"]
    assert found["parts"][0]["on"][0]["hosts"][0]["name"]
    assert found["unknown"][0]["name"] == "esx04"
    assert len(found["unknown"][0]["last_known"]) == (named != "smntemp")


@pytest.mark.parametrize(
    ("text", "version", "finds"),
    [
        ("2.9", "2.9.2.0-1OEM", True),
        ("2.9", "2.90.1", False),
        ("2.9", "12.9", False),
        ("2.9", "1.2.9", False),
        ("24585383", "8.0.3-0.35.24585383", True),
        ("hpe", "HPE-Custom-AddOn 803.0", True),
        ("[", "2.9", False),
    ],
)
def test_numbers_of_a_version_count_as_a_whole(
    drifted: World, run: Run, text: str, version: str, *, finds: bool
) -> None:
    """A text is no pattern."""
    drifted.vcenter.hosts.set_component("esx01", "acme", version)
    drifted.check()
    parts = read_document(run, "--component", "acme", "--version", text)["parts"]
    assert [part["version"] for part in parts] == [version] * finds


def test_one_host(drifted: World, run: Run) -> None:
    """All that it runs; of one that was not read what it ran; and one that nobody knows."""
    assert {line["name"] for line in read_lines(run, "--host", "esx01")} == {"esx01"}
    unread = read_lines(run, "--host", "host-19")
    assert {(line["name"], line["seen"]) for line in unread} == {("esx04", "no")}
    assert "base_image" in {line["part"] for line in unread}
    assert show(run, drifted, "--host", "esx04") == [
        "0 parts: on 0 of 0 hosts that the last check read, in 0 of 1 cluster",
        "1 host is unknown: not read at the last check",
        "  prod-a on vc01: esx04",
    ]
    shown = show(run, drifted, "--host", "esx01")
    assert shown[1] == f"  esx01 ({drifted.vcenter.inventory.host('esx01').host}) in prod-a on vc01"
    ran = run("inventory", "--host", "esx0l")
    assert (ran.code, ran.out) == (2, "")
    assert "no host that is watched is called esx0l: did you mean esx0" in ran.err


def test_hosts_in_no_cluster_and_vcenters_without_any_are_named(
    drifted: World, checking: Consumer, run: Run
) -> None:
    """What they run is unknown, too, unless clusters are named."""
    for name in ("alone1", "alone2"):
        drifted.vcenter.inventory.add_host(None, name)
    drifted.dispatch()
    checking.put_fleet("vc77")
    shown = show(run, drifted, "--component", "i40en", "--version", "2.9")
    assert shown[0].endswith("in 1 of 2 clusters")
    assert shown[-4:] == [
        "3 hosts are unknown: not read at the last check",
        "  prod-a on vc01: esx04",
        "  vc01 (2 hosts): in no cluster, and never read",
        "  vc77: no cluster of it is known",
    ]
    assert [line["hosts"] for line in read_lines(run) if line["cluster"] == ""] == ["2", "0"]
    clusters = read_document(run)["clusters"]
    assert [one["seen"] for one in clusters] == [True, True, False, False]
    assert not any("in no cluster" in line for line in show(run, drifted, "prod-a"))


def test_a_host_that_was_never_read_is_unknown(drifted: World, run: Run) -> None:
    """Nothing is known of what it ran."""
    drifted.vcenter.inventory.add_host(PROD_A, "esx99")
    drifted.vcenter.hosts.fail_extraction("esx99")
    drifted.check()
    (line,) = [line for line in read_lines(run, "--component", "i40en") if line["name"] == "esx99"]
    assert (line["part"], line["version"], line["seen"]) == ("", "", "no")
    assert "  prod-a on vc01: esx04, esx99" in show(run, drifted)


def test_what_nothing_runs_is_said(drifted: World, run: Run) -> None:  # noqa: ARG001 -- it is there
    """With the nearest name; the unknown host is named all the same. A version that nobody has is no typo."""
    ran = run("inventory", "--component", "Intel-i40em")
    assert ran.code == 0
    assert f"nothing runs Intel-i40em: did you mean {I40EN}?" in ran.err
    assert ran.out.startswith("Intel-i40em: on 0 of 6 hosts that the last check read, in 0 of 2 clusters\n")
    assert "1 host is unknown" in ran.out
    (line,) = read_lines(run, "--component", I40EN, "--version", "77")
    assert (line["name"], line["part"], line["seen"]) == ("esx04", "", "no")


def test_hostile_names_do_no_harm(drifted: World, run: Run) -> None:
    """No formula in a cell, nothing that a terminal acts on."""
    drifted.vcenter.hosts.add_orphaned_vib("esx01", HOSTILE_VIB)
    drifted.vcenter.hosts.set_component("esx01", HOSTILE_PART, "=1+1")
    drifted.vcenter.inventory.host("esx02").name = "=esx02"
    drifted.check()
    lines = read_lines(run, "--component", "m")
    assert not [cell for line in lines for cell in line.values() if cell.startswith(("=", "+", "-", "@"))]
    assert "'=esx02" in {line["name"] for line in lines}
    assert "'=1+1" in {line["version"] for line in read_lines(run)}
    for asked in ((), ("--component", "sum"), ("--component", "=CMD"), ("--component", "\x1b[31m")):
        assert "\x1b" not in run("inventory", *asked).out


def test_a_cluster_that_the_last_check_did_not_see_is_unknown(drifted: World, run: Run) -> None:
    """As a whole; and so is one that nobody looked at yet, and an old look says its age."""
    drifted.vcenter.inventory.hide_cluster("prod-b")
    drifted.vcenter.inventory.add_cluster("prod-new", "domain-c77")
    drifted.wait(3 * 86400)
    drifted.dispatch()
    drifted.dispatch()
    found = show(run, drifted, "--component", "i40en")
    assert "7 hosts are unknown: not read at the last check" in found
    assert any(line.startswith("  prod-b on vc01: esx") for line in found)
    assert "  prod-new on vc01: nobody has looked at it yet" in found
    assert "prod-a on vc01 was last looked at 3 days ago" in found
    lines = read_lines(run, "prod-new", "--component", "i40en")
    assert [(line["unseen_because"], line["last_look_at"]) for line in lines] == [
        ("nobody has looked at it yet", "")
    ]
    assert [line["hosts"] for line in read_lines(run, "prod-new")] == ["0"]


def test_the_schedule_says_which_look_is_old(
    drifted: World, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of more than two intervals."""
    monkeypatch.setattr(CloudFormation, "parameters", {"CheckIntervalHours": "4"})
    drifted.wait(4 * 3600)
    old = [line for line in show(run, drifted) if " was last looked at " in line]
    assert [line.split(" was ")[0] for line in old] == ["prod-b on vc01"]


def test_what_is_damaged_is_named_and_the_rest_answered(drifted: World, run: Run) -> None:
    """A snapshot, whose hosts are unknown then; and a pointer that leads nowhere."""
    kept = drifted.after()["snapshot"]
    assert kept is not None
    drifted.spoilt.add(kept["key"])
    boto3.client("s3").put_object(Bucket="audit", Key=kept["key"], Body=b"{")
    ran = run("inventory", "--component", "i40en")
    assert ran.code == 1
    assert f"the audit trail is damaged: {kept['key']} was changed" in ran.err
    name = drifted.watched.name
    assert f"  prod-b on {name}: " in ran.out
    assert "4 hosts are unknown: not read at the last check" in ran.out
    assert f"  prod-a on {name} (3 hosts): what was last seen of it can't be read" in ran.out
    key = make_state_key(name, PROD_B)
    pointer = drifted.aws.s3.get_object(Bucket="state", Key=key)["Body"].read()
    boto3.client("s3").put_object(Bucket="state", Key=key, Body=b"{}")
    ran = run("inventory", "prod-b", "--format", "json")
    assert ran.code == 1
    assert f"{key} does not lead to the newest record of its log" in ran.err
    boto3.client("s3").put_object(Bucket="state", Key=key, Body=pointer)
    (one,) = json.loads(ran.out)["clusters"]
    assert one["problem"] == "what was last seen of it can't be read"


def test_clusters_are_chosen_as_elsewhere(drifted: World, checking: Consumer, run: Run) -> None:
    """By name or id, each once; one that is not known, or not watched, is trouble."""
    found = read_document(run, "prod-a", PROD_A, "--vcenter", drifted.watched.name)["clusters"]
    assert [one["cluster"]["name"] for one in found] == ["prod-a"]
    ran = run("inventory", "prod-x")
    assert ran.code == 2
    assert "no cluster called prod-x was ever listed" in ran.err
    drifted.set(exclude=("prod-a",))
    checking.put_fleet()
    assert [one["cluster"]["name"] for one in read_document(run)["clusters"]] == ["prod-b"]
    ran = run("inventory", "prod-a")
    assert ran.code == 2
    assert "is not watched: it was retired, or a pattern of the fleet file leaves it out" in ran.err


@pytest.mark.parametrize(("named", "clusters"), [((), 2), (("prod-a",), 1)])
def test_each_object_is_read_once(
    drifted: World, run: Run, monkeypatch: pytest.MonkeyPatch, named: tuple[str, ...], clusters: int
) -> None:
    """The fleet file; of each log its pointer and newest record; of each cluster its snapshot. One LIST."""
    asked: list[tuple[str, str]] = []

    def note(params: dict[str, Any], model: Any, **_: object) -> None:  # noqa: ANN401 -- botocore's
        if "Bucket" in params:
            asked.append((model.name, str(params.get("Key"))))

    class Session(boto3.Session):
        def __init__(self, **options: Any) -> None:  # noqa: ANN401 -- boto3's
            super().__init__(**options)
            self.events.register("provide-client-params", note)

    monkeypatch.setattr(boto3, "Session", Session)
    read_document(run, *named)
    assert set(Counter(asked).values()) == {1}
    assert Counter(name for name, _ in asked) == {"ListObjectsV2": 1, "GetObject": 1 + 2 + 3 * clusters}
    assert ("GetObject", make_state_key(drifted.watched.name, VCENTER_LOG)) in asked
