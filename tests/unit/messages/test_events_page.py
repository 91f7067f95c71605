"""docs/events.md says what subscribers get: made of the examples, and held to schema and code."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast

import pytest
from esx_drift.contracts import list_violations
from esx_drift.doctoring.aws_access import DRILL_EVENT_TYPE, build_drill_event
from esx_drift.domain.events import (
    BASELINE_RECORDED,
    MAINTENANCE_ENDED,
    MAINTENANCE_STARTED,
    MAX_NAME_LENGTH,
    ROUTE_DEAD,
    format_attribute,
)
from esx_drift.domain.stored.identifiers import make_event_id
from esx_drift.domain.stored.types import Change, Event
from esx_drift.domain.text.times import parse_time
from esx_drift.messages.publication import (
    MAX_CUT_CHARACTERS,
    MAX_EMAIL_ITEMS,
    MAX_PUBLISH_BYTES,
    MAX_SUBJECT_CHARACTERS,
    build_publication,
)
from hypothesis import given

from tests.paths import GOLDEN, ROOT, SCHEMAS
from tests.unit.events import CHECKED, Check, build_events, tellings

PAGE: Final = ROOT / "docs" / "events.md"
DRILLED: Final = "0b6f8f6e-58a0-4d36-9a52-0d1c3f1f8a10"
SHOWN: Final = {
    "esx-drift.drift.detected": "one-driver-by-hand",
    "esx-drift.drift.resolved": "accepted",
    "esx-drift.orphaned-vib.detected": "orphaned-vib-appeared",
    "esx-drift.orphaned-vib.resolved": "orphaned-vib-gone",
    "esx-drift.failure.detected": "vcenter-unreachable",
    "esx-drift.failure.resolved": "host-read-again",
    BASELINE_RECORDED: "baseline-recorded",
    "esx-drift.report.first-look": "first-look",
    "esx-drift.report.daily": "daily",
    "esx-drift.report.reminder": "reminder",
    MAINTENANCE_STARTED: "maintenance-started",
    MAINTENANCE_ENDED: "maintenance-ended",
    ROUTE_DEAD: "route-dead",
}
"""Which example the page shows of a type."""


def read_examples() -> dict[str, Event]:
    """Every example event, by its name."""
    folders = sorted((GOLDEN / "messages").iterdir())
    return {folder.name: json.loads((folder / "event.json").read_text()) for folder in folders}


def read_filters(page: Path = PAGE) -> dict[str, dict[str, Any]]:
    """The filter policies of the page, by name."""
    found = re.findall(
        r"<!-- filter ([\w-]+) -->\n```json\n(.*?)```\n<!-- /filter -->", page.read_text(), re.DOTALL
    )
    return {name: json.loads(policy) for name, policy in found}


def read_passes(page: Path = PAGE) -> dict[str, set[str]]:
    """Which examples pass each policy, by the page's table."""
    heading, _, *rows = _find_block("passes", page.read_text()).strip().splitlines()
    names = [cell.strip() for cell in heading.strip("|").split("|")][4:]
    passes: dict[str, set[str]] = {name: set() for name in names}
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        for name, cell in zip(names, cells[4:], strict=True):
            passes[name] |= {cells[0]} if cell else set()
    return passes


def _find_block(name: str, text: str) -> str:
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", text, re.DOTALL)
    assert found is not None, f"the page has no place for {name}"
    return found[1]


EXAMPLES: Final = read_examples()
SHOWN_VIB: Final = EXAMPLES[SHOWN["esx-drift.orphaned-vib.detected"]]


def _is_end(change: Change) -> bool:
    return "put_back" in change or (change["element"] == "orphaned_vib" and change["kind"] == "removed")


def _lets_a_critical_vib_appear(event: Event) -> bool:
    data = event["data"]
    begun = [finding for finding in data["findings"] if finding["transition"] in {"opened", "raised"}]
    begun_changes = [change for change in data["changes"] if not _is_end(change)]
    is_critical = any(item["severity"] == "critical" for item in (*begun, *begun_changes))
    return event["type"].split(".")[1] == "orphaned-vib" and is_critical


