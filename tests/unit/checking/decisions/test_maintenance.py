from datetime import timedelta
from typing import Any, cast

from esx_drift.domain.fleet.rules import IgnoreRule, MaintenanceWindow, Period, SilencingRules
from esx_drift.domain.stored.types import Record
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.messages.content import NEVER_HIDDEN, build_content

from tests.lab.demo.timeline import BY_HAND, FOOTHOLD, I40EN, SHIPPED
from tests.unit.checking.decisions.person import ALICE, Person, decided
from tests.unit.checking.reading import moved, open_kinds
from tests.unit.checking.world import PROD_A, World

HOUR = 3600


def _change_a_driver(world: World, version: str = BY_HAND) -> str:
    (first, *_) = world.vcenter.inventory.hosts_of(PROD_A)
    world.vcenter.hosts.set_component(first.name, I40EN, version)
    return first.name


def _marks(record: Record) -> set[str | None]:
    moved_items = [each for each in record["findings"] if each["transition"] != "still"]
    return {item.get("suppressed_by") for item in (*record["changes"], *moved_items)}


def _types(record: Record) -> list[str]:
    return [event["type"].removeprefix("esx-drift.") for event in record["events"]]


def _window(world: World, hours: int, *, accept: bool = False) -> MaintenanceWindow:
    begins_at = world.now
    period = Period(begins_at, begins_at + timedelta(hours=hours))
    return MaintenanceWindow("patches", "CHG-7", period, clusters=("prod-*",), accept=accept)


def test_what_is_done_in_maintenance_is_published_and_told_when_it_is_still_open_at_its_end(
    world: World, person: Person
) -> None:
    """The topic has it at once, marked; the first look after it opens what is open, and sums it up."""
    world.check()
    begun = person.maintain(5 * HOUR)
    assert (begun["outcome"], decided(begun)["taken"]) == ("maintenance", [PROD_A])
    assert _types(begun) == ["report.maintenance-started"]
    _change_a_driver(world)
    during = world.check()
    name = f"maintenance:record {begun['seq']}"
    assert _marks(during) == {name}
    (event,) = during["events"]
    assert event["data"]["suppressed"] == {name: 3}
    after = world.check()
    assert moved(after) == {("drift-unreviewed", "opened"), ("image-not-uniform", "opened")}
    assert (_marks(after), after["outcome"]) == ({None}, "changed")
    assert _types(after) == ["report.maintenance-ended", "drift.detected"]
    report = cast("dict[str, Any]", after["events"][0]["data"]["report"])
    (window,) = report["windows"]
    assert (window["by"], window["reason"], window["changes"]) == (ALICE, "CHG-42", {"component": 1})
    assert {each["kind"] for each in window["still_open"]} == {"drift-unreviewed", "image-not-uniform"}
    content = build_content(after["events"][0])
    assert content.title.startswith("Maintenance “CHG-42” is over; still open: 2 findings")
    assert content.items[0] == "Within it, and not reported then: 1 change of component, 2 findings"
    assert world.check()["events"] == []


def test_who_begins_maintenance_is_told_with_why_and_for_how_long(world: World, person: Person) -> None:
    """It hides what happens in it, so whoever hears the cluster hears of it; its end says what was hidden."""
    world.check()
    begun = person.maintain(5 * HOUR)
    (event,) = begun["events"]
    window = cast("dict[str, Any]", event["data"]["report"])["window"]
    assert window == {
        "name": f"record {begun['seq']}",
        "by": ALICE,
        "reason": "CHG-42",
        "from": begun["checked_at"],
        "to": format_time(parse_time(begun["checked_at"]) + timedelta(hours=5)),
        "accept": False,
    }
    assert event["data"]["decision"] == {"by": ALICE, "reason": "CHG-42"}
    content = build_content(event)
    assert content.title == f"alice began maintenance for 5 h · prod-a · {begun['vcenter']} — “CHG-42”"
    assert content.level == "info"
    assert content.notes == (
        f"No host is touched by this: what changes meanwhile is reported only when it ends. {NEVER_HIDDEN}",
    )
    assert content.next_step is not None
    assert content.next_step.command == f"esx-drift maintenance end prod-a --vcenter {begun['vcenter']}"
    accepting = build_content(person.maintain(HOUR, accept=True)["events"][0])
    assert "what changes meanwhile is accepted when it ends." in " ".join(accepting.notes)


def test_maintenance_ends_before_its_time_by_whoever_ends_it(world: World, person: Person) -> None:
    """What is open is told by that record, and not as if he had decided it; twice is refused."""
    world.check()
    person.maintain(24 * HOUR)
    name = _change_a_driver(world)
    world.check()
    ended = person.maintain(None)
    assert decided(ended)["taken"] == [PROD_A]
    assert _types(ended) == ["report.maintenance-ended", "drift.detected"]
    assert "decision" not in ended["events"][1]["data"]
    summary, drift = map(build_content, ended["events"])
    assert drift.title.startswith(f"Not as last accepted: {I40EN} 2.7.2.0 → 2.9.2.0 on {name} · prod-a")
    assert "not as last accepted" not in " ".join(drift.items)
    assert drift.facts[:2] == ("no new check", "warning")
    assert summary.when_text.endswith(", begun by alice.")
    assert ended["after"]["maintenance"] is None
    assert decided(person.maintain(None))["refused"] == [PROD_A]
    world.vcenter.hosts.set_component(name, I40EN, SHIPPED)
    assert _types(world.check()) == ["drift.resolved"]


