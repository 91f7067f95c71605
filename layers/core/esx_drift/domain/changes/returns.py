"""Which hosts of a snapshot are hosts that had left: removing, tampering and adding again hides nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from esx_drift.domain.images.description import Description, Descriptions
from esx_drift.domain.shapes import Image, KnownHost, Snapshot


@dataclass(frozen=True, slots=True)
class DepartedHost:
    """A host that left in an earlier check: its name, its last known image, and how that was described."""

    name: str
    image: Image | None
    description: Description


@dataclass(frozen=True, slots=True)
class ReturnedHost:
    """A host that came back: under which id it was known, and as what."""

    old_id: str
    image: Image | None
    description: Description
    orphaned_vibs: list[str] | None


def find_host_image(snapshot: Snapshot, known: KnownHost) -> Image | None:
    """What the host runs, as far as the snapshot knows."""
    return None if known["image"] is None else snapshot["images"][known["image"]]


def match_returned_hosts(
    baseline: Snapshot, current: Snapshot, departed: Mapping[str, DepartedHost], hosts: Iterable[str]
) -> dict[str, ReturnedHost]:
    """The current hosts that had left, by id; ``hosts`` gives the order in which they are looked for.

    A host is known by its name, which DNS reads in any case.

    One that came back unseen, so that the baseline does not know what it runs, still counts as coming back.
    """
    left_before = _Left(
        {host: ReturnedHost(host, former.image, former.description, []) for host, former in departed.items()},
        {host: former.name for host, former in departed.items()},
    )
    gone = {host: baseline["hosts"][host] for host in baseline["hosts"].keys() - current["hosts"].keys()}
    words = Descriptions(baseline)
    left_now = _Left(
        {
            host: ReturnedHost(host, find_host_image(baseline, known), words.of(host), known["orphaned_vibs"])
            for host, known in gone.items()
        },
        {host: known["name"] for host, known in gone.items()},
    )
    found: dict[str, ReturnedHost] = {}
    for host in hosts:
        if host not in current["hosts"]:
            continue
        name, known_host = current["hosts"][host]["name"], baseline["hosts"].get(host)
        former = None
        if known_host is None:
            former = left_now.taken(host, name) or left_before.taken(host, name)
        elif known_host["image"] is None:
            former = left_before.taken(host, name)
        if former is not None:
            found[host] = former
    return found


class _Left:
    """Hosts that left, each of which can come back once."""

    def __init__(self, hosts: dict[str, ReturnedHost], names: Mapping[str, str]) -> None:
        self.by_id = hosts
        self.by_name = {name.casefold(): host for host, name in names.items()}

    def taken(self, host: str, name: str) -> ReturnedHost | None:
        """The one with this name, or else with this id; it is not given again."""
        old_id = self.by_name.pop(name.casefold(), host)
        return self.by_id.pop(old_id, None)
