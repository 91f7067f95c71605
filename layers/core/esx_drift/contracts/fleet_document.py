"""Everything that can be wrong with a fleet file, by its schema and beyond."""

from typing import TYPE_CHECKING, cast

from esx_drift.contracts import list_violations
from esx_drift.domain.fleet.problems import list_fleet_problems

if TYPE_CHECKING:
    from esx_drift.domain.fleet.document import FleetDocument


def list_fleet_errors(document: object) -> list[str]:
    """Each fault of a fleet document as a line, JSON Pointer first; empty if it may be used."""
    return list_violations("fleet", document) or list_fleet_problems(cast("FleetDocument", document))
