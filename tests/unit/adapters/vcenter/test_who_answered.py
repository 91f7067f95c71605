"""Who answered: what is no vCenter's own says nothing of privileges, releases, clusters or reports."""

import json
from collections.abc import Callable
from contextlib import suppress

import pytest
from esx_drift.adapters.vcenter.error_answers import translate_error_answer
from esx_drift.adapters.vcenter.http_client import HttpAnswer
from esx_drift.adapters.vcenter.session import RestSession as Session
from esx_drift.domain.findings.kinds import FINDING_KINDS
from esx_drift.errors import (
    ApiUnsupported,
    ClusterNotFound,
    EsxDriftError,
    LoginRefused,
    NoReport,
    NotAuthorized,
    VCenterError,
    VCenterUnavailable,
)

from tests.simulator import VCenter, fault_kinds
from tests.simulator.faults import Fault
from tests.simulator.reply import Delivery, Reply
from tests.unit.adapters.vcenter.conftest import CALLS, CLUSTER, Door
from tests.unit.adapters.vcenter.world import NOW

PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign\n in &amp; go</title></head></html>"
OWN = {"error_type": "ERROR", "messages": [{"id": "some.id", "default_message": "Some reason.", "args": []}]}
VIM = {"_typeName": "NoPermission", "faultstring": "Permission to perform this operation was denied."}
BODIES: dict[str, bytes] = {
    "own": json.dumps(OWN).encode(),
    "fault": json.dumps(VIM).encode(),
    "page": PAGE,
    "text": b"404 page not found\n",
    "other": b'{"detail": "nope"}',
    "empty": b"",
    "truncated": json.dumps(OWN).encode()[:40],
}
STATUSES = (200, 201, 202, 204, 301, 400, 401, 403, 404, 429, 500, 502, 503, 504)
EVERY_CALL: dict[str, Callable[[Session], object]] = {
    **CALLS,
    "login": lambda session: session.login(),
    "enablement": lambda session: session.managed_by_image(CLUSTER),
    "logout": lambda session: session.close(),
}
ROUTES = {
    "login": "POST /api/session",
    "logout": "DELETE /api/session",
    "about": "GET /sdk/vim25/*",
    "clusters": "GET /api/vcenter/cluster",
    "hosts": "GET /api/vcenter/host",
    "host_uuids": "POST */RetrievePropertiesEx",
    "standalone_hosts": "GET /api/vcenter/host",
    "extract": "POST /api/esx/*",
    "task": "GET /api/cis/tasks/*",
    "installed_images": "GET */installed-images",
    "enablement": "GET */enablement/software",
}
OWN_BODIES = {"own", "fault"}


def _expect(status: int, kind: str, call: str) -> type[EsxDriftError] | None:
    """What the rules say; None where the call succeeds."""
    is_own = kind in OWN_BODIES
    rules: list[tuple[bool, type[EsxDriftError] | None]] = [
        (call == "logout" and (status == 204 or (status, kind) == (200, "empty")), None),
        (call == "logout" and status == 401 and is_own, None),
        (call == "login" and status == 401, LoginRefused),
        (status in {429, 502, 503, 504}, VCenterUnavailable),
        (status == 403 and is_own, NotAuthorized),
        # It says elsewhere that it is 8.0.3.
        (status == 404 and call in {"about", "login"}, VCenterUnavailable),
        (status == 404 and is_own and call in {"installed_images", "extract"}, NoReport),
        (status == 404 and is_own and call == "task", None),
        (True, VCenterError),
    ]
    return next(expected for holds, expected in rules if holds)


def _answering(reply: Reply) -> Fault:
    return Fault("answer", instead=lambda _: reply)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("call", EVERY_CALL)
def test_who_answered(door: Door, vcenter: VCenter, call: str, status: int) -> None:
    """By call, status and kind of body. What is not the vCenter's always needs a second try."""
    for kind, body in BODIES.items():
        session = door.connect() if call == "login" else door.login()
        end = Delivery(end="close" if status == 204 else "keep")
        reply = Reply(status, body, headers={"Server": "nginx"}, delivery=end)
        vcenter.faults.inject(ROUTES[call], _answering(reply))
        caught: EsxDriftError | None = None
        try:
            EVERY_CALL[call](session)
        except EsxDriftError as error:
            caught = error
        vcenter.faults.clear()
        vcenter.sessions.close_all()
        assert (type(caught) if caught else None) is _expect(status, kind, call), kind
        if caught is not None and kind not in OWN_BODIES and type(caught) is not LoginRefused:
            assert FINDING_KINDS[caught.reason].confirm
        if caught is not None:
            assert "<" not in caught.message
            assert "\n" not in caught.message


