"""What a check leaves to the next one, after a year of checks over a few: it must not grow with time."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast

from esx_drift.domain.fleet.fleet import build_fleet
from esx_drift.log_reader import LogReader

from tests.unit.domain.changes.clusters import ClusterModel, HostModel
from tests.unit.domain.cluster_log import U3D, U3E, VIB, image
from tests.unit.month import PlayedFleet

BEGINS = datetime(2026, 12, 1, tzinfo=UTC)
INTERVAL_HOURS = 4
FEW, YEAR = 20, 2_190
HOSTS = 12
FLEET = {
    "schema_version": 1,
    "settings": {"extract": False},
    "vcenters": [{"name": "vc01"}],
    "routes": [],
}


def measure_state_year() -> float:
    """The bytes of `after` of the newest record after a year of checks, over those after 20 checks.

    Each day a host is upgraded or set back, each month one is replaced by a new one, and each fifth day one
    has a VIB: what is remembered of all that must be capped, or end.
    """
    played = PlayedFleet(build_fleet(cast("Any", FLEET)), {}, BEGINS, INTERVAL_HOURS, 300)
    cluster = ClusterModel(
        {f"host-{number}": HostModel(f"esx{number:04}", image()) for number in range(HOSTS)}
    )
    played.vcenters["vc01"].models["prod"] = cluster
    for number in range(YEAR):
        played.plan(BEGINS + timedelta(hours=INTERVAL_HOURS * number), played.run_schedule)
    for day in range(1, 365):
        played.plan(BEGINS + timedelta(days=day, hours=1), partial(_change, cluster, day))
    played.play(BEGINS + timedelta(hours=INTERVAL_HOURS * (FEW - 0.5)))
    few = _measure_state(played)
    played.play(BEGINS + timedelta(hours=INTERVAL_HOURS * YEAR))
    return _measure_state(played) / few


def _measure_state(played: PlayedFleet) -> int:
    return len(json.dumps(LogReader(played.store, "vc01", "domain-prod").read().after))


def _change(cluster: ClusterModel, day: int) -> None:
    names = [*cluster.hosts]
    if day % 30 == 0:
        del cluster.hosts[names[0]]
        cluster.hosts[f"host-{HOSTS + day}"] = HostModel(f"esx{HOSTS + day:04}", image())
        return
    host = cluster.hosts[names[day % HOSTS]]
    host.software["base_image"] = image(U3E if day % 2 else U3D)["base_image"]
    host.vibs = frozenset({VIB} if day % 5 == 0 else ())
