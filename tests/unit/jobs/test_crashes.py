"""A process may end before and after each of its calls of AWS: of no job anything is lost, or there twice."""

import logging
from typing import TYPE_CHECKING, cast

import pytest
from esx_drift.checking.context import DispatchRecords
from esx_drift.domain.dispatching.run import find_retire_request
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.log_reader import LogReader

from tests.unit.checking.world import World
from tests.unit.jobs.deliveries import Deliver, Message, Stage, handle
from tests.unit.jobs.left import require_whole
from tests.unit.jobs.table import JOBS, Job
from tests.unit.processes import Counting, Mortal, ProcessEnd

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import CheckRequest

logger = logging.getLogger("figures")


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_a_process_may_end_at_any_call(world: World, job: Job) -> None:
    """The message comes again, and in the end all is as if nothing had happened.

    One record answers the request, its log is one chain to which the pointer points, each of its events was
    published, byte for byte, and whatever follows from it was asked for.
    """
    first = job.prepare(world)
    stage = Stage(world, job.follow)
    living = Counting(stage.look)
    stage.play(first, _deliver_by(job, living))
    expected = require_whole(stage)
    assert expected.outcomes == job.outcomes
    assert len(living.calls) >= job.least
    others: list[str] = []
    for process in living.moments.values():
        stage.begin_anew()
        stage.play(first, _deliver_by(job, process))
        assert process.is_over
        left = require_whole(stage)
        if left.outcomes == job.at_login:
            others.append(process.calls[-1])
        else:
            assert left == expected, f"{'after' if process.after else 'before'} {process.calls}"
    # Announced to the breaker, and how it ended not kept there yet.
    assert others == (["write", "read"] if job.at_login else [])
    logger.info("crash points: %s, of which differ: %s", 2 * len(living.calls), len(living.moments))


def _deliver_by(job: Job, process: Counting | Mortal) -> Deliver:
    """By this process as long as it lives, then by others."""

    def deliver(world: World, message: Message) -> bool:
        is_own = job.is_own(message) and not process.is_over
        try:
            handle(world, message, process if is_own else Mortal())
        except ProcessEnd:
            _require_vouched(world)
            return False
        return True

    return deliver


def _require_vouched(world: World) -> None:
    """Each check and retirement that was asked for so far stands in a record: that is written first."""
    with world.sessions() as sessions:
        records = DispatchRecords(world.runtime(sessions), {})
        for sent in world.aws.sent:
            request = cast("CheckRequest", sent.body)
            if sent.queue == "check" and request["action"] == "check":
                records.require_dispatched(request)
            elif sent.queue == "check":
                record = LogReader(world.aws.store, request["vcenter"], VCENTER_LOG).find_record(
                    request["dispatch_seq"]
                )
                assert record is not None
                assert find_retire_request(record, request) is not None
