"""That nobody is told, whoever asks for the status sees."""

import json
from datetime import UTC, datetime

import boto3
import pytest
from botocore.exceptions import ClientError
from esx_drift.adapters.state_bucket import FleetFile, S3RouteStates
from esx_drift.cli.status_telling import Telling, render_telling
from esx_drift.cli.terminal import RIGHTS_ADVICE
from esx_drift.contracts import list_violations
from esx_drift.domain.deliveries import build_route_state
from esx_drift.domain.fleet.fleet import build_fleet
from esx_drift.domain.reports.dead_routes import DeadRoute
from esx_drift.domain.stored.identifiers import encode_canonical_json
from esx_drift.errors import StoreUnavailable

from tests.unit.cli.conftest import CloudFormation, Run
from tests.unit.fleets import fleet
from tests.unit.reporting.world import route

SINCE = "2025-12-23T02:14:00.000Z"
ROUTES = [{"name": "admins", "fallback": "ops"}, {"name": "ops"}, {"name": "night", "secret": "admins"}]


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("esx_drift.cli.status.read_clock", lambda: datetime(2026, 11, 23, tzinfo=UTC))


@pytest.fixture
def stored(file: FleetFile, stack: None) -> None:  # noqa: ARG001 -- it is asked for the buckets
    """A fleet with three routes, of which two share a webhook."""
    document = fleet(vcenters=[{"name": "vc01"}], routes=ROUTES)
    file.write(encode_canonical_json(document), None)


@pytest.fixture
def dead(stored: None) -> None:  # noqa: ARG001 -- it is of that fleet
    """The webhook of two routes was refused for good."""
    document = fleet(vcenters=[{"name": "vc01"}], routes=ROUTES)
    route = build_fleet(document).routes[0]  # type: ignore[arg-type] # as it is stored
    client = boto3.client("s3")
    states = S3RouteStates(lambda: client, "state")
    state = build_route_state("admins")
    states.write(route, {**state, "dead_since": SINCE, "dead_reason": "no_service\x1b."}, None)


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch, stored: None) -> list[str]:  # noqa: ARG001 -- likewise
    """The addresses of two dead letter queues that the stack names, of which the first has a message."""
    sqs = boto3.client("sqs")
    names = ("DeliveryDeadLetterQueue", "OddDeadLetterQueue")
    urls = [sqs.create_queue(QueueName=name)["QueueUrl"] for name in names]
    sqs.send_message(QueueUrl=urls[0], MessageBody="{}", DelaySeconds=900)
    named = {f"{name}Url": url for name, url in zip(names, urls, strict=True)}
    monkeypatch.setattr(CloudFormation, "outputs", {**CloudFormation.outputs, **named})
    return urls


@pytest.mark.usefixtures("dead", "queues")
@pytest.mark.parametrize("arguments", [(), ("--vcenter", "vc01")])
def test_a_dead_route_and_dead_letters_are_shown_with_what_to_do(
    run: Run, arguments: tuple[str, ...]
) -> None:
    """Since when, why, and who hears in its place; the time has its year."""
    ran = run("status", *arguments)
    assert (ran.code, ran.err) == (0, "")
    assert (
        "Routes admins, night are dead since 23 Dec 2025 02:14 UTC, and ops is told for admins,"
        " nobody is told for night: no_service\ufffd\n"
        "1 message in DeliveryDeadLetterQueue: messages that their routes did not take\n"
        "To see what to do about it: esx-drift doctor\n"
    ) in ran.out


@pytest.mark.parametrize(
    ("fallbacks", "silent", "said"),
    [
        ((None,), "admins", "nobody is told in its place"),
        (("ops",), "admins", "ops is told in its place"),
        (("ops",), "admins ops", "nobody is told in its place"),
        (("ops", "ops"), "admins night", "ops is told in their place"),
        (("ops", None), "admins night ops", "nobody is told in their place"),
        (("ops", "desk"), "admins night", "ops is told for admins, desk is told for night"),
    ],
)
def test_who_is_told_in_the_place_of_a_dead_route(
    fallbacks: tuple[str | None, ...], silent: str, said: str
) -> None:
    """A fallback that is dead itself tells nobody, and each route has one of its own, or none."""
    names = ("admins", "night")
    routes = [route(name, fallback=fallback) for name, fallback in zip(names, fallbacks, strict=False)]
    dead = DeadRoute(tuple(routes), SINCE, "no_service")
    other = DeadRoute((route("ops"),), SINCE, "no_service")
    telling = Telling((dead, *([other] if "ops" in silent else [])), ())
    line = next(render_telling(telling, datetime(2026, 11, 23, tzinfo=UTC), "esx-drift doctor"))
    assert line.endswith(f" since 23 Dec 2025 02:14 UTC, and {said}: no_service")


@pytest.mark.usefixtures("dead", "queues")
def test_programs_and_spreadsheets_are_told_too(run: Run) -> None:
    """JSON has both; beside the lines of CSV it is warned of."""
    shown = json.loads(run("status", "--format", "json").out)
    assert list_violations("status", shown) == []
    assert shown["dead_routes"] == [
        {
            "dead_route": "admins",
            "routes": ["admins", "night"],
            "channel": "slack",
            "fallback": "ops",
            "since": SINCE,
            "reason": "no_service\x1b.",
        }
    ]
    (letters,) = shown["dead_letters"]
    assert (letters["queue"], letters["messages"]) == ("DeliveryDeadLetterQueue", 1)
    ran = run("status", "--format", "csv")
    assert len(ran.out.splitlines()) == 2
    assert "warning: Routes admins, night are dead" in ran.err


@pytest.mark.usefixtures("queues")
def test_that_somebody_is_not_told_is_an_exit_code(run: Run) -> None:
    """Where that is asked for: nothing else is open here."""
    assert run("status", "--exit-code").code == 1
    assert run("status").code == 0


@pytest.mark.usefixtures("dead")
def test_so_is_a_dead_route(run: Run) -> None:
    """Whoever hears in its place."""
    assert run("status", "--exit-code").code == 1


@pytest.mark.usefixtures("stored")
def test_where_all_is_told_nothing_is_said(run: Run) -> None:
    """And programs get two empty lists."""
    ran = run("status", "--exit-code", "--format", "json")
    assert (ran.code, ran.err) == (0, "")
    assert (json.loads(ran.out)["dead_routes"], json.loads(ran.out)["dead_letters"]) == ([], [])


def test_what_can_not_be_read_is_trouble_where_that_is_asked_for(
    run: Run, queues: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is shown all the same."""

    def refuse(*_: object) -> None:
        denied = ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")
        raise StoreUnavailable("routes/slack/ops.json: AccessDenied") from denied

    monkeypatch.setattr(S3RouteStates, "read", refuse)
    boto3.client("sqs").delete_queue(QueueUrl=queues[0])
    ran = run("status", "--exit-code", "--format", "json")
    assert (ran.code, run("status").code) == (2, 0)
    assert (
        f"warning: which routes are dead is not known: routes/slack/ops.json: AccessDenied {RIGHTS_ADVICE}\n"
    ) in ran.err
    assert "warning: what lies in dead letter queues is not known: Counting them failed: " in ran.err
    shown = json.loads(ran.out)
    assert list_violations("status", shown) == []
    assert (shown["dead_routes"], shown["dead_letters"]) == (None, None)
