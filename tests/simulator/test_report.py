import re
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from tests.simulator import VCenter, catalogue
from tests.simulator.conftest import Client
from tests.simulator.fleet import seeded_fleet
from tests.simulator.scenario import Scenario
from tests.simulator.scenarios import SCENARIOS
from tests.simulator.specification import breaches
from tests.simulator.wire import Level


def _breaches(vcenter: VCenter) -> list[list[str]]:
    """Of each report; the two clusters of every story at least have one."""
    vcenter.extract_all()
    found = [breaches(report) for report in vcenter.extractions.reports.values()]
    assert len(found) > 1
    return found


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_every_report_of_every_scenario_obeys_the_documented_types_and_invariants(scenario: Scenario) -> None:
    """Whatever happened to the vCenter, before, during and after a story."""
    vcenter = VCenter()
    scenario.prepare(vcenter)
    assert not any(_breaches(vcenter))
    for number in range(len(scenario.changes)):
        scenario.change(vcenter, number)
        assert not any(_breaches(vcenter))
    scenario.heal(vcenter)
    assert not any(_breaches(vcenter))


type Place = tuple[str | int, ...]


def _full_report() -> Any:  # noqa: ANN401 - any JSON
    """One with every structure that there is, as far as the simulator sends it."""
    vcenter = VCenter()
    SCENARIOS["healthy"].prepare(vcenter)
    hosts = vcenter.hosts
    hosts.set_hardware_support(["esx01", "esx02", "esx03"], "1")
    hosts.set_alternative_image(["esx01", "esx02", "esx03"], "by-hardware", "8.0 U3e")
    by_uuid = catalogue.alternative_image("8.0 U3e", {"selection_type": "HOST_UUID", "host_uuids": ["4c4c"]})
    hosts.edit("esx02", lambda software: software["alternative_images"].update({"by-uuid": by_uuid}))
    hosts.add_orphaned_vib("esx01", catalogue.ORPHANED_VIBS[0])
    hosts.notify("esx01")
    hosts.make_witness("esx03")
    hosts.fail_extraction("esx04")
    vcenter.extract_all()
    return vcenter.extractions.reports["domain-c9"]


def _places(value: Any, at: Place = ()) -> Iterator[Place]:  # noqa: ANN401 - any JSON
    yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, member in inner:
        yield from _places(member, (*at, step))


def _at(value: Any, place: Place) -> Any:  # noqa: ANN401 - any JSON
    for step in place:
        value = value[step]
    return value


FULL = _full_report()
PLACES = list(_places(FULL))
REQUIRED = frozenset(
    re.findall(
        r"\w+",
        """
        completion_time uniform_image status successful_hosts failed_hosts unsupported_hosts image_categories
        host_notifications host_info orphaned_vibs notifications is_highest_and_widely_used_image_equal
        software_info host_list base_image components solutions component release_date name vendor packages
        pkg display_name selection_criteria selection_type host_uuids host_hardware_spec id time message
        default_message args
        """,
    )
)
"""Fields that may be missing nowhere, once more from the documentation."""


def test_a_report_with_every_structure_has_no_breach() -> None:
    """And it has each field that is never missing, so that what follows says something."""
    assert breaches(FULL) == []
    assert {place[-1] for place in PLACES if place} >= REQUIRED


@pytest.mark.parametrize("name", sorted(REQUIRED))
def test_a_missing_field_is_a_breach_wherever_it_is(name: str) -> None:
    """Also where another field decides whether it has to be there."""
    for place in PLACES:
        if place and place[-1] == name:
            spoilt = deepcopy(FULL)
            del _at(spoilt, place[:-1])[name]
            assert breaches(spoilt), place


def test_an_invented_field_is_a_breach_wherever_it_is() -> None:
    """In every object; where keys are names, by its value."""
    for place in PLACES:
        if isinstance(_at(FULL, place), dict):
            spoilt = deepcopy(FULL)
            _at(spoilt, place)["invented"] = 1
            assert breaches(spoilt), place


@pytest.mark.parametrize("wrong", [0.5, {"invented": 1}, [[]]], ids=str)
def test_a_value_of_another_type_is_a_breach_wherever_it_is(wrong: object) -> None:
    """A fraction, an object and a list: nothing that a report holds is any of these."""
    for place in PLACES[1:]:
        spoilt = deepcopy(FULL)
        _at(spoilt, place[:-1])[place[-1]] = wrong
        assert breaches(spoilt), place


@pytest.mark.parametrize("seed", range(5))
def test_reports_of_seeded_fleets_obey_them_too(seed: int) -> None:
    """Many images, orphaned VIBs, hosts that fail."""
    (vcenter,) = seeded_fleet(seed, hosts=9, images=4, orphan_share=0.5)
    for number, host in enumerate(vcenter.inventory.hosts):
        if number % 3 == seed % 3:
            vcenter.hosts.fail_extraction(host)
    assert not any(_breaches(vcenter))


