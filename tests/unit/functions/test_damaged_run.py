"""The record by which a run asked for checks is spoilt before any is made: told, and looked all the same."""

import json
from typing import Any

import pytest
from esx_drift.adapters import aws_clients as clients
from esx_drift.adapters.audit_store import S3Store
from esx_drift.domain.stored.identifiers import VCENTER_LOG, make_record_key

from tests.unit.functions.conftest import Deployed, FunctionLog

KEY = make_record_key("vc01", VCENTER_LOG, 1)


def _receive(deployed: Deployed, queue: str) -> list[dict[str, Any]]:
    """What waits in a queue, as Lambda hands it over; it is gone from there."""
    received = deployed.sqs.receive_message(
        QueueUrl=deployed.urls[queue], MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
    ).get("Messages", [])
    for one in received:
        deployed.sqs.delete_message(QueueUrl=deployed.urls[queue], ReceiptHandle=one["ReceiptHandle"])
    return [
        {
            "messageId": one["MessageId"],
            "receiptHandle": one["ReceiptHandle"],
            "body": one["Body"],
            "attributes": one["Attributes"],
        }
        for one in received
    ]


def _run(deployed: Deployed) -> dict[str, Any]:
    """Dispatch vc01; the request for its cluster."""
    chosen = [{"vcenter": "vc01", "cluster": "prod-a"}]
    deployed.invoke("dispatcher", {"clusters": chosen})
    (request,) = _receive(deployed, "CheckQueue")
    return request


def _spoil(body: bytes) -> None:
    clients.s3().delete_object(Bucket="audit", Key=KEY)
    clients.s3().put_object(Bucket="audit", Key=KEY, Body=body)


@pytest.mark.parametrize("body", [b"", b"{}", b"not JSON", b"another log's"], ids=repr)
def test_a_spoilt_record_of_a_run_keeps_no_cluster_unseen(
    deployed: Deployed, body: bytes, function_log: FunctionLog
) -> None:
    """The checker has the vCenter listed anew, at once and once; that run tells the damage."""
    request = _run(deployed)
    if body == b"another log's":
        stranger = json.dumps({**json.loads(request["body"]), "vcenter": "vc02"})
        deployed.vouch_for({"Records": [{"body": stranger}]})
        other = make_record_key("vc02", VCENTER_LOG, 1)
        body = clients.s3().get_object(Bucket="audit", Key=other)["Body"].read()
    _spoil(body)
    reply = deployed.invoke("checker", {"Records": [request, {**request, "messageId": "twice"}]})
    assert reply == {"batchItemFailures": []}
    assert len(function_log.lines("check asked for again")) == 2
    asked = _receive(deployed, "RetryQueue")
    assert len(asked) == 2
    for message in asked:
        assert deployed.invoke("dispatcher", {"Records": [message]}) == {"batchItemFailures": []}
    (again,) = _receive(deployed, "CheckQueue")
    deployed.invoke("checker", {"Records": [again]})
    assert deployed.waiting("CheckQueue") == 1, "the extraction runs"
    record = S3Store(clients.s3, "audit", "state").record("vc01", VCENTER_LOG, 2)[0]
    damaged = {one["subject"] for one in record["findings"] if one["kind"] == "trail-damaged"}
    assert KEY in damaged
    assert [event["type"] for event in record["events"]] == ["esx-drift.failure.detected"]


def test_a_record_that_is_not_there_vouches_for_nothing(deployed: Deployed) -> None:
    """A number is easily made up: the message is refused, and nobody is asked to list anything."""
    request = _run(deployed)
    request["body"] = json.dumps({**json.loads(request["body"]), "dispatch_seq": 7})
    reply = deployed.invoke("checker", {"Records": [request]})
    assert [one["itemIdentifier"] for one in reply["batchItemFailures"]] == [request["messageId"]]
    assert deployed.waiting("RetryQueue") == 0
