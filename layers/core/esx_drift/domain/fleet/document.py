"""The fleet file as JSON: the shape that ``fleet.schema.json`` bounds."""

from typing import NotRequired, Required, TypedDict

from esx_drift.domain.stored.types import Severity


class AppliedSettings(TypedDict, total=False):
    """How checks are timed, as the file says it; what is absent has the default of ``VCenterSettings``."""

    extract: bool
    confirm_after_seconds: int
    blind_after_seconds: int
    max_age_seconds: int
    first_delay_seconds: int
    extract_deadline_seconds: int


class SettingsDocument(AppliedSettings, total=False):
    """All settings that the file may have; nothing applies ``stall_after_seconds`` yet."""

    stall_after_seconds: int


class ClustersDocument(TypedDict, total=False):
    """Which clusters of a vCenter are checked."""

    include: list[str]
    exclude: list[str]


class VCenterDocument(SettingsDocument):
    """A vCenter as the file names it."""

    name: Required[str]
    clusters: NotRequired[ClustersDocument]


class ScopeDocument(TypedDict):
    """Where a route, a rule or a window holds."""

    name: str
    vcenters: NotRequired[list[str]]
    clusters: NotRequired[list[str]]


class RouteDocument(ScopeDocument):
    """Whom to tell, as the file names it."""

    channel: NotRequired[str]
    secret: NotRequired[str]
    min_severity: NotRequired[Severity]
    families: NotRequired[list[str]]


class IgnoreDocument(ScopeDocument):
    """A rule as the file states it."""

    reason: str
    elements: NotRequired[list[str]]
    kinds: NotRequired[list[str]]
    findings: NotRequired[list[str]]
    keys: NotRequired[list[str]]
    hosts: NotRequired[list[str]]
    until: NotRequired[str]


MaintenanceTimes = TypedDict("MaintenanceTimes", {"from": str, "to": str})  # "from" is a keyword


class MaintenanceDocument(ScopeDocument, MaintenanceTimes):
    """A time of planned work as the file states it."""

    reason: str


class FleetDocument(TypedDict):
    """The fleet file."""

    schema_version: int
    settings: NotRequired[SettingsDocument]
    vcenters: list[VCenterDocument]
    routes: NotRequired[list[RouteDocument]]
    ignore: NotRequired[list[IgnoreDocument]]
    maintenance: NotRequired[list[MaintenanceDocument]]
