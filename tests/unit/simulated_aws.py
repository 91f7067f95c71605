"""An AWS inside of the test's own process."""

from contextlib import AbstractContextManager
from typing import Any

from moto import mock_aws


def simulated_aws() -> AbstractContextManager[Any]:
    """An empty AWS. boto3's session stays: without it each client reads its service's description anew."""
    return mock_aws(config={"core": {"reset_boto3_session": False}})
