from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest
from esx_drift.checking.baseline import BaselineReader
from esx_drift.domain.decisions import list_acceptable_hosts
from esx_drift.domain.stored.identifiers import make_record_key, make_state_key
from esx_drift.domain.text.times import format_time
from esx_drift.errors import RequestRefused
from esx_drift.journal import MAX_APPEND_ATTEMPTS

from tests.lab.demo.timeline import BY_HAND, FOOTHOLD, I40EN, SHIPPED
from tests.unit.checking.decisions.person import ALICE, Person, answered, decided
from tests.unit.checking.forms import LOWER_CASE
from tests.unit.checking.reading import moved, one, open_kinds
from tests.unit.checking.test_at_once import meet_other_writes
from tests.unit.checking.world import PROD_A, PROD_B, World

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import CheckRequest, DecidedMaintenance, ShownHost


def _names(world: World, *names: str) -> list[str]:
    return [world.vcenter.inventory.host(name).host for name in names]


def _hosts(world: World) -> list[str]:
    return [host.name for host in world.vcenter.inventory.hosts_of(PROD_A)]


def _drifted(world: World, number: int = 1) -> list[str]:
    """Baseline, then a driver by hand on so many hosts; their names."""
    world.check()
    names = _hosts(world)[:number]
    world.vcenter.hosts.set_component(names, I40EN, BY_HAND)
    assert ("drift-unreviewed", "opened") in moved(world.check())
    return names


def _driver(hosts: list[str]) -> dict[str, object]:
    """The driver that was changed by hand, as a net difference."""
    named = {"element": "component", "kind": "upgraded", "key": I40EN, "from": SHIPPED, "to": BY_HAND}
    return {**named, "alternative_image": None, "hosts": hosts}


def test_what_was_shown_and_accepted_is_reviewed(world: World, person: Person) -> None:
    """Accepting all of it closes drift-unreviewed, says who and why, and the next look opens nothing."""
    (name,) = _drifted(world)
    record = person.accept(person.shown())
    assert decided(record)["taken"] == sorted(person.shown(), key=lambda host: int(host.rpartition("-")[2]))
    assert decided(record)["refused"] == []
    assert (record["outcome"], moved(record)) == ("accepted", {("drift-unreviewed", "resolved")})
    closed = one(record["findings"], "drift-unreviewed")
    assert closed["resolved_because"] == "accepted"
    assert (closed["detail"]["decided_by"], closed["detail"]["reason"]) == (ALICE, "CHG-42")
    assert [event["type"] for event in record["events"]] == ["esx-drift.drift.resolved"]
    data = record["events"][0]["data"]
    assert data["host_names"] == dict(zip(_names(world, name), [name], strict=True))
    assert data["coverage"] is None
    after = world.check()
    assert (after["outcome"], moved(after)) == ("unchanged", set())
    assert "drift-unreviewed" not in open_kinds(after)


def test_only_the_hosts_that_were_named_are_accepted(world: World, person: Person) -> None:
    """The finding stays for the others, and says so; putting them back ends it."""
    first, second = _drifted(world, 2)
    (host, other) = _names(world, first, second)
    record = person.accept({host: person.shown()[host]})
    assert (decided(record)["taken"], moved(record)) == ([host], set())
    left = one(record["after"]["findings"].values(), "drift-unreviewed")
    assert left["hosts"] == [other]
    assert left["summary"] == f"{second} is not as last accepted: Intel-i40en 2.7.2.0 → 2.9.2.0"
    assert left["detail"] == {"differences": [_driver([other])], "total": 1}
    (event,) = record["events"]
    assert (event["type"], event["data"]["severity"]) == ("esx-drift.drift.resolved", "warning")
    told = one(event["data"]["findings"], "drift-unreviewed")
    assert told["accepted"] == {
        "hosts": [host],
        "was": "warning",
        "differences": [_driver([host])],
        "total": 1,
    }
    assert event["data"]["host_names"][host] == first
    assert "accepted" not in left
    world.vcenter.hosts.set_component(second, I40EN, SHIPPED)
    assert "drift-unreviewed" not in open_kinds(world.check())


def test_what_moved_meanwhile_is_refused(world: World, person: Person) -> None:
    """A host that changed after it was shown is not accepted, the others are; never more than was shown."""
    first, second = _drifted(world, 2)
    shown = person.shown()
    world.vcenter.hosts.set_component(second, I40EN, "2.9.9.9-1OEM.800.1.0.20613240")
    world.check()
    before = world.after()["accepted"]
    record = person.accept({host: shown[host] for host in _names(world, first, second)})
    assert (decided(record)["taken"], decided(record)["refused"]) == (
        _names(world, first),
        _names(world, second),
    )
    (refused,) = _names(world, second)
    assert record["after"]["accepted"][refused] == before[refused]
    assert one(world.check()["findings"], "drift-unreviewed")["hosts"] == [refused]


def test_a_refusal_of_all_changes_nothing_but_the_log(world: World, person: Person) -> None:
    """An image that was never there, and a host that nobody knows."""
    _drifted(world)
    before = world.after()
    never: ShownHost = {"image": "0" * 64, "orphaned_vibs": []}
    record = person.accept(dict.fromkeys([*person.shown(), "host-999"], never))
    assert decided(record)["taken"] == []
    assert "host-999" in decided(record)["refused"]
    assert {**record["after"], "answered": []} == {**before, "answered": []}
    assert (moved(record), record["events"]) == (set(), [])


def test_a_host_that_is_not_seen_any_more_is_refused(world: World, person: Person) -> None:
    """Nobody knows what it runs now."""
    (name,) = _drifted(world)
    shown = person.shown()
    world.vcenter.hosts.fail_extraction(name)
    world.check()
    (host,) = _names(world, name)
    assert host not in person.shown()
    assert decided(person.accept({host: shown[host]}))["refused"] == [host]


def test_an_accepted_orphaned_vib_is_no_alarm_until_it_spreads(world: World, person: Person) -> None:
    """It stays a finding, since it is still there; on another host it is critical again."""
    world.check()
    first, second, *_ = _hosts(world)
    world.vcenter.hosts.add_orphaned_vib(first, FOOTHOLD)
    assert one(world.check()["findings"], "orphaned-vib")["severity"] == "critical"
    record = person.accept(person.shown())
    known = one(record["after"]["findings"].values(), "orphaned-vib")
    assert (known["severity"], known["transition"], known["detail"]["not_accepted_on"]) == (
        "warning",
        "still",
        [],
    )
    (event,) = record["events"]
    assert (event["type"], event["data"]["severity"]) == ("esx-drift.orphaned-vib.resolved", "critical")
    told = one(event["data"]["findings"], "orphaned-vib")
    part = {"hosts": _names(world, first), "was": "critical", "differences": [], "total": 0}
    assert told["accepted"] == part
    assert person.accept(person.shown())["events"] == []
    after = world.check()
    assert (after["outcome"], one(after["findings"], "orphaned-vib")["severity"]) == ("unchanged", "warning")
    world.vcenter.hosts.add_orphaned_vib(second, FOOTHOLD)
    spread = one(world.check()["findings"], "orphaned-vib")
    assert (spread["transition"], spread["severity"]) == ("raised", "critical")
    assert spread["detail"]["not_accepted_on"] == _names(world, second)


def test_an_orphaned_vib_that_is_accepted_on_some_hosts_stays_an_alarm(world: World, person: Person) -> None:
    """Until it is accepted on the last one."""
    world.check()
    first, second, *_ = _hosts(world)
    world.vcenter.hosts.add_orphaned_vib([first, second], FOOTHOLD)
    world.check()
    shown = person.shown()
    (host, other) = _names(world, first, second)
    known = one(person.accept({host: shown[host]})["findings"], "orphaned-vib")
    assert (known["severity"], known["detail"]["not_accepted_on"]) == ("critical", [other])


def test_other_findings_stay_as_they_are(world: World, person: Person) -> None:
    """That hosts run different images is so whoever approves of it."""
    _drifted(world)
    record = person.accept(person.shown())
    assert one(record["findings"], "image-not-uniform")["transition"] == "still"


def test_a_request_is_answered_once(world: World, person: Person) -> None:
    """SQS delivers at least once; the second time the same record answers."""
    _drifted(world)
    request = person.request("accept", hosts=person.shown())
    first, again = answered(world, request), answered(world, request)
    assert first == again
    assert len(world.records()) == 3
    assert len(world.topic.published) == len({event["id"] for event in world.topic.published})


