"""What was found, for the terminal."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from esx_drift.cli.terminal import printable
from esx_drift.domain.findings import rank
from esx_drift.domain.next_steps import ADVICE
from esx_drift.domain.wording import clean, sentence
from rich.console import Console
from rich.text import Text

from tests.stack.local_aws import LocalAws

if TYPE_CHECKING:
    from esx_drift.domain.shapes import Finding, Record

STYLES = {"critical": "bold red", "warning": "yellow", "info": "cyan"}
KEPT = ("TERM", "COLUMNS", "NO_COLOR")


def name_of(record: "Record") -> str:
    """A cluster's name, or its id where the name was not seen."""
    return clean(record["cluster_name"] or record["cluster"])


def answer(record: "Record") -> str:
    """What became of one cluster, in a line."""
    coverage, failure = record["coverage"], record["failure"]
    if coverage is not None:
        return f"{name_of(record)}: {coverage['covered']} of {coverage['hosts']} hosts read"
    return f"{name_of(record)}: not read: {sentence(failure['message']) if failure else record['outcome']}"


def tell_table(local_aws: LocalAws, environment: Mapping[str, str]) -> None:
    """The fleet's table, by the command that a deployed stack is asked with."""
    own = {name: environment[name] for name in KEPT if name in environment}
    command = Path(sys.executable).with_name("esx-drift")
    subprocess.run([command, "status"], env=local_aws.environment | own, check=True, timeout=120)


def tell_findings(console: Console, records: "list[Record]") -> None:
    """Every open finding, the worst first, and what to do about it."""
    told = sorted(_found(records), key=lambda found: -rank(found[1]["severity"]))
    console.print("\nWhat to look at" if told else "\nNothing is wrong with it.", style="bold")
    for where, finding in told:
        severity = finding["severity"]
        console.print(Text(severity, STYLES[severity]) + Text(f" {where}: {sentence(finding['summary'])}"))
        advice = ADVICE[finding["kind"]]
        places = {"vcenter": where, "cluster": where, "hosts": "the hosts", "scope": where}
        step = " ".join(filter(None, (advice.step, advice.command))).format(**places)
        console.print(Text(f"  Next: {printable(step)}", "dim"))


def _found(records: "list[Record]") -> "Iterator[tuple[str, Finding]]":
    for record in records:
        for finding in record["after"]["findings"].values():
            yield name_of(record), finding
