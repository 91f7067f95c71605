"""A Slack in virtual time, over real sockets, and a fleet that is played with it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from esx_drift.adapters.secrets import Secrets
from esx_drift.channels import ChannelSettings, open_channels
from esx_drift.domain.fleet.fleet import Fleet

from tests.deployed.messages import Message, read
from tests.simulator.certificates import Authority
from tests.simulator.listener import Tls
from tests.simulator.reply import Reply, Request
from tests.simulator.slack import SlackReceiver
from tests.unit.month import PlayedFleet
from tests.unit.notifying.world import Clock, MemoryS3

GATHERED_SECONDS = 300
"""NotifyWindowSeconds, as the template has it."""


class TimedSlack(SlackReceiver):
    """A Slack by the clock of the fleet, which may be out of order."""

    def __init__(self, tls: Tls, clock: Clock, routes: tuple[str, ...]) -> None:
        super().__init__(tls=tls, paths=tuple(f"/services/{route}" for route in routes))
        self.clock = clock
        self.is_down = False
        self.heard: dict[str, list[tuple[datetime, Message]]] = {route: [] for route in routes}

    def _answer(self, request: Request) -> Reply:
        if self.is_down:
            return Reply(503, b"service_unavailable")
        reply = super()._answer(request)
        if reply.status == 200:
            route = request.path.rpartition("/")[2]
            self.heard[route].append((self.clock.now, read(json.loads(request.body))))
        return reply


@dataclass(slots=True)
class _WebhookSecrets:
    """Secrets Manager, as far as it is asked."""

    url: str
    ca_bundle: str

    def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803 -- boto3's name
        """The webhook of a route."""
        secret = {"url": f"{self.url}/services/{SecretId.rpartition('/')[2]}", "ca_bundle": self.ca_bundle}
        return {"SecretString": json.dumps(secret), "VersionId": "1", "ARN": SecretId}


def _open_no_topic() -> Any:  # noqa: ANN401 -- it stands for boto3's
    raise NotImplementedError("no route of these fleets is a topic")


@contextmanager
def play_with_slack(
    fleet: Fleet,
    begins: datetime,
    interval_hours: int,
    tls: Tls,
    authority: Authority,
    s3: MemoryS3 | None = None,
) -> Iterator[tuple[PlayedFleet, TimedSlack]]:
    """A fleet whose routes all lead to one Slack, by the fleet's clock."""
    with TimedSlack(tls, Clock(begins), tuple(route.name for route in fleet.routes)) as slack:
        secrets = Secrets(cast("Any", lambda: _WebhookSecrets(slack.url, authority.pem)), "esx-drift")
        settings = ChannelSettings(secrets, ("127.0.0.1",), _open_no_topic, "")
        with open_channels(settings) as channels:
            played = PlayedFleet(fleet, channels, begins, interval_hours, GATHERED_SECONDS, s3 or MemoryS3())
            slack.clock = played.clock
            yield played, slack
