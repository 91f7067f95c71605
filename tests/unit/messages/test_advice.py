"""What a message says of a failure fits the failure, and not only its kind."""

import pytest
from esx_drift.domain.events import MessageContent
from esx_drift.domain.findings.extraction import UNPROVEN_DETAIL
from esx_drift.domain.stored.types import Json
from esx_drift.messages.content import build_content

from tests.unit.events import build_events, change, finding, not_looked, told

UNDER_CLUSTER = "/api/esx/settings/clusters/domain-c9/installed-images"
BLIND_VCENTER = "Its clusters are not checked meanwhile; their findings stay open."
BLIND_CLUSTER = "This cluster is not checked meanwhile; its findings stay open."


def of_vcenter(
    kind: str, detail: dict[str, Json], summary: str = "It failed", **parts: object
) -> MessageContent:
    """The story of one failure in a vCenter's own log."""
    (event,) = build_events(
        not_looked(findings=[finding("failure", kind, "", summary, detail=detail, **parts)])
    )
    return build_content(event)


def of_cluster(
    kind: str, detail: dict[str, Json], summary: str = "It failed", **parts: object
) -> MessageContent:
    """The same in the log of a cluster that was not seen."""
    found = finding("failure", kind, "", summary, detail=detail, **parts)
    (event,) = build_events(told(findings=[found], coverage=None, outcome="not-looked"))
    return build_content(event)


def step(story: MessageContent) -> str:
    """What it asks for, with the command."""
    assert story.next_step is not None
    return f"{story.next_step.text} {story.next_step.command}"


@pytest.mark.parametrize(
    ("detail", "headline", "privilege"),
    [
        ({"listed": 0, "known": 18}, "account is shown too few clusters", "System.Read"),
        ({"hidden_hosts": "3"}, "account is shown too few hosts", "System.Read"),
        ({"operation": "GET /api/vcenter/host"}, "account may not see clusters and hosts", "System.Read"),
        (
            {"operation": "GET /api/cis/tasks/52f9:com.vmware"},
            "account may not read its tasks",
            "VcIntegrity.lifecycleGeneral.Read",
        ),
        (
            {"operation": f"POST {UNDER_CLUSTER}?action=extract"},
            "account may not read installed images",
            "VcIntegrity.lifecycleSettings.Read",
        ),
        ({"operation": "POST /api/session"}, "account lacks a privilege", "esx-drift doctor --vcenter vc01"),
    ],
)
def test_a_missing_privilege_is_named(detail: dict[str, Json], headline: str, privilege: str) -> None:
    """By the call that was refused, or by the list that was too short."""
    story = of_cluster("vcenter-authorization", detail)
    assert story.title.endswith(f": vCenter {headline}")
    assert step(story).endswith(privilege)


@pytest.mark.parametrize(
    ("detail", "summary", "headline", "advised"),
    [
        ({"user": "svc"}, "vc02 refused the login of svc", "login refused", "doctor --reset vc02"),
        (
            {"secret": "esx-drift/vcenter/vc02"},
            "the secret esx-drift/vcenter/vc02 does not exist: create it",
            "secret can't be used, so nobody can log in",
            "mend this secret, and checks resume by themselves: esx-drift/vcenter/vc02",
        ),
        (
            {"user": "svc", "password": "not tried yet"},
            "login of svc to vc02 not tried: the last login was refused; the new password is tried later",
            "a new password is there, and not tried yet",
            "the next run of the dispatcher tries the new password",
        ),
        (
            {"user": "svc", "answered_by": 'a page "Sign in"'},
            "vc02 refused the login of svc: no answer of a vCenter's, but a page",
            "login refused by something else in its place",
            "answers in its place? Once that is mended: esx-drift doctor --reset vc02",
        ),
        (
            {},
            "no login to vc02 is tried, because breaker/vc02.json can't be read",
            "no login is tried",
            "esx-drift doctor --reset vc02",
        ),
    ],
)
def test_only_a_refused_password_is_told_as_one(
    detail: dict[str, Json], summary: str, headline: str, advised: str
) -> None:
    """A secret of no use was never sent, and a new password is in nobody's way but its turn."""
    story = of_vcenter("vcenter-authentication", detail, summary)
    assert story.title == f"vc02: {headline}"
    assert advised in step(story)
    refused = any("this password is not tried again" in note for note in story.notes)
    assert refused == headline.startswith("login refused")


