"""All that is wrong with a fleet file at once, and what of it can have no effect.

One fault hides no other one: what has none so far is looked at further, and what follows from a fault is not
told beside it.

Longer than 250 lines, because which fault is told beside which is decided here, for all of them.
"""

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, cast, get_args

from msgspec import Struct, field

from esx_drift.cli.fleet_spelling import get_pointer, mend_spellings
from esx_drift.contracts import list_violations
from esx_drift.domain.findings.kinds import FINDING_KINDS, KindEntry
from esx_drift.domain.fleet.fleet import (
    APPLIED_SETTINGS,
    CHANNELS_WITHOUT_SECRET,
    FleetDocument,
    build_fleet,
    find_matching_pattern,
)
from esx_drift.domain.fleet.review import list_fleet_problems, list_fleet_warnings, list_shared_fallbacks
from esx_drift.domain.fleet.rule_review import (
    KnownThings,
    list_rule_contradictions,
    list_rule_errors,
    list_rule_warnings,
)
from esx_drift.domain.fleet.rules import IgnoreRule
from esx_drift.domain.stored.types import ChangeKind, Element
from esx_drift.domain.suppression import NEVER_IGNORED
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.text.wording import join_all, name_element, split_vib_key

type Entry = dict[str, Any]

PARTS: Final = ("vcenters", "routes", "ignore", "maintenance")
_PLACE: Final = re.compile(r"/(vcenters|routes|ignore|maintenance)/(\d+)")
_POINTERS: Final = re.compile(
    rf'\A{_PLACE.pattern}(?:(/name: expected a new name, got ".*" as in ){_PLACE.pattern}\Z)?', re.DOTALL
)
"""Where a line points to. What reads so elsewhere in it was written by the person."""
_FAULT: Final = re.compile(rf"{_PLACE.pattern}(?:/(clusters/(?:include|exclude)(?=[/:])|[^/:]+))?")
_MEANT: Final = re.compile(r"\(did you mean (\w+)\?\)\Z")
_WINDOWS: Final = "maintenance"
_EVERY_YEAR: Final = {"cron": "0 0 1 1 *", "timezone": "UTC", "for": "1m"}
_ONCE: Final = "2026-12-01T00:00:00Z"
"""What stands in for times that are not there, so that the others can be looked at."""
_TIMES: Final = frozenset({"from", "to", *_EVERY_YEAR})
_FILTERS: Final = frozenset({"elements", "kinds", "findings", "keys", "hosts"})
_ENTRY_FIELDS: Final[Mapping[str, frozenset[str]]] = {"ignore": _FILTERS, _WINDOWS: _TIMES}
"""Which fields a fault of a whole entry is about: none of them is there, or not those that go together."""
_SAYS_NOTHING: Final = frozenset({"reason", "name"})
"""The fields that say nothing of what a rule or a window does."""

_HARMLESS: Final[Mapping[tuple[str, str], str]] = {
    ("routes", "kinds"): "added",
    ("routes", "vcenters"): "*",
    ("ignore", "findings"): "host-failed",
    ("ignore", "vcenters"): "*",
    (_WINDOWS, "vcenters"): "*",
}
"""What stands in for an item that has a fault, so that the other items of its list can be looked at."""

NO_NAME: Final = "(no name)"
_TWICE: Final = "expected no item twice"
"""Of a list that holds an item twice all is known."""
_NO_ROUTE: Final = "expected another route of this file"


class SoundEntries(Struct, frozen=True):
    """What of a fleet file may be looked at further: ``entries`` of each part, by place in the file."""

    entries: Mapping[str, Mapping[int, Entry]]
    settings: Entry = field(default_factory=dict)

    @property
    def document(self) -> FleetDocument:
        """A fleet file of these alone."""
        parts = {part: [*self.entries[part].values()] for part in PARTS}
        return cast("FleetDocument", {"schema_version": 1, "settings": self.settings, **parts})

    def locate(self, lines: Iterable[str]) -> list[str]:
        """Rewrite ``lines`` about ``document`` to have the places of the file."""
        places = {part: [*self.entries[part]] for part in PARTS}

        def move(found: re.Match[str]) -> str:
            part, at, between, other, first = found.groups()
            moved = f"/{part}/{places[part][int(at)]}"
            return f"{moved}{between}/{other}/{places[other][int(first)]}" if between else moved

        return [_POINTERS.sub(move, line) for line in lines]

    def drop(self, is_left_out: Callable[[tuple[str, int]], bool]) -> "SoundEntries":
        """Leave out each entry of which ``is_left_out`` says so by its part and its place in the file.

        Names of vCenters stay, since others are not wrong to name them; a fallback that is left out does not.
        """
        kept = {
            part: {at: entry for at, entry in self.entries[part].items() if not is_left_out((part, at))}
            for part in PARTS
        }
        kept["vcenters"] = {
            at: entry if at in kept["vcenters"] else {"name": entry["name"]}
            for at, entry in self.entries["vcenters"].items()
            if entry["name"] != NO_NAME
        }
        routes = {entry["name"] for entry in kept["routes"].values()}
        kept["routes"] = {
            at: {name: value for name, value in entry.items() if name != "fallback" or value in routes}
            for at, entry in kept["routes"].items()
        }
        return SoundEntries(kept, self.settings)


