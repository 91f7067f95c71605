"""An excerpt of any trail is verified by itself, and is no way around what verifying would name."""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from esx_drift.domain.stored.identifiers import ClusterRef
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.trail.digests import is_digest_key
from esx_drift.domain.trail.excerpt import EXCERPT_KEY, AuditPeriod
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.checking.world import INTERVAL_SECONDS, PROD_B, World
from tests.unit.trail.excerpts import CLUSTERS, MADE_AT, VCENTER, claim, copied, times_of
from tests.unit.trail.played import play_trail, run_checks
from tests.unit.trail.sealed import MemoryTrail, check, make_key, public_key, seal, seal_in_steps, sign
from tests.unit.trail.test_verify_seals import forge

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import CheckRequest

type Trail = Mapping[str, bytes]


MOMENTS = st.integers(-300, 2000)
"""Thousandths of the trail's time, and some before and behind."""


@settings(deadline=None, max_examples=25)
@given(
    st.lists(MOMENTS, max_size=6, unique=True),
    st.tuples(MOMENTS, MOMENTS),
    st.sampled_from([CLUSTERS, CLUSTERS[:1], CLUSTERS[1:]]),
)
def test_any_excerpt_is_intact(
    unsealed: Trail,
    key: EllipticCurvePrivateKey,
    seals: list[int],
    period: tuple[int, int],
    clusters: tuple[str, ...],
) -> None:
    """Of any clusters and any period, however the trail was sealed; with the key pinned or not."""
    first, *_, last = times_of(unsealed)
    sealed_at = [first + each * (last - first) / 1000 for each in seals]
    trail = seal_in_steps(unsealed, key, sealed_at)
    # The sealer is late where there is none of a day: said of the whole trail as well.
    latest = max(sealed_at, default=first) + timedelta(hours=26)
    begins_at, ends_at = (min(first + each * (last - first) / 1000, latest) for each in sorted(period))
    excerpt = copied(trail, AuditPeriod(begins_at, ends_at), clusters)
    assert check(excerpt).problems == []
    if sealed_at:
        assert check(excerpt, pinned=public_key(key)).problems == []
    assert excerpt.keys() - {EXCERPT_KEY} <= trail.keys()
    for each, body in trail.items():
        if each.startswith("records/") and begins_at <= parse_time(json.loads(body)["checked_at"]) <= ends_at:
            assert (each in excerpt) is any(f"cluster={one}/" in each for one in (*clusters, "@vcenter"))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_any_bit_that_is_flipped_in_an_excerpt_is_named(
    steps: Trail, middle: AuditPeriod, data: st.DataObject
) -> None:
    """Of the manifest, too."""
    excerpt = copied(steps, middle)
    key = data.draw(st.sampled_from(sorted(excerpt)))
    bit = data.draw(st.integers(0, len(excerpt[key]) * 8 - 1))
    body = bytearray(excerpt[key])
    body[bit // 8] ^= 1 << bit % 8
    assert key in check({**excerpt, key: bytes(body)}).keys


def test_any_object_that_is_deleted_from_an_excerpt_is_named(steps: Trail, middle: AuditPeriod) -> None:
    """Whatever it is: the digests name it, or a record does."""
    excerpt = copied(steps, middle)
    for key in excerpt.keys() - {EXCERPT_KEY}:
        found = check({each: body for each, body in excerpt.items() if each != key}).keys
        assert any(key.startswith(each) for each in found), key


def test_an_excerpt_without_its_manifest_lacks_much(steps: Trail, middle: AuditPeriod) -> None:
    """Nothing but the manifest makes it one."""
    excerpt = copied(steps, middle)
    del excerpt[EXCERPT_KEY]
    assert {kind for kind, _ in check(excerpt).kinds} >= {"missing"}


def test_a_manifest_hides_no_deletion_in_a_whole_trail(steps: Trail, middle: AuditPeriod) -> None:
    """What remains of other clusters does not belong there; and without it, it says what it is."""
    manifest = copied(steps, middle)[EXCERPT_KEY]
    cut = {key: body for key, body in steps.items() if "cluster=domain-c1008/0000000003" not in key}
    assert any(kind == "inserted" for kind, _ in check({**cut, EXCERPT_KEY: manifest}).kinds)
    (lost,) = [key for key in steps if "cluster=domain-c9/0000000003" in key]
    left = {key: body for key, body in steps.items() if key != lost}
    assert ("missing", lost) in check({**left, EXCERPT_KEY: manifest}).kinds


def test_a_manifest_in_the_bucket_means_nothing(steps: Trail, middle: AuditPeriod) -> None:
    """The AuditBucket is whole: there it is an object that nobody of ours wrote."""
    manifest = copied(steps, middle)[EXCERPT_KEY]
    found = check({**steps, EXCERPT_KEY: manifest}, now=max(times_of(steps)))
    assert found.kinds == {("inserted", EXCERPT_KEY)}


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said.update(base=None),
        lambda said: said.update(base="digests/20200101T000000Z.json"),
        lambda said: said.update({"from": "2020-01-01T00:00:00.000Z"}),
        lambda said: said.update(clusters=[{"vcenter": VCENTER, "cluster": PROD_B, "name": "b"}]),
        lambda said: said["clusters"].append({"vcenter": VCENTER, "cluster": PROD_B, "name": "b"}),
        lambda said: said.update({"to": "2020-01-01T00:00:00.000Z"}),
        lambda said: said.update(clusters=[]),
        lambda said: said.update(more=True),
    ],
    ids=["no-base", "other-base", "earlier", "other", "more", "backwards", "none", "unknown-field"],
)
def test_a_manifest_that_says_more_than_is_there_is_found_out(
    steps: Trail, middle: AuditPeriod, change: Callable[[Any], None]
) -> None:
    """What belongs to an excerpt is named by what is signed."""
    assert check(claim(copied(steps, middle), change)).problems


