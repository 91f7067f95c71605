"""All that is wrong with a fleet file is told at once, and what of it can have no effect."""

import copy
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import pytest
import yaml
from esx_drift.cli.fleet_advice import explain_faults
from esx_drift.cli.fleet_review import examine_fleet
from esx_drift.cli.fleet_yaml import parse_fleet_text
from esx_drift.contracts import list_violations
from esx_drift.domain.fleet.rule_review import KnownThings
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fleets import fleet, fleets

NOW = datetime(2026, 11, 28, 20, 0, tzinfo=UTC)
ABOUT = {"name": "a", "reason": "known", "until": "2027-01-31T00:00:00Z"}
WHOLE_VIB = "an orphaned VIB is hidden only by its whole name in keys, such as smntemp(910.1.0.0005)"

MANY = """
schema_version: 2
more: 1
vcenters:
  - name: vc01
  - name: VC 02
  - name: vc01
    first_delay_seconds: 5
routes:
  - name: ops
    fallbac: x
    kinds: [nonsense]
    vcenters: [vc09]
  - name: security
    fallback: opps
  - name: first
    secret: shared
    fallback: second
  - {name: second, secret: shared}
  - {name: third, secret: other, fallback: ops}
ignore:
  - name: everything
    reason: all
  - {name: host-up, reason: known, elements: [host], kinds: [upgraded], until: "2027-01-01T00:00:00Z"}
  - reason: nameless
  - {name: endless, reason: known, findings: [host-failed]}
  - not an object
maintenance:
  - {name: w, reason: r, from: "2026-12-01T00:00:00Z", to: "2026-11-01T00:00:00Z"}
  - {name: x, reason: r, from: "2026-12-01T00:00:00Z", to: soon}
  - {name: y, reason: r, cron: "0 25 * * *", timezone: UTC, for: 2h}
  - {name: z, reason: r, cron: "0 2 * * *", timezone: UTC, for: 25h}
"""


def _warn(**parts: object) -> list[str]:
    examined = examine_fleet(fleet(**parts), NOW)
    assert examined.faults == []
    return examined.list_warnings(NOW, None)


def test_one_run_names_everything() -> None:
    """What the schema refuses, what can't be so, and what contradicts itself, by its place in the file."""
    examined = examine_fleet(yaml.safe_load(MANY), NOW)
    assert sorted(fault.partition(": ")[0] for fault in examined.faults) == [
        "/ignore/0",
        "/ignore/0/until",
        "/ignore/2",
        "/ignore/2/name",
        "/ignore/2/until",
        "/ignore/3/until",
        "/ignore/4",
        "/maintenance/0/to",
        "/maintenance/1/to",
        "/maintenance/2/cron",
        "/maintenance/3/for",
        "/more",
        "/routes/0/fallbac",
        "/routes/0/kinds/0",
        "/routes/0/vcenters/0",
        "/routes/1/fallback",
        "/routes/2/fallback",
        "/schema_version",
        "/vcenters/1/name",
        "/vcenters/2/first_delay_seconds",
        "/vcenters/2/name",
    ]
    assert '/vcenters/2/name: expected a new name, got "vc01" as in /vcenters/0' in examined.faults
    assert examined.list_warnings(NOW, None) == [
        "/ignore/1/kinds: host-up hides no change: no host is ever upgraded"
    ]


