"""How a session treats its vCenter: what is tried again and what never; how tokens die and sessions end."""

from copy import replace

import pytest
from esx_drift.adapters.tls import build_tls_context
from esx_drift.adapters.vcenter.connection_errors import Peer
from esx_drift.adapters.vcenter.http_client import HttpClient
from esx_drift.adapters.vcenter.session import RestSession as Session
from esx_drift.adapters.vcenter.session import open_vcenter
from esx_drift.errors import OutOfTime, VCenterError, VCenterUnavailable, VCenterUnreachable

from tests.simulator import VCenter, VCenterServer, fault_kinds
from tests.simulator.faults import Fault
from tests.simulator.reply import Reply, Request
from tests.unit.adapters.vcenter.conftest import CLUSTER, Door, Pki
from tests.unit.adapters.vcenter.world import NOW

IMAGES = f"/api/esx/settings/clusters/{CLUSTER}/installed-images"


def _seen(vcenter: VCenter, method: str, path: str) -> int:
    return sum(call.method == method and call.path == path for call in vcenter.journal)


def test_a_get_is_tried_again_after_a_reset(door: Door, vcenter: VCenter) -> None:
    """One broken connection is no failure."""
    session = door.login()
    vcenter.faults.inject("GET /api/vcenter/cluster", fault_kinds.connection("reset"), times=1)
    assert len(session.clusters()) == 2
    assert _seen(vcenter, "GET", "/api/vcenter/cluster") == 2


def test_a_get_is_tried_twice_at_most(door: Door, vcenter: VCenter) -> None:
    """A vCenter that resets each connection is left alone soon."""
    session = door.login()
    vcenter.faults.inject("GET /api/vcenter/cluster", fault_kinds.connection("reset"))
    with pytest.raises(VCenterUnreachable, match="cut off"):
        session.clusters()
    assert _seen(vcenter, "GET", "/api/vcenter/cluster") == 2


def test_an_extraction_is_never_asked_for_twice(door: Door, vcenter: VCenter) -> None:
    """Its answer may be lost though it runs: each extraction loads every host."""
    session = door.login()
    vcenter.faults.inject("POST /api/esx/*", fault_kinds.connection("reset", processed=True), times=1)
    before = vcenter.extractions.count
    with pytest.raises(VCenterUnreachable):
        session.extract(CLUSTER)
    assert _seen(vcenter, "POST", IMAGES) == 1
    assert session.extract(CLUSTER).task_id is None
    assert vcenter.extractions.count <= before + 1


def test_a_vcenter_that_was_restarted_meanwhile(door: Door, server: VCenterServer) -> None:
    """A kept connection that has died is replaced, also under a POST, without anybody noticing."""
    session = door.login()
    for call in (session.clusters, lambda: session.extract(CLUSTER)):
        server.stop()
        server.start()
        call()


@pytest.mark.parametrize(("header", "paused"), [("2", [2.0]), ("0", [0.0]), ("10", [10.0])])
def test_a_short_wait_is_granted(
    door: Door, vcenter: VCenter, pki: Pki, header: str, paused: list[float]
) -> None:
    """``Retry-After`` of up to 10 s is waited for, once."""
    waits: list[float] = []
    session = _waiting(door, pki, waits)
    vcenter.faults.inject("GET /api/vcenter/cluster", fault_kinds.status(503, header), times=1)
    assert len(session.clusters()) == 2
    assert waits == paused


@pytest.mark.parametrize(
    ("header", "fact"), [("11", "11"), ("3600", "3600"), ("soon", None), ("-1", None), ("9" * 30, "21600")]
)
def test_a_long_wait_is_left_to_the_queue(
    door: Door, vcenter: VCenter, pki: Pki, header: str, fact: str | None
) -> None:
    """A longer or senseless ``Retry-After`` fails at once, with the seconds as a fact (6 h at most)."""
    waits: list[float] = []
    session = _waiting(door, pki, waits)
    vcenter.faults.inject("GET /api/vcenter/cluster", fault_kinds.no_healthy_upstream(header))
    with pytest.raises(VCenterUnavailable) as caught:
        session.clusters()
    assert caught.value.facts.get("retry_after_seconds") == fact
    assert waits == []
    assert _seen(vcenter, "GET", "/api/vcenter/cluster") == 1


def test_a_wait_is_granted_once_and_never_to_a_post(door: Door, vcenter: VCenter, pki: Pki) -> None:
    """A vCenter that stays busy is asked twice; an extraction or a login once."""
    waits: list[float] = []
    session = _waiting(door, pki, waits)
    vcenter.faults.inject("*", fault_kinds.status(503, "1"))
    with pytest.raises(VCenterUnavailable):
        session.clusters()
    assert waits == [1.0]
    for call in (lambda: session.extract(CLUSTER), session.login):
        with pytest.raises(VCenterUnavailable):
            call()
    assert waits == [1.0]
    assert _seen(vcenter, "POST", IMAGES) == 1


