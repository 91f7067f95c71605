"""``esx-drift fleet``: check a fleet file, push it, and show the one that is there.

Longer than 250 lines, because a push is a check, a comparison with what is there, and an upload of one file.
"""

import json
from collections.abc import Iterable, Iterator
from copy import replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
import yaml
from msgspec import Struct

from esx_drift.cli.fleet_advice import explain_faults
from esx_drift.cli.fleet_review import ExaminedFleet, examine_fleet
from esx_drift.cli.fleet_yaml import FleetText, NotReadable, parse_fleet_text
from esx_drift.cli.options import (
    FormatOption,
    ListFormat,
    PlainCommand,
    StackOptions,
    YesOption,
    print_help_alone,
    with_stack_options,
)
from esx_drift.cli.past import make_times
from esx_drift.cli.terminal import EXIT_DIFFERENCES, fail, print_line, print_note, print_warning, require_yes
from esx_drift.config import DEFAULT_SECRET_PREFIX
from esx_drift.contracts import parse_sent_json
from esx_drift.domain.fleet.fleet import (
    CHANNELS_WITHOUT_SECRET,
    MAX_FLEET_BYTES,
    Fleet,
    FleetDocument,
    build_fleet,
    group_by_webhook,
)
from esx_drift.domain.fleet.review import list_fleet_differences
from esx_drift.domain.fleet.rule_review import KnownThings
from esx_drift.domain.stored.identifiers import FLEET_KEY, compute_sha256
from esx_drift.domain.text.wording import format_count, join_names
from esx_drift.errors import (
    ContractViolation,
    FleetInvalid,
    SecretInvalid,
    SecretUnavailable,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from esx_drift.adapters.secrets import Secrets
    from esx_drift.adapters.state_bucket import FleetFile
    from esx_drift.cli.aws import DeployedStack


class CheckedFleet(Struct, frozen=True):
    """A fleet file without errors: what it says, and how it was written."""

    document: FleetDocument
    source: str

    def render(self) -> bytes:
        """The bytes that the functions read."""
        return render_fleet_document(self.document)


def render_fleet_document(document: FleetDocument) -> bytes:
    """Render a document as it is stored."""
    return json.dumps(document, indent=2, sort_keys=True).encode()


class UploadTarget(Struct, frozen=True):
    """Where to upload: a stack's StateBucket, or a bucket by its name."""

    stack: "DeployedStack"
    bucket: str | None

    def open_file(self) -> "FleetFile":
        """The fleet file of the bucket; asks the stack for its name where it was not given."""
        from esx_drift.adapters.state_bucket import FleetFile  # noqa: PLC0415 -- boto3 takes long to load

        bucket = self.bucket or self.stack.read_outputs("StateBucketName")[0]
        return FleetFile(self.stack.clients.s3, bucket)

    def open_secrets(self) -> "Secrets":
        """The secrets that the stack reads; those of a stack by default where only a bucket was given."""
        from esx_drift.adapters.secrets import Secrets  # noqa: PLC0415 -- boto3 takes long to load

        prefix = DEFAULT_SECRET_PREFIX if self.bucket else self.stack.read_outputs("SecretPrefix")[0]
        return Secrets(self.stack.clients.secrets, prefix)


def upload_fleet(fleet: CheckedFleet, target: UploadTarget, renamed: tuple[str, ...], *, ask: bool) -> None:
    """Upload a checked file, unless nothing changes, a vCenter seems renamed, or the person says no.

    Args:
        fleet: The file.
        target: Where it goes.
        renamed: Names of vCenters that it drops on purpose, for new ones at the same address.
        ask: Whether the person is asked to confirm.
    """
    from esx_drift.cli.aws import explain_aws_errors  # noqa: PLC0415 -- boto3 takes long to load

    with explain_aws_errors("Uploading the fleet file"):
        file, body = target.open_file(), fleet.render()
        stored = file.read_stored()
        if stored is not None and stored.body == body:
            renewed = " Its comments or its spelling are renewed." if _keep_source(file, fleet.source) else ""
            print_line(f"s3://{file.bucket}/{FLEET_KEY} says the same already.{renewed}")
            return
        before, secrets = _parse_stored_document(stored.body if stored else None), target.open_secrets()
        place = f"s3://{file.bucket}/{FLEET_KEY}"
        print_line(
            f"What this changes at {place}:" if stored else f"{place} is not there yet, and will have:"
        )
        for line in list_fleet_differences(before, fleet.document):
            print_line(f"  {line}")
        _warn_of_missing_secrets(build_fleet(fleet.document), secrets)
        _refuse_renames(build_fleet(before), build_fleet(fleet.document), renamed, secrets)
        if ask:
            require_yes(f"Upload to s3://{file.bucket}/{FLEET_KEY}?", "not uploaded")
        if not file.write(body, stored):
            fail(
                "not uploaded: somebody else pushed at the same time. Run it again to see what changed.",
                EXIT_DIFFERENCES,
            )
        _keep_source(file, fleet.source)
    print_line(f"Uploaded to {place}, sha256 {compute_sha256(body)}. The next run uses it.", "green")
    print_line(f"To have all checked by it now: {target.stack.options.name_command('check --wait')}")


def _keep_source(file: "FleetFile", source: str) -> bool:
    """Keep the file as it was written, for ``fleet show``. That this fails does not undo the upload.

    Returns:
        Whether it was written otherwise before.
    """
    try:
        before = file.read_source()
        is_new = before is None or before.body != source.encode()
        if is_new:
            file.write_source(source.encode(), before)
    except StoreUnavailable as error:
        print_warning(f"the file was not kept as it is written, with its comments: {error.message}")
        return False
    return is_new


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


def _warn_of_missing_secrets(fleet: Fleet, secrets: "Secrets") -> None:
    """Warn of each secret that is not there: its vCenter can't be checked, or its route hears nothing."""
    unknown: list[str] = []
    for name, loss in _list_needed_secrets(fleet, secrets):
        try:
            problem = secrets.find_problem(name)
        except SecretUnavailable as error:
            unknown.append(name)
            reason = error.message
            continue
        if problem is not None:
            print_warning(f"the secret {name} {problem}: {loss}")
    if unknown:
        print_warning(f"could not look whether there are secrets for {join_names(unknown)}: {reason}")


def _list_needed_secrets(fleet: Fleet, secrets: "Secrets") -> Iterator[tuple[str, str]]:
    for vcenter in fleet.vcenters:
        yield secrets.make_name("vcenter", vcenter.name), f"{vcenter.name} can't be checked until it is made"
    needing = [route for route in fleet.routes if route.channel not in CHANNELS_WITHOUT_SECRET]
    for routes in group_by_webhook(needing):
        names = join_names([route.name for route in routes])
        yield secrets.make_name(*routes[0].webhook), f"nobody is told by {names} until it is made"


def _refuse_renames(before: Fleet, after: Fleet, allowed: tuple[str, ...], secrets: "Secrets") -> None:
    """A vCenter under a new name would begin a second trail, and its first look would hide what changed."""
    was, now = {vcenter.name for vcenter in before.vcenters}, {vcenter.name for vcenter in after.vcenters}
    problems = [
        f"--rename {name}: the file doesn't drop a vCenter of that name"
        for name in dict.fromkeys(allowed)
        if name not in was - now
    ]
    gone, come = sorted(was - now), sorted(now - was)
    unexpected = [name for name in gone if name not in allowed]
    old_hosts = {name: _read_host(name, secrets) for name in unexpected if come}
    for new in come if unexpected else ():
        host = _read_host(new, secrets)
        for old, old_host in old_hosts.items():
            if host is not None and host == old_host:
                problems += [
                    f"{new} is {old} under a new name: their secrets name the same host, {host[0]}.",
                    "Under a new name its trail begins anew, with a first look that reports no change.",
                    f"Keep the name {old}, or say --rename {old} if that is meant.",
                ]
    if problems:
        fail("\n".join(("not uploaded", *problems)), EXIT_DIFFERENCES)


def _read_host(name: str, secrets: "Secrets") -> tuple[str, int] | None:
    try:
        secret = secrets.vcenter(name)
    except SecretInvalid as error:
        print_warning(
            f"{error.message}. Without it nobody can tell whether {name} is a vCenter under another name."
        )
        return None
    return secret.host.casefold(), secret.port


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
        "--rename",
        metavar="OLD",
        help="The former name of a vCenter that has another one in FILE on purpose: its trail begins anew.",
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


RecordsOption = Annotated[
    bool,
    typer.Option("--records", help="Also ask the stack whether all patterns match something that is known."),
]


@fleet_app.command(cls=PlainCommand, short_help="Name every error of a fleet file, and its idle rules.")
@with_stack_options
def check(
    file: FileArgument,
    records: RecordsOption = False,  # noqa: FBT002 -- typer passes it by name
    *,
    target: StackOptions,
) -> None:
    """Name every error of a fleet file, and rules that ended, overlap, or can hide nothing.

    With --records also patterns that match nothing that is known; without it, nothing is asked of AWS.

    Exit code 0: no error, 1: errors, 2: it can't be read.

    Example: esx-drift fleet check fleet.yaml
    """
    written = _read_fleet(file)
    written.print_what_is_known()
    if records and written.examined.sound is None:
        print_note("--records: no pattern was looked at, because too little of the file can be understood")
    elif records and written.examined.sound is not None:
        from esx_drift.cli.aws import explain_aws_errors, open_stack  # noqa: PLC0415 -- boto3 takes long to load
        from esx_drift.cli.fleet_records import read_known_things  # noqa: PLC0415 -- nothing else needs it

        with explain_aws_errors("Reading the newest records"):
            fleet = build_fleet(written.examined.sound.document)
            known, extent = read_known_things(open_stack(target).open_store(), fleet)
        written.print_idle_patterns(known)
        for line in extent.describe():
            print_note(line)
    document = written.require_sound().document
    print_line(f"{file} is valid: {_count_entries(document)}", "green")


SinceOption = Annotated[
    str,
    typer.Option(
        metavar="DATE", help="From then on: 2026-11-23 (from its beginning), or a time: 2026-11-23T02:14."
    ),
]


@fleet_app.command(cls=PlainCommand, short_help="What a fleet file would have told of the recorded past.")
@with_stack_options
def replay(
    file: FileArgument, since: SinceOption, output: FormatOption = ListFormat.text, *, target: StackOptions
) -> None:
    """Say what a fleet file would have told each route of the recorded past, and hidden by which rule.

    An event is what one check found to tell. Each that the file in use would have told otherwise is listed;
    in CSV those alone. Where no file is in use, or it has faults, nothing is compared. Times are of UTC.

    Exit code 0: done, 1: the file has errors, 2: trouble.

    Example: esx-drift fleet replay fleet.yaml --since 2026-11-01
    """
    begins_at = make_times(local=False).parse_beginning(since)
    fleet = build_fleet(_require_fleet(file).document)
    from esx_drift.cli.aws import explain_aws_errors, open_stack  # noqa: PLC0415 -- boto3 takes long to load
    from esx_drift.cli.fleet_records import (  # noqa: PLC0415 -- nothing else needs it
        list_differing_events,
        print_replay,
        replay_records,
    )

    stack = open_stack(target)
    with explain_aws_errors("Reading the records"):
        stored = UploadTarget(stack, None).open_file().read_stored()
        compared = _parse_compared_fleet(stored.body if stored else None)
        fleets = [fleet] if compared is None else [fleet, compared]
        result, *in_use = replay_records(stack.open_store(), fleets, begins_at)
    differences = list_differing_events(in_use[0], result) if in_use else None
    print_replay(result, differences, begins_at, file.name, output)


def _parse_compared_fleet(body: bytes | None) -> Fleet | None:
    """Parse the file in use, to compare another one with it; None if that can't be done, which it says."""
    from esx_drift.adapters.state_bucket import parse_fleet  # noqa: PLC0415 -- boto3 takes long to load

    if body is None:
        print_note("no fleet file is in use: there is nothing to compare with")
        return None
    try:
        return parse_fleet(body)
    except FleetInvalid as error:
        print_warning(f"the file in use has {_count_problems(error)}: nothing is compared with it")
        return None


@fleet_app.command(cls=PlainCommand, short_help="Check a fleet file, show what it changes, and upload it.")
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


@fleet_app.command(cls=PlainCommand, short_help="Print the fleet file that is in use.")
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
        document = _parse_shown_document(stack.require_fleet_file(file.bucket).body, file.bucket)
        source = file.read_source()
    if output is FileFormat.json:
        typer.echo(json.dumps(document, indent=2))
        return
    written = source.body.decode(errors="replace") if source else ""
    if not _says(written, document):
        print_note("what was written is gone: this is made of what is stored, without comments")
        written = yaml.safe_dump(document, sort_keys=False)
    typer.echo(written, nl=not written.endswith("\n"))


def _parse_shown_document(body: bytes, bucket: str) -> object:
    """Parse the file in use; warn where it is not valid, and end the command where it is not even JSON."""
    from esx_drift.adapters.state_bucket import parse_fleet  # noqa: PLC0415 -- boto3 takes long to load

    place, mend = f"s3://{bucket}/{FLEET_KEY}", "no run can use it; push one that is valid"
    try:
        document = parse_sent_json(body)
    except ContractViolation as error:
        fail(f"{place} is {error.message}\n{mend[0].upper()}{mend[1:]}.")
    try:
        parse_fleet(body)
    except FleetInvalid as error:
        print_warning(f"{place} has {_count_problems(error)}: {mend}")
    return document


def _count_problems(error: FleetInvalid) -> str:
    """Count what is wrong with a stored file, and name the first of it."""
    return f"{format_count(len(error.problems), 'fault')} ({error.problems[0]})"


def _says(text: str, document: object) -> bool:
    """Whether a text is a way to write a document."""
    try:
        read = parse_fleet_text(text)
    except NotReadable:
        return False
    return not read.faults and read.document == document


class WrittenFleet(Struct, frozen=True):
    """A fleet file as it was written, and what is wrong with it ``now``."""

    file: Path
    source: str
    text: FleetText
    examined: ExaminedFleet
    now: datetime

    def print_what_is_known(self) -> None:
        """Print each error with its line, and each warning for which no stack has to be asked."""
        faults = [(self.text.find_line(fault) or 0, fault) for fault in self.examined.faults]
        for line, fault in sorted([*self.text.faults, *faults], key=lambda each: each[0]):
            print_line(f"{_format_place(self.file, line or None)}: {fault.removeprefix(': ')}")
        if isinstance(self.text.document, dict) and not self.text.document.get("routes"):
            print_warning(
                "there are no routes: nobody is told anything in chat, and the topic alone hears of it"
            )
        self._warn(self.examined.list_warnings(self.now, None))

    def print_idle_patterns(self, known: KnownThings) -> None:
        """Print a warning of each pattern that matches nothing of what is ``known``."""
        said = self.examined.list_warnings(self.now, None)
        self._warn([line for line in self.examined.list_warnings(self.now, known) if line not in said])

    def require_sound(self) -> CheckedFleet:
        """Require a file without errors; end the command where there are some."""
        number = len(self.examined.faults) + len(self.text.faults)
        fleet = CheckedFleet(cast("FleetDocument", self.text.document), self.source)
        size = _describe_oversize(self.file, len(fleet.render()))
        if number:
            counted = f"{self.file} has {format_count(number, 'error')}"
            fail("\n".join(filter(None, (counted, size))), EXIT_DIFFERENCES)
        if size:
            fail(size, EXIT_DIFFERENCES)
        return fleet

    def _warn(self, warnings: Iterable[str]) -> None:
        for warning in warnings:
            print_warning(f"{self._format_place(warning)}: {warning}")

    def _format_place(self, line: str) -> str:
        return _format_place(self.file, self.text.find_line(line))


def _read_fleet(file: Path) -> WrittenFleet:
    source = _read_text(file)
    try:
        text = parse_fleet_text(source)
    except NotReadable as error:
        fail(f"{_format_place(file, error.line)}: {error.message}", EXIT_DIFFERENCES)
    now = datetime.now(UTC)
    examined = examine_fleet(text.document, now, text.spelt)
    faults = explain_faults(examined.faults, examined.advice, text, now)
    return WrittenFleet(file, source, text, replace(examined, faults=faults), now)


def _require_fleet(file: Path) -> CheckedFleet:
    """The file's fleet; where it has errors, prints each with its line and ends the command."""
    written = _read_fleet(file)
    written.print_what_is_known()
    return written.require_sound()


def _describe_oversize(file: Path, size: int) -> str:
    """Describe that so many bytes are too many; empty where they are not."""
    is_large = size > MAX_FLEET_BYTES
    return f"{file} is too large: a fleet file has at most {MAX_FLEET_BYTES} bytes" if is_large else ""


def _read_text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            body = stream.read(MAX_FLEET_BYTES + 1)
        if size := _describe_oversize(file, len(body)):
            fail(size, EXIT_DIFFERENCES)
        return body.decode("utf-8-sig")
    except OSError as error:
        fail(f"{file} can't be read: {error.strerror}")
    except UnicodeDecodeError as error:
        fail(f"{file} can't be read: it is not UTF-8 (byte {error.start})")


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
