"""``esx-drift fleet check`` and ``esx-drift fleet push``: one command each, so one module for both."""

import json
import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time

import boto3
import pytest
import yaml
from esx_drift.adapters.state_bucket import FleetFile
from esx_drift.domain.stored.identifiers import compute_sha256

from tests.unit.cli.conftest import CloudFormation, Run, Write, vcenters
from tests.unit.fleets import fleet

FAULTY = sorted(Path("tests/unit/cli/faulty").glob("*.yaml"))


@pytest.mark.parametrize("file", FAULTY, ids=[file.stem for file in FAULTY])
def test_an_error_is_told_with_its_line_and_its_path(file: Path, run: Run) -> None:
    """One line on stdout an error, as the file's own first line says; the exit code is 1."""
    ran = run("fleet", "check", file)
    said = re.sub(r"such as \d{4}-\d\d-\d\d", "such as DAY", ran.out)
    assert said == f"{file}:{file.read_text().splitlines()[0].removeprefix('# ')}\n"
    assert ran.err.splitlines()[-1] == f"esx-drift: {file} has 1 error"
    assert ran.code == 1


def test_every_error_is_told_in_the_order_of_the_file(tmp_path: Path, run: Run) -> None:
    """Nobody has to run it twice."""
    file = tmp_path / "fleet.yaml"
    file.write_text("vcenters:\n  - name: VC\n  - extract: 1\nschema_version: 2\n")
    ran = run("fleet", "check", file)
    assert [line.split(": ")[0] for line in ran.out.splitlines()] == [
        f"{file}:{line}" for line in (2, 3, 3, 4)
    ]
    assert "has 4 errors" in ran.err


def test_json_is_checked_as_well(tmp_path: Path, run: Run) -> None:
    """Its errors have paths, though no lines."""
    file = tmp_path / "fleet.json"
    file.write_text(json.dumps(fleet(schema_version=2)))
    assert run("fleet", "check", file).out == f"{file}: /schema_version: expected 1, got 2\n"
    file.write_text(json.dumps(fleet()))
    assert run("fleet", "check", file).code == 0


def test_the_example_is_valid(run: Run) -> None:
    """What people copy works; in time its rule and its window will have ended, which is said."""
    ran = run("fleet", "check", "docs/fleet.example.yaml")
    assert ran.code == 0
    assert [line for line in ran.err.splitlines() if " ended " not in line] == []
    assert ran.out.endswith("is valid: 2 vCenters, 4 routes, 1 ignore rule, 2 maintenance windows\n")


def test_a_file_without_routes_is_warned_of(write: Write, run: Run) -> None:
    """It is valid, and silence would be all that anybody in chat hears."""
    ran = run("fleet", "check", write(routes=[]))
    assert ran.code == 0
    assert ran.err.startswith("warning: there are no routes: nobody is told anything in chat")


def test_a_name_in_brackets_is_warned_of_with_its_line(tmp_path: Path, run: Run) -> None:
    """It would leave out whatever begins with T, E or S."""
    file = tmp_path / "fleet.yaml"
    text = (
        "schema_version: 1\nroutes: [{name: ops}]\nvcenters:\n  - name: vc01\n    clusters:\n      exclude:\n"
    )
    file.write_text(f'{text}        - lab-[0-9]\n        - "[TEST]*"\n')
    ran = run("fleet", "check", file)
    assert ran.code == 0
    assert ran.err == (
        f'warning: {file}:8: /vcenters/0/clusters/exclude/1: "[TEST]*" matches one character of TEST in place'
        ' of [TEST]; for a name that has the brackets, write "[[]TEST]*"\n'
    )


@pytest.mark.parametrize("text", ["a: [" + "[1]," * 8_000_000 + "]", "[" + "[]," * 10_000_000 + "[]]"])
def test_a_file_that_is_far_too_large_is_refused_in_a_moment(tmp_path: Path, run: Run, text: str) -> None:
    """30 MB are no fleet file, whatever is in them."""
    file = tmp_path / "fleet.yaml"
    file.write_text(text)
    began = process_time()
    ran = run("fleet", "check", file)
    assert process_time() - began < 2
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"esx-drift: {file} is too large: a fleet file has at most 256000 bytes\n"


