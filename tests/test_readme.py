"""README and docs cannot rot: tables are made from what they describe, examples are run, names exist."""

import json
import re
import shlex
import textwrap
from collections.abc import Iterator
from copy import copy
from pathlib import Path
from typing import Any

import jq
import pytest
import typer.main
import yaml
from esx_drift.cli.app import app
from esx_drift.contracts import list_fleet_errors, list_violations
from esx_drift.domain.stored import identifiers

from tests.unit.aws_commands import find_fault, list_shell_calls

README = Path("README.md")
TEMPLATE = Path("template.yaml")
OPERATIONS = Path("docs/operations.md")

NOT_OF_THE_STACK = {"LogUnusable", "NoncurrentVersionExpiration"}
"""An error of ours, and a word of S3."""
PAGES = (README, Path("CONTRIBUTING.md"), Path("tests/README.md"), *sorted(Path("docs").glob("*.md")))

ROOTS = (Path(), Path("layers/core"), Path("layers/core/esx_drift"))
"""Where a path in a page may begin."""

ELSEWHERE = re.compile(
    r"^/$|^/fleet$|^(?:~|build|certs|config|\.venv|esx-drift)/|[…=:]|<vcenter>|<route>|<channel>|^(?:reports/state|seals/|digests/)"
)
"""What only looks like a path of the checkout: what is built, one's home, keys in S3, names of secrets."""


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as the plain values that they hold."""


_Loader.add_multi_constructor("!", lambda _loader, _suffix, node: str(node.value))


def parameters() -> list[str]:
    """A row for each parameter of the template."""
    found: dict[str, dict[str, Any]] = yaml.load(TEMPLATE.read_text(), _Loader)["Parameters"]  # noqa: S506 -- safe
    return [
        f"| `{name}` | {_code(entry['Default'])} | {_flat(entry['Description'])} |"
        for name, entry in found.items()
    ]


def commands() -> list[str]:
    """A row for each command of the command line."""
    return [
        f"| `{' '.join(('esx-drift', *path))}` | {_flat(text)} |"
        for path, text in walk(typer.main.get_command(app), ())
    ]


def walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:  # noqa: ANN401 -- typer's
    """Each command below ``command``: its ``path``, and the first sentence of its help."""
    inner = getattr(command, "commands", None)
    if inner is None:
        whole = copy(command)
        whole.short_help = None
        yield path, whole.get_short_help_str(1000)
        return
    for name in sorted(inner):
        yield from walk(inner[name], (*path, name))


def _code(value: object) -> str:
    return f"`{value}`" if value != "" else ""


def _flat(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _between(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- {name} -->\n\|.*\n\|[-|]+\n)(.*?)(<!-- /{name} -->)", re.DOTALL)


@pytest.mark.parametrize(("name", "rows"), [("parameters", parameters()), ("commands", commands())])
def test_a_table_says_what_there_is(name: str, rows: list[str], *, refresh_goldens: bool) -> None:
    """Each parameter of the template and each command has its row, word for word."""
    text = README.read_text()
    found = _between(name).search(text)
    assert found is not None
    table = "".join(f"{row}\n" for row in rows)
    if refresh_goldens:
        README.write_text(text[: found.start(2)] + table + text[found.end(2) :])
    else:
        assert found[2] == table


def test_the_comparison_in_it_is_what_the_command_prints() -> None:
    """The golden case that it names; another test holds that to the command."""
    found = re.search(r"<!-- diff -->\n```\n(.*?)```\n<!-- /diff -->", README.read_text(), re.DOTALL)
    assert found is not None
    assert found[1] == Path("tests/golden/diff/one-left-behind/result.txt").read_text()


def test_the_fleet_file_in_it_is_valid() -> None:
    """What people copy works."""
    (example,) = re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL)
    assert list_fleet_errors(yaml.safe_load(example)) == []


def test_the_role_in_it_has_the_privileges_of_its_table() -> None:
    """One less, and the first check fails; one more is a right that nobody asked for."""
    table, _, rest = README.read_text().partition("<!-- /privileges -->")
    script = rest.partition("```powershell")[2].partition("```")[0]
    privilege = r"\b(?:System|VcIntegrity)\.[\w.]+"
    assert re.findall(privilege, script) == re.findall(privilege, table.partition("<!-- privileges -->")[2])


def test_the_event_in_it_is_the_one_that_the_notifier_is_tried_with() -> None:
    """Subscribers see a whole event, valid by the schema that they are pointed to."""
    found = re.search(r"<!-- event -->\n```json\n(.*?)```\n<!-- /event -->", README.read_text(), re.DOTALL)
    assert found is not None
    event = json.loads(found[1])
    (message,) = json.loads(Path("events/notifier-drift.json").read_text())["Records"]
    assert event == json.loads(message["body"])
    assert list_violations("event", event) == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_each_target_on_a_page_exists(page: Path) -> None:
    """`make X` is a target of the Makefile."""
    named = set(re.findall(r"(?:\$ |`)make ([a-z]+)", page.read_text()))
    targets = set(re.findall(r"^([a-z]+):.*## ", Path("Makefile").read_text(), re.MULTILINE))
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_each_variable_of_make_on_a_page_is_one(page: Path) -> None:
    """`make X NAME=VALUE`: the Makefile reads NAME, and what SET says is a parameter of the template."""
    text, makefile = page.read_text(), Path("Makefile").read_text()
    calls = re.findall(r"(?:\$ |`)make ((?:\"[^\"]*\"|[^`\n\"])*)", text)
    given = [name for call in calls for name in re.findall(r"(?:^| )([A-Z]+)=", call)]
    assert [name for name in given if f"$({name})" not in makefile] == []
    known: dict[str, Any] = yaml.load(TEMPLATE.read_text(), _Loader)["Parameters"]  # noqa: S506 -- safe
    pairs = [pair for said in re.findall(r'SET="([^"]*)"', text) for pair in said.split()]
    assert [pair for pair in pairs if pair.partition("=")[0] not in known] == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_each_test_that_a_page_runs_exists(page: Path) -> None:
    """`.venv/bin/pytest PATH`: whoever follows a recipe gets no "file not found"."""
    for call in re.findall(r"\.venv/bin/pytest ([^`\n]+)", page.read_text()):
        for path in re.findall(r"tests/[\w/.]+", call):
            assert Path(path).exists(), path


def test_each_folder_of_the_buckets_has_a_row() -> None:
    """In docs/design.md, by what keys are made of."""
    table = Path("docs/design.md").read_text().partition("## Where things lie")[2].partition("\n## ")[0]
    folders = set(re.findall(r'"([a-z]+)/', Path(identifiers.__file__).read_text()))
    assert {"state", "digests", "routes"} <= folders <= {*re.findall(r"`([a-z]+)/", table)}


def test_operations_begin_with_a_list_of_what_is_there() -> None:
    """Each chapter once, in whatever order people look for it."""
    beginning, *chapters = re.split(r"^## ", OPERATIONS.read_text(), flags=re.MULTILINE)
    names = [chapter.partition("\n")[0] for chapter in chapters]
    listed = dict(re.findall(r"\[([^]]+)\]\(#([\w-]+)\)", beginning))
    assert sorted(listed) == sorted(names)
    assert len(re.findall(r"\]\(#", beginning)) == len(names)


def test_decisions_begin_with_a_list_of_what_was_decided() -> None:
    """Each once, but for the newest, which have no place yet; and each begins with what was decided."""
    beginning, *sections = re.split(r"^## ", Path("docs/decisions.md").read_text(), flags=re.MULTILINE)
    text = "".join(section for section in sections if not section.startswith("Newest"))
    headings, listed = re.findall(r"^### (.+)$", text, re.MULTILINE), re.findall(r"\]\(#([^)]+)\)", beginning)
    anchors = [_make_anchor(heading) for heading in headings]
    assert len(anchors) >= 180
    assert len(set(anchors)) == len(anchors)
    assert [each for each in listed if each in anchors] == anchors
    assert len(re.findall(r"^### .+\n\*\*.", text, re.MULTILINE)) == len(headings)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_each_place_on_a_page_that_is_linked_exists(page: Path) -> None:
    """`#like-this`, on the same page or on another; as GitHub makes it of a heading."""
    for link, place in re.findall(r"\]\(([^)#:\s]*)#([^)\s]+)\)", page.read_text()):
        other = page.parent / link if link else page
        headings = re.findall(r"^#+ (.+)$", other.read_text(), re.MULTILINE)
        assert place in {_make_anchor(heading) for heading in headings}, (link, place)


def _make_anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_each_command_on_a_page_exists(page: Path) -> None:
    """`esx-drift X` is a command, or a group of commands."""
    known = {path[0] for path, _ in walk(typer.main.get_command(app), ())}
    named = set(re.findall(r"`(?:\$ )?(?:\.venv/bin/)?esx-drift ([a-z-]+)", page.read_text()))
    assert named <= known


def _list_typed(page: Path, command: str) -> Iterator[list[str]]:
    """What a person types of a command, by the console blocks of a page."""
    for block in re.findall(r"^ *```console\n(.*?)```", page.read_text(), re.DOTALL | re.MULTILINE):
        yield from list_shell_calls(textwrap.dedent(block), command)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_each_call_of_our_command_on_a_page_is_understood(page: Path) -> None:
    """With its arguments and options, as it is typed and where a sentence gives some.

    A command that ends in ``--reason`` is completed by whoever pastes it.
    """
    quoted = re.findall(r"`(?:\.venv/bin/)?(esx-drift [^`]+)`", page.read_text())
    calls = (call for text in quoted for call in list_shell_calls(" ".join(text.split()), "esx-drift"))
    for words in (*_list_typed(page, "esx-drift"), *calls):
        command: Any = typer.main.get_command(app)
        rest = words[1:]
        while rest and rest[0] in getattr(command, "commands", ()):
            command, rest = command.commands[rest[0]], rest[1:]
        if rest and rest != ["…"]:
            command.make_context("page", [*rest, "CHG-1"] if rest[-1] == "--reason" else rest)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_each_call_of_aws_on_a_page_is_one(page: Path) -> None:
    """Operations and options are those of AWS's own models; what is typed says all that is needed."""
    faults = [find_fault(words) for words in _list_typed(page, "aws")]
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    quoted = [shlex.split(call) for call in re.findall(r"`(aws [^`]+)`", text)]
    faults += [find_fault(words, whole=False) for words in quoted]
    assert [fault for fault in faults if fault] == []


