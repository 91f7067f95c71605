"""How findings end, and that they outlive a check that could not look."""

import pytest

from tests.simulator import fault_kinds
from tests.simulator.scenario import Change
from tests.unit.checking.reading import moved, one, open_kinds
from tests.unit.checking.world import PROD_A, World

I40EN = ("Intel-i40en", "2.9.2.0-1OEM.800.1.0.20613240")
VIB = "smntemp(910.1.0.0005-5vmw.803.0.0.24022510)"
DAY = 24 * 3600


def test_drift_ends_reverted(world: World) -> None:
    """A driver is put back by hand: what differed no longer does."""
    world.check()
    before = world.vcenter.inventory.host("esx03").software
    world.vcenter.hosts.set_component("esx03", *I40EN)
    assert moved(world.check()) == {("drift-unreviewed", "opened"), ("image-not-uniform", "opened")}
    still = world.check()
    assert still["outcome"] == "unchanged"
    assert {finding["transition"] for finding in still["findings"]} == {"still"}
    world.vcenter.inventory.host("esx03").software = before
    record = world.check()
    assert moved(record) == {("drift-unreviewed", "resolved"), ("image-not-uniform", "resolved")}
    assert {finding["resolved_because"] for finding in record["findings"]} == {"reverted"}


def test_an_orphaned_vib_ends_removed(world: World) -> None:
    """It is gone from the host that had it."""
    world.check()
    world.vcenter.hosts.add_orphaned_vib("esx02", VIB)
    assert moved(world.check()) == {("orphaned-vib", "opened")}
    world.vcenter.hosts.remove_orphaned_vib("esx02", VIB)
    record = world.check()
    assert one(record["findings"], "orphaned-vib")["resolved_because"] == "removed"


def test_what_leaves_with_its_host_is_not_removed(world: World) -> None:
    """Nobody uninstalled the VIB, mended the host or put the driver back: they left."""
    world.check()
    world.vcenter.hosts.add_orphaned_vib("esx02", VIB)
    world.vcenter.hosts.notify("esx02")
    world.vcenter.hosts.set_component("esx02", *I40EN)
    assert len(moved(world.check())) == 4
    world.vcenter.inventory.remove_host("esx02")
    record = world.check()
    assert {finding["resolved_because"] for finding in record["findings"]} == {"host-left"}
    assert len(record["findings"]) == 4


def test_a_vib_on_two_hosts_of_which_one_left_was_removed(world: World) -> None:
    """As long as one of its hosts is there, its end is that host's."""
    world.check()
    world.vcenter.hosts.add_orphaned_vib(["esx02", "esx03"], VIB)
    world.check()
    world.vcenter.inventory.remove_host("esx02")
    world.vcenter.hosts.remove_orphaned_vib("esx03", VIB)
    assert one(world.check()["findings"], "orphaned-vib")["resolved_because"] == "removed"


def test_a_failure_ends_recovered(world: World) -> None:
    """A host is read again."""
    world.check()
    world.vcenter.hosts.fail_extraction("esx02")
    assert moved(world.check()) == {("host-failed", "opened")}
    world.vcenter.hosts.fail_extraction("esx02", None)
    assert one(world.check()["findings"], "host-failed")["resolved_because"] == "recovered"


def test_findings_outlive_a_check_that_could_not_look(world: World) -> None:
    """Unknown is not resolved: whatever is open stays open until a look says otherwise."""
    world.check()
    world.vcenter.hosts.set_component("esx03", *I40EN)
    world.vcenter.hosts.add_orphaned_vib("esx02", VIB)
    world.vcenter.hosts.fail_extraction("esx04")
    open_before = open_kinds(world.check())
    assert open_before == {"drift-unreviewed", "image-not-uniform", "orphaned-vib", "host-failed"}
    world.vcenter.faults.inject("POST *domain-c9/installed-images", fault_kinds.status(503))
    assert open_kinds(world.check()) == open_before
    world.handle(world.comes_back())
    assert open_kinds(world.records()[-1]) == open_before | {"vcenter-unavailable"}
    world.vcenter.faults.clear()
    world.vcenter.faults.inject("GET *domain-c9/installed-images", fault_kinds.invalid_json())
    assert open_kinds(world.check()) == open_before | {"document-invalid"}
    world.vcenter.faults.clear()
    world.vcenter.inventory.set_outcome(PROD_A, None, "FAILED")
    assert open_kinds(world.check()) == open_before | {"document-invalid", "extraction-failed"}
    world.vcenter.inventory.set_outcome(PROD_A)
    healed = world.check()
    assert open_kinds(healed) == open_before
    assert moved(healed) == {("document-invalid", "resolved"), ("extraction-failed", "resolved")}


