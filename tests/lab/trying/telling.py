"""What was found, for the terminal."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from esx_drift.domain.events import BASELINE_RECORDED, MessageContent
from esx_drift.domain.stored.types import rank_severity
from esx_drift.domain.text.wording import clean_text, end_sentence
from esx_drift.messages.content import build_content, has_content
from rich.console import Console
from rich.text import Text

from tests.lab.local_aws.local_aws import LocalAws

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import Record

STYLES = {"critical": "bold red", "warning": "yellow", "info": "cyan"}
KEPT = ("TERM", "COLUMNS", "NO_COLOR")


def name_of(record: "Record") -> str:
    """A cluster's name, or its id where the name was not seen."""
    return clean_text(record["cluster_name"] or record["cluster"])


def answer(record: "Record") -> str:
    """What became of one cluster, in a line."""
    coverage, failure = record["coverage"], record["failure"]
    if coverage is not None:
        return f"{name_of(record)}: {coverage['covered']} of {coverage['hosts']} hosts read"
    return (
        f"{name_of(record)}: not read: {end_sentence(failure['message']) if failure else record['outcome']}"
    )


def tell_table(local_aws: LocalAws, environment: Mapping[str, str]) -> None:
    """The fleet's table, by the command that a deployed stack is asked with."""
    own = {name: environment[name] for name in KEPT if name in environment}
    command = Path(sys.executable).with_name("esx-drift")
    subprocess.run([command, "status"], env=local_aws.environment | own, check=True, timeout=120)


def tell_stories(console: Console, records: "list[Record]") -> None:
    """What people would have been told in chat, the urgent first: all but that it was a first look."""
    events = [event for record in records for event in record["events"]]
    told = [event for event in events if has_content(event["type"]) and event["type"] != BASELINE_RECORDED]
    if not told and not any(record["failure"] for record in records):
        console.print("\nNothing to tell: each cluster runs one image, and no VIB is orphaned.")
    for event in sorted(told, key=lambda event: -rank_severity(event["data"]["severity"])):
        story = build_content(event)
        console.print(Text(f"\n{story.title}", STYLES[event["data"]["severity"]]))
        for line in (*(f"• {item}" for item in story.items), *_step(story)):
            console.print(Text(f"  {line}"))


def _step(story: MessageContent) -> tuple[str, ...]:
    return (f"Next: {story.next_step.text} {story.next_step.command}".rstrip(),) if story.next_step else ()
