"""Reports in words: whatever names they hold, Slack takes them, and nothing is read as markup."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from esx_drift.channels.slack import render_message
from esx_drift.contracts import list_violations
from esx_drift.domain.reports.report_events import ReportMaker
from esx_drift.domain.stored.types import Event, Json, ReportKind
from esx_drift.domain.text.times import format_time
from esx_drift.messages.content import build_content
from esx_drift.messages.publication import MAX_PUBLISH_BYTES, build_publication
from hypothesis import given
from hypothesis import strategies as st

from tests.simulator.slack_limits import violations
from tests.unit.events import NAMES, TEXTS

NOW = datetime(2026, 11, 23, 7, 3, tzinfo=UTC)
COUNTS = st.integers(0, 2_000)
EACH_CHECK = "each is of one cluster, and may have needed a second try"
REPORTED = "Reported within the day, also if over by now"
PAST = st.timedeltas(timedelta(), timedelta(days=400)).map(lambda age: format_time(NOW - age))


def event_of(kind: ReportKind, facts: dict[str, Json], stack: str = "esx-drift") -> Event:
    """The event of a report."""
    maker = ReportMaker(NOW, stack, lambda key: f"s3://audit/{key}")
    (event,) = maker.build(kind, "ops", "about", facts)["events"]
    return event


@st.composite
def _listed(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(NAMES, max_size=50))
    return {"total": len(names) + draw(st.sampled_from([0, 0, 7])) * bool(names), "listed": names}


def _places() -> dict[str, Any]:
    return {
        "vcenter": NAMES,
        "cluster": st.one_of(st.none(), NAMES),
        "kind": st.just("orphaned-vib"),
        "summary": NAMES,
        "opened_at": PAST,
    }


FIRST_LOOKS = st.fixed_dictionaries(
    {
        "scope": st.sampled_from(["fleet", "joined"]),
        "clusters": _listed().filter(lambda listed: listed["total"] > 0),
        "vcenters": _listed(),
        "hosts": st.fixed_dictionaries({"hosts": COUNTS, "covered": COUNTS}),
        "releases": st.lists(
            st.fixed_dictionaries({"release": TEXTS, "hosts": COUNTS}, optional={"version": TEXTS}),
            max_size=20,
        ),
        "orphaned_vibs": st.fixed_dictionaries({"vibs": COUNTS, "hosts": COUNTS}),
        "not_uniform": _listed(),
        "unread_hosts": _listed(),
        "standalone_hosts": st.one_of(st.none(), COUNTS),
        "missing": _listed(),
    }
)
DAYS = st.fixed_dictionaries(
    {
        "from": PAST,
        "until": PAST,
        "reports_lacking": st.integers(0, 3),
        "clusters": st.fixed_dictionaries({"watched": COUNTS, "seen": COUNTS}),
        "unseen_clusters": _listed(),
        "checks": st.fixed_dictionaries({"expected": COUNTS, "made": COUNTS}),
        "hosts": st.fixed_dictionaries({"hosts": COUNTS, "covered": COUNTS}),
        "changes_told": COUNTS,
        "failures_told": COUNTS,
        "suppressed": st.dictionaries(
            st.one_of(st.sampled_from(["rollout", "flapping", "later"]), NAMES.map("ignore:{}".format)),
            COUNTS,
        ),
        "open": st.one_of(
            st.just({"total": 0}),
            st.fixed_dictionaries(
                {
                    "total": st.integers(1, 2_000),
                    "by_age": st.fixed_dictionaries(
                        {"within_a_day": COUNTS, "within_a_week": COUNTS, "older": COUNTS}
                    ),
                    "oldest": st.fixed_dictionaries(_places()),
                }
            ),
        ),
    }
)
REMINDERS = st.lists(st.fixed_dictionaries(_places()), min_size=1, max_size=30).map(
    lambda findings: {"total": len(findings), "findings": findings}
)
DEATHS = st.fixed_dictionaries(
    {
        "dead_route": NAMES,
        "channel": st.sampled_from(["slack", "teams"]),
        "fallback": st.one_of(st.none(), NAMES),
        "since": PAST,
        "reason": st.text(max_size=300),
    }
)
REPORTS = st.one_of(
    st.tuples(st.just("first-look"), FIRST_LOOKS),
    st.tuples(st.just("daily"), DAYS),
    st.tuples(st.just("reminder"), REMINDERS),
    st.tuples(st.just("route-dead"), DEATHS),
)


@given(REPORTS, st.one_of(st.just("esx-drift"), NAMES))
def test_slack_and_sns_take_every_report(report: tuple[ReportKind, dict[str, Json]], stack: str) -> None:
    """Within all limits, as plain text, and as few lines as a person reads."""
    event = event_of(*report, stack=stack)
    assert list_violations("event", event) == []
    content = build_content(event)
    assert len(content.items) <= 30
    message = render_message(content)
    assert violations(message) == []
    assert not set("<>") & set(str(message["text"]))
    assert not {"\n", "\x00", "\u202e"} & set("".join((content.title, *content.items)))
    assert build_publication(event).size_bytes < MAX_PUBLISH_BYTES


@pytest.mark.parametrize(
    ("facts", "title"),
    [
        ({}, "All quiet"),
        ({"changes_told": 1}, "Daily report"),
        ({"failures_told": 1}, "Daily report"),
        ({"reports_lacking": 1}, "Daily report"),
        ({"suppressed": {"rollout": 1}}, "Daily report"),
        ({"checks": {"expected": 6, "made": 5}}, "Daily report"),
        ({"clusters": {"watched": 2, "seen": 1}}, "Daily report"),
        ({"hosts": {"hosts": 12, "covered": 11}}, "Daily report"),
    ],
)
def test_a_day_is_quiet_only_if_all_was_seen_and_nothing_was(facts: dict[str, Json], title: str) -> None:
    """Silence of whoever could not look is not quiet."""
    assert build_content(event_of("daily", {**QUIET, **facts})).title.startswith(title)


def test_a_reminder_of_one_says_it_once() -> None:
    """The title holds it, unless it is too long for one."""
    one: dict[str, Json] = {"vcenter": "vc01", "cluster": "prod-a", "kind": "orphaned-vib"}
    one |= {"opened_at": "2026-11-20T07:03:00.000Z", "summary": "mft(4.26.1) is orphaned on esx07"}
    content = build_content(event_of("reminder", {"total": 1, "findings": [one]}))
    assert content.title.endswith(
        "Still open after 3 days: VIB mft 4.26.1 is orphaned on esx07 · prod-a · vc01"
    )
    assert content.items == ()
    long = {**one, "summary": f"esx07 could not be read: {'very ' * 20}sorry"}
    assert build_content(event_of("reminder", {"total": 1, "findings": [long]})).items == (
        f"esx07 not checked: {'very ' * 20}sorry.",
    )


def test_maintenance_that_a_person_began_is_known_by_its_record() -> None:
    """A window of the fleet file is known by its name there."""
    suppressed: dict[str, Json] = {"maintenance:record 2": 3, "maintenance:patch-night": 1}
    items = build_content(event_of("daily", {**QUIET, "suppressed": suppressed})).items
    person = "3 because of maintenance that a person began (record 2)"
    reasons = f"{person}, 1 because of the maintenance window patch-night"
    assert f"Changes and findings within the day that were not reported one by one: {reasons}" in items


def test_changes_are_counted_with_their_hosts_and_what_is_accepted_is_named() -> None:
    """Nobody has to guess what "9 changes" and "1 finding" are."""
    one: dict[str, Json] = {"vcenter": "vc01", "cluster": "prod-a", "kind": "orphaned-vib"}
    one |= {
        "severity": "warning",
        "summary": "mft(4.26.1) is orphaned on esx07",
        "opened_at": "2026-11-22T07:03:00.000Z",
    }
    changed: dict[str, Json] = {"changes_told": 9, "changed": {"hosts": 3, "clusters": 2}}
    kept: dict[str, Json] = {"total": 0, "accepted": 1, "accepted_listed": [one]}
    items = build_content(event_of("daily", {**QUIET, **changed, "open": kept})).items
    each = "each of one part, such as a driver"
    lost = "0 failures to check something, or to keep records"
    assert f"{REPORTED}: 9 changes of software ({each}) on 3 hosts of 2 clusters; {lost}" in items
    said = "prod-a · vc01: VIB mft 4.26.1 is orphaned on esx07"
    assert items[-1] == f"Accepted, and so not counted as open: {said}"
    more: dict[str, Json] = {"total": 0, "accepted": 7, "accepted_listed": [one] * 5}
    items = build_content(event_of("daily", {**QUIET, "open": more})).items
    counted = "Accepted, and so not counted as open: 7 findings"
    assert items[-7:] == (counted, *[said] * 5, "and 2 more accepted")


@pytest.mark.parametrize(
    ("hosts", "more"), [(0, ""), (1, "; they changed 1 more host"), (6, "; they changed 6 more hosts")]
)
def test_hosts_of_which_nothing_was_reported_are_counted_too(hosts: int, more: str) -> None:
    """An upgrade of fourteen hosts does not read as one of the eight that were told."""
    changed: dict[str, Json] = {"hosts": 8, "clusters": 1, "hidden_hosts": hosts}
    day: dict[str, Json] = {**QUIET, "changes_told": 9, "changed": changed, "suppressed": {"rollout": 12}}
    held = "Changes and findings within the day that were not reported one by one"
    assert f"{held}: 12 because of upgrades under way{more}" in build_content(event_of("daily", day)).items


def test_a_day_names_what_is_open_and_what_has_gone() -> None:
    """The worst five with severity and age; more are counted, and so is what was accepted."""
    one = {"vcenter": "vc01", "cluster": "prod-a", "kind": "host-failed", "severity": "warning"}
    one |= {"summary": "esx07 could not be read", "opened_at": "2026-11-22T07:03:00.000Z"}
    by_age = {"within_a_day": 7, "within_a_week": 0, "older": 0}
    opened = {"total": 7, "critical": 0, "by_age": by_age, "by_family": {"failure": 7}, "oldest": one}
    gone = {"vcenter": "vc01", "cluster": None, "vib": "x(1)", "hosts": ["esx01"], "hosts_total": 1}
    report: dict[str, Any] = {
        **QUIET,
        "checks": {"expected": 15, "made": 12},
        "failures_told": 3,
        "vanished_vibs": {"total": 6, "listed": [gone] * 5},
        "open": {**opened, "listed": [one] * 5, "accepted": 2},
    }
    content = build_content(event_of("daily", report))
    assert content.items[4:] == (
        "VIB x 1 gone from esx01 · vc01; unexplained: tell security",
        "1 more VIB gone, unexplained",
        f"Checks that were due: 12 of 15 succeeded, 3 failed ({EACH_CHECK})",
        f"{REPORTED}: 0 changes of software; 3 failures to check something, or to keep records",
        "7 findings open now (7 failures to check or to keep records): 7 for less than a day",
        *["prod-a · vc01: esx07 not checked (warning, open for 24 h)"] * 5,
        "and 2 more open",
        "Accepted, and so not counted as open: 2 findings",
    )
    quiet = build_content(event_of("daily", {**QUIET, "open": {"total": 0, "accepted": 1}}))
    assert quiet.items[-1] == "Accepted, and so not counted as open: 1 finding"


QUIET: dict[str, Json] = {
    "from": "2026-11-22T07:00:00.000Z",
    "until": "2026-11-23T07:00:00.000Z",
    "reports_lacking": 0,
    "clusters": {"watched": 1, "seen": 1},
    "unseen_clusters": {"total": 0, "listed": []},
    "checks": {"expected": 6, "made": 6},
    "hosts": {"hosts": 12, "covered": 12},
    "changes_told": 0,
    "failures_told": 0,
    "suppressed": {},
    "open": {"total": 0},
}
