"""A small one of what `make soak` does with a thousand clusters."""

from tests.lab.local_aws.rig import Rig
from tests.soak.load import Load, measure_load
from tests.soak.measuring import render_table


def test_each_cluster_is_checked_once_within_the_limits(rig: Rig) -> None:
    """No vCenter sees more sessions or requests at once than there are checkers and dispatchers."""
    measures = [*measure_load(rig, Load(vcenters=2, clusters_of_one=10, hosts_of_one=2, slow_seconds=3))]
    assert [one.name for one in measures if not one.holds] == [], render_table(measures)
    assert sum(one.bound is not None for one in measures) > 10
