"""What keeps people from being told of changes, as the fleet file states it: its JSON as types."""

from typing import Final, NotRequired, TypedDict

EVERYTHING: Final = ("*",)


class ScopeDocument(TypedDict):
    """Where a route, a rule or a window holds."""

    name: str
    vcenters: NotRequired[list[str]]
    clusters: NotRequired[list[str]]


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