@pytest.mark.parametrize(
    "document",
    [
        {
            "settings": {"extract_deadline_seconds": "4000"},
            "vcenters": [{"name": "vc01", "first_delay_seconds": 3_000}],
        },
        {"vcenters": [{"name": "vc01", "first_delay_seconds": 3_000, "extract_deadline_seconds": "4000"}]},
        {"vcenters": [{"name": "VC1"}], "routes": [{"name": "ops", "vcenters": ["VC1"]}]},
        {"vcenters": [{"nam": "vc03"}], "routes": [{"name": "ops", "vcenters": ["vc03"]}]},
        {"routes": [{"name": "OPS"}, {"name": "security", "fallback": "OPS"}]},
        {"routes": [{"name": "ops", "secret": 1}, {"name": "b", "secret": "ops", "fallback": "ops"}]},
        {"ignore": [{**ABOUT, "keys": [1]}]},
        {"vcenters": []},
        {"vcenters": {}},
    ],
)
def test_what_follows_from_a_fault_is_not_told_beside_it(document: dict[str, Any]) -> None:
    """Only what the schema says."""
    whole = fleet(**document)
    violations = list_violations("fleet", whole)
    assert violations != []
    assert examine_fleet(whole, NOW).faults == violations


@pytest.mark.parametrize("document", [None, [], "text", {}, {"vcenters": [1] * 200}])
def test_what_is_no_fleet_file_at_all(document: object) -> None:
    """Its schema says so, and nothing else can be known."""
    examined = examine_fleet(document, NOW)
    assert examined.faults == list_violations("fleet", document)
    assert examined.list_warnings(NOW, None) == []


@pytest.mark.parametrize("text", ["/routes/1", "/vcenters/4", 'x" as in /routes/1', '" as in /ignore/9'])
def test_what_reads_like_a_place_is_quoted_as_it_is_written(text: str) -> None:
    """Behind an entry that is left out: only where the line itself points to is counted anew."""
    window = {**ABOUT, "from": "2026-12-01T00:00:00Z"}
    del window["until"]
    nightly = {"name": "nightly", "reason": "r", "cron": "0 2 * * *", "timezone": text, "for": "2h"}
    document = fleet(
        routes=[
            {"name": 7},
            {"name": "ops"},
            {"name": "a", "kinds": [text], "vcenters": [text]},
            {"name": "a"},
        ],
        maintenance=[window, nightly],
        ignore=[{"name": 7}, {**ABOUT, "keys": [text], "hosts": [text]}],
    )
    examined = examine_fleet(document, NOW)
    assert {
        f'/routes/2/kinds/0: expected a kind of findings or changes, got "{text}"',
        f'/routes/2/vcenters/0: expected a vCenter of this file (vc01, vc02), got "{text}"',
        '/routes/3/name: expected a new name, got "a" as in /routes/2',
        f"/maintenance/1/timezone: expected a time zone such as Europe/Berlin, got {text}",
    } <= {*examined.faults}
    assert examined.list_warnings(NOW, KnownThings({}, frozenset())) == [
        f'/ignore/1/hosts/0: a: no host that is known matches "{text}"',
        f'/ignore/1/keys/0: a: nothing that is known matches "{text}"',
    ]


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("vcenters: [{name: 1}]", 'put it in quotes, as "1"'),
        ("vcenters: [{name: true}]", 'put it in quotes, as "true"'),
        ("vcenters: [{name: null}]", 'put it in quotes, as "null"'),
        ("vcenters: [{name: 1e3}]", 'put it in quotes, as "1e3"'),
        ("vcenters: [{name: ~}]", ""),
        ("vcenters: [{name: }]", ""),
        ("vcenters: [{name: 1.50}]", ""),
        ("vcenters: [{}]", ""),
        ('{"vcenters": [{"name": 12}]}', 'put it in quotes, as "12"'),
        ("vcenters: [{name: a, clusters: {include: [lab, 007, 7]}}]", 'put it in quotes, as "7"'),
        ("vcenters: [{name: a, extract: yes}]", "write true"),
        ("vcenters: [{name: a, extract: OFF}]", "write false"),
        ("vcenters: [{name: a, extract: 'true'}]", "write true, without quotes"),
        ("vcenters: [{name: a, extract: maybe}]", ""),
        ("vcenters: [{name: a, max_age_seconds: '60'}]", "write 60, without quotes"),
        ("vcenters: [{name: a, max_age_seconds: 1_000}]", "write 1000"),
        ("vcenters: [{name: a, max_age_seconds: 4:00}]", ""),
        ("vcenters: [{name: a, max_age_seconds: '0'}]", ""),
        ("vcenters: [{name: a, 7a: 1}]", ""),
        ("vcenters: [{name: a}]\nroutes: [{name: b, kinds: [on, no, 5]}]", 'put it in quotes, as "5"'),
    ],
)
def test_what_yaml_reads_otherwise_than_it_is_meant_says_how_to_write_it(text: str, advice: str) -> None:
    """A name that is a number, a yes that is a text; where no spelling would do, none is advised."""
    written = text if text.startswith("{") else f"schema_version: 1\n{text}"
    read = parse_fleet_text(written)
    faults = [fault for fault in list_violations("fleet", read.document) if "schema_version" not in fault]
    assert len(faults) == 1
    expected = f"{faults[0]}: {advice}" if advice else faults[0]
    examined = examine_fleet(read.document, NOW, read.spelt)
    assert expected in explain_faults(examined.faults, examined.advice, read, NOW)


