"""What only describes: told of the hosts whose own image says something else of what it still has."""

from typing import Any

import pytest
from esx_drift.domain.changes.compare import DepartedHost, compare_snapshots
from esx_drift.domain.images.description import Descriptions
from esx_drift.domain.images.snapshot import build_snapshot, compute_seal
from esx_drift.domain.stored.types import Change, Snapshot

from tests.unit.domain.changes.clusters import (
    ClusterModel,
    HostModel,
    Wire,
    changes_between,
    document_of,
    report_of,
    snapshot_of,
)
from tests.unit.domain.changes.sample import alternative, software

DRIVER = "Intel-i40en"


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


def vendors(before: str | list[str | None] | None, after: str | list[str | None] | None) -> Wire:
    """The detail of a relabelled driver."""

    def label(vendor: str | None) -> Wire | None:
        return None if vendor is None else {"display_name": "driver", "vendor": vendor}

    def side(said: str | list[str | None] | None) -> Wire | list[Wire | None] | None:
        return [label(vendor) for vendor in said] if isinstance(said, list) else label(said)

    return {"from": side(before), "to": side(after)}


@pytest.mark.parametrize("other", [None, "Other"])
def test_what_another_host_does_is_no_change_of_this_one(other: str | None) -> None:
    """One driver, described in two ways: one host is upgraded, or leaves, and the other stays as it was."""
    both = cluster(by("Intel"), by(other))
    upgraded = changes_between(both, cluster(by("Intel", "2.0"), by(other)))
    assert told(upgraded) == [("component", "upgraded", ["host-1"], None)]
    alone = cluster(by("Intel"), by(other))
    del alone.hosts["host-1"]
    assert told(changes_between(both, alone)) == [("host", "removed", ["host-1"], None)]


def test_a_host_that_is_missing_relabels_nobody() -> None:
    """What was known of it is kept, and the other host says what it always said."""
    before = snapshot_of(cluster(by("Intel"), by("Other")))
    document = document_of(cluster(by("Intel"), by("Other")))
    only = without(cluster(by("Intel"), by("Other")), "host-1")
    inventory = {"host-1": "esx1", "host-2": "esx2"}
    for report in (report_of(document_of(only)), report_of({**document, "successful_hosts": ["host-2"]})):
        after = build_snapshot(report, before, inventory)
        assert compare_snapshots(before, after, {}) == []
        assert after == before


def test_only_a_host_that_was_seen_is_relabelled() -> None:
    """Nobody knows what the other one says now; once it is seen, it is told of it, too."""
    before = snapshot_of(cluster(by("Intel"), by("Intel")))
    after = snapshot_of(without(cluster(by("Intel"), by("Other")), "host-1"), 0, before)
    expected = ("component", "relabelled", ["host-2"], vendors("Intel", "Other"))
    assert told(compare_snapshots(before, after, {})) == [expected]
    seen = snapshot_of(cluster(by("Other"), by("Other")), 0, after)
    assert told(compare_snapshots(after, seen, {})) == [(*expected[:2], ["host-1"], expected[3])]
    assert "described" not in seen, "all say the same again"


def test_each_host_is_told_with_its_own_words() -> None:
    """Two that say the same now said different things before."""
    changes = changes_between(
        cluster(by("Intel"), by("Other"), by(None), by("New")),
        cluster(*[by("New")] * 4),
    )
    assert told(changes) == [
        ("component", "relabelled", ["host-1"], vendors("Intel", "New")),
        ("component", "relabelled", ["host-2"], vendors("Other", "New")),
        ("component", "relabelled", ["host-3"], vendors(None, "New")),
    ]


def test_two_hosts_that_change_their_words_are_both_told() -> None:
    """All in all the cluster says what it said before, so that only its hosts can show it."""
    before, after = cluster(by("Intel"), by("Other")), cluster(by("Other"), by("Intel"))
    assert told(changes_between(before, after)) == [
        ("component", "relabelled", ["host-1"], vendors("Intel", "Other")),
        ("component", "relabelled", ["host-2"], vendors("Other", "Intel")),
    ]
    assert compute_seal(snapshot_of(before)) != compute_seal(snapshot_of(after))


