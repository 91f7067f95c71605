"""What a person has to mend: the password, the permission, the vCenter. Told at once, tried with care."""

import pytest
from esx_drift.messages.content import build_content

from tests.simulator import fault_kinds
from tests.simulator.model import ALL_PRIVILEGES
from tests.simulator.sessions import PASSWORD, USER
from tests.unit.checking.reading import moved, one, open_kinds
from tests.unit.dispatching.world import World, dispatch_in, names_in

LISTING = "GET /api/vcenter/cluster"


@pytest.fixture
def name(world: World) -> str:
    """A vCenter of four clusters that was well for a while."""
    made = world.add("prod-a", "prod-b", "prod-c", "prod-d")
    world.run()
    world.wait(hours=4)
    world.sent("check")
    return made


def test_a_refused_password_is_told_at_once_and_not_tried_again(world: World, name: str) -> None:
    """However often schedule, retries and persons come: one attempt, one critical message."""
    world.put_secret(name, "wrong")
    logins = world.vcenters[name].sessions.logins
    tried = len(logins)
    reply = world.run()
    assert [one["reason"] for one in reply["failed"]] == ["vcenter-authentication"]
    (finding,) = world.last(name)["findings"]
    assert (finding["kind"], finding["severity"]) == ("vcenter-authentication", "critical")
    assert finding["detail"]["user"] == USER
    for _ in range(3):
        world.retries_come()
        world.run()
        world.run({name: ("prod-a",)})
    assert len(logins) == tried + 1
    assert [event["data"]["severity"] for event in world.topic.published] == ["critical"]
    assert "wrong" not in str(world.topic.published)
    assert world.sent("check") == []


def test_checks_resume_by_themselves_with_the_new_password(world: World, name: str) -> None:
    """It is tried once, 180 s after the refusal at the earliest, by the chain of retries."""
    world.set(name, confirm_after_seconds=100)
    world.put_secret(name, "wrong")
    world.run()
    world.put_secret(name, PASSWORD)
    tried = len(world.vcenters[name].sessions.logins)
    (too_early,) = world.retries_come()
    assert too_early["failed"][0]["reason"] == "vcenter-authentication"
    assert len(world.vcenters[name].sessions.logins) == tried
    (reply,) = world.retries_come()
    assert names_in(reply) == ["prod-a", "prod-b", "prod-c", "prod-d"]
    assert len(world.vcenters[name].sessions.logins) == tried + 1
    assert moved(world.last(name)) == {("vcenter-authentication", "resolved")}
    assert world.sent("retry") == []


def test_a_person_who_meets_the_refusal_first_begins_the_chain(world: World, name: str) -> None:
    """A run of chosen clusters tells it as well, and then somebody must look for the new password."""
    world.put_secret(name, "wrong")
    world.run({name: ("prod-a",)})
    assert open_kinds(world.last(name)) == {"vcenter-authentication"}
    world.put_secret(name, PASSWORD)
    (reply,) = world.retries_come()
    assert len(reply["dispatched"]) == 4


def test_without_a_secret_nobody_can_log_in(world: World) -> None:
    """It is the same finding as a refused password, told by the name of the secret to write."""
    name = world.add("prod-a", secret=False)
    world.run()
    (finding,) = world.last(name)["findings"]
    assert (finding["kind"], finding["severity"]) == ("vcenter-authentication", "critical")
    assert f"esx-drift/vcenter/{name}" in finding["summary"]
    (event,) = world.last(name)["events"]
    assert "secret can't be used" in build_content(event).title
    world.aws.secrets.create_secret(Name=f"esx-drift/vcenter/{name}")
    world.put_secret(name)
    (reply,) = world.retries_come()
    assert names_in(reply) == ["prod-a"]


def test_a_forbidden_listing_is_told_at_once(world: World, name: str) -> None:
    """403: critical, nothing is dispatched, and it comes back until the permission is there."""
    world.vcenters[name].faults.inject(LISTING, fault_kinds.status(403))
    world.run()
    (finding,) = world.last(name)["findings"]
    assert (finding["kind"], finding["severity"]) == ("vcenter-authorization", "critical")
    assert len(dispatch_in(world.last(name))["failed"]) == 4
    world.retries_come()
    world.vcenters[name].faults.clear()
    (reply,) = world.retries_come()
    assert len(reply["dispatched"]) == 4
    assert moved(world.last(name)) == {("vcenter-authorization", "resolved")}


@pytest.mark.parametrize("hidden", [3, 4], ids=["over half", "all"])
def test_a_listing_that_lost_most_clusters_is_a_lost_permission(world: World, name: str, hidden: int) -> None:
    """One critical finding and no storm of missing clusters; what is known is asked for all the same."""
    for cluster in ("prod-a", "prod-b", "prod-c", "prod-d")[:hidden]:
        world.vcenters[name].inventory.hide_cluster(cluster)
    reply = world.run()
    assert len(reply["dispatched"]) == 4
    (finding,) = world.last(name)["findings"]
    assert (finding["kind"], finding["severity"]) == ("vcenter-authorization", "critical")
    assert finding["detail"] == {"listed": 4 - hidden, "known": 4}
    assert world.sent("retry") == []
    for cluster in ("prod-a", "prod-b", "prod-c", "prod-d")[:hidden]:
        world.vcenters[name].inventory.hide_cluster(cluster, hidden=False)
    world.run()
    assert moved(world.last(name)) == {("vcenter-authorization", "resolved")}


