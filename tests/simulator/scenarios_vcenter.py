"""Stories in which the vCenter itself, or the account, is the trouble."""

from tests.simulator import fault_kinds as kinds
from tests.simulator.certificates import CertificateKind
from tests.simulator.faults import Fault
from tests.simulator.model import READ_SETTINGS, VCenter
from tests.simulator.scenario import PROD_A, PROD_B, Change, Scenario
from tests.simulator.sessions import USER

_AN_HOUR_SECONDS = 3600.0
_TEN_MINUTES_SECONDS = 600.0


def _faulty(route: str, fault: Fault) -> Change:
    return lambda vcenter: vcenter.faults.inject(route, fault)


def _other_password(vcenter: VCenter) -> None:
    vcenter.sessions.accounts[USER] = "somebody changed it"
    vcenter.sessions.close_all()


def _listing_lost(vcenter: VCenter) -> None:
    vcenter.inventory.hide_cluster(PROD_A)
    vcenter.inventory.hide_cluster(PROD_B)


def _older(vcenter: VCenter) -> None:
    vcenter.version, vcenter.build = "8.0.2", "22617221"


def _slow_clock(vcenter: VCenter) -> None:
    # Reports of the time before would be of the future now: nothing was extracted yet.
    vcenter.extractions.reports.clear()
    vcenter.skew_seconds = -_TEN_MINUTES_SECONDS


def _showing(certificate: CertificateKind) -> Change:
    def change(vcenter: VCenter) -> None:
        vcenter.certificate = certificate

    return change


def _scenario(name: str, description: str, shows: str, change: Change, *, at_once: bool = True) -> Scenario:
    return Scenario(name, description, (shows,), (change,), at_once=at_once)


VCENTER = (
    _scenario(
        "vcenter-unreachable",
        "Every connection is closed without an answer.",
        "vcenter-unreachable",
        _faulty("*", kinds.connection("close")),
    ),
    _scenario(
        "vcenter-reset",
        "Every connection is reset.",
        "vcenter-unreachable",
        _faulty("*", kinds.connection("reset")),
    ),
    _scenario(
        "vcenter-unavailable",
        "The front proxy answers 503 in plain text, as while services start.",
        "vcenter-unavailable",
        _faulty("*", kinds.no_healthy_upstream(retry_after="30")),
    ),
    _scenario(
        "vcenter-error",
        "Lifecycle Manager answers 500.",
        "vcenter-error",
        _faulty("*/installed-images", kinds.status(500)),
    ),
    _scenario(
        "vcenter-redirect",
        "The login is redirected to another host.",
        "vcenter-error",
        _faulty("POST /api/session", kinds.redirect()),
    ),
    _scenario(
        "vcenter-behind-a-page",
        "Something between answers the login with a page and 403.",
        "vcenter-error",
        _faulty("POST /api/session", kinds.web_page(403)),
    ),
    _scenario(
        "vcenter-another-server",
        "A web server that is no vCenter answers every call with a page and 404.",
        "vcenter-error",
        _faulty("*", kinds.web_page(404, "404 Not Found", "Apache")),
    ),
    _scenario(
        "vcenter-behind-a-balancer",
        "A balancer reaches nothing behind it: a page and 504.",
        "vcenter-unavailable",
        _faulty("*", kinds.web_page(504, "504 Gateway Time-out", "balancer")),
    ),
    _scenario(
        "report-behind-a-page",
        "Something between answers with a page in place of the report, and 200.",
        "vcenter-error",
        _faulty("GET */installed-images", kinds.web_page(200, "Please sign in")),
    ),
    _scenario(
        "vcenter-sessions-used-up",
        "As many sessions are open as there may be: 503 at login.",
        "vcenter-unavailable",
        _faulty("POST /api/session", kinds.sessions_used_up()),
    ),
    _scenario(
        "vcenter-overloaded",
        "Something before it gives its reason in plain text, in several lines, with 503.",
        "vcenter-unavailable",
        _faulty("*", kinds.plain_text(503)),
    ),
    _scenario(
        "lifecycle-stopped",
        "Lifecycle Manager is stopped: 404, as of an old release, after it said that it is 8.0.3.",
        "vcenter-unavailable",
        _faulty("*/installed-images", kinds.status(404)),
    ),
    _scenario(
        "secrets-echoed",
        "Lifecycle Manager repeats what it was sent as a secret, in an error.",
        "vcenter-error",
        _faulty("*", kinds.secrets_echoed("*/installed-images", "error")),
    ),
    _scenario(
        "vcenter-authentication",
        "The password was changed: the login is refused.",
        "vcenter-authentication",
        _other_password,
    ),
    _scenario(
        "vcenter-authorization",
        "The account lost the privilege to read reports: 403.",
        "vcenter-authorization",
        lambda vcenter: vcenter.revoke(READ_SETTINGS),
    ),
    _scenario(
        "listing-lost",
        "The account sees no cluster any more: an empty list, and no error.",
        "vcenter-authorization",
        _listing_lost,
        at_once=False,
    ),
    _scenario(
        "certificate-expired",
        "The vCenter's certificate expired (where the server is given such a one).",
        "vcenter-unreachable",
        _showing("expired"),
    ),
    _scenario(
        "certificate-of-another-name",
        "The vCenter's certificate is for another name (where the server is given such a one).",
        "vcenter-unreachable",
        _showing("another-name"),
    ),
    _scenario(
        "certificate-authority-unfit",
        "The CA lacks critical basicConstraints (where the server's certificate is of such a one).",
        "vcenter-unreachable",
        _showing("unfit-authority"),
    ),
    _scenario(
        "clock-skewed",
        "The vCenter's clock is ten minutes behind.",
        "clock-skewed",
        _slow_clock,
    ),
    _scenario(
        "vcenter-replaced",
        "Another vCenter answers at this address, with the same ids.",
        "vcenter-replaced",
        VCenter.replace,
        at_once=False,
    ),
    _scenario(
        "api-unsupported",
        "The vCenter is 8.0 U2, which has no such report.",
        "api-unsupported",
        _older,
    ),
    _scenario(
        "cluster-missing",
        "A cluster is deleted.",
        "cluster-missing",
        lambda vcenter: vcenter.inventory.remove_cluster(PROD_B),
        at_once=False,
    ),
    _scenario(
        "check-overdue",
        "Every call about one cluster hangs, so that its checks never come to an end.",
        "check-overdue",
        _faulty("*domain-c9/*", kinds.latency(_AN_HOUR_SECONDS)),
        at_once=False,
    ),
)
