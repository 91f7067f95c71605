"""An upgrade that goes from host to host: its beginning, stall and end are told, and what leaves course."""

import pytest
from esx_drift.domain.events import MessageContent
from esx_drift.domain.findings.rollouts import MAX_KNOWN_STEPS, RolloutLook, RolloutUpdate
from esx_drift.domain.stored.identifiers import encode_canonical_json
from esx_drift.domain.stored.types import LEFT_DETAIL, Change, Json
from esx_drift.messages.content import build_content

from tests.unit.domain.changes.clusters import ClusterModel, HostModel
from tests.unit.domain.changes.sample import component
from tests.unit.domain.cluster_log import (
    DRIVER,
    I40EN,
    NEW_DRIVER,
    NOW,
    OLD_DRIVER,
    U3C,
    U3D,
    U3E,
    U3F,
    VIB,
    ClusterLog,
    Told,
    cluster,
    image,
)
from tests.unit.events import change


@pytest.fixture
def log() -> ClusterLog:
    """A log whose first look saw four equal hosts."""
    made = ClusterLog()
    made.look(cluster())
    return made


def upgrade(model: ClusterModel, *numbers: int, release: tuple[str, str] = U3E, driver: str = DRIVER) -> None:
    """Put these hosts on another image."""
    for number in numbers:
        model.hosts[f"host-{number}"].software = image(release, driver)


def read_message(told: Told) -> MessageContent:
    """The words of the one event that people are told."""
    (event,) = told.events
    return build_content({**event, "data": told.people[0]})


def rollout_of(told: Told) -> dict[str, Json]:
    """What the finding on uniformity says of it, published or open."""
    findings = [each for each in told.findings if each["kind"] == "image-not-uniform"]
    found = (findings or [told.open("image-not-uniform")])[0]["detail"]["rollout"]
    assert isinstance(found, dict)
    return found


def test_its_beginning_and_its_end_are_told(log: ClusterLog) -> None:
    """In between there is silence, and automation hears of each host."""
    model = cluster()
    upgrade(model, 1)
    begin = log.look(model)
    assert begin.moved == {"image-not-uniform": "opened", "drift-unreviewed": "opened"}
    assert [each["element"] for each in begin.changes] == ["base_image"]
    assert begin.one("image-not-uniform")["severity"] == "info"
    assert begin.people[0]["severity"] == "warning"
    at = "2026-11-23T10:00:00.000Z"
    assert rollout_of(begin) == {
        "element": "base_image",
        "key": "base_image",
        "from": U3D[0],
        "to": U3E[0],
        "from_release": "ESXi 8.0 U3d",
        "to_release": "ESXi 8.0 U3e",
        "done": 1,
        "of": 4,
        "left": ["host-2", "host-3", "host-4"],
        "unseen": [],
        "started_at": at,
        "moved_at": at,
        "state": "moving",
    }
    for number in (2, 3):
        upgrade(model, number)
        quiet = log.look(model)
        assert quiet.people == []
        (event,) = quiet.events
        assert event["data"]["suppressed"] == {"rollout": 1}
        assert event["data"]["changes"][0]["suppressed_by"] == "rollout"
        assert rollout_of(quiet)["done"] == number
    upgrade(model, 4)
    end = log.look(model)
    assert (end.moved, end.changes) == ({"image-not-uniform": "resolved"}, [])
    assert end.people[0]["severity"] == "warning"
    said = rollout_of(end)
    assert (said["state"], said["done"], said["started_at"]) == ("done", 4, at)
    assert encode_canonical_json(log.state["rollout"]) != b"null"
    assert log.look(model).events == []
    assert log.look(model).events == []
    assert log.state["rollout"] is None
    assert log.state["findings"].keys() == {end.open("drift-unreviewed")["fingerprint"]}


def test_an_upgrade_that_is_done_at_once_is_told_as_one(log: ClusterLog) -> None:
    """Between two looks; nobody waits for its end."""
    model = cluster()
    upgrade(model, 1, 2, 3, 4)
    once = log.look(model)
    assert once.moved == {"drift-unreviewed": "opened"}
    assert [each["element"] for each in once.changes] == ["base_image"]


