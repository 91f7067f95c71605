"""Which host is which: by id, by name unless it is another machine, or by a UUID of its machine's own."""

from collections.abc import Mapping
from copy import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from esx_drift.domain.changes.compare import compare_snapshots
from esx_drift.domain.changes.new_hosts import (
    describe_new_hosts,
    find_replaced_hosts,
    list_left_hosts,
    mark_replaced_hosts,
    match_remembered_hosts,
)
from esx_drift.domain.host_history import (
    ASK_AGAIN_AFTER,
    READ_ANEW_AFTER,
    RememberedHost,
    find_known_machines,
    is_other_machine,
    list_hosts_to_ask,
    update_departed,
)
from esx_drift.domain.stored.identifiers import find_machine, parse_machine_uuid
from esx_drift.domain.stored.records import build_empty_state
from esx_drift.domain.stored.types import ClusterName, Image, KnownMachines, LogState, Snapshot
from esx_drift.domain.text.times import format_time
from hypothesis import assume, given
from hypothesis import strategies as st

A, B = "4c4c4544-0042-3510-8052-b3c04f4b4e32", "30313436-3631-5355-4532-313358365943"
A_TURNED = "44454c4c-4200-1035-8052-b3c04f4b4e32"
NIL, ONES = str(UUID(int=0)), str(UUID(int=2**128 - 1))
LEFT_AT = datetime(2026, 11, 22, tzinfo=UTC)
NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)


def snapshot(names: Mapping[str, str]) -> Snapshot:
    """Hosts by id and name, all of which run the same."""
    return {
        "schema_version": 2,
        "images": {"a": {"main": {"base_image": "8.0.3-0.0.24022510"}, "alternatives": {}}},
        "labels": {},
        "hosts": {
            host: {"name": name, "image": "a", "orphaned_vibs": [], "witness": False}
            for host, name in names.items()
        },
    }


def former(host: str, name: str, uuid: str | None, cluster: str | None = None) -> RememberedHost:
    """A host that left before."""
    where: ClusterName | None = None if cluster is None else {"id": cluster, "name": cluster}
    image: Image = {"main": {}, "alternatives": {}}
    return RememberedHost(host, name, image, [], LEFT_AT, where, None, uuid)


@pytest.mark.parametrize(
    ("uuid", "expected"),
    [
        (A, A_TURNED),
        (A.upper(), A_TURNED),
        (A_TURNED, A_TURNED),
        (B, B),
        (None, None),
        ("", None),
        ("not a uuid", None),
        (f"{{{A}}}", None),
        (NIL, None),
        (ONES, None),
        ("fefefefe-fefe-fefe-fefe-fefefefefefe", None),
        ("03000200-0400-0500-0006-000700080009", None),
        ("00020003-0004-0005-0006-000700080009", None),
        ("00010203-0405-0607-0809-0A0B0C0D0E0F", None),
    ],
)
def test_what_firmware_has_where_nobody_set_one_is_no_machine(uuid: str | None, expected: str | None) -> None:
    """Whichever way its first fields were read, and in whatever case."""
    assert find_machine(uuid) == expected


@given(st.uuids())
def test_a_machine_has_one_name(uuid: UUID) -> None:
    """The name is a UUID that has the same name; the same bytes turned around have it, too."""
    machine = find_machine(str(uuid))
    assume(machine is not None)
    assert find_machine(machine) == machine == find_machine(str(UUID(bytes_le=uuid.bytes)))
    assert not is_other_machine(str(uuid), machine)
    assert is_other_machine(str(uuid), A) == (machine != A_TURNED)


@given(st.text() | st.integers() | st.none() | st.uuids().map(str))
def test_any_value_is_a_uuid_or_none(value: object) -> None:
    """Only in its usual form, and in lower case then."""
    parsed = parse_machine_uuid(value)
    assert parsed in {None, str(value).lower()}
    assert parsed is None or str(UUID(parsed)) == parsed


HOURS = timedelta(hours=1)
HOST_UUIDS: dict[str, str | None] = {"host-1": A, "host-2": None}


@pytest.mark.parametrize(
    ("uuids", "asked_ago", "hosts", "expected"),
    [
        ({}, None, ["host-10", "host-9"], ["host-9", "host-10"]),
        ({}, None, [], []),
        ({}, HOURS, [], []),
        (HOST_UUIDS, 90 * ASK_AGAIN_AFTER, [], []),
        ({"host-1": A}, None, ["host-1"], ["host-1"]),
        (HOST_UUIDS, HOURS, ["host-1", "host-2"], []),
        (HOST_UUIDS, ASK_AGAIN_AFTER - HOURS, ["host-1", "host-2"], []),
        (HOST_UUIDS, ASK_AGAIN_AFTER, ["host-1", "host-2"], ["host-1", "host-2"]),
        (HOST_UUIDS, HOURS, ["host-1", "host-2", "host-3"], ["host-1", "host-2", "host-3"]),
        (HOST_UUIDS, READ_ANEW_AFTER - HOURS, ["host-1"], []),
        (HOST_UUIDS, READ_ANEW_AFTER, ["host-1"], ["host-1"]),
    ],
)
def test_who_is_asked_for(
    uuids: dict[str, str | None], asked_ago: timedelta | None, hosts: list[str], expected: list[str]
) -> None:
    """All if one is new, and else once a day if one is not known, and once a week."""
    asked_at = None if asked_ago is None else format_time(NOW - asked_ago)
    assert list_hosts_to_ask({"uuids": uuids, "asked_at": asked_at}, hosts, NOW) == expected


