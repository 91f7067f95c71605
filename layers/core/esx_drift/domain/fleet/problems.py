"""What is wrong with a fleet file in ways that its schema can't say."""

from collections.abc import Iterator, Sequence

from esx_drift.domain.fleet.document import FleetDocument, ScopeDocument
from esx_drift.domain.fleet.fleet import EVERYTHING, VCenterSettings, build_fleet, find_matching_pattern
from esx_drift.domain.text.times import parse_time


def list_fleet_problems(document: FleetDocument) -> list[str]:
    """List each problem as a line, JSON Pointer first, of a document that the schema accepts."""
    names = [entry["name"] for entry in document["vcenters"]]
    scopes = _list_scopes(document)
    return [
        *_list_duplicates("vcenters", names),
        *(line for part, entries in scopes.items() for line in _list_duplicates(part, _list_names(entries))),
        *_list_vcenter_problems(build_fleet(document).vcenters),
        *(line for part, entries in scopes.items() for line in _list_unknown_vcenters(part, entries, names)),
        *_list_window_problems(document),
    ]


def _list_scopes(document: FleetDocument) -> dict[str, Sequence[ScopeDocument]]:
    """List the parts whose entries hold for some vCenters and clusters only."""
    return {
        "routes": document.get("routes", ()),
        "ignore": document.get("ignore", ()),
        "maintenance": document.get("maintenance", ()),
    }


def _list_names(entries: Sequence[ScopeDocument]) -> list[str]:
    return [entry["name"] for entry in entries]


def _list_duplicates(part: str, names: list[str]) -> Iterator[str]:
    for at, name in enumerate(names):
        if (first := names.index(name)) != at:
            yield f'/{part}/{at}/name: expected a new name, got "{name}" as in /{part}/{first}'


def _list_vcenter_problems(vcenters: Sequence[VCenterSettings]) -> Iterator[str]:
    for at, vcenter in enumerate(vcenters):
        if "*" in vcenter.exclude:
            yield f'/vcenters/{at}/clusters/exclude: expected some clusters to remain, got "*"'
        if vcenter.confirm_after_seconds >= vcenter.blind_after_seconds:
            yield (
                f"/vcenters/{at}: expected confirm_after_seconds below blind_after_seconds, "
                f"got {vcenter.confirm_after_seconds} and {vcenter.blind_after_seconds}"
            )
        if vcenter.extract and vcenter.first_delay_seconds >= vcenter.extract_deadline_seconds:
            yield (
                f"/vcenters/{at}: expected first_delay_seconds below extract_deadline_seconds, "
                f"got {vcenter.first_delay_seconds} and {vcenter.extract_deadline_seconds}"
            )


def _list_unknown_vcenters(part: str, entries: Sequence[ScopeDocument], names: list[str]) -> Iterator[str]:
    for at, entry in enumerate(entries):
        for index, pattern in enumerate(entry.get("vcenters", EVERYTHING)):
            if find_matching_pattern([pattern], *names) is None:
                yield (
                    f"/{part}/{at}/vcenters/{index}: expected a vCenter of this file "
                    f'({", ".join(names)}), got "{pattern}"'
                )


def _list_window_problems(document: FleetDocument) -> Iterator[str]:
    for at, window in enumerate(document.get("maintenance", ())):
        end = parse_time(window["to"])
        if parse_time(window["from"]) >= end:
            yield f"/maintenance/{at}/to: expected a time after from, got {end.isoformat()}"
