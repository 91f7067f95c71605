"""What rules and windows hide, what they never hide, and that nothing is lost by it."""

from copy import replace
from datetime import timedelta
from typing import Any, cast

import pytest
from esx_drift.domain.findings.kinds import FINDING_KINDS
from esx_drift.domain.fleet.rules import (
    NO_RULES,
    IgnoreRule,
    MaintenanceWindow,
    Period,
    Recurrence,
    SilencingRules,
)
from esx_drift.domain.stored.records import build_empty_state
from esx_drift.domain.stored.types import Change, Finding, LogState, OpenWindow, Record
from esx_drift.domain.suppression import (
    MAX_SETTLING,
    Log,
    Work,
    accept_finished_work,
    apply_rules,
    build_open_window,
)
from esx_drift.domain.text.times import format_time, parse_time
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.events import CHECKED, HOST_NAMES, VIB, change, finding, told

NOW = parse_time(CHECKED)
HOUR = timedelta(hours=1)
DRIVER = change("component", "upgraded", "Intel-i40en", **{"from": "1", "to": "2"})
BACKWARDS = change("component", "downgraded", "Intel-i40en", severity="critical", **{"from": "2", "to": "1"})
PUT_BACK = {**BACKWARDS, "severity": "info", "put_back": True}
APPEARED = change("orphaned_vib", "added", VIB, severity="critical")
GONE = change("orphaned_vib", "removed", VIB, severity="info")
UNREVIEWED = finding("drift", "drift-unreviewed", "", "esx07 differs", hosts=["host-7"])
NOT_UNIFORM = finding("drift", "image-not-uniform", "", "hosts differ", hosts=["host-7"])
FAILED = finding("failure", "host-failed", "host-7", "esx07 could not be read", hosts=["host-7"])
ORPHAN = finding("orphaned-vib", "orphaned-vib", VIB, "an orphan", severity="critical", hosts=["host-7"])
MISSING = finding("failure", "cluster-missing", "domain-c9", "prod-a is not listed")
UNREACHABLE = finding("failure", "vcenter-unreachable", "", "vc01 does not answer")


def _rule(name: str = "r", **fields: Any) -> IgnoreRule:  # noqa: ANN401 -- any field of a rule
    return IgnoreRule(name, "known", fields.pop("until", NOW + HOUR), **fields)


def _window(name: str = "w", begins: int = -1, ends: int = 1, **fields: Any) -> MaintenanceWindow:  # noqa: ANN401 -- any field of a window
    return MaintenanceWindow(name, "CHG-1", Period(NOW + begins * HOUR, NOW + ends * HOUR), **fields)


def _rules(*rules: IgnoreRule | MaintenanceWindow) -> SilencingRules:
    return SilencingRules(
        tuple(rule for rule in rules if isinstance(rule, IgnoreRule)),
        tuple(rule for rule in rules if isinstance(rule, MaintenanceWindow)),
    )


def _state(*findings: Finding, windows: tuple[OpenWindow, ...] = (), at: str | None = None) -> LogState:
    answered = [{"request_id": "r", "seq": 1, "at": at}] if at else []
    state = {
        **build_empty_state(),
        "findings": {each["fingerprint"]: each for each in findings},
        "maintenance": {"windows": [*windows]} if windows else None,
        "answered": answered,
    }
    return cast("LogState", state)


def _record(
    changes: list[Any] | None = None,
    findings: list[Finding] | None = None,
    before: LogState | None = None,
    **parts: Any,  # noqa: ANN401 -- any field of a record
) -> Record:
    clusters = parts.pop("clusters", None)
    record = told(changes=changes or [], findings=findings or [], **parts).record
    still_open = {each["fingerprint"]: each for each in findings or [] if each["transition"] != "resolved"}
    kept = {**record["after"], "findings": still_open, "clusters": clusters}
    if before is not None:
        kept["maintenance"] = before["maintenance"]
    return {**record, "after": cast("LogState", kept)}


def _apply(record: Record, rules: SilencingRules, before: LogState | None = None) -> Record:
    return apply_rules(record, before or _state(), rules, HOST_NAMES)


def _marks(record: Record) -> list[str | None]:
    return [item.get("suppressed_by") for item in (*record["changes"], *record["findings"])]


def _marked(item: Finding, mark: str) -> Finding:
    return {**item, "suppressed_by": mark}


