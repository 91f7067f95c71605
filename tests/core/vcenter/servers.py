"""Servers on loopback that do what no vCenter does: raw bytes, silence, and a proxy in between."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread

from tests.simulator import Tls

HOST = "127.0.0.1"


@contextmanager
def listening(backlog: int = 8) -> Iterator[socket.socket]:
    """A socket that listens and does nothing else."""
    with socket.create_server((HOST, 0), backlog=backlog) as server:
        yield server


@contextmanager
def raw_server(tls: Tls, answer: bytes) -> Iterator[int]:
    """Answers each connection's first request with these bytes and hangs up; gives its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    with listening() as server:
        thread = Thread(target=_answer_all, args=(server, context, answer))
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _answer_all(server: socket.socket, context: ssl.SSLContext, answer: bytes) -> None:
    with suppress(OSError):
        while True:
            connection, _ = server.accept()
            with suppress(OSError), context.wrap_socket(connection, server_side=True) as wrapped:
                wrapped.recv(65536)
                wrapped.sendall(answer)


@dataclass(slots=True)
class Proxy:
    """An HTTP proxy's port, and the head of each CONNECT that it got."""

    port: int
    heads: list[str] = field(default_factory=list)


@contextmanager
def proxy_server(refusal: bytes | None = None) -> Iterator[Proxy]:
    """A proxy that opens tunnels, or answers each CONNECT with the refusal."""
    with listening() as server:
        proxy = Proxy(server.getsockname()[1])
        threads: list[Thread] = []
        accepting = Thread(target=_accept_all, args=(server, proxy, refusal, threads))
        accepting.start()
        try:
            yield proxy
        finally:
            server.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for thread in threads:
                thread.join()


def _accept_all(server: socket.socket, proxy: Proxy, refusal: bytes | None, threads: list[Thread]) -> None:
    with suppress(OSError):
        while True:
            client, _ = server.accept()
            threads.append(Thread(target=_serve, args=(client, proxy, refusal)))
            threads[-1].start()


def _serve(client: socket.socket, proxy: Proxy, refusal: bytes | None) -> None:
    with client:
        head = client.recv(65536).decode()
        proxy.heads.append(head)
        if refusal is not None:
            client.sendall(refusal)
            return
        host, _, port = head.split()[1].rpartition(":")
        with socket.create_connection((host, int(port))) as target:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = Thread(target=_pump, args=(target, client))
            back.start()
            _pump(client, target)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
