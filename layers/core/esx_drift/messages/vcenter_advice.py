"""Advice for a vCenter that fails, by the facts of the error: which privilege, which part of the way.

Longer than 250 lines, because it is one table: a case for each way in which a vCenter, or what stands before
it, may fail.
"""

from collections.abc import Callable, Mapping
from copy import replace
from types import MappingProxyType
from typing import Final

from esx_drift.domain.findings.kinds import FINDING_KINDS, VCENTER_NOT_SEEN_NOTE, Advice
from esx_drift.domain.stored.types import Finding, FindingKind
from esx_drift.domain.vcenter_api import (
    CLUSTER_SETTINGS_PATH,
    INVENTORY_PATH,
    PRIVILEGE_LIFECYCLE_GENERAL,
    PRIVILEGE_LIFECYCLE_SETTINGS,
    PRIVILEGE_READ,
    SESSIONS_USED_UP,
    TASKS_PATH,
    TOO_MANY_RESULTS,
    is_call_below,
)
from esx_drift.errors import BUG_FACT, HIDDEN_HOSTS_FACT, UNENDED_FACT

type AdviceCase = tuple[Callable[[Finding], bool], Advice]
"""Whether it fits a finding, and the advice for it."""


def _read_fact(finding: Finding, name: str) -> str:
    """Read a fact of the error behind a finding, as text; empty where there is none."""
    return str(finding["detail"].get(name, ""))


def _is_call_of(path: str) -> Callable[[Finding], bool]:
    return lambda finding: is_call_below(_read_fact(finding, "operation"), path)


def _failed_at(phase: str) -> Callable[[Finding], bool]:
    return lambda finding: _read_fact(finding, "phase") == phase


def _has_flaw(flaw: str) -> Callable[[Finding], bool]:
    return lambda finding: _failed_at("certificate")(finding) and _read_fact(finding, "certificate") == flaw


def _has_status(status: str) -> Callable[[Finding], bool]:
    return lambda finding: _read_fact(finding, "status").startswith(status)


def has_fact(name: str) -> Callable[[Finding], bool]:
    """Make a test for whether a finding has this fact."""
    return lambda finding: name in finding["detail"]


def _has_too_much_in_a_folder(finding: Finding) -> bool:
    too_many = _read_fact(finding, "error_type") == TOO_MANY_RESULTS
    return too_many and _is_call_of(INVENTORY_PATH)(finding)


def _build_privilege_advice(headline: str, end_headline: str, privilege: str, note: str = "") -> Advice:
    step = "give the account's role this privilege at the vCenter's root, with propagation:"
    return Advice(headline, end_headline, step, privilege, note)


def _build_unreachable_advice(step: str, command: str = "") -> Advice:
    return replace(FINDING_KINDS["vcenter-unreachable"].advice, step=step, command=command)


_DOCTOR: Final = "esx-drift doctor --vcenter {vcenter}"
"""It goes the way of a check, from where checks run, and says how far it came."""


def _build_misled_advice(headline: str) -> Advice:
    step = "do host and port in its secret lead to the vCenter itself, and no proxy answers in its place?"
    return replace(FINDING_KINDS["vcenter-error"].advice, headline=headline, step=step)


_AUTHORIZATION: Final[tuple[AdviceCase, ...]] = (
    (
        has_fact("known"),
        Advice(
            "account is shown too few clusters",
            "account is shown all clusters again",
            "were they removed? Then retire each (esx-drift retire{stack}). Else the account lost its "
            "permission: give its role this privilege at the vCenter's root, with propagation:",
            PRIVILEGE_READ,
            "What it is not shown is not checked meanwhile, so earlier findings stay open.",
        ),
    ),
    (
        has_fact(HIDDEN_HOSTS_FACT),
        _build_privilege_advice(
            "account is shown too few hosts", "account is shown all hosts again", PRIVILEGE_READ
        ),
    ),
    (
        _is_call_of(INVENTORY_PATH),
        _build_privilege_advice(
            "account may not see clusters and hosts",
            "account may see clusters and hosts again",
            PRIVILEGE_READ,
        ),
    ),
    (
        _is_call_of(TASKS_PATH),
        _build_privilege_advice(
            "account may not read its tasks", "account may read its tasks again", PRIVILEGE_LIFECYCLE_GENERAL
        ),
    ),
    (
        _is_call_of(CLUSTER_SETTINGS_PATH),
        _build_privilege_advice(
            "account may not read installed images",
            "account may read installed images again",
            PRIVILEGE_LIFECYCLE_SETTINGS,
        ),
    ),
)

