"""Who has genuine excerpts, the public key and this code, and no private key, proves nothing untrue."""

import json
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from itertools import combinations, product
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from esx_drift.domain.stored.identifiers import compute_sha256, encode_canonical_json, make_delivery_key
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.trail.digests import is_digest_key
from esx_drift.domain.trail.excerpt import EXCERPT_KEY, AuditPeriod

from tests.unit.checking.world import PROD_A
from tests.unit.trail.excerpts import CLUSTERS, MADE_AT, VCENTER, claim, copied, times_of
from tests.unit.trail.sealed import check, make_key, public_key, seal, sign
from tests.unit.trail.test_verify import rewrite
from tests.unit.trail.test_verify_seals import forge

type Trail = Mapping[str, bytes]


def without(excerpt: Trail, *gone: str) -> dict[str, bytes]:
    """The excerpt without these objects, and without the signatures of digests among them."""
    return {each: body for each, body in excerpt.items() if each.removesuffix(".sig") not in gone}


def say(excerpt: Trail, **said: Any) -> dict[str, bytes]:  # noqa: ANN401 -- of a manifest
    """The excerpt with another manifest."""
    return claim(excerpt, lambda claimed: claimed.update(said))


def list_digests(excerpt: Trail) -> list[str]:
    """The keys of its digests."""
    return sorted(filter(is_digest_key, excerpt))