def _with(item: Finding, transition: str) -> Finding:
    because = "recovered" if transition == "resolved" else None
    return cast("Finding", {**item, "transition": transition, "resolved_because": because})


@pytest.mark.parametrize(
    ("rule", "item", "hides"),
    [
        (_rule(elements=("component",)), DRIVER, True),
        (_rule(elements=("add_on",)), DRIVER, False),
        (_rule(kinds=("upgraded",)), DRIVER, True),
        (_rule(kinds=("added",)), DRIVER, False),
        (_rule(keys=("Intel-*",)), DRIVER, True),
        (_rule(keys=("lsi*",)), DRIVER, False),
        (_rule(keys=("Intel-*",), hosts=("esx07",)), DRIVER, True),
        (_rule(keys=("Intel-*",), hosts=("host-7",)), DRIVER, True),
        (_rule(keys=("Intel-*",), hosts=("esx01",)), DRIVER, False),
        (_rule(keys=("Intel-*",), hosts=("esx07",)), {**DRIVER, "hosts": ["host-7", "host-8"]}, False),
        (_rule(findings=("host-failed",)), DRIVER, False),
        (_rule(findings=("host-failed",), elements=("component",)), DRIVER, True),
        (_rule(keys=("Intel-*",), vcenters=("vc02",)), DRIVER, False),
        (_rule(keys=("Intel-*",), clusters=("prod-*",)), DRIVER, True),
        (_rule(keys=("Intel-*",), clusters=("domain-c9",)), DRIVER, True),
        (_rule(keys=("Intel-*",), clusters=("lab-*",)), DRIVER, False),
        (_rule(keys=("Intel-*",), until=NOW), DRIVER, False),
        (_rule(keys=("*",)), DRIVER, False),
        # A downgrade is named by its kind, an orphaned VIB by its whole name.
        (_rule(keys=("Intel-i40en",)), BACKWARDS, False),
        (_rule(keys=("Intel-i40en",), kinds=("downgraded",)), BACKWARDS, True),
        (_rule(keys=("smntemp(*)",)), APPEARED, False),
        (_rule(elements=("orphaned_vib",)), APPEARED, False),
        (_rule(keys=(VIB,)), APPEARED, True),
        (_rule(keys=("smntemp(*)",)), ORPHAN, False),
        (_rule(findings=("orphaned-vib",)), ORPHAN, False),
        (_rule(keys=(VIB,)), ORPHAN, True),
        (_rule(findings=("host-failed",)), FAILED, True),
        (_rule(findings=("host-error",)), FAILED, False),
        (_rule(keys=("host-7",)), FAILED, True),
        (_rule(kinds=("upgraded",)), FAILED, False),
        # What is critical is named by its kind, and some kinds are never hidden.
        (_rule(keys=("host-7",)), {**FAILED, "severity": "critical"}, False),
        (_rule(findings=("host-failed",)), {**FAILED, "severity": "critical"}, True),
        (_rule(findings=("trail-damaged",)), {**FAILED, "kind": "trail-damaged"}, False),
        # No window hides a downgrade, an orphaned VIB, or anything critical.
        (_window(), DRIVER, True),
        (_window(), FAILED, True),
        (_window(), {**FAILED, "severity": "critical"}, False),
        (_window(), BACKWARDS, False),
        (_window(), {**BACKWARDS, "severity": "warning"}, False),
        (_window(), APPEARED, False),
        (_window(), {**APPEARED, "severity": "info"}, False),
        (_window(), {**ORPHAN, "severity": "warning"}, False),
        (_window(), {**DRIVER, "severity": "critical"}, False),
        (_window(ends=0), DRIVER, False),
        (_window(begins=1, ends=2), DRIVER, False),
        (_window(clusters=("lab-*",)), DRIVER, False),
        (_window(vcenters=("vc02",)), DRIVER, False),
    ],
)
def test_what_a_rule_hides_and_what_not(
    rule: IgnoreRule | MaintenanceWindow, item: dict[str, Any], *, hides: bool
) -> None:
    """A change or a finding that begins, in prod-a on vc01."""
    parts = {"changes": [item]} if "element" in item else {"findings": [cast("Finding", item)]}
    (mark,) = _marks(_apply(_record(**parts), _rules(rule)))
    kind = "ignore" if isinstance(rule, IgnoreRule) else "maintenance"
    assert mark == (f"{kind}:{rule.name}" if hides else None)


