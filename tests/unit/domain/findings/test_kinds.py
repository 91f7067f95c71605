"""The registry of finding kinds: complete, and the same as what is written elsewhere.

``pytest --refresh-goldens`` writes the type ``FindingKind``, the enums of the schemas and the table of
docs/findings.md anew.
"""

import ast
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Any, get_args

import pytest
from esx_drift.domain.findings.condition import build_condition
from esx_drift.domain.findings.kinds import (
    CLOCK_KINDS,
    FINDING_KINDS,
    LISTING_KINDS,
    LOGIN_KINDS,
    LOOK_KINDS,
    OUTAGE_KINDS,
    PERSON_KINDS,
    VCENTER_KINDS,
    Advice,
    Evidence,
    KindEntry,
    list_kinds_ruled_out_by,
)
from esx_drift.domain.stored import types
from esx_drift.domain.stored.types import Family, FindingKind
from esx_drift.errors import VCENTER_FAILURES, ContractViolation

from tests.paths import SCHEMAS

DOCS = Path("docs/findings.md")
KINDS = list(FINDING_KINDS)


def test_the_type_names_the_kinds_of_the_registry(*, refresh_goldens: bool) -> None:
    """In its order, each once: so the type checker knows every kind."""
    source = Path(inspect.getfile(types))
    if refresh_goldens:
        _write_enum(source, KINDS)
    (alias,) = (
        node
        for node in ast.parse(source.read_text()).body
        if isinstance(node, ast.TypeAlias) and node.name.id == FindingKind.__name__
    )
    assert [node.value for node in ast.walk(alias) if isinstance(node, ast.Constant)] == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_advice_may_name_is_described(kind: str) -> None:
    """Each placeholder that stands in its words, where the class says what they mean."""
    advice = FINDING_KINDS[kind].advice
    words = (advice.headline, advice.end_headline, advice.step, advice.command, advice.note)
    named = {name for text in words for _, name, _, _ in Formatter().parse(text) if name is not None}
    assert [name for name in named if f"``{{{name}}}``" not in (Advice.__doc__ or "")] == []


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_ruled_out_by_something(kind: str) -> None:
    """By a look at the cluster, a listing, the vCenter's clock, or a person: else it would never end."""
    assert kind in LOOK_KINDS | LISTING_KINDS | CLOCK_KINDS | PERSON_KINDS


def test_more_evidence_rules_out_more() -> None:
    """Who answers every call has let us in; a report and a listing take every call."""
    assert LOGIN_KINDS < VCENTER_KINDS < LOOK_KINDS
    assert VCENTER_KINDS < LISTING_KINDS
    kinds = [list_kinds_ruled_out_by(evidence) for evidence in get_args(Evidence.__value__)]
    assert all(kinds)


@pytest.mark.parametrize("entry", FINDING_KINDS.values(), ids=KINDS)
def test_each_kind_has_words(entry: KindEntry) -> None:
    """For its beginning, its end, and what is to be done next."""
    assert all((entry.advice.headline, entry.advice.end_headline, entry.advice.step))
    assert entry.advice.headline != entry.advice.end_headline


@pytest.mark.parametrize("entry", FINDING_KINDS.values(), ids=KINDS)
def test_a_condition_is_what_the_registry_says(entry: KindEntry) -> None:
    """Unless it says another severity."""
    condition = build_condition(entry.name, "It is so.")
    assert (condition.family, condition.severity, condition.confirm) == (
        entry.family,
        entry.severity,
        entry.confirm,
    )
    assert build_condition(entry.name, "It is so.", severity="info").severity == "info"


def test_each_failure_of_a_vcenter_has_a_kind() -> None:
    """Its reason is the kind; and what keeps a whole vCenter away says why its clusters are not seen."""
    assert {error.reason for error in (*VCENTER_FAILURES, ContractViolation)} <= set(KINDS)
    assert all(FINDING_KINDS[kind].blinding for kind in OUTAGE_KINDS)


