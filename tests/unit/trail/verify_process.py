"""A process that verifies a copy of a trail by itself, and prints the most memory that it ever held.

Argument: the folder. Prints a line of JSON: how many objects there are, what is wrong, and the peak in MB.
"""

import json
import resource
import sys
from functools import partial
from pathlib import Path

from esx_drift.adapters.public_keys import parse_public_key
from esx_drift.adapters.trail_files import DirectoryTrailFiles
from esx_drift.trail import verify


def main(folder: str) -> None:
    """Verify it in this process alone."""
    request = verify.Request(partial(DirectoryTrailFiles, Path(folder)), parse_public_key)
    with verify.verify_trail(request) as found:
        shown = {"objects": found.objects, "problems": [problem.key for problem in found.problems]}
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**shown, "peak_mb": peak_mb}))  # noqa: T201  # read by the test


if __name__ == "__main__":
    verify.LEAST_OBJECTS = sys.maxsize  # type: ignore[misc] # else workers would hold what is measured here
    main(sys.argv[1])
