"""Servers on loopback that do what no vCenter does: raw bytes, dribble, silence, and a proxy in between."""

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread

from tests.simulator import Tls

HOST = "127.0.0.1"


@contextmanager
def listening(backlog: int = 8) -> Iterator[socket.socket]:
    """A socket that listens and does nothing else."""
    with socket.create_server((HOST, 0), backlog=backlog) as server:
        yield server


type Reply = Callable[[bytes], Iterable[bytes]]
"""The pieces that answer a request, each sent by itself."""


def raw_server(tls: Tls, answer: bytes) -> AbstractContextManager[int]:
    """Answers each connection's first request with these bytes and hangs up; gives its port."""
    return replying(tls, lambda _: [answer])


@contextmanager
def replying(tls: Tls, reply: Reply) -> Iterator[int]:
    """Answers each connection's first request with these pieces and hangs up; gives its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    with listening() as server:
        thread = Thread(target=_answer_all, args=(server, context, reply))
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _receive(connection: socket.socket) -> bytes:
    """A request with its body: hanging up on bytes that nobody read resets a connection."""
    request = connection.recv(65536)
    length = re.search(rb"\r\nContent-Length: ([0-9]+)\r\n", request)
    missing = int(length[1]) - len(request.partition(b"\r\n\r\n")[2]) if length else 0
    while missing > 0 and (more := connection.recv(missing)):
        request, missing = request + more, missing - len(more)
    return request


def _answer_all(server: socket.socket, context: ssl.SSLContext, reply: Reply) -> None:
    with suppress(OSError):
        while True:
            connection, _ = server.accept()
            with suppress(OSError), context.wrap_socket(connection, server_side=True) as wrapped:
                for piece in reply(_receive(wrapped)):
                    wrapped.sendall(piece)


def dribbled(data: bytes, pause_seconds: float = 0.05, fast_bytes: int = 0) -> Iterator[bytes]:
    """The data byte by byte, with a pause before each; the first ``fast_bytes`` come at once."""
    yield data[:fast_bytes]
    for value in data[fast_bytes:]:
        time.sleep(pause_seconds)  # the pace is what is tested
        yield bytes([value])


def answer_of(address: tuple[str, int], request: bytes) -> bytes:
    """What the TLS server at the address answers; it is asked to hang up after it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(address) as connection,
        context.wrap_socket(connection) as wrapped,
        wrapped.makefile("rb") as answer,
    ):
        wrapped.sendall(request.replace(b"keep-alive", b"close"))
        return answer.read()


@dataclass(slots=True)
class Proxy:
    """An HTTP proxy's port, and the head of each CONNECT that it got."""

    port: int
    heads: list[str] = field(default_factory=list)


@contextmanager
def proxy_server(refusal: bytes | Iterable[bytes] | None = None) -> Iterator[Proxy]:
    """A proxy that opens tunnels, or answers each CONNECT with the refusal, given whole or in pieces."""
    with listening() as server:
        proxy = Proxy(server.getsockname()[1])
        threads: list[Thread] = []
        pieces = [refusal] if isinstance(refusal, bytes) else refusal
        accepting = Thread(target=_accept_all, args=(server, proxy, pieces, threads))
        accepting.start()
        try:
            yield proxy
        finally:
            server.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for thread in threads:
                thread.join()


def _accept_all(
    server: socket.socket, proxy: Proxy, refusal: Iterable[bytes] | None, threads: list[Thread]
) -> None:
    with suppress(OSError):
        while True:
            client, _ = server.accept()
            threads.append(Thread(target=_serve, args=(client, proxy, refusal)))
            threads[-1].start()


def _serve(client: socket.socket, proxy: Proxy, refusal: Iterable[bytes] | None) -> None:
    with client, suppress(OSError):
        head = client.recv(65536).decode()
        proxy.heads.append(head)
        if refusal is not None:
            for piece in refusal:
                client.sendall(piece)
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
