"""What is believed of a document, and how the rest is refused."""

import json
import random
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any, cast
from unittest.mock import patch

import pytest
from esx_drift.contracts import (
    UNREADABLE_TEXT,
    list_unknown_fields,
    list_violations,
    parse_json,
    read_document,
    require_valid,
)
from esx_drift.contracts import json_parsing as parsing
from esx_drift.contracts.json_parsing import MAX_BYTES, MAX_VALUES
from esx_drift.contracts.validators import closed_validator, fast_validator, load_schemas, reference_validator
from esx_drift.domain.images.document import list_error_texts
from esx_drift.domain.images.report import read_report
from esx_drift.domain.images.snapshot import build_snapshot
from esx_drift.errors import ContractViolation
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.paths import GOLDEN
from tests.unit.domain.changes.clusters import Wire, document_of
from tests.unit.domain.changes.sample import sample
from tests.unit.domain.changes.strategies import clusters

SCHEMA = "installed-images"
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
TIMES = st.from_regex(
    r"[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]+)?"
    r"(Z|z|[+-][0-2][0-9]:[0-6][0-9])?"
)


def body(document: object) -> bytes:
    """As sent."""
    return json.dumps(document).encode()


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 -- any JSON
    """Every place in it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for name, part in inner for place in places(part, (*at, name)))]


PLACES = places(sample())


def with_put(place: tuple[Any, ...], value: object) -> Any:  # noqa: ANN401 -- any JSON
    """The sample with something else at a place."""
    if not place:
        return value
    document = sample()
    holder: Any = document
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = deepcopy(value)
    return document


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(PLACES),
    JSON | TIMES | st.sampled_from([[{"key": "a", "value": {}}], ["a", "a"], 10**4_000]),
)
def test_the_quick_validators_never_accept_what_the_reference_refuses(
    place: tuple[Any, ...], value: object
) -> None:
    """Both may be stricter, which costs time, but never more lenient."""
    document = with_put(place, value)
    accepted = fast_validator(SCHEMA).is_valid(document)
    if accepted:
        assert reference_validator(SCHEMA).is_valid(document)
        assert list_violations(SCHEMA, document) == []
    if closed_validator(SCHEMA).is_valid(document):
        assert accepted
        assert list_unknown_fields(document) == []


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=60),
        st.builds(with_put, st.sampled_from(PLACES), JSON | TIMES).map(body),
        st.tuples(st.integers(0, 20_000), st.integers(0, 255)).map(
            lambda flip: bytes(
                flip[1] if number == flip[0] else byte for number, byte in enumerate(body(sample()))
            )
        ),
    )
)
def test_any_bytes_give_a_snapshot_or_a_contract_violation(content: bytes) -> None:
    """And a violation says where and what."""
    try:
        build_snapshot(read_report(read_document(content)), None)
    except ContractViolation as error:
        lines = error.violations
    else:
        return
    assert lines
    assert all(": expected " in line and ", got " in line and len(line) < 1_000 for line in lines)


@settings(max_examples=60, deadline=None)
@given(clusters())
def test_every_document_that_obeys_the_api_is_accepted(cluster: Any) -> None:  # noqa: ANN401 -- a model
    """By the gate, by the authority, and without a notice."""
    document = document_of(cluster)
    require_valid(SCHEMA, document)
    assert list_violations(SCHEMA, document) == []
    later = any("OF_A_LATER_RELEASE" in json.dumps(model.software) for model in cluster.hosts.values())
    assert bool(list_unknown_fields(read_document(body(document)))) == later


SPELLINGS = (
    lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False),
    lambda value: json.dumps(value, separators=(",", ":")),
    json.dumps,
)


@settings(max_examples=300, deadline=None)
@given(JSON | st.text(st.characters(codec=None), max_size=5), st.sampled_from(SPELLINGS), st.data())
def test_reading_quickly_gives_what_reading_strictly_does(
    value: object, spelt: Callable[[object], str], data: st.DataObject
) -> None:
    """The same value or the same refusal, however a text is spelt, and with a byte put in or taken out."""
    content = spelt(value).encode("utf-8", "surrogatepass")
    at = data.draw(st.integers(0, len(content)))
    content = content[:at] + data.draw(st.binary(max_size=2)) + content[at + data.draw(st.integers(0, 1)) :]
    with patch.object(parsing, "_decode_if_lossless", lambda _: None):
        strictly = outcome(content)
    assert outcome(content) == strictly


def outcome(content: bytes) -> str:
    """The value, numbers of different types told apart; or the refusal."""
    try:
        return repr(parse_json(content))
    except ContractViolation as error:
        return error.message


TWICE = ({"a": 1}, {"b": [{"a": 1}, {}]}, {"a": {'"': 1}})


@pytest.mark.parametrize("value", TWICE)
@pytest.mark.parametrize("spelt", SPELLINGS)
def test_a_field_that_is_there_twice_is_never_read(value: object, spelt: Callable[[object], str]) -> None:
    """However deep it is, and whatever else makes up for it in the length of the text."""
    for twice in (b'"a":1,"a":', b'"a": 1, "a": ', b'"a":"\\u0022:","a":'):
        content = spelt(value).encode().replace(b'"a": ', b'"a":').replace(b'"a":', twice)
        with pytest.raises(ContractViolation, match="twice"):
            parse_json(content)


REFUSED: dict[str, tuple[bytes, str]] = {
    "too large": (b" " * (MAX_BYTES + 1), "at most 8000000 bytes"),
    "too many values": (b"[" + b"0," * MAX_VALUES + b"0]", "at most 500000 values"),
    "too many fields": (b'{"":' * (MAX_VALUES // 2) + b"0,0", "at most 500000 values"),
    "too deep": (b"[" * 65 + b"]" * 65, "at most 64 levels"),
    "far too deep": (b"[" * MAX_VALUES, "levels"),
    "deep objects": (b'{"a":' * 70 + b"1" + b"}" * 70, "at most 64 levels"),
    "a field twice": (b'{"a":1,"b":2,"a":3}', 'the field "a" twice'),
    "a field twice, late": (
        b"{" + b",".join(b'"%d":0' % number for number in range(200_000)) + b',"7":1}',
        'the field "7" twice',
    ),
    "NaN": (b"[NaN]", "got NaN"),
    "infinity": (b"[-Infinity]", "got -Infinity"),
    "no double": (b"[1e999]", "got 1e999"),
    "digits": (b"9" * 5_000, "thousands of digits"),
    "half a pair": (rb'["\ud83d"]', "half of a surrogate pair"),
    "half a pair in a name": (rb'{"\ud83d":1}', "half of a surrogate pair"),
    "half a pair, deep": (rb'["\ud83d",' + b"[" * 900 + b"]" * 900 + b"]", "half of a surrogate pair"),
    "UTF-16": ("{}".encode("utf-16"), "not UTF-8 at position 0"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "BOM"),
    "cut off": (b'{"a":', "line 1 column 6"),
    "an HTML page": (b"<html>no healthy upstream</html>", "line 1 column 1"),
    "nothing": (b"", "line 1 column 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_schema_sees_is_refused_cheaply(name: str) -> None:
    """Before validating, within moments, and in words."""
    content, expected = REFUSED[name]
    started = time.process_time()
    with pytest.raises(ContractViolation) as refused:
        parse_json(content)
    assert time.process_time() - started < 2
    assert expected in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 64 + b"]" * 64,
        rb'["\ud83d\ude00"]',
        b'{"a":{"a":[]},"b":{"a":1}}',
        b"[" + b"0," * (MAX_VALUES - 1) + b"0]",
        b"0".ljust(MAX_BYTES),
    ],
    ids=["levels", "a pair", "a name in two objects", "values", "bytes"],
)
def test_what_is_still_fine_is_read(content: bytes) -> None:
    """At the limits."""
    assert parse_json(content) == json.loads(content)


def test_quadratic_traps_are_none() -> None:
    """A set of things that can be neither sorted nor hashed takes no quadratic time to be refused."""
    trap = [{"a": number} if number % 2 else number for number in range(20_000)]
    document = with_put(("image_categories", "most_widely_used_image", "host_list"), trap)
    started = time.process_time()
    assert list_violations(SCHEMA, document)
    assert time.process_time() - started < 10


def without(*names: str) -> Callable[[Wire], None]:
    """Takes fields out."""

    def edit(document: Wire) -> None:
        for name in names:
            del document[name]

    return edit


HARDWARE = (
    "image_categories",
    "most_widely_used_image",
    "software_info",
    "alternative_images",
    "by-hardware",
)
CRITERIA = (*HARDWARE, "selection_criteria")
ERROR = ("notifications", "EXTRACT_INSTALLED_IMAGE", "errors", 0)
INFO = ("notifications", "EXTRACT_INSTALLED_IMAGE", "info", 0)
STRICT = [
    (("successful_hosts",), "host-1", "/successful_hosts: expected a list"),
    (("successful_hosts", 0), 1, "/successful_hosts/0: expected a text, got 1"),
    (("completion_time",), "2026-11-23 02:13:20Z", "/completion_time: expected a valid date-time"),
    (("completion_time",), "2026-11-23T02:13:20", "/completion_time: expected a valid date-time"),
    (("completion_time",), "2026-02-30T02:13:20Z", "/completion_time: expected a valid date-time"),
    (("completion_time",), "0001-01-01T00:00:00+14:00", "/completion_time: expected a valid date-time"),
    (("host_info",), [{"key": "a", "value": {"name": "b"}}], "only the legacy /rest API writes a map"),
    (
        ("image_categories", "most_widely_used_image", "host_list"),
        ["a", "a"],
        'expected no item twice, got "a" 2 times',
    ),
    ((*CRITERIA, "host_hardware_spec"), None, "the hardware, because selection_type is HOST_HARDWARE_SPEC"),
    ((*CRITERIA, "host_uuids"), [], "no host_uuids, because selection_type is HOST_HARDWARE_SPEC"),
    (
        (*CRITERIA, "selection_type"),
        "HOST_UUID",
        "no host_hardware_spec, because selection_type is HOST_UUID",
    ),
    ((*CRITERIA, "selection_type"), "UNKNOWN", "no host_hardware_spec, because selection_type is UNKNOWN"),
    ((*INFO, "retriable"), True, "no retriable, because type is not ERROR"),
    ((*ERROR, "type"), None, "no retriable, because type is not ERROR"),
]


@pytest.mark.parametrize(("place", "value", "expected"), STRICT)
def test_strict_where_the_api_is_not_open(place: tuple[Any, ...], value: object, expected: str) -> None:
    """With a line that says what was expected."""
    with pytest.raises(ContractViolation) as refused:
        read_document(body(with_put(place, value)), strict=True)
    assert any(expected in line for line in refused.value.violations), refused.value.violations


SPOILT_NOTIFICATIONS: list[tuple[Callable[[Wire], object], bool]] = [
    (lambda notification: notification.update(retriable=True, type=None), True),
    (lambda notification: notification.update(retriable="yes"), True),
    (lambda notification: notification.pop("id"), True),
    (lambda notification: notification.update(time="yesterday"), True),
    (lambda notification: notification.update(resolution={"id": "x"}), True),
    (lambda notification: notification["message"].pop("args"), False),
    (lambda notification: notification.update(message="It failed."), False),
    (lambda notification: notification.clear(), False),
]


@pytest.mark.parametrize(("spoil", "is_text_kept"), SPOILT_NOTIFICATIONS)
@pytest.mark.parametrize("of", ["host_notifications", "notifications"])
def test_a_broken_notification_costs_itself_and_not_the_report(
    of: str, spoil: Callable[[Wire], object], *, is_text_kept: bool
) -> None:
    """It stays on its list, with its text if that can be read; what runs is read as always."""
    document = sample()
    ((key, lists), *_) = document[of].items()
    kept, other = _list_errors(document, of, key)
    spoil(lists["errors"][0])
    assert _list_errors(document, of, key) == [kept if is_text_kept else UNREADABLE_TEXT, other]
    found = read_document(body(document))
    assert build_snapshot(read_report(found), None) == build_snapshot(
        read_report(read_document(body(sample()))), None
    )
    with pytest.raises(ContractViolation):
        read_document(body(document), strict=True)


def _list_errors(document: Wire, of: str, key: str) -> list[str]:
    return list_error_texts(cast("Wire", read_document(body(document)))[of][key])


@pytest.mark.parametrize(
    "odd", [None, 1, [], "x", {"host-1": None}, {"host-1": {"errors": {}}}, {"host-1": []}]
)
def test_what_holds_no_notifications_is_left_to_the_schema(odd: object) -> None:
    """Only single notifications are mended."""
    for document in (sample() | {"host_notifications": odd, "status": 1}, odd):
        with pytest.raises(ContractViolation):
            read_document(body(document))


def test_the_legacy_form_is_named() -> None:
    """A body as /rest writes it is not listed by all that it lacks."""
    with pytest.raises(ContractViolation) as refused:
        read_document(json.dumps({"value": {}}).encode())
    (line,) = refused.value.violations
    assert line.startswith(": expected the report itself")
    assert "legacy form of /rest" in line


TOLERATED = [
    (("status",), "PARTIAL_SUCCESS", '/status: a value that is not known: "PARTIAL_SUCCESS"'),
    ((*CRITERIA, "selection_type"), "BY_MOON", "/selection_type: a value that is not known"),
    (("later",), {"deeply": {"nested": []}}, "/later: a field that is not known"),
    (
        ("notifications", "LATER_OPERATION"),
        {},
        '/notifications: a value that is not known: "LATER_OPERATION"',
    ),
    (("host_info", "host-16", "uuid"), "x", "/host_info/*/uuid: a field that is not known"),
]


@pytest.mark.parametrize(("place", "value", "notice"), TOLERATED)
def test_tolerant_where_it_is_open(place: tuple[Any, ...], value: object, notice: str) -> None:
    """Accepted, compared as far as it is known, and told once."""
    document = read_document(body(with_put(place, value)))
    notices = list_unknown_fields(document)
    assert len(notices) == 1
    assert notice in notices[0]


def test_null_is_absent() -> None:
    """For every optional field: the snapshot is the same."""
    plain, nulls = sample(), sample()
    for place in ("most_widely_used_image", "highest_versioned_image"):
        for document in (plain, nulls):
            software = document["image_categories"][place]["software_info"]
            for name in ("add_on", "hardware_support", "removed_components", "alternative_images"):
                software[name] = None
                if document is plain:
                    del software[name]
            software["components"]["Intel-i40en"] = (
                {"version": None, "details": None} if document is nulls else {}
            )
    assert build_snapshot(read_report(read_document(body(plain))), None) == build_snapshot(
        read_report(read_document(body(nulls))), None
    )


def test_long_lists_of_errors_and_notices_are_cut() -> None:
    """Little is shown, no more than 200 characters of the data at a time, and that there is more is said."""
    many = {str(number) + "x" * 10_000: 1 for number in range(300)}
    lines = list_violations(SCHEMA, sample() | {"host_info": many})
    assert (len(lines), lines[-1]) == (101, "and more")
    assert all(len(line) < 300 for line in lines)
    unknown = [f"{number:03}" for number in range(300)]
    random.Random(7).shuffle(unknown)
    notices = list_unknown_fields(read_document(body(sample() | dict.fromkeys(unknown, 1))))
    shown = [f"/{number:03}: a field that is not known" for number in range(50)]
    assert notices == [*shown, "and more"], "the same ones, in whatever order they come"


def test_notices_are_cut_while_they_are_gathered() -> None:
    """Of hundreds of thousands of unknown fields no more is held at a time than is shown, twice over."""
    document = read_document(body(sample() | {str(number): 1 for number in range(200_000)}))
    tracemalloc.start()
    assert len(list_unknown_fields(document)) == 51
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1_000_000


@pytest.mark.parametrize("number", [99, 100, 101])
def test_a_hundred_errors_are_shown(number: int) -> None:
    """And of one more only that there is one."""
    lines = list_violations(SCHEMA, sample() | {"successful_hosts": [0] * number})
    shown = [f"/successful_hosts/{at}: expected a text, got 0" for at in range(min(number, 100))]
    assert lines == sorted(shown) + ["and more"] * (number > 100)


def test_the_search_for_errors_ends_early() -> None:
    """Of millions of wrong items no more is looked at than is shown: else minutes and gigabytes would go."""
    items = _Counted([0] * 5_000_000)
    lines = list_violations(SCHEMA, sample() | {"successful_hosts": items})
    assert lines[-1] == "and more"
    assert items.looked_at < 1_000


class _Counted(list[int]):
    """A list that counts how many of its items were looked at."""

    looked_at = 0

    def __iter__(self) -> Iterator[int]:
        for item in super().__iter__():
            self.looked_at += 1
            yield item


def test_pointers_are_json_pointers() -> None:
    """RFC 6901: a slash in a name is ~1, a tilde ~0."""
    found = list_violations(SCHEMA, sample() | {"host_info": {"a/b~c": {}}})
    assert found == ["/host_info/a~1b~0c/name: expected a value, got nothing"]


def test_what_only_refusals_need_is_not_loaded() -> None:
    """The authority is jsonschema, but a valid document never waits for it; deepdiff comes with a change."""
    code = (
        "import sys, json\n"
        "from esx_drift.contracts import read_document, list_unknown_fields\n"
        "from esx_drift.domain.images.snapshot import build_snapshot, compute_seal\n"
        "from esx_drift.domain.images.report import read_report\n"
        "from esx_drift.domain.changes.compare import compare_snapshots\n"
        "snapshot = build_snapshot(read_report(read_document(sys.stdin.buffer.read())), None)\n"
        "assert compare_snapshots(snapshot, snapshot, {}) == []\n"
        "print(sorted({'jsonschema', 'deepdiff', 'referencing', 'boto3'} & sys.modules.keys()))"
    )
    ran = subprocess.run([sys.executable, "-c", code], input=body(sample()), capture_output=True, check=True)
    assert ran.stdout.strip() == b"[]"


@pytest.mark.parametrize("name", sorted(load_schemas()))
def test_every_schema_compiles_in_both_validators(name: str) -> None:
    """And no reference from one to another is dangling."""
    stem = name.removesuffix(".schema.json")
    reference_validator(stem).check_schema(load_schemas()[name])
    assert not fast_validator(stem).is_valid(0)
    assert list_violations(stem, 0)


def test_a_strict_schema_says_what_it_does_not_know() -> None:
    """Fields, values and constants, each at its place."""
    wrong = {
        "schema_version": 2,
        "vcenters": [{"name": "a", "password": "x"}],
        "routes": [{"name": "x", "min_severity": "bad"}],
    }
    assert list_violations("fleet", wrong) == [
        '/routes/0/min_severity: expected one of "info", "warning", "critical", got "bad"',
        "/schema_version: expected 1, got 2",
        '/vcenters/0/password: expected no such field, got "x"',
    ]


def test_the_authority_has_the_last_word() -> None:
    """Where the gate is stricter: for jsonschema the end of a pattern may be before a last line break."""
    event = json.loads((GOLDEN / "messages" / "password-refused" / "event.json").read_text())
    event["source"] = "/fleet\n"
    assert not fast_validator("event").is_valid(event)
    assert reference_validator("event").is_valid(event)
    require_valid("event", event)


def test_times_and_uuids_of_our_own_are_checked() -> None:
    """A format is not just an annotation."""
    event = json.loads((GOLDEN / "messages" / "password-refused" / "event.json").read_text())
    event |= {"id": "not-a-uuid", "time": "2026-02-30T02:14:00.000Z"}
    assert not fast_validator("event").is_valid(event)
    assert list_violations("event", event) == [
        '/id: expected a valid uuid, got "not-a-uuid"',
        '/time: expected a valid date-time, got "2026-02-30T02:14:00.000Z"',
    ]
