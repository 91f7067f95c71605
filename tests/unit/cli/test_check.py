"""``esx-drift check``, with the real dispatcher and checker behind a Lambda that only hands on."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import boto3
import pytest

from tests.paths import GOLDEN
from tests.simulator import fault_kinds
from tests.unit.cli.conftest import CloudFormation, Run, run, stack
from tests.unit.fleets import fleet
from tests.unit.functions.conftest import Deployed, aws, cloud, context, deployed, vcenter
from tests.unit.loopback import serving_by

__all__ = ["aws", "cloud", "context", "deployed", "run", "stack", "vcenter"]

SCREEN = GOLDEN / "check" / "wait.txt"
I40EN = "Intel-i40en 2.7.2.0-1OEM.800.1.0.20613240"
DIFFERENT = "esx01 and esx02 run ESXi 8.0 U3b (build 24280767), but differ in component Intel-i40en"
RUN = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


@dataclass(slots=True)
class Lambda:
    """Takes invocations as Lambda does, and has each wholly worked off before it answers.

    ``asleep`` names what does not work: ``dispatcher`` or ``checker``.
    """

    deployed: Deployed
    asleep: set[str] = field(default_factory=set)
    asked: list[dict[str, Any]] = field(default_factory=list)
    types: list[str] = field(default_factory=list)

    def take(self, function: str, kind: str, event: dict[str, Any]) -> None:
        """Take one invocation."""
        assert function == "the-dispatcher"
        self.asked.append(event)
        self.types.append(kind)
        if "dispatcher" not in self.asleep:
            self.deployed.invoke("dispatcher", event)
            self.work("RetryQueue", "dispatcher")
        if "checker" not in self.asleep:
            self.work("CheckQueue", "checker")

    def work(self, queue: str, function: str) -> None:
        """Invoke the function with what waits in its queue."""
        client, url = self.deployed.sqs, self.deployed.urls[queue]
        received = client.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["ApproximateReceiveCount"]
        )
        for message in received.get("Messages", []):
            record = {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
            }
            assert self.deployed.invoke(function, {"Records": [record]}) == {"batchItemFailures": []}
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


@pytest.fixture
def functions(deployed: Deployed, stack: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lambda]:  # noqa: ARG001 -- it answers for itself
    """The stack's functions, by a Lambda at an address of its own; nothing waits long here."""
    made = Lambda(deployed)

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            function = self.path.split("/")[3]
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.take(function, self.headers["X-Amz-Invocation-Type"], json.loads(body))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    outputs = {**CloudFormation.outputs, "DispatcherFunctionName": "the-dispatcher"}
    monkeypatch.setattr(CloudFormation, "outputs", outputs)
    monkeypatch.setattr("esx_drift.cli.check.ROUND_SECONDS", 0.01)
    with serving_by(Endpoint) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", url)
        yield made


@pytest.fixture
def healthy(functions: Lambda) -> Lambda:
    """One vCenter that is well, of prod-a and prod-b, whose reports are there without an extraction."""
    model = functions.deployed.vcenter
    cluster = model.inventory.add_cluster("prod-b")
    model.inventory.add_host(cluster, "esx11")
    model.extract_all()
    functions.deployed.put_fleet(fleet(vcenters=[{"name": "vc01", "extract": False}]))
    return functions


def _rows(text: str) -> list[str]:
    """What the command printed, without what the functions logged in the same process."""
    lines = (line for line in text.splitlines() if not line.startswith("{"))
    return [" ".join(RUN.sub("RUN", line).split()) for line in lines]


def _table(text: str) -> list[str]:
    """The rows of the table."""
    rows = _rows(text)[3:]
    return rows[: rows.index("")] if "" in rows else rows


def test_the_whole_fleet_is_asked_for_and_the_command_ends(healthy: Lambda, run: Run) -> None:
    """It doesn't wait, and says where to see what comes of it."""
    ran = run("check")
    assert (ran.code, ran.err) == (0, "")
    assert _rows(ran.out) == [
        "Asked for a check of the whole fleet (run RUN).",
        "See what comes of it: esx-drift status",
    ]
    (asked,) = healthy.asked
    assert asked.keys() == {"run_id"}
    assert healthy.types == ["Event"]


def test_what_came_of_each_cluster_is_shown(healthy: Lambda, run: Run) -> None:
    """First copies, then nothing new; exit code 0, since nothing is open."""
    ran = run("check", "--wait")
    assert (ran.code, ran.err) == (0, "")
    assert _rows(ran.out) == [
        "Asked for a check of the whole fleet (run RUN).",
        "",
        "vCenter Cluster What came of it Hosts seen Open findings",
        "vc01 prod-a first copy saved 2 of 2 none",
        "vc01 prod-b first copy saved 1 of 1 none",
    ]
    assert _rows(run("check", "--wait").out)[3:] == [
        "vc01 prod-a the report is the one of before 2 of 2 none",
        "vc01 prod-b the report is the one of before 1 of 1 none",
    ]
    healthy.deployed.vcenter.extract_all()
    assert _rows(run("check", "prod-b", "--wait").out)[3:] == ["vc01 prod-b nothing changed 1 of 1 none"]


