import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import boto3
import pytest
import typer
from esx_drift.channels.slack import render_message
from esx_drift.cli.decision_client import parse_decision_options, parse_ticket, parse_until
from esx_drift.domain.findings.kinds import FINDING_KINDS
from esx_drift.domain.images import snapshot
from esx_drift.domain.stored.identifiers import VCENTER_LOG, make_record_key, make_state_key
from esx_drift.domain.stored.records import build_empty_state
from esx_drift.domain.text.times import format_time
from esx_drift.messages.content import build_content

from tests.lab.demo.timeline import BY_HAND, FOOTHOLD, I40EN
from tests.unit.checking.cloud import cloud
from tests.unit.checking.decisions.conftest import ca, checking, tls, world
from tests.unit.checking.decisions.consumer import Consumer
from tests.unit.checking.decisions.person import Person
from tests.unit.checking.reading import open_kinds
from tests.unit.checking.world import NOW, PROD_A, PROD_B, World
from tests.unit.cli.conftest import Run
from tests.unit.logs import leave_log

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import LogState

__all__ = ["ca", "checking", "cloud", "tls", "world"]

SAYS = ("--reason", "CHG-42")
ME = "arn:aws:sts::123456789012:user/moto"

IMPOSSIBLE = {
    ("nope",): "no cluster called nope was ever listed by",
    ("prod-a", "--vcenter", "vc99"): "the fleet file has no vCenter called vc99",
    ("prod-b",): "prod-b was not looked at yet: there is nothing to accept",
    ("prod-a", "--hosts", "esx99"): "the cluster has no host called 'esx99'; it has esx01, esx02",
    ("prod-a", "--hosts", "esx04"): "there is no host to accept",
    ("@nowhere",): "the fleet file has no vCenter called nowhere\n  It has vc",
    ("@vc99", "--hosts", "esx01"): "@vc99 is a vCenter as a whole: leave --hosts, --record, --until",
    ("@vc99", "--record", "1"): "@vc99 is a vCenter as a whole",
    ("@vc99", "--vcenter", "vc01"): "@vc99 is a vCenter as a whole",
    ("prod-a", "--reason", "WHY"): "--reason WHY only stands for a reason, and would stay in the log",
    ("prod-a", "--reason", " "): "--reason takes one line of 1 to 1000 characters",
    ("prod-a", "--reason", "x" * 1001): "--reason takes one line",
    ("prod-a", "--reason", "x\ny"): "--reason takes one line",
}


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the year of the looks."""
    monkeypatch.setattr("esx_drift.cli.accept.read_clock", lambda: NOW)


@pytest.fixture
def hosts(world: World) -> list[str]:
    """prod-a was looked at: one driver by hand, a VIB on two hosts, one host not read. The hosts' names."""
    world.dispatch()
    world.check()
    names = [host.name for host in world.vcenter.inventory.hosts_of(PROD_A)]
    world.vcenter.hosts.set_component(names[0], I40EN, BY_HAND)
    world.vcenter.hosts.add_orphaned_vib(names[1:3], FOOTHOLD)
    world.vcenter.hosts.fail_extraction(names[3])
    world.check()
    return names


