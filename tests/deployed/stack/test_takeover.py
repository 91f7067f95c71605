"""What outlives a stack, and how a new one goes on with it, as docs/operations.md says."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.local_aws.local_aws import LocalAws
from tests.lab.local_aws.stack import QUIET, Stack, upload
from tests.paths import ROOT

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import WaiterConfigTypeDef

POLL: "WaiterConfigTypeDef" = {"Delay": 1, "MaxAttempts": 60}


def test_a_new_stack_takes_over_the_audit_bucket_of_a_removed_one(
    new_stack: Callable[[Mapping[str, str]], Stack], local_aws: LocalAws, packaged: Path
) -> None:
    """Bucket, records and policy outlive the stack; an import and a deployment make them the new one's."""
    old = new_stack({})
    bucket, cloudformation = old.outputs["AuditBucketName"], old.aws.cloudformation
    old.aws.s3.put_object(Bucket=bucket, Key="records/x", Body=b"{}", IfNoneMatch="*")
    cloudformation.delete_stack(StackName=old.name)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=old.name, WaiterConfig=POLL)
    assert "NobodyDeletes" in old.aws.s3.get_bucket_policy(Bucket=bucket)["Policy"]

    old.aws.s3.delete_bucket_policy(Bucket=bucket)
    name = f"{old.name}-again"
    cloudformation.create_change_set(
        StackName=name,
        ChangeSetName="takeover",
        ChangeSetType="IMPORT",
        TemplateBody=(ROOT / "docs" / "takeover.yaml").read_text(),
        ResourcesToImport=[
            {
                "ResourceType": "AWS::S3::Bucket",
                "LogicalResourceId": "AuditBucket",
                "ResourceIdentifier": {"BucketName": bucket},
            }
        ],
    )
    created = cloudformation.get_waiter("change_set_create_complete")
    created.wait(StackName=name, ChangeSetName="takeover", WaiterConfig=POLL)
    cloudformation.execute_change_set(StackName=name, ChangeSetName="takeover")
    cloudformation.get_waiter("stack_import_complete").wait(StackName=name, WaiterConfig=POLL)
    cloudformation.update_stack(
        StackName=name,
        TemplateURL=upload(local_aws, packaged),
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in QUIET.items()],
    )
    cloudformation.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig=POLL)
    again = Stack(old.aws, name)
    assert again.outputs["AuditBucketName"] == bucket
    assert old.aws.s3.get_object(Bucket=bucket, Key="records/x")["Body"].read() == b"{}"
    assert "NobodyDeletes" in old.aws.s3.get_bucket_policy(Bucket=bucket)["Policy"]