def test_a_file_that_would_be_stored_too_large_is_refused_before(tmp_path: Path, run: Run) -> None:
    """By anchors, or since it is indented where it is stored: the functions would refuse it then."""
    file = tmp_path / "fleet.yaml"
    clusters = ", ".join(f"cluster-{at:04}" for at in range(500))
    more = "".join(f"  - {{name: vc{at}, clusters: {{include: *all}}}}\n" for at in range(1, 40))
    first = f"  - {{name: vc0, clusters: {{include: &all [{clusters}]}}}}\n"
    said = f"{file} is too large: a fleet file has at most 256000 bytes\n"
    for version, begin in ((1, "esx-drift: "), (2, f"esx-drift: {file} has 1 error\n  ")):
        file.write_text(f"schema_version: {version}\nvcenters:\n{first}{more}")
        ran = run("fleet", "check", file)
        assert ran.code == 1
        assert ran.err.endswith(f"{begin}{said}")


def test_a_text_that_is_neither_yaml_nor_json_is_an_error(tmp_path: Path, run: Run) -> None:
    """With its line, as any other."""
    file = tmp_path / "fleet.yaml"
    file.write_text("vcenters:\n  - name: [\n")
    ran = run("fleet", "check", file)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"esx-drift: {file}:3: ")


def test_a_file_that_cannot_be_read_is_trouble(tmp_path: Path, run: Run) -> None:
    """Missing, a folder, or not UTF-8: exit code 2, one sentence, no traceback."""
    binary = tmp_path / "binary"
    binary.write_bytes(b"a: \xff\xfe")
    for path, why in (
        (tmp_path / "none", "No such file"),
        (tmp_path, "Is a directory"),
        (binary, "not UTF-8"),
    ):
        ran = run("fleet", "check", path)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith(f"esx-drift: {path} can't be read: ")
        assert why in ran.err


def test_a_byte_order_mark_is_no_error(tmp_path: Path, run: Run) -> None:
    """Windows editors write one."""
    file = tmp_path / "fleet.yaml"
    file.write_text(json.dumps(fleet()), "utf-8-sig")
    assert run("fleet", "check", file).code == 0


def test_control_characters_of_a_file_never_reach_the_terminal(tmp_path: Path, run: Run) -> None:
    """A file from elsewhere can't move the cursor or set a colour."""
    file = tmp_path / "fleet.yaml"
    file.write_text('schema_version: 1\nvcenters: [{name: "\\e[31mred"}]\n"\\e]0;x\\a": 1\n')
    ran = run("fleet", "check", file)
    assert ran.code == 1
    assert "\x1b" not in ran.out + ran.err
    assert "\x07" not in ran.out + ran.err


def test_colour_is_for_terminals_only(tmp_path: Path) -> None:
    """A pipe gets plain text, a terminal gets colour."""
    command = [
        sys.executable,
        "-c",
        "from esx_drift.cli import main; main()",
        "fleet",
        "check",
        "docs/fleet.example.yaml",
    ]
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "HOME": str(tmp_path)}
    piped = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    ours, theirs = pty.openpty()
    subprocess.run(command, env=environment, stdout=theirs, check=True)
    os.close(theirs)
    shown = os.read(ours, 10_000)
    os.close(ours)
    assert b"\x1b[" not in piped
    assert b"\x1b[32m" in shown


def test_a_checked_file_becomes_what_the_functions_read(file: FleetFile, write: Write, run: Run) -> None:
    """YAML goes in, JSON comes out, and its digest is told."""
    for name in ("vcenter/vc01", "vcenter/vc02", "slack/ops"):
        boto3.client("secretsmanager").create_secret(Name=f"esx-drift/{name}", SecretString="{}")
    ran = run("fleet", "push", write(routes=[{"name": "ops"}]), "--bucket", "state", "--yes")
    assert (ran.code, ran.err) == (0, "")
    pushed, sha256 = file.read()
    assert [vcenter.name for vcenter in pushed.vcenters] == ["vc01", "vc02"]
    assert ran.out.splitlines() == [
        "s3://state/config/fleet.json is not there yet, and will have:",
        "  + route ops",
        "  + vCenter vc01",
        "  + vCenter vc02",
        f"Uploaded to s3://state/config/fleet.json, sha256 {sha256}. The next run uses it.",
        "To have all checked by it now: esx-drift check --wait",
    ]


