"""Documents that somebody made to hurt: read or refused, soon and within the memory of a function."""

import time
import tracemalloc

from esx_drift.contracts import read_document
from esx_drift.domain.images.report import read_report
from esx_drift.domain.images.snapshot import build_snapshot
from esx_drift.errors import ContractViolation
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.contracts.test_documents import body
from tests.unit.domain.changes.sample import sample

MAX_MB, MAX_SECONDS = 256, 10
MEGABYTE = 1_000_000

KEYS = st.integers(1, 1_000_000).map(
    lambda count: b"{" + b",".join(b'"%d":0' % number for number in range(count)) + b"}"
)
NESTED = st.tuples(st.sampled_from([b"[", b'{"a":', b'[{"a":[', b"{"]), st.integers(1, 1_000_000)).map(
    lambda part: part[0] * part[1]
)
LARGE = st.tuples(st.sampled_from([b" ", b"0", b'"', b"\\", b"\xff"]), st.integers(0, 100 * MEGABYTE)).map(
    lambda part: part[0] * part[1]
)
SURROGATES = st.lists(st.integers(0xD800, 0xDFFF), min_size=1, max_size=10_000).map(
    lambda halves: b'"' + b"".join(rb"\u%04x" % half for half in halves) + b'"'
)
WRAPPINGS = ((b"", b""), (b'{"later":', b"}"), (body(sample())[:-1] + b',"later":', b"}"))
"""By itself, in an object, and as one more field of a document that is right."""


@settings(max_examples=40, deadline=None)
@given(st.one_of(KEYS, NESTED, LARGE, SURROGATES), st.sampled_from(WRAPPINGS))
def test_a_hostile_document_is_read_or_refused(hostile: bytes, around: tuple[bytes, bytes]) -> None:
    """Never a crash, a hang, or more memory than a function has beside the bytes that came."""
    content = around[0] + hostile + around[1]
    violations: tuple[str, ...] = ()
    tracemalloc.start()
    began = time.process_time()
    try:
        build_snapshot(read_report(read_document(content)), None)
    except ContractViolation as error:
        violations = error.violations
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert time.process_time() - began < MAX_SECONDS
    assert all(len(line) < 1_000 for line in violations)
    assert peak < MAX_MB * MEGABYTE
