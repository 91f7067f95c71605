"""The ``esx-drift`` command."""


def main() -> None:
    """Run the command line and end the process: 0, 1 or 2 as the command says, 2 for every error.

    Where nobody reads what it says any more, it is 141.
    """
    # Importing this package alone costs nothing.
    from esx_drift.cli.terminal import ExitCodes  # noqa: PLC0415 -- see above

    with ExitCodes():
        from esx_drift.cli.app import app  # noqa: PLC0415 -- see above

        app()
