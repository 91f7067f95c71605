"""What happens in the demo: each step changes the vCenters, looks, and says what must arrive."""

from collections.abc import Callable
from dataclasses import dataclass, field

from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.stored.types import Event

from tests.lab.local_aws.rig import Rig
from tests.lab.local_aws.waiting import until
from tests.simulator import VCenter, fault_kinds

I40EN = "Intel-i40en"
SHIPPED, BY_HAND = "2.7.2.0-1OEM.800.1.0.20613240", "2.9.2.0-1OEM.800.1.0.20613240"
FOOTHOLD = "smntemp(910.1.0.0005-5vmw.803.0.0.24022510)"
REPORTS = "GET */installed-images"
FIRST_LOOK, DAILY = ("fleet", "report.first-look"), ("fleet", "report.daily")
"""What the reporter publishes for the demo's one route; its schedule is off, as the dispatcher's is."""

UNHEARD = "baseline.recorded"
"""An event that goes to the topic, and that people are not told one by one."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `arrives`: the events, as (subject, type after `esx-drift.`), no more and no fewer."""

    title: str
    act: Callable[[Rig], object]
    arrives: tuple[tuple[str, str], ...] = ()
    look: Callable[[Rig], object] = field(default=lambda rig: rig.check())

    @property
    def messages(self) -> int:
        """How many of the events people are told."""
        return sum(what != UNHEARD for _, what in self.arrives)


def data_centre() -> dict[str, VCenter]:
    """Two vCenters with a cluster each."""
    vcenters = {"vc01": VCenter(seed=1), "vc02": VCenter(seed=2)}
    for vcenter, cluster, hosts in (("vc01", "prod-a", 6), ("vc02", "edge-1", 3)):
        inventory = vcenters[vcenter].inventory
        made = inventory.add_cluster(cluster)
        for number in range(1, hosts + 1):
            inventory.add_host(made, f"{cluster}-esx{number:02}")
    return vcenters


def timeline() -> list[Step]:
    """The steps, in their order."""
    return [*_quiet(), *_drift(), *_blind(), *_reports()]


def _quiet() -> list[Step]:
    return [
        Step(
            "prod-a (6 hosts, vc01) and edge-1 (3 hosts, vc02) are looked at for the first time.",
            lambda _: None,
            (("prod-a", "baseline.recorded"), ("edge-1", "baseline.recorded"), FIRST_LOOK),
            look=_look_first,
        ),
        Step(
            "The reports come back in another order, with new times and notification ids.",
            _shuffle,
        ),
    ]


def _look_first(rig: Rig) -> None:
    """Each cluster's first copy goes to the topic alone; people hear once of the whole fleet."""
    rig.check()
    rig.report()


def _shuffle(rig: Rig) -> None:
    rig.vcenters["vc01"].shuffle("prod-a")
    rig.vcenters["vc02"].shuffle("edge-1")


def _drift() -> list[Step]:
    return [
        Step(
            f"Someone installs {I40EN} {BY_HAND} on prod-a-esx03 by hand.",
            lambda rig: rig.vcenters["vc01"].hosts.set_component("prod-a-esx03", I40EN, BY_HAND),
            (("prod-a", "drift.detected"),),
        ),
        Step("Nobody does anything about it.", lambda _: None),
        Step(
            f"prod-a-esx03 is remediated: {I40EN} is {SHIPPED} again.",
            lambda rig: rig.vcenters["vc01"].hosts.set_component("prod-a-esx03", I40EN, SHIPPED),
            (("prod-a", "drift.resolved"),),
        ),
        Step(
            f"A VIB of no known component appears on prod-a-esx02 and prod-a-esx05: {FOOTHOLD}.",
            lambda rig: _prod(rig).hosts.add_orphaned_vib(["prod-a-esx02", "prod-a-esx05"], FOOTHOLD),
            (("prod-a", "orphaned-vib.detected"),),
        ),
        Step(
            "The VIB is gone again.",
            lambda rig: _prod(rig).hosts.remove_orphaned_vib(["prod-a-esx02", "prod-a-esx05"], FOOTHOLD),
            (("prod-a", "orphaned-vib.resolved"),),
        ),
    ]


def _blind() -> list[Step]:
    return [
        Step(
            "The image of prod-a-esx06 can't be extracted.",
            lambda rig: _prod(rig).hosts.fail_extraction("prod-a-esx06"),
            (("prod-a", "failure.detected"),),
        ),
        Step(
            "It can be extracted again.",
            lambda rig: _prod(rig).hosts.fail_extraction("prod-a-esx06", None),
            (("prod-a", "failure.resolved"),),
        ),
        Step(
            "vc02 goes down.",
            lambda rig: rig.take_down("vc02"),
            (("vc02", "failure.detected"),),
            look=_outage,
        ),
        Step(
            "vc02 is up again. Nobody asks: the product has kept trying.",
            lambda rig: rig.bring_up("vc02"),
            (("vc02", "failure.resolved"),),
            look=_recovery,
        ),
        Step(
            "The report of edge-1 comes without its images, which the API promises.",
            lambda rig: rig.vcenters["vc02"].faults.inject(REPORTS, fault_kinds.document()),
            (("edge-1", "failure.detected"),),
        ),
        Step(
            "The report is as it should be.",
            lambda rig: rig.vcenters["vc02"].faults.clear(REPORTS),
            (("edge-1", "failure.resolved"),),
        ),
    ]


def _reports() -> list[Step]:
    return [
        Step(
            "Somebody asks for the daily report, which comes by itself each morning.",
            lambda _: None,
            (DAILY,),
            look=lambda rig: rig.report({"report": "daily"}),
        ),
    ]


def _prod(rig: Rig) -> VCenter:
    return rig.vcenters["vc01"]


def _outage(rig: Rig) -> None:
    """The schedule's run meets the outage first; it is told once a second try, by itself, met it too."""
    rig.check()
    opened = until(lambda: _told(rig, "opened"), "the outage to be told", 30)
    rig.await_told(opened)


def _recovery(rig: Rig) -> None:
    known = len(rig.records("vc02", "domain-c9"))
    resolved = until(lambda: _told(rig, "resolved"), "the end of the outage to be told", 30)
    rig.await_told(resolved)
    until(lambda: len(rig.records("vc02", "domain-c9")) > known, "edge-1 to be checked", 30)


def _told(rig: Rig, transition: str) -> list[Event]:
    records = rig.records("vc02", VCENTER_LOG)
    return [
        event
        for record in records
        for event in record["events"]
        if any(finding["transition"] == transition for finding in event["data"]["findings"])
    ]
