"""What a stack's records say of a fleet file: what its rules may match, and ``esx-drift fleet replay``.

Longer than 250 lines, because what a file would have told is counted and listed by the same walk.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import takewhile
from typing import TYPE_CHECKING, Final

import typer
from msgspec import Struct, field

from esx_drift.cli.options import ListFormat
from esx_drift.cli.terminal import print_line, render_csv
from esx_drift.domain.events import build_events, list_moved_kinds, select_for_people
from esx_drift.domain.fleet.fleet import Fleet, select_routes
from esx_drift.domain.fleet.rule_review import KnownThings
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
from esx_drift.domain.text.wording import clean_text, format_count, format_moment
from esx_drift.log_reader import LogReader
from esx_drift.messages.content import build_content, is_for_chat

if TYPE_CHECKING:
    from esx_drift.ports import Store

MAX_REPLAYED_RECORDS: Final = 2_000
"""Of one log: those of most of a year at a check every 4 hours. Each is one GET."""


MAX_SEARCHED_FOR_A_RUN: Final = 20
"""So many of a vCenter's own records are searched for its last run by schedule."""


def read_known_things(store: "Store", fleet: Fleet) -> KnownThings:
    """Read what the newest records know: clusters, and what a rule may name by its key.

    Args:
        store: Where the records lie.
        fleet: Whose vCenters are looked up.
    """
    clusters: dict[str, list[tuple[str, str]]] = {}
    excluded: dict[str, list[tuple[str, str]]] = {}
    names: set[str] = set()
    hosts: set[str] = set()
    for vcenter in fleet.vcenters:
        log = LogReader(store, vcenter.name, VCENTER_LOG)
        own = log.read().after
        clusters[vcenter.name] = [(key, entry["name"]) for key, entry in (own["clusters"] or {}).items()]
        excluded[vcenter.name] = _list_excluded(log)
        names |= {finding["subject"] for finding in own["findings"].values()}
        for cluster, _ in clusters[vcenter.name]:
            after = LogReader(store, vcenter.name, cluster).read().after
            names |= {finding["subject"] for finding in after["findings"].values()}
            if after["snapshot"] is not None:
                snapshot = store.snapshot(after["snapshot"]["key"])
                names |= _list_names(snapshot)
                hosts |= {each for host, known in snapshot["hosts"].items() for each in (host, known["name"])}
    return KnownThings(clusters, frozenset(names), frozenset(hosts), excluded)


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
    """How many messages a route would have got, and how many items it would have been spared, by rule."""

    told_events: int = 0
    hidden: Counter[str] = field(default_factory=Counter)


class ReplayedEvent(Struct, frozen=True):
    """What became of an event of the past at each route that it concerns: ``told``, or by which rules not."""

    event: Event
    outcomes: Mapping[str, str]


NOT_HEARD: Final = "not for this route"
"""What becomes of an event at a route whose families, severity, kinds or patterns are others."""

type EventName = tuple[str, str, int, str]
"""An event of a replay: its vCenter, cluster and record, and its type."""


class Replay(Struct):
    """What a fleet file would have told and hidden of recorded checks. ``records``: how many there were."""

    fleet: Fleet
    routes: dict[str, RouteTally]
    records: int = 0
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
                outcomes = self._add_event(event["type"].split(".")[1], event["data"])
                key = record["vcenter"], record["cluster"], record["seq"], event["type"]
                if is_for_chat(event["type"]):
                    self.events[key] = ReplayedEvent(event, outcomes)

    def _add_event(self, family: str, data: EventData) -> dict[str, str]:
        people = select_for_people(data)
        heard = self._select(family, people) if people else []
        for name in heard:
            self.routes[name].told_events += 1
        concerned = self._select(family, data)
        for name in concerned:
            self.routes[name].hidden.update(data["suppressed"])
        hidden = ", ".join(f"{number} by {reason}" for reason, number in sorted(data["suppressed"].items()))
        said = f"told, but for {hidden}" if hidden else "told"
        return dict.fromkeys(concerned, f"hidden: {hidden}") | dict.fromkeys(heard, said)

    def _select(self, family: str, data: EventData) -> list[str]:
        cluster = data["cluster"]
        found = select_routes(
            self.fleet,
            family,
            data["severity"],
            data["vcenter"],
            cluster["id"] if cluster else None,
            cluster["name"] if cluster else None,
            list_moved_kinds(data),
        )
        return [route.name for route in found]


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


def _find_outcome(event: ReplayedEvent | None, route: str) -> str:
    return NOT_HEARD if event is None else event.outcomes.get(route, NOT_HEARD)


def list_differing_events(in_use: Replay, changed: Replay) -> list[ReplayDifference]:
    """List what would have been told otherwise, the oldest first.

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
            before, after = (_find_outcome(side, route) for side in (was, now))
            if before != after:
                # The side that tells it has the words of what was told.
                telling = [side for side in sides if side.outcomes.get(route, "").startswith("told")]
                found.append(ReplayDifference((telling or sides)[0].event, route, before, after))
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
            for replay in replays:
                if replay.fleet.vcenter(vcenter) is not None:
                    replay.add_log(reversed(recent))
    return replays


def print_replay(
    replay: Replay, differences: Sequence[ReplayDifference] | None, since: datetime, output: ListFormat
) -> None:
    """Print what a replay found.

    Args:
        replay: The replay.
        differences: What the file in use would have told otherwise; None: none is compared.
        since: From when on it was.
        output: For a person, a program, or a spreadsheet.
    """
    if output is ListFormat.json:
        routes = [
            {"route": name, "told": tally.told_events, "hidden": dict(sorted(tally.hidden.items()))}
            for name, tally in replay.routes.items()
        ]
        shown = {
            "schema_version": 1,
            "since": format_time(since),
            "records": replay.records,
            "routes": routes,
            "differences": None if differences is None else [one.cells for one in differences],
        }
        typer.echo(json.dumps(shown, indent=2))
        return
    if output is ListFormat.csv:
        typer.echo(render_csv(DIFFERENCE_COLUMNS, (one.cells for one in differences or ())), nl=False)
        return
    print_line(f"{format_count(replay.records, 'record')} since {since:%Y-%m-%d}", "bold")
    for name, tally in replay.routes.items():
        print_line(f"  {name}: {format_count(tally.told_events, 'event')} told")
        for rule, number in sorted(tally.hidden.items()):
            print_line(f"    hidden by {rule}: {number}")
    if differences is not None:
        _print_differences(differences)


def _print_differences(differences: Sequence[ReplayDifference]) -> None:
    if not differences:
        print_line("The file that is in use would have told the same")
        return
    print_line(f"Otherwise than by the file that is in use: {format_count(len(differences), 'time')}", "bold")
    for one in differences:
        cells = one.cells
        print_line(f"  {format_moment(cells['checked_at'])} UTC · {cells['title']}")
        print_line(f"    {one.route}: {one.before} → {one.after}")
