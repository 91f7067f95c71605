import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from esx_drift.contracts import list_fleet_errors
from esx_drift.domain.fleet.fleet import (
    Fleet,
    VCenterSettings,
    build_fleet,
    find_excluding_pattern,
    find_matching_pattern,
    select_routes,
)
from esx_drift.domain.fleet.review import list_fleet_differences, list_shared_fallbacks
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict

from tests.unit.fleets import SETTINGS, fleet, fleets

if TYPE_CHECKING:
    from esx_drift.domain.fleet.fleet import FleetDocument

SCHEMA = json.loads(Path("schemas/fleet.schema.json").read_text())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def _fleet(**parts: object) -> Fleet:
    document = fleet(**parts)
    assert list_fleet_errors(document) == []
    return build_fleet(cast("FleetDocument", document))


def _routes(of: Fleet, **event: str | None) -> list[str]:
    about = {"family": "drift", "severity": "warning", "vcenter": "vc01", "cluster_id": "domain-c9", **event}
    about.setdefault("cluster_name", "prod-a")
    return [route.name for route in select_routes(of, **about)]  # type: ignore[arg-type] # the texts are severities


@given(fleets())
def test_a_valid_document_has_no_fault_and_every_vcenter_and_route_becomes_a_value(
    document: dict[str, Any],
) -> None:
    """Nothing in a valid file is refused, and nothing in it is lost."""
    assert list_fleet_errors(document) == []
    read = build_fleet(cast("FleetDocument", document))
    for part in ("vcenters", "routes"):
        assert [entry.name for entry in getattr(read, part)] == [entry["name"] for entry in document[part]]


@given(fleets(), st.data())
def test_any_value_anywhere_gives_faults_or_a_fleet_and_never_another_error(
    document: dict[str, Any], data: st.DataObject
) -> None:
    """A file that somebody broke is told, whatever stands where."""
    part = data.draw(st.sampled_from(sorted(document)))
    old = document[part]
    if isinstance(old, list) and old and data.draw(st.booleans()):
        entry = data.draw(st.sampled_from(old))
        entry[data.draw(st.sampled_from(sorted(entry)) | st.text())] = data.draw(JSON)
    else:
        document[part] = data.draw(JSON)
    if not list_fleet_errors(document):
        build_fleet(cast("FleetDocument", document))


@given(SETTINGS, SETTINGS)
def test_a_vcenters_own_setting_beats_the_files_and_that_the_default(
    common: dict[str, Any], own: dict[str, Any]
) -> None:
    """Each setting is resolved by itself."""
    read = _fleet(settings=common, vcenters=[{"name": "vc01", **own}]).vcenter("vc01")
    assert read is not None
    settings = {**asdict(VCenterSettings("vc01")), **common, **own}
    assert asdict(read) == settings


def test_the_schemas_defaults_are_the_codes() -> None:
    """A person who reads the schema reads the truth."""
    defaults = {name: field["default"] for name, field in SCHEMA["$defs"]["settings"]["properties"].items()}
    settings = asdict(VCenterSettings("vc01"))
    assert defaults == {name: settings[name] for name in settings.keys() - {"name", "include", "exclude"}}
    route = SCHEMA["$defs"]["route"]["properties"]
    assert _fleet(routes=[{"name": "ops"}]).routes[0].min_severity == route["min_severity"]["default"]


def test_every_field_of_the_schema_is_described() -> None:
    """An editor that knows the schema explains each field."""
    assert [path for path, field in _fields(SCHEMA, "") if not field.get("description", "").strip()] == []


