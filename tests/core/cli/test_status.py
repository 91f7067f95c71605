import gzip

import boto3
import pytest
from esx_drift.adapters.fleet_file import FleetFile
from esx_drift.adapters.store import S3Store
from esx_drift.cli.fleet_rows import image_name
from esx_drift.domain.names import (
    VCENTER_LOG,
    canonical_json,
    fingerprint,
    sha256_hex,
    snapshot_key,
    state_key,
)
from esx_drift.domain.shapes import After, Family, Finding, Severity, Snapshot
from esx_drift.log import empty_after

from tests.core.cli.conftest import Run
from tests.core.fleets import fleet

LOOKED = "2026-11-23T02:14:00.000Z"


def _snapshot(*hosts: str | None, named: bool = True) -> Snapshot:
    """Hosts by the base image that each runs."""
    versions = sorted({host for host in hosts if host})
    label = {
        version: [{"display_name": "ESXi", "display_version": f"8.0 {version} - 1"}] for version in versions
    }
    return {
        "schema_version": 1,
        "images": {version: {"main": {"base_image": version}, "alternatives": {}} for version in versions},
        "labels": {"base_image": label} if named else {},  # type: ignore[dict-item] # a list of JSON
        "hosts": {
            f"host-{at}": {"name": f"esx{at}", "image": image, "orphaned_vibs": [], "witness": False}
            for at, image in enumerate(hosts)
        },
    }


def _finding(kind: str, subject: str, severity: Severity, family: Family = "failure") -> Finding:
    return {
        "fingerprint": fingerprint(family, kind, subject),
        "family": family,
        "kind": kind,
        "subject": subject,
        "severity": severity,
        "hosts": [],
        "opened_at": LOOKED,
        "last_seen": LOOKED,
        "transition": "still",
        "resolved_because": None,
        "summary": "It is so.",
        "detail": {},
    }


def _after(*findings: Finding, **parts: object) -> After:
    ledger = {one["fingerprint"]: one for one in findings}
    return {**empty_after(), "findings": ledger, **parts}  # type: ignore[typeddict-item] # read by its schema


def _seen(name: str, hosts: int, covered: int, snapshot: Snapshot, *findings: Finding) -> After:
    body = gzip.compress(canonical_json(snapshot))
    key = snapshot_key("vc01", name, sha256_hex(body))
    _store().put_blob(key, body)
    return _after(
        *findings,
        cluster_name=name,
        last_look_at=LOOKED,
        snapshot={"key": key, "sha256": sha256_hex(body)},
        coverage={"hosts": hosts, "covered": covered, "failed": hosts - covered, "unsupported": 0},
    )


def _store() -> S3Store:
    client = boto3.client("s3")
    return S3Store(lambda: client, "audit", "state")


def _keep(vcenter: str, cluster: str, after: After) -> None:
    state = {
        "schema_version": 1,
        "vcenter": vcenter,
        "cluster": cluster,
        "head": None,
        "after": after,
        "outbox": [],
    }
    assert _store().put_state(state, None)  # type: ignore[arg-type] # the schema checks it when it is read


def _listed(retired: str | None = None, **names: str) -> dict[str, dict[str, str | None]]:
    return {
        cluster.replace("_", "-"): {
            "name": name, "first_listed_at": LOOKED, "last_listed_at": LOOKED,
            "retired_at": LOOKED if name == retired else None,
        }
        for cluster, name in names.items()
    }  # fmt: skip