def test_a_later_base_is_found_out(steps: Trail, middle: AuditPeriod) -> None:
    """It would stand for what is of the period itself."""
    excerpt = copied(steps, middle)
    first, *_, last = sorted(filter(is_digest_key, excerpt))
    without = {key: body for key, body in excerpt.items() if not first <= key < last}
    assert check(claim(without, lambda said: said.update(base=last))).problems


def test_an_excerpt_without_what_links_its_digests_is_named(steps: Trail, middle: AuditPeriod) -> None:
    """Of a digest that was taken out, and all that it names, the next one tells."""
    excerpt = copied(steps, middle)
    _, gone, *_ = sorted(filter(is_digest_key, excerpt))
    named = {each["key"] for each in json.loads(excerpt[gone])["objects"]} | {gone, f"{gone}.sig"}
    found = check({key: body for key, body in excerpt.items() if key not in named})
    assert ("missing", gone) in found.kinds


def test_what_is_of_others_alone_is_left_out(steps: Trail) -> None:
    """Receipts, too, whose keys name no cluster."""
    whole = AuditPeriod(times_of(steps)[0], times_of(steps)[-1])
    receipts = {key for key in steps if key.startswith("deliveries/") and "/groups/" not in key}
    assert receipts & copied(steps, whole).keys() == receipts
    other = copied(steps, whole, CLUSTERS[1:])
    assert not receipts & other.keys()
    assert check(other).problems == []


def test_what_had_expired_is_missed_as_little_as_in_the_trail(
    steps: Trail, middle: AuditPeriod, key: EllipticCurvePrivateKey
) -> None:
    """By the days that documents were kept where it was made, or those that the auditor says; no others."""
    late = MADE_AT + timedelta(days=401)
    later = seal(steps, key, late)
    left = {each: body for each, body in later.items() if not each.startswith("documents/")}
    excerpt = copied(left, middle, made_at=late)
    assert check(excerpt).problems == []
    assert check(excerpt, pinned=public_key(key)).problems == []
    assert {kind for kind, _ in check(excerpt, retention=timedelta(days=3650)).kinds} == {"missing"}
    assert {kind for kind, _ in check(copied(left, middle, made_at=late, days=3650)).kinds} == {"missing"}


