"""Every answer that is none, and every error that the vCenter knows, becomes the failure of its name."""

from collections.abc import Callable

import pytest
from esx_drift.adapters.vcenter.session import RestSession as Session
from esx_drift.errors import (
    ApiUnsupported,
    ClusterNotFound,
    EsxDriftError,
    LoginRefused,
    NoReport,
    NotAuthorized,
    NotEligible,
    VCenterError,
    VCenterUnavailable,
    VCenterUnreachable,
)

from tests.simulator import VCenter, VCenterServer, fault_kinds
from tests.simulator.faults import Fault
from tests.simulator.reply import json_reply
from tests.simulator.sessions import PASSWORD, USER
from tests.unit.adapters.vcenter.conftest import CALLS, CLUSTER, Door, Pki

ROUTES = ("GET /api/*", "POST /api/esx/*", "GET /sdk/*", "POST /sdk/*")


def _inject(vcenter: VCenter, fault: Fault, times: int | None = None) -> None:
    for route in ROUTES:
        vcenter.faults.inject(route, fault, times)


def _error(
    status: int, error_type: str | None, message_id: str = "some.id", text: str = "Some text."
) -> Fault:
    body: dict[str, object] = {"messages": [{"id": message_id, "default_message": text, "args": []}]}
    return Fault("error", instead=lambda _: json_reply(status, body | {"error_type": error_type}))


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (fault_kinds.status(401), VCenterError),
        (fault_kinds.status(403), NotAuthorized),
        (fault_kinds.status(500), VCenterError),
        (fault_kinds.status(503), VCenterUnavailable),
        (fault_kinds.no_healthy_upstream(), VCenterUnavailable),
        (fault_kinds.redirect(), VCenterError),
        (fault_kinds.connection("close"), VCenterUnreachable),
        (fault_kinds.connection("reset"), VCenterUnreachable),
        (_error(418, None), VCenterError),
        (_error(204, None), VCenterError),
    ],
    ids=["401", "403", "500", "503", "upstream", "redirect", "close", "reset", "418", "204"],
)
def test_a_fault_has_its_failure_whatever_the_call(
    door: Door,
    vcenter: VCenter,
    call: Callable[[Session], object],
    fault: Fault,
    expected: type[EsxDriftError],
) -> None:
    """What is wrong with the vCenter or the account is told alike, whichever call meets it."""
    session = door.login()
    _inject(vcenter, fault)
    with pytest.raises(expected) as caught:
        call(session)
    assert type(caught.value) is expected
    assert caught.value.message.startswith(("127.0.0.1:", "the connection to 127.0.0.1:"))


@pytest.mark.parametrize(
    ("call", "fault", "expected"),
    [
        ("installed_images", fault_kinds.status(404), VCenterUnavailable),
        ("extract", fault_kinds.status(404), VCenterUnavailable),
        ("clusters", fault_kinds.status(404), VCenterUnavailable),
        ("about", fault_kinds.status(404), VCenterUnavailable),
        ("about", _error(404, None), VCenterUnavailable),
        ("installed_images", fault_kinds.entity_not_found(), ClusterNotFound),
        ("extract", fault_kinds.entity_not_found(), ClusterNotFound),
        ("installed_images", _error(404, "NOT_FOUND"), NoReport),
        ("extract", _error(404, "NOT_FOUND"), NoReport),
        ("clusters", _error(404, "NOT_FOUND"), VCenterError),
        ("extract", _error(400, "UNSUPPORTED"), NotEligible),
        ("installed_images", _error(400, "UNSUPPORTED"), VCenterError),
        ("extract", _error(400, "INVALID_ARGUMENT"), VCenterError),
        ("extract", _error(500, "ERROR"), VCenterError),
        ("clusters", fault_kinds.invalid_json(), VCenterError),
        ("hosts", fault_kinds.invalid_json(), VCenterError),
        ("about", fault_kinds.invalid_json(), VCenterError),
        ("extract", fault_kinds.invalid_json(), VCenterError),
        ("clusters", fault_kinds.truncated_body(), VCenterUnreachable),
        ("installed_images", fault_kinds.truncated_body(), VCenterUnreachable),
        ("clusters", fault_kinds.huge_body(), VCenterError),
    ],
)
def test_a_fault_of_one_call(
    door: Door, vcenter: VCenter, call: str, fault: Fault, expected: type[EsxDriftError]
) -> None:
    """The same status means different things to different calls."""
    session = door.login()
    _inject(vcenter, fault)
    with pytest.raises(expected) as caught:
        CALLS[call](session)
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    "fault",
    [
        _error(400, "NOT_ALLOWED_IN_CURRENT_STATE"),
        _error(409, "CONCURRENT_CHANGE"),
        _error(409, None),
        _error(400, "RESOURCE_BUSY"),
        _error(500, "RESOURCE_IN_USE"),
    ],
)
def test_a_busy_cluster_is_no_failure(door: Door, vcenter: VCenter, fault: Fault) -> None:
    """However the vCenter words that an extraction can't start now, the report may still be collected."""
    session = door.login()
    _inject(vcenter, fault)
    submitted = session.extract(CLUSTER)
    assert (submitted.task_id, submitted.busy) == (None, "Some text.")