@pytest.mark.usefixtures("stack")
def test_the_fleet_is_one_table(file: FleetFile, run: Run) -> None:
    """Each cluster once, its findings the worst first, and what was never seen said to be so."""
    file.write(
        canonical_json(
            fleet(vcenters=[{"name": "vc01", "clusters": {"exclude": ["lab-*"]}}, {"name": "vc02"}])
        ),
        None,
    )
    clusters = _listed(
        "gone", domain_c1="prod-b", domain_c2="prod-a", domain_c3="new", domain_c4="gone", domain_c5="lab-1"
    )
    overdue = _finding("check-overdue", "domain-c3", "critical")
    unreachable = _finding("vcenter-unreachable", "", "warning")
    _keep("vc01", VCENTER_LOG, _after(overdue, unreachable, clusters=clusters))
    _keep("vc01", "domain-c1", _seen("prod-b", 2, 2, _snapshot("U3e", "U3e")))
    vibs = [_finding("orphaned-vib", vib, "critical", "orphaned-vib") for vib in ("mft(1)", "sut(2)")]
    mixed = _finding("image-not-uniform", "", "warning", "drift")
    _keep("vc01", "domain-c2", _seen("prod-a", 4, 3, _snapshot("U3e", "U3d", "U3d", None), mixed, *vibs))
    _keep("vc01", "domain-c4", _seen("gone", 2, 2, _snapshot("U3e")))
    _keep("vc01", "domain-c5", _seen("lab-1", 2, 2, _snapshot("U3e")))
    _keep("vc09", "domain-c1", _seen("of-old", 2, 2, _snapshot("U3e")))
    ran = run("status")
    assert (ran.code, ran.err) == (0, "")
    rows = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert rows == [
        "vCenter Cluster Image Uniform Covered Last look (UTC) Open findings",
        "vc01 (the vCenter) - - - - warning vcenter-unreachable",
        "vc01 new - - - never critical check-overdue",
        (
            "vc01 prod-a ESXi 8.0 U3d on 2 of 3 no 3 of 4 2026-11-23 02:14 "
            "critical orphaned-vib x2, warning image-not-uniform"
        ),
        "vc01 prod-b ESXi 8.0 U3e yes 2 of 2 2026-11-23 02:14 none",
        "vc02 (the vCenter) - - - never -",
        "",
        "2 of 3 clusters looked at, 5 of 6 hosts covered, 5 findings open, 3 of them critical",
    ]


@pytest.mark.usefixtures("stack")
def test_a_state_that_cannot_be_trusted_is_warned_of(file: FleetFile, run: Run) -> None:
    """The table doesn't repeat what a forged or damaged state says."""
    file.write(canonical_json(fleet()), None)
    for cluster, body in (("domain-c1", b"{"), ("domain-c2", b"{}")):
        boto3.client("s3").put_object(Bucket="state", Key=state_key("vc01", cluster), Body=body)
    ran = run("status")
    assert ran.code == 0
    assert ran.err.count("is no valid state") == 2


@pytest.mark.usefixtures("stack")
def test_names_cannot_act_on_the_terminal(file: FleetFile, run: Run) -> None:
    """A cluster's name comes from a vCenter that may be compromised."""
    file.write(canonical_json(fleet()), None)
    _keep("vc01", "domain-c1", _after(cluster_name="[red]\x1b[2Jprod"))
    ran = run("status")
    assert "\x1b" not in ran.out
    assert "[red]\\x1b[2Jprod" in ran.out


@pytest.mark.usefixtures("stack", "buckets")
def test_without_a_fleet_file_status_says_what_to_do(run: Run) -> None:
    """The first command after a deployment may be this one."""
    ran = run("status")
    assert ran.code == 2
    assert "esx-drift fleet push FILE" in ran.err


@pytest.mark.usefixtures("stack", "aws")
def test_buckets_that_are_not_there_are_trouble(run: Run) -> None:
    """AWS's own words, and no traceback."""
    ran = run("status")
    assert ran.code == 2
    assert "NoSuchBucket" in ran.err


def test_an_image_is_named_as_well_as_it_can_be() -> None:
    """By its release, else by its version, else not at all."""
    assert image_name(_snapshot("U3e", "U3e")) == "ESXi 8.0 U3e"
    assert image_name(_snapshot("U3e", named=False)) == "ESXi U3e"
    assert image_name(_snapshot(None)) is None
