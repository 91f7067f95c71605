"""What seals prove: that nothing was cut off, put in or removed, and which absences retention explains."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from esx_drift.domain.deliveries import build_event_delivery
from esx_drift.domain.reports.report_events import ReportMaker
from esx_drift.domain.stored.identifiers import (
    compute_digest,
    compute_sha256,
    encode_canonical_json,
    make_check_id,
    make_delivery_key,
    make_group_key,
    make_record_key,
)
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.trail.digests import Window, build_digest, find_digest_key, is_digest_key
from esx_drift.domain.trail.verification import DEFAULT_RETENTION, SEALER_PATIENCE
from esx_drift.ports import FormerVersion
from esx_drift.trail import index

from tests.unit.template.application import written
from tests.unit.trail.sealed import SEALED_AT, MemoryTrail, check, make_key, public_key, seal, sign

type Trail = Mapping[str, bytes]

EXPIRING = ("documents/", "quarantine/", "deliveries/groups/")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def records_of(trail: Trail, cluster: str = "domain-c9") -> list[str]:
    """The keys of a log."""
    return [key for key in sorted(trail) if f"cluster={cluster}/" in key and key.startswith("records/")]


def without(trail: Trail, *beginnings: str) -> dict[str, bytes]:
    """The trail without what begins so."""
    return {key: body for key, body in trail.items() if not key.startswith(beginnings)}


def kinds(trail: Trail | MemoryTrail, **options: object) -> set[tuple[str, str]]:
    """What is said of which object, but for gaps: played time stands still after the last record."""
    return {kind for kind in check(trail, **options).kinds if kind[0] != "gap"}


def test_a_trail_without_any_digest_is_not_proved_by_a_key(
    trail: Trail, key: EllipticCurvePrivateKey
) -> None:
    """Removed whole, which a trail of the first hours looks like, or signed by others only."""
    bare = without(trail, "digests/")
    assert kinds(bare, pinned=public_key(key)) == set()
    assert check(bare, pinned=public_key(key)).signers == set()
    thief = sign(bare | {each: trail[each] for each in filter(is_digest_key, trail)}, make_key())
    assert ("missing", "digests/") in kinds(thief, pinned=public_key(key))


def test_the_newest_digest_of_a_stack_is_of_a_day(trail: Trail, unsealed: Trail) -> None:
    """Older, the sealer is late, or newer ones were removed; and so it is where there is none at all."""
    in_time = SEALED_AT + SEALER_PATIENCE
    assert kinds(trail, now=in_time) == set()
    assert kinds(trail, now=in_time + timedelta(seconds=1)) == {("missing", "digests/")}
    some = records_of(unsealed)[0]
    times = {some: parse_time(json.loads(unsealed[some])["checked_at"])}
    assert kinds(MemoryTrail(unsealed, times), now=times[some] + SEALER_PATIENCE) == set()
    late = times[some] + SEALER_PATIENCE + timedelta(seconds=1)
    assert kinds(MemoryTrail(unsealed, times), now=late) == {("missing", "digests/")}


def test_a_copy_says_itself_that_digests_were_cut_off(trail: Trail) -> None:
    """Where records are there of more than a day after the newest one."""
    in_time = SEALED_AT + SEALER_PATIENCE
    for at, said in [(in_time, set()), (in_time + timedelta(seconds=1), {("missing", "digests/")})]:
        place, body = forge(trail, format_time(at))
        assert {kind for kind in kinds({**trail, place: body}) if kind[1] == "digests/"} == said


def forge(trail: Trail, at: str) -> tuple[str, bytes]:
    """A record that follows the last one of its log, with all that it takes, of a time."""
    last = records_of(trail)[-1]
    record: Any = json.loads(trail[last])
    seq, log = record["seq"] + 1, (record["vcenter"], record["cluster"])
    record["before_sha256"] = compute_digest(record["after"])
    record["previous"] = {"seq": seq - 1, "key": last, "sha256": compute_sha256(trail[last])}
    request = "11111111-2222-5333-8444-555555555555"
    record.update(
        seq=seq, check_id=make_check_id(*log, seq), request_id=request, checked_at=at, outcome="accepted"
    )
    record.update(events=[], changes=[], findings=[], document=None, snapshot=None)
    record["decision"] = {
        "by": "arn:aws:iam::1:user/mallory",
        "sender_id": None,
        "reason": "approved by the board",
        "shown_at": None,
        "instance_uuid": None,
        "taken": ["host-16"],
        "refused": [],
    }
    answer = {"request_id": request, "seq": seq, "at": at}
    record["after"]["answered"] = [*record["after"]["answered"], answer][-10:]
    return make_record_key(*log, seq), encode_canonical_json(record)


def test_a_record_that_is_dated_before_the_newest_digest_was_put_there(trail: Trail) -> None:
    """It would be named. What is younger than the digest, by 15 minutes of clocks that differ, may be new."""
    until = SEALED_AT - timedelta(minutes=15)
    limit = until - timedelta(minutes=15)
    for at, said in [(limit - timedelta(milliseconds=1), "inserted"), (limit, ""), (SEALED_AT, "")]:
        place, body = forge(trail, format_time(at))
        found = {kind for kind, each in kinds({**trail, place: body}) if each == place}
        assert found == ({said} if said else set()), at


def test_so_was_anything_else_that_says_when_it_was_made(trail: Trail) -> None:
    """A report, a receipt of an event that there is, and what a message says; by the time in them."""
    record = json.loads(trail[records_of(trail)[2]])
    event = record["events"][0]

    def build(at: datetime) -> dict[str, bytes]:
        report = ReportMaker(at, "esx-drift", lambda place: f"s3://audit/{place}").build(
            "daily", "", "2026-11-23", {}
        )
        delivery = build_event_delivery("others", [event], at)
        receipt = {
            "schema_version": 1,
            "event": event["id"],
            "route": "others",
            "delivered_at": format_time(at),
        }
        made = {
            f"reports/daily/{report['report_id']}.json": report,
            make_group_key("others", delivery["delivery_id"]): delivery,
            make_delivery_key(event["id"], "others"): receipt,
        }
        return {place: encode_canonical_json(body) for place, body in made.items()}

    old, new = build(SEALED_AT - DAY), build(SEALED_AT)
    assert kinds({**trail, **old}) == {("inserted", each) for each in old}
    assert kinds({**trail, **new}) == set()


def test_so_was_what_only_an_old_record_names(unsealed: Trail, key: EllipticCurvePrivateKey) -> None:
    """A document and a snapshot that no digest has, though the record that names them is old."""
    record = json.loads(unsealed[records_of(unsealed)[0]])
    names = {record["document"]["key"], record["snapshot"]["key"]}
    sealed = seal({each: body for each, body in unsealed.items() if each not in names}, key)
    assert kinds({**unsealed, **sealed}) == {("inserted", each) for each in names}


def test_s3_says_by_itself_what_is_too_old_not_to_be_sealed(trail: Trail) -> None:
    """Whatever time is in it."""
    place, body = forge(trail, format_time(SEALED_AT))
    found = check(MemoryTrail({**trail, place: body}, {place: SEALED_AT - DAY}), now=SEALED_AT)
    assert {kind for kind, each in found.kinds if each == place} == {"inserted", "altered"}


def test_what_a_digest_left_to_the_next_is_not_sealed_yet(
    unsealed: Trail, key: EllipticCurvePrivateKey
) -> None:
    """One that was full or out of time says nothing of what sorts behind."""
    digest = build_digest(None, Window(None, SEALED_AT, ""), SEALED_AT, [], "deliveries/0")
    trail = sign({**unsealed, find_digest_key(digest): encode_canonical_json(digest)}, key)
    assert kinds(trail) == set()


def expire(trail: Trail, key: EllipticCurvePrivateKey, at: datetime) -> dict[str, bytes]:
    """The trail, sealed once more, without all that expires."""
    return without(seal(trail, key, at), *EXPIRING)


def test_documents_expire_when_they_are_as_old_as_the_stack_keeps_them(
    trail: Trail, key: EllipticCurvePrivateKey
) -> None:
    """They are counted. Younger ones were removed by somebody; in a copy, too, which says nothing of it."""
    oldest = min(parse_time(json.loads(trail[each])["checked_at"]) for each in records_of(trail))
    expiring = {each for each in trail if each.startswith(EXPIRING)}
    late = SEALED_AT + DEFAULT_RETENTION
    kept = expire(trail, key, late)
    found = check(kept, now=late)
    assert (kinds(kept, now=late), found.expired) == (set(), len(expiring))
    assert (kinds(kept), check(kept).expired) == (set(), len(expiring))
    month = oldest + timedelta(days=30)
    assert kinds(expire(trail, key, month)) == {("missing", each) for each in expiring}
    length = timedelta(days=20)
    assert kinds(expire(trail, key, month), retention=length) == set()
    early = oldest + length - HOUR
    assert {kind for kind, _ in kinds(expire(trail, key, early), now=early, retention=length)} == {"missing"}


def test_nothing_expires_that_was_never_sealed(trail: Trail, unsealed: Trail) -> None:
    """Nor before what is older: what expires goes in its order."""
    late = SEALED_AT + DEFAULT_RETENTION
    documents = [each for each in unsealed if each.startswith("documents/")]
    gone = {("missing", each) for each in documents}
    assert gone <= kinds(without(unsealed, "documents/"), now=late, retention=DAY)
    times = {}
    for each in records_of(trail):
        record = json.loads(trail[each])
        if record["document"]:
            times[record["document"]["key"]] = record["checked_at"]
    first, *_, last = sorted(times, key=lambda each: times[each])
    assert ("missing", first) not in kinds(without(trail, first), now=late)
    spread = _spread(trail, first)
    assert ("missing", last) in kinds(without(spread, last), now=late)


def _spread(trail: Trail, first: str) -> dict[str, bytes]:
    """The trail, with the first record and its document a week older."""
    place = next(each for each in records_of(trail) if first in trail[each].decode())
    record = json.loads(trail[place])
    record["checked_at"] = format_time(parse_time(record["checked_at"]) - timedelta(days=7))
    return {**trail, place: encode_canonical_json(record)}


def test_a_delete_marker_says_when_a_document_was_removed(trail: Trail, key: EllipticCurvePrivateKey) -> None:
    """By a rule, after its time; or by somebody before. And what is there again was put there."""
    late = SEALED_AT + DEFAULT_RETENTION
    kept = expire(trail, key, late)
    documents = sorted(each for each in trail if each.startswith("documents/"))

    def mark(at: datetime) -> tuple[FormerVersion, ...]:
        return tuple(
            FormerVersion(each, "2", moment, is_delete_marker=is_marker)
            for each in documents
            for moment, is_marker in ((at, True), (SEALED_AT, False))
        )

    assert kinds(MemoryTrail(kept, former=mark(late)), now=late) == set()
    early = mark(SEALED_AT + timedelta(days=10))
    assert kinds(MemoryTrail(kept, former=early), now=late) == {("altered", each) for each in documents}
    again = {**kept, documents[0]: trail[documents[0]]}
    assert ("altered", documents[0]) in kinds(MemoryTrail(again, former=mark(late)), now=late)


def test_documents_are_kept_for_as_long_as_the_template_says() -> None:
    """Where nobody says anything else."""
    default = written()["Parameters"]["DocumentRetentionDays"]["Default"]
    assert timedelta(days=int(default)) == DEFAULT_RETENTION


@dataclass(frozen=True)
class CountedTrail(MemoryTrail):
    """It counts what is read."""

    read_keys: list[str] = field(default_factory=list)

    def read(self, key: str) -> bytes | None:
        """None if there is none."""
        self.read_keys.append(key)
        return MemoryTrail.read(self, key)


@pytest.mark.parametrize("number", [50, 500])
def test_what_expired_is_not_read(
    number: int, key: EllipticCurvePrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor looked for in any other way that takes longer the more there is: statements are counted, too."""
    bodies = [f"{each}".encode() for each in range(2 * number)]
    names = [f"documents/vcenter=a/cluster=b/{sha256(each).hexdigest()}.json.gz" for each in bodies]
    old = seal(dict(zip(names[:number], bodies, strict=False)), key, SEALED_AT)
    late = SEALED_AT + DEFAULT_RETENTION
    both = seal({**old, **dict(zip(names, bodies, strict=True))}, key, late)
    asked = list[str]()
    enter = index.TrailIndex.__enter__

    def trace(self: index.TrailIndex) -> index.TrailIndex:
        self._base.set_trace_callback(
            lambda statement: asked.append(statement) if statement.startswith("SELECT") else None
        )
        return enter(self)

    monkeypatch.setattr(index.TrailIndex, "__enter__", trace)
    files = CountedTrail(without(both, *names[:number]))
    found = check(files, now=late)
    assert found.expired == number
    assert not set(names[:number]) & set(files.read_keys)
    assert len(files.read_keys) <= number + 10
    assert len(asked) < 40


