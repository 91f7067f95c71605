"""What all tests share: a flag that writes the golden files anew, and a Slack on loopback."""

import os
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

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
# The whole run is a gate: it tries the same examples each time. What explores is any smaller run.
settings.register_profile("gate", deadline=None, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "here"))


UNMEASURED: Final = (
    "deployed/stack/",
    "deployed/test_attacks",
    "deployed/test_bad_input",
    "deployed/test_decisions",
    "deployed/test_demo",
    "deployed/test_load",
    "deployed/test_names",
    "deployed/test_scenarios",
    "deployed/test_slack",
    "deployed/test_upgrade",
    "lab/",
    "simulator/",
    "unit/checking/test_heavy",
    "unit/checking/test_leaks",
    "unit/domain/findings/test_lifecycle",
    "unit/domain/test_year_of_churn",
    "unit/jobs/",
    "unit/notifying/test_storm",
    "unit/template/",
    "unit/test_month",
    "unit/test_soak",
    "unit/trail/test_athena_answers",
)
"""What does the same many times over, or in other processes. To note which lines run makes Python, with all
of its libraries, slower by two thirds; here nothing would be noted that other tests don't run."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure no coverage where it would cost much and add nothing."""
    plugin = item.config.pluginmanager.getplugin("_cov")
    controller = plugin and plugin.cov_controller
    place = item.path.relative_to(Path(__file__).parent).as_posix()
    if controller is None or not place.startswith(UNMEASURED):
        return (yield)
    controller.pause()
    try:
        return (yield)
    finally:
        controller.resume()


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
