"""Hosts are known again by their hardware UUID: asked for once, and where it is of no use, done without."""

from collections.abc import Callable

import pytest
from esx_drift.adapters.vcenter.session import RestSession
from esx_drift.domain.host_history import UNREAD_UUIDS, describe_unasked_uuids
from esx_drift.domain.stored.types import Record
from esx_drift.errors import OutOfTime

from tests.simulator import fault_kinds
from tests.simulator.faults import Fault
from tests.simulator.reply import Reply, Request
from tests.unit.checking.reading import answering, of_host, told
from tests.unit.checking.test_host_memory import I40EN, OLDER, change_of, check_both, remove_and_add
from tests.unit.checking.world import INTERVAL_SECONDS, PROD_A, PROD_B, World

READ = "POST */RetrievePropertiesEx"
DAY_SECONDS = 24 * 3600
WEEK_SECONDS = 7 * DAY_SECONDS
UUID, OTHER_UUID = "4c4c4544-0042-3510-8052-b3c04f4b4e32", "4c4c4544-0042-3510-8052-b3c04f4b4e33"
NIL = "00000000-0000-0000-0000-000000000000"
PLACEHOLDER = "03000200-0400-0500-0006-000700080009"


def calls(world: World, part: str = "") -> int:
    """How many requests the vCenter had, of those with this part in their path."""
    return sum(part in call.path for call in world.vcenter.journal)


def uuid_calls(world: World) -> int:
    """How often UUIDs were asked for."""
    return calls(world, "RetrievePropertiesEx")


def uuids(record: Record) -> dict[str, str | None]:
    """What a record knows of machines, by the host's id."""
    assert "machines" in record["after"]
    return record["after"]["machines"]["uuids"]


def hardware(world: World, cluster: str = PROD_A) -> dict[str, str | None]:
    """The UUIDs that the cluster's hosts have."""
    return {host.host: host.host_uuid for host in world.vcenter.inventory.hosts_of(cluster)}


def test_a_first_look_costs_one_call_more_and_no_later_one(world: World) -> None:
    """As many calls as without it, from then on; each host's is kept."""
    first = world.check()
    assert uuid_calls(world) == 1
    assert uuids(first) == hardware(world)
    costs = []
    for _ in range(8):
        before = calls(world)
        record = world.check()
        costs.append(calls(world) - before)
        assert (record["outcome"], record["notices"]) == ("unchanged", [])
        assert uuids(record) == hardware(world)
    assert uuid_calls(world) == 1
    assert len({*costs}) == 1


def test_vcenter_9_is_not_asked(world: World) -> None:
    """Its list of hosts has them."""
    world.vcenter.version = "9.0.2"
    assert uuids(world.check()) == hardware(world)
    assert uuid_calls(world) == 0


