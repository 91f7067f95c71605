"""How much of an answer is read, and what is made of ids and names that no vCenter makes."""

import json
from collections.abc import Callable

import pytest
from esx_drift.adapters.vcenter.http_client import HttpAnswer
from esx_drift.adapters.vcenter.listings import parse_cluster
from esx_drift.adapters.vcenter.session import RestSession as Session
from esx_drift.contracts import parse_json
from esx_drift.contracts.json_parsing import MAX_VALUES
from esx_drift.domain.stored.identifiers import encode_canonical_json
from esx_drift.domain.vcenter_api import (
    MAX_ABOUT_BYTES,
    MAX_CLUSTER_HOSTS,
    MAX_ENABLEMENT_BYTES,
    MAX_ERROR_BYTES,
    MAX_HOST_UUIDS_BYTES,
    MAX_LISTED_CHARACTERS,
    MAX_LISTED_CLUSTERS,
    MAX_LISTING_BYTES,
    MAX_REPORT_BYTES,
    MAX_STANDALONE_HOSTS,
    MAX_TASK_BYTES,
    MAX_TOKEN_BYTES,
    is_usable_id,
)
from esx_drift.errors import VCenterError, VCenterUnavailable
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.adapters.vcenter.conftest import CALLS, CLUSTER, Door, Pki
from tests.unit.adapters.vcenter.servers import raw_server
from tests.unit.adapters.vcenter.world import NOW

LISTING = b'[{"cluster":"domain-c9","name":"prod-a"}'
BOUNDED: dict[str, tuple[Callable[[Session], object], int, bytes]] = {
    "login": (lambda session: session.login(), MAX_TOKEN_BYTES, b'"token"'),
    "extract": (CALLS["extract"], MAX_TOKEN_BYTES, b'"task-1"'),
    "about": (
        CALLS["about"],
        MAX_ABOUT_BYTES,
        b'{"about":{"instanceUuid":"x","version":"8.0.3","build":"1"}}',
    ),
    "clusters": (CALLS["clusters"], MAX_LISTING_BYTES, LISTING + b"]"),
    "hosts": (CALLS["hosts"], MAX_LISTING_BYTES, b"[]"),
    "host_uuids": (CALLS["host_uuids"], MAX_HOST_UUIDS_BYTES, b'{"objects":[]}'),
    "standalone_hosts": (CALLS["standalone_hosts"], MAX_LISTING_BYTES, b"[]"),
    "task": (CALLS["task"], MAX_TASK_BYTES, b'{"status":"RUNNING"}'),
    "managed_by_image": (
        lambda session: session.managed_by_image(CLUSTER),
        MAX_ENABLEMENT_BYTES,
        b'{"enabled":true}',
    ),
}


def ok(body: bytes, status: bytes = b"200 OK") -> bytes:
    """The answer with this body."""
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body


@pytest.mark.parametrize("name", BOUNDED)
def test_each_call_reads_so_many_bytes_and_no_more(door: Door, pki: Pki, name: str) -> None:
    """At the bound the answer is taken; with one byte more it is the vCenter's fault, and says the bound."""
    call, most, body = BOUNDED[name]
    with raw_server(pki.tls, ok(body.ljust(most))) as port:
        call(door.connect(port=port))
    with (
        raw_server(pki.tls, ok(body.ljust(most + 1))) as port,
        pytest.raises(VCenterError, match=f"with more than {most} bytes"),
    ):
        call(door.connect(port=port))
    for session in door.opened:
        session._token = None  # noqa: SLF001 -- that server is gone


def test_of_a_report_the_beginning_is_read(door: Door, pki: Pki) -> None:
    """What is not read is not kept either; that there was more is said."""
    report = b'{"completion_time": 0}'
    with raw_server(pki.tls, ok(report.ljust(MAX_REPORT_BYTES + 1))) as port:
        reply = door.connect(port=port).installed_images(CLUSTER)
    assert (len(reply.body), reply.cut) == (MAX_REPORT_BYTES, True)
    with raw_server(pki.tls, ok(report.ljust(MAX_REPORT_BYTES))) as port:
        assert not door.connect(port=port).installed_images(CLUSTER).cut


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_an_error_is_never_long(door: Door, pki: Pki, call: Callable[[Session], object]) -> None:
    """Also where the call has little to say: an error is told in full, and a flood by its status."""
    text = "y" * (2 * MAX_TOKEN_BYTES)
    error = json.dumps({"messages": [{"id": "x", "default_message": text, "args": []}]}).encode()
    for body in (error, error.rjust(MAX_ERROR_BYTES + 1)):
        with raw_server(pki.tls, ok(body, b"503 Busy")) as port, pytest.raises(VCenterUnavailable) as caught:
            call(door.connect(port=port))
        assert ("yyy" in caught.value.message) == (body is error)
        assert len(caught.value.message) < 600


@pytest.mark.parametrize("piece", [b"[],", b"{},", b"1,", b'{"":0},', b"[0],"])
def test_many_values_are_refused_before_they_are_made(door: Door, pki: Pki, piece: bytes) -> None:
    """The bytes would be few enough; what they become would not."""
    body = b"[" + piece * MAX_VALUES + b"0]"
    with (
        raw_server(pki.tls, ok(body)) as port,
        pytest.raises(VCenterError, match=f"expected at most {MAX_VALUES} values, got more"),
    ):
        door.connect(port=port).clusters()


