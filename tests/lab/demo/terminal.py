"""A Slack message as Slack would show it, for a terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group
from rich.padding import Padding
from rich.panel import Panel
from rich.text import Text

type Block = Mapping[str, Any]


def panel_of(payload: Block) -> Panel:
    """The message in a box; its headline says how urgent it is."""
    lines = [line for block in payload["blocks"] for line in _lines(block)]
    urgent = "CRITICAL" in payload["text"]
    return Panel(
        Group(*lines),
        title="[bold]# vsphere-admins[/]",
        title_align="left",
        border_style="red" if urgent else "cyan",
    )


def _lines(block: Block) -> Iterator[Text | Padding]:
    match block["type"]:
        case "header":
            yield Text(block["text"]["text"], style="bold")
        case "rich_text":
            for element in block["elements"]:
                yield from _rich(element)
        case "context":
            yield Text(" ".join(element["text"] for element in block["elements"]), style="dim")
        case "section":
            yield Text(block["text"]["text"])
        case other:
            raise ValueError(f"the demo cannot show a block of type {other}")


def _rich(element: Block) -> Iterator[Text | Padding]:
    if element["type"] == "rich_text_list":
        for item in element["elements"]:
            yield Padding(Text("• ") + _styled(item), (0, 0, 0, 1))
    else:
        yield _styled(element)


def _styled(element: Block) -> Text:
    text = Text()
    for part in element["elements"]:
        style = " ".join(
            name for name, on in part.get("style", {}).items() if on and name in {"bold", "italic"}
        )
        # The terminal shows a time as a client of Slack's without a clock would.
        text.append(part["fallback"] if part["type"] == "date" else part["text"], style=style or None)
    return text
