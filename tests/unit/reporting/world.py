"""The reporter at work in this process: logs written as checks leave them, S3 by moto, a clock to set."""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4
from zoneinfo import ZoneInfo

from esx_drift.adapters.audit_store import S3Store
from esx_drift.adapters.report_store import S3Reports
from esx_drift.adapters.state_bucket import S3RouteStates
from esx_drift.domain.dispatching.run import Run, build_blank_dispatch, build_expected_clusters
from esx_drift.domain.events import build_events
from esx_drift.domain.fleet.fleet import Fleet, Route, VCenterSettings
from esx_drift.domain.images.snapshot import CANONICAL_VERSION
from esx_drift.domain.stored.identifiers import (
    VCENTER_LOG,
    compute_sha256,
    encode_canonical_json,
    make_record_key,
    make_snapshot_key,
)
from esx_drift.domain.stored.records import build_record
from esx_drift.domain.stored.types import (
    Change,
    Coverage,
    Dispatch,
    Event,
    Finding,
    Image,
    KnownCluster,
    KnownHost,
    Outcome,
    Record,
    Snapshot,
    StoredObject,
    Trigger,
)
from esx_drift.domain.text.times import format_time
from esx_drift.log_reader import LogReader
from esx_drift.ports import Reports, Topic
from esx_drift.reporting.reporter import Reporter, ReporterReply

from tests.unit.logs import Subscribers, heading_of

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import LogState

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
INTERVAL = timedelta(hours=4)
EVERYTHING = ("*",)


def route(name: str, **parts: Any) -> Route:  # noqa: ANN401 -- any field of a route
    """A route that hears everything, but for what is given."""
    plain = {"min_severity": "info", "families": (), "vcenters": EVERYTHING, "clusters": EVERYTHING}
    return Route(name, "slack", name, **{**plain, **parts})


