"""What the jobs need from the world, as protocols. The adapters fulfil them; they decide nothing.

Every call may raise a ``TransientError`` of its system. Times are aware datetimes in UTC.

Longer than 250 lines, because whoever writes an adapter or a fake finds every port here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from datetime import datetime

    from esx_drift.domain.breaker import Breaker
    from esx_drift.domain.deliveries import Delivery, DeliveryMessage, RouteState
    from esx_drift.domain.events import MessageContent
    from esx_drift.domain.fleet.fleet import Fleet, Route
    from esx_drift.domain.stored.types import (
        CheckRequest,
        ClockFacts,
        Event,
        LogPointer,
        Record,
        ReportState,
        RetryRequest,
        Snapshot,
        StoredObject,
        StoredReport,
        TrailSeal,
        VCenterIdentity,
    )
    from esx_drift.domain.trail.digests import SealingTurn


class ListedCluster(Struct, frozen=True):
    """A cluster of the vCenter's listing."""

    id: str
    name: str


class InventoryEntry(Struct, frozen=True):
    """A host of the vCenter's inventory. Connection and power state are the API's own words.

    ``uuid``: the machine's, as its firmware gives it; listings have it since vCenter 9.0. None: not given.
    """

    id: str
    name: str
    connection_state: str
    power_state: str | None
    uuid: str | None = None

    @property
    def is_connected(self) -> bool:
        """Tell whether the vCenter can ask the host."""
        return self.connection_state == "CONNECTED"


class SubmittedExtraction(Struct, frozen=True):
    """An extraction that was asked for; ``date`` is the reply's ``Date``: the vCenter's own clock.

    Without ``task_id`` the cluster was busy (``busy`` is what the vCenter said of it): there is no task of
    ours to read, and the report to wait for is somebody else's.
    """

    task_id: str | None
    date: datetime
    busy: str | None = None


class ExtractionTask(Struct, frozen=True):
    """A task as last read. ``status`` is the API's word; an unknown one must not break the reader.

    ``extracts``: the id of the cluster whose images it extracts; None where it does not say that it does.
    """

    id: str
    status: str
    start_time: datetime | None
    end_time: datetime | None
    message: str | None
    extracts: str | None


class ReportReply(Struct, frozen=True):
    """The report's bytes as they came, and the reply's ``Date``; ``cut``: there were more than are read."""

    body: bytes
    date: datetime
    cut: bool = False


type LoginGuard = Callable[[], AbstractContextManager[None]]
"""Entered around each login: it may refuse the login, and it sees how the login ended."""


class VCenterSession(Protocol):
    """One vCenter, logged in. Each call raises one of ``errors.VCENTER_FAILURES`` when it fails."""

    def about(self) -> VCenterIdentity:
        """Read which vCenter this is; needs no login."""
        ...

    def clock(self) -> ClockFacts | None:
        """Compare the vCenter's clock with ours, as of its last answer; None if that had no ``Date``."""
        ...

    def clusters(self) -> tuple[ListedCluster, ...]:
        """List every cluster that the account may see."""
        ...

    def hosts(self, cluster: str) -> tuple[InventoryEntry, ...]:
        """List the hosts of one cluster."""
        ...

    def find_hosts(self, hosts: Collection[str]) -> tuple[InventoryEntry, ...]:
        """Find those of the hosts with these ids that the account sees anywhere in the vCenter."""
        ...

    def host_uuids(self, hosts: Collection[str]) -> dict[str, str]:
        """Read the UUIDs of the machines of those hosts (by id) that have one, by one call.

        Once it got no answer, it is not called again, and raises that failure.
        """
        ...

    def standalone_hosts(self) -> int:
        """Count the hosts that are in no cluster."""
        ...

    def extract(self, cluster: str) -> SubmittedExtraction:
        """Start an extraction."""
        ...

    def task(self, task_id: str) -> ExtractionTask | None:
        """Read one task; None when the vCenter no longer has it."""
        ...

    def installed_images(self, cluster: str) -> ReportReply:
        """Read the last extracted report."""
        ...

    def managed_by_image(self, cluster: str) -> bool:
        """Tell whether the cluster is managed by a single image; by baselines if not."""
        ...


