"""Tables over the trail, and who may ask them, only where a parameter asks for it."""

import json
from functools import cache
from typing import Any

import pytest
from esx_drift.domain.stored.identifiers import make_record_key, make_snapshot_key
from esx_drift.domain.stored.types import KnownHost, Snapshot
from sqlglot import exp

from tests.paths import ROOT
from tests.unit.template.application import choose, listed, resources, statements, transformed, written
from tests.unit.trail.athena import Table, list_questions, list_tables

OURS = {
    name: each
    for name, each in transformed()["Resources"].items()
    if each["Type"].startswith(("AWS::Athena::", "AWS::Glue::"))
}
NO_COLUMNS = {
    "schema_version",  # a newer one is another table's
    "vcenter",  # the partition's
    "notices",  # hashes of notices
    "events",  # what was published of the rest
    "maintenance_ended",  # the same, of many logs at once
    "before_sha256",  # for verifying
    "unpublished",  # for the next check
}
"""What of a record no table shows."""
KINDS = {"string": "text", "integer": "bigint", "number": "double", "boolean": "boolean"}


@cache
def read_schema(name: str) -> dict[str, Any]:
    """A schema of the trail."""
    found: dict[str, Any] = json.loads((ROOT / "schemas" / name).read_text())
    return found


def resolve(schema: dict[str, Any], file: str) -> tuple[dict[str, Any], str]:
    """A schema without references and nulls, and the file that it stands in."""
    while "$ref" in schema:
        name, _, place = schema["$ref"].partition("#")
        file = name or file
        schema = read_schema(file)
        for part in filter(None, place.split("/")):
            schema = schema[part]
    if "anyOf" in schema:
        (only,) = [each for each in schema["anyOf"] if each != {"type": "null"}]
        return resolve(only, file)
    return schema, file


def find_kind(schema: dict[str, Any]) -> str:
    """The one type that a value has which is not null."""
    constants = schema.get("enum", [schema["const"]] if "const" in schema else [])
    if constants:
        kinds = {"boolean" if isinstance(each, bool) else "string" for each in constants if each is not None}
    else:
        kinds = {*([schema["type"]] if isinstance(schema["type"], str) else schema["type"])} - {"null"}
    (kind,) = kinds
    return kind


def list_misfits(kind: exp.DataType, schema: dict[str, Any], file: str, path: str) -> list[str]:
    """Where a column's type is not what the schema says."""
    schema, file = resolve(schema, file)
    own = find_kind(schema)
    if kind.is_type("struct"):
        known = schema.get("properties", {}) if own == "object" else {}
        return [
            misfit
            for each in kind.expressions
            for misfit in (
                list_misfits(each.args["kind"], known[each.name], file, f"{path}.{each.name}")
                if each.name in known
                else [f"{path}.{each.name}"]
            )
        ]
    if kind.is_type("map"):
        values = schema.get("additionalProperties") if own == "object" else None
        key, value = kind.expressions
        is_map = isinstance(values, dict) and key.is_type("text")
        return list_misfits(value, values or {}, file, f"{path}[]") if is_map else [path]
    if kind.is_type("array"):
        return (
            list_misfits(kind.expressions[0], schema["items"], file, f"{path}[]")
            if own == "array"
            else [path]
        )
    return [] if own in KINDS and kind.is_type(KINDS[own]) else [path]


RECORD_TABLES = [table for table in list_tables() if "/records/" in table.location]


@pytest.mark.parametrize("table", RECORD_TABLES, ids=lambda table: table.name)
def test_columns_are_as_the_schema_has_them(table: Table) -> None:
    """Each is a field of a record, down to the innermost, and its type is the field's."""
    fields = read_schema("record.schema.json")["properties"]
    assert set(table.columns) <= set(fields)
    for name, kind in table.columns.items():
        assert list_misfits(kind, fields[name], "record.schema.json", name) == []


def test_a_wrong_type_is_seen() -> None:
    """Whatever is wrong about it."""
    fields = read_schema("record.schema.json")["properties"]
    for column, wrong in (
        ("seq", "string"),
        ("cluster", "bigint"),
        ("changes", "array<string>"),
        ("changes", "array<struct<element:boolean>>"),
        ("changes", "array<struct<elements:string>>"),
        ("coverage", "map<string,bigint>"),
        ("clock", "struct<skew_seconds:bigint>"),
        ("after", "struct<findings:struct<kind:string>>"),
        ("after", "struct<findings:map<string,string>>"),
        ("uncovered", "struct<host:string>"),
    ):
        kind = exp.DataType.build(wrong, dialect="hive")
        assert list_misfits(kind, fields[column], "record.schema.json", column), (column, wrong)


def test_no_field_of_a_record_is_left_out_by_mistake() -> None:
    """Each is a column somewhere, or is named here with its reason."""
    shown = {name for table in RECORD_TABLES for name in table.columns}
    assert shown.isdisjoint(NO_COLUMNS)
    assert shown | NO_COLUMNS == set(read_schema("record.schema.json")["properties"])


