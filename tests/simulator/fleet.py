"""Seeded fleets of any size."""

import random

from tests.simulator import catalogue
from tests.simulator.model import VCenter
from tests.simulator.wire_software import Software

_RELEASES = ("8.0 U3", "8.0 U3b", "8.0 U3d", "8.0 U3e")


def seeded_fleet(
    seed: int,
    *,
    vcenters: int = 1,
    clusters: int = 2,
    hosts: int = 4,
    component_count: int = 22,
    images: int = 1,
    orphan_share: float = 0.0,
) -> list[VCenter]:
    """Make vCenters of this many clusters each, of this many hosts each; the same seed gives the same fleet.

    A cluster's hosts run `images` different images in turn. `orphan_share` of all hosts have an orphaned VIB.
    Each cluster has been extracted once.
    """
    rng = random.Random(seed)
    fleet = []
    for number in range(vcenters):
        vcenter = VCenter(rng.getrandbits(32))
        for index in range(clusters):
            name = f"cluster-{number + 1:02}-{index + 1:03}"
            _fill(vcenter, name, rng, hosts, _images(rng, component_count, images), orphan_share)
        vcenter.extract_all()
        fleet.append(vcenter)
    return fleet


def _images(rng: random.Random, component_count: int, images: int) -> list[Software]:
    found = []
    release, vendor = rng.choice(_RELEASES), rng.choice(("hpe", "dell"))
    for number in range(images):
        software = catalogue.software(release, vendor, component_count)
        if number:
            version = f"2.9.{number}.0-1OEM.800.1.0.20613240"
            software["components"]["Intel-i40en"] = catalogue.component("Intel-i40en", version)
        found.append(software)
    return found


def _fill(
    vcenter: VCenter,
    cluster: str,
    rng: random.Random,
    hosts: int,
    images: list[Software],
    orphan_share: float,
) -> None:
    home = vcenter.inventory.add_cluster(cluster)
    for number in range(hosts):
        name = f"esx{number + 1:03}.{cluster}.example"
        host = vcenter.inventory.add_host(home, name, images[number % len(images)])
        if rng.random() < orphan_share:
            vcenter.hosts.add_orphaned_vib(host, rng.choice(catalogue.ORPHANED_VIBS))
