import gzip
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from esx_drift.adapters.audit_store import S3Store
from esx_drift.adapters.state_bucket import FleetFile
from esx_drift.cli.status_rows import name_image
from esx_drift.contracts import list_violations
from esx_drift.domain.dispatching.run import Run as DispatchRun
from esx_drift.domain.dispatching.run import build_blank_dispatch
from esx_drift.domain.stored.identifiers import (
    VCENTER_LOG,
    compute_sha256,
    encode_canonical_json,
    make_fingerprint,
    make_record_key,
    make_snapshot_key,
    make_state_key,
)
from esx_drift.domain.stored.records import build_empty_state
from esx_drift.domain.stored.types import (
    Dispatch,
    ExpectedCluster,
    Family,
    Finding,
    FindingKind,
    LogState,
    Severity,
    Snapshot,
)
from esx_drift.domain.text.times import format_time

from tests.unit.cli.conftest import CloudFormation, Run
from tests.unit.fleets import fleet
from tests.unit.logs import leave_log

NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
LOOKED = "2026-11-23T02:14:00.000Z"
REQUEST = "5f1c6b0e-7d1f-4c39-9b6e-0a8d9c1e2f30"


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is three hours later."""
    monkeypatch.setattr("esx_drift.cli.status.read_clock", lambda: NOW + timedelta(hours=3))


def _snapshot(*hosts: str | None, named: bool = True) -> Snapshot:
    """Hosts by the base image that each runs."""
    versions = sorted({host for host in hosts if host})
    label = {
        version: {"display_name": "ESXi", "display_version": f"8.0 {version} - 1"} for version in versions
    }
    return {
        "schema_version": 2,
        "images": {version: {"main": {"base_image": version}, "alternatives": {}} for version in versions},
        "labels": {"base_image": label} if named else {},  # type: ignore[dict-item] # it is JSON
        "hosts": {
            f"host-{at}": {"name": f"esx{at}", "image": image, "orphaned_vibs": [], "witness": False}
            for at, image in enumerate(hosts)
        },
    }


def _finding(kind: FindingKind, subject: str, severity: Severity, family: Family = "failure") -> Finding:
    return {
        "fingerprint": make_fingerprint(family, kind, subject),
        "family": family,
        "kind": kind,
        "subject": subject,
        "severity": severity,
        "hosts": [],
        "opened_at": LOOKED,
        "last_seen": LOOKED,
        "transition": "still",
        "resolved_because": None,
        "summary": "It is so.",
        "detail": {},
    }


def _after(*findings: Finding, **parts: object) -> LogState:
    ledger = {one["fingerprint"]: one for one in findings}
    return {**build_empty_state(), "findings": ledger, **parts}  # type: ignore[typeddict-item] # read by its schema


def _seen(name: str, hosts: int, covered: int, snapshot: Snapshot, *findings: Finding) -> LogState:
    body = gzip.compress(encode_canonical_json(snapshot))
    key = make_snapshot_key("vc01", name, compute_sha256(body))
    _store().put_blob(key, body)
    return _after(
        *findings,
        cluster_name=name,
        last_look_at=LOOKED,
        snapshot={"key": key, "sha256": compute_sha256(body)},
        coverage={"hosts": hosts, "covered": covered, "failed": hosts - covered, "unsupported": 0},
    )


def _store() -> S3Store:
    client = boto3.client("s3")
    return S3Store(lambda: client, "audit", "state")


def _keep(vcenter: str, cluster: str, after: LogState, dispatch: Dispatch | None = None) -> None:
    leave_log(_store(), vcenter, cluster, after, dispatch)


def _dispatched(standalone: int | None) -> Dispatch:
    """A dispatch that counted so many hosts in no cluster."""
    return {**build_blank_dispatch(DispatchRun("run", "schedule")), "standalone_hosts": standalone}


def _listed(retired: str | None = None, **names: str) -> dict[str, dict[str, str | None]]:
    return {
        cluster.replace("_", "-"): {
            "name": name, "watched_as": name, "first_listed_at": LOOKED, "last_listed_at": LOOKED,
            "retired_at": LOOKED if name == retired else None,
        }
        for cluster, name in names.items()
    }  # fmt: skip


@pytest.mark.usefixtures("stack")
def test_the_fleet_is_one_table(file: FleetFile, run: Run) -> None:
    """Each cluster once, its findings the worst first, and what was never seen said to be so."""
    file.write(
        encode_canonical_json(
            fleet(vcenters=[{"name": "vc01", "clusters": {"exclude": ["lab-*"]}}, {"name": "vc02"}])
        ),
        None,
    )
    clusters = _listed(
        "gone", domain_c1="prod-b", domain_c2="prod-a", domain_c3="new", domain_c4="gone", domain_c5="lab-1"
    )
    overdue = _finding("check-overdue", "domain-c3", "critical")
    hidden = {**_finding("vcenter-authorization", "", "critical"), "detail": {"listed": 3, "known": 9}}
    _keep("vc01", VCENTER_LOG, _after(overdue, hidden, clusters=clusters))  # type: ignore[arg-type] # a finding
    _keep("vc01", "domain-c1", _seen("prod-b", 2, 2, _snapshot("U3e", "U3e")))
    vibs = [_finding("orphaned-vib", vib, "critical", "orphaned-vib") for vib in ("mft(1)", "sut(2)")]
    mixed = _finding("image-not-uniform", "", "warning", "drift")
    _keep("vc01", "domain-c2", _seen("prod-a", 4, 3, _snapshot("U3e", "U3d", "U3d", None), mixed, *vibs))
    _keep("vc01", "domain-c4", _seen("gone", 2, 2, _snapshot("U3e")))
    _keep("vc01", "domain-c5", _seen("lab-1", 2, 2, _snapshot("U3e")))
    _keep("vc09", "domain-c1", _seen("of-old", 2, 2, _snapshot("U3e")))
    ran = run("status")
    assert (ran.code, ran.err) == (0, "")
    rows = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert rows == [
        "vCenter Cluster Image Uniform Covered Last look Open",
        "vc01 (the vCenter) - - - - 1 critical",
        "vc01 new - - - never 1 critical",
        "vc01 prod-a ESXi 8.0 U3d on 2 of 3 no 3 of 4 3 h ago 2 critical, 1 warning",
        "vc01 prod-b ESXi 8.0 U3e yes 2 of 2 3 h ago none",
        "vc02 (the vCenter) - - - never -",
        "",
        "critical vc01: It is so. (vcenter-authorization, 3 h)",
        "critical new on vc01: It is so. (check-overdue, 3 h)",
        "critical prod-a on vc01: It is so. (orphaned-vib, 3 h)",
        "critical prod-a on vc01: It is so. (orphaned-vib, 3 h)",
        "warning prod-a on vc01: It is so. (image-not-uniform, 3 h)",
        "",
        (
            "2 of 3 clusters seen by the last check, 5 of 6 known hosts covered, "
            "5 findings open, 4 of them critical"
        ),
    ]


def _rows(run: Run) -> list[str]:
    ran = run("status")
    assert (ran.code, ran.err) == (0, "")
    return [" ".join(line.split()) for line in ran.out.splitlines()][1:]


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize(
    "own",
    [
        pytest.param({"blind_since": LOOKED}, id="not-listed"),
        pytest.param({"findings": ["vcenter-unreachable"]}, id="unreachable"),
        pytest.param({"findings": ["vcenter-replaced"]}, id="replaced"),
    ],
)
def test_a_vcenter_that_is_away_looks_not_healthy(file: FleetFile, run: Run, own: dict[str, Any]) -> None:
    """Its clusters' own logs know nothing of it: what they hold is from before."""
    file.write(encode_canonical_json(fleet(vcenters=[{"name": "vc01"}])), None)
    open_ = [_finding(kind, "", "critical") for kind in own.pop("findings", [])]
    _keep("vc01", VCENTER_LOG, _after(*open_, **own, clusters=_listed(domain_c1="prod-a")))
    _keep("vc01", "domain-c1", _seen("prod-a", 4, 4, _snapshot("U3e", "U3e")))
    rows = _rows(run)
    row, summary = rows[rows.index("") - 1], rows[-1]
    assert row == "vc01 prod-a was ESXi 8.0 U3e - not seen, was 4 of 4 3 h ago -"
    assert summary.startswith("0 of 1 cluster seen by the last check, 0 of 4 known hosts covered, ")