FAR, NEAR = "2029-01-01T00:00:00Z", "2027-01-31T00:00:00Z"
PLANTED: dict[tuple[Any, ...], tuple[object, tuple[str, ...]]] = {
    ("schema_version",): (2, ()),
    ("more",): (1, ()),
    ("settings", "extract"): ("perhaps", ()),
    ("vcenters", 0, "name"): ("VC 01", ()),
    ("vcenters", 0, "clusters"): ({"exclude": ["*"]}, ("/vcenters/0/clusters/exclude",)),
    ("vcenters", 1, "confirm_after_seconds"): (700, ("/vcenters/1",)),
    ("vcenters", 1, "max_age_seconds"): (0, ()),
    ("vcenters", 2, "name"): ("vc02", ()),
    ("vcenters", 2, "clusers"): ({"exclude": ["*"]}, ()),
    ("routes", 0, "kinds", 0): ("nonsense", ()),
    ("routes", 0, "kinds", 1): (5, ("/routes/0/kinds/1",) * 2),
    ("routes", 0, "vcenters", 0): ("vc09", ()),
    ("routes", 0, "vcenters", 1): (9, ("/routes/0/vcenters/1",) * 2),
    ("routes", 0, "min_severity"): ("high", ()),
    ("routes", 1, "fallback"): ("nowhere", ()),
    ("routes", 1, "families"): (["noise"], ("/routes/1/families/0",)),
    ("routes", 2, "secret"): ("r3", ("/routes/2/fallback",)),
    ("routes", 2, "kinds"): (["noise"], ("/routes/2/kinds/0",)),
    ("routes", 3, "clusters"): ([" "], ("/routes/3/clusters/0",)),
    ("routes", 4, "fallback"): ("r5", ("/routes/4/fallback", "/routes/5/fallback")),
    ("routes", 6, "name"): ("r5", ()),
    ("routes", 6, "colour"): ("red", ()),
    ("routes", 7, "name"): (2026, ()),
    ("routes", 7, "fallback"): ("nowhere", ()),
    ("ignore", 0, "until"): ("soon", ()),
    ("ignore", 0, "findings", 0): (1, ()),
    ("ignore", 0, "findings", 1): ("trail-damaged", ()),
    ("ignore", 0, "reason"): ("", ()),
    ("ignore", 1, "until"): (FAR, ()),
    ("ignore", 1, "vcenters"): (["vc08"], ("/ignore/1/vcenters/0",)),
    ("ignore", 1, "name"): (7, ()),
    ("ignore", 2, "keys"): (["*"], ("/ignore/2",)),
    ("ignore", 2, "colour"): ("red", ()),
    ("ignore", 3, "reason"): (None, ()),
    ("ignore", 4, "until"): ("2027-02-01T00:00:00Z", ()),
    ("ignore", 4, "name"): ("i3", ()),
    ("maintenance", 0, "to"): ("2026-11-01T00:00:00Z", ()),
    ("maintenance", 0, "vcenters"): (["vc07"], ("/maintenance/0/vcenters/0",)),
    ("maintenance", 0, "accept"): ("perhaps", ()),
    ("maintenance", 1, "cron"): ("0 25 * * *", ()),
    ("maintenance", 1, "clusters"): ([""], ("/maintenance/1/clusters/0",)),
    ("maintenance", 2, "timezone"): ("Mars", ()),
    ("maintenance", 3, "for"): ("8d", ()),
    ("maintenance", 3, "reason"): ("", ()),
    ("maintenance", 4, "reason"): ([], ()),
    ("maintenance", 5, "accept"): (True, ()),
    ("maintenance", 5, "colour"): ("red", ()),
    ("maintenance", 6, "cron"): ("0 22 * * 9", ()),
    ("maintenance", 6, "timezone"): ("CET+1", ()),
    ("maintenance", 6, "for"): ("8", ()),
    ("maintenance", 7, "cron"): ("0 22 * * 9", ()),
    ("maintenance", 7, "timezone"): ("CET+1", ()),
    ("maintenance", 7, "for"): ("8d", ()),
    ("maintenance", 7, "to"): ("2026-12-06T06:00:00Z", ("/maintenance/7",)),
}
"""Where an error is planted, with which value, and where it is told; there itself where nothing stands."""


