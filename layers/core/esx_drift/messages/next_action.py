"""The one thing that the message of an event asks somebody to do, and the command for it.

Longer than 250 lines, because each advice stands beside what chooses it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from esx_drift.domain.events import OPENING_TRANSITIONS, NextStep, list_left_vibs, list_vanished
from esx_drift.domain.findings.kinds import FINDING_KINDS, Advice
from esx_drift.domain.stored.types import Change, EventData, Finding, FindingKind
from esx_drift.domain.text.wording import find_shell_argument, split_vib_key
from esx_drift.messages.advice import find_advice
from esx_drift.messages.change_lines import is_read_at_last, is_replaced_host, is_unlike_others
from esx_drift.messages.event_lines import (
    build_host_placeholders,
    build_placeholders,
    find_record_number,
    is_left_by_window,
    name_secret,
)
from esx_drift.messages.message_data import (
    MessageData,
    add_stack,
    count_places,
    list_ended_acceptances,
    list_hosts_to_renew,
)

_VIB_GONE: Final = Advice(
    "",
    "",
    "tell security, and don't remediate or reboot {listed} until it agrees. In vCenter > {scope} > Monitor > "
    "Tasks and Events, see who changed something; what was done on a host itself only its own logs say. To "
    "save them, run on each:",
    "vm-support",
)
"""An orphaned VIB that has gone, and that nobody had accepted: what it did there, only logs say now."""

_ACCEPTED_VIB_GONE: Final = Advice(
    "",
    "",
    "if nobody knows who removed it, see in vCenter > {scope} > Monitor > Tasks and Events.",
)
"""One that was accepted: removing it was somebody's right."""

