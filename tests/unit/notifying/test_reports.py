"""A report is posted if its own object holds it, to the route that it is for."""

from datetime import UTC, datetime
from typing import Any

import pytest
from esx_drift.adapters.audit_store import S3Deliveries
from esx_drift.channels.webhook import WebhookChannel
from esx_drift.domain.reports.report_events import ReportMaker
from esx_drift.domain.stored.identifiers import encode_canonical_json, make_report_key
from esx_drift.domain.stored.types import Event, Json, StoredReport
from esx_drift.errors import RequestRefused

from tests.unit.notifying.test_notifier import BUCKET, _keep, _notifier, _routed, deliveries

__all__ = ["deliveries"]

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


def _build(route: str) -> tuple[StoredReport, Event]:
    maker = ReportMaker(NOW, "esx-drift", lambda key: f"s3://{BUCKET}/{key}")
    report = maker.build("reminder", route, "about", REMINDED)
    (event,) = report["events"]
    return report, event


def _keep_report(report: StoredReport) -> None:
    key = make_report_key(report["kind"], report["report_id"])
    _keep(f"s3://{BUCKET}/{key}", encode_canonical_json(report))


@pytest.mark.parametrize(
    ("route", "heard"), [("pager", ["pager"]), ("drift", ["drift"]), ("gone", []), ("", ["ops"])]
)
def test_a_report_goes_to_the_route_that_it_names(
    route: str, heard: list[str], webhook: WebhookChannel, deliveries: S3Deliveries
) -> None:
    """Whatever else that filters by: the reporter went by it. One that names none goes as events do."""
    report, event = _build(route)
    _keep_report(report)
    assert _notifier(ROUTES, webhook, deliveries).notify(event).posted == heard


def _alter(event: Any) -> Any:  # noqa: ANN401 -- an event, made of its parts
    return {**event, "data": {**event["data"], "report": {**REMINDED, "route": "ops"}}}


def _move(event: Any) -> Any:  # noqa: ANN401 -- an event, made of its parts
    return {
        **event,
        "data": {**event["data"], "record": event["data"]["record"].replace("reports/", "deliveries/")},
    }


@pytest.mark.parametrize("forge", [_alter, _move])
def test_a_report_that_its_object_does_not_hold_is_refused(
    forge: Any,  # noqa: ANN401 -- a function of events
    webhook: WebhookChannel,
    deliveries: S3Deliveries,
) -> None:
    """Whoever may publish to the topic can't write there."""
    report, event = _build("pager")
    _keep_report(report)
    with pytest.raises(RequestRefused):
        _notifier(ROUTES, webhook, deliveries).notify(forge(event))
