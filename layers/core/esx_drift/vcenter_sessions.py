"""Sessions of vCenters: one a vCenter and invocation, opened only as the breaker allows, always ended.

Longer than 250 lines, because opening a session and the breaker around it are read together.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self
from uuid import uuid4

from aws_lambda_powertools import Logger
from msgspec import Struct

from esx_drift.domain.breaker import (
    LOCKOUT_WINDOW_SECONDS,
    Breaker,
    LoginActor,
    build_closed_breaker,
    claim_turn,
    explain_forbidden_login,
    find_wait_seconds,
    give_back_second_try,
    is_held_by,
    is_second_try,
    is_turn_claimed,
    record_refusal,
    record_success,
    release_turn,
    spend_second_try,
)
from esx_drift.errors import (
    SECRET_NAME_FACT,
    TRIED_AGAIN_FACT,
    VCENTER_FAILURES,
    EsxDriftError,
    InternalError,
    LoginRefused,
    LoginSuspended,
    OutOfTime,
    StoreConflict,
    VCenterUnreachable,
)
from esx_drift.ports import BreakerStore, LoginGuard, LoginSecret, VCenterSession
from esx_drift.unforeseen import hold_unforeseen

MAX_OUTCOME_WRITES = 5
"""How often an outcome is written again after somebody else's: few write at once, each seldom."""

TURN_POLL_SECONDS = 0.5

MAX_TURN_POLLS = 120
"""Looks for one's turn, a pause apart: a minute in all, and a login takes a second."""


class LoginBreaker(Struct, frozen=True):
    """Lets a login to one vCenter through or not, as its breaker says, and keeps how it ended."""

    breakers: BreakerStore
    vcenter: str
    actor: LoginActor
    clock: Callable[[], datetime]
    pause: Callable[[float], object]

    @contextmanager
    def guard_login(self, secret: LoginSecret) -> Iterator[None]:
        """Guard one login: refuse it where it would be in vain, and record its outcome.

        Raises:
            LoginSuspended: The login may not be tried.
            LoginRefused: It was refused; a fact says so if it is tried once more by itself.
            VCenterUnreachable, OutOfTime: Somebody else was logging in all the time.
        """
        holder, version = str(uuid4()), secret.version_id
        breaker = self._wait_for_admission(secret, holder)
        is_second = version in breaker["refused"]
        try:
            yield
        except LoginRefused as error:
            held = self._record_outcome(
                lambda held: record_refusal(
                    release_turn(held, holder), version, self.clock(), is_final=is_second
                )
            )
            raise self._describe_refusal(error, held, secret, is_second=is_second) from error
        except EsxDriftError:
            if is_held_by(breaker, holder):
                self._record_outcome(lambda held: _undo_claim(held, holder, version, is_second=is_second))
            raise
        if is_held_by(breaker, holder) or breaker["open"]:
            self._record_outcome(lambda held: record_success(release_turn(held, holder), version))

    def _describe_refusal(
        self, error: LoginRefused, held: Breaker, secret: LoginSecret, *, is_second: bool
    ) -> LoginRefused:
        """The refusal, with what follows from it: another try, by the dispatcher that met it, or none."""
        facts = {**error.facts, SECRET_NAME_FACT: secret.name}
        if is_second:
            return LoginRefused(f"{error.message}, also on a second try", facts)
        if self.actor != "dispatcher" or not is_second_try(held, secret.version_id):
            return LoginRefused(error.message, facts)
        facts[TRIED_AGAIN_FACT] = str(LOCKOUT_WINDOW_SECONDS)
        return LoginRefused(f"{error.message}; it is tried once more in {LOCKOUT_WINDOW_SECONDS} s", facts)

    def _wait_for_admission(self, secret: LoginSecret, holder: str) -> Breaker:
        """The breaker as it is when the login may be tried, with the turn taken where one is needed."""
        version = secret.version_id
        for _ in range(MAX_TURN_POLLS):
            breaker, etag = self._read()
            now = self.clock()
            # What somebody else is just trying may turn out well: only then it is known what is forbidden.
            if self.actor == "checker" or not is_turn_claimed(breaker, now):
                reason = explain_forbidden_login(breaker, self.actor, version, now)
                if reason is not None:
                    raise self._build_suspension(secret, breaker, reason, now)
                if self.actor == "checker":
                    return breaker
                claim = claim_turn(spend_second_try(breaker, version), holder, now)
                if write_claim(self.breakers, claim, etag):
                    return claim
            self.pause(TURN_POLL_SECONDS)
        sentence = (
            f"somebody else was logging in to {self.vcenter} for {MAX_TURN_POLLS * TURN_POLL_SECONDS:.0f} s,"
            " and only one may at a time, so that a wrong password can't lock the account"
        )
        raise (
            OutOfTime(sentence) if self.actor == "doctor" else VCenterUnreachable(sentence, {"phase": "turn"})
        )

    def _build_suspension(
        self, secret: LoginSecret, breaker: Breaker, reason: str, now: datetime
    ) -> LoginSuspended:
        """``password`` says whether it was refused, or waits for its turn."""
        user, refused = secret.username, secret.version_id in breaker["refused"]
        facts = {"user": user, "password": "refused before" if refused else "not tried yet"}
        facts[SECRET_NAME_FACT] = secret.name
        wait_seconds = find_wait_seconds(breaker, secret.version_id, now)
        if self.actor == "dispatcher" and wait_seconds is not None:
            facts[TRIED_AGAIN_FACT] = str(wait_seconds)
        return LoginSuspended(f"login of {user} to {self.vcenter} not tried: {reason}", facts)

    def _record_outcome(self, change: Callable[[Breaker], Breaker]) -> Breaker:
        for _ in range(MAX_OUTCOME_WRITES):
            held, etag = self._read()
            changed = change(held)
            if self.breakers.write(changed, etag):
                return changed
        raise StoreConflict(
            f"the breaker of {self.vcenter} was written by others {MAX_OUTCOME_WRITES} times at once"
        )

    def _read(self) -> tuple[Breaker, str | None]:
        stored = self.breakers.read(self.vcenter)
        return (build_closed_breaker(self.vcenter), None) if stored is None else (stored.breaker, stored.etag)


