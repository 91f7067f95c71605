import pytest
from cfnlint.decode import decode
from esx_drift.doctoring.aws_access import AUDIT_KEYS

from tests.paths import ROOT
from tests.unit.template.application import resources, transformed, written

BUCKETS = resources("AWS::S3::Bucket")
POLICIES = {
    policy["Properties"]["Bucket"]["Ref"]: policy["Properties"]["PolicyDocument"]["Statement"]
    for policy in resources("AWS::S3::BucketPolicy").values()
}


@pytest.mark.parametrize("resource", [*BUCKETS, *resources("AWS::S3::BucketPolicy")])
def test_a_bucket_outlives_its_stack_and_its_policy_with_it(resource: str) -> None:
    """Neither deleting the stack nor replacing a bucket removes what it holds, or what protects that.

    Only what a first deployment that fails had made is removed again: it is empty.
    """
    kept = transformed()["Resources"][resource]
    assert kept["DeletionPolicy"] == "RetainExceptOnCreate"
    assert kept["UpdateReplacePolicy"] == "Retain"


def test_the_bucket_that_a_new_stack_takes_over_is_the_template_s() -> None:
    """An import says what can't be changed later; the rest is the deployment's after it."""
    taken, _ = decode(str(ROOT / "docs" / "takeover.yaml"))
    ours = BUCKETS["AuditBucket"]["Properties"]
    assert set(taken["Resources"]) == {"AuditBucket"}
    assert taken["Resources"]["AuditBucket"]["DeletionPolicy"] == "Retain"
    properties = taken["Resources"]["AuditBucket"]["Properties"]
    assert properties == {name: ours[name] for name in ("ObjectLockEnabled", "VersioningConfiguration")}


@pytest.mark.parametrize("name", BUCKETS)
def test_a_bucket_is_private_encrypted_and_versioned(name: str) -> None:
    """Each bucket blocks the public in all four ways, encrypts, and keeps what is overwritten."""
    properties = BUCKETS[name]["Properties"]
    assert list(properties["PublicAccessBlockConfiguration"].values()) == [True] * 4
    assert properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}


@pytest.mark.parametrize("name", BUCKETS)
def test_a_bucket_is_reached_over_tls_only(name: str) -> None:
    """Everything is denied to everybody on a connection without TLS."""
    tls = [each for each in POLICIES[name] if each["Sid"] == "OnlyOverTls"]
    assert [(each["Effect"], each["Principal"], each["Action"]) for each in tls] == [("Deny", "*", "s3:*")]
    assert tls[0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_nobody_deletes_from_the_trail() -> None:
    """The audit bucket denies deleting, and lifting a lock, to every principal on every key."""
    (denied,) = [each for each in POLICIES["AuditBucket"] if each["Sid"] == "NobodyDeletes"]
    assert (denied["Effect"], denied["Principal"]) == ("Deny", "*")
    assert set(denied["Action"]) == {"s3:DeleteObject*", "s3:BypassGovernanceRetention"}
    assert denied["Resource"] == {"Fn::Sub": "${AuditBucket.Arn}/*"}
    assert "Condition" not in denied


def test_nobody_writes_over_the_trail() -> None:
    """Every write has to ask for a free key (``If-None-Match``), but for the probes that write nothing."""
    (denied,) = [each for each in POLICIES["AuditBucket"] if each["Sid"] == "NobodyWritesOver"]
    assert (denied["Effect"], denied["Principal"], denied["Action"]) == ("Deny", "*", "s3:PutObject")
    assert denied["Condition"] == {"Null": {"s3:if-none-match": "true"}}
    assert denied["NotResource"] == [{"Fn::Sub": f"${{AuditBucket.Arn}}/{key}"} for key in AUDIT_KEYS]


def test_nobody_but_the_sealer_puts_anything_among_digests() -> None:
    """Whatever other policies allow: what has no signature there, it wrote itself."""
    (denied,) = [each for each in POLICIES["AuditBucket"] if each["Sid"] == "OnlyTheSealerSeals"]
    assert (denied["Effect"], denied["Principal"], denied["Action"]) == ("Deny", "*", "s3:PutObject")
    assert denied["Resource"] == {"Fn::Sub": "${AuditBucket.Arn}/digests/*"}
    assert denied["Condition"] == {
        "ArnNotEquals": {"aws:PrincipalArn": {"Fn::GetAtt": ["SealerRole", "Arn"]}}
    }


HEADERS = {
    "NobodyArchives": ("s3:x-amz-storage-class", "STANDARD"),
    "NobodyEncryptsByTheirOwnKey": ("s3:x-amz-server-side-encryption-customer-algorithm", None),
}


@pytest.mark.parametrize("sid", HEADERS)
def test_nobody_writes_what_the_sealer_cannot_read(sid: str) -> None:
    """A header of that kind is refused where it says anything but what the bucket does without it."""
    (denied,) = [each for each in POLICIES["AuditBucket"] if each["Sid"] == sid]
    assert (denied["Effect"], denied["Principal"], denied["Action"]) == ("Deny", "*", "s3:PutObject")
    assert denied["Resource"] == {"Fn::Sub": "${AuditBucket.Arn}/*"}
    header, allowed = HEADERS[sid]
    conditions = {"Null": {header: "false"}}
    if allowed is not None:
        conditions["StringNotEquals"] = {header: allowed}
    assert denied["Condition"] == conditions


def test_the_key_that_signs_outlives_its_stack() -> None:
    """What it signed is proved by its public half, and the chain may go on with it."""
    (key,) = resources("AWS::KMS::Key").values()
    assert (key["DeletionPolicy"], key["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert (key["Properties"]["KeySpec"], key["Properties"]["KeyUsage"]) == ("ECC_NIST_P256", "SIGN_VERIFY")


def test_the_trail_is_locked() -> None:
    """Each object is under Object Lock as soon as it is written, whoever writes it."""
    properties = BUCKETS["AuditBucket"]["Properties"]
    assert properties["ObjectLockEnabled"] is True
    condition, locked, off = properties["ObjectLockConfiguration"]["Rule"]["Fn::If"]
    assert (condition, off) == ("Locked", {"Ref": "AWS::NoValue"})
    assert locked["DefaultRetention"] == {"Mode": {"Ref": "AuditLockMode"}, "Days": {"Ref": "AuditLockDays"}}


def test_a_trial_may_do_without_a_lock() -> None:
    """Only if somebody says so: 400 days under GOVERNANCE are the default."""
    template = written()
    mode, days = (template["Parameters"][name] for name in ("AuditLockMode", "AuditLockDays"))
    assert (mode["Default"], mode["AllowedValues"]) == ("GOVERNANCE", ["GOVERNANCE", "COMPLIANCE", "OFF"])
    assert days["Default"] == 400
    assert template["Conditions"]["Locked"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "AuditLockMode"}, "OFF"]}]
    }