@pytest.mark.parametrize(
    ("fault", "named"),
    [
        (fault_kinds.web_page(), 'a page "403 Forbidden" (server: nginx)'),
        (
            fault_kinds.web_page(403, "Sign in \u202e&amp; \n win " + "x" * 500, ""),
            'a page "Sign in \ufffd& win xxx',
        ),
        (fault_kinds.plain_text(403, "no\r\n way \x1b[31m"), 'a text "no way \ufffd[31m" (server: envoy)'),
        (fault_kinds.other_json(403), "JSON of another server (server: envoy)"),
        (Fault("empty", instead=lambda _: Reply(403)), "an empty body (server: envoy)"),
        (Fault("bare", instead=lambda _: Reply(403, b"<xml/>")), "a page without a title (server: envoy)"),
        (Fault("cut", instead=lambda _: Reply(403, b'{"er')), "JSON that can't be read (server: envoy)"),
        (Fault("scalar", instead=lambda _: Reply(403, b"403")), "JSON of another server (server: envoy)"),
    ],
)
def test_what_answered_is_named(door: Door, vcenter: VCenter, fault: Fault, named: str) -> None:
    """By its title or first words and its Server header, cleaned and cut."""
    vcenter.faults.inject("POST /api/session", fault)
    with pytest.raises(VCenterError) as caught:
        door.connect().login()
    assert f"answered 403 to POST /api/session: no answer of a vCenter's, but {named}" in caught.value.message
    assert caught.value.facts["answered_by"].startswith(named)
    assert len(caught.value.facts["answered_by"]) < 200


def test_a_page_in_place_of_the_report_is_no_invalid_report(door: Door, vcenter: VCenter) -> None:
    """Nor is JSON that has nothing of one; whatever looks like one is left to its schema."""
    session = door.login()
    for fault in (fault_kinds.web_page(200), fault_kinds.other_json(200), fault_kinds.plain_text(200)):
        vcenter.faults.inject("GET */installed-images", fault, times=1)
        with pytest.raises(VCenterError, match="answered 200 to"):
            session.installed_images(CLUSTER)
    for fault in (fault_kinds.invalid_json(), fault_kinds.document("legacy_maps"), fault_kinds.huge_body()):
        vcenter.faults.inject("GET */installed-images", fault, times=1)
        assert session.installed_images(CLUSTER).body


@pytest.mark.parametrize("call", ["clusters", "hosts", "extract", "task", "installed_images", "enablement"])
@pytest.mark.parametrize("fault", [fault_kinds.status(404), fault_kinds.operation_not_found()])
@pytest.mark.parametrize("version", ["8.0.3", "9.0.2", "8.0.2", "6.7.0"])
@pytest.mark.parametrize("asked", [True, False])
def test_a_route_that_is_missing(
    door: Door, vcenter: VCenter, call: str, fault: Fault, version: str, *, asked: bool
) -> None:
    """An old release never had it; of a newer one the service is not there. It says which it is."""
    session = door.login()
    vcenter.version = version
    if asked:
        with suppress(ApiUnsupported):
            session.about()
    vcenter.faults.inject(ROUTES[call], fault)
    is_old = version in {"8.0.2", "6.7.0"}
    with pytest.raises(ApiUnsupported if is_old else VCenterUnavailable) as caught:
        EVERY_CALL[call](session)
    assert version in caught.value.message
    assert ("8.0 U3 or later" in caught.value.message) == is_old
    assert caught.value.facts["status"] == "404"


@pytest.mark.parametrize("call", ["login", "about"])
@pytest.mark.parametrize("version", ["8.0.3", "8.0.2"])
def test_a_page_of_a_vcenter_is_the_vcenters(door: Door, vcenter: VCenter, call: str, version: str) -> None:
    """Its front proxy answers 404 in HTML: who says his release is a vCenter all the same."""
    vcenter.version = version
    vcenter.faults.inject(ROUTES[call], fault_kinds.web_page(404, "404 Not Found", "envoy"))
    with pytest.raises(VCenterUnavailable if version == "8.0.3" else ApiUnsupported, match=version):
        EVERY_CALL[call](door.connect())


