from datetime import UTC, datetime, timedelta
from math import inf
from urllib.parse import quote

import pytest

from tests.simulator import VCenter
from tests.simulator.conftest import Client, images
from tests.simulator.errors import ApiError, Busy
from tests.simulator.extraction import Pace
from tests.simulator.notices import timestamp
from tests.simulator.scenarios import SCENARIOS
from tests.simulator.sessions import USER

TASK = "/api/cis/tasks/"


def test_the_report_stays_the_same_bytes_until_an_extraction_has_ended(
    vcenter: VCenter, client: Client
) -> None:
    """The GET serves the last extracted report and starts nothing."""
    before = client.call("GET", images()).content
    vcenter.hosts.set_component("esx01", "Intel-i40en", "9")
    task = client.extract().json()
    assert client.get(TASK + task)["status"] == "RUNNING"
    assert client.call("GET", images()).content == before
    assert client.get(TASK + task)["status"] == "SUCCEEDED"
    assert client.call("GET", images()).content != before


def test_a_task_tells_only_what_its_status_allows(vcenter: VCenter, client: Client) -> None:
    """PENDING has no times, only what has ended has an end, only FAILED has an error."""
    vcenter.extractions.pace = Pace(("PENDING", "RUNNING", "BLOCKED"))
    vcenter.inventory.set_outcome("prod-a", None, "FAILED")
    task = client.extract().json()
    told = [client.get(TASK + task) for _ in range(4)]
    union = {"progress", "start_time", "end_time", "error", "result"}
    assert [info["status"] for info in told] == ["PENDING", "RUNNING", "BLOCKED", "FAILED"]
    assert [sorted(union & info.keys()) for info in told] == [
        [],
        ["progress", "start_time"],
        ["progress", "start_time"],
        ["end_time", "error", "progress", "start_time"],
    ]


def test_a_task_leaves_out_what_a_real_one_of_8_0_3_has_not(client: Client) -> None:
    """An empty list of subtasks would let a reader pass that a real vCenter fails."""
    info = client.get(TASK + client.extract().json())
    assert {"subtasks", "subtask_summaries"} & info.keys() == set()


def test_notifications_are_as_8_0_3_writes_them(vcenter: VCenter, client: Client) -> None:
    """With the message's id as their own, a time of 1970, a resolution of errors, and no type."""
    vcenter.hosts.notify("esx02")
    vcenter.extractions.extract("domain-c9")
    lists = client.look()["host_notifications"][vcenter.inventory.host("esx02").host]
    (error,) = lists["errors"]
    assert error.keys() == {"id", "time", "message", "resolution"}
    for notification in (*lists["info"], error):
        assert notification["id"] == notification["message"]["id"]
        assert notification["time"] == "1970-01-01T00:00:00.000Z"
        assert {"type", "originator", "retriable"} & notification.keys() == set()


@pytest.mark.parametrize(
    ("error", "status"), [("NOT_ALLOWED_IN_CURRENT_STATE", 400), ("CONCURRENT_CHANGE", 409)]
)
def test_somebody_elses_extraction_ends_after_it_was_met_and_leaves_its_report(
    error: Busy, status: int
) -> None:
    """Ours is refused meanwhile; his has no task that we know, and another cluster is free."""
    now = datetime(2026, 11, 23, tzinfo=UTC)
    vcenter = VCenter(clock=lambda: now)
    SCENARIOS["healthy"].prepare(vcenter)
    extractions = vcenter.extractions
    before = extractions.report("domain-c9")
    extractions.occupy("domain-c9", 60, error)
    for seconds in (3600, 59):
        now += timedelta(seconds=seconds)
        with pytest.raises(ApiError) as refused:
            extractions.start("domain-c9", USER)
        assert (refused.value.status, refused.value.error_type) == (status, error)
        assert extractions.report("domain-c9") is before
    assert extractions.start("domain-c1008", USER)
    now += timedelta(seconds=1)
    assert extractions.report("domain-c9")["completion_time"] == timestamp(now)
    assert extractions.start("domain-c9", USER)


def test_somebody_elses_operation_may_never_end() -> None:
    """Until everything is abandoned."""
    now = datetime(2026, 11, 23, tzinfo=UTC)
    vcenter = VCenter(clock=lambda: now)
    SCENARIOS["cluster-stays-busy"].prepare(vcenter)
    SCENARIOS["cluster-stays-busy"].change(vcenter)
    for _ in range(2):
        with pytest.raises(ApiError):
            vcenter.extractions.start("domain-c9", USER)
        now += timedelta(days=1000)
    vcenter.recover()
    assert vcenter.extractions.start("domain-c9", USER)


