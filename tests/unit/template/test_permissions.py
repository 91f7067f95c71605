from esx_drift.channels import CHANNELS
from esx_drift.domain.fleet.fleet import CHANNELS_WITHOUT_SECRET

from tests.unit.template.application import listed, resources, statements, target

OWN_OF_TOPICS = resources("AWS::SNS::TopicPolicy")
"""What a topic says itself: tests/unit/template/test_resource_policies.py."""

ALLOWED = [
    (name, statement)
    for name, statement in statements()
    if statement["Effect"] == "Allow" and name not in OWN_OF_TOPICS
]


LOOKING_AROUND = {
    "OperatorPolicy": {
        "cloudformation:DescribeStacks",
        "cloudwatch:GetMetricData",
        "lambda:GetEventSourceMapping",
        "logs:DescribeQueryDefinitions",
    },
    "AuditorPolicy": {"athena:ListDataCatalogs", "athena:ListEngineVersions", "athena:ListWorkGroups"},
}
"""What whoever examines the stack may look at everywhere: other stacks, and what has no name of ours; and
what Athena's console lists before anything is chosen."""


def test_no_role_may_do_something_to_everything() -> None:
    """Each allowing statement names its resources; a wildcard stands only at the end of a prefix of ours."""
    for name, statement in ALLOWED:
        if name in {"NetworkPolicy", "TracingPolicy"}:
            continue
        if set(listed(statement["Action"])) == LOOKING_AROUND.get(name):
            continue
        for resource in listed(statement.get("Resource", "")):
            text = resource.get("Fn::Sub", "") if isinstance(resource, dict) else resource
            own = text.removesuffix("/*").removesuffix("${AWS::StackName}-*")
            assert "*" not in own, (name, resource)


def test_no_role_may_do_everything_to_something() -> None:
    """Each allowing statement names its actions one by one."""
    for name, statement in ALLOWED:
        assert not [action for action in listed(statement["Action"]) if "*" in action], name


def test_nobody_of_ours_may_delete_or_lift_a_lock() -> None:
    """No role can remove what was kept, or weaken what keeps it."""
    forbidden = ("s3:Delete", "s3:Bypass", "s3:PutBucket", "s3:PutLifecycle", "s3:PutObjectLegalHold")
    for name, statement in ALLOWED:
        assert not [each for each in listed(statement["Action"]) if each.startswith(forbidden)], name


def test_only_in_a_vpc_may_lambda_manage_network_interfaces() -> None:
    """AWS offers no resource level for it: what Lambda needs and no more, and nothing of it from within."""
    (actions,) = [each["Action"] for name, each in ALLOWED if name == "NetworkPolicy"]
    assert {each.removeprefix("ec2:") for each in actions} == {
        "CreateNetworkInterface",
        "DescribeNetworkInterfaces",
        "DescribeSubnets",
        "DeleteNetworkInterface",
        "AssignPrivateIpAddresses",
        "UnassignPrivateIpAddresses",
    }
    (denied,) = [each for name, each in statements() if name == "NetworkPolicy" and each["Effect"] == "Deny"]
    assert (denied["Action"], denied["Resource"]) == (actions, "*")
    assert list(denied["Condition"]["ArnLike"]) == ["lambda:SourceFunctionArn"]


