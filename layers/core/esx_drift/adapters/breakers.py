"""``breaker/<v>.json`` in the StateBucket: which passwords a vCenter refused."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from botocore.exceptions import BotoCoreError, ClientError

from esx_drift.contracts import parse_json, require_valid
from esx_drift.domain.breaker import Breaker
from esx_drift.domain.stored.identifiers import encode_canonical_json, make_breaker_key
from esx_drift.errors import ContractViolation, LoginSuspended, StoreUnavailable
from esx_drift.ports import StoredBreaker

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ABSENT_CODES = frozenset({"NoSuchKey", "404"})
LOST_RACE_CODES = frozenset({"PreconditionFailed", "ConditionalRequestConflict", *ABSENT_CODES})
"""Somebody else wrote first, is writing now, or (If-Match on no object) took the object away."""


@dataclass(frozen=True, slots=True)
class S3Breakers:
    """``admitting.Breakers`` on the StateBucket. Every call may raise ``StoreUnavailable``."""

    s3: "S3Client"
    bucket: str

    def read(self, vcenter: str) -> StoredBreaker | None:
        """The breaker and its ETag; none if there is none yet.

        Raises ``LoginSuspended`` for one that can't be read: not knowing must not lock the account.
        """
        key = make_breaker_key(vcenter)
        try:
            reply = self.s3.get_object(Bucket=self.bucket, Key=key)
            body = reply["Body"].read()
        except ClientError as error:
            if _code(error) in ABSENT_CODES:
                return None
            raise _unavailable(key, _code(error)) from error
        except BotoCoreError as error:
            raise _unavailable(key, type(error).__name__) from error
        return StoredBreaker(_breaker(body, vcenter, key), reply["ETag"])

    def write(self, breaker: Breaker, etag: str | None) -> bool:
        """Write it if it still has this ETag (None: if there is none); whether it was written."""
        key = make_breaker_key(breaker["vcenter"])
        body = encode_canonical_json(breaker)
        try:
            if etag is None:
                self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, IfNoneMatch="*")
            else:
                self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, IfMatch=etag)
        except ClientError as error:
            if _code(error) in LOST_RACE_CODES:
                return False
            raise _unavailable(key, _code(error)) from error
        except BotoCoreError as error:
            raise _unavailable(key, type(error).__name__) from error
        return True


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


def _unavailable(key: str, why: str) -> StoreUnavailable:
    return StoreUnavailable(f"S3 could not serve {key}: {why}")


def _breaker(body: bytes, vcenter: str, key: str) -> Breaker:
    try:
        value = parse_json(body)
        require_valid("breaker", value)
    except ContractViolation as error:
        raise LoginSuspended(
            f"no login to {vcenter} is tried, because {key} can't be read: esx-drift doctor --reset {vcenter}"
        ) from error
    return cast("Breaker", value)