def _lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.mark.usefixtures("hosts")
def test_what_is_shown_is_asked_and_accepted(world: World, checking: Consumer, run: Run) -> None:
    """What runs, what differs, who is left out; then the checker's answer, by whom and why."""
    ran = run("accept", "prod-a", *SAYS, typed="y\n")
    assert (ran.code, ran.err) == (0, "")
    assert _lines(ran.out) == [
        f"prod-a (domain-c9) on {world.watched.name}",
        "3 hosts as seen 23 Nov 10:16 UTC (record 2):",
        "ESXi 8.0 U3d · 3 hosts",
        "Not as last accepted: 3 hosts: esx01, esx02, esx03",
        "Other than last accepted:",
        "VIB smntemp 910.1.0.0005-5vmw.803.0.0.24022510 appeared · esx02, esx03",
        "Intel-i40en 2.7.2.0-1OEM.800.1.0.20613240 → 2.9.2.0-1OEM.800.1.0.20613240 · esx01",
        "Not seen, so not accepted:",
        "esx04",
        (
            f"No --hosts: accept all 3 hosts that were seen, as shown, as {ME}? [y/N]:"
            " Accepted (record 3): 3 hosts: esx01, esx02, esx03"
        ),
    ]
    (request,) = checking.handled
    decision = request["decision"]
    assert decision is not None
    assert (decision["by"], decision["reason"], decision["shown_at"]) == (ME, "CHG-42", 2)
    assert decision["user_id"] == boto3.client("sts").get_caller_identity()["UserId"] != ME
    recorded = world.records()[-1]["decision"]
    assert recorded is not None
    assert (recorded["by"], recorded["sender_id"]) == (ME, decision["user_id"])
    assert "drift-unreviewed" not in open_kinds(world.check())