_HOSTS_MOVED: Final = Advice(
    "",
    "",
    "nothing, if it was meant; if nobody knows, see in vCenter > {cluster} > Monitor > Tasks and Events who "
    "did it.",
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

_ACCEPTANCE_ENDED: Final = Advice(
    "",
    "",
    "remediate {listed}, or accept it anew:",
    FINDING_KINDS["drift-unreviewed"].advice.command,
)
"""Nothing has changed: nobody is to be looked for."""

_ACCEPTANCE_OF_VIB_ENDED: Final = Advice(
    "",
    "",
    "have it removed from {listed}, or accept it anew:",
    FINDING_KINDS["drift-unreviewed"].advice.command,
)
"""The same of an orphaned VIB: somebody knew of it, so it is no evidence."""

_ENDED: Final[Mapping[FindingKind, Advice]] = MappingProxyType(
    {"drift-unreviewed": _ACCEPTANCE_ENDED, "orphaned-vib": _ACCEPTANCE_OF_VIB_ENDED}
)

_NOTHING: Final = Advice("", "", "")
"""A host that was here already was read for the first time, and runs what the others run."""

PLANNED: Final = Advice(
    "",
    "",
    "if that was planned (else see who began it in vCenter > {scope} > Monitor > Tasks), accept it:",
    FINDING_KINDS["drift-unreviewed"].advice.command,
)
"""An upgrade that is done, and that nobody has accepted yet."""

_LEFT_BY_WINDOW: Final = Advice(
    "",
    "",
    "was it part of that work? If not, find who changed it in vCenter > {scope} > Monitor > Tasks and "
    "Events, and remediate it. If it was, accept it:",
    FINDING_KINDS["drift-unreviewed"].advice.command,
)
"""What planned work left behind: whoever did it is asked before it is undone."""

_MEANT: Final[Mapping[Advice, Callable[[Change], bool]]] = MappingProxyType(
    {_NEW_HOST: is_unlike_others, _OTHER_MACHINE: is_replaced_host}
)
"""Which changes an advice is about, where that is not all."""

VIB_LIST_COMMAND: Final = "esxcli software vib list"

MAX_COMMANDS: Final = 5
MAX_COMMAND_CHARACTERS: Final = 2_000
"""Of all commands of a message: what is longer is not pasted but looked up."""


def choose_advice(data: MessageData, news: Sequence[Finding]) -> Advice:
    """Choose the advice for what weighs most.

    Args:
        data: What the event says.
        news: Its findings that were opened or raised, the worst first.
    """
    changes = data["changes"]
    if any(_is_vib(change, "added") for change in changes):
        return FINDING_KINDS["orphaned-vib"].advice
    if _are_all(changes, lambda change: _is_vib(change, "removed")):
        return _choose_gone_advice(data)
    if _are_all(changes, lambda change: change["element"] == "host") and not list_hosts_to_accept(data):
        return _choose_host_advice(changes)
    if news and not changes:
        return _choose_finding_advice(data, news)
    return FINDING_KINDS["drift-unreviewed"].advice


def _choose_finding_advice(data: MessageData, news: Sequence[Finding]) -> Advice:
    """Choose the advice where nothing changed: for the worst of the ``news``."""
    ended = _ENDED.get(news[0]["kind"]) if list_ended_acceptances(news[0]) else None
    if ended is not None:
        return ended
    if news[0]["kind"] == "drift-unreviewed" and all(map(is_left_by_window, news)):
        return _LEFT_BY_WINDOW
    return find_advice(news[0], of_cluster=data["cluster"] is not None)


def _choose_gone_advice(data: MessageData) -> Advice:
    """Choose the advice for orphaned VIBs that are no longer there."""
    if list_vanished(data):
        return _VIB_GONE
    left = list_left_vibs(data)
    return _HOSTS_MOVED if all(change["key"] in left for change in data["changes"]) else _ACCEPTED_VIB_GONE


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


def build_next_step(advice: Advice, data: MessageData, news: Sequence[Finding]) -> NextStep | None:
    """Build the advice's step, filled in.

    Args:
        advice: What ``choose_advice`` chose.
        data: What the message says, but for what was put back.
        news: Its findings that were opened or raised, the worst first.

    Returns:
        The step, or None where nothing is to be done.
    """
    if not advice.step:
        return None
    is_meant = _MEANT.get(advice)
    meant = [change for change in data["changes"] if is_meant is None or is_meant(change)]
    hosts = [host for change in meant for host in change["hosts"]]
    about: list[Finding] = [{**finding, "hosts": _list_hosts_of(finding)} for finding in news[:1]]
    placeholders = (
        build_host_placeholders(hosts, data) if data["changes"] else build_placeholders(about, data)
    )
    commands, text = _render_commands(advice, data), advice.step.format(**placeholders)
    if len(commands) > MAX_COMMANDS or sum(map(len, commands)) > MAX_COMMAND_CHARACTERS:
        # What is cut would be about other hosts than the message.
        commands = [add_stack("esx-drift status", data)]
        text = f"{text.removesuffix(':')}, cluster by cluster. To see which they are:"
    return NextStep(text, commands[0] if commands else "", tuple(commands[1:]))


def build_rest_step(data: MessageData) -> NextStep:
    """Build the step where only a part is over: what is left was told before, and has to be looked up."""
    (cluster,) = _list_cluster_arguments(data["parts"][0], ())
    vcenter = find_shell_argument(data["vcenter"]) or "VCENTER"
    one = f"esx-drift status {cluster} --vcenter {vcenter}"
    command = one if count_places(data) == 1 else "esx-drift status"
    what = "what is left is evidence: tell security first. To see it:"
    text = what if has_rest_of_vib(data) else "see what is left, and put it back or accept it, too:"
    return NextStep(text, add_stack(command, data))


def has_rest_of_vib(data: EventData) -> bool:
    """Say whether a decision left a critical orphaned VIB open on hosts that it was not about."""
    return any(
        (finding["kind"], finding["severity"], finding["transition"]) == ("orphaned-vib", "critical", "still")
        and "accepted" in finding
        for finding in data["findings"]
    )


def _render_commands(advice: Advice, data: MessageData) -> list[str]:
    """Render the commands that go with a next step, to be pasted: one a cluster, where it is about several.

    Each names exactly the hosts of the message, by name or, where a shell would not take that, by id. Other
    names that could do harm in a shell are left to the reader: they stand there in capitals.
    """
    if not advice.command:
        return []
    commands = [command for part in data["parts"] for command in _list_commands(advice, part)]
    return [*dict.fromkeys(commands)]


def _list_commands(advice: Advice, data: EventData) -> Iterator[str]:
    news = [finding for finding in data["findings"] if finding["transition"] in OPENING_TRANSITIONS]
    for cluster in _list_cluster_arguments(data, news) if "{cluster}" in advice.command else ("",):
        command = advice.command.format(
            vcenter=find_shell_argument(data["vcenter"]) or "VCENTER",
            cluster=cluster,
            only_hosts=_render_hosts_option(data),
            vib=_render_vib_command(data, news),
            secret=_find_secret_argument(data, news),
        )
        yield add_stack(command, data)


def _find_secret_argument(data: EventData, news: Sequence[Finding]) -> str:
    parts = name_secret(news, data["vcenter"]).split("/")
    return "/".join(parts) if all(map(find_shell_argument, parts)) else "SECRET"


def _list_cluster_arguments(data: EventData, news: Sequence[Finding]) -> list[str]:
    """List clusters' names or ids as a shell takes them: the event's, or those that the news are about."""
    cluster = data["cluster"]
    if cluster is not None:
        return [find_shell_argument(cluster["name"]) or find_shell_argument(cluster["id"]) or "CLUSTER"]
    return [find_shell_argument(finding["subject"]) or "CLUSTER" for finding in news] or ["CLUSTER"]


def _render_hosts_option(data: EventData) -> str:
    """``" --hosts esx01,esx02"``; where they are all of the cluster, or none is named, ``" --record 6"``."""
    hosts = dict.fromkeys(list_hosts_to_accept(data))
    record, coverage = find_record_number(data), data["coverage"]
    if record and (not hosts or (coverage and len(hosts) == coverage["hosts"])):
        return f" --record {record}"
    if not hosts:
        return ""
    names = (
        find_shell_argument(data["host_names"].get(host, host)) or find_shell_argument(host) for host in hosts
    )
    return f" --hosts {','.join(name or 'HOST' for name in names)}"


def _render_vib_command(data: EventData, news: Sequence[Finding]) -> str:
    keys = [change["key"] for change in data["changes"] if change["kind"] == "added"]
    keys += [finding["subject"] for finding in news]
    name = find_shell_argument(split_vib_key(keys[0])[0]) if len(set(keys)) == 1 else None
    return f"esxcli software vib get -n {name}" if name else VIB_LIST_COMMAND


def list_hosts_to_accept(data: EventData) -> list[str]:
    """List the hosts whose software changed; where nothing changed, those that are not as accepted.

    A host that joined is as accepted; one that left can't be accepted. What was put back is accepted, and
    what the event does not show is not accepted by its command.
    """
    begun = [change for change in data["changes"] if "put_back" not in change]
    changed = [change["hosts"] for change in begun if change["element"] != "host"]
    news = [finding for finding in data["findings"] if finding["transition"] in OPENING_TRANSITIONS]
    unreviewed = [
        _list_hosts_of(finding)
        for finding in news
        if finding["kind"] == "drift-unreviewed" or list_ended_acceptances(finding)
    ]
    gone = {host for change in data["changes"] if _has_left(change) for host in change["hosts"]}
    return [host for hosts in changed or unreviewed for host in hosts if host not in gone]


def _list_hosts_of(finding: Finding) -> list[str]:
    """List the hosts that are news of a finding: where an acceptance ended, those that it was about."""
    return list_hosts_to_renew(finding) or finding["hosts"]


def _has_left(change: Change) -> bool:
    return change["element"] == "host" and change["kind"] == "removed"
