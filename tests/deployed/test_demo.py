"""`make demo`'s own process: it ends well only if all it expected arrived, and leaves what it promises."""

import csv
import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

import pytest
from esx_drift.contracts import list_violations

from tests.deployed.conftest import Demo
from tests.lab.demo.__main__ import LEFT
from tests.lab.demo.timeline import CLUSTERS, timeline
from tests.lab.local_aws.place import CHECKOUT
from tests.paths import GOLDEN
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
        heard, texts = texts[: len(step.says)], texts[len(step.says) :]
        # Two messages of one step may come in any order.
        assert all(any(said in text for text in heard) for said in step.says), (step.title, heard)
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
    ran = _run("verify", "--dir", audit)
    assert (ran.returncode, ran.stdout.splitlines()[-1]) == (0, "Intact, key not pinned.")
    trail = {str(path.relative_to(audit)): path.read_bytes() for path in audit.rglob("*") if path.is_file()}
    for key, body in sorted(trail.items()):
        assert key in check({**trail, key: _flip(key, body)}).keys, key
        left = {each: there for each, there in trail.items() if each != key}
        assert any(key.startswith(each) for each in check(left).keys), key


def test_one_bit_anywhere_ends_the_command_in_1(played: Demo, tmp_path: Path) -> None:
    """Of one object below each folder, as a person runs it: the object is named."""
    audit = tmp_path / "audit"
    shutil.copytree(played.directory / LEFT / "audit", audit)
    paths = sorted(path for path in audit.rglob("*") if path.is_file())
    for path in {path.relative_to(audit).parts[0]: path for path in paths}.values():
        key, body = str(path.relative_to(audit)), path.read_bytes()
        path.write_bytes(_flip(key, body))
        ran = _run("verify", "--dir", audit)
        assert (ran.returncode, key in ran.stdout) == (1, True), (key, ran.stdout, ran.stderr)
        path.write_bytes(body)
    assert _run("verify", "--dir", audit).returncode == 0


def _flip(key: str, body: bytes) -> bytes:
    """The bytes of an object with one bit turned: always the same one."""
    chance, flipped = Random(key), bytearray(body)
    flipped[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
    return bytes(flipped)


def _run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(CHECKOUT / ".venv/bin/esx-drift"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_history_tells_the_story_of_the_demo(
    played: Demo,
    *,
    refresh_goldens: bool,
) -> None:
    """What changed on which hosts of each cluster, who accepted it and why; --refresh-goldens writes it."""
    told = tell_story(played.directory / LEFT / "audit")
    golden = GOLDEN / "history" / "demo.txt"
    if refresh_goldens:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(told)
    assert told == golden.read_text()


def tell_story(audit: Path) -> str:
    """What ``history`` tells of each cluster, a line each, without times and numbers of records."""
    lines = []
    for cluster in (cluster for clusters in CLUSTERS.values() for cluster in clusters):
        ran = _run("history", cluster, "--format", "csv", "--dir", audit)
        assert (ran.returncode, ran.stderr) == (0, "")
        lines += [_tell(cluster, row) for row in csv.DictReader(StringIO(ran.stdout))]
    return "".join(f"{line}\n" for line in lines)


def _tell(cluster: str, row: Mapping[str, str]) -> str:
    accepted = f"accepted by {row['accepted_by'].rpartition('/')[2]}: {row['accepted_reason']}"
    said = (
        *(row[column] for column in ("kind", "change", "element", "key", "from", "to")),
        "put back" if row["put_back"] == "yes" else "",
        *(row[column] for column in ("hosts", "maintenance", "reason")),
        accepted if row["accepted_by"] else "",
    )
    return f"{cluster}: {' · '.join(filter(None, said))}"


_KEPT = ("document", "snapshot", "quarantine", "previous")


def _without_numbers(line: str) -> str:
    # A time may have seconds or not, or a date, and a bucket's name ends in what is its own.
    named = re.sub(r"(auditbucket-)[0-9a-f]+", r"\1N", line)
    undated = re.sub(r"\b\d+ [A-Z][a-z]{2} (?=\d)", "", named)
    return re.sub(r"\d+(:\d+)*", "N", undated).replace(" ", "").rstrip("│")


def _lines(played: Demo, name: str) -> list[Any]:
    return [json.loads(line) for line in (played.directory / LEFT / name).read_text().splitlines()]
