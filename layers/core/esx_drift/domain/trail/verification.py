"""What is wrong with a trail: problems, each of one object, and what a record and its neighbour show.

Longer than 250 lines, because each rule of what is wrong stands here, beside the others.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final, Literal

from msgspec import Struct

from esx_drift.domain.images.snapshot import list_snapshot_keys
from esx_drift.domain.stored.identifiers import (
    MAX_KEY_PART_BYTES,
    VCENTER_LOG,
    compute_digest,
    make_check_id,
    make_event_id,
    make_record_key,
)
from esx_drift.domain.stored.types import Head, LogState, Record, StoredObject
from esx_drift.domain.text.times import parse_time

type ProblemKind = Literal["altered", "missing", "inserted", "forked", "gap"]

MAX_CLOCK_DIFFERENCE: Final = timedelta(minutes=15)
"""Between a record's time and S3's: AWS takes no request whose clock is wrong by more
(RequestTimeTooSkewed, in S3's list of error codes)."""

LONGEST_CHECK: Final = timedelta(seconds=2 * 1_800)
"""After that a request that left no record is a gap: twice the deadline of an extraction, where the fleet
file says nothing else."""

SEALER_PATIENCE: Final = timedelta(hours=27)
"""The sealer makes a digest a day, within two hours of midnight UTC. Where the newest is older, and an hour
more, it is late, or those behind it were removed."""

FIRST_SEAL_PATIENCE: Final = timedelta(hours=3)
"""After the deployment: the sealer looks each hour, and two of its runs may fail."""

DEFAULT_RETENTION: Final = timedelta(days=400)
"""How long documents are kept where nobody says anything else: ``DocumentRetentionDays`` of the template."""

RETENTION_LAG: Final = timedelta(days=3)
"""S3 removes what has expired not at once, and not in order
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-expire-general-considerations.html)."""

EXPIRING: Final = ("documents/", "quarantine/", "deliveries/groups/")
"""What lifecycle rules of the template remove after a time. All else is kept for ever."""

_PART: Final = rf"[A-Za-z0-9_%~-]{{1,{MAX_KEY_PART_BYTES}}}"
"""What ``encode_key_part`` makes of a name."""

_LOG: Final = f"vcenter={_PART}/cluster=@?{_PART}"
_BLOB_KEY: Final = re.compile(rf"(documents|snapshots|quarantine)/{_LOG}/([0-9a-f]{{64}})\.json\.gz")
_KEYS: Final = (
    _BLOB_KEY,
    re.compile(rf"records/{_LOG}/[0-9]{{10}}\.json"),
    re.compile(rf"deliveries/{_PART}/{_PART}\.json"),
    re.compile(rf"deliveries/groups/route={_PART}/{_PART}\.json"),
    re.compile(r"reports/[a-z-]{1,20}/[0-9a-f-]{36}\.json"),
    re.compile(r"digests/[0-9]{8}T[0-9]{6}Z\.json(\.sig)?"),
    re.compile(r"digests/keys/[0-9a-f]{64}\.pem"),
)


class Problem(Struct, frozen=True, order=True):
    """What is wrong with the object under ``key``, as a sentence that goes on behind the key."""

    key: str
    kind: ProblemKind
    text: str


def is_trail_key(key: str) -> bool:
    """Tell whether anything of this product may lie under a key."""
    return any(form.fullmatch(key) for form in _KEYS)


def find_blob_sha256(key: str) -> str | None:
    """Find the sha256 of the bytes under a key that is made of it; None for other keys."""
    found = _BLOB_KEY.fullmatch(key)
    return found[2] if found else None


def may_expire(key: str) -> bool:
    """Tell whether lifecycle rules remove what lies under a key."""
    return key.startswith(EXPIRING)


class SealedTime(Struct, frozen=True):
    """Of which times digests name all that was written: before ``until``, and in none of ``holes``.

    A hole is where a digest is missing or does not count, from a time to another; None: from the beginning.
    """

    until: datetime
    holes: tuple[tuple[datetime | None, datetime], ...] = ()

    def covers(self, at: datetime) -> bool:
        """Tell whether a digest must name what was written ``at`` a time, by a clock that may be wrong."""
        margin = MAX_CLOCK_DIFFERENCE
        return self.until - at > margin and not any(
            at - end <= margin and (start is None or start - at <= margin) for start, end in self.holes
        )


class Retention(Struct, frozen=True):
    """Which absences lifecycle rules explain.

    Attributes:
        latest: Until when they may have removed what is gone.
        length: How long what expires is kept.
        oldest_kept: Since when the oldest object is there of each part of the trail that expires; a part
            of which nothing is left is not in it.
        claimed: Until when the trail says by itself that they may have; nothing that is signed does.
            None: it says nothing of it.
    """

    latest: datetime
    length: timedelta
    oldest_kept: Mapping[str, datetime]
    claimed: datetime | None = None

    def explains(self, key: str, since: datetime, gone_at: datetime | None = None) -> bool:
        """Tell whether the object under ``key`` was gone by rule.

        What is older goes first: nothing is explained while something is still there that was there before.

        Args:
            key: Its key.
            since: Since when it was there.
            gone_at: When it was removed; None where that is not known.
        """
        age = (gone_at or self.latest) - since
        if not may_expire(key) or age < self.length - MAX_CLOCK_DIFFERENCE:
            return False
        oldest = next((at for prefix, at in self.oldest_kept.items() if key.startswith(prefix)), since)
        return since - oldest <= RETENTION_LAG

    def may_explain(self, key: str, since: datetime) -> bool:
        """Tell whether the object under ``key`` was gone by rule, if the trail is as old as it says.

        Args:
            key: Its key.
            since: Since when it was there.
        """
        return self.claimed is not None and self.explains(key, since, self.claimed)


def find_late_seal(newest: datetime | None, oldest: datetime | None, now: datetime | None) -> str | None:
    """Find whether there should be a newer digest.

    Args:
        newest: When the newest digest was made; None: there is none.
        oldest: Since when there is something to seal, where that is known.
        now: The time, or the newest one in the trail; None: there is none.
    """
    last = newest or oldest
    if last is None or now is None or now - last <= SEALER_PATIENCE:
        return None
    hours = int((now - last).total_seconds() // 3_600)
    what = "the newest digest that counts is" if newest else "no digest counts, and the oldest object is"
    return (
        f"{what} of {last:%Y-%m-%dT%H:%M:%SZ}, {hours} hours before {now:%Y-%m-%dT%H:%M:%SZ}: the sealer"
        " makes one a day. It is late, or newer ones were removed"
    )


def list_record_faults(record: Record, key: str) -> Iterator[str]:
    """List what contradicts itself in one ``record``, which lies under ``key``."""
    vcenter, cluster, seq = record["vcenter"], record["cluster"], record["seq"]
    if make_record_key(vcenter, cluster, seq) != key:
        yield f"it is the record of {cluster} on {vcenter} with the number {seq}"
        return
    check_id = make_check_id(vcenter, cluster, seq)
    if record["check_id"] != check_id:
        yield "its check_id is another record's"
    if any(event["id"] != make_event_id(check_id, event["type"]) for event in record["events"]):
        yield "an event in it has the id of another one"
    answered = record["after"]["answered"][-1:]
    if [(each["request_id"], each["seq"]) for each in answered] != [(record["request_id"], seq)]:
        yield "what it leaves to the next check does not say which request it answered"


def list_link_faults(record: Record, previous: Head | None, before: LogState | None) -> Iterator[str]:
    """List where a record does not follow the one before it.

    Args:
        record: The record.
        previous: Number, key and sha256 of the record before, as it lies there; None where there is none.
        before: What that leaves to the next check; None where it is not known.
    """
    if record["previous"] != previous:
        named = record["previous"]
        if named is None or previous is None or named["seq"] != previous["seq"]:
            yield f"it follows {_name_head(named)}, and the record before it is {_name_head(previous)}"
        else:
            yield f"it names other bytes of {previous['key']} than those that lie there"
    elif before is not None and record["before_sha256"] != compute_digest(before):
        yield "it began from another state (before_sha256) than the record before left"


def _name_head(head: Head | None) -> str:
    return f"number {head['seq']}" if head else "none"


def list_kept(record: Record) -> list[StoredObject]:
    """List the objects that a ``record`` names by their bytes: its look's, and its state's."""
    kept = (record["document"], record["snapshot"], record["quarantine"], record["after"]["snapshot"])
    return [each for each in kept if each is not None]


def list_named_keys(record: Record) -> set[str]:
    """List the keys of all objects that a ``record`` names: of accepted images only the keys are known."""
    after = record["after"]
    return {
        *(each["key"] for each in list_kept(record)),
        *(list_snapshot_keys(after) if after["snapshot"] else ()),
    }


class AskedCheck(Struct, frozen=True):
    """A check that a record of a vCenter's own log, under ``key``, asked for ``at`` a time."""

    request_id: str
    vcenter: str
    cluster: str
    key: str
    at: datetime


def list_dispatched_checks(record: Record, key: str) -> list[AskedCheck]:
    """List the checks that a ``record``, which lies under ``key``, asked for."""
    dispatch, at = record["dispatch"], parse_time(record["checked_at"])
    if dispatch is None or record["cluster"] != VCENTER_LOG:
        return []
    return [
        AskedCheck(expected["request_id"], record["vcenter"], expected["cluster"], key, at)
        for expected in dispatch["expected"]
    ]


def list_explained_clusters(record: Record) -> set[str]:
    """List the clusters of which a record of the vCenter's own log says why they are not checked, or late."""
    dispatch = record["dispatch"]
    if dispatch is None:
        return set()
    named = {each["cluster"] for each in (*dispatch["excluded"], *dispatch["missing"], *dispatch["failed"])}
    return named | {
        finding["subject"] for finding in record["findings"] if finding["kind"] == "check-overdue"
    }


def find_time_fault(record: Record, written_at: datetime) -> str | None:
    """Find whether the time of a ``record`` is not that at which S3 got it, ``written_at``."""
    if abs(parse_time(record["checked_at"]) - written_at) <= MAX_CLOCK_DIFFERENCE:
        return None
    return f"it says {record['checked_at']}, and S3 got it at {written_at:%Y-%m-%dT%H:%M:%SZ}"