_AUTHENTICATION: Final[tuple[AdviceCase, ...]] = (
    (
        has_fact("answered_by"),
        replace(
            FINDING_KINDS["vcenter-authentication"].advice,
            headline="login refused by something else in its place",
            step="do host and port in its secret lead to the vCenter itself, and no proxy or sign-on page "
            "answers in its place? Once that is mended:",
        ),
    ),
    (
        has_fact("secret"),
        Advice(
            "secret can't be used, so nobody can log in",
            "secret can be used again",
            "mend this secret, and checks resume by themselves:",
            "{secret}",
            VCENTER_NOT_SEEN_NOTE,
        ),
    ),
    (
        lambda finding: _read_fact(finding, "password") == "not tried yet",
        Advice(
            "a new password is there, and not tried yet",
            "login works again",
            "nothing: the next run of the dispatcher tries the new password, and tells if it is refused.",
            note=VCENTER_NOT_SEEN_NOTE,
        ),
    ),
    (
        lambda finding: "user" not in finding["detail"],
        Advice(
            "no login is tried",
            "login works again",
            "what is kept of refused logins can't be read. Try the password once, which mends it:",
            "esx-drift doctor --reset {vcenter}",
            VCENTER_NOT_SEEN_NOTE,
        ),
    ),
)

_UNREACHABLE: Final[tuple[AdviceCase, ...]] = (
    (
        _failed_at("dns"),
        _build_unreachable_advice(
            "put the name that it has now into the vCenter's secret, or have DNS know this one where checks "
            "run."
        ),
    ),
    (
        _failed_at("connect"),
        _build_unreachable_advice(
            "find out whether the vCenter and its services are up (its own page, port 5480); if they are, a "
            "firewall or security group keeps checks out. To test the way:",
            _DOCTOR,
        ),
    ),
    *(
        (_has_flaw(flaw), _build_unreachable_advice(step))
        for flaw, step in (
            (
                "malformed",
                "set tls_strict to false in its secret, or have the certificate issued by the rules.",
            ),
            ("expired", "renew the vCenter's certificate, or its CA's."),
            ("not-yet-valid", "compare its clock with ours: to us the certificate is not valid yet."),
            ("wrong-name", "put a name that stands in the certificate into its secret's host."),
            ("other", "renew the vCenter's certificate."),
        )
    ),
    (
        _failed_at("certificate"),
        _build_unreachable_advice(
            "put the certificate of its CA into ca_bundle of the vCenter's secret; if it worked before, find "
            "out first who changed the certificate."
        ),
    ),
    (
        _failed_at("tls"),
        _build_unreachable_advice(
            "find out what listens at host and port of its secret: it takes the connection, but TLS doesn't "
            "come about. To test the way:",
            _DOCTOR,
        ),
    ),
    (
        _failed_at("proxy"),
        _build_unreachable_advice(
            "start the proxy in the vCenter's secret, and have it let checks through to the vCenter."
        ),
    ),
    (
        _failed_at("turn"),
        Advice(
            "no turn to log in",
            "turns to log in come again",
            "other runs, persons or doctors were logging in all the time: see the dispatcher's log. A turn "
            "that nobody gives back ends within 2 minutes. If none comes all the same:",
            "esx-drift doctor --reset {vcenter}",
            VCENTER_NOT_SEEN_NOTE,
        ),
    ),
    (
        _failed_at("http"),
        Advice(
            "answers too slowly, or only in part",
            "answers in time again",
            "see in its own page (port 5480) > Monitor whether it is overloaded; if not, something between "
            "cuts connections.",
            note=VCENTER_NOT_SEEN_NOTE,
        ),
    ),
)

