"""An AWS inside the test's own process, and what Lambda gives a handler."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from esx_drift.adapters import clients
from moto import mock_aws

REGION = "eu-central-1"

# Powertools reads these when a handler is imported, as the template has set them before Lambda does so.
os.environ["POWERTOOLS_METRICS_NAMESPACE"] = "esx-drift"
os.environ["POWERTOOLS_SERVICE_NAME"] = "tested"


@dataclass(slots=True)
class Context:
    """Lambda's context, as far as handlers read it."""

    function_name: str = "function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = f"arn:aws:lambda:{REGION}:123456789012:function:function"
    aws_request_id: str = "5f1c6b0e-7d1f-4c39-9b6e-0a8d9c1e2f30"
    remaining_ms: int = 120_000

    def get_remaining_time_in_millis(self) -> int:
        """What the test says."""
        return self.remaining_ms


@pytest.fixture
def context() -> Context:
    """A context with all the time there is."""
    return Context()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty AWS that boto3 speaks to, whatever this machine's own settings are."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    made = (clients.s3, clients.sqs, clients.sns, clients.secrets_manager)
    with mock_aws():
        for client in made:
            client.cache_clear()
        yield
    for client in made:
        client.cache_clear()
