"""What a stack's records say of a fleet file: what its rules may match, and ``esx-drift fleet replay``.

Longer than 250 lines, because what a file would have told is counted and listed by the same walk.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import replace
from datetime import datetime
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final, cast

import typer
from msgspec import Struct, field

from esx_drift.cli.options import ListFormat
from esx_drift.cli.terminal import print_line, print_warning, render_csv
from esx_drift.domain.events import build_events, list_moved_kinds, select_for_people
from esx_drift.domain.fleet.fleet import Fleet, Route, select_routes
from esx_drift.domain.fleet.rule_review import KnownThings
from esx_drift.domain.fleet.rules import EVERYTHING
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.stored.records import build_empty_state
from esx_drift.domain.stored.types import (
    HIDDEN_DETAIL,
    Event,
    EventData,
    Finding,
    Image,
    LogState,
    OpenWindow,
    Record,
    Snapshot,
)
from esx_drift.domain.suppression import FLEET_FILE, apply_rules
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.text.wording import clean_text, format_count, join_names
from esx_drift.log_reader import LogReader
from esx_drift.messages.content import build_content, is_for_chat

if TYPE_CHECKING:
    from esx_drift.ports import Store

MAX_REPLAYED_RECORDS: Final = 2_000
"""Of one log: those of most of a year at a check every 4 hours. Each is one GET."""


MAX_SEARCHED_FOR_A_RUN: Final = 20
"""So many of a vCenter's own records are searched for its last run by schedule."""


class KnownExtent(Struct):
    """How much of a stack is known: when each log was last seen, and which were never."""

    vcenters: int = 0
    clusters: int = 0
    hosts: int = 0
    seen_at: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)

    def add_look(self, name: str, after: LogState) -> None:
        """Add when what is called ``name`` was last seen, by what its newest record left: ``after``."""
        if after["last_look_at"] is None:
            self.unseen.append(name)
        else:
            self.seen_at.append(after["last_look_at"])

    def describe(self) -> list[str]:
        """Describe what was looked at, in one sentence or two."""
        if not self.seen_at:
            return ["Nothing was ever checked here: no pattern was compared with anything."]
        first, last = min(self.seen_at, key=parse_time), max(self.seen_at, key=parse_time)
        when = f"at {format_minute(first)}"
        if format_minute(first) != format_minute(last):
            when = f"between {format_minute(first)} and {format_minute(last)}"
        counts = [(self.clusters, "cluster"), (self.hosts, "host"), (self.vcenters, "vCenter")]
        clusters, hosts, vcenters = (format_count(number, noun) for number, noun in counts)
        lines = [f"Compared with {clusters} and {hosts} of {vcenters}, as each was last seen, {when} UTC."]
        if self.unseen:
            lines.append(f"Never seen, so that nothing is known of it: {join_names(sorted(self.unseen))}.")
        return lines


def read_known_things(store: "Store", fleet: Fleet) -> tuple[KnownThings, KnownExtent]:
    """Read what the newest records know: clusters, and what a rule may name by its key; and how much it is.

    Args:
        store: Where the records lie.
        fleet: Whose vCenters are looked up.
    """
    extent = KnownExtent()
    clusters: dict[str, list[tuple[str, str]]] = {}
    excluded: dict[str, list[tuple[str, str]]] = {}
    names: set[str] = set()
    hosts: set[str] = set()
    for vcenter in fleet.vcenters:
        log = LogReader(store, vcenter.name, VCENTER_LOG)
        own = log.read().after
        extent.add_look(vcenter.name, own)
        extent.vcenters += 1
        clusters[vcenter.name] = [(key, entry["name"]) for key, entry in (own["clusters"] or {}).items()]
        excluded[vcenter.name] = _list_excluded(log)
        names |= {finding["subject"] for finding in own["findings"].values()}
        extent.clusters += len(clusters[vcenter.name])
        for cluster, name in clusters[vcenter.name]:
            after = LogReader(store, vcenter.name, cluster).read().after
            extent.add_look(f"{clean_text(name)} on {vcenter.name}", after)
            names |= {finding["subject"] for finding in after["findings"].values()}
            if after["snapshot"] is not None:
                snapshot = store.snapshot(after["snapshot"]["key"])
                extent.hosts += len(snapshot["hosts"])
                names |= _list_names(snapshot)
                hosts |= {each for host, known in snapshot["hosts"].items() for each in (host, known["name"])}
    return KnownThings(clusters, frozenset(names), frozenset(hosts), excluded), extent


