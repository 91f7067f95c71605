"""What ails a vCenter, told apart by the facts of the error: which privilege, which part of the way."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from esx_drift.domain.findings.kind_entry import Advice
from esx_drift.domain.findings.kinds import FINDING_KINDS, VCENTER_NOT_SEEN_NOTE
from esx_drift.domain.stored.types import Finding
from esx_drift.domain.vcenter_api import (
    PRIVILEGE_LIFECYCLE_GENERAL,
    PRIVILEGE_LIFECYCLE_SETTINGS,
    PRIVILEGE_READ,
)

type AdviceCase = tuple[Callable[[Finding], bool], Advice]
"""Whether it fits a finding, and the advice for it."""


def _fact(finding: Finding, name: str) -> str:
    """A fact of the error behind it, as text; empty where there is none."""
    return str(finding["detail"].get(name, ""))


def _calls(path: str) -> Callable[[Finding], bool]:
    return lambda finding: _fact(finding, "operation").partition(" ")[2].startswith(path)


def _fails_at(phase: str) -> Callable[[Finding], bool]:
    return lambda finding: _fact(finding, "phase") == phase


def _answers(status: str) -> Callable[[Finding], bool]:
    return lambda finding: _fact(finding, "status").startswith(status)


def has_fact(name: str) -> Callable[[Finding], bool]:
    """Whether a finding has this fact."""
    return lambda finding: name in finding["detail"]


def _lists_too_much(finding: Finding) -> bool:
    return _fact(finding, "error_type") == "UNABLE_TO_ALLOCATE_RESOURCE" and _calls("/api/vcenter/")(finding)


def _lacks(headline: str, over: str, privilege: str, note: str = "") -> Advice:
    step = "give the account's role this privilege at the vCenter's root, with propagation:"
    return Advice(headline, over, step, privilege, note)


def _unreachable(step: str) -> Advice:
    return replace(FINDING_KINDS["vcenter-unreachable"].advice, step=step)


def _misled(headline: str) -> Advice:
    step = "do host and port in its secret lead to the vCenter itself, and no proxy answers in its place?"
    return replace(FINDING_KINDS["vcenter-error"].advice, headline=headline, step=step)


_AUTHORIZATION: tuple[AdviceCase, ...] = (
    (
        has_fact("known"),
        _lacks(
            "account is shown too few clusters",
            "account is shown all clusters again",
            PRIVILEGE_READ,
            "What it is not shown is not seen meanwhile; what was open stays open.",
        ),
    ),
    (
        has_fact("hidden_hosts"),
        _lacks("account is shown too few hosts", "account is shown all hosts again", PRIVILEGE_READ),
    ),
    (
        _calls("/api/vcenter/"),
        _lacks(
            "account may not see clusters and hosts",
            "account may see clusters and hosts again",
            PRIVILEGE_READ,
        ),
    ),
    (
        _calls("/api/cis/tasks"),
        _lacks(
            "account may not read its tasks", "account may read its tasks again", PRIVILEGE_LIFECYCLE_GENERAL
        ),
    ),
    (
        _calls("/api/esx/settings"),
        _lacks(
            "account may not read installed images",
            "account may read installed images again",
            PRIVILEGE_LIFECYCLE_SETTINGS,
        ),
    ),
)


_AUTHENTICATION: tuple[AdviceCase, ...] = (
    (
        has_fact("secret"),
        Advice(
            "secret can't be used, so nobody can log in",
            "secret can be used again",
            "mend this secret, and checks resume by themselves:",
            "esx-drift/vcenter/{vcenter}",
            VCENTER_NOT_SEEN_NOTE,
        ),
    ),
    (
        lambda finding: _fact(finding, "password") == "not tried yet",
        Advice(
            "login not tried yet",
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


_UNREACHABLE: tuple[AdviceCase, ...] = (
    (
        _fails_at("dns"),
        _unreachable("does the host in the vCenter's secret still have that name in DNS, where checks run?"),
    ),
    (
        _fails_at("connect"),
        _unreachable("is the vCenter up, and does every firewall and security group between let checks in?"),
    ),
    (
        _fails_at("certificate"),
        _unreachable(
            "did its certificate change or expire? The CA's belongs into ca_bundle of the vCenter's secret."
        ),
    ),
    (
        _fails_at("tls"),
        _unreachable(
            "is it the vCenter that listens at its secret's host and port, and is it well? Something takes "
            "the connection, but TLS doesn't come about."
        ),
    ),
    (
        _fails_at("proxy"),
        _unreachable("is the proxy in the vCenter's secret up, and does it let checks through to it?"),
    ),
    (
        _fails_at("http"),
        Advice(
            "answers too slowly, or only in part",
            "answers in time again",
            "is it overloaded? See its own page (port 5480) > Monitor; else what lies between and cuts "
            "connections.",
            note=VCENTER_NOT_SEEN_NOTE,
        ),
    ),
)


_ERROR: tuple[AdviceCase, ...] = (
    (_answers("3"), _misled("answers with a redirect")),
    (_answers("2"), _misled("answers what no vCenter answers")),
    (
        _lists_too_much,
        replace(
            FINDING_KINDS["vcenter-error"].advice,
            headline="has more in one folder than it can list",
            end_headline="can list all its folders again",
            step="split that folder: the API lists at most 1,000 clusters or 2,500 hosts of one.",
        ),
    ),
)


VCENTER_CASES: Mapping[str, tuple[AdviceCase, ...]] = MappingProxyType(
    {
        "vcenter-authorization": _AUTHORIZATION,
        "vcenter-authentication": _AUTHENTICATION,
        "vcenter-unreachable": _UNREACHABLE,
        "vcenter-error": _ERROR,
        "vcenter-unavailable": (
            (
                _answers("429"),
                Advice(
                    "asked too often, and refuses (429)",
                    "answers again",
                    "what else asks this vCenter so much? Checks wait and come again.",
                    note=VCENTER_NOT_SEEN_NOTE,
                ),
            ),
        ),
    }
)
"""By kind; the first that fits is taken."""
