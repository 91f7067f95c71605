"""The fleet file as a person writes it, YAML or JSON, with the line of everything in it.

Of YAML only what JSON can say is read: ``no``, ``on`` and ``2026-11-28`` are texts here, a key may stand
once, and anchors may not blow a small file up.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

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


class NotReadable(Exception):
    """The text is neither YAML nor JSON, or says more than JSON can. ``line`` is none where not known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True, slots=True)
class FleetText:
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
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise NotReadable(_explain_yaml_error(error), line) from error
    except yaml.YAMLError as error:
        raise NotReadable(str(error).splitlines()[0]) from error
    except RecursionError as error:
        raise NotReadable("it is nested too deeply") from error


def _explain_yaml_error(error: yaml.MarkedYAMLError) -> str:
    """What PyYAML says; but an alias that is none was meant as a pattern, which YAML takes for one."""
    said = f"{error.context or ''} {error.problem or ''}".strip()
    if error.context == "while scanning an alias" or said.startswith("found undefined alias"):
        return f'put patterns that begin with * in quotes, as "*-lab" ({said})'
    return said


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
        return loader.construct_object(node)
    raise NotReadable(f"expected plain YAML, got the tag {node.tag}", line)


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
