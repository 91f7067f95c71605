"""Changes in words."""

from typing import Any, cast

import pytest
from esx_drift.domain.changes.elements import ELEMENTS
from esx_drift.domain.stored.types import Change, ChangeKind, Element
from esx_drift.messages.change_lines import (
    is_read_at_last,
    render_change_headline,
    render_change_lines,
)
from hypothesis import given

from tests.unit.events import HOST_NAMES, change, changes

OTHER = "nother machine under a known name"
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
        ("joined", ("Host joined", "New host", "Another machine under a known name")),
        ("read for the first time", ("Host read for the first time",)),
        ("moved here", ("Host moved here from ",)),
        ("left", ("Host left",)),
        ("added again", ("Host added again, id ",)),
    ):
        assert title.startswith(f"1 host {in_title}") == line.startswith(in_line)
    assert title.endswith(", unlike the others") == (", unlike " in line and " other host" in line)
    assert (f", a{OTHER}" in title) == (f"a{OTHER}" in line.lower())
    assert title.endswith(", never compared") == line.endswith("there is nothing to compare it with")
    assert title.startswith("1 host ")


COMPARED: dict[str, Any] = {"compared_with": 3, "differences": [], "more": 0}


@pytest.mark.parametrize(
    ("detail", "line", "title"),
    [
        ({}, f"A{OTHER}", f"1 host joined, a{OTHER}"),
        (COMPARED, f"A{OTHER}, runs what 3 other hosts here run", f"1 host joined, a{OTHER}"),
        (
            {**COMPARED, "was_unseen": True},
            f"Host read for the first time, a{OTHER}, runs what 3 other hosts here run",
            f"1 host read for the first time, a{OTHER}",
        ),
        (
            {**COMPARED, "compared_with": 0},
            f"A{OTHER}, never compared before, and there is nothing to compare it with",
            f"1 host joined, a{OTHER}, never compared",
        ),
    ],
)
def test_another_machine_under_a_known_name_is_said(detail: dict[str, Any], line: str, title: str) -> None:
    """At whichever look; and somebody is asked whether it was meant, though it runs what the others run."""
    detail = {**detail, "other_machine": {"id": "host-3", "name": "esx07"}}
    one: Change = {**change("host", "added", "host-7"), "severity": "warning", "detail": detail}
    assert render_change_lines([{**one, "hosts": []}], HOST_NAMES, None) == [line]
    assert render_change_headline([one], HOST_NAMES, None, at_least=False) == title
    assert not is_read_at_last(one)


def test_a_title_counts_other_machines_apart() -> None:
    """First, and with what they are beside the others."""
    known = {"other_machine": {"id": "host-3", "name": "esx07"}}
    details: list[Any] = [None, known, known, {**known, **COMPARED, "compared_with": 0}]
    joined = [
        {**change("host", "added", f"host-{number}"), "severity": "warning", "detail": detail}
        for number, detail in enumerate(details)
    ]
    assert render_change_headline(cast("list[Change]", joined), {}, None, at_least=False) == (
        "2 hosts joined, other machines under known names, "
        f"1 host joined, a{OTHER}, never compared, 1 host joined"
    )
