"""What keeps the code easy to enter: one way to import, one meaning a name, no module too long."""

import ast
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest

from tests.paths import ROOT
from tests.unit.conftest import SLOW

CORE = ROOT / "layers" / "core"
PACKAGE = CORE / "esx_drift"
SOURCES = sorted(PACKAGE.rglob("*.py"))
HANDLERS = sorted((ROOT / "functions").glob("*/app.py"))
TREES = {path: ast.parse(path.read_text()) for path in (*SOURCES, *HANDLERS)}

MAX_MODULES = 207
"""Of the package and the functions, without the channels. Since there were 130:

``messages/groups.py``: what belongs together is one message.
``messages/message_data.py``, ``messages/rollout_lines.py``: several events, and what takes its time.
``domain/deliveries.py``, ``notifying/sender.py``, ``notifying/receipts.py``, ``functions/sender/app.py``:
each message waits for its route by itself.
``domain/acceptance.py``: an acceptance ends, and what is not accepted is told as a net difference.
``domain/findings/rollouts.py``: what spreads from host to host is told when it begins, stalls and ends.
``domain/images/part_words.py``: a finding says in what hosts differ, in the words of messages.
``domain/findings/flapping.py``: what comes and goes is said once.
``domain/reports/`` (seven), ``reporting/`` (three), ``adapters/report_store.py``,
``messages/report_lines.py``, ``messages/route_lines.py``, ``functions/reporter/app.py``:
the fleet is reported as a whole.
``domain/trail/`` (two), ``sealing/`` (three), ``adapters/seal_store.py``, ``adapters/signing.py``,
``functions/sealer/app.py``: what is written is signed each day.
``cli/drill.py``: a command of its own.
``domain/suppression.py``, ``domain/fleet/rules.py``, ``domain/fleet/rule_review.py``, ``cli/maintenance.py``,
``cli/fleet_records.py``: what the fleet file keeps from people, who begins it, and what it would have hidden.
``domain/trail/history.py``, ``trail/`` (two), ``cli/past.py``, ``cli/history.py``, ``cli/as_of.py``,
``cli/blame.py``, ``cli/orphans.py``, ``cli/show.py``, ``cli/diff_clusters.py``, ``contracts/unpacking.py``:
the trail is asked for the past.
``domain/trail/hosts.py``: a host has several ids and names in a log, and is one machine all the same.
``domain/trail/known_hosts.py``: and that only within one instance of its vCenter, or by its firmware's UUID.
``adapters/trail_files.py``, ``cli/trail_source.py``: the whole trail is read, from S3 or from a copy.
``trail/`` (seven), two in ``domain/trail/``, ``adapters/public_keys.py``, ``cli/verify.py``: it is verified.
``adapters/heartbeat.py``: a service outside tells when the whole account is silent.
``trail/excerpt.py``, two in ``domain/trail/``, ``cli/evidence.py``, ``cli/evidence_report.py``,
``cli/evidence_pages.py``: what an auditor files is a part of the trail proven by itself, and a report.
``trail/linked_records.py``: a record that somebody wrote over is told by nobody.
``trail/naming.py``: a cluster is found by what it was called, and by nothing that lies beside its log.
``cli/inventory.py``: which hosts of the whole fleet run what is a command of its own.
``cli/fleet_review.py``, ``cli/fleet_spelling.py``, ``cli/fleet_advice.py``: all that is wrong with a fleet
file is told at once, also of what is only spelt wrong, and in the words of whoever wrote it.
``cli/status_telling.py``: who looks at the fleet sees that nobody is told of it.
"""
MAX_LINES = 250
MAX_FUNCTION_LINES = 40
REASON = "Longer than 250 lines, because"
"""How the docstring of a long module says why it is one."""

DEFINED_MORE_THAN_ONCE = {
    "logger": "each module has its own, as the logging of AWS and Python wants it",
}
"""The public names that more than one module defines, and why."""

BROAD_EXCEPTS = {
    "esx_drift.unforeseen": "a bug met in one piece of work must not end the turn of all others",
    "esx_drift.adapters.secrets": "what any library makes of a value is the fault of its secret",
}
"""The places that hold whatever exception comes, one each, and why."""


def _module(path: Path) -> str:
    return ".".join(path.relative_to(CORE).with_suffix("").parts).removesuffix(".__init__")


MODULES = {_module(path) for path in SOURCES}


