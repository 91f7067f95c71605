import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from esx_drift.contracts import list_violations

from tests.paths import EVENTS
from tests.unit.functions.conftest import HANDLERS, SECRETS, Deployed, FunctionLog

EVENT_FILES = sorted(EVENTS.glob("*.json"))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an example leaves behind.

    ``raises`` names the error that fails the whole invocation, ``again`` are the numbers of the messages to
    be delivered again, ``asked``, ``dispatched`` and ``failed`` what the dispatcher's reply says, ``ill``
    steps of the doctor's, ``dead`` how many messages the sender parked, ``seals`` how many digests are new.
    """

    again: tuple[int, ...] = ()
    asked: tuple[str, ...] = ()
    dispatched: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    raises: str | None = None
    records: tuple[str, ...] = ()
    checks: int = 0
    retries: int = 0
    posts: int = 0
    dead: int = 0
    reports: int = 0
    seals: int = 0
    ill: tuple[str, ...] = ()


FIRST, VCENTER_FIRST = (
    "vcenter=vc01/cluster=domain-c9/0000000001.json",
    "vcenter=vc01/cluster=@vcenter/0000000001.json",
)
VCENTER_SECOND = VCENTER_FIRST.replace("01.json", "02.json")
OUTCOMES = {
    "checker-accept": Outcome(records=(FIRST.replace("01.json", "02.json"),)),
    "checker-accept-forged": Outcome(again=(1, 2, 3)),
    "checker-collect": Outcome(records=(FIRST,)),
    "checker-doctor": Outcome(),
    "checker-duplicates": Outcome(records=(FIRST,)),
    "checker-extract": Outcome(checks=1),
    "checker-forged": Outcome(again=(1,)),
    "checker-malformed": Outcome(again=(1, 2, 3), records=(FIRST,)),
    "checker-retire-unknown": Outcome(again=(1,), records=(FIRST,)),
    "dispatcher-direct": Outcome(
        dispatched=("prod-a",), failed=("vc01/domain-c404",), records=(VCENTER_FIRST,), checks=1
    ),
    "dispatcher-direct-malformed": Outcome(raises="ContractViolation"),
    "dispatcher-direct-unknown": Outcome(raises="RequestRefused"),
    "dispatcher-direct-vcenter": Outcome(asked=("vc01",), retries=1),
    "dispatcher-forged": Outcome(again=(1, 2, 3)),
    "dispatcher-retry": Outcome(records=(VCENTER_SECOND,), checks=1),
    "dispatcher-retry-malformed": Outcome(again=(1, 2, 3), records=(VCENTER_SECOND,), checks=1),
    "dispatcher-schedule": Outcome(asked=("vc01", "vc02"), retries=2),
    "dispatcher-schedule-of-one-vcenter": Outcome(records=(VCENTER_FIRST,), checks=1),
    "notifier-baseline": Outcome(),
    "notifier-daily": Outcome(posts=1),
    "notifier-drift": Outcome(posts=1),
    "notifier-failure": Outcome(posts=1),
    "notifier-malformed": Outcome(posts=1, again=(1, 3)),
    "notifier-newer-schema": Outcome(),
    "notifier-orphaned-vib": Outcome(posts=1),
    "notifier-unknown-type": Outcome(),
    "reporter-daily": Outcome(reports=1),
    "reporter-malformed": Outcome(raises="ContractViolation"),
    "reporter-schedule": Outcome(),
    "sealer-malformed": Outcome(raises="ContractViolation"),
    "sealer-now": Outcome(seals=1),
    "sealer-schedule": Outcome(seals=1),
    "sender-delivery": Outcome(posts=1),
    "sender-doctor": Outcome(),
    "sender-forged": Outcome(again=(1,)),
    "sender-malformed": Outcome(again=(1,)),
    "sender-route-gone": Outcome(dead=1),
}


AFTER = {"checker-accept": "checker-collect", "checker-accept-forged": "checker-collect"}
"""What was done before an example: a person accepts what was looked at."""


def _outcome(deployed: Deployed, path: Path) -> Outcome:
    reply: dict[str, Any] = {}
    raised = None
    function, event = path.stem.partition("-")[0], json.loads(path.read_text())
    if path.stem in AFTER:
        before = json.loads(path.with_stem(AFTER[path.stem]).read_text())
        deployed.vouch_for(before)
        deployed.invoke(function, before)
    deployed.vouch_for(event)
    known = {*deployed.records()}
    try:
        reply = deployed.invoke(function, event)
    except Exception as error:  # noqa: BLE001 -- which error it may be is what the test compares
        raised = type(error).__name__
    deployed.deliver_each()
    if "run_id" in reply:
        assert list_violations("dispatch-reply", reply) == []
    return Outcome(
        again=tuple(int(item["itemIdentifier"][-12:]) for item in reply.get("batchItemFailures", [])),
        asked=tuple(reply.get("asked", [])),
        dispatched=tuple(one["name"] for one in reply.get("dispatched", [])),
        failed=tuple(f"{one['vcenter']}/{one['cluster']}" for one in reply.get("failed", [])),
        raises=raised,
        records=tuple(key for key in deployed.records() if key not in known),
        checks=deployed.waiting("CheckQueue"),
        retries=deployed.waiting("RetryQueue"),
        posts=len(deployed.slack.accepted),
        dead=deployed.waiting("DeliveryQueueDead"),
        reports=len(reply.get("published", [])),
        seals=len(reply.get("sealed", [])),
        ill=tuple(line["step"] for line in reply.get("lines", []) if line["outcome"] == "failed"),
    )


@pytest.mark.parametrize("path", EVENT_FILES, ids=lambda path: path.stem)
def test_each_example_ends_as_it_should(
    path: Path, deployed: Deployed, function_log: FunctionLog, capfd: pytest.CaptureFixture[str]
) -> None:
    """The real handler does what the example asks for, and writes no secret into its log."""
    assert _outcome(deployed, path) == OUTCOMES[path.stem]
    written = "".join((function_log.text, *capfd.readouterr()))
    assert not [secret for secret in SECRETS if secret in written]


def test_each_function_has_examples() -> None:
    """No example is nobody's, and no function has none."""
    assert {path.stem.partition("-")[0] for path in EVENT_FILES} == set(HANDLERS)