def test_a_part_is_verified_with_the_events_of_before(unsealed: Trail, key: EllipticCurvePrivateKey) -> None:
    """Receipts that came after a digest are of records before it; a forged one is named all the same."""
    receipts = [each for each in unsealed if each.startswith("deliveries/") and "groups" not in each]
    groups = [each for each in unsealed if each.startswith("deliveries/groups/")]
    sent = json.loads(unsealed[receipts[0]])["delivered_at"]
    before = without(unsealed, *receipts)
    first = seal(before, key, parse_time(sent) - timedelta(minutes=1))
    tail = {**first, **{each: unsealed[each] for each in receipts}}
    since = parse_time(sent) + HOUR
    assert kinds(tail) == kinds(tail, since=since) == set()
    assert check(tail, since=since).records == 0
    forged = {
        "schema_version": 1,
        "event": "0" * 8 + "-0000-5000-8000-" + "0" * 12,
        "route": "admins",
        "delivered_at": sent,
    }
    place = make_delivery_key(forged["event"], "admins")
    assert kinds({**tail, place: encode_canonical_json(forged)}, since=since) == {("inserted", place)}
    altered = {**tail, **dict.fromkeys((*records_of(tail), *groups), b"{}")}
    assert {each for _, each in kinds(altered, since=since)} <= set(receipts)
    assert kinds(altered, since=since)


