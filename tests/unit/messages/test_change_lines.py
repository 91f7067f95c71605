"""Changes in words."""

from copy import replace
from typing import Any, cast

import pytest
from esx_drift.domain.changes.elements import ELEMENTS
from esx_drift.domain.images.part_words import format_earlier_release, format_release
from esx_drift.domain.stored.types import Change, ChangeKind, Element
from esx_drift.messages.change_lines import (
    ChangeWords,
    is_read_at_last,
    list_change_lines,
    list_rest_lines,
    render_change_lines,
    render_change_title,
)
from hypothesis import given

from tests.unit.events import HOST_NAMES, VIB, change, changes

U3D, U3E = "8.0.3-0.60.24585383", "8.0.3-0.73.24674464"
RELEASES = {U3D: "ESXi 8.0 U3d", U3E: "ESXi 8.0 U3e", "8.0.0-1.0.20513097": "ESXi 8.0"}
WORDS = ChangeWords(HOST_NAMES, {"hosts": 12, "covered": 12, "failed": 0, "unsupported": 0}, RELEASES)
OLD, NEW = "2.7.2.0-1OEM.800.1.0.20613240", "2.9.2.0-1OEM.800.1.0.20613240"

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
    (line,) = render_change_lines([change(element, kind, "a-key", **VERSIONS[kind])], ChangeWords(HOST_NAMES))
    assert "esx07" in line
    assert "_" not in line


@given(changes().filter(lambda one: one["element"] == "host"))
def test_the_title_and_the_line_of_a_host_say_the_same(one: Change) -> None:
    """What it did, and how it compares with the others."""
    alone: Change = {**one, "hosts": ["host-7"]}
    words = ChangeWords(HOST_NAMES)
    title = render_change_title(list_change_lines([alone], words), words)
    (line,) = render_change_lines([{**one, "hosts": []}], words)
    for in_title, in_line in (
        ("joined", ("Host joined", "New host", "Another machine under a known name")),
        ("checked for the first time", ("Host checked for the first time",)),
        ("moved here", ("Host moved here from ",)),
        ("left", ("Host left",)),
        ("added again", ("Host added again, ",)),
    ):
        assert title.startswith(f"esx07 {in_title}") == line.startswith(in_line)
    assert title.endswith(", unlike the others") == (", unlike " in line and " other host" in line)
    assert (f", a{OTHER}" in title) == (f"a{OTHER}" in line.lower())
    assert title.endswith(", never compared") == line.endswith("there is nothing to compare it with")
    assert title.startswith("esx07 ")


COMPARED: dict[str, Any] = {"compared_with": 3, "differences": [], "more": 0}


@pytest.mark.parametrize(
    ("detail", "line", "title"),
    [
        ({}, f"A{OTHER}", f"esx07 joined, a{OTHER}"),
        (COMPARED, f"A{OTHER}, runs what 3 other hosts here run", f"esx07 joined, a{OTHER}"),
        (
            {**COMPARED, "was_unseen": True},
            f"Host checked for the first time, a{OTHER}, runs what 3 other hosts here run",
            f"esx07 checked for the first time, a{OTHER}",
        ),
        (
            {**COMPARED, "compared_with": 0},
            f"A{OTHER}, never compared before, and there is nothing to compare it with",
            f"esx07 joined, a{OTHER}, never compared",
        ),
    ],
)
def test_another_machine_under_a_known_name_is_said(detail: dict[str, Any], line: str, title: str) -> None:
    """At whichever look; and somebody is asked whether it was meant, though it runs what the others run."""
    detail = {**detail, "other_machine": {"id": "host-3", "name": "esx07"}}
    one: Change = {**change("host", "added", "host-7"), "severity": "warning", "detail": detail}
    assert render_change_lines([{**one, "hosts": []}], ChangeWords(HOST_NAMES)) == [line]
    assert render_change_title(list_change_lines([one], WORDS), WORDS) == title
    assert not is_read_at_last(one)


def test_a_title_counts_other_machines_apart() -> None:
    """With what they are beside the others."""
    known = {"other_machine": {"id": "host-3", "name": "esx07"}}
    details: list[Any] = [None, known, known, {**known, **COMPARED, "compared_with": 0}]
    joined: list[Any] = [
        {**change("host", "added", f"host-{number}"), "hosts": [f"host-{number}"], "detail": detail}
        for number, detail in enumerate(details, 1)
    ]
    assert render_change_title(list_change_lines(joined, WORDS), WORDS) == (
        f"esx01 joined, 2 hosts joined, a{OTHER}, esx04 joined, a{OTHER}, never compared"
    )


@pytest.mark.parametrize(
    ("version", "name"),
    [
        (U3E, "ESXi 8.0 U3e (build 24674464)"),
        ("8.0.0-1.0.20513097", "ESXi 8.0 (build 20513097)"),
        ("8.0.2-0.0.22380479", "ESXi 8.0.2 (build 22380479)"),
        ("9.0.1.0101.24957456", "ESXi 9.0.1.0101 (build 24957456)"),
        ("8.0", "ESXi 8.0"),
        ("", "ESXi (no name)"),
        ("\u202e1.0.123", "ESXi \ufffd1.0 (build 123)"),
    ],
)
def test_a_release_is_named_as_people_do(version: str, name: str) -> None:
    """With its build; by its version where nobody knows what it is called."""
    assert format_release(version, RELEASES) == name