def test_a_task_id_can_be_percent_encoded(client: Client) -> None:
    """Its colon is one segment's, however it is spelt."""
    task = client.extract().json()
    assert ":" in task
    assert client.get(TASK + quote(task, safe=""))["target"]["id"] == "domain-c9"


def test_the_result_of_a_task_has_maps_as_lists_and_can_be_left_out(client: Client) -> None:
    """As 8.0.3 really renders opaque values."""
    task = client.extract().json()
    client.get(TASK + task)
    assert isinstance(client.get(TASK + task)["result"]["host_info"], list)
    assert "result" not in client.get(TASK + task, {"exclude_result": "true"})


def test_a_report_is_completed_between_start_and_end_of_its_task(client: Client) -> None:
    """Freshness is judged by these."""
    task = client.extract().json()
    client.get(TASK + task)
    info = client.get(TASK + task)
    assert info["start_time"] <= client.get(images())["completion_time"] <= info["end_time"]


@pytest.mark.parametrize(
    ("error_type", "status"), [("NOT_ALLOWED_IN_CURRENT_STATE", 400), ("CONCURRENT_CHANGE", 409)]
)
def test_a_second_extraction_of_a_cluster_is_refused(
    vcenter: VCenter, client: Client, error_type: str, status: int
) -> None:
    """Another cluster's is not."""
    assert error_type in {"NOT_ALLOWED_IN_CURRENT_STATE", "CONCURRENT_CHANGE"}
    vcenter.extractions.busy_error = error_type  # type: ignore[assignment]  # checked above
    client.extract()
    second = client.extract()
    assert (second.status_code, second.json()["error_type"]) == (status, error_type)
    assert client.extract("domain-c1008").status_code == 202


def test_time_alone_ends_a_task_and_the_report_is_of_that_time() -> None:
    """A change that comes later is not in it, though nobody asked in between."""
    now = datetime(2026, 11, 23, tzinfo=UTC)
    vcenter = VCenter(clock=lambda: now)
    SCENARIOS["healthy"].prepare(vcenter)
    vcenter.extractions.pace = Pace(None, 60)
    task = vcenter.extractions.start("domain-c9", "somebody")
    now += timedelta(seconds=59)
    assert vcenter.extractions.poll(task)["status"] == "RUNNING"
    now += timedelta(seconds=10)
    vcenter.hosts.add_orphaned_vib("esx01", "late(1)")
    report = vcenter.extractions.report("domain-c9")
    assert report["completion_time"] == "2026-11-23T00:01:00.000Z"
    assert report["orphaned_vibs"] == {}


def test_a_task_can_go_on_for_ever(vcenter: VCenter, client: Client) -> None:
    """Until the vCenter recovers and fails it."""
    vcenter.remember()
    vcenter.extractions.pace = Pace(None, inf)
    task = client.extract().json()
    assert {client.get(TASK + task)["status"] for _ in range(5)} == {"RUNNING"}
    vcenter.recover()
    assert client.get(TASK + task)["status"] == "FAILED"


@pytest.mark.parametrize("is_404", [True, False])
def test_before_the_first_extraction_there_is_no_report(
    vcenter: VCenter, client: Client, *, is_404: bool
) -> None:
    """404 or UNAVAILABLE: no source says which, so both can be had."""
    vcenter.extractions.reports.clear()
    vcenter.extractions.never_extracted_is_404 = is_404
    reply = client.call("GET", images())
    assert reply.status_code == (404 if is_404 else 200)
    assert is_404 or reply.json()["status"] == "UNAVAILABLE"


def test_clusters_that_are_gone_or_not_eligible_have_their_own_errors(
    vcenter: VCenter, client: Client
) -> None:
    """404 EntityNotFound with the cluster in its arguments; 400 Unsupported."""
    gone = client.extract("domain-c404")
    assert gone.status_code == 404
    assert gone.json()["messages"][0]["args"] == ["domain-c404", "cluster"]
    vcenter.inventory.set_outcome("prod-b", None, refused=True)
    refused = client.extract("domain-c1008")
    assert (refused.status_code, refused.json()["error_type"]) == (400, "UNSUPPORTED")


def test_a_deleted_cluster_fails_its_running_task(vcenter: VCenter, client: Client) -> None:
    """And is no longer known to the report's route."""
    task = client.extract("domain-c1008").json()
    vcenter.inventory.remove_cluster("prod-b")
    assert client.call("GET", images("domain-c1008")).status_code == 404
    client.get(TASK + task)
    assert client.get(TASK + task)["status"] == "FAILED"
