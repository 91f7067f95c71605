"""A change that was made is a change that is told, under its own name, and nothing else is."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.changes.clusters import ClusterModel, HostModel, Wire, changes_between
from tests.unit.domain.changes.sample import alternative, component, software
from tests.unit.domain.changes.strategies import HOSTILE
from tests.unit.examples import try_examples

type Mutation = Callable[[Wire], None]


def put(*path: str, value: Any) -> Mutation:  # noqa: ANN401 -- any JSON
    """Set a value, or with ``...`` take it out."""

    def mutate(found: Wire) -> None:
        holder = found
        for step in path[:-1]:
            holder = holder[step]
        if value is ...:
            del holder[path[-1]]
        else:
            holder[path[-1]] = value

    return mutate


WCP = "com.vmware.vsphere-wcp"
HSM = "com.hpe.oneview"
ALTERNATIVE = "8.0.2-0.0.22380479"


def by_uuid() -> Wire:
    """An alternative image, of another release."""
    found = alternative({"selection_type": "HOST_UUID", "host_uuids": ["a"]})
    return found | {"base_image": {"version": ALTERNATIVE}}


NEWER, OLDER = "9.0.2.0.25148076", "7.0.3-0.35.19482537"
PACKAGE = ("hardware_support", "packages", HSM)
INSIDE = ("alternative_images", "alt")

# what is done to the image, and the change that it is: element, kind, key, from, to, severity
TABLE: dict[str, tuple[Mutation, tuple[str, str, str, str | None, str | None, str]]] = {
    "base image up": (
        put("base_image", "version", value=NEWER),
        ("base_image", "upgraded", "base_image", "8.0.3-0.60.24585383", NEWER, "warning"),
    ),
    "base image down": (
        put("base_image", "version", value=OLDER),
        ("base_image", "downgraded", "base_image", "8.0.3-0.60.24585383", OLDER, "critical"),
    ),
    "base image of no order": (
        put("base_image", "version", value="custom"),
        ("base_image", "changed", "base_image", "8.0.3-0.60.24585383", "custom", "warning"),
    ),
    "base image described otherwise": (
        put("base_image", "details", "display_name", value="ESX"),
        ("base_image", "relabelled", "base_image", "8.0.3-0.60.24585383", "8.0.3-0.60.24585383", "info"),
    ),
    "base image no longer described": (
        put("base_image", "details", value=...),
        ("base_image", "relabelled", "base_image", "8.0.3-0.60.24585383", "8.0.3-0.60.24585383", "info"),
    ),
    "add-on up": (
        put("add_on", "version", value="803.0.0.11.8.0-6"),
        (
            "add_on",
            "upgraded",
            "add_on",
            "HPE-Custom-AddOn 803.0.0.11.7.0-23",
            "HPE-Custom-AddOn 803.0.0.11.8.0-6",
            "warning",
        ),
    ),
    "another add-on": (
        put("add_on", value={"name": "DEL-ESXi", "version": "803.24585383-A03"}),
        (
            "add_on",
            "changed",
            "add_on",
            "HPE-Custom-AddOn 803.0.0.11.7.0-23",
            "DEL-ESXi 803.24585383-A03",
            "warning",
        ),
    ),
    "add-on gone": (
        put("add_on", value=None),
        ("add_on", "removed", "add_on", "HPE-Custom-AddOn 803.0.0.11.7.0-23", None, "warning"),
    ),
    "component added": (
        put("components", "mft", value=component("4.25.0.802-0")),
        ("component", "added", "mft", None, "4.25.0.802-0", "warning"),
    ),
    "component without a version": (
        put("components", "Intel-i40en", "version", value=None),
        ("component", "changed", "Intel-i40en", "2.7.2.0-1OEM.800.1.0.20613240", "", "warning"),
    ),
    "component removed": (
        put("components", "Intel-i40en", value=...),
        ("component", "removed", "Intel-i40en", "2.7.2.0-1OEM.800.1.0.20613240", None, "warning"),
    ),
    "solution up": (
        put("solutions", WCP, "version", value="0.2"),
        ("solution", "upgraded", WCP, "0.1.11-24022510", "0.2", "info"),
    ),
    "solution of other components": (
        put("solutions", WCP, "components", value=[{"component": "other"}]),
        ("solution", "changed", WCP, "0.1.11-24022510", "0.1.11-24022510", "warning"),
    ),
    "solution down": (
        put("solutions", WCP, "version", value="0.1.10-24022510"),
        ("solution", "downgraded", WCP, "0.1.11-24022510", "0.1.10-24022510", "critical"),
    ),
    "firmware package up": (
        put(*PACKAGE, "version", value="2025.01"),
        ("hardware_support_package", "upgraded", HSM, "SPP 2024.09", "SPP 2025.01", "warning"),
    ),
    "another firmware package": (
        put(*PACKAGE, "pkg", value="Other"),
        ("hardware_support_package", "changed", HSM, "SPP 2024.09", "Other 2024.09", "warning"),
    ),
    "no firmware any more": (
        put("hardware_support", value=None),
        ("hardware_support_package", "removed", HSM, "SPP 2024.09", None, "warning"),
    ),
    "nothing removed any more": (
        put("removed_components", value=None),
        ("removed_component", "removed", "HPE-nhpsa", "1.0", None, "warning"),
    ),
    "another component removed": (
        put("removed_components", "x", value={}),
        ("removed_component", "added", "x", None, "", "warning"),
    ),
    "alternative image added": (
        put("alternative_images", "other", value=by_uuid()),
        ("alternative_image", "added", "other", None, ALTERNATIVE, "warning"),
    ),
    "alternative image removed": (
        put("alternative_images", "alt", value=...),
        ("alternative_image", "removed", "alt", ALTERNATIVE, None, "warning"),
    ),
    "alternative image for others": (
        put(*INSIDE, "selection_criteria", "host_uuids", value=["b"]),
        ("alternative_image", "changed", "alt", ALTERNATIVE, ALTERNATIVE, "warning"),
    ),
    "alternative image renamed": (
        put(*INSIDE, "display_name", value="Another name"),
        ("alternative_image", "relabelled", "alt", ALTERNATIVE, ALTERNATIVE, "info"),
    ),
    "component of an alternative image down": (
        put(*INSIDE, "components", "Intel-i40en", value=component("2.7.1.0-1OEM.800.1.0.20613240")),
        (
            "component",
            "downgraded",
            "Intel-i40en",
            "2.7.2.0-1OEM.800.1.0.20613240",
            "2.7.1.0-1OEM.800.1.0.20613240",
            "critical",
        ),
    ),
}


def image() -> Wire:
    """An image with everything, an alternative included."""
    return {**software(), "alternative_images": {"alt": by_uuid()}}


def cluster_of(*images: Wire) -> ClusterModel:
    """A host on each image, in order."""
    return ClusterModel(
        {f"host-{number + 9}": HostModel(f"esx{number}", image) for number, image in enumerate(images)}
    )


def mutated(mutation: Mutation) -> Wire:
    """The image after it."""
    found = image()
    mutation(found)
    return found


@pytest.mark.parametrize("name", TABLE)
def test_one_mutation_is_one_change(name: str) -> None:
    """Told once for the two hosts that made the step, and not for the third, which stays.

    A wording is the whole cluster's.
    """
    mutation, expected = TABLE[name]
    relabelled = expected[1] == "relabelled"
    before = cluster_of(image(), image(), image())
    after = cluster_of(mutated(mutation), mutated(mutation) if relabelled else image(), mutated(mutation))
    (change,) = changes_between(before, after)
    assert (
        change["element"],
        change["kind"],
        change["key"],
        change["from"],
        change["to"],
        change["severity"],
    ) == expected
    inside = name.startswith("component of an alternative")
    assert change["alternative_image"] == ("alt" if inside else None)
    assert change["hosts"] == (["host-9", "host-10", "host-11"] if relabelled else ["host-9", "host-11"])
    assert (change["detail"] is None) == (change["from"] != change["to"])


@try_examples(60)
@given(st.lists(st.sampled_from(sorted(TABLE)), min_size=1, max_size=6, unique=True))
def test_several_mutations_are_just_these_changes(names: list[str]) -> None:
    """Nothing is lost or invented when mutations of different parts come together."""
    chosen: dict[tuple[str, str], str] = {}
    for name in names:
        _, (element, kind, key, *_) = TABLE[name]
        if ("alternative" not in name or kind == "relabelled") and "any more" not in name:
            chosen.setdefault((element, key), name)
    found = image()
    for name in chosen.values():
        TABLE[name][0](found)
    changes = changes_between(cluster_of(image()), cluster_of(found))
    assert {(change["element"], change["kind"], change["key"]) for change in changes} == {
        TABLE[name][1][:3] for name in chosen.values()
    }
    assert len(changes) == len(chosen)
    assert all(change["hosts"] == ["host-9"] for change in changes)


def test_a_flipped_majority_says_only_what_changed_for_whom() -> None:
    """One host's upgrade makes another image the most used one: nothing changes for the rest."""
    newer = mutated(TABLE["base image up"][0])
    before = cluster_of(image(), image(), newer, newer)
    after = cluster_of(image(), newer, newer, newer)
    (change,) = changes_between(before, after)
    assert change["hosts"] == ["host-10"]