def test_a_cluster_that_nobody_looked_at_cannot_be_accepted(world: World, person: Person) -> None:
    """Nor is a log begun for it."""
    with pytest.raises(RequestRefused, match="nobody has looked at domain-c1008"):
        person.accept({}, PROD_B)
    assert world.records(PROD_B) == []


def test_a_decision_that_is_not_of_its_action_is_refused(world: World, person: Person) -> None:
    """It ends as a dead letter: what is missing is not guessed."""
    request = person.request("accept")
    assert request["decision"] is not None
    window: DecidedMaintenance = {"for_seconds": 3600, "accept": False}
    for wrong in (
        {**request, "action": "maintenance"},
        {**request, "decision": None},
        {**request, "decision": {**request["decision"], "maintenance": window}},
    ):
        with pytest.raises(RequestRefused, match="its decision does not say what '"):
            world.handle(cast("CheckRequest", wrong))


def test_a_host_that_was_never_seen_cannot_be_accepted(world: World, person: Person) -> None:
    """There is nothing to accept of it."""
    name = _hosts(world)[0]
    world.vcenter.hosts.fail_extraction(name)
    world.check()
    (host,) = _names(world, name)
    assert host not in person.shown()
    assert host not in list_acceptable_hosts(world.snapshot(), ())


@pytest.mark.parametrize("conflicts", [0, MAX_APPEND_ATTEMPTS - 1])
def test_what_is_shown_in_a_newer_form_can_be_accepted_before_the_next_check(
    world: World, person: Person, monkeypatch: pytest.MonkeyPatch, conflicts: int
) -> None:
    """The log is converted by the decision, so that the hosts that are not accepted are as they were.

    That holds also where a check converts it in the same moment.
    """
    first, second = _drifted(world, 2)
    (host, other) = _names(world, first, second)
    LOWER_CASE.use(monkeypatch)
    log = world.watched.name, PROD_A
    baseline = BaselineReader(world.aws.store, *log).read(world.after())
    assert baseline is not None
    shown = baseline.snapshot["hosts"][host]
    assert shown["image"] is not None
    with meet_other_writes(world, "snapshots/", conflicts):
        record = person.accept({host: {"image": shown["image"], "orphaned_vibs": []}})
    assert decided(record)["taken"] == [host]
    stored = record["after"]["snapshot"]
    assert stored is not None
    assert world.aws.store.snapshot(stored["key"]) == baseline.snapshot
    after = world.check()
    assert (after["outcome"], after["changes"], moved(after)) == ("unchanged", [], set())
    assert one(after["after"]["findings"].values(), "drift-unreviewed")["hosts"] == [other]


def test_without_the_snapshot_a_decision_is_refused(world: World, person: Person) -> None:
    """What was shown can't be compared with how it is; the log stays as it is."""
    record = world.check()
    shown = person.shown()
    for kept in (record["snapshot"], record["document"]):
        assert kept is not None
        world.spoilt.add(kept["key"])
        world.aws.s3.delete_object(Bucket="audit", Key=kept["key"])
    with pytest.raises(RequestRefused, match="restore its former version in S3 first"):
        person.accept(shown)
    assert len(world.records()) == 1


