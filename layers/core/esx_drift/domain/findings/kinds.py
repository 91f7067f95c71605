"""The registry of finding kinds: all that one is, says and needs, in one place.

Longer than 250 lines, because it is one table. docs/findings.md is made from it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from msgspec import Struct

from esx_drift.domain.stored.types import Family, FindingKind, Severity

type Evidence = Literal["login", "calls", "listing", "look", "clock", "person"]
"""What shows that a finding is over.

``login``: the vCenter let us in. ``calls``: it answered every call of a check. ``listing``: the dispatcher
listed its clusters. ``look``: a new report of the cluster was taken. ``clock``: a reply said its time.
``person``: nothing shows it, so that a person has to accept it.
"""


type Scope = Literal["vcenter", "cluster", "host", "vib", "object"]


class Advice(Struct, frozen=True):
    """The words for a finding.

    ``headline`` follows the place in a title, ``end_headline`` is the headline of its end, ``step`` follows
    "Next:", ``command`` follows the step, ``note`` is a sentence of its own. Empty: there is none.

    Headlines and steps may name ``{vcenter}``, ``{cluster}``, ``{hosts}`` (the name, or how many),
    ``{scope}`` (the one host, else the cluster), ``{first}`` (one host to look at) and ``{listed}`` (their
    names); headlines also ``{clusters}`` and ``{vibs}`` (the name, or how many), ``{skew}`` and
    ``{secret}``; steps also ``{reply}`` (where the reply is kept that was not used). Steps and notes end each
    command of ours with ``{stack}``, the option that names the stack where it has another name. A command may
    name ``{secret}``, ``{vcenter}`` and ``{cluster}`` as a shell takes them, ``{only_hosts}`` (limits it to
    the hosts of the event) and ``{vib}`` (the command that shows the VIB). Only commands that exist are
    named.
    """

    headline: str
    end_headline: str
    step: str
    command: str = ""
    note: str = ""


class KindEntry(Struct, frozen=True, kw_only=True):
    """One kind of finding.

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
        advice: The words for one of which nothing else is known.
    """

    name: FindingKind
    family: Family
    severity: Severity
    about: Scope
    ruled_out_by: Evidence
    confirm: bool = False
    blinding: bool = False
    hiding: bool = False
    advice: Advice


VCENTER_NOT_SEEN_NOTE: Final = "Its clusters are not checked meanwhile; their findings stay open."


_IMAGE_TASKS = "in vCenter > {cluster} > Monitor > Tasks, read why the last extraction of its image"


_HOST_TASKS = "in vCenter > {scope} > Monitor > Events, read what happened to it at that time."


_ENTRIES: Final = (
    KindEntry(
        name="image-not-uniform",
        family="drift",
        severity="warning",
        about="cluster",
        ruled_out_by="look",
        advice=Advice(
            headline="hosts run different images",
            end_headline="all hosts run the same image again",
            step="in vCenter > {cluster} > Updates, remediate the hosts that are not on the cluster's image.",
        ),
    ),
    KindEntry(
        name="drift-unreviewed",
        family="drift",
        severity="warning",
        about="cluster",
        ruled_out_by="look",
        advice=Advice(
            headline="{hosts} no longer as last accepted",
            end_headline="{hosts} as accepted again",
            step=(
                "in vCenter > {scope} > Monitor > Tasks and Events, find who changed it. Then remediate it, "
                "or accept it:"
            ),
            command="esx-drift accept {cluster} --vcenter {vcenter}{only_hosts}",
        ),
    ),
    KindEntry(
        name="orphaned-vib",
        family="orphaned-vib",
        severity="critical",
        about="vib",
        ruled_out_by="look",
        advice=Advice(
            headline="{vibs} on {hosts}",
            end_headline="{vibs} gone from {hosts}",
            step=(
                "tell security first. Don't remediate the cluster, reboot {listed} or remove it: it is "
                "evidence. Don't accept it (esx-drift accept{stack}) unless you know where it comes from. If "
                "security agrees, see its vendor and acceptance level on {first}:"
            ),
            command="{vib}",
            note=(
                "It belongs to no known component (orphaned). Usually a vendor's tool; also how attackers "
                "persist (ATT&CK T1505.006). To see which other clusters have it: esx-drift orphans{stack}"
            ),
        ),
    ),
    KindEntry(
        name="vcenter-unreachable",
        family="failure",
        severity="warning",
        about="vcenter",
        ruled_out_by="login",
        confirm=True,
        blinding=True,
        advice=Advice(
            headline="not reachable",
            end_headline="reachable again",
            step=(
                "find out whether the vCenter is up, and whether its name, port and certificate work from "
                "where checks run."
            ),
            note=VCENTER_NOT_SEEN_NOTE,
        ),
    ),
    KindEntry(
        name="vcenter-unavailable",
        family="failure",
        severity="warning",
        about="vcenter",
        ruled_out_by="login",
        confirm=True,
        blinding=True,
        advice=Advice(
            headline="services don't answer (503)",
            end_headline="services answer again",
            step="in the appliance's own page (port 5480) > Services, see what is stopped or starting.",
            note=VCENTER_NOT_SEEN_NOTE,
        ),
    ),
    KindEntry(
        name="vcenter-error",
        family="failure",
        severity="warning",
        about="vcenter",
        ruled_out_by="login",
        confirm=True,
        blinding=True,
        advice=Advice(
            headline="answers with an error",
            end_headline="answers without errors again",
            step="look the error up in the appliance's logs of that time (vmware-updatemgr, vapi-endpoint).",
            note=VCENTER_NOT_SEEN_NOTE,
        ),
    ),
    KindEntry(
        name="vcenter-authentication",
        family="failure",
        severity="critical",
        about="vcenter",
        ruled_out_by="login",
        blinding=True,
        advice=Advice(
            headline="login refused",
            end_headline="login works again",
            step=(
                "put the right password into the secret {secret}, and checks resume by themselves (change it "
                "first if it expired). Only if it is right, and the account was locked, unlock that and:"
            ),
            command="esx-drift doctor --reset {vcenter}",
            note=(
                "Critical, since no check of it works until somebody acts: this password is not tried again, "
                "so that the account isn't locked."
            ),
        ),
    ),
    KindEntry(
        name="vcenter-authorization",
        family="failure",
        severity="critical",
        about="vcenter",
        ruled_out_by="calls",
        blinding=True,
        hiding=True,
        advice=Advice(
            headline="account lacks a privilege",
            end_headline="account has the privilege again",
            step="see which privilege the account's role lacks:",
            command="esx-drift doctor --vcenter {vcenter}",
        ),
    ),
    KindEntry(
        name="vcenter-replaced",
        family="failure",
        severity="critical",
        about="vcenter",
        ruled_out_by="calls",
        blinding=True,
        advice=Advice(
            headline="another vCenter answers as {vcenter}",
            end_headline="{vcenter} is the known vCenter again",
            step=(
                "does its secret still name the right host? If it was reinstalled or restored on purpose, "
                "accept it:"
            ),
            command="esx-drift accept @{vcenter}",
            note="Nothing of it is compared until a person has accepted it.",
        ),
    ),
    KindEntry(
        name="api-unsupported",
        family="failure",
        severity="warning",
        about="vcenter",
        ruled_out_by="calls",
        blinding=True,
        advice=Advice(
            headline="older than 8.0 U3: it has no report of installed images",
            end_headline="it has the report of installed images now",
            step="update the vCenter to 8.0 U3 or later; or take it out of the fleet file and push that:",
            command="esx-drift fleet push FILE",
        ),
    ),
    KindEntry(
        name="cluster-missing",
        family="failure",
        severity="warning",
        about="cluster",
        ruled_out_by="calls",
        blinding=True,
        hiding=True,
        advice=Advice(
            headline="{clusters} no longer listed",
            end_headline="{clusters} listed again",
            step=(
                "if the account lost its permission there, give it back. What is gone for good has to be "
                "retired:"
            ),
            command="esx-drift retire {cluster} --vcenter {vcenter}",
        ),
    ),
    KindEntry(
        name="document-invalid",
        family="failure",
        severity="warning",
        about="cluster",
        ruled_out_by="look",
        blinding=True,
        advice=Advice(
            headline="the report is not what the API promises, and was not used",
            end_headline="the report is valid again",
            step=(
                "in the appliance's own page (port 5480) > Services, restart Lifecycle Manager "
                "(vmware-updatemgr). If it stays like this, open a case with Broadcom and attach the reply, "
                "{reply}."
            ),
        ),
    ),
    KindEntry(
        name="document-inconsistent",
        family="failure",
        severity="warning",
        about="cluster",
        ruled_out_by="look",
        blinding=True,
        advice=Advice(
            headline="the report contradicts itself",
            end_headline="the report is consistent again",
            step="in vCenter > {cluster} > Updates > Image, see whether hosts are shown twice or not at all.",
        ),
    ),
    KindEntry(
        name="extraction-unavailable",
        family="failure",
        severity="warning",
        about="cluster",
        ruled_out_by="look",
        blinding=True,
        advice=Advice(
            headline="the vCenter has no report for the cluster",
            end_headline="the vCenter has a report again",
            step=f"{_IMAGE_TASKS} left no report.",
        ),
    ),
    KindEntry(
        name="extraction-failed",
        family="failure",
        severity="warning",
        about="cluster",
        ruled_out_by="look",
        blinding=True,
        advice=Advice(
            headline="the vCenter could not extract the image",
            end_headline="the image can be extracted again",
            step=f"{_IMAGE_TASKS} failed.",
        ),
    ),
    KindEntry(
        name="extraction-timeout",
        family="failure",
        severity="warning",
        about="cluster",
        ruled_out_by="look",
        blinding=True,
        advice=Advice(
            headline="extracting the image takes too long",
            end_headline="extracting the image ends in time again",
            step=f"{_IMAGE_TASKS} doesn't end.",
        ),
    ),
    KindEntry(
        name="extraction-stale",
        family="failure",
        severity="warning",
        about="cluster",
        ruled_out_by="look",
        blinding=True,
        advice=Advice(
            headline="no new report, so nothing new is known",
            end_headline="there is a new report again",
            step=f"{_IMAGE_TASKS} gives nothing new.",
        ),
    ),
    KindEntry(
        name="eligibility-failed",
        family="failure",
        severity="warning",
        about="cluster",
        ruled_out_by="look",
        blinding=True,
        advice=Advice(
            headline="the cluster can't be checked",
            end_headline="the cluster can be checked",
            step="in vCenter > {cluster} > Updates > Image, see which hosts don't meet the requirements.",
        ),
    ),
    KindEntry(
        name="host-failed",
        family="failure",
        severity="warning",
        about="host",
        ruled_out_by="look",
        advice=Advice(
            headline="{hosts} not checked",
            end_headline="{hosts} checked again",
            step=_HOST_TASKS,
        ),
    ),
    KindEntry(
        name="host-not-covered",
        family="failure",
        severity="warning",
        about="host",
        ruled_out_by="look",
        advice=Advice(
            headline="{hosts} not in the report",
            end_headline="{hosts} in the report again",
            step=_HOST_TASKS,
        ),
    ),
    KindEntry(
        name="host-unsupported",
        family="failure",
        severity="info",
        about="host",
        ruled_out_by="look",
        advice=Advice(
            headline="{hosts} too old to be checked",
            end_headline="{hosts} checked now",
            step="update the host: images need ESXi 7.0.2 or later.",
        ),
    ),
    KindEntry(
        name="host-error",
        family="failure",
        severity="warning",
        about="host",
        ruled_out_by="look",
        advice=Advice(
            headline="{hosts} reported with an error",
            end_headline="{hosts} without errors again",
            step=_HOST_TASKS,
        ),
    ),
    KindEntry(
        name="host-hidden",
        family="failure",
        severity="critical",
        about="host",
        ruled_out_by="look",
        advice=Advice(
            headline="{hosts} hidden from the account",
            end_headline="{hosts} no longer hidden",
            step=(
                "who took the account's permission away? In vCenter > {scope} > Permissions, see that the "
                "account's role reaches the host, and in Monitor > Events who changed it."
            ),
            note="Its software is compared all the same, as the report of the cluster has it.",
        ),
    ),
    KindEntry(
        name="check-overdue",
        family="failure",
        severity="critical",
        about="cluster",
        ruled_out_by="listing",
        advice=Advice(
            headline="{clusters} not checked for too long, and nothing says why",
            end_headline="{clusters} checked again",
            step="see the alarms and dead letter queues of the stack, then the last checks:",
            command="esx-drift status",
        ),
    ),
    KindEntry(
        name="clock-skewed",
        family="failure",
        severity="warning",
        about="vcenter",
        ruled_out_by="clock",
        advice=Advice(
            headline="its clock is {skew} ours",
            end_headline="its clock agrees with ours again",
            step="set the vCenter's time servers (NTP): its own page at port 5480 > Time.",
            note="Times of extractions in messages are the vCenter's.",
        ),
    ),
    KindEntry(
        name="cluster-renamed",
        family="failure",
        severity="warning",
        about="cluster",
        ruled_out_by="listing",
        advice=Advice(
            headline="{clusters} has a name that the fleet file leaves out",
            end_headline="{clusters} has a name to be watched again",
            step="who renamed it? It is checked until the fleet file is changed, or a person retires it:",
            command="esx-drift retire {cluster} --vcenter {vcenter}",
        ),
    ),
    KindEntry(
        name="trail-damaged",
        family="failure",
        severity="critical",
        about="object",
        ruled_out_by="person",
        advice=Advice(
            headline="the audit trail is damaged",
            end_headline="the damage of the audit trail is accepted",
            step=(
                "who wrote or deleted that object? See its versions in S3, and CloudTrail. Restore the "
                "former version; then, or if it can't be mended:"
            ),
            command="esx-drift accept {cluster} --vcenter {vcenter}",
            note="Checks go on from the newest sound record; what the object alone knew is lost.",
        ),
    ),
    KindEntry(
        name="nothing-watched",
        family="failure",
        severity="warning",
        about="vcenter",
        ruled_out_by="listing",
        advice=Advice(
            headline="nothing of it is watched: the fleet file leaves out every cluster",
            end_headline="clusters of it are watched again",
            step=(
                "compare the names of clusters in {vcenter} with its patterns in the fleet file (include, "
                "exclude); correct these and push them:"
            ),
            command="esx-drift fleet push FILE",
        ),
    ),
)


FINDING_KINDS: Final[Mapping[str, KindEntry]] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""By name, in the order of the docs and the schemas."""