def test_what_is_open_is_an_exit_code(healthy: Lambda, run: Run) -> None:
    """1 with a warning or worse; what moved without a change of software is said to be so."""
    run("check")
    model = healthy.deployed.vcenter
    model.hosts.set_component("esx01", "Intel-i40en", "9.9.9.9-1OEM.800.1.0.20613240")
    model.extract_all()
    ran = run("check", "prod-a", "--wait")
    assert (ran.code, ran.err) == (1, "")
    assert _rows(ran.out)[3:] == [
        "vc01 prod-a 1 change 2 of 2 2 warning",
        "",
        "prod-a on vc01: 1 change, 2 findings opened",
        f"{I40EN} → 9.9.9.9-1OEM.800.1.0.20613240 · esx01",
        "opened (warning): esx01 is not as last accepted: Intel-i40en 2.7.2.0 → 9.9.9.9",
        f"opened (warning): {DIFFERENT}",
        "All of it: esx-drift show prod-a 2 --vcenter vc01",
        "",
        "What is open: esx-drift status",
    ]
    model.hosts.fail_extraction("esx02")
    model.extract_all()
    ran = run("check", "domain-c9", "--wait", "--region", "eu-central-1")
    assert _table(ran.out) == ["vc01 prod-a no change; findings moved 1 of 2 3 warning"]
    assert "prod-a on vc01: 1 finding opened" in _rows(ran.out)
    assert _rows(ran.out)[-3] == "All of it: esx-drift show prod-a 3 --vcenter vc01 --region eu-central-1"
    assert ran.code == 1


def test_what_is_put_back_and_over_is_said(healthy: Lambda, run: Run) -> None:
    """The command works as it stands, and shows the record that is meant."""
    run("check")
    model = healthy.deployed.vcenter
    for version in ("9.9.9.9-1OEM.800.1.0.20613240", I40EN.partition(" ")[2]):
        model.hosts.set_component("esx01", "Intel-i40en", version)
        model.extract_all()
        ran = run("check", "prod-a", "--wait")
    news = _rows(ran.out)[5:]
    assert news[0] == "prod-a on vc01: 1 change, 2 findings over"
    assert news[1] == f"{I40EN} (was 9.9.9.9-1OEM.800.1.0.20613240) · esx01 (put back)"
    assert [line.partition(":")[0] for line in news[2:4]] == ["over (warning)", "over (warning)"]
    shown = run(*news[4].removeprefix("All of it: esx-drift ").split())
    assert (shown.code, shown.out.splitlines()[0]) == (0, "Record 3 of prod-a (domain-c9) on vc01: changed")