def format_minute(text: str) -> str:
    """Format a time of a record, ``text``, with its day: ``2026-11-23 02:14``, in UTC."""
    return f"{parse_time(text):%Y-%m-%d %H:%M}"


def _list_excluded(log: LogReader) -> list[tuple[str, str]]:
    """List the clusters that the last run by schedule left out."""
    runs = (record["dispatch"] for record in log.list_newest(MAX_SEARCHED_FOR_A_RUN))
    newest = next((run for run in runs if run is not None and not run["selected"]), None)
    return [(each["cluster"], each["name"]) for each in newest["excluded"]] if newest else []


def _list_names(snapshot: Snapshot) -> set[str]:
    vibs = {vib for host in snapshot["hosts"].values() for vib in host["orphaned_vibs"] or ()}
    keys = {name for each in snapshot["images"].values() for name in _list_keys(each)}
    return vibs | keys | snapshot["hosts"].keys()


def _list_keys(image: Image) -> Iterator[str]:
    for parts in (image["main"], *image["alternatives"].values()):
        for part in parts:
            yield part.partition(":")[2] or part


class RouteTally(Struct):
    """How many events a route would have been told.

    ``hidden``: by the rule, how many changes and findings it was spared; ``hidden_events``: of how
    many events these are.
    """

    told_events: int = 0
    hidden: Counter[str] = field(default_factory=Counter)
    hidden_events: Counter[str] = field(default_factory=Counter)


class ReplayedEvent(Struct, frozen=True):
    """What became of an event of the past at each route that it concerns: ``told``, or by which rules not."""

    event: Event
    outcomes: Mapping[str, str]


TOLD: Final = "told"
NOT_TOLD: Final = "not told"

OPEN_FILTERS: Final[Mapping[str, object]] = {
    "families": (),
    "min_severity": "info",
    "kinds": (),
    "vcenters": EVERYTHING,
    "clusters": EVERYTHING,
}
"""What a route has that hears everything."""

type EventName = tuple[str, str, int, str]
"""An event of a replay: its vCenter, cluster and record, and its type."""


