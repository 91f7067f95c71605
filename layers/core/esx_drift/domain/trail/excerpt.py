"""An excerpt: a part of a trail that can be verified without the rest, and the manifest that says which part.

It holds some clusters and their vCenters' own logs, from the last digest before a period (its *base*) to the
first digest behind it. All digests between the two are there whole, with their signatures, so that what
belongs to the excerpt is named by what is signed: of the manifest only is believed which part it is, and
whoever verifies says it aloud. The base stands for all before it: by its heads it names the record at which
each log begins.

The manifest itself is not signed. Its ``sha256`` shows a slip of a copy, and nothing else. When the
excerpt was made is held to what is signed: the newest digest of the whole trail is there, too, and vouches
for its own time alone.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NotRequired, TypedDict

from msgspec import Struct

from esx_drift.domain.stored.identifiers import VCENTER_LOG, compute_digest, make_record_prefix
from esx_drift.domain.stored.types import StoredObject
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.trail.digests import Digest, SealedHead
from esx_drift.domain.trail.verification import is_trail_key

EXCERPT_KEY: Final = "excerpt.json"
"""Where the manifest lies in a copy. In the AuditBucket there is none, and it would be an inserted object."""

_LOG_FOLDERS: Final = frozenset({"records", "documents", "snapshots", "quarantine"})
"""What keys begin with that name the cluster that they are of."""

_RECEIPTS: Final = "deliveries/"
_MESSAGES: Final = "deliveries/groups/"


class ExcerptCluster(TypedDict):
    """A cluster of an excerpt, by vCenter and id, and its name when the excerpt was made."""

    vcenter: str
    cluster: str
    name: str


ExcerptClaim = TypedDict(  # the functional form, because "from" is a keyword
    "ExcerptClaim",
    {
        "made_at": str,
        "from": str,
        "to": str,
        "document_days": int,
        "clusters": list[ExcerptCluster],
        "base": str | None,
        "newest": NotRequired[str],
    },
)
"""What an excerpt says of itself. ``base``: the key of the digest that stands for all before; null: nothing
is before. ``newest``: the key of the trail's newest digest, where that is none of the excerpt's own.
``document_days``: for how many days documents were kept where it was made."""


class ExcerptManifest(TypedDict):
    """The object under ``EXCERPT_KEY``; ``sha256`` is that of the canonical form of ``excerpt``."""

    schema_version: int
    excerpt: ExcerptClaim
    sha256: str


class AuditPeriod(Struct, frozen=True):
    """From one moment to another, both in it."""

    begins_at: datetime
    ends_at: datetime

    def includes(self, time: str) -> bool:
        """Tell whether a ``time`` of a record is in it."""
        return self.begins_at <= parse_time(time) <= self.ends_at


class Excerpt(Struct, frozen=True):
    """Which part of a trail an excerpt is.

    Attributes:
        period: What it is about.
        made_at: When it was made.
        retention: For how long documents were kept where it was made.
        clusters: Its clusters.
        base: The key of the digest that stands for all before; None: nothing is before.
        places: What follows the kind in the keys of its logs: ``vcenter=vc01/cluster=domain-c9``.
        newest: The key of the trail's newest digest; None: that is the last one of the excerpt's own.
    """

    period: AuditPeriod
    made_at: datetime
    retention: timedelta
    clusters: tuple[ExcerptCluster, ...]
    base: str | None
    places: frozenset[str]
    newest: str | None = None

    def holds(self, key: str) -> bool:
        """Tell whether what lies under ``key`` is of one of its logs, by the key alone."""
        folder, _, rest = key.partition("/")
        return folder in _LOG_FOLDERS and rest.rpartition("/")[0] in self.places and is_trail_key(key)

    def needs(self, key: str) -> bool:
        """Tell whether what lies under ``key`` is of a kind that an excerpt holds."""
        return key.partition("/")[0] in _LOG_FOLDERS or is_receipt_key(key)

    def is_about(self, vcenter: str, cluster: str) -> bool:
        """Tell whether ``cluster`` on ``vcenter`` is one of its clusters."""
        return any((each["vcenter"], each["cluster"]) == (vcenter, cluster) for each in self.clusters)

    def select_named(self, digest: Digest, *, is_base: bool) -> list[StoredObject]:
        """Select what of all that a ``digest`` names has to be there; ``is_base``: it is the base.

        Of receipts all: whose they are is known once the records are read.
        """
        objects = [] if is_base else digest["objects"]
        named = [each for each in objects if self.holds(each["key"]) or is_receipt_key(each["key"])]
        heads = (head for head in digest["heads"] if self.holds(head["key"]))
        return [*named, *map(get_stored_head, heads)]


def get_stored_head(head: SealedHead) -> StoredObject:
    """Get the key and sha256 of the record that is the ``head`` of a log."""
    return {"key": head["key"], "sha256": head["sha256"]}


def is_receipt_key(key: str) -> bool:
    """Tell whether under ``key`` lies what says that a route heard an event."""
    return key.startswith(_RECEIPTS) and not key.startswith(_MESSAGES) and is_trail_key(key)


def find_receipt_id(key: str) -> str:
    """Find what stands for the event of a receipt in its ``key``."""
    return key.removeprefix(_RECEIPTS).partition("/")[0]


def count_clusters(digest: Digest) -> int:
    """Count the clusters that ever left a record by the time of a ``digest``."""
    return sum(head["cluster"] != VCENTER_LOG for head in digest["heads"])


def build_excerpt(
    *,
    period: AuditPeriod,
    made_at: datetime,
    document_days: int,
    clusters: Sequence[ExcerptCluster],
    base: str | None,
    newest: str | None = None,
) -> Excerpt:
    """Build what an excerpt is.

    Args:
        period: What it is about.
        made_at: When it is made.
        document_days: For how many days documents are kept.
        clusters: Its clusters.
        base: The key of the digest that stands for all before; None: nothing is before.
        newest: The key of the trail's newest digest; None: that is the last one of the excerpt's own.
    """
    logs = {(each["vcenter"], name) for each in clusters for name in (each["cluster"], VCENTER_LOG)}
    places = {make_record_prefix(*log).removeprefix("records/").removesuffix("/") for log in logs}
    days = timedelta(days=document_days)
    return Excerpt(period, made_at, days, tuple(clusters), base, frozenset(places), newest)


def build_excerpt_manifest(excerpt: Excerpt) -> ExcerptManifest:
    """Build the manifest that says which part of a trail an ``excerpt`` is."""
    claim: ExcerptClaim = {
        "made_at": format_time(excerpt.made_at),
        "from": format_time(excerpt.period.begins_at),
        "to": format_time(excerpt.period.ends_at),
        "document_days": excerpt.retention.days,
        "clusters": [*excerpt.clusters],
        "base": excerpt.base,
    }
    if excerpt.newest is not None:
        claim["newest"] = excerpt.newest
    return {"schema_version": 1, "excerpt": claim, "sha256": compute_digest(claim)}


def read_excerpt_manifest(manifest: ExcerptManifest) -> Excerpt:
    """Read which part of a trail an excerpt is.

    Args:
        manifest: What its schema accepts.

    Raises:
        ValueError: It was altered by a slip, or its period is none.
    """
    claim = manifest["excerpt"]
    if compute_digest(claim) != manifest["sha256"]:
        raise ValueError("its sha256 is not that of what it says")
    period = AuditPeriod(parse_time(claim["from"]), parse_time(claim["to"]))
    if period.begins_at > period.ends_at:
        raise ValueError(f"it is about a time from {claim['from']} to {claim['to']}")
    logs = [(each["vcenter"], each["cluster"]) for each in claim["clusters"]]
    if len(logs) != len({*logs}) or any(cluster == VCENTER_LOG for _, cluster in logs):
        raise ValueError("it names a cluster twice, or one that is none")
    return build_excerpt(
        period=period,
        made_at=parse_time(claim["made_at"]),
        document_days=claim["document_days"],
        clusters=claim["clusters"],
        base=claim["base"],
        newest=claim.get("newest"),
    )