def test_a_stall_is_told_once_and_its_end_too(log: ClusterLog) -> None:
    """Who is left, and who of those is not seen; moving on is silent, and stalling again is told."""
    model = cluster()
    upgrade(model, 1)
    log.look(model)
    upgrade(model, 2)
    model.failed["host-4"] = "esx04"
    unseen = model.hosts.pop("host-4")
    assert log.look(model).changes == []
    assert "image-not-uniform" not in log.look(model, 4).moved
    stalled = log.look(model, 4)
    assert stalled.moved == {"image-not-uniform": "raised"}
    assert stalled.people[0]["severity"] == "warning"
    said = rollout_of(stalled)
    assert (said["state"], said["left"], said["unseen"]) == ("stalled", ["host-3", "host-4"], ["host-4"])
    assert said["unseen_states"] == {"host-4": "NOT_RESPONDING"}
    assert log.look(model).people == []
    upgrade(model, 3)
    on = log.look(model)
    assert (on.people, on.open("image-not-uniform")["severity"]) == ([], "info")
    assert log.look(model, 7).moved == {"image-not-uniform": "raised"}
    model.failed.clear()
    model.hosts["host-4"] = unseen
    upgrade(model, 4)
    assert log.look(model).moved["image-not-uniform"] == "resolved"


@pytest.mark.parametrize(
    ("release", "driver", "kind", "severity"),
    [
        (U3F, DRIVER, "upgraded", "warning"),
        (U3C, DRIVER, "downgraded", "critical"),
        (U3E, NEW_DRIVER, "upgraded", "warning"),
        (U3E, OLD_DRIVER, "downgraded", "critical"),
    ],
)
def test_what_leaves_course_is_told_at_once(
    log: ClusterLog, release: tuple[str, str], driver: str, kind: str, severity: str
) -> None:
    """Another target, a downgrade, or the target and something else with it."""
    model = cluster()
    upgrade(model, 1)
    log.look(model)
    upgrade(model, 2, release=release, driver=driver)
    off = log.look(model)
    assert [(each["kind"], each["severity"]) for each in off.changes] == [(kind, severity)]
    upgrade(model, 3, release=release, driver=driver)
    again = log.look(model)
    assert [each["kind"] for each in again.changes] == ([kind] if kind == "downgraded" else [])


def test_a_new_orphaned_vib_is_told_while_it_moves(log: ClusterLog) -> None:
    """On each host that it appears on."""
    model = cluster()
    upgrade(model, 1)
    log.look(model)
    for number in (2, 3):
        upgrade(model, number)
        model.hosts[f"host-{number}"].vibs = frozenset({VIB})
        told = log.look(model)
        assert [each["element"] for each in told.changes] == ["orphaned_vib"]
        assert told.people[0]["severity"] == "critical"


@pytest.mark.parametrize("how", ["gone", "left", "both"])
def test_a_vib_that_leaves_some_of_its_hosts(log: ClusterLog, how: str) -> None:
    """Gone, it is as bad as it was found; with a host that left, it has not gone."""
    model = cluster()
    for number in (1, 2, 3):
        model.hosts[f"host-{number}"].vibs = frozenset({VIB})
    log.look(model)
    if how != "left":
        model.hosts["host-2"].vibs = frozenset()
    if how != "gone":
        del model.hosts["host-3"]
    told = log.look(model)
    (event,) = [event for event in told.events if ".orphaned-vib." in event["type"]]
    assert event["type"].endswith("resolved")
    assert event["data"]["severity"] == ("info" if how == "left" else "critical")
    assert (LEFT_DETAIL in told.one("orphaned-vib")["detail"]) == (how == "left")
    assert LEFT_DETAIL not in log.look(model).open("orphaned-vib")["detail"]


