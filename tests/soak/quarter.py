"""A quarter of a year of a fleet in virtual time: what the product takes of memory, files and S3 stays.

It is played as the month of ``tests/unit/month.py`` is. The fleet lives: drivers spread, clusters are
upgraded host by host, hosts join, leave, move, are replaced and are added again under another id; a vCenter
is away for a day now and then, and a person accepts what changed. Half of the vCenters are asked for a report
at each check, and for its task until that is done.
"""

import json
import logging
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, cast

from esx_drift.domain.fleet.fleet import Fleet, build_fleet
from esx_drift.domain.stored.identifiers import VCENTER_LOG, make_record_prefix, make_state_key

from tests.simulator.certificates import Authority
from tests.simulator.listener import Tls
from tests.soak.filed_s3 import FiledS3
from tests.soak.measuring import Measure, build_flat, build_limited, build_shown
from tests.unit.domain.changes.clusters import ClusterModel, HostModel, Wire
from tests.unit.domain.changes.sample import component
from tests.unit.domain.cluster_log import I40EN, image
from tests.unit.month import PlayedFleet
from tests.unit.notifying.world import AUDIT, STATE
from tests.unit.timed_slack import TimedSlack, play_with_slack

BEGINS = datetime(2026, 12, 1, 0, 10, tzinfo=UTC)
INTERVAL_HOURS = 4
VCENTERS = ("vc01", "vc02", "vc03", "vc04")
EXTRACTING = ("vc01", "vc02")
"""Those that are asked for a report at each check; of the others the last one is read."""

EXTRACTION_SECONDS = 100
"""More than the pause before its task is first read: that one finds it running."""

HOSTS_OF_ONE = 4
DOWN_FOR = 6
"""Schedules: a day."""

MEGABYTE = 1 << 20
STATM, DESCRIPTORS = Path("/proc/self/statm"), Path("/proc/self/fd")

GROWTH_BOUNDS = {
    "memory of the process, MB": 1.1,
    "open file descriptors": 1.1,
    "largest state pointer, bytes": 1.05,
    "newest record of a log, mean, bytes": 1.25,
    "LIST a schedule": 1.1,
    "keys listed a schedule": 1.25,
    "GET a schedule": 1.1,
    "PUT a schedule": 1.25,
}
"""The last tenth of the schedules over the second tenth, by median.

A record names the hosts that left within 90 days, and so grows a little for a quarter of a year; how many
objects are written and listed depends on what changed in those days.
"""


LIMITS = {"logs that failed, their vCenter up": 0}


