"""What a check costs that finds nothing new: four calls, and none of the machinery of comparing."""

import os
import subprocess
import sys

from tests.paths import ROOT
from tests.unit.checking.world import World
from tests.unit.conftest import REGION


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
    calls = [(operation, key.partition("/")[0]) for operation, key in world.aws.calls if "breaker" not in key]
    assert calls == [
        ("GetObject", "state"),
        ("GetObject", "records"),
        ("PutObject", "records"),
        ("PutObject", "state"),
    ]
    assert len(world.topic.published) == published


def test_a_check_that_is_not_done_reads_where_its_log_ends(world: World) -> None:
    """While the vCenter extracts, nothing is written."""
    world.check()
    world.aws.calls.clear()
    world.asked()
    calls = [operation for operation, key in world.aws.calls if "breaker" not in key]
    assert calls == ["GetObject", "GetObject", "SendMessage"]


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
