"""``esx-drift evidence``: what an auditor files, of a trail that the product's own jobs wrote."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from copy import deepcopy, replace
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    derive_private_key,
)
from esx_drift.adapters.trail_files import DirectoryTrailCopy
from esx_drift.cli.evidence_pages import Commands, Paragraph, render_html, render_markdown
from esx_drift.cli.evidence_report import (
    EvidenceReport,
    ReportedLog,
    ReportedSeal,
    build_report_blocks,
)
from esx_drift.cli.past import make_times
from esx_drift.domain.stored.identifiers import ClusterRef, encode_canonical_json
from esx_drift.domain.stored.types import CheckRequest, Finding, Record
from esx_drift.domain.trail.evidence import (
    AskedLook,
    ChangeEvidence,
    EndedFinding,
    LogEvidence,
    LookCount,
    OrphanEvidence,
    PartialLook,
)
from esx_drift.domain.trail.excerpt import AuditPeriod, build_excerpt
from esx_drift.domain.trail.history import Acceptance, HistoryEntry, MaintenanceStep
from esx_drift.errors import StoreUnavailable

from tests.paths import GOLDEN
from tests.simulator.fault_kinds import invalid_json
from tests.unit.checking.decisions.person import ALICE, ALICE_ID, Person, decided
from tests.unit.checking.world import World
from tests.unit.cli.conftest import Run
from tests.unit.trail.played import REPORT, play_trail, run_checks
from tests.unit.trail.sealed import public_key, seal, seal_in_steps, write_copy

type Trail = Mapping[str, bytes]

HOSTILE = "esx02<script>alert(1)</script>|`x`*"
SMNTEMP = "smntemp(910.1.0.0005-5vmw.803.0.0.24022510)"
PERIOD = ("--from", "2026-11-23T13:00", "--to", "2026-11-24")
NOT_CITED = "no record can be read that says who accepted at {at} what runs on "
REPORTS = GOLDEN / "evidence"
SEALINGS = [datetime(2026, 11, 23, 12, 30, tzinfo=UTC) + timedelta(hours=12 * each) for each in range(4)]


@pytest.fixture(scope="session")
def key() -> EllipticCurvePrivateKey:
    """The key that signs: always the same, since a report shows its fingerprint."""
    return derive_private_key(0xE5D, SECP256R1())


def _accept(world: World, request: CheckRequest, host: str) -> None:
    """A person accepts what a host runs now."""
    decided: CheckRequest = {
        **request,
        "request_id": str(UUID(int=world.requests)),
        "run_id": None,
        "action": "accept",
        "phase": "collect",
        "decision": {
            "by": ALICE,
            "user_id": ALICE_ID,
            "reason": "driver for <b>ticket</b> | agreed with storage",
            "ticket": "CHG-7",
            "shown_at": 1,
            "hosts": {host: Person(world).shown()[host]},
            "instance_uuid": None,
        },
    }
    assert world.handle(decided) is not None


def _play(world: World) -> None:
    """A driver on two hosts, accepted on one; a foothold; a driver put back; checks that see nothing."""
    vcenter = world.vcenter
    vcenter.inventory.host("esx02").name = HOSTILE
    run_checks(world)
    was = deepcopy(vcenter.inventory.host("esx04").software)
    run_checks(world)
    vcenter.hosts.set_component(["esx01", HOSTILE], "Intel-i40en", "2.9.2.0-1OEM.800.1.0.20613240")
    vcenter.hosts.set_component("esx04", "Intel-i40en", "2.9.3.0-1OEM.800.1.0.20613240")
    run_checks(world)
    asked = next(each.body for each in world.aws.sent if each.queue == "check")
    _accept(world, cast("CheckRequest", asked), vcenter.inventory.host("esx01").host)
    vcenter.hosts.add_orphaned_vib([HOSTILE], SMNTEMP)
    run_checks(world)
    vcenter.inventory.host("esx04").software = was
    run_checks(world)
    vcenter.faults.inject(REPORT, invalid_json())
    run_checks(world)
    run_checks(world)
    vcenter.faults.clear()
    vcenter.hosts.remove_orphaned_vib(HOSTILE, SMNTEMP)
    run_checks(world)
    world.wait(3600)


@pytest.fixture(scope="session")
def trail(key: EllipticCurvePrivateKey, tmp_path_factory: pytest.TempPathFactory) -> Trail:
    """That trail, sealed twice a day."""
    unsealed = play_trail(_play, tmp_path_factory)
    return seal_in_steps(unsealed, key, SEALINGS)


@pytest.fixture
def copy(trail: Trail, tmp_path: Path) -> Path:
    """A copy on disk."""
    return write_copy(trail, tmp_path / "copy")


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """The time."""
    at = datetime(2026, 11, 29, 9, 30, tzinfo=UTC)
    monkeypatch.setattr("esx_drift.cli.evidence.read_clock", lambda: at)
    return at


@pytest.mark.usefixtures("now")
def test_a_report_reads_as_agreed(
    run: Run,
    copy: Path,
    tmp_path: Path,
    refresh_goldens: bool,  # noqa: FBT001 -- a fixture
) -> None:
    """In both forms; --refresh-goldens writes them anew."""
    ran = run("evidence", "prod-a", "prod-b", *PERIOD, "-o", tmp_path / "out", "--dir", copy)
    assert (ran.code, ran.err) == (0, "")
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == ["report.html", "report.md", "trail"]
    for name in ("report.md", "report.html"):
        text = (tmp_path / "out" / name).read_text()
        if refresh_goldens:
            REPORTS.mkdir(exist_ok=True)
            (REPORTS / name).write_text(text)
        assert (REPORTS / name).read_text() == text


@pytest.mark.usefixtures("now")
def test_what_is_written_is_verified_by_itself(
    run: Run, copy: Path, tmp_path: Path, key: EllipticCurvePrivateKey
) -> None:
    """With the key pinned or not, and it says what it is; for a program, too."""
    (tmp_path / "key.pem").write_bytes(public_key(key).pem)
    pinned = ("--public-key", tmp_path / "key.pem")
    written = run("evidence", "prod-a", *PERIOD, "-o", tmp_path / "out", "--dir", copy, *pinned)
    assert (written.code, written.out.splitlines()[-1]) == (0, "Intact as an excerpt.")
    assert "key not pinned" not in (tmp_path / "out" / "report.md").read_text()
    ran = run("verify", "--dir", tmp_path / "out" / "trail", *pinned)
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "Intact as an excerpt.")
    ran = run("verify", "--dir", tmp_path / "out" / "trail")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "Intact as an excerpt, key not pinned.")
    (said,) = [line for line in ran.out.splitlines() if line.startswith("Excerpt: ")]
    assert said.startswith(
        "Excerpt: 1 of 2 clusters (prod-a (domain-c9) on vc01.example.com), 2026-11-23T13:00"
    )
    assert re.search(r" [1-9]\d* objects of others are named by the digests, and not part of it\.$", said)
    shown = json.loads(run("verify", "--dir", tmp_path / "out" / "trail", "--format", "json").out)
    assert [each["name"] for each in shown["excerpt"]["clusters"]] == ["prod-a"]
    assert (shown["intact"], shown["excerpt"]["known_clusters"], shown["not_sealed"]) == (True, 2, 0)
    whole = json.loads(run("verify", "--dir", copy, "--format", "json").out)
    assert (whole["intact"], whole["excerpt"]) == (True, None)


@pytest.mark.usefixtures("now")
def test_a_key_that_signed_none_of_it_writes_nothing(run: Run, copy: Path, tmp_path: Path) -> None:
    """What would be filed would prove nothing."""
    (tmp_path / "key.pem").write_bytes(public_key(derive_private_key(0xBAD, SECP256R1())).pem)
    pinned = ("--public-key", tmp_path / "key.pem")
    ran = run("evidence", "prod-a", *PERIOD, "-o", tmp_path / "out", "--dir", copy, *pinned)
    assert (ran.code, "no digest here is signed by" in ran.err) == (2, True)
    assert not (tmp_path / "out").exists()


def test_a_key_that_can_have_signed_nothing_yet_writes_nothing(
    run: Run, copy: Path, tmp_path: Path, key: EllipticCurvePrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no digest is yet there is nothing that it could prove."""
    at = datetime(2026, 11, 24, 9, tzinfo=UTC)
    monkeypatch.setattr("esx_drift.cli.evidence.read_clock", lambda: at)
    shutil.rmtree(copy / "digests")
    (tmp_path / "key.pem").write_bytes(public_key(key).pem)
    pinned = ("--public-key", tmp_path / "key.pem")
    ran = run("evidence", "prod-a", *PERIOD, "-o", tmp_path / "out", "--dir", copy, *pinned)
    assert (ran.code, "nothing is sealed yet: no digest is here" in ran.err) == (2, True)
    assert not (tmp_path / "out").exists()
    own = (*pinned, "--stack", "own")
    other = run("evidence", "prod-a", *PERIOD, "-o", tmp_path / "out", "--dir", copy, *own)
    assert ": esx-drift doctor --stack own says when" in other.err


