"""What was found, for the terminal."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esx_drift.adapters.audit_store import S3Store
from esx_drift.domain.events import MessageContent
from esx_drift.domain.images.labels import name_esxi_release
from esx_drift.domain.stored.types import rank_severity
from esx_drift.domain.text.versions import sort_naturally
from esx_drift.domain.text.wording import clean_text, end_sentence, format_count, join_names, split_vib_key
from esx_drift.messages.content import build_content, is_for_chat
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.lab.local_aws.local_aws import LocalAws

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import Image, Record, Snapshot

STYLES = {"critical": "bold red", "warning": "yellow", "info": "cyan"}
NAMED_HOSTS = 6
COLUMNS = ("Hosts", "Release", "Build", "Add-on", "Components")
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


def tell_software(console: Console, records: "list[Record]", store: S3Store) -> None:
    """What the hosts of each cluster run, a line an image, the most common first; orphaned VIBs by host."""
    for record in sorted(records, key=name_of):
        if record["after"]["snapshot"] is not None:
            console.print(Text(f"\n{name_of(record)}", "bold"))
            _tell_images(console, store.snapshot(record["after"]["snapshot"]["key"]))


def _tell_images(console: Console, snapshot: "Snapshot") -> None:
    hosts: dict[str, list[str]] = {}
    for host in snapshot["hosts"].values():
        if host["image"] is not None:
            hosts.setdefault(host["image"], []).append(clean_text(host["name"]))
    table = Table(box=None, padding=(0, 1, 0, 2))
    for column in COLUMNS:
        table.add_column(column, overflow="fold")
    for digest, names in sorted(hosts.items(), key=lambda entry: -len(entry[1])):
        image = snapshot["images"][digest]
        build = str(image["main"]["base_image"]).rpartition(".")[2]
        release = clean_text(name_esxi_release(image, snapshot["labels"]))
        shown = f"{len(names)}: {join_names(sort_naturally(names), NAMED_HOSTS)}"
        table.add_row(shown, release, clean_text(build), *_parts_of(image))
    console.print(table)
    for host in sorted(snapshot["hosts"].values(), key=lambda host: host["name"]):
        vibs = [" ".join(split_vib_key(vib)).strip() for vib in host["orphaned_vibs"] or []]
        if vibs:
            found = f"  {format_count(len(vibs), 'orphaned VIB')} on {clean_text(host['name'])}"
            console.print(Text(f"{found}: {', '.join(vibs)}", STYLES["warning"]))


def _parts_of(image: "Image") -> tuple[str, str]:
    """The add-on, and how many components an image has."""
    add_on: Any = image["main"].get("add_on")
    components = sum(part.startswith("component:") for part in image["main"])
    return clean_text(f"{add_on['name']} {add_on['version']}") if add_on else "none", str(components)


def tell_stories(console: Console, records: "list[Record]") -> None:
    """What people would have been told in chat, the urgent first: all but that it was a first look."""
    events = [event for record in records for event in record["events"]]
    told = [event for event in events if is_for_chat(event["type"])]
    if not told and not any(record["failure"] for record in records):
        console.print("\nNothing to tell: each cluster runs one image, and no VIB is orphaned.")
    for event in sorted(told, key=lambda event: -rank_severity(event["data"]["severity"])):
        story = build_content(event)
        console.print(Text(f"\n{story.title}", STYLES[event["data"]["severity"]]))
        for line in (*(f"• {item}" for item in story.items), *_step(story)):
            console.print(Text(f"  {line}"))


def _step(story: MessageContent) -> tuple[str, ...]:
    if story.next_step is None:
        return ()
    return (" ".join((f"Next: {story.next_step.text}", *story.next_step.commands[:1])), *story.next_step.more)
