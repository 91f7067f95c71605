"""``esx-drift diff``: its exit codes, what it writes, and the golden comparisons.

A case is a folder of ``tests/golden/diff`` with baseline.json and current.json; result.json and result.txt
are what the command writes, made anew by ``pytest --refresh-goldens`` to be read before they are committed.
"""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from esx_drift.cli.terminal import EXIT_DIFFERENCES, EXIT_TROUBLE
from esx_drift.domain.findings.kinds import LOOK_KINDS, VCENTER_KINDS

from tests.paths import GOLDEN
from tests.unit.cli.conftest import Run
from tests.unit.conftest import aws

__all__ = ["aws"]

CASES = sorted(path for path in (GOLDEN / "diff").iterdir() if path.is_dir())
ELEMENTS = {
    "base_image": {"upgraded", "downgraded", "changed", "relabelled"},
    "add_on": {"added", "removed", "upgraded", "downgraded", "changed", "relabelled"},
    "component": {"added", "removed", "upgraded", "downgraded", "changed", "relabelled"},
    "solution": {"added", "removed", "upgraded", "downgraded", "changed", "relabelled"},
    "hardware_support_package": {"added", "removed", "upgraded", "downgraded", "changed"},
    "removed_component": {"added", "removed", "upgraded", "downgraded", "changed", "relabelled"},
    "alternative_image": {"added", "removed", "changed", "relabelled"},
    "host": {"added", "removed", "changed", "relabelled"},
    "orphaned_vib": {"added", "removed"},
}
"""Every kind that an element can have: a base image is always there, a VIB's version is part of its key."""
NOT_IN_A_DOCUMENT = {
    "drift-unreviewed": "it needs what a person accepted",
    "document-invalid": "the command refuses such a document",
    "extraction-timeout": "it needs a task",
    "extraction-stale": "it needs the time of the report before",
    "host-hidden": "it needs the vCenter's list of hosts",
}
"""Kinds of findings that a look shows and a document by itself doesn't, and why."""
FINDINGS = LOOK_KINDS - VCENTER_KINDS - NOT_IN_A_DOCUMENT.keys()


def same(path: Path, text: str, *, refresh: bool) -> bool:
    """Whether the golden file says the same; it does after it was refreshed."""
    if refresh:
        path.write_text(text)
    return path.read_text() == text


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_golden_comparison(case: Path, run: Run, *, refresh_goldens: bool) -> None:
    """The command writes what was once read and found right; its exit code says whether anything changed."""
    files = case / "baseline.json", case / "current.json"
    as_json, as_text = run("diff", *files, "--format", "json"), run("diff", *files)
    result = json.loads(as_json.out)
    assert same(case / "result.json", as_json.out, refresh=refresh_goldens)
    assert same(case / "result.txt", as_text.out, refresh=refresh_goldens)
    assert as_json.code == as_text.code == (EXIT_DIFFERENCES if result["changes"] else 0)
    assert result["drifted"] == any(change["kind"] != "relabelled" for change in result["changes"])


def results() -> list[dict[str, Any]]:
    """What the golden files say."""
    return [json.loads((case / "result.json").read_text()) for case in CASES]


def test_there_is_a_golden_case_for_each_element_and_kind() -> None:
    """None is forgotten, and none is there that can't be."""
    told: dict[str, set[str]] = {}
    for change in (change for result in results() for change in result["changes"]):
        told.setdefault(change["element"], set()).add(change["kind"])
    assert told == ELEMENTS


def test_there_is_a_golden_case_for_each_finding() -> None:
    """Everything that one document can show, and what BASELINE shows too is ``still``."""
    assert NOT_IN_A_DOCUMENT.keys() <= LOOK_KINDS
    findings = [finding for result in results() for finding in result["findings"]]
    assert {finding["kind"] for finding in findings} == FINDINGS
    assert {finding["transition"] for finding in findings} == {"opened", "still"}


