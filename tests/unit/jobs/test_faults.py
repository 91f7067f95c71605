"""Each fault of a vCenter in each call: who is told, and that the next good run or check mends it.

docs/operations.md has the table of what comes of each. That no event is lost or published twice is looked at
when each world ends (``tests/unit/checking/whole.py``).
"""

from collections import Counter
from collections.abc import Callable, Mapping
from copy import replace
from typing import Final

import pytest
from esx_drift.adapters.vcenter import http_client
from esx_drift.adapters.vcenter.http_client import HttpClient
from esx_drift.domain.findings.flapping import MAX_APART
from esx_drift.domain.host_history import READ_ANEW_AFTER
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.stored.types import Record

from tests.simulator import fault_kinds
from tests.simulator.fault_kinds import FAULT_KINDS
from tests.simulator.faults import Fault
from tests.simulator.reply import Reply
from tests.unit.checking.world import PROD_A, World
from tests.unit.jobs.fault_table import FaultTable

TABLE: Final = FaultTable("faults")
LOOKS: Final = {"baseline", "changed", "unchanged", "dispatched"}
NOT_ELIGIBLE: Final = {"not-covered"}
"""What a look comes to where the cluster's hosts can't be read: only then its enablement is asked for."""

ABOUT: Final = "GET /sdk/*/ServiceInstance/content"
CALLS: Final = {
    "login": "POST /api/session",
    "about": ABOUT,
    "listing": "GET /api/vcenter/cluster",
    "hosts in no cluster": "GET /api/vcenter/host",
    "about, by a check": ABOUT,
    "extract": "POST *domain-c9/installed-images",
    "task": "GET /api/cis/tasks/*",
    "hosts": "GET /api/vcenter/host",
    "report": "GET *domain-c9/installed-images",
    "enablement": "GET *domain-c9/enablement/software",
    "UUIDs": "POST /sdk/*/RetrievePropertiesEx",
    "logout": "DELETE /api/session",
}
"""The calls of a run and a check, in their order, as routes of the simulated vCenter."""

BODY_SECONDS: Final = http_client.BODY_SECONDS


def _send_slowly() -> Fault:
    """A byte now and then, of which a client hears no longer than 0.2 s."""
    slow = fault_kinds.slow_body(10)
    assert slow.alter is not None
    send = slow.alter

    def alter(reply: Reply) -> Reply:
        http_client.BODY_SECONDS = 0.2
        return send(reply)

    return replace(slow, alter=alter)


FAULTS: Final[Mapping[str, Callable[[], Fault]]] = {
    "401": lambda: fault_kinds.status(401),
    "403": lambda: fault_kinds.status(403),
    "404": lambda: fault_kinds.status(404),
    "500": lambda: fault_kinds.status(500),
    "503": lambda: fault_kinds.status(503),
    "no such cluster": fault_kinds.entity_not_found,
    "no such task": fault_kinds.task_not_found,
    "too many objects": fault_kinds.unable_to_allocate,
    "no healthy upstream": fault_kinds.no_healthy_upstream,
    "page of a proxy": fault_kinds.web_page,
    "plain text": fault_kinds.plain_text,
    "JSON of another server": fault_kinds.other_json,
    "sessions used up": fault_kinds.sessions_used_up,
    "service not begun": fault_kinds.operation_not_found,
    "fault of the VI/JSON API": fault_kinds.fault_of_vim,
    "redirect": fault_kinds.redirect,
    "500 that repeats the secrets": lambda: fault_kinds.secrets_echoed("*", "error"),
    "late answer": lambda: fault_kinds.latency(0.05),
    "a byte now and then": _send_slowly,
    "over 8 MB": lambda: fault_kinds.huge_body(9_000_000),
    "half of the body": fault_kinds.truncated_body,
    "connection reset": fault_kinds.connection,
    "answer lost": lambda: fault_kinds.connection(processed=True),
    "broken JSON": fault_kinds.invalid_json,
    "NaN": fault_kinds.not_a_number,
    "key twice": fault_kinds.duplicate_keys,
    "wrong content type": fault_kinds.content_type,
    "field missing": fault_kinds.document,
}
ONLY_IN: Final = {"field missing": ("report",)}
"""What only one answer can have."""


def test_the_table_has_every_fault() -> None:
    """That a vCenter of the tests can have."""
    assert {make().name for make in FAULTS.values()} == FAULT_KINDS.keys()


RETRY_SECONDS: Final = 20 * 60
"""Longer than a breaker holds a password back, and shorter than what makes a check overdue."""

