"""What spreads, grows, ends or comes and goes within a window: not told in it, and once at its end."""

from copy import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from esx_drift.domain.fleet.rules import IgnoreRule, MaintenanceWindow, Period, SilencingRules
from esx_drift.domain.suppression import apply_rules

from tests.unit.domain.changes.clusters import ClusterModel
from tests.unit.domain.cluster_log import (
    I40EN,
    NEW_DRIVER,
    NOW,
    OLD_DRIVER,
    U3E,
    U3F,
    VIB,
    ClusterLog,
    Told,
    cluster,
    image,
)
from tests.unit.events import finding

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import Finding

UPGRADE = image(U3E)
HOUR = timedelta(hours=1)


def _begin(number: int = 6, **window: Any) -> tuple[ClusterLog, ClusterModel]:  # noqa: ANN401 -- any field of it
    """A first look at 6 o'clock; a window from 7 to 15 o'clock."""
    period = Period(NOW + 5 * HOUR, NOW + 13 * HOUR)
    rules = SilencingRules(maintenance=(MaintenanceWindow("night", "CHG-1", period, **window),))
    log, model = ClusterLog(rules=rules), cluster(number)
    log.look(model)
    return log, model


def _set(model: ClusterModel, software: dict[str, Any], *numbers: int) -> None:
    for number in numbers:
        model.hosts[f"host-{number}"].software = software


def _upgraded(log: ClusterLog, model: ClusterModel, *numbers: int, hours: float = 2) -> Told:
    _set(model, UPGRADE, *numbers)
    return log.look(model, hours)


def test_a_rollout_that_begins_in_a_window_is_told_at_its_end() -> None:
    """Its beginning once, then it goes on in silence, and its end is told."""
    log, model = _begin()
    for number in (1, 2, 3):
        assert _upgraded(log, model, number).people == []
    lead = (log.state["rollout"] or {"lead": None})["lead"]
    assert lead is not None
    assert lead["unheard"]
    end = _upgraded(log, model, 4, hours=5)
    assert end.moved == {"image-not-uniform": "opened", "drift-unreviewed": "opened"}
    assert end.one("image-not-uniform")["severity"] == "info"
    rollout = end.one("image-not-uniform")["detail"]["rollout"]
    assert isinstance(rollout, dict)
    assert (rollout["state"], rollout["done"], rollout["of"]) == ("moving", 4, 6)
    assert _upgraded(log, model, 5).people == []
    done = _upgraded(log, model, 6)
    assert done.moved == {"image-not-uniform": "resolved"}


def test_another_rollout_that_begins_in_a_window_is_told_at_its_end() -> None:
    """People know of the one before; that hosts go elsewhere now, nobody heard."""
    log, model = _begin()
    _set(model, UPGRADE, 1)
    assert log.look(model, 0.5).people != []
    _set(model, image(U3F), 2)
    assert log.look(model, 2).people == []
    _set(model, image(U3F), 3)
    end = log.look(model, 12)
    assert [(each["element"], each["to"]) for each in end.changes] == [("base_image", U3F[0])]


def test_a_rollout_between_a_window_and_the_next_look_is_told_with_what_it_did() -> None:
    """Where nothing moved since, its beginning is told all the same."""
    log, model = _begin()
    _upgraded(log, model, 1)
    end = log.look(model, 10)
    assert end.moved == {"image-not-uniform": "opened", "drift-unreviewed": "opened"}
    assert end.changes == []
    assert _upgraded(log, model, 2).people == []


def test_a_rollout_that_was_told_before_a_window_is_known_in_it_and_after_it() -> None:
    """It is nothing that the window hides, and nothing that is told again."""
    log, model = _begin()
    assert _upgraded(log, model, 1, hours=0.5).people != []
    told = [_upgraded(log, model, 2), _upgraded(log, model, 3), _upgraded(log, model, 4, hours=6)]
    assert [each.people for each in told] == [[], [], []]
    assert [each.record.get("maintenance_ended") for each in told] == [None] * 3