@pytest.mark.parametrize("call", ["login", "about"])
def test_any_web_server_is_no_old_vcenter(door: Door, vcenter: VCenter, call: str) -> None:
    """It says nowhere which release it is: whatever it is, it is named."""
    vcenter.faults.inject("*", fault_kinds.web_page(404, "404 Not Found", "Apache"))
    with pytest.raises(VCenterError, match=r'but a page "404 Not Found" \(server: Apache\)'):
        EVERY_CALL[call](door.connect())


@pytest.mark.parametrize("silence", [fault_kinds.status(503), fault_kinds.connection("close")])
def test_a_vcenter_that_does_not_say_its_release(door: Door, vcenter: VCenter, silence: Fault) -> None:
    """It words the 404 as a vCenter does: its services are not all there, and nobody is told to update it."""
    vcenter.faults.inject("GET /sdk/*", silence)
    vcenter.faults.inject("POST /api/session", fault_kinds.status(404))
    with pytest.raises(VCenterUnavailable, match=r"no such route\. The service behind it is stopped"):
        door.connect().login()


def test_a_page_that_refuses_the_login_is_named_and_counts(door: Door, vcenter: VCenter) -> None:
    """The password was sent: only caution keeps the account from its lock, whoever refused it."""
    vcenter.faults.inject("POST /api/session", fault_kinds.web_page(401, "Authorization Required"))
    with pytest.raises(LoginRefused, match='but a page "Authorization Required"') as caught:
        door.connect().login()
    assert "answered_by" in caught.value.facts


def test_a_page_in_place_of_a_session_is_no_reason_to_log_in_again(door: Door, vcenter: VCenter) -> None:
    """A sign-on page with 401 says nothing of the session: the password is not sent again."""
    session = door.login()
    vcenter.faults.inject("GET /api/vcenter/cluster", fault_kinds.web_page(401))
    with pytest.raises(VCenterError, match="no answer of a vCenter's"):
        session.clusters()
    assert len(vcenter.sessions.logins) == 1


@pytest.mark.parametrize("code", [400, 409, 500])
def test_a_page_says_nothing_of_a_busy_cluster(door: Door, vcenter: VCenter, code: int) -> None:
    """Somebody else's extraction would be waited for."""
    session = door.login()
    vcenter.faults.inject(ROUTES["extract"], fault_kinds.web_page(code))
    with pytest.raises(VCenterError):
        session.extract(CLUSTER)


def test_what_it_said_is_quoted(door: Door, vcenter: VCenter) -> None:
    """A plain reason, a fault of the VI/JSON API by name and text, a session limit by its id."""
    for fault, said in (
        (
            fault_kinds.plain_text(503),
            '503 to POST /api/session: a text "upstream connect error reset reason: overflow"',
        ),
        (fault_kinds.sessions_used_up(), "The maximum number of user sessions was reached."),
        (fault_kinds.fault_of_vim(), "NoPermission: Permission to perform this operation was denied."),
    ):
        vcenter.faults.inject("POST /api/session", fault, times=1)
        with pytest.raises(EsxDriftError) as caught:
            door.connect().login()
        assert said in caught.value.message


def test_a_session_limit_is_met_where_all_are_used_up(door: Door, vcenter: VCenter) -> None:
    """The simulator answers as a vCenter does."""
    vcenter.sessions.limit = 0
    with pytest.raises(VCenterUnavailable) as caught:
        door.connect().login()
    assert caught.value.facts["message_id"].endswith("failedToLoginMaxUserSessionCountReached")


def test_only_a_vcenter_says_that_a_cluster_is_gone() -> None:
    """By the id that Lifecycle Manager gives."""
    gone = {"error_type": "NOT_FOUND", "messages": [{"id": "com.vmware.x.EntityNotFound", "args": []}]}
    for body, expected in ((json.dumps(gone).encode(), ClusterNotFound), (PAGE, VCenterError)):
        answer = HttpAnswer("vc01:443", "GET /api/x", 404, {}, NOW, body, cut=False)
        assert type(translate_error_answer(answer)) is expected