_NO_ENTRIES: Final = SoundEntries({part: {} for part in PARTS})


class FaultyFields(Struct, frozen=True):
    """Which fields of a fleet file have faults.

    Attributes:
        lost: By place, the fields that say nothing now: the value is gone, or written under another name.
        touched: The places where anything is wrong.
        unclear: Those of them of which not all is known that says what they do.
        settings: The same as ``lost`` of the settings for all vCenters.
        unsure: The places whose names are not known; -1 in a part of which none is.
    """

    lost: Mapping[tuple[str, int], set[str]]
    touched: frozenset[tuple[str, int]]
    unclear: frozenset[tuple[str, int]]
    settings: frozenset[str] = frozenset()
    unsure: frozenset[tuple[str, int]] = frozenset()

    def is_lost(self, place: tuple[str, int], fields: Iterable[str]) -> bool:
        """Tell whether one of the ``fields`` of the entry at a ``place`` is lost."""
        return not self.lost.get(place, set()).isdisjoint(fields)

    def explains(self, line: str) -> bool:
        """Tell whether what a ``line`` says, with places of the file, may follow from what is lost."""
        part, at, name = _find_place(line)
        place = part, at
        if part == "vcenters" and not name:
            gone = self.lost.get(place, set()) | self.settings
            return any(field_name in line for field_name in gone)
        if part == "ignore" and not name:
            return self.is_lost(place, _FILTERS)
        is_of_names = (part, name) == ("routes", "fallback") and _NO_ROUTE in line
        named = "vcenters" if name == "vcenters" else "routes" if is_of_names else ""
        # No route is its own fallback, whatever its name is.
        return any(other[0] == named and other != place for other in self.unsure) or self.is_lost(
            place, [name]
        )


class ExaminedFleet(Struct, frozen=True):
    """What is wrong with a fleet file.

    Attributes:
        faults: A line each, JSON Pointer first; empty if it may be used.
        sound: What has no fault; None where nothing can be looked at for itself.
        whole: All that may be looked at, as far as it has no fault.
        faulty: What of it has one.
        advice: How else to write a value, by the fault of it that this mends.
    """

    faults: list[str]
    sound: SoundEntries | None
    whole: SoundEntries
    faulty: FaultyFields
    advice: Mapping[str, str]

    def list_warnings(self, now: datetime, known: KnownThings | None) -> list[str]:
        """List what is probably not meant as it stands, or is of no use: a line each.

        Args:
            now: When it is read.
            known: What there is; None where no stack was asked.
        """
        if self.sound is None:
            return []
        document, rules = self.sound.document, build_fleet(self.sound.document).rules
        of_entries = [line for line in list_rule_warnings(document, now, None) if not _find_place(line)[2]]
        impossible = [line for at, rule in enumerate(rules.ignore) for line in _list_impossible(at, rule)]
        every = self.whole.document
        of_fields = [line for line in list_rule_warnings(every, now, known) if _find_place(line)[2]]
        of_fields = self.whole.locate([*list_fleet_warnings(every), *of_fields])
        own = [line for line in of_fields if not self.faulty.explains(line)]
        return [*own, *self.sound.locate([*of_entries, *impossible])]


def _find_place(line: str) -> tuple[str, int, str]:
    """Find the part, the place in it and the field that a line points to; no field: the whole entry."""
    found = _FAULT.match(line)
    return (found[1], int(found[2]), found[3] or "") if found else ("", 0, "")


