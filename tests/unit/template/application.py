"""template.yaml as CloudFormation sees it: read by cfn-lint, transformed by SAM's own translator."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import boto3
from cfnlint.decode import decode
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from tests.lab.local_aws.aws import REGION
from tests.paths import ROOT

PATH = ROOT / "template.yaml"
# Functions read as {"Fn::GetAtt": [...]}, so a resource is plain JSON.
type Resource = dict[str, Any]
type Template = dict[str, Any]


def written() -> Template:
    """The template as it is written."""
    template, faults = decode(str(PATH))
    assert not faults, faults
    # cfn-lint's own kinds of text and map remember their lines; the translator wants the plain ones.
    plain: Template = json.loads(json.dumps(template))
    return plain


@cache
def transformed() -> Template:
    """The template as it is deployed: event source mappings and schedules are resources of their own."""
    template = written()
    for resource in template["Resources"].values():
        for code in {"CodeUri", "ContentUri"} & set(resource.get("Properties", {})):
            resource["Properties"][code] = "s3://bucket/key"
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGION))
    deployed: Template = translator.translate(template, {})
    return deployed


def resources(kind: str) -> dict[str, Resource]:
    """Every deployed resource of a type, by logical id."""
    every = transformed()["Resources"]
    return {name: each for name, each in every.items() if each["Type"] == kind}


def target(reference: Any) -> str:  # noqa: ANN401 - a reference has many shapes
    """The logical id that a Ref or GetAtt names."""
    if "Ref" in reference:
        return str(reference["Ref"])
    found = reference["Fn::GetAtt"]
    return str(found[0] if isinstance(found, list) else found.split(".")[0])


def statements() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement of every policy, with the logical id of the resource that holds it."""
    for name, resource in transformed()["Resources"].items():
        properties = resource.get("Properties", {})
        inline = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
        own = [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
        for document in [*inline, *own]:
            for statement in document["Statement"]:
                yield name, statement


def listed(value: Any) -> list[Any]:  # noqa: ANN401 - IAM allows one thing for a list of one
    """A list of what may be a list or one thing."""
    return value if isinstance(value, list) else [value]


NO_VALUE = {"Ref": "AWS::NoValue"}


def choose(value: Any, *holding: str) -> Any:  # noqa: ANN401 - a part of a template has any shape
    """A part of the template as it is where the conditions ``holding`` hold, and no other does."""
    if isinstance(value, list):
        return [made for made in (choose(each, *holding) for each in value) if made != NO_VALUE]
    if not isinstance(value, dict):
        return value
    if "Fn::If" in value:
        condition, then, otherwise = value["Fn::If"]
        return choose(then if condition in holding else otherwise, *holding)
    made = {name: choose(each, *holding) for name, each in value.items()}
    return {name: each for name, each in made.items() if each != NO_VALUE}
