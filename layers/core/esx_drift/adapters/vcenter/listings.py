"""Listings of the vCenter: clusters, hosts and what divides them; and what hosts are by their hardware.

Here ids and names enter: what leaves this module has a bounded length, and can be written anywhere.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Protocol

from esx_drift.adapters.vcenter.error_answers import (
    build_unforeseen_error,
    parse_answer_json,
    translate_error_answer,
)
from esx_drift.adapters.vcenter.http_client import HttpAnswer
from esx_drift.adapters.vcenter.responses import require_string, require_text
from esx_drift.domain.stored.identifiers import parse_machine_uuid
from esx_drift.domain.text.wording import clean_text
from esx_drift.domain.vcenter_api import (
    HOST_UUID_PROPERTY,
    INVENTORY_PATH,
    MAX_LISTED_CHARACTERS,
    TOO_MANY_RESULTS,
    UNUSABLE_ID,
    is_usable_id,
)
from esx_drift.errors import VCenterError
from esx_drift.ports import InventoryEntry, ListedCluster


def parse_list(answer: HttpAnswer) -> list[Mapping[str, object]]:
    """The body of a listing: objects, of which a single one may hold texts that are of no use."""
    value = parse_answer_json(answer, allow_surrogates=True)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise build_unforeseen_error(answer, "with a body that is not a list of objects")
    return value


class ListedObject(Protocol):
    """An object of the inventory."""

    @property
    def id(self) -> str:
        """Its id."""
        ...


def collect_entries[T: ListedObject](
    answers: Iterable[HttpAnswer], parse: Callable[[Mapping[str, object], HttpAnswer], T], most: int
) -> tuple[T, ...]:
    """Collect the objects of a listing, each once, whichever of the answers hold it.

    Args:
        answers: The answers, read one after the other.
        parse: Makes an entry of one object of an answer.
        most: More objects than that are no listing of a vCenter's.
    """
    entries: dict[str, T] = {}
    for answer in answers:
        entries |= {entry.id: entry for entry in (parse(item, answer) for item in parse_list(answer))}
        if len(entries) > most:
            raise build_unforeseen_error(answer, f"with more than {most} objects, which no vCenter holds")
    return tuple(entries.values())


_ESCAPED = re.compile("%(25|2f|5c)", re.IGNORECASE)


def decode_name(name: str) -> str:
    """Decode a name of an inventory object, in which vSphere escapes ``%``, ``/`` and the backslash.

    Source: ``ManagedEntity.name`` in the vSphere Web Services API reference.
    """
    return _ESCAPED.sub(lambda escape: bytes.fromhex(escape[1]).decode(), name)


_UNWRITABLE_CATEGORIES = frozenset({"Cc", "Cs"})
"""Control characters and halves of surrogate pairs, by ``unicodedata``."""


def _require_name(item: Mapping[str, object], answer: HttpAnswer) -> str:
    """The object's name, cut and without what a queue, a key or a line has no place for."""
    cut = decode_name(require_string(item, "name", answer)[:MAX_LISTED_CHARACTERS])
    return "".join("\ufffd" if unicodedata.category(char) in _UNWRITABLE_CATEGORIES else char for char in cut)


def parse_cluster(item: Mapping[str, object], answer: HttpAnswer) -> ListedCluster:
    """Parse ``item`` of the listing ``answer`` as a cluster.

    One whose id can't be used gets one of ours, and is no cluster to check. Its id says so (``UNUSABLE_ID``),
    and what it is instead of. The other clusters of the listing go on.
    """
    cluster = require_string(item, "cluster", answer)
    usable = cluster if is_usable_id(cluster) else f"{UNUSABLE_ID} {clean_text(cluster)}"
    return ListedCluster(usable, _require_name(item, answer))


def parse_host(item: Mapping[str, object], answer: HttpAnswer) -> InventoryEntry:
    """Parse ``item`` of the listing ``answer`` as a host.

    Raises:
        VCenterError: A field is missing, or its id is of no use: it can't be found in the report.
    """
    host, power = require_string(item, "host", answer), item.get("power_state")
    if not is_usable_id(host):
        raise build_unforeseen_error(answer, f"with a host whose id is of no use: {clean_text(host)}")
    return InventoryEntry(
        host,
        _require_name(item, answer),
        require_text(item, "connection_state", answer),
        require_text(item, "power_state", answer) if isinstance(power, str) and power else None,
        parse_machine_uuid(item.get("host_uuid")),
    )


HOST_TYPE = "HostSystem"
"""The managed object type of a host."""