@pytest.mark.parametrize(
    ("detail", "summary", "advised"),
    [
        ({"phase": "dns"}, "the name of vc02.corp can't be resolved", "DNS"),
        ({"phase": "connect"}, "connect to vc02.corp:443 timed out", "firewall"),
        ({"phase": "certificate"}, "TLS: the certificate of vc02.corp:443 is refused: expired", "ca_bundle"),
        ({"phase": "certificate", "certificate": "malformed"}, "it is refused", "set tls_strict to false"),
        ({"phase": "certificate", "certificate": "untrusted"}, "it is refused", "ca_bundle"),
        ({"phase": "certificate", "certificate": "expired"}, "it is refused", "renew"),
        ({"phase": "certificate", "certificate": "not-yet-valid"}, "it is refused", "clock"),
        ({"phase": "certificate", "certificate": "wrong-name"}, "it is refused", "secret's host"),
        ({"phase": "certificate", "certificate": "other"}, "it is refused", "renew"),
        ({"phase": "tls"}, "TLS connect to vc02.corp:443 timed out", "TLS doesn't come about"),
        ({"phase": "proxy"}, "the proxy gave no way to vc02.corp:443", "proxy"),
        ({"phase": "http"}, "the answer of vc02.corp:443 did not end within 60 s", "overloaded"),
        ({}, "no answer", "whether the vCenter is up"),
    ],
)
def test_the_next_step_is_where_the_way_ends(detail: dict[str, Json], summary: str, advised: str) -> None:
    """Nobody looks at port 443 of a vCenter that has just answered on it."""
    story = of_vcenter("vcenter-unreachable", detail, summary)
    assert advised in step(story)
    assert ("not reachable" in story.title) == (detail.get("phase") != "http")


@pytest.mark.parametrize("phase", ["connect", "tls"])
def test_whether_the_way_is_free_again_says_the_doctor(phase: str) -> None:
    """From where checks run; a question alone would leave nobody anything to do."""
    assert step(of_vcenter("vcenter-unreachable", {"phase": phase})).endswith(
        " To test the way: esx-drift doctor --vcenter vc02"
    )


def test_a_sloppy_ca_has_one_advice() -> None:
    """That it belongs into ca_bundle would be no help: it is there, and its form is what is refused."""
    story = of_vcenter("vcenter-unreachable", {"phase": "certificate", "certificate": "malformed"}, "refused")
    assert "ca_bundle" not in step(story)


