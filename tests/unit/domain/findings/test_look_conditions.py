"""What one fresh look shows, how bad it is, and in which words."""

from copy import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest
from esx_drift.domain.findings.condition import Condition, build_condition
from esx_drift.domain.findings.look_conditions import (
    UnreviewedSoftware,
    keep_open_for_unseen,
    list_look_conditions,
)
from esx_drift.domain.images.consistency import list_document_inconsistencies
from esx_drift.domain.images.labels import name_esxi_release
from esx_drift.domain.images.report import (
    ReportedHost,
    build_inventory,
    list_uncovered_hosts,
    measure_coverage,
)
from esx_drift.domain.images.snapshot import build_snapshot
from esx_drift.domain.stored.types import Accepted

from tests.unit.domain.changes.clusters import (
    ClusterModel,
    HostModel,
    Wire,
    document_of,
    report_of,
    snapshot_of,
)
from tests.unit.domain.changes.sample import component, notification, software
from tests.unit.events import change

if TYPE_CHECKING:
    from esx_drift.domain.images.document import Document

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LONG_AGO, LATELY = "2026-11-16T02:14:00.000Z", "2026-11-23T11:00:00.000Z"
VIB = "smntemp(910.1.0.0005-5vmw.803.0.0.24022510)"


def look(cluster: ClusterModel, document: Wire | None = None, **more: Any) -> list[Condition]:  # noqa: ANN401 -- what conditions takes
    """What a look at this cluster shows."""
    document = document or document_of(cluster)
    report = report_of(document)
    known: dict[str, Any] = {
        "now": NOW,
        "uncovered_since": {},
        "accepted": {},
        "first_look": False,
        "blind_after_seconds": 72 * 3600,
        "document_inconsistencies": list_document_inconsistencies(cast("Document", document)),
    }
    baseline = more.pop("baseline", None)
    inventory = more.pop("inventory", build_inventory(report))
    snapshot = build_snapshot(report, baseline, {host: seen.name for host, seen in inventory.items()})
    return list_look_conditions(report, snapshot, inventory, **{**known, **more})


def kinds(found: list[Condition]) -> list[tuple[str, str, str]]:
    """Kind, subject and severity of each that opens a finding."""
    return [(condition.kind, condition.subject, condition.severity) for condition in found if condition.opens]


def hosts(number: int, **vibs: frozenset[str]) -> dict[str, HostModel]:
    """So many hosts on one image."""
    return {
        f"host-{one}": HostModel(f"esx{one}", software(), vibs.get(f"host_{one}", frozenset()))
        for one in range(1, number + 1)
    }


def upgraded() -> Wire:
    """The next release."""
    found = software()
    found["base_image"]["version"] = "8.0.3-0.70.24674464"
    found["base_image"]["details"]["display_version"] = "8.0 U3e - 24674464"
    return found


def test_nothing_is_shown_by_a_healthy_cluster() -> None:
    """Silence."""
    assert look(ClusterModel(hosts(3))) == []


def test_outliers_are_named_with_what_they_run() -> None:
    """The majority first; hosts are the outliers."""
    some = hosts(4) | {"host-9": HostModel("esx9", upgraded())}
    (found,) = look(ClusterModel(some))
    assert kinds([found]) == [("image-not-uniform", "", "warning")]
    assert (
        found.summary
        == "4 of 5 hosts run ESXi 8.0 U3d (build 24585383); esx9 runs ESXi 8.0 U3e (build 24674464)"
    )
    assert found.hosts == ("host-9",)
    assert found.detail["outliers"] == [
        {
            "release": "ESXi 8.0 U3e",
            "hosts": ["host-9"],
            "differs_in": ["base image"],
            "differing_parts": 1,
        }
    ]