@pytest.mark.usefixtures("now")
def test_the_commands_of_a_report_prove_it_without_us(run: Run, copy: Path, tmp_path: Path) -> None:
    """Each as it stands there, but for the one that asks KMS."""
    run("evidence", "prod-a", *PERIOD, "-o", tmp_path / "out", "--dir", copy)
    text = (tmp_path / "out" / "report.md").read_text()
    commands = [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]
    fingerprint, signatures, objects = [
        each for each in commands if not each.startswith(("aws", "esx-drift"))
    ]
    ran = [_shell(each, tmp_path / "out") for each in (fingerprint, signatures)]
    assert ran[0].stdout.split()[0] in text
    digests = len(list((tmp_path / "out" / "trail" / "digests").glob("*Z.json")))
    assert ran[1].stdout.splitlines() == ["Verified OK"] * digests
    # What jq would print.
    named = "".join(
        f"{each['sha256']}  {each['key']}\n"
        for digest in sorted((tmp_path / "out" / "trail" / "digests").glob("*Z.json"))
        for each in json.loads(digest.read_bytes())["objects"]
    )
    selecting, _, checking = objects.partition(" | sha256sum ")
    assert selecting == """cd trail && jq -r '.objects[] | "\\(.sha256)  \\(.key)"' digests/*Z.json"""
    ran = [_shell(f"cd trail && sha256sum {checking}", tmp_path / "out", named)]
    assert (ran[0].returncode, ran[0].stdout) == (0, "")


def _shell(command: str, folder: Path, typed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, input=typed, capture_output=True, text=True, check=False
    )