@pytest.mark.usefixtures("stack")
def test_a_cluster_that_its_last_check_did_not_see_looks_not_healthy(file: FleetFile, run: Run) -> None:
    """By its own log, or since the vCenter's log misses it; the clusters beside it are as they are."""
    file.write(encode_canonical_json(fleet(vcenters=[{"name": "vc01"}])), None)
    names = _listed(
        domain_c1="blind", domain_c2="gone", domain_c3="nobody", domain_c4="partly", domain_c5="first"
    )
    told = [
        _finding("cluster-missing", "domain-c2", "warning"),
        _finding("cluster-renamed", "domain-c4", "warning"),
    ]
    _keep("vc01", VCENTER_LOG, _after(*told, clusters=names))
    for cluster, name, covered, blind in (
        ("domain-c1", "blind", 4, LOOKED),
        ("domain-c2", "gone", 4, None),
        ("domain-c3", "nobody", 0, LOOKED),
        ("domain-c4", "partly", 3, None),
    ):
        after = _seen(name, 4, covered, _snapshot("U3e", "U3e"))
        _keep("vc01", cluster, {**after, "blind_since": blind})
    _keep("vc01", "domain-c5", _after(cluster_name="first", blind_since=LOOKED))
    assert _rows(run) == [
        "vc01 blind was ESXi 8.0 U3e - not seen, was 4 of 4 3 h ago -",
        "vc01 first - - - never -",
        "vc01 gone was ESXi 8.0 U3e - not seen, was 4 of 4 3 h ago 1 warning",
        "vc01 nobody was ESXi 8.0 U3e - 0 of 4 3 h ago -",
        "vc01 partly ESXi 8.0 U3e of those seen 3 of 4 3 h ago 1 warning",
        "",
        "warning gone on vc01: It is so. (cluster-missing, 3 h)",
        "warning partly on vc01: It is so. (cluster-renamed, 3 h)",
        "",
        (
            "1 of 5 clusters seen by the last check, 3 of 16 known hosts covered, "
            "2 findings open, 0 of them critical"
        ),
    ]


