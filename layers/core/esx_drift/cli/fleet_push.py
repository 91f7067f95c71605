"""Uploading the fleet file: what it changes, what it must not, and two people at once."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from esx_drift.adapters.fleet_file import FleetFile, fleet_of
from esx_drift.adapters.secrets import Secrets
from esx_drift.cli.aws import clients, outputs_of, told
from esx_drift.cli.terminal import FOUND, fail, say, warn
from esx_drift.domain.fleets.fleet import Fleet, fleet_from
from esx_drift.domain.names import FLEET_KEY, sha256_hex
from esx_drift.errors import FleetInvalid, SecretInvalid

if TYPE_CHECKING:
    from esx_drift.domain.fleets.document import FleetDocument

EMPTY = Fleet(())


@dataclass(frozen=True, slots=True)
class Target:
    """Where to upload: a stack's StateBucket, or a bucket by its name."""

    stack: str
    bucket: str | None

    def name(self) -> str:
        """The bucket's name."""
        return self.bucket or outputs_of(self.stack, "StateBucketName")[0]


def push(document: "FleetDocument", target: Target, renamed: tuple[str, ...], *, ask: bool) -> None:
    """Upload a checked document, unless nothing changes, a vCenter seems renamed, or the person says no."""
    aws = clients()
    with told("Uploading the fleet file"):
        file = FleetFile(aws.s3, target.name())
        stored = file.stored()
        body = json.dumps(document, indent=2, sort_keys=True).encode()
        if stored is not None and stored.body == body:
            say(f"s3://{file.bucket}/{FLEET_KEY} says the same already.")
            return
        before, after = _fleet_or_empty(stored.body if stored else None), fleet_from(document)
        _refuse_renames(before, after, renamed, Secrets(aws.secrets))
        for line in differences(before, after):
            say(f"  {line}")
        if ask and not typer.confirm(f"Upload to s3://{file.bucket}/{FLEET_KEY}?"):
            fail("not uploaded", FOUND)
        if not file.write(body, stored):
            fail(
                "not uploaded: somebody else pushed at the same time. Run it again to see what changed.",
                FOUND,
            )
    say(
        f"Uploaded to s3://{file.bucket}/{FLEET_KEY}, sha256 {sha256_hex(body)}. The next run uses it.",
        "green",
    )


def differences(before: Fleet, after: Fleet) -> list[str]:
    """What an upload changes, a line each: ``+`` added, ``-`` removed, ``~`` changed."""
    lines = []
    for what, old, new in (
        ("vCenter", before.vcenters, after.vcenters),
        ("route", before.routes, after.routes),
        ("ignore rule", before.ignore, after.ignore),
        ("maintenance window", before.maintenance, after.maintenance),
    ):
        was, now = {entry.name: entry for entry in old}, {entry.name: entry for entry in new}
        lines += [f"+ {what} {name}" for name in now.keys() - was]
        lines += [f"- {what} {name}" for name in was.keys() - now]
        lines += [f"~ {what} {name}" for name in was.keys() & now if was[name] != now[name]]
    return sorted(lines) or ["= nothing that matters: only its spelling or order"]


def _fleet_or_empty(body: bytes | None) -> Fleet:
    if body is None:
        return EMPTY
    try:
        return fleet_of(body)
    except FleetInvalid:
        warn("the fleet file that is there is not valid; it will be replaced whole")
        return EMPTY


def _refuse_renames(before: Fleet, after: Fleet, allowed: tuple[str, ...], secrets: Secrets) -> None:
    """A vCenter under a new name would begin a second trail, and its first look would hide what changed."""
    was, now = {vcenter.name for vcenter in before.vcenters}, {vcenter.name for vcenter in after.vcenters}
    for name in set(allowed) - (was - now):
        fail(f"--rename {name}: the file doesn't drop a vCenter of that name", FOUND)
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
                    FOUND,
                )


def _host(name: str, secrets: Secrets) -> tuple[str, int] | None:
    try:
        secret = secrets.vcenter(name)
    except SecretInvalid as error:
        warn(f"{error.message}. Without it nobody can tell whether {name} is a vCenter under another name.")
        return None
    return secret.host.casefold(), secret.port