def _build_sound_fleet() -> dict[str, Any]:
    """One with an entry for each error, none of which is wrong."""
    rule = {"reason": "known", "until": NEAR}
    once = {"reason": "r", "from": "2026-12-05T20:00:00Z", "to": "2026-12-06T06:00:00Z"}
    nightly = {"reason": "r", "cron": "0 2 1 * *", "timezone": "UTC", "for": "2h"}
    scopes = [{"clusters": [f"only-{at}"]} for at in range(6)]
    return {
        "schema_version": 1,
        "settings": {"blind_after_seconds": 650},
        "vcenters": [{"name": name} for name in ("vc01", "vc02", "vc03")],
        "routes": [
            {"name": "r0", "kinds": ["host", "upgraded"], "vcenters": ["vc02", "vc*"]},
            {"name": "r1"},
            {"name": "r2", "fallback": "r3"},
            {"name": "r3"},
            {"name": "r4"},
            {"name": "r5", "fallback": "r4"},
            {"name": "r6"},
            {"name": "r7"},
        ],
        "ignore": [
            {"name": "i0", **rule, "findings": ["host-error", "host-failed"], **scopes[0]},
            *({"name": f"i{at}", **rule, "keys": ["mft"], **scopes[at]} for at in (1, 2, 3, 3)),
        ],
        "maintenance": [
            {"name": "m0", **once, **scopes[0]},
            *({"name": f"m{at}", **nightly, **scopes[at]} for at in (1, 2, 3)),
            *({"name": f"m{at}", **once, **scopes[4]} for at in (4, 5)),
            *({"name": f"m{at}", **nightly, "clusters": [f"only-{at}"]} for at in (6, 7)),
        ],
    }


@given(st.sets(st.sampled_from([*PLANTED]), min_size=1))
def test_as_many_errors_as_are_planted_are_named_at_once(places: set[tuple[Any, ...]]) -> None:
    """Whichever they are: none is found only after another one was mended, and none is told twice."""
    document = _build_sound_fleet()
    document["ignore"][4]["name"] = "i4"
    assert examine_fleet(document, NOW).faults == []
    expected: list[str] = []
    for place in places:
        *way, last = place
        value, named_at = PLANTED[place]
        inner: Any = document
        for step in way:
            inner = inner[step]
        inner[last] = value
        expected += named_at or (f"/{'/'.join(map(str, place))}",)
    faults = examine_fleet(document, NOW).faults
    assert sorted(fault.partition(": ")[0] for fault in faults) == sorted(expected)


