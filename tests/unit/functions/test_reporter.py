import json
from typing import Any

import pytest
from esx_drift.adapters import aws_clients as clients
from esx_drift.errors import ContractViolation

from tests.unit.functions.conftest import RUN_ID, Deployed, FunctionLog


def _list_reports() -> list[str]:
    found = clients.s3().list_objects_v2(Bucket="audit", Prefix="reports/")
    return [one["Key"] for one in found.get("Contents", [])]


def test_a_run_before_there_is_a_fleet_file_ends_well(
    deployed: Deployed, function_log: FunctionLog, capfd: pytest.CaptureFixture[str]
) -> None:
    """The schedule fires as soon as it is deployed. If it stays so, the alarm on missing reports rings."""
    clients.s3().delete_object(Bucket="state", Key="config/fleet.json")
    assert deployed.invoke("reporter", {}) == {"published": [], "begun": False}
    (line,) = function_log.lines("nothing is reported yet")
    assert "esx-drift fleet push FILE" in line["why"]
    assert "DailyReports" not in capfd.readouterr().out


def test_the_alarm_on_missing_reports_counts_the_first_run_and_each_daily_report(
    deployed: Deployed, capfd: pytest.CaptureFixture[str]
) -> None:
    """Before the first report is due there is a day without one, in which nothing is wrong."""
    assert deployed.invoke("reporter", {})["begun"]
    assert '"DailyReports"' in capfd.readouterr().out
    assert deployed.invoke("reporter", {}) == {"published": [], "begun": False}
    assert "DailyReports" not in capfd.readouterr().out
    reply = deployed.invoke("reporter", {"report": "daily"})
    assert reply["published"] == _list_reports()
    counted = capfd.readouterr().out
    (line,) = [json.loads(line) for line in counted.splitlines() if '"_aws"' in line]
    assert line["DailyReports"] == [1.0]


def test_a_report_that_is_asked_for_twice_by_one_invocation_is_one(deployed: Deployed) -> None:
    """As Lambda repeats an invocation under the same id."""
    deployed.invoke("reporter", {"report": "daily"})
    deployed.invoke("reporter", {"report": "daily"})
    assert len(_list_reports()) == 1
    deployed.context.aws_request_id = RUN_ID.replace("5f1c", "6f1c")
    deployed.invoke("reporter", {"report": "daily"})
    assert len(_list_reports()) == 2


@pytest.mark.parametrize("event", [{"report": "weekly"}, {"reports": "daily"}, [], "daily", None])
def test_an_event_that_asks_wrongly_is_refused(deployed: Deployed, event: Any) -> None:  # noqa: ANN401 -- any JSON
    """Nothing is reported then."""
    with pytest.raises(ContractViolation):
        deployed.invoke("reporter", event)
    assert _list_reports() == []


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "Europe", "/etc/passwd", "../UTC"])
def test_a_time_zone_that_is_none_says_what_to_deploy(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    """The function's error alarm rings, and its log names the parameter."""
    monkeypatch.setenv("REPORT_TIME_ZONE", zone)
    with pytest.raises(ValueError, match="deploy with a ReportTimeZone as in Europe/Berlin"):
        deployed.invoke("reporter", {})
