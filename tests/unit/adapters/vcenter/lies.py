"""What a hostile or broken vCenter, or whatever stands in its place, may answer to any call."""

import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat

from tests.unit.adapters.vcenter.servers import dribbled

FLOOD_BYTES = 32_000_000
PIECE_BYTES = 64 * 1024

type Lie = Callable[[bytes], Iterable[bytes]]
"""The pieces that are sent instead of an answer with this body, which would be the truth."""


def answer(body: bytes, status: bytes = b"200 OK", *headers: bytes) -> bytes:
    """An answer with this body."""
    head = b"".join(header + b"\r\n" for header in (*headers, b"Content-Length: %d" % len(body)))
    return b"HTTP/1.1 %b\r\n%b\r\n%b" % (status, head, body)


def _say(body: bytes, status: bytes = b"200 OK", *headers: bytes) -> Lie:
    return lambda _: [answer(body, status, *headers)]


def _alter(change: Callable[[bytes], bytes]) -> Lie:
    return lambda body: [answer(change(body))]


def _send(raw: bytes) -> Lie:
    return lambda body: [raw.replace(b"BODY", body)]


def _flood(begin: bytes, piece: bytes) -> Lie:
    """A body of 32 MB, made while it is sent."""

    def send(_: bytes) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (FLOOD_BYTES, begin)
        pieces = piece * (PIECE_BYTES // len(piece))
        yield from repeat(pieces, FLOOD_BYTES // len(pieces))

    return send


def _error(status: bytes, error_type: str | None, text: str = "Some text.") -> Lie:
    messages = [{"id": "some.id", "default_message": text, "args": []}]
    return _say(json.dumps({"error_type": error_type, "messages": messages}).encode(), status)


OTHER_JSON = {
    "null": b"null",
    "a number": b"-1e999",
    "a whole number without end": b"9" * 3000,
    "true": b"true",
    "an empty text": b'""',
    "a text": b'"domain-c9"',
    "a header in a text": b'"a\\r\\nvmware-api-session-id: b"',
    "dots": b'".."',
    "half a surrogate": b'"\\ud83d"',
    "half a surrogate as a name": b'[{"\\udc00":{"\\ud83d":[]}}]',
    "an empty list": b"[]",
    "lists of nothing": b"[[],null,3]",
    "an empty object": b"{}",
    "objects of nothing": b"[{}]",
    "clusters": b'[{"cluster":"domain-c9","name":"prod-a"}]',
    "hosts": b'[{"host":"host-1","name":"a","connection_state":"CONNECTED","power_state":"POWERED_ON"}]',
    "a host of odd types": b'[{"host":["host-1"],"name":{},"connection_state":7,"power_state":[]}]',
    "control characters": b'[{"cluster":"\\u0000","host":"\\u001b[2J","name":"\\u202e"}]',
    "about": b'{"about":{"instanceUuid":"x","version":"8.0.3","build":"1"}}',
    "an about of odd types": b'{"about":{"instanceUuid":[],"version":8,"build":null}}',
    "a task": b'{"status":"SUCCEEDED","start_time":"9999-12-31T23:59:59-12:00","error":[]}',
    "enablement": b'{"enabled":"yes"}',
    "a name twice": b'{"status":"RUNNING","status":"SUCCEEDED","enabled":true,"enabled":false}',
    "no number": b'{"status":NaN,"enabled":Infinity}',
    "nested too deep": b"[" * 4000,
}
LIES: dict[str, Lie] = {
    **{name: _say(body) for name, body in OTHER_JSON.items()},
    "nothing": _say(b""),
    "no text": _say(b"\xff\xfe\x00"),
    "a page": _say(
        b"<!DOCTYPE html><html><title>Login</title></html>", b"200 OK", b"Content-Type: text/html"
    ),
    "a byte order mark": _alter(lambda body: b"\xef\xbb\xbf" + body),
    "UTF-16": _alter(lambda body: body.decode().encode("utf-16")),
    "cut JSON": _alter(lambda body: body[:-1]),
    "more behind it": _alter(lambda body: body + b"{}"),
    "204": _say(b"", b"204 No Content"),
    "206": _say(b"[]", b"206 Partial Content"),
    "301 to a link-local address": _say(b"", b"301 Moved", b"Location: http://169.254.169.254/latest"),
    "302 to nowhere": _say(b"", b"302 Found", b"Location: https://["),
    "304": _send(b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    "400": _error(b"400 Bad Request", "INVALID_ARGUMENT"),
    "401 of a stranger": _say(b"", b"401 Unauthorized", b"WWW-Authenticate: Negotiate"),
    "401": _error(b"401 Unauthorized", "UNAUTHENTICATED"),
    "403": _error(b"403 Forbidden", "UNAUTHORIZED"),
    "404": _error(b"404 Not Found", "NOT_FOUND"),
    "404 page": _say(b"<html>nginx</html>", b"404 Not Found", b"Server: nginx"),
    "407": _say(b"", b"407 Proxy Authentication Required"),
    "409": _error(b"409 Conflict", None),
    "429 for ever": _say(b"", b"429 Too Many Requests", b"Retry-After: 99999999999"),
    "500": _error(b"500 Internal Server Error", "ERROR"),
    "500 with 60 kB of words": _error(b"500 Internal Server Error", "ERROR", "very \n" * 10_000),
    "503 at once again": _say(b"", b"503 Service Unavailable", b"Retry-After: 0"),
    "503 with senseless words": _say(b'{"messages":[3]}', b"503 \x00\xff", b"Retry-After: soon"),
    "999": _say(b"", b"999 Whatever"),
    "no HTTP": _send(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "no status": _send(b"HTTP/1.1 abc\r\n\r\nBODY"),
    "HTTP/0.9": _send(b"BODY"),
    "103 and nothing": _send(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "101": _send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
    "silence": _send(b""),
    "too long a length": _send(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\nBODY"),
    "too short a length": _send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nBODY"),
    "a length below nothing": _send(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nBODY"),
    "two lengths": _send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nBODY"),
    "no length": _send(b"HTTP/1.1 200 OK\r\n\r\nBODY"),
    "chunks that are none": _send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nBODY"),
    "a chunk without end": _send(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 15 + b"\r\nBODY"
    ),
    "gzip that is none": _say(b"BODY", b"200 OK", b"Content-Encoding: gzip"),
    "a bomb": _say(gzip.compress(bytes(200_000_000), 9), b"200 OK", b"Content-Encoding: gzip"),
    "a bomb of an error": _say(gzip.compress(bytes(50_000_000), 9), b"500 Bomb", b"Content-Encoding: gzip"),
    "1,000 headers": _send(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000 + b"\r\nBODY"),
    "a long header": _send(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\nBODY"),
    "headers that are none": _send(b"HTTP/1.1 200 OK\r\n: \r\n \r\n\x00\xff\r\n\r\nBODY"),
    "a Date beyond all years": _send(b"HTTP/1.1 200 OK\r\nDate: Fri, 31 Dec 9999 23:59:59 -0800\r\n\r\nBODY"),
    "a flood of lists": _flood(b"", b"["),
    "a flood of objects": _flood(b"[", b"{},"),
    "a flood of numbers": _flood(b"[", b"1,"),
    "a flood of fields": _flood(b"", b'{"":'),
    "a flood of text": _flood(b'"', b"x"),
}
"""By name. Whoever tells one hangs up after it."""

DRIBBLES: dict[str, Lie] = {
    "headers that dribble": lambda body: dribbled(answer(body, b"200 OK", b"X: " + b"y" * 2000)),
    "a body that dribbles": lambda body: dribbled(answer(body + b" " * 2000), fast_bytes=50),
}
"""What never ends, a byte at a time."""
