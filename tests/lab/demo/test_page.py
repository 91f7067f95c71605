"""The page of the demo's messages."""

import json

import pytest
from esx_drift.channels.slack import render_drill, render_message
from esx_drift.messages.content import build_content

from tests.lab.demo.page import render_page
from tests.paths import GOLDEN

EVENTS = sorted((GOLDEN / "messages").glob("*/event.json"))


def test_the_page_shows_every_message() -> None:
    """With its title, and with no name read as HTML."""
    payloads = [render_message(build_content(json.loads(path.read_text()))) for path in EVENTS]
    page = render_page([*payloads, render_drill("ops")])
    assert page.count("<article>") == len(payloads) + 1
    assert "&lt;!channel&gt; *prod*" in page
    assert "<!channel>" not in page
    assert "<time>01:14</time>" in page
    assert "<code>esx-drift accept prod-a --vcenter vc01 --hosts esx07</code>" in page


def test_what_the_page_cannot_show_is_an_error() -> None:
    """A new kind of block needs its form here."""
    with pytest.raises(ValueError, match="of type image"):
        render_page([{"text": "x", "blocks": [{"type": "image"}]}])