def _waiting(door: Door, pki: Pki, waits: list[float]) -> Session:
    """A session, logged in, that notes its waits instead of waiting."""
    peer = Peer(f"{door.secret.host}:{door.secret.port}")
    wire = HttpClient(peer, build_tls_context(pki.authority.pem, strict=True), lambda: NOW, waits.append)
    session = Session(wire, door.secret, door.admission)
    session.login()
    door.opened.append(session)
    return session


def test_a_call_that_the_run_may_not_live_to_end_is_not_begun(door: Door, vcenter: VCenter) -> None:
    """A function is never ended in the middle of a call: its session is ended while there is time."""
    left_ms = [300_000.0]
    session = open_vcenter(door.secret, door.admission, lambda: NOW, lambda: left_ms[0])
    session.login()
    assert len(session.clusters()) == 2
    left_ms[0] = 200_000.0
    with pytest.raises(OutOfTime, match="RetrievePropertiesEx"):
        session.host_uuids(["host-16"])  # which a check can do without, and another call it can't
    assert len(session.clusters()) == 2
    left_ms[0] = 100_000.0
    with pytest.raises(OutOfTime, match=r"no time is left in this run for GET /api/vcenter/cluster"):
        session.clusters()
    session.close()
    assert vcenter.sessions.open_count == 0


def test_a_dead_token_heals(door: Door, vcenter: VCenter) -> None:
    """A session that the vCenter dropped is opened again once, and the call is made again."""
    session = door.login()
    vcenter.sessions.close_all()
    assert len(session.clusters()) == 2
    vcenter.sessions.close_all()
    assert session.extract(CLUSTER).task_id is not None
    assert [login.accepted for login in vcenter.sessions.logins] == [True] * 3


def test_a_401_with_a_living_session_leaves_none_behind(door: Door, vcenter: VCenter) -> None:
    """If the token was alive after all, its session is ended before a new one is opened."""
    session = door.login()
    vcenter.faults.inject("GET /api/vcenter/cluster", fault_kinds.status(401), times=1)
    assert len(session.clusters()) == 2
    assert vcenter.sessions.max_open == 1


def test_a_vcenter_that_always_says_401(door: Door, vcenter: VCenter) -> None:
    """The login is repeated once a call, not for ever, and the failure is not one of the password."""
    session = door.login()
    vcenter.faults.inject("GET /api/vcenter/cluster", fault_kinds.status(401))
    with pytest.raises(VCenterError, match="answered 401"):
        session.clusters()
    assert len(vcenter.sessions.logins) == 2


def test_a_session_ends_once(door: Door, vcenter: VCenter) -> None:
    """Ending what is ended, or was never opened, asks nothing of the vCenter."""
    session = door.login()
    session.close()
    session.close()
    door.connect().close()
    assert _seen(vcenter, "DELETE", "/api/session") == 1


def test_a_dead_session_ends_quietly(door: Door, vcenter: VCenter) -> None:
    """A session that the vCenter has ended by itself is ended."""
    session = door.login()
    vcenter.sessions.close_all()
    session.close()


def test_a_session_that_cannot_be_ended_says_so(door: Door, vcenter: VCenter) -> None:
    """The failure is told, so that somebody knows that a session is left."""
    session = door.login()
    vcenter.faults.inject("DELETE /api/session", fault_kinds.status(500))
    with pytest.raises(VCenterError):
        session.close()
    vcenter.sessions.close_all()


def test_no_repr_tells_a_password(door: Door) -> None:
    """What may end in a log by mistake holds no secret."""
    secret = replace(door.secret, proxy="http://carrier:pigeon@127.0.0.1:1")
    session = door.login()
    for told in (repr(secret), repr(session), str(vars(session)), repr(Peer("vc:443", secret.proxy))):
        assert secret.password not in told
        assert "pigeon" not in told


def test_no_cookie_and_no_compression(door: Door, vcenter: VCenter) -> None:
    """A token that came as a cookie is not sent back, and answers are asked for as they will be kept."""
    seen: list[dict[str, str]] = []

    def answer(request: Request) -> Reply:
        seen.append(dict(request.headers))
        return Reply(200, b"[]", headers={"Set-Cookie": "vmware-api-session-id=t0ken; Path=/; Secure"})

    session = door.login()
    vcenter.faults.inject("GET /api/vcenter/cluster", Fault("cookie", instead=answer))
    assert session.clusters() == session.clusters() == ()
    assert ["cookie" in headers for headers in seen] == [False, False]
    assert {headers["accept-encoding"] for headers in seen} == {"identity"}