@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "Intel-i40en"])
def test_hostile_names_come_through_as_they_are(name: str) -> None:
    """Whatever a host, a component, a solution or an alternative image is called."""
    before, after = image(), image()
    after["components"][name] = {"version": name}
    after["solutions"][name] = {"version": name, "components": [{"component": name}]}
    after["alternative_images"][name] = by_uuid()
    after["hardware_support"]["packages"][name] = {"pkg": name, "version": name}
    changes = changes_between(
        ClusterModel({name: HostModel("esx", before)}),
        ClusterModel({name: HostModel("esx", after, frozenset({name}))}),
    )
    assert [(change["element"], change["kind"]) for change in changes] == [
        ("component", "added"),
        ("solution", "added"),
        ("hardware_support_package", "added"),
        ("alternative_image", "added"),
        ("orphaned_vib", "added"),
    ]
    assert all((change["key"], change["hosts"]) == (name, [name]) for change in changes)


def test_a_text_of_many_lines_costs_nothing() -> None:
    """No line diff is made of what a compromised host may fill with lines, as long as a version may be."""
    old, new = ("\n".join(side for _ in range(150)) for side in "ab")
    before, after = image(), image()
    before["components"]["x"], after["components"]["x"] = {"version": old}, {"version": new}
    changes = changes_between(cluster_of(before), cluster_of(after))
    assert [change["to"] for change in changes] == [new]