def test_each_name_of_the_stack_in_operations_is_one() -> None:
    """Of a parameter, an output, a resource, a metric or an alarm, as the template has it."""
    template = Path("template.yaml").read_text()
    page = re.sub(r"```.*?```", "", OPERATIONS.read_text(), flags=re.DOTALL)
    named = set(re.findall(r"`([A-Z][a-z]+[A-Z]\w+)(?:=[^`]*)?`", page))
    assert len(named) >= 40
    unknown = {name for name in named if not re.search(rf"(?<![A-Za-z]){name}(?![A-Za-z])", template)}
    assert unknown <= NOT_OF_THE_STACK


def _list_options(command: Any, path: tuple[str, ...]) -> set[str]:  # noqa: ANN401 -- typer's
    """The options of the command that has this path."""
    for name in path:
        command = command.commands[name]
    return {word for parameter in command.params for word in parameter.opts}


def test_each_option_that_operations_name_alone_is_one() -> None:
    """Of some command of ours; what stands with its command is looked at with that."""
    root = typer.main.get_command(app)
    known = {word for path, _ in walk(root, ()) for word in _list_options(root, path)}
    named = set(re.findall(r"`(--[a-z-]+)[^`]*`", OPERATIONS.read_text()))
    assert named - known <= {"--destination-arn", "--bypass-governance-retention"}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_who_looks_at_dead_letters_sees_why_they_are_some(page: Path) -> None:
    """SQS leaves attributes out unless they are asked for, and hides what it gave for half a minute."""
    looks = [
        words for words in _list_typed(page, "aws") if "receive-message" in words and "--query" not in words
    ]
    for words in looks:
        assert {"--message-attribute-names", "--visibility-timeout"} <= {*words}


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        ("aws sqs start-message-move-task --source-arn A --region R", None),
        ("aws sqs redrive --source-arn A", "sqs has no redrive"),
        ("aws sqs purge-queue --queue-name Q", "sqs purge-queue has no queue-name"),
        ("aws sqs send-message --queue-url Q", "sqs send-message needs"),
        ("aws cloudformation wait stack-is-there --stack-name S", "there is no waiter stack-is-there"),
    ],
)
def test_a_call_of_aws_that_is_none_is_found(call: str, fault: str | None) -> None:
    """So that the test above can fail."""
    (words,) = list_shell_calls(f"$ x=$({call}) | sort # and so on", "aws")
    found = find_fault(words)
    assert found is None if fault is None else str(found).startswith(fault)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_each_call_of_jq_on_a_page_is_understood(page: Path) -> None:
    """The program that stands there is one of jq's."""
    for words in _list_typed(page, "jq"):
        program, *files = [word for word in words[1:] if not word.startswith("-")]
        assert len(files) == 1
        jq.compile(program)


