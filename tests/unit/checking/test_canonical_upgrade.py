"""Our own upgrade is never drift: a check in a newer canonical form finds just what really changed."""

import gzip
import json
from collections.abc import Iterator
from typing import Any, cast

import pytest
from esx_drift.adapters.audit_store import S3Store
from esx_drift.checking.baseline import BaselineReader
from esx_drift.domain.images.snapshot import compute_seal
from esx_drift.domain.stored.identifiers import compute_sha256, make_snapshot_key
from esx_drift.domain.stored.types import LogState, Record
from esx_drift.errors import StoreUnavailable, TrailDamaged

from tests.lab.demo.timeline import BY_HAND, I40EN, SHIPPED
from tests.simulator.fault_kinds import status
from tests.unit.checking.forms import FIRST, LOWER_CASE, TODAY, WITH_RELEASE_DATE, Form
from tests.unit.checking.reading import moved, open_kinds
from tests.unit.checking.world import INTERVAL_SECONDS, PROD_B, World

UPGRADES = {
    "from the first form to today's": (FIRST, Form(TODAY)),
    "from the first form to a next one": (FIRST, LOWER_CASE),
    "from today's form to a next one": (Form(TODAY), LOWER_CASE),
}


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    """What belongs to the form that is deployed; undone before another one is, and in the end."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(params=[True, False], ids=["document at hand", "document gone"])
def documents(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Archived documents can be read back, or lifecycle has removed them."""
    read = S3Store.document

    def document(self: S3Store, key: str) -> bytes:
        if key.startswith("documents/") and not request.param:
            raise TrailDamaged("gone", key)
        return read(self, key)

    monkeypatch.setattr(S3Store, "document", document)


def deploy(form: Form, patch: pytest.MonkeyPatch) -> None:
    """From now on checks run in this form."""
    patch.undo()
    form.use(patch)


def told(record: Record) -> list[tuple[Any, ...]]:
    """The changes in short."""
    return [
        (change["element"], change["kind"], change["key"], *change["hosts"]) for change in record["changes"]
    ]


def lived(world: World) -> Record:
    """A cluster with a past: a host that drifted, one that left, and one that is not covered any more."""
    world.check()
    world.vcenter.hosts.set_component("esx01", I40EN, BY_HAND)
    world.vcenter.inventory.remove_host("esx04")
    world.vcenter.hosts.fail_extraction("esx02")
    world.check()
    record = world.check()
    assert record["outcome"] == "unchanged"
    return record


def assert_converted(world: World, form: Form) -> None:
    """What the log keeps is of this form: its snapshot, and each image that it refers to."""
    after = world.after()
    snapshot = world.snapshot()
    assert snapshot["schema_version"] == form.version
    assert after["seal"] == compute_seal(snapshot)
    for entry in (*after["accepted"].values(), *after["departed"].values()):
        kept = world.aws.store.snapshot(entry["snapshot"])
        assert kept["schema_version"] == form.version
        assert entry["image"] in kept["images"]


@pytest.mark.usefixtures("documents")
@pytest.mark.parametrize(("old", "new"), UPGRADES.values(), ids=UPGRADES)
def test_the_same_report_is_unchanged(world: World, patch: pytest.MonkeyPatch, old: Form, new: Form) -> None:
    """No change, no finding, no event; accepted hosts stay accepted, and so does what is not."""
    deploy(old, patch)
    before = lived(world)
    published = len(world.topic.published)
    deploy(new, patch)
    record = world.check()
    assert (record["outcome"], told(record), moved(record)) == ("unchanged", [], set())
    assert record["after"]["findings"].keys() == before["after"]["findings"].keys()
    assert record["same_as"] == before["same_as"]
    assert len(world.topic.published) == published
    assert_converted(world, new)
    again = world.check()
    assert (again["outcome"], again["snapshot"]) == ("unchanged", record["snapshot"])


@pytest.mark.usefixtures("documents")
@pytest.mark.parametrize(("old", "new"), UPGRADES.values(), ids=UPGRADES)
def test_what_really_changed_is_told(world: World, patch: pytest.MonkeyPatch, old: Form, new: Form) -> None:
    """In the same report: one is put back, one changed, one comes back under a new id, one is read again."""
    deploy(old, patch)
    lived(world)
    deploy(new, patch)
    hosts = world.vcenter.hosts
    hosts.set_component("esx01", I40EN, SHIPPED)
    hosts.set_component("esx03", I40EN, BY_HAND)
    hosts.fail_extraction("esx02", None)
    back = world.vcenter.inventory.add_host("prod-a", "esx04", world.vcenter.inventory.host("esx02").software)
    record = world.check()
    first, third = (world.vcenter.inventory.host(name).host for name in ("esx01", "esx03"))
    key = I40EN.lower() if new is LOWER_CASE else I40EN
    assert record["outcome"] == "changed"
    assert told(record) == [
        ("host", "changed", back, back),
        ("component", "downgraded", key, first),
        ("component", "upgraded", key, third),
    ]
    assert_converted(world, new)
    hosts.set_component("esx03", I40EN, SHIPPED)
    record = world.check()
    assert told(record) == [("component", "downgraded", key, third)]
    assert open_kinds(record) == set()


