"""The documents that are measured, as the simulated vCenter writes them: images of 120 components each."""

import json
import random
from copy import replace
from datetime import UTC, datetime, timedelta

from tests.simulator import catalogue
from tests.simulator.inventory import Cluster, Host
from tests.simulator.report import make_report
from tests.simulator.wire_software import Software

COMPONENTS = 120
OWN_DRIVERS = ("Cisco-nenic", "Intel-i40en", "MRVL-QLogic-FC")
BEFORE, AFTER = "8.0 U3d", "8.0 U3e"
AT = datetime(2026, 11, 23, 2, 13, 20, tzinfo=UTC)


def fleet(hosts: int, images: int) -> list[Host]:
    """Hosts that share so many images in turn; each image has own drivers, each host two orphans."""
    shared = [_image(number) for number in range(images)]
    return [
        Host(
            host=f"host-{16 + number}",
            name=f"esx{number:03}.example.com",
            cluster="domain-c9",
            software=shared[number % images],
            host_uuid="",
            orphaned_vibs=frozenset(catalogue.ORPHANED_VIBS[:2]),
        )
        for number in range(hosts)
    ]


def body_of(hosts: list[Host], look: int = 0) -> bytes:
    """The document of these hosts at one look, its order, times and notifications' ids those of that look."""
    at = AT + timedelta(hours=look)
    report = make_report(Cluster("domain-c9", "prod-a"), hosts, "SUCCESS", at, random.Random(look))
    return json.dumps(report, separators=(",", ":")).encode()


def moved(hosts: list[Host]) -> list[Host]:
    """The second host now runs what the first one does."""
    return [hosts[0], replace(hosts[1], software=hosts[0].software), *hosts[2:]]


def upgraded(hosts: list[Host], first: int | None = None) -> list[Host]:
    """So many hosts (else all) on the next release, each still with the driver that its image has."""
    newer = {id(host.software): _upgraded(host.software) for host in hosts}
    count = len(hosts) if first is None else first
    return [
        replace(host, software=newer[id(host.software)]) if number < count else host
        for number, host in enumerate(hosts)
    ]


def all_different(hosts: list[Host]) -> list[Host]:
    """Every component of every image in another version."""
    other = {id(host.software): _renewed(host.software, list(host.software["components"])) for host in hosts}
    return [replace(host, software=other[id(host.software)]) for host in hosts]


def _image(number: int) -> Software:
    image = catalogue.software(BEFORE, component_count=COMPONENTS)
    for name in OWN_DRIVERS:
        image["components"][name] = catalogue.component(name, f"1.0.{number}.0-1OEM.800.1.0.20613240")
    return image


def _upgraded(image: Software) -> Software:
    """The next release: its base image and inbox components, and a third of the drivers with them."""
    renewed = _renewed(image, list(image["components"])[::3])
    components = renewed["components"] | catalogue.inbox(AFTER)
    return {**renewed, "base_image": catalogue.base_image(AFTER), "components": components}


def _renewed(image: Software, names: list[str]) -> Software:
    renewed = {
        name: catalogue.component(name, f"9.{image['components'][name].get('version')}") for name in names
    }
    return {**image, "components": image["components"] | renewed}
