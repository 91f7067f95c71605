"""What is wrong with a fleet file in ways that its schema can't say."""

from collections.abc import Iterator, Sequence

from esx_drift.domain.fleet.document import FleetDocument
from esx_drift.domain.fleet.fleet import (
    Fleet,
    IgnoreRule,
    MaintenanceWindow,
    Route,
    VCenterSettings,
    build_fleet,
    find_matching_pattern,
)


def list_fleet_problems(document: FleetDocument) -> list[str]:
    """Each problem as a line, JSON Pointer first, of a document that the schema accepts; empty if none."""
    fleet = build_fleet(document)
    return [*_duplicates(fleet), *_vcenters(fleet), *_unknown_vcenters(fleet), *_windows(fleet)]


def _names(fleet: Fleet) -> dict[str, list[str]]:
    entries: dict[str, Sequence[VCenterSettings | Route | IgnoreRule | MaintenanceWindow]] = {
        "vcenters": fleet.vcenters,
        "routes": fleet.routes,
        "ignore": fleet.ignore,
        "maintenance": fleet.maintenance,
    }
    return {where: [entry.name for entry in listed] for where, listed in entries.items()}


def _duplicates(fleet: Fleet) -> Iterator[str]:
    for where, names in _names(fleet).items():
        for at, name in enumerate(names):
            if (first := names.index(name)) != at:
                yield f'/{where}/{at}/name: expected a new name, got "{name}" as in /{where}/{first}'


def _vcenters(fleet: Fleet) -> Iterator[str]:
    for at, vcenter in enumerate(fleet.vcenters):
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


def _unknown_vcenters(fleet: Fleet) -> Iterator[str]:
    names = [vcenter.name for vcenter in fleet.vcenters]
    scopes: dict[str, Sequence[Route | IgnoreRule | MaintenanceWindow]] = {
        "routes": fleet.routes,
        "ignore": fleet.ignore,
        "maintenance": fleet.maintenance,
    }
    for where, entries in scopes.items():
        for at, entry in enumerate(entries):
            for index, pattern in enumerate(entry.vcenters):
                if find_matching_pattern([pattern], *names) is None:
                    yield (
                        f"/{where}/{at}/vcenters/{index}: expected a vCenter of this file "
                        f'({", ".join(names)}), got "{pattern}"'
                    )


def _windows(fleet: Fleet) -> Iterator[str]:
    for at, window in enumerate(fleet.maintenance):
        if window.start >= window.end:
            yield f"/maintenance/{at}/to: expected a time after from, got {window.end.isoformat()}"
