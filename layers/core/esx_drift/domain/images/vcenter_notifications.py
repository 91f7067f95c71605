"""Notifications of the vCenter, as the texts and facts that are kept of them."""

from typing import TYPE_CHECKING

from esx_drift.domain.text.wording import clean_text

if TYPE_CHECKING:
    from esx_drift.domain.images.document import Message, Notification, Notifications
    from esx_drift.domain.stored.types import Json

MAX_TEXT_CHARACTERS = 300
MAX_MESSAGES = 10


def summarize_messages(notifications: "Notifications | None") -> "list[Json]":
    """Summarize the ten worst messages with what tells them apart; a text has one line of 300 characters."""
    messages: list[Json] = []
    for level, listed in _group_by_level(notifications):
        messages += [_summarize(level, entry) for entry in listed[: MAX_MESSAGES - len(messages)]]
    return messages


def list_error_texts(notifications: "Notifications | None") -> list[str]:
    """List the texts of the errors, cut like those of ``summarize_messages``."""
    return [_clean_message(error["message"]) for error in (notifications or {}).get("errors") or ()]


def quote_first(texts: list[str]) -> str:
    """Quote the first text, to end a sentence: ``: "…"``; an empty text where there is none."""
    return f': "{texts[0]}"' if texts else ""


def _group_by_level(notifications: "Notifications | None") -> "list[tuple[str, list[Notification]]]":
    known = notifications or {}
    levels = ("error", known.get("errors")), ("warning", known.get("warnings")), ("info", known.get("info"))
    return [(level, listed or []) for level, listed in levels]


def _summarize(level: str, notification: "Notification") -> "Json":
    resolution = notification.get("resolution")
    facts: dict[str, Json] = {
        "type": notification.get("type"),
        "resolution": _build_text(resolution) if resolution else None,
        "originator": notification.get("originator"),
        "retriable": notification.get("retriable"),
    }
    summary: dict[str, Json] = {"level": level, **_build_text(notification["message"])}
    return summary | {name: value for name, value in facts.items() if value is not None}


def _build_text(message: "Message") -> "dict[str, Json]":
    return {"id": message["id"], "text": _clean_message(message)}


def _clean_message(message: "Message") -> str:
    return clean_text(message.get("localized") or message["default_message"], MAX_TEXT_CHARACTERS)
