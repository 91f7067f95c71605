"""Names made from what was checked: ids that repeat for the same check, and keys in the buckets."""

import json
from hashlib import sha256
from urllib.parse import quote
from uuid import UUID, uuid5

NAMESPACE = UUID("6f0d0c53-6f5c-5b6e-9a2f-6b1f6a1de5d7")
"""The namespace of every uuid5 here; it never changes, or the same check would get other ids."""

VCENTER_LOG = "@vcenter"
"""The name, in place of a cluster's, under which the dispatcher keeps its own log of a vCenter."""

FLEET_KEY = "config/fleet.json"
MAX_KEY_PART_BYTES = 120


def encode_canonical_json(value: object) -> bytes:
    """The one spelling of a JSON value: sorted, compact, ASCII. Equal values have equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def compute_sha256(data: bytes) -> str:
    """64 hexadecimal digits."""
    return sha256(data).hexdigest()


def compute_digest(value: object) -> str:
    """The sha256 of a JSON value's canonical spelling."""
    return compute_sha256(encode_canonical_json(value))


def encode_key_part(name: str) -> str:
    """A name from outside as one harmless part of a key, 120 bytes at most, different for different names.

    All but ``[A-Za-z0-9_-]`` is percent-encoded; what is still too long keeps its first 80 bytes and
    gets ``~`` and 16 digits of its sha256. A leading ``@`` is ours alone, so it is encoded too.
    """
    encoded = quote(name, safe="", errors="surrogatepass").replace(".", "%2E").replace("~", "%7E")
    if len(encoded) <= MAX_KEY_PART_BYTES:
        return encoded
    return f"{encoded[:80]}~{compute_sha256(name.encode('utf-8', 'surrogatepass'))[:16]}"


def _log_part(cluster: str) -> str:
    return cluster if cluster == VCENTER_LOG else encode_key_part(cluster)


def _partition(kind: str, vcenter: str, cluster: str) -> str:
    return f"{kind}/vcenter={encode_key_part(vcenter)}/cluster={_log_part(cluster)}/"


def make_document_key(vcenter: str, cluster: str, stored_sha256: str) -> str:
    """AuditBucket: a vCenter's reply as it came, gzipped, by the hash of the stored bytes."""
    return f"{_partition('documents', vcenter, cluster)}{stored_sha256}.json.gz"


def make_snapshot_key(vcenter: str, cluster: str, stored_sha256: str) -> str:
    """AuditBucket: a snapshot, gzipped, by the hash of the stored bytes."""
    return f"{_partition('snapshots', vcenter, cluster)}{stored_sha256}.json.gz"


def make_quarantine_key(vcenter: str, cluster: str, stored_sha256: str) -> str:
    """AuditBucket: a reply that was refused, gzipped, by the hash of the stored bytes."""
    return f"{_partition('quarantine', vcenter, cluster)}{stored_sha256}.json.gz"


def make_record_prefix(vcenter: str, cluster: str) -> str:
    """AuditBucket: where the records of one log lie."""
    return _partition("records", vcenter, cluster)


def make_record_key(vcenter: str, cluster: str, seq: int) -> str:
    """AuditBucket: one record. The key is the lock: only one writer can create it."""
    return f"{make_record_prefix(vcenter, cluster)}{seq:010d}.json"


def make_state_key(vcenter: str, cluster: str) -> str:
    """StateBucket: the cache of one log."""
    return f"state/{encode_key_part(vcenter)}/{_log_part(cluster)}.json"


def make_breaker_key(vcenter: str) -> str:
    """StateBucket: the password that was refused, by its version."""
    return f"breaker/{encode_key_part(vcenter)}.json"


def make_delivery_key(event_id: str, route: str) -> str:
    """AuditBucket: that an event reached a route."""
    return f"deliveries/{encode_key_part(event_id)}/{encode_key_part(route)}.json"


def _uuid(*parts: str) -> str:
    return str(uuid5(NAMESPACE, "/".join(encode_key_part(part) for part in parts)))


def make_request_id(run_id: str, vcenter: str, cluster: str) -> str:
    """The id of one cluster's request within a run: the same each time the run is repeated."""
    return _uuid(run_id, vcenter, cluster)


def make_next_request_id(request: str, why: str) -> str:
    """The id of a request that follows from another one, such as its second try."""
    return _uuid(request, why)


def make_check_id(vcenter: str, cluster: str, seq: int) -> str:
    """The id of the check that record ``seq`` of a log tells of."""
    return _uuid(vcenter, cluster, str(seq))


def make_event_id(check: str, event_type: str) -> str:
    """The id of a check's event: published twice, it is still the same event."""
    return _uuid(check, event_type)


def make_fingerprint(family: str, kind: str, subject: str) -> str:
    """32 digits that name a finding for as long as it lives: one subject has one finding of a kind."""
    return compute_digest([family, kind, subject])[:32]
