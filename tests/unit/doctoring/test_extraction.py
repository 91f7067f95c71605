"""One extraction: what became of it, how old the report is, and whom it covers."""

import math

import pytest

from tests.simulator import fault_kinds
from tests.simulator.extraction import Pace
from tests.simulator.faults import Fault
from tests.unit.doctoring.conftest import Clinic, outcomes

REPORT = "GET */installed-images"


def test_without_extraction_the_last_report_is_told(clinic: Clinic) -> None:
    """The fleet file says not to extract: nothing is started, and its age is what counts."""
    clinic.world.wait(7200)
    lines = clinic.examine(extract=False)
    assert outcomes(lines) == "oooooooooso"
    assert "2 h old; 2 of 2 hosts covered" in lines["extraction"]["said"]
    assert not clinic.vcenter.extractions.tasks


def test_without_extraction_a_report_must_be_there(clinic: Clinic) -> None:
    """Otherwise nothing would ever be seen."""
    clinic.vcenter.extractions.reports.clear()
    lines = clinic.examine(extract=False)
    assert outcomes(lines) == "ooooooooosf"
    assert lines["extraction"]["fix"].startswith("In vCenter >")


def test_the_first_extraction_ever_is_fine(clinic: Clinic) -> None:
    """A vCenter that was never asked has no report at first."""
    clinic.vcenter.extractions.reports.clear()
    assert outcomes(clinic.examine()) == "o" * 11


def test_an_extraction_that_takes_long_is_no_failure(clinic: Clinic) -> None:
    """It is waited for as long as there is time; then the last report is told, if there is one."""
    clinic.vcenter.extractions.pace = Pace(None, math.inf)
    lines = clinic.examine()
    assert outcomes(lines) == "o" * 11
    assert "still extracting" in lines["extraction"]["said"]
    assert "2 of 2 hosts covered" in lines["extraction"]["said"]
    clinic.vcenter.extractions.abandon()
    clinic.vcenter.extractions.reports.clear()
    assert clinic.examine()["extraction"]["said"].endswith("no report yet")


def test_a_busy_cluster_is_no_failure(clinic: Clinic) -> None:
    """Somebody else's extraction is under way: there is no task of ours to read."""
    clinic.vcenter.extractions.pace = Pace(None, math.inf)
    clinic.vcenter.extractions.start("domain-c9", "Administrator@VSPHERE.LOCAL")
    lines = clinic.examine()
    assert outcomes(lines) == "oooooooooso"
    assert "busy" in lines["tasks"]["said"]


def test_a_cluster_that_is_not_eligible_is_told(clinic: Clinic) -> None:
    """The privilege is there; the cluster, which is managed by an image, is what can't be read."""
    clinic.vcenter.inventory.set_outcome("prod-a", None, refused=True)
    lines = clinic.examine()
    assert outcomes(lines) == "ooooooooosf"
    assert "requirements" in lines["extraction"]["fix"]


def test_a_reported_lack_of_eligibility_is_told(clinic: Clinic) -> None:
    """The same by the report's status, whatever the task says."""
    clinic.vcenter.inventory.set_outcome("prod-a", "ELIGIBILITY_CHECK_FAILURE", "FAILED")
    lines = clinic.examine()
    assert outcomes(lines) == "o" * 10 + "f"
    assert "requirements" in lines["extraction"]["fix"]


