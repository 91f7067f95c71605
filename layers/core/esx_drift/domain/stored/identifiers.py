"""Ids that are the same for the same check, keys in the buckets, and the digests that both are made of.

Everywhere ``vcenter`` is a vCenter's name in the fleet file, and ``cluster`` a cluster's id or ``@vcenter``.

Longer than 250 lines, because that no two keys and no two ids are the same is seen where all are made.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final
from urllib.parse import quote
from uuid import UUID, uuid5

from esx_drift.domain.text.wording import clean_text

NAMESPACE = UUID("6f0d0c53-6f5c-5b6e-9a2f-6b1f6a1de5d7")
"""The namespace of every uuid5 here; it never changes, or the same check would get other ids."""

_DERIVED: Final = 5
"""The version of UUIDs that are made of a name; those of AWS are made at random, and are version 4."""

VCENTER_LOG = "@vcenter"
"""The name, in place of a cluster's, under which the dispatcher keeps its own log of a vCenter."""

FLEET_KEY = "config/fleet.json"
FLEET_SOURCE_KEY: Final = "config/fleet.yaml"
"""The fleet file as a person wrote it, with its comments. No function reads it."""

TRAIL_FOLDERS: Final = frozenset(
    {"documents", "snapshots", "records", "quarantine", "deliveries", "reports", "digests"}
)
"""What keys in the AuditBucket begin with."""

MAX_KEY_PART_BYTES = 120


def encode_canonical_json(value: object) -> bytes:
    """Encode a JSON value in its canonical form: sorted, compact, ASCII. Equal values have equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def compute_sha256(data: bytes) -> str:
    """Compute the sha256 of bytes, as 64 hexadecimal digits."""
    return sha256(data).hexdigest()


def compute_digest(value: object) -> str:
    """Compute the sha256 of a JSON value's canonical form."""
    return compute_sha256(encode_canonical_json(value))


def encode_key_part(name: str) -> str:
    """Encode a name from outside as one part of a key, 120 bytes at most, different for different names.

    All but ``[A-Za-z0-9_-]`` is percent-encoded; what is still too long keeps its first 80 bytes and
    gets ``~`` and 16 digits of its sha256. A leading ``@`` is ours alone, so it is encoded too.
    """
    encoded = quote(name, safe="", errors="surrogatepass").replace(".", "%2E").replace("~", "%7E")
    if len(encoded) <= MAX_KEY_PART_BYTES:
        return encoded
    return f"{encoded[:80]}~{compute_sha256(name.encode('utf-8', 'surrogatepass'))[:16]}"


def _encode_log_name(cluster: str) -> str:
    return cluster if cluster == VCENTER_LOG else encode_key_part(cluster)


def _make_partition(kind: str, vcenter: str, cluster: str) -> str:
    return f"{kind}/vcenter={encode_key_part(vcenter)}/cluster={_encode_log_name(cluster)}/"


def make_document_key(vcenter: str, cluster: str, stored_sha256: str) -> str:
    """Make the key in the AuditBucket of a gzipped reply that ``vcenter`` gave for ``cluster``.

    ``stored_sha256`` is the sha256 of the gzipped bytes.
    """
    return f"{_make_partition('documents', vcenter, cluster)}{stored_sha256}.json.gz"


def make_snapshot_key(vcenter: str, cluster: str, stored_sha256: str) -> str:
    """Make the key in the AuditBucket of a gzipped snapshot of ``cluster`` on ``vcenter``.

    ``stored_sha256`` is the sha256 of the gzipped bytes.
    """
    return f"{_make_partition('snapshots', vcenter, cluster)}{stored_sha256}.json.gz"


def make_quarantine_key(vcenter: str, cluster: str, stored_sha256: str) -> str:
    """Make the key in the AuditBucket of a gzipped reply of ``vcenter`` for ``cluster`` that was refused.

    ``stored_sha256`` is the sha256 of the gzipped bytes.
    """
    return f"{_make_partition('quarantine', vcenter, cluster)}{stored_sha256}.json.gz"


def make_record_prefix(vcenter: str, cluster: str) -> str:
    """Make the prefix in the AuditBucket of all records of one log, that of ``cluster`` on ``vcenter``."""
    return _make_partition("records", vcenter, cluster)


