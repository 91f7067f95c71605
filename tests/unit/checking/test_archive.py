"""What is kept of a check: the document of each that moved something, byte for byte, and what was refused."""

import hashlib
import json

import pytest
from esx_drift.adapters.vcenter import session as vcenter_session
from esx_drift.checking import no_observation as untaken

from tests.simulator import fault_kinds
from tests.simulator.faults import Fault
from tests.unit.checking.reading import moved, one, open_kinds
from tests.unit.checking.world import World

REPORT = "GET *domain-c9/installed-images"


def served(world: World) -> bytes:
    """The report as the vCenter sends it."""
    report = world.vcenter.extractions.reports["domain-c9"]
    return json.dumps(report, separators=(",", ":"), ensure_ascii=False).encode()


def test_a_document_is_kept_byte_for_byte(world: World) -> None:
    """The digest of what came is in the record, and what came can be read back."""
    record = world.check()
    body = world.stored(record["document"]["key"])  # type: ignore[index]  # it is there
    assert body == served(world)
    assert record["raw_sha256"] == hashlib.sha256(body).hexdigest()
    assert record["same_as"] is None


def test_an_unchanged_check_points_to_the_document_that_stands_for_it(world: World) -> None:
    """Nothing is archived; the record says which one shows the same, also after several."""
    first = world.check()
    for _ in range(2):
        record = world.check()
        assert record["outcome"] == "unchanged"
        assert record["after"]["first_look_at"] == first["checked_at"]
        assert record["after"]["last_look_at"] == record["checked_at"]
        assert record["document"] is None
        assert record["same_as"] == 1
        assert record["raw_sha256"] == hashlib.sha256(served(world)).hexdigest()
        assert record["snapshot"] == world.records()[0]["snapshot"]
    world.vcenter.hosts.upgrade("esx01", "8.0 U3e")
    assert world.check()["same_as"] is None
    assert world.check()["same_as"] == 4


@pytest.mark.parametrize("edge", ["opened", "raised", "resolved"])
def test_any_transition_archives_the_document(world: World, edge: str) -> None:
    """Also where the software is the same: what a finding says can be looked up."""
    world.check()
    world.vcenter.hosts.notify("esx02")
    record = world.check()
    if edge == "resolved":
        world.vcenter.hosts.notify("esx02", None)
        record = world.check()
    if edge == "raised":
        world.vcenter.hosts.fail_extraction("esx02")
        world.check()
        world.wait(4 * 24 * 3600)
        record = world.check()
    assert {transition for _, transition in moved(record)} == {edge}
    assert record["changes"] == []
    assert record["outcome"] == "changed"
    assert world.stored(record["document"]["key"]) == served(world)  # type: ignore[index]  # it is there


def test_a_change_that_is_only_a_label_is_recorded_and_not_told(world: World) -> None:
    """A display name is another: a change of kind relabelled, no event."""
    world.check()
    published = len(world.topic.published)

    def rename(software: object) -> None:
        software["base_image"]["details"]["display_name"] = "ESXi by another name"  # type: ignore[index]  # JSON

    world.vcenter.hosts.edit(["esx01", "esx02", "esx03", "esx04"], rename)
    world.vcenter.inventory.host("esx01")
    record = world.check()
    assert record["outcome"] == "changed"
    assert {change["kind"] for change in record["changes"]} == {"relabelled"}
    assert len(world.topic.published) == published


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault_kinds.invalid_json(), id="not JSON"),
        pytest.param(fault_kinds.document("without_required"), id="a field is missing"),
        pytest.param(fault_kinds.document("legacy_maps"), id="maps of /rest"),
        pytest.param(fault_kinds.duplicate_keys(), id="a key twice"),
        pytest.param(fault_kinds.not_a_number(), id="NaN"),
    ],
)
def test_what_the_schema_refuses_is_kept_apart(world: World, fault: Fault) -> None:
    """In quarantine, with why; nothing is compared, and the next good look ends it."""
    first = world.check()
    world.vcenter.faults.inject(REPORT, fault)
    record = world.check()
    assert record["outcome"] == "not-looked"
    assert record["document"] is None
    body = world.stored(record["quarantine"]["key"])  # type: ignore[index]  # it is there
    assert record["raw_sha256"] == hashlib.sha256(body).hexdigest()
    finding = one(record["findings"], "document-invalid")
    assert finding["detail"]["violations"] != []
    assert record["after"]["seal"] == first["after"]["seal"]
    world.vcenter.faults.clear()
    assert moved(world.check()) == {("document-invalid", "resolved")}


def test_what_is_too_large_is_invalid(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told at once with the limit; its beginning is kept, but not all: a vCenter must not fill the bucket."""
    world.check()
    monkeypatch.setattr(vcenter_session, "MAX_REPORT_BYTES", 100_000)
    monkeypatch.setattr(untaken, "QUARANTINED_BYTES", 50_000)
    world.vcenter.faults.inject(REPORT, fault_kinds.huge_body(100_000))
    record = world.check()
    assert record["outcome"] == "not-looked"
    kept = world.stored(record["quarantine"]["key"])  # type: ignore[index]  # it is there
    assert kept == served(world)[:50_000].ljust(50_000)
    assert record["raw_sha256"] is None
    finding = one(record["findings"], "document-invalid")
    assert "too large: more than 100000 bytes" in finding["summary"]
    assert finding["detail"]["violations"] != []


def test_of_what_is_refused_the_beginning_is_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the reason; the digest is still that of all that came."""
    world.check()
    monkeypatch.setattr(untaken, "QUARANTINED_BYTES", 1_000)
    world.vcenter.faults.inject(REPORT, fault_kinds.duplicate_keys())
    record = world.check()
    body = served(world)[:-1] + b',"status":"UNAVAILABLE"}'
    assert world.stored(record["quarantine"]["key"]) == body[:1_000]  # type: ignore[index]  # it is there
    assert record["raw_sha256"] == hashlib.sha256(body).hexdigest()


def test_an_outage_that_ends_in_nonsense_has_ended(world: World) -> None:
    """A vCenter that sends a broken report is there: only that is told now."""
    world.vcenter.faults.inject(REPORT, fault_kinds.status(503))
    world.check()
    world.follow(world.comes_back())
    assert open_kinds(world.records()[-1]) == {"vcenter-unavailable"}
    world.vcenter.faults.clear()
    world.vcenter.faults.inject(REPORT, fault_kinds.invalid_json())
    assert open_kinds(world.check()) == {"document-invalid"}


def test_what_is_new_in_the_api_is_noticed_once(world: World) -> None:
    """Unknown fields are no error: they stand in one record, nobody is told, and they are known then."""
    world.check()
    world.vcenter.faults.inject(REPORT, fault_kinds.document("unknown_fields"))
    record = world.check()
    assert (record["outcome"], record["events"]) == ("unchanged", [])
    assert any("added_in_10" in notice for notice in record["notices"])
    again = world.check()
    assert again["notices"] == []
    assert set(again["after"]["notices"]) == set(record["notices"])


@pytest.mark.parametrize("skew_seconds", [3600, -3600])
def test_how_far_the_clock_is_off_is_in_each_record(world: World, skew_seconds: int) -> None:
    """Also of a report that is refused. It is the vCenter's own log that tells of it."""
    assert world.check()["clock"]["skew_seconds"] == 0  # type: ignore[index]  # it is there
    world.vcenter.skew_seconds = skew_seconds
    world.vcenter.faults.inject(REPORT, fault_kinds.invalid_json())
    record = world.check()
    assert record["clock"]["skew_seconds"] == skew_seconds  # type: ignore[index]  # it is there
    assert record["notices"] == []
