"""The fleet file: its JSON as types, which ``fleet.schema.json`` bounds, and what it says as values."""

from collections.abc import Container, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final, NotRequired, Required, TypedDict, cast

from msgspec import Struct

from esx_drift.domain.fleet.rules import (
    EVERYTHING,
    NO_RULES,
    IgnoreDocument,
    MaintenanceDocument,
    ScopeDocument,
    SilencingRules,
    build_ignore_rule,
    build_window,
)
from esx_drift.domain.stored.types import Severity, rank_severity


class AppliedSettings(TypedDict, total=False):
    """How checks are timed, as the file says it; what is absent has the default of ``VCenterSettings``."""

    extract: bool
    confirm_after_seconds: int
    blind_after_seconds: int
    max_age_seconds: int
    first_delay_seconds: int
    extract_deadline_seconds: int
    stall_after_seconds: int


class SettingsDocument(AppliedSettings, total=False):
    """All settings that the file may have."""


class ClustersDocument(TypedDict, total=False):
    """Which clusters of a vCenter are checked."""

    include: list[str]
    exclude: list[str]


class VCenterDocument(SettingsDocument):
    """A vCenter as the file names it."""

    name: Required[str]
    clusters: NotRequired[ClustersDocument]


DEFAULT_CHANNEL: Final = "slack"


class RouteDocument(ScopeDocument):
    """Whom to tell, as the file names it."""

    channel: NotRequired[str]
    secret: NotRequired[str]
    min_severity: NotRequired[Severity]
    families: NotRequired[list[str]]
    fallback: NotRequired[str]
    kinds: NotRequired[list[str]]


class FleetDocument(TypedDict):
    """The fleet file."""

    schema_version: int
    settings: NotRequired[SettingsDocument]
    vcenters: list[VCenterDocument]
    routes: NotRequired[list[RouteDocument]]
    ignore: NotRequired[list[IgnoreDocument]]
    maintenance: NotRequired[list[MaintenanceDocument]]


MAX_FLEET_BYTES: Final = 256_000
"""Of the fleet file, as it is written and as it is stored: 250 bytes for each of the 500 vCenters and
500 routes that the schema allows. To name the faults of so much takes seconds, of 30 MB minutes."""


CHANNELS_WITHOUT_SECRET: Final = frozenset({"amazon-q"})
"""The channels whose routes have no secret."""


APPLIED_SETTINGS = AppliedSettings.__optional_keys__


class VCenterSettings(Struct, frozen=True):
    """A vCenter to watch. The file's ``settings`` and the vCenter's own are resolved into the fields.

    The defaults of ``fleet.schema.json`` are these; why each is what it is stands there.
    """

    name: str
    include: tuple[str, ...] = EVERYTHING
    exclude: tuple[str, ...] = ()
    extract: bool = True
    confirm_after_seconds: int = 600
    blind_after_seconds: int = 259_200
    max_age_seconds: int = 259_200
    first_delay_seconds: int = 60
    extract_deadline_seconds: int = 1_800
    stall_after_seconds: int = 21_600


class Route(Struct, frozen=True):
    """Whom to tell, by which channel, and what they hear; empty ``families`` and ``kinds`` are all of them.

    ``secret`` is the name after ``esx-drift/<channel>/``; ``fallback`` the route that hears instead, once
    this one is dead. ``kinds``: as ``ROUTE_KINDS`` spells them.
    """

    name: str
    channel: str
    secret: str
    min_severity: Severity
    families: tuple[str, ...]
    vcenters: tuple[str, ...]
    clusters: tuple[str, ...]
    fallback: str | None = None
    kinds: tuple[str, ...] = ()

    @property
    def webhook(self) -> tuple[str, str]:
        """Its channel and its secret, which say where it posts: routes that have both in common share it."""
        return self.channel, self.secret


def group_by_webhook(routes: Sequence[Route]) -> list[tuple[Route, ...]]:
    """Group ``routes`` by the webhook that they share, and with it the state of how it answered."""
    webhooks = dict.fromkeys(route.webhook for route in routes)
    return [tuple(route for route in routes if route.webhook == webhook) for webhook in webhooks]


