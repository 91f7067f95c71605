"""Sessions of an invocation: one a vCenter, always ended."""

import pytest
from esx_drift.adapters.vcenter.session import RestSession
from esx_drift.errors import InternalError, LoginRefused, SecretInvalid, VCenterUnreachable

from tests.simulator import VCenter, fault_kinds
from tests.simulator.sessions import PASSWORD
from tests.unit.adapters.vcenter.servers import listening
from tests.unit.adapters.vcenter.world import NAME, World


def test_one_session_serves_an_invocation(world: World, vcenter: VCenter) -> None:
    """Messages of one vCenter share its session, and it ends with the invocation."""
    with world.sessions() as sessions:
        assert sessions.session(NAME) is sessions.session(NAME)
        assert vcenter.sessions.open_count == 1
    assert vcenter.sessions.open_count == 0
    assert len(vcenter.sessions.logins) == 1


def test_sessions_end_when_the_invocation_fails(world: World, vcenter: VCenter) -> None:
    """Whatever breaks the invocation off, the session is ended, and the error is not swallowed."""
    with pytest.raises(TimeoutError), world.sessions() as sessions:  # noqa: PT012 -- the block is the invocation
        sessions.session(NAME)
        assert vcenter.sessions.open_count == 1
        raise TimeoutError
    assert vcenter.sessions.open_count == 0


def test_a_session_that_cannot_be_ended_is_told_and_no_more(
    world: World, vcenter: VCenter, caplog: pytest.LogCaptureFixture
) -> None:
    """What the invocation did still counts; the log says which vCenter has a session left."""
    with world.sessions() as sessions:
        sessions.session(NAME)
        vcenter.faults.inject("DELETE /api/session", fault_kinds.status(500))
    (told,) = (vars(record) for record in caplog.records if record.levelname == "WARNING")
    assert (told["message"], told["vcenter"], told["reason"]) == ("session left open", NAME, "vcenter-error")
    vcenter.sessions.close_all()


def test_a_bug_at_one_logout_keeps_no_other_session_open(
    world: World, vcenter: VCenter, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the invocation did still counts, and the log says where the bug is."""

    def broken(_: object) -> None:
        raise ZeroDivisionError

    with world.sessions() as sessions:
        sessions.session(NAME)
        monkeypatch.setattr(RestSession, "close", broken)
    told = {record.getMessage(): vars(record) for record in caplog.records}
    assert told["bug"]["work"] == f"the logout from {NAME}"
    assert told["session left open"]["reason"] == "bug"
    vcenter.sessions.close_all()


def test_a_bug_at_the_login_is_met_once_an_invocation(
    world: World, vcenter: VCenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login that may have been refused is never tried by the next message of the batch."""
    login = RestSession.login

    def broken(session: RestSession) -> None:
        login(session)
        raise ZeroDivisionError

    monkeypatch.setattr(RestSession, "login", broken)
    with world.sessions() as sessions:
        for _ in range(3):
            with pytest.raises(InternalError):
                sessions.session(NAME)
    assert len(vcenter.sessions.logins) == 1
    assert vcenter.sessions.open_count == 0


def test_a_failure_is_met_once_an_invocation(world: World, vcenter: VCenter) -> None:
    """Sixty messages of a vCenter that is down wait for it once, and a wrong password is tried once."""
    world.set_password("wrong")
    with world.sessions() as sessions:
        for _ in range(3):
            with pytest.raises(LoginRefused):
                sessions.session(NAME)
    assert len(vcenter.sessions.logins) == 1


def test_a_vcenter_that_is_down_opens_no_breaker(world: World) -> None:
    """Only a refusal says something about the password."""
    with listening() as gone:
        port = gone.getsockname()[1]
    world.set_password(PASSWORD, port)
    assert world.outcome("dispatcher") == VCenterUnreachable.__name__
    world.set_password(PASSWORD)
    assert world.outcome() == "in"


def test_an_unusable_secret_is_told(world: World) -> None:
    """A secret that is missing is no failure of the vCenter."""
    with world.sessions() as sessions, pytest.raises(SecretInvalid):
        sessions.session("vc99")