def test_what_expired_after_the_newest_seal_is_counted_apart(
    steps: Trail, middle: AuditPeriod, key: EllipticCurvePrivateKey
) -> None:
    """The sealer was late. What is younger than documents are kept somebody removed, whatever is said."""
    late = MADE_AT + timedelta(days=401)
    documents = {each for each in copied(steps, middle) if each.startswith("documents/")}
    left = {each: body for each, body in steps.items() if each not in documents}
    excerpt = copied(left, middle, made_at=late)
    found = check(excerpt, clock=late, pinned=public_key(key))
    assert (found.problems, found.expired, found.unexplained) == ([], 0, len(documents))
    missing = {("missing", each) for each in documents}
    # Whoever says that an excerpt was made later has to wait until then.
    assert check(excerpt, clock=MADE_AT + timedelta(days=300)).kinds == missing
    early = copied(left, middle, made_at=MADE_AT + timedelta(days=300))
    assert check(early, clock=late).kinds == missing
    assert check(excerpt, clock=late, retention=timedelta(days=500)).kinds == missing


def test_a_whole_copy_without_a_seal_for_so_long_is_not_intact(
    steps: Trail, key: EllipticCurvePrivateKey
) -> None:
    """One line says so, and not one each document."""
    at = "2028-03-01T00:00:00.000Z"
    place, body = forge(steps, at)
    left = {each: body for each, body in steps.items() if not each.startswith("documents/")}
    found = check({**left, place: body}, clock=parse_time(at), pinned=public_key(key))
    assert (found.kinds, found.unexplained > 0) == ({("missing", "digests/")}, True)


def test_when_an_excerpt_was_made_is_held_to_what_is_signed(
    steps: Trail, middle: AuditPeriod, key: EllipticCurvePrivateKey
) -> None:
    """Who says that time has passed hides no removed document by it; who says that none has, no gap."""
    excerpt = copied(steps, middle)
    documents = {("missing", each) for each in excerpt if each.startswith("documents/")}
    cut = {each: body for each, body in excerpt.items() if not each.startswith("documents/")}
    for made_at in ("2029-01-01T00:00:00.000Z", "2999-01-01T00:00:00.000Z"):
        said = claim(cut, lambda said, made_at=made_at: said.update(made_at=made_at))  # type: ignore[misc] # bound
        assert check(said).kinds == documents
    before = claim(excerpt, lambda said: said.update(made_at="2026-11-23T00:00:00.000Z"))
    assert check(before).kinds == {("altered", EXCERPT_KEY)}
    assert check(before, pinned=public_key(key)).kinds == {("altered", EXCERPT_KEY)}


def test_the_newest_digest_says_that_time_has_passed(
    steps: Trail, middle: AuditPeriod, key: EllipticCurvePrivateKey
) -> None:
    """It is there with its signature, and as damaged as any other it is named; forged it proves nothing."""
    late = MADE_AT + timedelta(days=401)
    later = seal(steps, key, late)
    newest = max(filter(is_digest_key, later))
    left = {each: body for each, body in later.items() if not each.startswith("documents/")}
    excerpt = copied(left, middle, made_at=late)
    assert {newest, f"{newest}.sig"} <= excerpt.keys()
    gone = {each: body for each, body in excerpt.items() if not each.startswith(newest)}
    assert ("missing", newest) in check(gone).kinds
    assert ("missing", newest) in check({**gone, f"{newest}.sig": excerpt[f"{newest}.sig"]}).kinds
    unreadable = check(MemoryTrail(excerpt, unreadable=(newest,)))
    assert ("altered", newest) in unreadable.kinds
    for body in (b"{", excerpt[newest].replace(b"2028", b"2029")):
        assert ("altered", newest) in check(sign({**excerpt, newest: body}, key, anew=True)).kinds
    thief = make_key()
    forged = {**excerpt, **sign({newest: excerpt[newest]}, thief)}
    # The key may have been changed since: by another one than that given, no time has passed.
    found = check(forged, pinned=public_key(key)).kinds
    assert ("altered", newest) not in found
    assert any(kind == "missing" and each.startswith("documents/") for kind, each in found)
    other = sorted(filter(is_digest_key, excerpt))[1]
    assert ("altered", EXCERPT_KEY) in check(claim(excerpt, lambda said: said.update(newest=other))).kinds
    # One that nobody signed yet is no proof, and is left out.
    unsigned = {each: body for each, body in left.items() if each != f"{newest}.sig"}
    assert newest not in copied(unsigned, middle, made_at=late)