def test_many_groups_are_cut_short() -> None:
    """Three are told, the rest counted; with a host on each image only their number."""
    some = hosts(2)
    for number in range(5):
        image = software()
        image["base_image"] = {"version": f"9.{number}"}
        some[f"host-2{number}"] = HostModel(f"odd{number}", image)
    (found,) = look(ClusterModel(some))
    assert found.summary == (
        "2 of 7 hosts run ESXi 8.0 U3d (build 24585383); odd4 runs ESXi 9.4; odd3 runs ESXi 9.3;"
        " odd2 runs ESXi 9.2; 2 more hosts something else"
    )
    del some["host-1"]
    (found,) = look(ClusterModel(some))
    assert found.summary == "6 hosts run 6 different images"


def test_outliers_on_one_release_are_told_apart() -> None:
    """That both are called ESXi 8.0 U3e would explain nothing."""
    other, third = upgraded(), upgraded()
    other["components"]["Intel-i40en"] = component("2.9.2.0-1OEM.800.1.0.20613240")
    third["components"] = {}
    third["solutions"] = {}
    (found,) = look(running(X, X, X, X, X, Y, Y, other, third))
    assert found.summary == (
        "5 of 9 hosts run ESXi 8.0 U3d (build 24585383); esx6, esx7 run ESXi 8.0 U3e (build 24674464);"
        " esx8 runs ESXi 8.0 U3e (build 24674464), but differs from esx6 in component Intel-i40en;"
        " esx9 runs ESXi 8.0 U3e (build 24674464), but differs from esx6 in 2 parts"
    )


def test_of_two_hosts_it_is_said_what_they_run() -> None:
    """There is no majority, but neither is there much to tell."""
    other = {**X, "components": {}}
    for second, summary in (
        (Y, "esx1 runs ESXi 8.0 U3d (build 24585383); esx2 runs ESXi 8.0 U3e (build 24674464)"),
        (other, "esx1 and esx2 run ESXi 8.0 U3d (build 24585383), but differ in component Intel-i40en"),
    ):
        (found,) = look(running(X, second))
        assert found.summary == summary


def test_a_witness_is_no_outlier() -> None:
    """It runs what it likes."""
    assert look(ClusterModel(hosts(2) | {"host-9": HostModel("w", upgraded(), witness=True)})) == []


def offering(image: Wire, *alternatives: Wire) -> Wire:
    """The image, with these as its alternative images."""
    criteria = {"selection_type": "HOST_UUID", "host_uuids": ["a"]}
    inside = [{**part, "display_name": "For others", "selection_criteria": criteria} for part in alternatives]
    return {**image, "alternative_images": {str(number): one for number, one in enumerate(inside)}}


def running(*images: Wire) -> ClusterModel:
    """One host on each of these images."""
    return ClusterModel(
        {f"host-{number}": HostModel(f"esx{number}", image) for number, image in enumerate(images, 1)}
    )


X, Y = software(), upgraded()
OUTLIERS: dict[str, tuple[list[Wire], tuple[str, ...]]] = {
    "an alternative of the others' image is none": ([offering(X, Y)] * 4 + [Y], ()),
    "nor one that some of the others' images offer": ([X, X, X, offering(X, Y), Y], ()),
    "of two equally large groups the one that offers counts": ([Y, offering(X, Y)], ()),
    "an image that offers itself still counts": ([offering(X, X)] * 4 + [Y], ("host-5",)),
    "it excuses itself by nobody's leave": ([X] * 4 + [offering(Y, Y)], ("host-5",)),
    "nor by offering what the others run": ([X] * 4 + [offering(Y, X)], ("host-5",)),
}


@pytest.mark.parametrize("case", OUTLIERS)
def test_who_is_an_outlier_where_images_offer_alternatives(case: str) -> None:
    """What the most hosts run decides what is an alternative, and not what one host's image claims."""
    images, outliers = OUTLIERS[case]
    found = [one for one in look(running(*images)) if one.kind == "image-not-uniform"]
    assert [one.hosts for one in found] == ([outliers] if outliers else [])


