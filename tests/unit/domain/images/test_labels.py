"""What only describes: one wording for the cluster; another one is told once, of the hosts that run it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from esx_drift.domain.host_history import RememberedHost
from esx_drift.domain.images.labels import name_esxi_release
from esx_drift.domain.images.snapshot import build_snapshot, compute_seal
from esx_drift.domain.stored.types import Change, Snapshot

from tests.unit.domain.changes.clusters import (
    ClusterModel,
    HostModel,
    Wire,
    changes_between,
    compare,
    document_of,
    report_of,
    snapshot_of,
)
from tests.unit.domain.changes.sample import alternative, software

DRIVER = "Intel-i40en"


@pytest.mark.parametrize(
    ("display_version", "name"),
    [
        ("8.0 U3e - 24674464", "ESXi 8.0 U3e"),
        ("8.0  - 20764643", "ESXi 8.0"),
        ("8.0\u00a0U2  -  22380479 ", "ESXi 8.0 U2"),
        ("9.0.2.0 - 25148076", "ESXi 9.0.2.0"),
        ("8.0 U3", "ESXi 8.0 U3"),
        ("8.0 U3-lab", "ESXi 8.0 U3-lab"),
        (" - 20764643", "ESXi 8.0.0-1.0.1"),
        ("", "ESXi 8.0.0-1.0.1"),
    ],
)
def test_a_release_is_named_without_its_build(display_version: str, name: str) -> None:
    """However the depot spells it; by its version where nothing else is left."""
    label: dict[str, Any] = {"display_name": "ESXi", "display_version": display_version}
    image: Any = {"main": {"base_image": "8.0.0-1.0.1"}, "alternatives": {}}
    assert name_esxi_release(image, {"base_image": {"8.0.0-1.0.1": label}}) == name


def by(vendor: str | None, version: str = "1.0") -> Wire:
    """An image whose driver has this vendor; none: it is not described."""
    found = software()
    details = None if vendor is None else {"display_name": "driver", "vendor": vendor}
    found["components"][DRIVER] = {"version": version, "details": details}
    return found


def cluster(*images: Wire, unseen: int = 0) -> ClusterModel:
    """A host on each image, from host-1 on; then so many that were not read."""
    seen = len(images)
    return ClusterModel(
        {f"host-{at}": HostModel(f"esx{at}", image) for at, image in enumerate(images, 1)},
        failed={f"host-{at}": f"esx{at}" for at in range(seen + 1, seen + unseen + 1)},
    )


def without(found: ClusterModel, host: str) -> ClusterModel:
    """The same, but that this host was not read."""
    found.failed[host] = found.hosts.pop(host).name
    return found


def told(changes: list[Change]) -> list[tuple[Any, ...]]:
    """The changes in short."""
    return [(change["element"], change["kind"], change["hosts"], change["detail"]) for change in changes]


def vendors(before: str | None, after: str | None) -> Wire:
    """The detail of a relabelled driver."""
    sides = {"from": before, "to": after}
    return {
        side: None if vendor is None else {"display_name": "driver", "vendor": vendor}
        for side, vendor in sides.items()
    }


def known_vendor(snapshot: Snapshot, version: str = "1.0") -> str | None:
    """How the snapshot words the driver's vendor."""
    label: Any = snapshot["labels"].get(f"component:{DRIVER}", {}).get(version)
    return None if label is None else label["vendor"]


def test_another_wording_is_told_once_of_the_hosts_that_run_it() -> None:
    """Whoever has said what before; a host with another version is not concerned."""
    before = cluster(by("Intel"), by("Intel"), by("Intel", "2.0"))
    after = cluster(by("New"), by("New"), by("Intel", "2.0"))
    expected = ("component", "relabelled", ["host-1", "host-2"], vendors("Intel", "New"))
    assert told(changes_between(before, after)) == [expected]
    mixed = cluster(by("Intel"), by(None), by("Intel", "2.0"))
    assert told(changes_between(mixed, after)) == [expected]


def test_the_wording_that_most_hosts_have_is_kept() -> None:
    """Of equally many it is the first one; an image that says nothing leaves it to the others."""
    assert known_vendor(snapshot_of(cluster(by("Intel"), by("Other"), by("Other")))) == "Other"
    assert known_vendor(snapshot_of(cluster(by("Other"), by("Intel")))) == "Intel"
    assert known_vendor(snapshot_of(cluster(by(None), by(None), by("Other")))) == "Other"
    assert known_vendor(snapshot_of(cluster(by(None)))) is None


