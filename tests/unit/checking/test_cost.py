"""What a check costs that finds nothing new: four calls, and none of the machinery of comparing.

Beside them, the record by which a run asked for checks is read: once an invocation, whatever it checks.
"""

import os
import subprocess
import sys

from esx_drift.checking.checker import Checker

from tests.paths import ROOT
from tests.unit.checking.world import OWN_ROLE_IDS, OWN_SENDER, PROD_A, PROD_B, World
from tests.unit.simulated_aws import REGION


def test_an_unchanged_collect_is_two_gets_and_two_puts(world: World) -> None:
    """The pointer and the record that it names; nothing is listed, and no message or event goes out."""
    world.check()
    world.asked()
    request = world.comes_back()
    world.aws.calls.clear()
    published = len(world.topic.published)
    record = world.handle(request)
    assert record is not None
    assert record["outcome"] == "unchanged"
    dispatched, *calls = _calls(world)
    assert dispatched == ("GetObject", "records")
    assert calls == [
        ("GetObject", "state"),
        ("GetObject", "records"),
        ("PutObject", "records"),
        ("PutObject", "state"),
    ]
    assert len(world.topic.published) == published


def test_the_record_of_a_run_is_read_once_an_invocation(world: World) -> None:
    """Sixty clusters of a vCenter that are checked together cost one GET more than one does."""
    requests = [world.request(cluster, "run") for cluster in (PROD_A, PROD_B)]
    world.aws.calls.clear()
    with world.sessions() as sessions:
        checker = Checker(world.runtime(sessions), OWN_ROLE_IDS)
        for request in requests:
            assert checker.handle(request, OWN_SENDER) is None
    assert _calls(world).count(("GetObject", "records")) == 1


def test_a_check_that_is_not_done_reads_where_its_log_ends(world: World) -> None:
    """While the vCenter extracts, nothing is written."""
    world.check()
    request = world.request()
    world.aws.calls.clear()
    world.handle(request)
    assert _calls(world) == [
        ("GetObject", "records"),
        ("GetObject", "state"),
        ("GetObject", "records"),
        ("SendMessage", ""),
    ]


def _calls(world: World) -> list[tuple[str, str]]:
    """Every call and the kind of its key, but for the breaker's."""
    return [(operation, key.partition("/")[0]) for operation, key in world.aws.calls if "breaker" not in key]


def test_deepdiff_is_imported_only_where_something_differs() -> None:
    """A process of its own shows what a check loads, and which clients it makes: neither SNS nor SQS."""
    away = ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "AWS_SESSION_TOKEN")
    own = {"AWS_DEFAULT_REGION": REGION, "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    path = os.pathsep.join((str(ROOT / "layers" / "core"), str(ROOT)))
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.checking.unchanged_process"],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if key not in away} | own | {"PYTHONPATH": path},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.splitlines() == ["baseline", "unchanged s3 secretsmanager False", "changed True"]
