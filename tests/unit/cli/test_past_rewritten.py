"""What is said of a record that somebody wrote over: it reads as well as any other, and is told by none."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from esx_drift.domain.stored.identifiers import encode_canonical_json, make_record_key
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.trail.digests import is_digest_key
from esx_drift.trail.naming import find_named_logs
from esx_drift.trail.past import TrailLogs

from tests.unit.checking.world import PROD_A
from tests.unit.cli.conftest import Run
from tests.unit.trail.played import key, trail, unsealed
from tests.unit.trail.sealed import MemoryTrail, seal, write_copy
from tests.unit.trail.test_past import CountedFiles

__all__ = ["key", "trail", "unsealed"]

type Trail = Mapping[str, bytes]

VCENTER = "vc01.example.com"
CHANGED, NEWEST = 3, 7
"""The record that found a driver changed, and the last one of its log."""

RETOLD = "2.9.8.0"


def name_record(number: int) -> str:
    """The key of a record of prod-a."""
    return make_record_key(VCENTER, PROD_A, number)


def rewrite(trail: Trail, number: int, change: Callable[[bytes], bytes]) -> dict[str, bytes]:
    """The trail with one record of prod-a written over, and no other."""
    changed = change(trail[name_record(number)])
    assert changed != trail[name_record(number)]
    return {**trail, name_record(number): changed}


def retell(body: bytes) -> bytes:
    """The record, which says of the driver that it became another."""
    return body.replace(b"2.9.2.0", RETOLD.encode())


def rename(body: bytes) -> bytes:
    """The record, which says that the cluster has another name."""
    return body.replace(b'"prod-a"', b'"prod-z"')


def redate(date: str) -> Callable[[bytes], bytes]:
    """The record, which says that it is of another day."""

    def changed(body: bytes) -> bytes:
        record = json.loads(body)
        record["checked_at"] = date
        return encode_canonical_json(record)

    return changed


@pytest.mark.parametrize(
    "command",
    [
        ("history", "prod-a"),
        ("history", "prod-a", "--since", "{at}"),
        ("blame", "prod-a"),
        ("as-of", "prod-a", "{at}"),
        ("orphans", "prod-a"),
        ("orphans", "--gone"),
    ],
)
def test_a_record_that_is_not_what_the_next_one_names_is_damaged(
    run: Run, trail: Trail, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """It is named, nothing that it says is told, and the exit code is 1."""
    copy = write_copy(rewrite(trail, CHANGED, retell), tmp_path)
    at = json.loads(trail[name_record(CHANGED)])["checked_at"]
    told = run(*(word.format(at=at) for word in command), "--dir", copy)
    said = f"{name_record(3)} is not what {name_record(4)} names as the record before it"
    assert (told.code, told.err) == (1, f"warning: {said}\n")
    assert RETOLD not in told.out
    assert told.out


def test_a_record_alone_is_held_to_the_next_one(run: Run, trail: Trail, tmp_path: Path) -> None:
    """By its number and its key; there is no answer without it."""
    copy = write_copy(rewrite(trail, CHANGED, retell), tmp_path)
    for asked in (("prod-a", "3"), (name_record(3),)):
        told = run("show", *asked, "--dir", copy)
        assert (told.code, told.out) == (2, "")
        assert f"{name_record(3)} is not what" in told.err
    assert run("show", "prod-a", "2", "--dir", copy).code == 0


def test_two_days_are_not_compared_by_a_rewritten_record(run: Run, trail: Trail, tmp_path: Path) -> None:
    """An older document may stand for its own."""
    copy = write_copy(rewrite(trail, CHANGED, retell), tmp_path)
    days = [f"prod-a@{json.loads(trail[name_record(number)])['checked_at']}" for number in (2, CHANGED)]
    told = run("diff", *days, "--dir", copy)
    assert (told.code, f"{name_record(3)} is not what" in told.err) == (2, True)


def test_the_newest_record_is_held_to_its_digest(run: Run, trail: Trail, tmp_path: Path) -> None:
    """Also by what finds the name of its cluster."""
    copy = write_copy(rewrite(trail, NEWEST, rename), tmp_path)
    (digest,) = filter(is_digest_key, trail)
    for command in (("history", "prod-a"), ("orphans",), ("as-of", "prod-a", "2026-11-30")):
        told = run(*command, "--dir", copy)
        said = f"{name_record(NEWEST)} has other bytes than {digest} names"
        assert (told.code, told.err) == (1, f"warning: {said}\n"), command
    told = run("show", "prod-a", "--dir", copy)
    assert (told.code, told.out) == (2, "")


@pytest.mark.parametrize("date", ["2026-11-01T00:00:00.000Z", "2027-11-01T00:00:00.000Z"])
@pytest.mark.parametrize("number", [2, 3, 4, 5])
def test_a_record_of_another_day_hides_none(
    run: Run, trail: Trail, tmp_path: Path, number: int, date: str
) -> None:
    """Whichever of the log it is, by whose times a moment is found."""
    copy = write_copy(rewrite(trail, number, redate(date)), tmp_path)
    moment = json.loads(trail[name_record(number)])["checked_at"]
    for command in (("as-of", "prod-a", moment), ("history", "prod-a", "--since", moment)):
        told = run(*command, "--dir", copy)
        assert (told.code, f"{name_record(number)} is not what" in told.err) == (1, True), command


def test_what_the_newest_digest_is_of_later_stands_in_the_one_before(
    trail: Trail, key: EllipticCurvePrivateKey
) -> None:
    """As in an excerpt, which has the newest digest of all for its time."""
    more = {**trail, name_record(8): trail[name_record(NEWEST)]}
    whole = seal(more, key, parse_time("2026-11-25T12:00:00.000Z"))
    del whole[name_record(8)]
    files = MemoryTrail(rewrite(whole, NEWEST, rename))
    logs = TrailLogs(files)
    assert logs.read_named(name_record(NEWEST)) is None
    assert [damage.key for damage in logs.damages] == [name_record(NEWEST)]
    assert TrailLogs(MemoryTrail(whole)).read_named(name_record(NEWEST)) is not None
    # And where both are of later, nothing names it.
    later = seal({**whole, name_record(9): b"{}"}, key, parse_time("2026-11-26T12:00:00.000Z"))
    assert TrailLogs(MemoryTrail(rewrite(later, NEWEST, rename))).read_named(name_record(NEWEST))


@pytest.mark.parametrize("body", [b"{}", b"\xff"])
def test_a_digest_that_is_none_is_named(trail: Trail, body: bytes) -> None:
    """What it would have named is told."""
    (digest,) = filter(is_digest_key, trail)
    for files in (MemoryTrail({**trail, digest: body}), MemoryTrail(trail, unreadable=(digest,))):
        logs = TrailLogs(files)
        assert logs.read_named(name_record(NEWEST)) is not None
        assert [damage.key for damage in logs.damages] == [digest]


def test_the_digest_is_read_once_a_command(trail: Trail) -> None:
    """Also where the name of the cluster was looked for before."""
    files = CountedFiles({**trail})
    logs = TrailLogs(files)
    (log,) = find_named_logs(logs, "prod-a").found
    assert len(list(logs.read_records(log, logs.list_numbers(log)))) == NEWEST
    digests = [one for one in files.read_keys if one.startswith("digests/")]
    assert len(digests) == 1
    records = [one for one in files.read_keys if one.startswith(log.record_prefix)]
    assert len(records) == NEWEST


def test_the_next_record_that_says_nothing_is_named(trail: Trail) -> None:
    """Once, however often it is read; and what lies under no record's key is none."""
    logs = TrailLogs(MemoryTrail({**trail, name_record(4): b"{"}))
    for _ in range(2):
        assert logs.read_named(name_record(3)) is not None
    assert logs.read_named("records/x") is None
    assert [damage.key for damage in logs.damages] == [name_record(4), "records/x"]


def test_evidence_tells_nothing_of_a_rewritten_record(run: Run, trail: Trail, tmp_path: Path) -> None:
    """It names it, and its tables are without it."""
    copy = write_copy(rewrite(trail, CHANGED, retell), tmp_path / "copy")
    period = ("--from", "2026-11-23", "--to", "2026-11-24")
    told = run("evidence", "prod-a", *period, "-o", tmp_path / "nov", "--dir", copy)
    assert told.code == 1
    report = (tmp_path / "nov" / "report.md").read_text()
    assert f"{name_record(3)} is not what {name_record(4)} names" in report
    assert RETOLD not in report
