"""What a trail says of hosts that come and go: as a model of the machines has it, whatever happened."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

import pytest
from esx_drift.domain.stored.types import Json, Record, Snapshot
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.trail.history import list_orphans, list_parts_since
from esx_drift.domain.trail.hosts import Sighting, find_former_ids, find_sightings
from esx_drift.domain.trail.known_hosts import list_known_hosts

from tests.simulator.inventory import Host
from tests.unit.checking.world import PROD_A, PROD_B, World
from tests.unit.trail.test_past import I40EN, parts_of

VIBS = ("smntemp(910.1.0.0005)", "mft(4.25.0)")
VERSIONS = ("2.9.2.0", "2.7.2.0", "2.8.0.0")
FORGOTTEN_AFTER = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Seen:
    """A machine at a look: its id, its name, and what it ran; none if it was not seen."""

    id: str
    name: str
    parts: dict[str, Json] | None


@dataclass(frozen=True, slots=True)
class Look:
    """What was there at a check of prod-a, by the UUID of the machine."""

    record: Record
    snapshot: Snapshot
    hosts: dict[str, Seen]

    @property
    def at(self) -> datetime:
        """When it was."""
        return parse_time(self.record["checked_at"])


@dataclass(slots=True)
class Walk:
    """Whatever happens to the machines of a vCenter, and what a check of prod-a sees after each step."""

    world: World
    random: Random
    out: dict[str, Host] = field(default_factory=dict)
    looks: list[Look] = field(default_factory=list)
    seen_in_b: list[tuple[datetime, str]] = field(default_factory=list)

    def play(self, steps: int) -> None:
        """Look, and then go so many steps, with a look after each."""
        self.world.dispatch()
        _look_elsewhere(self)
        self.look()
        for _ in range(steps):
            for _ in range(self.random.choice((1, 1, 2))):
                self.random.choice(STEPS)(self)
            self.look()

    def look(self) -> None:
        """Check prod-a, and note what was there."""
        record = self.world.check()
        snapshot = self.world.snapshot()
        present = {
            host.host_uuid: Seen(
                host.host,
                host.name,
                parts_of(snapshot, host.host) if host.connection_state == "CONNECTED" else None,
            )
            for host in self.world.vcenter.inventory.hosts_of(PROD_A)
        }
        self.looks.append(Look(record, snapshot, present))

    def pick(self, cluster: str = PROD_A) -> Host | None:
        """One of the hosts there."""
        hosts = self.world.vcenter.inventory.hosts_of(cluster)
        return self.random.choice(hosts) if hosts else None

    def is_known_between(self, machine: str, first: Look, last: Look) -> bool:
        """Whether prod-a's log still knows at the last look what the machine ran at the first one."""
        if any(first.at < at < last.at and machine == seen for at, seen in self.seen_in_b):
            return False
        left: datetime | None = None
        for look in self.looks[self.looks.index(first) : self.looks.index(last) + 1]:
            if machine in look.hosts:
                left = None
            elif left is None:
                left = look.at
            elif look.at - left > FORGOTTEN_AFTER:
                return False
        return True


def _change(walk: Walk) -> None:
    if host := walk.pick():
        walk.world.vcenter.hosts.set_component(host.host, I40EN, walk.random.choice(VERSIONS))


def _upgrade(walk: Walk) -> None:
    if host := walk.pick():
        walk.world.vcenter.hosts.upgrade(host.host, walk.random.choice(("8.0 U3e", "8.0 U3d")))


def _plant(walk: Walk) -> None:
    if host := walk.pick():
        walk.world.vcenter.hosts.add_orphaned_vib(host.host, walk.random.choice(VIBS))


def _clean(walk: Walk) -> None:
    if host := walk.pick():
        walk.world.vcenter.hosts.remove_orphaned_vib(host.host, walk.random.choice(VIBS))


def _lose(walk: Walk) -> None:
    if (host := walk.pick()) and host.host in walk.looks[-1].snapshot["hosts"]:
        walk.world.vcenter.hosts.disconnect(host.host)


def _find(walk: Walk) -> None:
    for host in walk.world.vcenter.inventory.hosts.values():
        walk.world.vcenter.hosts.reconnect(host.host)


def _add_again(walk: Walk) -> None:
    if host := walk.pick():
        walk.world.vcenter.inventory.re_add_host(host.host)


