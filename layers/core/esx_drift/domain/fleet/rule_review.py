"""What is wrong with the rules and windows of a fleet file, by themselves and with each other."""

from collections.abc import Iterator

from esx_drift.domain.fleet.fleet import FleetDocument
from esx_drift.domain.fleet.rules import Recurrence
from esx_drift.domain.text.times import parse_duration, parse_time


def list_window_problems(document: FleetDocument) -> Iterator[str]:
    """List each window that never is, as a line, JSON Pointer first."""
    for at, window in enumerate(document.get("maintenance", ())):
        if "cron" in window:
            recurrence = Recurrence(window["cron"], window["timezone"], parse_duration(window["for"]))
            if (problem := recurrence.find_problem()) is not None:
                yield f"/maintenance/{at}/{problem}"
        elif parse_time(window["from"]) >= (end := parse_time(window["to"])):
            yield f"/maintenance/{at}/to: expected a time after from, got {end.isoformat()}"