def test_a_driver_by_hand_is_no_rollout_until_it_spreads(log: ClusterLog) -> None:
    """It is told as a drift; then it is followed like any other, and its end is as bad as its beginning."""
    model = cluster()
    upgrade(model, 1, release=U3D, driver=NEW_DRIVER)
    one = log.look(model)
    assert one.one("image-not-uniform")["severity"] == "warning"
    assert "rollout" not in one.one("image-not-uniform")["detail"]
    upgrade(model, 2, release=U3D, driver=NEW_DRIVER)
    two = log.look(model)
    assert (two.people, two.open("image-not-uniform")["severity"]) == ([], "info")
    said = rollout_of(two)
    assert (said["key"], said["to"], said["to_release"]) == (I40EN, NEW_DRIVER, None)
    assert (said["started_at"], said["done"], said["of"]) == ("2026-11-23T10:00:00.000Z", 2, 4)
    assert log.look(model, 7).moved == {"image-not-uniform": "raised"}
    upgrade(model, 3, 4, release=U3D, driver=NEW_DRIVER)
    end = log.look(model)
    assert (end.moved, end.people[0]["severity"]) == ({"image-not-uniform": "resolved"}, "warning")


def test_the_same_driver_on_the_next_day_is_told_again(log: ClusterLog) -> None:
    """It did not spread all the time, so somebody may have thought that it was over."""
    model = cluster()
    upgrade(model, 1, release=U3D, driver=NEW_DRIVER)
    log.look(model)
    log.look(model, 20)
    upgrade(model, 2, release=U3D, driver=NEW_DRIVER)
    assert [each["key"] for each in log.look(model).changes] == [I40EN]


def test_a_host_without_the_driver_is_not_waited_for(log: ClusterLog) -> None:
    """It has no such hardware."""
    model = cluster()
    model.hosts["host-4"].software["components"] = {"other": component("1.0-1")}
    log.look(model)
    for number in (1, 2):
        upgrade(model, number, release=U3D, driver=NEW_DRIVER)
        told = log.look(model)
    assert (rollout_of(told)["of"], rollout_of(told)["left"]) == (3, ["host-3"])


def test_where_hosts_differ_in_more_the_last_host_says_the_end(log: ClusterLog) -> None:
    """Nothing else would: the finding on uniformity stays open, as bad as it was when it stalled."""
    model = cluster()
    model.hosts["host-4"].software["components"]["acme-tool"] = component("1.0-1")
    log.look(model)
    upgrade(model, 1, 2, 3)
    assert log.look(model).open("image-not-uniform")["severity"] == "info"
    log.look(model, 7)
    model.hosts["host-4"].software["base_image"] = image(U3E)["base_image"]
    end = log.look(model)
    assert [each["element"] for each in end.changes] == ["base_image"]
    assert (rollout_of(end)["state"], end.open("image-not-uniform")["severity"]) == ("done", "warning")


def test_where_hosts_differ_in_more_and_nothing_stalled_that_is_told(log: ClusterLog) -> None:
    """With the rollout's end."""
    model = cluster()
    upgrade(model, 1, 2, 3)
    log.look(model)
    upgrade(model, 4, driver=NEW_DRIVER)
    end = log.look(model)
    assert end.moved == {"image-not-uniform": "raised"}
    assert rollout_of(end)["state"] == "done"


def test_a_rollout_that_was_undone_is_none(log: ClusterLog) -> None:
    """Putting a host back is told as an end; the same rollout may begin again."""
    model = cluster()
    upgrade(model, 1)
    log.look(model)
    upgrade(model, 1, release=U3D)
    back = log.look(model)
    assert back.moved == {"image-not-uniform": "resolved", "drift-unreviewed": "resolved"}
    assert log.state["rollout"] is not None
    assert log.state["rollout"]["lead"] is None


def test_one_that_stalled_for_a_month_is_forgotten(log: ClusterLog) -> None:
    """The finding stays open; the next host is told as a beginning."""
    model = cluster()
    upgrade(model, 1)
    log.look(model)
    log.look(model, 7)
    assert log.look(model, 31 * 24).people == []
    assert log.state["rollout"] is None
    upgrade(model, 2)
    assert [each["element"] for each in log.look(model).changes] == ["base_image"]


