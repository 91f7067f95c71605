"""Changes in words."""

import pytest
from esx_drift.domain.changes.elements import ELEMENTS
from esx_drift.domain.stored.types import ChangeKind, Element
from esx_drift.messages.change_lines import render_change_lines

from tests.unit.events import HOST_NAMES, change

VERSIONS: dict[ChangeKind, dict[str, str]] = {
    "added": {"to": "2.0"},
    "removed": {"from": "1.0"},
    "changed": {"from": "1.0", "to": "2.0"},
}


@pytest.mark.parametrize("kind", VERSIONS)
@pytest.mark.parametrize("element", ELEMENTS)
def test_every_element_has_words(element: Element, kind: ChangeKind) -> None:
    """One line, which names it by no word of the code."""
    (line,) = render_change_lines([change(element, kind, "a-key", **VERSIONS[kind])], HOST_NAMES, None)
    assert "esx07" in line
    assert "_" not in line
