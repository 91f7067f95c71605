"""How a cluster words its parts, from the wire alone and part by part."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from esx_drift.domain.stored.identifiers import encode_canonical_json

from tests.unit.domain.changes.clusters import ClusterModel, Wire

type Key = tuple[str, str, str]
"""An element, its id and its version: what the cluster has one wording of."""

type Place = tuple[str, str, str | None]
"""An element, its id, and the alternative image that it is in."""

type Parts = dict[Place, tuple[Key, bytes, bytes | None]]
"""What each part of an image is, by key and by content, and how it is worded, if at all."""

MAPS = {"component": "components", "removed_component": "removed_components", "solution": "solutions"}


def parts_of(image: Wire) -> Parts:
    """Every part of the image and of its alternatives."""
    parts = dict(_list_parts(image, None))
    for name, inside in (image.get("alternative_images") or {}).items():
        parts |= dict(_list_parts(inside, name))
        criteria = plain(inside["selection_criteria"])
        hardware = criteria.get("host_hardware_spec", {})
        criteria |= {"host_hardware_spec": {key: value for key, value in hardware.items() if value != []}}
        label = encode_canonical_json({"display_name": inside["display_name"]})
        key = ("alternative_image", name, "")
        parts["alternative_image", name, None] = key, encode_canonical_json(criteria), label
    return parts


def _list_parts(
    image: Wire, alternative: str | None
) -> Iterator[tuple[Place, tuple[Key, bytes, bytes | None]]]:
    for element in ("base_image", "add_on"):
        if image.get(element):
            yield (element, element, alternative), _read_part(element, element, image[element])
    for element, field in MAPS.items():
        for name, part in (image.get(field) or {}).items():
            yield (element, name, alternative), _read_part(element, name, part)


def _read_part(element: str, name: str, part: Wire) -> tuple[Key, bytes, bytes | None]:
    known = {"version": "", **plain(part)}
    details = known.pop("details", None)
    if "components" in known:  # a set, in which it makes no difference that one is named twice
        known["components"] = {one["component"]: None for one in known["components"]}
    version = f"{known['name']} {known['version']}" if element == "add_on" else known["version"]
    label = None if details is None else encode_canonical_json(details)
    return (element, name, version), encode_canonical_json(known), label


def plain(value: Any) -> Any:  # noqa: ANN401 -- any JSON
    """Without what is null, and every list in order."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items() if inner is not None}
    return sorted(map(plain, value), key=encode_canonical_json) if isinstance(value, list) else value


class Oracle:
    """Knows what each host ran when it was last seen, and how the cluster worded it."""

    def __init__(self) -> None:
        self._ran: dict[str, Parts] = {}
        self._wordings: dict[Key, bytes] = {}

    def relabelled(self, look: ClusterModel) -> set[tuple[Place, str, bytes, bytes]]:
        """The parts that hosts seen in this look have as before, where the cluster words them otherwise now.

        Each with the host, and both wordings. A part that a host has at several places counts at the first,
        its own image before alternative ones.
        """
        runs = {host: parts_of(model.software) for host, model in look.hosts.items()}
        before = self._wordings
        self._wordings = _list_wordings(runs)
        for host, parts in self._ran.items():
            if host not in look.hosts:
                for key, _, _ in parts.values():
                    if key in before:
                        self._wordings.setdefault(key, before[key])
        found: dict[tuple[Key, str], tuple[Place, str, bytes, bytes]] = {}
        for host, parts in runs.items():
            known = self._ran.get(host, {})
            for place in sorted(
                parts.keys() & known.keys(), key=lambda place: (place[2] is not None, place[2])
            ):
                (key, is_now, _), (was_key, was, _) = parts[place], known[place]
                old, new = before.get(key), self._wordings.get(key)
                if key == was_key and is_now == was and old != new:
                    said = (place, host, old or b"null", new or b"null")
                    found.setdefault((key, host), said)
        self._ran |= runs
        return set(found.values())


def _list_wordings(runs: dict[str, Parts]) -> dict[Key, bytes]:
    hosts: defaultdict[Key, defaultdict[bytes, set[str]]] = defaultdict(lambda: defaultdict(set))
    for host, parts in runs.items():
        for key, _, label in parts.values():
            if label is not None:
                hosts[key][label].add(host)
    return {
        key: min(wordings, key=lambda wording: (-len(wordings[wording]), wording))
        for key, wordings in hosts.items()
    }