def _ends_something(event: Event) -> bool:
    data = event["data"]
    transitions = {finding["transition"] for finding in data["findings"]}
    accepted = any("accepted" in finding for finding in data["findings"])
    only_ends = bool(data["changes"]) and all(map(_is_end, data["changes"]))
    return "resolved" in transitions or accepted or (only_ends and transitions <= {"still"})


MEANT: Final[Mapping[str, Callable[[Event], bool]]] = {
    "critical-vibs": _lets_a_critical_vib_appear,
    "one-vcenter": lambda event: event["data"]["vcenter"] == "vc02",
    "failures": lambda event: event["type"].startswith("esx-drift.failure."),
    "ends": _ends_something,
}
"""What the page's words promise of each policy, by what is in an event and not by its attributes."""


def _render_passes() -> str:
    names = [*MEANT]
    lines = [["example", "type", "severity", "transitions", *names], ["---"] * (4 + len(names))]
    for name, event in EXAMPLES.items():
        transitions = sorted({finding["transition"] for finding in event["data"]["findings"]})
        kind = event["type"].removeprefix("esx-drift.")
        marks = ["✓" if MEANT[policy](event) else "" for policy in names]
        lines.append([name, kind, event["data"]["severity"], ", ".join(transitions), *marks])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _render_examples() -> str:
    drill = build_drill_event("vc01", DRILLED, parse_time(CHECKED))
    shown = {**{kind: EXAMPLES[name] for kind, name in SHOWN.items()}, DRILL_EVENT_TYPE: drill}
    return "\n".join(
        f"<details><summary><code>{kind}</code></summary>\n\n{_render_json(event)}\n</details>\n"
        for kind, event in shown.items()
    )


def _render_json(value: object) -> str:
    return f"```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```\n"


def _render_envelope() -> str:
    publication = build_publication(SHOWN_VIB)
    attributes = {name: format_attribute(value) for name, value in publication.attributes.items()}
    return _render_json(
        {
            "Type": "Notification",
            "MessageId": "…",
            "TopicArn": "arn:aws:sns:…",
            "Subject": publication.subject,
            "Message": f'{{"specversion":"1.0","id":"…","type":"{SHOWN_VIB["type"]}",…}}',
            "Timestamp": "…",
            "SignatureVersion": "1",
            "Signature": "…",
            "SigningCertURL": "https://sns.…",
            "UnsubscribeURL": "https://sns.…",
            "MessageAttributes": {
                name: {"Type": kind, "Value": value} for name, (kind, value) in attributes.items()
            },
        }
    )


def _render_email() -> str:
    structure = json.loads(build_publication(SHOWN_VIB).message)
    assert json.loads(structure["default"]) == SHOWN_VIB
    return f"```\n{structure['email']}\n```\n"


@pytest.mark.parametrize(
    ("name", "render"),
    [
        ("passes", _render_passes),
        ("examples", _render_examples),
        ("envelope", _render_envelope),
        ("email", _render_email),
    ],
)
def test_a_part_is_made_of_the_examples(
    name: str, render: Callable[[], str], *, refresh_goldens: bool
) -> None:
    """What the page shows is what goes out today; --refresh-goldens writes it."""
    text = PAGE.read_text()
    block = _find_block(name, text)
    if refresh_goldens:
        marks = (f"<!-- {name} -->\n", f"<!-- /{name} -->")
        PAGE.write_text(text.replace(block.join(marks), render().join(marks)))
    else:
        assert block == render()


def test_each_type_has_a_row_and_an_example() -> None:
    """Those that are published today, and no others."""
    schema = json.loads((SCHEMAS / "event.schema.json").read_text())
    published = set(schema["properties"]["type"]["enum"])
    text = PAGE.read_text()
    assert set(re.findall(r"^\| `(esx-drift\.[\w.-]+)` \|", _find_block("types", text), re.MULTILINE)) == (
        published
    )
    blocks = re.findall(r"```json\n(.*?)```", _find_block("examples", text), re.DOTALL)
    shown = [json.loads(block) for block in blocks]
    assert {event["type"] for event in shown} == published
    assert [violation for event in shown for violation in list_violations("event", event)] == []