@pytest.mark.parametrize(
    ("kind", "detail", "headline", "advised"),
    [
        ("vcenter-error", {"status": "500"}, "answers with an error", "logs"),
        ("vcenter-error", {"status": "302"}, "answers with a redirect", "host and port"),
        ("vcenter-error", {"status": "200"}, "answers what no vCenter answers", "host and port"),
        (
            "vcenter-error",
            {
                "status": "500",
                "operation": "GET /api/vcenter/host",
                "error_type": "UNABLE_TO_ALLOCATE_RESOURCE",
            },
            "has more in one folder than it can list",
            "split that folder",
        ),
        (
            "vcenter-error",
            {
                "status": "500",
                "operation": f"GET {UNDER_CLUSTER}",
                "error_type": "UNABLE_TO_ALLOCATE_RESOURCE",
            },
            "answers with an error",
            "logs",
        ),
        (
            "vcenter-error",
            {"status": "403", "answered_by": 'a page "Sign in"'},
            "something else answers in its place",
            "host and port",
        ),
        (
            "vcenter-error",
            {"status": "301", "answered_by": "an empty body"},
            "answers with a redirect",
            "host and port",
        ),
        (
            "vcenter-error",
            {"bug": "KeyError at esx_drift/x.py:1 in f"},
            "could not be read, by a bug in esx-drift",
            "report it",
        ),
        ("vcenter-unavailable", {"status": "503"}, "services don't answer (503)", "Services"),
        ("vcenter-unavailable", {"status": "502"}, "services don't answer (502)", "a balancer, a proxy"),
        ("vcenter-unavailable", {"status": "504"}, "services don't answer (504)", "a balancer, a proxy"),
        (
            "vcenter-unavailable",
            {
                "status": "503",
                "message_id": "com.vmware.vapi.endpoint.failedToLoginMaxUserSessionCountReached",
            },
            "all its sessions are used up (503)",
            "Monitor > Sessions",
        ),
        (
            "vcenter-unavailable",
            {"status": "404", "operation": f"GET {UNDER_CLUSTER}"},
            "a service is not there (404)",
            "Lifecycle Manager",
        ),
        (
            "vcenter-unavailable",
            {"status": "404", "operation": "POST /api/session"},
            "a service is not there (404)",
            "vapi-endpoint",
        ),
        ("vcenter-unavailable", {"status": "429"}, "asked too often, and refuses (429)", "what else asks"),
    ],
)
def test_an_answer_is_told_by_its_status(
    kind: str, detail: dict[str, Json], headline: str, advised: str
) -> None:
    """The logs of a vCenter know nothing of a proxy that answers in its place."""
    story = of_vcenter(kind, detail)
    assert story.title == f"vc02: {headline}"
    assert advised in step(story)
    assert BLIND_VCENTER in story.notes


def test_an_id_of_no_use_blinds_nobody_else() -> None:
    """The vCenter's other clusters are checked, and that is said instead of the contrary."""
    story = of_vcenter("vcenter-error", {"unusable_ids": 1})
    assert story.title == "vc02: lists clusters under ids that are of no use"
    assert "Its other clusters are checked." in step(story)
    assert BLIND_VCENTER not in story.notes


@pytest.mark.parametrize(
    ("kind", "headline", "over"),
    [
        ("vcenter-unreachable", "vCenter not reachable", "vCenter reachable again"),
        ("vcenter-unavailable", "vCenter services don't answer (503)", "vCenter services answer again"),
        ("vcenter-error", "vCenter answers with an error", "vCenter answers without errors again"),
        ("vcenter-authentication", "vCenter login refused", "vCenter login works again"),
        ("vcenter-replaced", "another vCenter answers as vc01", "vc01 is the known vCenter again"),
        ("cluster-missing", "no longer found in the vCenter", "found in the vCenter again"),
    ],
)
def test_in_a_clusters_own_log_the_vcenter_is_named(kind: str, headline: str, over: str) -> None:
    """Else "not reachable" beside prod-a would be the cluster; and the vCenter's others may be well."""
    story = of_cluster(kind, {"user": "svc"})
    assert story.title.endswith(f"prod-a · vc01: {headline}")
    assert BLIND_VCENTER not in story.notes
    ended = of_cluster(kind, {"user": "svc"}, transition="resolved", resolved_because="recovered")
    assert ended.title.startswith(f"prod-a · vc01: {over} after")


def test_a_cluster_is_told_to_be_blind_only_itself() -> None:
    """What else the vCenter has is seen by checks of its own."""
    assert BLIND_CLUSTER in of_cluster("vcenter-error", {"status": "500"}).notes
    assert "esx-drift retire prod-a --vcenter vc01" in step(of_cluster("cluster-missing", {}))


@pytest.mark.parametrize(
    ("skew_seconds", "said"),
    [
        (431.0, "7 min ahead of ours"),
        (-7500, "2 h 5 min behind ours"),
        (None, "not the same as ours"),
        (True, "not the same as ours"),
        (float("inf"), "not the same as ours"),
    ],
)
def test_a_clock_is_told_by_how_far_it_is_off(skew_seconds: Json, said: str) -> None:
    """And which way. The vCenter was seen all the same."""
    story = of_vcenter("clock-skewed", {"skew_seconds": skew_seconds})
    assert story.title == f"vc02: its clock is {said}"
    assert "port 5480 > Time" in step(story)
    assert "not checked" not in story.facts


