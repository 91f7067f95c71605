"""A month of a hundred clusters, as three routes hear it: few messages, each once, and none missing."""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast

import pytest
from esx_drift.contracts import list_fleet_errors
from esx_drift.domain.events import select_for_people
from esx_drift.domain.fleet.fleet import build_fleet, select_routes
from esx_drift.domain.text.times import parse_time
from esx_drift.messages.content import is_for_chat

from tests.deployed.messages import Message
from tests.paths import GOLDEN
from tests.simulator.certificates import Authority
from tests.simulator.listener import Tls
from tests.unit.domain.changes.clusters import ClusterModel, HostModel, Wire
from tests.unit.domain.changes.sample import component
from tests.unit.domain.cluster_log import DRIVER, NEW_DRIVER, U3E, VIB, image
from tests.unit.month import PlayedFleet
from tests.unit.timed_slack import GATHERED_SECONDS, TimedSlack, play_with_slack

MOST_MESSAGES = 40
"""To a route in a month, besides one report a day."""
BEGINS = datetime(2026, 12, 1, tzinfo=UTC)
DAYS = 31
INTERVAL_HOURS = 6
CLUSTERS_OF_ONE, HOSTS_OF_ONE = 25, 4
I40EN, NMLX5, LPFC = "Intel-i40en", "Mellanox-nmlx5", "Broadcom-lpfc"
DRIVERS = {
    I40EN: (DRIVER, NEW_DRIVER),
    NMLX5: ("4.23.0.66-1", "4.24.0.7-1"),
    LPFC: ("14.4.0.39-1", "14.4.0.42-1"),
}
ROUTES = ("ops", "oncall", "south")
FLEET: dict[str, Any] = {
    "schema_version": 1,
    "settings": {"extract": False},
    "vcenters": [{"name": f"vc0{number}"} for number in range(1, 5)],
    "routes": [
        {"name": "ops"},
        {"name": "oncall", "min_severity": "critical", "fallback": "ops"},
        {"name": "south", "min_severity": "warning", "vcenters": ["vc03", "vc04"]},
    ],
    "maintenance": [
        {
            "name": "patch-night",
            "reason": "CHG-3001",
            "from": "2026-12-08T22:00:00Z",
            "to": "2026-12-09T06:00:00Z",
            "vcenters": ["vc01", "vc02"],
            "accept": True,
        }
    ],
}


def on(day: int, hour: int, minute: int = 0) -> datetime:
    """A time of the month."""
    return BEGINS + timedelta(days=day - 1, hours=hour, minutes=minute)


ROGUE_AT = on(13, 3, 20)


