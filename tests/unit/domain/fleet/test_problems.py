from typing import TYPE_CHECKING, Any, cast

import pytest
from esx_drift.contracts import list_fleet_errors
from esx_drift.domain.fleet.review import list_fleet_problems

from tests.unit.fleets import fleet

if TYPE_CHECKING:
    from esx_drift.domain.fleet.fleet import FleetDocument


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        (
            {"vcenters": [{"name": "vc01"}, {"name": "vc02"}, {"name": "vc01"}]},
            '/vcenters/2/name: expected a new name, got "vc01" as in /vcenters/0',
        ),
        (
            {"routes": [{"name": "ops"}, {"name": "ops"}]},
            '/routes/1/name: expected a new name, got "ops" as in /routes/0',
        ),
        (
            {"routes": [{"name": "ops", "vcenters": ["vc01", "vc9*"]}]},
            '/routes/0/vcenters/1: expected a vCenter of this file (vc01, vc02), got "vc9*"',
        ),
        (
            {"ignore": [{"name": "a", "reason": "b", "keys": ["c"], "vcenters": ["VC01"]}]},
            '/ignore/0/vcenters/0: expected a vCenter of this file (vc01, vc02), got "VC01"',
        ),
        (
            {"vcenters": [{"name": "vc01", "clusters": {"exclude": ["*"]}}]},
            '/vcenters/0/clusters/exclude: expected some clusters to remain, got "*"',
        ),
        (
            {"settings": {"blind_after_seconds": 60}, "vcenters": [{"name": "vc01"}]},
            "/vcenters/0: expected confirm_after_seconds below blind_after_seconds, got 600 and 60",
        ),
        (
            {"vcenters": [{"name": "vc01", "extract_deadline_seconds": 60}]},
            "/vcenters/0: expected first_delay_seconds below extract_deadline_seconds, got 60 and 60",
        ),
        (
            {
                "maintenance": [
                    {
                        "name": "a",
                        "reason": "b",
                        "from": "2026-12-06T06:00:00+01:00",
                        "to": "2026-12-06T05:00:00Z",
                    }
                ]
            },
            "/maintenance/0/to: expected a time after from, got 2026-12-06T05:00:00+00:00",
        ),
    ],
)
def test_what_the_schema_cannot_say_is_told_with_its_path(parts: dict[str, Any], problem: str) -> None:
    """Each problem is one line that leads to the place."""
    assert list_fleet_problems(cast("FleetDocument", fleet(**parts))) == [problem]
    assert list_fleet_errors(fleet(**parts)) == [problem]
