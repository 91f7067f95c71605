"""Slack's payloads as a person reads them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

NEXT = "\nNext: "
CHECKED = re.compile(r"\b(\d+) of (\d+) hosts? checked\b")


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its title, the lines of its list, what else its body says, its next step, its footer."""

    title: str
    items: tuple[str, ...]
    body: str
    step: str | None
    facts: str

    @property
    def what(self) -> str:
        """The title without its sign, and without the word that says the same."""
        return self.title.partition(" ")[2].removeprefix("CRITICAL · ")

    def is_about(self, log: str, seq: int) -> bool:
        """Whether it names this record of a log, with the command that shows it."""
        named = rf"record {seq} · esx-drift show (?:{re.escape(log)}|{re.escape(shlex.quote(log))}) {seq}\b"
        return re.search(named, self.facts) is not None

    @property
    def whole(self) -> str:
        """All of it."""
        return "\n".join((self.title, *self.items, self.body, self.facts))


def read(payload: Any) -> Message:  # noqa: ANN401 -- as JSON came
    """A message of the payload that a webhook was sent."""
    header, rich, context = payload["blocks"]
    parts = rich["elements"]
    lists = [part for part in parts if part["type"] == "rich_text_list"]
    sections = ["".join(_texts(part)) for part in parts if part["type"] == "rich_text_section"]
    steps = [section.removeprefix(NEXT) for section in sections if section.startswith(NEXT)]
    assert len(steps) < 2, "more than one next step"
    return Message(
        title=header["text"]["text"],
        items=tuple("".join(_texts(item)) for part in lists for item in part["elements"]),
        body="".join(sections),
        step=steps[0].strip() if steps else None,
        facts=context["elements"][0]["text"],
    )


def _texts(part: Any) -> Iterator[str]:  # noqa: ANN401 -- as JSON came
    if isinstance(part, dict):
        if part.get("type") == "text":
            yield part["text"]
        elif part.get("type") == "date":
            yield part["fallback"]
        yield from _texts(part.get("elements", []))
    elif isinstance(part, list):
        for one in part:
            yield from _texts(one)