def test_what_begins_and_ends_in_maintenance_is_only_counted(world: World, person: Person) -> None:
    """A driver that was changed and put back: nobody has to know."""
    world.check()
    person.maintain(9 * HOUR)
    _change_a_driver(world)
    assert None not in _marks(world.check())
    _change_a_driver(world, SHIPPED)
    back = world.check()
    assert (_marks(back), open_kinds(back)) == ({"maintenance:record 2"}, set())
    after = world.check()
    assert _types(after) == ["report.maintenance-ended"]
    (window,) = after["maintenance_ended"]
    assert (window["changes"], window["still_open_total"]) == ({"component": 2}, 0)


def test_maintenance_hides_no_orphaned_vib(world: World, person: Person) -> None:
    """Nor its finding."""
    world.check()
    person.maintain(24 * HOUR)
    (first, *_) = world.vcenter.inventory.hosts_of(PROD_A)
    world.vcenter.hosts.add_orphaned_vib([first.name], FOOTHOLD)
    record = world.check()
    assert _types(record) == ["orphaned-vib.detected"]
    assert _marks(record) == {None}


def test_a_rule_of_the_file_hides_a_driver_and_what_follows_from_it(world: World, person: Person) -> None:
    """Until it is changed: then the next look tells what is open."""
    world.check()
    rule = IgnoreRule("drivers", "known", world.now + timedelta(days=1), keys=(I40EN,))
    world.rules = SilencingRules((rule,))
    _change_a_driver(world)
    assert _marks(world.check()) == {"ignore:drivers"}
    assert world.check()["events"] == []
    world.rules = SilencingRules()
    assert _types(world.check()) == ["drift.detected"]
    assert person.shown()


def test_a_window_of_the_file_is_kept_while_it_holds(world: World) -> None:
    """Where it holds for the cluster."""
    world.check()
    world.rules = SilencingRules(maintenance=(_window(world, 5),))
    _change_a_driver(world)
    during = world.check()
    assert _marks(during) == {"maintenance:patches"}
    assert during["after"]["maintenance"] is not None
    after = world.check()
    assert _types(after) == ["report.maintenance-ended", "drift.detected"]
    assert after["after"]["maintenance"] is None
    assert build_content(after["events"][0]).title.startswith("Maintenance patches (“CHG-7”) is over")


def test_what_was_done_in_a_window_that_accepts_is_accepted_at_its_end(world: World) -> None:
    """Also what the first look after it shows first; in silence but for the sum, and for good."""
    world.check()
    world.rules = SilencingRules(maintenance=(_window(world, 6, accept=True),))
    first, second, *_ = world.vcenter.inventory.hosts_of(PROD_A)
    world.vcenter.hosts.set_component(first.name, I40EN, BY_HAND)
    assert _marks(world.check()) == {"maintenance:patches"}
    world.vcenter.hosts.set_component(second.name, I40EN, BY_HAND)
    after = world.check()
    assert ("drift-unreviewed", "resolved") in moved(after)
    (window,) = after["maintenance_ended"]
    assert window["accepted"] == [first.host, second.host]
    assert _types(after)[0] == "report.maintenance-ended"
    # It spreads as well, but nobody heard that it began: the window hides it.
    assert {change.get("suppressed_by") for change in after["changes"]} == {"maintenance:patches"}
    content = build_content(after["events"][0])
    assert "Accepted what it changed on 2 hosts" in content.items
    again = world.check()
    assert (again["events"], "drift-unreviewed" in open_kinds(again)) == ([], False)


def test_a_host_that_was_not_as_accepted_before_stays_to_be_reviewed(world: World, person: Person) -> None:
    """Nor is one accepted that was downgraded, or got an orphaned VIB."""
    world.check()
    one, two, three, four, *_ = world.vcenter.inventory.hosts_of(PROD_A)
    world.vcenter.hosts.set_component(one.name, I40EN, BY_HAND)
    world.check()
    person.maintain(5 * HOUR, accept=True)
    for host in (one, two, four):
        world.vcenter.hosts.set_component(host.name, I40EN, "2.9.9.9-1OEM.800.1.0.20613240")
    world.vcenter.hosts.set_component(three.name, I40EN, "1.0.0.0-1OEM.800.1.0.20613240")
    world.vcenter.hosts.add_orphaned_vib([four.name], FOOTHOLD)
    world.check()
    after = world.check()
    (window,) = after["maintenance_ended"]
    assert window["accepted"] == [two.host]
    (left,) = (each for each in after["findings"] if each["kind"] == "drift-unreviewed")
    assert left["hosts"] == [one.host, three.host, four.host]