def test_what_something_else_hides_already_stays_as_it_is() -> None:
    """A rollout that was told, and what comes and goes."""
    rolling = cast("Change", {**DRIVER, "suppressed_by": "rollout"})
    flapping = _marked(FAILED, "flapping")
    record = _apply(_record([rolling], [flapping]), _rules(_window()))
    assert _marks(record) == ["rollout", "flapping"]
    kept = _apply(_record(findings=[flapping]), NO_RULES, _state(_marked(FAILED, "ignore:x")))
    assert kept["after"]["findings"][FAILED["fingerprint"]]["suppressed_by"] == "ignore:x"


@pytest.mark.parametrize(
    ("place", "scope", "hides"),
    [(UNREACHABLE, ("*",), True), (UNREACHABLE, ("prod-*",), False), (MISSING, ("prod-*",), True)],
)
def test_what_concerns_a_whole_vcenter_is_hidden_by_what_holds_for_all_of_it(
    place: Finding, scope: tuple[str, ...], *, hides: bool
) -> None:
    """A finding of its log about one cluster by what holds for that one."""
    known = {"domain-c9": {"name": "prod-a"}}
    record = _record(findings=[place], cluster=None, clusters=known, outcome="dispatched")
    (by_window,) = _marks(_apply(record, _rules(_window(clusters=scope))))
    (by_rule,) = _marks(_apply(record, _rules(_rule(findings=(place["kind"],), clusters=scope))))
    assert (by_window, by_rule) == (("maintenance:w", "ignore:r") if hides else (None, None))
    (elsewhere,) = _marks(_apply(record, _rules(_window(vcenters=("vc02",)))))
    assert elsewhere is None


def test_what_was_hidden_and_is_still_open_is_opened_when_nothing_hides_it_any_more() -> None:
    """Once, with what hid it; from then on people know of it."""
    rules = _rules(_window())
    opened = _apply(_record(findings=[FAILED]), rules)
    assert opened["after"]["findings"][FAILED["fingerprint"]]["suppressed_by"] == "maintenance:w"
    still = _with(FAILED, "still")
    during = _apply(_record(findings=[still], before=opened["after"]), rules, opened["after"])
    assert (during["findings"][0]["transition"], _marks(during)) == ("still", ["maintenance:w"])
    later = _apply(
        _record(findings=[still], before=during["after"], outcome="unchanged"), NO_RULES, during["after"]
    )
    (told_now,) = later["findings"]
    assert (told_now["transition"], told_now["detail"]["hidden_by"]) == ("opened", "maintenance:w")
    assert (later["outcome"], _marks(later)) == ("changed", [None])
    assert [window["still_open"][0]["kind"] for window in later["maintenance_ended"]] == ["host-failed"]
    after = _apply(_record(findings=[still]), NO_RULES, later["after"])
    assert (after["findings"][0]["transition"], _marks(after)) == ("still", [None])


def test_an_end_is_told_if_its_beginning_was() -> None:
    """Also in a window; and of a beginning that was hidden no end is told, also after it."""
    over = _with(FAILED, "resolved")
    assert _marks(_apply(_record(findings=[over]), _rules(_window()), _state(FAILED))) == [None]
    hidden = _state(_marked(FAILED, "maintenance:w"))
    assert _marks(_apply(_record(findings=[over]), NO_RULES, hidden)) == ["maintenance:w"]


def test_what_people_know_of_is_told_when_it_gets_worse() -> None:
    """No rule hides that; a rule that hid the beginning hides it still."""
    raised = _with(FAILED, "raised")
    rules = _rules(_rule(findings=("host-failed",)))
    assert _marks(_apply(_record(findings=[raised]), rules, _state(FAILED))) == [None]
    hidden = _state(_marked(FAILED, "ignore:r"))
    assert _marks(_apply(_record(findings=[raised]), rules, hidden)) == ["ignore:r"]
    critical: Finding = {**raised, "severity": "critical"}
    (told_now,) = _apply(_record(findings=[critical]), _rules(_window()), hidden)["findings"]
    assert (told_now["transition"], "suppressed_by" in told_now) == ("opened", False)


