"""What older versions stored and sent is still read: our own upgrade loses nothing and tells nothing."""

import json
import subprocess
from copy import replace
from pathlib import Path
from typing import Any

import pytest
from esx_drift.channels.slack import render_message
from esx_drift.contracts import list_violations
from esx_drift.contracts.validators import load_schema
from esx_drift.dispatching.dispatcher import Dispatcher
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.text.times import parse_time
from esx_drift.errors import RequestRefused
from esx_drift.messages.content import build_content

from tests.paths import GOLDEN
from tests.simulator.sessions import PASSWORD
from tests.unit.checking.cloud import cloud
from tests.unit.checking.conftest import ca, tls
from tests.unit.checking.conftest import world as fresh_world
from tests.unit.checking.decisions.person import ALICE_ID
from tests.unit.checking.world import PROD_A, PROD_B, World
from tests.unit.stored import STORED_VCENTER, VERSIONS, restore_hosts

__all__ = ["ca", "cloud", "fresh_world", "tls"]


def _files(*parts: str) -> list[Path]:
    """The files of all versions below a folder."""
    return [path for version in VERSIONS for path in sorted(version.joinpath(*parts).rglob("*.json"))]


SCHEMA_OF = {
    **dict.fromkeys(_files("audit", "records"), "record"),
    **dict.fromkeys(_files("state", "state"), "state"),
    **dict.fromkeys(_files("state", "breaker"), "breaker"),
    **{path: path.parent.name for path in _files("messages")},
}


FORMS = {path: path.stem.partition("-")[0] for path in sorted((GOLDEN / "stored" / "forms").glob("*.json"))}
"""Each form of what is kept in the trail, with its schema."""

KEPT = {"record", "state", "digest", "receipt", "delivery", "report"}


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_each_form_is_read_and_a_newer_one_refused(path: Path) -> None:
    """An older function that is still running must not take for known what it isn't."""
    stored = json.loads(path.read_bytes())
    assert path.stem.split("-")[1] == str(stored["schema_version"])
    assert list_violations(FORMS[path], stored) == []
    newer = {**stored, "schema_version": 99}
    assert [line.partition(":")[0] for line in list_violations(FORMS[path], newer)] == ["/schema_version"]
    assert list_violations(FORMS[path], {**stored, "unknown": 1}) != []


def test_each_version_of_each_form_is_there() -> None:
    """From the first to the one that is written today."""
    there = {(schema, int(path.stem.split("-")[1])) for path, schema in FORMS.items()}
    newest = {schema: load_schema(schema)["properties"]["schema_version"]["const"] for schema in KEPT}  # type: ignore[index, call-overload]
    assert there == {(schema, version) for schema in KEPT for version in range(1, newest[schema] + 1)}  # type: ignore[operator, arg-type]


def test_a_digest_that_was_signed_before_is_good() -> None:
    """By OpenSSL, with the key that signed it."""
    stored = GOLDEN / "stored" / "forms" / "digest-1.json"
    key, signature = f"{stored.with_suffix('.pem')}", f"{stored}.sig"
    command = ["openssl", "dgst", "-sha256", "-verify", key, "-signature", signature, f"{stored}"]
    assert subprocess.run(command, capture_output=True, check=False).stdout == b"Verified OK\n"


@pytest.fixture(params=VERSIONS, ids=lambda path: path.name)
def version(request: pytest.FixtureRequest) -> Path:
    """Each version's folder."""
    path: Path = request.param
    return path


@pytest.fixture
def world(fresh_world: World, version: Path) -> World:
    """The buckets as the version left them, and the vCenter as it then was."""
    made = fresh_world
    secret = json.loads(
        made.aws.secrets.get_secret_value(SecretId=f"esx-drift/vcenter/{made.watched.name}")["SecretString"]
    )
    made.watched = replace(made.watched, name=STORED_VCENTER)
    try:
        made.put_secret(secret["port"], secret["ca_bundle"], PASSWORD)
    except made.aws.secrets.exceptions.ResourceExistsException:
        made.aws.secrets.put_secret_value(
            SecretId=f"esx-drift/vcenter/{STORED_VCENTER}", SecretString=json.dumps(secret)
        )
    for bucket in ("audit", "state"):
        listed = made.aws.s3.list_object_versions(Bucket=bucket)
        for old in [*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())]:
            made.aws.s3.delete_object(Bucket=bucket, Key=old["Key"], VersionId=old["VersionId"])
        for path in (version / bucket).rglob("*"):
            if path.is_file():
                key = str(path.relative_to(version / bucket))
                made.aws.s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes(), IfNoneMatch="*")
    for cluster in (PROD_A, PROD_B):
        kept = [record["document"] for record in made.records(cluster)]
        documents = [json.loads(made.stored(one["key"])) for one in kept if one]
        restore_hosts(made.vcenter, cluster, documents)
    # What its records tell was published then.
    logs = [made.records(log) for log in (PROD_A, PROD_B, VCENTER_LOG)]
    made.topic.published += [event for log in logs for record in log for event in record["events"]]
    made.now = max(parse_time(record["checked_at"]) for record in made.records(PROD_A))
    made.requests = 1_000
    return made


