import ast
import inspect
import json
import re
from contextlib import suppress
from unittest import mock

import pytest
import yaml
from esx_drift.cli.fleet_yaml import YAML_PROBLEMS, NotReadable, PlainLoader, parse_fleet_text
from hypothesis import example, given
from hypothesis import strategies as st

TEXTS = st.text(st.characters(codec="utf-8"))
BOMB = "a: &a [1,1,1,1,1,1,1,1]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 8)}]\n" for old, new in zip("abcdef", "bcdefg", strict=True)
)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**17), 10**17) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(
    PLAIN.filter(lambda value: not isinstance(value, list | dict)) | st.dictionaries(TEXTS, PLAIN, min_size=1)
)
def test_yaml_says_what_json_says(value: object) -> None:
    """A document means the same in either form."""
    assert parse_fleet_text(yaml.safe_dump(value, default_style='"')).document == value


@given(st.dictionaries(TEXTS, PLAIN) | st.lists(PLAIN))
def test_json_is_read_as_json(value: object) -> None:
    """With tabs and all."""
    assert parse_fleet_text(json.dumps(value, indent="\t")).document == value


@given(st.text())
def test_any_text_is_a_document_or_not_readable(text: str) -> None:
    """No other error comes out."""
    with suppress(NotReadable):
        json.dumps(parse_fleet_text(text).document, allow_nan=False)


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("a: no", {"a": "no"}),
        ("a: on", {"a": "on"}),
        ("a: 2026-11-28T20:00:00Z", {"a": "2026-11-28T20:00:00Z"}),
        ("a: 2026-11-28", {"a": "2026-11-28"}),
        ("a: 0123", {"a": "0123"}),
        ("a: 1:30", {"a": "1:30"}),
        ("a: 0x1F", {"a": "0x1F"}),
        ("a: 1_000", {"a": "1_000"}),
        ("a: .inf", {"a": ".inf"}),
        ("a: 600", {"a": 600}),
        ("a: 1e3", {"a": 1000.0}),
        ("a: ~\nb:\nc: null", {"a": None, "b": None, "c": None}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
    ],
)
def test_only_what_json_can_say_is_read_out_of_yaml(text: str, document: object) -> None:
    """A country called no stays a text, and so does a time."""
    assert parse_fleet_text(text).document == document


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb: !!binary aGk=", 2, "a text cannot begin with !: put it in quotes"),
        ("a: 1\nb: !!python/name:os.system x", 2, "a text cannot begin with !: put it in quotes"),
        ("a: 1\nb: !x!y z", 2, "a text cannot begin with !: put it in quotes"),
        ("a: 1\nb: !<x y", 2, "a text cannot begin with !: put it in quotes"),
        ("a: [1\nb: 2", 2, "the [ of line 1 is not closed: expected a comma or ]"),
        ("a:\n - {b: 1\nc: 2", 3, "the { of line 2 is not closed: expected a comma or }"),
        ("a: 1\n\tb: 2", 2, "a tab: indent with spaces"),
        ("a: @lab", 1, "a text cannot begin with %, @ or a backtick: put it in quotes"),
        ("a: 1\nb\nc: 2", 2, "expected a colon: write NAME: VALUE"),
        ("a: - b", 1, "begin each item of a list on its own line"),
        ("a: ? b", 1, "cannot begin with a question mark"),
        ("name: vc01: lab", 1, "an unexpected colon: quote a text with one"),
        ("name:vc01\nclusters: []", 2, "put a space behind each, also on the line before"),
        ("a: !!int x", 1, "a text cannot begin with !: put it in quotes"),
        ("a: !!float .", 1, "a text cannot begin with !: put it in quotes"),
        ("%lab: 1", 1, "a line cannot begin with %"),
        ("%x\na: b", 2, "a line that begins with %"),
        ("a: &", 1, "a text cannot begin with &"),
        ("a: &x 1\nb: &x 2", 2, "the anchor of line 1 is defined again"),
        ("a: >lab", 1, "a text cannot begin with | or >"),
        ('a: "C:\\Users"', 1, "a backslash in double quotes"),
        ("a: 1\nb: 'lab\nc: 2", 3, "the quote that opens on line 2 is never closed"),
        ("a: ,lab", 1, "expected a value: put a text that begins with a comma or a bracket in quotes"),
        ("a:\n  - b: 1\n - c: 2", 3, "indented otherwise than line 1, where its part begins"),
        ("a: 'b' c", 1, "more after a quoted text"),
        ("a: *nowhere", 1, "put patterns that begin with * in quotes"),
        ("a:\n  exclude: [*-lab]", 2, 'put patterns that begin with * in quotes, as "*-lab"'),
        ("a:\n  exclude: [*]", 2, "put patterns that begin with * in quotes"),
        ("a:\n  exclude:\n    - lab-*\n    - *-lab*", 4, "put patterns that begin with * in quotes"),
        ("a: *.lab", 1, "put patterns that begin with * in quotes"),
        ("a: &a [*a]", 1, "nested deeper than 64 levels"),
        ("a: 1\n---\nb: 2", 2, "a fleet file is one"),
        ("", None, "the file is empty"),
        ("# nothing", None, "the file is empty"),
        ("a: 1\nb: \x00", 2, "the character U+0000: save it as plain text"),
        ("a: " + "[" * 5000, None, "nested too deeply"),
        ('a: "\\ud800"', None, "half of a surrogate pair"),
        ("a: 1e999", None, "Infinity"),
        ('{"a": 1, "a": 2}', None, 'the field "a" twice'),
        ('{"a": 1', None, "line 1 column 8"),
        (BOMB, 1, "anchors repeat too much"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text: str, line: int | None, message: str) -> None:
    """A small file that unfolds into a huge one is refused as well."""
    with pytest.raises(NotReadable) as refused:
        parse_fleet_text(text)
    assert message in refused.value.message
    assert refused.value.line == line


