"""A report as Markdown and as HTML, of the same blocks. What comes from outside is inert in both.

Every text of a block is text: nothing in it is markup, whoever chose the name that it holds.
"""

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from msgspec import Struct

from esx_drift.cli.terminal import escape_unprintable
from esx_drift.domain.text.wording import clean_text

MAX_CELL_CHARACTERS: Final = 2_000
"""Of one text of a report. What is longer ends in ``…``."""


class Heading(Struct, frozen=True):
    """A heading of a ``level`` from 1 on."""

    level: int
    text: str


class Paragraph(Struct, frozen=True):
    """A paragraph. ``is_bad``: it says that something is wrong."""

    text: str
    is_bad: bool = False


class Grid(Struct, frozen=True):
    """A table: its ``headings``, and ``rows`` with a cell for each."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


class Commands(Struct, frozen=True):
    """Commands to be typed, a line each."""

    lines: Sequence[str]


type Block = Heading | Paragraph | Grid | Commands


def render_markdown(blocks: Iterable[Block]) -> str:
    """Render ``blocks`` as Markdown (CommonMark, with the tables of GitHub)."""
    return "\n\n".join(map(_render_markdown_block, blocks)) + "\n"


def _render_markdown_block(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"{'#' * level} {_escape_markdown(text)}"
        case Paragraph(text, is_bad):
            escaped = _escape_markdown(text)
            # What begins a line may make a list or a heading of it; in a cell or after stars nothing does.
            return f"**{escaped}**" if is_bad else _LINE_MARKS.sub(_escape_line_mark, escaped)
        case Grid(headings, rows):
            lines = [
                _render_markdown_row(headings),
                _render_markdown_row(["---"] * len(headings), plain=True),
            ]
            return "\n".join([*lines, *map(_render_markdown_row, rows)])
    runs = [len(run) + 1 for line in block.lines for run in re.findall("`+", line)]
    fence = "`" * max(3, *runs, 0)
    return "\n".join((f"{fence}console", *(f"$ {escape_unprintable(line)}" for line in block.lines), fence))


def _render_markdown_row(cells: Iterable[str], *, plain: bool = False) -> str:
    return f"| {' | '.join(cell if plain else _escape_markdown(cell) for cell in cells)} |"


_MARKS: Final = re.compile(r"([\\`*_\[\]<>|~#!&@$])")
"""What may begin or end markup within a line, and what GitHub makes of names and formulas."""

_LINE_MARKS: Final = re.compile(r"^(\d+(?=[.)])|[-+=])")
"""What makes a line of text a list or a heading."""

_LINKS: Final = re.compile(r"(?i)\b(https?|ftp|mailto|www)([:.])")
"""What becomes a link by itself."""


def _escape_markdown(text: str) -> str:
    return _LINKS.sub(r"\1\\\2", _MARKS.sub(r"\\\1", _flatten(text)))


def _escape_line_mark(found: re.Match[str]) -> str:
    # A number can't be escaped: a blank of no width parts it from what would make it one of a list.
    return f"{found[1]}&#8203;" if found[1].isdigit() else f"\\{found[1]}"


def _flatten(text: str) -> str:
    """Make one line of a text, without what controls a terminal or the direction of writing."""
    return clean_text(text, MAX_CELL_CHARACTERS) if text.strip() else ""


STYLE: Final = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, "Segoe UI", "Liberation Sans", sans-serif; color: #1b1f24; background: #fff;
  max-width: 78rem; margin: 2.5rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.7rem; border-bottom: 3px solid #24476b; padding-bottom: .4rem; }
h2 { font-size: 1.3rem; margin-top: 2.4rem; border-bottom: 1px solid #c9d1d9; padding-bottom: .2rem; }
h3 { font-size: 1.05rem; margin-top: 1.6rem; }
table { border-collapse: collapse; width: 100%; margin: .8rem 0; font-size: .87rem; }
th, td { border: 1px solid #d0d7de; padding: .35rem .55rem; text-align: left; vertical-align: top;
  overflow-wrap: break-word; }
th { background: #eef2f6; white-space: nowrap; }
tr:nth-child(even) td { background: #f8fafb; }
pre { background: #f3f5f7; border: 1px solid #d0d7de; padding: .8rem 1rem; overflow-x: auto;
  font-size: .85rem; }
p.bad { color: #8c1d18; background: #fdecea; border-left: 4px solid #8c1d18; padding: .5rem .8rem; }
@media print { body { margin: 0; max-width: none; } pre { white-space: pre-wrap; } }
"""

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
"""Nothing is loaded and nothing runs, even if a text were taken for markup (Content Security Policy)."""


def render_html(title: str, blocks: Iterable[Block]) -> str:
    """Render ``blocks`` as one page of HTML called ``title``, which needs nothing else."""
    body = "\n".join(map(_render_html_block, blocks))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_escape_html(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _render_html_block(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"<h{level}>{_escape_html(text)}</h{level}>"
        case Paragraph(text, is_bad):
            return f"<p{' class="bad"' if is_bad else ''}>{_escape_html(text)}</p>"
        case Grid(headings, rows):
            head = "".join(f"<th>{_escape_html(cell)}</th>" for cell in headings)
            lines = ("".join(f"<td>{_escape_html(cell)}</td>" for cell in row) for row in rows)
            body = "\n".join(f"<tr>{line}</tr>" for line in lines)
            return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    return f"<pre>{'\n'.join(f'$ {escape(escape_unprintable(line))}' for line in block.lines)}</pre>"


def _escape_html(text: str) -> str:
    return escape(_flatten(text))
