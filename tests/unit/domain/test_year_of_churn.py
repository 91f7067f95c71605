"""A year in which everything comes and goes: what a log keeps of it is no more than after a quarter."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from esx_drift.domain.decisions import strike_off_cluster
from esx_drift.domain.dispatching.known_clusters import RETIRED_FOR
from esx_drift.domain.dispatching.listing import reconcile_listing
from esx_drift.domain.fleet.fleet import VCenterSettings
from esx_drift.domain.host_history import DEPARTED_FOR, forget_accepted, update_accepted, update_departed
from esx_drift.domain.stored.identifiers import encode_canonical_json, make_snapshot_key
from esx_drift.domain.stored.records import MAX_KNOWN_NOTICES, build_empty_state, remember_notices
from esx_drift.domain.stored.types import Accepted, Decision, Departed, KnownCluster, KnownHost, LogState
from esx_drift.domain.text.times import format_time, parse_time
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

NOW = datetime(2026, 1, 1, tzinfo=UTC)
INTERVAL = timedelta(hours=4)
CHECKS = 365 * 6
KEY = make_snapshot_key("vc01", "domain-c9", "a" * 64)
MAX_BYTES = 340_000
"""Another host at each check, for ever, is the worst of these: 540 of them are remembered."""
DECISION: Decision = {"by": "x", "reason": "gone", "shown_at": None, "hosts": {}, "instance_uuid": None}


@dataclass(slots=True)
class HostMemory:
    """What a cluster's log keeps of hosts, look by look."""

    hosts: dict[str, KnownHost] = field(default_factory=dict)
    accepted: dict[str, Accepted] = field(default_factory=dict)
    departed: dict[str, Departed] = field(default_factory=dict)

    def look(self, present: Mapping[str, str], now: datetime) -> None:
        """One look at hosts, by id and name."""
        hosts: dict[str, KnownHost] = {
            host: {"name": name, "image": "a" * 64, "orphaned_vibs": [], "witness": False}
            for host, name in present.items()
        }
        accepted = update_accepted(self.accepted, hosts, hosts, KEY, first_look=False)
        state: LogState = {
            **build_empty_state(),
            "snapshot": {"key": KEY, "sha256": "a" * 64},
            "departed": self.departed,
            "last_look_at": format_time(now),
        }
        self.departed = update_departed(state, self.hosts, hosts, {}, now)
        self.accepted = forget_accepted(accepted, hosts, self.departed)
        self.hosts = hosts


def _churn_hosts(every: int) -> Iterator[object]:
    """Twelve hosts; with every so many looks the oldest goes for good and a new one comes."""
    memory = HostMemory()
    for check in range(CHECKS):
        first = check // every
        memory.look(
            {f"host-{at}": f"esx{at}.corp.example" for at in range(first, first + 12)}, NOW + check * INTERVAL
        )
        yield {"accepted": memory.accepted, "departed": memory.departed}


def _churn_notices() -> Iterator[object]:
    known: list[str] = []
    for check in range(CHECKS):
        known = remember_notices(
            known, [f"/hosts/*/f{check}_{at}: a field that is not known" for at in range(50)]
        )
        yield known


def _churn_clusters(exclude: tuple[str, ...]) -> Iterator[object]:
    """Beside three that stay, another cluster each run; a person, or the fleet file, gives it up later."""
    vcenter = VCenterSettings("vc01", exclude=exclude)
    known: dict[str, KnownCluster] = {}
    stay = {f"domain-c{at}": f"prod-{at}" for at in range(3)}
    for run in range(365 * 2):
        now = NOW + run * timedelta(hours=12)
        passing = {f"domain-c{run + at}00": f"lab-{run + at}" for at in range(2)}
        known = reconcile_listing(vcenter, {**stay, **passing}, known, now).known
        after: LogState = {**build_empty_state(), "clusters": known}
        for cluster, entry in known.items():
            if entry["retired_at"] is None and cluster not in {**stay, **passing}:
                after = strike_off_cluster(after, cluster, DECISION, now).after
        known = after["clusters"] or {}
        yield known


CHURN: dict[str, Callable[[], Iterator[Any]]] = {
    "a host a week": lambda: _churn_hosts(42),
    "a host a check": lambda: _churn_hosts(1),
    "50 new unknown fields a report": _churn_notices,
    "another cluster each run, given up by a person": lambda: _churn_clusters(()),
    "another cluster each run, left out by the fleet file": lambda: _churn_clusters(("lab-*",)),
}


