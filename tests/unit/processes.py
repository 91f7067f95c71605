"""Processes that call AWS: one that may end at any call, and several at once, a call each in turn."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Semaphore, Thread
from typing import Any, Literal, Protocol

from esx_drift.errors import EsxDriftError

PATIENCE_SECONDS = 60
"""How long a thread is waited for before the test fails: no part of any test takes nearly as long."""


class ProcessEnd(BaseException):
    """The process is gone: nothing after this point runs, and nothing can catch it."""


class Process(Protocol):
    """Whoever makes the calls of AWS."""

    def call(self, name: str, make: Callable[[], object]) -> object:
        """Make the call ``make``, of the method ``name``."""
        ...


class _Port:
    def __init__(self, inner: object, process: Process) -> None:
        self._inner, self._process = inner, process

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- it stands for anything
        method = getattr(self._inner, name)
        if name == "uri":  # it asks nobody
            return method
        return lambda *arguments: self._process.call(name, partial(_finish, method, *arguments))


def watch(port: Any, process: Process) -> Any:  # noqa: ANN401 -- it stands for anything
    """The same port to AWS, each call of which ``process`` makes."""
    return _Port(port, process)


def _finish(method: Callable[..., object], *arguments: object) -> object:
    found = method(*arguments)
    # A listing would make its call later.
    return iter(list(found)) if isinstance(found, Iterator) else found


@dataclass(slots=True)
class Mortal:
    """A process that ends before or after one of its calls; with 0 it lives on. ``calls``: those it made."""

    ends_at: int = 0
    after: bool = False
    calls: list[str] = field(default_factory=list)

    def call(self, name: str, make: Callable[[], object]) -> object:
        """Make the call, unless the process ended: also what is to be done at the end in any case isn't."""
        self._end(now=self.is_over)
        self.calls.append(name)
        self._end(now=self.is_over and not self.after)
        result = make()
        self._end(now=self.is_over)
        return result

    @property
    def is_over(self) -> bool:
        """Whether it came to its end."""
        return 0 < self.ends_at <= len(self.calls)

    def _end(self, *, now: bool) -> None:
        if now:
            raise ProcessEnd


READS = frozenset(
    {
        "vcenter",
        "read",
        "state",
        "list_pointers",
        "list_records",
        "read_record",
        "record",
        "snapshot",
        "document",
    }
)
"""Calls that leave nothing behind: a process that ends before one, or after it, ends at the same moment."""


@dataclass(slots=True)
class Counting:
    """A process that lives on, and the moments at which it could have ended.

    ``look`` says what else has happened until now. Of two ends between which nothing happens, neither in AWS
    nor there, one is enough.
    """

    look: Callable[[], object]
    calls: list[str] = field(default_factory=list)
    moments: dict[object, Mortal] = field(default_factory=dict)
    is_over: Literal[False] = False

    def call(self, name: str, make: Callable[[], object]) -> object:
        """Make the call."""
        self._note(Mortal(len(self.calls) + 1, after=False))
        self.calls.append(name)
        result = make()
        self._note(Mortal(len(self.calls), after=True))
        return result

    def _note(self, end: Mortal) -> None:
        left_behind = sum(name not in READS for name in self.calls)
        self.moments.setdefault((left_behind, self.look()), end)


@dataclass(slots=True)
class Turn:
    """A process beside others: before each call it waits until it is its turn."""

    back: Semaphore
    go: Semaphore = field(default_factory=lambda: Semaphore(0))
    waits: bool = False
    is_over: bool = False
    error: BaseException | None = None

    def call(self, name: str, make: Callable[[], object]) -> object:  # noqa: ARG002 -- as for any process
        """Let the others go on, then make the call."""
        self.hand_over()
        return make()

    def pause(self, _: float) -> None:
        """Wait until the others went on: time does not pass."""
        self.waits = True

    def hand_over(self) -> None:
        """Wait for the next turn."""
        self.back.release()
        assert self.go.acquire(timeout=PATIENCE_SECONDS)

    def work(self, job: Callable[["Turn"], object]) -> None:
        """Run the job, from the first turn on."""
        assert self.go.acquire(timeout=PATIENCE_SECONDS)
        try:
            job(self)
        except BaseException as error:  # noqa: BLE001 -- told by `interleave`
            self.error = error
        finally:
            self.is_over = True
            self.back.release()


def interleave(jobs: Sequence[Callable[[Turn], object]], order: Iterable[int]) -> list[EsxDriftError | None]:
    """Run jobs at once, in one order: each number is whose turn it is, up to his next call.

    Who is done is passed over, and so is who waits for the others while they go on. When the order ends, the
    jobs come to their ends one by one.

    Returns:
        The errors of ours that the jobs ended by.
    """
    back = Semaphore(0)
    turns = [Turn(back) for _ in jobs]
    threads = [Thread(target=turn.work, args=(job,)) for turn, job in zip(turns, jobs, strict=True)]
    for thread in threads:
        thread.start()
    for number in order:
        _step(turns, number, back)
    while living := [number for number, turn in enumerate(turns) if not turn.is_over]:
        _step(turns, living[0], back)
    for thread in threads:
        thread.join()
    errors = [turn.error for turn in turns]
    for error in errors:
        if error is not None and not isinstance(error, EsxDriftError):
            raise error
    return errors  # type: ignore[return-value]  # all others were raised


def _step(turns: Sequence[Turn], number: int, back: Semaphore) -> None:
    turn = turns[number]
    if turn.is_over:
        return
    others = [other for other in turns if other is not turn and not other.is_over]
    if turn.waits and others:
        turn.waits, turn = False, others[0]
    turn.go.release()
    assert back.acquire(timeout=PATIENCE_SECONDS)
