"""The report's rules, written once more from the documentation: an independent check of what is served."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

type Check = Callable[[Any, str], Iterator[str]]
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def _of(kind: type) -> Check:
    def check(value: Any, at: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
        if type(value) is not kind:
            yield f"{at}: {value!r} is no {kind.__name__}"

    return check


def _matching(pattern: str) -> Check:
    def check(value: Any, at: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            yield f"{at}: {value!r} is not {pattern}"

    return check


def _list(item: Check, *, distinct: bool = False) -> Check:
    def check(value: Any, at: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
        if not isinstance(value, list):
            yield f"{at}: no list"
            return
        if distinct and len(set(value)) != len(value):
            yield f"{at}: duplicates"
        for index, member in enumerate(value):
            yield from item(member, f"{at}/{index}")

    return check


def _map(key: str, item: Check) -> Check:
    def check(value: Any, at: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
        if not isinstance(value, dict):
            yield f"{at}: no object"
            return
        for name, member in value.items():
            if not re.fullmatch(key, name):
                yield f"{at}: key {name!r} is not {key}"
            yield from item(member, f"{at}/{name}")

    return check


def _structure(required: dict[str, Check], optional: dict[str, Check] | None = None) -> Check:
    def check(value: Any, at: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
        if not isinstance(value, dict):
            yield f"{at}: no object"
            return
        known = required | (optional or {})
        yield from (f"{at}: {name} is missing" for name in required if name not in value)
        for name, member in value.items():
            yield from known[name](member, f"{at}/{name}") if name in known else [f"{at}: {name} is unknown"]

    return check


def _notification(value: Any, at: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    yield from _NOTIFICATION(value, at)
    if "retriable" in value and value.get("type") != "ERROR":
        yield f"{at}: retriable without type ERROR"


def _selection(value: Any, at: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    yield from _SELECTION(value, at)
    of = {"HOST_UUID": {"host_uuids"}, "HOST_HARDWARE_SPEC": {"host_hardware_spec"}, "UNKNOWN": set()}
    if set(value) - {"selection_type"} != of[value["selection_type"]]:
        yield f"{at}: not what {value['selection_type']} holds"


_STR, _BOOL = _of(str), _of(bool)
_MOMENT = _matching(_TIME)
_HOST = r"host-\d+"
_HOSTS = _list(_matching(_HOST), distinct=True)
_MESSAGE = _structure(
    {"id": _STR, "default_message": _STR, "args": _list(_STR)},
    {"localized": _STR, "params": _map(".+", _of(dict))},
)
_NOTIFICATION = _structure(
    {"id": _STR, "time": _MOMENT, "message": _MESSAGE},
    {
        "type": _matching("INFO|WARNING|ERROR"),
        "resolution": _MESSAGE,
        "originator": _STR,
        "retriable": _BOOL,
    },
)
_NOTIFICATIONS = _structure({}, dict.fromkeys(("info", "warnings", "errors"), _list(_notification)))
_NAMED = {"display_name": _STR, "vendor": _STR}
_BASE_IMAGE = _structure(
    {"version": _STR},
    {
        "details": _structure(
            {"display_name": _STR, "display_version": _STR, "release_date": _MOMENT},
            {"quick_patch_compatible_versions": _map(".+", _STR)},
        )
    },
)
_ADD_ON = _structure(
    {"name": _STR, "version": _STR}, {"details": _structure(_NAMED | {"display_version": _STR})}
)
_COMPONENTS = _map(
    ".+", _structure({}, {"version": _STR, "details": _structure(_NAMED, {"display_version": _STR})})
)
_SOLUTION_COMPONENT = _structure(_NAMED | {"component": _STR}, {"display_version": _STR})
_SOLUTION_DETAILS = {"display_name": _STR, "display_version": _STR, "components": _list(_SOLUTION_COMPONENT)}
_SOLUTIONS = _map(
    ".+",
    _structure(
        {"version": _STR, "components": _list(_structure({"component": _STR}))},
        {"details": _structure(_SOLUTION_DETAILS)},
    ),
)
_HARDWARE = _structure({"packages": _map(".+", _structure({"pkg": _STR, "version": _STR}))})
_SPEC = _structure(
    {"vendor": _STR}, dict.fromkeys(("models", "families", "oem_strings"), _list(_STR, distinct=True))
)
_SELECTION = _structure(
    {"selection_type": _matching("HOST_UUID|HOST_HARDWARE_SPEC|UNKNOWN")},
    {"host_uuids": _list(_STR, distinct=True), "host_hardware_spec": _SPEC},
)
_IMAGE = {"base_image": _BASE_IMAGE, "components": _COMPONENTS, "solutions": _SOLUTIONS}
_PARTS = {"add_on": _ADD_ON, "hardware_support": _HARDWARE, "removed_components": _COMPONENTS}
_ALTERNATIVES = _map(
    ".+", _structure(_IMAGE | {"display_name": _STR, "selection_criteria": _selection}, _PARTS)
)
_INSTALLED = _structure(
    {"software_info": _structure(_IMAGE, _PARTS | {"alternative_images": _ALTERNATIVES}), "host_list": _HOSTS}
)
REPORT = _structure(
    {
        "completion_time": _MOMENT,
        "uniform_image": _BOOL,
        "status": _matching("UNAVAILABLE|ELIGIBILITY_CHECK_FAILURE|EXTRACT_INSTALLED_IMAGE_FAILURE|SUCCESS"),
        "successful_hosts": _HOSTS,
        "failed_hosts": _HOSTS,
        "unsupported_hosts": _HOSTS,
        "image_categories": _structure(
            {"is_highest_and_widely_used_image_equal": _BOOL},
            {
                "most_widely_used_image": _INSTALLED,
                "highest_versioned_image": _INSTALLED,
                "host_image_list": _list(_INSTALLED),
            },
        ),
        "host_notifications": _map(_HOST, _NOTIFICATIONS),
        "host_info": _map(_HOST, _structure({"name": _STR}, {"is_vsan_witness": _BOOL})),
        "orphaned_vibs": _map(r".+\(.+\)", _HOSTS),
        "notifications": _map("ELIGIBILITY_CHECK|EXTRACT_INSTALLED_IMAGE", _NOTIFICATIONS),
    }
)


def breaches(report: Any) -> list[str]:  # noqa: ANN401 - any JSON
    """Where the report breaks the rules of its types, or an invariant that the documentation states."""
    return list(REPORT(report, "")) or list(_invariants(report))


def _invariants(report: dict[str, Any]) -> Iterator[str]:
    categories = report["image_categories"]
    widest = _orderless(categories.get("most_widely_used_image"))
    highest = _orderless(categories.get("highest_versioned_image"))
    equal = categories["is_highest_and_widely_used_image_equal"]
    if report["uniform_image"] and not (equal and widest == highest and "host_image_list" not in categories):
        yield "uniform_image without equal images"
    if equal != (widest is not None and widest == highest):
        yield "is_highest_and_widely_used_image_equal is wrong"
    named = [widest] if equal else [widest, highest]
    shown = [image for image in [*named, *categories.get("host_image_list", [])] if image]
    listed = [host for image in shown for host in image["host_list"]]
    if sorted(listed) != sorted(report["successful_hosts"]):
        yield "successful_hosts are not each in one image"
    seen = report["successful_hosts"] + report["failed_hosts"] + report["unsupported_hosts"]
    if sorted(seen) != sorted(report["host_info"]):
        yield "host_info does not hold each listed host once"


def _orderless(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """The same JSON with every list sorted."""
    if isinstance(value, dict):
        return {key: _orderless(member) for key, member in value.items()}
    if isinstance(value, list):
        return sorted(
            (_orderless(member) for member in value), key=lambda item: json.dumps(item, sort_keys=True)
        )
    return value
