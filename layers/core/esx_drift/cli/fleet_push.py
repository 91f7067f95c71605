"""Uploading the fleet file: what it changes, what it must not, and two people at once."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import typer

from esx_drift.adapters.fleet_file import FleetFile, parse_fleet
from esx_drift.adapters.secrets import Secrets
from esx_drift.cli.aws import explain_aws_errors, make_clients, read_stack_outputs
from esx_drift.cli.terminal import EXIT_DIFFERENCES, fail, print_line, print_warning
from esx_drift.domain.fleet.differences import list_fleet_differences
from esx_drift.domain.fleet.fleet import Fleet, build_fleet
from esx_drift.domain.stored.identifiers import FLEET_KEY, compute_sha256
from esx_drift.errors import FleetInvalid, SecretInvalid

if TYPE_CHECKING:
    from esx_drift.domain.fleet.document import FleetDocument

EMPTY: "FleetDocument" = {"schema_version": 1, "vcenters": []}


@dataclass(frozen=True, slots=True)
class UploadTarget:
    """Where to upload: a stack's StateBucket, or a bucket by its name."""

    stack: str
    bucket: str | None

    def name(self) -> str:
        """The bucket's name."""
        return self.bucket or read_stack_outputs(self.stack, "StateBucketName")[0]


def upload_fleet(
    document: "FleetDocument", target: UploadTarget, renamed: tuple[str, ...], *, ask: bool
) -> None:
    """Upload a checked document, unless nothing changes, a vCenter seems renamed, or the person says no."""
    aws = make_clients()
    with explain_aws_errors("Uploading the fleet file"):
        file = FleetFile(aws.s3, target.name())
        stored = file.read_stored()
        body = json.dumps(document, indent=2, sort_keys=True).encode()
        if stored is not None and stored.body == body:
            print_line(f"s3://{file.bucket}/{FLEET_KEY} says the same already.")
            return
        before = _read_or_empty(stored.body if stored else None)
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


def _read_or_empty(body: bytes | None) -> "FleetDocument":
    if body is None:
        return EMPTY
    try:
        parse_fleet(body)
    except FleetInvalid:
        print_warning("the fleet file that is there is not valid; it will be replaced whole")
        return EMPTY
    return cast("FleetDocument", json.loads(body))


def _refuse_renames(before: Fleet, after: Fleet, allowed: tuple[str, ...], secrets: Secrets) -> None:
    """A vCenter under a new name would begin a second trail, and its first look would hide what changed."""
    was, now = {vcenter.name for vcenter in before.vcenters}, {vcenter.name for vcenter in after.vcenters}
    for name in set(allowed) - (was - now):
        fail(f"--rename {name}: the file doesn't drop a vCenter of that name", EXIT_DIFFERENCES)
    gone, come = sorted(was - now), sorted(now - was)
    unsaid = [name for name in gone if name not in allowed]
    old_hosts = {name: _host(name, secrets) for name in unsaid if come}
    for new in come if unsaid else ():
        host = _host(new, secrets)
        for old, old_host in old_hosts.items():
            if host is not None and host == old_host:
                fail(
                    f"{new} is {old} under a new name: their secrets name the same host, {host[0]}.\n"
                    f"Under a new name its trail begins anew, with a first look that reports no change.\n"
                    f"Keep the name {old}, or say --rename {old} if that is meant.",
                    EXIT_DIFFERENCES,
                )


def _host(name: str, secrets: Secrets) -> tuple[str, int] | None:
    try:
        secret = secrets.vcenter(name)
    except SecretInvalid as error:
        print_warning(
            f"{error.message}. Without it nobody can tell whether {name} is a vCenter under another name."
        )
        return None
    return secret.host.casefold(), secret.port
