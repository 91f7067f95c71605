"""The fleet file as a person writes it, YAML or JSON, with the line of everything in it.

Of YAML only what JSON can say is read: ``no``, ``on`` and ``2026-11-28`` are texts here, a key may stand
once, and anchors may not blow a small file up.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress

import yaml
from msgspec import Struct, field

from esx_drift.contracts import parse_sent_json
from esx_drift.errors import ContractViolation

MAX_DEPTH = 64
MAX_NODES = 100_000
TAG = "tag:yaml.org,2002:"


class PlainLoader(yaml.SafeLoader):
    """YAML's core schema (https://yaml.org/spec/1.2.2/#103-core-schema) without octal, hex and infinity."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 -- PyYAML's own way to say it


for _kind, _spelt, _first in (
    ("null", r"~|null|", ["~", "n", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"-?(0|[1-9][0-9]{0,17})", [*"-0123456789"]),
    ("float", r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", [*"-0123456789"]),
):
    PlainLoader.add_implicit_resolver(f"{TAG}{_kind}", re.compile(rf"(?:{_spelt})\Z"), _first)


NO_COLON = "expected a colon: write NAME: VALUE, or begin a list's item with a dash and a space"
QUOTE_PATTERN = 'put patterns that begin with * in quotes, as "*-lab"'

# What PyYAML says (its scanner, parser and composer; https://github.com/yaml/pyyaml), and what it means to
# the person who wrote the file. The first that matches counts.
YAML_PROBLEMS = (
    (r"scanning an alias|undefined alias", QUOTE_PATTERN),
    (r"character '\\t' that", "a tab: indent with spaces"),
    (r"cannot start any token", "a text cannot begin with %, @ or a backtick: put it in quotes"),
    (r"could not find expected ':'", NO_COLON),
    (r"sequence entries are not allowed", "a dash after a text: begin each item of a list on its own line"),
    (
        r"mapping keys are not allowed",
        "a text cannot begin with a question mark and a space: put it in quotes",
    ),
    (
        r"mapping values are not allowed",
        "an unexpected colon: quote a text with one, and put a space behind each, also on the line before",
    ),
    (r"undefined tag handle", "a text cannot begin with !: put it in quotes"),
    (r"directive|duplicate tag handle|incompatible YAML", "a line cannot begin with %: put it in quotes"),
    (r"scanning an anchor", "a text cannot begin with &: put it in quotes"),
    (r"duplicate anchor", "the anchor of line {begun} is defined again: give it another name"),
    (r"(scanning|parsing) a tag", "a text cannot begin with !: put it in quotes"),
    (r"block scalar", "a text cannot begin with | or >: put it in quotes"),
    (r"double-quoted", "a backslash in double quotes: write two, or use single quotes"),
    (r"quoted scalar", "the quote that opens on line {begun} is never closed"),
    (r"flow sequence", "the [ of line {begun} is not closed: expected a comma or ]"),
    (r"flow mapping", "the {{ of line {begun} is not closed: expected a comma or }}"),
    (
        r"expected the node content",
        "expected a value: put a text that begins with a comma or a bracket in quotes",
    ),
    (r"<document start>", "a line that begins with %, or more behind a quoted text: put it in quotes"),
    (
        r"parsing a block",
        "indented otherwise than line {begun}, where its part begins, or more after a quoted text",
    ),
    (
        r"single document",
        "a second document begins: a fleet file is one, without a line of three dashes inside",
    ),
)


class NotReadable(Exception):
    """The text is neither YAML nor JSON, or says more than JSON can. ``line`` is none where not known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class FleetText(Struct, frozen=True):
    """A document, and the line (from 1) on which each JSON Pointer's value begins; no lines for JSON."""

    document: object
    lines: dict[str, int] = field(default_factory=dict)

    def find_line(self, fault: str) -> int | None:
        """The line that a fault is about: that of its pointer, or of what should hold the missing value."""
        pointer, _, _ = fault.partition(": ")
        while pointer and pointer not in self.lines:
            pointer = pointer.rpartition("/")[0]
        return self.lines.get(pointer)


def parse_fleet_text(text: str) -> FleetText:
    """Parse the text: as JSON if it begins with a brace or a bracket, else as YAML.

    Raises:
        NotReadable: The text is neither, or says more than JSON can.
    """
    try:
        if text.lstrip().startswith(("{", "[")):
            return FleetText(parse_sent_json(text.encode()))
        parsed = _parse_yaml(text)
        document = parse_sent_json(json.dumps(parsed.document).encode())
    except ContractViolation as error:
        raise NotReadable(error.message) from error
    return FleetText(document, parsed.lines)


def _parse_yaml(text: str) -> FleetText:
    try:
        loader = PlainLoader(text)
        lines: dict[str, int] = {}
        node = loader.get_single_node()
        if node is None:
            raise NotReadable("the file is empty")
        return FleetText(_build_value(loader, node, "", lines), lines)
    except yaml.MarkedYAMLError as error:
        raise _explain_yaml_error(error) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise NotReadable(
            f"the character U+{ord(text[error.position]):04X}: save it as plain text", line
        ) from error
    except RecursionError as error:
        raise NotReadable("it is nested too deeply") from error


def _explain_yaml_error(error: yaml.MarkedYAMLError) -> NotReadable:
    """What is wrong in words, on the line where a person has to change something."""
    said = f"{error.context or ''} {error.problem or ''}".strip()
    lines = [mark.line + 1 for mark in (error.context_mark, error.problem_mark) if mark]
    words = next((words for problem, words in YAML_PROBLEMS if re.search(problem, said)), None)
    if words is None:
        return NotReadable(said, lines[-1])
    return NotReadable(words.format(begun=lines[0]), lines[0] if words is NO_COLON else lines[-1])


def _build_value(loader: PlainLoader, node: yaml.Node, pointer: str, lines: dict[str, int]) -> object:
    line = node.start_mark.line + 1
    if pointer.count("/") > MAX_DEPTH or len(lines) > MAX_NODES:
        raise NotReadable(f"nested deeper than {MAX_DEPTH} levels, or anchors repeat too much", line)
    lines[pointer] = line
    if isinstance(node, yaml.MappingNode) and node.tag == f"{TAG}map":
        return {
            key: _build_value(loader, child, f"{pointer}/{_escape_pointer_part(key)}", lines)
            for key, child in _list_items(node)
        }
    if isinstance(node, yaml.SequenceNode) and node.tag == f"{TAG}seq":
        return [_build_value(loader, child, f"{pointer}/{at}", lines) for at, child in enumerate(node.value)]
    if node.tag.removeprefix(TAG) in {"null", "bool", "int", "float", "str"}:
        with suppress(ValueError):
            return loader.construct_object(node)
    raise NotReadable(f"a text cannot begin with !: put it in quotes (the tag {node.tag})", line)


def _list_items(node: yaml.MappingNode) -> Iterator[tuple[str, yaml.Node]]:
    seen = set()
    for key, child in node.value:
        line = key.start_mark.line + 1
        if key.tag != f"{TAG}str":
            raise NotReadable("expected a text as key", line)
        if key.value in seen:
            raise NotReadable(f'expected each key once, got "{key.value}" twice', line)
        seen.add(key.value)
        yield key.value, child


def _escape_pointer_part(key: str) -> str:
    """A key in a JSON Pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")
