"""Stored snapshots and states in today's form: nothing is lost, and equal stays equal."""

from copy import deepcopy
from typing import Any, cast

import pytest
from esx_drift.domain.changes.compare import compare_snapshots
from esx_drift.domain.images.snapshot import (
    CANONICAL_VERSION,
    UPGRADE_STEPS,
    UpgradedSnapshot,
    compute_seal,
    list_snapshot_keys,
    upgrade_log_state,
    upgrade_snapshot,
)
from esx_drift.domain.stored.identifiers import compute_digest
from esx_drift.domain.stored.records import build_empty_state
from esx_drift.domain.stored.types import Image, LogState, Snapshot, StoredObject
from hypothesis import given

from tests.unit.domain.changes.clusters import (
    ClusterModel,
    HostModel,
    Wire,
    document_of,
    report_of,
    snapshot_of,
)
from tests.unit.domain.changes.sample import software
from tests.unit.domain.changes.strategies import clusters, pairs
from tests.unit.examples import try_examples

FEW = try_examples(60)
PART = "component:Intel-i40en"


def test_there_is_a_step_from_every_older_form() -> None:
    """So that no stored snapshot is ever out of reach."""
    assert UPGRADE_STEPS.keys() == set(range(1, CANONICAL_VERSION))


@FEW
@given(clusters())
def test_a_snapshot_of_todays_form_stays_as_it_is(cluster: ClusterModel) -> None:
    """Made from its report again, too."""
    document = document_of(cluster)
    snapshot = snapshot_of(cluster)
    for upgraded in (upgrade_snapshot(snapshot), upgrade_snapshot(snapshot, report_of(document))):
        assert upgraded.snapshot == snapshot
        assert upgraded.digests == {digest: digest for digest in snapshot["images"]}


def first_form(snapshot: Snapshot, **more: object) -> Snapshot:
    """The snapshot as version 1 stored it: a list of labels, nearly always of one."""
    stored: Any = deepcopy(snapshot) | {"schema_version": 1} | more
    for versions in stored["labels"].values():
        for version, label in versions.items():
            versions[version] = [label]
    return cast("Snapshot", stored)


@FEW
@given(clusters())
def test_the_first_form_is_read(cluster: ClusterModel) -> None:
    """Where images were worded alike, nothing differs but how the label is kept."""
    described = snapshot_of(cluster)
    stored = first_form(described)
    assert upgrade_snapshot(stored).snapshot == described
    assert upgrade_snapshot(stored, report_of(document_of(cluster))).snapshot == described


def by(vendor: str | None) -> Wire:
    """An image whose driver has this vendor; none: it is not described."""
    image = software()
    driver = image["components"]["Intel-i40en"]
    driver["details"] = None if vendor is None else {"display_name": "driver", "vendor": vendor}
    return image


@pytest.mark.parametrize(
    ("vendors", "chosen"),
    [
        (("Intel", "Other", "Other"), "Other"),
        (("Intel", "Other"), "Intel"),
        ((None, None, "Other"), "Other"),
    ],
)
def test_of_several_wordings_of_the_first_form_the_same_one_is_kept_as_today(
    vendors: tuple[str | None, ...], chosen: str
) -> None:
    """With its document or without it: the same report is no change."""
    hosts = {f"host-{at}": HostModel(f"esx{at}", by(vendor)) for at, vendor in enumerate(vendors, 1)}
    today = snapshot_of(ClusterModel(hosts))
    version = str(software()["components"]["Intel-i40en"]["version"])
    wordings = sorted(set(vendors), key=lambda vendor: (vendor is not None, vendor))
    said = [vendor and {"display_name": "driver", "vendor": vendor} for vendor in wordings]
    described = [
        {"hosts": [host], "main": {PART: [wordings.index(vendor)]}, "alternatives": {}}
        for host, vendor in zip(hosts, vendors, strict=True)
    ]
    stored: Any = first_form(today, described=described)
    stored["labels"][PART] = {version: said}
    assert today["labels"][PART][version] == {"display_name": "driver", "vendor": chosen}
    assert upgrade_snapshot(stored).snapshot == today
    assert compare_snapshots(upgrade_snapshot(stored).snapshot, today, {}) == []


def test_a_part_that_no_wording_describes_is_not_described() -> None:
    """The first form said so in so many words."""
    today = snapshot_of(ClusterModel({"host-1": HostModel("esx1", by(None))}))
    stored: Any = first_form(today)
    stored["labels"][PART] = {"1.0": [None]}
    assert upgrade_snapshot(stored).snapshot == today


