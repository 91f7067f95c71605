"""In what hosts differ from what is accepted, in as few words as will do."""

import pytest
from esx_drift.domain.images.part_words import describe_differences
from esx_drift.domain.stored.types import NetDifference

DRIVER: NetDifference = {
    "element": "component",
    "kind": "upgraded",
    "key": "Intel-i40en",
    "from": "2.7.2.0-1OEM.800",
    "to": "2.9.2.0-1OEM.800",
    "alternative_image": None,
    "hosts": ["host-7"],
}
RELEASE: NetDifference = {
    **DRIVER,
    "element": "base_image",
    "key": "base_image",
    "from": "8.0.3-0.60.24585383",
    "to": "8.0.3-0.70.24674464",
}
TOOL: NetDifference = {**DRIVER, "kind": "added", "key": "acme-tool", "from": None, "to": "1.0-1"}
NAMES = {"8.0.3-0.60.24585383": "ESXi 8.0 U3d", "8.0.3-0.70.24674464": "ESXi 8.0 U3e"}


@pytest.mark.parametrize(
    ("differences", "total", "said"),
    [
        ([], 0, ""),
        ([], 4, ""),
        ([DRIVER], 1, "Intel-i40en 2.7.2.0 → 2.9.2.0"),
        ([DRIVER, TOOL], 2, "Intel-i40en 2.7.2.0 → 2.9.2.0, acme-tool 1.0 added"),
        ([RELEASE, DRIVER, TOOL], 120, "ESXi 8.0 U3e (build 24674464) from U3d and 119 more parts"),
        (
            [{**DRIVER, "kind": "downgraded", "from": "2.9.2.0", "to": "2.7.2.0"}],
            1,
            "Intel-i40en 2.9.2.0 → 2.7.2.0 (downgraded)",
        ),
    ],
)
def test_the_first_is_named_and_many_others_are_counted(
    differences: list[NetDifference], total: int, said: str
) -> None:
    """Two are named; of more, the worst."""
    assert describe_differences(differences, total, NAMES) == said
