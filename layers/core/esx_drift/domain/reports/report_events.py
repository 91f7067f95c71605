"""A report as it is kept, and its event as it is published."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, cast

from msgspec import Struct

from esx_drift.domain.events import build_cloud_event
from esx_drift.domain.stored.identifiers import make_event_id, make_report_id, make_report_key
from esx_drift.domain.stored.types import (
    EventData,
    Json,
    OpenCritical,
    ReportKind,
    ReportState,
    Severity,
    StoredReport,
)
from esx_drift.domain.text.times import format_time

FLEET_SOURCE: Final = "/fleet"
FLEET_SUBJECT: Final = "fleet"


class ReportMaker(Struct, frozen=True):
    """Makes reports at the time ``now``, for the stack named ``stack``; ``locate`` gives a key's address."""

    now: datetime
    stack: str
    locate: Callable[[str], str]

    def build(
        self,
        kind: ReportKind,
        route: str,
        about: str,
        facts: dict[str, Json],
        severity: Severity = "info",
    ) -> StoredReport:
        """Build a report.

        Args:
            kind: Its kind.
            route: The name of the route that it is for; empty: whatever it may reach.
            about: What makes its id, with kind and route.
            facts: What it reports.
            severity: How bad it is.
        """
        report_id = make_report_id(kind, route, about)
        named: dict[str, Json] = {"route": route} if route else {}
        data: EventData = {
            "schema_version": 1,
            # Null in a report of the whole fleet, which nobody asks for the name of its vCenter.
            "vcenter": cast("str", None),
            "cluster": None,
            "check_id": report_id,
            "checked_at": format_time(self.now),
            "extracted_at": None,
            "since": None,
            "coverage": None,
            "severity": severity,
            "changes": [],
            "findings": [],
            "host_names": {},
            "totals": {"changes": 0, "findings": 0, "opened": 0, "raised": 0, "still": 0, "resolved": 0},
            "suppressed": {},
            "record": self.locate(make_report_key(kind, report_id)),
            "truncated": False,
            "stack": self.stack,
            "report": {**named, **facts},
        }
        event_type = f"esx-drift.report.{kind}"
        event_id = make_event_id(report_id, event_type)
        return {
            "schema_version": 1,
            "report_id": report_id,
            "kind": kind,
            "route": route or None,
            "made_at": data["checked_at"],
            "events": [build_cloud_event(event_id, event_type, FLEET_SUBJECT, FLEET_SOURCE, data)],
        }


def build_first_state(reported_until: datetime, looked: list[str], now: datetime) -> ReportState:
    """Build the state of reports where nothing is kept yet.

    Args:
        reported_until: The end of the last day of before: nothing is reported of that.
        looked: Clusters whose first look was told by versions before this one.
        now: The time.
    """
    return {
        "schema_version": 1,
        "first_look_at": format_time(now) if looked else None,
        "looked": looked,
        "reported_until": format_time(reported_until),
        "swept_at": None,
        "criticals": {},
        "outbox": [],
    }


MAX_CLOCK_AHEAD: Final = timedelta(minutes=5)
"""A time that lies further ahead was written by nobody of ours, or by a clock that was ahead."""


def drop_future_times(state: ReportState, begin: datetime, now: datetime) -> ReportState:
    """Drop the times of ``state`` that lie ahead of ``now``: till then no report would be made.

    The day that began at ``begin`` is reported then; what nobody says he was reminded of is counted from now.
    """
    latest = format_time(now + MAX_CLOCK_AHEAD)
    criticals: dict[str, OpenCritical] = {
        key: {
            "told_at": critical["told_at"] if critical["told_at"] <= latest else format_time(now),
            "reminded": {route: at for route, at in critical["reminded"].items() if at <= latest},
        }
        for key, critical in state["criticals"].items()
    }
    swept_at, reported_until = state["swept_at"], state["reported_until"]
    return {
        **state,
        "reported_until": reported_until if reported_until <= latest else format_time(begin),
        "swept_at": swept_at if swept_at is None or swept_at <= latest else None,
        "criticals": criticals,
    }