def test_a_report_from_the_future_is_the_clocks_fault() -> None:
    """Other reports contradict themselves."""
    summary = "the report says it was completed at 2099-01-01T00:00:00.000Z, and the vCenter's own clock says"
    detail: dict[str, Json] = {"vcenter_date": "2026-11-23T02:14:00.000Z"}
    assert "Time" in step(of_cluster("document-inconsistent", detail, summary))
    assert "twice" in step(of_cluster("document-inconsistent", {"inconsistencies": ["x"]}))


def test_an_extraction_that_never_began_did_not_take_too_long() -> None:
    """Without a task of our own, it is somebody else's that doesn't end."""
    assert "busy with something else" in of_cluster("extraction-timeout", {"task_status": None}).title
    assert "takes too long" in of_cluster("extraction-timeout", {"task_status": "RUNNING"}).title


def test_a_task_that_ended_did_not_take_too_long_either() -> None:
    """Whether it was the cluster's own, nothing shows: a person reads how that one ended."""
    story = of_cluster("extraction-timeout", {"task_status": "FAILED", UNPROVEN_DETAIL: True})
    assert "no new report of its image came in time" in story.title
    assert "how the last extraction of its image ended" in step(story)


@pytest.mark.parametrize("kind", ["host-failed", "host-not-covered"])
@pytest.mark.parametrize(
    ("detail", "advised"),
    [
        ({"messages": [{"text": "The host is out of disk space."}]}, "free space on esx07"),
        (
            {"messages": [{"text": "No space left on device"}], "power_state": "POWERED_ON"},
            "free space on esx07",
        ),
        ({"power_state": "POWERED_OFF", "connection_state": "NOT_RESPONDING"}, "power esx07 on"),
        ({"connection_state": "DISCONNECTED"}, "connect esx07 again"),
        ({"connection_state": "NOT_RESPONDING"}, "is it up, or rebooting for an upgrade?"),
        ({"connection_state": "CONNECTED", "power_state": "POWERED_ON"}, "read what happened to it"),
    ],
)
def test_a_host_that_is_not_read_has_advice_by_the_cause(
    kind: str, detail: dict[str, Json], advised: str
) -> None:
    """Nobody is asked what the event itself answers."""
    found = finding("failure", kind, "host-7", "x", hosts=["host-7"], detail=detail)
    (event,) = build_events(told(findings=[found]))
    assert advised in step(build_content(event))


@pytest.mark.parametrize("year", ["", "2025 "])
def test_when_a_host_was_last_read_is_said_once(year: str) -> None:
    """In the reader's own time, and not in UTC beside it."""
    detail: dict[str, Json] = {"uncovered_since": "2026-11-16T02:14:00.000Z"}
    said = f'esx07 could not be read, NOT_RESPONDING, not seen since 16 Nov {year}02:14 UTC: "No answer."'
    (event,) = build_events(
        told(findings=[finding("failure", "host-failed", "host-7", said, hosts=["host-7"], detail=detail)])
    )
    story = build_content(event)
    assert story.when_text == "Not checked since 16 Nov 02:14 UTC."
    assert story.items == ('NOT_RESPONDING: "No answer."',)


@pytest.mark.parametrize("kind", ["extraction-unavailable", "eligibility-failed", "host-unsupported"])
def test_what_is_harmless_asks_for_nothing(kind: str) -> None:
    """A cluster without hosts is no trouble, nor is one that nobody wants to be watched."""
    story = of_cluster(kind, {}, severity="info")
    assert story.next_step is None or story.next_step.text.startswith("nothing, as long as")
    assert not step(of_cluster(kind, {})).startswith("nothing")


