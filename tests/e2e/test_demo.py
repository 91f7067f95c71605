"""`make demo`'s own process: it ends well only if all it expected arrived, and leaves what it promises."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from esx_drift.contracts import violations

from tests.demo.timeline import timeline
from tests.simulator.slack_limits import violations as refusals
from tests.stack.place import CHECKOUT, environment


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """The demo, played once in a directory of its own; what it printed, and where it left its artefacts."""
    directory = tmp_path_factory.mktemp("demo")
    ended = subprocess.run(
        [sys.executable, "-m", "tests.demo"],
        cwd=directory,
        env=environment({"PYTHONPATH": str(CHECKOUT), "COLUMNS": "100"}),
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    return ended, directory / "build" / "demo"


type Played = tuple[subprocess.CompletedProcess[str], Path]


def test_it_ends_well(played: Played) -> None:
    """Each step had exactly the messages that it expects."""
    ended, _ = played
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout


def test_it_shows_each_step_and_its_messages(played: Played) -> None:
    """What was done, then what came of it, in order."""
    ended, directory = played
    lines = ended.stdout.splitlines()
    for number in range(1, len(timeline()) + 1):
        assert any(line.startswith(f"{number}. ") for line in lines)
    assert ended.stdout.count("# vsphere-admins") == len(_lines(directory / "slack.jsonl"))


def test_slack_jsonl_holds_each_payload_as_slack_took_it(played: Played) -> None:
    """One a line, within Slack's limits, as many as the timeline expects."""
    _, directory = played
    payloads = _lines(directory / "slack.jsonl")
    assert [refusals(payload) for payload in payloads] == [[]] * len(payloads)
    assert len(payloads) == sum(len(step.arrives) for step in timeline())


def test_events_jsonl_holds_each_event_of_the_timeline(played: Played) -> None:
    """One a line, valid, each once, of exactly the types that the timeline expects."""
    _, directory = played
    events = _lines(directory / "events.jsonl")
    assert [violations("event", event) for event in events] == [[]] * len(events)
    assert len({event["id"] for event in events}) == len(events)
    came = Counter((event["subject"], event["type"].removeprefix("esx-drift.")) for event in events)
    assert came == Counter(expected for step in timeline() for expected in step.arrives)


def test_the_copy_of_the_trail_is_whole(played: Played) -> None:
    """Each log from its first record to its last, every event's record, every object a record names."""
    _, directory = played
    audit = directory / "audit"
    files = {str(path.relative_to(audit)) for path in audit.rglob("*") if path.is_file()}
    records = [
        json.loads((audit / name).read_bytes()) for name in sorted(files) if name.startswith("records/")
    ]
    assert records
    assert [violations("record", record) for record in records] == [[]] * len(records)
    for log in {(record["vcenter"], record["cluster"]) for record in records}:
        numbers = [record["seq"] for record in records if (record["vcenter"], record["cluster"]) == log]
        assert numbers == [*range(1, len(numbers) + 1)]
    named = [record[kind]["key"] for record in records for kind in _KEPT if record[kind]]
    named += [event["data"]["record"].split("/", 3)[3] for event in _lines(directory / "events.jsonl")]
    assert {*named} <= files


_KEPT = ("document", "snapshot", "quarantine", "previous")


def _lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]
