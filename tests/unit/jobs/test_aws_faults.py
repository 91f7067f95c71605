"""Each fault of AWS, of messages and of clocks in each job: who is told, and that all is well behind it.

docs/operations.md has the table of what comes of each. The functions' own handlers are played for 16 hours;
for seven of them one job has trouble. What rings are the template's own alarms, by what the functions count.
"""

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import pytest
from esx_drift.domain.deliveries import identify_event
from esx_drift.domain.stored.identifiers import VCENTER_LOG, make_signature_key
from esx_drift.domain.stored.types import Event, Record
from esx_drift.domain.trail.digests import is_digest_key
from esx_drift.log_reader import LogReader

from tests.paths import ROOT
from tests.simulator.certificates import Authority
from tests.simulator.sessions import PASSWORD, USER
from tests.simulator.slack import SlackReceiver
from tests.unit.domain.changes.clusters import ClusterModel, HostModel
from tests.unit.domain.changes.sample import component
from tests.unit.domain.cluster_log import I40EN, image
from tests.unit.jobs.aws_faults import AWS_FAULTS, GET, LIST, PUT
from tests.unit.jobs.fault_table import FaultTable
from tests.unit.jobs.played_stack import FED_BY, PlayedStack, Trouble
from tests.unit.logs import read_log
from tests.unit.month import VCenterModel
from tests.unit.notifying.world import AUDIT, STATE, Clock

TABLE, OTHERS = FaultTable("aws-faults"), FaultTable("proven-elsewhere")
PHASES: Final = ("run", "dispatch", "check", "notify", "send", "report", "seal")
CLUSTERS: Final = ("prod-a", "prod-b")

