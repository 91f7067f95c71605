"""Everything that can be wrong with a fleet file, by its schema and beyond."""

from typing import TYPE_CHECKING, cast

from esx_drift.contracts import violations
from esx_drift.domain.fleets.problems import problems_of

if TYPE_CHECKING:
    from esx_drift.domain.fleets.document import FleetDocument


def faults_of(document: object) -> list[str]:
    """Each fault of a fleet document as a line, JSON Pointer first; empty if it may be used."""
    return violations("fleet", document) or problems_of(cast("FleetDocument", document))