@pytest.mark.parametrize(
    ("more", "severity"),
    [
        ({"first_look": True}, "warning"),
        ({}, "critical"),
        ({"accepted": {"host-1": Accepted(image=None, orphaned_vibs=[VIB], snapshot="")}}, "warning"),
    ],
)
def test_an_orphaned_vib_is_worse_if_nobody_knew_it(more: dict[str, Any], severity: str) -> None:
    """There at the first look, or accepted since: a warning."""
    found = look(ClusterModel(hosts(2, host_1=frozenset({VIB}))), **more)
    assert ("orphaned-vib", VIB, severity) in kinds(found)


def test_an_orphaned_vib_on_another_host_is_new_again() -> None:
    """Accepted on one host is not accepted on the next."""
    accepted = {"host-1": Accepted(image=None, orphaned_vibs=[VIB], snapshot="")}
    (found,) = look(
        ClusterModel(hosts(2, host_1=frozenset({VIB}), host_2=frozenset({VIB}))), accepted=accepted
    )
    assert (found.severity, found.hosts, found.detail) == (
        "critical",
        ("host-1", "host-2"),
        {"not_accepted_on": ["host-2"]},
    )


def test_an_orphaned_vib_counts_while_its_host_is_unseen() -> None:
    """As long as it is known of it, or reported all the same."""
    known = snapshot_of(ClusterModel(hosts(2, host_1=frozenset({VIB}))))
    blind = ClusterModel({"host-2": hosts(2)["host-2"]}, failed={"host-1": "esx1"})
    assert ("orphaned-vib", VIB, "critical") in kinds(look(blind, baseline=known))
    reported = document_of(blind) | {"orphaned_vibs": {VIB: ["host-1"]}}
    assert ("orphaned-vib", VIB, "critical") in kinds(look(blind, reported))


@pytest.mark.parametrize("critical", ["the net difference", "what changed now", "neither"])
def test_what_is_not_as_accepted_is_as_bad_as_what_made_it_so(critical: str) -> None:
    """Whoever heard of a downgrade hears of its end; another host's makes it no worse."""
    cluster = ClusterModel(hosts(2))
    accepted = {"host-1": Accepted(image="another", orphaned_vibs=[], snapshot="")}
    host = "host-1" if critical == "what changed now" else "host-2"
    down = change("component", "downgraded", "Intel-i40en", severity="critical", hosts=[host])
    net = UnreviewedSoftware({}, "critical" if critical == "the net difference" else "info")
    found = look(cluster, accepted=accepted, changes=[down], unreviewed=net)
    severity = "warning" if critical == "neither" else "critical"
    assert ("drift-unreviewed", "", severity) in kinds(found)


def test_at_a_first_look_a_host_that_is_known_from_elsewhere_brings_news() -> None:
    """What ran there was accepted with it; what is new on it since is as bad as anywhere."""
    known = {"host-1": Accepted(image=None, orphaned_vibs=[], snapshot="")}
    vibs = frozenset({VIB})
    found = look(ClusterModel(hosts(2, host_1=vibs)), accepted=known, first_look=True)
    assert kinds(found) == [("orphaned-vib", VIB, "critical")]
    found = look(ClusterModel(hosts(2, host_2=vibs)), accepted=known, first_look=True)
    assert kinds(found) == [("orphaned-vib", VIB, "warning")]


def test_what_was_not_accepted_stays_to_be_reviewed() -> None:
    """One condition for the cluster, for the hosts of another image; a VIB has a finding of its own."""
    cluster = ClusterModel(hosts(3, host_2=frozenset({VIB})))
    images = snapshot_of(cluster)["hosts"]
    accepted = {
        "host-1": Accepted(image=images["host-1"]["image"], orphaned_vibs=[], snapshot=""),
        "host-2": Accepted(image=images["host-2"]["image"], orphaned_vibs=[], snapshot=""),
        "host-3": Accepted(image="another", orphaned_vibs=[], snapshot=""),
    }
    found = look(cluster, accepted=accepted)[0]
    assert (found.kind, found.hosts) == ("drift-unreviewed", ("host-3",))
    assert found.summary == "esx3 is not as last accepted"