def test_only_documents_expire() -> None:
    """Documents and told groups go after the days that a person chose; records, snapshots, receipts never."""
    rules = BUCKETS["AuditBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    expiring = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}
    days = {"Ref": "DocumentRetentionDays"}
    assert expiring == {"documents/": days, "quarantine/": days, "deliveries/groups/": days}
    touching = {rule.get("Prefix", "") for rule in rules if set(rule) & {"NoncurrentVersionExpiration"}}
    assert touching == set(expiring)


def test_no_version_of_the_fleet_file_is_lost() -> None:
    """Old states go, which the log rebuilds, what is about now (breakers, turns), and Athena's answers."""
    rules = BUCKETS["StateBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    old = ["state/", "breaker/", "routes/", "reports/", "seals/"]
    assert [rule["Prefix"] for rule in rules] == [*old, "athena/"]
    assert [rule["Prefix"] for rule in rules if "ExpirationInDays" in rule] == ["athena/"]
    days = {rule["Prefix"]: rule["NoncurrentVersionExpiration"]["NoncurrentDays"] for rule in rules}
    assert days == {**dict.fromkeys(old, 30), "routes/": 1, "seals/": 1, "athena/": 1}
    assert {rule["Status"] for rule in rules} == {"Enabled"}


def test_documents_are_kept_for_as_long_as_they_are_locked() -> None:
    """Else they were hidden and paid for. CloudFormation can't compare: each lock names what is not less."""
    template = written()
    lock, kept = (template["Parameters"][name] for name in ("AuditLockDays", "DocumentRetentionDays"))
    days = lock["AllowedValues"]
    assert kept["AllowedValues"] == days == sorted(days)
    assert days[-1] == lock["MaxValue"] == 3650
    assert template["Rules"]["DocumentsOutliveTheirLock"]["Assertions"] == [
        {
            "AssertDescription": "DocumentRetentionDays is not less than AuditLockDays.",
            "Assert": {
                "Fn::Or": [
                    {"Fn::Not": [{"Fn::Equals": [{"Ref": "AuditLockDays"}, str(locked)]}]},
                    {
                        "Fn::Contains": [
                            [str(each) for each in days if each >= locked],
                            {"Ref": "DocumentRetentionDays"},
                        ]
                    },
                ]
            },
        }
        for locked in days[1:]
    ]