def test_hosts_that_change_their_wordings_with_each_other_are_no_news() -> None:
    """The cluster says what it said before."""
    before, after = cluster(by("Intel"), by("Other")), cluster(by("Other"), by("Intel"))
    assert changes_between(before, after) == []
    assert compute_seal(snapshot_of(before)) == compute_seal(snapshot_of(after))


def test_a_wording_that_a_host_takes_along_is_told_of_who_stays() -> None:
    """It was the only one that described its driver, or its wording was the first of two."""
    upgraded = changes_between(cluster(by("Intel"), by(None)), cluster(by("Intel", "2.0"), by(None)))
    assert told(upgraded) == [
        ("component", "relabelled", ["host-2"], vendors("Intel", None)),
        ("component", "upgraded", ["host-1"], None),
    ]
    alone = cluster(by("Intel"), by("Other"))
    del alone.hosts["host-1"]
    assert told(changes_between(cluster(by("Intel"), by("Other")), alone)) == [
        ("host", "removed", ["host-1"], None),
        ("component", "relabelled", ["host-2"], vendors("Intel", "Other")),
    ]


def test_what_only_unseen_hosts_have_keeps_its_wording() -> None:
    """The whole snapshot is as before."""
    both = cluster(by("Intel"), by("Other", "2.0"))
    before, document = snapshot_of(both), document_of(both)
    only = without(cluster(by("Intel"), by("Other", "2.0")), "host-1")
    inventory = {"host-1": "esx1", "host-2": "esx2"}
    for report in (report_of(document_of(only)), report_of({**document, "successful_hosts": ["host-2"]})):
        assert build_snapshot(report, before, inventory) == before


def test_only_hosts_that_were_seen_are_relabelled_and_nobody_later() -> None:
    """Nobody knows what the other one says now; once it is seen, the wording is known already."""
    before = snapshot_of(cluster(by("Intel"), by("Intel")))
    after = snapshot_of(without(cluster(by("Intel"), by("Other")), "host-1"), 0, before)
    expected = ("component", "relabelled", ["host-2"], vendors("Intel", "Other"))
    assert told(compare(before, after, covered={"host-2"})) == [expected]
    seen = snapshot_of(cluster(by("Other"), by("Other")), 0, after)
    assert compare(after, seen) == []


def test_an_unseen_host_keeps_the_description_of_what_others_have_undescribed() -> None:
    """As long as one host's image may still describe it."""
    before = snapshot_of(cluster(by("Intel"), by(None)))
    blind = snapshot_of(without(cluster(by("Intel"), by(None)), "host-1"), 0, before)
    assert blind == before


def listed(*vendors: str) -> Snapshot:
    """One host whose image is listed with a driver of each of these vendors."""
    document = document_of(cluster(by("Intel")))
    listings = [{"software_info": by(vendor), "host_list": ["host-1"]} for vendor in vendors]
    document["image_categories"] = {"host_image_list": listings}
    return build_snapshot(report_of(document), None)


def test_an_image_that_is_listed_in_two_ways_is_worded_once() -> None:
    """In any order, and however often one of them is there."""
    assert listed("Intel", "Other") == listed("Other", "Intel", "Other") == listed("Intel")


def test_an_image_without_a_host_that_was_seen_says_nothing() -> None:
    """It may stand in the report all the same."""
    document = document_of(cluster(by("Intel")))
    expected = build_snapshot(report_of(document), None)
    for hosts in ([], ["host-9"]):
        listing = {"software_info": by("Another"), "host_list": hosts}
        document["image_categories"].setdefault("host_image_list", []).append(listing)
    assert build_snapshot(report_of(document), None) == expected


def with_alternative(vendor: str | None, inside: str | None, name: str = "For others") -> Wire:
    """An image and its alternative, with the same driver."""
    criteria = {"selection_type": "HOST_UUID", "host_uuids": ["a"]}
    there = {**alternative(criteria), "components": by(inside)["components"], "display_name": name}
    return {**by(vendor), "alternative_images": {"alt": there}}


