"""The trail of the deployed stack is sealed: by its own key, provable by anybody who has the public half."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from esx_drift.contracts import list_violations
from esx_drift.domain.stored.identifiers import VCENTER_LOG, compute_sha256

from tests.lab.local_aws.rig import Rig
from tests.simulator import VCenter

NAME = "sealed"


def _read_digests(rig: Rig) -> dict[str, Any]:
    return {key: json.loads(body) for key, body in rig.audit("digests/") if key.endswith(".json")}


def test_all_that_a_check_left_is_sealed_and_openssl_accepts_it(rig: Rig, tmp_path: Path) -> None:
    """Down to its last receipt, with the head of each log; what the next check leaves, by the next digest."""
    rig.add_vcenter(NAME, vcenter := VCenter())
    cluster = vcenter.inventory.add_cluster("prod-a")
    for number in (1, 2):
        vcenter.inventory.add_host(cluster, f"esx0{number}")
    rig.put_fleet(rig.fleet(NAME))
    rig.check()
    vcenter.hosts.set_component("esx01", "Intel-i40en", "2.9.2.0-1OEM.800.1.0.20613240")
    rig.check()
    rig.await_quiet("CheckQueue", "NotifyQueue", "DeliveryQueue")
    written = {key: compute_sha256(body) for key, body in rig.audit()}
    assert {key.partition("/")[0] for key in written} >= {"records", "documents", "snapshots", "deliveries"}
    (first,) = rig.seal()
    (digest,) = _read_digests(rig).values()
    assert list_violations("digest", digest) == []
    assert {one["key"]: one["sha256"] for one in digest["objects"]} == written
    assert {(head["vcenter"], head["cluster"], head["seq"]) for head in digest["heads"]} == {
        (NAME, VCENTER_LOG, len(rig.records(NAME))),
        (NAME, cluster, 2),
    }
    rig.check()
    rig.await_quiet("CheckQueue", "NotifyQueue", "DeliveryQueue")
    (second,) = rig.seal()
    newest = _read_digests(rig)[second]
    assert newest["previous"] == {"key": first, "sha256": compute_sha256(dict(rig.audit())[first])}
    assert [one["key"] for one in newest["objects"] if one["key"] in written] == []
    for key in (first, second):
        _verify_by_openssl(rig, key, tmp_path)


def _verify_by_openssl(rig: Rig, key: str, directory: Path) -> None:
    kept = dict(rig.audit("digests/"))
    (public,) = [name for name in kept if name.startswith("digests/keys/")]
    for name, body in {
        "key.pem": kept[public],
        "X.json": kept[key],
        "X.json.sig": kept[f"{key}.sig"],
    }.items():
        (directory / name).write_bytes(body)
    command = ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "X.json.sig", "X.json"]
    verified = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert verified.stdout == "Verified OK\n"


def test_nobody_else_puts_anything_among_the_digests(rig: Rig) -> None:
    """Whoever may do everything in S3; nor does he sign."""
    person = rig.stack.as_user("s3:*")
    with pytest.raises(ClientError, match="AccessDenied"):
        person.s3.put_object(
            Bucket=rig.audit_bucket, Key="digests/20260101T000000Z.json", Body=b"{}", IfNoneMatch="*"
        )


def test_a_run_by_schedule_finds_the_day_sealed(rig: Rig) -> None:
    """Each hour, it looks; a day is sealed once."""
    rig.seal()
    assert rig.stack.invoke("SealerFunction", {}) == {
        "sealed": [],
        "complete": True,
        "busy": False,
        "refused": [],
        "unread": 0,
    }