class Replay(Struct):
    """What a fleet file would have told and hidden of recorded checks.

    Attributes:
        fleet: The file.
        routes: What came of it for each route, by its name.
        records: How many records there were.
        times: When the first and the last of them were made.
        cut: The logs of which there were too many: their names, and from when on they are replayed.
        events: What became of each event that is told in chat.
    """

    fleet: Fleet
    routes: dict[str, RouteTally]
    records: int = 0
    times: tuple[str, str] | None = None
    cut: dict[str, str] = field(default_factory=dict)
    events: dict[EventName, ReplayedEvent] = field(default_factory=dict)

    @classmethod
    def begin(cls, fleet: Fleet) -> "Replay":
        """Begin a replay for the file ``fleet``."""
        return cls(fleet, {route.name: RouteTally() for route in fleet.routes})

    def add_log(self, records: Iterable[Record]) -> None:
        """Add the records of one log, the oldest first."""
        state: LogState | None = None
        for record in records:
            self.records += 1
            first, last = self.times or (record["checked_at"],) * 2
            self.times = min(first, record["checked_at"]), max(last, record["checked_at"])
            bare = _strip(record, state)
            before = state or _build_first_state(bare)
            published = [event["data"] for event in record["events"]]
            names = {host: name for data in published for host, name in data["host_names"].items()}
            releases = {
                key: name for data in published for key, name in data.get("release_names", {}).items()
            }
            replayed = apply_rules(bare, before, self.fleet.rules, names)
            state = {**replayed["after"], "answered": record["after"]["answered"]}
            for event in build_events(replayed, "", None, names, releases):
                key = record["vcenter"], record["cluster"], record["seq"], event["type"]
                if is_for_chat(event["type"]):
                    self.events[key] = ReplayedEvent(event, self._add_event(event))

    def _add_event(self, event: Event) -> dict[str, str]:
        family, data = _find_family(event), event["data"]
        people = select_for_people(data)
        heard = _list_hearing(self.fleet, family, people) if people else []
        for name in heard:
            self.routes[name].told_events += 1
        concerned = _list_hearing(self.fleet, family, data)
        for name in concerned:
            self.routes[name].hidden.update(data["suppressed"])
            self.routes[name].hidden_events.update(data["suppressed"].keys())
        hidden = _describe_hidden(data)
        said = f"{TOLD}, but {hidden}" if hidden else TOLD
        rest = "" if people is None else "; the rest is not for this route"
        return dict.fromkeys(concerned, f"{NOT_TOLD}: {hidden}{rest}") | dict.fromkeys(heard, said)

    def describe_outcome(self, name: EventName, route: str, event: Event) -> str:
        """Describe what became of an event at a route: that it was told, or why it was not.

        Args:
            name: Which event of the replay it is.
            route: The route's name.
            event: The same event by this file or, where this file makes none of it, by another one.
        """
        own, heard_by = self.events.get(name), self.fleet.find_route(route)
        if heard_by is None:
            return f"{NOT_TOLD}: it has no such route"
        if self.fleet.vcenter(event["data"]["vcenter"]) is None:
            return f"{NOT_TOLD}: it does not watch {event['data']['vcenter']}"
        if own is None:
            return f"{NOT_TOLD}: by its rules nothing was new then"
        if route in own.outcomes:
            return own.outcomes[route]
        return f"{NOT_TOLD}: the route's {_name_deaf_filters(heard_by, own.event)} left it out"


def _find_family(event: Event) -> str:
    return event["type"].split(".")[1]


def _list_hearing(fleet: Fleet, family: str, data: EventData) -> list[str]:
    """List the names of the routes that hear an event."""
    cluster = data["cluster"]
    found = select_routes(
        fleet,
        family,
        data["severity"],
        data["vcenter"],
        cluster["id"] if cluster else None,
        cluster["name"] if cluster else None,
        list_moved_kinds(data),
    )
    return [route.name for route in found]


def _name_deaf_filters(route: Route, event: Event) -> str:
    """Name the fields of a route each of which alone keeps it from hearing an event."""
    deaf = []
    for name in OPEN_FILTERS:
        others = {other: value for other, value in OPEN_FILTERS.items() if other != name}
        alone = Fleet((), (replace(route, **cast("Any", others)),))
        if not _list_hearing(alone, _find_family(event), event["data"]):
            deaf.append(name)
    return " and ".join(deaf)


_RULES: Final[Mapping[str, str]] = {
    "ignore": "the ignore rule {}",
    "maintenance": "the maintenance window {}",
    "rollout": "an upgrade under way",
    "flapping": "what comes and goes",
}
"""What keeps something from people, by what stands before the colon of a reason."""


def name_reason(reason: str) -> str:
    """Name what keeps something from people, as an event counts it (``ignore:drivers``), in words."""
    kind, _, name = reason.partition(":")
    return _RULES[kind].format(clean_text(name))


ITEM: Final = "change or finding"


def format_items(number: int) -> str:
    """Format how many changes and findings a ``number`` of both together are."""
    return f"1 {ITEM}" if number == 1 else f"{number} changes and findings"


def _describe_hidden(data: EventData) -> str:
    hidden = [
        f"{name_reason(reason)} hides {format_items(number)}"
        for reason, number in sorted(data["suppressed"].items())
    ]
    return " and ".join(hidden)