@pytest.mark.usefixtures("now")
def test_names_from_outside_are_inert_in_both_forms(run: Run, copy: Path, tmp_path: Path) -> None:
    """A host's name runs nothing, and a reason ends no cell of a table."""
    run("evidence", "prod-a", *PERIOD, "-o", tmp_path / "out", "--dir", copy)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<script" not in page
    assert "esx02&lt;script&gt;alert(1)&lt;/script&gt;|`x`*" in page
    assert "CHG-7 · driver for &lt;b&gt;ticket&lt;/b&gt; | agreed with storage" in page
    text = (tmp_path / "out" / "report.md").read_text()
    assert r"esx02\<script\>alert(1)\</script\>\|\`x\`\*" in text
    table = text.partition("### Changes")[2].partition("###")[0].strip().splitlines()
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {10}


@pytest.mark.usefixtures("now")
def test_what_is_damaged_is_written_and_named(run: Run, copy: Path, tmp_path: Path) -> None:
    """In the report, on the terminal, and by the exit code."""
    record = copy / "records" / "vcenter=vc01%2Eexample%2Ecom" / "cluster=domain-c9" / "0000000005.json"
    record.write_bytes(record.read_bytes().replace(b'"critical"', b'"info"'))
    ran = run("evidence", "prod-a", *PERIOD, "-o", tmp_path / "out", "--dir", copy)
    assert ran.code == 1
    assert "0000000005.json" in ran.out
    assert re.search(
        r"^\*\*Not intact: \d+ problems?\.\*\*$", (tmp_path / "out" / "report.md").read_text(), re.MULTILINE
    )
    record.write_bytes(b"{")
    ran = run("evidence", "prod-a", *PERIOD, "-o", tmp_path / "other", "--dir", copy)
    assert (ran.code, "is no record" in ran.err) == (1, True)
    assert "Not read for this report: " in (tmp_path / "other" / "report.md").read_text()


@pytest.mark.usefixtures("now")
def test_damage_that_the_period_does_not_rest_on_is_a_note(run: Run, copy: Path, tmp_path: Path) -> None:
    """Records of before, and of another cluster: the period is judged by itself, and stays proven."""
    vcenter = copy / "records" / "vcenter=vc01%2Eexample%2Ecom"
    (vcenter / "cluster=domain-c9" / "0000000001.json").unlink()
    (vcenter / "cluster=domain-c9" / "0000000002.json").write_bytes(b"{")
    (vcenter / "cluster=domain-c1008" / "0000000001.json").write_bytes(b"{")
    period = ("--from", "2026-11-24T06:00", "--to", "2026-11-25")
    ran = run("evidence", "prod-a", *period, "-o", tmp_path / "out", "--dir", copy)
    assert (ran.code, ran.out.splitlines()[-1].split(",")[0]) == (0, "Intact as an excerpt")
    assert "warning" not in ran.err
    (said,) = [line for line in ran.err.splitlines() if "0000000001.json is not there" in line]
    assert said.startswith("info: ")
    assert said.endswith(". This period does not rest on it: esx-drift verify names all such")
    report = (tmp_path / "out" / "report.md").read_text()
    assert "0000000001.json" not in report
    assert "Not read for this report" not in report
    assert run("verify", "--dir", copy).code == 1


@pytest.mark.usefixtures("now")
def test_what_only_the_next_record_shows_is_damage_of_the_period(
    run: Run, trail: Trail, tmp_path: Path
) -> None:
    """The last record of a period that nothing sealed yet: the one behind it is no part of the excerpt."""
    unsealed = {key: body for key, body in trail.items() if not key.startswith("digests/")}
    prefix = "records/vcenter=vc01%2Eexample%2Ecom/cluster=domain-c9/"
    keys = sorted(key for key in unsealed if key.startswith(prefix))
    last = json.loads(unsealed[keys[3]])
    forged = {**last, "code_version": "forged"}
    copy = write_copy({**unsealed, keys[3]: encode_canonical_json(forged)}, tmp_path / "forged")
    end = last["checked_at"][:19]
    ran = run(
        "evidence", "prod-a", "--from", "2026-11-23", "--to", end, "-o", tmp_path / "out", "--dir", copy
    )
    assert f"{keys[3]} is not what {keys[4]} names as the record before it" in ran.err
    assert ran.code == 1


@pytest.mark.usefixtures("now")
def test_trouble(run: Run, copy: Path, tmp_path: Path) -> None:
    """Said plainly, and nothing is written."""
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    out = tmp_path / "out"
    for arguments, said in [
        (
            ("prod-a", *PERIOD, "-o", tmp_path / "taken"),
            "taken is not empty: evidence is written to a folder",
        ),
        (("prod-a", *PERIOD, "-o", tmp_path / "file"), "file can't be written to: File exists"),
        (("prod-x", *PERIOD, "-o", out), "the trail knows no cluster called prod-x"),
        (
            ("prod-a", "--from", "2026-11-01", "--to", "2026-11-02", "-o", out),
            "23:59:59 UTC\n  Records of prod-a are of 2026-11-23 ",
        ),
        (
            ("prod-a", "--from", "2026-11-25", "--to", "2026-11-24", "-o", out),
            "--from 2026-11-25 is later than",
        ),
        (
            ("prod-a", "--from", "2027-01-01", "--to", "2027-01-24", "-o", out),
            "--from 2027-01-01 is in the future",
        ),
    ]:
        ran = run("evidence", *arguments, "--dir", copy)
        assert (ran.code, ran.out) == (2, "")
        assert said in ran.err
    assert not out.exists()
    assert [each.name for each in (tmp_path / "taken").iterdir()] == ["notes.txt"]
    assert run("evidence", "prod-a", *PERIOD, "-o", out, "--dir", copy).code == 0
    again = run("evidence", "prod-a", *PERIOD, "-o", tmp_path / "again", "--dir", out / "trail")
    assert (again.code, "trail is an excerpt already" in again.err) == (2, True)


