"""The commands in one tree."""

import typer

from esx_drift.cli import compare, fleet, status, validation

app = typer.Typer(
    name="esx-drift",
    help="Watches what every ESXi host really runs, and says so when it changes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("diff")(compare.diff)
app.command("validate")(validation.validate)
app.command("status")(status.status)
app.add_typer(fleet.app, name="fleet")