def test_events_of_reports_and_messages_before_are_known_as_well(
    unsealed: Trail, key: EllipticCurvePrivateKey
) -> None:
    """And what was sealed though it is no record of ours has none."""
    maker = ReportMaker(SEALED_AT, "esx-drift", lambda place: f"s3://audit/{place}")
    report = maker.build("daily", "", "2026-11-23", {})
    delivery = build_event_delivery("others", report["events"], SEALED_AT)
    made = {
        f"reports/daily/{report['report_id']}.json": report,
        make_group_key("others", delivery["delivery_id"]): delivery,
    }
    old = {place: encode_canonical_json(body) for place, body in made.items()}
    first = seal({**unsealed, **old, "records/foreign": b"x"}, key, SEALED_AT + HOUR)

    def receive(event: str) -> dict[str, bytes]:
        receipt = {"schema_version": 1, "event": event, "route": "others"}
        body = encode_canonical_json({**receipt, "delivered_at": format_time(SEALED_AT + DAY)})
        return {make_delivery_key(event, "others"): body}

    tail = {**first, **receive(delivery["delivery_id"]), **receive(report["events"][0]["id"])}
    since = SEALED_AT + DAY
    assert kinds(tail) == {("inserted", "records/foreign")}
    assert kinds(tail, since=since) == set()