@pytest.mark.parametrize("refused", [True, False])
def test_a_cluster_managed_by_baselines_need_not_be_eligible(clinic: Clinic, refused: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    """A check tells it as info, and the doctor calls it no failure."""
    clinic.vcenter.inventory.cluster("prod-a").managed_by_image = False
    clinic.vcenter.inventory.set_outcome("prod-a", "ELIGIBILITY_CHECK_FAILURE", "FAILED", refused=refused)
    lines = clinic.examine()
    assert lines["extraction"]["outcome"] == "ok"
    assert "managed by baselines" in lines["extraction"]["said"]


def test_a_failed_extraction_is_told(clinic: Clinic) -> None:
    """Although an old report is there, which the vCenter still serves."""
    clinic.world.wait(60)
    clinic.vcenter.inventory.set_outcome("prod-a", None, "FAILED")
    lines = clinic.examine()
    assert outcomes(lines) == "o" * 10 + "f"
    assert "the extraction failed" in lines["extraction"]["said"]
    assert lines["extraction"]["fix"].startswith("In vCenter > prod-a >")


def test_a_lost_task_is_told(clinic: Clinic) -> None:
    """A vCenter that was restarted no longer has it: whether it may be read is not known then."""
    clinic.world.wait(60)
    clinic.vcenter.faults.inject("GET /api/cis/tasks/*", fault_kinds.task_not_found())
    lines = clinic.examine()
    assert outcomes(lines) == "o" * 9 + "sf"
    assert "not proven" in lines["tasks"]["said"]
    assert "lost its task" in lines["extraction"]["said"]


def test_a_task_that_is_gone_may_have_left_its_report(clinic: Clinic) -> None:
    """As a check sees it: a report that is newer than the extraction is a look."""
    clinic.vcenter.faults.inject("GET /api/cis/tasks/*", fault_kinds.task_not_found())
    clinic.vcenter.on_extract = clinic.vcenter.shuffle
    lines = clinic.examine()
    assert outcomes(lines) == "o" * 9 + "so"


def test_a_task_without_a_new_report_is_told(clinic: Clinic) -> None:
    """The task says that it succeeded, and the report is that of yesterday."""
    clinic.world.wait(86_400)
    clinic.vcenter.inventory.set_outcome("prod-a", None, "SUCCEEDED")
    lines = clinic.examine()
    assert outcomes(lines) == "o" * 10 + "f"
    assert lines["extraction"]["said"] == (
        "prod-a: the task succeeded, no new report came, and the last report is 24 h old"
    )


def test_a_task_that_leaves_no_report_at_all_is_told(clinic: Clinic) -> None:
    """Neither a new one nor an old one, though there are hosts to tell of."""
    clinic.vcenter.extractions.reports.clear()
    clinic.vcenter.inventory.set_outcome("prod-a", None, "SUCCEEDED")
    lines = clinic.examine()
    assert outcomes(lines) == "o" * 10 + "f"
    assert lines["extraction"]["said"].endswith("and there is no earlier report")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (fault_kinds.document("without_required"), "not what the API promises"),
        (fault_kinds.document("from_the_future"), "later time than its reply"),
        (fault_kinds.huge_body(), "too large: more than 8000000 bytes"),
    ],
    ids=["refused", "future", "huge"],
)
def test_a_report_that_can_not_be_believed_is_told(clinic: Clinic, fault: Fault, said: str) -> None:
    """It is read, and what is wrong with it is named."""
    clinic.vcenter.faults.inject(REPORT, fault)
    lines = clinic.examine()
    assert outcomes(lines) == "o" * 10 + "f"
    assert said in lines["extraction"]["said"]
    assert lines["extraction"]["fix"]


def test_hosts_that_are_not_covered_are_named(clinic: Clinic) -> None:
    """One host that fails is told; only if none is covered the step itself failed."""
    clinic.vcenter.hosts.fail_extraction("prod-a-esx02")
    lines = clinic.examine()
    assert outcomes(lines) == "o" * 11
    assert lines["extraction"]["said"].endswith("1 of 2 hosts covered, not prod-a-esx02 (failed)")
    clinic.vcenter.hosts.fail_extraction("prod-a-esx01")
    assert outcomes(clinic.examine()) == "o" * 10 + "f"


def test_an_empty_cluster_is_no_failure(clinic: Clinic) -> None:
    """There is nothing that could be covered."""
    clinic.vcenter.inventory.add_cluster("an-empty-one")
    lines = clinic.examine(include=("an-empty-one",))
    assert lines["extraction"]["outcome"] == "ok"
    assert "0 of 0 hosts" in lines["extraction"]["said"]
    clinic.vcenter.extractions.reports.clear()
    clinic.vcenter.inventory.set_outcome("an-empty-one", None, "FAILED")
    assert clinic.examine(include=("an-empty-one",))["extraction"]["said"] == "an-empty-one: no report yet"