@pytest.mark.usefixtures("hosts", "checking")
def test_what_was_seen_in_another_year_has_its_year(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it is accepted."""
    monkeypatch.setattr("esx_drift.cli.accept.read_clock", lambda: datetime(2027, 1, 2, tzinfo=UTC))
    assert "as seen 23 Nov 2026 10:16 UTC (record 2):" in run("accept", "prod-a", *SAYS).out


@pytest.mark.usefixtures("checking")
def test_what_a_record_showed_is_accepted_and_nothing_that_came_since(
    world: World, hosts: list[str], run: Run
) -> None:
    """A command that was pasted late accepts no host and no software that its message did not have."""
    world.vcenter.hosts.set_component(hosts[1], I40EN, BY_HAND)
    world.vcenter.hosts.fail_extraction(hosts[3], None)
    world.check()
    ran = run("accept", "prod-a", "--record", "2", *SAYS, typed="y\n")
    assert ran.code == 1
    assert "3 hosts as seen 23 Nov 10:16 UTC (record 2):" in _lines(ran.out)
    assert f"Accept 3 hosts as shown, as {ME}? [y/N]: Accepted (record 4): 2 hosts: esx01, esx03" in _lines(
        ran.out
    )
    assert "Refused (record 4): 1 host: esx02" in ran.out
    recorded = world.records()[-1]["decision"]
    assert recorded is not None
    assert recorded["shown_at"] == 2
    assert run("accept", "prod-a", "--record", "2", "--hosts", "esx04", *SAYS).err.startswith(
        "esx-drift: there is no host to accept"
    )


@pytest.mark.usefixtures("checking")
def test_a_record_shows_the_same_after_an_upgrade_of_ours(
    world: World, hosts: list[str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An older snapshot is converted with the report that it was made of, and no newer one."""
    world.vcenter.hosts.set_component(hosts[1], I40EN, BY_HAND)
    world.check()
    steps = {**snapshot.UPGRADE_STEPS, snapshot.CANONICAL_VERSION: lambda stored: stored}
    monkeypatch.setattr(snapshot, "UPGRADE_STEPS", steps)
    monkeypatch.setattr(snapshot, "CANONICAL_VERSION", snapshot.CANONICAL_VERSION + 1)
    ran = run("accept", "prod-a", "--record", "2", *SAYS, typed="y\n")
    assert ran.code == 1
    assert "Refused (record 4): 1 host: esx02" in ran.out


@pytest.mark.usefixtures("checking")
@pytest.mark.parametrize("shown", [2, 3])
def test_damage_that_was_found_since_is_not_accepted_unseen(
    world: World, hosts: list[str], run: Run, shown: int
) -> None:
    """Of the trail, too, only that is accepted which the record showed."""
    world.vcenter.hosts.fail_extraction(hosts[3], None)
    key = make_state_key(world.watched.name, PROD_A)
    world.aws.s3.put_object(Bucket="state", Key=key, Body=b"{}")
    assert "trail-damaged" in open_kinds(world.check())
    ran = run("accept", "prod-a", "--record", shown, "--yes", *SAYS)
    assert ("Damaged, and accepted with all hosts:" in ran.out) is (shown == 3)
    assert ("trail-damaged" in {each["kind"] for each in world.after()["findings"].values()}) is (shown == 2)


@pytest.mark.usefixtures("hosts")
def test_a_record_of_a_replaced_vcenter_is_no_ground(world: World, checking: Consumer, run: Run) -> None:
    """The same id is another machine there."""
    # That its clusters are retired, as accepting it asks for, would come at any time.
    checking.asleep = True
    world.vcenter.replace()
    world.vcenter.extract_all()
    world.wait(4 * 3600)
    world.dispatch()
    Person(world).accept_vcenter(world.vcenter.instance_uuid)
    world.dispatch()
    world.check()
    ran = run("accept", "prod-a", "--record", "2", "--yes", *SAYS)
    assert (ran.code, world.records()[-1]["decision"]) == (2, None)
    assert "record 2 of prod-a is of a vCenter that was replaced: its hosts are others" in ran.err


@pytest.mark.usefixtures("hosts", "checking")
def test_a_record_that_is_not_there_or_shows_nothing_is_no_ground(world: World, run: Run) -> None:
    """Nor is what is no record at all."""
    ran = run("accept", "prod-a", "--record", "9", *SAYS)
    said = "esx-drift: the log of prod-a has no record 9 that shows what runs there\n"
    assert (ran.code, ran.err) == (2, said)
    key = make_record_key(world.watched.name, "domain-c9", 7)
    world.aws.s3.put_object(Bucket="audit", Key=key, Body=b"{}", IfNoneMatch="*")
    ran = run("accept", "prod-a", "--record", "7", *SAYS)
    world.aws.s3.delete_object(Bucket="audit", Key=key)
    assert ran.code == 2
    assert "leave --record out, and look at what is shown" in ran.err


def test_what_is_accepted_already_is_not_accepted_again(
    checking: Consumer, hosts: list[str], run: Run
) -> None:
    """Nothing is sent, and the exit code is 1; nor for a VIB that is still there."""
    assert run("accept", "domain-c9", "-y", *SAYS).code == 0
    for named in (hosts[0], f"{hosts[1]}, host-16"):
        ran = run("accept", "domain-c9", "--hosts", named, "-y", *SAYS)
        assert (ran.code, ran.err) == (
            1,
            "esx-drift: nothing to accept: all of this is accepted already, and nothing was sent\n",
        )
    assert len(checking.handled) == 1


def test_what_is_accepted_for_a_time_can_be_accepted_for_good(
    world: World, checking: Consumer, hosts: list[str], run: Run
) -> None:
    """The record says until when, and by which ticket; the preview of the next decision as well.

    What is shown is the day that the person wrote, and not the midnight behind it.
    """
    world.now = datetime.now(UTC)
    world.check()
    ends = f"{world.now + timedelta(days=30):%Y-%m-%d}"
    ran = run("accept", "domain-c9", "--hosts", hosts[0], "--until", ends, "--ticket", " CHG-7 ", "-y", *SAYS)
    assert ran.code == 0
    moment = world.now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=31)
    until = format_time(moment)
    assert f"Accepted until {ends} (record 4): 1 host: esx01" in ran.out
    recorded = world.records()[-1]["decision"]
    assert recorded is not None
    assert (recorded["ticket"], recorded["until"]) == ("CHG-7", until)
    shown = run("show", "domain-c9", "4", "--vcenter", world.watched.name).out
    assert f" until {ends}: CHG-7 · CHG-42" in shown
    again = run("accept", "domain-c9", "--hosts", hosts[0], "-y", *SAYS)
    assert "Accepted so far, for a time:" in again.out
    assert f"esx01 until {ends}" in again.out
    assert "until" not in world.after()["accepted"]["host-16"]
    assert len(checking.handled) == 2


