"""Stories of what is there or not, and of who else is at work: most of them end with nothing to tell."""

from math import inf

from tests.simulator.inventory import Outcome
from tests.simulator.model import VCenter
from tests.simulator.scenario import PROD_B, PROD_B_HOSTS, PROD_C, Scenario

BUSY_SECONDS = 2.0
STANDALONE = ("lonely01", "lonely02")
EMPTY = {PROD_C: Outcome(), "prod-d": Outcome(None, refused=True), "prod-e": Outcome(None, "FAILED")}
"""Which of them a real vCenter gives where there are no hosts, no source says: each is to be told alike."""


def _nothing(_vcenter: VCenter) -> None:
    """Nothing happens, or is to be undone."""


def _busy(vcenter: VCenter) -> None:
    vcenter.hosts.set_component("esx03", "Intel-i40en", "2.9.2.0-1OEM.800.1.0.20613240")
    vcenter.extractions.occupy("domain-c9", BUSY_SECONDS)
    vcenter.extractions.occupy("domain-c1008", BUSY_SECONDS, "CONCURRENT_CHANGE")


def _empty(vcenter: VCenter) -> None:
    for name, outcome in EMPTY.items():
        vcenter.inventory.add_cluster(name)
        vcenter.inventory.set_outcome(name, outcome.status, outcome.task, refused=outcome.refused)


def _over_the_cap(vcenter: VCenter) -> None:
    vcenter.cluster_cap = 1
    vcenter.datacenters["datacenter-4"] = "DC-Fuerth"
    vcenter.folders |= {"group-h7": "host", "group-h8": "blades"}
    _add_prod_c(vcenter)
    vcenter.inventory.place_cluster(PROD_B, "datacenter-4", "group-h7")
    vcenter.inventory.place_cluster(PROD_C, "datacenter-4", "group-h8")


def _add_prod_c(vcenter: VCenter) -> None:
    vcenter.inventory.add_cluster(PROD_C)
    vcenter.inventory.add_host(PROD_C, "esx09")


def _with_standalone_hosts(vcenter: VCenter) -> None:
    for host in STANDALONE:
        vcenter.inventory.add_host(None, host)


def _vcenter_upgraded(vcenter: VCenter) -> None:
    vcenter.version, vcenter.build = "9.0.2", "25148086"


def _unseen(vcenter: VCenter) -> None:
    vcenter.hosts.fail_extraction("esx02")
    vcenter.inventory.set_outcome(PROD_B, "EXTRACT_INSTALLED_IMAGE_FAILURE", "FAILED")


FLEET = (
    Scenario(
        "cluster-busy",
        "Somebody else extracts both clusters: ours are refused (400 and 409), his reports come soon after.",
        ("component",),
        (_busy,),
    ),
    Scenario(
        "cluster-stays-busy",
        "Somebody else's operation on a cluster never ends.",
        ("extraction-timeout",),
        (lambda vcenter: vcenter.extractions.occupy("domain-c9", inf),),
    ),
    Scenario(
        "cluster-empty",
        "Three clusters have no hosts: UNAVAILABLE, 400 Unsupported, and a failed task without a report.",
        ("extraction-unavailable",),
        (_nothing,),
        preparation=_empty,
        at_once=True,
    ),
    Scenario(
        "hosts-too-old",
        "Every host of a cluster runs an ESXi older than 7.0.2.",
        ("host-unsupported",),
        (lambda vcenter: vcenter.hosts.upgrade(PROD_B_HOSTS, "7.0 U1d"),),
        at_once=True,
    ),
    Scenario(
        "many-clusters",
        "More clusters than a list may hold (the cap is lowered to 1): 500, unless by datacenter and folder.",
        (),
        (_nothing,),
        preparation=_over_the_cap,
        at_once=True,
    ),
    Scenario(
        "standalone-hosts",
        "Two hosts are in no cluster, which no report covers.",
        (),
        (_nothing,),
        preparation=_with_standalone_hosts,
        at_once=True,
    ),
    Scenario(
        "vcenter-upgraded",
        "The vCenter itself is upgraded to 9.0.2; nothing on its hosts changes.",
        (),
        (_vcenter_upgraded,),
    ),
    Scenario(
        "cluster-added",
        "A third cluster with one host appears, and stays.",
        (),
        (_add_prod_c,),
        healing=_nothing,
    ),
    Scenario(
        "unseen-for-long",
        "A host, and each host of another cluster, can't be read, for longer than blind_after.",
        ("host-failed", "extraction-failed"),
        (_unseen, _nothing, _nothing, _nothing),
        at_once=True,
    ),
)