@pytest.mark.usefixtures("stack")
def test_a_cluster_that_was_renamed_is_still_shown(file: FleetFile, run: Run) -> None:
    """It is checked under its new name too, though a pattern leaves that out."""
    file.write(
        encode_canonical_json(fleet(vcenters=[{"name": "vc01", "clusters": {"exclude": ["lab-*"]}}])), None
    )
    known = _listed(domain_c1="lab-1")
    known["domain-c1"]["watched_as"] = "prod-a"
    _keep("vc01", VCENTER_LOG, _after(clusters=known))
    _keep("vc01", "domain-c1", _seen("lab-1", 2, 2, _snapshot("U3e", "U3e")))
    assert _rows(run)[0] == "vc01 lab-1 ESXi 8.0 U3e yes 2 of 2 3 h ago none"


@pytest.mark.usefixtures("stack")
def test_hosts_in_no_cluster_are_shown_as_not_covered(file: FleetFile, run: Run) -> None:
    """The last dispatch counted them; one that listed nothing, or a decision, counts none."""
    file.write(
        encode_canonical_json(fleet(vcenters=[{"name": name} for name in ("vc01", "vc02", "vc03")])), None
    )
    for vcenter, dispatch in (("vc01", _dispatched(3)), ("vc02", _dispatched(None)), ("vc03", None)):
        _keep(vcenter, VCENTER_LOG, _after(clusters={}), dispatch)
    assert _rows(run) == [
        "vc01 (the vCenter) - - - never -",
        "vc01 (hosts in no cluster) - - 0 of 3 - -",
        "vc02 (the vCenter) - - - never -",
        "vc03 (the vCenter) - - - never -",
        "",
        (
            "0 of 0 clusters seen by the last check, 0 of 3 known hosts covered, "
            "0 findings open, 0 of them critical"
        ),
    ]