@dataclass(slots=True)
class Month:
    """What happens, and what was heard of it."""

    played: PlayedFleet
    slack: TimedSlack
    vcenter_of: dict[str, str] = field(default_factory=dict)

    def prepare(self) -> None:
        """Equal clusters, and one look after the other."""
        numbers = iter(range(1, 101))
        for vcenter in self.played.vcenters.values():
            for number in [next(numbers) for _ in range(CLUSTERS_OF_ONE)]:
                name = f"prod-{number:03}"
                self.vcenter_of[name] = vcenter.name
                vcenter.models[name] = ClusterModel(
                    {
                        f"host-{number}{at}": HostModel(f"esx-{number:03}-{at}", _build_image())
                        for at in range(1, HOSTS_OF_ONE + 1)
                    }
                )
        self.played.plan(on(1, 0, 50), self.played.report)
        for day in range(1, DAYS + 1):
            for hour in range(0, 24, INTERVAL_HOURS):
                self.played.plan(on(day, hour, 10), self.played.run_schedule)
            self.played.plan(on(day, 13), self.played.report)
            self.played.plan(on(day, 7, 5), self.played.report)

    def plan(self) -> None:
        """The month's events."""
        at = self.played.plan
        at(on(3, 10), partial(self.install, I40EN, "prod-017", 2))
        at(on(4, 9), partial(self.accept, "CHG-2042 driver test", "prod-017"))
        late = ("prod-090", 3), ("prod-090", 4)
        for wave, hours in enumerate((22.5, 24.5, 26.5, 28.5), start=1):
            at(on(8, 0) + timedelta(hours=hours), partial(self.patch, wave, 1, 50, ("prod-044", 3)))
            at(on(22, 0) + timedelta(hours=hours), partial(self.patch, wave, 51, 100, *late))
        at(on(9, 11), partial(self.upgrade, "prod-044", 3))
        at(on(10, 9), partial(self.accept, "CHG-3001 late host", "prod-044"))
        at(on(11, 14), partial(self.install, NMLX5, "prod-060", 1))
        at(on(11, 20), partial(self.install, NMLX5, "prod-060", 2))
        at(on(12, 8), partial(self.install, NMLX5, "prod-060", 3, 4))
        at(on(14, 9), partial(self.accept, "CHG-3107", "prod-060"))
        at(ROGUE_AT, partial(self.change_vib, "prod-033", 1, there=True))
        at(on(15, 16), partial(self.change_vib, "prod-033", 1, there=False))
        at(on(17, 1), partial(self.end_vcenter, "TCP connect to vc04.corp:443 timed out"))
        at(on(18, 15), partial(self.end_vcenter, None))
        at(on(20, 10), partial(self.end_slack, is_down=True))
        at(on(20, 11, 50), partial(self.install, LPFC, "prod-081", 1, 2))
        at(on(20, 15), partial(self.end_slack, is_down=False))
        at(on(21, 9), partial(self.install, LPFC, "prod-081", 1, 2, is_new=False))
        names = [f"prod-{number:03}" for number in range(51, 101) if number != 90]
        at(on(23, 10), partial(self.accept, "CHG-3202", *names))
        at(on(24, 10), partial(self.upgrade, "prod-090", 3, 4))
        at(on(24, 15), partial(self.accept, "CHG-3202 late hosts", "prod-090"))

    def find(self, cluster: str) -> ClusterModel:
        """A cluster by its name."""
        return self.played.vcenters[self.vcenter_of[cluster]].models[cluster]

    def install(self, driver: str, cluster: str, *hosts: int, is_new: bool = True) -> None:
        """Install a driver's new version on hosts, or the old one."""
        for host in hosts:
            software = self.find(cluster).hosts[_name_host(cluster, host)].software
            software["components"][driver] = component(DRIVERS[driver][is_new])

    def upgrade(self, cluster: str, *hosts: int) -> None:
        """Upgrade hosts."""
        for host in hosts:
            software = self.find(cluster).hosts[_name_host(cluster, host)].software
            software["base_image"] = image(U3E)["base_image"]

    def patch(self, wave: int, first: int, last: int, *but: tuple[str, int]) -> None:
        """Upgrade the next host of each of these clusters, but for some where that fails."""
        for number in range(first, last + 1):
            name = f"prod-{number:03}"
            if (name, wave) not in but:
                self.upgrade(name, wave)

    def change_vib(self, cluster: str, host: int, *, there: bool) -> None:
        """Somebody installs a VIB, or takes it away."""
        self.find(cluster).hosts[_name_host(cluster, host)].vibs = frozenset({VIB} if there else ())

    def accept(self, reason: str, *clusters: str) -> None:
        """A person accepts clusters as they are."""
        for cluster in clusters:
            self.played.accept(self.vcenter_of[cluster], cluster, reason)

    def end_vcenter(self, why: str | None) -> None:
        """vc04 does not answer, or does again."""
        self.played.vcenters["vc04"].down = why

    def end_slack(self, *, is_down: bool) -> None:
        """Slack is out of order, or back."""
        self.slack.is_down = is_down


def _name_host(cluster: str, host: int) -> str:
    return f"host-{int(cluster.removeprefix('prod-'))}{host}"


def _build_image() -> Wire:
    made = image()
    made["components"] = {name: component(versions[0]) for name, versions in DRIVERS.items()}
    return made


def _write(heard: list[tuple[datetime, Message]]) -> str:
    """What a route heard, as it is read."""
    return "\n".join(
        "\n".join(
            [
                f"{at:%a %d %b %H:%M:%S}  {message.title}",
                *(f"    • {item}" for item in message.items),
                *(f"    {line}" for line in message.body.splitlines() if line),
                f"    {message.facts}",
                "",
            ]
        )
        for at, message in heard
    )


@pytest.fixture(scope="module")
def month(slack_tls: Tls, slack_authority: Authority) -> Iterator[Month]:
    """It is over."""
    assert list_fleet_errors(FLEET) == []
    fleet = build_fleet(cast("Any", FLEET))
    with play_with_slack(fleet, BEGINS, INTERVAL_HOURS, slack_tls, slack_authority) as (played, slack):
        made = Month(played, slack)
        made.prepare()
        made.plan()
        logging.disable(logging.ERROR)
        played.play(BEGINS + timedelta(days=DAYS))
        logging.disable(logging.NOTSET)
        yield made


