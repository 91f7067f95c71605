"""`make demo`'s own process: it ends well only if all it expected arrived, and leaves what it promises."""

import json
import re
import subprocess
from collections import Counter
from typing import Any

import pytest
from esx_drift.contracts import list_violations

from tests.deployed.conftest import Demo
from tests.lab.demo.__main__ import LEFT
from tests.lab.demo.timeline import timeline
from tests.lab.local_aws.place import CHECKOUT
from tests.simulator.slack_limits import violations as refusals
from tests.unit.trail.sealed import check

BOUND_SECONDS = 300


@pytest.fixture(scope="module")
def played(demo: Demo | None) -> Demo:
    """The demo, played to its end."""
    assert demo is not None
    demo.process.wait(BOUND_SECONDS)
    return demo


def test_it_ends_well(played: Demo) -> None:
    """Each step had exactly the messages that it expects."""
    assert played.process.returncode == 0, played.printed
    assert played.printed.endswith("All that was expected arrived, and nothing else.\n")


def test_it_shows_each_step_and_its_messages(played: Demo) -> None:
    """What was done, then what came of it, in order."""
    lines = played.printed.splitlines()
    for number in range(1, len(timeline()) + 1):
        assert any(line.startswith(f"{number}. ") for line in lines)
    assert played.printed.count("# vsphere-admins") == len(_lines(played, "slack.jsonl"))


def test_the_readme_shows_what_it_prints(played: Demo) -> None:
    """Line for line, but for numbers and times."""
    printed = {_without_numbers(line) for line in played.printed.splitlines()}
    shown = re.search(r"<!-- demo -->\n```\n(.*?)```", (CHECKOUT / "README.md").read_text(), re.DOTALL)
    assert shown is not None
    lines = [line for line in shown[1].splitlines() if line != "[…]"]
    assert len(lines) > len(timeline())
    assert [line for line in lines if _without_numbers(line) not in printed] == []


def test_slack_jsonl_holds_each_payload_as_slack_took_it(played: Demo) -> None:
    """One a line, within Slack's limits, and each says what the timeline expects."""
    payloads = _lines(played, "slack.jsonl")
    assert [refusals(payload) for payload in payloads] == [[]] * len(payloads)
    texts = [payload["text"] for payload in payloads]
    for step in timeline():
        said = sum(map(str.__contains__, texts, step.says))
        assert said == len(step.says), (step.title, texts)
        del texts[:said]
    assert texts == []


def test_events_jsonl_holds_each_event_of_the_timeline(played: Demo) -> None:
    """One a line, valid, each once, of exactly the types that the timeline expects."""
    events = _lines(played, "events.jsonl")
    assert [list_violations("event", event) for event in events] == [[]] * len(events)
    assert len({event["id"] for event in events}) == len(events)
    came = Counter((event["subject"], event["type"].removeprefix("esx-drift.")) for event in events)
    assert came == Counter(expected for step in timeline() for expected in step.topic)


def test_the_copy_of_the_trail_is_whole(played: Demo) -> None:
    """Each log from its first record to its last, every event's record, every object a record names."""
    audit = played.directory / LEFT / "audit"
    files = {str(path.relative_to(audit)) for path in audit.rglob("*") if path.is_file()}
    records = [
        json.loads((audit / name).read_bytes()) for name in sorted(files) if name.startswith("records/")
    ]
    assert records
    assert [list_violations("record", record) for record in records] == [[]] * len(records)
    for log in {(record["vcenter"], record["cluster"]) for record in records}:
        numbers = [record["seq"] for record in records if (record["vcenter"], record["cluster"]) == log]
        assert numbers == [*range(1, len(numbers) + 1)]
    named = [record[kind]["key"] for record in records for kind in _KEPT if record[kind]]
    named += [event["data"]["record"].split("/", 3)[3] for event in _lines(played, "events.jsonl")]
    assert {*named} <= files


def test_the_copy_of_the_trail_proves_itself(played: Demo) -> None:
    """As the README says; one bit of any object, and one object less, and verifying names it."""
    audit = played.directory / LEFT / "audit"
    command = [str(CHECKOUT / ".venv/bin/esx-drift"), "verify", "--dir", str(audit)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout.splitlines()[-1]) == (0, "Intact, key not pinned.")
    trail = {str(path.relative_to(audit)): path.read_bytes() for path in audit.rglob("*") if path.is_file()}
    for number, (key, body) in enumerate(sorted(trail.items())):
        flipped = bytearray(body)
        flipped[number * 31 % len(body)] ^= 1 << number % 8
        assert key in check({**trail, key: bytes(flipped)}).keys, key
        left = {each: there for each, there in trail.items() if each != key}
        assert any(key.startswith(each) for each in check(left).keys), key


_KEPT = ("document", "snapshot", "quarantine", "previous")


def _without_numbers(line: str) -> str:
    # A time may have seconds or not, or a date, and a bucket's name ends in what is its own.
    named = re.sub(r"(auditbucket-)[0-9a-f]+", r"\1N", line)
    undated = re.sub(r"\b\d+ [A-Z][a-z]{2} (?=\d)", "", named)
    return re.sub(r"\d+(:\d+)*", "N", undated).replace(" ", "").rstrip("│")


def _lines(played: Demo, name: str) -> list[Any]:
    return [json.loads(line) for line in (played.directory / LEFT / name).read_text().splitlines()]