@pytest.mark.parametrize(
    ("end", "begun"), [(PUT_BACK, UNREVIEWED), (GONE, ORPHAN)], ids=["put back", "an orphan is gone"]
)
def test_a_change_that_ends_something_is_told_if_that_was(end: Change, begun: Finding) -> None:
    """Whatever rule would hide it; where nothing began, rules and windows decide."""
    rules = _rules(_rule(keys=(end["key"],)), _window())
    assert _marks(_apply(_record([end]), rules, _state(begun))) == [None]
    assert _marks(_apply(_record([end]), NO_RULES, _state(_marked(begun, "ignore:x")))) == ["ignore:x"]
    assert _marks(_apply(_record([end]), rules)) == ["ignore:r"]
    assert _marks(_apply(_record([end]), _rules(_window()))) == ["maintenance:w"]


def test_what_follows_from_ignored_changes_alone_is_ignored_with_them() -> None:
    """Else a rule about a driver would hide the driver, and tell that the host differs."""
    rules = _rules(_rule(keys=("Intel-i40en",)))
    record = _apply(_record([DRIVER], [UNREVIEWED, FAILED]), rules)
    assert _marks(record) == ["ignore:r", "ignore:r", None]
    still = [_with(UNREVIEWED, "still")]
    again = _apply(_record(findings=still), rules, record["after"])
    assert _marks(again) == ["ignore:r"]
    other = change("component", "upgraded", "lsi-msgpt3")
    more = _apply(_record([DRIVER, other], still), rules, record["after"])
    assert _marks(more) == ["ignore:r", None, None]
    assert more["findings"][0]["transition"] == "opened"
    expired = _apply(_record(findings=still, outcome="unchanged"), NO_RULES, record["after"])
    assert (expired["findings"][0]["transition"], expired["outcome"]) == ("opened", "changed")
    mixed = _apply(_record([DRIVER, other], [NOT_UNIFORM]), rules)
    assert _marks(mixed) == ["ignore:r", None, None]


def test_a_window_counts_what_it_hid_and_its_end_says_so() -> None:
    """By element and by kind, over all records; and which hosts changed in a way that no window hides."""
    rules = _rules(_window())
    first = _apply(_record([DRIVER, BACKWARDS], [FAILED]), rules)
    second = _apply(_record([{**DRIVER, "hosts": ["host-8"]}], before=first["after"]), rules, first["after"])
    (window,) = (second["after"]["maintenance"] or {"windows": []})["windows"]
    assert (window["changes"], window["findings"]) == ({"component": 2}, {"host-failed": 1})
    assert (window["hosts"], window["excepted"]) == (["host-7", "host-8"], ["host-7"])
    over = _apply(_record(before=second["after"]), NO_RULES, second["after"])
    (ended,) = over["maintenance_ended"]
    assert (ended["name"], ended["changes"], ended["findings"]) == ("w", {"component": 2}, {"host-failed": 1})
    assert over["after"]["maintenance"] is None


def test_a_window_of_the_file_in_which_nothing_was_hidden_ends_in_silence() -> None:
    """A weekly one would else be a message a week and cluster; one that a person started is told."""
    state = _apply(_record(), _rules(_window()))["after"]
    assert state["maintenance"] is not None
    for at in (None, format_time(NOW - HOUR / 2)):
        before: LogState = {**state, "answered": _state(at=at)["answered"]}
        over = _apply(_record(before=before), _rules(_window(ends=0)), before)
        assert ("maintenance_ended" in over, over["after"]["maintenance"]) == (False, None)
    times = (format_time(NOW - HOUR), format_time(NOW))
    started = build_open_window("record 12", "alice", "CHG-2", times, state, accept=False)
    state = _state(windows=(started,))
    (ended,) = _apply(_record(before=state, outcome="unchanged"), NO_RULES, state)["maintenance_ended"]
    assert (ended["name"], ended["by"], ended["changes"]) == ("record 12", "alice", {})


def test_a_window_that_left_the_file_ends_at_the_next_record() -> None:
    """And one whose times there are others now."""
    state = _apply(_record([DRIVER]), _rules(_window()))["after"]
    for rules in (NO_RULES, _rules(_window(begins=2, ends=3)), _rules(_window(clusters=("lab-*",)))):
        over = _apply(_record([DRIVER], before=state), rules, state)
        assert [window["to"] for window in over["maintenance_ended"]] == [CHECKED]
        assert _marks(over) == [None]
    longer = _apply(_record([DRIVER], before=state), _rules(_window(ends=2)), state)
    assert [window["to"] for window in (longer["after"]["maintenance"] or {"windows": []})["windows"]] == [
        format_time(NOW + 2 * HOUR)
    ]


