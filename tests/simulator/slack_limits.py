"""Slack's limits on a message: what it answers 400 to. Source: api.slack.com/reference/block-kit/blocks."""

from collections.abc import Iterator
from typing import Any

BLOCKS = 50
SECTION_TEXT = 3000
FIELDS = 10
FIELD_TEXT = 2000
HEADER_TEXT = 150
CONTEXT_ELEMENTS = 10
ACTION_ELEMENTS = 25
BUTTON_TEXT = 75
BUTTON_URL = 3000
BLOCK_ID = 255
# Where Slack cuts a message's text, and what it takes over all blocks (undocumented; observed by others).
TEXT = 40_000
ALL_BLOCKS_TEXT = 13_200
_TEXT_KINDS = {"plain_text", "mrkdwn"}
_BLOCK_KINDS = {"header", "section", "context", "divider", "actions", "rich_text", "image"}


def violations(payload: dict[str, Any]) -> list[str]:
    """The errors that Slack would answer with, the first one being its answer; [] for a good message."""
    blocks = payload.get("blocks", [])
    if not isinstance(blocks, list):
        return ["invalid_blocks_format"]
    found = ["invalid_blocks"] if len(blocks) > BLOCKS else []
    found += ["invalid_blocks" for block in blocks if any(_wrong(block))]
    if len(payload.get("text", "")) > TEXT:
        found.append("msg_too_long")
    if sum(_length(block) for block in blocks) > ALL_BLOCKS_TEXT:
        found.append("msg_blocks_too_long")
    return found


def _wrong(block: Any) -> Iterator[bool]:  # noqa: ANN401 - whatever JSON was sent
    if not isinstance(block, dict) or block.get("type") not in _BLOCK_KINDS:
        yield True
        return
    yield len(block.get("block_id", "")) > BLOCK_ID
    yield from _CHECKS.get(block["type"], lambda _block: iter(()))(block)


def _header(block: dict[str, Any]) -> Iterator[bool]:
    yield not _is_text(block.get("text"), HEADER_TEXT, {"plain_text"})


def _section(block: dict[str, Any]) -> Iterator[bool]:
    fields = block.get("fields", [])
    yield "text" not in block and not fields
    yield "text" in block and not _is_text(block["text"], SECTION_TEXT)
    yield len(fields) > FIELDS
    yield any(not _is_text(field, FIELD_TEXT) for field in fields)


def _context(block: dict[str, Any]) -> Iterator[bool]:
    elements = block.get("elements", [])
    yield not 0 < len(elements) <= CONTEXT_ELEMENTS
    yield any(element.get("type") != "image" and not _is_text(element, SECTION_TEXT) for element in elements)


def _actions(block: dict[str, Any]) -> Iterator[bool]:
    elements = block.get("elements", [])
    yield not 0 < len(elements) <= ACTION_ELEMENTS
    for element in elements:
        yield element.get("type") == "button" and not _is_text(
            element.get("text"), BUTTON_TEXT, {"plain_text"}
        )
        yield len(element.get("url", "")) > BUTTON_URL


def _rich_text(block: dict[str, Any]) -> Iterator[bool]:
    elements = block.get("elements")
    yield not isinstance(elements, list) or not elements
    for leaf in _leaves(elements or []):
        yield leaf.get("type") == "text" and not leaf.get("text")
        yield leaf.get("type") == "link" and not leaf.get("url")


_CHECKS = {
    "header": _header,
    "section": _section,
    "context": _context,
    "actions": _actions,
    "rich_text": _rich_text,
}


def _leaves(elements: list[Any]) -> Iterator[dict[str, Any]]:
    for element in elements:
        if "elements" in element:
            yield from _leaves(element["elements"])
        else:
            yield element


def _is_text(value: Any, limit: int, kinds: set[str] | None = None) -> bool:  # noqa: ANN401 - whatever JSON was sent
    """Whether it is a text object of 1 to `limit` characters."""
    if not isinstance(value, dict) or value.get("type") not in (kinds or _TEXT_KINDS):
        return False
    text = value.get("text")
    return isinstance(text, str) and 0 < len(text) <= limit


def _length(value: Any) -> int:  # noqa: ANN401 - whatever JSON was sent
    if isinstance(value, dict):
        own = value["text"] if isinstance(value.get("text"), str) else ""
        return len(own) + sum(_length(item) for item in value.values())
    return sum(_length(item) for item in value) if isinstance(value, list) else 0