def test_who_knows_that_a_copy_is_whole_says_so(steps: Trail, middle: AuditPeriod) -> None:
    """A manifest that somebody put there then hides nothing, and is named."""
    excerpt = copied(steps, middle)
    found = check(excerpt, whole=True).kinds
    assert ("inserted", EXCERPT_KEY) in found
    assert any(kind == "missing" for kind, _ in found)
    names = dict(zip(CLUSTERS, ("prod-a", "prod-b"), strict=True))
    whole = {"clusters": [{"vcenter": VCENTER, "cluster": each, "name": names[each]} for each in CLUSTERS]}
    period = {"from": "2026-11-01T00:00:00.000Z", "to": "2026-11-24T23:00:00.000Z", "base": None}
    manifest = {EXCERPT_KEY: excerpt[EXCERPT_KEY]}
    claimed = claim({**steps, **manifest}, lambda said: said.update(**whole, **period))
    hidden = claim(claimed, lambda said: said.pop("newest"))
    (lost,) = [each for each in steps if each.startswith("deliveries/groups/")]
    cut = {each: body for each, body in hidden.items() if each != lost}
    assert check(hidden).problems == check(cut).problems == []
    assert ("altered", lost) in check({**hidden, lost: hidden[lost] + b" "}).kinds
    assert check(cut, whole=True).kinds == {("missing", lost), ("inserted", EXCERPT_KEY)}


def test_what_cannot_be_read_is_copied_as_far_as_it_can_and_named(steps: Trail, middle: AuditPeriod) -> None:
    """A link, a digest and a key that are none: the rest is copied all the same."""
    excerpt = copied(steps, middle)
    digest = sorted(filter(is_digest_key, excerpt))[1]
    record = next(key for key in sorted(excerpt) if key.startswith("records/"))
    pem = next(key for key in excerpt if key.endswith(".pem"))
    assert record not in copied(MemoryTrail(steps, unreadable=(record,)), middle)
    for key in (record, digest, pem):
        assert key in check(copied({**steps, key: b"{"}, middle)).keys | {pem}
        assert check(copied({**steps, key: b"{"}, middle)).problems
    assert ("missing", digest) in check(copied(MemoryTrail(steps, unreadable=(digest,)), middle)).kinds


def test_a_spoilt_link_to_what_was_before_hides_no_receipt(
    unsealed: Trail, middle: AuditPeriod, key: EllipticCurvePrivateKey
) -> None:
    """Its events are those of before; which they are, only that record could say."""
    steps = seal_in_steps(unsealed, key, [middle.begins_at - timedelta(minutes=20)])
    log = ClusterRef(VCENTER, CLUSTERS[0], CLUSTERS[0]).record_prefix
    first = min(each for each in copied(steps, middle) if each.startswith(log))
    excerpt = copied({**steps, first: b"{"}, middle)
    assert excerpt[first] == b"{"
    assert ("altered", first) in check(excerpt).kinds


def _lose(world: World) -> None:
    """The checks of a run are lost; the next listings say why of one cluster, and not of the other."""
    run_checks(world)
    world.wait(INTERVAL_SECONDS)
    world.dispatch()
    world.wait(INTERVAL_SECONDS)
    world.vcenter.inventory.hide_cluster("prod-b")
    run_checks(world)
    world.wait(5 * 24 * 3600)
    run_checks(world)


def _delay(world: World) -> None:
    """The checks of a run wait for three hours in their queue."""
    run_checks(world)
    world.wait(INTERVAL_SECONDS)
    before = len(world.aws.sent)
    world.dispatch()
    asked = [each.body for each in world.aws.sent[before:] if each.queue == "check"]
    world.wait(3 * 3600)
    for request in asked:
        world.follow(cast("CheckRequest", request))


