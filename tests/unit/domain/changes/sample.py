"""One document in which every field of the API is used, and hosts of every fate.

What has to fit together is written here; any other text, number or flag of the schema comes by itself.
"""

import json
from typing import Any

from esx_drift.contracts.validators import load_schema

from tests.unit.domain.changes.clusters import TIME, Wire

SCHEMA: Any = load_schema("installed-images")
MADE_UP = {"boolean": True, "integer": 1, "number": 1.5}
NOT_BY_ITSELF = {
    "localized": "it hides the other text",
    "retriable": "only an error has it",
    "params": "one is as good as all",
}
"""The fields that not every object of their kind can have, and why."""


def message(text: str) -> Wire:
    """A message with all of its fields but ``localized``, which would hide the other text."""
    return {
        "id": "com.vmware.vcIntegrity.lifecycle.Something",
        "default_message": text,
        "args": ["a", "b"],
        "params": {
            "p": {
                "s": "text",
                "dt": "2026-11-23T02:00:00.000Z",
                "i": 1,
                "d": 1.5,
                "l": {"id": "inner", "params": {"q": {"s": "deeper"}}},
                "format": "SHORT_DATE",
                "precision": 2,
            }
        },
    }


def notification(level: str, text: str) -> Wire:
    """A notification with all of its fields."""
    found = {
        "type": level,
        "id": "52f9f1b0",
        "time": "2026-11-23T02:13:19.000Z",
        "message": message(text),
        "resolution": message(f"mend {text}"),
        "originator": "ext[com.vmware.vcIntegrity]",
    }
    return found | {"retriable": False} if level == "ERROR" else found


def notifications() -> Wire:
    """One of each level; the errors' second text is localized."""
    localized = notification("ERROR", "second")
    localized["message"]["localized"] = "zweitens"
    localized["resolution"]["localized"] = "beheben"
    return {
        "info": [notification("INFO", "by the way")],
        "warnings": [notification("WARNING", "beware")],
        "errors": [notification("ERROR", "first"), localized],
    }


def component(version: str, **more: Any) -> Wire:  # noqa: ANN401 -- any field of a component
    """A component with its details."""
    details = {"display_name": "driver", "vendor": "Intel", "display_version": version.partition("-")[0]}
    return {"version": version, "details": details, **more}


def software() -> Wire:
    """What an image and an alternative image have in common, every field used."""
    return {
        "base_image": {
            "version": "8.0.3-0.60.24585383",
            "details": {
                "display_name": "ESXi",
                "display_version": "8.0 U3d - 24585383",
                "release_date": "2025-03-04T00:00:00.000Z",
                "quick_patch_compatible_versions": {"8.0.3-0.35.24280767": "8.0.3-0.60.24585383"},
            },
        },
        "add_on": {
            "name": "HPE-Custom-AddOn",
            "version": "803.0.0.11.7.0-23",
            "details": {"display_name": "HPE", "vendor": "HPE", "display_version": "11.7.0"},
        },
        "components": {"Intel-i40en": component("2.7.2.0-1OEM.800.1.0.20613240")},
        "solutions": {
            "com.vmware.vsphere-wcp": {
                "version": "0.1.11-24022510",
                "components": [{"component": "VMware-Spherelet"}],
                "details": {
                    "display_name": "Tanzu",
                    "display_version": "0.1.11",
                    "components": [
                        {
                            "component": "VMware-Spherelet",
                            "display_name": "Spherelet",
                            "display_version": "0.1",
                            "vendor": "VMware",
                        }
                    ],
                },
            }
        },
        "hardware_support": {"packages": {"com.hpe.oneview": {"pkg": "SPP", "version": "2024.09"}}},
        "removed_components": {"HPE-nhpsa": component("1.0")},
    }


def alternative(criteria: Wire) -> Wire:
    """An alternative image."""
    return {**software(), "display_name": "For others", "selection_criteria": criteria}


def complete(value: Any, schema: Any) -> Any:  # noqa: ANN401 -- any JSON
    """The same JSON, with each text, number and flag that the schema knows and the value lacks."""
    schema, _ = follow(schema)
    if isinstance(value, list):
        return [complete(item, schema["items"]) for item in value]
    if not isinstance(value, dict):
        return value
    known = {name: follow(inner)[0] for name, inner in schema.get("properties", {}).items()}
    lacking = {name: make_up(name, inner) for name, inner in known.items() if name not in value}
    more = {name: made for name, made in lacking.items() if made is not None and name not in NOT_BY_ITSELF}
    rest = schema.get("additionalProperties")
    had = {
        name: inner if name in NOT_BY_ITSELF else complete(inner, known.get(name, rest))
        for name, inner in value.items()
    }
    return had | more


def follow(schema: Any, owner: str = "") -> tuple[Any, str]:  # noqa: ANN401 -- any JSON
    """The schema behind a reference, or behind "null or else", and the structure that it describes."""
    while "$ref" in schema or "else" in schema:
        schema = schema.get("else", schema)
        if "$ref" in schema:
            owner = schema["$ref"].removeprefix("#/$defs/")
            schema = SCHEMA["$defs"][owner]
    return schema, owner


def make_up(name: str, schema: Any) -> Any:  # noqa: ANN401 -- any JSON
    """A value of the schema's type; None where that is an object or a list, which have to be written."""
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if "string" in kinds:
        return TIME if schema.get("format") == "date-time" else f"some {name}"
    return next((MADE_UP[kind] for kind in kinds if kind in MADE_UP), None)


def sample() -> Wire:
    """Two hosts that run the image, and one that could not be read, one too old, one missing."""
    hardware = {"vendor": "Dell", "models": ["R760"], "families": ["PowerEdge"], "oem_strings": ["x"]}
    image = {
        **software(),
        "alternative_images": {
            "by-uuid": alternative({"selection_type": "HOST_UUID", "host_uuids": ["4c4c4544"]}),
            "by-hardware": alternative(
                {"selection_type": "HOST_HARDWARE_SPEC", "host_hardware_spec": hardware}
            ),
        },
    }
    hosts = ["host-16", "host-17"]
    found: Wire = {
        "completion_time": "2026-11-23T02:13:20.000Z",
        "uniform_image": True,
        "status": "EXTRACT_INSTALLED_IMAGE_FAILURE",
        "successful_hosts": hosts,
        "failed_hosts": ["host-18"],
        "unsupported_hosts": ["host-19"],
        "image_categories": {
            "is_highest_and_widely_used_image_equal": True,
            "most_widely_used_image": {"software_info": image, "host_list": hosts},
            "highest_versioned_image": {"software_info": image, "host_list": hosts},
            "host_image_list": [],
        },
        "host_notifications": {host: notifications() for host in ("host-16", "host-18")},
        "host_info": {
            "host-16": {"name": "esx01", "is_vsan_witness": False},
            "host-17": {"name": "esx02", "is_vsan_witness": False},
            "host-18": {"name": "esx03", "is_vsan_witness": False},
            "host-19": {"name": "esx04", "is_vsan_witness": False},
        },
        "orphaned_vibs": {"mft(4.25.0.802-0)": ["host-16"]},
        "notifications": {
            "ELIGIBILITY_CHECK": notifications(),
            "EXTRACT_INSTALLED_IMAGE": notifications(),
        },
    }
    copied: Wire = complete(json.loads(json.dumps(found)), SCHEMA)
    return copied