@pytest.mark.parametrize(
    ("second", "uniformity_opens"), [(X, False), (Y, True)], ids=["others uniform", "others not uniform"]
)
def test_an_unseen_host_keeps_open_each_kind_by_itself(second: Wire, *, uniformity_opens: bool) -> None:
    """Not as accepted, and not uniform: what the hosts seen show of one kind says nothing of the other."""
    known = snapshot_of(running(X, second, Y))
    accepted = {
        host: Accepted(image=known["hosts"][host]["image"], orphaned_vibs=[], snapshot="")
        for host in ("host-1", "host-2")
    } | {"host-3": Accepted(image="another", orphaned_vibs=[], snapshot="")}
    seen = running(X, second)
    blind = ClusterModel(seen.hosts, failed={"host-3": "esx3"})
    found = [one for one in look(blind, baseline=known, accepted=accepted) if one.family == "drift"]
    assert {one.kind: one.opens for one in found} == {
        "drift-unreviewed": False,
        "image-not-uniform": uniformity_opens,
    }


def test_what_unseen_hosts_keep_open_is_never_lost_to_another_kind() -> None:
    """Nor to another subject; what is seen of the same goes before what was last known of it."""
    uneven, unreviewed = (build_condition(kind, "seen") for kind in ("image-not-uniform", "drift-unreviewed"))
    old = [replace(uneven, summary="last known"), replace(unreviewed, summary="last known")]
    vibs = [build_condition("orphaned-vib", "it is so", subject=vib) for vib in ("a", "b")]
    assert keep_open_for_unseen([uneven, vibs[0]], [*old, *vibs]) == [
        uneven,
        vibs[0],
        replace(old[1], opens=False),
        replace(vibs[1], opens=False),
    ]


@pytest.mark.parametrize(
    ("since", "severity", "blind"),
    [
        (LATELY, "warning", ""),
        (LONG_AGO, "critical", ", not seen since 16 Nov 02:14 UTC"),
        (LONG_AGO.replace("2026", "2025"), "critical", ", not seen since 16 Nov 2025 02:14 UTC"),
    ],
)
def test_a_host_unseen_for_too_long_is_critical(since: str, severity: str, blind: str) -> None:
    """Making a look fail is how one hides something."""
    cluster = ClusterModel(hosts(1), failed={"host-9": "esx9"})
    document = document_of(cluster)
    document["host_notifications"]["host-9"] = {"errors": [notification("ERROR", "It does not answer.")]}
    (found,) = look(cluster, document, uncovered_since={"host-9": since})
    assert (found.kind, found.subject, found.severity) == ("host-failed", "host-9", severity)
    assert found.summary == f'esx9 could not be read{blind}: "It does not answer."'


def test_a_host_that_is_not_seen_is_told_with_its_last_known_image() -> None:
    """By its release; nothing is made up of one that nobody ever read."""
    cluster = ClusterModel(hosts(1), failed={"host-2": "esx2", "host-3": "esx3"})
    since = {"host-2": LATELY, "host-3": LATELY}
    before = snapshot_of(ClusterModel(hosts(2)))
    known, unknown = look(cluster, uncovered_since=since, baseline=before)
    (image,) = before["images"].values()
    version, release = image["main"]["base_image"], name_esxi_release(image, before["labels"])
    assert known.detail["last_image"] == {"version": version, "release": release}
    assert "last_image" not in unknown.detail


def test_a_host_too_old_is_harmless_unless_it_was_seen_before() -> None:
    """An old release stays old; but one that was read has been put back."""
    cluster = ClusterModel(hosts(1), unsupported={"host-2": "esx2"})
    since = {"host-2": LONG_AGO}
    assert kinds(look(cluster, uncovered_since=since)) == [("host-unsupported", "host-2", "info")]
    before = snapshot_of(ClusterModel(hosts(2)))
    assert kinds(look(cluster, uncovered_since=since, baseline=before)) == [
        ("host-unsupported", "host-2", "critical")
    ]