def test_what_the_vcenter_says_of_an_error_is_kept(door: Door, vcenter: VCenter) -> None:
    """error_type, message id and the vCenter's own sentence are facts, the sentence on one bounded line."""
    session = door.login()
    _inject(vcenter, _error(500, "ERROR", "com.vmware.x", "A depot\n is " + "very " * 100 + "inaccessible."))
    with pytest.raises(VCenterError) as caught:
        session.installed_images(CLUSTER)
    facts = dict(caught.value.facts)
    text = facts.pop("vcenter_message")
    assert text.startswith("A depot is very very")
    assert len(text) == 300
    assert text in caught.value.message
    assert facts == {
        "status": "500",
        "operation": f"GET /api/esx/settings/clusters/{CLUSTER}/installed-images",
        "error_type": "ERROR",
        "message_id": "com.vmware.x",
    }


def test_a_refused_login_names_the_user_and_no_secret(door: Door) -> None:
    """A person must know whose password it is, and nobody may learn it."""
    session = door.connect(password="Wr0ng!")
    with pytest.raises(LoginRefused) as caught:
        session.login()
    assert caught.value.facts == {"user": USER}
    assert USER in caught.value.message
    assert "Wr0ng!" not in caught.value.message


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (fault_kinds.status(503), VCenterUnavailable),
        (fault_kinds.status(500), VCenterError),
        (fault_kinds.status(403), NotAuthorized),
        (fault_kinds.redirect(), VCenterError),
        (fault_kinds.connection("reset"), VCenterUnreachable),
        (Fault("token", instead=lambda _: json_reply(201, {"token": "x"})), VCenterError),
        (Fault("token", instead=lambda _: json_reply(201, "a\r\nb: c")), VCenterError),
    ],
)
def test_a_login_is_tried_once(
    door: Door, vcenter: VCenter, fault: Fault, expected: type[EsxDriftError]
) -> None:
    """Whatever comes of a login, nothing here sends it a second time by itself."""
    vcenter.faults.inject("POST /api/session", fault)
    with pytest.raises(expected):
        door.connect().login()
    assert len(vcenter.journal) == 1


def test_an_old_vcenter_is_told_as_such(door: Door, vcenter: VCenter) -> None:
    """A release before 8.0 U3 has no such route, and the failure says which release is needed."""
    vcenter.version = "8.0.2"
    with pytest.raises(ApiUnsupported, match=r"8\.0 U3 or later"):
        door.login().installed_images(CLUSTER)


def test_a_redirect_carries_nothing_away(door: Door, vcenter: VCenter, pki: Pki) -> None:
    """Neither password nor token ever follow a redirect; where it points to is told without its secrets."""
    other = VCenter()
    with VCenterServer(other, tls=pki.tls) as trap:
        location = f"https://{USER}:{PASSWORD}@127.0.0.1:{trap.port}/api/x?token=t0ken"
        redirect = fault_kinds.redirect(location, 307)
        session = door.login()
        vcenter.faults.inject("*", redirect)
        for call in (*CALLS.values(), Session.login):
            with pytest.raises(VCenterError) as caught:
                call(session)
            assert (
                f"points to https://127.0.0.1:{trap.port}/api/x: a redirect is never" in caught.value.message
            )
    assert len(other.journal) == 0