def test_what_a_digest_names_is_hashed_as_the_page_says() -> None:
    """Its two lines for whoever trusts no code of ours, as jq prints and sha256sum reads them."""
    (words,) = _list_typed(OPERATIONS, "jq")
    digest = {"objects": [{"key": "records/a b.json", "sha256": "0" * 64}, {"key": "é", "sha256": "f" * 64}]}
    printed = jq.compile(words[2]).input_value(digest).all()
    assert words[1] == "-r"
    assert printed == [f"{each['sha256']}  {each['key']}" for each in digest["objects"]]
    assert [*_list_typed(OPERATIONS, "sha256sum")] == [["sha256sum", "--check", "--quiet"]]


POWERCLI = {
    "Connect-VIServer": set(),
    "Get-Folder": {"NoRecursion"},
    "Get-VIPrivilege": {"Id"},
    "New-VIPermission": {"Entity", "Principal", "Propagate", "Role"},
    "New-VIRole": {"Name", "Privilege"},
}
"""Cmdlets and parameters that a page may name, each looked up where VMware documents it, such as

https://developer.broadcom.com/powercli/latest/vmware.vimautomation.core/commands/new-virole
Nothing here runs PowerCLI.
"""


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_each_cmdlet_on_a_page_is_documented(page: Path) -> None:
    """With its parameters: no other one is named."""
    for block in re.findall(r"```powershell\n(.*?)```", page.read_text(), re.DOTALL):
        cmdlets: list[str] = []
        for name, parameter in re.findall(r"([A-Z][a-z]+-[A-Z]\w+)|(?<=\s)-([A-Z]\w+)|\)", block):
            if name:
                assert name in POWERCLI, name
                cmdlets.append(name)
            elif parameter:
                assert parameter in POWERCLI[cmdlets[-1]], (cmdlets[-1], parameter)
            else:
                cmdlets.pop()


