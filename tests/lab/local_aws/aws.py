"""Typed clients of one AWS endpoint, made when first used."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

REGION: Final = "eu-central-1"
# A second invocation because the first was slow would be a second check.
WITHOUT_RETRIES = Config(read_timeout=310, retries={"max_attempts": 0})


class Aws:
    """The services of one endpoint, seen by one principal."""

    def __init__(
        self,
        endpoint: str,
        authority: Path,
        access_key: str,
        secret_key: str,
        session_token: str | None = None,
    ) -> None:
        """Speak to `endpoint` (https), trusting `authority` alone, whatever the environment says."""
        self._options: dict[str, Any] = {
            "endpoint_url": endpoint,
            "verify": str(authority),
            "config": WITHOUT_RETRIES,
        }
        self._session = boto3.Session(
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            aws_session_token=session_token,
            region_name=REGION,
        )

    def with_key(self, access_key: str, secret_key: str, session_token: str | None = None) -> Self:
        """The same services, seen by whoever has this key; that of a role's session has a token."""
        endpoint, authority = self._options["endpoint_url"], Path(self._options["verify"])
        return type(self)(endpoint, authority, access_key, secret_key, session_token)

    @property
    def key(self) -> tuple[str, str]:
        """Whose eyes these are: access key and secret key."""
        credentials = self._session.get_credentials()
        assert credentials is not None
        return credentials.access_key, credentials.secret_key

    @cached_property
    def iam(self) -> Any:  # noqa: ANN401 -- its types are not among our tools
        """AWS Identity and Access Management."""
        return self._session.client("iam", **self._options)

    @cached_property
    def cloudformation(self) -> "CloudFormationClient":
        """AWS CloudFormation."""
        return self._session.client("cloudformation", **self._options)

    @cached_property
    def cloudwatch(self) -> "CloudWatchClient":
        """Amazon CloudWatch: metrics and alarms."""
        return self._session.client("cloudwatch", **self._options)

    @cached_property
    def functions(self) -> "LambdaClient":
        """AWS Lambda."""
        return self._session.client("lambda", **self._options)

    @cached_property
    def kms(self) -> Any:  # noqa: ANN401 -- its types are not among our tools
        """AWS Key Management Service."""
        return self._session.client("kms", **self._options)

    @cached_property
    def logs(self) -> "CloudWatchLogsClient":
        """Amazon CloudWatch Logs."""
        return self._session.client("logs", **self._options)

    @cached_property
    def s3(self) -> "S3Client":
        """Amazon S3."""
        return self._session.client("s3", **self._options)

    @cached_property
    def scheduler(self) -> "EventBridgeSchedulerClient":
        """Amazon EventBridge Scheduler."""
        return self._session.client("scheduler", **self._options)

    @cached_property
    def secrets(self) -> "SecretsManagerClient":
        """AWS Secrets Manager."""
        return self._session.client("secretsmanager", **self._options)

    @cached_property
    def sns(self) -> "SNSClient":
        """Amazon SNS."""
        return self._session.client("sns", **self._options)

    @cached_property
    def sts(self) -> Any:  # noqa: ANN401 -- its types are not among our tools
        """AWS Security Token Service."""
        return self._session.client("sts", **self._options)

    @cached_property
    def sqs(self) -> "SQSClient":
        """Amazon SQS."""
        return self._session.client("sqs", **self._options)


def variables(endpoint: str, access_key: str, secret_key: str) -> Mapping[str, str]:
    """What any AWS client in another process needs to speak to `endpoint`."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        # Nothing of the person's own AWS settings is read.
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }
