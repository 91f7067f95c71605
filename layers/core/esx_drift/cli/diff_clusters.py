"""``esx-drift diff CLUSTER@DATE``: documents of the trail, and what most hosts of two clusters run."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import typer
from msgspec import Struct, field

from esx_drift.cli.comparison import ComparedDocument
from esx_drift.cli.past import (
    PastCluster,
    describe_nothing,
    end_with_damages,
    fail_unanswered,
    find_log,
    format_argument,
    make_times,
    open_logs,
    parse_past_cluster,
)
from esx_drift.cli.terminal import (
    EXIT_DIFFERENCES,
    EXIT_TROUBLE,
    build_table,
    escape_unprintable,
    fail,
    print_line,
    print_note,
    print_table,
)
from esx_drift.cli.trail_source import TrailSource
from esx_drift.cli.validate import parse_document
from esx_drift.domain.changes.compare import compare_snapshots
from esx_drift.domain.images.document import Document
from esx_drift.domain.images.image import ImageGroup, group_hosts_by_image
from esx_drift.domain.images.labels import name_esxi_release
from esx_drift.domain.stored.identifiers import ClusterRef
from esx_drift.domain.stored.types import Change, Record, Snapshot
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.text.wording import clean_text, format_share, name_element

if TYPE_CHECKING:
    from esx_drift.trail.past import TrailLogs

_HEADINGS = ("what", "name", "change", "from", "to")
LEADING = "leading"
"""The id of the one host that stands for all of a cluster that run what most of them run."""


class PastDocuments(Struct):
    """Documents of the trail that ``source`` names, as they are asked for.

    ``logs``: whose they were; ``records``: the last ones until then. ``is_damaged``: not all that was looked
    at could be read. ``notes``: what was said of them already.
    """

    source: TrailSource
    logs: list[ClusterRef] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    is_damaged: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def are_of_two_clusters(self) -> bool:
        """Whether both documents are of the trail, and not of the same cluster of the same vCenter.

        Another vCenter in the former one's place gives the ids of before to other hosts.
        """
        return len(set(self.logs)) > 1 or self._are_of_two_vcenters

    @property
    def _are_of_two_vcenters(self) -> bool:
        return len({record["after"]["instance_uuid"] for record in self.records} - {None}) > 1

    def find_exit_code(self, drifted: bool) -> int:  # noqa: FBT001 -- the one thing that it is about
        """Find how the command ends: where the trail is damaged, an older document may stand for another.

        ``drifted``: whether the documents differ.
        """
        return EXIT_TROUBLE if self.is_damaged else EXIT_DIFFERENCES if drifted else 0

    def find(self, named: str) -> Document | None:
        """Find the document that ``prod-a@2026-11-23`` means; none if ``named`` means something else.

        Ends the command if the trail has no such document.

        Raises:
            ContractViolation: What was kept is no document any more.
        """
        past = parse_past_cluster(named)
        return None if past is None else parse_document(self._read(past))

    def _read(self, past: PastCluster) -> bytes:
        times, logs = make_times(local=False), open_logs(self.source)
        moment = times.parse_end(past.date)
        log = find_log(logs, self.source, past.cluster, None)
        record, _, following = logs.find_at(log, moment)
        body = logs.read_document(log, record) if record else None
        if record is None or body is None:
            none = f"the trail keeps no document of {log.render()} by {past.date}"
            fail_unanswered(logs, describe_nothing(logs, log, f"{none}\n{_describe_first(logs, log, past)}"))
        self._note_looks(log, record, moment, next(logs.read_records(log, following[-1:]), record))
        end_with_damages(logs, code=None)
        self.is_damaged = self.is_damaged or bool(logs.damages)
        self.logs.append(log)
        self.records.append(record)
        if len(set(self.logs)) == 1 and self._are_of_two_vcenters:
            self._note(
                f"the vCenter of {log.render_name()} was replaced between both dates, and its hosts are"
                " others: what most of them run is compared"
            )
        return body

    def _note_looks(self, log: ClusterRef, record: Record, moment: datetime, newest: Record) -> None:
        """Note where nobody looked at a cluster since, and where both dates mean one look.

        Args:
            log: Whose they are.
            record: The last record until then.
            moment: The time that is asked about.
            newest: The newest record of the log.
        """
        times, look = make_times(local=False), newest["after"]["last_look_at"]
        if look is not None and parse_time(look) <= moment:
            said = f"the last look at {log.render_name()} was {times.format_zoned(look)}"
            self._note(f"{said}: nothing is known of the time after it")
        if self.logs == [log] and self.records[0]["seq"] == record["seq"]:
            which = f"record {record['seq']} of {log.render_name()}"
            self._note(f"both dates mean {which}: it is compared with itself, and that says nothing")

    def _note(self, sentence: str) -> None:
        """Print a ``sentence`` that is no fault, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)
            print_note(sentence)


