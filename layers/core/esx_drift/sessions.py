"""Sessions of vCenters: one a vCenter and invocation, opened only as the breaker allows, always ended."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from types import TracebackType
from typing import Protocol, Self

from aws_lambda_powertools import Logger

from esx_drift.domain.breaker import Actor, Breaker, after_refusal, after_success, announced, forbids, fresh
from esx_drift.errors import VCENTER_FAILURES, EsxDriftError, LoginRefused, LoginSuspended, StoreConflict
from esx_drift.ports import VCenterSession

logger = Logger(child=True)

ROUNDS = 5
"""How often an outcome is written again after somebody else's: few write at once, each seldom."""


class Secret(Protocol):
    """What is needed here of a vCenter's secret."""

    @property
    def username(self) -> str:
        """Who logs in."""
        ...

    @property
    def version_id(self) -> str:
        """Which version of the secret this is."""
        ...


class Secrets[S: Secret](Protocol):
    """Where the vCenters' secrets are."""

    def vcenter(self, name: str) -> S:
        """Raises ``SecretInvalid`` or ``SecretUnavailable``."""
        ...


@dataclass(frozen=True, slots=True)
class StoredBreaker:
    """A breaker and its ETag, which a conditional write needs."""

    breaker: Breaker
    etag: str


class Breakers(Protocol):
    """Where the breakers are."""

    def read(self, vcenter: str) -> StoredBreaker | None:
        """None if this vCenter never refused a login."""
        ...

    def write(self, breaker: Breaker, etag: str | None) -> bool:
        """Write it if it still has this ETag (None: if there is none); whether it was written."""
        ...


class Session(VCenterSession, Protocol):
    """A session that can be opened and ended."""

    def login(self) -> None:
        """Open it."""
        ...

    def close(self) -> None:
        """End it; raises the failure that leaves it open."""
        ...


type Admission = Callable[[], AbstractContextManager[None]]
type Connect[S: Secret] = Callable[[S, Admission], Session]


class VCenterSessions[S: Secret]:
    """``ports.VCenters``, to be entered for one invocation: all sessions end when it is left."""

    def __init__(
        self,
        secrets: Secrets[S],
        breakers: Breakers,
        connect: Connect[S],
        actor: Actor,
        clock: Callable[[], datetime],
    ) -> None:
        self._secrets = secrets
        self._breakers = breakers
        self._connect = connect
        self._actor = actor
        self._clock = clock
        self._turns: dict[str, Lock] = {}
        self._known: dict[str, Session | EsxDriftError] = {}
        self._endings = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._known.clear()
        self._endings.__exit__(kind, error, traceback)

    def session(self, vcenter: str) -> VCenterSession:
        """The vCenter's session, logged in at the first call.

        What kept the first call from it (``LoginRefused``, ``LoginSuspended``, ``SecretInvalid``, a
        ``TransientError``) is raised again by each later one: one attempt an invocation is enough, above all
        with a password that may be wrong. Threads may come for several vCenters at once.
        """
        with self._turns.setdefault(vcenter, Lock()):
            if vcenter not in self._known:
                self._known[vcenter] = self._opened(vcenter)
            known = self._known[vcenter]
        if isinstance(known, EsxDriftError):
            raise known
        return known

    def _opened(self, vcenter: str) -> Session | EsxDriftError:
        try:
            secret = self._secrets.vcenter(vcenter)
            session = self._connect(secret, lambda: self._admission(vcenter, secret))
            self._endings.callback(_end, vcenter, session)
            session.login()
        except EsxDriftError as error:
            return error
        return session

    @contextmanager
    def _admission(self, vcenter: str, secret: S) -> Iterator[None]:
        """Around one login: keep it from being tried in vain, and keep its outcome."""
        stored = self._breakers.read(vcenter)
        breaker = fresh(vcenter) if stored is None else stored.breaker
        reason = forbids(breaker, self._actor, secret.version_id, self._clock())
        if reason is None and breaker["open"]:
            reason = self._claimed(breaker, stored)
        if reason is not None:
            raise LoginSuspended(
                f"login of {secret.username} to {vcenter} not tried: {reason}", {"user": secret.username}
            )
        try:
            yield
        except LoginRefused:
            self._keep(vcenter, lambda known: after_refusal(known, secret.version_id, self._clock()))
            raise
        if breaker["open"]:
            self._keep(vcenter, after_success)

    def _claimed(self, breaker: Breaker, stored: StoredBreaker | None) -> str | None:
        """Announce the attempt; why it may not be made, if somebody else announced his first."""
        etag = None if stored is None else stored.etag
        if self._breakers.write(announced(breaker, self._clock()), etag):
            return None
        return "another run is just trying the new password"

    def _keep(self, vcenter: str, change: Callable[[Breaker], Breaker]) -> None:
        for _ in range(ROUNDS):
            stored = self._breakers.read(vcenter)
            known = fresh(vcenter) if stored is None else stored.breaker
            if self._breakers.write(change(known), None if stored is None else stored.etag):
                return
        raise StoreConflict(f"the breaker of {vcenter} was written by others {ROUNDS} times at once")


def _end(vcenter: str, session: Session) -> None:
    """End a session. If that fails, what the invocation did still counts; the vCenter ends it when idle."""
    try:
        session.close()
    except VCENTER_FAILURES as error:
        logger.warning("session left open", vcenter=vcenter, reason=error.reason, why=error.message)