def test_an_acceptance_ends_and_what_was_before_holds_again(
    world: World, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next check opens again what was accepted for a time, also where it reads another canonical form."""
    (first,) = _drifted(world)
    world.vcenter.hosts.add_orphaned_vib(first, FOOTHOLD)
    world.check()
    (host,) = _names(world, first)
    until = format_time(world.now + timedelta(hours=6))
    record = person.accept({host: person.shown()[host]}, until=until, ticket="CHG-7")
    assert [event["data"]["decision"] for event in record["events"]] == [
        {"by": ALICE, "reason": "CHG-42", "ticket": "CHG-7", "until": until}
    ] * len(record["events"])
    assert moved(world.check()) == set()
    LOWER_CASE.use(monkeypatch)
    after = world.check()
    assert moved(after) == {("drift-unreviewed", "opened"), ("orphaned-vib", "raised")}
    drift = one(after["findings"], "drift-unreviewed")
    assert (drift["hosts"], drift["detail"]["total"], drift["detail"]["expired_at"]) == ([host], 1, until)
    vib = one(after["findings"], "orphaned-vib")
    assert vib["severity"] == "critical"
    ended = {"at": until, "hosts": [host], "by": ALICE, "reason": "CHG-42", "ticket": "CHG-7"}
    assert vib["detail"] == {"not_accepted_on": [host], "expired_at": until, "ended": [ended]}
    calls = len(world.aws.calls)
    assert moved(world.check()) == set()
    reads = [call for call in world.aws.calls[calls:] if call[0] == "GetObject" and "snapshots/" in call[1]]
    assert reads == []
    again = person.accept({host: person.shown()[host]})
    assert moved(again) == {("drift-unreviewed", "resolved")}
    assert one(again["findings"], "orphaned-vib")["detail"] == {"not_accepted_on": []}


def test_what_was_accepted_for_a_time_can_be_accepted_for_longer(world: World, person: Person) -> None:
    """What holds after it is still what was accepted for good; that a VIB is accepted for longer is told."""
    world.check()
    (first, *_) = _hosts(world)
    world.vcenter.hosts.add_orphaned_vib(first, FOOTHOLD)
    world.check()
    (host,) = _names(world, first)
    lasting = world.after()["accepted"][host]
    for hours in (6, 12):
        until = format_time(world.now + timedelta(hours=hours))
        record = person.accept({host: person.shown()[host]}, until=until)
        assert record["after"]["accepted"][host]["before"] == lasting
        (event,) = record["events"]
        assert event["data"]["decision"]["until"] == until
    assert moved(world.check()) == moved(world.check()) == set()
    assert moved(world.check()) == {("orphaned-vib", "raised")}


def test_a_decision_with_an_end_that_can_not_be_is_refused(world: World, person: Person) -> None:
    """Its time is over, or it is about a vCenter."""
    _drifted(world)
    with pytest.raises(RequestRefused, match="which is over, or more than 366 days ahead"):
        person.accept(person.shown(), until=format_time(world.now))
    request = person.request("retire")
    assert request["decision"] is not None
    request["decision"]["until"] = format_time(world.now + timedelta(days=1))
    with pytest.raises(RequestRefused, match="only what hosts run can be accepted until a time"):
        world.handle(request)


def test_what_is_not_as_accepted_is_told_by_its_net_difference(world: World, person: Person) -> None:
    """Whatever came between; it is as bad as the worst of it, and over when nothing is left of it."""
    (first,) = _drifted(world)
    world.vcenter.hosts.set_component(first, I40EN, "2.8.9.0-1OEM.800.1.0.20613240")
    world.vcenter.hosts.set_component(first, "acme-tool", "1.0-1")
    record = world.check()
    drift = one(record["findings"], "drift-unreviewed")
    assert (drift["severity"], drift["detail"]["total"]) == ("critical", 2)
    listed = drift["detail"]["differences"]
    assert isinstance(listed, list)
    assert [(each["key"], each["kind"], each["from"]) for each in listed] == [  # type: ignore[index, call-overload]  # JSON
        (I40EN, "upgraded", SHIPPED),
        ("acme-tool", "added", None),
    ]
    world.vcenter.hosts.uninstall_component(first, "acme-tool")
    world.check()
    world.vcenter.hosts.set_component(first, I40EN, SHIPPED)
    assert ("drift-unreviewed", "resolved") in moved(world.check())
    assert person.accept(person.shown())["events"] == []


def _replace(world: World, key: str, body: bytes) -> None:
    world.aws.s3.delete_object(Bucket="audit", Key=key)
    world.aws.s3.put_object(Bucket="audit", Key=key, Body=body, IfNoneMatch="*")


@pytest.mark.parametrize("shown_at", [None, 1, 99])
def test_damage_is_not_accepted_on_a_record_that_shows_it_to_nobody(
    world: World, person: Person, shown_at: int | None
) -> None:
    """None was named, that one can't be read by now, or it isn't there."""
    world.check()
    key = make_state_key(world.watched.name, PROD_A)
    world.aws.s3.put_object(Bucket="state", Key=key, Body=b"{}")
    assert "trail-damaged" in open_kinds(world.check())
    request = person.request("accept", hosts=person.shown())
    first = make_record_key(world.watched.name, PROD_A, 1)
    kept = world.aws.s3.get_object(Bucket="audit", Key=first)["Body"].read()
    _replace(world, first, b"{}")
    assert request["decision"] is not None
    request["decision"]["shown_at"] = shown_at
    record = answered(world, request)
    _replace(world, first, kept)
    assert decided(record)["taken"]
    assert "trail-damaged" in {each["kind"] for each in record["after"]["findings"].values()}