def examine_fleet(
    document: object, now: datetime, spelt: Mapping[str, str] = MappingProxyType({})
) -> ExaminedFleet:
    """Look at a fleet document by its schema and beyond.

    What is only spelt wrong, as a name that is a number, is looked at further as if it were spelt right.

    Args:
        document: The fleet file.
        now: When it is read.
        spelt: How values of it are written that are no texts, by JSON Pointer; as in JSON where they lack.
    """
    faults = list_violations("fleet", document)
    other = mend_spellings(faults, document, spelt)
    mended, left = other.document, other.left
    if not isinstance(mended, dict) or "and more" in {*faults, *left}:
        return ExaminedFleet(
            faults, None, _NO_ENTRIES, FaultyFields({}, frozenset(), frozenset()), other.advice
        )
    faulty = _find_faulty_fields(mended, left)
    whole = _salvage(mended, left, faulty)
    problems = whole.locate(list_fleet_problems(whole.document))
    never = {
        (at, name) for part, at, name in map(_find_place, problems) if part == _WINDOWS and name in _TIMES
    }
    timely = _replace_times(whole, never)
    posting = whole.drop(lambda place: _is_webhook_lost(place, whole, faulty))
    unclear = faulty.unclear | {(_WINDOWS, at) for at, _ in never}
    clear = timely.drop(lambda place: place in unclear)
    reported = {get_pointer(fault) for fault in faults}
    lines = [
        *problems,
        *posting.locate(list_shared_fallbacks(posting.document, CHANNELS_WITHOUT_SECRET)),
        *timely.locate(list_rule_errors(timely.document, now, NEVER_IGNORED)),
        *clear.locate(list_rule_contradictions(clear.document, now)),
    ]
    own = [line for line in left if get_pointer(line) not in reported]
    own += [line for line in lines if not faulty.explains(line)]
    bad = faulty.touched | {_find_place(line)[:2] for line in (*faults, *problems)}
    sound = whole.drop(lambda place: place in bad)
    known = sound if sound.entries["vcenters"] else None
    return ExaminedFleet([*faults, *own], known, whole, faulty, other.advice)


def _replace_times(whole: SoundEntries, never: Container[tuple[int, str]]) -> SoundEntries:
    """Put stand-ins in place of the times that have a problem of their own: by place and field, ``never``."""
    windows = {
        at: {**entry, **{name: value for name, value in _EVERY_YEAR.items() if (at, name) in never}}
        for at, entry in whole.entries[_WINDOWS].items()
    }
    return SoundEntries({**whole.entries, _WINDOWS: windows}, whole.settings)


def _is_webhook_lost(place: tuple[str, int], whole: SoundEntries, faulty: FaultyFields) -> bool:
    """Tell whether nobody knows where a route posts. Without a secret its name says so."""
    part, at = place
    if part != "routes":
        return False
    by_name = "secret" not in whole.entries[part][at]
    return faulty.is_lost(place, {"channel", "secret", *(("name",) if by_name else ())})


def _find_faulty_fields(whole: Mapping[str, Any], faults: Sequence[str]) -> FaultyFields:
    """Find which fields the ``faults`` of a ``whole`` document leave nothing of."""
    lost: dict[tuple[str, int], set[str]] = {}
    touched, unclear, settings, unsure = (
        set[tuple[str, int]](),
        set[tuple[str, int]](),
        set[str](),
        set[tuple[str, int]](),
    )
    for fault in faults:
        part, at, name = _find_place(fault)
        pointer, _, said = fault.partition(": ")
        meant = _MEANT.findall(said) if said.startswith("expected no such field") else None
        if pointer.startswith("/settings"):
            settings.update([pointer.removeprefix("/settings").strip("/")] if meant is None else meant)
        elif pointer[1:] in PARTS:
            unsure.add((pointer[1:], -1))
        elif part:
            place, entry = (part, at), whole[part][at]
            touched.add(place)
            if said.startswith(_TWICE):
                continue
            names = _list_lost(part, name, entry) if meant is None else {*meant}
            if _is_about_item(part, pointer) or (not name and part in _ENTRY_FIELDS):
                unclear.add(place)
            if not _is_about_item(part, pointer):
                lost.setdefault(place, set()).update(names)
            if "name" in names and not (isinstance(entry, dict) and isinstance(entry.get("name"), str)):
                unsure.add(place)
    unclear |= {place for place, names in lost.items() if names - _SAYS_NOTHING}
    applied = APPLIED_SETTINGS if "" in settings else frozenset[str]()
    return FaultyFields(
        lost, frozenset(touched), frozenset(unclear), applied.union(settings) - {""}, frozenset(unsure)
    )


def _list_lost(part: str, name: str, entry: object) -> AbstractSet[str]:
    """List the fields of an entry that a fault leaves nothing of: the one it names, or those it is about."""
    if name:
        return {name}
    return _ENTRY_FIELDS.get(part, frozenset()) - entry.keys() if isinstance(entry, dict) else {"name"}


def _is_about_item(part: str, pointer: str) -> bool:
    """Tell whether a fault is about one item of a list of which each is looked at for itself."""
    _, _, _, *rest = pointer.split("/")
    return len(rest) > 1 and (part, rest[0]) in _HARMLESS


