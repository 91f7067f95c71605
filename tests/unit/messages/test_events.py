import pytest
from esx_drift.contracts import list_violations
from esx_drift.domain.events import list_moved_kinds, rate_event, select_for_people
from esx_drift.domain.stored.identifiers import make_event_id
from esx_drift.domain.stored.types import LEFT_DETAIL, Change, Finding, Json, rank_severity
from esx_drift.messages.content import build_content
from esx_drift.messages.publication import MAX_PUBLISH_BYTES, build_publication
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.events import (
    HOST_NAMES,
    VIB,
    Check,
    build_events,
    change,
    finding,
    not_looked,
    tellings,
    told,
)

UNREVIEWED = finding("drift", "drift-unreviewed", "host-7", "esx07 differs", hosts=["host-7"])
NOT_UNIFORM = finding("drift", "image-not-uniform", "", "hosts differ", hosts=["host-7"])
ORPHAN = finding("orphaned-vib", "orphaned-vib", VIB, "an orphan", severity="critical", hosts=["host-7"])
FAILED = finding("failure", "host-failed", "host-11", "esx11 could not be read", hosts=["host-11"])
DRIVER = change("component", "upgraded", "Intel-i40en", **{"from": "1", "to": "2"})
OTHER_DRIVER = change("component", "upgraded", "lsi-msgpt3", **{"from": "1", "to": "2"})
APPEARED = change("orphaned_vib", "added", VIB, severity="critical")
RELABELLED = change("component", "relabelled", "Intel-i40en", severity="info", **{"from": "1", "to": "1"})


DEEP: Json = 1
for _ in range(40):
    DEEP = {"\u0000" * 1_000: DEEP}


def _moved(item: Finding, transition: str, because: str | None = None) -> Finding:
    return finding(
        item["family"],
        item["kind"],
        item["subject"],
        item["summary"],
        severity=item["severity"],
        hosts=item["hosts"],
        transition=transition,
        resolved_because=because,
    )


def _over(item: Finding) -> Finding:
    return _moved(item, "resolved", "recovered")


def _types(changes: list[Change], findings: list[Finding], outcome: str = "changed") -> list[str]:
    events = build_events(told(changes=changes, findings=findings, outcome=outcome))
    return [event["type"].removeprefix("esx-drift.") for event in events]


@pytest.mark.parametrize(
    ("changes", "findings", "expected"),
    [
        ([], [], []),
        ([DRIVER], [], ["drift.detected"]),
        ([APPEARED], [], ["orphaned-vib.detected"]),
        ([RELABELLED], [], []),
        ([RELABELLED], [_moved(UNREVIEWED, "still")], []),
        ([], [_moved(UNREVIEWED, "still"), _moved(ORPHAN, "still"), _moved(FAILED, "still")], []),
        ([], [UNREVIEWED], ["drift.detected"]),
        ([], [_moved(FAILED, "raised")], ["failure.detected"]),
        ([], [_over(FAILED)], ["failure.resolved"]),
        ([], [_over(FAILED), _moved(FAILED, "opened")], ["failure.detected"]),
        ([DRIVER], [_over(UNREVIEWED)], ["drift.detected"]),
        (
            [DRIVER, APPEARED],
            [FAILED, ORPHAN, UNREVIEWED],
            ["failure.detected", "orphaned-vib.detected", "drift.detected"],
        ),
    ],
)
def test_one_event_a_family_and_only_for_what_moved(
    changes: list[Change], findings: list[Finding], expected: list[str]
) -> None:
    """Detected if anything opened, was raised or changed, else resolved; what is still so causes nothing."""
    assert _types(changes, findings) == expected


def test_a_first_copy_is_told_as_such_and_its_findings_by_their_families() -> None:
    """The baseline's event is harmless and empty; what was found at that look has events of its own."""
    events = build_events(told(outcome="baseline", since=None, findings=[FAILED, ORPHAN]))
    assert [event["type"].split(".")[1] for event in events] == ["baseline", "failure", "orphaned-vib"]
    assert events[0]["data"]["severity"] == "info"
    assert events[0]["data"]["findings"] == []


