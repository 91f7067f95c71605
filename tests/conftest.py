"""What all tests share: a flag that writes the golden files anew, and a Slack on loopback."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import settings

from tests.simulator.certificates import Authority, authority
from tests.simulator.listener import Tls
from tests.simulator.slack import SlackReceiver

# Powertools reads these when a handler is imported, as the template has set them before Lambda does so.
os.environ["POWERTOOLS_METRICS_NAMESPACE"] = "esx-drift"
os.environ["POWERTOOLS_SERVICE_NAME"] = "tested"
os.environ["STACK_NAME"] = "esx-drift"


# How long an example takes depends on who else uses the machine: time is measured, never asserted.
settings.register_profile("here", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=15)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "here"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --refresh-goldens."""
    parser.addoption(
        "--refresh-goldens", action="store_true", help="write the golden files from what the code says now"
    )


@pytest.fixture
def refresh_goldens(request: pytest.FixtureRequest) -> bool:
    """Whether the golden files are to be written instead of compared with."""
    return bool(request.config.getoption("--refresh-goldens"))


@pytest.fixture(scope="session")
def slack_authority() -> Authority:
    """The CA that signed Slack's certificate."""
    return authority(datetime.now(UTC))


@pytest.fixture(scope="session")
def slack_tls(slack_authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """Slack's certificate and key."""
    return slack_authority.issue(tmp_path_factory.mktemp("slack"), datetime.now(UTC))


@pytest.fixture
def slack(slack_tls: Tls) -> Iterator[SlackReceiver]:
    """A Slack with one webhook."""
    with SlackReceiver(tls=slack_tls) as receiver:
        yield receiver
