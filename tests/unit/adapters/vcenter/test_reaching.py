"""Names, ports and proxies: what keeps a call from its vCenter, and what a person reads then."""

import socket
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
from esx_drift.adapters.secrets import encode_login
from esx_drift.adapters.vcenter import http_client as vcenter_wire
from esx_drift.errors import VCenterUnreachable

from tests.simulator import VCenter, VCenterServer
from tests.simulator.certificates import authority
from tests.unit.adapters.vcenter.conftest import Door, Pki
from tests.unit.adapters.vcenter.servers import listening, proxy_server


def test_a_handshake_that_never_ends(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that takes connections and stays silent is told as a time-out of TLS."""
    monkeypatch.setattr(vcenter_wire, "CONNECT_SECONDS", 0.2)
    with listening() as silent:
        port = silent.getsockname()[1]
        with pytest.raises(VCenterUnreachable) as caught:
            door.login(port=port)
    assert caught.value.message == f"TLS connect to 127.0.0.1:{port} timed out"
    assert caught.value.facts["phase"] == "tls"


def test_a_connect_that_never_ends(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that drops packets is told as a time-out of connecting."""
    monkeypatch.setattr(vcenter_wire, "CONNECT_SECONDS", 0.2)
    with listening(backlog=0) as full, ExitStack() as waiting:
        port = full.getsockname()[1]
        for _ in range(3):  # fill the backlog: the kernel drops what comes after
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        with pytest.raises(VCenterUnreachable) as caught:
            door.login(port=port)
    assert caught.value.message == f"connect to 127.0.0.1:{port} timed out"
    assert caught.value.facts == {"phase": "connect"}


def test_a_closed_port(door: Door) -> None:
    """Refused is told as refused."""
    with listening() as gone:
        port = gone.getsockname()[1]
    session = door.connect(port=port)
    for call in (session.login, session.about):
        with pytest.raises(VCenterUnreachable, match=f"connect to 127.0.0.1:{port} refused"):
            call()


def test_a_network_without_route(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other errors of connecting are told in the operating system's words."""

    def no_route(*_args: object) -> None:
        raise OSError(113, "No route to host")

    monkeypatch.setattr(socket.socket, "connect", no_route)
    with pytest.raises(VCenterUnreachable, match="failed: No route to host"):
        door.login()


def test_an_unknown_name(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS is told as DNS."""

    def unknown(*_args: object, **_more: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(VCenterUnreachable) as caught:
        door.login(host="vc02.corp")
    assert "vc02.corp" in caught.value.message
    assert "Name or service not known" in caught.value.message
    assert caught.value.facts == {"phase": "dns"}


def test_a_port_without_tls(door: Door) -> None:
    """Something else than TLS at the port is told so."""
    with VCenterServer(VCenter()) as plain, pytest.raises(VCenterUnreachable) as caught:
        door.login(port=plain.port)
    assert "Does a vCenter listen there" in caught.value.message
    assert caught.value.facts["openssl"]


def test_an_address_of_version_6(door: Door) -> None:
    """An IPv6 address gets its brackets."""
    with listening() as gone:
        port = gone.getsockname()[1]
    with pytest.raises(VCenterUnreachable, match=rf"\[::1\]:{port}"):
        door.login(host="::1", port=port)


def test_the_secrets_proxy_is_used_and_sees_no_password(door: Door) -> None:
    """The proxy opens a tunnel: it learns host and port, and its own user, but nothing of the vCenter's."""
    with proxy_server() as proxy:
        door.login(proxy=f"http://carrier:pigeon@127.0.0.1:{proxy.port}").close()
    (head,) = proxy.heads
    assert head.startswith(f"CONNECT 127.0.0.1:{door.secret.port} ")
    assert "Proxy-Authorization: Basic" in head
    assert "vmware-api-session-id" not in head
    assert "\nAuthorization" not in head


def test_a_proxy_that_refuses(door: Door) -> None:
    """The proxy's refusal is told, its user and password are not."""
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"
    with proxy_server(refusal) as proxy, pytest.raises(VCenterUnreachable) as caught:
        door.login(proxy=f"http://carrier:pigeon@127.0.0.1:{proxy.port}")
    assert caught.value.message == (
        f"the proxy 127.0.0.1:{proxy.port} gave no way to 127.0.0.1:{door.secret.port}:"
        " Tunnel connection failed: 407 Proxy Authentication Required"
    )
    assert caught.value.facts == {"phase": "proxy"}


def test_a_proxy_that_is_down(door: Door) -> None:
    """A proxy that can't be reached is told as the proxy, not as the vCenter."""
    with listening() as gone:
        port = gone.getsockname()[1]
    with pytest.raises(VCenterUnreachable, match=f"the proxy 127.0.0.1:{port} gave no way .* refused"):
        door.login(proxy=f"http://127.0.0.1:{port}")


CLOSED = "it closed the connection instead of answering CONNECT"
NONSENSE = "what it answered to CONNECT is no HTTP"


@pytest.mark.parametrize("call", ["login", "about"])
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", CLOSED),
        (b"\x00\x01\r\n\r\n", NONSENSE),
        (b"SSH-2.0-x\r\n", NONSENSE),
        (b"HTTP/1.1 abc\r\n", NONSENSE),
    ],
    ids=["closed", "zeros", "ssh", "no status"],
)
def test_a_proxy_that_talks_nonsense(door: Door, call: str, answer: bytes, said: str) -> None:
    """It took the connection, and then it failed: the proxy, and not an overloaded vCenter. Asked once."""
    with proxy_server(answer) as proxy:
        session = door.connect(proxy=f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(VCenterUnreachable) as caught:
            {"login": session.login, "about": session.about}[call]()
    assert caught.value.message == (
        f"the proxy 127.0.0.1:{proxy.port} gave no way to 127.0.0.1:{door.secret.port}: {said}"
    )
    assert caught.value.facts == {"phase": "proxy"}
    assert len(proxy.heads) == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_silent(door: Door, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    """Whether it speaks TLS itself or not."""
    monkeypatch.setattr(vcenter_wire, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(vcenter_wire, "CONNECT_SECONDS", 0.2)
    with listening() as silent, pytest.raises(VCenterUnreachable, match="did not answer in time") as caught:
        door.login(proxy=f"{scheme}://127.0.0.1:{silent.getsockname()[1]}")
    assert caught.value.facts == {"phase": "proxy"}


def test_a_proxy_whose_name_is_unknown(door: Door) -> None:
    """It is the proxy's name that is looked for, not the vCenter's."""
    with pytest.raises(VCenterUnreachable, match=r"the proxy no-such\.invalid:8 gave no way .*: ") as caught:
        door.login(proxy="http://no-such.invalid:8")
    assert caught.value.facts == {"phase": "proxy"}


def test_a_proxy_with_tls_of_its_own(door: Door, pki: Pki) -> None:
    """Its certificate, or that it has none, is told as the proxy's."""
    stranger = authority(datetime.now(UTC), "Another CA").issue(pki.directory, datetime.now(UTC))
    for tls, said in (
        (stranger, "its own certificate is refused: unable"),
        (None, "TLS to the proxy itself failed"),
    ):
        with (
            VCenterServer(VCenter(), tls=tls) as other,
            pytest.raises(VCenterUnreachable, match=said) as caught,
        ):
            door.login(proxy=f"https://127.0.0.1:{other.port}")
        assert caught.value.facts["phase"] == "proxy"


def test_a_way_that_ends_behind_the_proxy(door: Door) -> None:
    """CONNECT was granted, and then nobody speaks TLS: whether it is closed or reset, the way is named."""
    with proxy_server(b"HTTP/1.1 200 OK\r\n\r\n") as proxy, pytest.raises(VCenterUnreachable) as caught:
        door.login(proxy=f"http://127.0.0.1:{proxy.port}")
    assert f"127.0.0.1:{door.secret.port}, through the proxy 127.0.0.1:{proxy.port} " in caught.value.message
    assert caught.value.facts["phase"] in {"tls", "http"}


def test_a_proxy_that_repeats_its_password(door: Door) -> None:
    """In its reason phrase: neither the password nor its Basic form is told."""
    basic = encode_login("carrier", "pigeon+post")
    refusal = f"HTTP/1.1 407 not pigeon+post, not Basic {basic}\r\n\r\n".encode()
    with proxy_server(refusal) as proxy, pytest.raises(VCenterUnreachable) as caught:
        door.login(proxy=f"http://carrier:pigeon%2Bpost@127.0.0.1:{proxy.port}")
    assert caught.value.message.endswith("Tunnel connection failed: 407 not ***, not Basic ***")