def _is_daily(message: Message) -> bool:
    return message.what.startswith(("Daily report: ", "All quiet: "))


def _list_news(month: Month, route: str) -> list[tuple[datetime, Message]]:
    """What a route heard besides the report of each day."""
    return [(at, message) for at, message in month.slack.heard[route] if not _is_daily(message)]


def _count_clusters(messages: list[Message], words: str) -> int:
    """How many clusters the messages are about that begin so."""
    found = [message.title for message in messages if message.what.startswith(words)]
    several = [re.search(r"· (\d+) clusters ·", title) for title in found]
    return sum(int(match[1]) if match else 1 for match in several)


@pytest.mark.parametrize("route", ROUTES)
def test_a_month_reads_as_agreed(month: Month, route: str, refresh_goldens: bool) -> None:  # noqa: FBT001 -- a fixture
    """Every message of a route, with the time when it came; --refresh-goldens writes it anew."""
    golden = GOLDEN / "month" / f"{route}.txt"
    said = _write(month.slack.heard[route])
    if refresh_goldens:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(said)
    assert golden.read_text() == said


@pytest.mark.parametrize("route", ROUTES)
def test_messages_are_few_and_none_is_told_twice(month: Month, route: str) -> None:
    """Besides one report a day, which says that somebody looks."""
    heard = [message for _, message in month.slack.heard[route]]
    news = _list_news(month, route)
    assert len(heard) - len(news) == DAYS
    assert 0 < len(news) <= MOST_MESSAGES
    assert len({message.whole for message in heard}) == len(heard)


def test_nothing_is_lost(month: Month) -> None:
    """Each event has a receipt of each route that hears it, also those of the hours without Slack."""
    fleet, waits = month.played.fleet, month.played.sqs.messages
    assert waits == []
    lost = []
    for event in month.played.list_events():
        data = select_for_people(event["data"])
        if data is None or not is_for_chat(event["type"]):
            continue
        report, cluster = data.get("report", {}), data["cluster"]
        routes = select_routes(
            fleet,
            event["type"].split(".")[1],
            data["severity"],
            data["vcenter"],
            cluster["id"] if cluster else None,
            cluster["name"] if cluster else None,
        )
        names = [report["route"]] if "route" in report else [route.name for route in routes]
        lost += [(name, event["id"]) for name in names if not month.played.has_heard(str(name), event)]
    assert lost == []


def test_what_is_critical_is_told_by_the_next_check(month: Month) -> None:
    """The VIB that somebody installed at night, to all who hear of its cluster; again after a day."""
    checked = next(
        parse_time(event["data"]["checked_at"])
        for event in month.played.list_events()
        if event["type"] == "esx-drift.orphaned-vib.detected"
    )
    assert checked - ROGUE_AT <= timedelta(hours=INTERVAL_HOURS)
    for route in ("ops", "oncall"):
        critical = [(at, message) for at, message in _list_news(month, route) if "CRITICAL" in message.title]
        (told_at, first), (reminded_at, _), (_, gone) = critical
        assert "gone from esx-033-1" in gone.what
        assert first.what.startswith("VIB smntemp 910.1.0.0005 appeared on esx-033-1")
        assert told_at - checked <= timedelta(seconds=GATHERED_SECONDS + 5)
        assert timedelta(hours=12) < reminded_at - told_at < timedelta(hours=36)


def test_each_patch_night_ends_told(month: Month) -> None:
    """The one in a window by its sums, the one that nobody announced by each cluster's end."""
    ops = [message for _, message in _list_news(month, "ops")]
    assert _count_clusters(ops, "Maintenance patch-night ") == 50
    by_night = [message for at, message in _list_news(month, "south") if at.day in {23, 24}]
    assert _count_clusters(by_night, "Upgrade under way: ") == 50
    assert _count_clusters(by_night, "Upgrade done: ") == 50
    assert _count_clusters(by_night, "Upgrade to ESXi 8.0 U3e (build 24674464) stalled ") == 1


def test_what_slack_did_not_take_comes_when_it_is_back(month: Month) -> None:
    """And says that it is late."""
    late = [at for at, message in _list_news(month, "ops") if message.what.startswith("late: ")]
    assert [on(20, 15) <= at <= on(20, 15, 20) for at in late] == [True]