def test_a_lost_permission_closes_nothing(world: World, name: str) -> None:
    """A cluster that was missing before is not back because all others are missing too."""
    world.vcenters[name].inventory.hide_cluster("prod-a")
    world.run()
    assert open_kinds(world.last(name)) == {"cluster-missing"}
    for cluster in ("prod-b", "prod-c"):
        world.vcenters[name].inventory.hide_cluster(cluster)
    world.run()
    assert open_kinds(world.last(name)) == {"cluster-missing", "vcenter-authorization"}


def test_an_outage_behind_a_lost_permission_has_its_chain(world: World, name: str) -> None:
    """A listing that stays shrunk for weeks must not delay the news of an outage."""
    for cluster in ("prod-a", "prod-b", "prod-c"):
        world.vcenters[name].inventory.hide_cluster(cluster)
    world.run()
    world.servers[name].stop()
    world.run()
    world.retries_come()
    assert open_kinds(world.last(name)) == {"vcenter-authorization", "vcenter-unreachable"}


def test_a_first_listing_that_is_empty_is_told(world: World) -> None:
    """A vCenter without a cluster is nothing to watch: most likely the account sees none."""
    name = world.add()
    world.run()
    assert open_kinds(world.last(name)) == {"vcenter-authorization"}


def test_a_missing_cluster_is_told_and_found_again(world: World, name: str) -> None:
    """Known and not listed: a warning that names it, until it is listed again."""
    world.vcenters[name].inventory.hide_cluster("prod-b")
    world.run()
    (finding,) = world.last(name)["findings"]
    assert (finding["kind"], finding["severity"]) == ("cluster-missing", "warning")
    assert "prod-b" in finding["summary"]
    world.run()
    assert len(world.topic.published) == 1
    world.vcenters[name].inventory.hide_cluster("prod-b", hidden=False)
    world.run()
    (finding,) = world.last(name)["findings"]
    assert finding["resolved_because"] == "recovered"


def test_a_cluster_that_stays_missing_is_critical(world: World, name: str) -> None:
    """Hiding it is one way to blind us: after 72 hours, raised once."""
    world.vcenters[name].inventory.hide_cluster("prod-b")
    told = []
    for hours in (4, 60, 12, 4):
        world.run()
        finding = one(world.last(name)["findings"], "cluster-missing")
        told.append((finding["transition"], finding["severity"]))
        world.wait(hours=hours)
    assert told == [("opened", "warning"), ("still", "warning"), ("still", "warning"), ("raised", "critical")]


def test_a_missing_cluster_that_a_pattern_leaves_out_is_retired(world: World, name: str) -> None:
    """Its finding closes with that reason, and it is asked for no more."""
    world.vcenters[name].inventory.remove_cluster("prod-b")
    world.run()
    world.set(name, exclude=("prod-b",))
    assert names_in(world.run()) == ["prod-a", "prod-c", "prod-d"]
    (finding,) = world.last(name)["findings"]
    assert (finding["transition"], finding["resolved_because"]) == ("resolved", "retired")


def test_a_run_of_chosen_clusters_counts_none_as_missing(world: World, name: str) -> None:
    """It was not asked about the others."""
    world.vcenters[name].inventory.hide_cluster("prod-b")
    world.run({name: ("prod-a",)})
    assert open_kinds(world.last(name)) == set()
    world.run()
    world.vcenters[name].inventory.hide_cluster("prod-b", hidden=False)
    world.run({name: ("prod-b",)})
    assert open_kinds(world.last(name)) == {"cluster-missing"}


def test_a_replaced_vcenter_is_left_alone(world: World, name: str) -> None:
    """Its domain-c9 is another cluster: nothing is asked for, and retries would not help."""
    vcenter = world.vcenters[name]
    before = vcenter.instance_uuid
    vcenter.replace()
    for _ in range(2):
        reply = world.run()
        assert reply["dispatched"] == []
    (finding,) = world.last(name)["findings"]
    assert (finding["kind"], finding["severity"]) == ("vcenter-replaced", "critical")
    assert finding["detail"]["before"] == before
    assert finding["detail"]["now"] == vcenter.instance_uuid
    assert world.sent("retry") == []
    assert len(world.topic.published) == 1


@pytest.mark.parametrize("version", ["8.0.2", "7.0.3", "6.7.0"])
def test_a_vcenter_that_is_too_old_is_told_once(world: World, version: str) -> None:
    """By the dispatcher for all of its clusters, none of which is asked for until it is updated."""
    name = world.add("prod-a", "prod-b")
    world.vcenters[name].version = version
    for _ in range(2):
        assert world.run()["dispatched"] == []
    (finding,) = world.last(name)["findings"]
    assert (finding["kind"], finding["severity"]) == ("api-unsupported", "warning")
    assert version in finding["summary"]
    assert world.sent("retry") == []
    assert len(world.topic.published) == 1
    world.vcenters[name].version = "8.0.3"
    assert names_in(world.run()) == ["prod-a", "prod-b"]
    assert moved(world.last(name)) == {("api-unsupported", "resolved")}


@pytest.mark.parametrize("version", ["8.0.3", "8.0.3.00400", "8.1.0", "9.0.0", "10.0.0"])
def test_a_vcenter_that_is_new_enough_is_asked(world: World, version: str) -> None:
    """Releases are compared as numbers."""
    name = world.add("prod-a")
    world.vcenters[name].version = version
    assert names_in(world.run()) == ["prod-a"]


def test_a_role_without_a_privilege_at_all(world: World, name: str) -> None:
    """Whatever the vCenter answers to an account that may do nothing, it is the permission that is told."""
    world.vcenters[name].revoke(*ALL_PRIVILEGES)
    world.run()
    assert open_kinds(world.last(name)) == {"vcenter-authorization"}