@pytest.fixture(scope="session")
def whole(steps: Trail) -> Trail:
    """An excerpt whose end is sealed, and behind which there is a later digest."""
    times = times_of(steps)
    excerpt = copied(steps, AuditPeriod(times[len(times) // 3], times[len(times) // 2]))
    assert "newest" in json.loads(excerpt[EXCERPT_KEY])["excerpt"]
    return excerpt


def test_any_digests_taken_out_and_any_called_the_newest_are_found_out(
    whole: Trail, key: EllipticCurvePrivateKey
) -> None:
    """But for what makes it an excerpt that is not sealed up to its end, and says so."""
    digests, passed = list_digests(whole), list[object]()
    for number in range(1, len(digests)):
        for gone in combinations(digests, number):
            left = without(whole, *gone)
            first, last = list_digests(left)[0], list_digests(left)[-1]
            for newest, base in product((None, last), sorted({digests[0], first})):
                cut = claim(left, partial(_point, newest=newest, base=base))
                found = check(cut, pinned=public_key(key))
                if not found.problems and not found.is_open:
                    passed.append((gone, newest, base))
    # Without the newest one it is an excerpt of the same, and of no other time.
    assert passed == [((digests[-1],), None, digests[0])]


def _point(said: Any, newest: str | None, base: str | None) -> None:  # noqa: ANN401 -- a manifest
    said["base"] = base
    said.pop("newest", None)
    if newest is not None:
        said["newest"] = newest


def test_no_record_that_a_digest_names_can_be_another_one(whole: Trail, key: EllipticCurvePrivateKey) -> None:
    """Whatever digests are taken away with it, the excerpt is not intact, or not sealed up to its end."""
    digests = list_digests(whole)
    for record in [each for each in whole if each.startswith("records/") and f"={PROD_A}/" in each]:
        forged = rewrite(whole, record, lambda said: said.update(notices=[], run_id="forged"))
        for last in range(1, len(digests) + 1):
            left = without(forged, *digests[last:])
            found = check(claim(left, lambda said: said.pop("newest")), pinned=public_key(key))
            assert found.problems or found.is_open, (record, last)


def test_nothing_lies_behind_the_seals_of_an_excerpt_that_is_sealed(
    whole: Trail, key: EllipticCurvePrivateKey
) -> None:
    """Not a record that follows well, nor a receipt; where there is no later digest, it is said."""
    ends_at = parse_time(json.loads(whole[EXCERPT_KEY])["excerpt"]["to"])
    until = parse_time(json.loads(whole[list_digests(whole)[-2]])["until"])
    place, body = forge(whole, format_time(max(ends_at, until) + timedelta(hours=1)))
    assert ("inserted", place) in check({**whole, place: body}, pinned=public_key(key)).kinds
    newest = list_digests(whole)[-1]
    later = claim(without(whole, newest), lambda said: said.pop("newest"))
    found = check({**later, place: body}, pinned=public_key(key))
    assert (found.problems, found.not_sealed) == ([], 1)


def test_a_receipt_is_no_older_than_its_event(whole: Trail) -> None:
    """Dated before the excerpt begins, no digest in it would name it."""
    newest, base = list_digests(whole)[-1], list_digests(whole)[0]
    later = claim(without(whole, newest), lambda said: said.pop("newest"))
    events = [
        event
        for each, body in sorted(whole.items())
        if each.startswith("records/")
        for event in json.loads(body)["events"]
    ]
    receipt = {
        "schema_version": 1,
        "event": events[-1]["id"],
        "route": "others",
        "delivered_at": json.loads(whole[base])["until"],
    }
    place = make_delivery_key(receipt["event"], "others")
    found = check({**later, place: encode_canonical_json(receipt)})
    assert ("inserted", place) in found.kinds


def test_what_no_excerpt_holds_does_not_lie_in_one(steps: Trail, whole: Trail) -> None:
    """Unless a digest names it: messages that somebody copied as well are as they were written."""
    newest = list_digests(whole)[-1]
    later = claim(without(whole, newest), lambda said: said.pop("newest"))
    groups = {each: body for each, body in steps.items() if each.startswith("deliveries/groups/")}
    report = "reports/daily/11111111-2222-5333-8444-555555555555.json"
    kinds = check({**later, **groups, report: b"{}"}).kinds
    assert ("inserted", report) in kinds
    own = copied(steps, AuditPeriod(times_of(steps)[0], times_of(steps)[-1]), CLUSTERS)
    assert check({**own, **groups}).problems == []
    (place,) = groups
    assert ("altered", place) in check({**own, place: groups[place] + b" "}).kinds


@pytest.mark.parametrize("name", ["prod-a", "domain-c1008"])
def test_a_cluster_is_called_as_its_records_call_it(steps: Trail, middle: AuditPeriod, name: str) -> None:
    """A clean cluster can't be shown for another one."""
    excerpt = copied(steps, middle, CLUSTERS[1:])
    (said,) = json.loads(excerpt[EXCERPT_KEY])["excerpt"]["clusters"]
    assert said["name"] == "prod-b"
    found = check(say(excerpt, clusters=[{**said, "name": name}]))
    assert found.kinds == {("altered", EXCERPT_KEY)}


def test_only_sealed_records_say_what_a_cluster_is_called(
    steps: Trail, middle: AuditPeriod, key: EllipticCurvePrivateKey
) -> None:
    """One that was added, and that nothing seals yet, gives it no other name."""
    excerpt = copied(steps, middle)
    digests = list_digests(excerpt)
    open_end = claim(without(excerpt, digests[-1]), lambda said: said.pop("newest"))
    until = parse_time(json.loads(open_end[digests[-2]])["until"])
    place, body = forge(open_end, format_time(until + timedelta(hours=1)))
    renamed = encode_canonical_json({**json.loads(body), "cluster_name": "prod-b"})
    said = json.loads(excerpt[EXCERPT_KEY])["excerpt"]["clusters"][0]
    cut = say({**open_end, place: renamed}, clusters=[{**said, "name": "prod-b"}])
    assert ("altered", EXCERPT_KEY) in check(cut, pinned=public_key(key)).kinds


@pytest.mark.parametrize(
    "clusters",
    [
        [{"vcenter": VCENTER, "cluster": "@vcenter", "name": "prod-a"}],
        [{"vcenter": VCENTER, "cluster": PROD_A, "name": each} for each in ("prod-a", "other")],
    ],
    ids=["vcenter", "twice"],
)
def test_a_manifest_of_no_clusters_is_none(whole: Trail, clusters: list[dict[str, str]]) -> None:
    """The vCenter's own log is in each excerpt, and no cluster."""
    assert ("altered", EXCERPT_KEY) in check(say(whole, clusters=clusters)).kinds


@pytest.mark.parametrize("hours", [-1, 28])
def test_a_period_goes_no_further_than_the_excerpt(whole: Trail, hours: int) -> None:
    """Neither beyond the time when it was made, nor beyond a day after what is sealed."""
    last = list_digests(whole)[-2]
    cut = claim(without(whole, list_digests(whole)[-1]), lambda said: said.pop("newest"))
    sealed_at = parse_time(json.loads(whole[last])["sealed_at"])
    if hours < 0:
        claimed = say(cut, to=format_time(MADE_AT + timedelta(seconds=1)))
    else:
        claimed = say(cut, to=format_time(sealed_at + timedelta(hours=hours)))
    assert check(claimed).problems
    near = say(cut, to=format_time(sealed_at + timedelta(hours=26)))
    found = check(near)
    assert (found.problems, found.is_open) == ([], True)


def test_a_period_begins_behind_what_stands_for_all_before(whole: Trail) -> None:
    """By as much as clocks may differ: what the first digest names need not be there."""
    until = parse_time(json.loads(whole[list_digests(whole)[0]])["until"])
    for minutes, kinds in [(15, {("altered", EXCERPT_KEY)}), (16, set())]:
        begins_at = format_time(until + timedelta(minutes=minutes))
        assert check(say(whole, **{"from": begins_at})).kinds == kinds


def test_two_excerpts_are_no_excerpt(steps: Trail, key: EllipticCurvePrivateKey) -> None:
    """Of one cluster's time and another's: what either lacks is missing."""
    times = times_of(steps)
    early = copied(steps, AuditPeriod(times[0], times[len(times) // 4]), CLUSTERS[:1])
    late = copied(steps, AuditPeriod(times[len(times) // 2], times[-2]), CLUSTERS[1:])
    for mixed in ({**early, **late}, {**late, **early}):
        assert check(mixed, pinned=public_key(key)).problems


def test_another_stack_s_digests_prove_nothing(whole: Trail, key: EllipticCurvePrivateKey) -> None:
    """Signed by another key they are named; by the same one, they follow nothing here."""
    thief, digests = make_key(), list_digests(whole)
    resigned = sign(without(whole), thief, anew=True)
    found = check(resigned, pinned=public_key(key)).kinds
    assert {("altered", each) for each in digests[:-1]} <= found
    unpinned = check(resigned)
    assert unpinned.signers == {public_key(thief).fingerprint}
    stranger = seal({"records/vcenter=x/cluster=y/0000000001.json": b"{}"}, key, MADE_AT - timedelta(days=30))
    mixed = {**stranger, **whole}
    assert any(kind in {"forked", "missing"} for kind, _ in check(mixed, pinned=public_key(key)).kinds)


def test_a_digest_under_another_key_and_a_key_under_another_name_are_named(
    whole: Trail, key: EllipticCurvePrivateKey
) -> None:
    """A digest of before can't stand for a later one."""
    first, second, *_ = list_digests(whole)
    replayed = {**whole, second: whole[first], f"{second}.sig": whole[f"{first}.sig"]}
    assert ("altered", second) in check(replayed, pinned=public_key(key)).kinds
    (pem,) = [each for each in whole if each.endswith(".pem")]
    other = f"digests/keys/{'0' * 64}.pem"
    renamed = {**without(whole, pem), other: whole[pem]}
    assert ("altered", other) in check(renamed).kinds
    assert ("altered", other) in check(renamed, pinned=public_key(key)).kinds


def test_an_object_of_two_digests_with_two_hashes_is_named(
    whole: Trail, key: EllipticCurvePrivateKey
) -> None:
    """Whoever had the key signs no second truth unseen."""
    *_, last, newest = list_digests(whole)
    record = next(each for each in sorted(whole) if each.startswith("records/") and f"={PROD_A}/" in each)
    digest = json.loads(whole[last])
    digest["objects"] = [*digest["objects"], {"key": record, "sha256": compute_sha256(b"other")}]
    second = {**without(whole, newest), last: encode_canonical_json(digest)}
    forged = claim(sign(second, key, anew=True), lambda said: said.pop("newest"))
    assert ("forked", record) in check(forged).kinds


def test_an_excerpt_of_a_cluster_that_never_was_says_so(steps: Trail, middle: AuditPeriod) -> None:
    """No record is here of it: that is no fault, and said aloud by the command."""
    excerpt = copied(steps, middle)
    ghost = {"vcenter": VCENTER, "cluster": "domain-c999", "name": "prod-a"}
    found = check(say(excerpt, clusters=[*json.loads(excerpt[EXCERPT_KEY])["excerpt"]["clusters"], ghost]))
    assert (found.problems, found.unknown) == ([], ["domain-c999"])
