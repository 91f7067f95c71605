"""Objects of one S3 bucket, read and written on conditions. The only place that knows S3's error codes.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html: 412 ``PreconditionFailed``
means that the condition does not hold, 409 ``ConditionalRequestConflict`` that another write of the same key
ran at the same moment, and 404 ``NoSuchKey`` that an ``If-Match`` met no object.

Longer than 250 lines, because what S3 answers is understood here alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from esx_drift.errors import StoreConflict, StoreUnavailable, TrailDamaged
from esx_drift.ports import FormerVersion, TrailObject, WrittenObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectTypeDef, PutObjectRequestTypeDef

NO_SUCH_KEY = "NoSuchKey"
PRECONDITION_FAILED = "PreconditionFailed"
WRITE_CONFLICT = "ConditionalRequestConflict"
OBJECT_REFUSED: Final = ("InvalidObjectState", "InvalidRequest")
"""Of one object: it lies in an archive (GLACIER), or whoever put it there encrypted it by a key of his own
(SSE-C), https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html. Where it is by a key of KMS that
we may not use, the code is that of a bucket without rights, and the sentence names an action of KMS."""

MAX_KEY_BYTES: Final = 1_024
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""

PIECE_BYTES: Final = 1_048_576
"""Of an object that is hashed: so much of it is held at once."""

NOT_OF_THE_OBJECT: Final = frozenset(
    {
        "AuthorizationHeaderMalformed",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "NoSuchBucket",
        "RequestTimeTooSkewed",
        "RequestTimeout",
        "SignatureDoesNotMatch",
        "TooManyRequests",
    }
)
"""Refusals (4xx) that every other object would meet as well. Whatever else S3 refuses the sealer, whose
rights are known, is about one object: it lies in an archive (InvalidObjectState), or is encrypted by
somebody's key (InvalidRequest, AccessDenied, KMS.…), https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html."""

DEFAULT_CONTENT_TYPE = "binary/octet-stream"
"""What S3 itself assumes for an object that is uploaded without a type."""


class S3Object(Struct, frozen=True):
    """An object's bytes, and the ETag by which a conditional write replaces it."""

    body: bytes
    etag: str


