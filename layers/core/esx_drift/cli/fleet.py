"""``esx-drift fleet``: check a fleet file, push it, and show the one that is there."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, cast

import typer
import yaml

from esx_drift.cli.fleet_push import CheckedFleet, UploadTarget, upload_fleet
from esx_drift.cli.fleet_yaml import FleetText, NotReadable, parse_fleet_text
from esx_drift.cli.options import StackOptions, YesOption, print_help_alone, with_stack_options
from esx_drift.cli.terminal import EXIT_DIFFERENCES, fail, print_line, print_note, print_warning
from esx_drift.contracts import list_fleet_errors, parse_sent_json
from esx_drift.domain.fleet.fleet import MAX_FLEET_BYTES, FleetDocument
from esx_drift.domain.fleet.review import list_fleet_warnings
from esx_drift.domain.text.wording import format_count

fleet_app = typer.Typer(
    help="The fleet file: which vCenters are watched, and who is told.", invoke_without_command=True
)

FileArgument = Annotated[Path, typer.Argument(help="The fleet file, YAML or JSON.", metavar="FILE")]
BucketOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="The StateBucket, instead of asking the stack for it.")
]
RenameOption = Annotated[
    list[str] | None,
    typer.Option(
        "--rename", metavar="OLD", help="A vCenter that gets a new name on purpose: its trail begins anew."
    ),
]


class FileFormat(StrEnum):
    """How the fleet file is printed."""

    yaml = "yaml"
    json = "json"


FileFormatOption = Annotated[
    FileFormat, typer.Option("--format", help="As it was written, or as it is stored.")
]


@fleet_app.callback()
def _run(context: typer.Context) -> None:
    """The fleet file: which vCenters are watched, and who is told."""
    print_help_alone(context)


@fleet_app.command()
def check(file: FileArgument) -> None:
    """Name every error of a fleet file. Exit code 0: none, 1: errors, 2: it can't be read.

    Example: esx-drift fleet check fleet.yaml
    """
    print_line(f"{file} is valid: {_count_entries(_require_fleet(file).document)}", "green")


@fleet_app.command()
@with_stack_options
def push(
    file: FileArgument,
    bucket: BucketOption = None,
    yes: YesOption = False,  # noqa: FBT002 -- typer passes it by name
    rename: RenameOption = None,
    *,
    target: StackOptions,
) -> None:
    """Check a fleet file, show what it changes, and upload it for the next run to use.

    Exit code 0: uploaded or nothing to change, 1: not uploaded, 2: trouble.

    Example: esx-drift fleet push fleet.yaml
    """
    fleet = _require_fleet(file)
    from esx_drift.cli.aws import open_stack  # noqa: PLC0415 -- boto3 takes long to load

    upload_fleet(fleet, UploadTarget(open_stack(target), bucket), tuple(rename or ()), ask=not yes)


@fleet_app.command()
@with_stack_options
def show(
    bucket: BucketOption = None, output: FileFormatOption = FileFormat.yaml, *, target: StackOptions
) -> None:
    """Print the fleet file that is in use: as it was written when it was pushed, or as JSON.

    Where another one was put there since, what was written is gone, and YAML is made of what is there.

    Example: esx-drift fleet show > fleet.yaml
    """
    from esx_drift.cli.aws import explain_aws_errors, open_stack  # noqa: PLC0415 -- boto3 takes long to load

    stack = open_stack(target)
    with explain_aws_errors("Reading the fleet file"):
        file = UploadTarget(stack, bucket).open_file()
        document = parse_sent_json(stack.require_fleet_file(file.bucket).body)
        source = file.read_source()
    if output is FileFormat.json:
        typer.echo(json.dumps(document, indent=2))
        return
    written = source.body.decode(errors="replace") if source else ""
    if not _says(written, document):
        print_note("it was not kept as it was written: this is made of what is stored, without comments")
        written = yaml.safe_dump(document, sort_keys=False)
    typer.echo(written, nl=not written.endswith("\n"))


def _says(text: str, document: object) -> bool:
    """Whether a text is a way to write a document."""
    try:
        return parse_fleet_text(text).document == document
    except NotReadable:
        return False


def _require_fleet(file: Path) -> CheckedFleet:
    """The file's fleet; where it has errors, prints each with its line and ends the command."""
    source = _read_text(file)
    try:
        text = parse_fleet_text(source)
    except NotReadable as error:
        fail(f"{_format_place(file, error.line)}: {error.message}", EXIT_DIFFERENCES)
    faults = list_fleet_errors(text.document)
    if faults:
        _fail_with_errors(file, text, faults)
    document = cast("FleetDocument", text.document)
    fleet = CheckedFleet(document, source)
    _refuse_oversize(file, len(fleet.render()))
    _warn_of_unused_parts(document)
    for warning in list_fleet_warnings(document):
        print_warning(f"{_format_place(file, text.find_line(warning))}: {warning}")
    return fleet


def _refuse_oversize(file: Path, size: int) -> None:
    if size > MAX_FLEET_BYTES:
        fail(f"{file} is too large: a fleet file has at most {MAX_FLEET_BYTES} bytes", EXIT_DIFFERENCES)


def _read_text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            body = stream.read(MAX_FLEET_BYTES + 1)
        _refuse_oversize(file, len(body))
        return body.decode("utf-8-sig")
    except OSError as error:
        fail(f"{file} can't be read: {error.strerror}")
    except UnicodeDecodeError as error:
        fail(f"{file} can't be read: it is not UTF-8 (byte {error.start})")


def _warn_of_unused_parts(document: FleetDocument) -> None:
    """Warn of each part that this version reads but does not use: whoever wrote it relies on it."""
    for field, what in (("ignore", "ignore rules"), ("maintenance", "maintenance windows")):
        if document.get(field):
            print_warning(f"this version does not apply {what} yet: what they name is told all the same")
    if not document.get("routes"):
        print_warning(
            "there are no routes: nobody is told anything in Slack, and the topic alone hears of it"
        )


def _fail_with_errors(file: Path, text: FleetText, faults: list[str]) -> None:
    for fault in sorted(faults, key=lambda fault: text.find_line(fault) or 0):
        print_line(f"{_format_place(file, text.find_line(fault))}: {fault}")
    fail(f"{file} has {len(faults)} {'error' if len(faults) == 1 else 'errors'}", EXIT_DIFFERENCES)


def _format_place(file: Path, line: int | None) -> str:
    return str(file) if line is None else f"{file}:{line}"


def _count_entries(document: FleetDocument) -> str:
    counts = {
        "vCenter": len(document["vcenters"]),
        "route": len(document.get("routes", ())),
        "ignore rule": len(document.get("ignore", ())),
        "maintenance window": len(document.get("maintenance", ())),
    }
    return ", ".join(format_count(number, what) for what, number in counts.items())
