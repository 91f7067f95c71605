"""No field of the API is forgotten: each is compared or assessed, or stands below with the reason why not.

A field of a later release that is in none of these categories fails here, as soon as the schema names it.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from esx_drift.domain.findings.look_conditions import list_look_conditions
from esx_drift.domain.images.report import build_inventory
from esx_drift.domain.images.snapshot import build_snapshot, compute_seal
from esx_drift.domain.stored.types import Change, Snapshot

from tests.unit.domain.changes.clusters import Wire, compare, report_of
from tests.unit.domain.changes.sample import SCHEMA, follow, notifications, sample

VOLATILE = frozenset(
    {
        "installed_image_info.completion_time",  # when the vCenter looked; freshness is judged by it
        "notification.id",
        "notification.time",
    }
)
"""Fields, as ``<structure of the schema>.<field>``, that differ between two looks at the same cluster.

So does the order of everything that is a set, and the place in ``image_categories`` where an image is.
"""

DESCRIPTIVE = frozenset(
    {
        "base_image.details",
        "add_on.details",
        "components.details",
        "solutions.details",
        "alternative_image.display_name",
        "host_info.name",
        "host_info.is_vsan_witness",  # no software; assessed as well, where hosts are held together
    }
)
"""Fields that only describe: compared, but a difference is never more than ``relabelled``."""

REMARKS = frozenset({"notifications.info", "notifications.warnings"})
"""Fields with what the vCenter says by the way, such as that a host supports Quick Boot.

Told beside what is wrong (a host with an error or not read, an extraction that failed); by themselves they
are neither compared nor assessed.
"""

IGNORED = frozenset({"message.args", "message.params"})
"""Fields that are ignored on purpose: the message's text holds them already, and they may be times."""

DECLARED = VOLATILE | DESCRIPTIVE | REMARKS | IGNORED

type Path = tuple[str | int, ...]
type Judged = tuple[Snapshot, list[object]]


def healthy() -> Wire:
    """The same with nothing but hosts that were read, and without alternative images."""
    found = sample() | {"status": "SUCCESS", "failed_hosts": [], "unsupported_hosts": [], "notifications": {}}
    del found["host_notifications"]["host-18"]
    for host in ("host-18", "host-19"):
        del found["host_info"][host]
    categories = found["image_categories"]
    for place in ("most_widely_used_image", "highest_versioned_image"):
        del categories[place]["software_info"]["alternative_images"]
    return found


def remarked() -> Wire:
    """Where nothing is wrong, and the vCenter has something to say all the same."""
    found = healthy()
    remarks = {level: several for level, several in notifications().items() if level != "errors"}
    found["host_notifications"] = {"host-16": remarks}
    return found | {"notifications": dict.fromkeys(("ELIGIBILITY_CHECK", "EXTRACT_INSTALLED_IMAGE"), remarks)}


VARIANTS = {
    "failed": sample(),
    "not eligible": sample() | {"status": "ELIGIBILITY_CHECK_FAILURE"},
    "healthy": healthy(),
    "remarked": remarked(),
}
SILENT: dict[Path, set[str]] = {
    ("uniform_image",): {"failed", "not eligible"},  # hosts that were not read leave it open
    ("notifications", "ELIGIBILITY_CHECK"): {"failed"},  # the status is about the other operation
    ("notifications", "EXTRACT_INSTALLED_IMAGE"): {"not eligible"},
}
"""Where a field that is noticed elsewhere can make no difference."""


def leaves(
    schema: Any,  # noqa: ANN401 -- any JSON
    value: Any,  # noqa: ANN401 -- any JSON
    at: Path,
    owner: str,
    declared: frozenset[str],
) -> Iterator[tuple[Path, frozenset[str]]]:
    """The place of every leaf, and the declared fields that it is, or is part of."""
    schema, owner = follow(schema, owner)
    if isinstance(value, dict):
        for name, inner in value.items():
            field = {f"{owner}.{name}"} & DECLARED
            if name == "default_message" and "localized" in value:
                continue  # the same in another language
            known = schema.get("properties", {})
            below = known[name] if name in known else schema["additionalProperties"]
            yield from leaves(below, inner, (*at, name), owner, declared | field)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from leaves(schema["items"], item, (*at, number), owner, declared)
    else:
        yield at, declared


LEAVES = list(leaves(SCHEMA, sample(), (), "", frozenset()))


