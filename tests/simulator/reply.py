"""Requests and replies as values, and how a reply goes over the wire."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Request:
    """One request: `path` is decoded and without the query; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def first(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        return self.query.get(name, [default])[0]


@dataclass(frozen=True, slots=True)
class Delivery:
    """How the reply is sent.

    It waits `wait_seconds`, then sends head and body in pieces of `piece_bytes` with pauses between
    them. `padding_bytes` of blanks follow the body (JSON allows them). `keep_bytes` cuts the body short
    of what its length promises. `end`: "keep" the connection, "close" it (FIN) or "reset" it (RST); a
    reply with `is_silent` sends nothing before that.
    """

    wait_seconds: float = 0.0
    piece_bytes: int = 65536
    pause_seconds: float = 0.0
    padding_bytes: int = 0
    keep_bytes: int | None = None
    chunked: bool = False
    is_silent: bool = False
    end: Literal["keep", "close", "reset"] = "keep"


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = field(default_factory=Delivery)


def json_reply(status: int, value: object) -> Reply:
    """A reply with this JSON, in UTF-8 and without blanks."""
    return Reply(
        status, json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    )


def text_reply(status: int, text: str) -> Reply:
    """A reply in plain text."""
    return Reply(status, text.encode(), "text/plain")