def test_a_log_without_machines_knows_none() -> None:
    """As the version before wrote it."""
    known: KnownMachines = {"uuids": {"host-1": A}, "asked_at": None}
    assert find_known_machines(build_empty_state()) == {"uuids": {}, "asked_at": None}
    assert find_known_machines({**build_empty_state(), "machines": known}) == known


def match(
    before: Mapping[str, str],
    now: Mapping[str, str],
    uuids: Mapping[str, str | None],
    remembered: list[RememberedHost],
) -> tuple[dict[str, str], dict[str, str]]:
    """Which host each is, and whose name each has, by the ids."""
    baseline, current = snapshot(before), snapshot(now)
    entries = [*list_left_hosts(baseline, current, uuids), *remembered]
    returned = match_remembered_hosts(baseline, current, entries, uuids)
    replaced = find_replaced_hosts(baseline, current, entries, uuids, returned)
    return (
        {host: entry.id for host, entry in returned.items()},
        {host: entry.id for host, entry in replaced.items()},
    )


STAYS = {"host-1": "esx01"}
LEAVES = {**STAYS, "host-2": "esx02"}


@pytest.mark.parametrize(
    ("new_name", "old_uuid", "new_uuid", "is_same", "is_replaced"),
    [
        ("other", A, A, True, False),
        ("other", A, A_TURNED, True, False),
        ("other", A, B, False, False),
        ("other", A, None, False, False),
        ("other", None, A, False, False),
        ("other", None, None, False, False),
        ("other", NIL, NIL, False, False),
        ("esx02", A, A, True, False),
        ("esx02", A, None, True, False),
        ("esx02", None, B, True, False),
        ("esx02", A, NIL, True, False),
        ("esx02", A, B, False, True),
        ("ESX02.corp.example", A, A, True, False),
        ("ESX02.corp.example", A, B, False, True),
    ],
)
@pytest.mark.parametrize("left_before", [False, True])
def test_a_host_is_known_again(
    new_name: str,
    old_uuid: str | None,
    new_uuid: str | None,
    *,
    is_same: bool,
    is_replaced: bool,
    left_before: bool,
) -> None:
    """By name or UUID, whether it left since the last look or before."""
    uuids = {"host-2": old_uuid, "host-9": new_uuid, "host-1": "c" * 8 + A[8:]}
    now = {**STAYS, "host-9": new_name}
    remembered = [former("host-2", "esx02", old_uuid)] if left_before else []
    expected = {"host-9": "host-2"} if is_same else {}
    replaced = {"host-9": "host-2"} if is_replaced else {}
    assert match(STAYS if left_before else LEAVES, now, uuids, remembered) == (expected, replaced)


def test_what_has_the_id_is_the_host() -> None:
    """Whatever its hardware says: a board was changed, and the vCenter knows it all the same."""
    remembered = [former("host-9", "esx09", A, "domain-c7")]
    found = match(STAYS, {**STAYS, "host-9": "esx09"}, {"host-9": B}, remembered)
    assert found == ({"host-9": "host-9"}, {})


def test_the_name_counts_before_the_uuid() -> None:
    """Where nothing contradicts it; a host that another has by its UUID is still free for that."""
    remembered = [former("host-2", "esx02", None), former("host-3", "esx03", A)]
    now = {**STAYS, "host-8": "other", "host-9": "esx02"}
    assert match(STAYS, now, {"host-9": A}, remembered) == ({"host-9": "host-2"}, {})
    assert match(STAYS, now, {"host-8": A}, remembered) == ({"host-8": "host-3", "host-9": "host-2"}, {})


def test_two_machines_that_swap_their_names_are_themselves() -> None:
    """A name is no proof against a UUID."""
    remembered = [former("host-2", "esx02", A), former("host-3", "esx03", B)]
    now = {**STAYS, "host-8": "esx02", "host-9": "esx03"}
    assert match(STAYS, now, {"host-8": B, "host-9": A}, remembered)[0] == {
        "host-8": "host-3",
        "host-9": "host-2",
    }