def test_each_change_travels_in_its_familys_event_only() -> None:
    """Orphaned VIBs in theirs, all others in drift's, relabelled ones in none."""
    found = [FAILED, ORPHAN, UNREVIEWED]
    failure, orphaned, drift = build_events(told(changes=[DRIVER, APPEARED, RELABELLED], findings=found))
    assert failure["data"]["changes"] == []
    assert orphaned["data"]["changes"] == [APPEARED]
    assert drift["data"]["changes"] == [DRIVER]


def test_severity_counts_what_moved_and_not_what_is_still_so() -> None:
    """A critical finding that is merely still open doesn't make an event critical; its end does."""
    assert rate_event([DRIVER], [_moved(ORPHAN, "still")]) == "warning"
    assert rate_event([DRIVER], [_over(ORPHAN)]) == "critical"


def test_a_vib_that_has_gone_from_one_of_its_hosts_is_heard_by_whoever_heard_of_it() -> None:
    """It is still open elsewhere, and what has gone is evidence; one that left with its host has not gone."""
    gone = change("orphaned_vib", "removed", VIB, severity="info")
    still = _moved({**ORPHAN, "severity": "critical"}, "still")
    assert rate_event([gone], [still]) == "critical"
    assert rate_event([gone], [{**still, "severity": "warning"}]) == "info"
    assert rate_event([gone], [{**still, "detail": {LEFT_DETAIL: True}}]) == "info"


def _suppress[T: (Change, Finding)](item: T, by: str) -> T:
    marked = item.copy()
    marked["suppressed_by"] = by
    return marked


def test_what_is_suppressed_is_published_and_counted_by_its_reason() -> None:
    """Automation on the topic sees it; what merely still holds is not counted."""
    changes = [_suppress(DRIVER, "rollout"), _suppress(OTHER_DRIVER, "ignore:drivers")]
    findings = [_suppress(UNREVIEWED, "rollout"), _suppress(_moved(FAILED, "still"), "maintenance:x")]
    (event,) = build_events(told(changes=changes, findings=findings))
    assert event["data"]["changes"] == changes
    assert event["data"]["suppressed"] == {"ignore:drivers": 1, "rollout": 2}
    assert event["data"]["severity"] == "warning"


def test_what_moved_is_listed_as_a_route_names_it() -> None:
    """Findings that moved, elements and kinds of changes; a report, and a list that was cut, say nothing."""
    (event,) = build_events(told(changes=[DRIVER], findings=[UNREVIEWED, _moved(NOT_UNIFORM, "still")]))
    expected = frozenset({"drift-unreviewed", "component", "upgraded", "component:upgraded"})
    assert list_moved_kinds(event["data"]) == expected
    assert list_moved_kinds({**event["data"], "truncated": True}) is None
    assert list_moved_kinds({**event["data"], "changes": [], "findings": []}) is None


def test_people_are_told_the_rest_rated_without_what_is_suppressed() -> None:
    """Two VIBs appeared, one of them ignored: one is told, and with its own severity."""
    harmless = change("orphaned_vib", "added", "mft(4.26)")
    (event,) = build_events(told(changes=[_suppress(APPEARED, "ignore:known"), harmless]))
    assert event["data"]["severity"] == "critical"
    left = select_for_people(event["data"])
    assert left is not None
    assert (left["changes"], left["severity"], left["totals"]["changes"]) == ([harmless], "warning", 1)
    assert left["suppressed"] == {"ignore:known": 1}


def test_an_event_of_nothing_else_is_not_told_to_people() -> None:
    """What still holds beside it is no reason to post."""
    still = _moved(UNREVIEWED, "still")
    (event,) = build_events(told(changes=[_suppress(DRIVER, "rollout")], findings=[still]))
    assert select_for_people(event["data"]) is None