def _fields(schema: object, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if not isinstance(schema, dict):
        return
    for name, field in {**schema.get("properties", {}), **schema.get("$defs", {})}.items():
        yield f"{path}/{name}", field
        yield from _fields(field, f"{path}/{name}")


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_name_matches_itself_and_the_star_matches_all(name: str, other: str) -> None:
    """Brackets, stars and line breaks in a name don't keep it from being named."""
    assert find_matching_pattern([name], other, name) == name
    assert find_matching_pattern(["*"], name) == "*"


@given(st.text(st.sampled_from("a-z![]*?\\^")), st.text(st.sampled_from("abz-[]!")))
def test_a_pattern_matches_or_not_and_never_fails(pattern: str, name: str) -> None:
    """Open brackets and turned ranges are patterns too."""
    assert find_matching_pattern([pattern], name) in {pattern, None}


@given(st.text(min_size=1), st.text(min_size=1), st.sampled_from(["prod-*", "[ab]*", "domain-c9", "*"]))
def test_exclude_is_stronger_than_include(cluster: str, name: str, pattern: str) -> None:
    """What both lists match is left out, and the pattern that did it is told."""
    both = VCenterSettings("vc01", include=("*",), exclude=(pattern,))
    matched = find_matching_pattern([pattern], cluster, name) is not None
    assert find_excluding_pattern(both, cluster, name) == (f"exclude: {pattern}" if matched else None)


def test_what_nothing_includes_is_left_out_by_all_of_include() -> None:
    """A cluster that is not checked always has a pattern to blame."""
    vcenter = VCenterSettings("vc01", include=("prod-*", "dev-*"))
    assert find_excluding_pattern(vcenter, "domain-c9", "lab-1") == "include: prod-*, dev-*"
    assert find_excluding_pattern(vcenter, "domain-c9", "dev-1") is None


def test_a_vcenter_is_found_by_its_whole_name_only() -> None:
    """Names in messages are no patterns."""
    assert _fleet().vcenter("vc02") == VCenterSettings("vc02")
    assert _fleet().vcenter("vc*") is None


def test_a_route_hears_what_its_filters_let_through() -> None:
    """Severity, family, vCenter and cluster each narrow a route, all of them together."""
    routes = _fleet(
        routes=[
            {"name": "all"},
            {"name": "critical", "min_severity": "critical"},
            {"name": "failures", "families": ["failure"]},
            {"name": "vc02", "vcenters": ["vc02"]},
            {"name": "prod", "clusters": ["prod-*"]},
            {"name": "by-id", "clusters": ["domain-c9"]},
        ]
    )
    assert _routes(routes) == ["all", "prod", "by-id"]
    assert _routes(routes, severity="critical") == ["all", "critical", "prod", "by-id"]
    assert _routes(routes, family="failure", cluster_name="lab", cluster_id="domain-c1") == [
        "all",
        "failures",
    ]
    assert _routes(routes, vcenter="vc02", cluster_name="lab", cluster_id="domain-c1") == ["all", "vc02"]


def test_a_route_hears_an_event_of_which_any_item_is_of_its_kinds() -> None:
    """By the finding, the element, the kind of a change, or both; what nothing moved in is not narrowed."""
    routes = _fleet(
        routes=[
            {"name": "hosts", "kinds": ["host-failed", "host"]},
            {"name": "downgrades", "kinds": ["downgraded"]},
            {"name": "drivers", "kinds": ["component:downgraded"]},
            {"name": "all"},
        ]
    )

    def hear(*kinds: str) -> list[str]:
        selected = select_routes(routes, "drift", "warning", "vc01", "domain-c9", "prod-a", frozenset(kinds))
        return [route.name for route in selected]

    assert hear("host-failed") == ["hosts", "all"]
    assert hear("component", "upgraded", "component:upgraded") == ["all"]
    assert hear("component", "downgraded", "component:downgraded") == ["downgrades", "drivers", "all"]
    assert hear("host", "added", "host:added", "add_on", "downgraded", "add_on:downgraded") == [
        "hosts",
        "downgrades",
        "all",
    ]
    assert _routes(routes) == ["hosts", "downgrades", "drivers", "all"]


def test_a_route_knows_the_one_that_hears_instead_of_it() -> None:
    """By its whole name."""
    routes = _fleet(routes=[{"name": "ops", "fallback": "team"}, {"name": "team"}])
    assert [route.fallback for route in routes.routes] == ["team", None]
    assert routes.find_route("team") == routes.routes[1]
    assert routes.find_route("te*") is None


@pytest.mark.parametrize(
    ("routes", "errors"),
    [
        (
            [{"name": "a", "fallback": "opss"}, {"name": "ops"}],
            ['/routes/0/fallback: expected another route of this file, got "opss" (did you mean ops?)'],
        ),
        (
            [{"name": "a", "fallback": "a"}],
            ["/routes/0/fallback: expected to end somewhere, got a → a"],
        ),
        (
            [{"name": "a", "fallback": "b"}, {"name": "b", "fallback": "c"}, {"name": "c", "fallback": "b"}],
            [
                "/routes/1/fallback: expected to end somewhere, got b → c → b",
                "/routes/2/fallback: expected to end somewhere, got c → b → c",
            ],
        ),
        (
            [{"name": "a", "kinds": ["downgradet", "zzz"]}],
            [
                (
                    '/routes/0/kinds/0: expected a kind of findings or changes, got "downgradet"'
                    " (did you mean downgraded?)"
                ),
                '/routes/0/kinds/1: expected a kind of findings or changes, got "zzz"',
            ],
        ),
    ],
)
def test_a_route_that_leads_nowhere_is_refused(routes: list[dict[str, Any]], errors: list[str]) -> None:
    """A fallback that is none, one that leads back, and a kind that nothing has."""
    assert list_fleet_errors(fleet(routes=routes)) == errors


def test_what_concerns_a_whole_vcenter_reaches_the_routes_of_its_clusters() -> None:
    """A team that hears of one cluster hears that nobody can see it any more."""
    routes = _fleet(routes=[{"name": "prod", "clusters": ["prod-*"]}, {"name": "vc02", "vcenters": ["vc02"]}])
    assert _routes(routes, cluster_id=None, cluster_name=None) == ["prod"]
    assert _routes(routes, vcenter=None, cluster_id=None, cluster_name=None) == ["prod", "vc02"]


def test_a_routes_secret_is_its_name_unless_it_says_otherwise() -> None:
    """Most routes need no second name."""
    routes = _fleet(routes=[{"name": "ops"}, {"name": "team", "secret": "channel"}]).routes
    assert [route.secret for route in routes] == ["ops", "channel"]


@given(fleets(), st.data())
def test_a_part_that_differs_is_named_and_a_default_that_is_written_is_none(
    document: dict[str, Any], data: st.DataObject
) -> None:
    """Also of what nothing applies yet."""
    written = cast("FleetDocument", document)
    stall = {"stall_after_seconds": document["settings"].get("stall_after_seconds", 21_600)}
    spelt = {**document, "settings": {**document["settings"], **stall}}
    spelt["ignore"] = [{"elements": [], "clusters": ["*"], **rule} for rule in document["ignore"]]
    unchanged = ["= nothing that matters: only its spelling or order"]
    assert list_fleet_differences(written, cast("FleetDocument", spelt)) == unchanged
    parts = {"vcenters": "vCenter", "ignore": "ignore rule", "maintenance": "maintenance window"}
    part = data.draw(st.sampled_from([part for part in parts if document[part]]))
    changes = {"vcenters": {"stall_after_seconds": 20_000}}
    entry, *rest = document[part]
    other = {**document, part: [{**entry, **changes.get(part, {"reason": "another"})}, *rest]}
    lines = list_fleet_differences(written, cast("FleetDocument", other))
    (line,) = lines
    assert line.startswith(f"~ {parts[part]} {entry['name']}: ")
    assert line.partition(": ")[2].split()[0] == ("stall_after_seconds" if part == "vcenters" else "reason")
    gone = {**document, part: rest}
    assert list_fleet_differences(written, cast("FleetDocument", gone)) == [
        f"- {parts[part]} {entry['name']}"
    ]


@pytest.mark.parametrize(
    ("was", "now", "line"),
    [
        ({}, {"extract": False}, "extract true → false"),
        (
            {"clusters": {"exclude": ["lab-*", "b"]}},
            {"clusters": {"exclude": ["b", "x"]}},
            "exclude + x - lab-*",
        ),
        (
            {"clusters": {"include": ["a", "b"]}},
            {"clusters": {"include": ["b", "a"]}},
            "include in another order",
        ),
        (
            {},
            {"max_age_seconds": 60, "blind_after_seconds": 7200},
            "blind_after_seconds 259200 → 7200; max_age_seconds 259200 → 60",
        ),
    ],
)
def test_what_changes_of_a_vcenter_is_said_field_by_field(
    was: dict[str, Any], now: dict[str, Any], line: str
) -> None:
    """A default counts as if it were written."""
    before, after = (
        cast("FleetDocument", {"schema_version": 1, "vcenters": [{"name": "vc01", **each}]})
        for each in (was, now)
    )
    assert list_fleet_differences(before, after) == [f"~ vCenter vc01: {line}"]


def test_what_changes_of_other_parts_is_said_field_by_field() -> None:
    """Times in UTC, and a bound that is taken away as nothing."""

    def document(**parts: object) -> "FleetDocument":
        return cast("FleetDocument", {"schema_version": 1, "vcenters": [{"name": "vc01"}], **parts})

    rule = {"name": "tool", "reason": "a", "keys": ["b"]}
    window = {"name": "w", "reason": "r", "from": "2026-12-01T00:00:00Z", "to": "2026-12-02T00:00:00Z"}
    before = document(
        routes=[{"name": "ops"}],
        ignore=[{**rule, "until": "2026-12-01T00:00:00+01:00"}],
        maintenance=[window],
    )
    after = document(
        routes=[{"name": "ops", "families": ["drift"], "secret": "other"}],
        ignore=[rule],
        maintenance=[{**window, "to": "2026-12-03T00:00:00Z"}],
    )
    assert list_fleet_differences(before, after) == [
        "~ ignore rule tool: until 2026-11-30 23:00 UTC → nothing",
        "~ maintenance window w: to 2026-12-02 00:00 UTC → 2026-12-03 00:00 UTC",
        "~ route ops: families + drift; secret ops → other",
    ]


@pytest.mark.parametrize(
    ("routes", "place"),
    [
        ([{"name": "a", "fallback": "b", "secret": "ops"}, {"name": "b", "secret": "ops"}], "slack/ops"),
        (
            [{"name": "a", "fallback": "b", "channel": "topic"}, {"name": "b", "channel": "topic"}],
            "topic",
        ),
        ([{"name": "a", "fallback": "b", "secret": "b"}, {"name": "b", "channel": "teams"}], None),
        ([{"name": "a", "fallback": "b"}, {"name": "b"}], None),
    ],
)
def test_a_fallback_that_is_dead_with_its_route_is_named(
    routes: list[dict[str, Any]], place: str | None
) -> None:
    """Both are named, and where they post. The stored file is read all the same."""
    document = fleet(routes=routes)
    text = (
        f'/routes/0/fallback: expected another webhook than that of "a", got "b", which posts to {place} too'
        " and so is dead when this route is"
    )
    assert list_shared_fallbacks(cast("Any", document), {"topic"}) == ([text] if place else [])