def build_host_uuids_request(hosts: Collection[str]) -> dict[str, object]:
    """Build the parameters of RetrievePropertiesEx that read one property of each of the ``hosts`` (ids).

    A host that is not there any more is left out of the answer, instead of failing it for all. Source:
    ``RetrievePropertiesExRequestType`` and ``PropertyFilterSpec`` in
    https://developer.broadcom.com/xapis/virtual-infrastructure-json-api/8.0.3/
    """
    references = [
        {"_typeName": "ManagedObjectReference", "type": HOST_TYPE, "value": host} for host in sorted(hosts)
    ]
    spec = {
        "_typeName": "PropertyFilterSpec",
        "propSet": [{"_typeName": "PropertySpec", "type": HOST_TYPE, "pathSet": [HOST_UUID_PROPERTY]}],
        "objectSet": [{"_typeName": "ObjectSpec", "obj": reference} for reference in references],
        "reportMissingObjectsInResults": True,
    }
    return {"specSet": [spec], "options": {"_typeName": "RetrieveOptions"}}


def parse_host_uuids(answer: HttpAnswer, hosts: Collection[str]) -> dict[str, str]:
    """Parse a ``RetrieveResult``: the UUIDs of those of the ``hosts`` that have one in the ``answer``.

    One without it (a host that is disconnected, or that the account may not read) is left out, and so is
    whatever was not asked for. No answer at all, ``null``, means that none of the hosts is shown.
    """
    result = parse_answer_json(answer, allow_surrogates=True)
    if result is None:
        return {}
    objects = result.get("objects") if isinstance(result, dict) else None
    if not isinstance(objects, list):
        raise build_unforeseen_error(answer, "with a body that is no RetrieveResult")
    found = dict(_parse_properties(item) for item in objects)
    return {host: uuid for host, uuid in found.items() if host in hosts and uuid is not None}


def _parse_properties(item: object) -> tuple[str, str | None]:
    """Parse an ``ObjectContent``: the host's id and its UUID; an empty id where it has none."""
    content = item if isinstance(item, dict) else {}
    reference, properties = content.get("obj"), content.get("propSet")
    host = reference.get("value") if isinstance(reference, dict) else None
    values = [
        each.get("val")
        for each in (properties if isinstance(properties, list) else ())
        if isinstance(each, dict) and each.get("name") == HOST_UUID_PROPERTY
    ]
    # A text stands in its property by itself, or boxed: the value of a property may be of any type.
    texts = [value.get("_value") if isinstance(value, dict) else value for value in values]
    return host if isinstance(host, str) else "", parse_machine_uuid(texts[0]) if texts else None


type QueryParams = Sequence[tuple[str, str]]


type GetCall = Callable[[str, QueryParams], HttpAnswer]


def list_everything(get: GetCall, path: str, params: QueryParams = ()) -> Iterator[HttpAnswer]:
    """List all objects of a kind; by datacenter, then by folder, if there are too many for one answer.

    Args:
        get: Sends one GET and returns its answer, whatever its status.
        path: The path of the listing.
        params: The query that every part of the listing has.

    Yields:
        The answers that together list them all. An object may stand in several of them.

    Raises:
        EsxDriftError: The failure of a call, also where one single folder holds too many.
    """
    return _list_in_parts(get, path, params, (_divide_by_datacenter, _divide_by_folder))


type DivideQuery = Callable[[GetCall, QueryParams], Iterable[QueryParams]]


def _list_in_parts(
    get: GetCall, path: str, params: QueryParams, divisions: Sequence[DivideQuery]
) -> Iterator[HttpAnswer]:
    answer = get(path, params)
    if answer.status == HTTPStatus.OK:
        yield answer
        return
    failure = translate_error_answer(answer)
    if (
        not divisions
        or not isinstance(failure, VCenterError)
        or failure.facts.get("error_type") != TOO_MANY_RESULTS
    ):
        raise failure
    divide, *finer = divisions
    for part_params in divide(get, params):
        yield from _list_in_parts(get, path, part_params, finer)


def _divide_by_datacenter(get: GetCall, params: QueryParams) -> Iterable[QueryParams]:
    for datacenter in _list_ids(get, "datacenter", ()):
        yield (*params, ("datacenters", datacenter))


def _divide_by_folder(get: GetCall, params: QueryParams) -> Iterable[QueryParams]:
    datacenters = [pair for pair in params if pair[0] == "datacenters"]
    for folder in _list_ids(get, "folder", [*datacenters, ("type", "HOST")]):
        yield (*params, ("folders", folder))


def _list_ids(get: GetCall, kind: str, params: QueryParams) -> list[str]:
    answer = get(f"{INVENTORY_PATH}{kind}", params)
    if answer.status != HTTPStatus.OK:
        raise translate_error_answer(answer)
    return [require_text(item, kind, answer) for item in parse_list(answer)]
