"""The fleet file as values: which vCenters are watched and how, who is told, and what is left untold."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import cast

from esx_drift.domain.fleet.document import (
    FleetDocument,
    IgnoreDocument,
    MaintenanceDocument,
    RouteDocument,
    SettingsDocument,
    VCenterDocument,
)
from esx_drift.domain.stored.types import Severity, rank_severity
from esx_drift.domain.text.times import parse_time

EVERYTHING = ("*",)


@dataclass(frozen=True, slots=True)
class VCenterSettings:
    """A vCenter to watch. The file's ``settings`` and the vCenter's own are resolved into the fields.

    The defaults of ``fleet.schema.json`` are these; why each is what it is stands there.
    """

    name: str
    include: tuple[str, ...] = EVERYTHING
    exclude: tuple[str, ...] = ()
    extract: bool = True
    confirm_after_seconds: int = 600
    blind_after_seconds: int = 259_200
    stall_after_seconds: int = 21_600
    max_age_seconds: int = 259_200
    first_delay_seconds: int = 60
    extract_deadline_seconds: int = 1_800


@dataclass(frozen=True, slots=True)
class Route:
    """A Slack channel and what it hears; empty ``families`` are all of them.

    ``secret`` is the name after ``esx-drift/slack/``.
    """

    name: str
    secret: str
    min_severity: Severity
    families: tuple[str, ...]
    vcenters: tuple[str, ...]
    clusters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IgnoreRule:
    """What chat shall not repeat; whichever of the five lists is empty doesn't narrow the rule."""

    name: str
    reason: str
    vcenters: tuple[str, ...]
    clusters: tuple[str, ...]
    elements: tuple[str, ...]
    kinds: tuple[str, ...]
    findings: tuple[str, ...]
    keys: tuple[str, ...]
    hosts: tuple[str, ...]
    until: datetime | None


@dataclass(frozen=True, slots=True)
class MaintenanceWindow:
    """Planned work, from ``start`` until before ``end``."""

    name: str
    reason: str
    start: datetime
    end: datetime
    vcenters: tuple[str, ...]
    clusters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fleet:
    """All that the fleet file says, in the file's order."""

    vcenters: tuple[VCenterSettings, ...]
    routes: tuple[Route, ...] = ()
    ignore: tuple[IgnoreRule, ...] = ()
    maintenance: tuple[MaintenanceWindow, ...] = ()

    def vcenter(self, name: str) -> VCenterSettings | None:
        """The vCenter of exactly that name; none if the file has none."""
        return next((vcenter for vcenter in self.vcenters if vcenter.name == name), None)


def find_excluding_pattern(vcenter: VCenterSettings, cluster_id: str, cluster_name: str) -> str | None:
    """Which pattern leaves a cluster out (``exclude: lab-*``); none if the cluster is to be checked.

    A cluster that nothing includes is left out by all of ``include`` (``include: prod-*, dev-*``).
    """
    excluding = find_matching_pattern(vcenter.exclude, cluster_id, cluster_name)
    if excluding is not None:
        return f"exclude: {excluding}"
    if find_matching_pattern(vcenter.include, cluster_id, cluster_name) is None:
        return f"include: {', '.join(vcenter.include)}"
    return None


def select_routes(
    fleet: Fleet,
    family: str,
    severity: Severity,
    vcenter: str | None,
    cluster_id: str | None,
    cluster_name: str | None,
) -> tuple[Route, ...]:
    """The routes that hear an event, in the file's order.

    An event without a cluster concerns all of the vCenter's: a route that hears of one of them hears it
    too. The same holds for one without a vCenter.
    """
    cluster = [name for name in (cluster_id, cluster_name) if name is not None]
    return tuple(
        route
        for route in fleet.routes
        if rank_severity(severity) >= rank_severity(route.min_severity)
        and (not route.families or family in route.families)
        and (vcenter is None or find_matching_pattern(route.vcenters, vcenter))
        and (not cluster or find_matching_pattern(route.clusters, *cluster))
    )


def build_fleet(document: FleetDocument) -> Fleet:
    """The fleet of a document in which ``fleet.schema.json`` and ``problems_of`` find no fault."""
    settings = document.get("settings", {})
    return Fleet(
        tuple(_vcenter(entry, settings) for entry in document["vcenters"]),
        tuple(map(_route, document.get("routes", ()))),
        tuple(map(_ignore, document.get("ignore", ()))),
        tuple(map(_maintenance, document.get("maintenance", ()))),
    )


def _vcenter(entry: VCenterDocument, settings: SettingsDocument) -> VCenterSettings:
    known = SettingsDocument.__optional_keys__
    own = cast("SettingsDocument", {key: value for key, value in entry.items() if key in known})
    merged: SettingsDocument = {**settings, **own}
    clusters = entry.get("clusters", {})
    return VCenterSettings(
        entry["name"],
        tuple(clusters.get("include", EVERYTHING)),
        tuple(clusters.get("exclude", ())),
        **merged,
    )


def _route(entry: RouteDocument) -> Route:
    return Route(
        entry["name"],
        entry.get("secret", entry["name"]),
        entry.get("min_severity", "info"),
        tuple(entry.get("families", ())),
        tuple(entry.get("vcenters", EVERYTHING)),
        tuple(entry.get("clusters", EVERYTHING)),
    )


def _ignore(entry: IgnoreDocument) -> IgnoreRule:
    return IgnoreRule(
        entry["name"],
        entry["reason"],
        tuple(entry.get("vcenters", EVERYTHING)),
        tuple(entry.get("clusters", EVERYTHING)),
        tuple(entry.get("elements", ())),
        tuple(entry.get("kinds", ())),
        tuple(entry.get("findings", ())),
        tuple(entry.get("keys", ())),
        tuple(entry.get("hosts", ())),
        parse_time(entry["until"]) if "until" in entry else None,
    )


def _maintenance(entry: MaintenanceDocument) -> MaintenanceWindow:
    return MaintenanceWindow(
        entry["name"],
        entry["reason"],
        parse_time(entry["from"]),
        parse_time(entry["to"]),
        tuple(entry.get("vcenters", EVERYTHING)),
        tuple(entry.get("clusters", EVERYTHING)),
    )


def find_matching_pattern(patterns: Iterable[str], *names: str) -> str | None:
    """The first pattern that one of the names matches. A name matches itself, brackets and all."""
    return next((p for p in patterns if any(p == name or fnmatchcase(name, p) for name in names)), None)