@pytest.mark.parametrize("hours", [31 * 24, 12])
def test_what_was_held_back_is_told_once_its_rollout_comes_to_no_end(log: ClusterLog, hours: float) -> None:
    """Since it is forgotten, or since nobody looked before it was; and told once."""
    model = cluster()
    upgrade(model, 1)
    log.look(model)
    log.accept(["host-1"])
    upgrade(model, 2)
    assert log.look(model).people == []
    if hours < 24:
        log.look(model, hours)  # a stall is told, with what is open still
    told = log.look(model, 31 * 24)
    assert told.moved["drift-unreviewed"] == "raised"
    content = read_message(told)
    assert content.title.startswith("Not as last accepted: ESXi 8.0")
    assert content.title.endswith(" on esx02 · prod-a · vc01")
    assert any("did not reach all hosts" in note for note in content.notes)
    assert content.next_step is not None
    assert content.next_step.command == "esx-drift accept prod-a --vcenter vc01 --hosts esx02"
    assert log.look(model, 4).people == []
    assert log.look(model, 31 * 24).people == []


def test_what_was_held_back_and_told_meanwhile_is_not_told_again(log: ClusterLog) -> None:
    """Accepted and opened anew, or raised for another reason."""
    model = cluster()
    upgrade(model, 1)
    log.look(model)
    log.accept(["host-1"])
    upgrade(model, 2)
    log.look(model)
    upgrade(model, 2, driver=OLD_DRIVER)
    assert log.look(model).moved["drift-unreviewed"] == "raised"
    assert log.look(model, 31 * 24).moved.get("drift-unreviewed") is None


def test_what_was_held_back_is_told_where_the_rollout_is_undone(log: ClusterLog) -> None:
    """Its host keeps a driver that came along; no end of the rollout names that."""
    model = cluster()
    upgrade(model, 1, driver=NEW_DRIVER)
    log.look(model)
    log.accept(["host-1"])
    upgrade(model, 2, driver=NEW_DRIVER)
    assert log.look(model).people == []
    held = log.state["rollout"]
    assert held is not None
    assert held["lead"] is not None
    assert "held_back" in held["lead"]
    upgrade(model, 1, 2, release=U3D, driver=NEW_DRIVER)
    assert log.look(model).moved["drift-unreviewed"] == "raised"


def test_what_was_accepted_meanwhile_opens_silently_for_the_next_host(log: ClusterLog) -> None:
    """People know of the rollout; that it is not reviewed stands in the finding."""
    model = cluster()
    upgrade(model, 1)
    log.look(model)
    log.accept(["host-1"])
    upgrade(model, 2)
    told = log.look(model)
    assert (told.people, told.one("drift-unreviewed")["transition"]) == ([], "opened")
    assert "suppressed_by" not in told.open("drift-unreviewed")
    log.accept(["host-2"])
    upgrade(model, 3, driver=OLD_DRIVER)
    assert log.look(model).moved == {"drift-unreviewed": "opened"}


def test_what_was_accepted_meanwhile_is_told_with_the_end(log: ClusterLog) -> None:
    """Nothing else would name the last host, which nobody accepted."""
    model = cluster()
    upgrade(model, 1)
    log.look(model)
    upgrade(model, 2, 3)
    log.look(model)
    log.accept(["host-1", "host-2", "host-3"])
    upgrade(model, 4)
    told = log.look(model)
    assert told.moved == {"image-not-uniform": "resolved", "drift-unreviewed": "opened"}
    assert told.changes == []
    content = read_message(told)
    assert content.level == "warning"
    assert "uniform again; not as last accepted: esx04 · " in content.title
    assert content.items == ()
    assert content.next_step is not None
    assert content.next_step.command == "esx-drift accept prod-a --vcenter vc01 --hosts esx04"


def test_what_opened_silently_is_named_at_the_end(log: ClusterLog) -> None:
    """As what is open still."""
    model = cluster()
    upgrade(model, 1)
    log.look(model)
    log.accept(["host-1"])
    upgrade(model, 2)
    log.look(model)
    upgrade(model, 3, 4)
    told = log.look(model)
    content = read_message(told)
    assert content.title.startswith("Upgrade done: 4 of 4 hosts on ESXi 8.0 U3e")
    assert any("not as last accepted" in note for note in content.notes)


