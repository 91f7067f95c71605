"""Athena's part, played by DuckDB: the template's tables over a copy of a trail, and its questions to them.

Questions are parsed as Athena's SQL and translated. What DuckDB can't show is how Athena finds files: that
each question names the vCenters of each table that it reads is looked up in what was parsed.
"""

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import duckdb
from sqlglot import exp, parse_one

from tests.unit.template.application import Resource, resources

BUCKET: Final = "audit"
VCENTERS: Final = "', '"
"""What stands between two vCenters in a question."""

type Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the template. ``location``: where a vCenter's files are, with ``${vcenter}`` in it."""

    name: str
    location: str
    columns: dict[str, exp.DataType]


@cache
def list_tables() -> tuple[Table, ...]:
    """The tables, with the types of their columns as Hive reads them."""
    return tuple(
        _build_table(each["Properties"]["TableInput"]) for each in resources("AWS::Glue::Table").values()
    )


def _build_table(written: Resource) -> Table:
    columns = written["StorageDescriptor"]["Columns"]
    return Table(
        written["Name"],
        _substitute(written["Parameters"]["storage.location.template"]["Fn::Sub"]),
        {each["Name"]: exp.DataType.build(each["Type"], dialect="hive") for each in columns},
    )


def _substitute(text: str) -> str:
    return text.replace("${AuditBucket}", BUCKET).replace("${!", "${")


@cache
def list_questions() -> dict[str, str]:
    """What the template asks, by name; ``${VCenters}`` stands for those that it is about."""
    found = {}
    for each in resources("AWS::Athena::NamedQuery").values():
        text, values = each["Properties"]["QueryString"]["Fn::Sub"]
        assert values == {"VCenters": {"Fn::Join": [VCENTERS, {"Ref": "AthenaVCenters"}]}}
        found[each["Properties"]["Name"]] = _substitute(text)
    return found


def parse_question(name: str, vcenters: Sequence[str]) -> exp.Expr:
    """Parse a question as Athena does."""
    text = list_questions()[name].replace("${VCenters}", VCENTERS.join(vcenters))
    return parse_one(text, read="athena")


class Athena:
    """The tables over a copy of a trail."""

    def __init__(self, root: Path) -> None:
        """With all vCenters that the copy in ``root`` has."""
        self._base = duckdb.connect(config={"autoinstall_known_extensions": "false", "TimeZone": "UTC"})
        self.vcenters = sorted(
            each.name.removeprefix("vcenter=") for each in (root / "records").glob("vcenter=*")
        )
        for table in list_tables():
            self._create(table, root)

    def _create(self, table: Table, root: Path) -> None:
        columns = {name: _write_type(kind) for name, kind in table.columns.items()}
        fields = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
        self._base.execute(f'CREATE TABLE {table.name} ({fields}, "$path" VARCHAR, vcenter VARCHAR)')
        for vcenter in self.vcenters:
            place = table.location.replace("${vcenter}", vcenter)
            folder = root / place.removeprefix(f"s3://{BUCKET}/")
            files = sorted(str(each) for each in folder.rglob("*") if each.is_file())
            rows = self._base.read_json(
                files,
                columns=columns,
                format="newline_delimited",
                hive_partitioning=False,
                filename=True,
            )
            path = f"'s3://{BUCKET}' || substr(filename, {len(str(root)) + 1})"
            self._base.execute(
                f"INSERT INTO {table.name} SELECT * EXCLUDE (filename), {path}, ? FROM rows",  # noqa: S608 - ours
                [vcenter],
            )
            del rows

    def ask(
        self, name: str, *values: str, now: datetime | None = None, vcenters: Sequence[str] = ()
    ) -> list[Row]:
        """Ask a question of the template about all vCenters, or these, with what it asks for, at a time."""
        question = parse_question(name, vcenters or self.vcenters)
        if now is not None:
            for node in list(question.find_all(exp.CurrentTimestamp)):
                node.replace(exp.cast(exp.Literal.string(now.isoformat()), "TIMESTAMPTZ"))
        return self._run(question.sql("duckdb"), values)

    def read(self, table: str) -> list[Row]:
        """Read all of a table."""
        return self._run(f"SELECT * FROM {table}", ())  # noqa: S608 - a name of the template's

    def _run(self, text: str, values: Sequence[str]) -> list[Row]:
        found = self._base.execute(text, values)
        names = [each[0] for each in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _write_type(kind: exp.DataType) -> str:
    return kind.sql("duckdb", identify=True)


def project(value: Any, kind: exp.DataType) -> Any:  # noqa: ANN401 - any JSON
    """What a column of a type has of a JSON value: null where there is none, and only what it names."""
    if value is None:
        return None
    if kind.is_type("struct"):
        return {each.name: project(value.get(each.name), each.args["kind"]) for each in kind.expressions}
    if kind.is_type("array"):
        return [project(each, kind.expressions[0]) for each in value]
    if kind.is_type("map"):
        return {name: project(each, kind.expressions[1]) for name, each in value.items()}
    return value


def hold_rows_to_files(root: Path) -> int:
    """Hold each row of each table to the file that it was read from; how many there are."""
    athena, held = Athena(root), 0
    for table in list_tables():
        rows = athena.read(table.name)
        assert len({row["$path"] for row in rows}) == len(rows)
        for row in rows:
            body = (root / row["$path"].removeprefix("s3://audit/")).read_bytes()
            line = gzip.decompress(body) if row["$path"].endswith(".gz") else body
            assert b"\n" not in line
            stored = json.loads(line)
            columns = {name: row[name] for name in table.columns}
            assert columns == {name: project(stored.get(name), kind) for name, kind in table.columns.items()}
            assert stored.get("vcenter", row["vcenter"]).replace(".", "%2E") == row["vcenter"]
        held += len(rows)
    return held


def list_unbounded_tables(question: exp.Expr) -> Iterator[str]:
    """List the tables that a question reads without saying of which vCenters, by literals."""
    for table in question.find_all(exp.Table):
        if table.name not in {each.name for each in list_tables()}:
            continue
        condition = table.parent_select.args.get("where") if table.parent_select else None
        named = [
            each
            for each in (condition.find_all(exp.In) if condition else ())
            if each.this.name == "vcenter"
            and each.this.table in {"", table.alias}
            and all(one.is_string for one in each.expressions)
        ]
        if not named:
            yield table.name