def test_a_window_that_accepts_waits_for_a_look_after_its_end() -> None:
    """What it hid stays hidden until then, but not for ever; what begins after its end is told."""
    hidden = _marked(UNREVIEWED, "maintenance:w")
    accepting = _window(ends=0, accept=True)
    state = _apply(_record(), _rules(accepting), _state(hidden, at=format_time(NOW - HOUR / 2)))["after"]
    assert state["maintenance"] is not None
    waiting = _record([DRIVER], [_with(UNREVIEWED, "still"), FAILED], before=state)
    before: LogState = {**state, "findings": {hidden["fingerprint"]: hidden}}
    record = _apply(waiting, _rules(accepting), before)
    assert _marks(record) == [None, "maintenance:w", None]
    late = format_time(NOW + MAX_SETTLING + HOUR)
    given_up = _apply({**waiting, "checked_at": late}, _rules(accepting), before)
    assert _marks(given_up) == [None, None, None]
    assert given_up["findings"][0]["transition"] == "opened"


def test_what_was_accepted_at_a_windows_end_is_not_told() -> None:
    """A change that the look after its end shows, on hosts that it accepts."""
    times = (format_time(NOW - HOUR), format_time(NOW))
    settled = build_open_window("w", "fleet file", "CHG-1", times, _state(UNREVIEWED), accept=True)
    settled["accepted"] = ["host-7"]
    state = _state(windows=(settled,))
    rules = _rules(_window(ends=0, accept=True))
    changes = [DRIVER, {**DRIVER, "hosts": ["host-8"]}, {**DRIVER, "hosts": []}]
    record = _apply(_record(changes, before=state), rules, _state(at=format_time(NOW - HOUR / 2)))
    assert _marks(record) == ["maintenance:w", None, None]
    (ended,) = record["maintenance_ended"]
    assert (ended["accepted"], ended["accepted_total"], ended["changes"]) == (["host-7"], 1, {"component": 1})
    assert settled["unreviewed"] == ["host-7"]


def test_two_windows_that_end_at_one_look_are_both_named() -> None:
    """Each accepted hosts of its own of what ends by it; one that accepted none of them says nothing."""
    times = (format_time(NOW - HOUR), format_time(NOW))
    windows = [
        build_open_window(name, by, f"CHG-{name}", times, _state(), accept=True)
        for name, by in (("w", "fleet file"), ("record 3", "jo"), ("record 4", "al"))
    ]
    for window, host in zip(windows, ("host-7", "host-8", "host-9"), strict=True):
        window["accepted"] = [host]
    drift = {**UNREVIEWED, "hosts": ["host-7", "host-8"]}
    over: Any = {**drift, "transition": "resolved", "resolved_because": "accepted"}
    state = _state(windows=tuple(windows))
    before = _state(cast("Finding", drift), at=format_time(NOW - HOUR / 2))
    record = _apply(_record([], [over], before=state), _rules(_window(ends=0, accept=True)), before)
    (finding,) = record["findings"]
    assert finding["detail"]["decided_by"] == "fleet file, jo"
    assert finding["detail"]["reason"] == "maintenance w: CHG-w; maintenance record 3: CHG-record 3"


