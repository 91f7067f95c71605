"""Changes in words."""

import pytest
from esx_drift.domain.changes.elements import ELEMENTS
from esx_drift.domain.stored.types import Change, ChangeKind, Element
from esx_drift.messages.change_lines import render_change_headline, render_change_lines
from hypothesis import given

from tests.unit.events import HOST_NAMES, change, changes

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


@given(changes().filter(lambda one: one["element"] == "host"))
def test_the_title_and_the_line_of_a_host_say_the_same(one: Change) -> None:
    """What it did, and how it compares with the others."""
    title = render_change_headline([one], {}, None, at_least=False)
    (line,) = render_change_lines([{**one, "hosts": []}], {}, None)
    for in_title, in_line in (
        ("joined", ("Host joined", "New host")),
        ("read for the first time", ("Host read for the first time",)),
        ("moved here", ("Host moved here from ",)),
        ("left", ("Host left",)),
        ("added again", ("Host added again, id ",)),
    ):
        assert title.startswith(f"1 host {in_title}") == line.startswith(in_line)
    assert title.endswith(", unlike the others") == (", unlike " in line and " other host" in line)
    assert title.endswith(", never compared") == line.endswith("there is nothing to compare it with")
    assert title.startswith("1 host ")