_ERROR: Final[tuple[AdviceCase, ...]] = (
    (
        has_fact("unusable_ids"),
        Advice(
            "lists clusters under ids that are of no use",
            "lists usable ids only",
            "do host and port in its secret lead to the vCenter itself? Its other clusters are checked.",
        ),
    ),
    (
        has_fact(BUG_FACT),
        Advice(
            "could not be read, by a bug in esx-drift",
            "could be read again",
            "is there a newer release? If not, report it, with what the dispatcher's or checker's log says "
            'under "bug".',
            note=VCENTER_NOT_SEEN_NOTE,
        ),
    ),
    (
        has_fact(UNENDED_FACT),
        Advice(
            "could not be checked: no try was completed",
            "could be checked again",
            "what ended the dispatcher's tries? Its log says so (an error of AWS, out of memory, timed out); "
            "if it was the vCenter's answer, report it.",
            note=VCENTER_NOT_SEEN_NOTE,
        ),
    ),
    (_has_status("3"), _build_misled_advice("answers with a redirect")),
    (has_fact("answered_by"), _build_misled_advice("something else answers in its place")),
    (_has_status("2"), _build_misled_advice("answers what no vCenter answers")),
    (
        _has_too_much_in_a_folder,
        replace(
            FINDING_KINDS["vcenter-error"].advice,
            headline="has more in one folder than it can list",
            end_headline="can list all its folders again",
            step="split that folder: the API lists at most 1,000 clusters or 2,500 hosts of one.",
        ),
    ),
)


def _build_missing_service_advice(service: str) -> Advice:
    return replace(
        FINDING_KINDS["vcenter-unavailable"].advice,
        headline="a service is not there (404)",
        end_headline="the service is there again",
        step=f"in the appliance's own page (port 5480) > Services, is {service} started and healthy?",
    )


def _build_gate_advice(status: str) -> Advice:
    return replace(
        FINDING_KINDS["vcenter-unavailable"].advice,
        headline=f"services don't answer ({status})",
        step="what stands before it (a balancer, a proxy) reaches no service of it: in the appliance's own "
        "page (port 5480) > Services, see what is stopped or starting.",
    )


_UNAVAILABLE: Final[tuple[AdviceCase, ...]] = (
    (
        lambda finding: _read_fact(finding, "message_id").endswith(SESSIONS_USED_UP),
        replace(
            FINDING_KINDS["vcenter-unavailable"].advice,
            headline="all its sessions are used up (503)",
            end_headline="lets new sessions in again",
            step="in vCenter > Monitor > Sessions, whose are they? Usually a script or a tool that logs in "
            "and never logs out: end its sessions, and have it end them itself.",
        ),
    ),
    (
        lambda finding: _has_status("404")(finding) and _is_call_of(CLUSTER_SETTINGS_PATH)(finding),
        _build_missing_service_advice("Lifecycle Manager (updatemgr)"),
    ),
    (_has_status("404"), _build_missing_service_advice("the API's (vapi-endpoint, vpxd)")),
    (_has_status("502"), _build_gate_advice("502")),
    (_has_status("504"), _build_gate_advice("504")),
    (
        _has_status("429"),
        Advice(
            "asked too often, and refuses (429)",
            "answers again",
            "what else asks this vCenter so much? Checks wait and come again.",
            note=VCENTER_NOT_SEEN_NOTE,
        ),
    ),
)

VCENTER_CASES: Final[Mapping[FindingKind, tuple[AdviceCase, ...]]] = MappingProxyType(
    {
        "vcenter-authorization": _AUTHORIZATION,
        "vcenter-authentication": _AUTHENTICATION,
        "vcenter-unreachable": _UNREACHABLE,
        "vcenter-error": _ERROR,
        "vcenter-unavailable": _UNAVAILABLE,
    }
)
"""By kind; the first that fits is taken."""