@pytest.mark.parametrize("names", [("one", "other", "other"), ("other", "one", "other")])
def test_an_alternative_image_is_named_as_most_hosts_have_it(names: tuple[str, ...]) -> None:
    """Whoever has no such image has no say."""

    def named(name: str | None) -> Wire:
        image = software()
        if name is not None:
            image["alternative_images"] = {
                "by-uuid": {
                    **software(),
                    "display_name": name,
                    "selection_criteria": {"selection_type": "HOST_UUID", "host_uuids": ["4c4c4544"]},
                }
            }
        return image

    images = [named(None), *(named(name) for name in names)]
    hosts = {f"host-{at}": HostModel(f"esx{at}", image) for at, image in enumerate(images, 1)}
    labels = snapshot_of(ClusterModel(hosts))["labels"]["alternative_image:by-uuid"]
    assert [*labels.values()] == [{"display_name": "other"}]


def renamed(snapshot: Snapshot) -> UpgradedSnapshot:
    """What a form would make of a snapshot that names components otherwise."""
    images: Any = {
        digest: {**image, "main": {f"next:{part}": value for part, value in image["main"].items()}}
        for digest, image in snapshot["images"].items()
    }
    digests = {digest: compute_digest(image) for digest, image in images.items()}
    hosts: Any = {
        host: {**known, "image": known["image"] and digests[known["image"]]}
        for host, known in snapshot["hosts"].items()
    }
    now = {digests[digest]: image for digest, image in images.items()}
    return UpgradedSnapshot({**snapshot, "images": now, "hosts": hosts}, digests)


def accepting(before: Snapshot, after: Snapshot) -> LogState:
    """A log whose hosts are accepted, and departed, as they were before."""
    hosts = [(host, known) for host, known in before["hosts"].items() if known["image"] is not None]
    state: Any = build_empty_state() | {
        "seal": compute_seal(after),
        "snapshot": {"key": "after", "sha256": ""},
        "accepted": {
            host: {"image": known["image"], "orphaned_vibs": [], "snapshot": "before"}
            for host, known in hosts
        },
        "departed": {
            f"left-{host}": {"image": known["image"], "name": "", "orphaned_vibs": [], "snapshot": "before"}
            for host, known in hosts
        },
    }
    return cast("LogState", state)


@FEW
@given(pairs())
def test_what_is_accepted_stays_so_and_nothing_else_becomes_it(
    pair: tuple[ClusterModel, ClusterModel],
) -> None:
    """Each image is what it was under its new digest, in a snapshot that has it."""
    before, after = snapshot_of(pair[0]), snapshot_of(pair[1])
    state = accepting(before, after)
    kept: dict[str, Snapshot] = {}

    def keep(snapshot: Snapshot) -> StoredObject:
        kept[f"new-{compute_seal(snapshot)}"] = snapshot
        return {"key": f"new-{compute_seal(snapshot)}", "sha256": ""}

    upgrades = {"after": renamed(after), "before": renamed(before)}
    keys = list_snapshot_keys(state)
    assert keys[0] == "after"
    moved = upgrade_log_state(state, after, upgrades, keep)
    assert moved["snapshot"] is not None
    assert moved["seal"] == compute_seal(kept[moved["snapshot"]["key"]])
    for host, accepted in moved["accepted"].items():
        was, known = state["accepted"][host], after["hosts"].get(host)
        if known is not None:
            now = upgrades["after"].snapshot["hosts"][host]["image"]
            assert (was["image"] == known["image"]) == (accepted["image"] == now)
        assert str(accepted["image"]) in kept[accepted["snapshot"]]["images"]
    for departed in moved["departed"].values():
        assert str(departed["image"]) in kept[departed["snapshot"]]["images"]


def test_a_base_image_of_the_first_form_is_spelt_in_the_one_way() -> None:
    """One release in two spellings is no drift across our own upgrade either."""
    dashed, dotted = "9.0.1-0101.24957456", "9.0.1.0101.24957456"
    image: Image = {"main": {"base_image": dashed}, "alternatives": {"other": {"base_image": dashed}}}
    digest = compute_digest(image)
    stored = cast(
        "Snapshot",
        {
            "schema_version": 1,
            "images": {digest: image},
            "labels": {"base_image": {dashed: [{"display_name": "ESXi"}]}},
            "hosts": {"host-1": {"name": "esx01", "image": digest, "orphaned_vibs": [], "witness": False}},
        },
    )
    upgraded = upgrade_snapshot(stored)
    (spelt,) = upgraded.snapshot["images"].values()
    assert spelt == {"main": {"base_image": dotted}, "alternatives": {"other": {"base_image": dotted}}}
    assert upgraded.snapshot["labels"] == {"base_image": {dotted: {"display_name": "ESXi"}}}
    assert upgraded.snapshot["hosts"]["host-1"]["image"] == compute_digest(spelt) == upgraded.digests[digest]