@pytest.mark.parametrize(
    ("old", "new", "short"),
    [
        ("ESXi 8.0 U3d (build 24585383)", "ESXi 8.0 U3e (build 24674464)", "U3d"),
        ("ESXi 8.0 (build 1)", "ESXi 8.0 U3e (build 24674464)", "8.0"),
        ("ESXi 7.0 U3q (build 1)", "ESXi 8.0 U3e (build 2)", "7.0 U3q"),
        ("ESXi 8.0.3 (build 1)", "ESXi 8.0.3 (build 2)", "build 1"),
        ("ESXi 8.0.2", "ESXi 8.0.2", "ESXi 8.0.2"),
    ],
)
def test_a_release_beside_a_newer_one_is_short(old: str, new: str, short: str) -> None:
    """What both have in common stands once."""
    assert format_earlier_release(old, new) == short


BASE = change("base_image", "upgraded", "base_image", **{"from": U3D, "to": U3E})
TO_U3E = "ESXi 8.0 U3e (build 24674464)"


@pytest.mark.parametrize(
    ("parts", "title", "line"),
    [
        ({}, f"{TO_U3E} from U3d", ""),
        (
            {"kind": "downgraded", "from": U3E, "to": U3D},
            "ESXi 8.0 U3d (build 24585383), downgraded from U3e",
            "",
        ),
        ({"put_back": True}, TO_U3E, f"{TO_U3E} (was U3d)"),
        ({"kind": "added", "from": None}, f"{TO_U3E} added", ""),
        ({"kind": "removed", "to": None}, "ESXi 8.0 U3d (build 24585383) removed", ""),
        ({"kind": "changed", "from": U3E}, f"{TO_U3E}: same version, other content", ""),
    ],
)
def test_a_release_is_told_in_one_line(parts: dict[str, Any], title: str, line: str) -> None:
    """Whatever happened to it; a title says all that there is to say."""
    lines = list_change_lines([cast("Change", {**BASE, **parts})], WORDS)
    assert render_change_title(lines, WORDS) == f"{title} on esx07"
    assert list_rest_lines(lines, WORDS) == ([line] if line else [])


def test_a_whole_image_is_one_line() -> None:
    """Its many parts are counted; what is worse, elsewhere or of an alternative image has its own line."""
    parts = [change("component", "upgraded", f"part-{n}", **{"from": "1", "to": "2"}) for n in range(120)]
    down = change("component", "downgraded", "tool", severity="critical", **{"from": "2", "to": "1"})
    elsewhere = change("component", "added", "x", hosts=["host-9"], to="1")
    inside = change("component", "added", "y", alternative_image="alt", to="1")
    lines = render_change_lines([BASE, *parts, down, elsewhere, inside], WORDS)
    assert lines == [
        "tool 2 → 1 (downgraded) · esx07",
        f"{TO_U3E} from U3d, 120 components with it · esx07",
        "x 1 added · esx09",
        "y 1 added (alternative image alt) · esx07",
    ]


def test_an_older_release_brings_older_parts() -> None:
    """Which are as bad as it is."""
    base = {**BASE, "kind": "downgraded", "severity": "critical", "from": U3E, "to": U3D}
    parts = [
        change("component", "downgraded", f"part-{n}", severity="critical", **{"from": "2", "to": "1"})
        for n in range(24)
    ]
    lines = render_change_lines([cast("Change", base), *parts], WORDS)
    assert lines == ["ESXi 8.0 U3d (build 24585383), downgraded from U3e, 24 components with it · esx07"]


@pytest.mark.parametrize("hosts", [["host-7"], ["host-2", "host-7"], [*HOST_NAMES]])
def test_each_fact_stands_once(hosts: list[str]) -> None:
    """A list has what its title has no room for: vendors' tails, and the names of several hosts."""
    plain = change("component", "upgraded", "tool", hosts=hosts, **{"from": "1.0", "to": "2.0"})
    lines = list_change_lines([plain], WORDS)
    names = {1: "esx07", 2: "2 of 12 hosts", 12: "all 12 hosts"}
    assert render_change_title(lines, WORDS) == f"tool 1.0 → 2.0 on {names[len(hosts)]}"
    assert list_rest_lines(lines, WORDS) == (["On esx02, esx07"] if len(hosts) == 2 else [])


def test_several_changes_are_all_in_the_list() -> None:
    """The worst gives the title, which counts the others."""
    driver = change(
        "component", "upgraded", "Intel-i40en", hosts=["host-2", "host-7"], **{"from": OLD, "to": NEW}
    )
    vib = change("orphaned_vib", "removed", VIB, hosts=["host-2"])
    lines = list_change_lines([vib, {**driver, "severity": "critical"}], WORDS)
    assert render_change_title(lines, WORDS) == (
        "Intel-i40en 2.7.2.0 → 2.9.2.0 and 1 more change on 2 of 12 hosts"
    )
    assert list_rest_lines(lines, WORDS) == [
        f"Intel-i40en {OLD} → {NEW} · esx02, esx07",
        "VIB smntemp 910.1.0.0005-5vmw.803.0.0.24022510 gone · esx02",
    ]


def test_more_hosts_than_an_event_has_room_for_are_at_least_so_many() -> None:
    """What was cut is not known."""
    words = replace(WORDS, at_least=True)
    driver = change("component", "added", "tool", hosts=["host-2", "host-7"], to="1.0")
    title = render_change_title(list_change_lines([driver], words), words)
    assert title == "tool 1.0 added on at least 2 of 12 hosts"


def test_a_release_that_a_new_host_lacks_is_named() -> None:
    """Not by its number."""
    difference = {"element": "base_image", "key": "base_image", "from": U3E, "to": U3D}
    detail = {"compared_with": 1, "differences": [difference], "more": 0}
    (line,) = render_change_lines([change("host", "added", "host-7", detail=detail)], WORDS)
    assert (
        "unlike 1 other host: ESXi 8.0 U3d (build 24585383) instead of ESXi 8.0 U3e (build 24674464)" in line
    )