def test_the_same_seed_gives_the_same_fleet() -> None:
    """Software, names and ids; times are the clock's."""
    first, second = (seeded_fleet(7, vcenters=2, orphan_share=0.3) for _ in range(2))
    assert [x.inventory.saved() for x in first] == [x.inventory.saved() for x in second]
    assert [x.instance_uuid for x in first] == [x.instance_uuid for x in second]
    assert first[0].instance_uuid != first[1].instance_uuid


def test_fleets_have_the_size_that_is_asked_for() -> None:
    """Also the number of components, which decides the size of a report."""
    (vcenter,) = seeded_fleet(1, clusters=3, hosts=5, component_count=120)
    assert (len(vcenter.inventory.clusters), len(vcenter.inventory.hosts)) == (3, 15)
    assert {len(host.software["components"]) for host in vcenter.inventory.hosts.values()} == {120}


def test_one_upgraded_host_has_the_highest_but_not_the_widest_image(vcenter: VCenter, client: Client) -> None:
    """And the others are in no third place."""
    vcenter.hosts.upgrade("esx01", "8.0 U3e")
    report = client.look()
    categories = report["image_categories"]
    assert categories["highest_versioned_image"]["host_list"] == ["host-16"]
    assert sorted(categories["most_widely_used_image"]["host_list"]) == ["host-17", "host-18", "host-19"]
    assert "host_image_list" not in categories
    assert not report["uniform_image"]
    assert not categories["is_highest_and_widely_used_image_equal"]


def test_images_that_are_neither_highest_nor_widest_are_listed(vcenter: VCenter, client: Client) -> None:
    """The third place excludes the two named ones."""
    vcenter.hosts.upgrade("esx01", "8.0 U3e")
    vcenter.hosts.set_base_image("esx02", "8.0 U3")
    (other,) = client.look()["image_categories"]["host_image_list"]
    assert other["host_list"] == ["host-17"]


def test_hosts_are_told_apart_by_what_became_of_them(vcenter: VCenter, client: Client) -> None:
    """Read, failed, too old, or not in the report at all."""
    vcenter.hosts.disconnect("esx02")
    vcenter.hosts.upgrade("esx03", "7.0 U1d")
    vcenter.hosts.leave_out("esx04")
    vcenter.hosts.add_orphaned_vib(["esx01", "esx02"], "mft(4.25.0.802-0)")
    report = client.look()
    assert report["successful_hosts"] == ["host-16"]
    assert report["failed_hosts"] == ["host-17"]
    assert report["unsupported_hosts"] == ["host-18"]
    assert "host-19" not in report["host_info"]
    assert report["orphaned_vibs"] == {"mft(4.25.0.802-0)": ["host-16"]}
    assert "NOT_RESPONDING" in report["host_notifications"]["host-17"]["errors"][0]["message"]["localized"]


def test_two_extractions_of_the_same_hosts_differ_in_bytes_only(client: Client) -> None:
    """Other times, other ids of notifications, other orders; the same software."""
    first, second = client.look(), client.look()
    assert first != second
    assert list(first) != list(second)
    assert first["completion_time"] < second["completion_time"]
    for report in (first, second):
        image = report["image_categories"]["most_widely_used_image"]
        image["host_list"].sort()
    assert (
        first["image_categories"]["most_widely_used_image"]["software_info"]["components"]
        == (second["image_categories"]["most_widely_used_image"]["software_info"]["components"])
    )


@pytest.mark.parametrize(("level", "place"), [("INFO", "info"), ("WARNING", "warnings"), ("ERROR", "errors")])
@pytest.mark.parametrize("fate", ["read", "failed", "unsupported"])
def test_a_notification_can_be_put_on_a_host_of_every_fate(
    vcenter: VCenter, client: Client, fate: str, level: Level, place: str
) -> None:
    """Beside what is said of it anyway, and until it is taken back."""
    if fate == "failed":
        vcenter.hosts.fail_extraction("esx02")
    elif fate == "unsupported":
        vcenter.hosts.upgrade("esx02", "7.0 U1d")
    before = client.look()["host_notifications"]["host-17"]
    vcenter.hosts.notify("esx02", "It is hot.", "made.up", level)
    report = client.look()
    said = report["host_notifications"]["host-17"][place]
    assert breaches(report) == []
    assert len(said) == len(before.get(place, [])) + 1
    assert "made.up" in {notification["message"]["id"] for notification in said}
    vcenter.hosts.notify("esx02", None)
    assert client.look()["host_notifications"]["host-17"].keys() == before.keys()
