"""What is valid is read without jsonschema: a function that starts would pay for its import each time."""

import json

from esx_drift.adapters.audit_store import S3Store
from esx_drift.adapters.state_bucket import S3Breakers, parse_fleet
from esx_drift.contracts import list_fleet_errors
from esx_drift.contracts.validators import reference_validator
from esx_drift.domain.breaker import build_closed_breaker
from esx_drift.domain.stored.records import build_empty_state

from tests.unit.logs import CLUSTER, VCENTER, leave_log

FLEET = {"schema_version": 1, "vcenters": [{"name": VCENTER}]}


def test_what_a_function_reads_needs_no_jsonschema(store: S3Store) -> None:
    """The fleet file, a log's pointer and record, and the breaker."""
    leave_log(store, VCENTER, CLUSTER, build_empty_state())
    breakers = S3Breakers(store.client(), store.state_bucket)
    breakers.write(build_closed_breaker(VCENTER), None)
    reference_validator.cache_clear()
    state, record = store.state(VCENTER, CLUSTER), store.read_record(VCENTER, CLUSTER, 1)
    assert parse_fleet(json.dumps(FLEET).encode()).vcenter(VCENTER) is not None
    assert state is not None
    assert state.pointer is not None
    assert record is not None
    assert record.record is not None
    assert breakers.read(VCENTER) is not None
    assert reference_validator.cache_info().misses == 0


def test_what_is_refused_is_worded_by_jsonschema() -> None:
    """It decides."""
    reference_validator.cache_clear()
    (line,) = list_fleet_errors({**FLEET, "vcenters": []})
    assert line == "/vcenters: expected at least 1 items, got a list of 0 items"
    assert reference_validator.cache_info().misses == 1
