"""``esx-drift inventory``: which parts the hosts of the whole fleet run, and which hosts run one of them.

Longer than 250 lines, because what is read of the fleet and the three forms of the answer are one command.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer
from msgspec import Struct

from esx_drift.cli.blame import name_kept_part
from esx_drift.cli.options import (
    ClusterFinder,
    FormatOption,
    ListFormat,
    OnlyVCenterOption,
    StackOptions,
    describe_nearest,
    with_stack_options,
)
from esx_drift.cli.status_hosts import HostRow, list_host_rows
from esx_drift.cli.status_rows import (
    FleetStatus,
    StatusRow,
    build_rows,
    count_standalone_hosts,
    read_newest_records,
    read_snapshots,
)
from esx_drift.cli.terminal import (
    EXIT_DIFFERENCES,
    build_table,
    escape_unprintable,
    fail,
    print_line,
    print_table,
    print_warning,
    read_clock,
    render_csv,
)
from esx_drift.domain.fleet.fleet import Fleet
from esx_drift.domain.images.image import format_part_version
from esx_drift.domain.reports.fleet_logs import list_watched_clusters
from esx_drift.domain.stored.identifiers import VCENTER_LOG, ClusterRef, make_state_key, make_state_prefix
from esx_drift.domain.stored.types import Image, Json, KnownCluster, Record, Snapshot
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.text.versions import make_natural_key
from esx_drift.domain.text.wording import (
    clean_text,
    format_count,
    format_elapsed,
    format_share,
    join_names,
    list_host_names,
    split_vib_key,
)
from esx_drift.domain.trail.history import ORPHANED_VIB

if TYPE_CHECKING:
    from esx_drift.adapters.audit_store import S3Store

MAX_SHOWN_PARTS: Final = 60
MAX_SHOWN_HOSTS: Final = 20
USUAL_AGE: Final = timedelta(days=1)
"""A look that is older is said to be, where the stack does not say how often it checks."""

_HEADINGS: Final = ("What", "Version", "Hosts", "Clusters")
_CLUSTER_COLUMNS: Final = ("vcenter", "cluster", "cluster_id")
_LOOK_COLUMNS: Final = ("last_look_at", "look_age_seconds")
_SUMMARY_COLUMNS: Final = ("part", "version", *_CLUSTER_COLUMNS, "seen", "hosts", *_LOOK_COLUMNS)
_HOST_COLUMNS: Final = (
    "part", "version", *_CLUSTER_COLUMNS, "host", "name", "seen", "unseen_because", *_LOOK_COLUMNS,
)  # fmt: skip
_ORDER: Final = ("base_image", "add_on", "hardware_support_package", "solution", ORPHANED_VIB, "component")
_NAMED_IN_VERSION: Final = ("add_on", "hardware_support_package")
_NOT_READ: Final = "not read at the last check"

ShownClusters = Annotated[
    list[str] | None, typer.Argument(metavar="CLUSTER", help="Only these, by name or id; else the fleet.")
]
PartOption = Annotated[
    str | None,
    typer.Option(
        "--component",
        metavar="NAME",
        help="Which hosts run this: a name or a part of one; also base_image, add_on, or an orphaned VIB.",
    ),
]
PartVersionOption = Annotated[
    str | None,
    typer.Option(
        "--version",
        metavar="TEXT",
        help="Only versions with this in them: 2.9 finds 2.9.2.0, and neither 2.90 nor 12.9.",
    ),
]
OneHostOption = Annotated[
    str | None, typer.Option("--host", metavar="HOST", help="Only hosts of this name or id.")
]


class InstalledPart(Struct, frozen=True):
    """A part of what hosts run, as ``blame`` names it, in one version (with its name where it has one)."""

    part: str
    version: str

    @property
    def element(self) -> str:
        """What it is: ``component``, ``base_image``."""
        return self.part.partition(":")[0]

    @property
    def order(self) -> tuple[object, ...]:
        """Its place among others: components come last."""
        return _ORDER.index(self.element), make_natural_key(self.part), make_natural_key(self.version)

    def is_called(self, named: str) -> bool:
        """Tell whether a person may mean it by ``named``: its name, or a part of that."""
        names = [self.part.partition(":")[2] or self.part]
        if self.element in _NAMED_IN_VERSION:
            names.append(self.version)
        return any(_fold(named) in _fold(name) for name in names)


def _fold(name: str) -> str:
    """Fold a name as people type it: ``base_image`` is ``Base image``."""
    return name.casefold().replace("_", "-").replace(" ", "-")


class ClusterInventory(Struct, frozen=True):
    """What the hosts of a cluster ran at its last look; or that nothing is known of others of a vCenter.

    Attributes:
        row: The cluster, as the status has it; or hosts in no cluster, or a vCenter without any.
        hosts: Those that were asked about, also those that were not read.
        parts: By the host's id what it ran when it was last seen.
        unlisted: How many hosts more there are, of which nothing can be said.
        problem: Why nothing is known of any host; none if something is.
    """

    row: StatusRow
    hosts: tuple[HostRow, ...]
    parts: Mapping[str, Sequence[InstalledPart]]
    unlisted: int
    problem: str | None

    @property
    def read_hosts(self) -> list[HostRow]:
        """The hosts that the last check read."""
        return [host for host in self.hosts if self.row.seen and host.unseen is None]

    @property
    def unread_hosts(self) -> list[HostRow]:
        """The hosts that it did not read: what they run now is unknown."""
        return [host for host in self.hosts if not self.row.seen or host.unseen is not None]

    @property
    def name(self) -> str:
        """What it is called in a sentence."""
        return (
            self.row.vcenter
            if self.row.cluster is None
            else f"{clean_text(self.row.cluster)} on {self.row.vcenter}"
        )

    @property
    def unknown(self) -> int:
        """How many hosts are unknown."""
        return len(self.unread_hosts) + self.unlisted


type _Places = dict[InstalledPart, list[tuple[ClusterInventory, list[HostRow]]]]


class _Inventory(Struct, frozen=True):
    """What was asked, and the answer. ``places``: the hosts that were read and run a part, by cluster."""

    component: str | None
    version: str | None
    host: str | None
    now: datetime
    clusters: Sequence[ClusterInventory]
    places: _Places
    wanted: Callable[[InstalledPart], bool]

    @property
    def by_host(self) -> bool:
        """Whether something certain was asked, so that hosts are listed."""
        return (self.component, self.version, self.host) != (None, None, None)


@with_stack_options
def inventory(
    clusters: ShownClusters = None,
    vcenter: OnlyVCenterOption = None,
    component: PartOption = None,
    version: PartVersionOption = None,
    host: OneHostOption = None,
    output: FormatOption = ListFormat.text,
    *,
    target: StackOptions,
) -> None:
    """List the parts that the hosts of the whole fleet run, or which hosts run one of them.

    Hosts that the last check did not read are counted apart, as unknown. Exit code: 0 listed, 1 listed but
    for what is damaged, 2 trouble.

    Example: esx-drift inventory --component i40en --version 2.9
    """
    from esx_drift.cli.aws import explain_aws_errors, open_stack  # noqa: PLC0415 -- boto3 takes long to load

    stack = open_stack(target)
    with explain_aws_errors("Reading the fleet's state"):
        store = stack.open_store()
        finder = ClusterFinder(target, stack.read_fleet(store.state_bucket), store)
        found, is_damaged = _read_clusters(finder, clusters or [], vcenter)
    if host is not None:
        found = _select_host(found, host)
    answer = _build_answer(found, component, version, host)
    if output is ListFormat.json:
        typer.echo(json.dumps(_build_document(answer), indent=2))
    elif output is ListFormat.csv:
        columns = _HOST_COLUMNS if answer.by_host else _SUMMARY_COLUMNS
        lines = _list_host_lines(answer) if answer.by_host else _list_summary_lines(answer)
        typer.echo(render_csv(columns, lines), nl=False)
    else:
        schedule = stack.read_schedule()
        usual = timedelta(hours=2 * schedule.interval_hours) if schedule else USUAL_AGE
        _print_answer(answer, usual)
    if is_damaged:
        raise typer.Exit(EXIT_DIFFERENCES)


def _read_clusters(
    finder: ClusterFinder, named: Sequence[str], vcenter: str | None
) -> tuple[list[ClusterInventory], bool]:
    """Read what is known of clusters, and whether something of it is damaged: each object is read once."""
    store, fleet, wanted = finder.store, finder.fleet, finder.select_vcenters(vcenter)
    listed = [key for key in store.list_states() if key.startswith(tuple(map(make_state_prefix, wanted)))]
    own_keys = {make_state_key(name, VCENTER_LOG) for name in wanted}
    records = _read_records(store, [key for key in listed if key in own_keys])
    known = {record["vcenter"]: record["after"]["clusters"] or {} for record in records.values() if record}
    chosen = _choose_clusters(finder, named, vcenter, known)
    unwatched = _list_unwatched_keys(fleet, known)
    keys = set(listed) - own_keys - unwatched
    if chosen is not None:
        keys &= {make_state_key(ref.vcenter, ref.cluster) for ref in chosen}
    records |= _read_records(store, [key for key in listed if key in keys])
    states = {
        (record["vcenter"], record["cluster"]): record["after"] for record in records.values() if record
    }
    snapshots = read_snapshots(states, store)
    standalone = count_standalone_hosts(filter(None, records.values()))
    rows = [
        row
        for row in build_rows(FleetStatus(fleet, states, snapshots, standalone, {}))
        if row.vcenter in wanted
    ]
    if chosen is not None:
        by_ref = {(row.vcenter, row.cluster_id): row for row in rows}
        rows = [_require_watched(ref, by_ref.get((ref.vcenter, ref.cluster))) for ref in chosen]
    with_clusters = {row.vcenter for row in rows if row.cluster_id is not None}
    found = [
        _build_cluster(row, records, snapshots)
        for row in rows
        if row.cluster_id is not None or row.standalone or row.vcenter not in with_clusters
    ]
    is_damaged = None in records.values() or any(one.problem == _DAMAGED for one in found)
    return found, is_damaged


_DAMAGED: Final = "what was last seen of it can't be read"


def _read_records(store: "S3Store", keys: Sequence[str]) -> dict[str, Record | None]:
    """Read the newest record of each log, by the key of its pointer; none where it is damaged."""
    found = {
        make_state_key(record["vcenter"], record["cluster"]): record
        for record in read_newest_records(store, keys)
    }
    return {key: found.get(key) for key in keys}


def _choose_clusters(
    finder: ClusterFinder,
    named: Sequence[str],
    vcenter: str | None,
    known: Mapping[str, Mapping[str, KnownCluster]],
) -> list[ClusterRef] | None:
    """Choose the clusters that a person named, each once; none where he named none: all are meant."""
    if not named:
        return None
    refs = [
        ClusterRef(owner, cluster, entry["name"])
        for owner, clusters in known.items()
        for cluster, entry in clusters.items()
    ]
    return list(dict.fromkeys(finder.choose(name, vcenter, refs) for name in named))


def _list_unwatched_keys(fleet: Fleet, known: Mapping[str, Mapping[str, KnownCluster]]) -> set[str]:
    """List the pointers of clusters that were retired, or that a pattern leaves out: they aren't read."""
    return {
        make_state_key(owner, cluster)
        for owner, clusters in known.items()
        for cluster in clusters.keys() - list_watched_clusters(fleet.vcenter(owner), clusters, {}).keys()
    }


