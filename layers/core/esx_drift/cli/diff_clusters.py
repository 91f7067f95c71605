"""``esx-drift diff CLUSTER@DATE``: documents of the trail, and what most hosts of two clusters run."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import typer

from esx_drift.cli.comparison import ComparedDocument
from esx_drift.cli.past import (
    PastCluster,
    end_with_damages,
    fail_unanswered,
    find_log,
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
    print_table,
)
from esx_drift.cli.trail_source import TrailSource
from esx_drift.cli.validate import parse_document
from esx_drift.domain.changes.compare import compare_snapshots
from esx_drift.domain.images.document import Document
from esx_drift.domain.images.image import ImageGroup, group_hosts_by_image
from esx_drift.domain.images.labels import name_esxi_release
from esx_drift.domain.stored.identifiers import ClusterRef
from esx_drift.domain.stored.types import Change, Snapshot
from esx_drift.domain.text.wording import clean_text, format_share, name_element

_HEADINGS = ("what", "name", "change", "from", "to")
LEADING = "leading"
"""The id of the one host that stands for all of a cluster that run what most of them run."""


@dataclass(slots=True)
class PastDocuments:
    """Documents of the trail that ``source`` names, as they are asked for.

    ``logs``: whose they were. ``is_damaged``: not all that was looked at could be read.
    """

    source: TrailSource
    logs: list[ClusterRef] = field(default_factory=list)
    is_damaged: bool = False

    @property
    def are_of_two_clusters(self) -> bool:
        """Whether both documents are of the trail, and not of the same cluster."""
        return len(set(self.logs)) > 1

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
        log = find_log(logs, past.cluster, None, f"as VCENTER/CLUSTER@{past.date}, by its name or its id")
        record, _, _ = logs.find_at(log, moment)
        body = logs.read_document(log, record) if record else None
        if body is None:
            fail_unanswered(logs, f"the trail keeps no document of {log.render()} by {past.date}")
        end_with_damages(logs, code=None)
        self.is_damaged = self.is_damaged or bool(logs.damages)
        self.logs.append(log)
        return body


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