def write_claim(breakers: BreakerStore, claim: Breaker, etag: str | None) -> bool:
    """Write ``claim`` over the breaker with this ``etag`` in ``breakers``, and say whether it counts.

    It does also where it was written, the reply was lost, and somebody else's outcome lies over it by now:
    the claim itself is still the holder's then. Not knowing that, he would wait for himself.
    """
    if breakers.write(claim, etag):
        return True
    stored = breakers.read(claim["vcenter"])
    return stored is not None and is_held_by(stored.breaker, claim.get("holder", ""))


def _undo_claim(held: Breaker, holder: str, version: str, *, is_second: bool) -> Breaker:
    """Undo what a login claimed that came to no verdict."""
    released = release_turn(held, holder)
    return give_back_second_try(released, version) if is_second else released


logger = Logger(child=True)


class VCenterSecrets[S: LoginSecret](Protocol):
    """Where the vCenters' secrets are."""

    def vcenter(self, name: str) -> S:
        """Read the secret of a vCenter.

        Raises:
            SecretInvalid, SecretUnavailable: It can't be used, or can't be read now.
        """
        ...


class OpenableSession(VCenterSession, Protocol):
    """A session that can be opened and ended."""

    def login(self) -> None:
        """Open the session."""
        ...

    def close(self) -> None:
        """End the session.

        Raises:
            EsxDriftError: The failure that leaves it open.
        """
        ...


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
        self._sessions: dict[str, OpenableSession | EsxDriftError] = {}
        self._endings = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._sessions.clear()
        self._endings.__exit__(kind, error, traceback)

    def session(self, vcenter: str) -> VCenterSession:
        """Return the vCenter's session, logged in at the first call.

        Raises:
            LoginRefused, LoginSuspended, SecretInvalid, TransientError: What kept the first call from it.
                Each later call raises it again: one attempt an invocation is enough, above all with a
                password that may be wrong.
        """
        if vcenter not in self._sessions:
            self._sessions[vcenter] = self._open_session(vcenter)
        session = self._sessions[vcenter]
        if isinstance(session, EsxDriftError):
            raise session
        return session

    def _open_session(self, vcenter: str) -> OpenableSession | EsxDriftError:
        try:
            # Held here, so that an error of any kind is met once an invocation, and no login is tried twice.
            with hold_unforeseen(f"the login to {vcenter}"):
                secret = self._secrets.vcenter(vcenter)
                breaker = LoginBreaker(self._breakers, vcenter, self._actor, self._clock, self._pause)
                session = self._connect(secret, lambda: breaker.guard_login(secret))
                self._endings.callback(_end_session, vcenter, session)
                session.login()
        except EsxDriftError as error:
            return error
        return session


def _end_session(vcenter: str, session: OpenableSession) -> None:
    """End a session. If that fails, what the invocation did still counts; the vCenter ends it when idle."""
    try:
        with hold_unforeseen(f"the logout from {vcenter}"):
            session.close()
    except (*VCENTER_FAILURES, InternalError) as error:
        logger.warning("session left open", vcenter=vcenter, reason=error.reason, why=error.message)