def _add_again_renamed(walk: Walk) -> None:
    """By its UUID it is known again: if that can be read, and no log of another cluster has it, too."""
    elsewhere = {machine for _, machine in walk.seen_in_b}
    if (host := walk.pick()) and host.connection_state == "CONNECTED" and host.host_uuid not in elsewhere:
        walk.world.vcenter.inventory.re_add_host(host.host, f"esx{walk.random.randrange(100, 999)}")


def _rename(walk: Walk) -> None:
    if host := walk.pick():
        host.name = f"esx{walk.random.randrange(100, 999)}"


def _take_out(walk: Walk) -> None:
    if host := walk.pick():
        walk.world.vcenter.inventory.remove_host(host.host)
        walk.out[host.host_uuid] = host


def _bring_back(walk: Walk) -> None:
    if walk.out:
        _, host = walk.out.popitem()
        inventory = walk.world.vcenter.inventory
        new = inventory.add_host(PROD_A, host.name, deepcopy(host.software), host.host_uuid)
        inventory.host(new).orphaned_vibs = host.orphaned_vibs


def _move(walk: Walk) -> None:
    if host := walk.pick():
        walk.world.vcenter.hosts.move(host.host, PROD_B)


def _move_back(walk: Walk) -> None:
    if host := walk.pick(PROD_B):
        walk.world.vcenter.hosts.move(host.host, PROD_A)


def _change_elsewhere(walk: Walk) -> None:
    if host := walk.pick(PROD_B):
        walk.world.vcenter.hosts.set_component(host.host, I40EN, walk.random.choice(VERSIONS))


def _look_elsewhere(walk: Walk) -> None:
    record = walk.world.check(PROD_B)
    walk.seen_in_b += [
        (parse_time(record["checked_at"]), host.host_uuid)
        for host in walk.world.vcenter.inventory.hosts_of(PROD_B)
        if host.connection_state == "CONNECTED"
    ]


def _join(walk: Walk) -> None:
    like = walk.pick()
    software = deepcopy(like.software) if like else None
    walk.world.vcenter.inventory.add_host(PROD_A, f"new{walk.random.randrange(100, 999)}", software)


def _wait(walk: Walk) -> None:
    walk.world.wait(timedelta(days=46).total_seconds())


type Step = Callable[[Walk], None]

STEPS: tuple[Step, ...] = (
    _change, _change, _change, _upgrade, _plant, _plant, _clean, _lose, _find, _find, _add_again,
    _add_again_renamed, _rename, _take_out, _bring_back, _bring_back, _move, _move_back, _change_elsewhere,
    _look_elsewhere, _join, _wait,
)  # fmt: skip


def find_last_seen(walk: Walk, machine: str, until: int) -> int | None:
    """The number of the last look, until that one, which saw it; none where the log has forgotten it."""
    for at in range(until, -1, -1):
        seen = walk.looks[at].hosts.get(machine)
        if seen is not None and seen.parts is not None:
            return at
    return None


SEEDS = range(4)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_said_of_machines_is_what_became_of_them(world: World, seed: int) -> None:
    """At each moment, what each ran and when it was seen; since when each part; each orphaned VIB."""
    walk = Walk(world, Random(seed))
    walk.play(30)
    assert_sightings(walk)
    assert_parts(walk)
    assert_orphans(walk)
    assert_names(walk)


def assert_sightings(walk: Walk) -> None:
    """Of each host at each look, and a moment before the next one."""
    for number, look in enumerate(walk.looks):
        later = walk.looks[number + 1 :]
        end = later[0].at - timedelta(milliseconds=1) if later else look.at + timedelta(days=1)
        ids = {seen.id: machine for machine, seen in look.hosts.items()}
        assert ids.keys() == look.snapshot["hosts"].keys()
        never = [host for host, known in look.snapshot["hosts"].items() if known["image"] is None]
        earlier = [one.record for one in reversed(walk.looks[: number + 1])]
        for moment in (look.at, end):
            found = find_sightings(ids, moment, look.record, (one.record for one in later), never)
            for host, machine in ids.items():
                said, before = found[host], find_last_seen(walk, machine, number)
                where = (number + 1, host, machine, moment)
                if host not in never:
                    assert before is not None, where
                    assert said.before == walk.looks[before].record["checked_at"], where
                    then = walk.looks[before].hosts[machine]
                    assert parts_of(look.snapshot, host) == then.parts, where
                    former = find_former_ids({host: said.before}, earlier)
                    assert former.get(host, host) == then.id, where
                assert_next(walk, number, machine, said, where)


