"""Answers that no vCenter should give: each is told as a failure, bounded in time and size."""

import json
from collections.abc import Callable
from functools import partial

import pytest
from esx_drift.adapters.vcenter import http_client as vcenter_wire
from esx_drift.adapters.vcenter.error_answers import translate_error_answer
from esx_drift.adapters.vcenter.http_client import HttpAnswer, parse_retry_after
from esx_drift.adapters.vcenter.listings import parse_cluster, parse_host, parse_list
from esx_drift.adapters.vcenter.responses import (
    parse_identity,
    parse_report_reply,
    parse_service_version,
    parse_submission,
    parse_task,
    parse_text_body,
)
from esx_drift.errors import EsxDriftError, VCenterError, VCenterUnavailable, VCenterUnreachable
from hypothesis import given
from hypothesis import strategies as st

from tests.simulator import VCenter, fault_kinds
from tests.unit.adapters.vcenter.conftest import CALLS, CLUSTER, Door, Pki
from tests.unit.adapters.vcenter.servers import raw_server
from tests.unit.adapters.vcenter.world import NOW


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'{"messages":[]}', b'{"messages":[3]}', b'{"messages":{"a":1}}', b"[" * 99999],
)
def test_an_error_without_words_is_still_its_status(door: Door, pki: Pki, body: bytes) -> None:
    """The body of an error may be anything or nothing."""
    head = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: %d\r\n\r\n" % len(body)
    said = "no reason given|an empty body|JSON of another server|JSON that can't be read"
    with raw_server(pki.tls, head + body) as port, pytest.raises(VCenterUnavailable, match=f": ({said})$"):
        door.connect(port=port).clusters()


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("clusters", b"{}"),
        ("clusters", b"[3]"),
        ("clusters", b'[{"cluster":"domain-c9"}]'),
        ("clusters", b'[{"cluster":"","name":"a"}]'),
        ("clusters", b'{"value":[]}'),
        ("hosts", b'[{"host":"host-1","name":"a"}]'),
        ("about", b"[]"),
        ("about", b'{"about":{"instanceUuid":"x","version":8}}'),
        ("enablement", b"[]"),
        ("enablement", b'{"enabled":"yes"}'),
        ("task", b"[]"),
        ("task", b'{"status":null}'),
        ("extract", b'{"task":"x"}'),
        ("extract", b'""'),
        ("extract", b'"two words"'),
        ("extract", b'"line\\nbreak"'),
        ("clusters", b"[" * 99999),
        ("clusters", rb'"\ud83d"'),
        ("clusters", rb'[{"cluster":"domain-c9","name":"a","\ud83d":1}]'),
    ],
)
def test_json_of_another_form_is_an_error(door: Door, pki: Pki, call: str, body: bytes) -> None:
    """A 200 with JSON that the API does not describe is told as such, never a crash."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    with raw_server(pki.tls, head + body) as port, pytest.raises(VCenterError, match="answered 200 to"):
        (CALLS | {"enablement": lambda session: session.managed_by_image(CLUSTER)})[call](
            door.connect(port=port)
        )


def test_a_task_may_be_odd(door: Door, pki: Pki) -> None:
    """An unknown status, an empty parent, maps as lists, no times and no error don't break the reader."""
    info: dict[str, object] = {
        "status": "PAUSED",
        "parent": "",
        "result": [{"key": "host-17", "value": 1}],
        "start_time": "soon",
        "end_time": None,
        "error": {"messages": []},
    }
    body = json.dumps(info).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    with raw_server(pki.tls, head + body) as port:
        task = door.connect(port=port).task("t")
    assert task is not None
    assert (task.status, task.start_time, task.end_time, task.message) == ("PAUSED", None, None, None)


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.6\r\n", b"", b"HTTP/1.1 abc\r\n\r\n", b"\x00" * 100])
def test_what_speaks_no_http_is_unreachable(door: Door, pki: Pki, answer: bytes) -> None:
    """Something else may listen at the address."""
    with raw_server(pki.tls, answer) as port, pytest.raises(VCenterUnreachable):
        door.connect(port=port).clusters()


@pytest.mark.parametrize("location", ["", "https://[", "//x:99999999/", "\x01"])
def test_a_redirect_to_nowhere(door: Door, pki: Pki, location: str) -> None:
    """A Location that is missing or senseless is no crash."""
    head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    with raw_server(pki.tls, head) as port, pytest.raises(VCenterError, match="answered 302"):
        door.connect(port=port).clusters()


def test_a_dribbling_body_is_cut_off(door: Door, vcenter: VCenter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that never pauses long enough to time out is bounded as a whole."""
    monkeypatch.setattr(vcenter_wire, "BODY_SECONDS", 0.2)
    session = door.login()
    vcenter.faults.inject("GET /api/esx/*", fault_kinds.slow_body(100))
    with pytest.raises(VCenterUnreachable, match="did not end within"):
        session.installed_images(CLUSTER)


def test_a_silent_vcenter_is_given_up(door: Door, vcenter: VCenter, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer in time is told as such, and is waited for only once."""
    monkeypatch.setattr(vcenter_wire, "READ_SECONDS", 0.2)
    session = door.login()
    vcenter.faults.inject("GET /api/esx/*", fault_kinds.latency(5), times=1)
    with pytest.raises(VCenterUnreachable, match="did not answer in time") as caught:
        session.installed_images(CLUSTER)
    assert caught.value.facts == {"phase": "http"}
    assert vcenter.faults.hits("latency") == 1


NAMES = [
    "error_type",
    "messages",
    "id",
    "default_message",
    "status",
    "about",
    "cluster",
    "host",
    "name",
    "error",
]
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner),
)
READERS: list[Callable[[HttpAnswer], object]] = [
    translate_error_answer,
    parse_submission,
    parse_report_reply,
    parse_service_version,
    parse_retry_after,
    parse_text_body,
    parse_identity,
    partial(parse_task, "task-1"),
    lambda answer: [parse_cluster(item, answer) for item in parse_list(answer)],
    lambda answer: [parse_host(item, answer) for item in parse_list(answer)],
]


@given(
    body=st.binary() | ANY_JSON.map(lambda value: json.dumps(value).encode()),
    status=st.integers(100, 599),
    headers=st.dictionaries(st.sampled_from(["Location", "Retry-After", "Date"]), st.text()),
    cut=st.booleans(),
)
def test_no_answer_is_beyond_words(body: bytes, status: int, headers: dict[str, str], *, cut: bool) -> None:
    """Whatever comes, a reader gives a value or raises a failure of ours, told in one bounded line."""
    answer = HttpAnswer("vc01.corp:443", "GET /api/x", status, headers, NOW, body, cut)
    for read in READERS:
        try:
            told = read(answer)
        except EsxDriftError as error:
            told = error
        if isinstance(told, EsxDriftError):
            assert len(told.message) < 500
            assert "\n" not in told.message
