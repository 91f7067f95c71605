"""What the demo leaves behind: each message, each event, and a copy of the trail."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.demo.page import render_page
from tests.lab.local_aws.rig import Rig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from esx_drift.domain.stored.types import Event


def leave(directory: Path, rig: Rig, events: "Sequence[Event]") -> None:
    """Write slack.jsonl, slack.html, events.jsonl and audit/."""
    directory.mkdir(parents=True, exist_ok=True)
    bodies = [received.body.decode() for received in rig.slack.received]
    (directory / "slack.jsonl").write_text("".join(f"{body}\n" for body in bodies))
    (directory / "slack.html").write_text(render_page(map(json.loads, bodies)))
    (directory / "events.jsonl").write_text("".join(f"{json.dumps(event)}\n" for event in events))
    audit = directory / "audit"
    shutil.rmtree(audit, ignore_errors=True)
    for key, body in rig.audit():
        path = audit / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)


def summary(rig: Rig, events: "Sequence[Event]") -> str:
    """What was left, in one line."""
    records = sum(1 for _ in rig.audit_keys("records/"))
    return f"{len(rig.slack.accepted)} messages, {len(events)} events, {records} records"