def _require_watched(ref: ClusterRef, row: StatusRow | None) -> StatusRow:
    if row is None:
        fail(f"{ref.render()} is not watched: it was retired, or a pattern of the fleet file leaves it out")
    return row


def _build_cluster(
    row: StatusRow,
    records: Mapping[str, Record | None],
    snapshots: Mapping[tuple[str, str], Snapshot],
) -> ClusterInventory:
    if row.cluster_id is None:
        hosts_alone = row.coverage["hosts"] if row.coverage else 0
        why = "in no cluster, and never read" if row.standalone else "no cluster of it is known"
        return ClusterInventory(row, (), {}, hosts_alone, why)
    key = make_state_key(row.vcenter, row.cluster_id)
    record, snapshot = records.get(key), snapshots.get((row.vcenter, row.cluster_id))
    hosts = list_host_rows(record, snapshot)
    is_lost = record["after"]["snapshot"] is not None if record else key in records
    problem = None if snapshot else _DAMAGED if is_lost else "nobody has looked at it yet"
    unlisted = row.coverage["hosts"] - len(hosts) if problem and row.coverage else 0
    return ClusterInventory(row, hosts, _list_parts(snapshot) if snapshot else {}, max(unlisted, 0), problem)


def _list_parts(snapshot: Snapshot) -> dict[str, Sequence[InstalledPart]]:
    """List what each host of a ``snapshot`` ran, by its id: one list for all that run the same."""
    of_images = {digest: [*_list_image_parts(image)] for digest, image in snapshot["images"].items()}
    found: dict[str, Sequence[InstalledPart]] = {}
    for host, known in snapshot["hosts"].items():
        if known["image"] is not None:
            vibs = known["orphaned_vibs"] or ()
            orphans = [InstalledPart(f"{ORPHANED_VIB}:{vib}", split_vib_key(vib)[1]) for vib in vibs]
            parts = of_images[known["image"]]
            found[host] = [*parts, *orphans] if orphans else parts
    return found