def test_snapshots_have_the_fields_of_their_type() -> None:
    """They have no schema; values are held to the columns by what is stored."""
    (table,) = [each for each in list_tables() if each.name == "snapshots"]
    assert set(table.columns) <= set(Snapshot.__annotations__)
    host = table.columns["hosts"].expressions[1]
    assert {each.name for each in host.expressions} == set(KnownHost.__annotations__)


def test_a_table_is_over_the_objects_of_one_vcenter() -> None:
    """Whose name a question gives; keys of no other kind are read."""
    for table in resources("AWS::Glue::Table").values():
        written_table = table["Properties"]["TableInput"]
        assert written_table["PartitionKeys"][0]["Name"] == "vcenter"
        assert len(written_table["PartitionKeys"]) == 1
        parameters = written_table["Parameters"]
        assert (parameters["projection.enabled"], parameters["projection.vcenter.type"]) == (
            "true",
            "injected",
        )
        assert "vcenter" not in {each["Name"] for each in written_table["StorageDescriptor"]["Columns"]}
        # The other one may give more rows than there are, or fewer, by its own documentation.
        library = written_table["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"]
        assert library == "org.apache.hive.hcatalog.data.JsonSerDe"
    keys = {
        "records": make_record_key("vc01", "domain-c9", 1),
        "dispatches": make_record_key("vc01", "@vcenter", 1),
        "snapshots": make_snapshot_key("vc01", "domain-c9", "0" * 64),
    }
    places = {each.name: each.location.replace("${vcenter}", "vc01") for each in list_tables()}
    assert places.keys() == keys.keys()
    for name, key in keys.items():
        assert f"s3://audit/{key}".startswith(places[name])
        assert places[name].endswith("/")


def test_nothing_of_it_is_made_by_default() -> None:
    """The parameter that names vCenters switches it on, with the rights and the outputs."""
    template = transformed()
    assert written()["Parameters"]["AthenaVCenters"]["Default"] == ""
    assert len(OURS) == 1 + 3 + 1 + 4
    assert {each.get("Condition") for each in OURS.values()} == {"AskedByAthena"}
    assert template["Resources"]["AuditorPolicy"]["Condition"] == "AskedByAthena"
    for name in ("AuditorPolicyArn", "AthenaWorkGroupName", "AthenaDatabaseName"):
        assert template["Outputs"][name]["Condition"] == "AskedByAthena"


def test_nobody_else_may_ask_athena() -> None:
    """No right to Athena or Glue stands anywhere else, so that without the parameter there is none."""
    holders = {name for name, each in statements() if "athena:" in str(each) or "glue:" in str(each)}
    assert holders == {"AuditorPolicy"}


def test_an_auditor_reads_the_trail_and_writes_answers_only() -> None:
    """Below their own prefix, which expires; no right there is another function's."""
    rights = {
        (action, str(one))
        for name, each in statements()
        if name == "AuditorPolicy"
        for action in listed(each["Action"])
        if action in {"s3:GetObject", "s3:PutObject"}
        for one in listed(each["Resource"])
    }
    assert rights == {
        ("s3:GetObject", "{'Fn::Sub': '${AuditBucket.Arn}/records/*'}"),
        ("s3:GetObject", "{'Fn::Sub': '${AuditBucket.Arn}/snapshots/*'}"),
        ("s3:GetObject", "{'Fn::Sub': '${StateBucket.Arn}/athena/*'}"),
        ("s3:PutObject", "{'Fn::Sub': '${StateBucket.Arn}/athena/*'}"),
    }


def test_answers_are_encrypted_where_the_group_says() -> None:
    """Whoever asks can't send them elsewhere, or ask for more than a dollar's worth."""
    (group,) = resources("AWS::Athena::WorkGroup").values()
    settings = group["Properties"]["WorkGroupConfiguration"]
    assert settings["EnforceWorkGroupConfiguration"] is True
    result = settings["ResultConfiguration"]
    assert result["OutputLocation"] == {"Fn::Sub": "s3://${StateBucket}/athena/"}
    assert choose(result["EncryptionConfiguration"]) == {"EncryptionOption": "SSE_S3"}
    assert settings["BytesScannedCutoffPerQuery"] == 200 * 1024**3
    assert settings["EngineVersion"] == {"SelectedEngineVersion": "Athena engine version 3"}


def test_the_four_questions_are_there() -> None:
    """Each says in its description what it asks for, if anything."""
    described = {
        each["Properties"]["Name"]: each["Properties"]["Description"]
        for each in resources("AWS::Athena::NamedQuery").values()
    }
    assert set(described) == {"changes of a day", "hosts on a version", "orphaned VIBs", "gaps"}
    for name, text in list_questions().items():
        assert ("?" in text) == ("'" in described[name]), name
