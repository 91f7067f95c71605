"""Whether what checks find reaches people: routes that are dead, and messages that were given up."""

from collections.abc import Callable, Container, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from esx_drift.cli.terminal import advise_on_rights, print_warning
from esx_drift.domain.deliveries import MAX_DEATH_CHARACTERS
from esx_drift.domain.fleet.fleet import Fleet, Route, group_by_webhook
from esx_drift.domain.reports.dead_routes import DeadRoute, list_dead_routes
from esx_drift.domain.text.wording import clean_text, format_count, format_moment, join_names
from esx_drift.errors import EsxDriftError
from esx_drift.log_reader import read_all

if TYPE_CHECKING:
    from esx_drift.cli.aws import DeployedStack
    from esx_drift.domain.deliveries import RouteState


class DeadLetters(Struct, frozen=True):
    """How many ``messages`` lie in a dead letter ``queue``, and ``what`` they are."""

    queue: str
    what: str
    messages: int


class Telling(Struct, frozen=True):
    """What does not reach people. None: that could not be read."""

    dead_routes: tuple[DeadRoute, ...] | None
    dead_letters: tuple[DeadLetters, ...] | None

    @property
    def is_failing(self) -> bool:
        """Whether something is known not to reach them."""
        return bool(self.dead_routes or self.dead_letters)

    @property
    def is_known(self) -> bool:
        """Whether all of it could be read."""
        return self.dead_routes is not None and self.dead_letters is not None


def read_telling(stack: "DeployedStack", fleet: Fleet) -> Telling:
    """Read what does not reach people; what can't be read is warned of.

    It takes a request for each webhook of ``fleet``, and one for each dead letter queue of ``stack``.
    """
    return Telling(
        _try_reading("which routes are dead", lambda: _read_dead_routes(stack, fleet)),
        _try_reading("what lies in dead letter queues", lambda: _read_dead_letters(stack)),
    )


def _try_reading[Found](what: str, read: Callable[[], Found]) -> Found | None:
    try:
        return read()
    except EsxDriftError as error:
        advice = advise_on_rights(error)
        print_warning(f"{what} is not known: {' '.join(str(error).split())}{f' {advice}' if advice else ''}")
        return None


def _read_dead_routes(stack: "DeployedStack", fleet: Fleet) -> tuple[DeadRoute, ...]:
    from esx_drift.adapters.state_bucket import S3RouteStates  # noqa: PLC0415 -- boto3 takes long to load

    (bucket,) = stack.read_outputs("StateBucketName")
    states = S3RouteStates(stack.clients.s3, bucket)

    def read(routes: tuple[Route, ...]) -> "tuple[tuple[Route, ...], RouteState]":
        return routes, states.read(routes[0]).state

    return tuple(list_dead_routes(read_all(read, group_by_webhook(fleet.routes))))


def _read_dead_letters(stack: "DeployedStack") -> tuple[DeadLetters, ...]:
    from esx_drift.cli.aws import explain_aws_errors  # noqa: PLC0415 -- boto3 takes long to load
    from esx_drift.doctoring.deployed_stack import (  # noqa: PLC0415 -- likewise
        COUNTS,
        DEAD_LETTER_SUFFIX,
        LOST,
    )

    queues = stack.clients.sqs()

    def count(queue: tuple[str, str]) -> DeadLetters:
        name, url = queue
        shown = queues.get_queue_attributes(QueueUrl=url, AttributeNames=[*COUNTS])["Attributes"]
        what = LOST.get(name.removesuffix(DEAD_LETTER_SUFFIX), "what was given up")
        return DeadLetters(name, what, sum(int(shown[each]) for each in COUNTS))

    with explain_aws_errors("Counting them"):
        counted = read_all(count, stack.list_dead_letter_queues())
    return tuple(letters for letters in counted if letters.messages)


def render_telling(telling: Telling, now: datetime, doctor: str) -> Iterator[str]:
    """Render what does not reach people, a line each, and what to do about it.

    Args:
        telling: What was read.
        now: When it was.
        doctor: The command that says what to do.
    """
    routes = telling.dead_routes or ()
    silent = {route.name for dead in routes for route in dead.routes}
    for dead in routes:
        yield _render_route(dead, silent, now)
    for letters in telling.dead_letters or ():
        yield f"{format_count(letters.messages, 'message')} in {letters.queue}: {letters.what}"
    if telling.is_failing:
        yield f"To see what to do about it: {doctor}"


def _render_route(dead: DeadRoute, silent: Container[str], now: datetime) -> str:
    names = join_names([route.name for route in dead.routes])
    routes = f"Route {names} is dead" if len(dead.routes) == 1 else f"Routes {names} are dead"
    reason = clean_text(dead.reason, MAX_DEATH_CHARACTERS).removesuffix(".")
    since = format_moment(dead.since, now.year)
    return f"{routes} since {since} UTC, and {_render_stand_ins(dead.routes, silent)}: {reason}"


def _render_stand_ins(routes: Sequence[Route], silent: Container[str]) -> str:
    """Render who is told in the place of dead ``routes``: each has a fallback of its own, or none that works.

    ``silent`` are the names of all routes that are dead.
    """
    heard: dict[str | None, list[str]] = {}
    for route in routes:
        heard.setdefault(None if route.fallback in silent else route.fallback, []).append(route.name)
    if len(heard) == 1:
        return f"{next(iter(heard)) or 'nobody'} is told in {'its' if len(routes) == 1 else 'their'} place"
    return ", ".join(f"{who or 'nobody'} is told for {join_names(names)}" for who, names in heard.items())
