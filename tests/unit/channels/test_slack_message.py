import html
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from esx_drift.channels.slack import (
    MAX_BLOCKS,
    MAX_CONTEXT_ELEMENTS,
    MAX_HEADER_CHARACTERS,
    MAX_MESSAGE_CHARACTERS,
    render_message,
)
from esx_drift.contracts import list_violations
from esx_drift.domain.events import BASELINE_RECORDED
from esx_drift.domain.findings.kinds import FINDING_KINDS
from esx_drift.domain.stored.types import Event, Json
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.messages.content import NOTHING_NEXT, build_content, has_content, is_for_chat
from esx_drift.messages.groups import build_group_content, group_events
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block, RichTextElementParts
from slack_sdk.models.blocks.block_elements import RichTextElement

from tests.paths import GOLDEN
from tests.simulator.slack_limits import violations as slack_violations
from tests.unit.events import CHECKED, Check, build_events, change, family_of, finding, tellings, told

MESSAGES = GOLDEN / "messages"
CASES = sorted(MESSAGES.iterdir())


def texts(value: Json, kind: str) -> Iterator[str]:
    """Every text of one kind of text object."""
    if isinstance(value, list):
        for item in value:
            yield from texts(item, kind)
    elif isinstance(value, dict):
        if value.get("type") == kind:
            yield str(value["text"])
        for item in value.values():
            yield from texts(item, kind)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_message_reads_as_agreed(case: Path, refresh_goldens: bool) -> None:  # noqa: FBT001 -- a fixture
    """The event beside it gives exactly this message; --refresh-goldens writes it anew."""
    event = json.loads((case / "event.json").read_text())
    assert list_violations("event", event) == []
    said = json.dumps(render_message(build_content(event)), indent=2, ensure_ascii=False) + "\n"
    golden = case / "slack.json"
    if refresh_goldens:
        golden.write_text(said)
    assert golden.read_text() == said


@given(st.lists(tellings(), min_size=1, max_size=3), st.integers(0, 10**6))
def test_slack_takes_every_message(checks: list[Check], late_seconds: int) -> None:
    """No limit is ever exceeded, whatever the names and however many they are; Slack's own models agree."""
    now = parse_time(CHECKED) + timedelta(seconds=late_seconds)
    events = [event for check in checks for event in build_events(check)]
    for group in (*([event] for event in events), *(group.events for group in group_events(events))):
        message = render_message(build_group_content(group, now))
        assert slack_violations(message) == []
        assert len(json.dumps(message)) <= MAX_MESSAGE_CHARACTERS
        assert len(message["blocks"]) <= MAX_BLOCKS  # type: ignore[arg-type]  # they are a list
        blocks = cast("list[dict[str, Any]]", message["blocks"])
        assert [block.to_dict() for block in Block.parse_all(blocks)] == blocks
        contexts = [block["elements"] for block in blocks if block["type"] == "context"]
        assert all(len(elements) <= MAX_CONTEXT_ELEMENTS for elements in contexts)
        for block in blocks:
            for leaf in _leaves(block):
                assert _MODELS[leaf["type"]](**leaf).to_dict() == leaf


_MODELS: Mapping[str, Callable[..., RichTextElement]] = {
    "text": RichTextElementParts.Text,
    "date": RichTextElementParts.Date,
}


def _leaves(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What a rich text is made of in the end."""
    for element in block.get("elements", []) if block["type"].startswith("rich_text") else []:
        if "elements" in element:
            yield from _leaves(element)
        else:
            yield element


@given(st.integers(0, 3 * 10**9), st.integers(0, 10**7))
def test_an_interval_reads_well_at_any_distance(since_seconds: int, later_seconds: int) -> None:
    """Never the same text twice; the day where it is not today's; seconds only where minutes are the same."""
    since = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=since_seconds)
    until = since + timedelta(seconds=later_seconds)
    data = told(changes=[change("component", "added", "x", to="1")], since=format_time(since))
    (event,) = build_events(data)
    event["data"] |= {"extracted_at": format_time(until), "checked_at": format_time(until)}
    content = build_content(event)
    begin, end = (part for part in content.when if not isinstance(part, str))
    assert (begin.has_seconds, end.has_seconds) == (later_seconds < 60, later_seconds < 60)
    assert (since.strftime("%b") in begin.fallback) == (since.date() != until.date())
    assert end.has_date == (later_seconds >= 86_400)
    assert content.when_text.endswith(" UTC.")
    assert later_seconds == 0 or begin.fallback != end.fallback.removesuffix(" UTC")


