"""The same message is delivered twice or three times at once: each job comes to what it comes to alone."""

import logging
from collections.abc import Iterator
from copy import replace
from dataclasses import dataclass, field
from functools import partial
from random import Random

import pytest

from tests.unit.checking.world import World
from tests.unit.jobs.deliveries import Message, Stage, handle
from tests.unit.jobs.left import require_whole
from tests.unit.jobs.table import JOBS, Job
from tests.unit.processes import READS, Counting, Mortal, Turn, interleave

SHUFFLED_ORDERS = 2
"""Of three at once, for each delivery of a job; always the same."""

COMMUTING = READS - {"state", "list_pointers", "list_records", "read"} | {"put_blob"}
"""Calls whose order among others' makes no difference: nobody writes there a second time."""

logger = logging.getLogger("figures")


RACED = {name: job for name, job in JOBS.items() if job.is_raced}


@pytest.mark.parametrize("job", RACED.values(), ids=RACED)
def test_the_same_message_at_once(world: World, job: Job) -> None:
    """In many orders of their calls, one record answers the request, and no log has a fork.

    Two at once: one waits before a call of his until the other is done. And two and three take turns.
    """
    first = job.prepare(world)
    stage, alone = Stage(world, job.follow), _Alone(job)
    stage.play(first, alone.deliver)
    expected = require_whole(stage)
    races = 0
    for number, calls in alone.calls.items():
        for processes, order in _list_orders(calls):
            stage.begin_anew()
            stage.play(first, partial(_race, stage, number, processes, order))
            assert require_whole(stage) == expected, (number, processes, order)
            races += 1
    logger.info("races: %s", races)


@dataclass(slots=True)
class _Alone:
    """Delivers one by one, and notes the calls of each delivery that the job is about."""

    job: Job
    calls: dict[int, list[str]] = field(default_factory=dict)
    number: int = 0

    def deliver(self, world: World, message: Message) -> bool:
        self.number += 1
        process = Counting(lambda: None)
        handle(world, message, process)
        if self.job.is_own(message):
            self.calls[self.number] = process.calls
        return True


def _list_orders(calls: list[str]) -> Iterator[tuple[int, list[int]]]:
    """How many processes are at work, and whose turn it is, call by call."""
    for number, name in enumerate(calls):
        if name not in COMMUTING:
            # The second one may have more to do, since the first one is not done.
            yield 2, [0] * (number + 1) + [1] * 4 * len(calls)
    for processes in (2, 3):
        yield processes, [*range(processes)] * 2 * len(calls)
    random = Random(len(calls))
    for _ in range(SHUFFLED_ORDERS):
        yield 3, random.choices(range(3), k=4 * len(calls))


def _race(
    stage: Stage, number: int, processes: int, order: list[int], world: World, message: Message
) -> bool:
    """Let processes at once make of one message, the ``number``-th to be delivered, what they make of it."""
    if stage.deliveries != number:
        handle(world, message, Mortal())
        return True

    def work(turn: Turn, received: int) -> None:
        handle(world, replace(message, received=received), turn, turn.pause)

    errors = interleave([partial(work, received=received) for received in range(processes)], order)
    return not any(errors)