def test_work_is_accepted_of_the_window_that_ended_alone() -> None:
    """On hosts that are there, were accepted before for good, and run something else now."""
    ended, open_yet = (
        build_open_window(name, "alice", "CHG-2", times, _state(), accept=True)
        for name, times in (
            ("record 1", (format_time(NOW - HOUR), format_time(NOW))),
            ("record 2", (format_time(NOW - HOUR), format_time(NOW + HOUR))),
        )
    )
    ended["hosts"] = open_yet["hosts"] = [f"host-{number}" for number in range(1, 6)]
    entry = {"image": "old", "orphaned_vibs": [], "snapshot": "s"}
    accepted: dict[str, Any] = dict.fromkeys(("host-1", "host-2", "host-4"), entry)
    # A person said until when: a window does not make that for good.
    accepted["host-5"] = {**entry, "until": format_time(NOW + HOUR), "before": entry}
    state = cast("LogState", {**_state(windows=(ended, open_yet)), "accepted": accepted})
    runs = {"host-1": "new", "host-2": "old", "host-3": "new", "host-5": "new"}
    hosts: Any = {host: {"image": image, "orphaned_vibs": []} for host, image in runs.items()}
    work = Work(hosts, lambda: "key", [])
    after = accept_finished_work(state, Log("vc01", ("domain-c9", "prod-a")), NO_RULES, NOW, work)
    maintenance = after["maintenance"]
    assert maintenance is not None
    assert [window.get("accepted") for window in maintenance["windows"]] == [["host-1"], None]
    assert after["accepted"]["host-1"] == {"image": "new", "orphaned_vibs": [], "snapshot": "key"}
    assert after["accepted"]["host-2"] == entry
    assert after["accepted"]["host-5"] == accepted["host-5"]


def test_a_recurring_window_is_one_window_each_time() -> None:
    """Its second night has counts of its own."""
    nightly = MaintenanceWindow("n", "CHG-1", recurrence=Recurrence("0 1 * * *", "UTC", 2 * HOUR))
    state = _apply(_record([DRIVER]), _rules(nightly))["after"]
    tomorrow = format_time(NOW + 24 * HOUR)
    record = _record([DRIVER, DRIVER], before=state)
    record["checked_at"] = tomorrow
    after = _apply(record, _rules(nightly), {**state, "answered": _state(at=CHECKED)["answered"]})
    assert [window["changes"] for window in after["maintenance_ended"]] == [{"component": 1}]
    (window,) = (after["after"]["maintenance"] or {"windows": []})["windows"]
    assert window["changes"] == {"component": 2}


_TEXTS = st.sampled_from(
    ["*", "**", "?*", "host-7", "esx07", "Intel-i40en", "smntemp(*)", "s*", VIB, "prod-*"]
)
_LISTS = st.lists(_TEXTS, max_size=3, unique=True).map(tuple)
_ELEMENTS = ("component", "base_image", "host", "orphaned_vib")
_CHANGE_KINDS = ("added", "removed", "upgraded", "downgraded", "changed")
_IGNORE_RULES = st.builds(
    IgnoreRule,
    st.sampled_from("abc"),
    st.just("known"),
    st.none() | st.sampled_from([NOW - HOUR, NOW, NOW + HOUR, NOW + 400 * 24 * HOUR]),
    elements=st.lists(st.sampled_from(_ELEMENTS), max_size=3, unique=True).map(tuple),
    kinds=st.lists(st.sampled_from(_CHANGE_KINDS), max_size=3, unique=True).map(tuple),
    findings=st.lists(st.sampled_from(sorted(FINDING_KINDS)), max_size=4, unique=True).map(tuple),
    keys=_LISTS,
    hosts=_LISTS,
)
_WINDOWS = st.builds(
    _window,
    st.sampled_from("xyz"),
    st.integers(-3, 1),
    st.integers(-2, 3),
    accept=st.booleans(),
    clusters=st.sampled_from([("*",), ("prod-*",), ("lab",)]),
)
_CHANGES = st.builds(
    lambda element, kind, severity, key: change(element, kind, key, severity=severity),
    st.sampled_from(_ELEMENTS),
    st.sampled_from(_CHANGE_KINDS),
    st.sampled_from(["info", "warning", "critical"]),
    st.sampled_from(["Intel-i40en", VIB]),
)
_FINDINGS = st.lists(
    st.builds(
        lambda kind, severity, transition: _with(
            finding(FINDING_KINDS[kind].family, kind, VIB, "s", severity=severity, hosts=["host-7"]),
            transition,
        ),
        st.sampled_from(sorted(FINDING_KINDS)),
        st.sampled_from(["info", "warning", "critical"]),
        st.sampled_from(["opened", "raised", "still", "resolved"]),
    ),
    max_size=6,
    unique_by=lambda each: each["fingerprint"],
)
_UNHIDEABLE = {"vcenter-authentication", "vcenter-replaced", "trail-damaged", "host-hidden"}


