"""All that is wrong with a fleet file at once, and what of it can have no effect.

One fault hides no other one: what has none so far is looked at further, and what follows from a fault is not
told beside it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast, get_args

from msgspec import Struct, field

from esx_drift.contracts import list_violations
from esx_drift.domain.findings.kinds import FINDING_KINDS, KindEntry
from esx_drift.domain.fleet.fleet import (
    CHANNELS_WITHOUT_SECRET,
    FleetDocument,
    build_fleet,
    find_matching_pattern,
)
from esx_drift.domain.fleet.review import list_fleet_problems, list_fleet_warnings, list_shared_fallbacks
from esx_drift.domain.fleet.rule_review import KnownThings, list_rule_errors, list_rule_warnings
from esx_drift.domain.fleet.rules import IgnoreRule
from esx_drift.domain.stored.types import ChangeKind, Element
from esx_drift.domain.suppression import NEVER_IGNORED
from esx_drift.domain.text.wording import name_element, split_vib_key

type Entry = dict[str, Any]

PARTS: Final = ("vcenters", "routes", "ignore", "maintenance")
_PLACE: Final = re.compile(r"/(vcenters|routes|ignore|maintenance)/(\d+)")
_POINTERS: Final = re.compile(
    rf'\A{_PLACE.pattern}(?:(/name: expected a new name, got ".*" as in ){_PLACE.pattern}\Z)?', re.DOTALL
)
"""Where a line points to. What reads so elsewhere in it was written by the person."""
_FAULT: Final = re.compile(rf"{_PLACE.pattern}(?:/([^/:]+))?")
_TIMES: Final = (("from", "to"), ("cron", "timezone", "for"))


class SoundEntries(Struct, frozen=True):
    """What of a fleet file may be looked at further. ``entries``: of each part, by their places in the file.

    ``faulty``: the places of those of which only some fields are left.
    """

    entries: Mapping[str, Mapping[int, Entry]]
    settings: Entry = field(default_factory=dict)
    faulty: frozenset[tuple[str, int]] = frozenset()

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

    def drop(self, faults: Iterable[str]) -> "SoundEntries":
        """Leave out each entry that one of the ``faults``, with places of the file, is about.

        Names of vCenters stay, since others are not wrong to name them; a fallback that is left out does not.
        """
        faulty = self.faulty | {
            (found[1], int(found[2])) for fault in faults if (found := _PLACE.match(fault))
        }
        kept = {
            part: {at: entry for at, entry in self.entries[part].items() if (part, at) not in faulty}
            for part in PARTS
        }
        kept["vcenters"] = {
            at: entry if at in kept["vcenters"] else {"name": entry["name"]}
            for at, entry in self.entries["vcenters"].items()
        }
        routes = {entry["name"] for entry in kept["routes"].values()}
        kept["routes"] = {
            at: {name: value for name, value in entry.items() if name != "fallback" or value in routes}
            for at, entry in kept["routes"].items()
        }
        return SoundEntries(kept, self.settings, faulty)


class ExaminedFleet(Struct, frozen=True):
    """What is wrong with a fleet file. ``faults``: a line each, JSON Pointer first; empty if it may be used.

    ``sound``: what has no fault; None where nothing can be looked at for itself.
    """

    faults: list[str]
    sound: SoundEntries | None

    def list_warnings(self, now: datetime, known: KnownThings | None) -> list[str]:
        """List what of the sound entries is probably not meant as it stands, or is of no use: a line each.

        Args:
            now: When it is read.
            known: What there is; None where no stack was asked.
        """
        if self.sound is None:
            return []
        document = self.sound.document
        rules = build_fleet(document).rules
        return self.sound.locate(
            [
                *list_fleet_warnings(document),
                *list_rule_warnings(document, now, known),
                *(line for at, rule in enumerate(rules.ignore) for line in _list_impossible(at, rule)),
            ]
        )


def examine_fleet(document: object, now: datetime) -> ExaminedFleet:
    """Look at a fleet ``document`` by its schema and beyond, as it is ``now``."""
    faults = list_violations("fleet", document)
    sound = _salvage(document, faults)
    if sound is None:
        return ExaminedFleet(faults, None)
    problems = sound.locate(list_fleet_problems(sound.document))
    sound = sound.drop(problems)
    rest = sound.document
    mistakes = [
        *list_shared_fallbacks(rest, CHANNELS_WITHOUT_SECRET),
        *list_rule_errors(rest, now, NEVER_IGNORED),
    ]
    return ExaminedFleet([*faults, *problems, *sound.locate(mistakes)], sound)


def _salvage(document: object, faults: Sequence[str]) -> SoundEntries | None:
    """Take from a document all that its schema does not refuse; None where names can't be relied on."""
    whole = document if isinstance(document, dict) else {}
    if any(fault.startswith(f"/{part}: ") for fault in faults for part in PARTS) or "and more" in faults:
        return None
    bad: dict[tuple[str, int], set[str]] = {}
    for fault in faults:
        if found := _FAULT.match(fault):
            bad.setdefault((found[1], int(found[2])), set()).add(found[3] or "")
    settings = whole.get("settings", {})
    if any(fault.startswith("/settings") for fault in faults):
        settings, bad = {}, bad | {("vcenters", at): {""} for at in range(len(whole["vcenters"]))}
    entries: dict[str, dict[int, Entry]] = {
        part: {
            at: entry if (part, at) not in bad else _take_sound_fields(part, entry, bad[part, at])
            for at, entry in enumerate(whole.get(part, ()))
        }
        for part in PARTS
    }
    if any(not isinstance(entry.get("name"), str) for entry in entries["vcenters"].values()):
        return None
    for part in ("routes", "ignore", "maintenance"):
        entries[part] = {at: each for at, each in entries[part].items() if isinstance(each.get("name"), str)}
    entries["maintenance"] = {at: each for at, each in entries["maintenance"].items() if _has_times(each)}
    return SoundEntries(entries, settings or {}, frozenset(bad)) if entries["vcenters"] else None


def _take_sound_fields(part: str, entry: object, bad: set[str]) -> Entry:
    """Take the fields that are not ``bad``; its name, whatever it is, by which others may name it."""
    fields = entry if isinstance(entry, dict) else {}
    if "" in bad or part == "vcenters":  # settings of a vCenter have to fit together
        bad = fields.keys() - {"name"}
    sound = {name: value for name, value in fields.items() if name not in bad or name == "name"}
    return {"reason": "", **sound} if part in {"ignore", "maintenance"} else sound


def _has_times(entry: Entry) -> bool:
    return any(all(isinstance(entry.get(name), str) for name in names) for names in _TIMES)


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
            never = f"no {_join_or(map(name_element, elements))} is ever {_join_or(rule.kinds)}"
            yield f"/ignore/{at}/kinds: {rule.name} hides no change: {never}"
        elif kinds == {"relabelled"}:
            yield f"/ignore/{at}/kinds: {rule.name} hides no change: nobody is told what is only relabelled"
        elif possible == ["orphaned_vib"] and not _names_whole_vib(rule):
            yield f"/ignore/{at}/elements: {rule.name} hides no change: {WHOLE_VIB}"
    for index, kind in enumerate(rule.findings):
        if (why := _find_obstacle(rule, FINDING_KINDS[kind])) is not None:
            yield f"/ignore/{at}/findings/{index}: {rule.name} hides no {kind}: {why}"


def _join_or(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


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