@pytest.mark.usefixtures("stack")
def test_what_is_damaged_is_warned_of_and_hides_nothing_else(file: FleetFile, run: Run) -> None:
    """The table doesn't repeat what a forged pointer, record or snapshot says."""
    file.write(encode_canonical_json(fleet()), None)
    s3 = boto3.client("s3")
    clusters = {f"domain_c{at}": f"prod-{at}" for at in range(1, 6)}
    _keep("vc01", VCENTER_LOG, _after(clusters=_listed(**clusters)))
    for at in range(1, 6):
        _keep(
            "vc01", f"domain-c{at}", _seen(f"prod-{at}", 2, 2, _snapshot("U3e", "U3e" if at < 5 else "U3d"))
        )
    for cluster, body in (("domain-c1", b"{"), ("domain-c2", b"{}")):
        s3.put_object(Bucket="state", Key=make_state_key("vc01", cluster), Body=body)
    s3.put_object(Bucket="audit", Key=make_record_key("vc01", "domain-c3", 1), Body=b"{}")
    s3.delete_object(Bucket="audit", Key=_newest_snapshot_key("domain-c4"))
    ran = run("status")
    assert ran.code == 0
    assert ran.err.count("does not lead to the newest record") == 3
    assert ran.err.count("the audit trail is damaged: snapshots/") == 1
    assert "prod-4 - " in _plain(ran.out)
    assert "prod-5 ESXi" in _plain(ran.out)


def _newest_snapshot_key(cluster: str) -> str:
    record, _ = _store().record("vc01", cluster, 1)
    assert record["after"]["snapshot"]
    return record["after"]["snapshot"]["key"]


def _plain(text: str) -> str:
    return re.sub(" +", " ", text)


@pytest.mark.usefixtures("stack")
def test_names_cannot_act_on_the_terminal(file: FleetFile, run: Run) -> None:
    """A cluster's name comes from a vCenter that may be compromised."""
    file.write(encode_canonical_json(fleet()), None)
    _keep("vc01", "domain-c1", _after(cluster_name="[red]\x1b[2Jprod"))
    ran = run("status")
    assert "\x1b" not in ran.out
    assert "[red]\\x1b[2Jprod" in ran.out


@pytest.mark.usefixtures("stack", "buckets")
def test_without_a_fleet_file_status_says_what_to_do(run: Run) -> None:
    """The first command after a deployment may be this one."""
    ran = run("status")
    assert ran.code == 2
    assert "esx-drift fleet push FILE" in ran.err


@pytest.mark.usefixtures("stack", "aws")
def test_buckets_that_are_not_there_are_trouble(run: Run) -> None:
    """AWS's own words, and no traceback."""
    ran = run("status")
    assert ran.code == 2
    assert "NoSuchBucket" in ran.err


def test_an_image_is_named_as_well_as_it_can_be() -> None:
    """By its release, else by its version, else not at all."""
    assert name_image(_snapshot("U3e", "U3e")) == "ESXi 8.0 U3e"
    assert name_image(_snapshot("U3e", named=False)) == "ESXi U3e"
    assert name_image(_snapshot(None)) is None


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize(
    ("parameters", "last"),
    [
        ({}, "0 of 1 cluster seen by the last check"),
        ({"CheckIntervalHours": "8", "ScheduleState": "DISABLED"}, "The schedule is DISABLED: nothing is"),
        ({"CheckIntervalHours": "4"}, "Checked every 4 hours; the next run is due about 23 Nov 06:14 UTC."),
        (
            {"CheckIntervalHours": "1"},
            "Checked every 1 hour; the next run is overdue since 23 Nov 03:14 UTC.",
        ),
    ],
)
def test_when_it_is_checked_again_is_said(
    file: FleetFile, run: Run, monkeypatch: pytest.MonkeyPatch, parameters: dict[str, str], last: str
) -> None:
    """By the stack's own parameters and the last run by schedule; and that a check was asked for."""
    file.write(encode_canonical_json(fleet(vcenters=[{"name": "vc01"}])), None)
    monkeypatch.setattr(CloudFormation, "parameters", parameters)
    asked: ExpectedCluster = {"cluster": "domain-c1", "name": "prod-a", "request_id": REQUEST, "listed": True}
    dispatch: Dispatch = {**_dispatched(None), "expected": [asked]}
    _keep("vc01", VCENTER_LOG, _after(clusters=_listed(domain_c1="prod-a")), dispatch)
    rows = _rows(run)
    assert rows[0] == "vc01 prod-a - - - never (check asked for 3 h ago) -"
    assert rows[-1].startswith(last)
    answered = [{"request_id": REQUEST, "seq": 1, "at": LOOKED}]
    _keep("vc01", "domain-c1", {**_seen("prod-a", 2, 2, _snapshot("U3e", "U3e")), "answered": answered})  # type: ignore[typeddict-item] # as it is stored
    assert _rows(run)[0] == "vc01 prod-a ESXi 8.0 U3e yes 2 of 2 3 h ago none"


