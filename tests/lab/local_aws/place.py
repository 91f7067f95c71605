"""Where things lie in the checkout, and a build of the application that is up to date."""

import fcntl
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.paths import ROOT

CHECKOUT = ROOT
BUILT = CHECKOUT / ".aws-sam" / "build"
TOOLS = CHECKOUT / ".tools"
# AWS_CA_BUNDLE and its like win over what a client is told, and AWS_PROFILE over keys: none is handed on.
KEPT_FROM_OUTSIDE = ("PATH", "HOME", "TMPDIR", "LANG")


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """What a program started by us gets: the few variables that any needs, and `extra`."""
    return {name: os.environ[name] for name in KEPT_FROM_OUTSIDE if name in os.environ} | dict(extra)


class NotReadyError(Exception):
    """What a local AWS needs could not be made; the message ends in what its maker said."""


def build_app() -> Path:
    """Build the application unless it is up to date; the built template.

    Raises:
        NotReadyError: with the build's own output.
    """
    (CHECKOUT / "build").mkdir(exist_ok=True)
    with (CHECKOUT / "build" / "build.lock").open("w") as lock:
        # Two test runs at a time would build into one folder.
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Not for tests alone: what `make deploy` sends to AWS comes from the same rule.
        made = subprocess.run(
            ["make", "--silent", "build"],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    if made.returncode:
        raise NotReadyError(f"The build failed:\n{made.stdout}{made.stderr}")
    return BUILT / "template.yaml"