@pytest.mark.parametrize(
    ("call", "most", "item"),
    [
        ("clusters", MAX_LISTED_CLUSTERS, {"cluster": "domain-c{}", "name": "x"}),
        ("hosts", MAX_CLUSTER_HOSTS, {"host": "host-{}", "name": "x", "connection_state": "CONNECTED"}),
        (
            "standalone_hosts",
            MAX_STANDALONE_HOSTS,
            {"host": "host-{}", "name": "x", "connection_state": "CONNECTED"},
        ),
    ],
)
def test_more_objects_than_vsphere_holds_are_no_listing(
    door: Door, pki: Pki, call: str, most: int, item: dict[str, str]
) -> None:
    """At the bound they are taken; the same object twice counts once."""
    text = json.dumps(item)
    listing = [text.replace("{}", str(number)) for number in range(most)]
    with raw_server(pki.tls, ok(f"[{','.join([*listing, listing[0]])}]".encode())) as port:
        CALLS[call](door.connect(port=port))
    listing.append(text.replace("{}", "more"))
    with (
        raw_server(pki.tls, ok(f"[{','.join(listing)}]".encode())) as port,
        pytest.raises(VCenterError, match=f"with more than {most} objects"),
    ):
        CALLS[call](door.connect(port=port))


@pytest.mark.parametrize(
    ("cluster", "name", "expected"),
    [
        ("domain-c9", "prod\\ud83d\\u0000", ("domain-c9", "prod\ufffd\ufffd")),
        ("domain-c9", "x" * 1_000_000, ("domain-c9", "x" * MAX_LISTED_CHARACTERS)),
        ("domain-c\\ud83d", "prod-b", ("@unusable domain-c\ufffd", "prod-b")),
        ("c" * 1_000_000, "prod-b", (f"@unusable {'c' * 79}…", "prod-b")),
    ],
    ids=["odd name", "long name", "half a surrogate", "long id"],
)
def test_one_odd_entry_leaves_the_others_as_they_are(
    door: Door, pki: Pki, cluster: str, name: str, expected: tuple[str, str]
) -> None:
    """Its name is cut and cleaned; an id that can't be used is replaced by one that says so."""
    listing = f'[{{"cluster":"{cluster}","name":"{name}"}},{{"cluster":"domain-c7","name":"prod-a"}}]'
    with raw_server(pki.tls, ok(listing.encode())) as port:
        odd, well = door.connect(port=port).clusters()
    assert (odd.id, odd.name) == expected
    assert (well.id, well.name) == ("domain-c7", "prod-a")


def test_a_host_whose_id_is_of_no_use_ends_its_clusters_look(door: Door, pki: Pki) -> None:
    """It can't be found in the report; to leave it out would be to overlook it."""
    listing = rb'[{"host":"host-\ud83d","name":"a","connection_state":"CONNECTED"}]'
    with (
        raw_server(pki.tls, ok(listing)) as port,
        pytest.raises(VCenterError, match="with a host whose id is of no use: host-\ufffd"),
    ):
        door.connect(port=port).hosts(CLUSTER)


@pytest.mark.parametrize("version", ["9" * 5_000, "8.0\\n3", "\\ud83d"])
def test_a_release_is_bounded(door: Door, pki: Pki, version: str) -> None:
    """A version of thousands of digits is no number that could be compared."""
    about = f'{{"about":{{"instanceUuid":"x","version":"{version}","build":"1"}}}}'
    with raw_server(pki.tls, ok(about.encode())) as port, pytest.raises(VCenterError) as caught:
        door.connect(port=port).about()
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    "date",
    [b"Fri, 31 Dec 9999 23:59:59 -0800", b"1 Jan 99999 0:0:0 +0000"],
)
def test_a_date_beyond_all_years_is_none(door: Door, pki: Pki, date: bytes) -> None:
    """UTC has no such year: our own clock stands in for it."""
    answer = b"HTTP/1.1 200 OK\r\nDate: " + date + b'\r\nContent-Length: 22\r\n\r\n{"completion_time": 0}'
    with raw_server(pki.tls, answer) as port:
        assert door.connect(port=port).installed_images(CLUSTER).date == NOW


ANY_TEXT = st.text(st.characters(codec=None), min_size=1) | st.sampled_from(["@", ".", "..", "x" * 400])


@given(ANY_TEXT, ANY_TEXT)
def test_whatever_is_listed_can_be_written_anywhere(cluster: str, name: str) -> None:
    """Into a key, a message of a queue and a record; a usable id stays what it is."""
    answer = HttpAnswer("vc", "GET /", 200, {}, NOW, b"", cut=False)
    listed = parse_cluster({"cluster": cluster, "name": name}, answer)
    for text in (listed.id, listed.name):
        assert parse_json(encode_canonical_json(text)) == text
        assert len(text) <= MAX_LISTED_CHARACTERS
    assert (listed.id == cluster) == is_usable_id(cluster) == is_usable_id(listed.id)