@pytest.mark.parametrize(
    ("until", "ends"),
    [
        (None, None),
        ("2026-11-23", "2026-11-24T00:00:00.000Z"),
        (" 2027-11-23 ", "2027-11-24T00:00:00.000Z"),
        ("2026-11-23T03:14:00+01:00", None),
        ("2026-11-23T03:15:00+01:00", "2026-11-23T02:15:00.000Z"),
        ("2026-11-22", None),
        ("2027-11-24T02:15:00Z", None),
        ("2026-11-24T02:15:00", None),
        ("tomorrow", None),
        ("2026-02-30", None),
        ("9999-12-31", None),
        ("<date>", None),
    ],
)
def test_an_acceptance_ends_at_a_time_within_a_year(until: str | None, ends: str | None) -> None:
    """A date is all of that day in UTC; what is over, or too far, or no time is refused."""
    if until is not None and ends is None:
        with pytest.raises(typer.Exit):
            parse_until(until, NOW)
    else:
        assert parse_until(until, NOW) == ends


@pytest.mark.parametrize("ticket", ["", " ", "TICKET", "<ticket>", "CHG-XXXX", "…", "x" * 101, "a\nb"])
def test_what_only_stands_for_a_ticket_is_refused(ticket: str) -> None:
    """It would be kept for ever."""
    with pytest.raises(typer.Exit):
        parse_ticket(ticket)


@pytest.mark.usefixtures("hosts")
def test_a_vib_of_the_first_look_is_accepted_though_nothing_changed(
    world: World, checking: Consumer, run: Run
) -> None:
    """No host differs from its first copy, and still somebody has to vouch for it."""
    world.vcenter.hosts.add_orphaned_vib(world.vcenter.inventory.hosts_of(PROD_B)[0].name, FOOTHOLD)
    world.check(PROD_B)
    ran = run("accept", "prod-b", *SAYS, typed="y\n")
    assert (ran.code, ran.err) == (0, "")
    assert len(checking.handled) == 1


@pytest.mark.usefixtures("hosts")
def test_hosts_that_are_named_are_asked_about(world: World, checking: Consumer, run: Run) -> None:
    """The question says whether all are meant or those."""
    ran = run("accept", "prod-a", "--hosts", "esx01", *SAYS, typed="y\n")
    assert f"Accept 1 host as shown, as {ME}? [y/N]" in ran.out
    assert "Not as last accepted: 1 host: esx01" in ran.out
    names = [host.name for host in world.vcenter.inventory.hosts_of(PROD_B)]
    world.vcenter.hosts.fail_extraction(names[1:])
    world.check(PROD_B)
    world.vcenter.hosts.set_component(names[0], I40EN, BY_HAND)
    world.check(PROD_B)
    ran = run("accept", "prod-b", *SAYS, typed="y\n")
    assert "No --hosts: accept the one host that was seen, as shown, as " in ran.out
    assert len(checking.handled) == 2


@pytest.mark.usefixtures("hosts")
def test_who_does_not_mean_it_sends_nothing(checking: Consumer, run: Run) -> None:
    """Exit code 1, and the log stays as it is."""
    ran = run("accept", "prod-a", *SAYS, typed="n\n")
    assert (ran.code, ran.err) == (1, "esx-drift: nothing was sent\n")
    assert checking.handled == []


def test_what_changed_meanwhile_is_refused(
    world: World, checking: Consumer, hosts: list[str], run: Run
) -> None:
    """Exit code 1; the hosts are named, and the others are accepted."""

    def change() -> None:
        world.vcenter.hosts.add_orphaned_vib(hosts[0], FOOTHOLD)
        world.check()

    checking.before.append(change)
    ran = run("accept", "prod-a", "-y", *SAYS)
    assert ran.code == 1
    assert _lines(ran.out)[-3:] == [
        "Accepted (record 4): 2 hosts: esx02, esx03",
        "Refused (record 4): 1 host: esx01",
        "They are no longer as they were shown. Run it again to see how they are now.",
    ]


