"""What a person has to mend: the password, the permission, the vCenter. Told at once, tried with care."""

import pytest
from esx_drift.domain.breaker import build_closed_breaker, claim_turn
from esx_drift.domain.stored.identifiers import encode_canonical_json, make_breaker_key
from esx_drift.domain.text.times import format_time
from esx_drift.errors import LoginRefused
from esx_drift.messages.content import build_content

from tests.simulator import fault_kinds
from tests.simulator.model import ALL_PRIVILEGES
from tests.simulator.sessions import PASSWORD, USER
from tests.unit.checking.reading import answering, moved, one, open_kinds
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


def test_a_refused_password_is_told_once_it_was_tried_twice(world: World, name: str) -> None:
    """However often schedule, retries and persons come: two attempts, 180 s apart, one critical message."""
    world.put_secret(name, "wrong")
    logins = world.vcenters[name].sessions.logins
    tried, begun = len(logins), world.now
    reply = world.run()
    assert [one["reason"] for one in reply["failed"]] == ["vcenter-authentication"]
    assert world.last(name)["findings"] == []
    world.run()
    world.run({name: ("prod-a",)})
    assert len(logins) == tried + 1
    world.retries_come()
    assert 180 <= (world.now - begun).total_seconds() <= 200
    (finding,) = world.last(name)["findings"]
    assert finding["opened_at"] == format_time(begun)
    assert (finding["kind"], finding["severity"]) == ("vcenter-authentication", "critical")
    assert finding["detail"]["user"] == USER
    for _ in range(3):
        world.retries_come()
        world.run()
        world.run({name: ("prod-a",)})
    assert len(logins) == tried + 2
    assert [event["data"]["severity"] for event in world.topic.published] == ["critical"]
    assert "wrong" not in str(world.topic.published)
    assert world.sent("check") == []


def test_checks_resume_by_themselves_with_the_new_password(world: World, name: str) -> None:
    """It is tried once, 180 s after the refusal at the earliest, by the chain of retries."""
    world.set(name, confirm_after_seconds=100)
    world.put_secret(name, "wrong")
    world.run()
    world.retries_come()
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


def test_one_refusal_of_a_right_password_is_told_to_nobody(world: World, name: str) -> None:
    """The second try lets us in, and all is checked."""
    world.vcenters[name].faults.inject("POST /api/session", fault_kinds.status(401), times=1)
    world.run()
    (reply,) = world.retries_come()
    assert len(reply["dispatched"]) == 4
    assert world.topic.published == []
    assert world.last(name)["after"]["suspects"] == {}


def test_checkers_that_meet_the_refusal_leave_it_to_the_dispatcher(world: World, name: str) -> None:
    """It finds the password refused, and comes back by itself to try it once more."""
    world.put_secret(name, "wrong")
    with world.sessions("checker") as sessions, pytest.raises(LoginRefused):
        sessions.session(name)
    world.run()
    assert world.topic.published == []
    world.retries_come()
    assert open_kinds(world.last(name)) == {"vcenter-authentication"}


def test_no_turn_twice_running_is_told(world: World, name: str) -> None:
    """Somebody else logs in all the time: a run leaves a record, comes back, and then says so."""
    _claim_turn(world, name)
    world.run()
    assert world.topic.published == []
    (retry,) = world.sent("retry")
    world.wait(seconds=retry.delay_seconds)
    _claim_turn(world, name)
    world.retry(retry.body)
    (finding,) = world.last(name)["findings"]
    assert (finding["kind"], finding["detail"]["phase"]) == ("vcenter-unreachable", "turn")
    (event,) = world.last(name)["events"]
    assert build_content(event).title == f"{name}: no turn to log in"


def _claim_turn(world: World, name: str) -> None:
    claimed = claim_turn(build_closed_breaker(name), "me", world.now)
    world.aws.s3.put_object(Bucket="state", Key=make_breaker_key(name), Body=encode_canonical_json(claimed))


def test_a_person_who_meets_the_refusal_first_begins_the_chain(world: World, name: str) -> None:
    """After a run of chosen clusters as well, somebody must try it once more, or the new password."""
    world.put_secret(name, "wrong")
    world.run({name: ("prod-a",)})
    (suspect,) = world.last(name)["after"]["suspects"].values()
    assert suspect["kind"] == "vcenter-authentication"
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


@pytest.mark.parametrize(
    ("hidden", "lists"),
    [
        (3, "only 1 of the 4 known clusters (missing: prod-a, prod-b, prod-c)"),
        (4, "no cluster (missing: prod-a, prod-b, prod-c, prod-d)"),
    ],
)
def test_a_listing_that_lost_most_clusters_is_a_lost_permission(
    world: World, name: str, hidden: int, lists: str
) -> None:
    """One critical finding and no storm of missing clusters; what is known is asked for all the same."""
    for cluster in ("prod-a", "prod-b", "prod-c", "prod-d")[:hidden]:
        world.vcenters[name].inventory.hide_cluster(cluster)
    reply = world.run()
    assert len(reply["dispatched"]) == 4
    (finding,) = world.last(name)["findings"]
    assert (finding["kind"], finding["severity"]) == ("vcenter-authorization", "critical")
    assert finding["detail"] == {"listed": 4 - hidden, "known": 4}
    assert finding["summary"] == (
        f"{name} lists {lists}: the account lost its permission, or what is missing was removed"
    )
    assert world.sent("retry") == []
    for cluster in ("prod-a", "prod-b", "prod-c", "prod-d")[:hidden]:
        world.vcenters[name].inventory.hide_cluster(cluster, hidden=False)
    world.run()
    assert moved(world.last(name)) == {("vcenter-authorization", "resolved")}


def test_of_many_clusters_that_are_not_listed_five_are_named(world: World) -> None:
    """And it is said how many more there are."""
    clusters = [f"prod-{letter}" for letter in "abcdefg"]
    name = world.add(*clusters)
    world.run()
    for cluster in clusters:
        world.vcenters[name].inventory.hide_cluster(cluster)
    world.run()
    (finding,) = world.last(name)["findings"]
    assert "(missing: prod-a, prod-b, prod-c, prod-d, prod-e and 2 more)" in finding["summary"]


def test_a_first_listing_of_nothing_says_that_there_may_be_none(world: World) -> None:
    """Nothing was known before that could be missing."""
    name = world.add("prod-a")
    world.vcenters[name].inventory.hide_cluster("prod-a")
    world.run()
    (finding,) = world.last(name)["findings"]
    assert finding["summary"] == f"{name} lists no cluster: it has none, or the account may see none"


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


def test_a_vcenter_that_says_that_it_is_too_old_is_believed(world: World, name: str) -> None:
    """Should one of another release answer the path of 8.0.3."""
    about = {"instanceUuid": world.vcenters[name].instance_uuid, "version": "8.0.2", "build": "22617221"}
    world.vcenters[name].faults.inject("GET /sdk/vim25/*", answering({"about": about}))
    world.run()
    (finding,) = world.last(name)["findings"]
    assert (finding["kind"], finding["detail"]["build"]) == ("api-unsupported", "22617221")


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
