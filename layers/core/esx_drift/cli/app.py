"""The commands in one tree."""

from typing import Annotated

import typer

from esx_drift import __version__
from esx_drift.cli import accept, doctor, fleet, retire, status
from esx_drift.cli import diff as compare
from esx_drift.cli import validate as validation
from esx_drift.cli.terminal import print_line

app = typer.Typer(
    name="esx-drift",
    help="Watches what every ESXi host really runs, and says so when it changes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:  # noqa: FBT001 -- typer passes it
    if asked:
        print_line(f"esx-drift {__version__}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
]


@app.callback()
def _main(*, version: Version = False) -> None:
    """Watches what every ESXi host really runs, and says so when it changes."""


app.command()(compare.diff)
app.command()(validation.validate)
app.command()(status.status)
app.command()(accept.accept)
app.command()(retire.retire)
app.command()(doctor.doctor)
app.add_typer(fleet.fleet_app, name="fleet")