def test_each_role_has_the_policies_of_its_work() -> None:
    """No policy of AWS's own, which allow on everything; and those that a parameter asks for, only then."""
    looking = {"Ref": "LookingPolicy"}
    network = {"Fn::If": ["InVpc", {"Ref": "NetworkPolicy"}, {"Ref": "AWS::NoValue"}]}
    key = {"Fn::If": ["OwnSecretsKey", {"Ref": "SecretsKeyPolicy"}, {"Ref": "AWS::NoValue"}]}
    copies = {"Fn::If": ["CopySeals", {"Ref": "SealCopyPolicy"}, {"Ref": "AWS::NoValue"}]}
    amazon_q = {"Fn::If": ["ToldByAmazonQ", {"Ref": "AmazonQPolicy"}, {"Ref": "AWS::NoValue"}]}
    heartbeat = {"Fn::If": ["WithHeartbeat", {"Ref": "HeartbeatPolicy"}, {"Ref": "AWS::NoValue"}]}
    heartbeat_key = {"Fn::If": ["OwnKeyForHeartbeat", {"Ref": "SecretsKeyPolicy"}, {"Ref": "AWS::NoValue"}]}
    data_key = {"Fn::If": ["OwnDataKey", {"Ref": "DataKeyPolicy"}, {"Ref": "AWS::NoValue"}]}
    traces = {"Fn::If": ["Traced", {"Ref": "TracingPolicy"}, {"Ref": "AWS::NoValue"}]}
    held = {
        name: role["Properties"]["ManagedPolicyArns"]
        for name, role in resources("AWS::IAM::Role").items()
        if "ManagedPolicyArns" in role["Properties"]
    }
    assert held == {
        "SchedulerRole": [data_key],
        "DispatcherRole": [looking, network, key, data_key, traces],
        "CheckerRole": [looking, network, key, data_key, traces],
        "NotifierRole": [data_key, traces],
        "SenderRole": [amazon_q, key, data_key, traces],
        "ReporterRole": [heartbeat, heartbeat_key, data_key, traces],
        "SealerRole": [copies, data_key, traces],
    }


def test_a_key_of_ones_own_decrypts_secrets_and_nothing_else() -> None:
    """Only for Secrets Manager: what else is encrypted with it stays closed."""
    (statement,) = [each for name, each in ALLOWED if name == "SecretsKeyPolicy"]
    assert (statement["Action"], statement["Resource"]) == ("kms:Decrypt", {"Ref": "SecretsKeyArn"})
    service = {"Fn::Sub": "secretsmanager.${AWS::Region}.${AWS::URLSuffix}"}
    assert statement["Condition"] == {"StringEquals": {"kms:ViaService": service}}


def test_secrets_are_read_by_who_needs_them() -> None:
    """Whoever looks reads passwords, the sender webhooks, the reporter the heartbeat's; nobody else any."""
    found = {
        (name, resource["Fn::Sub"].rpartition(":secret:")[2])
        for name, statement in ALLOWED
        if "secretsmanager:GetSecretValue" in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }
    with_secret = CHANNELS.keys() - CHANNELS_WITHOUT_SECRET
    channels = {("SenderRole", f"${{SecretPrefix}}/{channel}/*") for channel in with_secret}
    heartbeat = ("HeartbeatPolicy", "${SecretPrefix}/heartbeat/*")
    assert found == {("LookingPolicy", "${SecretPrefix}/vcenter/*"), heartbeat, *channels}


def test_only_whoever_looks_or_reports_publishes() -> None:
    """Who tells people can't start a check or tell an event: they send to the DeliveryQueue and behind it.

    What the sender publishes goes to Amazon Q's topic and to no other.
    """
    publishing = {name for name, statement in ALLOWED if "sns:Publish" in listed(statement["Action"])}
    assert publishing == {"LookingPolicy", "ReporterRole", "AmazonQPolicy"}
    (to_amazon_q,) = [statement for name, statement in ALLOWED if name == "AmazonQPolicy"]
    assert to_amazon_q["Resource"] == {"Ref": "AmazonQTopicArn"}
    sent_to = {
        (name, target(resource))
        for name, statement in ALLOWED
        if "sqs:SendMessage" in listed(statement["Action"]) and name in {"NotifierRole", "SenderRole"}
        for resource in listed(statement["Resource"])
    }
    assert sent_to == {
        ("NotifierRole", "DeliveryQueue"),
        ("SenderRole", "DeliveryQueue"),
        ("SenderRole", "DeliveryDeadLetterQueue"),
    }


