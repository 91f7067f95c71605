"""The template's questions in SQL, and the tables that they are asked of."""

import pytest
from sqlglot import parse_one

from tests.paths import ROOT
from tests.unit.trail.athena import (
    Athena,
    hold_rows_to_files,
    list_questions,
    list_tables,
    list_unbounded_tables,
    parse_question,
)

STORED = ROOT / "tests" / "golden" / "stored"


@pytest.mark.parametrize("version", sorted(each.name for each in STORED.glob("v*")))
def test_columns_hold_what_a_version_before_wrote(version: str) -> None:
    """What it did not know yet is null, and each question is answered."""
    root = STORED / version / "audit"
    assert hold_rows_to_files(root) > len(list(root.glob("records/**/*.json")))
    athena = Athena(root)
    for name in list_questions():
        assert athena.ask(name, *["8"] * parse_question(name, ["vc"]).sql().count("?")) is not None
    assert athena.ask("hosts on a version", "")


@pytest.mark.parametrize("name", list_questions())
def test_a_question_names_the_vcenters_of_each_table(name: str) -> None:
    """Athena refuses one that does not: it could not tell whose files it is about."""
    assert list(list_unbounded_tables(parse_question(name, ["vc01", "vc02"]))) == []
    for table in list_tables():
        without = parse_question(name, ["vc01"]).sql("athena").replace("vcenter IN ('vc01')", "TRUE")
        if table.name in without:
            assert table.name in list_unbounded_tables(parse_one(without, read="athena"))