def test_a_check_that_was_answered_late_is_followed_to_its_answer(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """It is no gap, though it was answered long after the period."""
    unsealed = play_trail(_delay, tmp_path_factory)
    asked_at = parse_time(json.loads(unsealed[_list_vcenter_records(unsealed)[1]])["checked_at"])
    period = AuditPeriod(asked_at - timedelta(minutes=1), asked_at + timedelta(minutes=1))
    assert check(copied(unsealed, period, CLUSTERS)).problems == []


def _list_vcenter_records(trail: Trail) -> list[str]:
    return [each for each in sorted(trail) if "@vcenter" in each and each.startswith("records/")]


def test_a_check_that_left_no_record_is_followed_to_what_explains_it(
    key: EllipticCurvePrivateKey, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """However long after the period that is; what nothing explains is a gap here, too."""
    unsealed = play_trail(_lose, tmp_path_factory)
    lost = parse_time(json.loads(unsealed[_list_vcenter_records(unsealed)[1]])["checked_at"])
    period = AuditPeriod(lost - timedelta(minutes=1), lost + timedelta(minutes=1))
    moments = [lost + timedelta(hours=hours) for hours in (-2, 2, 9)]
    for trail in (unsealed, seal_in_steps(unsealed, key, moments)):
        assert check(copied(trail, period, CLUSTERS)).problems == []
    cut = {
        each: body
        for each, body in unsealed.items()
        if not each.startswith("records/") or parse_time(json.loads(body)["checked_at"]) <= lost
    }
    assert {kind for kind, _ in check(copied(cut, period)).kinds} == {"gap"}


def test_a_trail_that_goes_on_under_another_key_proves_an_excerpt_of_before(
    steps: Trail, middle: AuditPeriod, key: EllipticCurvePrivateKey
) -> None:
    """By the key of that time, and by no other."""
    other, late = make_key(), MADE_AT + timedelta(days=30)
    excerpt = copied(seal(steps, other, late), middle, made_at=late)
    assert "newest" in json.loads(excerpt[EXCERPT_KEY])["excerpt"]
    assert check(excerpt).problems == []
    assert check(excerpt, pinned=public_key(key)).problems == []
    assert check(excerpt, pinned=public_key(other)).problems


def test_a_former_key_signs_nothing_of_an_excerpt(
    steps: Trail, middle: AuditPeriod, key: EllipticCurvePrivateKey
) -> None:
    """Neither a digest behind one of the key that followed it, nor the newest one, which proves a time."""
    other = make_key()
    pinned = (public_key(key), public_key(other))
    digests = sorted(filter(is_digest_key, copied(steps, middle)))
    for back in range(2, len(digests)):
        of_other = digests[1:back]
        signed = {each: body for each, body in steps.items() if each.removesuffix(".sig") not in of_other}
        signed = sign({**signed, **{each: steps[each] for each in of_other}}, other)
        found = check(copied(signed, middle), pinned=pinned)
        assert [each for kind, each in sorted(found.kinds) if kind == "altered"] == digests[back:]
        assert found.signers == {each.fingerprint for each in pinned}


def test_the_newest_digest_signs_nothing_of_an_excerpt(
    steps: Trail, middle: AuditPeriod, key: EllipticCurvePrivateKey
) -> None:
    """Whoever has one signed digest can't have invented records taken for sealed beside it."""
    excerpt = copied(steps, middle)
    digests = sorted(filter(is_digest_key, excerpt))
    for last in range(len(digests)):
        newest, gone = digests[last], digests[:last] + digests[last + 1 :]
        kept = {each: body for each, body in excerpt.items() if each.removesuffix(".sig") not in gone}
        alone = claim(kept, lambda said, newest=newest: said.update(newest=newest, base=None))  # type: ignore[misc] # bound
        found = check(alone, pinned=public_key(key))
        assert found.signers == set()
        assert ("missing", "digests/") in found.kinds


def test_what_the_newest_digest_names_is_held_to_it(
    steps: Trail, middle: AuditPeriod, key: EllipticCurvePrivateKey
) -> None:
    """The last digest of an excerpt can't be made the newest, to have what it names rewritten."""
    whole = copied(steps, middle)
    *_, last, newest = sorted(filter(is_digest_key, whole))
    excerpt = {each: body for each, body in whole.items() if not each.startswith(newest)}
    named = [each["key"] for each in json.loads(excerpt[last])["objects"] if each["key"] in excerpt]
    assert named
    claimed = claim(excerpt, lambda said: said.update(newest=last))
    for each in named:
        found = check({**claimed, each: excerpt[each] + b" "}, pinned=public_key(key))
        assert ("altered", each) in found.kinds
