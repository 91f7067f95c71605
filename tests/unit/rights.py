"""What a policy of the template allows: actions, and what they are done to, as the template names it."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from tests.unit.template.application import listed, resources, target

type Asked = set[tuple[str, str]]
"""IAM actions, each with what it is done to: ``AuditBucket/records/…``, ``CheckQueue``."""

type Statement = Mapping[str, Any]

NAMES = {"${SecretPrefix}": "esx-drift", "${AWS::StackName}": "esx-drift", "${RunsGroup}": "RunsGroup"}


def list_managed_statements(policy: str) -> list[Statement]:
    """The statements of a managed policy, by its logical id."""
    document = resources("AWS::IAM::ManagedPolicy")[policy]["Properties"]["PolicyDocument"]
    return list(document["Statement"])


def list_role_statements(role: str) -> list[Statement]:
    """All that a role may have: its own policies, those that name it, and managed ones of every parameter."""
    properties = resources("AWS::IAM::Role")[role]["Properties"]
    found = [each for policy in properties["Policies"] for each in policy["PolicyDocument"]["Statement"]]
    for policy in resources("AWS::IAM::Policy").values():
        if role in map(target, policy["Properties"]["Roles"]):
            found += policy["Properties"]["PolicyDocument"]["Statement"]
    for attached in properties.get("ManagedPolicyArns", []):
        found += list_managed_statements(target(attached["Fn::If"][1] if "Fn::If" in attached else attached))
    return found


def covers(statement: Statement, action: str, subject: str) -> bool:
    """Whether a statement is about an action that is done to something, allowed or denied."""
    return any(fnmatchcase(action, each) for each in listed(statement["Action"])) and any(
        fnmatchcase(subject, spell_resource(each)) for each in listed(statement["Resource"])
    )


def allows(statements: Iterable[Statement], action: str, subject: str) -> bool:
    """Whether a statement allows it and none denies it; denials under a condition don't count."""
    about = [each for each in statements if covers(each, action, subject)]
    denied = any(each["Effect"] == "Deny" and "Condition" not in each for each in about)
    return not denied and any(each["Effect"] == "Allow" for each in about)


def spell_resource(resource: Mapping[str, Any] | str) -> str:
    """A resource of a policy, spelt as what is done to it."""
    if isinstance(resource, str):
        return resource
    if "Ref" in resource:
        return str(resource["Ref"])
    if "Fn::GetAtt" in resource:
        return str(resource["Fn::GetAtt"][0])
    text = str(resource["Fn::Sub"])
    for kind in ("secret:", "schedule/", "alarm:", "dashboard/"):
        if f":{kind}" in text:
            text = kind + text.partition(f":{kind}")[2]
            for written, known in NAMES.items():
                text = text.replace(written, known)
            return text
    return "stack" if ":stack/${AWS::StackName}/" in text else text.replace(".Arn}", "").removeprefix("${")
