"""What a record says, computed again from what it was made of: document, snapshots, and the record before.

What can't be known again is left out, and never taken for a fault: the names of hosts as the inventory had
them, and the changes of hosts that were new to the log, which were compared with what other logs knew.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct

from esx_drift.domain.acceptance import expire_accepted
from esx_drift.domain.changes.compare import AcceptedImage, compare_snapshots
from esx_drift.domain.images.report import Report
from esx_drift.domain.images.snapshot import CANONICAL_VERSION, add_host_ids, build_snapshot, compute_seal
from esx_drift.domain.stored.identifiers import compute_digest, encode_canonical_json
from esx_drift.domain.stored.types import AcceptedSoftware, Change, Image, LogState, Outcome, Record, Snapshot
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.text.versions import sort_naturally
from esx_drift.domain.text.wording import join_names

COMPARED_OUTCOMES: Final[frozenset[Outcome]] = frozenset({"baseline", "changed"})
"""A record of any other outcome has no changes."""

TAKING_OUTCOMES: Final[frozenset[Outcome]] = COMPARED_OUTCOMES | {"unchanged", "not-covered"}
"""A report was fresh. What others have archived is not taken for what runs."""

MAX_NAMED_CHANGES: Final = 3
"""Of changes in one sentence."""


class RecordedLook(Struct, frozen=True):
    """A record, and what it was made of as far as that is at hand.

    Attributes:
        record: The record.
        before: The state that it began from: ``after`` of the record before.
        old: The snapshot that ``before`` names.
        new: The snapshot that the record names.
        report: What its archived document says.
    """

    record: Record
    before: LogState
    old: Snapshot | None
    new: Snapshot | None
    report: Report | None


def list_recomputed_faults(look: RecordedLook, images: Mapping[str, Image]) -> Iterator[str]:
    """List what a record says otherwise than comes out when it is computed again.

    Args:
        look: The record, and what it was made of.
        images: Images that were accepted before, by digest, beside those of the two snapshots.
    """
    record = look.record
    if record["changes"] and record["outcome"] not in COMPARED_OUTCOMES:
        yield f"it lists changes, and its outcome is {record['outcome']}"
    if look.new is not None and look.new["schema_version"] == CANONICAL_VERSION:
        yield from _list_snapshot_faults(record["after"], look.new)
        if look.report is not None and record["outcome"] in TAKING_OUTCOMES:
            yield from _list_report_faults(look, look.new, look.report)
        if record["outcome"] == "baseline":
            if look.old is not None and look.before["instance_uuid"] == record["after"]["instance_uuid"]:
                yield "it says that it is a first copy, and there was one before"
        elif look.old is not None and look.old["schema_version"] == CANONICAL_VERSION:
            yield from _list_move_faults(look, look.old, look.new, images)


def list_needed_snapshots(look: RecordedLook) -> set[str]:
    """List the keys of the snapshots that hold what was accepted, where the two of ``look`` don't."""
    known = _merge_images(look)
    return {
        entry["snapshot"]
        for entry in _list_accepted(look).values()
        if entry["image"] is not None and entry["image"] not in known
    }


def _merge_images(look: RecordedLook) -> dict[str, Image]:
    return {
        digest: image for each in (look.old, look.new) if each for digest, image in each["images"].items()
    }


def _list_accepted(look: RecordedLook) -> Mapping[str, AcceptedSoftware]:
    """List what was accepted, by host, when the check compared; only where there is something to compare."""
    if look.old is None or look.new is None or look.record["outcome"] not in COMPARED_OUTCOMES:
        return {}
    accepted = expire_accepted(look.before, parse_time(look.record["checked_at"]))["accepted"]
    return {host: accepted[host] for host in _list_comparable(look.old, look.new) if host in accepted}


def _list_snapshot_faults(after: LogState, snapshot: Snapshot) -> Iterator[str]:
    if compute_seal(snapshot) != after["seal"]:
        yield "its seal is not that of its snapshot"
    for digest, image in snapshot["images"].items():
        if compute_digest(image) != digest:
            yield f"its snapshot has an image under {digest[:12]}, which is not the image's digest"


def _list_report_faults(look: RecordedLook, new: Snapshot, report: Report) -> Iterator[str]:
    """List where record and snapshot differ from what the archived document gives."""
    record = look.record
    facts = {
        "completion_time": format_time(report.completion_time),
        "status": report.status,
        "uniform_image": report.uniform_image,
    }
    recorded = record["report"]
    if recorded is None or any(recorded[name] != value for name, value in facts.items()):  # type: ignore[literal-required] # of its fields
        yield "what it keeps of the report is not what its document says"
    coverage = record["coverage"]
    if record["outcome"] == "not-covered" or coverage is None:
        return
    if (coverage["hosts"], coverage["covered"]) != (
        len(new["hosts"]),
        len(new["hosts"].keys() & report.runs),
    ):
        yield "its coverage is not that of its snapshot and its document"
    if coverage["covered"] < coverage["hosts"] and (look.old or new)["schema_version"] != CANONICAL_VERSION:
        return
    partial = coverage["covered"] < coverage["hosts"] and record["outcome"] != "baseline"
    names = {host: known["name"] for host, known in new["hosts"].items()}
    known = _find_known(look) if partial else None
    if compute_seal(build_snapshot(report, known, names)) != compute_seal(new):
        yield "its document gives another snapshot than the one that it names"