def test_a_decision_is_told_with_who_and_why() -> None:
    """As its record has it; other events have none."""
    decision = {"by": "arn:aws:sts::1:assumed-role/admin/jo", "reason": "CHG-2042", "shown_at": 40}
    whole = {**decision, "sender_id": "AROA:jo", "instance_uuid": None, "taken": ["host-7"], "refused": []}
    over = _moved(UNREVIEWED, "resolved", "accepted")
    (event,) = build_events(told(outcome="accepted", findings=[over], decision=whole))
    assert event["data"]["decision"] == {"by": decision["by"], "reason": "CHG-2042"}
    assert list_violations("event", event) == []
    (other,) = build_events(told(changes=[DRIVER]))
    assert "decision" not in other["data"]


def test_an_event_names_the_stack_of_its_record() -> None:
    """So that a command in a message asks the same one; a record of 0.1.0 has none."""
    (event,) = build_events(told(changes=[DRIVER], stack="esx-drift-eu"))
    assert event["data"]["stack"] == "esx-drift-eu"
    assert list_violations("event", event) == []
    (older,) = build_events(told(changes=[DRIVER]))
    assert "stack" not in older["data"]


def test_where_nothing_is_suppressed_all_is_told() -> None:
    """The very same data."""
    (event,) = build_events(told(changes=[DRIVER]))
    assert select_for_people(event["data"]) is event["data"]


def test_of_a_cut_list_the_rest_counts_as_told() -> None:
    """Nobody knows which of the cut changes are suppressed, so that their number stays."""
    (event,) = build_events(told(changes=[_suppress(DRIVER, "rollout"), APPEARED, DRIVER]))[1:]
    cut = event["data"].copy()
    cut["changes"], cut["truncated"] = cut["changes"][:1], True
    left = select_for_people(cut)
    assert left is not None
    assert (left["changes"], left["totals"]["changes"]) == ([], 2)


def test_an_event_of_a_whole_vcenter_names_no_cluster() -> None:
    """Source and subject are the vCenter's; so the same id can't be a cluster's."""
    (event,) = build_events(not_looked(findings=[finding("failure", "vcenter-error", "", "500")]))
    assert (event["source"], event["subject"], event["data"]["cluster"]) == ("/vcenters/vc02", "vc02", None)


def test_an_event_of_a_cluster_names_it_by_id_and_name() -> None:
    """The id in the source, the name in the subject, and both in the data."""
    (event,) = build_events(told(changes=[DRIVER]))
    assert event["source"] == "/vcenters/vc01/clusters/domain-c9"
    assert event["subject"] == "prod-a"
    assert event["data"]["cluster"] == {"id": "domain-c9", "name": "prod-a"}
    assert event["data"]["host_names"] == {"host-7": "esx07"}


def test_a_host_that_came_back_is_named_under_both_ids() -> None:
    """Otherwise nobody can tell which host it was."""
    back = change("host", "changed", "host-7", **{"from": "host-3", "to": "host-7"})
    (event,) = build_events(told(changes=[back], host_names=HOST_NAMES))
    assert event["data"]["host_names"] == {"host-7": "esx07", "host-3": "esx03"}


@given(tellings())
def test_every_event_obeys_its_schema_and_its_bound(check: Check) -> None:
    """Whatever the names: valid, small enough for SNS, and with an id that repeats."""
    told_twice = [build_events(check), build_events(check)]
    assert told_twice[0] == told_twice[1]
    for event in told_twice[0]:
        assert list_violations("event", event) == []
        assert build_publication(event).size_bytes < MAX_PUBLISH_BYTES
        assert event["id"] == make_event_id(event["data"]["check_id"], event["type"])


@given(tellings())
def test_totals_are_exact_and_severity_is_the_highest(check: Check) -> None:
    """Also of what had to be cut."""
    for event in build_events(check):
        data = event["data"]
        totals = data["totals"]
        assert totals["findings"] == sum(totals[key] for key in ("opened", "raised", "still", "resolved"))
        assert totals["changes"] >= len(data["changes"])
        assert totals["findings"] >= len(data["findings"])
        assert all(
            rank_severity(item["severity"]) <= rank_severity(data["severity"]) for item in data["changes"]
        )


