"""The fleet file in the StateBucket, as the functions read it: once an invocation, never from a cache."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from botocore.exceptions import BotoCoreError, ClientError

from esx_drift.contracts import violations
from esx_drift.domain.fleet import Fleet, fleet_from
from esx_drift.domain.fleet_problems import problems_of
from esx_drift.domain.names import FLEET_KEY, sha256_hex
from esx_drift.errors import FleetInvalid, StoreUnavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from esx_drift.domain.fleet_document import FleetDocument


def faults_of(document: object) -> list[str]:
    """Each fault of a fleet document as a line, JSON Pointer first; empty if it may be used."""
    return violations("fleet", document) or problems_of(cast("FleetDocument", document))


def fleet_of(body: bytes) -> Fleet:
    """The fleet that the file's bytes hold; raises ``FleetInvalid``, which names every fault."""
    try:
        document = json.loads(body, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise FleetInvalid(f"{FLEET_KEY} can't be read as JSON", (str(error),)) from error
    faults = faults_of(document)
    if faults:
        raise FleetInvalid(f"{FLEET_KEY} is not a valid fleet file", tuple(faults))
    return fleet_from(document)


@dataclass(frozen=True, slots=True)
class FleetFile:
    """``config/fleet.json`` of one bucket; ``client`` gives the same S3 client each time."""

    client: Callable[[], "S3Client"]
    bucket: str

    def read(self) -> tuple[Fleet, str]:
        """The fleet, and the sha256 of the file's bytes.

        Raises ``FleetInvalid`` naming every fault, or ``StoreUnavailable``.
        """
        body = self._body()
        return fleet_of(body), sha256_hex(body)

    def _body(self) -> bytes:
        try:
            return self.client().get_object(Bucket=self.bucket, Key=FLEET_KEY)["Body"].read()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in {"NoSuchKey", "NoSuchBucket"}:
                raise FleetInvalid(
                    f"there is no fleet file at s3://{self.bucket}/{FLEET_KEY}: write one, then run"
                    " esx-drift fleet push FILE"
                ) from error
            raise StoreUnavailable(f"S3 did not give {FLEET_KEY}: {code}") from error
        except BotoCoreError as error:
            raise StoreUnavailable(f"S3 did not give {FLEET_KEY}: {error}") from error


def _no_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    keys = [key for key, _ in pairs]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise ValueError(f'expected each key once, got "{twice[0]}" twice')
    return dict(pairs)
