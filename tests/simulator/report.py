"""Makes the installed-images report of a cluster as one extraction would leave it."""

import json
import random
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, cast

from tests.simulator.inventory import Cluster, Host
from tests.simulator.notices import (
    notices_of_covered,
    notices_of_failed,
    notices_of_report,
    notices_of_unsupported,
    timestamp,
    with_own_notice,
)
from tests.simulator.wire import (
    HostInfo,
    ImageCategories,
    InstalledImage,
    Notifications,
    Report,
    ReportStatus,
)

OLDEST_SUPPORTED = [7, 0, 2]
_ORDERED = {"args"}


def version_key(version: str) -> list[int]:
    """The numbers of a version, for ordering base images."""
    return [int(number) for number in re.findall(r"\d+", version)]


def make_report(
    cluster: Cluster, hosts: list[Host], status: ReportStatus, at: datetime, rng: random.Random
) -> Report:
    """The report as extracted at this time; ids of notifications and every order come from `rng`."""
    # UNAVAILABLE: it failed before a check was requested of any host.
    seen = [host for host in hosts if not host.left_out and status != "UNAVAILABLE"]
    unsupported = [host for host in seen if _is_unsupported(host)]
    failed = [host for host in seen if host not in unsupported and _failure(host)]
    covered = [host for host in seen if host not in unsupported and host not in failed]
    if status != "SUCCESS":
        covered, failed, unsupported = [], seen, []
    elif not covered:
        status = "EXTRACT_INSTALLED_IMAGE_FAILURE" if failed else "UNAVAILABLE"
    images = installed_images(covered)
    report: Report = {
        "completion_time": timestamp(at),
        "uniform_image": len(images) == 1,
        "status": status,
        "successful_hosts": _ids(covered),
        "failed_hosts": _ids(failed),
        "unsupported_hosts": _ids(unsupported),
        "image_categories": categories(images),
        "host_notifications": _host_notifications(covered, failed, unsupported),
        "host_info": {host.host: _host_info(host) for host in seen},
        "orphaned_vibs": orphaned_vibs(covered),
        "notifications": notices_of_report(cluster.name, status, managed_by_image=cluster.managed_by_image),
    }
    return shuffled(report, rng)


def installed_images(hosts: Iterable[Host]) -> list[InstalledImage]:
    """Hosts grouped by what they run, each group in the order of its first host."""
    groups: dict[str, InstalledImage] = {}
    for host in hosts:
        key = json.dumps(host.software, sort_keys=True)
        groups.setdefault(key, {"software_info": host.software, "host_list": []})["host_list"].append(
            host.host
        )
    return list(groups.values())


def categories(images: list[InstalledImage]) -> ImageCategories:
    """Images in their three places; of equally used ones the higher counts, of equally high the more used."""
    if not images:
        return {"is_highest_and_widely_used_image_equal": False}
    widest = max(images, key=lambda image: (len(image["host_list"]), _height(image)))
    highest = max(images, key=lambda image: (_height(image), len(image["host_list"])))
    found: ImageCategories = {
        "is_highest_and_widely_used_image_equal": widest is highest,
        "most_widely_used_image": widest,
        "highest_versioned_image": highest,
    }
    others = [image for image in images if image is not widest and image is not highest]
    if others:
        found["host_image_list"] = others
    return found


def orphaned_vibs(hosts: Iterable[Host]) -> dict[str, list[str]]:
    """VIBs of no component, each with the hosts that have it."""
    found: dict[str, list[str]] = {}
    for host in hosts:
        for vib in sorted(host.orphaned_vibs):
            found.setdefault(vib, []).append(host.host)
    return found


def shuffled[T](value: T, rng: random.Random) -> T:
    """The same JSON with every object and every list (but messages' arguments) in another order."""
    return cast("T", _shuffle(value, rng))


def _shuffle(value: Any, rng: random.Random) -> Any:  # noqa: ANN401 - any JSON at all
    if isinstance(value, list):
        return [_shuffle(item, rng) for item in rng.sample(value, len(value))]
    if not isinstance(value, dict):
        return value
    keys = rng.sample(list(value), len(value))
    return {key: value[key] if key in _ORDERED else _shuffle(value[key], rng) for key in keys}


def _height(image: InstalledImage) -> list[int]:
    return version_key(image["software_info"]["base_image"]["version"])


def _is_unsupported(host: Host) -> bool:
    return version_key(host.software["base_image"]["version"])[:3] < OLDEST_SUPPORTED


def _failure(host: Host) -> str | None:
    if host.connection_state != "CONNECTED":
        return f"Host '{host.name}' is in state {host.connection_state}."
    return host.extraction_error


def _ids(hosts: Iterable[Host]) -> list[str]:
    return [host.host for host in hosts]


def _host_info(host: Host) -> HostInfo:
    return {"name": host.name, "is_vsan_witness": True} if host.is_vsan_witness else {"name": host.name}


def _host_notifications(
    covered: list[Host], failed: list[Host], unsupported: list[Host]
) -> dict[str, Notifications]:
    found = [(host, notices_of_covered(host)) for host in covered]
    found += [(host, notices_of_failed(host.name, _failure(host) or "Extraction failed.")) for host in failed]
    found += [(host, notices_of_unsupported(host.name)) for host in unsupported]
    return {host.host: with_own_notice(host, notices) for host, notices in found}
