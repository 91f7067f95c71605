"""Checkers, dispatchers and doctors log in at any time, and are refused at any: no account is locked."""

from collections import Counter
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from esx_drift.contracts import list_violations
from esx_drift.domain.breaker import Breaker, LoginActor
from esx_drift.errors import EsxDriftError, LoginRefused, VCenterUnavailable
from esx_drift.ports import StoredBreaker
from esx_drift.vcenter_sessions import LoginBreaker
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

if TYPE_CHECKING:
    from collections.abc import Callable

LOCKOUT_SECONDS, FAILURES_THAT_LOCK = 180, 5
"""The defaults of vCenter Single Sign-On."""

LOGIN_SECONDS = 105
"""The longest that a login takes, by the bounds of one call."""

MAX_CHECKERS = 3
"""How many checkers run at once, by the template."""

type Verdict = str


@dataclass(frozen=True, slots=True)
class Secret:
    """A version of the vCenter's secret."""

    version_id: str
    username: str = "svc"
    name: str = "esx-drift/vcenter/vc01"


@dataclass(slots=True)
class Bucket:
    """``ports.BreakerStore`` in memory: a write needs the ETag of what lies there."""

    breaker: Breaker | None = None
    writes: int = 0

    def read(self, _vcenter: str) -> StoredBreaker | None:
        """Read it."""
        return None if self.breaker is None else StoredBreaker(self.breaker, str(self.writes))

    def write(self, breaker: Breaker, etag: str | None) -> bool:
        """Write it, if nobody else did."""
        if etag != (None if self.breaker is None else str(self.writes)):
            return False
        self.breaker, self.writes = breaker, self.writes + 1
        return True


@dataclass(slots=True)
class Login:
    """A login that is under way."""

    actor: LoginActor
    version: str
    began_at: datetime
    guard: AbstractContextManager[None] = field(repr=False)


class Logins(RuleBasedStateMachine):
    """Every password is wrong, or right and refused now and then, which is as bad."""

    def __init__(self) -> None:
        super().__init__()
        self.bucket = Bucket()
        self.now = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
        self.version = 1
        self.under_way: list[Login] = []
        self.refused: list[datetime] = []
        self.verdicts: Counter[str] = Counter()

    @rule(seconds=st.sampled_from([0.001, 1, 30, 60, 105, 120, 179, 180, 181, 3600]))
    def wait(self, seconds: float) -> None:
        """Time passes; a login that has taken as long as one can is refused first."""
        end = self.now + timedelta(seconds=seconds)
        while self.under_way:
            oldest = min(self.under_way, key=lambda login: login.began_at)
            if oldest.began_at + timedelta(seconds=LOGIN_SECONDS) > end:
                break
            self.now = max(self.now, oldest.began_at + timedelta(seconds=LOGIN_SECONDS))
            self._end(oldest, LoginRefused("no"))
        self.now = end

    @rule()
    def put_a_new_password(self) -> None:
        """A person writes another wrong one."""
        self.version += 1

    @rule(actor=st.sampled_from(["checker", "checker", "dispatcher", "doctor"]))
    def begin(self, actor: LoginActor) -> None:
        """Somebody comes to log in, with the newest version."""
        if actor == "checker" and sum(one.actor == "checker" for one in self.under_way) == MAX_CHECKERS:
            return
        secret = Secret(f"version-{self.version}")
        guard = LoginBreaker(self.bucket, "vc01", actor, lambda: self.now, lambda _: None).guard_login(secret)
        try:
            guard.__enter__()
        except EsxDriftError:
            return
        self.under_way.append(Login(actor, secret.version_id, self.now, guard))

    @precondition(lambda self: self.under_way)
    @rule(
        number=st.integers(0, 5),
        verdict=st.sampled_from(["refused", "refused", "refused", "unanswered", "in"]),
    )
    def end(self, number: int, verdict: Verdict) -> None:
        """One of those under way ends."""
        errors: dict[str, Callable[[], EsxDriftError]] = {
            "refused": lambda: LoginRefused("no"),
            "unanswered": lambda: VCenterUnavailable("not now"),
        }
        login = self.under_way[number % len(self.under_way)]
        self._end(login, errors[verdict]() if verdict in errors else None)

    def _end(self, login: Login, error: EsxDriftError | None) -> None:
        self.under_way.remove(login)
        if isinstance(error, LoginRefused):
            # The vCenter counts it before anybody of us knows of it.
            self.refused.append(self.now)
            self.now += timedelta(milliseconds=1)
            self.verdicts[login.version] += 1
        if error is None:
            # A good login begins the vCenter's count anew.
            self.verdicts[login.version] = 0
            self.refused.clear()
            login.guard.__exit__(None, None, None)
            return
        with suppress(type(error)):
            login.guard.__exit__(type(error), error, None)

    @invariant()
    def no_account_is_locked(self) -> None:
        """Never 5 refusals within 180 s."""
        since = self.now - timedelta(seconds=LOCKOUT_SECONDS)
        assert sum(at >= since for at in self.refused) < FAILURES_THAT_LOCK

    @invariant()
    def no_password_is_tried_for_ever(self) -> None:
        """The first round at once, and once more: unless it let somebody in between."""
        assert max(self.verdicts.values(), default=0) <= FAILURES_THAT_LOCK

    @invariant()
    def the_breaker_keeps_its_schema(self) -> None:
        """As it is stored."""
        assert self.bucket.breaker is None or list_violations("breaker", self.bucket.breaker) == []


@pytest.mark.parametrize("puts_new", [False, True])
@pytest.mark.parametrize("seconds", [1, 20, 60, 179, 180])
def test_the_worst_that_can_meet_is_one_refusal_short_of_the_lock(seconds: int, *, puts_new: bool) -> None:
    """All who may log in at once are refused at once, and then everybody comes again and again.

    After the first round only the dispatcher tries, once in the window, whatever password it is.
    """
    logins = Logins()
    for actor in (*["checker"] * MAX_CHECKERS, "dispatcher"):
        logins.begin(actor)
    assert len(logins.under_way) == FAILURES_THAT_LOCK - 1
    while logins.under_way:
        logins.end(0, "refused")
    for _ in range(400 // seconds):
        logins.wait(seconds)
        if puts_new:
            logins.put_a_new_password()
        for actor in ("checker", "doctor", "dispatcher"):
            logins.begin(actor)
            while logins.under_way:
                logins.end(0, "refused")
            logins.no_account_is_locked()
            logins.no_password_is_tried_for_ever()
    assert len(logins.refused) > MAX_CHECKERS + 1


TestLogins = Logins.TestCase
TestLogins.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
