"""The arguments of one Publish to SNS: what messages build and the topic sends."""

import json
from collections.abc import Mapping
from dataclasses import dataclass


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