def test_a_single_host_that_changed_is_refused(
    world: World, checking: Consumer, hosts: list[str], run: Run
) -> None:
    """Then nothing was accepted."""

    def change() -> None:
        world.vcenter.hosts.fail_extraction(hosts[0])
        world.check()

    checking.before.append(change)
    ran = run("accept", "prod-a", "--hosts", hosts[0], "-y", *SAYS)
    assert ran.code == 1
    assert "Accepted" not in ran.out


@pytest.mark.usefixtures("hosts")
def test_an_answer_that_does_not_come_is_no_success(checking: Consumer, run: Run) -> None:
    """It says that nothing is lost, and where to look; the checker does it when it wakes."""
    checking.asleep = True
    ran = run("accept", "prod-a", "-y", "--wait", "0", *SAYS)
    assert ran.code == 2
    assert ran.err.startswith("esx-drift: sent, but not answered within 0 s. It is not lost")
    assert "esx-drift status" in ran.err


@pytest.mark.usefixtures("hosts")
def test_what_cannot_be_is_told(checking: Consumer, run: Run) -> None:
    """Exit code 2 before anything is sent, with what is wrong."""
    for arguments, said in IMPOSSIBLE.items():
        ran = run("accept", *SAYS, *arguments, "-y")
        assert ran.code == 2
        assert ran.err.startswith(f"esx-drift: {said}")
    assert checking.handled == []


def _other(world: World, vcenter: str, **names: str) -> None:
    """Another vCenter of which only its clusters are known."""
    entry = {
        "watched_as": "prod-a",
        "first_listed_at": "2026-11-23T02:14:00.000Z",
        "last_listed_at": "2026-11-23T02:14:00.000Z",
    }
    clusters = {
        cluster.replace("_", "-"): {"name": name, **entry, "retired_at": None}
        for cluster, name in names.items()
    }
    after: LogState = {**build_empty_state(), "clusters": clusters}  # type: ignore[typeddict-item]  # the record's schema is held
    leave_log(world.aws.store, vcenter, VCENTER_LOG, after)


@pytest.mark.usefixtures("hosts")
def test_an_ambiguous_name_is_not_guessed(world: World, checking: Consumer, run: Run) -> None:
    """Neither between two vCenters nor within one; --vcenter or the id decides."""
    other = f"other-{world.watched.name}"
    _other(world, other, domain_c7="prod-a", domain_c8="prod-a")
    checking.put_fleet(other, "not-yet-listed")
    ran = run("accept", "prod-a", "-y", *SAYS)
    assert ran.code == 2
    assert (
        f"prod-a may be prod-a (domain-c9) on {world.watched.name}, prod-a (domain-c7) on {other}" in ran.err
    )
    assert "Say which: by --vcenter NAME, or by its id." in ran.err
    assert run("accept", "prod-a", "--vcenter", other, "-y", *SAYS).code == 2
    assert run("accept", "prod-a", "--vcenter", world.watched.name, "-y", *SAYS).code == 0
    assert "nothing to accept" in run("accept", "domain-c9", "-y", *SAYS).err


def _replaced(world: World) -> None:
    world.vcenter.replace()
    world.wait(4 * 3600)
    world.dispatch()


@pytest.mark.usefixtures("hosts")
def test_a_replaced_vcenter_is_accepted_as_it_was_shown(world: World, checking: Consumer, run: Run) -> None:
    """Both instances are shown; if yet another answers meanwhile, nothing is accepted."""
    before = world.vcenter.instance_uuid
    name = f"@{world.watched.name}"
    ran = run("accept", name, "-y", *SAYS)
    assert ran.code == 1
    assert ran.err == (
        f"esx-drift: {world.watched.name} is the vCenter that it was, and its log is sound:"
        " there is nothing to accept\n"
    )
    _replaced(world)
    checking.before.append(lambda: _replaced(world))
    ran = run("accept", name, "-y", *SAYS)
    assert ran.code == 1
    assert "by now yet another vCenter answers" in ran.err
    ran = run("accept", name, "--vcenter", world.watched.name, *SAYS, typed="y\n")
    assert (ran.code, ran.err) == (0, "")
    shown = _lines(ran.out)
    assert shown[1:3] == [f"before {before}", f"now {world.vcenter.instance_uuid}"]
    assert shown[3] == "Accepting it retires the 2 clusters known so far, with what is open on them."
    assert shown[4] == "It ends maintenance that people began on them."
    assert shown[-1].endswith("The next run dispatches its clusters.")