def test_a_key_that_is_none_does_not_hide_the_rest() -> None:
    """All of them are named, each with its line, and what else is there is read."""
    read = parse_fleet_text("a: 1\nb:\n  on: 2\n  1: x\n  c: 3\n  ? [d]\n  : x\na: 4\nno: 5\na: 6")
    assert read.document == {"a": 1, "b": {"on": 2, "c": 3}, "no": 5}
    assert sorted(read.faults) == [
        (4, "expected a text as key, got 1: put it in quotes"),
        (6, "expected a text as key"),
        (8, 'expected each key once, got "a" twice'),
        (10, 'expected each key once, got "a" twice'),
    ]


@pytest.mark.parametrize("form", ["{}", '"{}"', "'{}'"])
@pytest.mark.parametrize(
    ("until", "stored"),
    [
        ("2027-01-31", "2027-02-01T00:00:00Z"),
        ("2028-02-28", "2028-02-29T00:00:00Z"),
        ("2027-01-31T18:00:00+01:00", "2027-01-31T18:00:00+01:00"),
        ("2027-01-31 18:00:00Z", "2027-01-31T18:00:00Z"),
        ("2027-01-31 18:00 UTC", "2027-01-31T18:00:00Z"),
        ("2027-01-31t18:00:00.25 +0130", "2027-01-31T18:00:00.25+01:30"),
        ("2027-01-31T18:00:00", "2027-01-31T18:00:00"),
        ("2027-02-30", "2027-02-30"),
        ("9999-12-31", "9999-12-31"),
        ("31.01.2027", "31.01.2027"),
    ],
)
def test_a_day_is_a_time_where_one_is_asked_for(form: str, until: str, stored: str) -> None:
    """With or without quotes, in JSON, too; what is no time, or has no zone, stays and is refused."""
    assert parse_fleet_text(f"ignore: [{{until: {form.format(until)}}}]").document == {
        "ignore": [{"until": stored}]
    }
    as_json = json.dumps({"ignore": [{"until": until}], "maintenance": [{"to": until}]})
    assert parse_fleet_text(as_json).document == {
        "ignore": [{"until": stored}],
        "maintenance": [{"to": stored}],
    }


@pytest.mark.parametrize(
    "document", [{"ignore": 1}, {"ignore": [1, {"until": 5}]}, {"ignore": {"until": "2027-01-31"}}, []]
)
def test_what_holds_no_time_is_left_alone(document: object) -> None:
    """Its schema says what is wrong."""
    assert parse_fleet_text(json.dumps(document)).document == document


def test_a_window_begins_with_its_first_day_and_ends_with_its_last() -> None:
    """One day alone is a window of a day, not of nothing."""
    read = parse_fleet_text("maintenance:\n  - {from: 2026-12-05, to: 2026-12-05, name: 2026-12-05}")
    window = {"from": "2026-12-05T00:00:00Z", "to": "2026-12-06T00:00:00Z", "name": "2026-12-05"}
    assert read.document == {"maintenance": [window]}


YAML_SIGNS = st.text(st.sampled_from("ab1:-[]{}'\"*&!%@|>#?,<\\`.~ \n\n\t  "), max_size=24)


@given(YAML_SIGNS)
@example("a: !<x%zz>")
@example("a: !x!%f")
@example("%YAML 2.0\n---\na")
@example("%YAML 1.1\n%YAML 1.1\n---\na")
@example("%TAG ! a\n%TAG ! b\n---\na")
@example('a: "\\xzz"')
def test_no_word_of_yamls_grammar_reaches_a_person(text: str) -> None:
    """Whatever is wrong, the answer is the product's own."""
    said = ""
    try:
        parse_fleet_text(text)
    except NotReadable as refused:
        said = refused.message
    assert not re.search("while |scalar|mapping|sequence|stream|token|node", said)


def test_an_error_that_no_table_knows_keeps_the_librarys_words() -> None:
    """With its line, and braces in it do no harm."""
    error = yaml.MarkedYAMLError(problem="a {new} kind", problem_mark=yaml.Mark("", 0, 4, 0, "", 0))
    with (
        mock.patch.object(PlainLoader, "get_single_node", side_effect=error),
        pytest.raises(NotReadable) as r,
    ):
        parse_fleet_text("a: 1")
    assert (r.value.message, r.value.line) == ("a {new} kind", 5)


def test_each_error_of_the_yaml_library_has_words() -> None:
    """Also those of a newer library: its source names them."""
    problems = [
        (module.__name__, ast.unparse(call))
        for module in (yaml.scanner, yaml.parser, yaml.composer)
        for call in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(call, ast.Call)
        and ast.unparse(call.func) in {"ScannerError", "ParserError", "ComposerError"}
    ]
    assert len(problems) >= 40
    for module, call in problems:
        spelt = " ".join(call.replace("%s", name) for name in ("alias", "tag", "block"))
        assert any(re.search(problem, spelt) for problem, _ in YAML_PROBLEMS), (module, call)


def test_a_fault_leads_to_its_line() -> None:
    """Also one about a value that is missing, and one whose key has a slash."""
    read = parse_fleet_text("a:\n  - b: 1\n  - c: 2\n~/x: 3")
    assert read.find_line("/a/1/c: expected ...") == 3
    assert read.find_line("/a/1/missing: expected a value, got nothing") == 3
    assert read.find_line("/~0~1x: expected ...") == 4
    assert read.find_line(": expected an object") == 1
    assert parse_fleet_text("{}").find_line("/a: expected ...") is None