@pytest.mark.usefixtures("stack")
def test_without_a_run_by_schedule_only_the_interval_is_known(
    file: FleetFile, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest record of a vCenter may be a retry's."""
    file.write(encode_canonical_json(fleet(vcenters=[{"name": "vc01"}])), None)
    monkeypatch.setattr(CloudFormation, "parameters", {"CheckIntervalHours": "4"})
    dispatch = build_blank_dispatch(DispatchRun("run", "retry"))
    _keep("vc01", VCENTER_LOG, _after(clusters={}), dispatch)
    assert _rows(run)[-1] == "Checked every 4 hours."


@pytest.mark.usefixtures("stack")
def test_only_the_worst_findings_are_listed(file: FleetFile, run: Run) -> None:
    """A fleet after a bad night stays readable."""
    file.write(encode_canonical_json(fleet(vcenters=[{"name": "vc01"}])), None)
    vibs = [_finding("orphaned-vib", f"vib{at}(1)", "warning", "orphaned-vib") for at in range(30)]
    worst = {**_finding("check-overdue", "domain-c1", "critical"), "summary": "Nobody looked."}
    _keep("vc01", VCENTER_LOG, _after(worst, clusters=_listed(domain_c1="prod-a")))  # type: ignore[arg-type] # a finding
    _keep("vc01", "domain-c1", _seen("prod-a", 2, 2, _snapshot("U3e", "U3e"), *vibs))
    rows = _rows(run)
    assert rows[2] == "critical prod-a on vc01: Nobody looked. (check-overdue, 3 h)"
    assert rows[22] == "and 11 more: name a cluster, or take --format json"


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize(("severity", "code"), [(None, 0), ("info", 0), ("warning", 1), ("critical", 1)])
def test_what_is_open_is_an_exit_code_where_that_is_asked_for(
    file: FleetFile, run: Run, severity: Severity | None, code: int
) -> None:
    """Of warning or higher; without the option it is 0 whatever is open."""
    file.write(encode_canonical_json(fleet(vcenters=[{"name": "vc01"}])), None)
    findings = [_finding("image-not-uniform", "", severity, "drift")] if severity else []
    _keep("vc01", "domain-c1", _seen("prod-a", 2, 2, _snapshot("U3e", "U3e"), *findings))
    assert run("status", "--exit-code").code == code
    assert run("status", "--exit-code", "--format", "json").code == code
    assert run("status").code == 0


@pytest.mark.usefixtures("stack")
def test_programs_and_spreadsheets_get_it_too(file: FleetFile, run: Run) -> None:
    """JSON by its schema; CSV in which no name is computed by a spreadsheet."""
    file.write(encode_canonical_json(fleet(vcenters=[{"name": "vc01"}, {"name": "vc02"}])), None)
    hidden = {**_finding("vcenter-authorization", "", "critical"), "detail": {"listed": 3, "known": 9}}
    evil = "=cmd|'/c calc'!A0\x1b[2J"
    known = _listed(domain_c1="prod-a", domain_c2=evil)
    dispatch = {**_dispatched(3), "expected": []}
    _keep("vc01", VCENTER_LOG, _after(hidden, clusters=known), dispatch)  # type: ignore[arg-type] # both are
    mixed = _finding("image-not-uniform", "", "warning", "drift")
    _keep("vc01", "domain-c1", _seen("prod-a", 4, 3, _snapshot("U3e", "U3d", "U3d", None), mixed))
    shown = json.loads(run("status", "--format", "json").out)
    assert list_violations("status", shown) == []
    assert shown["at"] == "2026-11-23T05:14:00.000Z"
    assert [one["vcenter"] for one in shown["vcenters"]] == ["vc01", "vc02"]
    assert shown["standalone_hosts"] == {"vc01": 3}
    assert [one["cluster"]["id"] for one in shown["clusters"]] == ["domain-c2", "domain-c1"]
    assert shown["clusters"][1]["findings"][0]["kind"] == "image-not-uniform"
    told = run("status", "--format", "csv").out
    assert told.splitlines() == [
        (
            "vcenter,cluster,cluster_id,image,uniform,hosts,covered,seen,last_look_at,check_asked_at,"
            "critical,warning,info,findings,maintenance_by,maintenance_until,maintenance_reason,"
            "maintenance_ticket"
        ),
        "vc01,,,,,,,yes,,,1,0,0,vcenter-authorization,,,,",
        "vc01,'=cmd|'/c calc'!A0\\x1b[2J,domain-c2,,,,,no,,,0,0,0,,,,,",
        (
            "vc01,prod-a,domain-c1,ESXi 8.0 U3d on 2 of 3,no,4,3,yes,2026-11-23T02:14:00.000Z,,"
            "0,1,0,image-not-uniform,,,,"
        ),
        "vc01,,,,,3,0,no,,,0,0,0,,,,,",
        "vc02,,,,,,,yes,,,0,0,0,,,,,",
    ]


@pytest.mark.usefixtures("stack")
def test_one_vcenter_alone_may_be_asked_about(file: FleetFile, run: Run) -> None:
    """Its rows only; one that the fleet file lacks is answered with the nearest."""
    file.write(encode_canonical_json(fleet(vcenters=[{"name": "vc01"}, {"name": "vc02"}])), None)
    for vcenter in ("vc01", "vc02"):
        _keep(vcenter, "domain-c1", _seen("prod-a", 2, 2, _snapshot("U3e", "U3e")))
    lines = run("status", "--vcenter", "vc02", "--format", "csv").out.splitlines()
    assert [line.partition(",")[0] for line in lines[1:]] == ["vc02"]
    ran = run("status", "--vcenter", "vc2")
    assert (ran.code, ran.out) == (2, "")
    assert "the fleet file has no vCenter called vc2: did you mean vc02?" in ran.err


@pytest.mark.usefixtures("stack")
def test_a_patch_night_is_a_line(file: FleetFile, run: Run) -> None:
    """By window, that of most clusters first, however many there are; of many a few are named."""
    begun = format_time(NOW)

    def window(name: str, reason: str, *clusters: str, **own: str) -> dict[str, object]:
        ends = format_time(NOW + timedelta(hours=9))
        return {"name": name, "reason": reason, "from": begun, "to": ends, "clusters": clusters, **own}

    windows = [
        window("one", "RAM", "c-03"),
        window("patches", "patch night", "c-*"),
        window("same", "RAM", "c-03"),
    ]
    for at in range(12):
        _keep("vc01", f"domain-c{at}", _seen(f"c-{at:02}", 2, 2, _snapshot("U3e", "U3e")))
    file.write(encode_canonical_json(fleet(vcenters=[{"name": "vc01"}], maintenance=windows)), None)
    until = "maintenance until 23 Nov 11:14 UTC, by fleet file"
    others = "c-02 on vc01, c-03 on vc01, c-04 on vc01 and 7 more"
    assert [line for line in run("status").out.splitlines() if "maintenance" in line] == [
        f"12 clusters are in {until}: patch night (c-00 on vc01, c-01 on vc01, {others})",
        f"c-03 on vc01 is in {until}: RAM",
    ]
    windows += [window(f"w-{at}", f"CHG-{at}", "c-07", "c-08") for at in range(20)]
    stored = file.read_stored()
    file.write(encode_canonical_json(fleet(vcenters=[{"name": "vc01"}], maintenance=windows)), stored)
    lines = [line for line in run("status").out.splitlines() if "maintenance" in line]
    assert len(lines) == 21
    assert lines[-1] == "and 2 more maintenance windows: name a cluster, or take --format json"
    assert f"2 clusters are in {until}: CHG-0 (c-07 on vc01, c-08 on vc01)" in lines


@pytest.mark.usefixtures("stack")
def test_a_name_that_is_to_be_typed_is_not_cut(file: FleetFile, run: Run) -> None:
    """However much is said before it."""
    file.write(encode_canonical_json(fleet(vcenters=[{"name": "vc01"}])), None)
    secret = f"esx-drift-of-a-company/vcenter/{'vc' * 30}"
    said = f"{'It was refused. ' * 15}Put the new password into {secret}"
    refused = {**_finding("vcenter-authentication", "", "critical"), "summary": f"{said}. {'x' * 200}"}
    _keep("vc01", VCENTER_LOG, _after(refused))  # type: ignore[arg-type] # a finding
    (row,) = [row for row in _rows(run) if "refused" in row]
    assert f"{secret}. … (vcenter-authentication, 3 h)" in row


@pytest.mark.usefixtures("stack")
def test_a_time_of_another_year_has_its_year(file: FleetFile, run: Run) -> None:
    """So has the end of a maintenance window."""
    file.write(encode_canonical_json(fleet(vcenters=[{"name": "vc01"}])), None)
    window = {
        "name": "record 2", "by": "arn:aws:iam::1:user/alice", "reason": "move", "ticket": "CHG-9",
        "from": LOOKED, "to": "2027-01-02T02:14:00.000Z", "accept": False, "unreviewed": [], "excepted": [],
        "hosts": [], "changes": {}, "findings": {},
    }  # fmt: skip
    seen = _seen("prod-a", 2, 2, _snapshot("U3e", "U3e"))
    _keep("vc01", "domain-c1", {**seen, "maintenance": {"windows": [window]}})  # type: ignore[typeddict-item] # as it is stored
    said = "in maintenance until 2 Jan 2027 02:14 UTC, by alice: CHG-9 · move"
    assert f"prod-a on vc01 is {said}" in _rows(run)
    assert "CHG-9" in run("status", "--format", "csv").out
    assert (
        json.loads(run("status", "--format", "json").out)["clusters"][0]["maintenance"][0]["ticket"]
        == "CHG-9"
    )


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize(("name", "typed"), [("prod-a", "prod-a"), ("of two words", "domain-c1")])
def test_maintenance_of_a_retired_cluster_is_called_that(
    file: FleetFile, run: Run, name: str, typed: str
) -> None:
    """As a version before left it: until when, and how it is ended if the cluster comes back."""
    file.write(encode_canonical_json(fleet(vcenters=[{"name": "vc01"}])), None)
    window = {
        "name": "record 2", "by": "arn:aws:iam::1:user/alice", "reason": "move", "from": LOOKED,
        "to": "2026-11-24T02:14:00.000Z", "accept": False, "unreviewed": [], "excepted": [],
        "hosts": [], "changes": {}, "findings": {},
    }  # fmt: skip
    over = {**window, "name": "record 1", "to": LOOKED}
    of_file = {**window, "name": "patches", "by": "fleet file"}
    known = _listed(name, domain_c1=name, domain_c2="gone")
    known["domain-c2"]["retired_at"] = LOOKED
    _keep("vc01", VCENTER_LOG, _after(clusters=known))
    _keep("vc01", "domain-c1", _after(cluster_name=name, maintenance={"windows": [over, window, of_file]}))
    _keep("vc01", "domain-c2", _after(cluster_name="gone"))
    said = (
        f"{name} on vc01, retired since 23 Nov 02:14 UTC, is in maintenance until 24 Nov 02:14 UTC, by alice:"
        " move. It ends by itself. If the cluster is listed again before, chat is spared what it changes;"
        f" this ends it then: esx-drift maintenance end {typed} --vcenter vc01"
    )
    assert [row for row in _rows(run) if "maintenance" in row] == [said]
    ran = run("status", "domain-c1")
    assert ran.code == 2
    assert ran.err.splitlines() == [
        f"esx-drift: {name} (domain-c1) on vc01 is not watched: it is retired since 23 Nov 02:14 UTC",
        f"  {said}",
    ]
    assert "maintenance" not in run("status", "gone").err
    shown = json.loads(run("status", "--format", "json").out)
    assert list_violations("status", shown) == []
    (retired,) = shown["retired_in_maintenance"]
    assert (retired["cluster"]["id"], retired["retired_at"]) == ("domain-c1", LOOKED)
    assert [each["name"] for each in retired["maintenance"]] == ["record 2"]