def test_the_first_record_of_a_part_is_held_to_one_that_is_sealed(
    unsealed: Trail, key: EllipticCurvePrivateKey
) -> None:
    """It is the one that is to blame."""
    *before, last = records_of(unsealed)
    first = seal(without(unsealed, last), key, SEALED_AT)
    record = json.loads(unsealed[last])
    record["previous"]["sha256"] = "0" * 64
    record["checked_at"] = format_time(SEALED_AT)
    tail = {**first, last: encode_canonical_json(record)}
    assert kinds(tail) == kinds(tail, since=SEALED_AT + HOUR) == {("altered", last)}
    assert before


def test_what_the_sealer_could_not_read_was_not_put_there_once_it_can_be_read(
    trail: Trail, key: EllipticCurvePrivateKey
) -> None:
    """Until the sealer's next hour names it, its key is all that is known: a record, and what one names."""
    (name,) = list_digests(trail)
    record = records_of(trail)[-1]
    document = max(each for each in trail if each.startswith("documents/"))
    quarantined = max(each for each in trail if each.startswith("quarantine/"))
    left = {record, document, quarantined}
    digest = json.loads(trail[name])
    digest["objects"] = [each for each in digest["objects"] if each["key"] not in left]
    digest["heads"] = [each for each in digest["heads"] if each["key"] not in left]
    bare = without(trail, f"{name}.sig")
    unread = {**digest, "unread": sorted(left)}
    assert kinds(sign({**bare, name: encode_canonical_json(unread)}, key)) == set()
    found = kinds(sign({**bare, name: encode_canonical_json(digest)}, key))
    assert ("inserted", record) in found


