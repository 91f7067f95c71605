"""A vCenter that can be reached: its clock, the login, its release, the privileges."""

import pytest
from esx_drift.adapters.breaker import S3Breakers
from esx_drift.domain.breaker import fresh

from tests.core.doctoring.conftest import Clinic, outcomes
from tests.core.vcenter.world import BUCKET, NAME
from tests.simulator import fault_kinds
from tests.simulator.model import LIST_CLUSTERS, READ_SETTINGS, READ_TASKS

WELL = "o" * 11


def test_a_healthy_vcenter_passes_every_step(clinic: Clinic) -> None:
    """Eleven lines, each of which says what was found; one extraction, and no session left open."""
    lines = clinic.examine()
    assert outcomes(lines) == WELL
    assert lines["dns"]["said"] == "127.0.0.1 is 127.0.0.1"
    assert "issued by Simulated CA, valid until" in lines["tls"]["said"]
    assert lines["login"]["said"] == "svc-drift@vsphere.local is let in"
    assert lines["version"]["said"] == "8.0.3 build 24674346"
    assert lines["inventory"]["said"] == "System.Read: 2 clusters listed, 2 watched"
    assert lines["extraction"]["said"].endswith("2 of 2 hosts covered")
    assert len(clinic.vcenter.extractions.tasks) == 1
    assert clinic.vcenter.sessions.open_count == 0
    assert len(clinic.vcenter.sessions.logins) == 1


def test_no_line_tells_the_password(clinic: Clinic) -> None:
    """Neither when all is well, nor when the login is refused."""
    told = str(clinic.lines())
    clinic.put_secret(password="wrong-password")
    told += str(clinic.lines())
    assert "S1mulated" not in told
    assert "wrong-password" not in told


def test_a_bad_secret_ends_it_at_once(clinic: Clinic) -> None:
    """The field at fault is named, nothing is sent."""
    clinic.put_secret(hsot="vc01")
    lines = clinic.examine()
    assert outcomes(lines) == "f" + "u" * 10
    assert "field hsot" in lines["secret"]["said"]
    assert lines["secret"]["fix"] == "Mend the secret in Secrets Manager."
    assert lines["login"]["said"] == "not tried, since it needs secret"
    assert len(clinic.vcenter.journal) == 0


@pytest.mark.parametrize(("skew", "outcome"), [(-301, "f"), (-299, "o"), (299, "o"), (302, "f")])
def test_a_clock_that_is_minutes_off_is_told_and_stops_nothing(
    clinic: Clinic, skew: int, outcome: str
) -> None:
    """More than 5 minutes either way; all later steps are taken all the same."""
    clinic.vcenter.skew_seconds = skew
    lines = clinic.examine()
    assert outcomes(lines) == f"oooo{outcome}oooooo"
    assert f"{abs(skew)} s {'ahead of' if skew > 0 else 'behind'} ours" in lines["clock"]["said"]


def test_a_refused_login_is_tried_once_and_by_nobody_again(clinic: Clinic) -> None:
    """The doctor obeys the breaker like everybody, and says how to end it."""
    clinic.put_secret(password="wrong")
    first, second = clinic.examine(), clinic.examine()
    assert outcomes(first) == outcomes(second) == "ooooof" + "u" * 5
    assert "refused the login" in first["login"]["said"]
    assert "esx-drift/vcenter/vc01" in first["login"]["fix"]
    assert "--reset vc01" in second["login"]["said"]
    assert clinic.vcenter.sessions.refused_count == 1
    assert clinic.world.outcome("checker") == "LoginSuspended"


def test_a_login_that_works_keeps_nobody_out(clinic: Clinic) -> None:
    """The doctor gives his turn back."""
    clinic.examine()
    stored = S3Breakers(clinic.world.s3, BUCKET).read(NAME)
    assert stored is not None
    assert stored.breaker == fresh(NAME)


def test_an_old_release_is_named(clinic: Clinic) -> None:
    """8.0 U2 lets us in and lists its clusters, but has no report."""
    clinic.vcenter.version = "8.0.2"
    lines = clinic.examine()
    assert outcomes(lines) == "oooooof" + "u" * 4
    assert "8.0.2 build" in lines["version"]["said"]
    assert "8.0 U3 or later" in lines["version"]["fix"]


def test_a_release_that_can_not_be_read_is_a_failure(clinic: Clinic) -> None:
    """Whatever answers instead of the vCenter's own page."""
    clinic.vcenter.faults.inject("GET /sdk/*", fault_kinds.status(404))
    assert outcomes(clinic.examine()) == "oooooof" + "u" * 4


@pytest.mark.parametrize(
    ("privilege", "step", "pattern"),
    [
        (LIST_CLUSTERS, "inventory", "ooooooofuuu"),
        (READ_SETTINGS, "report", "oooooooofuu"),
        (READ_TASKS, "tasks", "ooooooooofu"),
    ],
)
def test_a_missing_privilege_is_named_by_its_id(
    clinic: Clinic, privilege: str, step: str, pattern: str
) -> None:
    """What to grant, and where; the account's role is all that is to be changed."""
    clinic.vcenter.revoke(privilege)
    lines = clinic.examine()
    assert outcomes(lines) == pattern
    assert lines[step]["fix"].endswith(f"with propagation: {privilege}")
    assert clinic.vcenter.sessions.open_count == 0


def test_patterns_that_leave_out_all_are_told(clinic: Clinic) -> None:
    """Else the vCenter would look healthy, and nothing of it would ever be checked."""
    lines = clinic.examine(include=("prod-A",))
    assert outcomes(lines) == "ooooooofuuu"
    assert lines["inventory"]["said"] == "2 clusters listed, and the fleet file leaves each of them out"
    assert "patterns" in lines["inventory"]["fix"]


def test_a_cluster_with_hosts_is_looked_for(clinic: Clinic) -> None:
    """An empty one shows nothing; where all are empty, that is what it says."""
    clinic.vcenter.inventory.add_cluster("an-empty-one")
    assert "prod-a" in clinic.examine()["report"]["said"]
    assert "an-empty-one" in clinic.examine(include=("an-empty-one",))["report"]["said"]


def test_an_outage_midway_is_told_where_it_was_met(clinic: Clinic) -> None:
    """What the account may see is unknown then, and not called a missing privilege."""
    clinic.vcenter.faults.inject("GET /api/vcenter/cluster", fault_kinds.status(503))
    lines = clinic.examine()
    assert outcomes(lines) == "ooooooofuuu"
    assert "503" in lines["inventory"]["said"]
    assert "port 5480" in lines["inventory"]["fix"]