def _salvage(whole: Mapping[str, Any], faults: Sequence[str], faulty: FaultyFields) -> SoundEntries:
    """Take from a document all that its schema does not refuse; what has no name is called so."""
    items = {get_pointer(fault) for fault in faults}
    entries: dict[str, dict[int, Entry]] = {
        part: {
            at: _take_sound_fields((part, at), entry, faulty, items)
            for at, entry in enumerate(whole[part] if isinstance(whole.get(part), list) else ())
            if isinstance(entry, dict)
        }
        for part in PARTS
    }
    entries[_WINDOWS] = {at: _fill_times(each) for at, each in entries[_WINDOWS].items()}
    settings = whole.get("settings")
    kept = settings.items() if isinstance(settings, dict) else ()
    return SoundEntries(entries, {name: value for name, value in kept if name not in faulty.settings})


def _take_sound_fields(
    place: tuple[str, int], entry: Entry, faulty: FaultyFields, items: Container[str]
) -> Entry:
    """Take the fields that are not lost; its name, whatever it is, by which others may name it.

    Args:
        place: Where the entry is.
        entry: The entry.
        faulty: What is lost.
        items: The JSON Pointers of all that has a fault, of which an item of a list may be one.
    """
    part, at = place
    lost = faulty.lost.get(place, set())
    sound = {name: value for name, value in entry.items() if name not in lost}
    for name, value in sound.items():
        if (harmless := _HARMLESS.get((part, name))) is not None:
            pointer = f"/{part}/{at}/{name}"
            sound[name] = [
                harmless if f"{pointer}/{index}" in items else each for index, each in enumerate(value)
            ]
        elif (part, name) == ("vcenters", "clusters"):
            sound[name] = {key: each for key, each in value.items() if f"{name}/{key}" not in lost}
    own = entry.get("name")
    defaults = {"reason": ""} if part in {"ignore", _WINDOWS} else {}
    return {**defaults, **sound, "name": own if isinstance(own, str) else NO_NAME}


def _fill_times(entry: Entry) -> Entry:
    """Put stand-ins for times that are not there beside those that are: these can be looked at then."""
    repeated = {} if _EVERY_YEAR.keys().isdisjoint(entry) else _EVERY_YEAR
    known = entry.get("from", entry.get("to"))
    if known is None and repeated:
        return {**repeated, **entry}
    moment, moments = parse_time(known or _ONCE), timedelta(minutes=1)
    return {**repeated, "from": format_time(moment - moments), "to": format_time(moment + moments), **entry}


NO_CHANGE: Final[Mapping[Element, frozenset[ChangeKind]]] = {
    "host": frozenset({"upgraded", "downgraded"}),
    "base_image": frozenset({"added", "removed"}),
    "alternative_image": frozenset({"upgraded", "downgraded"}),
    "orphaned_vib": frozenset({"upgraded", "downgraded", "changed", "relabelled"}),
}
"""What never becomes of an element. Each image has a base image; hosts and orphaned VIBs have no version."""


WHOLE_VIB: Final = "an orphaned VIB is hidden only by its whole name in keys, such as smntemp(910.1.0.0005)"


def _list_impossible(at: int, rule: IgnoreRule) -> Iterator[str]:
    """List what a rule names and can't hide, whatever there is."""
    if rule.elements or rule.kinds:
        elements = [
            element for element in get_args(Element.__value__) if element in (rule.elements or (element,))
        ]
        kinds = {*(rule.kinds or get_args(ChangeKind.__value__))}
        possible = [element for element in elements if kinds - NO_CHANGE.get(element, frozenset())]
        if not possible:
            never = f"no {join_all(map(name_element, elements), 'or')} is ever {join_all(rule.kinds, 'or')}"
            yield f"/ignore/{at}/kinds: {rule.name} hides no change: {never}"
        elif kinds == {"relabelled"}:
            yield f"/ignore/{at}/kinds: {rule.name} hides no change: nobody is told what is only relabelled"
        elif possible == ["orphaned_vib"] and not _names_whole_vib(rule):
            yield f"/ignore/{at}/elements: {rule.name} hides no change: {WHOLE_VIB}"
    for index, kind in enumerate(rule.findings):
        if (why := _find_obstacle(rule, FINDING_KINDS[kind])) is not None:
            yield f"/ignore/{at}/findings/{index}: {rule.name} hides no {kind}: {why}"


def _names_whole_vib(rule: IgnoreRule) -> bool:
    return any(split_vib_key(key)[1] and not {*"*?"} & {*key} for key in rule.keys)


def _find_obstacle(rule: IgnoreRule, kind: KindEntry) -> str | None:
    """Find why a rule never hides findings of a kind; None if it may."""
    if kind.about == "vib":
        return None if _names_whole_vib(rule) else WHOLE_VIB
    if rule.hosts and kind.about == "vcenter":
        return "it is about no host"
    is_of_cluster = kind.about == "cluster" and kind.ruled_out_by == "look"
    if rule.keys and is_of_cluster and find_matching_pattern(rule.keys, "") is None:
        return "it is about the whole cluster, and has no key"
    return None
