"""The one thing of an event that its message asks somebody to do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from esx_drift.domain.shapes import Change, EventData, Finding
from esx_drift.domain.telling.cases import find_advice
from esx_drift.domain.telling.commands import list_hosts_to_accept, render_command
from esx_drift.domain.telling.finding_lines import build_host_placeholders, build_placeholders
from esx_drift.domain.telling.next_steps import ADVICE_BY_KIND, Advice

_VIB_GONE: Final = Advice(
    "",
    "",
    "who removed it? If nobody did, somebody may have covered their tracks: in vCenter > {scope} > Monitor > "
    "Tasks and Events, see what else happened on {first}.",
)
"""An orphaned VIB that has gone is no finding any more."""

_HOSTS_MOVED: Final = Advice(
    "",
    "",
    "was that meant? If nobody knows, see in vCenter > {cluster} > Monitor > Tasks and Events who did it. "
    "There is nothing to accept.",
)


@dataclass(frozen=True, slots=True)
class NextStep:
    """One thing to do next, and the command or name that goes with it; empty where there is none."""

    text: str
    command: str = ""


def choose_advice(data: EventData, news: Sequence[Finding]) -> Advice:
    """The advice for what weighs most; ``news`` are the findings opened or raised, the worst first."""
    changes = data["changes"]
    if any(_is_vib(change, "added") for change in changes):
        return ADVICE_BY_KIND["orphaned-vib"]
    if _all(changes, lambda change: _is_vib(change, "removed")):
        return _VIB_GONE
    if _all(changes, lambda change: change["element"] == "host") and not list_hosts_to_accept(data):
        return _HOSTS_MOVED
    if news and not changes:
        return find_advice(news[0], of_cluster=data["cluster"] is not None)
    return ADVICE_BY_KIND["drift-unreviewed"]


def build_next_step(advice: Advice, data: EventData, news: Sequence[Finding]) -> NextStep | None:
    """The advice's step, filled in; none where nothing is to be done."""
    if not advice.step:
        return None
    hosts = [host for change in data["changes"] for host in change["hosts"]]
    braces = build_host_placeholders(hosts, data) if data["changes"] else build_placeholders(news[:1], data)
    return NextStep(advice.step.format(**braces), render_command(advice, data, news))


def _is_vib(change: Change, kind: str) -> bool:
    return change["element"] == "orphaned_vib" and change["kind"] == kind


def _all(changes: Sequence[Change], holds: Callable[[Change], bool]) -> bool:
    return bool(changes) and all(map(holds, changes))
