"""The one thing of an event that its message asks somebody to do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from esx_drift.domain.findings.kind_entry import Advice
from esx_drift.domain.findings.kinds import FINDING_KINDS
from esx_drift.domain.stored.types import Change, EventData, Finding
from esx_drift.domain.text.wording import find_shell_argument, split_vib_key
from esx_drift.messages.advice import find_advice
from esx_drift.messages.finding_lines import build_host_placeholders, build_placeholders

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
        return FINDING_KINDS["orphaned-vib"].advice
    if _all(changes, lambda change: _is_vib(change, "removed")):
        return _VIB_GONE
    if _all(changes, lambda change: change["element"] == "host") and not list_hosts_to_accept(data):
        return _HOSTS_MOVED
    if news and not changes:
        return find_advice(news[0], of_cluster=data["cluster"] is not None)
    return FINDING_KINDS["drift-unreviewed"].advice


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


VIB_LIST: Final = "esxcli software vib list"


MAX_COMMAND_HOSTS: Final = 5
"""More hosts than these are not written out: then the command is about the whole cluster."""


def render_command(advice: Advice, data: EventData, news: Sequence[Finding]) -> str:
    """The command that goes with a next step, to be pasted; empty where there is none.

    A name that could do harm in a shell is left to the reader: it stands there in capitals.
    """
    return advice.command.format(**_arguments(data, news)) if advice.command else ""


def _vib_command(data: EventData, news: Sequence[Finding]) -> str:
    keys = [change["key"] for change in data["changes"] if change["kind"] == "added"]
    keys += [finding["subject"] for finding in news]
    name = find_shell_argument(split_vib_key(keys[0])[0]) if len(set(keys)) == 1 else None
    return f"esxcli software vib get -n {name}" if name else VIB_LIST


def _arguments(data: EventData, news: Sequence[Finding]) -> dict[str, str]:
    return {
        "vcenter": find_shell_argument(data["vcenter"]) or "VCENTER",
        "cluster": _cluster(data, news),
        "only_hosts": _only_hosts(data),
        "vib": _vib_command(data, news),
    }


def _cluster(data: EventData, news: Sequence[Finding]) -> str:
    cluster = data["cluster"]
    if cluster is not None:
        return find_shell_argument(cluster["name"]) or find_shell_argument(cluster["id"]) or "CLUSTER"
    subjects = {finding["subject"] for finding in news}
    return (find_shell_argument(subjects.pop()) if len(subjects) == 1 else None) or "CLUSTER"


def list_hosts_to_accept(data: EventData) -> list[str]:
    """The hosts whose software changed or is not as accepted; who joined is, and who left can't be."""
    changed = [change["hosts"] for change in data["changes"] if change["element"] != "host"]
    open_ = [one for one in data["findings"] if one["transition"] != "resolved"]
    unlike = [one["hosts"] for one in open_ if one["kind"] == "drift-unreviewed"]
    gone = {host for one in data["changes"] if _has_left(one) for host in one["hosts"]}
    return [host for hosts in (*changed, *unlike) for host in hosts if host not in gone]


def _has_left(change: Change) -> bool:
    return change["element"] == "host" and change["kind"] == "removed"


def _only_hosts(data: EventData) -> str:
    hosts = dict.fromkeys(list_hosts_to_accept(data))
    names = [find_shell_argument(data["host_names"].get(host, host)) for host in hosts]
    safe = [name for name in names if name is not None]
    return f" --hosts {','.join(safe)}" if names == safe and 0 < len(safe) <= MAX_COMMAND_HOSTS else ""