@pytest.mark.parametrize(
    "changes",
    [
        [
            change("component", "changed", f"c{n}", hosts=[f"host-{h}" for h in range(300)])
            for n in range(300)
        ],
        [change("component", "added", "é" * 10_000, to="2", hosts=[str(n)]) for n in range(100)],
        [change("base_image", "changed", "base_image", detail={"from": {"a": ["x" * 1000] * 1000}})],
        [change("base_image", "changed", "base_image", detail={"from": {"a": "x" * 300_000}, "to": 1})],
        [change("component", "added", "\u0000" * 300_000, to="2")],
        [change("base_image", "changed", "base_image", detail={"from": DEEP})],
    ],
    ids=["long-lists", "long-names", "long-detail", "huge-detail", "huge-name", "deep-detail"],
)
def test_an_event_that_is_too_large_is_cut_and_says_so(changes: list[Change]) -> None:
    """It fits, its totals are those of the whole, and its findings are still there where there is room."""
    (event,) = build_events(told(changes=changes))
    assert build_publication(event).size_bytes < MAX_PUBLISH_BYTES
    assert event["data"]["truncated"]
    assert event["data"]["totals"]["changes"] == len(changes)


@pytest.mark.parametrize(
    "long",
    [
        change("component", "upgraded", "x", **{"from": "1", "to": "2" * 250_000}),
        change("component", "upgraded", "ü" * 250_000, **{"from": "1", "to": "2"}),
        change(
            "component",
            "changed",
            "x",
            detail={"from": {"y" * 250_000: ["z" * 250_000]}, "to": None},
            **{"from": "1", "to": "1"},
        ),
    ],
    ids=["version", "key", "detail"],
)
def test_one_long_text_costs_no_other_change_its_place(long: Change) -> None:
    """It is cut, and all lists stay whole."""
    (event,) = build_events(told(changes=[long, DRIVER], findings=[UNREVIEWED]))
    data = event["data"]
    assert build_publication(event).size_bytes < MAX_PUBLISH_BYTES
    assert list_violations("event", event) == []
    assert data["truncated"]
    cut = dict(data["changes"][0])
    assert {name for name in cut if cut[name] != dict(long)[name]} in ({"to"}, {"key"}, {"detail"})
    assert "…" in str(cut)
    assert (data["changes"][1], data["findings"]) == (DRIVER, [UNREVIEWED])


def test_what_has_no_room_is_still_critical() -> None:
    """Whatever is left of the event: the title says how bad it is."""
    crowd = [f"{n:0300}" for n in range(5_000)]
    many = [change("component", "upgraded", f"{n:01000}", hosts=crowd[:1]) for n in range(5_000)]
    (event,) = build_events(told(changes=[*many, {**DRIVER, "severity": "critical", "hosts": crowd}]))
    assert not any(one["severity"] == "critical" for one in event["data"]["changes"])
    assert event["data"]["severity"] == "critical"
    assert build_content(event).title.startswith("CRITICAL · ")


def test_the_longest_lists_are_cut_and_the_short_ones_kept() -> None:
    """A change on 20,000 hosts is cut; the host of the change beside it is not."""
    crowd = change("component", "added", "a", to="1", hosts=[f"host-{n}" for n in range(20_000)])
    (event,) = build_events(told(changes=[crowd, DRIVER], findings=[UNREVIEWED]))
    data = event["data"]
    assert 10_000 < len(data["changes"][0]["hosts"]) < 20_000
    assert data["changes"][1] == DRIVER
    assert data["findings"] == [UNREVIEWED]


@given(st.text(min_size=1), st.text(min_size=1))
def test_the_source_keeps_its_form_whatever_the_names(vcenter: str, cluster: str) -> None:
    """A slash in a name makes no further level."""
    check = told(vcenter=vcenter, cluster={"id": cluster, "name": ""}, changes=[DRIVER])
    (event,) = build_events(check)
    assert event["source"].count("/") == 4