@pytest.mark.parametrize("family", ["drift", "failure"])
def test_the_schema_of_events_names_the_kinds_of_each_family(
    family: Family, *, refresh_goldens: bool
) -> None:
    """In the order of the registry."""
    kinds = [kind for kind, entry in FINDING_KINDS.items() if entry.family == family]
    schema = SCHEMAS / "event.schema.json"
    if refresh_goldens:
        _write_enum(schema, kinds)
    assert _read_kinds_of_family(schema, family) == {"enum": kinds}


def test_orphaned_vibs_are_a_family_of_their_own() -> None:
    """With one kind only."""
    kinds = [kind for kind, entry in FINDING_KINDS.items() if entry.family == "orphaned-vib"]
    assert [_read_kinds_of_family(SCHEMAS / "event.schema.json", "orphaned-vib")] == [
        {"const": kind} for kind in kinds
    ]


def test_the_schema_of_fleet_files_names_the_kinds(*, refresh_goldens: bool) -> None:
    """In the order of the registry, for the rules about findings."""
    schema = SCHEMAS / "fleet.schema.json"
    if refresh_goldens:
        _write_enum(schema, KINDS)
    assert list(_find_enums_of_kinds(json.loads(schema.read_text()))) == [KINDS]


def _read_kinds_of_family(schema: Path, family: Family) -> Any:  # noqa: ANN401 -- JSON
    rules = json.loads(schema.read_text())["$defs"]["finding"]["allOf"]
    (kind,) = (
        rule["then"]["properties"]["kind"]
        for rule in rules
        if rule["if"]["properties"].get("family") == {"const": family}
    )
    return kind


def _find_enums_of_kinds(schema: Any) -> Iterator[list[str]]:  # noqa: ANN401 -- JSON
    if isinstance(schema, dict):
        if KINDS[0] in schema.get("enum", ()):
            yield schema["enum"]
        schema = list(schema.values())
    if isinstance(schema, list):
        for inner in schema:
            yield from _find_enums_of_kinds(inner)


def _write_enum(place: Path, kinds: list[str]) -> None:
    """Write the list that begins with the first of these kinds anew, laid out as it was."""
    text = place.read_text()
    before = re.search(rf'\[(\s*)"{kinds[0]}"(,\s*).*?(,?\s*)\]', text, re.DOTALL)
    assert before is not None
    enum = before[2].join(json.dumps(kind) for kind in kinds)
    place.write_text(f"{text[: before.start()]}[{before[1]}{enum}{before[3]}]{text[before.end() :]}")


def test_the_table_of_the_docs_is_the_registry(*, refresh_goldens: bool) -> None:
    """Row for row; --refresh-goldens writes it anew."""
    text = DOCS.read_text()
    between = re.search(r"(<!-- kinds -->\n\|.*\n\|[-|]+\n)(.*?)(<!-- /kinds -->)", text, re.DOTALL)
    assert between is not None
    table = "".join(f"{_render_row(entry)}\n" for entry in FINDING_KINDS.values())
    if refresh_goldens:
        DOCS.write_text(text[: between.start(2)] + table + text[between.end(2) :])
    else:
        assert between[2] == table


def _render_row(entry: KindEntry) -> str:
    command = f" `{entry.advice.command}`" if entry.advice.command else ""
    traits = {"twice": entry.confirm, "blinding": entry.blinding, "hiding": entry.hiding}
    cells = (
        f"`{entry.name}`",
        entry.family,
        entry.severity,
        entry.about,
        entry.ruled_out_by,
        ", ".join(name for name, holds in traits.items() if holds),
        f"{entry.advice.headline} / {entry.advice.end_headline}",
        f"{entry.advice.step.replace('{stack}', '')}{command}",
        entry.advice.note.replace("{stack}", ""),
    )
    return f"| {' | '.join(cell.replace('|', '\\|') for cell in cells)} |".replace("|  |", "| |")