def assert_next(walk: Walk, number: int, machine: str, said: Sighting, where: object) -> None:
    """When it was seen again, or had left."""
    now = walk.looks[number].hosts[machine]
    for look in walk.looks[number + 1 :]:
        seen = look.hosts.get(machine)
        if seen is None:
            assert (said.left_at, said.after) == (look.record["checked_at"], None), where
            return
        if seen.parts is not None:
            assert (said.left_at, said.after) == (None, look.record["checked_at"]), where
            assert said.id_after == (None if seen.id == now.id else seen.id), where
            if said.before is not None:
                before = find_last_seen(walk, machine, number)
                assert before is not None
                was = walk.looks[before].hosts[machine].parts
                assert said.changed_between == (was != seen.parts), where
            return
    assert (said.left_at, said.after) == (None, None), where


def assert_parts(walk: Walk) -> None:
    """Each part since the first of the looks that all had it, as long as this log can know."""
    records = walk.world.records()
    last = walk.looks[-1]
    found = {(one.host, one.part): one for one in list_parts_since(records, last.snapshot)}
    expected = {(host, part) for host in last.snapshot["hosts"] for part in parts_of(last.snapshot, host)}
    assert found.keys() == expected
    for machine, now in last.hosts.items():
        for part, value in parts_of(last.snapshot, now.id).items():
            numbers = [
                n
                for n, look in enumerate(walk.looks)
                if (seen := look.hosts.get(machine)) and seen.parts is not None
            ]
            since = numbers.pop()
            while numbers:
                before = numbers.pop()
                parts = walk.looks[before].hosts[machine].parts
                if parts is None or parts.get(part) != value:
                    break
                if not walk.is_known_between(machine, walk.looks[before], walk.looks[since]):
                    break
                since = before
            assert found[now.id, part].seq == walk.looks[since].record["seq"], (machine, found[now.id, part])


def list_holders(look: Look, vib: str) -> set[str]:
    """The machines that are known to have it."""
    return {
        machine
        for machine, seen in look.hosts.items()
        if vib in (look.snapshot["hosts"][seen.id]["orphaned_vibs"] or ())
    }


def assert_orphans(walk: Walk) -> None:
    """When each was first seen, on which machines it is and ever was, since when, and when it had gone."""
    said = {one.vib: one for one in list_orphans(walk.world.records())}
    newest = {machine: seen.id for look in walk.looks for machine, seen in look.hosts.items()}
    for vib in VIBS:
        held = [list_holders(look, vib) for look in walk.looks]
        if not any(held):
            assert vib not in said
            continue
        one, first = said[vib], next(at for at, holders in enumerate(held) if holders)
        assert one.first_seen == walk.looks[first].record["checked_at"]
        assert {*one.ever} == {newest[machine] for holders in held for machine in holders}, vib
        assert {*one.first_hosts} == {newest[machine] for machine in held[first]}
        assert {*one.hosts} == {walk.looks[-1].hosts[machine].id for machine in held[-1]}
        last = max(at for at, holders in enumerate(held) if holders)
        is_there = last == len(held) - 1
        assert one.gone_at == (None if is_there else walk.looks[last + 1].record["checked_at"])
        since = last
        while since and held[since - 1]:
            since -= 1
        assert one.since == walk.looks[since].record["checked_at"]


def assert_names(walk: Walk) -> None:
    """A machine is found by each id and each name that it ever had."""
    known = list_known_hosts(walk.world.records(), walk.looks[-1].snapshot)
    ids: dict[str, list[str]] = {}
    for look in walk.looks:
        for machine, seen in look.hosts.items():
            ids.setdefault(machine, [])
            ids[machine] = [*(one for one in ids[machine] if one != seen.id), seen.id]
    for look in walk.looks:
        for machine, seen in look.hosts.items():
            assert ids[machine] in [each.ids for each in known.find_machines(seen.name)], (machine, seen)
            assert [each.ids for each in known.find_machines(seen.id)] == [ids[machine]], (machine, seen)


def test_what_nobody_saw_is_there_since_it_was_seen(world: World) -> None:
    """Of a host that joined unseen, and was added again before anybody saw it."""
    world.dispatch()
    world.check()
    world.vcenter.inventory.add_host(PROD_A, "esx99")
    world.vcenter.hosts.disconnect("esx99")
    world.check()
    new = world.vcenter.inventory.re_add_host("esx99")
    again = world.check()
    assert [change["from"] for change in again["changes"] if change["key"] == new] != [None]
    world.vcenter.hosts.reconnect("esx99")
    seen = world.check()
    parts = [one for one in list_parts_since(world.records(), world.snapshot()) if one.host == new]
    assert {(one.seq, one.origin) for one in parts} == {(seen["seq"], "first-seen")}
