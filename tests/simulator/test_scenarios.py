import pytest
import requests
from esx_drift.domain.findings.kinds import FINDING_KINDS

from tests.simulator import VCenter, VCenterServer
from tests.simulator.conftest import Client, images
from tests.simulator.scenario import play
from tests.simulator.scenarios import SCENARIOS

WITHOUT_SCENARIO = {
    "cluster-renamed": "it takes a fleet file with patterns, and a scenario is a vCenter's part only",
    "trail-damaged": "it is about the buckets, and a scenario is a vCenter's part only",
    "nothing-watched": "the same",
}
"""Kinds of findings that no scenario opens, and why."""

FINDINGS = [kind for kind in FINDING_KINDS if kind not in WITHOUT_SCENARIO]
ELEMENTS = [
    "base_image",
    "add_on",
    "component",
    "solution",
    "hardware_support_package",
    "removed_component",
    "alternative_image",
    "host",
    "orphaned_vib",
]

OTHERWISE = {"rolling-upgrade", "upgrade-stalled", "cluster-added"}
"""These end otherwise than they began."""


@pytest.mark.parametrize("shown", FINDINGS + ELEMENTS)
def test_each_finding_and_each_element_has_a_scenario_of_its_name(shown: str) -> None:
    """And it says that it shows it."""
    assert shown in SCENARIOS[shown.replace("_", "-")].shows


def test_scenarios_show_nothing_else_than_known_kinds() -> None:
    """A misspelt one would never be looked for."""
    assert {shown for scenario in SCENARIOS.values() for shown in scenario.shows} == {*FINDINGS, *ELEMENTS}


def test_every_name_is_unique_and_every_description_a_sentence() -> None:
    """They are read by people who choose one."""
    assert all(scenario.name == name for name, scenario in SCENARIOS.items())
    assert all(scenario.description.endswith(".") for scenario in SCENARIOS.values())


@pytest.mark.parametrize("name", sorted(set(SCENARIOS) - OTHERWISE))
def test_healing_brings_back_what_was_prepared(name: str, http: requests.Session) -> None:
    """Software, hosts, permissions, password, identity; and both clusters can be looked at."""
    vcenter, scenario = VCenter(), SCENARIOS[name]
    scenario.prepare(vcenter)
    before = vcenter.inventory.saved(), vcenter.instance_uuid, vcenter.version, vcenter.build
    for number in range(len(scenario.changes)):
        scenario.change(vcenter, number)
    scenario.heal(vcenter)
    assert before == (vcenter.inventory.saved(), vcenter.instance_uuid, vcenter.version, vcenter.build)
    with VCenterServer(vcenter) as server:
        client = Client(server.url, http)
        assert client.login().status_code == 201
        for cluster in ("domain-c9", "domain-c1008"):
            assert client.look(cluster)["status"] == "SUCCESS"


@pytest.mark.parametrize("name", ["rolling-upgrade", "upgrade-stalled"])
def test_an_upgrade_ends_with_every_host_upgraded(name: str) -> None:
    """That is what healing it means."""
    vcenter, scenario = VCenter(), SCENARIOS[name]
    scenario.prepare(vcenter)
    scenario.change(vcenter)
    scenario.heal(vcenter)
    versions = {host.software["base_image"]["version"] for host in vcenter.inventory.hosts_of("domain-c9")}
    assert versions == {"8.0.3-0.70.24674464"}


def test_preparing_again_starts_from_the_same_state() -> None:
    """Whatever was played before."""
    vcenter = VCenter()
    for scenario in SCENARIOS.values():
        SCENARIOS["component"].prepare(vcenter)
        first = _all_of(vcenter)
        scenario.prepare(vcenter)
        scenario.change(vcenter)
        SCENARIOS["component"].prepare(vcenter)
        assert first == _all_of(vcenter)


def _all_of(vcenter: VCenter) -> tuple[object, ...]:
    places = vcenter.cluster_cap, dict(vcenter.datacenters), dict(vcenter.folders), vcenter.certificate
    own = vcenter.version, vcenter.skew_seconds, vcenter.extractions.pace
    return vcenter.inventory.saved(), *own, *places


def _drivers(client: Client) -> set[str]:
    categories = client.look()["image_categories"]
    shown = [categories["most_widely_used_image"], categories["highest_versioned_image"]]
    return {
        image["software_info"]["components"]["Intel-i40en"]["version"].partition("-")[0]
        for image in [*shown, *categories.get("host_image_list", [])]
    }


def test_a_played_change_comes_with_the_second_look_at_one_cluster(vcenter: VCenter, client: Client) -> None:
    """Whoever looks at that cluster only sees it at the second look."""
    play(SCENARIOS["component"], vcenter)
    client.login()
    assert _drivers(client) == {"2.7.2.0"}
    assert _drivers(client) == {"2.7.2.0", "2.9.2.0"}


def test_a_played_change_of_the_vcenter_comes_once_all_clusters_were_looked_at(
    vcenter: VCenter, client: Client
) -> None:
    """Not in the middle of a round."""
    play(SCENARIOS["vcenter-replaced"], vcenter)
    client.login()
    before = vcenter.instance_uuid
    client.get(images("domain-c9"))
    assert vcenter.instance_uuid == before
    client.get(images("domain-c1008"))
    assert vcenter.instance_uuid != before


def test_a_played_failure_is_there_from_the_beginning(vcenter: VCenter, guest: Client) -> None:
    """It needs no history."""
    play(SCENARIOS["vcenter-authentication"], vcenter)
    assert guest.login().status_code == 401