def _spoil_pointer(world: World, cluster: str) -> str:
    """The key of what is no pointer any more."""
    key = make_state_key(world.watched.name, cluster)
    world.aws.s3.put_object(Bucket="state", Key=key, Body=b"{}")
    return key


@pytest.mark.usefixtures("checking")
def test_damage_of_a_clusters_log_is_accepted_with_all_its_hosts(
    world: World, hosts: list[str], run: Run
) -> None:
    """It is shown first; who accepts single hosts says nothing of the log."""
    key = _spoil_pointer(world, PROD_A)
    assert "trail-damaged" in open_kinds(world.check())
    shown = _lines(run("accept", "prod-a", "--hosts", hosts[0], "-y", *SAYS).out)
    assert f"the audit trail is damaged: {key} does not point into the log" in shown
    assert "trail-damaged" in open_kinds(world.check())
    assert run("accept", "prod-a", "-y", *SAYS).code == 0
    assert "trail-damaged" not in open_kinds(world.check())


@pytest.mark.usefixtures("hosts")
def test_damage_of_a_vcenters_own_log_is_accepted(world: World, checking: Consumer, run: Run) -> None:
    """Nothing else that is open there is."""
    name, key = world.watched.name, _spoil_pointer(world, VCENTER_LOG)
    world.vcenter.inventory.remove_cluster("prod-b")
    world.dispatch()
    (damage,) = [event for event in world.topic.published if event["subject"] == name]
    assert f"esx-drift accept @{name}" in json.dumps(render_message(build_content(damage)))
    ran = run("accept", f"@{name}", *SAYS, typed="y\n")
    assert (ran.code, ran.err) == (0, "")
    assert _lines(ran.out)[:2] == [
        f"The log of {name} as a whole",
        f"the audit trail is damaged: {key} does not point into the log",
    ]
    assert len(checking.handled) == 1
    assert open_kinds(world.records(VCENTER_LOG)[-1]) == {"cluster-missing"}


@pytest.mark.usefixtures("checking", "hosts")
def test_a_cluster_whose_last_snapshot_is_lost_cannot_be_accepted(world: World, run: Run) -> None:
    """Nobody knows what would be accepted; it says what is to be restored."""
    record = world.records()[-1]
    for kept in (record["snapshot"], record["document"]):
        assert kept is not None
        world.spoilt.add(kept["key"])
        world.aws.s3.delete_object(Bucket="audit", Key=kept["key"])
    ran = run("accept", "prod-a", "-y", *SAYS)
    assert ran.code == 2
    assert "restore its former version in S3 first" in ran.err


@pytest.mark.usefixtures("checking")
def test_a_vcenter_that_was_never_listed_cannot_be_accepted(world: World, run: Run) -> None:
    """There is no log of it yet."""
    ran = run("accept", f"@{world.watched.name}", "-y", *SAYS)
    assert (ran.code, "is the vCenter that it was" in ran.err) == (1, True)


def test_names_cannot_act_on_the_terminal(world: World, checking: Consumer, run: Run) -> None:
    """A host's and a cluster's name come from a vCenter that may be compromised."""
    world.vcenter.inventory.rename_cluster("prod-a", "prod\x1b[2Ja")
    world.vcenter.inventory.host("esx01").name = "esx\x1b]0;x\x07"
    world.dispatch()
    world.check()
    ran = run("accept", PROD_A, "-y", *SAYS)
    assert (ran.code, len(checking.handled)) == (1, 0)
    assert "\x1b" not in ran.out + ran.err