@dataclass(slots=True)
class Quarter:
    """What happens to the fleet, and what was measured after each schedule."""

    played: PlayedFleet
    slack: TimedSlack
    s3: FiledS3
    clusters_of_one: int
    values: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _ids: "count[int]" = field(default_factory=lambda: count(1))
    _versions: "count[int]" = field(default_factory=lambda: count(10))
    _cpu: float = field(default_factory=time.process_time)
    _spares: dict[str, HostModel] = field(default_factory=dict)
    _newer: dict[int, Wire] = field(default_factory=dict)

    def prepare(self, schedules: int) -> None:
        """Equal clusters, with a spare host a vCenter; and all that is planned."""
        for vcenter in self.played.vcenters.values():
            vcenter.extraction_seconds = EXTRACTION_SECONDS
            for number in range(1, self.clusters_of_one + 1):
                name = f"{vcenter.name}-prod-{number:02}"
                vcenter.models[name] = ClusterModel({})
                for host in range(1, HOSTS_OF_ONE + 1):
                    self._add(vcenter.models[name], HostModel(f"esx{host}-{name}.example", image()))
            self._spares[vcenter.name] = HostModel(f"spare-{vcenter.name}.example", image())
        for number in range(schedules):
            at = BEGINS + number * timedelta(hours=INTERVAL_HOURS)
            self.played.plan(at, partial(self._begin, number))
            self.played.plan(at + timedelta(hours=1), self.played.report)
            self.played.plan(at + timedelta(hours=INTERVAL_HOURS, seconds=-1), self._measure)

    def _begin(self, number: int) -> None:
        self._churn(number)
        self.played.run_schedule()

    def _churn(self, number: int) -> None:
        """What happened since the last schedule."""
        models = [model for vcenter in self.played.vcenters.values() for model in vcenter.models.values()]
        turn, step = divmod(number, 10)
        chosen, other = models[turn % len(models)], models[(3 * turn + 1) % len(models)]
        self._move_spare(VCENTERS[turn % len(VCENTERS)], turn // len(VCENTERS), step)
        if step == 0:
            self._release(chosen)
        elif step <= HOSTS_OF_ONE:
            self._upgrade(chosen, step - 1)
        if step in {7, 8}:
            self._spread_driver(other, everywhere=step == 8)
        if number % 7 == 1:
            self._add_again(models[(number // 7) % len(models)])
        if number % 42 == 41:
            self._replace_host(models[(number // 42) % len(models)], number)
        if number % 60 in {20, 20 + DOWN_FOR}:
            is_away = number % 60 == 20
            self.played.vcenters["vc04"].down = "TCP connect to vc04.corp:443 timed out" if is_away else None
        if number % 30 == 29:
            for vcenter in self.played.vcenters.values():
                for name in vcenter.models:
                    self.played.accept(vcenter.name, name, f"CHG-{number}")

    def _release(self, model: ClusterModel) -> None:
        """A newer image is there for this cluster."""
        version = next(self._versions)
        newer = image((f"8.0.3-0.{version}.{24_000_000 + version}", f"8.0 U3 - {24_000_000 + version}"))
        newer["components"] = {I40EN: component(f"2.{version}.0.0-1")}
        self._newer[id(model)] = newer

    def _upgrade(self, model: ClusterModel, position: int) -> None:
        hosts = [*model.hosts.values()]
        chosen = hosts[position:] if position == HOSTS_OF_ONE - 1 else hosts[position : position + 1]
        for host in chosen:
            host.software = self._newer[id(model)]

    def _spread_driver(self, model: ClusterModel, *, everywhere: bool) -> None:
        """A driver comes to one host, and at the next schedule to all."""
        hosts = [*model.hosts.values()]
        if not everywhere:
            version = component(f"2.{next(self._versions)}.0.0-1")
            software = hosts[0].software
            hosts[0].software = {**software, "components": {**software["components"], I40EN: version}}
            return
        for host in hosts:
            host.software = hosts[0].software

    def _move_spare(self, vcenter: str, visit: int, step: int) -> None:
        """The spare host of a vCenter joins a cluster, and leaves it."""
        models = [*self.played.vcenters[vcenter].models.values()]
        model, spare = models[visit % len(models)], self._spares[vcenter]
        if step == 2:
            spare.software = next(iter(model.hosts.values())).software
            self._add(model, spare)
        if step == 6:
            self._remove(model, spare.name)

    def _add_again(self, model: ClusterModel) -> None:
        """The first host is removed and added: it has another id."""
        host = next(iter(model.hosts.values()))
        self._remove(model, host.name)
        self._add(model, host)

    def _replace_host(self, model: ClusterModel, number: int) -> None:
        """A machine goes for good, and another one comes in its place."""
        host = next(iter(model.hosts.values()))
        self._remove(model, host.name)
        self._add(model, HostModel(f"new{number}-{host.name}", host.software))

    def _add(self, model: ClusterModel, host: HostModel) -> None:
        model.hosts[f"host-{next(self._ids)}"] = host

    def _remove(self, model: ClusterModel, name: str) -> None:
        model.hosts = {host: entry for host, entry in model.hosts.items() if entry.name != name}

    def _measure(self) -> None:
        """What one schedule took, and what is held after it."""
        logs = [
            (name, log)
            for name, vcenter in self.played.vcenters.items()
            for log in (VCENTER_LOG, *(f"domain-{cluster}" for cluster in vcenter.models))
        ]
        states = [len(self.s3.filed[STATE, make_state_key(*log)]) for log in logs]
        records = [self.s3.filed.read_last(AUDIT, make_record_prefix(*log)) for log in logs]
        sizes = [len(record) for record in records]
        failed = [log for log, record in zip(logs, records, strict=True) if _has_failed(record)]
        messages = sum(len(heard) for heard in self.slack.heard.values())
        cpu = time.process_time()
        for name, value in {
            "memory of the process, MB": _read_memory() / MEGABYTE,
            "open file descriptors": len([*DESCRIPTORS.iterdir()]),
            "largest state pointer, bytes": max(states),
            "newest record of a log, mean, bytes": sum(sizes) / len(sizes),
            "largest newest record, bytes": max(sizes),
            "LIST a schedule": self.s3.calls["LIST"],
            "keys listed a schedule": self.s3.calls["keys listed"],
            "GET a schedule": self.s3.calls["GET"],
            "PUT a schedule": self.s3.calls["PUT"],
            "logs that failed, their vCenter up": sum(
                self.played.vcenters[name].down is None for name, _ in failed
            ),
            "messages in queues after a schedule": len(self.played.sqs.messages),
            "messages to chat a schedule": messages,
            "extractions a schedule": sum(vcenter.extractions for vcenter in self.played.vcenters.values()),
            "CPU of a schedule, seconds": cpu - self._cpu,
        }.items():
            self.values[name].append(value)
        self._cpu = cpu
        for vcenter in self.played.vcenters.values():
            vcenter.extractions = 0
        self.s3.calls.clear()
        self.slack.clear()
        for heard in self.slack.heard.values():
            heard.clear()


def _has_failed(record: bytes) -> bool:
    return json.loads(record)["failure"] is not None


def _read_memory() -> int:
    """The bytes that this process has in memory."""
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _build_fleet() -> Fleet:
    document = {
        "schema_version": 1,
        "settings": {"extract": False},
        "vcenters": [{"name": name, "extract": name in EXTRACTING} for name in VCENTERS],
        "routes": [{"name": "ops"}],
    }
    return build_fleet(cast("Any", document))


def measure_quarter(
    schedules: int,
    clusters_of_one: int,
    bounds: Mapping[str, float],
    directory: Path,
    tls: Tls,
    authority: Authority,
) -> Iterator[Measure]:
    """Play schedules over four vCenters of so many clusters; what was measured, held to these bounds."""
    s3 = FiledS3(directory / "objects.db")
    with (
        closing(s3.filed),
        play_with_slack(_build_fleet(), BEGINS, INTERVAL_HOURS, tls, authority, s3) as (played, slack),
    ):
        quarter = Quarter(played, slack, s3, clusters_of_one)
        quarter.prepare(schedules)
        logging.disable(logging.ERROR)
        played.play(BEGINS + timedelta(hours=schedules * INTERVAL_HOURS))
        logging.disable(logging.NOTSET)
    for name, values in quarter.values.items():
        if name in LIMITS:
            yield build_limited(name, values, LIMITS[name])
        elif name in bounds:
            yield build_flat(name, values, bounds[name])
        else:
            yield build_shown(name, values)