def test_the_checker_knows_every_function_that_may_ask_it() -> None:
    """What SQS says was sent by one of their roles is no decision; by a forgotten one it might be."""
    functions = resources("AWS::Lambda::Function")
    given = functions["CheckerFunction"]["Properties"]["Environment"]["Variables"]["OWN_ROLE_IDS"]
    separator, ids = given["Fn::Join"]
    known = {target(one) for one in ids}
    assert (separator, {one["Fn::GetAtt"][1] for one in ids}) == (",", {"RoleId"})
    assert known == {target(function["Properties"]["Role"]) for function in functions.values()}
    sending = {
        name
        for name, statement in ALLOWED
        if "sqs:SendMessage" in listed(statement["Action"])
        if "CheckQueue" in {target(resource) for resource in listed(statement["Resource"])}
    }
    holders = {
        name
        for name, role in resources("AWS::IAM::Role").items()
        if name in sending
        or any(
            target(policy) in sending
            for policy in role["Properties"].get("ManagedPolicyArns", ())
            if "Ref" in policy
        )
    }
    assert {"DispatcherRole", "CheckerRole"} <= holders <= known


def _list_s3_rights(role: str) -> set[tuple[str, str]]:
    return {
        (action, resource["Fn::Sub"])
        for name, statement in ALLOWED
        if name == role
        for action in listed(statement["Action"])
        if action in {"s3:GetObject", "s3:PutObject"}
        for resource in listed(statement["Resource"])
    }


def test_the_notifier_reads_records_and_writes_none() -> None:
    """What it sends on, it compares with the trail; in the trail it keeps only what messages tell."""
    assert _list_s3_rights("NotifierRole") == {
        ("s3:GetObject", "${StateBucket.Arn}/config/fleet.json"),
        ("s3:GetObject", "${AuditBucket.Arn}/records/*"),
        ("s3:GetObject", "${AuditBucket.Arn}/reports/*"),
        ("s3:GetObject", "${AuditBucket.Arn}/deliveries/groups/*"),
        ("s3:PutObject", "${AuditBucket.Arn}/deliveries/groups/*"),
    }


def test_the_sender_says_nothing_of_its_own() -> None:
    """It posts what the notifier wrote, sees what is over since, and writes receipts and whose turn it is."""
    assert _list_s3_rights("SenderRole") == {
        ("s3:GetObject", "${AuditBucket.Arn}/records/*"),
        ("s3:GetObject", "${StateBucket.Arn}/state/*"),
        ("s3:GetObject", "${StateBucket.Arn}/config/fleet.json"),
        ("s3:GetObject", "${AuditBucket.Arn}/deliveries/*"),
        ("s3:PutObject", "${AuditBucket.Arn}/deliveries/*"),
        ("s3:GetObject", "${StateBucket.Arn}/routes/*"),
        ("s3:PutObject", "${StateBucket.Arn}/routes/*"),
    }
    (denied,) = [each for name, each in statements() if name == "SenderRole" and each["Effect"] == "Deny"]
    assert denied["Action"] == "s3:PutObject"
    assert denied["Resource"] == {"Fn::Sub": "${AuditBucket.Arn}/deliveries/groups/*"}