def test_much_news_is_counted_and_the_worst_is_named(
    healthy: Lambda, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Critical things first, within a cluster and among clusters; what two clusters are called is no name."""
    model = healthy.deployed.vcenter
    inventory = model.inventory
    for number in (1, 2):
        inventory.add_host(inventory.add_cluster(f"twin{number}"), f"twin{number}-esx")
        inventory.rename_cluster(f"twin{number}", "twin")
    model.extract_all()
    run("check")
    for host in ("esx01", "twin2-esx"):
        model.hosts.set_component(host, "Intel-i40en", "9.9.9.9-1OEM.800.1.0.20613240")
    for number in range(6):
        model.hosts.add_orphaned_vib(["twin2-esx"], f"odd{number}(1.0)")
    model.extract_all()
    monkeypatch.setattr("esx_drift.cli.check.MAX_DETAILED_RECORDS", 1)
    news = _rows(run("check", "--wait").out)[8:]
    assert news[0] == "twin on vc01: 7 changes, 7 findings opened"
    assert [line.partition(" appeared")[0] for line in news[1:6]] == [f"VIB odd{at} 1.0" for at in range(5)]
    assert news[6:9] == ["and 9 more", "All of it: esx-drift show domain-c1024 2 --vcenter vc01", ""]
    assert news[9:] == [
        "Something is new in 1 other log, too: esx-drift history CLUSTER shows it",
        "",
        "What is open: esx-drift status",
    ]


def test_what_could_not_be_looked_at_is_trouble(healthy: Lambda, run: Run) -> None:
    """A cluster of which nothing was read, one that is gone, a vCenter that is down: exit code 2, and why."""
    run("check")
    model = healthy.deployed.vcenter
    model.hosts.fail_extraction("esx11")
    model.extract_all()
    ran = run("check", "prod-b", "--wait")
    assert (ran.code, ran.err) == (2, "esx-drift: could not look at prod-b on vc01\n")
    assert _table(ran.out) == ["vc01 prod-b no host could be read 0 of 1 1 warning"]
    assert "opened (warning): the extraction failed:" in ran.out
    model.inventory.hide_cluster("prod-b")
    advice = "if the account lost its permission there, give it back; if it is gone for good"
    for ran in (run("check", "--wait"), run("check", "prod-b", "--wait")):
        assert (ran.code, ran.err) == (2, "esx-drift: could not look at prod-b on vc01\n")
        assert _table(ran.out)[-1] == "vc01 prod-b vc01 lists it no more 1 warning"
        assert _rows(ran.out)[-1] == f"prod-b on vc01: {advice}: esx-drift retire domain-c1008 --vcenter vc01"
    model.inventory.hide_cluster("prod-b", hidden=False)
    model.faults.inject("GET *installed-images*", fault_kinds.status(503))
    ran = run("check", "prod-a", "--wait")
    assert "answered 503 to GET /api/esx/settings" in _table(ran.out)[-1]
    model.faults.clear()

    prod_b = {"name": "vc01", "extract": False, "clusters": {"exclude": ["prod-b"]}}
    healthy.deployed.put_fleet(fleet(vcenters=[prod_b]))
    ran = run("check", "prod-b", "--wait")
    assert ran.code == 2
    assert _rows(ran.out)[3].startswith("vc01 domain-c1008 vc01 lists no cluster with the id or name")
    healthy.deployed.put_fleet(fleet(vcenters=[{"name": "vc02"}, prod_b]))
    ran = run("check", "--wait")
    assert (ran.code, ran.err) == (2, "esx-drift: could not look at vc02\n")
    assert [row[:50] for row in _table(ran.out)] == [
        "vc02 (the vCenter) connect to 127.0.0.1:1 refused:",
        "vc01 (the vCenter) listed none",
        "vc01 prod-a the report is the one of before 2 of 2",
    ]


def test_what_is_open_about_the_vcenter_is_shown_too(healthy: Lambda, run: Run) -> None:
    """Nothing of it is watched: no cluster could say so."""
    patterns = {"include": ["lab-*"]}
    healthy.deployed.put_fleet(fleet(vcenters=[{"name": "vc01", "extract": False, "clusters": patterns}]))
    ran = run("check", "--wait")
    assert (ran.code, ran.err) == (1, "")
    assert _table(ran.out) == ["vc01 (the vCenter) listed 1 warning"]
    news = _rows(ran.out)[5:]
    assert news[0] == "vc01: 1 finding opened"
    assert news[2] == "All of it: esx-drift show vc01/@vcenter 1"
    shown = run(*news[2].removeprefix("All of it: esx-drift ").split())
    assert (shown.code, shown.out.splitlines()[0]) == (0, "Record 1 of the vCenter vc01: dispatched")
    healthy.deployed.put_fleet(fleet(vcenters=[{"name": "vc01", "extract": False}]))
    ran = run("check", "--wait")
    assert _table(ran.out)[0] == "vc01 (the vCenter) listed none"
    assert "vc01: 1 finding over" in _rows(ran.out)


def test_a_vcenter_alone_is_asked_for_as_a_whole(healthy: Lambda, run: Run) -> None:
    """Also before it was ever listed: none of its clusters has to be known. Or some of it, by name."""
    ran = run("check", "--vcenter", "vc01")
    assert _rows(ran.out)[0] == "Asked for a check of all clusters of vc01 (run RUN)."
    run("check", "prod-b", "vc01/prod-a", "domain-c9", "--vcenter", "vc01")
    assert [{key: one[key] for key in one if key != "run_id"} for one in healthy.asked] == [
        {"vcenters": ["vc01"]},
        {"clusters": [{"vcenter": "vc01", "cluster": key} for key in ("domain-c1008", "domain-c9")]},
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("prod_a",),
            (
                "no cluster called prod_a was ever listed by vc01: did you mean prod-a?\n"
                "  esx-drift status shows all.\n"
            ),
        ),
        (("PROD-B",), ": did you mean prod-b?\n"),
        (("nope",), "no cluster called nope was ever listed by vc01\n"),
        (
            ("--vcenter", "vc1"),
            "the fleet file has no vCenter called vc1: did you mean vc01?\n  It has vc01.\n",
        ),
        (
            ("twin",),
            (
                "twin may be twin (domain-c1016) on vc01, twin (domain-c1024) on vc01.\n"
                "  Say which: vc01/domain-c1016 or vc01/domain-c1024\n"
            ),
        ),
    ],
)
def test_what_is_not_known_is_said_with_the_nearest(
    healthy: Lambda, run: Run, arguments: tuple[str, ...], said: str
) -> None:
    """Nothing is asked for then."""
    inventory = healthy.deployed.vcenter.inventory
    for number in (1, 2):
        inventory.add_host(inventory.add_cluster(f"twin{number}"), f"twin{number}-esx")
    for number in (1, 2):
        inventory.rename_cluster(f"twin{number}", "twin")
    run("check")
    ran = run("check", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("esx-drift: ")
    assert said in ran.err
    assert len(healthy.asked) == 1


@pytest.mark.parametrize(
    ("asleep", "row", "progress"),
    [
        ("dispatcher", "vc01 (the vCenter) not listed yet", "0 of 1 vCenter listed"),
        ("checker", "vc01 prod-a no answer yet", "0 of 2 clusters answered"),
    ],
)
def test_what_does_not_answer_in_time_is_trouble(
    healthy: Lambda, run: Run, asleep: str, row: str, progress: str
) -> None:
    """The wait has an end; the check goes on, and where to look is said for the stack that was asked."""
    healthy.asleep = {asleep}
    ran = run("check", "--wait", "--timeout", "1", "--region", "eu-central-1")
    assert ran.code == 2
    assert row in _rows(ran.out)
    assert ran.err.startswith(
        f"esx-drift: not all have answered within 1 s ({progress}); the check goes on\n"
        "  See later: esx-drift status --region eu-central-1\n"
    )


def test_an_answer_that_comes_later_is_waited_for(
    healthy: Lambda, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Round by round, until all are there."""
    healthy.asleep = {"checker"}
    monkeypatch.setattr(
        "esx_drift.cli.check.pause_between_rounds", lambda _: healthy.work("CheckQueue", "checker")
    )
    ran = run("check", "--wait")
    assert (ran.code, ran.err) == (0, "")
    assert "vc01 prod-a first copy saved 2 of 2 none" in _rows(ran.out)


def test_a_bad_moment_of_s3_does_not_end_the_wait(
    healthy: Lambda, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object that can't be read in one round is read in the next."""
    s3, key = boto3.client("s3"), "state/vc01/domain-c9.json"

    def spoil() -> None:
        s3.put_object(Bucket="state", Key=key, Body=b"{}", StorageClass="GLACIER")

    def mend() -> None:
        s3.delete_object(Bucket="state", Key=key)
        healthy.work("CheckQueue", "checker")

    steps = iter((spoil, mend))
    healthy.asleep = {"checker"}
    monkeypatch.setattr("esx_drift.cli.check.pause_between_rounds", lambda _: next(steps)())
    ran = run("check", "--wait")
    assert (ran.code, ran.err) == (0, "")
    assert next(steps, None) is None


def test_ctrl_c_ends_the_wait_and_not_the_check(
    healthy: Lambda, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says so, and where to see what comes of it."""

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    healthy.asleep = {"checker"}
    monkeypatch.setattr("esx_drift.cli.check.pause_between_rounds", interrupt)
    ran = run("check", "--wait")
    assert ran.code == 2
    assert ran.err == (
        "esx-drift: the wait ends here (0 of 2 clusters answered); the check goes on\n"
        "  See later: esx-drift status\n"
    )


def test_who_may_not_ask_is_told_so(healthy: Lambda, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which right is missing is in AWS's own words; here nothing listens at all."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:1")
    ran = run("check")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("esx-drift: Asking the-dispatcher for a check failed: Could not connect")
    assert healthy.asked == []


def test_what_a_person_sees_on_80_columns(
    healthy: Lambda, run: Run, monkeypatch: pytest.MonkeyPatch, *, refresh_goldens: bool
) -> None:
    """A vCenter that is down, a cluster that drifted, and one of which nothing could be read."""
    run("check")
    model = healthy.deployed.vcenter
    model.hosts.set_component("esx01", "Intel-i40en", "9.9.9.9-1OEM.800.1.0.20613240")
    model.hosts.fail_extraction("esx11")
    model.extract_all()
    healthy.deployed.put_fleet(fleet(vcenters=[{"name": "vc01", "extract": False}, {"name": "vc02"}]))
    monkeypatch.setattr("esx_drift.cli.terminal.PIPE_WIDTH", 80)
    ran = run("check", "--wait")
    assert ran.code == 2
    lines = [RUN.sub("RUN", line) for line in ran.out.splitlines() if not line.startswith("{")]
    shown = "".join(f"{line}\n" for line in (*lines, ran.err.rstrip()))
    if refresh_goldens:
        SCREEN.parent.mkdir(exist_ok=True)
        SCREEN.write_text(shown)
    assert shown == SCREEN.read_text()