def _is_never_hidden(item: Any, by: str, rules: dict[str, IgnoreRule]) -> bool:  # noqa: ANN401 -- a change or a finding
    """Whether nothing of that sort may hide it, said again in other words than the code's."""
    rule = rules.get(by.removeprefix("ignore:"))
    is_orphan = item.get("element") == "orphaned_vib" or item["kind"] == "orphaned-vib"
    if is_orphan and item["kind"] != "removed":
        return rule is None or item.get("key", item.get("subject")) not in rule.keys
    if item["kind"] == "downgraded":
        return rule is None or "downgraded" not in rule.kinds
    if item["kind"] in _UNHIDEABLE:
        return True
    return item["severity"] == "critical" and rule is None and item["kind"] != "removed"


@given(
    st.lists(_IGNORE_RULES, max_size=3, unique_by=lambda rule: rule.name),
    st.lists(_WINDOWS, max_size=3, unique_by=lambda window: window.name),
    st.lists(_CHANGES, max_size=4),
    _FINDINGS,
    st.randoms(use_true_random=False),
)
def test_whatever_the_rules_say(
    ignore: list[IgnoreRule],
    windows: list[MaintenanceWindow],
    changes: list[Change],
    findings: list[Finding],
    shuffled: Any,  # noqa: ANN401 -- hypothesis' own Random
) -> None:
    """Nothing is hidden that may not be; each mark names a rule that holds; their order does not matter."""
    known = [each for each in findings if each["transition"] != "opened"]
    record, before = _record(changes, findings), _state(*known)
    rules = SilencingRules(tuple(ignore), tuple(windows))
    marked = _apply(record, rules, before)
    by_name = {rule.name: rule for rule in ignore}
    holding = {f"ignore:{rule.name}" for rule in ignore if rule.is_in_effect(NOW)}
    holding |= {f"maintenance:{window.name}" for window in windows if window.find_period(NOW, NOW)}
    items = [*marked["changes"], *marked["findings"]]
    for item in items:
        if "suppressed_by" in item:
            assert item["suppressed_by"] in holding
            assert not _is_never_hidden(item, item["suppressed_by"], by_name)
    for was, now in zip(record["findings"], marked["findings"], strict=True):
        assert (now["transition"] == "opened") is (was["transition"] == "opened")
        assert was in known or was["transition"] == "opened"
        if was in known and "suppressed_by" in now:
            # Of what people knew before, nothing is hidden but that a drift grew.
            assert (was["kind"], was["transition"]) == ("drift-unreviewed", "raised")
            assert now["suppressed_by"].startswith("maintenance:")
            assert "suppressed_by" not in marked["after"]["findings"][now["fingerprint"]]
    shuffled.shuffle(ignore)
    shuffled.shuffle(windows)
    again = _apply(record, SilencingRules(tuple(ignore), tuple(windows)), before)
    assert [mark is None for mark in _marks(marked)] == [mark is None for mark in _marks(again)]


@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from(sorted(FINDING_KINDS)), unique=True, max_size=4),
            st.lists(_IGNORE_RULES, max_size=2, unique_by=lambda rule: rule.name),
            st.lists(_WINDOWS, max_size=2, unique_by=lambda window: window.name),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_nothing_that_is_open_is_forgotten(steps: list[Any]) -> None:
    """Whatever holds when, and by which rules: people know what nothing hides, each beginning once."""
    state, known = _state(), set[str]()
    for kinds, ignore, windows in [*steps, (steps[-1][0], [], [])]:
        state = {**state, "answered": _state(at=CHECKED)["answered"]}
        met = [finding(FINDING_KINDS[kind].family, kind, "", kind) for kind in kinds]
        fingerprints = {each["fingerprint"] for each in met}
        findings = [
            _with(each, "still" if each["fingerprint"] in state["findings"] else "opened") for each in met
        ]
        findings += [
            _with(each, "resolved") for key, each in state["findings"].items() if key not in fingerprints
        ]
        record = _apply(
            _record(findings=findings, before=state),
            SilencingRules(tuple(ignore), tuple(replace(each, accept=False) for each in windows)),
            state,
        )
        for each in record["findings"]:
            if "suppressed_by" in each:
                assert each["fingerprint"] not in known
            elif each["transition"] == "opened":
                assert each["fingerprint"] not in known
                known.add(each["fingerprint"])
            elif each["transition"] == "resolved":
                known.remove(each["fingerprint"])
        state = record["after"]
    assert known == state["findings"].keys()