def test_all_are_asked_for_with_a_new_host(world: World) -> None:
    """By the one call that it costs; what left is forgotten here, and kept with what is known of it."""
    world.check()
    gone = world.vcenter.inventory.host("esx04")
    world.vcenter.inventory.remove_host("esx04")
    new = world.vcenter.inventory.add_host("prod-a", "esx77")
    asked: list[bytes] = []

    def hear(request: Request, reply: Reply) -> Reply:
        asked.append(request.body)
        return reply

    world.vcenter.faults.inject(READ, Fault("heard", echo=hear))
    record = world.check()
    assert uuids(record) == hardware(world)
    assert len(asked) == 1
    assert {host for host in hardware(world) if f'"{host}"'.encode() in asked[0]} == {*hardware(world)}
    assert new in hardware(world)
    assert gone.host.encode() not in asked[0]
    assert record["after"]["departed"][gone.host]["uuid"] == gone.host_uuid


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (fault_kinds.fault_of_vim(), "NoPermission: Permission to perform this operation was denied."),
        (fault_kinds.fault_of_vim("InvalidArgument"), "InvalidArgument"),
        (fault_kinds.status(404), "Not found."),
        (fault_kinds.status(401), "Authentication required."),
        (fault_kinds.status(503, "3600"), "answered 503"),
        (fault_kinds.web_page(200), 'a page "403 Forbidden"'),
        (fault_kinds.connection("reset"), "cut off"),
        (fault_kinds.huge_body(), "with more than 1000000 bytes"),
        (answering({"objects": {}}), "no RetrieveResult"),
        (answering(None), "the vCenter gives none of esx01, esx02"),
        (answering({"objects": []}), "the vCenter gives none of esx01, esx02"),
    ],
)
def test_what_can_not_be_read_ends_no_look(world: World, fault: Fault, why: str) -> None:
    """The same is found as without it; a notice says so once, and it is asked for again once a day."""
    world.vcenter.faults.inject(READ, fault)
    first = world.check()
    assert first["outcome"] == "baseline"
    assert [notice.startswith(UNREAD_UUIDS) and why in notice for notice in first["notices"]] == [True]
    assert uuids(first) == dict.fromkeys(hardware(world))
    before = uuid_calls(world)
    records = [world.check() for _ in range(DAY_SECONDS // INTERVAL_SECONDS - 1)]
    assert uuid_calls(world) == before
    records += [world.check(), world.check()]
    assert uuid_calls(world) == before + 1
    assert {record["outcome"] for record in records} == {"unchanged"}
    assert [record["notices"] for record in records if record["notices"]] == []
    world.vcenter.faults.clear()
    world.wait(DAY_SECONDS)
    assert uuids(world.check()) == hardware(world)


def test_a_new_host_has_those_asked_for_that_are_not_known(world: World) -> None:
    """At once, and not only a day later."""
    world.vcenter.faults.inject(READ, fault_kinds.fault_of_vim(), times=1)
    world.check()
    world.vcenter.inventory.add_host("prod-a", "esx77")
    assert uuids(world.check()) == hardware(world)


def test_a_host_that_is_not_connected_is_asked_for_later(world: World) -> None:
    """That it has none then is no notice."""
    world.vcenter.inventory.host("esx02").connection_state = "DISCONNECTED"
    first = world.check()
    assert first["notices"] == []
    assert {host for host, uuid in uuids(first).items() if uuid is None} == {"host-17"}
    world.vcenter.inventory.host("esx02").connection_state = "CONNECTED"
    world.wait(DAY_SECONDS)
    assert uuids(world.check()) == hardware(world)


def test_a_bug_in_it_ends_no_look(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named in the notice."""
    monkeypatch.setattr(RestSession, "host_uuids", broken)
    record = world.check()
    assert record["outcome"] == "baseline"
    assert "ZeroDivisionError" in record["notices"][0]


def broken(_self: RestSession, _hosts: object) -> dict[str, str]:
    """A call with a bug."""
    raise ZeroDivisionError


def test_where_no_time_is_left_they_are_asked_for_at_the_next_check(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was asked, and a notice says so; once, however often that happens before they are."""

    def late(_self: RestSession, _hosts: object) -> dict[str, str]:
        raise OutOfTime("no time is left")

    with monkeypatch.context() as patch:
        patch.setattr(RestSession, "host_uuids", late)
        first, second = world.check(), world.check()
    assert (first["outcome"], uuids(first)) == ("baseline", {})
    assert first["notices"] == [describe_unasked_uuids({"uuids": {}, "asked_at": None})]
    assert second["notices"] == []
    read = world.check()
    assert (uuids(read), read["notices"]) == (hardware(world), [])
    world.wait(WEEK_SECONDS)
    with monkeypatch.context() as patch:
        patch.setattr(RestSession, "host_uuids", late)
        again = world.check()
    assert "machines" in read["after"]
    assert again["notices"] == [describe_unasked_uuids(read["after"]["machines"])]
    assert uuids(again) == hardware(world)


def swap_board(world: World, name: str) -> None:
    """Give a host another system board, and with it another UUID; its id stays."""
    world.vcenter.inventory.host(name).host_uuid = OTHER_UUID


def test_a_uuid_is_known_anew_within_a_week_of_a_new_board(world: World) -> None:
    """By one call a week; the host that leaves after that is known again by its new board."""
    world.check()
    swap_board(world, "esx04")
    spent = 0
    while OTHER_UUID not in uuids(world.check()).values():
        spent += INTERVAL_SECONDS
        assert spent <= WEEK_SECONDS
    assert (uuids(world.records()[-1]), uuid_calls(world)) == (hardware(world), 2)
    gone = world.vcenter.inventory.host("esx04")
    new = remove_and_add(world, "esx04", "prod-a", "other-name")
    record = world.check()
    assert told(record) == {("host", "changed", new)}
    assert of_host(record)["from"] == gone.host


@pytest.mark.parametrize("version", ["8.0.3", "9.0.2"])
def test_a_new_board_is_known_with_the_next_new_host(world: World, version: str) -> None:
    """At no further cost; vCenter 9 lists it at once."""
    world.vcenter.version = version
    world.check()
    swap_board(world, "esx04")
    world.vcenter.inventory.add_host("prod-a", "esx77")
    assert uuids(world.check()) == hardware(world)


@pytest.mark.parametrize("fault", [fault_kinds.fault_of_vim(), answering({"objects": []})])
def test_what_was_known_stays_known_where_it_can_not_be_read_anew(world: World, fault: Fault) -> None:
    """A notice says that it could not, and the next week it is asked for again."""
    known = uuids(world.check())
    world.vcenter.faults.inject(READ, fault)
    world.wait(WEEK_SECONDS)
    record = world.check()
    assert uuids(record) == known
    assert [notice.startswith(UNREAD_UUIDS) for notice in record["notices"]] == [True]
    assert uuid_calls(world) == 2


@pytest.mark.parametrize("looked_since", [False, True])
@pytest.mark.parametrize("cluster", ["prod-a", "prod-b"])
@pytest.mark.parametrize("version", ["8.0.3", "9.0.2"])
def test_a_host_that_comes_back_under_another_name_is_known_again(
    world: World, cluster: str, version: str, *, looked_since: bool
) -> None:
    """With another id too: it is compared with what it ran, wherever that was."""
    world.vcenter.version = version
    check_both(world)
    key = PROD_A if cluster == "prod-a" else PROD_B
    gone = world.vcenter.inventory.host("esx04")
    accepted = world.after()["accepted"][gone.host]
    if looked_since:
        world.vcenter.inventory.remove_host("esx04")
        world.check()
        world.vcenter.inventory.hosts[gone.host] = gone
    new = remove_and_add(world, "esx04", cluster, "other-name.example")
    world.vcenter.hosts.set_component(new, I40EN, OLDER)
    record = world.check(key)
    assert told(record) == {("host", "changed", new), ("component", "downgraded", I40EN)}
    assert (of_host(record)["from"], of_host(record)["to"]) == (gone.host, new)
    assert change_of(record, "component")["severity"] == "critical"
    assert record["after"]["accepted"][new] == accepted
    assert gone.host not in record["after"]["departed"]


@pytest.mark.parametrize("renamed", [False, True])
def test_a_machine_is_known_again_though_another_log_knows_an_older_id_of_it(
    world: World, *, renamed: bool
) -> None:
    """It was added again elsewhere under its name. Where its name was another there, too, it may be two."""
    check_both(world)
    second = remove_and_add(world, "esx04", "prod-b", "esx44" if renamed else "esx04")
    world.check(PROD_A)
    world.check(PROD_B)
    third = remove_and_add(world, second, "prod-b", "other-name.example")
    world.vcenter.hosts.set_component(third, I40EN, OLDER)
    record = world.check(PROD_B)
    change = next(each for each in record["changes"] if (each["element"], each["key"]) == ("host", third))
    if renamed:
        assert (change["kind"], change["severity"]) == ("added", "warning")
    else:
        assert (change["kind"], change["from"]) == ("changed", second)
        assert change_of(record, "component")["severity"] == "critical"


def give_all(uuid: str) -> Callable[[World], None]:
    """Make the hardware of all hosts say the same."""

    def give(world: World) -> None:
        for host in world.vcenter.inventory.hosts.values():
            host.host_uuid = uuid

    return give


@pytest.mark.parametrize("uuid", [PLACEHOLDER, PLACEHOLDER.upper(), NIL, "not a uuid", UUID])
def test_a_uuid_that_many_have_is_none(world: World, uuid: str) -> None:
    """Whether it is known for that, no UUID at all, or only shared by several hosts here."""
    give_all(uuid)(world)
    check_both(world)
    new = remove_and_add(world, "esx04", "prod-a", "other-name")
    world.vcenter.hosts.set_component(new, I40EN, OLDER)
    record = world.check()
    assert ("host", "added", new) in told(record)
    change = next(change for change in record["changes"] if change["kind"] == "added")
    assert change["severity"] == "warning"
    by_name = remove_and_add(world, "esx03", "prod-a")
    assert ("host", "changed", by_name) in told(world.check())


def test_a_uuid_that_a_host_elsewhere_has_is_none(world: World) -> None:
    """Of two machines that are there at once, it can't say which of them left."""
    check_both(world)
    uuid = world.vcenter.inventory.host("esx04").host_uuid
    world.vcenter.inventory.host("esx05").host_uuid = uuid
    new_one = world.vcenter.inventory.add_host("prod-b", "esx08", host_uuid=uuid)
    world.check(PROD_B)
    assert uuids(world.records(PROD_B)[-1])[new_one] == uuid
    new = remove_and_add(world, "esx04", "prod-a", "other-name")
    assert ("host", "added", new) in told(world.check())


@pytest.mark.parametrize("differs", [False, True])
@pytest.mark.parametrize("looked_since", [False, True])
def test_another_machine_under_a_known_name_is_new(
    world: World, *, differs: bool, looked_since: bool
) -> None:
    """It is compared with nothing: a warning, also where it runs what others run. What left stays known."""
    check_both(world)
    old = world.vcenter.inventory.host("esx04")
    world.vcenter.inventory.remove_host("esx04")
    if looked_since:
        world.check()
    new = world.vcenter.inventory.add_host(
        "prod-a", "ESX04.example", old.software, PLACEHOLDER.replace("3", "4")
    )
    if differs:
        world.vcenter.hosts.set_component(new, I40EN, OLDER)
    record = world.check()
    change = next(change for change in record["changes"] if change["kind"] == "added")
    assert (change["element"], change["key"], change["severity"]) == ("host", new, "warning")
    assert change["detail"] is not None
    assert change["detail"]["other_machine"] == {"id": old.host, "name": "esx04"}
    assert bool(change["detail"]["differences"]) == differs
    assert {(each["element"], each["kind"]) for each in record["changes"]} <= {
        ("host", "added"),
        ("host", "removed"),
    }
    assert old.host in record["after"]["departed"]
    back = world.vcenter.inventory.add_host("prod-a", "esx77", old.software, old.host_uuid)
    assert told(world.check()) == {("host", "changed", back)}


def test_hosts_that_swap_their_names_are_still_themselves(world: World) -> None:
    """Both leave, and each comes back under the other's name."""
    check_both(world)
    one, two = (world.vcenter.inventory.host(name) for name in ("esx03", "esx04"))
    world.vcenter.hosts.set_component("esx03", I40EN, OLDER)
    world.check()
    for host in (one, two):
        world.vcenter.inventory.remove_host(host.host)
    swapped = {
        world.vcenter.inventory.add_host("prod-a", other.name, host.software, host.host_uuid): host.host
        for host, other in ((one, two), (two, one))
    }
    record = world.check()
    assert {change["key"]: change["from"] for change in record["changes"]} == swapped


@pytest.mark.parametrize("differs", [False, True])
def test_another_machine_that_joins_unseen_is_told_at_once_and_when_it_is_read(
    world: World, *, differs: bool
) -> None:
    """Which machine it is the vCenter knows before anybody has read what it runs."""
    check_both(world)
    old = world.vcenter.inventory.host("esx04")
    world.vcenter.inventory.remove_host("esx04")
    new = world.vcenter.inventory.add_host("prod-a", "esx04", old.software, OTHER_UUID)
    world.vcenter.hosts.fail_extraction(new)
    if differs:
        world.vcenter.hosts.set_component(new, I40EN, OLDER)
    joined = next(change for change in world.check()["changes"] if change["kind"] == "added")
    known = {"id": old.host, "name": "esx04"}
    assert (joined["severity"], joined["detail"]) == ("warning", {"other_machine": known})
    world.vcenter.hosts.fail_extraction(new, None)
    record = world.check()
    (read,) = record["changes"]
    assert read["detail"] is not None
    assert (read["key"], read["severity"], read["detail"]["other_machine"]) == (new, "warning", known)
    assert read["detail"]["was_unseen"]
    assert bool(read["detail"]["differences"]) == differs
    assert old.host in record["after"]["departed"]