@dataclass(slots=True)
class World:
    """A fleet whose logs are written by hand, and the reporter that reads them."""

    store: S3Store
    now: datetime = NOW
    vcenters: tuple[str, ...] = ("vc01",)
    routes: tuple[Route, ...] = (route("ops"),)
    settings: dict[str, VCenterSettings] = field(default_factory=dict)
    topic: Topic = field(default_factory=Subscribers)
    hour: int = 7
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))

    @property
    def fleet(self) -> Fleet:
        """As the fleet file says it."""
        return Fleet(
            tuple(self.settings.get(name, VCenterSettings(name)) for name in self.vcenters), self.routes
        )

    @property
    def reports(self) -> S3Reports:
        """Where reports are."""
        return S3Reports(self.store.client, self.store.audit_bucket, self.store.state_bucket)

    @property
    def route_states(self) -> S3RouteStates:
        """Where it stands how routes answered."""
        return S3RouteStates(self.store.client, self.store.state_bucket)

    def wait(self, **length: float) -> None:
        """Let time pass."""
        self.now += timedelta(**length)

    def report(
        self, asked: str | None = None, topic: Topic | None = None, reports: Reports | None = None
    ) -> ReporterReply:
        """One run of the reporter."""
        return Reporter(
            fleet=self.fleet,
            stack="esx-drift",
            store=self.store,
            reports=reports or self.reports,
            routes=self.route_states,
            topic=topic or self.topic,
            clock=lambda: self.now,
            hour=self.hour,
            zone=self.zone,
            check_interval=INTERVAL,
        ).run(asked)

    def heard(self) -> list[Event]:
        """What was published since this was last asked."""
        assert isinstance(self.topic, Subscribers)
        published, self.topic.published = self.topic.published, []
        return published

    def dispatch(
        self,
        vcenter: str,
        *clusters: str,
        failed: bool = False,
        standalone: int | None = 0,
        trigger: Trigger = "schedule",
        **parts: object,
    ) -> None:
        """A run that meant to check these clusters, whose ids are their names."""
        run = Run(str(uuid4()), trigger)
        before = LogReader(self.store, vcenter, VCENTER_LOG).read().after
        known = {**(before["clusters"] or {}), **{name: self._know(name) for name in clusters}}
        at = format_time(self.now)
        seen = {} if failed else {"first_look_at": before["first_look_at"] or at, "last_look_at": at}
        names = {name: name for name in clusters}
        dispatch: Dispatch = {
            **build_blank_dispatch(run),
            "expected": [] if failed else build_expected_clusters(run, vcenter, names, names),
            "failed": [{"cluster": name, "name": name} for name in clusters] if failed else [],
            "standalone_hosts": None if failed else standalone,
        }
        after = {**before, **seen, "clusters": known, **parts}
        self._leave(
            vcenter, VCENTER_LOG, None, "not-dispatched" if failed else "dispatched", after, dispatch=dispatch
        )

    def look(
        self,
        vcenter: str,
        cluster: str,
        outcome: Outcome = "unchanged",
        hosts: int = 4,
        covered: int | None = None,
        findings: tuple[Finding, ...] = (),
        snapshot: StoredObject | None = None,
        **parts: object,
    ) -> Record:
        """A check of a cluster; what is open afterwards are exactly these findings."""
        before = LogReader(self.store, vcenter, cluster).read().after
        at, read = format_time(self.now), hosts if covered is None else covered
        coverage: Coverage = {"hosts": hosts, "covered": read, "failed": hosts - read, "unsupported": 0}
        is_look = outcome != "not-looked"
        seen = {"first_look_at": before["first_look_at"] or at, "last_look_at": at, "coverage": coverage}
        after = {
            **before,
            **(seen if is_look else {}),
            "cluster_name": cluster,
            "snapshot": snapshot,
            "findings": {one["fingerprint"]: one for one in findings},
        }
        return self._leave(
            vcenter,
            cluster,
            cluster,
            outcome,
            after,
            coverage=coverage if is_look else None,
            findings=[one for one in findings if one["transition"] != "still"],
            **parts,
        )

    def keep_snapshot(self, vcenter: str, cluster: str, *releases: str) -> StoredObject:
        """A snapshot in which each host runs an image, by the version of its base image."""
        images: dict[str, Image] = {
            f"{number:064x}": {"main": {"base_image": release}, "alternatives": {}}
            for number, release in enumerate(releases)
        }
        hosts: dict[str, KnownHost] = {
            f"host-{digest}": {"name": digest, "image": digest, "orphaned_vibs": [], "witness": False}
            for digest in images
        }
        hosts["host-unseen"] = {"name": "unseen", "image": None, "orphaned_vibs": None, "witness": False}
        snapshot: Snapshot = {
            "schema_version": CANONICAL_VERSION,
            "images": images,
            "labels": {},
            "hosts": hosts,
        }
        body = gzip.compress(encode_canonical_json(snapshot))
        key = make_snapshot_key(vcenter, cluster, compute_sha256(body))
        self.store.put_blob(key, body)
        return {"key": key, "sha256": compute_sha256(body)}

    def _know(self, name: str) -> KnownCluster:
        at = format_time(self.now)
        return {
            "name": name,
            "watched_as": name,
            "first_listed_at": at,
            "last_listed_at": at,
            "retired_at": None,
        }

    def _leave(
        self,
        vcenter: str,
        cluster: str,
        name: str | None,
        outcome: Outcome,
        after: Mapping[str, Any],
        **parts: object,
    ) -> Record:
        end = LogReader(self.store, vcenter, cluster).read()
        seq, state = end.next_seq, {**end.after, **after}
        heading = heading_of(seq, str(uuid4()), vcenter, cluster, name)
        record: Any = {
            **build_record(heading, outcome, self.now, cast("LogState", state)),
            "previous": end.head,
            "before_sha256": "0" * 64,
            **parts,
        }
        record["events"] = build_events(record, self.store.uri(vcenter, cluster, seq), None, {})
        sha256 = self.store.put_record(record)
        assert sha256
        self.store.put_state(
            {
                "schema_version": 1,
                "vcenter": vcenter,
                "cluster": cluster,
                "head": {"seq": seq, "key": make_record_key(vcenter, cluster, seq), "sha256": sha256},
                "outbox": [],
            },
            end.etag,
        )
        return cast("Record", record)


def report_in(event: Event) -> Any:  # noqa: ANN401 -- reports differ in form
    """What a report says."""
    return event["data"]["report"]


def kinds_of(events: list[Event]) -> list[str]:
    """The kinds of these reports, and whom they are for."""
    return [
        f"{event['type'].rpartition('.')[2]} {event['data'].get('report', {}).get('route', '')}".strip()
        for event in events
    ]


def change_of(severity: str = "warning", **parts: Any) -> Change:  # noqa: ANN401 -- any field of a change
    """A driver that was upgraded on a host."""
    plain: Any = {
        "element": "component",
        "kind": "upgraded",
        "key": "Intel-i40en",
        "from": "1.0",
        "to": "2.0",
        "hosts": ["host-1"],
        "severity": severity,
        "alternative_image": None,
        "detail": None,
    }
    return cast("Change", {**plain, **parts})
