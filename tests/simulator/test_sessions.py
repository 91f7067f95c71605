from datetime import UTC, datetime, timedelta

import pytest
import requests

from tests.simulator import VCenter, VCenterServer
from tests.simulator.conftest import Client
from tests.simulator.errors import ApiError
from tests.simulator.sessions import PASSWORD, USER, Sessions


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 23, tzinfo=UTC)

    def now(self) -> datetime:
        """Where it stands."""
        return self.time

    def forward(self, seconds: float) -> None:
        """Move it."""
        self.time += timedelta(seconds=seconds)


def _refused(sessions: Sessions, password: str) -> bool:
    try:
        sessions.login(USER, password)
    except ApiError as error:
        return error.status == 401
    return False


def test_a_session_begins_with_201_and_ends_with_204(vcenter: VCenter, guest: Client) -> None:
    """The token is a JSON string; what is open is counted."""
    assert guest.login().status_code == 201
    assert guest.get("/api/session")["user"] == USER
    assert vcenter.sessions.open_count == 1
    ended = guest.call("DELETE", "/api/session")
    assert (ended.status_code, ended.content) == (204, b"")
    assert (vcenter.sessions.open_count, vcenter.sessions.max_open) == (0, 1)
    assert guest.call("GET", "/api/session").status_code == 401


def test_without_a_session_every_route_but_two_answers_401(guest: Client) -> None:
    """With the body of a real vCenter; who it is, it tells everybody."""
    reply = guest.call("GET", "/api/vcenter/cluster")
    assert reply.status_code == 401
    assert reply.json()["error_type"] == "UNAUTHENTICATED"
    about = guest.get("/sdk/vim25/8.0.3.0/ServiceInstance/ServiceInstance/content")["about"]
    assert {"instanceUuid", "version", "build"} <= about.keys()


def test_a_wrong_password_and_no_password_are_refused(vcenter: VCenter, guest: Client) -> None:
    """And counted with their time."""
    assert guest.login("wrong").status_code == 401
    assert guest.call("POST", "/api/session").status_code == 401
    (login,) = vcenter.sessions.logins
    assert (login.user, login.accepted, login.locked) == (USER, False, False)


def test_five_failures_lock_the_account_even_for_the_right_password() -> None:
    """For 300 seconds."""
    clock = Clock()
    sessions = Sessions(clock.now)
    assert all(_refused(sessions, "wrong") for _ in range(5))
    assert _refused(sessions, PASSWORD)
    clock.forward(299)
    assert _refused(sessions, PASSWORD)
    clock.forward(301)
    assert not _refused(sessions, PASSWORD)


def test_unlocking_forgets_no_attempt() -> None:
    """Only what locked the account."""
    sessions = Sessions(Clock().now)
    assert all(_refused(sessions, "wrong") for _ in range(5))
    sessions.unlock()
    assert not _refused(sessions, PASSWORD)
    assert sessions.refused_count == 5


def test_failures_far_apart_lock_nothing() -> None:
    """They count for 180 seconds."""
    clock = Clock()
    sessions = Sessions(clock.now)
    for _ in range(10):
        assert _refused(sessions, "wrong")
        clock.forward(50)
    assert not _refused(sessions, PASSWORD)


def test_an_idle_session_expires_and_a_used_one_does_not() -> None:
    """Each use counts."""
    clock = Clock()
    sessions = Sessions(clock.now)
    token = sessions.login(USER, PASSWORD)
    for _ in range(3):
        clock.forward(1700)
        sessions.use(token)
    clock.forward(1801)
    with pytest.raises(ApiError):
        sessions.use(token)


def test_too_many_sessions_are_refused_with_503() -> None:
    """The limit is everybody's."""
    sessions = Sessions(Clock().now)
    sessions.limit = 1
    sessions.login(USER, PASSWORD)
    with pytest.raises(ApiError, match="SERVICE_UNAVAILABLE"):
        sessions.login(USER, PASSWORD)


def test_the_date_header_is_the_vcenters_own_clock(http: requests.Session) -> None:
    """Which may be wrong."""
    vcenter = VCenter(clock=Clock().now)
    vcenter.skew_seconds = 3600
    with VCenterServer(vcenter) as server:
        assert Client(server.url, http).call("GET", "/x").headers["Date"] == "Mon, 23 Nov 2026 01:00:00 GMT"
