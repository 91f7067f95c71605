"""Clients are made at their first use, once, and are not patient for ever."""

import subprocess
import sys
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


@pytest.mark.parametrize(
    ("version", "good"),
    [("1.34.145", False), ("1.35.99", False), ("1.36.0", True), ("1.44.5", True), ("2.0.0dev1", True)],
)
def test_a_runtime_that_can_not_write_to_the_trail_is_refused(version: str, *, good: bool) -> None:
    """At once and loudly: it would else fail at the first write, or write without a condition."""
    if good:
        clients.require_botocore(version)
        return
    with pytest.raises(ImportError, match=rf"botocore {version} is too old.*1\.36\.0 is needed"):
        clients.require_botocore(version)


def test_no_function_starts_with_an_sdk_that_is_too_old() -> None:
    """Whatever it does, it imports this first; the error is in its log, and what the doctor shows."""
    begin = "import botocore; botocore.__version__ = '1.35.99'; import esx_drift.adapters.aws_clients"
    ended = subprocess.run([sys.executable, "-c", begin], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert (
        ended.stderr.splitlines()[-1]
        == f"ImportError: {clients.find_sdk_fault('1.35.99')}. {clients.SDK_FIX}"
    )


def test_the_sdk_knows_what_the_trail_rests_on() -> None:
    """Both conditions of a write, and a checksum by itself."""
    put = clients.s3().meta.service_model.operation_model("PutObject")
    assert {"IfMatch", "IfNoneMatch"} <= set(put.input_shape.members)  # type: ignore[union-attr]  # it has one
    config: Any = clients.s3().meta.config
    assert config.request_checksum_calculation == "when_supported"


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