BEGINS: Final = datetime(2026, 11, 23, 0, 10, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
FROM, UNTIL, END = BEGINS + 3 * HOUR, BEGINS + 10 * HOUR, BEGINS + 16 * HOUR - HOUR / 6
"""When trouble begins and ends, and when all has to be well again: runs are at 0:10, 4:10, 8:10 and 12:10."""

MESSAGES_AND_CLOCKS: Final[dict[str, dict[str, Any]]] = {
    "each message twice": {"is_doubled": True},
    "a message 5 h late, behind newer ones": {"late": 5 * HOUR, "late_until": FROM + 3 * HOUR},
    "a message that is none before each good one": {"is_poisoned": True},
    "clock 2 h ahead": {"clock_ahead": 2 * HOUR},
    "clock 2 h behind": {"clock_ahead": -2 * HOUR},
}
CALLS: Final = {
    "run": {f"s3 {GET}", "sqs SendMessage"},
    "dispatch": {f"s3 {GET}", f"s3 {PUT}", "sqs SendMessage", "secrets GetSecretValue"},
    "check": {f"s3 {GET}", f"s3 {PUT}", "sns Publish", "sqs SendMessage", "secrets GetSecretValue"},
    "notify": {f"s3 {GET}", f"s3 {PUT}", "sqs SendMessage"},
    "send": {f"s3 {GET}", f"s3 {PUT}", "secrets GetSecretValue"},
    "report": {f"s3 {GET}", f"s3 {PUT}", f"s3 {LIST}", "sns Publish"},
    "seal": {f"s3 {GET}", f"s3 {PUT}", f"s3 {LIST}", "kms GetPublicKey", "kms Sign"},
}
"""What each job asks of AWS where all is well and nothing is new: more than that meets no fault here."""

SILENCES: Final = {"run": "DispatcherSilence", "report": "ReporterSilence", "seal": "SealerSilence"}
"""The alarms that miss what a job counts when it is done."""

TROUBLES: Final[dict[str, dict[str, Any]]] = {
    **{name: {"fault": fault} for name, fault in AWS_FAULTS.items()},
    **MESSAGES_AND_CLOCKS,
}

type Start = Callable[[], PlayedStack]

ELSEWHERE: Final = {
    "a process ends before or after any of its calls of AWS": (
        "jobs/test_crashes.py::test_a_process_may_end_at_any_call",
        "notifying/test_sender.py::test_a_sender_may_end_at_any_call",
        "reporting/test_crashes.py::test_a_reporter_that_ends_anywhere_loses_nothing",
        "sealing/test_endings.py::test_a_sealer_that_ends_anywhere_leaves_a_whole_chain_to_the_next",
    ),
    "a listing is killed each time": (
        "dispatching/test_unended.py::test_a_listing_that_is_killed_each_time_is_told",
    ),
    "the same message at several processes at once": (
        "jobs/test_races.py::test_the_same_message_at_once",
        "notifying/test_sender.py::test_the_same_event_at_two_senders_at_once_is_posted_once",
        "reporting/test_crashes.py::test_two_reporters_at_once_tell_each_report_once",
        "sealing/test_endings.py::test_of_two_at_once_one_seals",
    ),
    "a decision comes again after many others": (
        "checking/decisions/test_redriven.py::test_an_accept_that_is_redriven_accepts_nothing_again",
        "checking/decisions/test_redriven.py::test_a_retire_that_is_redriven_ends_no_watch_again",
    ),
    "a vCenter's clock, or ours, jumps": (
        "checking/test_freshness.py::test_whatever_clock_jumps_the_next_but_one_check_has_seen_what_changed",
        "sealing/test_times.py",
    ),
    "bad messages in a batch, and what is sent by others": (
        "functions/test_batches.py::test_a_bad_message_takes_no_good_one_with_it",
        "dispatching/test_forged.py",
        "checking/test_forged.py",
    ),
    "S3 wrote, and its answer was lost to the first of three attempts": (
        "adapters/test_s3_objects.py::test_a_write_whose_reply_was_lost_is_ours",
    ),
    "Slack answers oddly, late or not at all": (
        "notifying/test_storm.py::test_a_good_route_neither_waits_nor_loses",
    ),
}
"""What is proven by other tests, below tests/unit."""


@pytest.fixture
def start(slack: SlackReceiver, slack_authority: Authority) -> Iterator[Start]:
    """Gives a stack, of one vCenter with two clusters, an instant before its first run."""
    with pytest.MonkeyPatch.context() as patch:
        logging.disable(logging.CRITICAL)
        yield lambda: _start(slack, slack_authority, patch)
        logging.disable(logging.NOTSET)


def _start(slack: SlackReceiver, slack_authority: Authority, patch: pytest.MonkeyPatch) -> PlayedStack:
    patch.undo()
    clock = Clock(BEGINS)
    made = PlayedStack(clock, VCenterModel("vc01", clock), slack)
    for number, name in enumerate(CLUSTERS):
        hosts = {f"host-{2 * number + each}": HostModel(f"esx{each}-{name}", image()) for each in (1, 2)}
        made.model.models[name] = ClusterModel(hosts)
    fleet = {
        "schema_version": 1,
        "vcenters": [{"name": "vc01"}],
        "routes": [{"name": "ops"}],
    }
    made.s3.put_object(STATE, "config/fleet.json", json.dumps(fleet).encode())
    account = {"host": "vc01.corp", "username": USER, "password": PASSWORD}
    made.secrets.create_secret("esx-drift/vcenter/vc01", json.dumps(account))
    webhook = {"url": slack.webhook, "ca_bundle": slack_authority.pem}
    made.secrets.create_secret("esx-drift/slack/ops", json.dumps(webhook))
    made.wire(patch)
    return made


def _play(stack: PlayedStack, phase: str, trouble: Trouble | None) -> None:
    """16 hours, with trouble in seven of them; an hour later a person redrives what it left."""
    for number in range(4):
        at = BEGINS + number * 4 * HOUR
        stack.schedule("run", at)
        if number:
            stack.plan(at - HOUR / 10, partial(_change, stack, number))
    if phase == "report":
        for number in range(16):
            stack.schedule("report", BEGINS + number * HOUR + HOUR / 2)
    if phase == "seal":
        for number in range(4, 16):
            stack.schedule("seal", BEGINS + number * HOUR)
    stack.play(FROM)
    stack.trouble = trouble
    service = trouble.fault.service if trouble and trouble.fault else None
    if (phase, service) in PROVOKED:
        PROVOKED[phase, service](stack)
    stack.play(UNTIL)
    stack.trouble = None
    stack.play(UNTIL + HOUR)
    stack.redrive()
    stack.play(END)


def _take_vcenter_away(stack: PlayedStack) -> None:
    """The vCenter is away for some hours, which a listing tells of."""
    stack.model.down = "TCP connect to vc01.corp:443 timed out"
    stack.plan(FROM + 3 * HOUR, lambda: setattr(stack.model, "down", None))


def _hold_slack(stack: PlayedStack) -> None:
    """Slack asks to wait four times: a delivery is sent anew."""
    stack.slack.refuse("rate_limited", times=4, retry_after_seconds=60)


PROVOKED: Final[dict[tuple[str, str | None], Callable[[PlayedStack], None]]] = {
    ("dispatch", "sns"): _take_vcenter_away,
    ("send", "sqs"): _hold_slack,
}
"""What makes a job call a service of AWS that it needs only where something else is wrong."""


def _change(stack: PlayedStack, number: int) -> None:
    """All hosts get another driver."""
    for model in stack.model.models.values():
        for host in model.hosts.values():
            drivers = {I40EN: component(f"2.{number}.0.0-1")}
            host.software = {**host.software, "components": {**host.software["components"], **drivers}}


def _read_records(stack: PlayedStack) -> dict[str, list[Record]]:
    return {log: read_log(stack.store, "vc01", log) for log in (VCENTER_LOG, *stack.clusters)}


def _list_expected(stack: PlayedStack) -> dict[str, set[str]]:
    """List what is open when all is well, by log."""
    return {VCENTER_LOG: set(), **dict.fromkeys(stack.clusters, DRIFT)}


def _list_events(stack: PlayedStack) -> list[Event]:
    """List every event that records and reports hold."""
    kept = [
        json.loads(stack.s3.objects[AUDIT, key])
        for prefix in ("records/", "reports/")
        for key in stack.s3.list_keys(AUDIT, prefix)
    ]
    return [event for one in kept for event in one["events"]]


def _list_heard(stack: PlayedStack) -> set[str]:
    """List the kinds of findings that chat was told of while there was trouble, but of drift."""
    kinds: set[str] = {
        finding["kind"]
        for event in _list_events(stack)
        if any(FROM <= at < UNTIL for at in stack.told.get(identify_event(event), ()))
        for finding in event["data"]["findings"]
        if finding["transition"] == "opened"
    }
    return kinds - DRIFT


def _require_well(stack: PlayedStack, phase: str, open_kinds: Mapping[str, set[str]]) -> None:
    """Nothing was lost or told twice, and nothing is left of the trouble."""
    records = _read_records(stack)
    for log, found in records.items():
        end = LogReader(stack.store, "vc01", log).read()
        assert (end.outbox, end.damages, end.is_behind) == ([], (), False)
        assert {one["kind"] for one in end.after["findings"].values()} == open_kinds[log]
        steps = [
            (change["from"], change["to"])
            for record in found
            for change in record["changes"]
            if change["key"] == I40EN
        ]
        if log != VCENTER_LOG:
            assert [before for before, _ in steps] == ["2.7.2.0-1", *(after for _, after in steps[:-1])]
            assert steps[-1][1] == "2.3.0.0-1", "the newest driver was seen"
    events = _list_events(stack)
    assert {event["id"] for event in events} == {*stack.sns.published}
    heard = [event for event in events if event["type"] != FIRST_LOOK]
    assert {receipt: len(times) for receipt, times in stack.told.items()} == {
        identify_event(event): 1 for event in heard
    }
    assert stack.sqs.messages == []
    if phase == "seal":
        _require_sealed(stack)
    assert stack.metrics.list_ringing(END - 3 * HOUR, END) == []


def _require_sealed(stack: PlayedStack) -> None:
    """Each object of before is in one digest, and each digest is signed."""
    digests = [key for key in stack.s3.list_keys(AUDIT, "digests/") if is_digest_key(key)]
    named = [one["key"] for key in digests for one in json.loads(stack.s3.objects[AUDIT, key])["objects"]]
    assert len({*named}) == len(named)
    written = {key for bucket, key in stack.s3.objects if bucket == AUDIT}
    first = min(stack.s3.written_at[AUDIT, key] for key in digests) - HOUR
    assert {key for key in written if stack.s3.written_at[AUDIT, key] < first} <= {*named}
    assert {make_signature_key(key) for key in digests} <= written


def _list_silent(stack: PlayedStack, phase: str) -> list[str]:
    """List the alarm that misses what a job brings about, if there was trouble all the time."""
    name = SILENCES.get(phase)
    return [name] if name is not None and stack.metrics.is_silent(name, FROM, UNTIL) else []


def _is_done(stack: PlayedStack) -> bool:
    """Tell whether what changed was seen and told while there was trouble: two runs, two clusters."""
    drift = [event for event in _list_events(stack) if event["type"] == "esx-drift.drift.detected"]
    told = [at for event in drift for at in stack.told.get(identify_event(event), ())]
    return sum(FROM <= at < UNTIL for at in told) == 4


def _meet(stack: PlayedStack, phase: str, trouble: Trouble) -> str:
    """Play trouble in one job, and require that all is well behind it; what was told of it, as a cell."""
    _play(stack, phase, trouble)
    assert trouble.hits, "it was met"
    kinds = _list_heard(stack)
    alarms = [*stack.metrics.list_ringing(FROM, UNTIL), *_list_silent(stack, phase)]
    _require_well(stack, phase, _list_expected(stack))
    if not (kinds or alarms) or (trouble.fault is None and not trouble.late):
        assert _is_done(stack), "silence means that it was done, and good messages are not kept by bad ones"
    return ", ".join(f"`{name}`" for name in (*sorted(kinds), *sorted(alarms))) or "-"


FIRST_LOOK: Final = "esx-drift.baseline.recorded"
"""What chat hears in one report."""

DRIFT: Final = {"drift-unreviewed"}
"""What is open in a world without trouble."""


def test_without_trouble_nobody_is_told(start: Start) -> None:
    """But of drift, and of the day."""
    stack = start()
    _play(stack, "report", Trouble("nobody's"))
    assert stack.metrics.list_ringing(BEGINS, END) == []
    _require_well(stack, "report", _list_expected(stack))
    types = Counter(event["type"].removeprefix("esx-drift.") for event in _list_events(stack))
    reports = {"report.first-look": 1, "report.daily": 1}
    assert types == {"baseline.recorded": 2, "drift.detected": 6, **reports}
    other = start()
    _play(other, "seal", Trouble("nobody's"))
    _require_well(other, "seal", _list_expected(other))
    assert _is_done(stack)
    assert not _list_silent(stack, "report")
    assert not _list_silent(other, "seal")
    assert {**other.calls, **stack.calls} == CALLS


def _is_met(phase: str, trouble: Mapping[str, Any]) -> bool:
    """Tell whether a job can meet this: a run reads no clock, and messages come only from queues."""
    if "fault" in trouble:
        is_called = any(trouble["fault"].meets(*call.split()) for call in CALLS[phase])
        return is_called or (phase, trouble["fault"].service) in PROVOKED
    if "clock_ahead" in trouble:
        return phase != "run"
    return phase in {job for job, *_ in FED_BY.values()}


@pytest.mark.parametrize("name", TROUBLES)
def test_trouble_is_told_and_is_over_behind_it(start: Start, name: str, *, refresh_goldens: bool) -> None:
    """In each job. The page has the row; --refresh-goldens writes it."""
    cells = [
        _meet(start(), phase, Trouble(phase, **TROUBLES[name])) if _is_met(phase, TROUBLES[name]) else ""
        for phase in PHASES
    ]
    TABLE.hold_row(name, cells, refresh=refresh_goldens)


def test_the_page_has_each_trouble_and_job() -> None:
    """No row is left of one that there is no longer."""
    assert [*TABLE.read_rows()] == [*TROUBLES]
    assert TABLE.read_head() == f"| what is wrong | {' | '.join(PHASES)} |"


def _describe_test(place: str) -> str:
    path, _, name = place.partition("::")
    return f"`{name}` in `tests/unit/{path}`" if name else f"`tests/unit/{path}`"


@pytest.mark.parametrize("what", ELSEWHERE)
def test_what_is_proven_elsewhere_is(what: str, *, refresh_goldens: bool) -> None:
    """The page names tests that there are."""
    for place in ELSEWHERE[what]:
        path, _, name = place.partition("::")
        assert f"def {name}" in (ROOT / "tests" / "unit" / path).read_text()
    OTHERS.hold_row(what, [", ".join(map(_describe_test, ELSEWHERE[what]))], refresh=refresh_goldens)
    assert [*OTHERS.read_rows()] == [*ELSEWHERE]
