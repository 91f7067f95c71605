"""A condition is what a look, or a failure to look, shows to hold now. ``update`` makes findings of them."""

from collections.abc import Mapping

from msgspec import Struct, field

from esx_drift.domain.findings.kinds import FINDING_KINDS
from esx_drift.domain.stored.identifiers import make_fingerprint
from esx_drift.domain.stored.types import Family, FindingKind, Json, Severity


class Condition(Struct, frozen=True):
    """A condition that holds now, not yet known to be new or old.

    Attributes:
        family: The event that its finding travels in.
        kind: An entry of the registry.
        subject: What tells two of a kind apart (a VIB, a host id; ``""`` for the whole cluster or vCenter).
        severity: How bad it is now.
        summary: One sentence for a person.
        hosts: The ids of the hosts concerned.
        detail: Facts for programs.
        confirm: It opens a finding only when it is met twice running, ``confirm_after`` apart.
        is_pending: It opens nothing yet: another try comes by itself soon, and says whether it holds.
        lowers: The severity of its finding goes down with it, untold: something known is under way.
        opens: False if it rests on what was last known of hosts that were not seen: then it keeps a finding
            open and opens none.
    """

    family: Family
    kind: FindingKind
    subject: str
    severity: Severity
    summary: str
    hosts: tuple[str, ...] = ()
    detail: Mapping[str, Json] = field(default_factory=dict)
    confirm: bool = False
    is_pending: bool = False
    opens: bool = True
    lowers: bool = False

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the finding that this would open."""
        return make_fingerprint(self.family, self.kind, self.subject)


def build_condition(
    kind: FindingKind,
    summary: str,
    *,
    subject: str = "",
    severity: Severity | None = None,
    hosts: tuple[str, ...] = (),
    detail: Mapping[str, Json] | None = None,
) -> Condition:
    """Build a condition with what the registry says of its kind.

    Args:
        kind: An entry of the registry; family and ``confirm`` are the entry's.
        summary: One sentence for a person.
        subject: What tells two of a kind apart.
        severity: How bad it is now; None: the kind's usual severity.
        hosts: The ids of the hosts concerned.
        detail: Facts for programs.
    """
    entry = FINDING_KINDS[kind]
    return Condition(
        entry.family,
        kind,
        subject,
        entry.severity if severity is None else severity,
        summary,
        hosts,
        detail or {},
        confirm=entry.confirm,
    )