FAULTY_FIELDS: dict[tuple[str, int], list[tuple[str, object]]] = {
    ("vcenters", 0): [
        ("name", "VC 01"),
        ("name", 7),
        ("name", "vc02"),
        ("clusters", [1]),
        ("clusters", {"include": [1], "exclude": ["*"]}),
        ("clusters", {"exclude": ["*"], "inclde": ["x"]}),
        ("extract", "perhaps"),
        ("max_age_seconds", 0),
        ("blind_after_seconds", "600"),
        ("colour", "red"),
    ],
    ("routes", 1): [
        ("name", "R 1"),
        ("name", 2026),
        ("name", None),
        ("name", "r2"),
        ("channel", "pigeon"),
        ("secret", "R 3"),
        ("min_severity", "high"),
        ("fallback", "nowhere"),
        ("fallback", "No Where"),
        ("families", ["noise"]),
        ("kinds", ["noise"]),
        ("kinds", "noise"),
        ("kinds", ["noise", "noise"]),
        ("vcenters", ["vc09", "vc09"]),
        ("vcenters", ["vc09"]),
        ("vcenters", [" "]),
        ("clusters", [""]),
        ("colour", "red"),
    ],
    ("routes", 2): [("name", "R 2"), ("secret", "r3"), ("kinds", ["noise"]), ("min_severity", "high")],
    ("ignore", 0): [
        ("name", "I 0"),
        ("name", 7),
        ("name", "i1"),
        ("reason", ""),
        ("elements", ["vib"]),
        ("kinds", ["component"]),
        ("findings", ["trail-damaged"]),
        ("findings", [1]),
        ("keys", [""]),
        ("hosts", "esx01"),
        ("until", FAR),
        ("until", "soon"),
        ("vcenters", ["vc09"]),
        ("clusters", [""]),
        ("colour", "red"),
    ],
    ("ignore", 4): [("name", "I 4"), ("name", 4), ("until", "2027-02-01T00:00:00Z"), ("reason", "")],
    ("maintenance", 0): [
        ("name", "M 0"),
        ("name", 7),
        ("reason", ""),
        ("from", "soon"),
        ("to", "2026-11-01T00:00:00Z"),
        ("to", "2027-11-01T00:00:00Z"),
        ("to", "soon"),
        ("accept", "perhaps"),
        ("vcenters", ["vc09"]),
        ("clusters", [""]),
        ("cron", "0 22 * * 9"),
        ("timezone", "CET+1"),
        ("for", "8"),
        ("for", "8d"),
        ("colour", "red"),
    ],
    ("maintenance", 1): [
        ("cron", "0 22 * * 9"),
        ("cron", "* * * *"),
        ("cron", ""),
        ("timezone", "CET+1"),
        ("timezone", ""),
        ("for", "8"),
        ("for", "8d"),
        ("from", "soon"),
        ("to", "soon"),
        ("name", "M 1"),
        ("reason", ""),
        ("vcenters", ["vc09"]),
    ],
    ("maintenance", 5): [("name", "M 5"), ("reason", ""), ("accept", True), ("vcenters", ["vc09"])],
}
"""The fields of one entry, with values that are wrong by the schema, in themselves, or beside others."""


def _point_at_faults(place: tuple[str, int], *planted: tuple[str, object]) -> set[str]:
    """Which fields of a sound fleet's entry have faults, once some are wrong."""
    document = _build_sound_fleet()
    document["ignore"][4]["name"] = "i4"
    document[place[0]][place[1]].update(planted)
    return {fault.partition(": ")[0] for fault in examine_fleet(document, NOW).faults}


@pytest.mark.parametrize("place", FAULTY_FIELDS)
def test_two_errors_of_one_entry_are_both_named(place: tuple[str, int]) -> None:
    """Whatever is told of either field alone is told of both, but where nobody knows when a window begins."""
    planted = [(each, _point_at_faults(place, each)) for each in FAULTY_FIELDS[place]]
    for (first, of_first), (then, of_then) in combinations(planted, 2):
        follows = {"/maintenance/0/to"} if (*first, then[0]) == ("from", "soon", "to") else set[str]()
        if first[0] != then[0]:
            hidden = (of_first | of_then) - _point_at_faults(place, first, then)
            assert hidden <= {"/{}/{}".format(*place), *follows}, (first, then)


