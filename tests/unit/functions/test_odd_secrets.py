"""One secret that nobody can use costs its own vCenter or route a turn, and no other's."""

import json
from typing import Any
from uuid import uuid4

import pytest
from esx_drift.adapters import aws_clients as clients
from esx_drift.adapters.audit_store import S3Store
from esx_drift.domain.stored.identifiers import VCENTER_LOG

from tests.paths import EVENTS
from tests.simulator.sessions import PASSWORD, USER
from tests.unit.fleets import fleet
from tests.unit.functions.conftest import Deployed, FunctionLog

ACCOUNT = {"host": "127.0.0.1", "username": USER, "password": PASSWORD}
ODD: dict[str, dict[str, object]] = {
    "ca_bundle": {**ACCOUNT, "ca_bundle": "# O = Bücher GmbH"},
    "password": {**ACCOUNT, "password": "\ud800"},
    "proxy": {**ACCOUNT, "proxy": "http://svc:%CE%A9@proxy:3128"},
    "host": {**ACCOUNT, "host": "%vc02"},
    "port": {**ACCOUNT, "port": 1e999},
}


def _put(name: str, values: object) -> None:
    text = json.dumps(values)
    client = clients.secrets_manager()
    if name.startswith("vcenter/"):
        client.put_secret_value(SecretId=f"esx-drift/{name}", SecretString=text)
    else:
        client.create_secret(Name=f"esx-drift/{name}", SecretString=text)


def test_a_stack_reads_the_secrets_of_its_own_prefix(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stack for tests must not log in with the passwords of production."""
    monkeypatch.setenv("SECRET_PREFIX", "team/test")
    deployed.invoke("dispatcher", {})
    deployed.list_each()
    failure = S3Store(clients.s3, "audit", "state").record("vc01", VCENTER_LOG, 1)[0]["failure"]
    assert failure is not None
    assert failure["message"].startswith("the secret team/test/vcenter/vc01 does not exist")
    assert not deployed.vcenter.requests


@pytest.mark.parametrize("field", ODD)
def test_a_vcenter_whose_secret_is_odd_is_told_and_the_other_is_dispatched(
    deployed: Deployed, field: str
) -> None:
    """With a record of its own that names the field."""
    _put("vcenter/vc02", ODD[field])
    assert deployed.invoke("dispatcher", {})["asked"] == ["vc01", "vc02"]
    deployed.list_each()
    store = S3Store(clients.s3, "audit", "state")
    well, odd = (store.record(name, VCENTER_LOG, 1)[0] for name in ("vc01", "vc02"))
    assert well["dispatch"]
    assert odd["failure"]
    assert [one["name"] for one in well["dispatch"]["expected"]] == ["prod-a"]
    assert odd["failure"]["reason"] == "vcenter-authentication"
    assert f"esx-drift/vcenter/vc02, field {field}: expected" in odd["failure"]["message"]


def test_a_cluster_whose_vcenters_secret_is_odd_has_a_record_and_the_other_is_checked(
    deployed: Deployed, function_log: FunctionLog
) -> None:
    """In one batch, the odd one first."""
    _put("vcenter/vc02", ODD["ca_bundle"])
    event: dict[str, Any] = json.loads((EVENTS / "checker-collect.json").read_text())
    (good,) = event["Records"]
    body = json.loads(good["body"])
    odd_body = {**body, "vcenter": "vc02", "request_id": str(uuid4())}
    odd = {**good, "messageId": "odd", "body": json.dumps(odd_body)}
    event["Records"] = [odd, good]
    deployed.vouch_for(event)
    assert deployed.invoke("checker", event)["batchItemFailures"] == []
    outcomes = {line["vcenter"]: line["outcome"] for line in function_log.lines("cluster checked")}
    assert outcomes == {"vc02": "not-looked", "vc01": "baseline"}


@pytest.mark.parametrize(
    "secret",
    [
        {"url": "https://%hooks.slack.com/services/x"},
        {"url": "https://hooks.slack.com/triggers/x"},
        {"url": "https://127.0.0.1/services/x", "ca_bundle": "# O = Bücher GmbH"},
        {"url": "https://127.0.0.1/services/\ud800"},
        {"url": ["https://127.0.0.1/services/x"]},
    ],
)
def test_a_route_whose_secret_is_odd_keeps_no_other_from_hearing(
    deployed: Deployed, secret: object, function_log: FunctionLog
) -> None:
    """Only the odd one's own message is a dead letter."""
    deployed.put_fleet(fleet(routes=[{"name": "odd"}, {"name": "ops"}]))
    _put("slack/odd", secret)
    event = json.loads((EVENTS / "notifier-drift.json").read_text())
    deployed.vouch_for(event)
    assert deployed.invoke("notifier", event)["batchItemFailures"] == []
    deployed.deliver_each()
    assert len(deployed.slack.accepted) == 1
    (line,) = [line for line in function_log.lines("delivery handled") if line["outcome"] == "parked"]
    assert (line["route"], line["reason"]) == ("odd", "secret-invalid")
    assert "esx-drift/slack/odd, field" in line["why"]
    assert deployed.waiting("DeliveryQueueDead") == 1