KNOWN_COMMANDS = frozenset(
    {
        *("aws", "esx-drift", "jq", "make", "pytest"),  # looked at above
        *("base64", "cat", "cd", "export", "git", "openssl", "sha256sum", "sort", "tr", "sed"),
    }
)
"""What a person types: what is not looked at by a test stands on every machine with a POSIX shell."""


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_no_page_has_a_command_that_nobody_looks_at(page: Path) -> None:
    """A new one is looked at by a test, or named here as one that each machine has."""
    for block in re.findall(r"^ *```console\n(.*?)```", page.read_text(), re.DOTALL | re.MULTILINE):
        typed = re.findall(r"^ *\$ (?:\w+=\$\()?([\w./-]+)", block, re.MULTILINE)
        assert {word.rpartition("/")[2] for word in typed} <= KNOWN_COMMANDS


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_each_file_on_a_page_exists(page: Path) -> None:
    """Links lead somewhere."""
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_each_path_on_a_page_exists(page: Path) -> None:
    """What is written as code and has a slash is in the checkout; a placeholder stands for anything."""
    for path in re.findall(r"`([^`\s]*/[^`\s]*)`", page.read_text()):
        if not ELSEWHERE.search(path):
            pattern = re.sub(r"<[^>]+>", "*", path.rstrip("/"))
            assert any(any(root.glob(pattern)) for root in (page.parent, *ROOTS)), path
