import json
from collections.abc import Callable, Mapping

import pytest
from botocore.exceptions import ClientError

from tests.lab.local_aws.stack import FunctionError, Stack

QUEUES = ("Retry", "Check", "Notify")
FLEET = {"schema_version": 1, "vcenters": [{"name": "vc01"}]}


@pytest.fixture(scope="module")
def stack(new_stack: Callable[[Mapping[str, str]], Stack]) -> Stack:
    """A stack that nothing was done to yet."""
    return new_stack({})


@pytest.fixture(scope="module")
def troubled(new_stack: Callable[[Mapping[str, str]], Stack]) -> Stack:
    """A stack with a fleet file, and nonsense in each queue."""
    stack = new_stack({})
    stack.aws.s3.put_object(
        Bucket=stack.outputs["StateBucketName"],
        Key="config/fleet.json",
        Body=json.dumps(FLEET).encode(),
    )
    for queue in QUEUES:
        stack.aws.sqs.send_message(QueueUrl=stack.resources[f"{queue}Queue"], MessageBody="nonsense")
    return stack


def test_a_deployed_function_says_why_it_failed(stack: Stack) -> None:
    """Without a fleet file nothing can be chosen, and the error that a test sees holds the function's log."""
    with pytest.raises(FunctionError, match=r"(?s)config/fleet\.json.*FleetMissing"):
        stack.invoke("DispatcherFunction", {"clusters": [{"vcenter": "vc01", "cluster": "prod-a"}]})


def test_the_dashboard_names_what_there_is(stack: Stack) -> None:
    """CloudWatch takes it, and each queue, function and log group in it is one of this stack."""
    cloudwatch = stack.aws.cloudwatch
    body = cloudwatch.get_dashboard(DashboardName=f"{stack.name}-eu-central-1")["DashboardBody"]
    metrics = [
        one for widget in json.loads(body)["widgets"] for one in widget["properties"].get("metrics", ())
    ]
    named = {one[3] for one in metrics if len(one) == 4}
    assert {url.rpartition("/")[2] for url in (stack.resources[f"{queue}Queue"] for queue in QUEUES)} <= named
    assert {stack.outputs[f"{name}FunctionName"] for name in ("Dispatcher", "Checker", "Sender")} <= named
    assert all(stack.outputs[f"{name}LogGroupName"] in body for name in ("Dispatcher", "Checker", "Notifier"))
    assert "${" not in body


def test_a_first_run_without_a_fleet_file_is_no_dead_letter(stack: Stack) -> None:
    """The schedule fires as soon as it is deployed, before anybody can have pushed one."""
    reply = stack.invoke("DispatcherFunction", {})
    assert isinstance(reply, dict)
    assert (reply["asked"], reply["failed"]) == ([], [])
    assert any("nothing is watched yet" in line for line in stack.log_of("DispatcherFunction"))


def test_what_is_kept_is_locked(stack: Stack) -> None:
    """Not even the account's root removes a version from the audit bucket."""
    bucket = stack.outputs["AuditBucketName"]
    version = stack.aws.s3.put_object(Bucket=bucket, Key="records/x", Body=b"{}", IfNoneMatch="*")[
        "VersionId"
    ]
    with pytest.raises(ClientError, match="object lock"):
        stack.aws.s3.delete_object(Bucket=bucket, Key="records/x", VersionId=version)


def test_nobody_writes_over_what_is_kept(stack: Stack) -> None:
    """Whoever may do everything in S3 can add to the audit bucket, and neither replace nor delete."""
    bucket, s3 = stack.outputs["AuditBucketName"], stack.as_user("s3:*").s3
    s3.put_object(Bucket=bucket, Key="records/y", Body=b"{}", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        s3.put_object(Bucket=bucket, Key="records/y", Body=b"other", IfNoneMatch="*")
    for refused in (
        lambda: s3.put_object(Bucket=bucket, Key="records/y", Body=b"other"),
        lambda: s3.put_object(Bucket=bucket, Key="records/z", Body=b"other"),
        lambda: s3.delete_object(Bucket=bucket, Key="records/y"),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            refused()
    assert s3.get_object(Bucket=bucket, Key="records/y")["Body"].read() == b"{}"


@pytest.mark.parametrize("queue", QUEUES)
def test_a_malformed_message_ends_as_a_dead_letter(queue: str, troubled: Stack) -> None:
    """What no function understands is kept for a person within seconds: not dropped, not tried for hours."""
    dead = troubled.await_message(f"{queue}DeadLetterQueue")
    assert dead["Body"] == "nonsense"
