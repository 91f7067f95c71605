"""The rendering of the legacy /rest interface, where a map is a list of key and value."""

from typing import Any

# `components` and `notifications` are maps in one place and lists or structures in another.
MAPS = {
    "alternative_images",
    "components",
    "host_info",
    "host_notifications",
    "notifications",
    "orphaned_vibs",
    "packages",
    "quick_patch_compatible_versions",
    "removed_components",
    "solutions",
}


def maps_as_lists(value: Any) -> Any:  # noqa: ANN401 - any JSON at all
    """The same JSON with each map as a list of {"key", "value"}."""
    if isinstance(value, list):
        return [maps_as_lists(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: maps_as_lists(item) for key, item in value.items()}
    for name in MAPS & found.keys():
        if isinstance(found[name], dict):
            found[name] = [{"key": key, "value": item} for key, item in found[name].items()]
    return found
