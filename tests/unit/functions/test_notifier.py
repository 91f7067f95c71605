import json
from typing import Any

import pytest

from functions.notifier import app as notifier
from tests.paths import EVENTS
from tests.unit.functions.conftest import Deployed


def _handle(deployed: Deployed, name: str) -> Any:  # noqa: ANN401 -- the reply is JSON
    event = json.loads((EVENTS / f"{name}.json").read_text())
    deployed.vouch_for(event)
    return deployed.invoke("notifier", event)


def _failed(reply: dict[str, Any]) -> list[int]:
    return [int(item["itemIdentifier"][-12:]) for item in reply["batchItemFailures"]]


def test_a_message_delivered_again_is_not_posted_again(deployed: Deployed) -> None:
    """SQS delivers at least once, people read once."""
    for _ in range(2):
        assert _failed(_handle(deployed, "notifier-drift")) == []
        deployed.deliver_each()
    assert len(deployed.slack.accepted) == 1


def test_a_forged_event_is_counted_and_ends_as_a_dead_letter(
    deployed: Deployed, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is posted, and no other try is waited for."""
    event = json.loads((EVENTS / "notifier-drift.json").read_text())
    assert _failed(deployed.invoke("notifier", event)) == [1]
    assert deployed.slack.received == []
    assert _logged(caplog)["reason"] == "request-refused"
    assert '"reason":"request-refused"' in capsys.readouterr().out


def test_a_bug_shows_where_it_is(
    deployed: Deployed, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw is logged with its place, and the message is kept."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("nobody foresaw this")

    monkeypatch.setattr("esx_drift.notifying.notifier.parse_event", broken)
    assert _failed(_handle(deployed, "notifier-drift")) == [1]
    bug, failed = (record.__dict__ for record in caplog.records if record.levelname == "ERROR")
    assert "in broken" in str(bug["frames"])
    assert failed["reason"] == "bug"


def _logged(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    (error,) = (record for record in caplog.records if record.levelname == "ERROR")
    return error.__dict__


def test_records_that_no_time_is_left_for_come_again(
    deployed: Deployed, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read already is told; the rest waits for the next invocation, and is no dead letter."""
    monkeypatch.setattr(notifier, "TIME_FOR_SENDING_MS", deployed.context.remaining_ms + 1)
    assert _failed(_handle(deployed, "notifier-drift")) == [1]
    assert _logged(caplog)["reason"] == "out-of-time"
    assert (deployed.waiting("DeliveryQueue"), deployed.waiting("NotifyQueueDead")) == (0, 0)


def test_a_delivery_that_no_one_can_post_is_counted_with_its_reason(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    """The alarm on the metric says that a route is dead, and the message lies among the dead letters."""
    deployed.slack.refuse("channel_is_archived")
    assert _failed(_handle(deployed, "notifier-drift")) == []
    deployed.deliver_each()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    counted = [line for line in lines if "_aws" in line and "DeliveriesFailed" in line]
    assert "webhook-refused" in [line.get("reason") for line in counted]
    assert deployed.waiting("DeliveryQueueDead") == 1