def _list_image_parts(image: Image) -> Iterator[InstalledPart]:
    """List what hosts that run an ``image`` run; components that it removed are none of it."""
    for part, value in image["main"].items():
        if part.partition(":")[0] in _ORDER:
            yield InstalledPart(part, format_part_version(value))


def _select_host(clusters: Sequence[ClusterInventory], named: str) -> list[ClusterInventory]:
    """Select one host of each cluster that has it; ends the command if none has."""
    folded, found = named.casefold(), []
    for one in clusters:
        hosts = tuple(host for host in one.hosts if folded in {host.host.casefold(), host.name.casefold()})
        if hosts or one.problem:
            found.append(ClusterInventory(one.row, hosts, one.parts, one.unlisted, one.problem))
    if not any(one.hosts for one in found):
        nearest = describe_nearest(
            named, (name for one in clusters for each in one.hosts for name in (each.name, each.host))
        )
        fail(f"no host that is watched is called {named}{nearest}")
    return found


def _build_answer(
    clusters: Sequence[ClusterInventory], component: str | None, version: str | None, host: str | None
) -> _Inventory:
    lists = {id(parts): parts for one in clusters for parts in one.parts.values()}
    every = {part for parts in lists.values() for part in parts}
    called = {part for part in every if component is None or part.is_called(component)}
    if component is not None and every and not called:
        names = [part.part.partition(":")[2] or part.part for part in every]
        print_warning(f"nothing runs {component}{describe_nearest(component, names)}")
    pattern = _compile_version(version or "")
    wanted = {part for part in called if pattern.search(part.version)}
    places: _Places = {part: [] for part in sorted(wanted, key=lambda part: part.order)}
    for one in clusters:
        found: dict[InstalledPart, list[HostRow]] = {}
        for parts, hosts in _group_alike(one):
            for part in wanted.intersection(parts):
                found.setdefault(part, []).extend(hosts)
        for part, hosts in found.items():
            places[part].append((one, hosts))
    seen = {part: on for part, on in places.items() if on}
    return _Inventory(component, version, host, read_clock(), clusters, seen, wanted.__contains__)


