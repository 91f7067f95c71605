"""Which event reached which route: one object each in the AuditBucket, written once."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from esx_drift.adapters.s3_objects import S3Objects
from esx_drift.domain.stored.identifiers import encode_canonical_json, make_delivery_key
from esx_drift.domain.text.times import format_time
from esx_drift.errors import StoreConflict

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class S3Deliveries:
    """``ports.Deliveries`` on one bucket; ``client`` gives the same S3 client each time."""

    client: Callable[[], "S3Client"]
    bucket: str

    def delivered(self, event_id: str, route: str) -> bool:
        """Whether the event reached the route before; raises ``StoreUnavailable``."""
        return self._objects.read(make_delivery_key(event_id, route)) is not None

    def record(self, event_id: str, route: str, at: datetime) -> None:
        """Keep that it did; that it is kept already is success. Raises ``StoreUnavailable``."""
        delivery = {"schema_version": 1, "event": event_id, "route": route, "delivered_at": format_time(at)}
        # A conflict is a write of the same delivery at the same moment.
        with suppress(StoreConflict):
            self._objects.put_once(make_delivery_key(event_id, route), encode_canonical_json(delivery))

    @property
    def _objects(self) -> S3Objects:
        return S3Objects(self.client(), self.bucket)