BROKEN: tuple[Any, ...] = (None, True, 7, "x y", [], ["*"], {})
POINTING = ["/routes/9", "/vcenters/1", 'x" as in /ignore/9', '" as in /maintenance/0']
"""Texts that read like places in the file."""


def _list_places(value: object, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, each in inner for place in _list_places(each, (*at, key)))]


@given(fleets(), st.data())
def test_nothing_that_is_wrong_keeps_the_rest_from_being_examined(
    document: dict[str, Any], data: st.DataObject
) -> None:
    """Whatever stands anywhere in it: what the schema refuses is named, and examining ends."""
    broken = copy.deepcopy(document)
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(_list_places(broken)[1:]))
        inner: Any = broken
        for step in way:
            inner = inner[step]
        inner[last] = data.draw(st.sampled_from([*BROKEN, *POINTING, POINTING, {"name": "a"}]))
    examined = examine_fleet(broken, NOW)
    assert {*list_violations("fleet", broken)} <= {*examined.faults}
    examined.list_warnings(NOW, None)
    examined.list_warnings(NOW, KnownThings({}, frozenset()))


@pytest.mark.parametrize(
    ("rule", "warning"),
    [
        (
            {"elements": ["host", "alternative_image"], "kinds": ["upgraded", "downgraded"]},
            "kinds: a hides no change: no alternative image or host is ever upgraded or downgraded",
        ),
        (
            {"elements": ["base_image"], "kinds": ["removed"]},
            "kinds: a hides no change: no base image is ever removed",
        ),
        (
            {"kinds": ["relabelled"]},
            "kinds: a hides no change: nobody is told what is only relabelled",
        ),
        ({"elements": ["orphaned_vib"]}, f"elements: a hides no change: {WHOLE_VIB}"),
        ({"elements": ["orphaned_vib"], "keys": ["smntemp(*)"]}, f"elements: a hides no change: {WHOLE_VIB}"),
        (
            {"findings": ["orphaned-vib"], "keys": ["smntemp"]},
            f"findings/0: a hides no orphaned-vib: {WHOLE_VIB}",
        ),
        (
            {"findings": ["host-failed", "vcenter-unreachable"], "hosts": ["esx01"]},
            "findings/1: a hides no vcenter-unreachable: it is about no host",
        ),
        (
            {"findings": ["image-not-uniform"], "keys": ["Intel-*"]},
            "findings/0: a hides no image-not-uniform: it is about the whole cluster, and has no key",
        ),
    ],
)
def test_a_rule_that_can_hide_nothing_is_named(rule: dict[str, Any], warning: str) -> None:
    """Whatever there is: nobody would wait for it."""
    assert _warn(ignore=[{**ABOUT, **rule}], routes=[{"name": "ops"}]) == [f"/ignore/0/{warning}"]


@pytest.mark.parametrize(
    "rule",
    [
        {"elements": ["host", "component"], "kinds": ["upgraded"]},
        {"elements": ["orphaned_vib"], "keys": ["smntemp(910.1.0.0005)"]},
        {"findings": ["orphaned-vib"], "keys": ["smntemp(910.1.0.0005)"]},
        {"findings": ["image-not-uniform"], "keys": ["*"]},
        {"findings": ["host-failed"], "keys": ["host-9"]},
        {"keys": ["Intel-*"]},
    ],
)
def test_a_rule_that_may_hide_something_is_not(rule: dict[str, Any]) -> None:
    """Whether it does says only what there is."""
    assert _warn(ignore=[{**ABOUT, **rule}], routes=[{"name": "ops"}]) == []