def _group_alike(one: ClusterInventory) -> Iterator[tuple[Sequence[InstalledPart], list[HostRow]]]:
    """Group the hosts that were read by what they run: most run the same image, which is listed once."""
    groups: dict[int, tuple[Sequence[InstalledPart], list[HostRow]]] = {}
    for host in one.read_hosts:
        parts = one.parts[host.host]
        groups.setdefault(id(parts), (parts, []))[1].append(host)
    return iter(groups.values())


def _compile_version(text: str) -> re.Pattern[str]:
    """Compile what finds a ``text`` in versions: numbers as a whole, of several the first one, too."""
    before = "(?<![0-9.])" if "." in text else "(?<![0-9])"
    begin = before if text[:1].isdigit() else ""
    end = "(?![0-9])" if text[-1:].isdigit() else ""
    return re.compile(f"{begin}{re.escape(text)}{end}", re.IGNORECASE)


def _print_answer(answer: _Inventory, usual: timedelta) -> None:
    on = {
        (id(one), host.host) for places in answer.places.values() for one, hosts in places for host in hosts
    }
    read = sum(len(one.read_hosts) for one in answer.clusters)
    asked = " ".join(filter(None, (answer.component, answer.version)))
    print_line(
        f"{clean_text(asked) if asked else format_count(len(answer.places), 'part')}:"
        f" on {format_share(len(on), read)} that the last check read, in {len({one for one, _ in on})}"
        f" of {format_count(sum(one.row.cluster_id is not None for one in answer.clusters), 'cluster')}",
        "bold",
    )
    if asked:
        for line in _render_places(answer):
            print_line(line)
    elif answer.places:
        for line in _render_selected(answer):
            print_line(line)
        _print_parts(answer)
    for line in (*_render_unknown(answer), *_render_old_looks(answer, usual)):
        print_line(line)


