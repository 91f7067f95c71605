"""A vCenter that can be reached: its clock, the login, its release, the privileges."""

from functools import partial

import pytest
from esx_drift.adapters.state_bucket import S3Breakers
from esx_drift.domain.breaker import build_closed_breaker, claim_turn

from tests.simulator import fault_kinds
from tests.simulator.errors import unauthorized
from tests.simulator.faults import Fault
from tests.simulator.model import LIST_CLUSTERS, READ_SETTINGS, READ_TASKS
from tests.simulator.reply import Reply, Request, json_reply
from tests.simulator.routes import answer
from tests.unit.adapters.vcenter.world import BUCKET, NAME
from tests.unit.doctoring.conftest import Clinic, outcomes

WELL = "o" * 11


def test_a_healthy_vcenter_passes_every_step(clinic: Clinic) -> None:
    """Eleven lines, each of which says what was found; one extraction, and no session left open."""
    lines = clinic.examine()
    assert outcomes(lines) == WELL
    assert lines["dns"]["said"] == "127.0.0.1 is 127.0.0.1"
    assert "issued by Simulated CA, valid until" in lines["tls"]["said"]
    assert lines["login"]["said"] == "svc-drift@vsphere.local is let in"
    assert lines["version"]["said"] == "8.0.3 build 24674346"
    assert lines["inventory"]["said"] == "System.Read: 2 clusters listed, 2 watched; 1 host in no cluster"
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
    assert "secret esx-drift/vcenter/vc01," in first["login"]["fix"]
    assert "secret esx-drift/vcenter/vc01;" in second["login"]["fix"]
    assert "--reset vc01" in second["login"]["fix"]
    assert clinic.vcenter.sessions.refused_count == 1
    assert clinic.world.outcome("checker") == "LoginSuspended"


def test_a_right_password_that_was_not_tried_yet_needs_nobody(clinic: Clinic) -> None:
    """The secret was mended: the dispatcher tries it, and whoever can't wait is told how."""
    clinic.put_secret(password="wrong")
    clinic.examine()
    clinic.put_secret()
    line = clinic.examine()["login"]
    assert line["outcome"] == "failed"
    assert line["fix"] == (
        "Nothing: a dispatch tries this password three minutes after the last refusal; or:"
        " esx-drift doctor --reset vc01"
    )
    assert clinic.vcenter.sessions.refused_count == 1


def test_a_run_without_time_begins_nothing(clinic: Clinic) -> None:
    """What comes too late is told as untried, with the way to have it tried."""
    clinic.time_left_ms = lambda: 104_999
    lines = clinic.examine()
    assert outcomes(lines) == "u" * 11
    assert {line["said"] for line in lines.values()} == {"no time left in this run"}
    assert lines["secret"]["fix"].endswith("esx-drift doctor --vcenter vc01")
    assert len(clinic.vcenter.journal) == 0


def test_whose_turn_to_log_in_does_not_come_is_told_so(clinic: Clinic) -> None:
    """Somebody else is at it, and only one may: that is no lack of time, and a minute later it works."""
    breakers = S3Breakers(clinic.world.s3, BUCKET)
    assert breakers.write(claim_turn(build_closed_breaker(NAME), "me", clinic.world.clock()), None)
    lines = clinic.examine()
    assert outcomes(lines) == "ooooof" + "u" * 5
    assert "somebody else was logging in" in lines["login"]["said"]
    assert lines["login"]["fix"] == "Try again in a few minutes."
    assert len(clinic.vcenter.sessions.logins) == 0


@pytest.mark.parametrize(
    ("last", "pattern"),
    [
        ("GET /sdk/vim25/8.0.3.0/ServiceInstance/ServiceInstance/content", "ooooouuuuuu"),
        ("POST /api/session", "oooooouuuuu"),
        ("GET /api/vcenter/host", "ooooooouuuu"),
        ("POST /api/esx/settings/clusters/{cluster}/installed-images", "ooooooooouu"),
    ],
)
def test_time_that_runs_out_midway_leaves_no_session(clinic: Clinic, last: str, pattern: str) -> None:
    """After a call that took too long none is begun but the one that ends the session."""
    clinic.time_left_ms = lambda: 104_999 if clinic.vcenter.requests[last] else 300_000
    lines = clinic.examine()
    told = outcomes(lines)
    assert told[told.index("u") :].strip("u") == ""
    assert clinic.vcenter.sessions.open_count == 0
    assert told == pattern


def test_a_login_that_works_keeps_nobody_out(clinic: Clinic) -> None:
    """The doctor gives his turn back."""
    clinic.examine()
    stored = S3Breakers(clinic.world.s3, BUCKET).read(NAME)
    assert stored is not None
    assert stored.breaker == build_closed_breaker(NAME)