@pytest.mark.usefixtures("now")
@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("none", "none can't be read: No such file or directory\n  A copy is made by"),
        ("file", "file can't be read: Not a directory\n  A copy is made by"),
        ("empty", "empty is empty: it holds no trail\n  A copy is made by"),
        ("other", "other is no copy of an AuditBucket: it has no folder records\n  A copy is made by"),
        ("begun", "no record is here: nothing was checked yet, or this copy was broken off\n  Was the copy"),
    ],
)
def test_a_place_without_a_trail_is_trouble(run: Run, tmp_path: Path, place: str, said: str) -> None:
    """Nothing is written, and what to do is said."""
    (tmp_path / "file").write_text("mine")
    for folder in ("empty", "other/photos", "begun/records"):
        (tmp_path / folder).mkdir(parents=True)
    ran = run("evidence", "prod-a", *PERIOD, "-o", tmp_path / "out", "--dir", tmp_path / place)
    assert (ran.code, ran.out, said in ran.err) == (2, "", True), ran.err
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("now")
def test_a_cluster_without_any_record_is_trouble(run: Run, copy: Path, tmp_path: Path) -> None:
    """Of one that was just listed nothing can be filed, of whatever period."""
    (name,) = (path.name for path in (copy / "records").iterdir())
    shutil.rmtree(copy / "records" / name / "cluster=domain-c1008")
    ran = run("evidence", "prod-b", *PERIOD, "-o", tmp_path / "out", "--dir", copy)
    assert ran.code == 2
    assert ran.err.endswith("  No record is there of prod-b at all.\n")


@pytest.mark.usefixtures("now")
def test_evidence_of_a_copy_that_was_broken_off(run: Run, copy: Path, tmp_path: Path) -> None:
    """It is written and not intact; whoever made the copy reads how it is completed."""
    (copy / "snapshots").rename(tmp_path / "snapshots")
    ran = run("evidence", "prod-a", *PERIOD, "-o", tmp_path / "out", "--dir", copy)
    assert ran.code == 1
    assert f"Was the copy broken off? This completes it: aws s3 sync s3://AUDIT-BUCKET {copy}\n" in ran.err


def test_text_stays_text_wherever_it_stands() -> None:
    """Where a line begins nothing is a list or a heading, and no address becomes a link."""
    blocks = [Paragraph(text) for text in ("1. one", "- two", "# three", "see https://evil.example", "")]
    text = render_markdown([*blocks, Commands(["echo '```'"])])
    assert text.split("\n\n")[:5] == [
        "1&#8203;. one",
        r"\- two",
        r"\# three",
        r"see https\://evil.example",
        "",
    ]
    assert "````console\n$ echo '```'\n````" in text
    assert "<pre>$ a &lt; b\\x1b[0m</pre>" in render_html("x", [Commands(["a < b\x1b[0m"])])


def test_a_path_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    """Whoever forged a record may name any key."""
    copy = DirectoryTrailCopy(tmp_path / "copy")
    copy.write("records/a", b"x")
    for key in ("../out", "/etc/x", "records/../../out", "records/a", "a\0b"):
        with pytest.raises(StoreUnavailable):
            copy.write(key, b"x")
    assert [each.name for each in tmp_path.rglob("*") if each.is_file()] == ["a"]


