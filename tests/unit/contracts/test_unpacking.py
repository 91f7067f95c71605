"""What is packed in a bucket: it may be anything, and a few bytes may stand for gigabytes."""

import gzip

import pytest
from esx_drift.contracts.unpacking import MAX_UNPACKED_BYTES, unpack_bounded
from hypothesis import given
from hypothesis import strategies as st


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
