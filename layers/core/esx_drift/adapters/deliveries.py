"""Which event reached which route: one object each in the AuditBucket, written once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from esx_drift.domain.stored.identifiers import encode_canonical_json, make_delivery_key
from esx_drift.domain.text.times import format_time
from esx_drift.errors import StoreUnavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ALREADY_WRITTEN_CODES = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
"""S3's answers where somebody else's write of the same key was, or is just being, made."""


@dataclass(frozen=True, slots=True)
class S3Deliveries:
    """``ports.Deliveries`` on one bucket; ``client`` gives the same S3 client each time."""

    client: Callable[[], "S3Client"]
    bucket: str

    def delivered(self, event_id: str, route: str) -> bool:
        """Whether the event reached the route before; raises ``StoreUnavailable``."""
        key = make_delivery_key(event_id, route)
        try:
            # Not a HEAD: its 404 doesn't tell a missing key from a missing bucket.
            self.client().get_object(Bucket=self.bucket, Key=key)["Body"].close()
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return False
            raise _unavailable(key, error) from error
        except BotoCoreError as error:
            raise _unavailable(key, error) from error
        return True

    def record(self, event_id: str, route: str, at: datetime) -> None:
        """Keep that it did; that it is kept already is success. Raises ``StoreUnavailable``."""
        key = make_delivery_key(event_id, route)
        delivery = {"schema_version": 1, "event": event_id, "route": route, "delivered_at": format_time(at)}
        try:
            self.client().put_object(
                Bucket=self.bucket, Key=key, Body=encode_canonical_json(delivery), IfNoneMatch="*"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in ALREADY_WRITTEN_CODES:
                raise _unavailable(key, error) from error
        except BotoCoreError as error:
            raise _unavailable(key, error) from error


def _unavailable(key: str, error: ClientError | BotoCoreError) -> StoreUnavailable:
    return StoreUnavailable(f"S3 could not serve {key}: {error}")
