"""What goes out, as values: a message for people before any channel's form, and what SNS is given."""

import json
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NextStep:
    """One thing to do next, and the command or name that goes with it; empty where there is none."""

    text: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class MessageContent:
    """What a message says. Names from outside may be anywhere in it: cleaned, but never to be read as markup.

    Attributes:
        title: Where, and what.
        items: The lines of a list.
        notes: Sentences below it.
        next_step: What to do; None: nothing.
        facts: How much was seen, when, how bad it is, and where it is kept.
        unlisted: How many changes and findings the event itself had no room for.
    """

    title: str
    items: tuple[str, ...]
    notes: tuple[str, ...]
    next_step: NextStep | None
    facts: tuple[str, ...]
    unlisted: int = 0


@dataclass(frozen=True, slots=True)
class Publication:
    """The arguments of one Publish. Lists among the attributes are ``String.Array``."""

    subject: str
    message: str
    attributes: Mapping[str, str | tuple[str, ...]]

    @property
    def size_bytes(self) -> int:
        """What SNS counts: the message, the subject, and every attribute's name, type and value."""
        parts = [self.subject, self.message]
        for name, value in self.attributes.items():
            parts += [name, *format_attribute(value)]
        return sum(len(part.encode()) for part in parts)


def format_attribute(value: str | tuple[str, ...]) -> tuple[str, str]:
    """Format an attribute's type and value as SNS wants them."""
    return ("String", value) if isinstance(value, str) else ("String.Array", json.dumps(value))
