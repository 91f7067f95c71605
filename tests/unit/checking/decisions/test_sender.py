"""Nobody decides in another's name: whoever may send to the queue decides as himself, and functions never."""

from typing import TYPE_CHECKING, Any, cast

import pytest
from esx_drift.contracts import list_violations
from esx_drift.domain.decisions import find_sender_fault
from esx_drift.domain.dispatching.run import MAX_REQUEST_AGE
from esx_drift.domain.stored.identifiers import VCENTER_LOG, make_next_request_id, make_record_key
from esx_drift.errors import RequestRefused, TrailDamaged
from hypothesis import given
from hypothesis import strategies as st

from tests.lab.demo.timeline import BY_HAND, I40EN
from tests.unit.checking.decisions.person import ALICE, ALICE_ID, Person, answered, decided, retire_requests
from tests.unit.checking.reading import open_kinds
from tests.unit.checking.world import OWN_ROLE_IDS, OWN_SENDER, PROD_A, PROD_B, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from esx_drift.domain.stored.types import CheckRequest, Decision, Record

INTERVAL_SECONDS = 4 * 3600
UUID = "00000000-0000-4000-8000-000000000001"
ACCOUNT = "123456789012"
USER = "AIDAUSEREXAMPLE"
ONLY_RECORDS = "is a function of esx-drift, which may send only what a record of the last days asks for"
FUTURE = "9999-12-31T23:59:59.000Z"


def _claim(request: "CheckRequest", user_id: str | None) -> "CheckRequest":
    """The request as somebody sends it who says that he has this id; None: as an older command does."""
    assert request["decision"] is not None
    decision: Any = {**request["decision"], "user_id": user_id}
    if user_id is None:
        del decision["user_id"]
    return {**request, "decision": decision}


def _drifted(world: World) -> None:
    world.dispatch()
    world.check()
    world.vcenter.hosts.set_component("esx02", I40EN, BY_HAND)
    world.check()


def _is_refused(world: World, sender_id: str | None, request: "CheckRequest", why: str) -> bool:
    """Refused, with nothing written and nobody asked."""
    asked = len(world.vcenter.journal)
    world.aws.calls.clear()
    with pytest.raises(RequestRefused, match=why) as caught:
        world.handle_from(sender_id, request)
    assert f"of {request['cluster']!r} on {world.watched.name} is not carried out: " in caught.value.message
    is_kept = {call for call, _ in world.aws.calls} <= {"GetObject", "ListObjectsV2"}
    return is_kept and len(world.vcenter.journal) == asked


def test_who_sent_it_decides_as_himself(world: World, person: Person) -> None:
    """A user, a role's session, the account's root, a federated user; the record keeps who it was."""
    _drifted(world)
    for sender_id in (USER, ALICE_ID, ACCOUNT, f"{ACCOUNT}:bob"):
        request = _claim(person.request("accept", hosts=person.shown()), sender_id)
        record = world.handle_from(sender_id, request)
        assert record is not None
        assert (decided(record)["by"], decided(record)["sender_id"]) == (ALICE, sender_id)
        assert open_kinds(record) == {"image-not-uniform"}


REFUSED: dict[str, tuple[str | None, str | None, str]] = {
    "another user": (USER, ALICE_ID, f"says that {ALICE_ID} decided, and SQS says that {USER} sent it"),
    "another session": ("AROAADMINEXAMPLE:mallory", ALICE_ID, "who meant it decides again"),
    "a session in the role's own name": ("AROAADMINEXAMPLE", ALICE_ID, "Nobody decides in another's name"),
    "the account": (ACCOUNT, ALICE_ID, f"SQS says that {ACCOUNT} sent it"),
    "a session for the account": (ALICE_ID, ACCOUNT, f"says that {ACCOUNT} decided"),
    "who is only like him": (ALICE_ID.lower(), ALICE_ID, "Nobody decides in another's name"),
    "an older command": (ALICE_ID, None, "Update the command and decide again"),
    "nobody": (None, ALICE_ID, "SQS did not say who sent it. Decide again"),
    "nobody, of an older command": (None, None, "SQS did not say who sent it"),
    "the checker": (OWN_SENDER, ALICE_ID, f"{OWN_SENDER} is a function of esx-drift"),
    "the checker as itself": (OWN_SENDER, OWN_SENDER, "Find out who had it sent"),
    "the dispatcher": (f"{OWN_ROLE_IDS[0]}:dispatcher", f"{OWN_ROLE_IDS[0]}:dispatcher", "is a function"),
    "the checker, of an older version": (OWN_SENDER, None, ONLY_RECORDS),
    "a role of ours": (OWN_ROLE_IDS[0], OWN_ROLE_IDS[0], "is a function of esx-drift"),
}