def test_a_driver_that_comes_with_the_end_does_not_hide_behind_it(log: ClusterLog) -> None:
    """On all hosts, so that they are uniform again."""
    model = cluster()
    upgrade(model, 1)
    log.look(model)
    upgrade(model, 1, 2, 3, 4, driver=NEW_DRIVER)
    told = log.look(model)
    content = read_message(told)
    assert content.level == "warning"
    assert content.title.startswith("Upgrade done: 4 of 4 hosts on ESXi 8.0 U3e")
    assert f"uniform again; {I40EN} " in content.title


STEP = {"from": DRIVER, "to": NEW_DRIVER, "hosts": ["host-1"]}


def test_what_a_window_hid_is_told_when_it_reaches_the_next_host(log: ClusterLog) -> None:
    """Nobody heard of it."""
    assert log.snapshot is not None
    look = RolloutLook(log.snapshot, {}, NOW, 3600)
    hidden = change("component", "upgraded", I40EN, **STEP, suppressed_by="maintenance:tuesday")
    update = look.follow(None, [hidden])
    assert (update.changes, update.rollout) == ([hidden], None)
    seen = change("component", "upgraded", I40EN, **STEP)
    assert look.follow(update.rollout, [seen]).changes == [seen]


def test_what_is_put_back_is_told_though_such_a_step_is_known(log: ClusterLog) -> None:
    """It is the end of something, begins no rollout, and is heard by whoever heard of that."""
    assert log.snapshot is not None
    look = RolloutLook(log.snapshot, {}, NOW, 3600)
    step = change("component", "upgraded", I40EN, **STEP)
    known = look.follow(None, [step]).rollout
    back: Change = {**step, "put_back": True}
    assert look.follow(known, [step]).changes[0]["suppressed_by"] == "rollout"
    assert look.follow(known, [back]).changes == [back]
    release = change("base_image", "upgraded", "base_image", **{**STEP, "to": U3D[0], "hosts": ["host-1"]})
    assert look.follow(None, [{**release, "put_back": True}]).rollout is None


def test_what_is_remembered_stays_small(log: ClusterLog) -> None:
    """Whatever changes at each look, and whatever comes with an upgrade."""
    assert log.snapshot is not None
    rollout, sizes = None, []
    for number in range(12):
        look = RolloutLook(log.snapshot, {}, NOW, 3600)
        parts = [f"part-{number}-{at}" for at in range(MAX_KNOWN_STEPS // 2)]
        changes = [change("component", "upgraded", part, **STEP) for part in parts]
        changes.append(change("base_image", "upgraded", "base_image", **{**STEP, "to": U3D[0]}))
        rollout = look.follow(rollout, changes).rollout
        sizes.append(len(encode_canonical_json(rollout)))
    assert max(sizes[3:]) == sizes[-1] < 2 * 20 * MAX_KNOWN_STEPS


def test_a_witness_is_not_waited_for() -> None:
    """It is updated by itself."""
    log, model = ClusterLog(), cluster()
    model.hosts["host-9"] = HostModel("witness", image(), witness=True)
    log.look(model)
    upgrade(model, 1)
    assert rollout_of(log.look(model))["of"] == 4


def test_the_end_of_a_rollout_keeps_nothing_back_but_what_others_hide(log: ClusterLog) -> None:
    """Where no finding says that it is over, its changes do: what a window hides stays hidden."""
    hidden, known = (
        change("component", "upgraded", "acme", suppressed_by="maintenance:w"),
        change("component", "upgraded", I40EN, suppressed_by="rollout"),
    )
    plain = change("component", "upgraded", "other")
    update = RolloutUpdate(None, [hidden, known, plain], "done")
    told, _ = update.finish([])
    assert [each.get("suppressed_by") for each in told] == ["maintenance:w", None, None]
    assert log.state["rollout"] is None
