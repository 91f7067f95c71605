"""What answered in a vCenter's place: a balancer, a proxy, another web server."""

import json
import re
from html import unescape

from esx_drift.adapters.vcenter.http_client import HttpAnswer
from esx_drift.domain.text.wording import clean_text

MAX_QUOTE_LENGTH = 120
"""Of a page or a text that another server answered with: enough to know it again."""


LOOKED_AT_BYTES = 16_384
"""Where the title of a page, or the beginning of a text, stands."""


def describe_stranger(answer: HttpAnswer) -> str:
    """Describe what answered in the vCenter's place: ``a page "Sign in" (server: nginx)``.

    Returns:
        Empty for JSON, of which only a reader can tell whose it is.
    """
    start = answer.body[:LOOKED_AT_BYTES].decode("utf-8-sig", "replace").strip()
    if not start:
        return name_server(answer, "an empty body")
    return "" if _may_be_json(start) else name_server(answer, f"a {_describe_text(start)}")


def _may_be_json(start: str) -> bool:
    try:
        return start[0] in '{["' or json.loads(start) is not start
    except ValueError:
        return False


def _describe_text(start: str) -> str:
    if not start.startswith("<"):
        return f'text "{clean_text(start, MAX_QUOTE_LENGTH)}"'
    title = re.search(r"<title[^>]{0,200}>([^<]{1,1000})", start, re.IGNORECASE)
    return f'page "{clean_text(unescape(title[1]), MAX_QUOTE_LENGTH)}"' if title else "page without a title"


def name_server(answer: HttpAnswer, what: str) -> str:
    """Name ``what`` answered, with the ``Server`` that ``answer`` gives for itself."""
    server = answer.headers.get("Server", "")
    return f"{what} (server: {clean_text(server, 40)})" if server.strip() else what


def deny_vcenter(answered_by: str) -> str:
    """Say, to end a sentence, that something else answered."""
    return f"no answer of a vCenter's, but {answered_by}"
