"""The commands in one tree."""

import typer

from esx_drift.cli import accept, compare, doctor, fleet, retire, status, validation

app = typer.Typer(
    name="esx-drift",
    help="Watches what every ESXi host really runs, and says so when it changes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(compare.diff)
app.command()(validation.validate)
app.command()(status.status)
app.command()(accept.accept)
app.command()(retire.retire)
app.command()(doctor.doctor)
app.add_typer(fleet.app, name="fleet")
