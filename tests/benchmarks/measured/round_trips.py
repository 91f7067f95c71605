"""What no check can do without: its round trips to AWS and vCenter, and the reading of its document."""

import json
from contextlib import suppress
from functools import cache
from typing import Any

import boto3


def handler(event: Any, _context: Any) -> int:  # noqa: ANN401 -- what the benchmark sends
    """Make the calls that `event` lists; the number of bytes of the document.

    One object read from S3 is all that is done where the event names no vCenter.
    """
    s3 = find_client("s3")
    for bucket, key in event["get"]:
        # Most vCenters have no breaker; whoever looks for it is told so.
        with suppress(s3.exceptions.NoSuchKey):
            s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    for secret in event["secrets"]:
        find_client("secretsmanager").get_secret_value(SecretId=secret)
    document = _ask_vcenter(event["vcenter"]) if "vcenter" in event else b"{}"
    json.loads(document)
    for bucket, key in event["put"]:
        s3.put_object(Bucket=bucket, Key=key, Body=b"{}")
    return len(document)


@cache
def find_client(service: str) -> Any:  # noqa: ANN401 -- boto3's own
    """The client of a service, made once a process."""
    # Its stubs know each service by a name of its own, and no name that is a variable.
    make: Any = boto3.client
    return make(service)


def _ask_vcenter(vcenter: dict[str, Any]) -> bytes:
    # Only who asks a vCenter loads it.
    import requests  # noqa: PLC0415

    document = b""
    with requests.Session() as session:
        session.verify = vcenter["ca_bundle"]
        for method, path in vcenter["calls"]:
            sent = (vcenter["username"], vcenter["password"]) if path == "/api/session" else None
            with session.request(method, vcenter["url"] + path, auth=sent, timeout=30) as reply:
                if method == "POST":
                    session.headers["vmware-api-session-id"] = reply.json()
                document = max(document, reply.content, key=len)
    return document