def test_what_an_upload_changes_is_shown(file: FleetFile, write: Write, run: Run) -> None:
    """Added, removed and changed, by name."""
    until = datetime.now(UTC) + timedelta(days=9)
    rule = {"name": "rule", "reason": "a", "keys": ["b"], "until": f"{until:%Y-%m-%dT%H:%M:%SZ}"}
    before = fleet(
        vcenters=vcenters("vc01", "vc02", "vc03"),
        routes=[{"name": "ops"}, {"name": "old"}],
        ignore=[rule],
    )
    file.write(json.dumps(before).encode(), None)
    changed = write(
        vcenters=[{"name": "vc02", "extract": False}, {"name": "vc01"}],
        routes=[{"name": "ops", "min_severity": "critical"}],
        ignore=[rule],
        maintenance=[
            {"name": "w", "reason": "r", "from": "2026-12-01T00:00:00Z", "to": "2026-12-02T00:00:00Z"}
        ],
    )
    ran = run("fleet", "push", changed, "--bucket", "state", "-y")
    assert ran.code == 0
    assert ran.out.splitlines()[:-2] == [
        "What this changes at s3://state/config/fleet.json:",
        "  + maintenance window w",
        "  - route old",
        "  - vCenter vc03",
        "  ~ route ops: min_severity info → critical",
        "  ~ vCenter vc02: extract true → false",
    ]


def test_nothing_is_uploaded_that_is_there_already(file: FleetFile, write: Write, run: Run) -> None:
    """The same file twice makes one version."""
    for _ in range(2):
        ran = run("fleet", "push", write(), "--bucket", "state", "-y")
    assert (ran.code, ran.out) == (0, "s3://state/config/fleet.json says the same already.\n")
    versions = {
        one["Key"]: one["ETag"] for one in boto3.client("s3").list_objects_v2(Bucket="state")["Contents"]
    }
    assert versions.keys() == {"config/fleet.json", "config/fleet.yaml"}
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


@pytest.mark.usefixtures("file")
def test_where_nobody_answers_it_is_said_what_does(write: Write, run: Run) -> None:
    """A script is told of --yes; who breaks off at a terminal knows that he did."""
    push = ("fleet", "push", write(), "--bucket", "state")
    assert run(*push).err.endswith("esx-drift: not uploaded: nobody is there to answer; --yes answers\n")
    assert run(*push, at_terminal=True).err.endswith("\nAborted!\n")


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
    assert ran.err.startswith("esx-drift: there is no stack other in the region eu-central-1\n")


def test_a_stack_without_the_output_is_told(
    stack: None, aws: None, write: Write, run: Run, monkeypatch: pytest.MonkeyPatch  # noqa: ARG001 -- same
) -> None:  # fmt: skip
    """Somebody else's stack of that name."""
    monkeypatch.setattr("tests.unit.cli.conftest.CloudFormation.outputs", {})
    ran = run("fleet", "push", write(), "-y")
    assert ran.code == 2
    assert ran.err.startswith("esx-drift: the stack esx-drift in eu-central-1 has no output StateBucketName")


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
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    ran = run("fleet", "push", write(), "--bucket", "state", "-y")
    assert ran.code == 2
    assert "Unable to locate credentials" in ran.err


def _secret(name: str, host: str, **values: object) -> None:
    text = json.dumps({"host": host, "username": "svc", "password": "never-told", **values})
    boto3.client("secretsmanager").create_secret(Name=f"esx-drift/vcenter/{name}", SecretString=text)


def test_a_vcenter_under_a_new_name_is_refused(file: FleetFile, write: Write, run: Run) -> None:
    """Its trail would begin anew, so a person has to mean it; --yes is not enough."""
    file.write(json.dumps(fleet()).encode(), None)
    _secret("vc02", "VC02.corp", port="443")
    _secret("vc03", "vc02.corp")
    renamed = write(vcenters=vcenters("vc01", "vc03"))
    ran = run("fleet", "push", renamed, "--bucket", "state", "-y")
    assert ran.code == 1
    assert "vc03 is vc02 under a new name: their secrets name the same host, vc02.corp." in ran.err
    assert "--rename vc02" in ran.err
    wrong = run("fleet", "push", renamed, "--bucket", "state", "-y", "--rename", "vc09")
    assert "--rename vc09: the file doesn't drop a vCenter of that name\n  vc03 is vc02 under a" in wrong.err
    assert "  + vCenter vc03\n" in wrong.out
    assert run("fleet", "push", renamed, "--bucket", "state", "-y", "--rename", "vc02").code == 0
    assert [vcenter.name for vcenter in file.read()[0].vcenters] == ["vc01", "vc03"]