@pytest.mark.parametrize("path", SCHEMA_OF, ids=lambda path: str(path.relative_to(GOLDEN / "stored")))
def test_its_schema_still_accepts_it(path: Path) -> None:
    """Records, states, breakers, messages and events."""
    assert list_violations(SCHEMA_OF[path], json.loads(path.read_bytes())) == []


@pytest.mark.parametrize("is_state_lost", [False, True])
def test_the_same_software_is_no_drift(world: World, *, is_state_lost: bool) -> None:
    """With the state as it was, or rebuilt from the log."""
    if is_state_lost:
        world.aws.s3.delete_object(Bucket="state", Key=f"state/{STORED_VCENTER}/{PROD_A}.json")
    before = world.records(PROD_A)[-1]
    record = world.check(PROD_A)
    assert (record["outcome"], record["changes"], record["events"]) == ("unchanged", [], [])
    assert {finding["transition"] for finding in record["findings"]} == {"still"}
    assert record["after"]["findings"].keys() == before["after"]["findings"].keys()
    assert record["after"]["accepted"].keys() == before["after"]["accepted"].keys()


def test_a_real_change_is_told_exactly(world: World) -> None:
    """On the hosts that it is on, by the versions that they had."""
    driver = world.vcenter.inventory.host("esx03").software["components"]["Intel-i40en"]
    world.vcenter.hosts.edit("esx02", lambda software: software["components"].update({"Intel-i40en": driver}))
    (change,) = world.check(PROD_A)["changes"]
    assert (change["kind"], change["key"]) == ("downgraded", "Intel-i40en")
    assert (change["from"], change["to"]) == (
        "2.9.2.0-1OEM.800.1.0.20613240",
        "2.7.2.0-1OEM.800.1.0.20613240",
    )
    assert change["hosts"] == ["host-17"]


def test_the_machines_are_asked_for_once(world: World) -> None:
    """By one call at the next look; a host that leaves after it is known again by its hardware."""
    records = [world.check(PROD_A) for _ in range(2)]
    hosts = world.vcenter.inventory.hosts_of(PROD_A)
    for record in records:
        assert record["after"]["machines"]["uuids"] == {host.host: host.host_uuid for host in hosts}
    assert sum("RetrievePropertiesEx" in call.path for call in world.vcenter.journal) == 1
    back = world.vcenter.inventory.re_add_host(hosts[-1].name, "other-name")
    (change,) = world.check(PROD_A)["changes"]
    assert (change["element"], change["kind"], change["to"]) == ("host", "changed", back)


def _message(version: Path, kind: str, case: str) -> Any:  # noqa: ANN401 -- any message
    return json.loads((version / "messages" / kind / f"{case}.json").read_bytes())


def test_a_message_in_flight_is_answered(world: World, version: Path) -> None:
    """A check asked for by the version before. What a person had decided, he has to decide again."""
    request = _message(version, "check-request", "check-extract")
    assert request["cluster"] == PROD_A
    assert world.follow(request)["changes"] == []
    for case in ("accept", "retire"):
        decision = _message(version, "check-request", case)
        with pytest.raises(RequestRefused, match="Update the command and decide again"):
            world.handle_from(ALICE_ID, decision)
        decision["decision"]["user_id"] = ALICE_ID
        record = world.handle_from(ALICE_ID, decision)
        assert record is not None
        assert record["outcome"] == {"accept": "accepted", "retire": "retired"}[case]


def test_a_retry_in_flight_is_answered(world: World, version: Path) -> None:
    """The vCenter is listed, in the same log."""
    seq = world.records(VCENTER_LOG)[-1]["seq"]
    with world.sessions("dispatcher") as sessions:
        retry = _message(version, "retry-request", "retry")
        Dispatcher(world.runtime(sessions)).handle(retry, receives=1)
    assert world.records(VCENTER_LOG)[-1]["seq"] == seq + 1


@pytest.mark.parametrize("path", _files("messages", "event"), ids=lambda path: path.stem)
def test_an_event_in_flight_is_told(path: Path) -> None:
    """As today's events are."""
    payload = render_message(build_content(json.loads(path.read_bytes())))
    assert payload["blocks"]