class VCenters(Protocol):
    """Sessions, one an invocation and vCenter, all ended when the invocation ends."""

    def session(self, vcenter: str) -> VCenterSession:
        """Return the vCenter's session, which logs in at the first call.

        Raises:
            LoginRefused, LoginSuspended, SecretInvalid, TransientError: The session can't be opened.
        """
        ...


class StoredState(Struct, frozen=True):
    """A state and its ETag, which a conditional write needs; no pointer if what lies there is not one."""

    pointer: LogPointer | None
    etag: str


class StoredRecord(Struct, frozen=True):
    """The sha256 of what lies under a record's key; no record, but a ``problem``, if it is not one."""

    sha256: str
    record: Record | None
    problem: str = ""


class Store(Protocol):
    """The two buckets. A key that is taken is answered by None, never by an exception."""

    def state(self, vcenter: str, cluster: str) -> StoredState | None:
        """Read the pointer to a log's end.

        Args:
            vcenter: The vCenter's name in the fleet file.
            cluster: The cluster's id, or ``@vcenter`` for the vCenter's own log.

        Returns:
            The pointer and its ETag; None if nothing is stored.
        """
        ...

    def put_state(self, pointer: LogPointer, etag: str | None) -> str | None:
        """Write a pointer if the stored one still has the given ETag.

        Args:
            pointer: The pointer to write.
            etag: The ETag that the stored pointer must have; None if there must be none yet.

        Returns:
            The new ETag; None if the condition was not met.
        """
        ...

    def list_pointers(self, vcenter: str) -> Iterator[tuple[str, str]]:
        """List the keys of the pointers into a ``vcenter``'s logs, and the ETags that they have now."""
        ...

    def list_records(self, vcenter: str, cluster: str, after_seq: int) -> Iterator[int]:
        """List the numbers above ``after_seq`` under which a log has an object, in order.

        ``vcenter`` and ``cluster`` name the log as for ``state``.
        """
        ...

    def read_record(self, vcenter: str, cluster: str, seq: int) -> StoredRecord | None:
        """Read what lies under the key of the record ``seq``; None if nothing does.

        ``vcenter`` and ``cluster`` name the log as for ``state``.
        """
        ...

    def record(self, vcenter: str, cluster: str, seq: int) -> tuple[Record, str]:
        """Read the record with the number ``seq`` and compute the sha256 of its stored bytes.

        ``vcenter`` and ``cluster`` name the log as for ``state``.

        Raises:
            TrailDamaged: It is not there, or is no record.
        """
        ...

    def put_record(self, record: Record) -> str | None:
        """Write a record if its key is free.

        Returns:
            The sha256 of the record's bytes; None if the key is taken.

        Raises:
            StoreConflict: S3 met a write at the same moment (409); the same call may yet succeed.
        """
        ...

    def put_blob(self, key: str, body: bytes) -> None:
        """Keep ``body`` under ``key``, which is made of its hash; succeed also if it is there already."""
        ...

    def snapshot(self, key: str) -> Snapshot:
        """Read a snapshot back.

        Raises:
            TrailDamaged: It is not there, or not what its key says.
        """
        ...

    def document(self, key: str) -> bytes:
        """Read an archived document back.

        Raises:
            TrailDamaged: It is not there any more, or not what its key says.
        """
        ...

    def uri(self, vcenter: str, cluster: str, seq: int) -> str:
        """Build the ``s3://`` address of the record with the number ``seq``.

        ``vcenter`` and ``cluster`` name the log as for ``state``.
        """
        ...


class Logs(Protocol):
    """All logs, to be read for reports. ``S3Store`` fulfils it."""

    def list_states(self) -> Iterator[str]:
        """List the keys of the pointers to all logs' ends."""
        ...

    def read_newest_record(self, state_key: str) -> Record | None:
        """Read the record that a pointer names; None if one of both is not what it should be."""
        ...

    def read_record(self, vcenter: str, cluster: str, seq: int) -> StoredRecord | None:
        """Read what lies under the key of the record ``seq`` of the log of ``cluster`` on ``vcenter``."""
        ...

    def snapshot(self, key: str) -> Snapshot:
        """Read a snapshot back.

        Raises:
            TrailDamaged: It is not there, or not what its key says.
        """
        ...