@pytest.mark.usefixtures("now")
def test_what_is_not_sealed_is_said(
    run: Run, trail: Trail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what has nothing in the period; the report has no signature to check then."""
    unsealed = {key: body for key, body in trail.items() if not key.startswith("digests/")}
    monkeypatch.setattr("esx_drift.cli.evidence.MAX_NAMED_PROBLEMS", 1)
    copy = write_copy(unsealed, tmp_path / "unsealed")
    (name,) = {key.split("/")[1] for key in unsealed if key.startswith("records/")}
    shutil.rmtree(copy / "records" / name / "cluster=domain-c1008")
    ran = run("evidence", "prod-a", "prod-b", *PERIOD, "-o", tmp_path / "out", "--dir", copy)
    assert "nothing was recorded of prod-b from 2026-11-23 13:00" in ran.err
    assert ran.code == 1
    text = (tmp_path / "out" / "report.md").read_text()
    assert "Nothing was recorded in the period." in text
    assert re.search(r"^And \d+ more\.$", text, re.MULTILINE)
    assert "Nothing is sealed: there is no signature to check." in text
    assert re.search(r"Not sealed yet: \d+ objects, which no digest names", text)
    assert "It is not sealed up to its end" in text


@pytest.mark.usefixtures("now")
def test_what_cannot_be_ended_leaves_nothing(
    run: Run, copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is said, and what was written is removed."""

    def fill(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("esx_drift.cli.evidence.render_markdown", fill)
    ran = run("evidence", "prod-a", *PERIOD, "-o", tmp_path / "out", "--dir", copy)
    assert (ran.code, "out can't be written to: No space left on device" in ran.err) == (2, True)
    assert not (tmp_path / "out").exists()


def _change(element: str, kind: str, key: str = "Intel-i40en") -> ChangeEvidence:
    change: dict[str, object] = {
        "element": element, "kind": kind, "key": key, "from": "1", "to": "2", "hosts": [],
        "severity": "info", "alternative_image": None, "detail": None,
    }  # fmt: skip
    entry = HistoryEntry(3, "2026-11-24T00:00:00.000Z", None, ("host-9",), "changed", cast("Any", change))
    return ChangeEvidence(entry, None)


def test_what_seldom_happens_is_reported_too() -> None:
    """Hosts that came, other words for the same, clusters that the fleet file leaves out."""
    start = datetime(2026, 11, 24, tzinfo=UTC)
    period = AuditPeriod(start, start + timedelta(days=1))
    excerpt = build_excerpt(period=period, made_at=start, document_days=30, clusters=[], base=None)
    accepted = _change("add_on", "upgraded")
    by_bob = Acceptance("arn:bob", "CHG-9", None, "2026-11-24T01:00:00.000Z", 4, ("host-9",))
    changes = (
        _change("host", "added", "host-9"),
        _change("base_image", "upgraded", "base_image"),
        _change("component", "relabelled"),
        replace(accepted, entry=replace(accepted.entry, acceptances=(by_bob,))),
    )
    left_out = AskedLook("2026-11-24T00:00:00.000Z", 7, None, "lab-*", is_left_out=True)
    log = ReportedLog(
        ClusterRef("vc01", "domain-c9", "prod-a"),
        lambda _: {"host-9": "esx09"},
        LogEvidence((3, 3), 1, changes, (), (), (), ()),
        LookCount(0, 0, 0, (), (left_out,), (start, start)),
    )
    seal = ReportedSeal(is_intact=True, lines=["Intact."], sealed_until=None, signers=[], is_pinned=True)
    report = EvidenceReport(excerpt, [log], [], seal, [], make_times(local=False))
    text = render_markdown(build_report_blocks(report))
    assert "| host esx09 added |" in text
    assert "| base image upgraded | 1 | 2 | esx09 | info | not yet accepted |" in text
    assert "| info | 2026-11-24 01:00:00 by arn:bob: CHG-9 (record 4) |" in text
    assert text.count("nothing to accept: nothing else is installed") == 2
    assert r"| 2026-11-24 00:00:00 | 2026-11-24 00:00:00 | 1 | lab-\* |" in text


def _finding(kind: str, subject: str, transition: str, because: str | None = None) -> Finding:
    made: dict[str, object] = {
        "fingerprint": f"{kind} {subject}", "kind": kind, "subject": subject, "severity": "warning",
        "hosts": ["host-9"], "opened_at": "2026-11-24T00:00:00.000Z", "transition": transition,
        "resolved_because": because, "summary": kind, "detail": {},
    }  # fmt: skip
    return cast("Finding", made)


def test_what_was_accepted_hidden_or_went_unexplained_is_reported() -> None:
    """Who accepted what is still open, why something ended, maintenance, and VIBs that nobody explained."""
    start = datetime(2026, 11, 24, tzinfo=UTC)
    end = start + timedelta(days=1)
    excerpt = build_excerpt(
        period=AuditPeriod(start, end), made_at=start, document_days=30, clusters=[], base=None
    )
    by_bob = Acceptance("arn:bob", "CHG-9", None, "2026-11-24T01:00:00.000Z", 4, ("host-9",))
    still, gone = (
        _finding("orphaned-vib", "b(1)", "opened"),
        _finding("orphaned-vib", "a(1)", "resolved", "removed"),
    )
    window = {
        "by": "fleet file", "reason": "patch day", "from": "2026-11-24T00:00:00.000Z",
        "to": "2026-11-24T04:00:00.000Z", "accept": False, "changes": {}, "findings": {},
    }  # fmt: skip
    step = MaintenanceStep(cast("Any", window), is_end=False)
    none_to_end: Any = {"by": "arn:bob", "reason": "done", "taken": []}
    added = _change("orphaned_vib", "added", "a(1)")
    change: Any = {**cast("Any", added.entry.change), "detail": {"brought_along": True}}
    at = "2026-11-24T02:00:00.000Z"
    evidence_of_log = LogEvidence(
        (3, 5), 3, (replace(added, undone_by=5, entry=replace(added.entry, change=change)),),
        (HistoryEntry(5, at, None, (), "maintenance", decision=none_to_end),),
        (
            OrphanEvidence("a(1)", at, at, (), (), ("host-9",), "removed"),
            OrphanEvidence("b(1)", at, None, (), ("host-9",), ("host-9",)),
            OrphanEvidence("c(1)", at, at, (), (), ("host-9",), "host-left"),
        ),
        (still,), (still,), (EndedFinding(gone, at, 5, ()),), {"orphaned-vib b(1)": (by_bob,)},
        (HistoryEntry(4, at, None, (), "unchanged", maintenance=step),),
    )  # fmt: skip
    looks = LookCount(2, 2, 0, (), (), (start, end), (PartialLook(at, 3, (("host-9", "failed"),)),), at)
    log = ReportedLog(
        ClusterRef("vc01", "domain-c9", "prod-a"), lambda _: {"host-9": "esx09"}, evidence_of_log, looks
    )
    seal = ReportedSeal(is_intact=True, lines=["Intact."], sealed_until=at, signers=["f00"], is_pinned=True)
    text = render_markdown(
        build_report_blocks(EvidenceReport(excerpt, [log], [], seal, [], make_times(local=False)))
    )
    accepted = "accepted 2026-11-24 01:00:00 by arn:bob on esx09: CHG-9 (record 4)"
    assert (
        "2 made, 1 of them without all hosts, 0 missed. Its first record is of 2026-11-24 02:00:00." in text
    )
    assert "| 2026-11-24 02:00:00 | 3 | esx09 (failed) |" in text
    assert "orphaned VIB a(1) added, came with its host |" in text
    assert "undone, as record 5 found; nobody said why it was there" in text
    assert "| 5 | refused: no maintenance was begun or ended | arn:bob |" in text
    assert "maintenance begun by fleet file, until 2026-11-24 04:00:00: patch day" in text
    assert "| 2026-11-24 02:00:00 | nobody said why |" in text
    assert "| 2026-11-24 02:00:00, with its host, which left | nobody said why |" in text
    assert text.count(accepted) == 2
    assert "| 2026-11-24 02:00:00 | 5 | it was removed |" in text
    assert "Signed by the key that was given: what was written up to 2026-11-24 02:00:00 UTC." in text


@pytest.mark.parametrize(
    ("left", "vouched", "said"),
    [
        ([], {"host-9"}, "accepted earlier, 2026-10-03 06:00:00: the record of then says by whom, and why"),
        ([], set(), "nobody said why"),
        (["host-9"], {"host-9"}, "nobody said why"),
    ],
    ids=["by-a-person", "there-at-the-first-look", "not-on-all"],
)
def test_who_accepted_a_vib_before_the_period_is_not_said_to_be_nobody(
    left: list[str], vouched: set[str], said: str
) -> None:
    """The records of the excerpt do not say who; what the last one leaves says that somebody did."""
    at = "2026-11-24T02:00:00.000Z"
    finding = cast(
        "Finding", {**_finding("orphaned-vib", "b(1)", "opened"), "detail": {"not_accepted_on": left}}
    )
    orphan = OrphanEvidence("b(1)", at, None, ("host-9",), ("host-9",), ("host-9",))
    evidence = LogEvidence(
        None, 0, (), (), (orphan,), (), (finding,), vouched=dict.fromkeys(vouched, "2026-10-03T06:00:00.000Z")
    )
    begin = datetime(2026, 11, 24, tzinfo=UTC)
    looks = LookCount(0, 0, 0, (), (), (begin, begin), (), None)
    log = ReportedLog(ClusterRef("vc01", "domain-c9", "prod-a"), lambda _: {}, evidence, looks)
    excerpt = build_excerpt(
        period=AuditPeriod(begin, begin), made_at=begin, document_days=30, clusters=[], base=None
    )
    seal = ReportedSeal(is_intact=True, lines=["Intact."], sealed_until=at, signers=["f00"], is_pinned=True)
    report = EvidenceReport(excerpt, [log], [], seal, [], make_times(local=False))
    lines = render_markdown(build_report_blocks(report)).splitlines()
    (row,) = [line for line in lines if "| b | 1 |" in line]
    assert row.endswith(f"| {said} |")
    # So says what is open at the end, where nobody accepted it otherwise.
    (row,) = [line for line in lines if "orphaned-vib" in line]
    assert row.endswith(f"| {said if vouched and not left else ''} |")


def test_what_had_expired_is_counted(
    run: Run, trail: Trail, key: EllipticCurvePrivateKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the days that the stack, or else the default, keeps documents."""
    late = datetime(2028, 3, 1, tzinfo=UTC)
    later = seal(trail, key, late)
    left = {each: body for each, body in later.items() if not each.startswith(("documents/", "quarantine/"))}
    copy = write_copy(left, tmp_path / "copy")
    monkeypatch.setattr("esx_drift.cli.evidence.read_clock", lambda: late)
    ran = run("evidence", "prod-a", *PERIOD, "-o", tmp_path / "out", "--dir", copy)
    assert ran.code == 0
    assert re.search(
        r"^Expired: \d+ objects, which are kept for 400 days, as excerpt\.json says", ran.out, re.MULTILINE
    )


def test_what_expired_while_the_sealer_was_late_is_said(
    run: Run, trail: Trail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line, with the verdict, and in the report; whoever verifies has a clock of his own."""
    late = datetime(2028, 3, 1, tzinfo=UTC)
    left = {each: body for each, body in trail.items() if not each.startswith(("documents/", "quarantine/"))}
    copy = write_copy(left, tmp_path / "copy")
    monkeypatch.setattr("esx_drift.cli.evidence.read_clock", lambda: late)
    monkeypatch.setattr("esx_drift.cli.verify.read_clock", lambda: late)
    ran = run("evidence", "prod-a", *PERIOD, "-o", tmp_path / "out", "--dir", copy)
    assert ran.code == 0
    line = (
        r"Gone without proof: (\d+) objects, whose time was over only after the newest seal here, of"
        r" 2026-11-[0-9T:]+\.000Z: nothing signed says whether they expired or somebody removed them\."
    )
    (number,) = re.findall(line, ran.out)
    verdict = f"key not pinned, but {number} objects gone without proof of having expired.\n"
    assert ran.out.endswith(verdict)
    assert len(re.findall(line, (tmp_path / "out" / "report.md").read_text().replace("\\", ""))) == 1
    shown = json.loads(run("verify", "--dir", tmp_path / "out" / "trail", "--format", "json").out)
    assert (shown["intact"], shown["expired"], shown["gone_without_proof"]) == (True, 0, int(number))
    monkeypatch.setattr("esx_drift.cli.verify.read_clock", lambda: datetime(2027, 3, 1, tzinfo=UTC))
    assert run("verify", "--dir", tmp_path / "out" / "trail").code == 1


@pytest.mark.usefixtures("now")
def test_a_key_that_was_changed_is_named_with_the_one_before(
    run: Run, trail: Trail, key: EllipticCurvePrivateKey, tmp_path: Path
) -> None:
    """An auditor gives both; the report says so, and its commands try each digest with each key."""
    other = derive_private_key(0xE5E, SECP256R1())
    sealed = seal(trail, key, datetime(2026, 11, 26, tzinfo=UTC))
    copy = write_copy(seal(sealed, other, datetime(2026, 11, 28, tzinfo=UTC)), tmp_path / "copy")
    pinned: list[object] = []
    for number, each in enumerate((key, other)):
        path = tmp_path / f"key-{number}.pem"
        path.write_bytes(public_key(each).pem)
        pinned += ["--public-key", path]
    ran = run("evidence", "prod-a", *PERIOD, "-o", tmp_path / "out", "--dir", copy, *pinned)
    old, new = (public_key(each).fingerprint for each in (key, other))
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "Intact as an excerpt.")
    assert f"Signed by: {old}\n" in ran.out
    assert f"Signed by: {new}, the newest digest, which proves only that it is of later\n" in ran.out
    text = (tmp_path / "out" / "report.md").read_text()
    assert f"| Key | {'; '.join(sorted((old, new)))} |" in text
    assert "The key was changed: 2 have signed here." in text
    assert "Signed by keys that were given: " in text
    commands = [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]
    assert "esx-drift verify --dir trail --public-key key.pem --public-key former-key.pem" in commands
    (checking,) = [each for each in commands if each.startswith("for digest")]
    lines = _shell(checking, tmp_path / "out").stdout.splitlines()
    digests = sorted((tmp_path / "out" / "trail" / "digests").glob("*Z.json"))
    keys = [*[old] * (len(digests) - 1), new]
    assert lines == [
        f"trail/digests/{digest.name}: by trail/digests/keys/{one}.pem"
        for digest, one in zip(digests, keys, strict=True)
    ]
    digests[0].write_bytes(b"{}")
    assert _shell(checking, tmp_path / "out").stdout.splitlines()[0].endswith(": by none")


LOG = "records/vcenter=vc01%2Eexample%2Ecom/cluster=domain-c9/"


@dataclass(frozen=True)
class CitingTrail:
    """A trail, sealed anew, whose last finding is of a host that was ``accepted`` in that record before."""

    objects: Mapping[str, bytes]
    accepting: str
    accepted: Record
    period: tuple[str, ...]


@pytest.fixture(scope="session")
def citing(trail: Trail, key: EllipticCurvePrivateKey) -> CitingTrail:
    """Whole and intact, so that whatever else the command ends in is for what is done to it."""
    records = {each: json.loads(trail[each]) for each in sorted(trail) if each.startswith(LOG)}
    keys = list(records)
    (accepting,) = [each for each in keys if records[each]["outcome"] == "accepted"]
    newest, accepted = records[keys[-1]], records[accepting]
    (finding,) = [
        each for each in newest["after"]["findings"].values() if each["kind"] == "image-not-uniform"
    ]
    finding["hosts"] = accepted["decision"]["taken"]
    unsealed = {each: body for each, body in trail.items() if not each.startswith("digests/")}
    unsealed[keys[-1]] = encode_canonical_json(newest)
    later = records[keys[keys.index(accepting) + 3]]["checked_at"]
    period = ("--from", later[:16], "--to", "2026-11-25")
    return CitingTrail(seal_in_steps(unsealed, key, SEALINGS), accepting, accepted, period)


@pytest.mark.usefixtures("now")
@pytest.mark.parametrize("is_damaged", [False, True])
def test_who_accepted_before_the_period_is_cited_from_the_whole_trail(
    run: Run, citing: CitingTrail, tmp_path: Path, *, is_damaged: bool
) -> None:
    """And said to be no part of the excerpt; where the record can't be read, only when that was."""
    copy, record = write_copy(citing.objects, tmp_path / "copy"), citing.accepted
    if is_damaged:
        (copy / citing.accepting).write_bytes(b"{")
    ran = run("evidence", "prod-a", *citing.period, "-o", tmp_path / "out", "--dir", copy)
    text = (tmp_path / "out" / "report.md").read_text().replace("\\", "")
    said = f"{citing.accepting} is no record"
    assert (said in ran.err, said in text, ran.code) == (is_damaged, is_damaged, int(is_damaged))
    assert not (tmp_path / "out" / "trail" / citing.accepting).exists()
    when = record["checked_at"][:19].replace("T", " ")
    says = (
        f"accepted earlier, {when} by {ALICE}: CHG-7 · driver for <b>ticket</b> | agreed with storage"
        f" (record {record['seq']}): that record is of the whole trail, and no part of this excerpt,"
        " which does not prove it"
    )
    bare = f"accepted earlier, {when}: the record of then says by whom, and why"
    assert (says in text, bare in text) == (not is_damaged, is_damaged)


@pytest.mark.usefixtures("now")
def test_an_acceptance_that_no_finding_rests_on_is_not_asked_for(
    run: Run, copy: Path, citing: CitingTrail, tmp_path: Path
) -> None:
    """A person accepted one of the hosts of a finding, and not the others: the report does not say who."""
    (copy / citing.accepting).write_bytes(b"{")
    ran = run("evidence", "prod-a", *citing.period, "-o", tmp_path / "out", "--dir", copy)
    text = (tmp_path / "out" / "report.md").read_text()
    assert (ran.code, "accepted earlier" in text, "Not read for this report" in text) == (0, False, False)
    assert "warning: " not in ran.err


@pytest.mark.usefixtures("now")
@pytest.mark.parametrize("at", ["2026-11-23T10:17:00.000Z", "59.999Z", "2026-12-24T00:00:00.000Z"])
def test_an_acceptance_whose_time_was_rewritten_is_damage(
    run: Run, citing: CitingTrail, tmp_path: Path, at: str
) -> None:
    """Somebody moved it a little, or far: it is not cited, and that is said, as ``verify`` says."""
    copy, record = write_copy(citing.objects, tmp_path / "copy"), citing.accepted
    moved = at if len(at) > len("59.999Z") else record["checked_at"][: -len(at)] + at
    assert moved != record["checked_at"]
    (copy / citing.accepting).write_bytes(encode_canonical_json({**record, "checked_at": moved}))
    ran = run("evidence", "prod-a", *citing.period, "-o", tmp_path / "out", "--dir", copy)
    text = (tmp_path / "out" / "report.md").read_text().replace("\\", "")
    missing = NOT_CITED.format(at=record["checked_at"])
    for line in (missing, f"{citing.accepting} is not what "):
        assert (f"warning: {line}" in ran.err, f"Not read for this report: {line}" in text) == (True, True)
    assert (ran.code, run("verify", "--dir", copy).code) == (1, 1)


@pytest.mark.usefixtures("now")
def test_an_acceptance_that_no_record_tells_is_damage(
    run: Run, citing: CitingTrail, key: EllipticCurvePrivateKey, tmp_path: Path
) -> None:
    """Nothing that was met is damaged: the state alone says that somebody accepted, and who is not known."""
    newest = max(each for each in citing.objects if each.startswith(LOG))
    record = json.loads(citing.objects[newest])
    for host in decided(citing.accepted)["taken"]:
        record["after"]["accepted"][host]["decided_at"] = "2026-11-23T14:00:00.000Z"
    unsealed = {each: body for each, body in citing.objects.items() if not each.startswith("digests/")}
    unsealed[newest] = encode_canonical_json(record)
    copy = write_copy(seal_in_steps(unsealed, key, SEALINGS), tmp_path / "copy")
    ran = run("evidence", "prod-a", *citing.period, "-o", tmp_path / "out", "--dir", copy)
    warnings = [line for line in ran.err.splitlines() if line.startswith("warning: ")]
    assert warnings == [
        f"warning: {NOT_CITED.format(at='2026-11-23T14:00:00.000Z')}prod-a (domain-c9) on vc01.example.com",
    ]
    assert ran.code == 1


@pytest.fixture(scope="module")
def moved(key: EllipticCurvePrivateKey, tmp_path_factory: pytest.TempPathFactory) -> tuple[Trail, Record]:
    """A host whose driver a person accepted moves to another cluster, where it differs; that record."""

    def play(world: World) -> None:
        vcenter = world.vcenter
        run_checks(world)
        vcenter.hosts.set_component("esx04", "Intel-i40en", "2.9.2.0-1OEM.800.1.0.20613240")
        run_checks(world)
        asked = next(each.body for each in world.aws.sent if each.queue == "check")
        _accept(world, cast("CheckRequest", asked), vcenter.inventory.host("esx04").host)
        run_checks(world)
        vcenter.hosts.move("esx04", "prod-b")
        for _ in range(3):
            run_checks(world)
        world.wait(3600)

    unsealed = play_trail(play, tmp_path_factory)
    records = [json.loads(body) for each, body in unsealed.items() if each.startswith(LOG)]
    (accepted,) = [record for record in records if record["outcome"] == "accepted"]
    return seal_in_steps(unsealed, key, SEALINGS), accepted


@pytest.mark.usefixtures("now")
@pytest.mark.parametrize("is_held", [False, True])
def test_what_was_accepted_in_another_cluster_is_cited_from_there(
    run: Run, moved: tuple[Trail, Record], tmp_path: Path, *, is_held: bool
) -> None:
    """It is no damage that the cluster's own log does not have it; an excerpt of both may hold it."""
    trail, accepted = moved
    copy = write_copy(trail, tmp_path / "copy")
    which = (
        ("prod-b", "prod-a", "--from", "2026-11-23") if is_held else ("prod-b", "--from", "2026-11-24T02:00")
    )
    ran = run("evidence", *which, "--to", "2026-11-25", "-o", tmp_path / "out", "--dir", copy)
    text = (tmp_path / "out" / "report.md").read_text().replace("\\", "")
    when = accepted["checked_at"][:19].replace("T", " ")
    says = (
        "accepted earlier on prod-a (domain-c9) on vc01.example.com, where the host was then,"
        f" {when} by {ALICE}: CHG-7 · driver for <b>ticket</b> | agreed with storage"
        f" (record {accepted['seq']})"
    )
    beyond = ": that record is of the whole trail, and no part of this excerpt"
    assert (says in text, f"{says}{beyond}" in text) == (True, not is_held)
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.usefixtures("now")
def test_what_was_accepted_in_another_cluster_and_cannot_be_read_is_damage(
    run: Run, moved: tuple[Trail, Record], tmp_path: Path
) -> None:
    """The period rests on it: what is damaged there is no mere note."""
    trail, accepted = moved
    copy, key = write_copy(trail, tmp_path / "copy"), f"{LOG}{accepted['seq']:010d}.json"
    (copy / key).write_bytes(encode_canonical_json({**accepted, "checked_at": "2026-11-23T10:18:59.000Z"}))
    period = ("--from", "2026-11-24T02:00", "--to", "2026-11-25")
    ran = run("evidence", "prod-b", *period, "-o", tmp_path / "out", "--dir", copy)
    assert f"warning: {key} is not what " in ran.err
    assert f"warning: {NOT_CITED.format(at=accepted['checked_at'])}prod-b" in ran.err
    assert (ran.code, "This period does not rest on it" in ran.err) == (1, False)