def _describe_first(logs: "TrailLogs", log: ClusterRef, past: PastCluster) -> str:
    """Describe when the first look at a ``log`` was, and how the person asks for it instead of ``past``."""
    first = logs.find_first_look(log, logs.list_numbers(log))
    if first is None:
        return "Nobody has looked there since either."
    shown = make_times(local=False).format_zoned(first["checked_at"])
    return f"The first look was {shown}: {past.cluster}@{format_argument(first['checked_at'])}"


def print_clusters(
    before: ComparedDocument, after: ComparedDocument, named: tuple[str, str], *, as_json: bool
) -> bool:
    """Print how what most hosts of one cluster run differs from what most of another do.

    Args:
        before: The one cluster.
        after: The other one.
        named: How the person named both.
        as_json: Whether it is for a program.

    Returns:
        Whether anything differs.
    """
    groups = [_find_leading(side.snapshot) for side in (before, after)]
    for group, name in zip(groups, named, strict=True):
        if group is None:
            fail(f"no host of {name} was read, so nothing can be compared")
    leading = [group for group in groups if group is not None]
    sides = [_reduce(side.snapshot, group) for side, group in zip((before, after), leading, strict=True)]
    changes = compare_snapshots(sides[0], sides[1], {})
    for change in changes:
        change["hosts"] = [*leading[1].hosts]
    differing = [change for change in changes if change["kind"] != "relabelled"]
    if as_json:
        shown = {"schema_version": 1, "drifted": bool(differing), "changes": changes, "findings": []}
        typer.echo(json.dumps(shown, indent=2))
    else:
        for side, group, name in zip((before, after), leading, named, strict=True):
            release = name_esxi_release(group.image, side.snapshot["labels"])
            share = format_share(len(group.hosts), side.coverage["hosts"])
            print_line(f"{name}: {release} on {share}")
        _print_changes(differing)
    return bool(differing)


def _find_leading(snapshot: Snapshot) -> ImageGroup | None:
    runs = {host: entry["image"] for host, entry in snapshot["hosts"].items() if entry["image"] is not None}
    return group_hosts_by_image(snapshot["images"], runs)[0] if runs else None


def _reduce(snapshot: Snapshot, group: ImageGroup) -> Snapshot:
    """Reduce a snapshot to one host that runs what most of its hosts run, without orphaned VIBs."""
    known = snapshot["hosts"][group.hosts[0]]
    one = known | {"name": LEADING, "orphaned_vibs": []}
    return {**snapshot, "hosts": {LEADING: one}}


def _print_changes(changes: Sequence[Change]) -> None:
    if not changes:
        print_line("Most hosts of both run the same.", "bold")
        return
    print_line(f"They differ in {len(changes)} of their parts.", "bold")
    print_table(build_table(_HEADINGS, map(_list_cells, changes)))


def _list_cells(change: Change) -> list[str]:
    name = "" if change["key"] == change["element"] else clean_text(change["key"])
    versions = [clean_text(version) if version else "-" for version in (change["from"], change["to"])]
    cells = (name_element(change["element"]), name, change["kind"], *versions)
    return [escape_unprintable(cell) for cell in cells]
