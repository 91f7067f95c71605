"""An AWS inside the test's own process."""

from collections.abc import Iterator
from typing import Final

import pytest
from esx_drift.adapters.audit_store import S3Store

from tests.unit.logs import Subscribers, buckets
from tests.unit.simulated_aws import set_credentials, simulated_aws

SLOW: Final = (
    "adapters/vcenter/",
    "checking/test_archive",
    "checking/test_bugs",
    "checking/test_canonical_upgrade",
    "checking/test_cost",
    "checking/test_coverage",
    "checking/test_endings",
    "checking/test_extraction",
    "checking/test_forged",
    "checking/test_freshness",
    "checking/test_heavy",
    "checking/test_hidden_hosts",
    "checking/test_host_memory",
    "checking/test_hosts",
    "checking/test_leaks",
    "checking/test_machines",
    "checking/test_new_hosts",
    "checking/test_put_back",
    "checking/test_spoilt_baseline",
    "checking/test_suspicions",
    "checking/test_vouched",
    "checking/test_whose",
    "checking/test_without_extraction",
    "channels/test_slack_webhook",
    "cli/test_accept",
    "cli/test_app",
    "cli/test_aws",
    "cli/test_check",
    "cli/test_exits",
    "cli/test_fleet.py",
    "cli/test_fleet_records",
    "cli/test_maintenance",
    "cli/test_retire",
    "cli/test_rights",
    "cli/test_status",
    "contracts/test_bounds",
    "contracts/test_documents",
    "checking/decisions/",
    "test_login_lockout",
    "test_month",
    "test_soak",
    "test_spoilt_trail",
    "dispatching/",
    "doctoring/",
    "domain/changes/test_leaves",
    "domain/test_year_of_churn",
    "functions/",
    "jobs/",
    "notifying/test_sender",
    "notifying/test_storm",
    "reporting/",
    "sealing/",
    "test_journal",
    "trail/test_athena_answers",
    "trail/test_hosts",
)
"""What plays whole jobs, time-outs or processes: `make unit` leaves it to `make test`."""


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty AWS that boto3 speaks to, whatever this machine's own settings are."""
    set_credentials(monkeypatch)
    with simulated_aws():
        yield


@pytest.fixture
def store(aws: None) -> S3Store:  # noqa: ARG001  # the buckets are in it
    """Two empty buckets."""
    return buckets()


@pytest.fixture
def topic() -> Subscribers:
    """A topic that remembers."""
    return Subscribers()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow."""
    for item in items:
        place = item.path.as_posix().rpartition("/tests/unit/")[2]
        if place.startswith(SLOW):
            item.add_marker("slow")
