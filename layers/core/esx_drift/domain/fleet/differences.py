"""What another fleet file would change."""

from collections.abc import Iterator, Mapping

from esx_drift.domain.fleet.document import FleetDocument
from esx_drift.domain.fleet.fleet import EVERYTHING, build_fleet
from esx_drift.domain.text.times import parse_time

DEFAULT_STALL_AFTER_SECONDS = 21_600
"""No check applies it yet, so that it is no field of ``VCenterSettings``; the schema has the same default."""

_SCOPE = {"vcenters": [*EVERYTHING], "clusters": [*EVERYTHING]}
_UNFILTERED: dict[str, object] = {"elements": [], "kinds": [], "findings": [], "keys": [], "hosts": []}


def list_fleet_differences(before: FleetDocument, after: FleetDocument) -> list[str]:
    """List what differs, a line each: ``+`` added, ``-`` removed, ``~`` changed.

    A default counts as if it were written.
    """
    lines = []
    for (what, was), (_, now) in zip(_list_entries(before), _list_entries(after), strict=True):
        lines += [f"+ {what} {name}" for name in now.keys() - was]
        lines += [f"- {what} {name}" for name in was.keys() - now]
        lines += [f"~ {what} {name}" for name in was.keys() & now if was[name] != now[name]]
    return sorted(lines) or ["= nothing that matters: only its spelling or order"]


def _list_entries(document: FleetDocument) -> Iterator[tuple[str, Mapping[str, object]]]:
    """List the parts of the file, each with its entries by name, all defaults and times in one form."""
    fleet = build_fleet(document)
    stall = _read_stall_settings(document)
    yield "vCenter", {vcenter.name: (vcenter, stall[vcenter.name]) for vcenter in fleet.vcenters}
    yield "route", {route.name: route for route in fleet.routes}
    yield "ignore rule", {rule["name"]: _normalize(rule) for rule in document.get("ignore", ())}
    yield (
        "maintenance window",
        {window["name"]: _normalize(window) for window in document.get("maintenance", ())},
    )


def _read_stall_settings(document: FleetDocument) -> dict[str, int]:
    common = document.get("settings", {}).get("stall_after_seconds", DEFAULT_STALL_AFTER_SECONDS)
    return {entry["name"]: entry.get("stall_after_seconds", common) for entry in document["vcenters"]}


def _normalize(entry: Mapping[str, object]) -> dict[str, object]:
    times = {key: parse_time(str(entry[key])) for key in ("from", "to", "until") if key in entry}
    return {**_SCOPE, **_UNFILTERED, **entry, **times}