def test_a_host_unseen_for_three_days_is_critical(world: World) -> None:
    """Making extraction fail is how one hides a VIB: told once more, louder, and once only."""
    world.check()
    world.vcenter.hosts.fail_extraction("esx02")
    assert one(world.check()["findings"], "host-failed")["severity"] == "warning"
    world.wait(3 * DAY)
    record = world.check()
    assert moved(record) == {("host-failed", "raised")}
    assert one(record["findings"], "host-failed")["severity"] == "critical"
    assert moved(world.check()) == set()
    world.vcenter.hosts.fail_extraction("esx02", None)
    assert record["events"][0]["data"]["severity"] == "critical"
    assert world.check()["events"][0]["data"]["severity"] == "critical", "who heard of it hears of its end"


REPORT = "GET *domain-c9/installed-images"


@pytest.mark.parametrize(
    "blind",
    [
        pytest.param(lambda vcenter: vcenter.inventory.set_outcome(PROD_A, None, "FAILED"), id="no report"),
        pytest.param(lambda vcenter: vcenter.faults.inject(REPORT, fault_kinds.invalid_json()), id="no JSON"),
        pytest.param(
            lambda vcenter: vcenter.faults.inject(REPORT, fault_kinds.document("from_the_future")), id="2099"
        ),
        pytest.param(lambda vcenter: vcenter.inventory.set_outcome(PROD_A, refused=True), id="refused"),
        pytest.param(
            lambda vcenter: vcenter.inventory.set_outcome(
                PROD_A, "EXTRACT_INSTALLED_IMAGE_FAILURE", "FAILED"
            ),
            id="nothing covered",
        ),
    ],
)
def test_a_cluster_unseen_for_three_days_is_critical(world: World, blind: Change) -> None:
    """Whatever it is that keeps it from being seen."""
    world.check()
    blind(world.vcenter)
    world.check()
    world.wait(3 * DAY)
    raised = world.check()
    severities = {found["severity"] for found in raised["findings"] if found["transition"] == "raised"}
    assert severities == {"critical"}
    world.vcenter.faults.clear()
    world.vcenter.inventory.set_outcome(PROD_A)
    assert open_kinds(world.check()) == set()


def test_a_cluster_of_baselines_that_never_could_be_read_is_left_alone(world: World) -> None:
    """It is as it is, for ever; one that could be read before is not."""
    world.vcenter.inventory.set_outcome("prod-b", refused=True)
    other = world.vcenter.inventory.cluster("prod-b").cluster
    world.check(other)
    world.wait(4 * DAY)
    assert moved(world.check(other)) == set()
    world.vcenter.inventory.set_outcome("prod-b")
    world.check(other)
    world.vcenter.inventory.set_outcome("prod-b", refused=True)
    assert one(world.check(other)["findings"], "eligibility-failed")["severity"] == "info"
    world.wait(4 * DAY)
    assert one(world.check(other)["findings"], "eligibility-failed")["severity"] == "critical"


def test_a_report_that_is_not_eligible_is_as_bad_as_its_cluster_is_managed(world: World) -> None:
    """ELIGIBILITY_CHECK_FAILURE in the report: the vCenter is asked how the cluster is managed."""
    for name, severity in (("prod-a", "warning"), ("prod-b", "info")):
        cluster = world.vcenter.inventory.cluster(name).cluster
        world.vcenter.inventory.set_outcome(name, "ELIGIBILITY_CHECK_FAILURE", "FAILED")
        assert one(world.check(cluster)["findings"], "eligibility-failed")["severity"] == severity
        world.vcenter.inventory.set_outcome(name, None, "FAILED")
        later = world.check(cluster)
        assert open_kinds(later) >= {"eligibility-failed", "extraction-failed"}, (
            "not disproved by an old report"
        )


def test_how_a_cluster_is_managed_is_asked_only_then(world: World) -> None:
    """A cluster that can be read costs no call for it."""
    world.check()
    world.check("domain-c1008")
    assert not any("enablement" in call.path for call in world.vcenter.journal)