def test_an_id_counts_before_the_name_of_another_and_that_before_a_uuid() -> None:
    """Whoever is asked for first: what is known of host-9 is its own, though host-8 has its name now."""
    remembered = [former("host-9", "esx02", None, "domain-c7"), former("host-3", "esx03", A)]
    now = {**STAYS, "host-5": "other", "host-8": "esx02", "host-9": "esx03.corp.example"}
    assert match(STAYS, now, {"host-5": A}, remembered) == ({"host-9": "host-9", "host-5": "host-3"}, {})


def test_what_a_host_ran_is_known_by_its_uuid_where_its_name_says_nothing() -> None:
    """Nobody ever saw the host of this name; the machine was seen, under another."""
    unseen = replace(former("host-2", "esx02", None), image=None, orphaned_vibs=None)
    remembered = [unseen, former("host-3", "esx03", A)]
    baseline, current = snapshot(STAYS), snapshot({**STAYS, "host-9": "esx02"})
    found = match_remembered_hosts(baseline, current, remembered, {"host-9": A})["host-9"]
    assert (found.id, found.image) == ("host-2", remembered[1].image)


@pytest.mark.parametrize("also", ["among those that are there", "among those that left", "elsewhere"])
def test_a_uuid_of_several_hosts_finds_none_of_them(also: str) -> None:
    """That it differs says all the same that one is another machine than the one of its name."""
    uuids: dict[str, str | None] = {
        "host-9": A,
        "host-1": A if also == "among those that are there" else None,
    }
    more = {
        "among those that left": former("host-3", "esx03", A),
        "elsewhere": former("host-4", "x", A, "c7"),
    }
    remembered = [former("host-2", "esx02", A), *([more[also]] if also in more else [])]
    assert match(STAYS, {**STAYS, "host-9": "other"}, uuids, remembered) == ({}, {})
    uuids["host-9"] = B
    remembered = [replace(entry, name="esx02") for entry in remembered]
    assert match(STAYS, {**STAYS, "host-9": "esx02"}, uuids, remembered)[1] == {"host-9": "host-2"}


def test_a_uuid_that_others_have_does_not_hide_another_machine() -> None:
    """A copied UUID, of a host here or elsewhere, is not the one that the name had."""
    remembered, now = [former("host-2", "esx02", A)], {**STAYS, "host-9": "esx02"}
    copied: dict[str, str | None] = {"host-1": B, "host-9": B}
    assert match(STAYS, now, copied, remembered) == ({}, {"host-9": "host-2"})
    baseline, current = snapshot(STAYS), snapshot(now)
    found = match_remembered_hosts(baseline, current, remembered, {"host-9": B}, {B})
    assert found == {}
    # Nor does one that is elsewhere find the machine, where no name does.
    other = snapshot({**STAYS, "host-9": "other"})
    assert match_remembered_hosts(baseline, other, remembered, {"host-9": A}, {A_TURNED}) == {}


def test_what_is_known_of_one_is_given_once() -> None:
    """To the host that has its name, and not to one that has its UUID as well."""
    remembered = [former("host-2", "esx02", A)]
    now = {"host-8": "esx02", "host-9": "other"}
    assert match({}, now, {"host-9": A}, remembered) == ({"host-8": "host-2"}, {})


@pytest.mark.parametrize("is_known", [False, True])
def test_another_machine_under_a_known_name_is_a_warning(*, is_known: bool) -> None:
    """Also where it runs what the others run; all other changes stay as they are."""
    baseline, current = snapshot(LEAVES), snapshot({**STAYS, "host-9": "esx02"})
    changes = describe_new_hosts(compare_snapshots(baseline, current, {}), current, ["host-9"])
    replaced = {"host-9": former("host-2", "esx02", A)} if is_known else {}
    left, joined = sorted(
        mark_replaced_hosts(changes, replaced), key=lambda change: change["kind"], reverse=True
    )
    assert (left["severity"], left["detail"]) == ("info", None)
    assert joined["severity"] == ("warning" if is_known else "info")
    assert joined["detail"] is not None
    assert ("other_machine" in joined["detail"]) == is_known


def test_what_left_stays_known_beside_another_machine_of_its_name() -> None:
    """And has its UUID; the same machine, or one of which that is not known, is that host."""
    hosts = snapshot(LEAVES)["hosts"]
    state: LogState = {**build_empty_state(), "last_look_at": format_time(LEFT_AT)}
    left = update_departed(state, hosts, snapshot(STAYS)["hosts"], {}, NOW, {"host-2": A})
    assert left["host-2"]["uuid"] == A
    now = snapshot({**STAYS, "host-9": "esx02"})["hosts"]
    known: LogState = {**state, "departed": left}
    for uuid, stays in ((B, True), (A, False), (None, False)):
        after = update_departed(known, snapshot(STAYS)["hosts"], now, {}, NOW, {"host-9": uuid})
        assert ("host-2" in after) == stays