@pytest.mark.parametrize("drifted", [False, True])
def test_a_field_that_was_not_kept_is_known_from_the_document(
    world: World, patch: pytest.MonkeyPatch, *, drifted: bool
) -> None:
    """A newer form may keep more than any stored snapshot has."""
    world.check()
    if drifted:
        world.vcenter.hosts.set_component("esx01", I40EN, BY_HAND)
        world.check()
    deploy(WITH_RELEASE_DATE, patch)
    record = world.check()
    assert (record["outcome"], told(record), moved(record)) == ("unchanged", [], set())
    assert_converted(world, WITH_RELEASE_DATE)


def test_a_look_that_covers_nobody_converts_what_it_keeps(world: World, patch: pytest.MonkeyPatch) -> None:
    """And the one that sees the cluster again finds nothing new."""
    deploy(FIRST, patch)
    world.check()
    deploy(LOWER_CASE, patch)
    names = [host.name for host in world.vcenter.inventory.hosts_of("domain-c9")]
    world.vcenter.hosts.fail_extraction(names)
    assert world.check()["outcome"] == "not-covered"
    assert_converted(world, LOWER_CASE)
    world.vcenter.hosts.fail_extraction(names, None)
    record = world.check()
    assert told(record) == []
    assert open_kinds(record) == set()


DISPATCHED = ["records"] * 2
"""The record of the run, read to extract and to collect."""


def test_converting_is_paid_once(world: World, patch: pytest.MonkeyPatch) -> None:
    """Afterwards a check that finds nothing new reads nothing but its pointer and the newest record."""
    deploy(FIRST, patch)
    world.check()
    deploy(LOWER_CASE, patch)
    reads = []
    for _ in range(2):
        world.wait(INTERVAL_SECONDS)
        request = world.request()
        world.aws.calls.clear()
        world.follow(request)
        keys = [key.partition("/")[0] for name, key in world.aws.calls if name == "GetObject"]
        reads.append([key for key in keys if key not in {"breaker", "state"}])
    newest = [*DISPATCHED, "records", "records"]
    """And the newest record, once to ask for the extraction, once to collect it."""
    assert [sorted(keys) for keys in reads] == [
        sorted([*newest, "snapshots", "records", "documents"]),
        sorted(newest),
    ]


def test_a_newer_form_is_not_compared_with(world: World, patch: pytest.MonkeyPatch) -> None:
    """As after a rollback: no look, and no drift of everything; deployed again, it goes on."""
    deploy(LOWER_CASE, patch)
    world.check()
    deploy(Form(TODAY), patch)
    with pytest.raises(StoreUnavailable, match="deploy the newer version again"):
        world.check()
    deploy(LOWER_CASE, patch)
    assert world.check()["outcome"] == "unchanged"
    assert len(world.records()) == 2


@pytest.mark.parametrize("taken", ["never", "in a record without a document"])
def test_one_snapshot_stored_twice_becomes_one(world: World, patch: pytest.MonkeyPatch, taken: str) -> None:
    """Also where nothing says which document it was made of."""
    deploy(FIRST, patch)
    world.check()
    world.vcenter.faults.inject("GET /api/esx/settings/clusters/{cluster}/installed-images", status(500))
    failed = world.check()
    assert failed["document"] is None
    state: Any = world.after()
    store = world.aws.store
    stored = store.snapshot(state["snapshot"]["key"])
    body = gzip.compress(json.dumps(stored, indent=1).encode())
    twin = make_snapshot_key(failed["vcenter"], failed["cluster"], compute_sha256(body))
    store.put_blob(twin, body)
    next(iter(state["accepted"].values()))["snapshot"] = twin
    state["last_taken"] = None if taken == "never" else {**state["last_taken"], "seq": failed["seq"]}
    deploy(Form(TODAY), patch)
    baseline = BaselineReader(store, failed["vcenter"], failed["cluster"]).read(cast("LogState", state))
    assert baseline is not None
    assert len(baseline.blobs) == 1
    assert {entry["snapshot"] for entry in baseline.state["accepted"].values()} == {baseline.key}


def test_an_accepted_image_that_is_lost_is_not_taken_for_what_runs(
    world: World, patch: pytest.MonkeyPatch
) -> None:
    """It can't be converted, so the host is no longer as accepted; that it is lost is reported."""
    deploy(FIRST, patch)
    first = world.check()
    world.vcenter.hosts.set_component(["esx01"], I40EN, BY_HAND)
    world.check()
    assert first["snapshot"] is not None
    world.spoilt.add(first["snapshot"]["key"])
    world.aws.s3.delete_object(Bucket="audit", Key=first["snapshot"]["key"])
    deploy(Form(TODAY), patch)
    record = world.check()
    assert open_kinds(record) >= {"drift-unreviewed", "trail-damaged"}


def test_what_was_accepted_elsewhere_in_an_older_form_is_no_damage(
    world: World, patch: pytest.MonkeyPatch
) -> None:
    """A host moves before its old cluster is looked at again: what is converted of it is not stored yet.

    It is what is again as accepted in part: one tool is gone, its driver is not.
    """
    deploy(FIRST, patch)
    world.check()
    world.check(PROD_B)
    world.vcenter.hosts.set_component(["esx04"], I40EN, BY_HAND)
    world.vcenter.hosts.set_component(["esx04"], "acme-tool", "1.0-1")
    world.check()
    deploy(Form(TODAY), patch)
    world.vcenter.hosts.move("esx04", "prod-b")
    world.vcenter.hosts.uninstall_component("esx04", "acme-tool")
    record = world.check(PROD_B)
    assert "trail-damaged" not in open_kinds(record)
    (removed,) = (change for change in record["changes"] if change["key"] == "acme-tool")
    assert removed.get("put_back") is True