@pytest.mark.usefixtures("hosts")
def test_without_rights_the_person_is_told(
    checking: Consumer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS's own words, and no traceback: STS can't be asked."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
    ran = run("accept", "prod-a", "-y", *SAYS)
    assert ran.code == 2
    assert ran.err.startswith("esx-drift: Asking AWS STS who you are failed:")
    assert checking.handled == []


@pytest.mark.parametrize(
    "reason",
    [
        *(
            "WHY",
            "why",
            "TEXT",
            "Reason",
            "TODO",
            "to do",
            "TBD",
            "x",
            "XXX",
            "<reason>",
            "…",
            "...",
            "-",
            "?",
        ),
        *("CHG-XXXX", "CHG-…", "CHG-...", "chg0000", "INC_NNN"),
    ],
)
def test_what_only_stands_for_a_reason_is_none(reason: str) -> None:
    """It was pasted from a message, and would stay in the log for ever."""
    with pytest.raises(typer.Exit):
        parse_decision_options(reason, None, ask=False, wait_seconds=0)


@pytest.mark.parametrize(
    "reason",
    ["CHG-42", "CHG0000042", "why not: vendor asked", "text from Dell", "xFusion driver", "ok, INC-1"],
)
def test_a_short_reason_is_one(reason: str) -> None:
    """Nobody has to write a novel."""
    assert parse_decision_options(reason, None, ask=False, wait_seconds=0).reason == reason


def _list_message_words() -> list[str]:
    command = FINDING_KINDS["drift-unreviewed"].advice.command
    return command.format(cluster="prod-a", vcenter="vc01", only_hosts=" --hosts esx01").split()[1:]


@pytest.mark.usefixtures("hosts")
def test_a_messages_command_asks_a_person_why(world: World, checking: Consumer, run: Run) -> None:
    """Pasted as it stands it works at a terminal, and keeps no placeholder for ever."""
    words = [world.watched.name if word == "vc01" else word for word in _list_message_words()]
    ran = run(*words, typed="CHG-42\ny\n", at_terminal=True)
    assert (ran.code, ran.err) == (0, "")
    assert "Why? It stays in the log: " in ran.out
    (request,) = checking.handled
    assert request["decision"]
    assert request["decision"]["reason"] == "CHG-42"


@pytest.mark.usefixtures("hosts")
def test_where_nobody_answers_nothing_is_sent(checking: Consumer, run: Run) -> None:
    """And a script is told what answers."""
    ran = run("accept", "domain-c9", *SAYS)
    assert ran.code == 1
    assert ran.err == "esx-drift: nothing was sent: nobody is there to answer; --yes answers\n"
    assert checking.handled == []


@pytest.mark.usefixtures("hosts")
def test_a_ticket_alone_is_reason_enough(checking: Consumer, run: Run) -> None:
    """It says why; nobody is asked."""
    ran = run("accept", "domain-c9", "-y", "--ticket", " CHG-1 ")
    assert (ran.code, ran.err) == (0, "")
    (request,) = checking.handled
    assert request["decision"]
    assert (request["decision"]["reason"], request["decision"].get("ticket")) == ("CHG-1", "CHG-1")


@pytest.mark.parametrize("command", ["accept", "retire", "maintenance start"])
def test_the_help_of_a_decision_says_what_is_enough_of_a_reason(run: Run, command: str) -> None:
    """A ticket is; and so says the option that it stands for."""
    shown = " ".join(run(*command.split()[:2], "--help").out.replace("│", " ").split())
    assert "if there is no --ticket either." in shown
    assert "enough of a reason." in shown


@pytest.mark.parametrize("command", ["accept", "retire", "maintenance start --for 1h"])
def test_without_a_person_a_reason_is_needed(run: Run, command: str) -> None:
    """Nobody can be asked; the whole command is said, and what stands for the reason is refused, too."""
    words = [*command.split(), "prod a"]
    ran = run(*words)
    assert ran.code == 2
    assert f"esx-drift {command} 'prod a' --reason '…'" in ran.err
    assert f"esx-drift {command} 'prod a' --ticket '…'" in ran.err
    assert "only stands for a reason" in run(*words, "--reason", "…").err
