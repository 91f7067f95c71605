"""What AWS may do wrong, as boto3 tells it when its own retries are over."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from botocore.exceptions import ClientError, ReadTimeoutError, ResponseStreamingError

from tests.unit.processes import ProcessEnd

GET, PUT, LIST = "GetObject", "PutObject", "ListObjectsV2"
WRITES: Final = frozenset({PUT, "SendMessage", "Publish"})


@dataclass(frozen=True, slots=True)
class AwsFault:
    """One thing that goes wrong with calls of AWS.

    Attributes:
        service: Which one is at fault; None: all.
        operations: Which calls of it; None: all.
        build_error: What the caller gets, by the operation.
        is_done: Whether AWS has done what it was asked to, and only the answer is lost.
        is_late: Whether the error comes with the answer's body.
    """

    service: str | None
    operations: Collection[str] | None
    build_error: Callable[[str], BaseException]
    is_done: bool = False
    is_late: bool = False

    def meets(self, service: str, operation: str) -> bool:
        """Tell whether a call meets it."""
        is_of_service = self.service in {None, service}
        return is_of_service and (self.operations is None or operation in self.operations)


def refuse(service: str, code: str, status: int, *operations: str, message: str = "no") -> AwsFault:
    """AWS answers with an error; without operations, to all calls."""

    def build_error(operation: str) -> ClientError:
        # Three attempts, as the clients are configured, of what is worth another.
        retries = 2 if status >= 500 or "Thrott" in code or code == "SlowDown" else 0
        response = {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"HTTPStatusCode": status, "RetryAttempts": retries},
        }
        return ClientError(response, operation)  # type: ignore[arg-type]  # as much of it as is read

    return AwsFault(service, operations or None, build_error)


def lose_answers(service: str, *operations: str, is_done: bool = False) -> AwsFault:
    """AWS does not answer."""
    return AwsFault(
        service, operations or None, lambda _: ReadTimeoutError(endpoint_url="https://aws"), is_done=is_done
    )


def end_processes() -> AwsFault:
    """Lambda kills the process behind the first thing that it did."""
    return AwsFault(None, WRITES, lambda _: ProcessEnd(), is_done=True)


def break_bodies() -> AwsFault:
    """Half of an object comes, and no more."""
    return AwsFault("s3", (GET,), lambda _: ResponseStreamingError(error="reset"), is_late=True)


AWS_FAULTS: Final[dict[str, AwsFault]] = {
    "S3: 500 InternalError": refuse("s3", "InternalError", 500),
    "S3: 503 SlowDown": refuse("s3", "SlowDown", 503),
    "S3: no answer": lose_answers("s3"),
    "S3: GET 403 AccessDenied": refuse("s3", "AccessDenied", 403, GET),
    "S3: GET breaks off": break_bodies(),
    "S3: PUT 403 AccessDenied": refuse("s3", "AccessDenied", 403, PUT),
    "S3: PUT 409 ConditionalRequestConflict": refuse("s3", "ConditionalRequestConflict", 409, PUT),
    "S3: PUT done, answer lost": lose_answers("s3", PUT, is_done=True),
    "S3: a key of one's own is disabled": refuse("s3", "KMS.DisabledException", 400, GET, PUT),
    "S3: LIST 403 AccessDenied": refuse("s3", "AccessDenied", 403, LIST),
    "SNS: ThrottledException": refuse("sns", "ThrottledException", 429),
    "SNS: AuthorizationError": refuse("sns", "AuthorizationError", 403),
    "SNS: a key of one's own is disabled": refuse("sns", "KMSDisabledException", 400),
    "SNS: no answer": lose_answers("sns"),
    "SNS: published, answer lost": lose_answers("sns", is_done=True),
    "SQS: send throttled": refuse("sqs", "RequestThrottled", 403, "SendMessage"),
    "SQS: send AccessDenied": refuse("sqs", "AccessDenied", 403, "SendMessage"),
    "SQS: a key of one's own is disabled": refuse("sqs", "KMS.DisabledException", 400, "SendMessage"),
    "SQS: sent, answer lost": lose_answers("sqs", "SendMessage", is_done=True),
    "KMS: ThrottlingException": refuse("kms", "ThrottlingException", 400),
    "KMS: DisabledException": refuse("kms", "DisabledException", 400),
    "KMS: AccessDeniedException": refuse("kms", "AccessDeniedException", 400),
    "KMS: waits for its deletion": refuse("kms", "KMSInvalidStateException", 400),
    "Secrets Manager: ThrottlingException": refuse("secrets", "ThrottlingException", 400),
    "Secrets Manager: no answer": lose_answers("secrets"),
    "Secrets Manager: AccessDenied": refuse("secrets", "AccessDeniedException", 400),
    "Secrets Manager: no such secret": refuse("secrets", "ResourceNotFoundException", 400),
    "Secrets Manager: waits for its deletion": refuse("secrets", "InvalidRequestException", 400),
    "Lambda: ends in the middle": end_processes(),
}
