"""What is wrong with a fleet file is said as it was written, with what was probably meant."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from esx_drift.cli.fleet_advice import explain_faults
from esx_drift.cli.fleet_review import examine_fleet
from esx_drift.cli.fleet_yaml import parse_fleet_text

from tests.unit.cli.conftest import Run

NOW = datetime(2026, 11, 28, 20, 0, tzinfo=UTC)
EITHER: Final = "/maintenance/0: expected either from and to, or cron, timezone and for, got "
A_TIME: Final = (
    "expected a day, such as 2027-01-27, or a time with its zone, such as 2027-01-27T20:00:00+01:00, got "
)


def _explain(parts: str) -> list[str]:
    vcenters = "" if parts.startswith("vcenters") else "vcenters: [{name: vc01}]\n"
    text = parse_fleet_text(f"schema_version: 1\n{vcenters}{parts}")
    examined = examine_fleet(text.document, NOW, text.spelt)
    return explain_faults(examined.faults, examined.advice, text, NOW)


def _make_rule(fields: str) -> str:
    return f"ignore: [{{name: a, reason: r, {fields}}}]"


def _make_window(fields: str) -> str:
    return f"maintenance: [{{name: a, reason: r, {fields}}}]"


@pytest.mark.parametrize(
    ("parts", "lines"),
    [
        (
            _make_rule("keys: [mft], until: 2028-01-01"),
            ["/ignore/0/until: expected a time at most a year ahead, got 2028-01-01"],
        ),
        (
            _make_rule("keys: [mft], until: 2028-01-01 08:00 UTC"),
            ["/ignore/0/until: expected a time at most a year ahead, got 2028-01-01 08:00 UTC"],
        ),
        (
            _make_rule("keys: [mft], until: 0999-01-01"),
            [f'/ignore/0/until: {A_TIME}"0999-01-01"'],
        ),
        (
            _make_window('from: 2026-12-07, to: "2026-12-06T18:00:00+01:00"'),
            ["/maintenance/0/to: expected a time after from, got 2026-12-06T18:00:00+01:00"],
        ),
        (
            _make_window("from: 2026-12-07, to: 2026-12-05"),
            ["/maintenance/0/to: expected a time after from, got 2026-12-05"],
        ),
        (_make_rule("keys: [mft], until: 01.12.2026"), [f'/ignore/0/until: {A_TIME}"01.12.2026"']),
        (
            _make_window("from: 2026-12-07, for: 4h"),
            [f"{EITHER}from and for: to is missing, and for can't stand beside from and to"],
        ),
        (_make_window("from: 2026-12-07"), [f"{EITHER}from: to is missing"]),
        (_make_window("cron: 0 22 * * SAT"), [f"{EITHER}cron: timezone and for are missing"]),
        (
            _make_window("from: 2026-12-07, to: 2026-12-08, for: 4h"),
            [f"{EITHER}from, to and for: for can't stand beside from and to"],
        ),
        (_make_window("accept: true"), [f"{EITHER}none of them"]),
        (
            "vcenters: [{name: vc01, clusters: [prod-*]}]",
            ['/vcenters/0/clusters: expected an object, got a list of 1 items: write {include: ["prod-*"]}'],
        ),
        (
            "vcenters: [{name: vc01, clusters: prod}]",
            ['/vcenters/0/clusters: expected an object, got "prod"'],
        ),
    ],
)
def test_a_fault_says_what_was_typed_and_what_to_write(parts: str, lines: list[str]) -> None:
    """Days stay days, no example lies in the past, and what is missing has its name."""
    assert _explain(parts) == lines


@pytest.mark.parametrize(
    ("field", "value", "meant"),
    [
        ("kinds", "component", " (did you mean elements in place of kinds?)"),
        ("kinds", "host-failed", " (did you mean findings in place of kinds?)"),
        ("elements", "upgraded", " (did you mean kinds in place of elements?)"),
        ("findings", "component", " (did you mean elements in place of findings?)"),
        ("kinds", "nonsense", ""),
        ("kinds", "[component]", ""),
    ],
)
def test_what_another_field_of_a_rule_takes_is_said_so(field: str, value: str, meant: str) -> None:
    """Elements, kinds of changes and kinds of findings stand in fields of their own."""
    (line,) = _explain(_make_rule(f"{field}: [{value}], until: 2027-01-31"))
    assert line.startswith(f"/ignore/0/{field}/0: expected one of ")
    assert line.partition(", got ")[2].partition(" (")[2] == meant.removeprefix(" (")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("hello", '1: expected an object, got "hello"'),
        ("- a", "1: expected an object, got a list of 1 items"),
    ],
)
def test_a_file_that_is_no_object_has_no_pointer(text: str, line: str, tmp_path: Path, run: Run) -> None:
    """Its line says where."""
    file = tmp_path / "fleet.yaml"
    file.write_text(text)
    assert run("fleet", "check", file).out == f"{file}:{line}\n"


@pytest.mark.parametrize(
    ("parts", "pointers"),
    [
        (
            "routes: [{name: 2026}, {name: ops, fallback: nobody}]",
            ["/routes/0/name", "/routes/1/fallback"],
        ),
        ('routes: [{name: 2026}, {name: ops, fallback: "2026"}]', ["/routes/0/name"]),
        ("routes: [{name: 2026}, {name: 2026}]", ["/routes/0/name", "/routes/1/name", "/routes/1/name"]),
        ("routes: [{name: }, {name: ops, fallback: nobody}]", ["/routes/0/name"]),
        (
            "routes: [{name: ops, kinds: [5, '5']}]",
            ["/routes/0/kinds"] + ["/routes/0/kinds/0"] * 2 + ["/routes/0/kinds/1"],
        ),
        (
            _make_window("cron: 0 22 * * 9, timezone: CET+1, for: 8"),
            ["/maintenance/0/cron", "/maintenance/0/for", "/maintenance/0/timezone"],
        ),
    ],
)
def test_what_quotes_would_mend_is_looked_at_as_if_it_had_them(parts: str, pointers: list[str]) -> None:
    """What would be found only once they are there is told at once."""
    assert sorted(line.partition(": ")[0] for line in _explain(parts)) == pointers
