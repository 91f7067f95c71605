"""``esx-drift fleet check`` and ``esx-drift fleet push``."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from esx_drift.cli.fleet_yaml import FleetText, NotReadable, parse_fleet_text
from esx_drift.cli.options import StackOptions, YesOption, print_help_alone, with_stack_options
from esx_drift.cli.terminal import EXIT_DIFFERENCES, fail, print_line, print_warning
from esx_drift.contracts import list_fleet_errors
from esx_drift.domain.fleet.fleet import MAX_FLEET_BYTES, Fleet, FleetDocument, build_fleet
from esx_drift.domain.fleet.review import list_fleet_differences, list_fleet_warnings
from esx_drift.domain.stored.identifiers import FLEET_KEY, compute_sha256
from esx_drift.domain.text.wording import format_count
from esx_drift.errors import FleetInvalid, SecretInvalid

if TYPE_CHECKING:
    from esx_drift.adapters.secrets import Secrets
    from esx_drift.cli.aws import DeployedStack

fleet_app = typer.Typer(
    help="The fleet file: which vCenters are watched, and who is told.", invoke_without_command=True
)

FileArgument = Annotated[Path, typer.Argument(help="The fleet file, YAML or JSON.", metavar="FILE")]
BucketOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="The StateBucket, instead of asking the stack for it.")
]
RenameOption = Annotated[
    list[str] | None,
    typer.Option("--rename", metavar="OLD", help="OLD is one of the new vCenters, under a name of the past."),
]


@dataclass(frozen=True, slots=True)
class UploadTarget:
    """Where to upload: a stack's StateBucket, or a bucket by its name."""

    stack: "DeployedStack"
    bucket: str | None

    def find_bucket(self) -> str:
        """The bucket's name; asks the stack for it where it was not given."""
        return self.bucket or self.stack.read_outputs("StateBucketName")[0]


@fleet_app.callback()
def _run(context: typer.Context) -> None:
    """The fleet file: which vCenters are watched, and who is told."""
    print_help_alone(context)


@fleet_app.command()
def check(file: FileArgument) -> None:
    """Name every error of a fleet file. Exit code 0: none, 1: errors, 2: it can't be read.

    Example: esx-drift fleet check fleet.yaml
    """
    print_line(f"{file} is valid: {_count_entries(_require_fleet_document(file))}", "green")


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
    document = _require_fleet_document(file)
    from esx_drift.cli.aws import open_stack  # noqa: PLC0415 -- boto3 takes long to load

    _upload_fleet(document, UploadTarget(open_stack(target), bucket), tuple(rename or ()), ask=not yes)


def _require_fleet_document(file: Path) -> FleetDocument:
    """The file's document; where it has errors, prints each with its line and ends the command."""
    try:
        text = parse_fleet_text(_read_text(file))
    except NotReadable as error:
        fail(f"{_format_place(file, error.line)}: {error.message}", EXIT_DIFFERENCES)
    faults = list_fleet_errors(text.document)
    if faults:
        _fail_with_errors(file, text, faults)
    document = cast("FleetDocument", text.document)
    _refuse_oversize(file, len(_render_document(document)))
    _warn_of_unused_parts(document)
    for warning in list_fleet_warnings(document):
        print_warning(f"{_format_place(file, text.find_line(warning))}: {warning}")
    return document


def _render_document(document: FleetDocument) -> bytes:
    return json.dumps(document, indent=2, sort_keys=True).encode()


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


def _upload_fleet(
    document: FleetDocument, target: UploadTarget, renamed: tuple[str, ...], *, ask: bool
) -> None:
    """Upload a checked document, unless nothing changes, a vCenter seems renamed, or the person says no."""
    from esx_drift.adapters.secrets import Secrets  # noqa: PLC0415 -- boto3 takes long to load
    from esx_drift.adapters.state_bucket import FleetFile  # noqa: PLC0415 -- boto3 takes long to load
    from esx_drift.cli.aws import explain_aws_errors  # noqa: PLC0415 -- boto3 takes long to load

    aws = target.stack.clients
    with explain_aws_errors("Uploading the fleet file"):
        file = FleetFile(aws.s3, target.find_bucket())
        stored = file.read_stored()
        body = _render_document(document)
        if stored is not None and stored.body == body:
            print_line(f"s3://{file.bucket}/{FLEET_KEY} says the same already.")
            return
        before = _parse_stored_document(stored.body if stored else None)
        _refuse_renames(build_fleet(before), build_fleet(document), renamed, Secrets(aws.secrets))
        for line in list_fleet_differences(before, document):
            print_line(f"  {line}")
        if ask and not typer.confirm(f"Upload to s3://{file.bucket}/{FLEET_KEY}?"):
            fail("not uploaded", EXIT_DIFFERENCES)
        if not file.write(body, stored):
            fail(
                "not uploaded: somebody else pushed at the same time. Run it again to see what changed.",
                EXIT_DIFFERENCES,
            )
    print_line(
        f"Uploaded to s3://{file.bucket}/{FLEET_KEY}, sha256 {compute_sha256(body)}. The next run uses it.",
        "green",
    )


def _parse_stored_document(body: bytes | None) -> FleetDocument:
    """The document that the bucket holds; an empty one if there is none, or none that is valid."""
    from esx_drift.adapters.state_bucket import parse_fleet  # noqa: PLC0415 -- boto3 takes long to load

    empty: FleetDocument = {"schema_version": 1, "vcenters": []}
    if body is None:
        return empty
    try:
        parse_fleet(body)
    except FleetInvalid:
        print_warning("the fleet file that is there is not valid; it will be replaced whole")
        return empty
    return cast("FleetDocument", json.loads(body))


def _refuse_renames(before: Fleet, after: Fleet, allowed: tuple[str, ...], secrets: "Secrets") -> None:
    """A vCenter under a new name would begin a second trail, and its first look would hide what changed."""
    was, now = {vcenter.name for vcenter in before.vcenters}, {vcenter.name for vcenter in after.vcenters}
    for name in set(allowed) - (was - now):
        fail(f"--rename {name}: the file doesn't drop a vCenter of that name", EXIT_DIFFERENCES)
    gone, come = sorted(was - now), sorted(now - was)
    unexpected = [name for name in gone if name not in allowed]
    old_hosts = {name: _read_host(name, secrets) for name in unexpected if come}
    for new in come if unexpected else ():
        host = _read_host(new, secrets)
        for old, old_host in old_hosts.items():
            if host is not None and host == old_host:
                fail(
                    f"{new} is {old} under a new name: their secrets name the same host, {host[0]}.\n"
                    f"Under a new name its trail begins anew, with a first look that reports no change.\n"
                    f"Keep the name {old}, or say --rename {old} if that is meant.",
                    EXIT_DIFFERENCES,
                )


def _read_host(name: str, secrets: "Secrets") -> tuple[str, int] | None:
    try:
        secret = secrets.vcenter(name)
    except SecretInvalid as error:
        print_warning(
            f"{error.message}. Without it nobody can tell whether {name} is a vCenter under another name."
        )
        return None
    return secret.host.casefold(), secret.port