class StoredReportState(Struct, frozen=True):
    """What reports have told so far, and its ETag; no state if what lies there is not one."""

    state: ReportState | None
    etag: str


class Reports(Protocol):
    """Where reports are kept, and what they have told so far."""

    def read_state(self) -> StoredReportState | None:
        """Read what reports have told; None if nothing is kept yet."""
        ...

    def put_state(self, state: ReportState, etag: str | None) -> str | None:
        """Write ``state`` if the stored one still has the ETag ``etag`` (None: if there is none yet).

        Returns:
            The new ETag; None if somebody else was faster.
        """
        ...

    def keep(self, report: StoredReport) -> StoredObject:
        """Keep a report, unless one of the same id is kept already; return where that lies."""
        ...

    def read(self, stored: StoredObject) -> StoredReport:
        """Read a report back.

        Raises:
            TrailDamaged: It is not there, or not what it was.
        """
        ...

    def read_seal(self) -> TrailSeal | None:
        """Read up to when the trail is sealed; None if it isn't, or what lies there can't be read."""
        ...

    def uri(self, key: str) -> str:
        """Build the ``s3://`` address of the report under ``key``."""
        ...


class TrailObject(Struct, frozen=True):
    """An object of the trail. ``modified_at`` is by S3's clock; none in a copy, whose times prove nothing."""

    key: str
    size_bytes: int
    modified_at: datetime | None = None


class FormerVersion(Struct, frozen=True):
    """What lies under a key of the trail beside its one object: an older version, or a delete marker."""

    key: str
    version_id: str
    modified_at: datetime
    is_delete_marker: bool


MAX_TRAIL_OBJECT_BYTES: Final = 64_000_000
"""Of one object. The largest that is written is a packed report, and unpacked that has 32 MB at most."""


class TrailFiles(Protocol):
    """The AuditBucket, or a copy of it on disk, to be read only."""

    def is_of(self, bucket: str) -> bool:
        """Tell whether it may be of the ``bucket``: a copy does not say of which it is."""
        ...

    def list_objects(self, prefix: str, start_after: str = "") -> Iterator[TrailObject]:
        """List the objects that begin with ``prefix`` and sort behind ``start_after``, in S3's order."""
        ...

    def list_folders(self, prefix: str) -> Iterator[str]:
        """List what keys begin with up to the next slash behind ``prefix``, which ends in one: once each."""
        ...

    def read(self, key: str) -> bytes | None:
        """Read the object ``key``; None if there is none.

        Raises:
            TrailDamaged: There is something, and it is no object that can be read, or larger than
                ``MAX_TRAIL_OBJECT_BYTES``.
        """
        ...

    def list_former_versions(self, prefix: str) -> Iterator[FormerVersion]:
        """List what was deleted or written over under ``prefix``; a copy has none to show."""
        ...


class TrailCopy(Protocol):
    """Where a part of a trail is copied to."""

    def write(self, key: str, body: bytes) -> None:
        """Write ``body`` under ``key``, which is free.

        Raises:
            StoreUnavailable: It can't be written, or no such key can be in a copy.
        """
        ...


class WrittenObject(Struct, frozen=True):
    """An object of a bucket, and when S3 got it by S3's own clock, to the second."""

    key: str
    size_bytes: int
    written_at: datetime


class SealedBucket(Protocol):
    """The AuditBucket as the sealer sees it, or a bucket that digests are copied to."""

    def list_written(self, prefix: str, start_after: str = "") -> Iterator[WrittenObject]:
        """List the objects that begin with ``prefix`` and sort behind ``start_after``, in their order."""
        ...

    def read(self, key: str) -> bytes | None:
        """Read an object; None if there is none."""
        ...

    def hash_object(self, key: str, most: int) -> str | None:
        """Hash an object piece by piece; its sha256, None if there is none.

        Args:
            key: Where it is.
            most: How many bytes it may have.

        Raises:
            TrailDamaged: It is larger, or S3 refuses this one object.
        """
        ...

    def keep(self, key: str, body: bytes) -> bool:
        """Keep ``body`` under ``key`` if that is free.

        Returns:
            Whether it was kept: False if the key was taken before.

        Raises:
            StoreConflict: Another write of the key was under way. The same call may yet succeed.
        """
        ...