_INCLUDES: Final[Mapping[Evidence, tuple[Evidence, ...]]] = {
    "login": ("login",),
    "calls": ("login", "calls"),
    "listing": ("login", "calls", "listing"),
    "look": ("login", "calls", "look"),
    "clock": ("clock",),
    "person": ("person",),
}


def list_kinds_ruled_out_by(evidence: Evidence) -> frozenset[FindingKind]:
    """The kinds that are over if they are not met again where there is this evidence."""
    return frozenset(entry.name for entry in _ENTRIES if entry.ruled_out_by in _INCLUDES[evidence])


LOGIN_KINDS: Final = list_kinds_ruled_out_by("login")


VCENTER_KINDS: Final = list_kinds_ruled_out_by("calls")


LISTING_KINDS: Final = list_kinds_ruled_out_by("listing")
"""What a run of the dispatcher tests, in the vCenter's own log."""


LOOK_KINDS: Final = list_kinds_ruled_out_by("look")
"""What a look at a cluster tests, in the cluster's log."""


CLOCK_KINDS: Final = list_kinds_ruled_out_by("clock")


PERSON_KINDS: Final = list_kinds_ruled_out_by("person")
"""What only a person's decision ends."""


OUTAGE_KINDS: Final = frozenset(
    entry.name for entry in _ENTRIES if entry.name in VCENTER_KINDS and entry.about == "vcenter"
)
"""What keeps a vCenter as a whole from being listed, in its own log."""


LISTED_CLUSTER_KINDS: Final = frozenset(
    entry.name for entry in _ENTRIES if entry.name in LISTING_KINDS and entry.about == "cluster"
)
"""What a listing shows of single clusters."""


HOST_KINDS: Final = frozenset(entry.name for entry in _ENTRIES if entry.about == "host")


BLINDING_KINDS: Final = frozenset(entry.name for entry in _ENTRIES if entry.blinding)


HELD_BACK_KINDS: Final[frozenset[FindingKind]] = frozenset({"host-hidden", "vcenter-authorization"})
"""What is said of hidden hosts. In a cluster's log these are suspected for no other reason."""


HIDING_KINDS: Final = frozenset(entry.name for entry in _ENTRIES if entry.hiding)
