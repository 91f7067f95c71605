import subprocess
import sys

import pytest
from esx_drift import __version__

from tests.paths import GOLDEN
from tests.unit.cli.conftest import Run

DOCUMENT = GOLDEN / "diff" / "nothing-changed" / "baseline.json"
WITHOUT_AWS = [
    ("--help",),
    ("accept", "--help"),
    ("doctor", "--help"),
    ("status", "--help"),
    ("fleet", "check", "docs/fleet.example.yaml"),
    ("validate", str(DOCUMENT)),
    ("diff", str(DOCUMENT), str(DOCUMENT)),
]


def test_the_version_is_told(run: Run) -> None:
    """Whoever asks for help is asked for it."""
    ran = run("--version")
    assert (ran.code, ran.out) == (0, f"esx-drift {__version__}\n")


@pytest.mark.parametrize("arguments", WITHOUT_AWS, ids=" ".join)
def test_what_needs_no_aws_loads_no_aws_library(arguments: tuple[str, ...]) -> None:
    """A check before a commit has to be quick."""
    code = (
        "import sys\nfrom esx_drift.cli import main\ntry:\n    main()\nexcept SystemExit as end:\n"
        "    assert end.code == 0\n"
        "assert not {'boto3', 'botocore', 'deepdiff', 'requests'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, *arguments], check=True)