def _build_first_state(record: Record) -> LogState:
    """What held before the first record of a replay: all that it did not open, as if people knew of it."""
    known = {
        finding["fingerprint"]: finding for finding in record["findings"] if finding["transition"] != "opened"
    }
    return {**build_empty_state(), "findings": known}


def _strip(record: Record, state: LogState | None) -> Record:
    """A record without what the file of its time hid; windows that a person began stay."""
    windows = _list_file_windows(state) + [
        window
        for window in (record["after"]["maintenance"] or {"windows": []})["windows"]
        if window["by"] != FLEET_FILE
    ]
    bare: Record = {
        **record,
        "changes": [_unmark(change) for change in record["changes"]],
        "findings": [_strip_finding(finding) for finding in record["findings"]],
        "after": {**record["after"], "maintenance": {"windows": windows} if windows else None},
    }
    bare.pop("maintenance_ended", None)
    return bare


def _list_file_windows(state: LogState | None) -> list[OpenWindow]:
    windows = (state["maintenance"] if state else None) or {"windows": []}
    return [window for window in windows["windows"] if window["by"] == FLEET_FILE]


def _strip_finding(finding: Finding) -> Finding:
    """One that was opened since nothing hid it any more was open before."""
    clean = _unmark(finding)
    return {**clean, "transition": "still"} if HIDDEN_DETAIL in clean["detail"] else clean


def _unmark[Item: Mapping[str, object]](item: Item) -> Item:
    if not str(item.get("suppressed_by", "")).startswith(("ignore:", "maintenance:")):
        return item
    return type(item)((key, value) for key, value in item.items() if key != "suppressed_by")  # type: ignore[call-arg] # both are dictionaries


class ReplayDifference(Struct, frozen=True):
    """What would have become of an event at one route by the file in use, and by the changed one."""

    event: Event
    route: str
    before: str
    after: str

    @property
    def cells(self) -> dict[str, str]:
        """The same for programs: the event by its time, place, type and title."""
        data = self.event["data"]
        title = build_content(self.event).title
        return {
            "checked_at": data["checked_at"],
            "vcenter": data["vcenter"],
            "cluster": clean_text(data["cluster"]["name"]) if data["cluster"] else "",
            "type": self.event["type"],
            "title": title,
            "route": self.route,
            "in_use": self.before,
            "changed": self.after,
        }


DIFFERENCE_COLUMNS: Final = (
    *("checked_at", "vcenter", "cluster", "type", "title", "route", "in_use", "changed"),
)


def list_differing_events(in_use: Replay, changed: Replay) -> list[ReplayDifference]:
    """List what would have been told otherwise, the oldest first: by one of both, or by them not the same.

    Args:
        in_use: The past by the file that is in use.
        changed: The same past by another file.
    """
    routes = dict.fromkeys((*in_use.routes, *changed.routes))
    found: list[ReplayDifference] = []
    for key in sorted(in_use.events.keys() | changed.events.keys()):
        was, now = in_use.events.get(key), changed.events.get(key)
        sides = [side for side in (was, now) if side is not None]
        for route in routes:
            # The side that tells it has the words of what was told.
            telling = [side for side in sides if side.outcomes.get(route, "").startswith(TOLD)]
            before, after = (
                replay.describe_outcome(key, route, sides[0].event) for replay in (in_use, changed)
            )
            if telling and before != after:
                found.append(ReplayDifference(telling[0].event, route, before, after))
    return sorted(found, key=lambda one: (one.event["data"]["checked_at"], one.event["id"]))


