"""What the registry says of a kind of finding: how it behaves, and what people are told about it."""

from dataclasses import dataclass
from typing import Literal

from esx_drift.domain.stored.types import Family, FindingKind, Severity

type Evidence = Literal["login", "calls", "listing", "look", "clock"]
"""What shows that a finding is over.

``login``: the vCenter let us in. ``calls``: it answered every call of a check. ``listing``: the dispatcher
listed its clusters. ``look``: a new report of the cluster was taken. ``clock``: a reply said its time.
"""

type Scope = Literal["vcenter", "cluster", "host", "vib"]


@dataclass(frozen=True, slots=True)
class Advice:
    """The words for a finding.

    ``headline`` follows the place in a title, ``end_headline`` is the headline of its end, ``step`` follows
    "Next:", ``command`` follows the step, ``note`` is a sentence of its own. Empty: there is none.

    Headlines and steps may name ``{vcenter}``, ``{cluster}``, ``{hosts}`` (the name, or how many),
    ``{scope}`` (the one host, else the cluster) and ``{first}`` (one host to look at); headlines also
    ``{clusters}`` and ``{vibs}`` (the name, or how many) and ``{skew}``. A command may name ``{vcenter}`` and
    ``{cluster}`` as a shell takes them, ``{only_hosts}`` (limits it to the hosts of the event) and ``{vib}``
    (the command that shows the VIB). Only commands that exist are named.
    """

    headline: str
    end_headline: str
    step: str
    command: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindEntry:
    """One kind of finding; its words are those of an ``Advice``.

    Attributes:
        name: As it is stored, published and written in fleet files.
        family: The event that it travels in.
        severity: The usual one; a condition may say another.
        about: What fails or differs.
        ruled_out_by: The least that shows that it is over; whatever includes that rules it out, too.
        confirm: It must be met twice running, ``confirm_after`` apart, before it opens: one lost packet is
            no outage.
        blinding: While it is open, it says why nobody looks at a cluster, so that no check is overdue.
        hiding: This is how a cluster answers that the account may no longer see.
    """

    name: FindingKind
    family: Family
    severity: Severity
    about: Scope
    ruled_out_by: Evidence
    confirm: bool = False
    blinding: bool = False
    hiding: bool = False
    headline: str
    end_headline: str
    step: str
    command: str = ""
    note: str = ""

    @property
    def advice(self) -> Advice:
        """The words for a finding of this kind of which nothing else is known."""
        return Advice(self.headline, self.end_headline, self.step, self.command, self.note)
