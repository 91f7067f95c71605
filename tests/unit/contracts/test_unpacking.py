"""What is packed in a bucket: it may be anything, and a few bytes may stand for gigabytes."""

import gzip
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from esx_drift.cli.status_hosts import list_host_rows
from esx_drift.contracts.unpacking import (
    MAX_UNPACKED_BYTES,
    parse_record,
    parse_snapshot,
    require_unchanged,
    unpack_blob,
    unpack_bounded,
)
from esx_drift.domain.images.image import format_part_version
from esx_drift.domain.stored.identifiers import compute_sha256
from esx_drift.errors import ContractViolation, TrailDamaged
from hypothesis import given
from hypothesis import strategies as st

from tests.paths import GOLDEN


@given(st.binary(max_size=300), st.integers(1, 300))
def test_what_was_packed_is_unpacked_up_to_a_bound(body: bytes, most: int) -> None:
    """At the bound it is given whole, and with one byte more not at all."""
    packed = gzip.compress(body)
    if len(body) <= most:
        assert unpack_bounded(packed, most) == body
    else:
        with pytest.raises(ValueError, match=f"more than {most} bytes"):
            unpack_bounded(packed, most)


@given(st.binary(max_size=300), st.data())
def test_no_part_passes_for_the_whole(body: bytes, data: st.DataObject) -> None:
    """Cut off anywhere, with something behind it, or spoilt in the middle: it is damage, by one name."""
    packed = gzip.compress(body)
    at = data.draw(st.integers(0, len(packed) - 1))
    for damaged in (packed[:at], packed + b"x", packed + packed, body[:at] + b"no gzip"):
        with pytest.raises(ValueError, match="gzip"):
            unpack_bounded(damaged)


def test_a_bomb_is_not_unpacked() -> None:
    """A few kilobytes stand for many megabytes: no more of them are made than the bound."""
    bomb = gzip.compress(bytes(2 * MAX_UNPACKED_BYTES), 9)
    assert len(bomb) < MAX_UNPACKED_BYTES / 500
    with pytest.raises(ValueError, match="more than 32000000 bytes when unpacked"):
        unpack_bounded(bomb)


KEY = f"snapshots/{compute_sha256(b'body')}.json.gz"


def test_bytes_are_those_that_are_named() -> None:
    """By the key, or by what the log says beside it."""
    assert require_unchanged(KEY, b"body") == b"body"
    assert require_unchanged("reports/1", b"body", compute_sha256(b"body")) == b"body"
    for key, body, sha256, said in (
        (KEY, None, None, "is not there, though the log names it"),
        (KEY, b"other", None, "another sha256 than its name"),
        ("reports/1", b"other", compute_sha256(b"body"), "another sha256 than the log names"),
    ):
        with pytest.raises(TrailDamaged, match=said) as refused:
            require_unchanged(key, body, sha256)
        assert refused.value.key == key
    with pytest.raises(TrailDamaged, match="can't be unpacked: not gzip"):
        unpack_blob(KEY, b"body")


SNAPSHOT: dict[str, Any] = {
    "schema_version": 2,
    "images": {
        "i1": {
            "main": {"base_image": "8.0.3-0.60.24585383", "add_on": {"name": "HPE", "version": "1"}},
            "alternatives": {"gpu": {"base_image": "8.0.3-0.60.24585383"}},
        }
    },
    "labels": {
        "base_image": {
            "8.0.3-0.60.24585383": {"display_name": "ESXi", "display_version": "8.0 U3d - 24585383"}
        }
    },
    "hosts": {
        "host-16": {"name": "esx01", "image": "i1", "orphaned_vibs": ["smntemp(1)"], "witness": False},
        "host-17": {"name": "esx02", "image": None, "orphaned_vibs": None, "witness": False},
    },
}
DEEP = b'{"a":' * 60_000 + b"1" + b"}" * 60_000
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def list_places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 -- any JSON
    """Where something stands in a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in inside for place in list_places(each, (*path, key)))]


def test_a_snapshot_is_read_as_it_is() -> None:
    """With all that it says."""
    assert parse_snapshot(KEY, json.dumps(SNAPSHOT).encode()) == SNAPSHOT


STORED_BEFORE = sorted((GOLDEN / "stored").glob("v*/audit/snapshots/**/*.json.gz"))


@pytest.mark.parametrize("path", STORED_BEFORE, ids=lambda path: path.name[:8])
def test_a_snapshot_of_a_version_before_is_read(path: Path) -> None:
    """And its hosts are shown with the names of their releases."""
    snapshot = parse_snapshot(path.name, gzip.decompress(path.read_bytes()))
    rows = [row for row in list_host_rows(None, snapshot) if row.base_image is not None]
    assert rows
    assert {(row.release or "")[:8] for row in rows} == {"ESXi 8.0"}


GONE = object()


@given(st.sampled_from(list_places(SNAPSHOT)), ANYTHING | st.just(GONE))
def test_a_snapshot_that_is_read_can_be_computed_with(place: tuple[Any, ...], other: object) -> None:
    """Whatever stands anywhere in it: it is refused by its key, or shows its hosts."""
    document: dict[str, Any] = {"all": deepcopy(SNAPSHOT)}
    inside: Any = document
    *way, last = ("all", *place)
    for step in way:
        inside = inside[step]
    inside[last] = other
    if other is GONE:
        del inside[last]
    try:
        snapshot = parse_snapshot(KEY, json.dumps(document.get("all")).encode())
    except TrailDamaged:
        return
    assert {row.host for row in list_host_rows(None, snapshot)} == snapshot["hosts"].keys()
    assert all(format_part_version(each) for image in snapshot["images"].values() for each in image["main"])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[]", "it has another form"),
        (b"{", "Expecting property name"),
        (DEEP, "it is nested too deep"),
        (b"[" * 100 + b"]" * 100, "at most 64 levels"),
        (b'{"images": Infinity}', "Out of range float values"),
        (b'{"images": 1e999}', "Out of range float values"),
        (json.dumps({**SNAPSHOT, "images": {}}).encode(), "a host runs an image that is not in it"),
        (json.dumps({**SNAPSHOT, "images": {"i1": {"main": {}, "alternatives": {}}}}).encode(), "base image"),
        (json.dumps({**SNAPSHOT, "labels": {"base_image": {"8": {}}}}).encode(), "a release has no name"),
        (json.dumps({**SNAPSHOT, "hosts": {"h": {"name": 1, "witness": False}}}).encode(), "has no name"),
        (
            json.dumps(
                {
                    **SNAPSHOT,
                    "hosts": {"h": {"name": "h", "witness": True, "image": None, "orphaned_vibs": [1]}},
                }
            ).encode(),
            "an orphaned VIB has no name",
        ),
        (json.dumps({**SNAPSHOT, "schema_version": "2"}).encode(), "it has no version"),
    ],
)
def test_what_is_wrong_with_a_snapshot_is_said(body: bytes, said: str) -> None:
    """With its key."""
    with pytest.raises(TrailDamaged, match=said) as refused:
        parse_snapshot(KEY, body)
    assert refused.value.key == KEY


@pytest.mark.parametrize(
    ("body", "said"), [(b"{", "Expecting"), (b"[]", "not a valid record"), (DEEP, "too deep")]
)
def test_a_record_that_is_none_is_refused_in_few_words(body: bytes, said: str) -> None:
    """Whoever names it says which it is."""
    with pytest.raises(ContractViolation, match=said) as refused:
        parse_record(body)
    assert len(str(refused.value)) <= 200