def test_hosts_that_came_and_went_leave_nothing_to_accept() -> None:
    """Who joined is accepted as he is, and who left can't be."""
    moves = [change("host", "added", "host-12"), change("host", "removed", "host-3", hosts=["host-3"])]
    (event,) = build_events(told(changes=moves))
    assert "accept " not in step(build_content(event))


def test_whose_machine_it_is_comes_before_what_it_runs() -> None:
    """Of hosts that joined the one is asked about that came under the name of another machine."""
    alone: dict[str, Json] = {"compared_with": 0, "differences": [], "more": 0}
    other: dict[str, Json] = {"other_machine": {"id": "host-2", "name": "esx07"}}
    new = change("host", "added", "host-3", hosts=["host-3"], severity="warning", detail=alone)
    replaced = change("host", "added", "host-7", severity="warning", detail=other)
    (event,) = build_events(told(changes=[new, replaced]))
    assert "was the machine of esx07 replaced?" in step(build_content(event))
    (event,) = build_events(told(changes=[new]))
    assert "was esx03 set up like this on purpose?" in step(build_content(event))


def test_the_command_is_about_the_hosts_of_the_message_alone() -> None:
    """One that left would be refused, and of another that differs the message says nothing."""
    driver = change(
        "component", "upgraded", "Intel-i40en", hosts=["host-7", "host-3"], **{"from": "1", "to": "2"}
    )
    left = change("host", "removed", "host-3", hosts=["host-3"])
    differs = finding("drift", "drift-unreviewed", "", "esx02 differs", hosts=["host-2"])
    (event,) = build_events(told(changes=[driver, left], findings=[differs]))
    assert step(build_content(event)).endswith("--hosts esx07")


def test_a_failure_that_was_raised_says_how_long_it_lasts() -> None:
    """That is why it was raised; what merely opened says nothing of it."""
    days_ago = {"opened_at": "2026-11-16T02:14:00.000Z", "severity": "critical"}
    assert of_vcenter("vcenter-unreachable", {}, transition="raised", **days_ago).title == (
        "CRITICAL · vc02: not reachable for 7 days"
    )
    assert of_vcenter("vcenter-unreachable", {}, **days_ago).title == "CRITICAL · vc02: not reachable"


def test_a_look_that_saw_no_host_is_none() -> None:
    """The report was new, and covered nobody."""
    failed = finding("failure", "extraction-failed", "", "It failed")
    nobody = {"hosts": 4, "covered": 0, "failed": 4, "unsupported": 0}
    (event,) = build_events(told(findings=[failed], coverage=nobody))
    story = build_content(event)
    assert story.when_text == "Last checked 01:14 UTC."
    assert story.facts[:2] == ("0 of 4 hosts checked", "warning")


def test_a_clock_that_is_behind_turns_no_time_around() -> None:
    """The look before was at 01:14 by our clock; an extraction at 01:10 by the vCenter's came after it."""
    driver = change("component", "upgraded", "Intel-i40en", **{"from": "1", "to": "2"})
    (event,) = build_events(told(changes=[driver], extracted_at="2026-11-23T01:10:00.000Z"))
    assert build_content(event).when_text == "Changed between 01:14 and 02:14 UTC."


def test_an_outage_with_no_known_cluster_counts_none() -> None:
    """None unwatched would read as if all were well."""
    detail: dict[str, Json] = {"clusters_unwatched": 0}
    assert "None of its clusters is known yet." in of_vcenter("vcenter-unreachable", detail).notes


def test_the_end_of_an_outage_says_what_happens_now() -> None:
    """Its clusters are checked at once; till then nothing is known of the time between."""
    detail: dict[str, Json] = {"clusters_unwatched": 18}
    story = of_vcenter("vcenter-unreachable", detail, transition="resolved", resolved_because="recovered")
    assert story.when_text == "Not checked between 01:14 and 02:14 UTC."
    assert story.notes == (
        (
            "Being checked now: 18 clusters. "
            "What changed meanwhile, or can't be checked, is reported next; if nothing is, all is as it was."
        ),
    )
    assert story.facts[0] == "over (was warning)"