def test_each_part_of_a_report_is_named() -> None:
    """In the chapter on reports: for what is there the schema has no row."""
    text = PAGE.read_text()
    chapter = text.partition("\n## Reports\n")[2].partition("\n## ")[0]
    examples = re.findall(r"```json\n(.*?)```", _find_block("examples", text), re.DOTALL)
    reports = [event["data"]["report"] for event in map(json.loads, examples) if "report" in event["data"]]
    parts = {name for report in reports for name in report}
    parts |= {name for report in reports for window in report.get("windows", ()) for name in window}
    assert parts <= {*re.findall(r"`(?:data\.report\.)?(\w+)`", chapter)}


def test_each_example_shows_the_type_that_it_stands_for() -> None:
    """An example that became another type would leave the page without one."""
    assert {kind: EXAMPLES[name]["type"] for kind, name in SHOWN.items()} == {kind: kind for kind in SHOWN}


@pytest.mark.parametrize("name", [*EXAMPLES])
def test_an_example_has_the_id_of_its_check_and_type(name: str) -> None:
    """As the page says that ids are made."""
    event = EXAMPLES[name]
    assert event["id"] == make_event_id(event["data"]["check_id"], event["type"])


def _walk_schema(node: Mapping[str, Any], path: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """Each field below a node, and whether it may be null."""
    node = _resolve(node, schema)
    for part in (*node.get("anyOf", ()), *node.get("allOf", ())):
        yield from _walk_schema(part, path, schema)
    for name, field in node.get("properties", {}).items():
        if not isinstance(field, bool) and not (path == "" and name not in schema["required"]):
            below = f"{path}.{name}" if path else name
            yield below, _may_be_null(field, schema)
            yield from _walk_schema(field, below, schema)
    if isinstance(node.get("items"), dict):
        yield from _walk_schema(node["items"], f"{path}[]", schema)


def _resolve(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in node:
        return node
    return {**cast("Mapping[str, Any]", schema["$defs"][node["$ref"].rpartition("/")[2]]), **node, "$ref": ""}


def _may_be_null(node: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    node = _resolve(node, schema) if node.get("$ref") else node
    return (
        "null" in node.get("type", ())
        or None in node.get("enum", ())
        or any(_may_be_null(part, schema) for part in node.get("anyOf", ()))
    )


def test_each_field_has_a_row_that_says_when_it_is_null() -> None:
    """By the schema: a field of which the page says nothing is one that nobody can use."""
    schema = json.loads((SCHEMAS / "event.schema.json").read_text())
    may_be_null: dict[str, bool] = {}
    for path, null in _walk_schema(schema, "", schema):
        may_be_null[path] = may_be_null.get(path, False) or null
    blocks = re.findall(r"<!-- fields -->\n(.*?)<!-- /fields -->", PAGE.read_text(), re.DOTALL)
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]*)\|", "".join(blocks), re.MULTILINE)
    assert {path: bool(null.strip()) for path, null in rows} == may_be_null


def test_each_attribute_has_a_row() -> None:
    """Under its name as SNS has it."""
    table = PAGE.read_text().partition("## Message attributes")[2].partition("## Fields")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [*build_publication(SHOWN_VIB).attributes]


def test_the_bounds_are_those_of_the_code() -> None:
    """Whoever makes room for an event goes by them."""
    text = " ".join(PAGE.read_text().split())
    for words in (
        f"stays below {MAX_PUBLISH_BYTES:,} bytes",
        f"after {MAX_CUT_CHARACTERS:,} characters",
        f"At most {MAX_EMAIL_ITEMS} items",
        f"ASCII, at most {MAX_SUBJECT_CHARACTERS} characters",
        f"its id in the vCenter, at most {MAX_NAME_LENGTH} characters",
    ):
        assert words in text


def test_the_subscriber_of_the_page_works() -> None:
    """It takes every example, each twice, and says once of each finding what began and what ended."""
    (code,) = re.findall(
        r"<!-- subscriber -->\n```python\n(.*?)```\n<!-- /subscriber -->", PAGE.read_text(), re.DOTALL
    )
    module: dict[str, Any] = {}
    exec(code, module)  # noqa: S102 -- the page's own code, which people copy
    said: dict[str, list[str]] = {}
    for name, event in EXAMPLES.items():
        module["SEEN"].clear()
        said[name] = module["handler"]({"Records": [{"body": json.dumps(event)}] * 2}, None)
    moved = {
        name: sum(finding["transition"] != "still" for finding in event["data"]["findings"])
        for name, event in EXAMPLES.items()
    }
    came = {
        name: sum(
            (change["element"], change["kind"]) == ("orphaned_vib", "added")
            for change in event["data"]["changes"]
        )
        for name, event in EXAMPLES.items()
    }
    assert {name: len(lines) for name, lines in said.items()} == {
        name: number + came[name] for name, number in moved.items()
    }
    assert len(said["orphaned-vib-on-one-more-host"]) == 1, "its finding was open before"
    place = "/vcenters/vc01/clusters/domain-c9"
    (finding,) = SHOWN_VIB["data"]["findings"]
    assert said[SHOWN["esx-drift.orphaned-vib.detected"]][1:] == [
        f"alert {place}/{finding['fingerprint']} critical: {finding['summary']}"
    ]
    assert [name for name in ("baseline-recorded", "daily", "reminder") if said[name]] == []


def test_the_command_of_the_page_subscribes_with_one_of_its_policies() -> None:
    """What people copy first."""
    (line,) = re.findall(r"^(\{\"RawMessageDelivery.*\})$", PAGE.read_text(), re.MULTILINE)
    attributes = json.loads(line)
    assert json.loads(attributes["FilterPolicy"]) == read_filters()["critical-vibs"]
    assert attributes["RawMessageDelivery"] == "true"


def test_the_queue_of_the_page_takes_messages_of_the_topic_alone() -> None:
    """The policy is JSON within JSON, which nobody writes right by hand."""
    (line,) = re.findall(r"^(\{\"Policy.*\})$", PAGE.read_text(), re.MULTILINE)
    (statement,) = json.loads(json.loads(line)["Policy"])["Statement"]
    assert statement == {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": "QUEUE_ARN",
        "Condition": {"ArnEquals": {"aws:SourceArn": "TOPIC"}},
    }


def test_the_attributes_of_the_page_are_those_of_the_event_beside_them() -> None:
    """What people publish to a topic of their own passes the filters that the real event would."""
    (line,) = re.findall(r"^(\{\"type\": \{.*\})$", PAGE.read_text(), re.MULTILINE)
    told = {name: format_attribute(value) for name, value in build_publication(SHOWN_VIB).attributes.items()}
    assert json.loads(line) == {
        name: {"DataType": kind, "StringValue": value} for name, (kind, value) in told.items()
    }
    assert f"tests/golden/messages/{SHOWN['esx-drift.orphaned-vib.detected']}/event.json" in PAGE.read_text()


def test_what_rings_without_a_new_vib_has_no_change_that_says_one_came() -> None:
    """So that a handler tells them apart as the page says."""
    assert [
        name
        for name, event in EXAMPLES.items()
        if _lets_a_critical_vib_appear(event)
        and ("orphaned_vib", "added", "critical")
        not in {
            (change["element"], change["kind"], change["severity"]) for change in event["data"]["changes"]
        }
    ] == ["acceptance-of-vib-expired"]


@given(tellings())
def test_the_pager_rings_for_each_critical_vib_that_appears(check: Check) -> None:
    """Whatever else is in the event; and without one only where the event tells of another's critical end."""
    policy = read_filters()["critical-vibs"]
    for event in build_events(check):
        attributes = build_publication(event).attributes
        rings = all(attributes[name] in allowed for name, allowed in policy.items())
        data = event["data"]
        ended = [finding for finding in data["findings"] if finding["transition"] == "resolved"]
        ends = [*ended, *filter(_is_end, data["changes"])]
        if _lets_a_critical_vib_appear(event):
            assert rings
        elif rings:
            assert data["truncated"] or any(end["severity"] == "critical" for end in ends)
            assert event["type"].endswith(".detected")


def test_each_policy_is_in_the_table_and_passes_something() -> None:
    """And keeps something out: a policy that does neither would prove nothing."""
    passes = read_passes()
    assert [*passes] == [*read_filters()] == [*MEANT]
    assert [name for name, passed in passes.items() if not set() < passed < EXAMPLES.keys()] == []
