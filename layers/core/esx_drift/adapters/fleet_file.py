"""The fleet file in the StateBucket. Nothing is cached: who reads it once an invocation reads what holds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from botocore.exceptions import BotoCoreError, ClientError

from esx_drift.contracts import parse_json
from esx_drift.contracts.fleet_document import list_fleet_errors
from esx_drift.domain.fleet.fleet import Fleet, build_fleet
from esx_drift.domain.stored.identifiers import FLEET_KEY, compute_sha256
from esx_drift.errors import ContractViolation, FleetInvalid, StoreUnavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import PutObjectRequestTypeDef

    from esx_drift.domain.fleet.document import FleetDocument

LOST_WRITE_CODES = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"})
"""What S3 answers to a conditional write when somebody else wrote, is writing, or deleted."""


@dataclass(frozen=True, slots=True)
class StoredFleet:
    """The file's bytes and the ETag that a conditional write needs."""

    body: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class FleetFile:
    """``config/fleet.json`` of one bucket; ``client`` gives the same S3 client each time."""

    client: Callable[[], "S3Client"]
    bucket: str

    def read(self) -> tuple[Fleet, str]:
        """The fleet, and the sha256 of the file's bytes.

        Raises ``FleetInvalid`` naming every fault, or ``StoreUnavailable``.
        """
        stored = self.read_stored()
        if stored is None:
            raise FleetInvalid(
                f"there is no fleet file at s3://{self.bucket}/{FLEET_KEY}: write one, then run"
                " esx-drift fleet push FILE"
            )
        return parse_fleet(stored.body), compute_sha256(stored.body)

    def read_stored(self) -> StoredFleet | None:
        """The file as it is, valid or not; none if there is none."""
        try:
            reply = self.client().get_object(Bucket=self.bucket, Key=FLEET_KEY)
            return StoredFleet(reply["Body"].read(), reply["ETag"])
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise _unavailable(error) from error
        except BotoCoreError as error:
            raise _unavailable(error) from error

    def write(self, body: bytes, over: StoredFleet | None) -> bool:
        """Write it if it still is ``over`` (none: if there still is none); False if somebody was faster."""
        request: PutObjectRequestTypeDef = {
            "Bucket": self.bucket,
            "Key": FLEET_KEY,
            "Body": body,
            "ContentType": "application/json",
        }
        if over is None:
            request["IfNoneMatch"] = "*"
        else:
            request["IfMatch"] = over.etag
        try:
            self.client().put_object(**request)
        except ClientError as error:
            if error.response["Error"]["Code"] in LOST_WRITE_CODES:
                return False
            raise _unavailable(error) from error
        except BotoCoreError as error:
            raise _unavailable(error) from error
        return True


def parse_fleet(body: bytes) -> Fleet:
    """The fleet that the file's bytes hold; raises ``FleetInvalid``, which names every fault."""
    try:
        document = parse_json(body)
    except ContractViolation as error:
        raise FleetInvalid(f"{FLEET_KEY} can't be read", (error.message,)) from error
    faults = list_fleet_errors(document)
    if faults:
        raise FleetInvalid(f"{FLEET_KEY} is not a valid fleet file", tuple(faults))
    return build_fleet(cast("FleetDocument", document))


def _unavailable(error: ClientError | BotoCoreError) -> StoreUnavailable:
    return StoreUnavailable(f"S3 did not serve {FLEET_KEY}: {error}")