def test_what_somebody_else_sent_is_refused(world: World, person: Person) -> None:
    """Whatever he asks for, it says why not, and what to do."""
    _drifted(world)
    world.vcenter.replace()
    world.dispatch()
    requests = (
        person.request("accept", hosts=person.shown()),
        person.request("accept", VCENTER_LOG, instance_uuid=world.vcenter.instance_uuid),
        person.request("accept", VCENTER_LOG),
        person.request("retire", PROD_A),
    )
    for name, (sender_id, user_id, why) in REFUSED.items():
        for request in requests:
            assert _is_refused(world, sender_id, _claim(request, user_id), why), name


def test_whose_role_only_begins_like_one_of_ours_is_no_function(world: World, person: Person) -> None:
    """Ids are compared whole."""
    _drifted(world)
    sender_id = f"{OWN_ROLE_IDS[1]}2:checker"
    request = _claim(person.request("accept", hosts=person.shown()), sender_id)
    assert world.handle_from(sender_id, request) is not None


IDS = st.none() | st.sampled_from([USER, ALICE_ID, ACCOUNT, *OWN_ROLE_IDS, OWN_SENDER]) | st.text(min_size=1)


@given(user_id=IDS, sender_id=IDS)
def test_only_the_sender_himself_decides_and_no_function(user_id: str | None, sender_id: str | None) -> None:
    """Whatever the two ids are; what is wrong is said in a sentence that names the sender."""
    decision = cast("Decision", {} if user_id is None else {"user_id": user_id})
    fault = find_sender_fault(decision, sender_id, OWN_ROLE_IDS)
    is_function = sender_id in OWN_ROLE_IDS or any(
        (sender_id or "").startswith(f"{one}:") for one in OWN_ROLE_IDS
    )
    assert (fault is None) == (sender_id is not None and sender_id == user_id and not is_function)
    assert fault is None or sender_id is None or sender_id in fault


def test_the_id_that_a_message_claims_has_bounds(person: Person) -> None:
    """It stands in the function's log, if it is refused."""
    request = person.request("accept")
    for user_id in (ALICE_ID, "x" * 200):
        assert list_violations("check-request", _claim(request, user_id)) == []
    for user_id in ("", "x" * 201, "two words", "a\nb", "ä"):
        assert list_violations("check-request", _claim(request, user_id)) != []


def test_a_decision_that_comes_again_is_answered_once(world: World, person: Person) -> None:
    """By the same record; and nobody else can have it answered."""
    _drifted(world)
    request = person.request("accept", hosts=person.shown())
    first = answered(world, request)
    before = world.records()
    assert world.handle_from(ALICE_ID, request) == first
    assert _is_refused(world, USER, request, "Nobody decides in another's name")
    assert world.records() == before


def test_a_decision_takes_no_check_the_answer_away(world: World, person: Person) -> None:
    """A check is answered once, under an id that whoever reads the trail knows while it waits."""
    _drifted(world)
    check = world.request()
    assert world.handle(check) is None
    taking: CheckRequest = {**person.request("accept"), "request_id": check["request_id"]}
    assert _is_refused(world, ALICE_ID, taking, "its id may be a check's")
    assert world.follow(world.comes_back())["outcome"] == "unchanged"


def _run(world: World) -> "Record":
    world.wait(INTERVAL_SECONDS)
    return world.dispatch()


def _asked_by_fleet_file(world: World, _: Person) -> "CheckRequest":
    """prod-b has something open, and is left out from now on."""
    _run(world)
    world.check(PROD_B)
    world.set(exclude=("prod-b",))
    _run(world)
    (request,) = retire_requests(world)
    return request


def _asked_by_accepted_vcenter(world: World, person: Person) -> "CheckRequest":
    """Another vCenter was accepted, which prod-b went with."""
    _run(world)
    world.check(PROD_B)
    world.vcenter.replace()
    _run(world)
    person.accept_vcenter(world.vcenter.instance_uuid)
    return next(one for one in retire_requests(world) if one["cluster"] == PROD_B)


ASKING: "dict[str, Callable[[World, Person], CheckRequest]]" = {
    "the fleet file": _asked_by_fleet_file,
    "an accepted vCenter": _asked_by_accepted_vcenter,
}
asking = pytest.mark.parametrize("ask", ASKING.values(), ids=ASKING)


@asking
@pytest.mark.parametrize("sender_id", [OWN_SENDER, USER], ids=["the checker", "a person"])
def test_what_a_record_asks_for_is_done_whoever_sends_it(
    world: World, person: Person, ask: "Callable[[World, Person], CheckRequest]", sender_id: str
) -> None:
    """It is no more than what the function would send: a person may send it again from the dead letters."""
    request = ask(world, person)
    record = world.handle_from(sender_id, request)
    assert record is not None
    assert (record["outcome"], record["cluster"]) == ("retired", PROD_B)
    decision = request["decision"]
    assert decision is not None
    assert (decided(record)["by"], decided(record)["sender_id"]) == (decision["by"], sender_id)
    assert decided(record)["taken"] == [PROD_B]


