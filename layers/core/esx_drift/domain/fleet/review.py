"""What is wrong with a fleet file in ways that its schema can't say, and what another one changes.

Longer than 250 lines, because every fault of a fleet file but those of its rules is found here.
"""

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Final, get_args

from msgspec.structs import asdict

from esx_drift.domain.fleet.fleet import (
    DEFAULT_CHANNEL,
    FleetDocument,
    RouteDocument,
    VCenterSettings,
    build_fleet,
    find_matching_pattern,
)
from esx_drift.domain.fleet.rule_review import list_window_problems
from esx_drift.domain.fleet.rules import EVERYTHING, ScopeDocument
from esx_drift.domain.stored.types import ChangeKind, Element, FindingKind
from esx_drift.domain.text.times import parse_time


def list_fleet_problems(document: FleetDocument) -> list[str]:
    """List each problem as a line, JSON Pointer first, of a document that the schema accepts."""
    names = [entry["name"] for entry in document["vcenters"]]
    scopes = _list_scopes(document)
    return [
        *_list_duplicates("vcenters", names),
        *(line for part, entries in scopes.items() for line in _list_duplicates(part, _list_names(entries))),
        *_list_vcenter_problems(build_fleet(document).vcenters),
        *(line for part, entries in scopes.items() for line in _list_unknown_vcenters(part, entries, names)),
        *_list_route_problems(document.get("routes", ())),
        *list_window_problems(document),
    ]


def _list_scopes(document: FleetDocument) -> dict[str, Sequence[ScopeDocument]]:
    """List the parts whose entries hold for some vCenters and clusters only."""
    return {
        "routes": document.get("routes", ()),
        "ignore": document.get("ignore", ()),
        "maintenance": document.get("maintenance", ()),
    }


def _list_names(entries: Sequence[ScopeDocument]) -> list[str]:
    return [entry["name"] for entry in entries]


def _list_duplicates(part: str, names: list[str]) -> Iterator[str]:
    for at, name in enumerate(names):
        if (first := names.index(name)) != at:
            yield f'/{part}/{at}/name: expected a new name, got "{name}" as in /{part}/{first}'


def _list_vcenter_problems(vcenters: Sequence[VCenterSettings]) -> Iterator[str]:
    for at, vcenter in enumerate(vcenters):
        if "*" in vcenter.exclude:
            yield f'/vcenters/{at}/clusters/exclude: expected some clusters to remain, got "*"'
        if vcenter.confirm_after_seconds >= vcenter.blind_after_seconds:
            yield (
                f"/vcenters/{at}: expected confirm_after_seconds below blind_after_seconds, "
                f"got {vcenter.confirm_after_seconds} and {vcenter.blind_after_seconds}"
            )
        if vcenter.extract and vcenter.first_delay_seconds >= vcenter.extract_deadline_seconds:
            yield (
                f"/vcenters/{at}: expected first_delay_seconds below extract_deadline_seconds, "
                f"got {vcenter.first_delay_seconds} and {vcenter.extract_deadline_seconds}"
            )


def _list_unknown_vcenters(part: str, entries: Sequence[ScopeDocument], names: list[str]) -> Iterator[str]:
    for at, entry in enumerate(entries):
        for index, pattern in enumerate(entry.get("vcenters", EVERYTHING)):
            if find_matching_pattern([pattern], *names) is None:
                yield (
                    f"/{part}/{at}/vcenters/{index}: expected a vCenter of this file "
                    f'({", ".join(names)}), got "{pattern}"'
                )


ROUTE_KINDS: Final = frozenset[str](
    (
        *get_args(FindingKind.__value__),
        *get_args(Element.__value__),
        *get_args(ChangeKind.__value__),
        *(
            f"{element}:{kind}"
            for element in get_args(Element.__value__)
            for kind in get_args(ChangeKind.__value__)
        ),
    )
)
"""All that a route may name under ``kinds``."""


def _list_route_problems(routes: Sequence[RouteDocument]) -> Iterator[str]:
    fallbacks = {route["name"]: route.get("fallback") for route in routes}
    for at, route in enumerate(routes):
        for index, kind in enumerate(route.get("kinds", ())):
            if kind not in ROUTE_KINDS:
                got = _quote_unknown(kind, ROUTE_KINDS)
                yield f"/routes/{at}/kinds/{index}: expected a kind of findings or changes, got {got}"
        fallback = route.get("fallback")
        if fallback is None:
            continue
        pointer, chain = f"/routes/{at}/fallback", _follow_fallbacks(fallback, fallbacks)
        if fallback not in fallbacks:
            got = _quote_unknown(fallback, fallbacks)
            yield f"{pointer}: expected another route of this file, got {got}"
        elif route["name"] in chain:
            yield f"{pointer}: expected to end somewhere, got {' → '.join([route['name'], *chain])}"


def list_shared_fallbacks(document: FleetDocument, without_secret: Container[str]) -> list[str]:
    """List fallbacks that are dead when their route is: a line each, JSON Pointer first, of a valid document.

    A stored file that has one is read all the same: to stop looking would be worse.

    Args:
        document: The fleet file.
        without_secret: The channels whose routes all post to one place.
    """
    routes = {route["name"]: route for route in document.get("routes", ())}
    webhooks = {name: _name_webhook(route, without_secret) for name, route in routes.items()}
    return [
        f'/routes/{at}/fallback: expected another webhook than that of "{name}", got "{route["fallback"]}", '
        f"which posts to {webhooks[name]} too and so is dead when this route is"
        for at, (name, route) in enumerate(routes.items())
        if "fallback" in route and webhooks[route["fallback"]] == webhooks[name]
    ]