def test_a_digest_of_no_usable_time_is_named(trail: Trail, key: EllipticCurvePrivateKey) -> None:
    """Nothing could be reckoned with it."""
    digest = build_digest(None, Window(None, SEALED_AT, ""), datetime(9999, 12, 31, tzinfo=UTC), [], None)
    place = find_digest_key(digest)
    forged = sign({**trail, place: encode_canonical_json(digest)}, key)
    assert ("altered", place) in kinds(forged)


def list_digests(trail: Trail) -> list[str]:
    """The digests, in their order."""
    return sorted(filter(is_digest_key, trail))


def seal_twice(trail: Trail, key: EllipticCurvePrivateKey) -> dict[str, bytes]:
    """The trail with a digest of all but the last record, one of that, and one of nothing, a day each."""
    first = seal(without(trail, records_of(trail)[-1]), key)
    return seal(seal({**trail, **first}, key, SEALED_AT + DAY), key, SEALED_AT + 2 * DAY)


def test_a_digest_without_a_signature_is_proved_by_the_next(
    unsealed: Trail, key: EllipticCurvePrivateKey
) -> None:
    """It is signed, and names it by its bytes: only the signature is missing. The last one has no next."""
    pinned = public_key(key)
    trail = seal_twice(unsealed, key)
    first, second, third = list_digests(trail)
    assert kinds(trail, pinned=pinned) == set()
    for gone in ([first], [second], [first, second]):
        signatures = [f"{each}.sig" for each in gone]
        found = check(without(trail, *signatures), pinned=pinned)
        assert (found.kinds, found.not_sealed) == ({("missing", each) for each in signatures}, 0)
    last = check(without(trail, f"{third}.sig"), pinned=pinned)
    assert last.kinds == {("missing", f"{third}.sig")}
    # Whoever signs later signs the same bytes: when, no signature says.
    assert kinds(sign(without(trail, f"{first}.sig"), key), pinned=pinned) == set()
    stray = build_digest(None, Window(None, SEALED_AT, ""), SEALED_AT + HOUR, [], None)
    place = find_digest_key(stray)
    between = {**without(trail, f"{first}.sig"), place: encode_canonical_json(stray)}
    found = check(between, pinned=pinned)
    assert {each for kind, each in found.kinds if kind == "missing"} == {f"{first}.sig", f"{place}.sig"}
    assert found.not_sealed == 0
    other = sign(without(trail, f"{first}.sig"), make_key())
    assert ("altered", first) in kinds(other, pinned=pinned)
    assert check(other, pinned=pinned).not_sealed == 0