class Signer(Protocol):
    """What signs digests: ECDSA on P-256 with SHA-256. Each call may raise ``SignerUnavailable``."""

    def read_public_key(self) -> bytes:
        """Read the public key, in DER: a SubjectPublicKeyInfo."""
        ...

    def sign(self, sha256: bytes) -> bytes:
        """Sign what has this sha256 (32 bytes); the signature in DER."""
        ...

    def has_signed(self, sha256: bytes, signature: bytes) -> bool:
        """Tell whether ``signature`` is one by this key, of what has this ``sha256``."""
        ...


class StoredSealingTurn(Struct, frozen=True):
    """Whose turn it is to seal, and its ETag; no turn if none can be read, no ETag if nothing is stored."""

    turn: SealingTurn | None
    etag: str | None


class SealingTurns(Protocol):
    """Where it is kept whose turn it is to seal."""

    def read(self) -> StoredSealingTurn:
        """Read whose turn it is."""
        ...

    def write(self, turn: SealingTurn, etag: str | None) -> str | None:
        """Write ``turn`` if the stored one still has the ETag ``etag`` (None: if there is none yet).

        Returns:
            The new ETag; None if somebody else was faster.
        """
        ...


class PublicKey(Protocol):
    """A key by which signatures of digests are checked: of ECDSA on P-256 with SHA-256."""

    @property
    def fingerprint(self) -> str:
        """The sha256 of its DER form (SubjectPublicKeyInfo)."""
        ...

    @property
    def pem(self) -> bytes:
        """Its PEM form, as it is written by everybody."""
        ...

    def has_signed(self, body: bytes, signature: bytes) -> bool:
        """Tell whether ``signature``, in DER, is this key's of ``body``."""
        ...


class Topic(Protocol):
    """The DriftTopic."""

    def publish(self, event: Event) -> None:
        """Publish one event.

        Raises:
            TopicUnavailable: SNS did not take it.
        """
        ...


class Queue(Protocol):
    """The CheckQueue and the RetryQueue."""

    def send_check(self, request: CheckRequest, delay_seconds: int) -> None:
        """Send ``request``, for a check or a decision, to the CheckQueue.

        It is delivered after ``delay_seconds``; 900 at most (an SQS limit: more is cut to it).
        """
        ...

    def send_retry(self, request: RetryRequest, delay_seconds: int) -> None:
        """Send ``request`` to the RetryQueue, to be delivered after ``delay_seconds`` (900 at most)."""
        ...


@dataclass(frozen=True, slots=True)
class ChannelAddress:
    """Where a route's messages go, and whom TLS trusts there: for the doctor, who goes the way by himself."""

    host: str
    port: int
    ca_bundle: str | None = field(repr=False)


class Channel(Protocol):
    """One way to tell people, for one invocation. ``secret`` is the name that a route gives its secret.

    Each call raises ``SecretInvalid`` or ``SecretUnavailable`` where the secret is of no use.
    """

    @property
    def title(self) -> str:
        """What people call it."""
        ...

    def post(self, secret: str, content: MessageContent) -> None:
        """Post ``content`` as one message, to the address in ``secret``.

        Raises:
            WebhookUnavailable: No answer, or one that says to try again.
            WebhookThrottled: The service asks to wait.
            WebhookUnclear: It may have been posted: the answer has no known meaning.
            MessageRefused: The service refused this message, and may take another.
            WebhookRefused: The service takes nothing on this way until a person mends it.
        """
        ...

    def post_drill(self, secret: str, route: str) -> None:
        """Post a message that says that it is a drill of ``route``, to the address in ``secret``.

        Raises:
            WebhookUnavailable, WebhookThrottled, WebhookUnclear, WebhookRefused: As for ``post``.
        """
        ...

    def find_address(self, secret: str) -> ChannelAddress | None:
        """Find where the messages go; None where the way is AWS's own, and none to be examined.

        Raises:
            WebhookRefused: The host is not allowed, or there is no place at all.
        """
        ...