def listed_twice(*vendors: str) -> Snapshot:
    """One host whose image is listed with a driver of each of these vendors."""
    document = document_of(cluster(by("Intel")))
    listings = [{"software_info": by(vendor), "host_list": ["host-1"]} for vendor in vendors]
    document["image_categories"] = {"host_image_list": listings}
    return build_snapshot(report_of(document), None)


def test_a_host_whose_image_is_listed_in_two_ways_says_both() -> None:
    """In any order; nothing is told as long as it does."""
    both = listed_twice("Intel", "Other")
    assert both == listed_twice("Other", "Intel", "Intel")
    assert compare_snapshots(both, listed_twice("Other", "Intel"), {}) == []
    (change,) = compare_snapshots(both, listed_twice("Other"), {})
    assert change["detail"] == vendors(["Intel", "Other"], "Other")


def test_an_image_without_a_host_that_was_seen_says_nothing() -> None:
    """It may stand in the report all the same."""
    document = document_of(cluster(by("Intel")))
    expected = build_snapshot(report_of(document), None)
    for hosts in ([], ["host-9"]):
        listing = {"software_info": by("Other"), "host_list": hosts}
        document["image_categories"].setdefault("host_image_list", []).append(listing)
    assert build_snapshot(report_of(document), None) == expected


def with_alternative(vendor: str | None, inside: str | None, name: str = "For others") -> Wire:
    """An image and its alternative, with the same driver."""
    criteria = {"selection_type": "HOST_UUID", "host_uuids": ["a"]}
    there = {**alternative(criteria), "components": by(inside)["components"], "display_name": name}
    return {**by(vendor), "alternative_images": {"alt": there}}


def test_an_alternative_image_has_words_of_its_own() -> None:
    """What changes in it is not told of the image that it is for, nor the other way round."""
    (change,) = changes_between(
        cluster(with_alternative("Intel", "Other")), cluster(with_alternative("Intel", "Intel"))
    )
    assert (change["alternative_image"], change["detail"]) == ("alt", vendors("Other", "Intel"))
    (change,) = changes_between(
        cluster(with_alternative("Intel", "Other")), cluster(with_alternative(None, "Other"))
    )
    assert (change["alternative_image"], change["detail"]) == (None, vendors("Intel", None))


def test_the_name_of_an_alternative_image_belongs_to_the_hosts_that_have_it() -> None:
    """Two hosts call it differently, and one of them calls it differently now."""
    one, two, three = (with_alternative("Intel", "Intel", name) for name in ("one", "two", "three"))
    (change,) = changes_between(cluster(one, two), cluster(one, three))
    assert (change["element"], change["kind"], change["hosts"]) == (
        "alternative_image",
        "relabelled",
        ["host-2"],
    )
    assert change["detail"] == {"from": {"display_name": "two"}, "to": {"display_name": "three"}}
    before = snapshot_of(cluster(one, two))
    blind = snapshot_of(without(cluster(one, two), "host-2"), 0, before)
    assert blind == before


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


def test_a_host_added_again_is_told_with_its_own_words() -> None:
    """Within one check, or when it left in an earlier one."""
    before = snapshot_of(cluster(by("Other"), by("Intel")))
    known = before["images"][str(before["hosts"]["host-2"]["image"])]
    back = ClusterModel({"host-1": HostModel("esx1", by("Other")), "host-99": HostModel("esx2", by("New"))})
    expected = [
        ("host", "changed", ["host-99"], None),
        ("component", "relabelled", ["host-99"], vendors("Intel", "New")),
    ]
    assert told(compare_snapshots(before, snapshot_of(back), {})) == expected
    departed = {"host-2": DepartedHost("esx2", known, Descriptions(before).of("host-2"))}
    assert told(compare_snapshots(snapshot_of(cluster(by("Other"))), snapshot_of(back), departed)) == expected


def test_a_label_that_was_stored_for_all_hosts_together_is_no_change() -> None:
    """As snapshots once were: whose it is is not known, and all of them are everybody's."""
    before = snapshot_of(cluster(by("Intel"), by("Other")))
    del before["described"]
    blind = snapshot_of(without(cluster(by("Intel"), by("Other")), "host-1"), 0, before)
    assert [change["hosts"] for change in compare_snapshots(before, blind, {})] == [["host-2"]]
    assert [change["hosts"] for change in compare_snapshots(blind, before, {})] == [["host-2"]]