@pytest.mark.parametrize("churn", CHURN)
def test_after_a_quarter_a_record_grows_no_more(churn: str) -> None:
    """Within the rest of the year it is never a twentieth larger than it was on the hundredth day."""
    sizes = [len(encode_canonical_json(kept)) for kept in CHURN[churn]()]
    day = len(sizes) // 365
    assert max(sizes) <= 1.05 * max(sizes[: 100 * day])
    assert sizes[-1] < MAX_BYTES


def test_what_the_last_report_told_is_not_new_in_the_next() -> None:
    """Nor does it change a record in which nothing is new."""
    report = [f"/f{at}: a field that is not known" for at in range(50)]
    once = remember_notices([f"old {at}" for at in range(200)], report)
    assert len(once) == MAX_KNOWN_NOTICES
    assert once[-50:] == report
    assert remember_notices(once, report) == once
    assert remember_notices(once, []) == once
    assert remember_notices(["a", "b", "a"], ["c", "b", "c"]) == ["a", "c", "b"]


class HostsComeAndGo(RuleBasedStateMachine):
    """Any way of coming and going, with any time in between."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = HostMemory()
        self.now = NOW
        self.present: dict[str, str] = {}
        self.left_at: dict[str, datetime] = {}

    @rule(host=st.integers(0, 5), days=st.integers(0, 60))
    def come(self, host: int, days: int) -> None:
        """A host joins, or is back, under its id."""
        self._look({**self.present, f"host-{host}": f"esx{host}"}, days)

    @rule(host=st.integers(0, 5), days=st.integers(0, 60))
    def go(self, host: int, days: int) -> None:
        """A host leaves."""
        self._look({id_: name for id_, name in self.present.items() if id_ != f"host-{host}"}, days)

    @rule(host=st.integers(0, 5), new_id=st.integers(10, 15), days=st.integers(0, 60))
    def come_back_under_another_id(self, host: int, new_id: int, days: int) -> None:
        """Removed and added again, as after a repair."""
        others = {id_: name for id_, name in self.present.items() if name != f"esx{host}"}
        self._look({**others, f"host-{new_id}": f"esx{host}"}, days)

    def _look(self, present: dict[str, str], days: int) -> None:
        self.now += timedelta(days=days, hours=1)
        for host in self.present.keys() - present.keys():
            self.left_at[host] = self.now
        self.present = present
        self.memory.look(present, self.now)

    @invariant()
    def whoever_is_there_is_accepted(self) -> None:
        """No host loses what was accepted for it while it is there."""
        assert self.memory.accepted.keys() >= self.present.keys()

    @invariant()
    def who_left_within_a_quarter_is_remembered_and_no_other(self) -> None:
        """Unless it, or its name, is back."""
        back = set(self.present.values())
        for host, gone in self.memory.departed.items():
            assert host not in self.present
            assert gone["name"] not in back
            assert parse_time(gone["left_at"]) == self.left_at[host]
            assert self.now - self.left_at[host] <= DEPARTED_FOR
        assert self.memory.accepted.keys() <= self.present.keys() | self.memory.departed.keys()


HostsComeAndGo.TestCase.settings = settings(stateful_step_count=25, deadline=None)
TestHostsComeAndGo = HostsComeAndGo.TestCase


@pytest.mark.parametrize(
    ("retired", "listed_last", "is_listed", "is_known"),
    [
        (RETIRED_FOR, RETIRED_FOR, False, True),
        (RETIRED_FOR + INTERVAL, RETIRED_FOR + INTERVAL, False, False),
        (RETIRED_FOR + INTERVAL, INTERVAL, False, True),
        (RETIRED_FOR + INTERVAL, RETIRED_FOR + INTERVAL, True, True),
        (None, RETIRED_FOR + INTERVAL, False, True),
    ],
)
def test_only_what_was_given_up_long_ago_is_forgotten(
    retired: timedelta | None, listed_last: timedelta, *, is_listed: bool, is_known: bool
) -> None:
    """A cluster that is missing stays until a person gives it up, for years if need be."""
    known: dict[str, KnownCluster] = {
        "domain-c9": {
            "name": "prod-a",
            "watched_as": "prod-a",
            "first_listed_at": "2025-01-01T00:00:00.000Z",
            "last_listed_at": (NOW - listed_last).isoformat(),
            "retired_at": None if retired is None else (NOW - retired).isoformat(),
        }
    }
    listed = {"domain-c1": "prod-b"} | ({"domain-c9": "prod-a"} if is_listed else {})
    found = reconcile_listing(VCenterSettings("vc01"), listed, known, NOW)
    assert ("domain-c9" in found.known) == is_known
