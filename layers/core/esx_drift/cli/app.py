"""The commands in one tree."""

from typing import Annotated

import typer

from esx_drift import __version__
from esx_drift.cli.accept import accept
from esx_drift.cli.as_of import as_of
from esx_drift.cli.blame import blame
from esx_drift.cli.check import check_now
from esx_drift.cli.diff import diff
from esx_drift.cli.doctor import doctor
from esx_drift.cli.drill import drill
from esx_drift.cli.evidence import evidence
from esx_drift.cli.fleet import fleet_app
from esx_drift.cli.history import history
from esx_drift.cli.inventory import inventory
from esx_drift.cli.maintenance import maintenance_app
from esx_drift.cli.options import PlainCommand, print_help_alone
from esx_drift.cli.orphans import orphans
from esx_drift.cli.retire import retire
from esx_drift.cli.show import show_record
from esx_drift.cli.status import status
from esx_drift.cli.terminal import print_line
from esx_drift.cli.validate import validate
from esx_drift.cli.verify import verify

app = typer.Typer(
    name="esx-drift",
    help="Watches what every ESXi host really runs, and says so when it changes.",
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 -- typer passes it
    if wanted:
        print_line(f"esx-drift {__version__}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", help="Show the version.", callback=_print_version, is_eager=True)
]


@app.callback()
def _run(
    context: typer.Context,
    *,
    version: VersionOption = False,  # noqa: ARG001 -- its callback ends the command
) -> None:
    """Watches what every ESXi host really runs, and says so when it changes."""
    print_help_alone(context)


app.command(cls=PlainCommand, short_help="What changed between two documents, or between two moments.")(diff)
app.command(cls=PlainCommand, short_help="Check a document against the API's contract.")(validate)
app.command(cls=PlainCommand, short_help="What each cluster runs now, and what is open.")(status)
app.command(cls=PlainCommand, short_help="Which hosts of the whole fleet run what.")(inventory)
app.command("check", cls=PlainCommand, short_help="Have clusters checked now.")(check_now)
app.command(cls=PlainCommand, short_help="What changed on a cluster, when, on whom, and who accepted it.")(
    history
)
app.command("as-of", cls=PlainCommand, short_help="What each host of a cluster ran at a time.")(as_of)
app.command(cls=PlainCommand, short_help="Since when each part of what hosts run is there.")(blame)
app.command(cls=PlainCommand, short_help="Orphaned VIBs: where each is, and since when.")(orphans)
app.command("show", cls=PlainCommand, short_help="One record: what a check saw, found and decided.")(
    show_record
)
app.command(cls=PlainCommand, short_help="Accept what differs from what was last accepted.")(accept)
app.command(cls=PlainCommand, short_help="Close a cluster that its vCenter no longer lists.")(retire)
app.command(cls=PlainCommand, short_help="Examine the stack, AWS, each vCenter and each route.")(doctor)
app.command(cls=PlainCommand, short_help="Send a drill down every route, and to the topic.")(drill)
app.command(cls=PlainCommand, short_help="Prove that nobody changed the trail.")(verify)
app.command(cls=PlainCommand, short_help="Write a signed excerpt of the trail, and a report.")(evidence)
app.add_typer(fleet_app, name="fleet")
app.add_typer(
    maintenance_app, name="maintenance", short_help="Planned work, in which chat is spared what it changes."
)
