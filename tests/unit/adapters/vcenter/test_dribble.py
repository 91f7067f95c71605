"""A peer that always sends a little more: no pace of its bytes keeps a call longer than its bounds."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest
from esx_drift.adapters.vcenter import http_client as vcenter_wire
from esx_drift.adapters.vcenter.transport import Deadline
from esx_drift.errors import VCenterUnreachable

from tests.simulator import VCenter
from tests.unit.adapters.vcenter.conftest import CLUSTER, Door, Pki
from tests.unit.adapters.vcenter.servers import answer_of, dribbled, proxy_server, replying

CLUSTERS = b"GET /api/vcenter/cluster"
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS = b"0" * 2000


@contextmanager
def _middlebox(door: Door, pki: Pki) -> Iterator[int]:
    """Passes all on to the vCenter, and dribbles what answers a listing of clusters."""

    def reply(request: bytes) -> Iterable[bytes]:
        answer = answer_of((door.secret.host, door.secret.port), request)
        return dribbled(answer) if request.startswith(CLUSTERS) else [answer]

    with replying(pki.tls, reply) as port:
        yield port


@contextmanager
def _given_up_within(
    seconds: float, words: str = "did not answer in time", phase: str = "http"
) -> Iterator[None]:
    begun = time.monotonic()
    with pytest.raises(VCenterUnreachable, match=words) as caught:
        yield
    assert time.monotonic() - begun < seconds
    assert caught.value.facts == {"phase": phase}


@pytest.mark.parametrize("proxied", [False, True])
def test_dribbling_headers_are_cut_off(
    door: Door, vcenter: VCenter, pki: Pki, monkeypatch: pytest.MonkeyPatch, *, proxied: bool
) -> None:
    """Headers that never pause long enough to time out are bounded as a whole; the session is still ended."""
    monkeypatch.setattr(vcenter_wire, "HEAD_SECONDS", 0.4)
    with _middlebox(door, pki) as port, proxy_server() as proxy:
        session = door.login(port=port, proxy=f"http://127.0.0.1:{proxy.port}" if proxied else None)
        with _given_up_within(2):
            session.clusters()
        assert vcenter.sessions.open_count == 1
        assert session.installed_images(CLUSTER)
        session.close()
        assert vcenter.sessions.open_count == 0
        assert len(proxy.heads) == (4 if proxied else 0)


def test_headers_that_come_slowly_but_in_time_are_taken(door: Door, pki: Pki) -> None:
    """The bound cuts off nothing that ends before it."""
    answer = OK + b"Content-Length: 2\r\n\r\n[]"
    with replying(pki.tls, lambda _: dribbled(answer, pause_seconds=0.005)) as port:
        assert door.connect(port=port).clusters() == ()


@pytest.mark.parametrize("proxied", [False, True])
def test_each_call_has_its_own_time(door: Door, monkeypatch: pytest.MonkeyPatch, *, proxied: bool) -> None:
    """A kept connection serves calls whose times add up to more than the bound of one."""
    monkeypatch.setattr(vcenter_wire, "HEAD_SECONDS", 0.5)
    with proxy_server() as proxy:
        session = door.login(proxy=f"http://127.0.0.1:{proxy.port}" if proxied else None)
        end = time.monotonic() + 1
        while time.monotonic() < end:
            assert len(session.clusters()) == 2
        session.close()
        assert len(proxy.heads) == (1 if proxied else 0)


def test_interim_answers_without_end(door: Door, pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    """``100 Continue`` again and again is no answer."""
    monkeypatch.setattr(vcenter_wire, "HEAD_SECONDS", 0.3)
    answer = b"HTTP/1.1 100 Continue\r\n\r\n" * 100
    with replying(pki.tls, lambda _: dribbled(answer)) as port, _given_up_within(2):
        door.connect(port=port).clusters()


def test_a_proxy_that_dribbles(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy's answer to CONNECT counts as well."""
    monkeypatch.setattr(vcenter_wire, "HEAD_SECONDS", 0.3)
    refusal = dribbled(OK + b"X: " + ENDLESS)
    with proxy_server(refusal) as proxy, _given_up_within(2, phase="proxy"):
        door.login(proxy=f"http://127.0.0.1:{proxy.port}")


@pytest.mark.parametrize(
    "start",
    [CHUNKED, CHUNKED + b"2\r\n[]\r\n0\r\nX: ", OK + b"Content-Length: 5000\r\n\r\n"],
    ids=["chunk-size", "trailer", "content"],
)
def test_a_dribbling_body_is_cut_off(
    door: Door, pki: Pki, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    """What frames a body is bounded like the body."""
    monkeypatch.setattr(vcenter_wire, "BODY_SECONDS", 0.3)
    with (
        replying(pki.tls, lambda _: dribbled(start + ENDLESS, fast_bytes=len(start))) as port,
        _given_up_within(2, "did not end within"),
    ):
        door.connect(port=port).clusters()


def test_a_deadline_that_has_passed_is_a_timeout() -> None:
    """As a socket says it; before it is started there is no time at all."""
    deadline = Deadline()
    with pytest.raises(TimeoutError, match="deadline"):
        deadline.left_seconds()
    deadline.start(60)
    assert 0 < deadline.left_seconds() <= 60
