"""Faults: what goes wrong, on which requests, how many times."""

from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from threading import Lock

from tests.simulator.reply import Reply, Request


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong: either a reply `instead` of the vCenter's, or its reply altered.

    With `instead` the vCenter never sees the request; with `alter` it does what it was asked to, and
    only the answer suffers, as it does with `echo`, which sees what was asked as well.
    """

    name: str
    instead: Callable[[Request], Reply] | None = None
    alter: Callable[[Reply], Reply] | None = None
    echo: Callable[[Request, Reply], Reply] | None = None


@dataclass(slots=True)
class _Injected:
    route: str
    fault: Fault
    remaining: int | None
    hits: int = field(default=0)


class Faults:
    """The faults in force. A route is a shell pattern over `METHOD /path`, `*` for all of them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._injected: list[_Injected] = []

    def inject(self, route: str, fault: Fault, times: int | None = None) -> None:
        """Apply the fault to the next `times` requests that match, or (None) until cleared."""
        with self._lock:
            self._injected.append(_Injected(route, fault, times))

    def clear(self, route: str | None = None) -> None:
        """Remove the faults of this route pattern, or all."""
        with self._lock:
            self._injected = [x for x in self._injected if route is not None and x.route != route]

    def hits(self, name: str) -> int:
        """How many requests met a fault of this name that is still in force or spent."""
        with self._lock:
            return sum(injected.hits for injected in self._injected if injected.fault.name == name)

    def taken(self, request: Request) -> list[Fault]:
        """The faults that this request meets, in the order they were injected; each counts it."""
        place = f"{request.method} {request.path}"
        with self._lock:
            met = [x for x in self._injected if x.remaining != 0 and fnmatchcase(place, x.route)]
            for injected in met:
                injected.hits += 1
                if injected.remaining is not None:
                    injected.remaining -= 1
            return [injected.fault for injected in met]

    def applied(self, request: Request, answer: Callable[[Request], Reply]) -> Reply:
        """The reply to this request, made by `answer` unless a fault takes its place."""
        met = self.taken(request)
        makers = [fault.instead for fault in met if fault.instead is not None]
        reply = (makers[0] if makers else answer)(request)
        for fault in met:
            if fault.alter is not None:
                reply = fault.alter(reply)
            if fault.echo is not None:
                reply = fault.echo(request, reply)
        return reply
