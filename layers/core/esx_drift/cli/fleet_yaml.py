"""The fleet file as a person writes it, YAML or JSON, with the line of everything in it.

Of YAML only what JSON can say is read: ``no``, ``on`` and ``2026-11-28`` are texts here, a key may stand
once, and anchors may not blow a small file up. Where a time is asked for, a day is one, too.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from copy import replace
from datetime import date, timedelta
from typing import Final

import yaml
from msgspec import Struct, field

from esx_drift.cli.fleet_spelling import get_pointer
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
    """A document, and where and how it is written.

    Attributes:
        document: What it says.
        lines: On which line (from 1) the value of each JSON Pointer begins; empty for JSON.
        spelt: How each value that is neither a text, a list nor a map is written; empty for JSON.
        faults: What of it could not be read, each with its line; the rest could.
        written: How each time is written that is stored otherwise, such as a day, by JSON Pointer.
    """

    document: object
    lines: dict[str, int] = field(default_factory=dict)
    spelt: dict[str, str] = field(default_factory=dict)
    faults: list[tuple[int, str]] = field(default_factory=list)
    written: dict[str, str] = field(default_factory=dict)

    def find_line(self, fault: str) -> int | None:
        """The line that a fault is about: that of its pointer, or of what should hold the missing value."""
        pointer = get_pointer(fault)
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
            return _resolve_times(FleetText(parse_sent_json(text.encode())))
        parsed = _parse_yaml(text)
        document = parse_sent_json(json.dumps(parsed.document).encode())
    except ContractViolation as error:
        raise NotReadable(error.message) from error
    return _resolve_times(replace(parsed, document=document))


_TIME_FIELDS: Final = (("ignore", "until", True), ("maintenance", "from", False), ("maintenance", "to", True))
"""The part of a file, the field that is a time, and whether a day stands for its end there."""

_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_SPELT_TIME: Final = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)[Tt ](?P<minute>\d\d:\d\d)(?P<second>:\d\d(\.\d{1,6})?)? ?"
    r"(?P<zone>[Zz]|UTC|[+-]\d\d:?\d\d)",
    re.ASCII,
)
"""A time with its zone, in more spellings than the one that is stored."""


def _resolve_times(read: FleetText) -> FleetText:
    """Write all times as they are stored; a day is the whole of it in UTC, as for ``accept``."""
    whole = read.document if isinstance(read.document, dict) else {}
    for part, name, is_end in _TIME_FIELDS:
        entries = whole.get(part)
        for at, entry in enumerate(entries if isinstance(entries, list) else ()):
            if isinstance(entry, dict) and isinstance(typed := entry.get(name), str):
                entry[name] = _resolve_time(typed, is_end=is_end)
                if entry[name] != typed:
                    read.written[f"/{part}/{at}/{name}"] = typed
    return read


def _resolve_time(text: str, *, is_end: bool) -> str:
    """Write a time as it is stored; what is none stays, so that the schema refuses it."""
    if _DAY.fullmatch(text):
        with suppress(ValueError, OverflowError):
            return f"{date.fromisoformat(text) + timedelta(days=is_end)}T00:00:00Z"
    found = _SPELT_TIME.fullmatch(text)
    if found is None:
        return text
    zone = found["zone"]
    offset = "Z" if zone in {"Z", "z", "UTC"} else f"{zone[:3]}:{zone[-2:]}"
    return f"{found['day']}T{found['minute']}{found['second'] or ':00'}{offset}"


def _parse_yaml(text: str) -> FleetText:
    try:
        loader = PlainLoader(text)
        read = FleetText(None)
        node = loader.get_single_node()
        if node is None:
            raise NotReadable("the file is empty")
        return replace(read, document=_build_value(loader, node, "", read))
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


def _build_value(loader: PlainLoader, node: yaml.Node, pointer: str, read: FleetText) -> object:
    """Build a value, and put into ``read`` where it is, how it is written, and what is wrong with it."""
    line = node.start_mark.line + 1
    if pointer.count("/") > MAX_DEPTH or len(read.lines) > MAX_NODES:
        raise NotReadable(f"nested deeper than {MAX_DEPTH} levels, or anchors repeat too much", line)
    read.lines[pointer] = line
    if isinstance(node, yaml.MappingNode) and node.tag == f"{TAG}map":
        return {
            key: _build_value(loader, child, f"{pointer}/{_escape_pointer_part(key)}", read)
            for key, child in _list_items(node, read.faults)
        }
    if isinstance(node, yaml.SequenceNode) and node.tag == f"{TAG}seq":
        return [_build_value(loader, child, f"{pointer}/{at}", read) for at, child in enumerate(node.value)]
    if node.tag.removeprefix(TAG) in {"null", "bool", "int", "float", "str"}:
        with suppress(ValueError):
            value: object = loader.construct_object(node)
            if not isinstance(value, str):
                read.spelt[pointer] = node.value
            return value
    raise NotReadable(f"a text cannot begin with !: put it in quotes (the tag {node.tag})", line)


def _list_items(node: yaml.MappingNode, faults: list[tuple[int, str]]) -> Iterator[tuple[str, yaml.Node]]:
    """List keys and values; a key that is none, or stands there before, is a fault and left out."""
    seen = set()
    for key, child in node.value:
        line = key.start_mark.line + 1
        if key.tag != f"{TAG}str":
            spelt = f", got {key.value}: put it in quotes" if isinstance(key.value, str) else ""
            faults.append((line, f"expected a text as key{spelt}"))
        elif key.value in seen:
            faults.append((line, f'expected each key once, got "{key.value}" twice'))
        else:
            seen.add(key.value)
            yield key.value, child


def _escape_pointer_part(key: str) -> str:
    """A key in a JSON Pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")
