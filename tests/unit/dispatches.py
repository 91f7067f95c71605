"""The record by which a run asks for checks, and its requests, without a vCenter that lists anything."""

from collections.abc import Mapping
from datetime import datetime

from esx_drift.domain.dispatching.run import Run, build_blank_dispatch, build_expected_clusters
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.stored.records import RecordHeading, build_check_request, build_record
from esx_drift.domain.stored.types import CheckRequest, KnownCluster, Record, Trigger
from esx_drift.domain.text.times import format_time
from esx_drift.journal import Draft, Journal, Position
from esx_drift.ports import Store, Topic


def append_dispatch(
    store: Store,
    topic: Topic,
    vcenter: str,
    run_id: str,
    clusters: Mapping[str, str],
    now: datetime,
    trigger: Trigger = "schedule",
) -> Record:
    """The record of a run that asks for a check of these clusters (id to name), in the vCenter's own log."""
    return append_run(store, topic, vcenter, Run(run_id, trigger), clusters, now)


def append_run(
    store: Store, topic: Topic, vcenter: str, run: Run, clusters: Mapping[str, str], now: datetime
) -> Record:
    """The same of any run."""
    request_id = run.make_record_id(vcenter)

    def dispatch(position: Position) -> Draft:
        heading: RecordHeading = {
            "vcenter": vcenter,
            "cluster": VCENTER_LOG,
            "cluster_name": None,
            "seq": position.seq,
            "request_id": request_id,
            "run_id": run.id,
            "started_at": format_time(now),
            "code_version": "test",
            "fleet_sha256": "f" * 64,
        }
        expected = build_expected_clusters(run, vcenter, clusters, clusters)
        at = format_time(now)
        listed: dict[str, KnownCluster] = {
            cluster: {
                "name": name,
                "watched_as": name,
                "first_listed_at": at,
                "last_listed_at": at,
                "retired_at": None,
            }
            for cluster, name in clusters.items()
        }
        known = listed | (position.after["clusters"] or {})
        record = build_record(heading, "dispatched", now, {**position.after, "clusters": known})
        return Draft({**record, "dispatch": {**build_blank_dispatch(run), "expected": expected}}, None)

    return Journal(store, topic, vcenter).append(request_id, now, dispatch).record


def request_of(dispatched: Record, cluster: str, now: datetime, *, extract: bool) -> CheckRequest:
    """The message that follows from such a record for one cluster."""
    assert dispatched["dispatch"] is not None
    (asked,) = (one for one in dispatched["dispatch"]["expected"] if one["cluster"] == cluster)
    return build_check_request(
        "check",
        asked["request_id"],
        dispatched["run_id"],
        dispatched["vcenter"],
        (cluster, asked["name"]),
        now,
        extract=extract,
        dispatch_seq=dispatched["seq"],
    )