def _find_known(look: RecordedLook) -> Snapshot | None:
    """Find what a check knew of the hosts that it did not see, by their ids of now.

    Version 0.1, whose states have no ``machines``, knew nothing of those that came back under a new id. No
    version that goes on with a later one's state takes them out of it.
    """
    is_first_form = "machines" not in look.before and "machines" not in look.record["after"]
    if look.old is None or is_first_form:
        return look.old
    former_ids = {
        change["key"]: change["from"]
        for change in look.record["changes"]
        if change["element"] == "host" and change["from"] and "moved_from" not in (change["detail"] or {})
    }
    return add_host_ids(look.old, former_ids)


def _list_move_faults(
    look: RecordedLook, old: Snapshot, new: Snapshot, images: Mapping[str, Image]
) -> Iterator[str]:
    """List where the changes are not those between two snapshots."""
    record = look.record
    if look.before["seal"] == record["after"]["seal"]:
        if record["changes"]:
            yield "it lists changes, and its snapshot is that of the record before"
        return
    if record["outcome"] not in COMPARED_OUTCOMES:
        yield f"its snapshot is another than before, and its outcome is {record['outcome']}"
        return
    yield from _list_host_faults(record["changes"], old, new)
    comparable = _list_comparable(old, new)
    found = _spread(_compare(look, old, new, images), comparable, labels=look.report is not None)
    listed = _spread(record["changes"], comparable, labels=look.report is not None)
    if found - listed:
        yield f"its snapshots differ in more than it lists: {_name(found - listed)}"
    if listed - found:
        yield f"it lists what its snapshots don't show: {_name(listed - found)}"


def _compare(look: RecordedLook, old: Snapshot, new: Snapshot, images: Mapping[str, Image]) -> list[Change]:
    known = {**images, **_merge_images(look)}
    accepted: dict[str, AcceptedImage] = {}
    for host, entry in _list_accepted(look).items():
        digest, was = entry["image"], old["hosts"][host]["image"]
        if digest in known and was not in {digest, new["hosts"][host]["image"]}:
            accepted[host] = (digest, known[digest])
    covered = None if look.report is None else look.report.runs.keys()
    return compare_snapshots(old, new, {}, covered, accepted)


def _list_comparable(old: Snapshot, new: Snapshot) -> set[str]:
    """List the hosts that both know, and of which it was known before what they run."""
    return {
        host for host in old["hosts"].keys() & new["hosts"].keys() if old["hosts"][host]["image"] is not None
    }


def _list_host_faults(changes: Iterable[Change], old: Snapshot, new: Snapshot) -> Iterator[str]:
    """List hosts that came or left, and of which nothing is said, or the other way round."""
    moved = [change for change in changes if change["element"] == "host" and change["kind"] != "relabelled"]
    came = {change["key"] for change in moved if change["kind"] != "removed"}
    left = {change["key"] if change["kind"] == "removed" else change["from"] for change in moved}
    is_known = _list_comparable(old, new)
    for host in sort_naturally(new["hosts"].keys() - old["hosts"].keys() - came):
        yield f"its snapshot has {host}, which was not there before, and it does not say that it joined"
    for host in sort_naturally(old["hosts"].keys() - new["hosts"].keys() - left):
        yield f"its snapshot no longer has {host}, and it does not say that it left"
    for host in sort_naturally(came & is_known):
        yield f"it says that {host} joined, which was there before"


type _HostChange = tuple[str, ...]


def _spread(changes: Iterable[Change], hosts: set[str], *, labels: bool) -> set[_HostChange]:
    """Spread changes over the hosts that they are of, so that it does not matter how they are grouped.

    Who is told of a change is decided otherwise, and so it is not compared. ``labels``: also other wordings.
    """
    return {
        (host, *_describe(change))
        for change in changes
        if (labels or change["kind"] != "relabelled") and _is_compared(change)
        for host in change["hosts"]
        if host in hosts
    }


def _is_compared(change: Change) -> bool:
    """Whether it is a change of what both snapshots know; that hosts came or left is looked at by itself."""
    return change["element"] != "host" or change["kind"] == "relabelled"


def _describe(change: Change) -> _HostChange:
    detail = None if change["kind"] == "relabelled" else change["detail"]
    fields = ("kind", "element", "key", "from", "to", "alternative_image", "severity", "put_back")
    return tuple(encode_canonical_json(value).decode() for value in (*map(change.get, fields), detail))


def _name(changes: set[_HostChange]) -> str:
    """Name a few of them, such as ``upgraded component Intel-i40en on host-16``."""
    named = [
        " ".join((*(part.strip('"') for part in parts[:3]), f"on {host}")) for host, *parts in sorted(changes)
    ]
    return join_names(list(dict.fromkeys(named)), MAX_NAMED_CHANGES)