def _render_selected(answer: _Inventory) -> Iterator[str]:
    """Say where the one host is that was asked about; there may be several of its name."""
    for one in answer.clusters if answer.host else ():
        yield from (f"  {clean_text(host.name)} ({host.host}) in {one.name}" for host in one.read_hosts)


def _print_parts(answer: _Inventory) -> None:
    """Print a line for each part and version; of many those of which there are several versions first."""
    versions: dict[str, int] = {}
    for part in answer.places:
        versions[part.part] = versions.get(part.part, 0) + 1
    is_plain = {part: part.element == "component" and versions[part.part] == 1 for part in answer.places}
    ordered = sorted(answer.places, key=is_plain.__getitem__)
    shown = ordered if answer.host else ordered[:MAX_SHOWN_PARTS]
    print_table(build_table(_HEADINGS, (_render_cells(part, answer) for part in shown)))
    print_line("")
    if len(shown) < len(ordered):
        print_line(f"and {len(ordered) - len(shown)} more: name one by --component, or take --format csv")


def _render_cells(part: InstalledPart, answer: _Inventory) -> list[str]:
    places = answer.places[part]
    hosts = str(sum(len(hosts) for _, hosts in places))
    cells = (clean_text(name_kept_part(part.part)), _show_version(part), hosts, str(len(places)))
    return [escape_unprintable(cell) for cell in cells]


def _show_version(part: InstalledPart) -> str:
    return clean_text(part.version) if part.version else "-"


def _render_places(answer: _Inventory) -> Iterator[str]:
    """Say of each version of a part which hosts run it."""
    for part, places in [*answer.places.items()][:MAX_SHOWN_PARTS]:
        hosts = format_count(sum(len(hosts) for _, hosts in places), "host")
        name = clean_text(name_kept_part(part.part))
        yield f"{name} {_show_version(part)}: {hosts} of {format_count(len(places), 'cluster')}"
        yield from (f"  {one.name}: {_join_hosts(hosts)}" for one, hosts in places)
    if len(answer.places) > MAX_SHOWN_PARTS:
        yield f"and {len(answer.places) - MAX_SHOWN_PARTS} more: say more of the name, or take --format csv"


def _join_hosts(hosts: Sequence[HostRow]) -> str:
    names = {host.host: host.name for host in hosts}
    return join_names(list_host_names([*names], names), MAX_SHOWN_HOSTS)


def _render_unknown(answer: _Inventory) -> Iterator[str]:
    """Say which hosts are unknown: nobody knows what they run now."""
    number = sum(one.unknown for one in answer.clusters)
    if number:
        yield f"{format_count(number, 'host')} {'is' if number == 1 else 'are'} unknown: {_NOT_READ}"
    for one in answer.clusters:
        if one.unread_hosts:
            yield f"  {one.name}: {_join_hosts(one.unread_hosts)}"
        if one.problem:
            unlisted = f" ({format_count(one.unlisted, 'host')})" if one.unlisted else ""
            yield f"  {one.name}{unlisted}: {one.problem}"


def _render_old_looks(answer: _Inventory, usual: timedelta) -> Iterator[str]:
    for one in answer.clusters:
        look = one.row.last_look_at
        if look and answer.now - parse_time(look) > usual:
            yield f"{one.name} was last looked at {format_elapsed(look, format_time(answer.now))} ago"


