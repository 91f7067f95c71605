"""The ``esx-drift`` command."""

import sys


def main() -> None:
    """Run the command line and end the process: 0, 1 or 2 as the command says, 2 for every foreseen error."""
    # Importing this package alone costs nothing.
    from esx_drift.cli.app import app  # noqa: PLC0415 -- see above
    from esx_drift.cli.terminal import TROUBLE, tell_trouble  # noqa: PLC0415 -- see above
    from esx_drift.errors import EsxDriftError  # noqa: PLC0415 -- see above

    try:
        app()
    except EsxDriftError as error:
        tell_trouble(str(error))
        sys.exit(TROUBLE)