def test_only_the_checker_keeps_what_vcenters_answered() -> None:
    """The dispatcher writes records of its own, and neither documents nor snapshots."""
    writers: dict[str, set[str]] = {}
    for name, statement in ALLOWED:
        if "s3:PutObject" in listed(statement["Action"]):
            for resource in listed(statement["Resource"]):
                writers.setdefault(resource["Fn::Sub"], set()).add(name)
    assert writers == {
        "${AuditBucket.Arn}/records/*": {"LookingPolicy"},
        "${AuditBucket.Arn}/documents/*": {"CheckerRole"},
        "${AuditBucket.Arn}/snapshots/*": {"CheckerRole"},
        "${AuditBucket.Arn}/quarantine/*": {"CheckerRole"},
        "${AuditBucket.Arn}/deliveries/*": {"SenderRole"},
        "${AuditBucket.Arn}/deliveries/groups/*": {"NotifierRole"},
        "${StateBucket.Arn}/routes/*": {"SenderRole"},
        "${AuditBucket.Arn}/reports/*": {"ReporterRole"},
        "${StateBucket.Arn}/reports/*": {"ReporterRole"},
        "${AuditBucket.Arn}/digests/*": {"SealerRole"},
        "${StateBucket.Arn}/seals/*": {"SealerRole"},
        "arn:${AWS::Partition}:s3:::${SealCopyBucket}/digests/*": {"SealCopyPolicy"},
        "${StateBucket.Arn}/athena/*": {"AuditorPolicy"},
        "${StateBucket.Arn}/state/*": {"LookingPolicy"},
        "${StateBucket.Arn}/breaker/*": {"LookingPolicy"},
        "${StateBucket.Arn}/config/fleet.json": {"OperatorPolicy"},
        "${StateBucket.Arn}/config/fleet.yaml": {"OperatorPolicy"},
    }


def test_only_the_sealer_signs() -> None:
    """By its own policy, and by the key's: no other policy of the account can let anybody sign."""
    signing = {name for name, statement in ALLOWED if "kms:Sign" in listed(statement["Action"])}
    assert signing == {"SigningPolicy"}
    assert resources("AWS::IAM::Policy")["SigningPolicy"]["Properties"]["Roles"] == [{"Ref": "SealerRole"}]
    (key,) = resources("AWS::KMS::Key").values()
    administering, by_sealer = key["Properties"]["KeyPolicy"]["Statement"]
    # A statement that names the account hands on to IAM what it allows, and nothing else.
    assert administering["Principal"] == {
        "AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}
    }
    assert not {"kms:Sign", "kms:CreateGrant", "kms:*"} & {*administering["Action"]}
    assert not [action for action in administering["Action"] if "*" in action]
    assert by_sealer["Principal"] == {"AWS": {"Fn::GetAtt": ["SealerRole", "Arn"]}}
    assert by_sealer["Action"] == ["kms:Sign", "kms:GetPublicKey"]


def test_the_sealer_reads_the_whole_trail_and_adds_digests_to_it() -> None:
    """Whatever there is, a foreign object too."""
    assert _list_s3_rights("SealerRole") == {
        ("s3:GetObject", "${AuditBucket.Arn}/*"),
        ("s3:PutObject", "${AuditBucket.Arn}/digests/*"),
        ("s3:GetObject", "${StateBucket.Arn}/seals/*"),
        ("s3:PutObject", "${StateBucket.Arn}/seals/*"),
    }


def test_only_our_own_schedule_takes_the_schedulers_role() -> None:
    """No schedule of another account, and none of another group, can have the Scheduler use it for them."""
    role = resources("AWS::IAM::Role")["SchedulerRole"]["Properties"]
    (trusted,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Condition"] == {
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
        "ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["RunsGroup", "Arn"]}},
    }
    for schedule in resources("AWS::Scheduler::Schedule").values():
        assert schedule["Properties"]["GroupName"] == {"Ref": "RunsGroup"}
        assert schedule["Properties"]["Target"]["RoleArn"] == {"Fn::GetAtt": ["SchedulerRole", "Arn"]}
    may = {each["Action"]: listed(each["Resource"]) for name, each in ALLOWED if name == "SchedulerRole"}
    assert {action: [*map(target, several)] for action, several in may.items()} == {
        "lambda:InvokeFunction": ["DispatcherFunction", "ReporterFunction", "SealerFunction"],
        "sqs:SendMessage": ["DispatcherDeadLetterQueue"],
    }


def test_each_role_has_the_boundary_that_an_organization_asks_for() -> None:
    """Else it could not be deployed there at all."""
    bounded = {"Fn::If": ["Bounded", {"Ref": "PermissionsBoundary"}, {"Ref": "AWS::NoValue"}]}
    for name, role in resources("AWS::IAM::Role").items():
        assert role["Properties"]["PermissionsBoundary"] == bounded, name