class S3Objects(Struct, frozen=True):
    """The objects of one bucket. Every call may raise ``StoreUnavailable``, which names the key."""

    client: "S3Client"
    bucket: str

    def read(self, key: str) -> S3Object | None:
        """An object; None if there is none. A bucket that does not exist is an error."""
        # Not a HEAD: its 404 doesn't tell a missing key from a missing bucket.
        try:
            with _translate_errors(key, NO_SUCH_KEY):
                reply = self.client.get_object(Bucket=self.bucket, Key=key)
                return S3Object(reply["Body"].read(), reply["ETag"])
        except ClientError:
            return None

    def read_bounded(self, key: str, most: int) -> bytes | None:
        """Read an object of a bucket that holds anybody's; None if there is none.

        Args:
            key: Where it is: what no key of S3 can be leads to nothing.
            most: How many bytes it may have.

        Raises:
            TrailDamaged: It is larger, or S3 refuses to give out this one object.
        """
        if not _is_key(key):
            return None
        try:
            with _translate_errors(key, NO_SUCH_KEY):
                return self._get_bounded(key, most)
        except ClientError:
            return None

    def _get_bounded(self, key: str, most: int) -> bytes:
        try:
            reply = self.client.get_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if not _refuses_object(error):
                raise
            why = f"S3 refuses it with {get_error_code(error)} ({get_error_message(error)})"
            raise TrailDamaged(f"{key} can't be read: {why}", key) from error
        if reply["ContentLength"] > most:
            reply["Body"].close()
            raise TrailDamaged(f"{key} {describe_size(most)}", key)
        return reply["Body"].read()

    def hash_pieces(self, key: str, most: int) -> str | None:
        """Hash an object, whoever put it there, piece by piece; its sha256, None if there is none.

        Args:
            key: Where it is.
            most: How many bytes it may have.

        Raises:
            TrailDamaged: It is larger, or S3 gives out others, and not this one.
        """
        digest = sha256()
        try:
            with _translate_errors(key, NO_SUCH_KEY), _hold_refusals(key):
                reply = self.client.get_object(Bucket=self.bucket, Key=key)
                if reply["ContentLength"] > most:
                    reply["Body"].close()
                    raise TrailDamaged(f"{key} has {reply['ContentLength']} bytes, of {most} at most", key)
                for piece in reply["Body"].iter_chunks(PIECE_BYTES):
                    digest.update(piece)
        except ClientError:
            return None
        return digest.hexdigest()

    def put_once(self, key: str, body: bytes) -> bool:
        """Write ``body`` under ``key`` if that is free (``If-None-Match: *``).

        Returns:
            Whether it was written: False if the key was taken before.

        Raises:
            StoreConflict: Another write of the key was under way (409). The same call may yet succeed.
        """
        try:
            with _translate_errors(key, PRECONDITION_FAILED):
                self.client.put_object(Bucket=self.bucket, Key=key, Body=body, IfNoneMatch="*")
        except ClientError:
            return False
        return True

    def replace(
        self, key: str, body: bytes, etag: str | None, content_type: str = DEFAULT_CONTENT_TYPE
    ) -> str | None:
        """Write an object if nobody else has written it since it was read.

        Args:
            key: Where it is.
            body: Its new bytes.
            etag: The ETag that was read (``If-Match``); None if there was no object (``If-None-Match: *``).
            content_type: Its media type.

        Returns:
            The new ETag; None if somebody else has written or deleted it, or is just writing it. Where
            boto3 lost the reply and sent it again, what lies there is ours if it is byte for byte ``body``.
        """
        request: PutObjectRequestTypeDef = {
            "Bucket": self.bucket,
            "Key": key,
            "Body": body,
            "ContentType": content_type,
        }
        if etag is None:
            request["IfNoneMatch"] = "*"
        else:
            request["IfMatch"] = etag
        try:
            with _translate_errors(key, PRECONDITION_FAILED, WRITE_CONFLICT, NO_SUCH_KEY):
                return self.client.put_object(**request)["ETag"]
        except ClientError as error:
            # Without a lost reply the same bytes are somebody else's, who wrote them in the same moment.
            if not error.response.get("ResponseMetadata", {}).get("RetryAttempts"):
                return None
        stored = self.read(key)
        return stored.etag if stored is not None and stored.body == body else None

    def list_keys(self, prefix: str, after: str = "") -> Iterator[str]:
        """The keys that begin with ``prefix`` and sort behind ``after``, in their order."""
        return (found.key for found in self.list_written(prefix, after))

    def list_objects(self, prefix: str, after: str = "") -> Iterator[TrailObject]:
        """The same as they are in a trail; ``prefix`` and ``after`` as for ``list_keys``."""
        written = self.list_written(prefix, after)
        return (TrailObject(found.key, found.size_bytes, found.written_at) for found in written)

    def list_written(self, prefix: str, after: str = "") -> Iterator[WrittenObject]:
        """The same, each with the time at which S3 got it; ``prefix`` and ``after`` as for ``list_keys``."""
        for entry in self._list_entries(prefix, after):
            yield WrittenObject(entry["Key"], entry["Size"], entry["LastModified"])

    def list_folders(self, prefix: str) -> Iterator[str]:
        """What keys begin with up to the next slash behind ``prefix``, once each, in their order."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix, Delimiter="/"
        )
        with _translate_errors(prefix or f"s3://{self.bucket}"):
            for page in pages:
                yield from (each["Prefix"] for each in page.get("CommonPrefixes", []))

    def list_etags(self, prefix: str) -> Iterator[tuple[str, str]]:
        """The keys that begin with ``prefix``, in their order, each with its ETag."""
        return ((entry["Key"], entry["ETag"]) for entry in self._list_entries(prefix, ""))

    def _list_entries(self, prefix: str, after: str) -> "Iterator[ObjectTypeDef]":
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix, StartAfter=after
        )
        with _translate_errors(prefix or f"s3://{self.bucket}"):
            for page in pages:
                yield from page.get("Contents", [])

    def list_former_versions(self, prefix: str) -> Iterator[FormerVersion]:
        """The delete markers under ``prefix``, and each version under a key but the one that S3 shows."""
        pages = self.client.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix)
        with _translate_errors(prefix or f"s3://{self.bucket}"):
            for page in pages:
                for version in page.get("Versions", []):
                    if not version["IsLatest"]:
                        yield FormerVersion(
                            version["Key"],
                            version["VersionId"],
                            version["LastModified"],
                            is_delete_marker=False,
                        )
                for marker in page.get("DeleteMarkers", []):
                    yield FormerVersion(
                        marker["Key"], marker["VersionId"], marker["LastModified"], is_delete_marker=True
                    )


def describe_size(most: int) -> str:
    """Describe why an object of more than ``most`` bytes is not read, as a sentence that goes on."""
    return f"has more than {most} bytes, and nothing of a trail is so large"


def _refuses_object(error: ClientError) -> bool:
    """Tell whether S3 refuses one object, where it would give out others."""
    code = get_error_code(error)
    return code in OBJECT_REFUSED or code.startswith("KMS.") or "kms:" in get_error_message(error)


def _is_key(key: str) -> bool:
    try:
        return 0 < len(key.encode()) <= MAX_KEY_BYTES
    except UnicodeEncodeError:
        return False


def get_error_code(error: ClientError) -> str:
    """AWS's code for an error, such as ``AccessDenied``; empty where the answer had none."""
    return error.response.get("Error", {}).get("Code", "")


def get_error_message(error: ClientError) -> str:
    """AWS's sentence for an error; empty where the answer had none."""
    return error.response.get("Error", {}).get("Message", "")


@contextmanager
def _translate_errors(key: str, *expected_codes: str) -> Iterator[None]:
    """Translate what S3 did wrong; its answers to conditions, ``expected_codes``, pass as ``ClientError``."""
    try:
        yield
    except BotoCoreError as error:
        sentence = f"S3 could not be reached for {key}: {type(error).__name__} ({error})"
        raise StoreUnavailable(sentence) from error
    except ClientError as error:
        code = get_error_code(error)
        if code in expected_codes:
            raise
        if code == WRITE_CONFLICT:
            raise StoreConflict(f"another write met {key}") from error
        message = get_error_message(error)
        detail = f" ({message})" if message else ""
        raise StoreUnavailable(f"S3 could not serve {key}: {code}{detail}") from error


@contextmanager
def _hold_refusals(key: str) -> Iterator[None]:
    """Hold what S3 refuses of the one object under ``key``."""
    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = get_error_code(error)
        if not 400 <= status < 500 or code in NOT_OF_THE_OBJECT or code == NO_SUCH_KEY:  # noqa: PLR2004 -- HTTP's
            raise
        raise TrailDamaged(f"S3 refuses {key}: {code} ({get_error_message(error)})", key) from error
