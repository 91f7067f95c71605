import json

import boto3
from esx_drift.adapters.fleet_file import FleetFile

from tests.unit.cli.conftest import Run, Write, vcenters
from tests.unit.fleets import fleet


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
    assert run("fleet", "push", renamed, "--bucket", "state", "-y", "--rename", "vc02").code == 0
    assert [vcenter.name for vcenter in file.read()[0].vcenters] == ["vc01", "vc03"]


def test_another_vcenter_in_the_place_of_one_is_no_rename(file: FleetFile, write: Write, run: Run) -> None:
    """Another host, or the same one at another port."""
    file.write(json.dumps(fleet()).encode(), None)
    _secret("vc01", "vc.corp")
    _secret("vc02", "vc02.corp")
    _secret("vc03", "vc03.corp")
    _secret("vc04", "vc.corp", port=8443)
    ran = run("fleet", "push", write(vcenters=vcenters("vc03", "vc04")), "--bucket", "state", "-y")
    assert (ran.code, ran.err) == (0, "")


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
        assert (ran.code, ran.err) == (0, "")
    assert [vcenter.name for vcenter in file.read()[0].vcenters] == ["vc01"]
