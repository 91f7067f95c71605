"""What is said of each kind of finding: what it is, what to do next, and what its end is called.

This is the table by kind; ``cases`` has what depends on more. Places in braces: ``vcenter``, ``cluster``,
``hosts`` (the name, or how many), ``scope`` (the one host, else the cluster), ``first`` (one host to look
at); and in headlines ``clusters`` (the name, or how many), ``vibs`` (the same), ``skew``.
Only commands that exist are named. In commands, names are as a shell takes them, ``only_hosts`` limits one to
the hosts that the event is about, and ``vib`` is the command that shows the VIB.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

VCENTER_NOT_SEEN_NOTE: Final = "Nothing is known of its clusters meanwhile; what was open stays open."


@dataclass(frozen=True, slots=True)
class Advice:
    """``headline`` follows the place, ``over`` is the headline of its end, ``step`` follows "Next:".

    An empty ``step``: nothing is to be done.
    """

    headline: str
    end_headline: str
    step: str
    command: str = ""
    note: str = ""


_IMAGE_TASKS = "in vCenter > {cluster} > Monitor > Tasks, read why the last extraction of its image"
_HOST_TASKS = (
    "in vCenter > {scope} > Monitor > Events, read what happened to it; is it connected and powered on?"
)

ADVICE_BY_KIND: Mapping[str, Advice] = MappingProxyType(
    {
        "image-not-uniform": Advice(
            "hosts run different images",
            "all hosts run the same image again",
            "in vCenter > {cluster} > Updates, remediate the hosts that are not on the wanted image.",
        ),
        "drift-unreviewed": Advice(
            "{hosts} no longer as last accepted",
            "{hosts} as accepted again",
            "in vCenter > {scope} > Monitor > Tasks and Events, find who changed it. Then remediate it, "
            "or approve it:",
            "esx-drift accept {cluster} --vcenter {vcenter}{only_hosts} --reason WHY",
        ),
        "orphaned-vib": Advice(
            "{vibs} on {hosts}",
            "{vibs} gone from {hosts}",
            "did anyone install it? If nobody did, isolate the host and leave the VIB on it: it is evidence. "
            "Look at it on {first}:",
            "{vib}",
            "Orphaned: part of no known component. Usually a vendor's tool; also how attackers persist "
            "(ATT&CK T1505.006).",
        ),
        "vcenter-unreachable": Advice(
            "not reachable",
            "reachable again",
            "is the vCenter up, and do its name, port 443 and certificate work from where the checks run?",
            note=VCENTER_NOT_SEEN_NOTE,
        ),
        "vcenter-unavailable": Advice(
            "services don't answer (503)",
            "services answer again",
            "in the appliance's own page (port 5480) > Services, see what is stopped or starting.",
            note=VCENTER_NOT_SEEN_NOTE,
        ),
        "vcenter-error": Advice(
            "answers with an error",
            "answers without errors again",
            "look the error up in the appliance's logs of that time (vmware-updatemgr, vapi-endpoint).",
            note=VCENTER_NOT_SEEN_NOTE,
        ),
        "vcenter-authentication": Advice(
            "login refused",
            "login works again",
            "put the right password into the secret esx-drift/vcenter/{vcenter}, and checks resume by "
            "themselves. If it was right all along (expired, or the account was locked), mend that and:",
            "esx-drift doctor --reset {vcenter}",
            "Not tried again with this password, so that the account isn't locked.",
        ),
        "vcenter-authorization": Advice(
            "account lacks a privilege",
            "account has the privilege again",
            "see which privilege the account's role lacks:",
            "esx-drift doctor --vcenter {vcenter}",
        ),
        "vcenter-replaced": Advice(
            "another vCenter answers as {vcenter}",
            "{vcenter} is the known vCenter again",
            "does its secret still name the right host? If it was reinstalled or restored on purpose, "
            "accept it:",
            "esx-drift accept @{vcenter} --reason WHY",
            "Nothing of it is compared until a person has accepted it.",
        ),
        "api-unsupported": Advice(
            "older than 8.0 U3: it has no report of installed images",
            "it has the report of installed images now",
            "update the vCenter to 8.0 U3 or later; or take it out of the fleet file and push that:",
            "esx-drift fleet push FILE",
        ),
        "cluster-missing": Advice(
            "{clusters} no longer listed",
            "{clusters} listed again",
            "deleted on purpose, or did the account lose its permission there? What is gone for good has to "
            "be retired:",
            "esx-drift retire {cluster} --vcenter {vcenter} --reason WHY",
        ),
        "cluster-renamed": Advice(
            "{clusters} has a name that the fleet file leaves out",
            "{clusters} has a name to be watched again",
            "who renamed it? It is checked until the fleet file is changed, or a person retires it:",
            "esx-drift retire {cluster} --vcenter {vcenter} --reason WHY",
        ),
        "document-invalid": Advice(
            "the report is not what the API promises, and was not used",
            "the report is valid again",
            "the reply is kept, and the record says where. See what is wrong with it:",
            "esx-drift validate DOCUMENT.json",
        ),
        "document-inconsistent": Advice(
            "the report contradicts itself",
            "the report is consistent again",
            "in vCenter > {cluster} > Updates > Image, see whether hosts are shown twice or not at all.",
        ),
        "extraction-unavailable": Advice(
            "the vCenter has no report for the cluster",
            "the vCenter has a report again",
            f"{_IMAGE_TASKS} left no report.",
        ),
        "extraction-failed": Advice(
            "the vCenter could not extract the image",
            "the image can be extracted again",
            f"{_IMAGE_TASKS} failed.",
        ),
        "extraction-timeout": Advice(
            "extracting the image takes too long",
            "extracting the image ends in time again",
            f"{_IMAGE_TASKS} doesn't end.",
        ),
        "extraction-stale": Advice(
            "no new report, so nothing new is known",
            "there is a new report again",
            f"{_IMAGE_TASKS} gives nothing new.",
        ),
        "eligibility-failed": Advice(
            "the cluster can't be read",
            "the cluster can be read",
            "in vCenter > {cluster} > Updates > Image, see which hosts don't meet the requirements.",
        ),
        "host-failed": Advice("{hosts} could not be read", "{hosts} can be read again", _HOST_TASKS),
        "host-not-covered": Advice("{hosts} not in the report", "{hosts} in the report again", _HOST_TASKS),
        "host-unsupported": Advice(
            "{hosts} too old to be read",
            "{hosts} can be read now",
            "update the host: images need ESXi 7.0.2 or later.",
        ),
        "host-error": Advice("{hosts} reported with an error", "{hosts} without errors again", _HOST_TASKS),
        "clock-skewed": Advice(
            "its clock is {skew} ours",
            "its clock agrees with ours again",
            "set the vCenter's time servers (NTP): its own page at port 5480 > Time.",
            note="Times of extractions in messages are the vCenter's.",
        ),
        "check-overdue": Advice(
            "{clusters} not looked at for too long, and nothing says why",
            "{clusters} looked at again",
            "see the alarms and dead letter queues of the stack, then the last looks:",
            "esx-drift status",
        ),
    }
)
"""By kind. Every kind that the event's schema knows is here."""