FORGED: dict[str, dict[str, Any]] = {
    "another id": {"request_id": UUID},
    "another cluster": {"cluster": PROD_A},
    "an approval": {"action": "accept"},
    "another reason": {"decision": {"reason": "CHG-43"}},
    "another person": {"decision": {"by": "arn:aws:iam::123456789012:root"}},
    "another vCenter's": {"decision": {"instance_uuid": "52f9f1b0-160a-25fe-fd1e-e7526df80e0d"}},
    "shown at another record": {"decision": {"shown_at": 3}},
    "its own id": {"decision": {"user_id": OWN_SENDER}},
    "a record that is not there": {"dispatch_seq": 9_999_999_999},
    "the record before": {"dispatch_seq": 1},
}


@asking
def test_a_function_can_ask_for_nothing_else(
    world: World, person: Person, ask: "Callable[[World, Person], CheckRequest]"
) -> None:
    """What differs from what the record asks for is nobody's decision."""
    request = ask(world, person)
    for name, forged in FORGED.items():
        decision = {**(request["decision"] or {}), **forged.get("decision", {})}
        changed = cast("CheckRequest", {**request, **forged, "decision": decision})
        assert _is_refused(world, OWN_SENDER, changed, ONLY_RECORDS), name


def test_the_fleet_file_retires_what_it_leaves_out_and_no_more(world: World, person: Person) -> None:
    """Under the id that it would have, too: anybody who knows the record's can make that."""
    request = _asked_by_fleet_file(world, person)
    asking_record = world.records(VCENTER_LOG)[-1]
    own_id = make_next_request_id(asking_record["request_id"], f"retire {PROD_A}")
    forged: CheckRequest = {**request, "cluster": PROD_A, "request_id": own_id}
    assert _is_refused(world, OWN_SENDER, forged, ONLY_RECORDS)


@asking
def test_of_such_a_message_only_the_record_is_believed(
    world: World, person: Person, ask: "Callable[[World, Person], CheckRequest]"
) -> None:
    """Name, run and time are the record's: so it is answered once, whenever it is said to have been made."""
    request = ask(world, person)
    forged: CheckRequest = {**request, "cluster_name": "prod-x", "run_id": "run-404", "requested_at": FUTURE}
    record = answered(world, forged)
    assert (record["cluster_name"], record["run_id"]) == (request["cluster_name"], request["run_id"])
    before = world.records(PROD_B)
    for again in (forged, request):
        assert answered(world, again) == record
    assert world.records(PROD_B) == before


@asking
def test_one_of_long_ago_is_done_with(
    world: World, person: Person, ask: "Callable[[World, Person], CheckRequest]"
) -> None:
    """A message that somebody kept can't retire what is watched again since."""
    request = ask(world, person)
    world.wait(MAX_REQUEST_AGE.total_seconds() + 1)
    assert _is_refused(world, OWN_SENDER, request, ONLY_RECORDS)


@asking
def test_one_of_the_version_before_is_found_among_the_newest_records(
    world: World, person: Person, ask: "Callable[[World, Person], CheckRequest]"
) -> None:
    """It names no record."""
    request = ask(world, person)
    del request["dispatch_seq"]
    assert answered(world, request)["outcome"] == "retired"


def test_a_record_that_a_person_made_asks_for_nothing(world: World, person: Person) -> None:
    """He retired one cluster once: nobody can have it retired again in his name, when it is watched again."""
    _run(world)
    world.check(PROD_B)
    world.vcenter.inventory.hide_cluster("prod-b")
    _run(world)
    person.retire(PROD_B)
    struck = world.records(VCENTER_LOG)[-1]
    kept = _claim(person.request("retire", PROD_B), None)
    forged: CheckRequest = {
        **kept,
        "request_id": make_next_request_id(struck["request_id"], f"retire {PROD_B}"),
        "dispatch_seq": struck["seq"],
    }
    assert _is_refused(world, OWN_SENDER, forged, ONLY_RECORDS)


@asking
def test_a_spoilt_record_asks_for_nothing_until_it_is_restored(
    world: World, person: Person, ask: "Callable[[World, Person], CheckRequest]"
) -> None:
    """The message comes again meanwhile, and is a dead letter in the end: redriven, it is done."""
    request = ask(world, person)
    key = make_record_key(world.watched.name, VCENTER_LOG, request["dispatch_seq"])
    body = world.aws.s3.get_object(Bucket="audit", Key=key)["Body"].read()
    world.aws.s3.delete_object(Bucket="audit", Key=key)
    world.aws.s3.put_object(Bucket="audit", Key=key, Body=b"{}", IfNoneMatch="*")
    with pytest.raises(TrailDamaged, match="is no record"):
        world.handle_from(OWN_SENDER, request)
    world.aws.s3.delete_object(Bucket="audit", Key=key)
    world.aws.s3.put_object(Bucket="audit", Key=key, Body=body, IfNoneMatch="*")
    assert answered(world, request)["outcome"] == "retired"
