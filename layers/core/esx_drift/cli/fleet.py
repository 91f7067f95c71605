"""``esx-drift fleet check`` and ``esx-drift fleet push``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from esx_drift.cli.fleet_yaml import FleetText, NotReadable, parse_fleet_text
from esx_drift.cli.terminal import EXIT_DIFFERENCES, fail, print_line, print_warning
from esx_drift.contracts import list_fleet_errors
from esx_drift.domain.text.wording import format_count

if TYPE_CHECKING:
    from esx_drift.domain.fleet.document import FleetDocument

fleet_app = typer.Typer(
    help="The fleet file: which vCenters are watched, and who is told.", no_args_is_help=True
)

File = Annotated[Path, typer.Argument(help="The fleet file, YAML or JSON.", metavar="FILE")]
FleetStackOption = Annotated[
    str, typer.Option(help="The CloudFormation stack that esx-drift was deployed as.")
]
Bucket = Annotated[str | None, typer.Option(help="The StateBucket, instead of asking the stack for it.")]
FleetYesOption = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
Renamed = Annotated[
    list[str] | None,
    typer.Option("--rename", metavar="OLD", help="OLD is one of the new vCenters, under a name of the past."),
]


@fleet_app.command()
def check(file: File) -> None:
    """Name every error of a fleet file. Exit code 0: none, 1: errors, 2: it can't be read."""
    print_line(f"{file} is valid: {_summarize(require_fleet_document(file))}", "green")


@fleet_app.command()
def push(
    file: File,
    stack: FleetStackOption = "esx-drift",
    bucket: Bucket = None,
    yes: FleetYesOption = False,  # noqa: FBT002 -- typer passes it by name
    rename: Renamed = None,
) -> None:
    """Check a fleet file, show what it changes, and upload it for the next run to use.

    Exit code 0: uploaded or nothing to change, 1: not uploaded, 2: trouble.
    """
    from esx_drift.cli import fleet_push  # noqa: PLC0415 -- boto3 takes long to load; check does without it

    fleet_push.upload_fleet(
        require_fleet_document(file), fleet_push.UploadTarget(stack, bucket), tuple(rename or ()), ask=not yes
    )


def require_fleet_document(file: Path) -> "FleetDocument":
    """The file's document; tells each error with its line and path, and ends the command, if it has any."""
    try:
        text = parse_fleet_text(_read(file))
    except NotReadable as error:
        fail(f"{_at(file, error.line)}: {error.message}", EXIT_DIFFERENCES)
    faults = list_fleet_errors(text.document)
    if faults:
        _tell(file, text, faults)
    document = cast("FleetDocument", text.document)
    _warn_of_what_does_nothing(document)
    return document


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except OSError as error:
        fail(f"{file} can't be read: {error.strerror}")
    except UnicodeDecodeError as error:
        fail(f"{file} can't be read: it is not UTF-8 (byte {error.start})")


def _warn_of_what_does_nothing(document: "FleetDocument") -> None:
    """Whoever wrote a rule relies on it: say so where this version only keeps it."""
    for field, what in (("ignore", "ignore rules"), ("maintenance", "maintenance windows")):
        if document.get(field):
            print_warning(f"this version does not apply {what} yet: what they name is told all the same")
    if not document.get("routes"):
        print_warning(
            "there are no routes: nobody is told anything in Slack, and the topic alone hears of it"
        )


def _tell(file: Path, text: FleetText, faults: list[str]) -> None:
    for fault in sorted(faults, key=lambda fault: text.find_line(fault) or 0):
        print_line(f"{_at(file, text.find_line(fault))}: {fault}")
    fail(f"{file} has {len(faults)} {'error' if len(faults) == 1 else 'errors'}", EXIT_DIFFERENCES)


def _at(file: Path, line: int | None) -> str:
    return str(file) if line is None else f"{file}:{line}"


def _summarize(document: "FleetDocument") -> str:
    counts = {
        "vCenter": len(document["vcenters"]),
        "route": len(document.get("routes", ())),
        "ignore rule": len(document.get("ignore", ())),
        "maintenance window": len(document.get("maintenance", ())),
    }
    return ", ".join(format_count(number, what) for what, number in counts.items())