@dataclass(frozen=True, slots=True)
class ClusterRef:
    """A cluster, or with the id ``@vcenter`` a vCenter.

    ``name``: what it was last called; ``former``: what it was called before, where a person asked by that.
    """

    vcenter: str
    cluster: str
    name: str
    former: str | None = field(default=None, compare=False)

    def is_called(self, name: str) -> bool:
        """Tell whether a person may mean it by ``name``: its id or name, alone or behind ``vCenter/``."""
        return self.strip_vcenter(name) in {self.cluster, self.name, self.former}

    def strip_vcenter(self, name: str) -> str:
        """Strip its vCenter from a ``name`` that says that, too: ``vc01/prod-a``."""
        return name.removeprefix(f"{self.vcenter}/")

    def render(self) -> str:
        """Its name, id and vCenter, in words: ``prod-a (domain-c9) on vc01``."""
        if self.cluster == VCENTER_LOG:
            return f"the vCenter {self.vcenter}"
        return f"{self.render_name()} ({self.cluster}) on {self.vcenter}"

    def render_name(self) -> str:
        """Its name in words; of one that was asked for by a former one both: ``prod-a (now prod-x)``."""
        name = clean_text(self.name)
        return name if self.former is None else f"{clean_text(self.former)} (now {name})"

    @property
    def record_prefix(self) -> str:
        """What the keys of its records begin with."""
        return make_record_prefix(self.vcenter, self.cluster)


def make_record_key(vcenter: str, cluster: str, seq: int) -> str:
    """Make the key in the AuditBucket of record ``seq`` of one log, that of ``cluster`` on ``vcenter``.

    It is the lock: only one writer can create it.
    """
    return make_numbered_key(make_record_prefix(vcenter, cluster), seq)


def make_numbered_key(prefix: str, seq: int) -> str:
    """Make the key of record ``seq`` of the log whose records' keys begin with ``prefix``."""
    return f"{prefix}{seq:010d}.json"


STATE_PREFIX: Final = "state/"


def make_state_key(vcenter: str, cluster: str) -> str:
    """Make the key in the StateBucket of the pointer to the log of ``cluster`` on ``vcenter``."""
    return f"{make_state_prefix(vcenter)}{_encode_log_name(cluster)}.json"


def make_state_prefix(vcenter: str) -> str:
    """Make what the keys of the pointers to all logs of ``vcenter`` begin with."""
    return f"{STATE_PREFIX}{encode_key_part(vcenter)}/"


def make_breaker_key(vcenter: str) -> str:
    """Make the key in the StateBucket that tells which version of a password was refused."""
    return f"breaker/{encode_key_part(vcenter)}.json"


REPORT_STATE_KEY: Final = "reports/state.json"
"""The key in the StateBucket of what reports have told so far."""


def make_report_key(kind: str, report_id: str) -> str:
    """Make the key in the AuditBucket of the report ``report_id``, one of the kind ``kind``."""
    return f"reports/{kind}/{report_id}.json"


def make_report_id(kind: str, route: str, about: str) -> str:
    """Make the id of a report, the same however often it is made.

    Args:
        kind: Its kind.
        route: The name of the route that it is for; empty where it is for all.
        about: What it is about: a day, or all that is named in it.
    """
    return _make_uuid("report", kind, route, about)


DIGEST_PREFIX: Final = "digests/"
"""What the keys of digests, of their signatures and of what signed them begin with, in the AuditBucket."""

SIGNATURE_SUFFIX: Final = ".sig"


def make_digest_key(sealed_at: datetime) -> str:
    """Make the key in the AuditBucket of the digest that was made at a time, to the second."""
    return f"{DIGEST_PREFIX}{sealed_at:%Y%m%dT%H%M%SZ}.json"


def make_signature_key(digest_key: str) -> str:
    """Make the key in the AuditBucket of a digest's signature."""
    return f"{digest_key}{SIGNATURE_SUFFIX}"


def make_public_key_key(fingerprint: str) -> str:
    """Make the key in the AuditBucket of a public key that signed digests.

    ``fingerprint`` is the sha256 of its DER form, a SubjectPublicKeyInfo.
    """
    return f"{DIGEST_PREFIX}keys/{fingerprint}.pem"


def parse_fingerprint(key: str) -> str | None:
    """Parse what a public key is named by out of its ``key`` in the AuditBucket; None for any other key."""
    name = key.removeprefix(f"{DIGEST_PREFIX}keys/").removesuffix(".pem")
    return name if make_public_key_key(name) == key else None


SEALING_TURN_KEY: Final = "seals/turn.json"
"""The key in the StateBucket that says whose turn it is to seal."""


def make_receipt_id(event_id: str, event_sha256: str) -> str:
    """Make what stands for an event in its receipts.

    Ids of events can be foreseen: by its id (``event_id``) alone, a forged one could stand for the true one.
    ``event_sha256`` is the digest of the event.
    """
    return f"{event_id}-{event_sha256}"


ROUTE_DEAD_PREFIX: Final = "route-dead/"
"""What a receipt begins with that is of no event: a fallback heard that another route is dead."""


def make_death_receipt_id(route: str, since: str) -> str:
    """Make what stands in receipts for the news that ``route`` is dead, ``since`` that time as text."""
    return f"{ROUTE_DEAD_PREFIX}{route}/{since}"