def test_a_digest_that_is_vouched_for_may_be_gone_a_moment_later(
    unsealed: Trail, key: EllipticCurvePrivateKey
) -> None:
    """It is read a second time."""
    trail = seal_twice(unsealed, key)
    first = list_digests(trail)[0]

    @dataclass(frozen=True)
    class Vanishing(CountedTrail):
        def read(self, key: str) -> bytes | None:
            body = CountedTrail.read(self, key)
            return None if key == first and self.read_keys.count(first) > 1 else body

    files = Vanishing(without(trail, f"{first}.sig"))
    assert check(files, pinned=public_key(key)).not_sealed > 0


def test_what_a_missing_digest_named_is_not_taken_for_put_there(
    unsealed: Trail, key: EllipticCurvePrivateKey
) -> None:
    """Only the digest is named, and what is of another time is held to the seals all the same."""
    trail = seal_twice(unsealed, key)
    first, second, _ = list_digests(trail)
    assert kinds(without(trail, first)) == {("missing", first)}
    found = kinds({**without(trail, second), "reports/x": b""})
    assert found == {("missing", second), ("inserted", "reports/x")}
    place, body = forge(trail, format_time(SEALED_AT - DAY))
    assert ("inserted", place) in kinds({**without(trail, second), place: body})


def test_a_trail_whose_key_was_changed_is_intact_under_both_keys(
    trail: Trail, key: EllipticCurvePrivateKey
) -> None:
    """Each digest is signed by one of those given; which key is not among them is named."""
    other, stranger = make_key(), make_key()
    (first,) = list_digests(trail)
    changed = seal(trail, other, SEALED_AT + DAY)
    second = list_digests(changed)[-1]
    old, new, third = map(public_key, (key, other, stranger))
    assert kinds(changed, pinned=(old, new)) == kinds(changed, pinned=(new, old)) == set()
    assert check(changed, pinned=(old, new)).unused == []
    for pinned, of_digest, by, of in [
        (old, second, new, "the key given"),
        (new, first, old, "the key given"),
        ((old, third), second, new, "any key given"),
    ]:
        found = check(changed, pinned=pinned)
        assert {kind for kind in found.kinds if kind[0] != "gap"} == {("altered", of_digest)}
        (text,) = [each.text for each in found.problems if each.key == of_digest]
        assert text == f"it is signed by {by.fingerprint}, and not by {of}"
    assert check(changed, pinned=(old, new, third)).unused == [third.fingerprint]
    assert ("missing", "digests/") in kinds(sign(changed, stranger, anew=True), pinned=(old, new))
    forged = sign(changed, stranger, anew=True)
    texts = [each.text for each in check(forged, pinned=(old, new)).problems if each.key == "digests/"]
    assert texts == ["no digest is signed by any key given: nothing here is proved"]


