"""What a function loads before its first invocation: each module more is paid for at each cold start."""

import os
import subprocess
import sys

import pytest

from tests.paths import GOLDEN, ROOT
from tests.unit.functions.conftest import HANDLERS
from tests.unit.simulated_aws import REGION

STARTS = GOLDEN / "starts"

LISTING = """
import importlib, sys
importlib.import_module("functions.{function}.app")
loaded = {{name for name in sys.modules if name.partition(".")[0] not in sys.stdlib_module_names}}
ours = {{name for name in loaded if name.startswith("esx_drift")}}
theirs = {{name.partition(".")[0] for name in loaded - ours}} - {{"functions", "cython_runtime"}}
print(*sorted(ours | {{name for name in theirs if not name.startswith("_")}}), sep="\\n")
"""
"""Of what is not ours only the packages' names: what they are made of is not for us to say."""


@pytest.mark.parametrize("function", sorted(HANDLERS))
def test_nothing_more_is_loaded_than_was_agreed(function: str, *, refresh_goldens: bool) -> None:
    """A process of its own; --refresh-goldens writes the list."""
    path = os.pathsep.join((str(ROOT / "layers" / "core"), str(ROOT)))
    environment = {
        "AWS_DEFAULT_REGION": REGION,
        "POWERTOOLS_METRICS_NAMESPACE": "esx-drift",
        "POWERTOOLS_SERVICE_NAME": function,
        "STACK_NAME": "esx-drift",
        "PYTHONPATH": path,
    }
    listed = subprocess.run(
        [sys.executable, "-c", LISTING.format(function=function)],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    golden = STARTS / f"{function}.txt"
    if refresh_goldens:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(listed, "utf-8")
    assert listed == golden.read_text("utf-8")