class Fleet(Struct, frozen=True):
    """What the fleet file says of vCenters, of routes, and of what is not repeated, in the file's order."""

    vcenters: tuple[VCenterSettings, ...]
    routes: tuple[Route, ...] = ()
    rules: SilencingRules = NO_RULES

    def vcenter(self, name: str) -> VCenterSettings | None:
        """Find the vCenter of exactly that name; None if the file has none."""
        return next((vcenter for vcenter in self.vcenters if vcenter.name == name), None)

    def find_route(self, name: str) -> Route | None:
        """Find the route of exactly that name; None if the file has none."""
        return next((route for route in self.routes if route.name == name), None)


def find_excluding_pattern(vcenter: VCenterSettings, cluster_id: str, cluster_name: str) -> str | None:
    """Find the pattern that leaves a cluster out (``exclude: lab-*``); None if the cluster is to be checked.

    A pattern of ``vcenter`` may match ``cluster_id`` or ``cluster_name``. A cluster that nothing includes is
    left out by all of ``include`` (``include: prod-*, dev-*``).
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
    kinds: Container[str] | None = None,
) -> tuple[Route, ...]:
    """Select the routes that hear an event, in the file's order.

    An event without a cluster concerns all of the vCenter's: a route that hears of one of them hears it
    too. The same holds for one without a vCenter, and for one of which it is not known what moved.

    Args:
        fleet: The fleet file, which has the routes.
        family: The event's family; ``baseline`` for that of a first look, ``report`` for a drill.
        severity: The event's severity; a route hears it from its own ``min_severity`` on.
        vcenter: The name of the event's vCenter; None: all of them.
        cluster_id: The id of the event's cluster; None: the vCenter as a whole.
        cluster_name: The cluster's name; None likewise.
        kinds: What moved, as ``list_moved_kinds`` lists it; None where nothing did, or it is not known.
    """
    cluster = [name for name in (cluster_id, cluster_name) if name is not None]
    return tuple(
        route
        for route in fleet.routes
        if rank_severity(severity) >= rank_severity(route.min_severity)
        and (not route.families or family in route.families)
        and (vcenter is None or find_matching_pattern(route.vcenters, vcenter))
        and (not cluster or find_matching_pattern(route.clusters, *cluster))
        and (kinds is None or not route.kinds or any(kind in kinds for kind in route.kinds))
    )


def build_fleet(document: FleetDocument) -> Fleet:
    """Build the fleet of a document in which ``list_fleet_errors`` finds none."""
    settings = document.get("settings", {})
    return Fleet(
        tuple(_build_vcenter(entry, settings) for entry in document["vcenters"]),
        tuple(map(_build_route, document.get("routes", ()))),
        SilencingRules(
            tuple(map(build_ignore_rule, document.get("ignore", ()))),
            tuple(map(build_window, document.get("maintenance", ()))),
        ),
    )


def _build_vcenter(entry: VCenterDocument, settings: SettingsDocument) -> VCenterSettings:
    clusters = entry.get("clusters", {})
    merged = {key: value for key, value in {**settings, **entry}.items() if key in APPLIED_SETTINGS}
    return VCenterSettings(
        entry["name"],
        tuple(clusters.get("include", EVERYTHING)),
        tuple(clusters.get("exclude", ())),
        **cast("AppliedSettings", merged),
    )


def _build_route(entry: RouteDocument) -> Route:
    return Route(
        entry["name"],
        entry.get("channel", DEFAULT_CHANNEL),
        entry.get("secret", entry["name"]),
        entry.get("min_severity", "info"),
        tuple(entry.get("families", ())),
        tuple(entry.get("vcenters", EVERYTHING)),
        tuple(entry.get("clusters", EVERYTHING)),
        entry.get("fallback"),
        tuple(entry.get("kinds", ())),
    )


def find_matching_pattern(patterns: Iterable[str], *names: str) -> str | None:
    """Find the first pattern that one of the names matches. A name matches itself, brackets and all."""
    return next(
        (
            pattern
            for pattern in patterns
            if any(pattern == name or fnmatchcase(name, pattern) for name in names)
        ),
        None,
    )
