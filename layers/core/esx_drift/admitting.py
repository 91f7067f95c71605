"""Who may log in to a vCenter now: as the breaker allows, so that a wrong password never locks the account.

Checkers are few (the template's CheckConcurrency), and go in side by side. All others, whose number nothing
bounds (scheduled runs, retries, persons, the doctor), take turns: one login of theirs at a time.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from esx_drift.domain.breaker import (
    Breaker,
    LoginActor,
    build_closed_breaker,
    claim_turn,
    explain_forbidden_login,
    is_turn_claimed,
    record_refusal,
    record_success,
    release_turn,
)
from esx_drift.errors import EsxDriftError, LoginRefused, LoginSuspended, OutOfTime, StoreConflict

MAX_OUTCOME_WRITES = 5
"""How often an outcome is written again after somebody else's: few write at once, each seldom."""

TURN_POLL_SECONDS = 0.5
MAX_TURN_POLLS = 120
"""Looks for one's turn, a pause apart: a minute in all, and a login takes a second."""


class LoginSecret(Protocol):
    """What is needed here of a vCenter's secret."""

    @property
    def username(self) -> str:
        """Who logs in."""
        ...

    @property
    def version_id(self) -> str:
        """Which version of the secret this is."""
        ...


@dataclass(frozen=True, slots=True)
class StoredBreaker:
    """A breaker and its ETag, which a conditional write needs."""

    breaker: Breaker
    etag: str


class BreakerStore(Protocol):
    """Where the breakers are."""

    def read(self, vcenter: str) -> StoredBreaker | None:
        """None if there is none yet: nobody but checkers ever logged in, and none was refused."""
        ...

    def write(self, breaker: Breaker, etag: str | None) -> bool:
        """Write it if it still has this ETag (None: if there is none); whether it was written."""
        ...


@dataclass(frozen=True, slots=True)
class LoginBreaker:
    """The way in to one vCenter."""

    breakers: BreakerStore
    vcenter: str
    actor: LoginActor
    clock: Callable[[], datetime]
    pause: Callable[[float], object]

    @contextmanager
    def guard_login(self, secret: LoginSecret) -> Iterator[None]:
        """Around one login: keep it from being tried in vain, and keep its outcome.

        Raises ``LoginSuspended`` if it may not be tried, and ``OutOfTime`` if its turn does not come.
        """
        breaker = self._admitted(secret)
        claim = None if self.actor == "checker" else breaker["claimed_until"]
        try:
            yield
        except LoginRefused:
            self._keep(
                lambda held: record_refusal(release_turn(held, claim), secret.version_id, self.clock())
            )
            raise
        except EsxDriftError:
            if claim is not None:
                self._keep(lambda held: release_turn(held, claim))
            raise
        if claim is not None or breaker["open"]:
            self._keep(lambda held: record_success(release_turn(held, claim)))

    def _admitted(self, secret: LoginSecret) -> Breaker:
        """The breaker as it is when the login may be tried, with the turn taken where one is needed."""
        for _ in range(MAX_TURN_POLLS):
            breaker, etag = self._read()
            now = self.clock()
            reason = explain_forbidden_login(breaker, self.actor, secret.version_id, now)
            if reason is not None:
                raise self._suspended(secret, breaker, reason)
            if self.actor == "checker":
                return breaker
            if not is_turn_claimed(breaker, now) and self.breakers.write(claim_turn(breaker, now), etag):
                return claim_turn(breaker, now)
            self.pause(TURN_POLL_SECONDS)
        raise OutOfTime(
            f"somebody else was logging in to {self.vcenter} for {MAX_TURN_POLLS * TURN_POLL_SECONDS:.0f} s, and only one"
            " may at a time, so that a wrong password can't lock the account"
        )

    def _suspended(self, secret: LoginSecret, breaker: Breaker, reason: str) -> LoginSuspended:
        """``password`` says whether it was refused, or waits for its turn."""
        user, refused = secret.username, secret.version_id in breaker["refused"]
        facts = {"user": user, "password": "refused before" if refused else "not tried yet"}
        return LoginSuspended(f"login of {user} to {self.vcenter} not tried: {reason}", facts)

    def _keep(self, change: Callable[[Breaker], Breaker]) -> None:
        for _ in range(MAX_OUTCOME_WRITES):
            held, etag = self._read()
            if self.breakers.write(change(held), etag):
                return
        raise StoreConflict(
            f"the breaker of {self.vcenter} was written by others {MAX_OUTCOME_WRITES} times at once"
        )

    def _read(self) -> tuple[Breaker, str | None]:
        stored = self.breakers.read(self.vcenter)
        return (build_closed_breaker(self.vcenter), None) if stored is None else (stored.breaker, stored.etag)
