"""Clients are made at their first use, once, and are not patient for ever."""

from collections.abc import Iterator
from typing import Any

import pytest
from esx_drift.adapters import aws_clients as clients

MAKERS = {"s3": clients.s3, "sqs": clients.sqs, "sns": clients.sns, "secretsmanager": clients.secrets_manager}
pytestmark = pytest.mark.usefixtures("aws")


@pytest.fixture(autouse=True)
def _unmade() -> Iterator[None]:
    """No client is left from, or to, another test: each belongs to the AWS that it was made in."""
    for maker in MAKERS.values():
        maker.cache_clear()
    yield
    for maker in MAKERS.values():
        maker.cache_clear()


def test_each_client_is_made_once() -> None:
    """It is the client of its service, and the same one each time."""
    for service, maker in MAKERS.items():
        client = maker()
        assert client.meta.service_model.service_name == service
        assert maker() is client


def test_no_client_outlasts_a_function() -> None:
    """Three tries of at most 25 seconds each; what AWS does not answer by then goes back to its queue."""
    for maker in MAKERS.values():
        config: Any = maker().meta.config
        assert (config.connect_timeout, config.read_timeout) == (5, 20)
        assert config.retries == {"mode": "standard", "total_max_attempts": 3}