def test_a_host_missing_from_the_report_is_told_with_its_state() -> None:
    """The inventory knows more than the report."""
    inventory = {
        "host-1": ReportedHost("esx1", "CONNECTED", "POWERED_ON"),
        "host-2": ReportedHost("esx2", "NOT_RESPONDING", "POWERED_OFF"),
    }
    cluster = ClusterModel(hosts(1))
    report = report_of(document_of(cluster))
    known = snapshot_of(ClusterModel(hosts(2)))
    (found,) = look(cluster, inventory=inventory, baseline=known)
    assert found.summary == "esx2 is missing from the report, NOT_RESPONDING, POWERED_OFF"
    assert measure_coverage(report, inventory) == {"hosts": 2, "covered": 1, "failed": 0, "unsupported": 0}
    assert list_uncovered_hosts(report, inventory) == [
        {
            "host": "host-2",
            "name": "esx2",
            "why": "missing",
            "connection_state": "NOT_RESPONDING",
            "power_state": "POWERED_OFF",
        }
    ]


def test_an_empty_cluster_and_one_too_old_are_told_once() -> None:
    """As information, not as a failure of each host."""
    assert kinds(look(ClusterModel({}))) == [("extraction-unavailable", "", "info")]
    old = ClusterModel({}, unsupported={"host-1": "a", "host-2": "b"})
    (found,) = (one for one in look(old, document_of(old) | {"status": "UNAVAILABLE"}) if one.opens)
    assert (found.kind, found.severity, found.hosts) == ("host-unsupported", "info", ("host-1", "host-2"))


@pytest.mark.parametrize(
    ("status", "managed", "kind", "severity"),
    [
        ("UNAVAILABLE", None, "extraction-unavailable", "warning"),
        ("EXTRACT_INSTALLED_IMAGE_FAILURE", None, "extraction-failed", "warning"),
        ("ELIGIBILITY_CHECK_FAILURE", None, "eligibility-failed", "info"),
        ("ELIGIBILITY_CHECK_FAILURE", True, "eligibility-failed", "warning"),
        ("OF_A_LATER_RELEASE", None, "extraction-unavailable", "warning"),
    ],
)
def test_a_status_is_told_for_the_cluster(
    status: str,
    managed: bool | None,  # noqa: FBT001 -- a column of the table
    kind: str,
    severity: str,
) -> None:
    """And speaks for the hosts that are only missing."""
    inventory = {"host-1": ReportedHost("esx1", "CONNECTED"), "host-2": ReportedHost("esx2", "CONNECTED")}
    empty = ClusterModel({})
    known = snapshot_of(ClusterModel(hosts(2)))
    document = document_of(empty) | {"status": status}
    document["notifications"] = {"ELIGIBILITY_CHECK": {"errors": [notification("ERROR", "no")]}}
    found = look(empty, document, inventory=inventory, managed_by_image=managed, baseline=known)
    assert kinds(found) == [(kind, "", severity)]
    assert found[0].hosts == ("host-1", "host-2")
    since = dict.fromkeys(inventory, LONG_AGO)
    blind = look(empty, document, inventory=inventory, uncovered_since=since, baseline=known)
    assert blind[0].severity == "critical"


NO = {"errors": [notification("ERROR", "no")]}
ONE_OF_TWO = {
    "is_highest_and_widely_used_image_equal": True,
    "highest_versioned_image": {"software_info": software(), "host_list": ["host-1", "host-2"]},
}
CONTRADICTIONS: dict[str, Wire] = {
    "in more than one of the lists": {"failed_hosts": ["host-1"]},
    "listed under an image, but was not read": {"successful_hosts": ["host-2"], "failed_hosts": ["host-1"]},
    "called not uniform, but all hosts run the same": {"uniform_image": False},
    "called uniform, but the most widely used or the highest versioned one is missing": {
        "image_categories": ONE_OF_TWO
    },
    'called successful, but reports an error: "no"': {"notifications": {"EXTRACT_INSTALLED_IMAGE": NO}},
    'called successful, but the eligibility check reports an error: "no"': {
        "notifications": {"ELIGIBILITY_CHECK": NO}
    },
    'called successful, but LATER reports an error: "no"': {"notifications": {"LATER": NO}},
    "the eligibility check is called failed, but reports no error": {
        "status": "ELIGIBILITY_CHECK_FAILURE",
        "notifications": {"EXTRACT_INSTALLED_IMAGE": NO},
    },
    f"{VIB} is orphaned on host-99, which is in none of the lists of hosts": {
        "orphaned_vibs": {VIB: ["host-99"]}
    },
    'host-99 has an error, but is in none of the lists of hosts: "no"': {
        "host_notifications": {"host-99": NO}
    },
    f"{VIB} is called orphaned, but on no host": {"orphaned_vibs": {VIB: []}},
}