LISTING: Final = {"login", "about", "listing", "hosts in no cluster"}
"""What a run of the dispatcher meets, in the vCenter's own log; all else is met by a check of the cluster."""


def _look(world: World, call: str) -> Record:
    """The next run by schedule, or the next check, and its record."""
    http_client.BODY_SECONDS = BODY_SECONDS
    if call in LISTING:
        world.wait(RETRY_SECONDS)
        return world.dispatch()
    if call == "UUIDs":
        world.wait(READ_ANEW_AFTER.total_seconds())
    record = world.check()
    # What a logout leaves open, the vCenter ends by itself after a while of idleness.
    world.vcenter.sessions.close_all()
    return record


def _prepare(world: World, call: str) -> None:
    """Bring the world to where the call is made; so late that nothing of before it comes and goes."""
    world.wait(MAX_APART.total_seconds())
    if call in LISTING:
        world.check()
        _look(world, call)
    # Whether a cluster has an image is asked where its hosts are not eligible.
    if call in {"enablement", "UUIDs"}:
        is_asked = call == "enablement"
        world.vcenter.inventory.set_outcome("prod-a", "ELIGIBILITY_CHECK_FAILURE" if is_asked else "SUCCESS")
        _look(world, call)


def _mend_password(world: World) -> None:
    """Write a new version of the secret, as a person does: one that was refused is not tried again."""
    name = f"esx-drift/vcenter/{world.watched.name}"
    written = world.aws.secrets.get_secret_value(SecretId=name)["SecretString"]
    world.aws.secrets.put_secret_value(SecretId=name, SecretString=written)


def _meet(world: World, call: str, fault: Fault) -> str:
    """Play a fault that lasts for two looks, and is gone by the next one; what was told of it, as a cell."""
    log = VCENTER_LOG if call in LISTING else PROD_A
    _prepare(world, call)
    looks = NOT_ELIGIBLE if call == "enablement" else LOOKS
    before = {finding["kind"] for finding in world.after(log)["findings"].values()}
    assert before == ({"eligibility-failed"} if call == "enablement" else set())
    seen = len(world.records(log))
    world.vcenter.faults.inject(CALLS[call], fault)
    for _ in range(2):
        last = _look(world, call)
    assert world.vcenter.faults.hits(fault.name)
    world.vcenter.faults.clear()
    kinds = {finding["kind"] for finding in last["after"]["findings"].values()} - before
    assert kinds or last["outcome"] in looks, "silence means that it looked"
    met = world.records(log)[seen:]
    if "vcenter-authentication" in kinds:
        _mend_password(world)
    healed = _look(world, call)
    assert healed["outcome"] in looks
    assert {finding["kind"] for finding in healed["after"]["findings"].values()} == before
    new = world.records(log)[seen:]
    moves = Counter(
        (finding["kind"], finding["transition"])
        for record in new
        for finding in record["findings"]
        if finding["transition"] in {"opened", "resolved"}
    )
    assert moves == Counter({(kind, end): 1 for kind in kinds for end in ("opened", "resolved")})
    published = {event["id"] for record in new for event in record["events"]}
    assert published <= world.topic.ids
    assert bool(published) == bool(kinds)
    noted = any(notice for record in met for notice in record["notices"])
    return ", ".join(f"`{kind}`" for kind in sorted(kinds)) or ("noted" if noted else "-")


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no client wait long: how long it does is looked at where it is alone."""
    monkeypatch.setattr(http_client, "BODY_SECONDS", BODY_SECONDS)
    _, time_left_ms = HttpClient.__init__.__defaults__ or ()
    monkeypatch.setattr(HttpClient.__init__, "__defaults__", (lambda _seconds: None, time_left_ms))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_and_mended(world: World, fault: str, *, refresh_goldens: bool) -> None:
    """In each call: told once if it lasts, and ended once by the next good check.

    The page has the row; --refresh-goldens writes it.
    """
    world.set(exclude=("prod-b",))
    # Of a list without any, a byte now and then is all of it.
    world.vcenter.inventory.add_host(None, "spare01")
    _look(world, "listing")
    _look(world, "report")
    calls = ONLY_IN.get(fault, CALLS)
    cells = (_meet(world, call, FAULTS[fault]()) if call in calls else "" for call in CALLS)
    TABLE.hold_row(fault, [*cells], refresh=refresh_goldens)


def test_the_page_has_each_fault_and_call() -> None:
    """No row is left of a fault that there is no longer."""
    assert [*TABLE.read_rows()] == [*FAULTS]
    assert TABLE.read_head() == f"| the vCenter answers with | {' | '.join(CALLS)} |"
