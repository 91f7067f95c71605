"""Commands of AWS's own CLI, held to the service models that it is made of."""

import re
import shlex
from collections.abc import Iterator, Sequence
from functools import cache

import botocore.session
from botocore import xform_name

GLOBAL_OPTIONS = frozenset({"region", "profile", "output", "query"})
HAND_WRITTEN = frozenset({"s3", "sso", "configure"})
"""What the CLI does by code of its own, and not by a service's model."""


def list_shell_calls(text: str, command: str) -> Iterator[list[str]]:
    """The words of each call of a command in what a person types; a line may hold several."""
    joined = re.sub(r"\\?\n\s+", " ", text)
    for line in joined.splitlines():
        lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars="|;&()<>")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in (*lexer, ";"):
            if set(word) <= set("|;&()<>"):
                if words and words[0].rpartition("/")[2] == command:
                    yield words
                words = []
            elif words or word != "do":
                words.append(word)


def find_fault(words: Sequence[str], *, whole: bool = True) -> str | None:
    """What AWS's CLI would refuse in a call; `whole`: also that something it needs is not said."""
    _, service, operation = words[:3]
    if service in HAND_WRITTEN:
        return None
    said = {word.removeprefix("--") for word in words[3:] if word.startswith("--")} - GLOBAL_OPTIONS
    if operation == "wait":
        return None if words[3] in _list_waiters(service) else f"there is no waiter {words[3]} of {service}"
    operations = _list_operations(service)
    if operation not in operations:
        return f"{service} has no {operation}"
    known, needed = operations[operation]
    if not said <= known:
        return f"{service} {operation} has no {', '.join(sorted(said - known))}"
    return f"{service} {operation} needs {needed - said}" if whole and not needed <= said else None


RENAMED = {("sns", "subscribe", "endpoint"): "notification-endpoint"}
"""Options that the CLI calls otherwise, since it has a global one of that name."""


@cache
def _list_operations(service: str) -> dict[str, tuple[frozenset[str], frozenset[str]]]:
    """The options of each operation, and those that it needs."""
    model = botocore.session.get_session().get_service_model("s3" if service == "s3api" else service)
    found = {}
    for name in model.operation_names:
        shape = model.operation_model(name).input_shape
        members, needed = (shape.members, shape.required_members) if shape else ({}, [])
        operation = xform_name(name, "-")
        known, required = (
            frozenset(RENAMED.get((service, operation, option), option) for option in options)
            for options in ([xform_name(one, "-") for one in each] for each in (members, needed))
        )
        found[operation] = (known, required)
    return found


@cache
def _list_waiters(service: str) -> frozenset[str]:
    names = botocore.session.get_session().get_waiter_model(service).waiter_names
    return frozenset(xform_name(name, "-") for name in names)
