import json
from pathlib import Path

import boto3
import pytest
from esx_drift.adapters.fleet_file import FleetFile
from esx_drift.domain.stored.identifiers import compute_sha256

from tests.unit.cli.conftest import Run, Write, vcenters
from tests.unit.fleets import fleet


def test_a_checked_file_becomes_what_the_functions_read(file: FleetFile, write: Write, run: Run) -> None:
    """YAML goes in, JSON comes out, and its digest is told."""
    ran = run("fleet", "push", write(routes=[{"name": "ops"}]), "--bucket", "state", "--yes")
    assert (ran.code, ran.err) == (0, "")
    pushed, sha256 = file.read()
    assert [vcenter.name for vcenter in pushed.vcenters] == ["vc01", "vc02"]
    assert ran.out.splitlines() == [
        "  + route ops",
        "  + vCenter vc01",
        "  + vCenter vc02",
        f"Uploaded to s3://state/config/fleet.json, sha256 {sha256}. The next run uses it.",
    ]


def test_what_an_upload_changes_is_shown(file: FleetFile, write: Write, run: Run) -> None:
    """Added, removed and changed, by name."""
    before = fleet(
        vcenters=vcenters("vc01", "vc02", "vc03"),
        routes=[{"name": "ops"}, {"name": "old"}],
        ignore=[{"name": "rule", "reason": "a", "keys": ["b"]}],
    )
    file.write(json.dumps(before).encode(), None)
    changed = write(
        vcenters=[{"name": "vc02", "extract": False}, {"name": "vc01"}],
        routes=[{"name": "ops", "min_severity": "critical"}],
        ignore=[{"name": "rule", "reason": "a", "keys": ["b"]}],
        maintenance=[
            {"name": "w", "reason": "r", "from": "2026-12-01T00:00:00Z", "to": "2026-12-02T00:00:00Z"}
        ],
    )
    ran = run("fleet", "push", changed, "--bucket", "state", "-y")
    assert ran.code == 0
    assert ran.out.splitlines()[:-1] == [
        "  + maintenance window w",
        "  - route old",
        "  - vCenter vc03",
        "  ~ route ops",
        "  ~ vCenter vc02",
    ]


def test_nothing_is_uploaded_that_is_there_already(file: FleetFile, write: Write, run: Run) -> None:
    """The same file twice makes one version."""
    for _ in range(2):
        ran = run("fleet", "push", write(), "--bucket", "state", "-y")
    assert (ran.code, ran.out) == (0, "s3://state/config/fleet.json says the same already.\n")
    assert len(boto3.client("s3").list_objects_v2(Bucket="state")["Contents"]) == 1
    assert file.read_stored() is not None


def test_another_spelling_of_the_same_fleet_is_told_as_such(file: FleetFile, write: Write, run: Run) -> None:
    """Nobody looks for a change that isn't there."""
    file.write(json.dumps(fleet(settings={"extract": True}, routes=[{"name": "admins"}])).encode(), None)
    assert "= nothing that matters" in run("fleet", "push", write(), "--bucket", "state", "-y").out


@pytest.mark.parametrize(("typed", "uploaded"), [("y\n", True), ("n\n", False), ("\n", False), ("", False)])
def test_without_yes_the_person_is_asked(
    typed: str, uploaded: bool, file: FleetFile, write: Write, run: Run  # noqa: FBT001 -- a column of the table
) -> None:  # fmt: skip
    """Anything but yes leaves the bucket as it is."""
    ran = run("fleet", "push", write(), "--bucket", "state", typed=typed)
    assert "Upload to s3://state/config/fleet.json?" in ran.out
    assert ran.code == (0 if uploaded else 1)
    assert (file.read_stored() is not None) == uploaded


def test_of_two_pushes_at_once_the_second_is_refused(
    file: FleetFile, write: Write, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one person reads the question, another one pushes."""

    def other_is_faster(*_: object, **__: object) -> bool:
        file.write(json.dumps(fleet(vcenters=vcenters("vc07"))).encode(), file.read_stored())
        return True

    monkeypatch.setattr("typer.confirm", other_is_faster)
    ran = run("fleet", "push", write(), "--bucket", "state")
    assert ran.code == 1
    assert "somebody else pushed at the same time" in ran.err
    assert [vcenter.name for vcenter in file.read()[0].vcenters] == ["vc07"]


def test_a_faulty_file_goes_nowhere(file: FleetFile, write: Write, run: Run) -> None:
    """It is checked first."""
    ran = run("fleet", "push", write(schema_version=2), "--bucket", "state", "-y")
    assert ran.code == 1
    assert "/schema_version: expected 1, got 2" in ran.out
    assert file.read_stored() is None


def test_an_invalid_file_in_the_bucket_is_replaced_with_a_warning(
    file: FleetFile, write: Write, run: Run
) -> None:
    """A push mends what keeps the dispatcher from starting."""
    file.write(b"{", None)
    ran = run("fleet", "push", write(), "--bucket", "state", "-y")
    assert ran.code == 0
    assert "warning: the fleet file that is there is not valid" in ran.err
    file.read()


def test_the_stack_tells_its_bucket(stack: None, file: FleetFile, write: Write, run: Run) -> None:  # noqa: ARG001 -- it answers for itself
    """Nobody has to know the bucket's name."""
    assert run("fleet", "push", write(), "-y").code == 0
    stored = file.read_stored()
    assert stored is not None
    assert compute_sha256(stored.body) == file.read()[1]


def test_a_stack_that_is_not_there_is_told(stack: None, aws: None, write: Write, run: Run) -> None:  # noqa: ARG001 -- same
    """With what to try next."""
    ran = run("fleet", "push", write(), "-y", "--stack", "other")
    assert ran.code == 2
    assert ran.err.startswith("esx-drift: Looking for the stack other (another one? --stack NAME) failed")


def test_a_stack_without_the_output_is_told(
    stack: None, aws: None, write: Write, run: Run, monkeypatch: pytest.MonkeyPatch  # noqa: ARG001 -- same
) -> None:  # fmt: skip
    """Somebody else's stack of that name."""
    monkeypatch.setattr("tests.unit.cli.conftest.CloudFormation.outputs", {})
    ran = run("fleet", "push", write(), "-y")
    assert (ran.code, ran.err.splitlines()[0][:52]) == (
        2,
        "esx-drift: the stack esx-drift has no output StateBu",
    )


def test_a_bucket_that_is_not_there_is_trouble(aws: None, write: Write, run: Run) -> None:  # noqa: ARG001 -- an empty one
    """AWS's own words, and no traceback."""
    ran = run("fleet", "push", write(), "--bucket", "nowhere", "-y")
    assert ran.code == 2
    assert "NoSuchBucket" in ran.err
    assert "Traceback" not in ran.err


def test_a_machine_without_credentials_is_told(
    write: Write, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first thing that goes wrong on a new workstation."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    ran = run("fleet", "push", write(), "--bucket", "state", "-y")
    assert ran.code == 2
    assert "Unable to locate credentials" in ran.err
