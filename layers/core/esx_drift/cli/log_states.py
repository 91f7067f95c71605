"""The cached state of every log, read from the StateBucket at once."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, cast

from esx_drift.adapters.audit_store import S3Store
from esx_drift.cli.terminal import print_warning
from esx_drift.contracts import list_violations, parse_json
from esx_drift.domain.images.snapshot_upgrade import upgrade_snapshot
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.stored.types import LogState, Snapshot, StateFile
from esx_drift.errors import ContractViolation, StoreUnavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PREFIX = "state/"
MAX_PARALLEL_READS = 8
"""Reads in flight: below the ten connections that a botocore client keeps."""


def read_states(s3: "S3Client", bucket: str) -> Iterator[StateFile]:
    """Each state in the bucket; one that can't be trusted is warned of and left out."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=PREFIX)
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]

    def body(key: str) -> bytes:
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    for key, read in zip(keys, _each(body, keys), strict=True):
        state = _state_of(read)
        if state is None:
            print_warning(f"s3://{bucket}/{key} is no valid state; the next check rebuilds it from the log")
        else:
            yield state


def read_snapshots(
    states: Mapping[tuple[str, str], LogState], store: S3Store
) -> dict[tuple[str, str], Snapshot]:
    """The last snapshot of each log that has one, in today's form."""
    taken = {log: after["snapshot"]["key"] for log, after in states.items() if after["snapshot"]}
    stored = _each(store.snapshot, taken.values())
    return {log: upgrade_snapshot(snapshot).snapshot for log, snapshot in zip(taken, stored, strict=True)}


def count_standalone_hosts(states: Iterable[StateFile], store: S3Store) -> dict[str, int]:
    """How many hosts in no cluster each vCenter had, by its last dispatch; where that listed nothing, none.

    A record that can't be read is warned of: the rest of the fleet is to be shown all the same.
    """
    heads = {state["vcenter"]: state["head"]["seq"] for state in states if _is_own(state) and state["head"]}
    counted = {vcenter: _standalone(store, vcenter, seq) for vcenter, seq in heads.items()}
    return {vcenter: hosts for vcenter, hosts in counted.items() if hosts}


def _is_own(state: StateFile) -> bool:
    return state["cluster"] == VCENTER_LOG


def _standalone(store: S3Store, vcenter: str, seq: int) -> int | None:
    try:
        record, _ = store.record(vcenter, VCENTER_LOG, seq)
    except (StoreUnavailable, ContractViolation, ValueError) as error:
        print_warning(
            f"the last record of {vcenter} can't be read, so that its standalone hosts are not known: {error}"
        )
        return None
    return record["dispatch"]["standalone_hosts"] if record["dispatch"] else None


def _each[T](read: Callable[[str], T], keys: Iterable[str]) -> list[T]:
    with ThreadPoolExecutor(MAX_PARALLEL_READS) as pool:
        return list(pool.map(read, keys))


def _state_of(body: bytes) -> StateFile | None:
    try:
        state = parse_json(body)
    except ContractViolation:
        return None
    return None if list_violations("state", state) else cast("StateFile", state)
