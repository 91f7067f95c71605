"""A vCenter that repeats what it was sent: nothing of it is in a record, an event, a log or a message."""

import base64
import gzip
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import pytest
from esx_drift.channels.slack import render_message
from esx_drift.messages.content import build_content, has_content

from tests.simulator import fault_kinds
from tests.simulator.fault_kinds import Echo
from tests.simulator.faults import Fault
from tests.simulator.reply import Reply, Request
from tests.simulator.sessions import PASSWORD, USER
from tests.unit.checking.world import PROD_A, World

if TYPE_CHECKING:
    from tests.simulator.wire import ReportStatus

type TaskEnd = Literal["SUCCEEDED", "FAILED"]

CALLS = (
    "POST /api/session",
    "GET /sdk/vim25/*",
    "GET /api/vcenter/cluster",
    "GET /api/vcenter/host",
    "POST */RetrievePropertiesEx",
    "POST */installed-images",
    "GET /api/cis/tasks/*",
    "GET */installed-images",
    "GET */enablement/software",
    "DELETE /api/session",
)
REPEATED = {"GET /sdk/vim25/*", "GET /api/cis/tasks/*", "GET */installed-images"}
"""Whose texts are kept also where all is well; hosts whose names all changed are another cluster's."""


@dataclass(slots=True)
class Witness:
    """Hears the session ids that a vCenter gives."""

    tokens: set[str] = field(default_factory=set)

    def hear(self, request: Request, reply: Reply) -> Reply:
        """Take the session id of a request."""
        self.tokens |= {*filter(None, [request.headers.get("vmware-api-session-id")])}
        return reply


def _change_password(world: World, password: str) -> None:
    name = f"esx-drift/vcenter/{world.watched.name}"
    secret = json.loads(world.aws.secrets.get_secret_value(SecretId=name)["SecretString"])
    body = json.dumps({**secret, "password": password})
    world.aws.secrets.put_secret_value(SecretId=name, SecretString=body)
    world.vcenter.sessions.accounts[USER] = password


def _read_everything(world: World, logged: pytest.LogCaptureFixture) -> str:
    """All that lies in the buckets and queues, was published, shown or logged."""
    written = [
        gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        for body in world.aws.written(world.watched.name).values()
    ]
    events = world.topic.published
    shown = [render_message(build_content(event)) for event in events if has_content(event["type"])]
    sent = [message.body for message in world.aws.sent]
    stored = b"\n".join(written).decode("utf-8", "replace")
    return "\n".join([stored, json.dumps([world.after(PROD_A), events, shown, sent]), _read_log(logged)])


def _read_log(logged: pytest.LogCaptureFixture) -> str:
    return str([vars(record) for record in logged.records])


@pytest.mark.parametrize("form", ["text", "error", "page", "plain"])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("password", [PASSWORD, "gE7!h"], ids=["long", "short"])
def test_nothing_that_was_sent_as_a_secret_is_kept(
    world: World, password: str, call: str, form: Echo, caplog: pytest.LogCaptureFixture
) -> None:
    """At every call, however it is repeated: first copy, dispatch, checks, what opens and what ends."""
    _change_password(world, password)
    witness = Witness()
    world.vcenter.faults.inject("*", Fault("witness", echo=witness.hear))
    world.check()
    world.vcenter.hosts.notify("esx01", "The host said so.")
    world.vcenter.hosts.fail_extraction("esx02")
    world.vcenter.inventory.add_host("prod-a", "esx77")  # whose UUID is asked for
    world.vcenter.faults.inject("*", fault_kinds.secrets_echoed(call, form))
    outcomes: tuple[tuple[ReportStatus | None, TaskEnd], ...] = (
        ("SUCCESS", "SUCCEEDED"),
        (None, "FAILED"),
        ("ELIGIBILITY_CHECK_FAILURE", "SUCCEEDED"),
    )
    for status, task in outcomes:
        world.vcenter.inventory.set_outcome(PROD_A, status, task)
        world.dispatch()
        world.wait(700)
        world.handle(world.request())
        if world.aws.sent and world.aws.sent[-1].queue == "check":
            world.handle(world.comes_back())
    everything = _read_everything(world, caplog)
    basic = base64.b64encode(f"{USER}:{password}".encode()).decode()
    secrets = {password, basic, basic.rstrip("="), *witness.tokens}
    assert len(secrets) > 2
    assert witness.tokens
    assert [secret for secret in secrets if secret in everything] == []
    if form != "text" or call in REPEATED:
        assert "***" in everything, "the echo was met"
    world.vcenter.sessions.close_all()
