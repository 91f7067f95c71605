"""What happens in the demo: each step changes something, looks, and says which message must arrive.

A new step is one more entry of a list below; what it can do stands in `scene.py`.

Longer than 250 lines, because it is one story.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tests.lab.demo.scene import Scene
from tests.simulator import VCenter

I40EN, BY_HAND = "Intel-i40en", "2.9.2.0-1OEM.800.1.0.20613240"
SHIPPED = "2.7.2.0-1OEM.800.1.0.20613240"
FOOTHOLD, NEWER_FOOTHOLD = (
    "smntemp(910.1.0.0005-5vmw.803.0.0.24022510)",
    "smntemp(910.1.0.0006-5vmw.803.0.0.24022510)",
)
INFECTED = ["esx02", "esx05", "esx09"]
HOSTS = [f"esx{number:02}" for number in range(1, 13)]
NEW_PASSWORD = "An0ther-vCenter-Passw0rd!"

SECONDS = 2
"""What takes hours or days elsewhere; a setting of the fleet file, while a step says so."""

CLUSTERS = {
    "vc01": {"prod-a": HOSTS, "prod-b": ["esx21", "esx22", "esx23", "esx24"]},
    "vc02": {"edge-1": ["edge01", "edge02", "edge03"]},
    "vc03": {"test-1": ["test01", "test02"]},
}
"""The hosts of each cluster of each vCenter."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    ``title`` says what happens, ``act`` does it, and ``look`` has it looked at, until all is told. ``topic``:
    the events that must arrive at the topic, as (subject, type after `esx-drift.`), no more and no fewer.
    ``says``: for each message that must arrive in Slack a part of its title; without any there is silence.
    """

    title: str
    act: Callable[[Scene], object]
    look: Callable[[Scene], object]
    topic: tuple[tuple[str, str], ...] = ()
    says: tuple[str, ...] = ()


def data_centre() -> dict[str, VCenter]:
    """The vCenters with their clusters and hosts."""
    vcenters = {}
    for seed, (name, clusters) in enumerate(CLUSTERS.items(), 1):
        vcenters[name] = VCenter(seed)
        for cluster, hosts in clusters.items():
            made = vcenters[name].inventory.add_cluster(cluster)
            for host in hosts:
                vcenters[name].inventory.add_host(made, host)
    return vcenters


def timeline() -> list[Step]:
    """The steps, in their order."""
    return [*_first_look(), *_driver(), *_upgrade(), *_vib(), *_host(), *_work(), *_vcenters(), *_report()]


def _first_look() -> list[Step]:
    first = tuple((cluster, "baseline.recorded") for clusters in CLUSTERS.values() for cluster in clusters)
    return [
        Step(
            "All clusters are looked at for the first time.",
            _nothing,
            _look_first,
            (*first, ("fleet", "report.first-look")),
            ("First check of 4 clusters on 3 vCenters: 21 of 21 hosts checked",),
        ),
        Step(
            "The report of prod-a comes in another order, with new times and notification ids.",
            lambda scene: scene.vcenter("vc01").shuffle("prod-a"),
            _check_a,
        ),
    ]


def _driver() -> list[Step]:
    return [
        Step(
            f"Someone installs {I40EN} {BY_HAND} on esx22 by hand.",
            lambda scene: scene.vcenter("vc01").hosts.set_component("esx22", I40EN, BY_HAND),
            _check_b,
            (("prod-b", "drift.detected"),),
            (f"{I40EN} 2.7.2.0 → 2.9.2.0 on esx22 · prod-b · vc01",),
        ),
        Step("Nobody does anything about it.", _nothing, _check_b),
        Step(
            "alice accepts it: esx-drift accept prod-b --hosts esx22 --reason CHG-2042",
            lambda scene: scene.run("accept prod-b --hosts esx22 --reason CHG-2042"),
            lambda scene: scene.await_decision("vc01", "prod-b"),
            (("prod-b", "drift.resolved"),),
            (f"alice accepted {I40EN} 2.9.2.0 on esx22 · prod-b · vc01 — “CHG-2042”",),
        ),
    ]


def _upgrade() -> list[Step]:
    return [
        Step(
            "prod-a is to be upgraded. The first host comes back with ESXi 8.0 U3e.",
            lambda scene: scene.vcenter("vc01").hosts.upgrade("esx01", "8.0 U3e"),
            _check_a,
            (("prod-a", "drift.detected"),),
            ("Upgrade under way: 1 of 12 hosts on ESXi 8.0 U3e",),
        ),
        Step(
            "Six more hosts are upgraded: known, and spreading.",
            lambda scene: scene.vcenter("vc01").hosts.upgrade(HOSTS[1:7], "8.0 U3e"),
            _check_a,
            (("prod-a", "drift.detected"),),
        ),
        Step(
            "For as long as stall_after_seconds says, no further host is, and esx12 is lost.",
            _lose_host,
            _check_a,
            (("prod-a", "drift.detected"), ("prod-a", "failure.detected")),
            ("stalled at 7 of 12 hosts", "esx12 not checked"),
        ),
        Step(
            "esx12 comes back, and the other five hosts are upgraded as well.",
            _finish_upgrade,
            _check_a,
            (("prod-a", "drift.detected"), ("prod-a", "failure.resolved")),
            ("Upgrade done: 12 of 12 hosts on ESXi 8.0 U3e", "✅ esx12 checked again"),
        ),
    ]


def _lose_host(scene: Scene) -> None:
    scene.vcenter("vc01").hosts.disconnect("esx12")
    _wait(scene, "stall_after_seconds")


def _finish_upgrade(scene: Scene) -> None:
    scene.put_settings()
    scene.vcenter("vc01").hosts.reconnect("esx12")
    scene.vcenter("vc01").hosts.upgrade(HOSTS[7:], "8.0 U3e")


def _vib() -> list[Step]:
    return [
        Step(
            f"A VIB of no known component appears on three hosts: {FOOTHOLD}.",
            lambda scene: scene.vcenter("vc01").hosts.add_orphaned_vib(INFECTED, FOOTHOLD),
            _check_a,
            (("prod-a", "orphaned-vib.detected"),),
            ("CRITICAL · VIB smntemp 910.1.0.0005 appeared on 3 of 12 hosts · prod-a",),
        ),
        Step(
            "A newer version takes its place.",
            _renew_vib,
            _check_a,
            (("prod-a", "orphaned-vib.detected"),),
            ("CRITICAL · VIB smntemp 910.1.0.0005 → 910.1.0.0006 on 3 of 12 hosts · prod-a",),
        ),
        Step(
            "The VIB is gone.",
            lambda scene: scene.vcenter("vc01").hosts.remove_orphaned_vib(INFECTED, NEWER_FOOTHOLD),
            _check_a,
            (("prod-a", "orphaned-vib.resolved"),),
            ("CRITICAL · VIB smntemp 910.1.0.0006 gone from esx02, esx05, esx09",),
        ),
    ]


def _renew_vib(scene: Scene) -> None:
    hosts = scene.vcenter("vc01").hosts
    hosts.remove_orphaned_vib(INFECTED, FOOTHOLD)
    hosts.add_orphaned_vib(INFECTED, NEWER_FOOTHOLD)


def _host() -> list[Step]:
    return [
        Step(
            "The image of esx11 can't be extracted.",
            lambda scene: scene.vcenter("vc01").hosts.fail_extraction("esx11"),
            _check_a,
            (("prod-a", "failure.detected"),),
            ("🟠 esx11 not checked · prod-a",),
        ),
        Step(
            "It stays so for as long as blind_after_seconds says.",
            lambda scene: _wait(scene, "blind_after_seconds"),
            _check_a,
            (("prod-a", "failure.detected"),),
            ("CRITICAL · esx11 not checked for",),
        ),
        Step(
            "It can be extracted again.",
            _mend_host,
            _check_a,
            (("prod-a", "failure.resolved"),),
            ("✅ esx11 checked again",),
        ),
    ]


def _mend_host(scene: Scene) -> None:
    scene.put_settings()
    scene.vcenter("vc01").hosts.fail_extraction("esx11", None)


def _work() -> list[Step]:
    start = "maintenance start edge-1 --for 4h --reason CHG-2050"
    return [
        Step(
            f"alice begins planned work: esx-drift {start}",
            lambda scene: scene.run(start),
            lambda scene: scene.await_decision("vc02", "edge-1"),
            (("edge-1", "report.maintenance-started"),),
            ("began maintenance for 4 h · edge-1 · vc02 — “CHG-2050”",),
        ),
        Step(
            f"In it, {I40EN} {BY_HAND} is installed on edge02.",
            lambda scene: scene.vcenter("vc02").hosts.set_component("edge02", I40EN, BY_HAND),
            _check_edge,
            (("edge-1", "drift.detected"),),
        ),
        Step(
            "alice ends it: esx-drift maintenance end edge-1",
            lambda scene: scene.run("maintenance end edge-1"),
            lambda scene: scene.await_decision("vc02", "edge-1"),
            (("edge-1", "report.maintenance-ended"), ("edge-1", "drift.detected")),
            (f"Maintenance “CHG-2050” is over. Not as last accepted: {I40EN} 2.7.2.0 → 2.9.2.0",),
        ),
        Step(
            f"edge02 is remediated: {I40EN} is {SHIPPED} again.",
            lambda scene: scene.vcenter("vc02").hosts.set_component("edge02", I40EN, SHIPPED),
            _check_edge,
            (("edge-1", "drift.resolved"),),
            ("Put back after",),
        ),
    ]


def _vcenters() -> list[Step]:
    return [
        Step(
            "vc02 goes down.",
            lambda scene: scene.rig.take_down("vc02"),
            lambda scene: _fail(scene, "vc02", "vcenter-unreachable"),
            (("vc02", "failure.detected"),),
            ("vc02: not reachable",),
        ),
        Step(
            "vc02 is up again. Nobody asks: the product has kept trying.",
            lambda scene: scene.rig.bring_up("vc02"),
            lambda scene: scene.await_transition("vc02", "vcenter-unreachable", "resolved"),
            (("vc02", "failure.resolved"),),
            ("vc02: reachable again",),
        ),
        Step(
            "The password of the account is changed on vc03, and not in the secret.",
            lambda scene: scene.change_password("vc03", NEW_PASSWORD),
            _meet_refusal,
            (("vc03", "failure.detected"),),
            ("CRITICAL · vc03: login refused",),
        ),
        Step(
            "alice puts the new password into the secret esx-drift/vcenter/vc03.",
            lambda scene: scene.rig.put_secret(
                "vcenter/vc03", scene.rig.vcenter_secret("vc03", password=NEW_PASSWORD)
            ),
            _let_in,
            (("vc03", "failure.resolved"),),
            ("vc03: login works again",),
        ),
    ]


def _report() -> list[Step]:
    return [
        Step(
            "The trail is sealed, and the daily report asked for; both come by themselves each morning.",
            lambda scene: scene.rig.seal(),
            lambda scene: scene.rig.report({"report": "daily"}),
            (("fleet", "report.daily"),),
            ("Daily report: 4 of 4 clusters",),
        ),
    ]


def _nothing(_: Scene) -> None:
    """Nothing happens."""


def _look_first(scene: Scene) -> None:
    """Each cluster's first copy goes to the topic alone; people hear once of the whole fleet."""
    scene.rig.check()
    scene.rig.report()


def _check_a(scene: Scene) -> None:
    scene.check("vc01", "prod-a")


def _check_b(scene: Scene) -> None:
    scene.check("vc01", "prod-b")


def _check_edge(scene: Scene) -> None:
    scene.check("vc02", "edge-1")


def _wait(scene: Scene, setting: str) -> None:
    """Wait as long as a setting says, which takes days elsewhere."""
    scene.put_settings(**{setting: SECONDS})
    scene.await_age("vc01", "prod-a", SECONDS)


def _fail(scene: Scene, vcenter: str, kind: str) -> None:
    """A run meets the failure first; it is told once a second try, by itself, met it too."""
    scene.rig.dispatch()
    scene.await_transition(vcenter, kind, "opened")


def _meet_refusal(scene: Scene) -> None:
    """A password is tried twice before it is told, three minutes apart, so that the account isn't locked."""
    scene.rig.dispatch()
    scene.rig.let_lockout_pass("vc03")
    _fail(scene, "vc03", "vcenter-authentication")


def _let_in(scene: Scene) -> None:
    """Nobody has to ask for it; here it is asked for, since the next run is hours away."""
    scene.rig.let_lockout_pass("vc03")
    scene.rig.check()