def replay_records(store: "Store", fleets: Sequence[Fleet], since: datetime) -> list[Replay]:
    """Replay what was recorded since a time, as if a fleet file had been in use then.

    Args:
        store: Where the records lie.
        fleets: The files: a replay each.
        since: From when on.
    """
    replays = [*map(Replay.begin, fleets)]
    for vcenter in dict.fromkeys(vcenter.name for fleet in fleets for vcenter in fleet.vcenters):
        clusters = LogReader(store, vcenter, VCENTER_LOG).read().after["clusters"] or {}
        for cluster in (VCENTER_LOG, *clusters):
            newest = LogReader(store, vcenter, cluster).list_newest(MAX_REPLAYED_RECORDS)
            recent = [*takewhile(lambda record: parse_time(record["checked_at"]) >= since, newest)]
            is_cut = len(recent) == MAX_REPLAYED_RECORDS and recent[-1]["seq"] > 1
            for replay in replays:
                if replay.fleet.vcenter(vcenter) is not None:
                    replay.add_log(reversed(recent))
                    if is_cut:
                        name = clean_text(recent[0]["cluster_name"] or cluster)
                        replay.cut[f"{name} on {vcenter}"] = recent[-1]["checked_at"]
    return replays


def print_replay(
    replay: Replay,
    differences: Sequence[ReplayDifference] | None,
    since: datetime,
    file: str,
    output: ListFormat,
) -> None:
    """Print what a replay found.

    Args:
        replay: The replay.
        differences: What the file in use would have told otherwise; None: none is compared.
        since: From when on it was.
        file: What the file is called.
        output: For a person, a program, or a spreadsheet.
    """
    for name, begins_at in replay.cut.items():
        most = format_count(MAX_REPLAYED_RECORDS, "record")
        print_warning(
            f"of {name} only the newest {most} are replayed, from {format_minute(begins_at)} UTC on"
        )
    if output is ListFormat.json:
        routes = [
            {
                "route": name,
                "told": tally.told_events,
                "hidden": dict(sorted(tally.hidden.items())),
                "hidden_events": dict(sorted(tally.hidden_events.items())),
            }
            for name, tally in replay.routes.items()
        ]
        shown = {
            "schema_version": 1,
            "since": format_time(since),
            "records": replay.records,
            "first_record_at": replay.times and replay.times[0],
            "last_record_at": replay.times and replay.times[1],
            "routes": routes,
            "differences": None if differences is None else [one.cells for one in differences],
        }
        typer.echo(json.dumps(shown, indent=2))
    elif output is ListFormat.csv:
        typer.echo(render_csv(DIFFERENCE_COLUMNS, (one.cells for one in differences or ())), nl=False)
    else:
        _print_tallies(replay, since, file)
        _print_differences(differences, file)


def _print_tallies(replay: Replay, since: datetime, file: str) -> None:
    asked = f"{format_count(replay.records, 'record')} since {since:%Y-%m-%d %H:%M} UTC"
    if replay.times is None:
        print_line(f"{asked}: there is nothing to replay", "bold")
        return
    first, last = map(format_minute, replay.times)
    print_line(f"{asked}, the first of {first}, the last of {last}", "bold")
    print_line(f"Of these {file} would have told each route so many events (several may be one message):")
    for name, tally in replay.routes.items():
        print_line(f"  {name}: {format_count(tally.told_events, 'event')}")
        for rule, number in sorted(tally.hidden.items()):
            events = format_count(tally.hidden_events[rule], "event")
            print_line(f"    kept from it by {name_reason(rule)}: {format_items(number)}, of {events}")


def _print_differences(differences: Sequence[ReplayDifference] | None, file: str) -> None:
    if not differences:
        if differences is not None:
            print_line("The file that is in use would have told the same.")
        return
    events = len({one.event["id"] for one in differences})
    print_line(f"The file that is in use would have told {format_count(events, 'event')} otherwise:", "bold")
    for at, one in enumerate(differences):
        cells = one.cells
        if not at or differences[at - 1].event["id"] != one.event["id"]:
            print_line(f"  {format_minute(cells['checked_at'])} UTC · {cells['title']}")
        print_line(f"    {one.route}, by the file in use: {one.before}")
        print_line(f"    {one.route}, by {file}: {one.after}")
