"""What a look, or a failure to look, shows to hold now. The ledger turns conditions into findings."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from esx_drift.domain.stored.identifiers import make_fingerprint
from esx_drift.domain.stored.types import Family, Json, Severity


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that holds now, not yet known to be new, old or over.

    ``subject`` tells two of a kind apart (a VIB, a host id; ``""`` for the whole cluster or vCenter).
    ``confirm``: it opens a finding only when met twice running, ``confirm_after`` apart. ``opens`` False: it
    rests on what was last known of hosts that were not seen, so it keeps a finding open and opens none.
    """

    family: Family
    kind: str
    subject: str
    severity: Severity
    summary: str
    hosts: tuple[str, ...] = ()
    detail: Mapping[str, Json] = field(default_factory=dict)
    confirm: bool = False
    opens: bool = True

    @property
    def fingerprint(self) -> str:
        """The name of the finding that this would open."""
        return make_fingerprint(self.family, self.kind, self.subject)
