"""The command of a next step. Names from outside are in it only as a shell takes them."""

from collections.abc import Sequence
from typing import Final

from esx_drift.domain.shapes import Change, EventData, Finding
from esx_drift.domain.telling.next_steps import Advice
from esx_drift.domain.telling.wording import find_shell_argument, split_vib_key

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