def _list_look_cells(one: ClusterInventory, now: datetime) -> dict[str, Json]:
    look = one.row.last_look_at
    age = int((now - parse_time(look)).total_seconds()) if look else None
    return {"last_look_at": look, "look_age_seconds": age}


def _list_cluster_cells(one: ClusterInventory, now: datetime) -> dict[str, object]:
    named = {"vcenter": one.row.vcenter, "cluster": one.row.cluster, "cluster_id": one.row.cluster_id}
    return {**named, **_list_look_cells(one, now)}


def _list_summary_lines(answer: _Inventory) -> Iterator[Mapping[str, object]]:
    """List a line for each part, version and cluster, and one for the unknown hosts of each cluster."""
    for part, places in answer.places.items():
        for one, hosts in places:
            cells = {"part": part.part, "version": part.version, "seen": True, "hosts": len(hosts)}
            yield {**cells, **_list_cluster_cells(one, answer.now)}
    for one in answer.clusters:
        if one.unknown or one.problem:
            yield {"seen": False, "hosts": one.unknown, **_list_cluster_cells(one, answer.now)}


def _list_host_lines(answer: _Inventory) -> Iterator[Mapping[str, object]]:
    """List a line for each part and host; of hosts that are unknown with what they ran when last seen."""
    for part, places in answer.places.items():
        cells = {"part": part.part, "version": part.version, "seen": True}
        for one, hosts in places:
            own = _list_cluster_cells(one, answer.now)
            yield from ({**cells, **own, "host": host.host, "name": host.name} for host in hosts)
    for one in answer.clusters:
        own = _list_cluster_cells(one, answer.now)
        for host in one.unread_hosts:
            cells = {
                "host": host.host,
                "name": host.name,
                "seen": False,
                "unseen_because": host.unseen or _NOT_READ,
            }
            last = [*_list_last_known(one, host, answer)]
            yield from ({**cells, **own, **known} for known in last or [{}])
        if one.problem:
            yield {"seen": False, "unseen_because": one.problem, **own}


def _list_last_known(one: ClusterInventory, host: HostRow, answer: _Inventory) -> Iterator[dict[str, Json]]:
    for part in filter(answer.wanted, one.parts.get(host.host, ())):
        yield {"part": part.part, "version": part.version}


def _build_document(answer: _Inventory) -> Json:
    return {
        "schema_version": 1,
        "at": format_time(answer.now),
        "asked": {"component": answer.component, "version": answer.version, "host": answer.host},
        "clusters": [
            {
                **_name_cluster(one),
                **_list_look_cells(one, answer.now),
                "seen": one.row.seen and one.row.cluster_id is not None,
                "read_hosts": len(one.read_hosts),
                "unknown_hosts": one.unknown,
                "problem": one.problem,
            }
            for one in answer.clusters
        ],
        "parts": [
            {
                "part": part.part,
                "version": part.version,
                "hosts": sum(len(hosts) for _, hosts in places),
                "on": [_build_place(one, hosts, answer) for one, hosts in places],
            }
            for part, places in answer.places.items()
        ],
        "unknown": [
            {**_name_cluster(one), **_build_unknown(one, host, answer)}
            for one in answer.clusters
            for host in one.unread_hosts
        ],
    }


def _name_cluster(one: ClusterInventory) -> dict[str, Json]:
    return {"vcenter": one.row.vcenter, "cluster": {"id": one.row.cluster_id, "name": one.row.cluster}}


def _build_place(one: ClusterInventory, hosts: Iterable[HostRow], answer: _Inventory) -> Json:
    named: list[Json] = [{"host": host.host, "name": host.name} for host in hosts]
    return {**_name_cluster(one), "hosts": named if answer.by_host else len(named)}


def _build_unknown(one: ClusterInventory, host: HostRow, answer: _Inventory) -> dict[str, Json]:
    known: list[Json] = [*_list_last_known(one, host, answer)] if answer.by_host else []
    return {
        "host": host.host,
        "name": host.name,
        "because": host.unseen or _NOT_READ,
        "since": host.unseen_since,
        **({"last_known": known} if answer.by_host else {}),
    }
