from datetime import UTC, datetime, timedelta

from esx_drift.domain.dispatching.known_clusters import list_unwatched_clusters
from esx_drift.domain.dispatching.listing import ReconciledListing, reconcile_listing
from esx_drift.domain.fleet.fleet import VCenterSettings, find_excluding_pattern
from esx_drift.domain.stored.types import KnownCluster
from esx_drift.domain.text.times import format_time
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
EARLIER = format_time(NOW - timedelta(days=1))
IDS = st.from_regex(r"domain-c[0-9]{1,2}", fullmatch=True)
NAMES = st.sampled_from(["prod-a", "prod-b", "lab-1", "lab-2", "<!channel>", "ünïcode"])
LISTED = st.dictionaries(IDS, NAMES, max_size=8)
KNOWN = st.dictionaries(
    IDS,
    st.builds(
        lambda name, before, retired: KnownCluster(
            name=name,
            watched_as=before,
            first_listed_at=EARLIER,
            last_listed_at=EARLIER,
            retired_at=EARLIER if retired else None,
        ),
        NAMES,
        NAMES,
        st.booleans(),
    ),
    max_size=8,
)
WATCHED = st.builds(
    lambda include, exclude: VCenterSettings("vc01", include=include, exclude=exclude),
    st.sampled_from([("*",), ("prod-*",)]),
    st.sampled_from([(), ("lab-*",), ("domain-c1",)]),
)


def _kinds(reconciled: ReconciledListing) -> set[str]:
    return {condition.kind for condition in reconciled.conditions}


@given(WATCHED, LISTED, KNOWN)
def test_no_cluster_is_lost(
    vcenter: VCenterSettings, listed: dict[str, str], known: dict[str, KnownCluster]
) -> None:
    """Each that is listed or known stays known; each that is listed is expected or left out by pattern."""
    reconciled = reconcile_listing(vcenter, listed, known, NOW)
    excluded = {one["cluster"] for one in reconciled.excluded}
    assert reconciled.known.keys() == listed.keys() | known.keys()
    assert listed.keys() <= reconciled.expected.keys() | excluded
    assert not reconciled.expected.keys() & excluded
    for cluster, entry in reconciled.known.items():
        assert (cluster in reconciled.expected) == (entry["retired_at"] is None)


@given(WATCHED, LISTED, KNOWN)
def test_what_is_missing_is_expected_and_not_listed(
    vcenter: VCenterSettings, listed: dict[str, str], known: dict[str, KnownCluster]
) -> None:
    """And either each is told, or that the listing is not to be trusted; never both."""
    reconciled = reconcile_listing(vcenter, listed, known, NOW)
    missing = {one["cluster"] for one in reconciled.missing}
    assert missing == reconciled.expected.keys() - listed.keys()
    beside = {"cluster-renamed", "nothing-watched"}
    of_listing = [one for one in reconciled.conditions if one.kind not in beside]
    if "vcenter-authorization" in _kinds(reconciled):
        assert len(of_listing) == 1
        assert not {"cluster-missing", "check-overdue"} & reconciled.ruled_out_kinds
    else:
        assert {condition.subject for condition in of_listing} == missing
        assert {"cluster-missing", "check-overdue"} <= reconciled.ruled_out_kinds


@given(WATCHED, LISTED, KNOWN)
def test_a_vcenter_of_which_nothing_is_watched_is_told(
    vcenter: VCenterSettings, listed: dict[str, str], known: dict[str, KnownCluster]
) -> None:
    """Exactly where clusters are listed and none is to be checked; only a listing of some can end it."""
    reconciled = reconcile_listing(vcenter, listed, known, NOW)
    is_told = "nothing-watched" in _kinds(reconciled)
    assert is_told == (bool(listed) and not reconciled.expected)
    assert not (is_told and "vcenter-authorization" in _kinds(reconciled))
    assert ("nothing-watched" in reconciled.ruled_out_kinds) == bool(listed)


@given(WATCHED, LISTED, LISTED)
def test_a_new_name_ends_no_watch(
    vcenter: VCenterSettings, listed: dict[str, str], later: dict[str, str]
) -> None:
    """Whoever may rename a cluster does not decide what is watched: it is told for as long as it is so."""
    first = reconcile_listing(vcenter, listed, {}, NOW)
    second = reconcile_listing(vcenter, later, first.known, NOW)
    third = reconcile_listing(vcenter, later, second.known, NOW)
    assert first.expected.keys() <= second.expected.keys()
    for reconciled in (second, third):
        renamed = {one.subject for one in reconciled.conditions if one.kind == "cluster-renamed"}
        assert renamed == {
            cluster
            for cluster in first.expected.keys() & later.keys()
            if find_excluding_pattern(vcenter, cluster, later[cluster])
        }


def test_whoever_writes_the_fleet_file_ends_a_watch() -> None:
    """Of a cluster under whatever name."""
    everything = VCenterSettings("vc01", exclude=("lab-*",))
    known = reconcile_listing(everything, {"domain-c9": "prod-a"}, {}, NOW).known
    known = reconcile_listing(everything, {"domain-c9": "lab-a"}, known, NOW).known
    stricter = VCenterSettings("vc01", exclude=("lab-*", "prod-a"))
    reconciled = reconcile_listing(stricter, {"domain-c9": "lab-a"}, known, NOW)
    assert reconciled.expected == {}
    assert [one["pattern"] for one in reconciled.excluded] == ["exclude: lab-*"]


@given(WATCHED, LISTED, KNOWN)
def test_the_same_listing_again_says_nothing_new(
    vcenter: VCenterSettings, listed: dict[str, str], known: dict[str, KnownCluster]
) -> None:
    """Notices are of what changed since the listing before."""
    first = reconcile_listing(vcenter, listed, known, NOW)
    second = reconcile_listing(vcenter, listed, first.known, NOW + timedelta(hours=4))
    assert second.notices == []
    assert second.expected == first.expected


@given(WATCHED, LISTED)
def test_a_first_listing_is_no_news(vcenter: VCenterSettings, listed: dict[str, str]) -> None:
    """Sixty clusters that are new because all is new are no sixty notices."""
    assert reconcile_listing(vcenter, listed, {}, NOW).notices == []


@given(WATCHED, LISTED.filter(bool))
def test_a_vcenter_that_fails_leaves_unwatched_what_it_listed(
    vcenter: VCenterSettings, listed: dict[str, str]
) -> None:
    """Just the clusters that a run would have asked for."""
    reconciled = reconcile_listing(vcenter, listed, {}, NOW)
    names = {one["cluster"]: one["name"] for one in list_unwatched_clusters(reconciled.known, vcenter)}
    assert names == reconciled.expected


def test_what_is_listed_again_is_watched_again() -> None:
    """Whoever retired it believed it gone; its time to be looked at begins anew."""
    known: dict[str, KnownCluster] = {
        "domain-c9": {
            "name": "prod-a",
            "watched_as": "prod-a",
            "first_listed_at": EARLIER,
            "last_listed_at": EARLIER,
            "retired_at": EARLIER,
        }
    }
    reconciled = reconcile_listing(VCenterSettings("vc01"), {"domain-c9": "prod-a"}, known, NOW)
    assert reconciled.expected == {"domain-c9": "prod-a"}
    assert reconciled.known["domain-c9"]["first_listed_at"] == format_time(NOW)
    (notice,) = reconciled.notices
    assert "watched again" in notice
