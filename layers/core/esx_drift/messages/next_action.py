"""The one thing that the message of an event asks somebody to do, and the command for it."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from esx_drift.domain.events import OPENING_TRANSITIONS, NextStep
from esx_drift.domain.findings.kinds import FINDING_KINDS, Advice
from esx_drift.domain.stored.types import Change, EventData, Finding
from esx_drift.domain.text.wording import find_shell_argument, split_vib_key
from esx_drift.messages.advice import find_advice
from esx_drift.messages.change_lines import is_read_at_last, is_replaced_host, is_unlike_others
from esx_drift.messages.event_lines import build_host_placeholders, build_placeholders

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

_NEW_HOST: Final = Advice(
    "",
    "",
    "was {first} set up like this on purpose? What it runs now counts as accepted. If it was not, bring it "
    "in line in vCenter > {cluster} > Updates > Image.",
)
"""A host that was never compared before, and that is not like the others."""

_OTHER_MACHINE: Final = Advice(
    "",
    "",
    "was the machine of {first} replaced? If nobody knows, see in vCenter > {cluster} > Monitor > Tasks and "
    "Events who added it. What it runs counts as accepted.",
)
"""A host that has a known name and is another machine: whose it is comes before what it runs."""

_NOTHING: Final = Advice("", "", "")
"""A host that was here already was read for the first time, and runs what the others run."""

_MEANT: Final[Mapping[Advice, Callable[[Change], bool]]] = MappingProxyType(
    {_NEW_HOST: is_unlike_others, _OTHER_MACHINE: is_replaced_host}
)
"""Which changes an advice is about, where that is not all."""

VIB_LIST_COMMAND: Final = "esxcli software vib list"

MAX_COMMAND_HOSTS: Final = 5
"""More hosts than these are not written out: then the command is about the whole cluster."""


def choose_advice(data: EventData, news: Sequence[Finding]) -> Advice:
    """Choose the advice for what weighs most.

    Args:
        data: What the event says.
        news: Its findings that were opened or raised, the worst first.
    """
    changes = data["changes"]
    if any(_is_vib(change, "added") for change in changes):
        return FINDING_KINDS["orphaned-vib"].advice
    if _are_all(changes, lambda change: _is_vib(change, "removed")):
        return _VIB_GONE
    if _are_all(changes, lambda change: change["element"] == "host") and not list_hosts_to_accept(data):
        return _choose_host_advice(changes)
    if news and not changes:
        return find_advice(news[0], of_cluster=data["cluster"] is not None)
    return FINDING_KINDS["drift-unreviewed"].advice


def _choose_host_advice(changes: Sequence[Change]) -> Advice:
    """Choose the advice for hosts that came and went, where no software changed."""
    if any(map(is_replaced_host, changes)):
        return _OTHER_MACHINE
    if any(map(is_unlike_others, changes)):
        return _NEW_HOST
    return _NOTHING if all(map(is_read_at_last, changes)) else _HOSTS_MOVED


def _is_vib(change: Change, kind: str) -> bool:
    return change["element"] == "orphaned_vib" and change["kind"] == kind


def _are_all(changes: Sequence[Change], holds: Callable[[Change], bool]) -> bool:
    return bool(changes) and all(map(holds, changes))


def build_next_step(advice: Advice, data: EventData, news: Sequence[Finding]) -> NextStep | None:
    """Build the advice's step, filled in.

    Args:
        advice: What ``choose_advice`` chose.
        data: What the event says.
        news: Its findings that were opened or raised, the worst first.

    Returns:
        The step, or None where nothing is to be done.
    """
    if not advice.step:
        return None
    is_meant = _MEANT.get(advice)
    meant = [change for change in data["changes"] if is_meant is None or is_meant(change)]
    hosts = [host for change in meant for host in change["hosts"]]
    placeholders = (
        build_host_placeholders(hosts, data) if data["changes"] else build_placeholders(news[:1], data)
    )
    return NextStep(advice.step.format(**placeholders), render_command(advice, data, news))


def render_command(advice: Advice, data: EventData, news: Sequence[Finding]) -> str:
    """Render the command that goes with a next step, to be pasted; empty where there is none.

    A name that could do harm in a shell is left to the reader: it stands there in capitals.

    Args:
        advice: What ``choose_advice`` chose.
        data: What the event says.
        news: Its findings that were opened or raised, the worst first.
    """
    if not advice.command:
        return ""
    return advice.command.format(
        vcenter=find_shell_argument(data["vcenter"]) or "VCENTER",
        cluster=_find_cluster_argument(data, news) or "CLUSTER",
        only_hosts=_render_hosts_option(data),
        vib=_render_vib_command(data, news),
    )


def _find_cluster_argument(data: EventData, news: Sequence[Finding]) -> str | None:
    """Find a cluster's name or id as a shell takes it: the event's, or the one that the news are about."""
    cluster = data["cluster"]
    if cluster is not None:
        return find_shell_argument(cluster["name"]) or find_shell_argument(cluster["id"])
    subjects = {finding["subject"] for finding in news}
    return find_shell_argument(subjects.pop()) if len(subjects) == 1 else None


def _render_hosts_option(data: EventData) -> str:
    """``" --hosts esx01,esx02"``; empty where they are too many, or a name would do harm."""
    hosts = dict.fromkeys(list_hosts_to_accept(data))
    names = [find_shell_argument(data["host_names"].get(host, host)) for host in hosts]
    safe_names = [name for name in names if name is not None]
    if names != safe_names or not 0 < len(safe_names) <= MAX_COMMAND_HOSTS:
        return ""
    return f" --hosts {','.join(safe_names)}"


def _render_vib_command(data: EventData, news: Sequence[Finding]) -> str:
    keys = [change["key"] for change in data["changes"] if change["kind"] == "added"]
    keys += [finding["subject"] for finding in news]
    name = find_shell_argument(split_vib_key(keys[0])[0]) if len(set(keys)) == 1 else None
    return f"esxcli software vib get -n {name}" if name else VIB_LIST_COMMAND


def list_hosts_to_accept(data: EventData) -> list[str]:
    """List the hosts whose software changed; where nothing changed, those that are not as accepted.

    A host that joined is as accepted; one that left can't be accepted. What the event does not show is not
    accepted by its command.
    """
    changed = [change["hosts"] for change in data["changes"] if change["element"] != "host"]
    news = [finding for finding in data["findings"] if finding["transition"] in OPENING_TRANSITIONS]
    unreviewed = [finding["hosts"] for finding in news if finding["kind"] == "drift-unreviewed"]
    gone = {host for change in data["changes"] if _has_left(change) for host in change["hosts"]}
    return [host for hosts in changed or unreviewed for host in hosts if host not in gone]


def _has_left(change: Change) -> bool:
    return change["element"] == "host" and change["kind"] == "removed"