def make_delivery_key(event_id: str, route: str) -> str:
    """Make the key in the AuditBucket that says that event ``event_id`` reached the route named ``route``."""
    return f"deliveries/{encode_key_part(event_id)}/{encode_key_part(route)}.json"


def make_group_key(route: str, delivery_id: str) -> str:
    """Make the key in the AuditBucket of what one message to ``route`` tells, by its ``delivery_id``."""
    return f"deliveries/groups/route={encode_key_part(route)}/{encode_key_part(delivery_id)}.json"


def make_route_key(channel: str, secret: str) -> str:
    """Make the key in the StateBucket that says whether a route may be posted to.

    Args:
        channel: The route's channel.
        secret: Its secret, which says which webhook it is: routes that share one share the key.
    """
    return f"routes/{encode_key_part(channel)}/{encode_key_part(secret)}.json"


def make_delivery_id(route: str, contents: Iterable[str]) -> str:
    """Make the id of one message to ``route`` from the ids of its ``contents``, in their order."""
    return _make_uuid(route, *contents)


def _make_uuid(*parts: str) -> str:
    return str(uuid5(NAMESPACE, "/".join(encode_key_part(part) for part in parts)))


def is_derived_id(identifier: str) -> bool:
    """Tell whether an id may be one that was made here of others, and is no AWS's or person's own."""
    try:
        return UUID(identifier).version == _DERIVED
    except ValueError:
        return False


def make_request_id(run_id: str, vcenter: str, cluster: str) -> str:
    """Make the id of the request for ``cluster`` on ``vcenter`` within the run ``run_id``.

    It is the same each time the run is repeated.
    """
    return _make_uuid(run_id, vcenter, cluster)


def make_next_request_id(request: str, why: str) -> str:
    """Make the id of a request that follows from another one, such as its second try.

    ``request`` is the id of the other one, or of a run; ``why`` says what follows from it: ``attempt 2``.
    """
    return _make_uuid(request, why)


def make_next_attempt_id(request: str, attempt: int) -> str:
    """Make the id of attempt number ``attempt``, which follows from ``request``: the one before, or a run."""
    return make_next_request_id(request, f"attempt {attempt}")


def make_attempt_id(request: str, attempt: int) -> str:
    """Make the id of the ``attempt`` at a check, each of the one before; ``request`` is the first's."""
    for number in range(1, attempt + 1):
        request = make_next_attempt_id(request, number)
    return request


def make_window_name(seq: int) -> str:
    """Make the name of the maintenance window that a person began by the record with the number ``seq``."""
    return f"record {seq}"


def make_check_id(vcenter: str, cluster: str, seq: int) -> str:
    """Make the id of the check that left record ``seq`` in one log, that of ``cluster`` on ``vcenter``."""
    return _make_uuid(vcenter, cluster, str(seq))


def parse_machine_uuid(value: object) -> str | None:
    """Parse the UUID of a machine into lower case; None for whatever is not in the form of RFC 9562."""
    try:
        found = str(UUID(str(value)))
    except ValueError:
        return None
    return found if found == str(value).lower() else None


PLACEHOLDERS = frozenset(
    {UUID("00010203-0405-0607-0809-0a0b0c0d0e0f"), UUID("03000200-0400-0500-0006-000700080009")}
)
"""What firmware says that was never given a UUID, beside one byte 16 times: many machines have the same.

Source: ``getHardwareUUID`` in the documentation of OSHI (https://github.com/oshi/oshi), and reports of users.
"""


def find_machine(uuid: str | None) -> str | None:
    """Find the name by which a machine with this ``uuid`` is known again; None: it has none of its own.

    SMBIOS has the lowest byte of the first three fields first, and not every reader turns them around (DMTF
    DSP0134, 7.2.1): both readings of one machine are one name.
    """
    parsed = parse_machine_uuid(uuid)
    if parsed is None:
        return None
    read = UUID(parsed)
    turned = UUID(bytes_le=read.bytes)
    if PLACEHOLDERS & {read, turned} or len(set(read.bytes)) == 1:
        return None
    return str(min(read, turned))


def make_event_id(check: str, event_type: str) -> str:
    """Make the id of an event from its ``event_type`` and the id of its ``check``.

    It is the same if the event is published twice.
    """
    return _make_uuid(check, event_type)


def make_thread_id(vcenter: str, cluster: str | None, fingerprint: str) -> str:
    """Make the 32 digits that messages about one finding have in common.

    A ``fingerprint`` names a finding within its log only, which is that of ``vcenter`` and ``cluster``.
    """
    return compute_digest([vcenter, cluster, fingerprint])[:32]


def make_fingerprint(family: str, kind: str, subject: str) -> str:
    """Make the 32 digits that name a finding of a log from its opening to its end.

    A log has one finding of a ``kind`` for each ``subject``; ``family`` is the kind's.
    """
    return compute_digest([family, kind, subject])[:32]