def test_a_key_that_was_changed_signs_no_more(trail: Trail, key: EllipticCurvePrivateKey) -> None:
    """Whoever kept it may write a record and seal it: that digest is altered, and its record not sealed."""
    other, third = make_key(), make_key()
    changed = seal(trail, other, SEALED_AT + DAY)
    second = list_digests(changed)[-1]
    place, body = forge(trail, format_time(SEALED_AT + DAY))
    forged = seal({**changed, place: body}, key, SEALED_AT + 2 * DAY)
    kept = list_digests(forged)[-1]
    old, new, newest = map(public_key, (key, other, third))
    for pinned in ((old, new), (new, old), (new, newest, old)):
        found = check(forged, pinned=pinned)
        assert (("altered", kept) in found.kinds, found.not_sealed) == (True, 1)
        (text,) = [each.text for each in found.problems if each.key == kept]
        said = f"it is signed by {old.fingerprint}, a former key: {new.fingerprint} followed it with {second}"
        assert text == said
    assert ("altered", kept) in kinds(forged)
    # The same digest under the new key, or a third one, is none of a former key.
    for each in (other, third):
        honest = sign(without(forged, f"{kept}.sig"), each)
        assert ("altered", kept) not in kinds(honest, pinned=(old, new, newest))
    # A digest of the new key, under another signature of its bytes.
    last = seal(changed, other, SEALED_AT + 2 * DAY)
    resigned = sign(without(last, f"{list_digests(last)[-1]}.sig"), key)
    assert kinds(resigned, pinned=(old, new)) == {("altered", list_digests(last)[-1])}
    back = seal(seal(changed, third, SEALED_AT + 2 * DAY), other, SEALED_AT + 3 * DAY)
    assert kinds(back, pinned=(old, new, newest)) == {("altered", list_digests(back)[-1])}
    # What is taken for verified is, by whatever key; it says all the same which one is former.
    later = SEALED_AT + 2 * DAY + HOUR
    assert ("altered", kept) not in kinds(forged, pinned=new, since=later)
    more = seal(forged, key, SEALED_AT + 3 * DAY)
    assert ("altered", list_digests(more)[-1]) in kinds(more, pinned=(old, new), since=later)


def test_a_stranger_makes_no_key_a_former_one(trail: Trail, key: EllipticCurvePrivateKey) -> None:
    """Only a key that was given follows another."""
    stranger = make_key()
    between = seal(trail, stranger, SEALED_AT + DAY)
    after = seal(between, key, SEALED_AT + 2 * DAY)
    _, second, _ = list_digests(after)
    assert kinds(after, pinned=public_key(key)) == {("altered", second)}
    # Nor where what it signed is taken for verified.
    more = seal(after, key, SEALED_AT + 3 * DAY)
    assert kinds(more, pinned=public_key(key), since=SEALED_AT + DAY + HOUR) == set()


def test_what_is_taken_for_verified_may_be_of_a_former_key(
    trail: Trail, unsealed: Trail, key: EllipticCurvePrivateKey
) -> None:
    """As far as a digest that the new key signed names it; what is of later has to be of the new one."""
    other = make_key()
    changed = seal(trail, other, SEALED_AT + DAY)
    first, second = list_digests(changed)
    late = SEALED_AT + HOUR
    found = check(changed, pinned=public_key(other), since=late)
    assert (found.problems, found.base, found.not_sealed) == ([], first, 0)
    assert ("altered", second) in kinds(changed, pinned=public_key(key), since=late)
    other_past = seal({**unsealed, "reports/x": b""}, make_key())
    forged = {**changed, **other_past}
    assert ("altered", first) in kinds(forged, pinned=public_key(other), since=late)


def test_another_key_than_those_given_signs_nothing_new(trail: Trail, key: EllipticCurvePrivateKey) -> None:
    """A record that only a digest of a third key names is not sealed, whatever keys are given besides."""
    other, stranger = make_key(), make_key()
    changed = seal(trail, other, SEALED_AT + DAY)
    place, body = forge(trail, format_time(SEALED_AT + DAY))
    forged = seal({**changed, place: body}, stranger, SEALED_AT + 2 * DAY)
    found = check(forged, pinned=(public_key(key), public_key(other)))
    assert (("altered", list_digests(forged)[-1]) in found.kinds, found.not_sealed) == (True, 1)
