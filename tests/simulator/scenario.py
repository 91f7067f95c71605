"""What a scenario is, and playing one to whoever looks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.simulator import catalogue
from tests.simulator.model import VCenter

type Change = Callable[[VCenter], object]
PROD_A, PROD_B, PROD_C = "prod-a", "prod-b", "prod-c"
PROD_A_HOSTS = ["esx01", "esx02", "esx03", "esx04"]
PROD_B_HOSTS = ["esx05", "esx06", "esx07"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story of one vCenter: prepare, look, change, look, … heal, look.

    `shows` holds the elements and kinds of findings that it is to show. `at_once`: it needs no look
    before its first change. Healing undoes everything, or does `healing` where the story ends otherwise.
    """

    name: str
    description: str
    shows: tuple[str, ...]
    changes: tuple[Change, ...]
    preparation: Change = lambda _vcenter: None
    healing: Change = VCenter.recover
    at_once: bool = False

    def prepare(self, vcenter: VCenter) -> None:
        """Make the vCenter one of two clusters with seven hosts, as the story begins."""
        with vcenter.lock:
            vcenter.clear()
            two_clusters(vcenter)
            self.preparation(vcenter)
            vcenter.remember()

    def change(self, vcenter: VCenter, number: int = 0) -> None:
        """Let happen what happens (first); IndexError beyond the last change."""
        with vcenter.lock:
            self.changes[number](vcenter)

    def heal(self, vcenter: VCenter) -> None:
        """Let it end well."""
        with vcenter.lock:
            self.healing(vcenter)


def two_clusters(vcenter: VCenter) -> None:
    """prod-a (managed by an image, HPE) and prod-b (by baselines, Dell), both extracted once."""
    for name, vendor, hosts, managed in (
        (PROD_A, "hpe", PROD_A_HOSTS, True),
        (PROD_B, "dell", PROD_B_HOSTS, False),
    ):
        vcenter.inventory.add_cluster(name, managed_by_image=managed)
        software = catalogue.software("8.0 U3d", vendor)
        for host in hosts:
            vcenter.inventory.add_host(name, host, software)
    vcenter.extract_all()


def play(scenario: Scenario, vcenter: VCenter) -> None:
    """Prepare, then make each next change when the next round of looks begins.

    That is as soon as every visible cluster was looked at, or a cluster is to be extracted again.
    """
    scenario.prepare(vcenter)
    steps: Iterator[Change] = iter(scenario.changes)
    seen: set[str] = set()

    def advance() -> None:
        seen.clear()
        next(steps, lambda _vcenter: None)(vcenter)

    def on_look(cluster: str) -> None:
        seen.add(cluster)
        if seen >= {key for key, found in vcenter.inventory.clusters.items() if not found.hidden}:
            advance()

    def on_extract(cluster: str) -> None:
        if cluster in seen:
            advance()

    if scenario.at_once:
        advance()
    vcenter.on_look, vcenter.on_extract = on_look, on_extract
