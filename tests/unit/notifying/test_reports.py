"""A report is told if its own object holds it, to the route that it is for, by a message of its own."""

from datetime import UTC, datetime
from typing import Any

import pytest
from esx_drift.adapters.audit_store import S3Deliveries
from esx_drift.domain.reports.report_events import ReportMaker
from esx_drift.domain.stored.identifiers import encode_canonical_json, make_report_key
from esx_drift.domain.stored.types import Event, Json, ReportKind, StoredReport
from esx_drift.errors import RequestRefused

from tests.unit.notifying.test_notifier import BUCKET, Desk, Outbox, _keep, _routed, deliveries, drift, outbox

__all__ = ["deliveries", "drift", "outbox"]

NOW = datetime(2026, 11, 23, 7, 3, tzinfo=UTC)
ROUTES = _routed(
    {"name": "ops"}, {"name": "pager", "min_severity": "critical"}, {"name": "drift", "families": ["drift"]}
)
REMINDED: dict[str, Json] = {
    "total": 1,
    "findings": [
        {
            "vcenter": "vc01",
            "cluster": "prod-a",
            "kind": "orphaned-vib",
            "fingerprint": "0" * 32,
            "summary": "there is one",
            "opened_at": "2026-11-22T07:00:00.000Z",
        }
    ],
}


def _build(route: str, kind: ReportKind = "reminder") -> tuple[StoredReport, Event]:
    """A report that is kept, and its event."""
    maker = ReportMaker(NOW, "esx-drift", lambda key: f"s3://{BUCKET}/{key}")
    report = maker.build(kind, route, "about", REMINDED)
    key = make_report_key(report["kind"], report["report_id"])
    _keep(f"s3://{BUCKET}/{key}", encode_canonical_json(report))
    (event,) = report["events"]
    return report, event


@pytest.mark.parametrize(
    ("route", "heard"), [("pager", ["pager"]), ("drift", ["drift"]), ("gone", []), ("", ["ops"])]
)
def test_a_report_goes_to_the_route_that_it_names(
    route: str, heard: list[str], deliveries: S3Deliveries, outbox: Outbox
) -> None:
    """Whatever else that filters by: the reporter went by it. One that names none goes as events do."""
    _, event = _build(route)
    result = Desk(ROUTES, deliveries, outbox).notify(event)["0"]
    assert (result.routes, result.error) == (heard, None)


def test_each_report_is_a_message_of_its_own(drift: Event, deliveries: S3Deliveries, outbox: Outbox) -> None:
    """However many there are in a window, and whatever else is told then."""
    reports = [_build("ops", kind)[1] for kind in ("daily", "first-look", "reminder")]
    Desk(ROUTES, deliveries, outbox).notify(*reports, drift)
    assert [message["route"] for message in outbox.sent].count("ops") == 4


def _alter(event: Any) -> Any:  # noqa: ANN401 -- an event, made of its parts
    return {**event, "data": {**event["data"], "report": {**REMINDED, "route": "ops"}}}


def _move(event: Any) -> Any:  # noqa: ANN401 -- an event, made of its parts
    record = event["data"]["record"].replace("reports/", "deliveries/")
    return {**event, "data": {**event["data"], "record": record}}


@pytest.mark.parametrize("forge", [_alter, _move])
def test_a_report_that_its_object_does_not_hold_is_refused(
    forge: Any,  # noqa: ANN401 -- a function of events
    deliveries: S3Deliveries,
    outbox: Outbox,
) -> None:
    """Whoever may publish to the topic can't write there."""
    _, event = _build("pager")
    assert isinstance(Desk(ROUTES, deliveries, outbox).notify(forge(event))["0"].error, RequestRefused)
    assert outbox.sent == []