def test_what_an_image_has_twice_is_told_once_of_the_image_itself() -> None:
    """An alternative image is worded like any other; alone it is named."""
    both = cluster(with_alternative("Intel", "Intel"))
    (change,) = changes_between(both, cluster(with_alternative("New", "New")))
    assert (change["alternative_image"], change["detail"]) == (None, vendors("Intel", "New"))

    def offering(vendor: str) -> ClusterModel:
        image = with_alternative("Intel", vendor)
        image["components"][DRIVER]["version"] = "2.0"
        return cluster(image)

    (change,) = changes_between(offering("Intel"), offering("New"))
    assert (change["alternative_image"], change["detail"]) == ("alt", vendors("Intel", "New"))


def test_the_name_of_an_alternative_image_is_the_clusters() -> None:
    """Two hosts call it differently, and one of them calls it otherwise now."""
    one, two, three = (with_alternative("Intel", "Intel", name) for name in ("one", "two", "three"))
    assert changes_between(cluster(one, two), cluster(one, three)) == []
    (change,) = changes_between(cluster(one, two), cluster(three, two))
    assert (change["element"], change["kind"]) == ("alternative_image", "relabelled")
    assert change["hosts"] == ["host-1", "host-2"]
    assert change["detail"] == {"from": {"display_name": "one"}, "to": {"display_name": "three"}}


def nulled(value: Any) -> Any:  # noqa: ANN401 -- any JSON
    """The same, with a null in each object: a field that may be absent, here or in a later release."""
    if isinstance(value, dict):
        return {**{name: nulled(inner) for name, inner in value.items()}, "display_version": None}
    return [nulled(inner) for inner in value] if isinstance(value, list) else value


def test_null_is_absent_at_any_depth() -> None:
    """In a component of a solution's details as in the details themselves, and in what is not known yet."""
    absent, null = software(), software()
    for image in (absent, null):
        (solution,) = image["solutions"].values()
        del solution["details"]["components"][0]["display_version"]
        del image["components"][DRIVER]["details"]["display_version"]
        image["components"][DRIVER]["details"]["later"] = [{"unknown": "yet"}]
    (solution,) = null["solutions"].values()
    solution["details"]["components"] = nulled(solution["details"]["components"])
    null["components"][DRIVER]["details"] = nulled(null["components"][DRIVER]["details"])
    assert snapshot_of(cluster(null)) == snapshot_of(cluster(absent))


def released(date: str) -> Wire:
    """An image of this date."""
    found = software()
    found["base_image"]["details"]["release_date"] = date
    return found


@pytest.mark.parametrize("other", ["2025-03-04T00:00:00Z", "2025-03-04T01:00:00.0+01:00"])
def test_a_date_is_the_instant_that_it_names(other: str) -> None:
    """However it is spelt."""
    same, later = released("2025-03-04T00:00:00.000Z"), released("2025-03-05T00:00:00Z")
    assert snapshot_of(cluster(same)) == snapshot_of(cluster(released(other)))
    assert [change["kind"] for change in changes_between(cluster(same), cluster(later))] == ["relabelled"]


def test_a_solutions_components_have_no_order() -> None:
    """Not even where one of them is described twice."""
    first, second = software(), software()
    one = {"component": "a", "display_name": "A", "vendor": "x"}
    for image, components in (
        (first, [one, {**one, "vendor": "y"}]),
        (second, [{**one, "vendor": "y"}, one]),
    ):
        (solution,) = image["solutions"].values()
        solution["details"]["components"] = components
    assert snapshot_of(cluster(first)) == snapshot_of(cluster(second))


def test_a_host_added_again_is_told_if_the_cluster_knew_its_version() -> None:
    """Within one check; how its image was worded when it left in an earlier one is not kept."""
    before = snapshot_of(cluster(by("Other", "2.0"), by("Intel")))
    known = before["images"][str(before["hosts"]["host-2"]["image"])]
    hosts = {"host-1": HostModel("esx1", by("Other", "2.0")), "host-99": HostModel("esx2", by("New"))}
    back = snapshot_of(ClusterModel(hosts))
    returned = ("host", "changed", ["host-99"], None)
    relabelled = ("component", "relabelled", ["host-99"], vendors("Intel", "New"))
    assert told(compare(before, back)) == [returned, relabelled]
    departed = [RememberedHost("host-2", "esx2", known, [], datetime(2026, 11, 23, tzinfo=UTC))]
    alone = snapshot_of(cluster(by("Other", "2.0")))
    assert told(compare(alone, back, departed)) == [returned]