def test_who_heard_of_no_beginning_hears_of_the_next_host() -> None:
    """A person accepted what was done in the window: after it, no host is left of which he could know."""
    log, model = _begin()
    _set(model, image(driver=OLD_DRIVER), 6)
    log.look(model, 0.5)
    log.accept(["host-6"])
    _upgraded(log, model, 1, hours=7)
    log.accept(["host-1"])
    end = log.look(model, 2)
    assert (end.changes, end.moved) == ([], {})
    first = _upgraded(log, model, 2)
    assert {change["element"] for change in first.changes} == {"base_image"}
    assert "unheard" not in str(log.state["rollout"])
    assert _upgraded(log, model, 3).people == []


def test_what_a_rule_ignored_is_no_known_step() -> None:
    """After it, the driver on the next host is told."""
    log, model = ClusterLog(), cluster(4)
    log.look(model)
    log.rules = SilencingRules((IgnoreRule("driver", "known", log.now + 3 * HOUR, keys=(I40EN,)),))
    _set(model, image(driver=NEW_DRIVER), 1)
    log.look(model, 2)
    log.accept(["host-1"])
    _set(model, image(driver=NEW_DRIVER), 2)
    after = log.look(model, 2)
    assert [change["hosts"] for change in after.changes] == [["host-2"]]
    assert after.moved["drift-unreviewed"] == "opened"


def test_a_drift_that_grows_in_a_window_is_told_once_at_its_end() -> None:
    """With the net difference of all its hosts."""
    log, model = _begin()
    _set(model, image(driver=NEW_DRIVER), 1)
    before = log.look(model, 0.5)
    assert before.moved["drift-unreviewed"] == "opened"
    _set(model, image(driver=OLD_DRIVER), 2)
    critical = log.look(model, 4)
    assert critical.one("drift-unreviewed")["transition"] == "raised", "no window hides a downgrade"
    _upgraded(log, model, 3)
    assert log.look(model, 1).people == []
    end = log.look(model, 2)
    assert end.moved == {"drift-unreviewed": "raised"}
    drift = end.one("drift-unreviewed")
    assert drift["hosts"] == ["host-1", "host-2", "host-3"]
    assert (drift["detail"]["total"], drift["detail"]["hidden_by"]) == (3, "maintenance:night")
    assert end.record["maintenance_ended"][0]["changes"] == {"base_image": 1}
    assert log.look(model, 1).people == []


def test_what_grew_waits_for_a_window_that_still_holds() -> None:
    """Two windows, one after the other ends: it is told after both."""
    log, model = _begin()
    second = MaintenanceWindow("day", "CHG-2", Period(NOW + 12 * HOUR, NOW + 24 * HOUR))
    log.rules = replace(log.rules, maintenance=(*log.rules.maintenance, second))
    _set(model, image(driver=NEW_DRIVER), 1)
    log.look(model, 0.5)
    _upgraded(log, model, 2, hours=6)
    both = log.look(model, 3)
    assert [window["name"] for window in both.record["maintenance_ended"]] == ["night"]
    assert both.moved == {}
    end = log.look(model, 11)
    assert end.moved["drift-unreviewed"] == "raised"
    assert end.one("drift-unreviewed")["hosts"] == ["host-1", "host-2"]


def test_an_acceptance_that_ends_in_a_window_is_told_at_its_end() -> None:
    """What it covered is open again, and hidden until then."""
    log, model = _begin()
    _set(model, image(driver=NEW_DRIVER), 1)
    log.look(model, 0.5)
    log.accept(["host-1"], 3)
    inside = log.look(model, 5)
    assert inside.one("drift-unreviewed")["suppressed_by"] == "maintenance:night"
    assert inside.people == []
    end = log.look(model, 6)
    assert end.moved == {"drift-unreviewed": "opened"}
    assert "expired_at" in end.one("drift-unreviewed")["detail"]


def test_an_acceptance_that_ends_in_a_window_may_make_a_known_drift_grow() -> None:
    """Then that is what is told at its end."""
    log, model = _begin()
    _set(model, image(driver=NEW_DRIVER), 1, 2)
    log.look(model, 0.5)
    log.accept(["host-1"], 3)
    inside = log.look(model, 5)
    drift = inside.one("drift-unreviewed")
    assert (drift["transition"], drift["suppressed_by"]) == ("raised", "maintenance:night")
    assert inside.people == []
    assert "suppressed_by" not in inside.open("drift-unreviewed")
    assert log.look(model, 1).people == []
    end = log.look(model, 6)
    assert end.moved == {"drift-unreviewed": "raised"}
    assert end.one("drift-unreviewed")["hosts"] == ["host-1", "host-2"]


