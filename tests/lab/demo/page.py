"""The demo's messages as a page, about as Slack would show them."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

type Block = Mapping[str, Any]

STYLE = """
body { background: #fff; color: #1d1c1d; font: 15px/1.46668 Lato, Arial, sans-serif, "Noto Color Emoji";
  margin: 0 auto; max-width: 760px; padding: 24px; }
h1 { border-bottom: 1px solid #ddd; font-size: 18px; padding-bottom: 12px; }
article { display: flex; gap: 8px; margin: 20px 0; }
.icon { background: #4a154b; border-radius: 4px; color: #fff; flex: none; font-weight: 900; height: 36px;
  line-height: 36px; text-align: center; width: 36px; }
.name { font-weight: 900; } .app { background: #ddd; border-radius: 2px; font-size: 10px; padding: 1px 3px; }
h2 { font-size: 18px; line-height: 1.33; margin: 4px 0 8px; overflow-wrap: anywhere; }
ul { margin: 4px 0; padding-left: 26px; } li, p { overflow-wrap: anywhere; white-space: pre-wrap; }
p { margin: 4px 0; } .context { color: #616061; font-size: 12px; }
code { background: #f8f8f8; border: 1px solid #ddd; border-radius: 3px; color: #e01e5a; font-size: 12px;
  padding: 2px 3px; white-space: pre-wrap; }
time { background: #f5f5f5; border-radius: 3px; padding: 0 2px; }
"""


def render_page(payloads: Iterable[Block]) -> str:
    """The whole page."""
    messages = "\n".join(_render_message(payload) for payload in payloads)
    head = f'<meta charset="utf-8"><title>esx-drift in Slack</title><style>{STYLE}</style>'
    body = f"<body><h1># vsphere-admins</h1>\n{messages}\n</body>"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>{body}</html>\n'


def _render_message(payload: Block) -> str:
    blocks = "".join(_render_block(block) for block in payload.get("blocks", ()))
    body = blocks or f"<p>{escape(payload['text'])}</p>"
    who = '<span class="name">esx-drift</span> <span class="app">APP</span>'
    return f'<article><div class="icon">e</div><div>{who}{body}</div></article>'


def _render_block(block: Block) -> str:
    match block["type"]:
        case "header":
            return f"<h2>{escape(block['text']['text'])}</h2>"
        case "rich_text":
            return "".join(_render_rich(element) for element in block["elements"])
        case "context":
            return "".join(
                f'<p class="context">{escape(element["text"])}</p>' for element in block["elements"]
            )
        case other:
            raise ValueError(f"the page cannot show a block of type {other}")


def _render_rich(element: Block) -> str:
    if element["type"] == "rich_text_list":
        items = "".join(f"<li>{_render_parts(item)}</li>" for item in element["elements"])
        return f"<ul>{items}</ul>"
    return f"<p>{_render_parts(element)}</p>"


def _render_parts(element: Block) -> str:
    return "".join(map(_render_part, element["elements"]))


def _render_part(part: Block) -> str:
    if part["type"] == "date":
        return f"<time>{escape(part['fallback'])}</time>"
    text = escape(part["text"])
    style = part.get("style", {})
    if style.get("code"):
        return f"<code>{text}</code>"
    return f"<b>{text}</b>" if style.get("bold") else text