def test_an_old_release_is_named(clinic: Clinic) -> None:
    """8.0 U2 lets us in and lists its clusters, but has no report."""
    clinic.vcenter.version = "8.0.2"
    lines = clinic.examine()
    assert outcomes(lines) == "oooooof" + "u" * 4
    assert "8.0.2" in lines["version"]["said"]
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


@pytest.mark.parametrize("listing", ["clusters", "standalone"])
def test_a_refused_list_of_hosts_is_no_matter_of_the_report(clinic: Clinic, listing: str) -> None:
    """Hosts of a cluster and hosts of none are listed by System.Read; that is the step that fails."""

    def refused(request: Request) -> Reply:
        return clinic_answer(request) if listing not in request.query else forbidden

    forbidden = json_reply(403, unauthorized().body())
    clinic_answer = partial(answer, clinic.vcenter)
    clinic.vcenter.faults.inject("GET /api/vcenter/host", Fault("refused", instead=refused))
    lines = clinic.examine()
    assert outcomes(lines) == "ooooooofuuu"
    assert lines["inventory"]["fix"].endswith("with propagation: System.Read")


def test_a_list_of_hosts_that_is_refused_late_is_named_rightly(clinic: Clinic) -> None:
    """Whichever step meets it: the privilege is that of the call."""
    refused = partial(clinic.vcenter.faults.inject, "GET /api/vcenter/host", fault_kinds.status(403))
    clinic.vcenter.on_look = lambda _cluster: refused()
    lines = clinic.examine()
    assert outcomes(lines) == "o" * 10 + "f"
    assert lines["extraction"]["fix"].endswith("with propagation: System.Read")


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (fault_kinds.fault_of_vim(), "NoPermission: Permission to perform this operation was denied."),
        (fault_kinds.web_page(404), "403 Forbidden"),
        (fault_kinds.connection("close"), "cut off"),
        (Fault("none", instead=lambda _: json_reply(200, None)), "gives none of prod-a-esx01, prod-a-esx02"),
    ],
)
def test_uuids_that_can_not_be_read_are_a_warning(clinic: Clinic, fault: Fault, why: str) -> None:
    """In one line, and no failure: a check does without."""
    assert clinic.examine()["inventory"]["fix"] == ""
    clinic.vcenter.faults.inject("POST */RetrievePropertiesEx", fault)
    lines = clinic.examine()
    assert outcomes(lines) == WELL
    assert lines["inventory"]["fix"].startswith("Warning: hosts whose hardware UUID can't be read")
    assert why in lines["inventory"]["fix"]


def test_where_little_time_is_left_nobody_asks_for_uuids(clinic: Clinic) -> None:
    """What a check can do without takes no time from the steps that it needs; that is said."""
    clinic.time_left_ms = lambda: 200_000
    lines = clinic.examine()
    assert outcomes(lines) == WELL
    assert lines["inventory"]["fix"] == (
        "Warning: whether hosts' hardware UUIDs can be read was not examined, because too little time is"
        " left. Examine it alone, which leaves more time: esx-drift doctor --vcenter vc01"
    )
    assert not any("RetrievePropertiesEx" in call.path for call in clinic.vcenter.journal)


def test_vcenter_9_lists_the_uuids(clinic: Clinic) -> None:
    """Nobody has to ask for them."""
    clinic.vcenter.version = "9.0.2"
    clinic.vcenter.faults.inject("POST */RetrievePropertiesEx", fault_kinds.status(500))
    assert clinic.examine()["inventory"]["fix"] == ""


def test_hosts_in_no_cluster_are_counted(clinic: Clinic) -> None:
    """Nobody checks them, and that is said."""
    clinic.vcenter.inventory.add_host(None, "lonely")
    assert clinic.examine()["inventory"]["said"].endswith("; 2 hosts in no cluster")


def test_patterns_that_leave_out_all_are_told(clinic: Clinic) -> None:
    """Else the vCenter would look healthy, and nothing of it would ever be checked."""
    lines = clinic.examine(include=("prod-A",))
    assert outcomes(lines) == "ooooooofuuu"
    assert lines["inventory"]["said"] == "2 clusters listed, and the fleet file leaves each of them out"
    assert "patterns" in lines["inventory"]["fix"]


def test_a_vcenter_that_lists_nothing_gets_both_readings(clinic: Clinic) -> None:
    """It lost its clusters, or the account its permission."""
    for name in ("prod-a", "prod-b"):
        clinic.vcenter.inventory.hide_cluster(name)
    line = clinic.examine()["inventory"]
    assert line["said"] == "the account is shown no cluster at all"
    assert "esx-drift retire" in line["fix"]
    assert line["fix"].endswith("with propagation: System.Read")


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