def every_field(schema: Any, owner: str, seen: set[str]) -> Iterator[str]:  # noqa: ANN401 -- a schema is any JSON
    """Every field that the schema names, as ``structure.field``."""
    schema, owner = follow(schema, owner)
    for name, below in schema.get("properties", {}).items():
        field = f"{owner}.{name}"
        if field not in seen:
            seen.add(field)
            yield field
            yield from every_field(below, owner, seen)
    for below in (schema.get("additionalProperties"), schema.get("items")):
        if isinstance(below, dict):
            yield from every_field(below, owner, seen)


def places_of(path: Path) -> list[Path]:
    """The places where the document says the same: an image may be listed twice, and must stay one image."""
    if "software_info" not in path:
        return [path]
    return [place for place, _ in LEAVES if "software_info" in place and _inside(place) == _inside(path)]


def _inside(path: Path) -> Path:
    """The place within an image or an alternative image; with the id of that one, if it is its name."""
    inside = path[path.index("software_info") + 1 :]
    return inside[2:] if inside[0] == "alternative_images" and inside[2] != "display_name" else inside


def mutated(document: Wire, paths: list[Path]) -> Wire:
    """The document with another value at these places, of the same type."""
    changed = deepcopy(document)
    for path in paths:
        if has(document, path):
            _mutate(changed, path)
    return changed


def _mutate(holder: Any, path: Path) -> None:  # noqa: ANN401 -- any JSON
    for step in path[:-1]:
        holder = holder[step]
    value = holder[path[-1]]
    if isinstance(value, bool):
        holder[path[-1]] = not value
    elif isinstance(value, str):
        holder[path[-1]] = f"{value[:-2]}1Z" if value.endswith(".000Z") else f"{value}x"
    else:
        holder[path[-1]] = value + 1


def has(document: Any, path: Path) -> bool:  # noqa: ANN401 -- any JSON
    """Whether there is such a place."""
    for step in path:
        is_there = step in document if isinstance(document, dict) else int(step) < len(document)
        if not is_there:
            return False
        document = document[step]
    return True


def judged(document: Wire) -> Judged:
    """What a look makes of it."""
    report = report_of(document)
    snapshot = build_snapshot(report, None)
    found = list_look_conditions(
        report,
        snapshot,
        build_inventory(report),
        now=datetime(2026, 11, 23, tzinfo=UTC),
        uncovered_since={},
        accepted={},
        first_look=False,
        blind_after_seconds=0,
    )
    return snapshot, [*found]


def effects(path: Path) -> dict[str, tuple[list[Change], bool]]:
    """For each variant with the place: the changes of mutating it, and whether it is judged otherwise."""
    found = {}
    for name, document in VARIANTS.items():
        if has(document, path):
            (before, then), (after, now) = judged(document), judged(mutated(document, places_of(path)))
            found[name] = compare(before, after), then != now
            assert not found[name][0] or compute_seal(before) != compute_seal(after)
    return found


def test_the_sample_uses_every_field_of_the_schema() -> None:
    """So that no leaf escapes what follows."""
    used = {str(step) for path, _ in LEAVES for step in path} | {"host_image_list", "localized"}
    assert {field.partition(".")[2] for field in every_field(SCHEMA, "", set())} <= used


@pytest.mark.parametrize(("path", "declared"), LEAVES, ids=["/".join(map(str, path)) for path, _ in LEAVES])
def test_a_leaf_that_changes_is_noticed_or_declared(path: Path, declared: frozenset[str]) -> None:
    """Compared or assessed wherever it is, unless it is declared; no more than relabelled if it describes."""
    found = effects(path)
    silent = {name for place, names in SILENT.items() if path[: len(place)] == place for name in names}
    if declared & REMARKS:
        silent.add("remarked")
    is_software = "software_info" in path  # to be judged otherwise is not enough there
    noticed = {
        name for name, (changes, otherwise) in found.items() if changes or (otherwise and not is_software)
    }
    if declared & (VOLATILE | IGNORED):
        assert found
        assert not noticed
    else:
        assert noticed == found.keys() - silent
        assert noticed
    if declared & DESCRIPTIVE:
        assert all({change["kind"] for change in changes} == {"relabelled"} for changes, _ in found.values())


def test_every_declared_field_is_one_of_the_schema() -> None:
    """So that a field that is gone, or is spelt wrong, doesn't stand in a category."""
    assert set(every_field(SCHEMA, "", set())) >= DECLARED


@pytest.mark.parametrize("place", ["most_widely_used_image", "highest_versioned_image", "host_image_list"])
def test_an_image_counts_wherever_it_is_listed(place: str) -> None:
    """The three places are read alike."""
    document = healthy()
    image = document["image_categories"].pop("most_widely_used_image")
    document["image_categories"] = {place: [image] if place == "host_image_list" else image}
    snapshot, _ = judged(json.loads(json.dumps(document)))
    assert snapshot == judged(healthy())[0]