@given(tellings())
def test_no_name_is_ever_read_as_markup(check: Check) -> None:
    """Nothing is mrkdwn; what a notification parses has no control sequence, whatever the names."""
    for event in build_events(check):
        message = render_message(build_content(event))
        assert list(texts(message["blocks"], "mrkdwn")) == []
        assert message["mrkdwn"] is False
        assert message["unfurl_links"] is False
        assert not set("<>") & set(str(message["text"]))
        assert html.unescape(str(message["text"])) == message["blocks"][0]["text"]["text"]  # type: ignore[index,call-overload] # a header


@given(tellings())
def test_no_name_breaks_a_line_or_turns_it_around(check: Check) -> None:
    """Control and direction characters of a hostile name are gone from title, items and facts."""
    for event in build_events(check):
        story = build_content(event)
        shown = "".join((story.title, *story.items, *story.facts))
        assert not {"\n", "\x00", "\u202e"} & set(shown)


@pytest.mark.parametrize("kind", sorted(FINDING_KINDS))
@pytest.mark.parametrize("transition", ["opened", "raised", "resolved"])
def test_every_kind_of_finding_is_told(kind: str, transition: str) -> None:
    """With a headline, its summary and what to do next, be it nothing; no brace is left open."""
    because = "recovered" if transition == "resolved" else None
    found = finding(
        family_of(kind), kind, "host-7", "What it is", transition=transition, resolved_because=because
    )
    (event,) = build_events(told(findings=[found]))
    story = build_content(event)
    assert "What it is." in story.items[0] or kind == "orphaned-vib"
    assert story.next_step is not None
    assert (story.next_step == NOTHING_NEXT) == (transition == "resolved")
    assert "{" not in "".join((story.title, *story.items, *story.notes, story.next_step.text))


def test_a_command_never_holds_a_name_that_a_shell_would_obey() -> None:
    """A VIB whose name is a command gets a command without its name."""
    evil = change("orphaned_vib", "added", "x; rm -rf /(1.0)", severity="critical")
    plain = change("orphaned_vib", "added", "mft(4.25)", severity="critical")
    assert _command_of(evil) == "esxcli software vib list"
    assert _command_of(plain) == "esxcli software vib get -n mft"
    unsafe = {"id": "x; reboot", "name": "$(reboot)"}
    driver = change("component", "added", "x", to="1")
    (event,) = build_events(told(changes=[driver], cluster=unsafe, host_names={"host-7": "`reboot`"}))
    step = build_content(event).next_step
    assert step
    assert step.command == "esx-drift accept CLUSTER --vcenter vc01 --hosts host-7"


def _command_of(appeared: object) -> str:
    (event,) = build_events(told(changes=[appeared]))
    step = build_content(event).next_step
    assert step
    return step.command


def test_a_long_message_is_cut_and_counts_what_it_left_out() -> None:
    """Fewer lines than changes, and together with "and N more" they are all."""
    many = [change("component", "added", f"{n}-{'é' * 80}", to="1") for n in range(100)]
    (event,) = build_events(told(changes=many))
    lines = list(texts(render_message(build_content(event))["blocks"], "text"))
    shown = sum("added" in line for line in lines)
    assert 1 < shown < 20
    assert f"and {100 - shown} more" in lines


def test_what_the_event_left_out_is_counted_too() -> None:
    """The totals of a cut event are exact, so its message is."""
    many = [change("component", "added", f"{n}-{'x' * 1000}", to="1") for n in range(1000)]
    (event,) = build_events(told(changes=many))
    lines = list(texts(render_message(build_content(event))["blocks"], "text"))
    assert event["data"]["truncated"]
    assert any(line == f"and {1000 - sum('added' in x for x in lines)} more" for line in lines)
    assert str(event["data"]["record"]).endswith("41.json")


def test_a_title_is_cut_to_slacks_limit() -> None:
    """A header of 150 characters at most."""
    (event,) = build_events(told(cluster={"id": "domain-c9", "name": "n" * 500}, changes=[_vib("v" * 300)]))
    header = next(texts(render_message(build_content(event))["blocks"], "plain_text"))
    assert len(header) == MAX_HEADER_CHARACTERS
    assert header.endswith("…")


def _vib(name: str) -> object:
    return change("orphaned_vib", "added", name)


def test_a_type_of_the_future_has_no_words() -> None:
    """And is known as such; a first copy has some for e-mail, and is not posted."""
    assert not has_content("esx-drift.drift.imagined")
    assert has_content(BASELINE_RECORDED)
    assert [is_for_chat(kind) for kind in (BASELINE_RECORDED, "esx-drift.report.daily")] == [False, True]


def test_a_cut_event_with_no_list_left_is_still_told() -> None:
    """By its numbers, which are exact."""
    event = _emptied()
    assert event["data"]["changes"] == []
    assert build_content(event).title == "1 change, 0 findings · prod-a · vc01"


def _emptied() -> Event:
    (event,) = build_events(told(changes=[change("component", "added", "Intel-i40en", to="2")]))
    return {**event, "data": {**event["data"], "changes": [], "truncated": True}}