class Deliveries(Protocol):
    """Messages to routes, and what reached which route. ``event_id`` is made by ``make_receipt_id``."""

    def delivered(self, event_id: str, route: str) -> bool:
        """Say whether the event with the id ``event_id`` reached the route called ``route`` before."""
        ...

    def record(self, event_id: str, route: str, at: datetime) -> None:
        """Record that the event ``event_id`` reached ``route`` at the time ``at``.

        Succeed also if that is recorded already.
        """
        ...

    def put_delivery(self, delivery: Delivery) -> str:
        """Keep what a message tells; of two with one id the first counts. The sha256 of its stored bytes."""
        ...

    def read_delivery(self, route: str, delivery_id: str, sha256: str) -> Delivery:
        """Read what one message tells back.

        Args:
            route: The name of the route that it was made for.
            delivery_id: Its id.
            sha256: Of the bytes that must lie there.

        Raises:
            RequestRefused: It is not there, or not what its message says.
        """
        ...


class StoredRouteState(Struct, frozen=True):
    """A route's state and its ETag, which a conditional write needs; no ETag where nothing is stored yet."""

    state: RouteState
    etag: str | None


class RouteStates(Protocol):
    """Where it is kept who may post to a route, and how that answered; routes of one webhook share it."""

    def read(self, route: Route) -> StoredRouteState:
        """Read a route's state; where there is none, or one that can't be read, nothing is known of it."""
        ...

    def write(self, route: Route, state: RouteState, etag: str | None) -> str | None:
        """Write the ``state`` of a ``route`` if the stored one still has the ETag ``etag``.

        Without an ETag it is written if there is none yet.

        Returns:
            The new ETag; None if somebody else was faster.
        """
        ...


class DeliveryQueue(Protocol):
    """The DeliveryQueue, and its queue of dead letters."""

    def send_delivery(self, message: DeliveryMessage, delay_seconds: int) -> None:
        """Send ``message`` to be handled after ``delay_seconds``, 900 at most."""
        ...

    def park_delivery(self, message: DeliveryMessage, reason: str, why: str) -> None:
        """Put ``message`` among the dead letters, where a person finds it.

        ``reason`` is a word for machines, ``why`` a sentence for people.
        """
        ...


class LoginSecret(Protocol):
    """What is needed here of a vCenter's secret."""

    @property
    def username(self) -> str:
        """Who logs in."""
        ...

    @property
    def version_id(self) -> str:
        """Which version of the secret this is."""
        ...

    @property
    def name(self) -> str:
        """The whole name of the secret."""
        ...


class StoredBreaker(Struct, frozen=True):
    """A breaker and its ETag, which a conditional write needs."""

    breaker: Breaker
    etag: str


class BreakerStore(Protocol):
    """Where the breakers are."""

    def read(self, vcenter: str) -> StoredBreaker | None:
        """Read a vCenter's breaker; None if only checkers logged in so far and none was refused."""
        ...

    def write(self, breaker: Breaker, etag: str | None) -> bool:
        """Write ``breaker`` if the stored one still has the ETag ``etag`` (None: if there is none yet).

        Returns:
            Whether it was written.
        """
        ...


class Runtime(Struct, frozen=True):
    """All that a job which looks at vCenters needs of the world, handed on whole.

    ``fleet_sha256`` is the digest of the fleet file's bytes; ``clock`` gives the time now, in UTC;
    ``time_left_ms`` how long this run of the function still lasts; ``code_version`` is this release's;
    ``stack`` is the name of the CloudFormation stack that the function is part of.
    """

    fleet: Fleet
    fleet_sha256: str
    vcenters: VCenters
    store: Store
    topic: Topic
    queue: Queue
    clock: Callable[[], datetime]
    time_left_ms: Callable[[], float]
    code_version: str
    stack: str
    check_interval_hours: int
