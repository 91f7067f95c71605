"""The one thing of an event that its message asks somebody to do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from esx_drift.domain.shapes import Change, EventData, Finding
from esx_drift.domain.telling.cases import advice_on
from esx_drift.domain.telling.commands import command_of, hosts_to_accept
from esx_drift.domain.telling.finding_lines import places, places_of
from esx_drift.domain.telling.next_steps import ADVICE, Advice

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
class Step:
    """One thing to do next, and the command or name that goes with it; empty where there is none."""

    text: str
    command: str = ""


def leading(data: EventData, news: Sequence[Finding]) -> Advice:
    """The advice for what weighs most; ``news`` are the findings opened or raised, the worst first."""
    changes = data["changes"]
    if any(_is_vib(change, "added") for change in changes):
        return ADVICE["orphaned-vib"]
    if _all(changes, lambda change: _is_vib(change, "removed")):
        return _VIB_GONE
    if _all(changes, lambda change: change["element"] == "host") and not hosts_to_accept(data):
        return _HOSTS_MOVED
    if news and not changes:
        return advice_on(news[0], of_cluster=data["cluster"] is not None)
    return ADVICE["drift-unreviewed"]


def step_of(advice: Advice, data: EventData, news: Sequence[Finding]) -> Step | None:
    """The advice's step, filled in; none where nothing is to be done."""
    if not advice.step:
        return None
    hosts = [host for change in data["changes"] for host in change["hosts"]]
    braces = places_of(hosts, data) if data["changes"] else places(news[:1], data)
    return Step(advice.step.format(**braces), command_of(advice, data, news))


def _is_vib(change: Change, kind: str) -> bool:
    return change["element"] == "orphaned_vib" and change["kind"] == kind


def _all(changes: Sequence[Change], holds: Callable[[Change], bool]) -> bool:
    return bool(changes) and all(map(holds, changes))