def test_a_document_as_the_bucket_keeps_it_is_read(good: Path, tmp_path: Path, run: Run) -> None:
    """Gzipped or not is the same."""
    packed = tmp_path / "document.json.gz"
    packed.write_bytes(gzip.compress(good.read_bytes()))
    assert run("diff", packed, good).code == 0
    assert run("validate", packed).code == 0


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe{", b'{"a":1}', b"[" * 100_000, b"\x1f\x8bbroken"])
def test_what_is_no_document_is_trouble(content: bytes, good: Path, tmp_path: Path, run: Run) -> None:
    """On either side, and it is said which file it is."""
    bad = tmp_path / "bad.json"
    bad.write_bytes(content)
    for files in ((bad, good), (good, bad)):
        ran = run("diff", *files)
        assert (ran.code, ran.out) == (EXIT_TROUBLE, "")
        assert "bad.json" in ran.err


def test_a_document_that_shows_no_host_is_trouble(good: Path, tmp_path: Path, run: Run) -> None:
    """Silence must not mean that nothing was seen."""
    document = json.loads(good.read_text())
    document |= {
        "failed_hosts": document["successful_hosts"],
        "successful_hosts": [],
        "status": "UNAVAILABLE",
    }
    blind = tmp_path / "blind.json"
    blind.write_text(json.dumps(document))
    for files in ((blind, good), (good, blind)):
        ran = run("diff", *files, "--format", "json")
        assert (ran.code, ran.out) == (EXIT_TROUBLE, "")
        assert "shows none of its 2 hosts" in ran.err
        assert "UNAVAILABLE" in ran.err


def emptied(good: Path, tmp_path: Path, status: str) -> Path:
    """What a vCenter answers that has no report: every list is empty."""
    document = json.loads(good.read_text()) | {
        "status": status,
        "uniform_image": False,
        "image_categories": {"is_highest_and_widely_used_image_equal": False},
    }
    for name in ("successful_hosts", "failed_hosts", "unsupported_hosts"):
        document[name] = []
    for name in ("host_info", "host_notifications", "orphaned_vibs", "notifications"):
        document[name] = {}
    path = tmp_path / "empty.json"
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("status", ["UNAVAILABLE", "EXTRACT_INSTALLED_IMAGE_FAILURE", "OF_A_LATER_RELEASE"])
def test_a_report_of_nothing_is_trouble(status: str, good: Path, tmp_path: Path, run: Run) -> None:
    """On either side: it must not mean that every host left, nor that all joined."""
    empty = emptied(good, tmp_path, status)
    for files in ((empty, good), (good, empty), (empty, empty)):
        ran = run("diff", *files)
        assert (ran.code, ran.out) == (EXIT_TROUBLE, "")
        assert "empty.json names no host" in ran.err
        assert f"Its status is {status}" in ran.err


def test_only_a_success_without_hosts_means_that_all_left(good: Path, tmp_path: Path, run: Run) -> None:
    """Or, the other way round, that all joined; two of them are the same."""
    empty = emptied(good, tmp_path, "SUCCESS")
    assert run("diff", good, empty).out.startswith("Hosts esx01, esx02 left.")
    assert run("diff", empty, good).out.startswith("Hosts esx01, esx02 joined.")
    assert run("diff", empty, empty).code == 0


def test_documents_that_show_different_hosts_are_not_called_equal(
    good: Path, tmp_path: Path, run: Run
) -> None:
    """Where no host is read on both sides, "nothing changed" would only mean "nothing compared"."""
    files = []
    for number, (read, unread) in enumerate((("host-16", "host-17"), ("host-17", "host-16"))):
        document = json.loads(good.read_text()) | {"successful_hosts": [read], "failed_hosts": [unread]}
        for place in document["image_categories"].values():
            if isinstance(place, dict):
                place["host_list"] = [read]
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(json.dumps(document))
    ran = run("diff", *files)
    assert (ran.code, ran.out) == (EXIT_TROUBLE, "")
    assert "no host was read in both documents" in ran.err
    assert "0.json shows esx01" in ran.err
    assert "1.json shows esx02" in ran.err


def test_what_a_later_release_adds_is_told_once(good: Path, tmp_path: Path, run: Run) -> None:
    """As information, with the documents that hold it, whichever of the two that are."""
    newer = tmp_path / "newer.json"
    newer.write_text(json.dumps({**json.loads(good.read_text()), "added_in_10": {}}))
    told = "/added_in_10: a field that is not known\n"
    assert run("validate", newer).err == f"info: {newer}: {told}"
    assert run("diff", good, newer).err == run("diff", newer, good).err == f"info: {newer}: {told}"
    other = tmp_path / "other.json"
    other.write_text(newer.read_text())
    ran = run("diff", newer, other)
    assert (ran.code, ran.err) == (0, f"info: {newer}, {other}: {told}")


def _older(good: Path, tmp_path: Path) -> Path:
    document = json.loads(good.read_text())
    document["completion_time"] = "2026-01-02T03:04:05.000Z"
    path = tmp_path / "older.json"
    path.write_text(json.dumps(document))
    return path


def test_documents_in_the_wrong_order_are_told(good: Path, tmp_path: Path, run: Run) -> None:
    """Both times, on stderr: what was added would be called removed. The result is what was asked for."""
    older = _older(good, tmp_path)
    assert run("diff", older, good).err == ""
    ran = run("diff", good, older, "--format", "json")
    assert (ran.code, json.loads(ran.out)["changes"]) == (0, [])
    assert ran.err == (
        f"warning: {older} is older than {good} (2 Jan 03:04 and 23 Nov 01:13 UTC): the older one is given"
        " first\n"
    )


@pytest.mark.parametrize(
    ("names", "unrelated"),
    [
        (("esx01.example.com", "ESX02"), False),
        (("esx01", "mgmt02"), False),
        (("mgmt01", "mgmt02"), True),
        (("10.0.0.1", "10.0.0.2"), True),
    ],
)
def test_documents_of_two_clusters_are_told(
    *, names: tuple[str, str], unrelated: bool, good: Path, tmp_path: Path, run: Run
) -> None:
    """No host has the same name: its id may be the same in another vCenter, its domain may have changed."""
    document = json.loads(good.read_text())
    for host, name in zip(document["host_info"], names, strict=True):
        document["host_info"][host]["name"] = name
    other = tmp_path / "other.json"
    other.write_text(json.dumps(document))
    said = f"warning: no host of {good} is in {other}: are both of the same cluster?\n"
    assert run("diff", good, other).err == (said if unrelated else "")


STORED = GOLDEN / "stored" / "v0.1.0" / "audit"


RECORDS = sorted((STORED / "records" / "vcenter=vc-stored" / "cluster=domain-c9").glob("*.json"))
STORED_OBJECTS = [
    ("a snapshot", next((STORED / "snapshots").rglob("*.gz")), "the record of its check names that"),
    *(("a record", path, json.loads(path.read_text())["document"]) for path in RECORDS),
]


@pytest.mark.parametrize(("kind", "path", "document"), STORED_OBJECTS)
def test_what_we_stored_is_called_by_its_name(
    kind: str,
    path: Path,
    document: Any,  # noqa: ANN401 -- a stored object, a text or none
    good: Path,
    run: Run,
) -> None:
    """Whoever copies from the AuditBucket may take the wrong object of the right check."""
    advice = document["key"] if isinstance(document, dict) else document or "that check kept none"
    for files in ((path, good), (good, path)):
        ran = run("diff", *files)
        assert (ran.code, ran.out) == (EXIT_TROUBLE, "")
        assert ran.err.startswith(f"esx-drift: {path} is {kind} of esx-drift, not a document")
        assert advice in ran.err
        assert len(ran.err.splitlines()) == 1
    ran = run("validate", path)
    assert (ran.code, bool(ran.out)) == (EXIT_DIFFERENCES, True)
    assert f"info: {path} is {kind} of esx-drift" in ran.err


def test_an_event_is_no_document(good: Path, tmp_path: Path, run: Run) -> None:
    """It names the record, which names the document."""
    (message,) = json.loads(Path("events/notifier-drift.json").read_text())["Records"]
    event = tmp_path / "event.json"
    event.write_text(message["body"])
    assert "is an event of esx-drift" in run("diff", event, good).err


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
def test_a_document_is_read_from_standard_input(
    pack: Callable[[bytes], bytes], good: Path, tmp_path: Path, run: Run
) -> None:
    """As it comes out of a pipe, on either side; from there only one can come."""
    body = pack(good.read_bytes())
    assert run("diff", "-", good, typed=body).code == 0
    assert run("diff", good, "-", typed=body).code == 0
    assert run("validate", "-", typed=body).out == "standard input is valid\n"
    older = _older(good, tmp_path)
    assert f"{older} is older than standard input" in run("diff", "-", older, typed=body).err
    ran = run("diff", "-", "-", typed=body)
    assert (ran.code, ran.out) == (EXIT_TROUBLE, "")
    assert "name a file for one of them" in ran.err


@pytest.mark.usefixtures("buckets")
def test_a_document_is_read_from_the_bucket(good: Path, run: Run) -> None:
    """By its address, gzipped as it lies there."""
    body = gzip.compress(good.read_bytes())
    boto3.client("s3").put_object(Bucket="audit", Key="documents/a b.json.gz", Body=body)
    address = "s3://audit/documents/a b.json.gz"
    assert run("diff", address, good).code == 0
    assert run("validate", address).out == f"{address} is valid\n"


@pytest.mark.usefixtures("buckets")
@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s3://audit/none.json", "Reading s3://audit/none.json failed"),
        ("s3://nobody/none.json", "NoSuchBucket"),
        ("s3://audit", "s3://audit names no object: expected s3://BUCKET/KEY"),
        ("s3:///key", "names no object"),
    ],
)
def test_what_is_not_in_the_bucket_is_trouble(address: str, words: str, good: Path, run: Run) -> None:
    """For both commands, with AWS's own words."""
    for ran in (run("diff", address, good), run("validate", address)):
        assert (ran.code, ran.out) == (EXIT_TROUBLE, "")
        assert words in ran.err
