"""What the vCenter itself says, in its notifications."""

from typing import TYPE_CHECKING

from esx_drift.domain.text.wording import clean_text

if TYPE_CHECKING:
    from esx_drift.domain.images.document import Message, Notification, Notifications
    from esx_drift.domain.stored.types import Json

MAX_TEXT_CHARACTERS = 300
MAX_MESSAGES = 10


def summarize_messages(notifications: "Notifications | None") -> "list[Json]":
    """The worst ten messages with all that tells them apart; texts on one line, 300 characters at most."""
    found: list[Json] = []
    for level, several in _by_level(notifications):
        found += [_message(level, one) for one in several[: MAX_MESSAGES - len(found)]]
    return found


def list_error_texts(notifications: "Notifications | None") -> list[str]:
    """The texts of the errors, cut like those of ``messages_of``."""
    return [_text(one["message"]) for one in (notifications or {}).get("errors") or ()]


def quote_first(texts: list[str]) -> str:
    """``: "…"`` with the first text, to end a sentence; nothing where there is none."""
    return f': "{texts[0]}"' if texts else ""


def _by_level(notifications: "Notifications | None") -> "list[tuple[str, list[Notification]]]":
    found = notifications or {}
    levels = ("error", found.get("errors")), ("warning", found.get("warnings")), ("info", found.get("info"))
    return [(level, several or []) for level, several in levels]


def _message(level: str, one: "Notification") -> "Json":
    resolution = one.get("resolution")
    facts: dict[str, Json] = {
        "type": one.get("type"),
        "resolution": _said(resolution) if resolution else None,
        "originator": one.get("originator"),
        "retriable": one.get("retriable"),
    }
    told: dict[str, Json] = {"level": level, **_said(one["message"])}
    return told | {name: value for name, value in facts.items() if value is not None}


def _said(message: "Message") -> "dict[str, Json]":
    return {"id": message["id"], "text": _text(message)}


def _text(message: "Message") -> str:
    return clean_text(message.get("localized") or message["default_message"], MAX_TEXT_CHARACTERS)