def test_a_window_accepts_at_its_end_what_it_may_hide() -> None:
    """With its name as the reason; a downgrade, a new VIB and a drift of before stay open."""
    log, model = _begin(accept=True)
    _set(model, image(driver=NEW_DRIVER), 1)
    log.look(model, 0.5)
    _upgraded(log, model, 2)
    model.hosts["host-3"].vibs = frozenset({VIB})
    _set(model, image(driver=OLD_DRIVER), 4)
    _upgraded(log, model, 1, 3, 5)
    end = log.look(model, 9)
    (window,) = end.record["maintenance_ended"]
    assert (window["name"], window["reason"]) == ("night", "CHG-1")
    assert window["accepted"] == ["host-2", "host-5"]
    assert end.open("drift-unreviewed")["hosts"] == ["host-1", "host-3", "host-4"]
    assert end.open("orphaned-vib")["severity"] == "critical"


def test_what_a_window_accepts_ends_by_it() -> None:
    """A drift that was told since no window hides it ends with who decided, and why."""
    log, model = ClusterLog(), cluster(4)
    log.look(model)
    log.maintain(4, accept=True)
    _upgraded(log, model, 1, 2, 3, 4)
    log.maintain(None)
    end = log.look(model, 1)
    drift = end.one("drift-unreviewed")
    assert (drift["transition"], drift["resolved_because"]) == ("resolved", "accepted")
    assert drift["detail"]["reason"] == "maintenance record 1: CHG-2042"
    assert str(drift["detail"]["decided_by"]).endswith("/jo")


@pytest.mark.parametrize("inside", [1, 2, 3])
def test_what_came_and_went_in_a_window_does_not_count(inside: int) -> None:
    """Only what people heard makes it come and go: the third time that they hear of it."""
    log, model = ClusterLog(), cluster(4)
    log.look(model)
    heard = []
    for number in range(1, 5):
        if number == inside:
            log.maintain(3)
        unread = model.hosts.pop("host-4")
        model.failed["host-4"] = unread.name
        told = log.look(model, 2)
        heard += [("flapping" in each["detail"], number) for data in told.people for each in data["findings"]]
        model.failed.clear()
        model.hosts["host-4"] = unread
        log.look(model, 2)
    assert [number for _, number in heard] == [number for number in range(1, 5) if number != inside]
    assert [says for says, _ in heard] == [False, False, True]


def test_what_is_told_late_counts() -> None:
    """A finding of a window that is open at its end was heard once more."""
    log, model = ClusterLog(), cluster(4)
    log.look(model)
    says = []
    for number in range(3):
        if number == 1:
            log.maintain(1)
        unread = model.hosts.pop("host-4")
        model.failed["host-4"] = unread.name
        told = [log.look(model, 0.5), log.look(model, 2)]
        says += [
            "flapping" in each["detail"]
            for one in told
            for data in one.people
            for each in data["findings"]
            if each["transition"] == "opened"
        ]
        model.failed.clear()
        model.hosts["host-4"] = unread
        log.look(model, 2)
    assert says == [False, False, True]


def test_a_window_that_accepted_other_hosts_is_no_reason() -> None:
    """A finding that ended as accepted names the window of its own hosts, or none."""
    log, model = ClusterLog(), cluster(4)
    log.look(model)
    log.maintain(4, accept=True)
    _upgraded(log, model, 1)
    log.maintain(None)
    end = log.look(model, 1)
    drift = finding("drift", "drift-unreviewed", "", "esx02 differs", hosts=["host-2"])
    ended: Finding = {**drift, "transition": "resolved", "resolved_because": "accepted"}
    marked = apply_rules({**end.record, "findings": [ended]}, log.state, log.rules, {})
    assert marked["findings"] == [ended]
