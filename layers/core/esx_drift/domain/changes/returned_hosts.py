"""Hosts that had left and are back: in this check, or in an earlier one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from esx_drift.domain.stored.types import Image, KnownHost, Snapshot


@dataclass(frozen=True, slots=True)
class DepartedHost:
    """A host that left in an earlier check: its name, and its last known image."""

    name: str
    image: Image | None


@dataclass(frozen=True, slots=True)
class ReturnedHost:
    """A host that came back: under which id it was known, and as what."""

    old_id: str
    image: Image | None
    orphaned_vibs: list[str] | None


def find_host_image(snapshot: Snapshot, known: KnownHost) -> Image | None:
    """Find the image of the host whose entry in ``snapshot`` is ``known``; None if the entry names none."""
    return None if known["image"] is None else snapshot["images"][known["image"]]


def match_returned_hosts(
    baseline: Snapshot, current: Snapshot, departed: Mapping[str, DepartedHost], hosts: Iterable[str]
) -> dict[str, ReturnedHost]:
    """Match the current hosts that had left with what is known of them.

    A host is known by its name, which DNS reads in any case. One that came back unseen, so that the baseline
    does not know what it runs, still counts as coming back.

    Args:
        baseline: The snapshot before.
        current: The snapshot now.
        departed: The hosts that left before ``baseline``, by the id that they had.
        hosts: The ids of the hosts to match, in this order: what is known of a host is given to the first
            that matches it. Those that are not in ``current`` are passed over.

    Returns:
        What is known of each host that came back, by its id in ``current``.
    """
    left_before = _LeftHosts(
        {host: ReturnedHost(host, former.image, []) for host, former in departed.items()},
        {host: former.name for host, former in departed.items()},
    )
    gone = {host: baseline["hosts"][host] for host in baseline["hosts"].keys() - current["hosts"].keys()}
    left_now = _LeftHosts(
        {
            host: ReturnedHost(host, find_host_image(baseline, known), known["orphaned_vibs"])
            for host, known in gone.items()
        },
        {host: known["name"] for host, known in gone.items()},
    )
    returned: dict[str, ReturnedHost] = {}
    for host in hosts:
        if host not in current["hosts"]:
            continue
        name, known_host = current["hosts"][host]["name"], baseline["hosts"].get(host)
        former = None
        if known_host is None:
            former = left_now.take(host, name) or left_before.take(host, name)
        elif known_host["image"] is None:
            former = left_before.take(host, name)
        if former is not None:
            returned[host] = former
    return returned


class _LeftHosts:
    """Hosts that left, each of which can come back once."""

    def __init__(self, hosts: dict[str, ReturnedHost], names: Mapping[str, str]) -> None:
        self.by_id = hosts
        self.by_name = {name.casefold(): host for host, name in names.items()}

    def take(self, host: str, name: str) -> ReturnedHost | None:
        """Take the one with this name, or else with this id; it is not given again."""
        old_id = self.by_name.pop(name.casefold(), host)
        return self.by_id.pop(old_id, None)
