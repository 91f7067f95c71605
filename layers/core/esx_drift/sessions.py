"""Sessions of vCenters: one a vCenter and invocation, opened only as the breaker allows, always ended."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime
from threading import Lock
from types import TracebackType
from typing import Protocol, Self

from aws_lambda_powertools import Logger

from esx_drift.admitting import BreakerStore, LoginBreaker, LoginSecret
from esx_drift.domain.breaker import LoginActor
from esx_drift.errors import VCENTER_FAILURES, EsxDriftError
from esx_drift.ports import VCenterSession

logger = Logger(child=True)


class VCenterSecrets[S: LoginSecret](Protocol):
    """Where the vCenters' secrets are."""

    def vcenter(self, name: str) -> S:
        """Raises ``SecretInvalid`` or ``SecretUnavailable``."""
        ...


class OpenableSession(VCenterSession, Protocol):
    """A session that can be opened and ended."""

    def login(self) -> None:
        """Open it."""
        ...

    def close(self) -> None:
        """End it; raises the failure that leaves it open."""
        ...


type LoginGuard = Callable[[], AbstractContextManager[None]]
type OpenSession[S: LoginSecret] = Callable[[S, LoginGuard], OpenableSession]


class VCenterSessions[S: LoginSecret]:
    """``ports.VCenters``, to be entered for one invocation: all sessions end when it is left."""

    def __init__(
        self,
        secrets: VCenterSecrets[S],
        breakers: BreakerStore,
        connect: OpenSession[S],
        actor: LoginActor,
        clock: Callable[[], datetime],
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        """``actor`` is who logs in; ``pause`` waits so many seconds for his turn."""
        self._secrets = secrets
        self._breakers = breakers
        self._connect = connect
        self._actor = actor
        self._clock = clock
        self._pause = pause
        self._turns: dict[str, Lock] = {}
        self._known: dict[str, OpenableSession | EsxDriftError] = {}
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

    def _opened(self, vcenter: str) -> OpenableSession | EsxDriftError:
        try:
            secret = self._secrets.vcenter(vcenter)
            door = LoginBreaker(self._breakers, vcenter, self._actor, self._clock, self._pause)
            session = self._connect(secret, lambda: door.guard_login(secret))
            self._endings.callback(_end, vcenter, session)
            session.login()
        except EsxDriftError as error:
            return error
        return session


def _end(vcenter: str, session: OpenableSession) -> None:
    """End a session. If that fails, what the invocation did still counts; the vCenter ends it when idle."""
    try:
        session.close()
    except VCENTER_FAILURES as error:
        logger.warning("session left open", vcenter=vcenter, reason=error.reason, why=error.message)
