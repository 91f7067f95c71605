"""Every scenario of the simulator, through the deployed product, ends as the design's tables say."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from esx_drift.contracts import list_violations
from esx_drift.domain.events import select_for_people
from esx_drift.domain.stored.identifiers import (
    VCENTER_LOG,
    compute_digest,
    make_check_id,
    make_event_id,
    make_fingerprint,
    make_receipt_id,
    make_record_key,
)
from esx_drift.messages.content import NOTHING_NEXT, is_for_chat

from tests.deployed.chronicle import CLUSTERS, LOGS, PLAYED, Chronicle, told
from tests.deployed.expected import EXPECTED, Changed, Opened
from tests.deployed.messages import CHECKED, Message
from tests.lab.local_aws.rig import NewRig
from tests.lab.local_aws.stack import SLACK_ON_LOOPBACK
from tests.lab.local_aws.tap import tapped
from tests.simulator.scenarios import SCENARIOS

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import Event, Finding, Record

LOOKED = {"baseline", "changed", "unchanged", "not-covered"}
SHORTEST_STEP = 20
DEAD_LETTERS = ("DispatcherDeadLetterQueue", "RetryDeadLetterQueue", "CheckDeadLetterQueue")


@pytest.fixture(scope="module")
def chronicle(new_rig: NewRig) -> Iterator[Chronicle]:
    """All scenarios, played once."""
    with new_rig(SLACK_ON_LOOPBACK) as rig:
        yield told(rig, tapped(rig.stack))


each_scenario = pytest.mark.parametrize("name", PLAYED)


def test_the_table_names_every_scenario() -> None:
    """One that nobody expects anything of would prove nothing."""
    assert [*EXPECTED] == PLAYED


@each_scenario
def test_a_scenario_opens_exactly_its_findings(name: str, chronicle: Chronicle) -> None:
    """Each in its log, with its severity and its hosts, opened once and raised once: no more, no fewer."""
    told = {
        transition: Counter(
            _opened(log, finding, chronicle.names[name])
            for log in LOGS
            for record in chronicle.story(name, log)
            for finding in record["findings"]
            if finding["transition"] == transition
        )
        for transition in ("opened", "raised")
    }
    assert told["opened"] == Counter(EXPECTED[name].findings)
    assert told["raised"] == Counter(EXPECTED[name].raised)


@each_scenario
def test_a_scenario_makes_exactly_its_changes(name: str, chronicle: Chronicle) -> None:
    """Each difference is told once for each host that it happened to, however many looks follow."""
    changes = Counter(
        one
        for log in CLUSTERS
        for record in chronicle.story(name, log)
        for one in _changes(log, record, chronicle.names[name])
    )
    assert changes == Counter(one for change in EXPECTED[name].changes for one in _by_host(change))


@each_scenario
def test_a_scenario_shows_what_it_says_it_shows(name: str, chronicle: Chronicle) -> None:
    """Elements as changes, kinds as findings."""
    records = [record for log in LOGS for record in chronicle.story(name, log)]
    shown: set[str] = {change["element"] for record in records for change in record["changes"]}
    shown |= {finding["kind"] for record in records for finding in record["findings"]}
    assert {*SCENARIOS[name].shows} <= shown


@each_scenario
def test_what_nobody_is_told_stands_in_the_dispatch_record(name: str, chronicle: Chronicle) -> None:
    """Hosts of no cluster, in each run that could list them; what else is new, once."""
    records = chronicle.story(name, "@vcenter")
    listed = [record["dispatch"] for record in records if record["outcome"] == "dispatched"]
    counts = {dispatch["standalone_hosts"] for dispatch in listed if dispatch is not None}
    assert counts <= {EXPECTED[name].standalone}
    assert counts or not listed
    assert tuple(notice for record in records for notice in record["notices"]) == EXPECTED[name].notices


@each_scenario
def test_a_healed_scenario_leaves_only_what_is_left_to_decide(name: str, chronicle: Chronicle) -> None:
    """The next good look ends each finding by itself, save what is new and nobody has accepted."""
    still = [
        finding["kind"]
        for log in LOGS
        for record in chronicle.log(name, log)[-1:]
        for finding in record["after"]["findings"].values()
    ]
    assert tuple(still) == EXPECTED[name].stays


@each_scenario
def test_both_clusters_are_seen_whole_in_the_end(name: str, chronicle: Chronicle) -> None:
    """What failed was looked at again: the last record of each cluster is a look that covered every host."""
    for cluster in CLUSTERS:
        last = chronicle.log(name, cluster)[-1]
        coverage = last["coverage"]
        assert last["outcome"] in {"baseline", "changed", "unchanged"}
        assert coverage is not None
        assert coverage["covered"] == coverage["hosts"] > 0


@each_scenario
def test_every_record_and_event_is_valid_and_tied_to_the_one_before(name: str, chronicle: Chronicle) -> None:
    """By their schemas, with the ids that the same check would get again, in one unbroken chain."""
    for log, key in LOGS.items():
        previous = None
        for seq, record in enumerate(chronicle.log(name, log), 1):
            assert list_violations("record", record) == []
            assert (record["seq"], record["check_id"]) == (seq, make_check_id(name, key, seq))
            assert record["previous"] == previous
            for event in record["events"]:
                assert list_violations("event", event) == []
                assert event["id"] == make_event_id(record["check_id"], event["type"])
            previous = {"seq": seq, "key": make_record_key(name, key, seq), "sha256": compute_digest(record)}


@each_scenario
def test_a_finding_keeps_its_name_and_its_beginning_until_it_ends(name: str, chronicle: Chronicle) -> None:
    """Opened once, then still, then resolved: never opened twice, never resolved without a reason."""
    for log in LOGS:
        open_since: dict[str, str] = {}
        for record in chronicle.log(name, log):
            for finding in record["findings"]:
                mark = finding["fingerprint"]
                assert mark == make_fingerprint(finding["family"], finding["kind"], finding["subject"])
                assert (mark in open_since) == (finding["transition"] != "opened")
                assert open_since.setdefault(mark, finding["opened_at"]) == finding["opened_at"]
                assert (finding["resolved_because"] is None) == (finding["transition"] != "resolved")
                if finding["transition"] == "resolved":
                    del open_since[mark]


def test_a_list_over_the_cap_was_asked_for_in_parts(chronicle: Chronicle) -> None:
    """By datacenter, and by folder where that is still too much; all three clusters were looked at."""
    answered = [
        call.status
        for call in chronicle.rig.vcenters["many-clusters"].journal
        if call.path == "/api/vcenter/cluster"
    ]
    assert set(answered) == {200, 500}
    assert chronicle.log("many-clusters", "prod-c")[-1]["coverage"] is not None


def test_a_busy_cluster_was_busy(chronicle: Chronicle) -> None:
    """Both answers that a vCenter may give were met."""
    journal = chronicle.rig.vcenters["cluster-busy"].journal
    assert {400, 409} <= {call.status for call in journal if call.method == "POST"}


def test_no_session_is_left_open(chronicle: Chronicle) -> None:
    """After each round of looks, on any vCenter, however the scenario ended."""
    assert chronicle.left_open == []


def test_each_told_event_came_to_slack_once_and_was_taken(chronicle: Chronicle) -> None:
    """Slack itself refused none; each has its receipt, and what happened together is told together."""
    events = [event for record in chronicle.records() for event in record["events"] if _select(event)]
    delivered = {key.split("/")[1] for key in chronicle.rig.audit_keys("deliveries/")} - {"groups"}
    assert delivered == {make_receipt_id(event["id"], compute_digest(event)) for event in events}
    slack = chronicle.rig.slack
    assert [answered.answer for answered in slack.received if answered.answer != "ok"] == []
    assert 0 < len(slack.accepted) <= len(events)


@each_scenario
def test_each_message_says_where_what_and_what_next(name: str, chronicle: Chronicle) -> None:
    """Where and what in its title, what differs and on which hosts in its text, one step if it is news."""
    for heard, messages in _told(name, chronicle):
        assert len(messages) == len(heard.events)
        assert all(message.what for message in messages)
        text = "\n".join(message.whole for message in messages)
        assert [word for word in _words(heard.events) if word not in text] == []
        news = [event for event in heard.events if not event["type"].endswith(".resolved")]
        said = [message.step for message in messages if message.step is not None]
        steps = [step for step in said if step != NOTHING_NEXT.text]
        # What is harmless need not leave anything to do; of ends, only that a VIB has gone asks who did it.
        harmless = sum(event["data"]["severity"] == "info" or _is_rollout(event) for event in news)
        gone = sum(event["type"] == "esx-drift.orphaned-vib.resolved" for event in heard.events)
        assert len(news) - harmless <= len(steps) <= len(news) + gone, text
        assert [step for step in steps if len(step) < SHORTEST_STEP] == []


@each_scenario
def test_hosts_are_only_called_checked_where_they_were(name: str, chronicle: Chronicle) -> None:
    """How many of how many, by a look of that very check; the coverage of an earlier one is not repeated."""
    for heard, messages in _told(name, chronicle):
        coverage = heard.record["coverage"] if heard.record["outcome"] in LOOKED else None
        hosts = coverage["hosts"] if coverage else 0
        seen = [(str(coverage["covered"]), str(hosts))] if coverage and hosts else []
        for message in messages:
            assert CHECKED.findall(message.facts) == seen, message.whole
            assert CHECKED.findall(message.whole) == seen


@each_scenario
def test_a_message_says_what_only_its_words_can_tell(name: str, chronicle: Chronicle) -> None:
    """Such as what is wrong with a certificate."""
    text = "\n".join(message.whole for _, messages in _told(name, chronicle) for message in messages)
    assert [word for word in EXPECTED[name].says if word not in text] == []


def test_the_topic_heard_exactly_what_the_log_says(chronicle: Chronicle) -> None:
    """Every event at least once, each time as its record holds it: two runs at once may publish the same."""
    recorded = {event["id"]: event for record in chronicle.records() for event in record["events"]}
    assert {heard.event["id"] for heard in chronicle.tap.heard} == recorded.keys()
    assert all(heard.event == recorded[heard.event["id"]] for heard in chronicle.tap.heard)


@pytest.mark.parametrize("queue", DEAD_LETTERS)
def test_nothing_ended_as_a_dead_letter(queue: str, chronicle: Chronicle) -> None:
    """A failing vCenter is recorded: its message is done with."""
    assert chronicle.rig.stack.waiting(queue) == 0


def test_no_account_was_ever_near_its_lock(chronicle: Chronicle) -> None:
    """Five refused logins in 180 s lock it; of all these tries none was refused."""
    refused = {name: vcenter.sessions.refused_count for name, vcenter in chronicle.rig.vcenters.items()}
    assert {name: count for name, count in refused.items() if count} == {}


@dataclass(frozen=True, slots=True)
class Told:
    """A record, and those of its events that people are told."""

    record: "Record"
    events: "list[Event]"


def _told(name: str, chronicle: Chronicle) -> Iterator[tuple[Told, list[Message]]]:
    """Each record whose events were told one by one, with what Slack got of it."""
    for log in LOGS:
        for record in chronicle.log(name, log):
            events = [chosen for event in record["events"] if (chosen := _select(event))]
            if events and {event["id"] for event in events} <= chronicle.alone:
                named = _name_log(events[0])
                yield (
                    Told(record, events),
                    [
                        message
                        for message in chronicle.messages
                        if message.is_about(named, record["seq"])
                        # One vCenter's name may begin like another's.
                        and re.search(rf"{re.escape(_place(events[0]))}(?![\w-])", message.title)
                    ],
                )


def _select(event: "Event") -> "Event | None":
    """What people are told of an event; None if nothing."""
    data = select_for_people(event["data"]) if is_for_chat(event["type"]) else None
    return None if data is None else {**event, "data": data}


def _name_log(event: "Event") -> str:
    cluster, vcenter = event["data"]["cluster"], event["data"]["vcenter"]
    return cluster["name"] if cluster else f"{vcenter}/{VCENTER_LOG}"


def _place(event: "Event") -> str:
    cluster, vcenter = event["data"]["cluster"], event["data"]["vcenter"]
    return f"{cluster['name']} · {vcenter}" if cluster else vcenter


def _is_rollout(event: "Event") -> bool:
    """Whether it tells an upgrade under way or done, which asks for nothing, or is only to be accepted."""
    rollouts: list[Any] = [finding["detail"].get("rollout") for finding in event["data"]["findings"]]
    return any(rollout and rollout["state"] != "stalled" for rollout in rollouts)


def _words(events: "list[Event]") -> Iterator[str]:
    """The versions and host names that the events are about."""
    for event in events:
        data = event["data"]
        news = [finding for finding in data["findings"] if finding["transition"] in {"opened", "raised"}]
        for change in data["changes"]:
            versions = (value for value in (change["from"], change["to"]) if value and " " not in value)
            # People name a release of ESXi by its build.
            is_release = change["element"] == "base_image"
            yield from (change["to"].rpartition(".")[2],) if is_release and change["to"] else versions
        every = data["coverage"]["hosts"] if data["coverage"] else 0
        # What is of the whole cluster need not name each host of it.
        partial = [one["hosts"] for one in (*data["changes"], *news) if len(one["hosts"]) != every]
        yield from {data["host_names"][host] for hosts in partial for host in hosts}


def _opened(log: str, finding: "Finding", names: dict[str, str]) -> Opened:
    subject = "" if finding["subject"] in finding["hosts"] else finding["subject"]
    hosts = tuple(names[host] for host in finding["hosts"])
    return Opened(log, finding["kind"], finding["severity"], hosts, subject)


def _changes(log: str, record: "Record", names: dict[str, str]) -> Iterator[Changed]:
    for change in record["changes"]:
        assert change["alternative_image"] is None
        hosts = tuple(names[host] for host in change["hosts"])
        what = change["element"], change["kind"], change["key"], change["from"], change["to"]
        yield from _by_host(Changed(log, *what, hosts, change["severity"]))


def _by_host(change: Changed) -> Iterator[Changed]:
    for host in change.hosts:
        yield Changed(
            change.log,
            change.element,
            change.kind,
            change.key,
            change.came_from,
            change.went_to,
            (host,),
            change.severity,
        )