def _name_webhook(route: RouteDocument, without_secret: Container[str]) -> str:
    """Name where a route posts."""
    channel = route.get("channel", DEFAULT_CHANNEL)
    return channel if channel in without_secret else f"{channel}/{route.get('secret', route['name'])}"


def _quote_unknown(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, sorted(known), n=1)
    return f'"{name}" (did you mean {near[0]}?)' if near else f'"{name}"'


def _follow_fallbacks(start: str, fallbacks: Mapping[str, str | None]) -> list[str]:
    """Follow fallbacks from a route on, up to the end or the first one that is met again."""
    chain: list[str] = []
    name: str | None = start
    while name is not None and name not in chain:
        chain.append(name)
        name = fallbacks.get(name)
    return chain


_CHARACTER_SET = re.compile(r"\[(?!!)(?P<characters>[^\[\]-]{2,})\]")
"""A set in a pattern that may be meant as a name in brackets: no range, no "none of", no bracket in it."""


def list_fleet_warnings(document: FleetDocument) -> list[str]:
    """List what is probably not meant as it stands: a line each, JSON Pointer first, of a valid document."""
    return [
        f'{pointer}: "{pattern}" matches one character of {found["characters"]} in place of {found[0]};'
        f' for a name that has the brackets, write "{_CHARACTER_SET.sub(_quote_bracket, pattern)}"'
        for pointer, pattern in _list_patterns(document)
        if (found := _CHARACTER_SET.search(pattern))
    ]


def _quote_bracket(found: re.Match[str]) -> str:
    return f"[[]{found['characters']}]"


def _list_patterns(document: FleetDocument) -> Iterator[tuple[str, str]]:
    """List the patterns that names of clusters and hosts are matched with, each with its JSON Pointer."""
    for at, vcenter in enumerate(document["vcenters"]):
        clusters = vcenter.get("clusters", {})
        yield from _point_to(f"/vcenters/{at}/clusters/include", clusters.get("include", ()))
        yield from _point_to(f"/vcenters/{at}/clusters/exclude", clusters.get("exclude", ()))
    for part, entries in _list_scopes(document).items():
        for at, entry in enumerate(entries):
            yield from _point_to(f"/{part}/{at}/clusters", entry.get("clusters", ()))
    for at, rule in enumerate(document.get("ignore", ())):
        yield from _point_to(f"/ignore/{at}/hosts", rule.get("hosts", ()))


def _point_to(pointer: str, patterns: Sequence[str]) -> Iterator[tuple[str, str]]:
    return ((f"{pointer}/{index}", pattern) for index, pattern in enumerate(patterns))


_SCOPE = {"vcenters": [*EVERYTHING], "clusters": [*EVERYTHING]}


_UNFILTERED: dict[str, object] = {"elements": [], "kinds": [], "findings": [], "keys": [], "hosts": []}


def list_fleet_differences(before: FleetDocument, after: FleetDocument) -> list[str]:
    """List what ``after`` changes in the fleet file ``before``, a line each.

    ``+`` is added, ``-`` removed, ``~`` changed, with each field that differs. A default counts as if it were
    written. Where nothing differs, one line says so.
    """
    lines = []
    for (what, was), (_, now) in zip(_list_entries(before), _list_entries(after), strict=True):
        lines += [f"+ {what} {name}" for name in now.keys() - was]
        lines += [f"- {what} {name}" for name in was.keys() - now]
        lines += [
            f"~ {what} {name}: {_describe_fields(was[name], now[name])}"
            for name in was.keys() & now
            if was[name] != now[name]
        ]
    return sorted(lines) or ["= nothing that matters: only its spelling or order"]


def _describe_fields(was: Mapping[str, object], now: Mapping[str, object]) -> str:
    """Describe each field that differs: ``extract true → false; exclude + lab-*``."""
    names = sorted(name for name in was.keys() | now.keys() if was.get(name) != now.get(name))
    return "; ".join(f"{name} {_describe_values(was.get(name), now.get(name))}" for name in names)


def _describe_values(was: object, now: object) -> str:
    if isinstance(was, list | tuple) and isinstance(now, list | tuple):
        moved = [
            ("+", [each for each in now if each not in was]),
            ("-", [each for each in was if each not in now]),
        ]
        return " ".join(f"{sign} {_format_value(each)}" for sign, each in moved if each) or "in another order"
    return f"{_format_value(was)} → {_format_value(now)}"


def _format_value(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "all"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    return (
        {None: "nothing", True: "true", False: "false"}[value]
        if isinstance(value, bool | None)
        else str(value)
    )


def _list_entries(document: FleetDocument) -> Iterator[tuple[str, Mapping[str, Mapping[str, object]]]]:
    """List the parts of the file, each with its entries by name, all defaults and times in one form."""
    fleet = build_fleet(document)
    yield "vCenter", {one.name: asdict(one) for one in fleet.vcenters}
    yield "route", {route.name: asdict(route) for route in fleet.routes}
    yield "ignore rule", {rule["name"]: _normalize(rule) for rule in document.get("ignore", ())}
    yield (
        "maintenance window",
        {window["name"]: _normalize(window) for window in document.get("maintenance", ())},
    )


def _normalize(entry: Mapping[str, object]) -> dict[str, object]:
    times = {key: parse_time(str(entry[key])) for key in ("from", "to", "until") if key in entry}
    return {**_SCOPE, **_UNFILTERED, **entry, **times}
