"""What a host's own image says of its parts, told from the wire alone and part by part."""

from collections.abc import Iterator
from typing import Any

from esx_drift.domain.stored.identifiers import encode_canonical_json

from tests.unit.domain.changes.clusters import ClusterModel, Wire

type Place = tuple[str, str, str | None]
"""An element, its key, and the alternative image that it is in."""

type Words = dict[Place, tuple[bytes, bytes]]
"""What a part is, and what is said of it."""

MAPS = {"component": "components", "removed_component": "removed_components", "solution": "solutions"}


def words(image: Wire) -> Words:
    """Everything that the image and its alternatives say."""
    found = dict(_scope(image, None))
    for name, inside in (image.get("alternative_images") or {}).items():
        found |= dict(_scope(inside, name))
        criteria = plain(inside["selection_criteria"])
        hardware = criteria.get("host_hardware_spec", {})
        criteria |= {"host_hardware_spec": {key: value for key, value in hardware.items() if value != []}}
        said = {"display_name": inside["display_name"]}
        found["alternative_image", name, None] = encode_canonical_json(criteria), encode_canonical_json(said)
    return found


def _scope(image: Wire, alternative: str | None) -> Iterator[tuple[Place, tuple[bytes, bytes]]]:
    for element in ("base_image", "add_on"):
        if image.get(element):
            yield (element, element, alternative), _part(image[element])
    for element, field in MAPS.items():
        for name, part in (image.get(field) or {}).items():
            yield (element, name, alternative), _part({"version": "", **plain(part)})


def _part(part: Wire) -> tuple[bytes, bytes]:
    known = plain(part)
    said = known.pop("details", None)
    if "components" in known:  # a set, in which it makes no difference that one is named twice
        known["components"] = {one["component"]: None for one in known["components"]}
    return encode_canonical_json(known), encode_canonical_json(said)


def plain(value: Any) -> Any:  # noqa: ANN401 -- any JSON
    """Without what is null, and every list in order."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items() if inner is not None}
    return sorted(map(plain, value), key=encode_canonical_json) if isinstance(value, list) else value


class Oracle:
    """Knows what each host said when it was last seen."""

    def __init__(self) -> None:
        self._known: dict[str, Words] = {}

    def relabelled(self, look: ClusterModel) -> set[tuple[Place, str, bytes, bytes]]:
        """The parts that each host seen in this look has as before but in other words, and these."""
        found = set()
        for host, model in look.hosts.items():
            now, before = words(model.software), self._known.get(host, {})
            for place in now.keys() & before.keys():
                (was, said), (is_now, says) = before[place], now[place]
                if was == is_now and said != says:
                    found.add((place, host, said, says))
            self._known[host] = now
        return found
