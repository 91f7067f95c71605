"""Stories in which software moves, or only seems to."""

from tests.simulator.model import VCenter
from tests.simulator.scenario import PROD_A, PROD_A_HOSTS, Change, Scenario


def _upgraded(*hosts: str) -> Change:
    return lambda vcenter: vcenter.hosts.upgrade(list(hosts), "8.0 U3e")


def _one_ahead(vcenter: VCenter) -> None:
    vcenter.hosts.upgrade(PROD_A_HOSTS[:2], "8.0 U3e")
    vcenter.extract_all()


def _with_witness(vcenter: VCenter) -> None:
    vcenter.hosts.make_witness("esx04")
    vcenter.extract_all()


DRIFT = (
    Scenario(
        "healthy",
        "Nothing changes; a new extraction only has other times, ids of notifications and orders.",
        (),
        (VCenter.extract_all,),
    ),
    Scenario(
        "rolling-upgrade",
        "One cluster is upgraded to ESXi 8.0 U3e host by host, and ends uniform.",
        ("base_image", "component", "image-not-uniform"),
        tuple(_upgraded(host) for host in PROD_A_HOSTS),
        healing=lambda vcenter: vcenter.hosts.upgrade(PROD_A_HOSTS, "8.0 U3e"),
    ),
    Scenario(
        "upgrade-stalled",
        "An upgrade stops after half of the hosts.",
        ("base_image", "image-not-uniform"),
        (_upgraded("esx01"), _upgraded("esx02"), lambda _vcenter: None),
        healing=lambda vcenter: vcenter.hosts.upgrade(PROD_A_HOSTS, "8.0 U3e"),
    ),
    Scenario(
        "majority-flip",
        "A third host follows two: the majority changes, two hosts' software does not.",
        ("base_image", "image-not-uniform"),
        (_upgraded("esx03"),),
        preparation=_one_ahead,
    ),
    Scenario(
        "image-not-uniform",
        "One host falls out of line with the other hosts of its cluster.",
        ("image-not-uniform", "base_image"),
        (_upgraded("esx01"),),
    ),
    Scenario(
        "drift-unreviewed",
        "A whole cluster changes and stays so, and nobody has accepted it.",
        ("drift-unreviewed", "component"),
        (
            lambda vcenter: vcenter.hosts.set_component(
                PROD_A_HOSTS, "MRVL-E4-CNA-Driver-Bundle", "5.0.402.0-1OEM.800.1.0.20613240"
            ),
            lambda _vcenter: None,
        ),
    ),
    Scenario(
        "witness",
        "A vSAN witness gets another image, which does not count against uniformity.",
        ("base_image",),
        (lambda vcenter: vcenter.hosts.set_base_image("esx04", "8.0 U3e"),),
        preparation=_with_witness,
    ),
    Scenario(
        "cluster-renamed",
        "A cluster gets another name under the same id.",
        (),
        (lambda vcenter: vcenter.inventory.rename_cluster(PROD_A, "prod-a-old"),),
    ),
)