def _rung(module: str) -> str:
    """What stands in the import contracts: a package or module of esx_drift, or of its domain."""
    parts = module.split(".")
    return ".".join(parts[: 3 if parts[1:2] == ["domain"] else 2])


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("esx_drift"):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else str(node.module)


def test_no_two_packages_import_each_other() -> None:
    """Nor two modules that stand beside packages."""
    edges: dict[str, set[str]] = defaultdict(set)
    for path in SOURCES:
        edges[_rung(_module(path))] |= {_rung(module) for module in _imports(path)}
    circles = [
        pair for pair in combinations(edges, 2) if pair[0] in edges[pair[1]] and pair[1] in edges[pair[0]]
    ]
    assert circles == []


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        ("adapters/messaging.py", "from esx_drift.checking.checker import Checker"),
        ("domain/images/report.py", "from esx_drift.domain.findings.kinds import FINDING_KINDS"),
        ("domain/text/times.py", "import boto3"),
        ("checking/checker.py", "from esx_drift.adapters.messaging import SqsQueue"),
        ("journal.py", "from esx_drift.channels.slack import SLACK"),
        ("newcomer.py", "import json"),
    ],
)
def test_a_wrong_import_is_refused(tmp_path: Path, place: str, wrong: str) -> None:
    """And a module that no contract names."""
    shutil.copytree(PACKAGE, tmp_path / "esx_drift", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    planted = tmp_path / "esx_drift" / place
    planted.write_text(f"{planted.read_text() if planted.exists() else ''}\n{wrong}\n")
    code = "import sys; sys.path.insert(0, '.'); from importlinter import cli; sys.exit(cli.lint_imports())"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode != 0
    assert "BROKEN" in ran.stdout or "newcomer" in ran.stdout


def _public_names(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.TypeAlias(name=ast.Name(id=name)):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield name


def test_a_public_name_has_one_meaning() -> None:
    """Whoever meets it in two places may take it for the same."""
    places: dict[str, set[str]] = defaultdict(set)
    for path in SOURCES:
        for name in _public_names(TREES[path]):
            if not name.startswith("_"):
                places[name].add(_module(path))
    several = {name: sorted(modules) for name, modules in places.items() if len(modules) > 1}
    assert several.keys() == DEFINED_MORE_THAN_ONCE.keys(), several


def test_nothing_is_called_told() -> None:
    """It once had seven meanings."""
    found = {
        f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if "told" in (getattr(node, field, None) for field in ("id", "arg", "attr", "name"))
    }
    assert found == set()


def test_there_are_few_modules_of_a_bearable_length() -> None:
    """A longer one says why it is one. A channel is a module by itself, and counts for nothing."""
    assert sum(path.parent.name != "channels" for path in TREES) <= MAX_MODULES, (
        "a module with one importer could join it; or say here why there are more"
    )
    unreasoned = [
        f"{path.relative_to(ROOT)}: {lines} lines"
        for path, tree in TREES.items()
        if (lines := len(path.read_text().splitlines())) > MAX_LINES
        and REASON not in " ".join((ast.get_docstring(tree) or "").split())
    ]
    assert unreasoned == []


def test_functions_are_short() -> None:
    """Counted without their docstrings."""
    long = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and _length(node) > MAX_FUNCTION_LINES
    ]
    assert long == []


def _length(function: ast.FunctionDef) -> int:
    body = function.body
    first = body[1] if ast.get_docstring(function) is not None and len(body) > 1 else body[0]
    return (body[-1].end_lineno or 0) - first.lineno + 1


def test_what_the_map_names_exists() -> None:
    """Every module and function that docs/code.md names in code."""
    text = (ROOT / "docs" / "code.md").read_text()
    names = {name for tree in TREES.values() for node in ast.walk(tree) for name in _names(node)}
    missing = [code for code in re.findall(r"`([^`\n]+)`", text) if not _exists(code, names)]
    assert missing == []


def test_what_the_map_names_is_where_it_says() -> None:
    """A function or class with its module in brackets after it, as docs/code.md names them."""
    text = " ".join((ROOT / "docs" / "code.md").read_text().split())
    misplaced = [
        (code, place)
        for code, place in re.findall(r"`([\w.]+)(?:\(\))?` \(`([\w/]+\.py)`\)", text)
        if code.rpartition(".")[2]
        not in {name for node in ast.walk(TREES[PACKAGE / place]) for name in _names(node)}
    ]
    assert misplaced == []


def _exists(code: str, names: set[str]) -> bool:
    """Whether a path, a function or a class is there; anything else is no name of the code."""
    if re.fullmatch(r"[a-z_/0-9]+\.(py|json|yaml|md)", code):
        return any((place / code).exists() for place in (ROOT, PACKAGE))
    if code.endswith("()"):
        return code.removesuffix("()").rpartition(".")[2] in names
    return not re.fullmatch(r"[A-Z][a-z]+[A-Z][A-Za-z]+", code) or code in names


def _names(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.TypeAlias(name=ast.Name(id=name)):
            yield name


def test_test_folders_mirror_the_packages() -> None:
    """Beside them only what is no package of the layer, and what all jobs have in common."""
    tests = ROOT / "tests" / "unit"
    folders = {path.name for path in tests.iterdir() if (path / "__init__.py").exists()}
    packages = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert folders - packages == {"functions", "jobs", "template"}
    assert packages - folders == {"runtime"}  # tested by the handlers' tests


def test_what_is_called_slow_is_there() -> None:
    """A test that is renamed keeps its place."""
    tests = ROOT / "tests" / "unit"
    assert [prefix for prefix in SLOW if not any(tests.glob(f"{prefix}*"))] == []


COMMANDS = {
    "accept",
    "as_of",
    "blame",
    "check",
    "check_now",
    "diff",
    "doctor",
    "drill",
    "end",
    "evidence",
    "history",
    "inventory",
    "orphans",
    "push",
    "replay",
    "retire",
    "show",
    "show_record",
    "start",
    "status",
    "verify",
}
"""A command's docstring is the help that people read, and each of its options has a text of its own."""


def _find_undescribed(tree: ast.Module, written_in_ports: set[str]) -> Iterator[str]:
    """Public functions of several arguments that leave one of those out of their docstring."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef) or getattr(node, "name", "").startswith("_"):
            continue
        for function in node.body:
            if not isinstance(function, ast.FunctionDef) or function.name.startswith("_"):
                continue
            own = [each.arg for each in (*function.args.args, *function.args.kwonlyargs)]
            wanted = [name for name in own if name not in {"self", "cls"} and not name.startswith("_")]
            text = ast.get_docstring(function) or ""
            missing = [name for name in wanted if f"``{name}``" not in text and f"\n    {name}:" not in text]
            is_overload = any(ast.unparse(each) == "overload" for each in function.decorator_list)
            is_of_port = isinstance(node, ast.ClassDef) and function.name in written_in_ports
            if len(wanted) > 1 and missing and not (is_overload or is_of_port or function.name in COMMANDS):
                yield f"{function.name}: {', '.join(missing)}"


def test_each_argument_is_described() -> None:
    """By name, in the sentence or under Args; a method of a port is described at the port."""
    ports = TREES[PACKAGE / "ports.py"]
    of_ports = {
        method.name
        for protocol in ports.body
        if isinstance(protocol, ast.ClassDef)
        for method in protocol.body
        if isinstance(method, ast.FunctionDef)
    }
    undescribed = {
        str(path.relative_to(ROOT)): found
        for path in SOURCES
        if (found := [*_find_undescribed(TREES[path], set() if path.name == "ports.py" else of_ports)])
    }
    assert undescribed == {}


def _is_dataclass(node: ast.ClassDef) -> bool:
    return any(ast.unparse(each).startswith("dataclass") for each in node.decorator_list)


def test_values_are_structs() -> None:
    """A dataclass costs a cold start 0.4 ms: it stays where a struct can't hide, skip or cache a field."""
    reasons = ("repr=False", "compare=False", "init=False", "@cached_property")
    without_reason = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and _is_dataclass(node)
        if not any(reason in ast.unparse(node) for reason in reasons)
    ]
    assert without_reason == []


def test_no_field_of_a_dataclass_is_given_to_a_struct() -> None:
    """It would be the default itself, as an object, and no type checker sees it."""
    mixed = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path, tree in TREES.items()
        if any(_imports_field(each) for each in ast.walk(tree))
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "Struct" for base in node.bases)
        if " = field(" in ast.unparse(node)
    ]
    assert mixed == []


def _imports_field(node: ast.AST) -> bool:
    if not isinstance(node, ast.ImportFrom) or node.module != "dataclasses":
        return False
    return any(name.name == "field" for name in node.names)


def test_whatever_exception_comes_is_held_in_two_places_only() -> None:
    """Elsewhere a bug is a bug: it is never taken for a foreseen failure."""
    broad = [
        _module(path) if path.is_relative_to(CORE) else str(path)
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"})
    ]
    assert sorted(broad) == sorted(BROAD_EXCEPTS)
