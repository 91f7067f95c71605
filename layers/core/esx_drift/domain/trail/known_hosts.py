"""The machines of a log by its records: which ids and names each had, at which instance of the vCenter.

A vCenter gives a host that is taken out and added again another id, under the same name or a new one. Another
vCenter that takes its place gives the same ids, and may know the same names, without meaning the same hosts:
ids and names hold within one instance, and only the UUID of its firmware makes a machine of two the same.

Longer than 250 lines, because which machine an id or a name means is one question, whoever asks.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from msgspec import Struct, field

from esx_drift.domain.host_history import find_known_machines, normalize_host_name
from esx_drift.domain.images.labels import list_release_names
from esx_drift.domain.stored.identifiers import find_machine
from esx_drift.domain.stored.types import Change, Record, Snapshot
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.trail.hosts import list_left_ids, list_renewed_ids


class InstanceHosts(Struct):
    """What the records of a log say of its hosts at one instance of the vCenter, by id.

    Attributes:
        instance_uuid: The instance's; none where no record says it.
        names: All names that each ever had, the newest last.
        renewed: The id that a host had next.
        left: When each was found gone that is not there any more.
        releases: What the releases of ESXi that they ran are called, by version.
        firmware: By what each is known as a machine: the UUID of its firmware, where that is known.
        last_checked_at: Of when the last record of it is; empty where there is none.
    """

    instance_uuid: str | None = None
    names: dict[str, list[str]] = field(default_factory=dict)
    renewed: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    releases: dict[str, str] = field(default_factory=dict)
    firmware: dict[str, str] = field(default_factory=dict)
    last_checked_at: str = ""

    def add_record(self, record: Record) -> None:
        """Add what a ``record`` says; records are added in their order."""
        self.last_checked_at = record["checked_at"]
        for host, gone in record["after"]["departed"].items():
            self._add_name(host, gone["name"])
            self._add_uuid(host, gone.get("uuid"))
        for host, uuid in find_known_machines(record["after"])["uuids"].items():
            self._add_uuid(host, uuid)
        for change in record["changes"]:
            for name in list_relabelled_names(change):
                self._add_name(change["key"], name)
        for event in record["events"]:
            for host, name in event["data"]["host_names"].items():
                self._add_name(host, name)
            self.releases |= event["data"].get("release_names", {})
        for unseen in record["uncovered"]:
            self._add_name(unseen["host"], unseen["name"])
        for old, new in list_renewed_ids(record):
            self.renewed[old] = new
            self.renewed.pop(new, None)
            self.left.pop(old, None)
        self.left |= dict.fromkeys(list_left_ids(record), record["checked_at"])

    def add_snapshot(self, snapshot: Snapshot) -> None:
        """Add the hosts of the ``snapshot`` that the newest record left: those are there."""
        for host, known in snapshot["hosts"].items():
            self._add_name(host, known["name"])
            self.left.pop(host, None)
        self.releases |= list_release_names(snapshot["labels"])

    @property
    def newest_names(self) -> dict[str, str]:
        """What each host is called now, or was last."""
        return {host: names[-1] for host, names in self.names.items()}

    @property
    def distinct_names(self) -> dict[str, str]:
        """The same, but with its id where another id has the same name: each names one host."""
        newest = self.newest_names
        numbers = Counter(map(normalize_host_name, newest.values()))
        return {
            host: name if numbers[normalize_host_name(name)] == 1 else f"{name} ({host})"
            for host, name in newest.items()
        }

    def list_ids(self, host: str) -> list[str]:
        """List all ids of the machine that had the id ``host``, the oldest first."""
        older = {new: old for old, new in self.renewed.items()}
        found = [host]
        while found[0] in older:
            found.insert(0, older[found[0]])
        while found[-1] in self.renewed:
            found.append(self.renewed[found[-1]])
        return found

    def list_machines(self) -> list[list[str]]:
        """List the machines: all ids of each, the oldest first."""
        return [[*ids] for ids in dict.fromkeys(tuple(self.list_ids(host)) for host in self.names)]

    def _add_name(self, host: str, name: str) -> None:
        others = [each for each in self.names.get(host, ()) if each != name]
        self.names[host] = [*others, name]

    def _add_uuid(self, host: str, uuid: str | None) -> None:
        machine = find_machine(uuid)
        if machine is not None:
            self.firmware[host] = machine


class HostIds(Struct, frozen=True):
    """All ``ids`` of a machine at one instance of the vCenter (``hosts``), the oldest first."""

    hosts: InstanceHosts
    ids: tuple[str, ...]

    def list_names(self) -> list[str]:
        """List the names that it ever had there."""
        return [name for host in self.ids for name in self.hosts.names.get(host, ())]

    def list_firmware(self) -> set[str]:
        """List the UUIDs that its firmware had there."""
        return {self.hosts.firmware[host] for host in self.ids if host in self.hosts.firmware}


class KnownMachine(Struct, frozen=True):
    """A machine. ``spans``: what it was at each instance of the vCenter that knew it, the oldest first.

    ``newest``: what of that it was at the one of these instances that was looked at last.
    """

    spans: tuple[HostIds, ...]
    newest: HostIds

    @property
    def name(self) -> str:
        """What it is called now, or was last."""
        return self.newest.hosts.newest_names[self.newest_id]

    @property
    def newest_id(self) -> str:
        """The id that it has now, or had last."""
        return self.newest.ids[-1]

    @property
    def ids(self) -> list[str]:
        """All ids that it ever had, the oldest first; two instances may have given it the same."""
        return [*dict.fromkeys(host for span in self.spans for host in span.ids)]

    def list_ids_at(self, hosts: InstanceHosts) -> list[str]:
        """List its ids at one instance of the vCenter, which has these ``hosts``."""
        return [host for span in self.spans if span.hosts is hosts for host in span.ids]


class KnownHosts(Struct):
    """What the records of a log say of its hosts, at each instance of the vCenter.

    ``instances`` are in the order in which they were first looked at; ``begins`` says from when on which of
    them was looked at, by its place among them.
    """

    instances: list[InstanceHosts] = field(default_factory=lambda: [InstanceHosts()])
    begins: list[tuple[datetime, int]] = field(default_factory=list)

    @property
    def newest(self) -> InstanceHosts:
        """What is known at the instance that was looked at last."""
        return self.instances[self.begins[-1][1] if self.begins else 0]

    def get_at(self, time: str) -> InstanceHosts:
        """Get what is known at the instance that was looked at at a ``time``, in the words of records."""
        moment = parse_time(time)
        return self.instances[next((at for since, at in reversed(self.begins) if since <= moment), 0)]

    def add_record(self, record: Record) -> None:
        """Add what a ``record`` says; records are added in their order."""
        uuid = record["after"]["instance_uuid"]
        if self.newest.instance_uuid is None:
            self.newest.instance_uuid = uuid
        elif uuid not in {None, self.newest.instance_uuid}:
            # One that comes back still has the hosts that it had.
            known = [each.instance_uuid for each in self.instances]
            if uuid not in known:
                self.instances.append(InstanceHosts(uuid))
            at = known.index(uuid) if uuid in known else len(known)
            self.begins.append((parse_time(record["checked_at"]), at))
        self.newest.add_record(record)

    def find_machines(self, wanted: str, at: InstanceHosts | None = None) -> list[KnownMachine]:
        """Find which machines a person may mean by ``wanted``: an id, a name, or a name without its domain.

        A name counts that a host ever had. With ``at``: that it ever had at that instance of the vCenter.
        """
        every, name = list(self._list_machines()), normalize_host_name(wanted)

        def select(is_meant: Callable[[HostIds], bool]) -> list[KnownMachine]:
            return [
                machine
                for machine in every
                if any(is_meant(span) for span in machine.spans if at is None or span.hosts is at)
            ]

        def list_names(span: HostIds) -> set[str]:
            return {*map(normalize_host_name, span.list_names())}

        return (
            select(lambda span: wanted in span.ids)
            or select(lambda span: name in list_names(span))
            or select(lambda span: name in {each.partition(".")[0] for each in list_names(span)})
        )

    def find_machines_of_then(self, wanted: str, then: "KnownHosts") -> list[KnownMachine]:
        """Find which machines had the id or name ``wanted`` by the end of the records that ``then`` is of.

        Those are the first ones of the records that this is of. A name counts that a host had until
        then; what only the snapshot of then says of hosts is known here from now on, too.
        """
        found = then.find_machines(wanted, then.newest)
        ids = {host for machine in found for host in machine.list_ids_at(then.newest)}
        place = then.begins[-1][1] if then.begins else 0
        hosts = self.instances[place]
        for host, names in then.newest.names.items():
            # Of one that never changed, at a vCenter that was replaced, no record may say a name.
            hosts.names.setdefault(host, names)
        return [
            machine for machine in self._list_machines() if not ids.isdisjoint(machine.list_ids_at(hosts))
        ]

    def _list_machines(self) -> Iterator[KnownMachine]:
        """List all machines: those of two instances are one where both know the UUID of its firmware."""
        machines: list[list[HostIds]] = []
        for hosts in self.instances:
            spans = [HostIds(hosts, tuple(ids)) for ids in hosts.list_machines()]
            uses = Counter(uuid for span in spans for uuid in span.list_firmware())
            former = [*machines]
            for span in spans:
                # Copies of a virtual machine may have one UUID: by that none of them is known.
                own = {uuid for uuid in span.list_firmware() if uses[uuid] == 1}
                same = [each for each in former if own & each[-1].list_firmware()]
                if len(same) == 1:
                    same[0].append(span)
                else:
                    machines.append([span])
        # One that comes back is looked at later than the one that took its place.
        looks = {id(self.instances[place]): number for number, (_, place) in enumerate(self.begins)}
        for spans in machines:
            newest = max(spans, key=lambda span: looks.get(id(span.hosts), -1))
            yield KnownMachine(tuple(spans), newest)


def list_relabelled_names(change: Change) -> list[str]:
    """List the names that a host had before and after a ``change``; empty where that is another one."""
    is_of_host = (change["element"], change["kind"]) == ("host", "relabelled")
    labels = (change["detail"] or {}).values() if is_of_host else ()
    return [str(label["name"]) for label in labels if isinstance(label, dict) and "name" in label]


def list_known_hosts(records: Iterable[Record], snapshot: Snapshot | None) -> KnownHosts:
    """List what ``records`` of one log say of their hosts; the last of them left ``snapshot``, if any."""
    known = KnownHosts()
    for record in records:
        known.add_record(record)
    if snapshot is not None:
        known.newest.add_snapshot(snapshot)
    return known