def test_secrets_are_called_as_the_stack_calls_them(
    stack: None,  # noqa: ARG001 -- it answers for itself
    file: FleetFile,
    write: Write,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stack with a prefix of its own compares the hosts in its own secrets."""
    monkeypatch.setitem(CloudFormation.outputs, "SecretPrefix", "test")
    file.write(json.dumps(fleet()).encode(), None)
    ran = run("fleet", "push", write(vcenters=vcenters("vc01", "vc03")), "-y")
    assert "the secret test/vcenter/vc03 does not exist" in ran.err
    for name in ("vcenter/vc01", "vcenter/vc03", "slack/admins"):
        boto3.client("secretsmanager").create_secret(Name=f"test/{name}", SecretString="{}")
    ran = run("fleet", "push", write(vcenters=vcenters("vc01", "vc03")), "-y")
    assert (ran.code, ran.err) == (0, "")


def test_another_vcenter_in_the_place_of_one_is_no_rename(file: FleetFile, write: Write, run: Run) -> None:
    """Another host, or the same one at another port."""
    file.write(json.dumps(fleet()).encode(), None)
    _secret("vc01", "vc.corp")
    _secret("vc02", "vc02.corp")
    _secret("vc03", "vc03.corp")
    _secret("vc04", "vc.corp", port=8443)
    changed = write(vcenters=vcenters("vc03", "vc04"), routes=[])
    ran = run("fleet", "push", changed, "--bucket", "state", "-y")
    assert ran.code == 0
    assert ran.err.splitlines() == [
        "warning: there are no routes: nobody is told anything in chat, and the topic alone hears of it"
    ]


def test_a_rename_of_what_stays_is_refused(file: FleetFile, write: Write, run: Run) -> None:
    """A slip in --rename would allow what nobody checked."""
    file.write(json.dumps(fleet()).encode(), None)
    ran = run("fleet", "push", write(routes=[{"name": "ops"}]), "--bucket", "state", "-y", "--rename", "vc01")
    assert ran.code == 1
    assert "--rename vc01: the file doesn't drop a vCenter of that name" in ran.err


def test_where_a_secret_is_missing_the_doubt_is_told(file: FleetFile, write: Write, run: Run) -> None:
    """The file may be written before the secret is, or the old secret be gone already."""
    file.write(json.dumps(fleet()).encode(), None)
    _secret("vc02", "vc02.corp")
    ran = run("fleet", "push", write(vcenters=vcenters("vc01", "vc03")), "--bucket", "state", "-y")
    assert ran.code == 0
    assert "esx-drift/vcenter/vc03 does not exist: create it. Without it nobody can tell" in ran.err


def test_no_secret_is_read_without_need(file: FleetFile, write: Write, run: Run) -> None:
    """Who only adds or only drops a vCenter needs no right to read passwords."""
    for names in (("vc01", "vc02"), ("vc01", "vc02", "vc03"), ("vc01",)):
        ran = run("fleet", "push", write(vcenters=vcenters(*names)), "--bucket", "state", "-y")
        assert ran.code == 0
        assert "nobody can tell" not in ran.err
    assert [vcenter.name for vcenter in file.read()[0].vcenters] == ["vc01"]


def test_a_secret_that_is_missing_is_warned_of_before_the_upload(
    file: FleetFile, write: Write, run: Run
) -> None:
    """Without it the vCenter can't be checked, or the route hears nothing. None is read."""
    secrets = boto3.client("secretsmanager")
    for name in ("vcenter/vc01", "slack/shared"):
        secrets.create_secret(Name=f"esx-drift/{name}", SecretString="{}")
    secrets.delete_secret(SecretId="esx-drift/slack/shared")
    routes = [
        {"name": "ops", "secret": "shared"},
        {"name": "night", "secret": "shared"},
        {"name": "chat", "channel": "amazon-q"},  # it has none
    ]
    ran = run("fleet", "push", write(routes=routes), "--bucket", "state", "-y")
    assert ran.code == 0
    assert ran.err.splitlines() == [
        ("warning: the secret esx-drift/vcenter/vc02 does not exist: vc02 can't be checked until it is made"),
        (
            "warning: the secret esx-drift/slack/shared is marked for deletion: nobody is told by ops, night"
            " until it is made"
        ),
    ]
    assert file.read_stored() is not None


def test_a_secret_that_can_not_be_looked_for_is_said_to_be(
    file: FleetFile, write: Write, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever pushes may have no right to see secrets; that is no reason not to."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    ran = run("fleet", "push", write(), "--bucket", "state", "-y")
    assert ran.code == 0
    assert ran.err.startswith(
        "warning: could not look whether there are secrets for esx-drift/vcenter/vc01,"
        " esx-drift/vcenter/vc02, esx-drift/slack/admins: Secrets Manager did not say whether"
        " esx-drift/slack/admins exists: "
    )
    assert file.read_stored() is not None


WRITTEN = "# ours\nschema_version: 1\nvcenters:\n  - name: vc01   # in the cellar\nroutes: [{name: ops}]\n"


def test_the_file_in_use_is_shown_as_it_was_written(file: FleetFile, tmp_path: Path, run: Run) -> None:
    """With its comments, so that a second admin can go on from it; pushing what was shown changes nothing."""
    path = tmp_path / "fleet.yaml"
    path.write_text(WRITTEN, "utf-8-sig")
    run("fleet", "push", path, "--bucket", "state", "-y")
    shown = run("fleet", "show", "--bucket", "state")
    assert (shown.code, shown.err, shown.out) == (0, "", WRITTEN)
    path.write_text(shown.out.replace("cellar", "attic"))
    again = run("fleet", "push", path, "--bucket", "state", "-y")
    assert again.out.endswith(" says the same already. Its comments or its spelling are renewed.\n")
    assert "attic" in run("fleet", "show", "--bucket", "state").out
    as_json = run("fleet", "show", "--bucket", "state", "--format", "json")
    assert json.loads(as_json.out) == json.loads(file.read_stored().body)  # type: ignore[union-attr] # it is there


@pytest.mark.parametrize("left", [None, b"schema_version: 1\n", b"a: [", b"\xff"])
def test_what_was_written_for_another_file_is_not_shown(
    file: FleetFile, run: Run, left: bytes | None
) -> None:
    """Somebody put one there by other means: then it is made of what is stored."""
    file.write(json.dumps(fleet(vcenters=vcenters("vc07"), routes=[{"name": "ops"}])).encode(), None)
    if left is not None:
        file.write_source(left, None)
    shown = run("fleet", "show", "--bucket", "state")
    assert shown.code == 0
    assert shown.err == ("info: what was written is gone: this is made of what is stored, without comments\n")
    assert yaml.safe_load(shown.out) == fleet(vcenters=vcenters("vc07"), routes=[{"name": "ops"}])


def test_a_file_in_use_that_is_not_valid_is_shown_with_a_warning(file: FleetFile, run: Run) -> None:
    """No run can use it, and whoever looks at it is told so, and what to do; what is no JSON is not shown."""
    file.write(b'{"schema_version": 2, "vcenters": []}', None)
    shown = run("fleet", "show", "--bucket", "state", "--format", "json")
    assert (shown.code, json.loads(shown.out)) == (0, {"schema_version": 2, "vcenters": []})
    assert shown.err == (
        "warning: s3://state/config/fleet.json has 2 faults (/schema_version: expected 1, got 2):"
        " no run can use it; push one that is valid\n"
    )
    file.write(b"{", file.read_stored())
    shown = run("fleet", "show", "--bucket", "state")
    assert (shown.code, shown.out) == (2, "")
    assert shown.err.startswith("esx-drift: s3://state/config/fleet.json is not acceptable as JSON: ")
    assert shown.err.endswith("\n  No run can use it; push one that is valid.\n")


def test_what_else_is_wrong_is_told_beside_what_could_not_be_read(tmp_path: Path, run: Run) -> None:
    """In the order of the file, and counted together."""
    file = tmp_path / "fleet.yaml"
    file.write_text("schema_version: 1\nvcenters:\n  - name: vc01\n    name: vc02\n  - name: 1\nmore: 1\n")
    ran = run("fleet", "check", file)
    assert [line.removeprefix(f"{file}:").partition(", got")[0] for line in ran.out.splitlines()] == [
        "4: expected each key once",
        "5: /vcenters/1/name: expected at most 63 small letters, digits and hyphens, no hyphen first or last",
        "6: /more: expected no such field",
    ]
    assert ran.err.endswith(f"esx-drift: {file} has 3 errors\n")


def test_where_there_is_no_file_to_show_it_says_how_to_push_one(buckets: None, stack: None, run: Run) -> None:  # noqa: ARG001 -- they answer for themselves
    """For the stack that was asked."""
    ran = run("fleet", "show", "--region", "eu-central-1")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == (
        "esx-drift: there is no fleet file at s3://state/config/fleet.json yet\n"
        "  Write one, then: esx-drift fleet push FILE --region eu-central-1\n"
    )


def test_an_upload_whose_comments_are_not_kept_is_one(file: FleetFile, write: Write, run: Run) -> None:
    """The functions have what they need; what is lost is said."""
    kept = {"Bucket": "state", "Key": "config/fleet.yaml", "Body": b"old", "StorageClass": "GLACIER"}
    boto3.client("s3").put_object(**kept)  # type: ignore[arg-type] # each is of its type
    ran = run("fleet", "push", write(), "--bucket", "state", "-y")
    assert ran.code == 0
    assert "warning: the file was not kept as it is written, with its comments: " in ran.err
    assert file.read_stored() is not None
