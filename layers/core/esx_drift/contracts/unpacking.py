"""From gzipped bytes to bytes, within bounds: what lies in a bucket may be anybody's."""

import zlib

MAX_UNPACKED_BYTES = 32_000_000
"""Of an object that is read back. Versions before this one stored reports of up to 32 MB."""

_GZIP_WINDOW = zlib.MAX_WBITS | 16
"""zlib's way to say that there is a gzip header."""


def unpack_bounded(packed: bytes, most: int = MAX_UNPACKED_BYTES) -> bytes:
    """Unpack a gzipped object without unpacking more than is bearable: a few bytes may stand for gigabytes.

    Args:
        packed: One gzip member, as ``gzip.compress`` writes it.
        most: How many bytes may come out of it.

    Raises:
        ValueError: It is no gzip, not whole, has something behind it, or holds more.
    """
    unpacking = zlib.decompressobj(_GZIP_WINDOW)
    try:
        body = unpacking.decompress(packed, most)
        more = bool(unpacking.decompress(unpacking.unconsumed_tail, 1))
    except zlib.error as error:
        raise ValueError(f"not gzip ({error})") from error
    if more:
        raise ValueError(f"more than {most} bytes when unpacked")
    if not unpacking.eof or unpacking.unused_data:
        raise ValueError("gzip that is cut off, or has something behind it")
    return body