@pytest.mark.parametrize("sentence", CONTRADICTIONS)
def test_a_contradiction_is_told(sentence: str) -> None:
    """In the report's own terms, once for the document."""
    cluster = ClusterModel(hosts(2))
    found = look(cluster, document_of(cluster) | CONTRADICTIONS[sentence])
    (contradiction,) = [condition for condition in found if condition.kind == "document-inconsistent"]
    assert sentence in contradiction.summary


def test_what_is_no_error_contradicts_nothing() -> None:
    """By the way is by the way, of a stranger as of an operation."""
    cluster = ClusterModel(hosts(2))
    told = {"info": [notification("INFO", "by the way")]}
    for facts in ({"host_notifications": {"host-99": told}}, {"notifications": {"ELIGIBILITY_CHECK": told}}):
        assert look(cluster, document_of(cluster) | facts) == []


def test_a_host_that_is_in_no_list_but_in_the_inventory_has_its_findings() -> None:
    """The inventory knows who belongs to the cluster, whatever the report forgets."""
    cluster = ClusterModel(hosts(2))
    inventory = {f"host-{number}": ReportedHost(f"esx{number}", "CONNECTED") for number in (1, 2, 99)}
    facts = {"orphaned_vibs": {VIB: ["host-99"]}, "host_notifications": {"host-99": NO}}
    found = look(cluster, document_of(cluster) | facts, inventory=inventory)
    assert kinds(found) == [
        ("orphaned-vib", VIB, "critical"),
        ("document-inconsistent", "", "warning"),
        ("host-not-covered", "host-99", "warning"),
    ]
    assert found[-1].summary == 'esx99 is missing from the report: "no"'


@pytest.mark.parametrize("again", [0, 1])
def test_an_image_that_is_listed_again_is_told(again: int) -> None:
    """The list is for the images that are neither of the two named ones."""
    named = [{"software_info": image, "host_list": [f"host-{n}"]} for n, image in enumerate((X, Y), 1)]
    third: Wire = {**Y, "components": {}}
    other = {"software_info": third, "host_list": ["host-3"]}
    cluster = running(X, Y, third)
    categories = {
        "is_highest_and_widely_used_image_equal": False,
        "most_widely_used_image": named[0],
        "highest_versioned_image": named[1],
        "host_image_list": [other],
    }
    document = document_of(cluster) | {"image_categories": categories}
    assert [one.kind for one in look(cluster, document)] == ["image-not-uniform"]
    categories["host_image_list"] = [other, named[again]]
    found = look(cluster, document)[-1]
    which = ("most widely used", "highest versioned")[again]
    assert f"the {which} image is listed again among the other images" in found.summary


def test_the_flags_of_the_categories_are_held_against_the_images() -> None:
    """Both ways."""
    cluster = ClusterModel({"host-1": HostModel("a", software()), "host-2": HostModel("b", upgraded())})
    document = document_of(cluster)
    first, second = ({"software_info": image, "host_list": []} for image in (software(), upgraded()))
    for equal, other in ((True, second), (False, first)):
        document["image_categories"] = {
            "is_highest_and_widely_used_image_equal": equal,
            "most_widely_used_image": first,
            "highest_versioned_image": other,
        }
        found = look(cluster, document | {"successful_hosts": [], "failed_hosts": ["host-1", "host-2"]})
        lines = [str(line) for one in found for line in one.detail.get("inconsistencies", [])]  # type: ignore[union-attr] # a list
        assert any(("are called equal" if equal else "are called different") in line for line in lines)
