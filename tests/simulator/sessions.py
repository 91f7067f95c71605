"""Sessions of the REST API: login, idle expiry, the limit of open sessions, the lockout of accounts."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.simulator.errors import login_refused, sessions_used_up, unauthenticated

USER = "svc-drift@vsphere.local"
PASSWORD = "S1mulated-vCenter!"


@dataclass(frozen=True, slots=True)
class Login:
    """One attempt to log in. A locked account is refused whatever the password."""

    at: datetime
    user: str
    accepted: bool
    locked: bool


@dataclass(slots=True)
class Session:
    """An open session."""

    user: str
    created_at: datetime
    used_at: datetime


class Sessions:
    """Who is logged in, and every attempt. Not thread-safe by itself: the vCenter's lock guards it."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.accounts = {USER: PASSWORD}
        self.idle_seconds = 1800.0
        self.limit = 3000
        # The defaults of vCenter Single Sign-On: 5 failures within 180 s, unlocked after 300 s.
        self.failures_allowed = 5
        self.failure_window_seconds = 180.0
        self.unlock_seconds = 300.0
        self.logins: list[Login] = []
        self.max_open = 0
        self._now = now
        self._open: dict[str, Session] = {}
        self._failures: list[Login] = []
        self._locked_until: dict[str, datetime] = {}

    @property
    def open_count(self) -> int:
        """How many sessions are open now."""
        self._expire()
        return len(self._open)

    @property
    def refused_count(self) -> int:
        """How many logins were refused."""
        return sum(not login.accepted for login in self.logins)

    def login(self, user: str, password: str) -> str:
        """A new session's token; ApiError 401 if refused, 503 if too many are open."""
        locked = self.is_locked(user)
        accepted = not locked and self.accounts.get(user) == password
        self.logins.append(Login(self._now(), user, accepted, locked))
        if not accepted:
            self._failures.append(self.logins[-1])
            self._lock_if_due(user)
            raise login_refused()
        if self.open_count >= self.limit:
            raise sessions_used_up()
        token = uuid.uuid4().hex
        self._open[token] = Session(user, self._now(), self._now())
        self.max_open = max(self.max_open, len(self._open))
        return token

    def use(self, token: str | None) -> Session:
        """The session of this token, used now; ApiError 401 if there is none."""
        self._expire()
        session = self._open.get(token or "")
        if session is None:
            raise unauthenticated()
        session.used_at = self._now()
        return session

    def logout(self, token: str | None) -> None:
        """Close the session; ApiError 401 if there is none."""
        self.use(token)
        del self._open[token or ""]

    def close_all(self) -> None:
        """Drop every session, as a restart of the vCenter does."""
        self._open.clear()

    def is_locked(self, user: str) -> bool:
        """Whether the account is locked now."""
        return user in self._locked_until and self._now() < self._locked_until[user]

    def unlock(self) -> None:
        """Unlock every account and forget its failures."""
        self._locked_until.clear()
        self._failures.clear()

    def _lock_if_due(self, user: str) -> None:
        since = self._now() - timedelta(seconds=self.failure_window_seconds)
        recent = [failure for failure in self._failures if failure.user == user and failure.at >= since]
        if len(recent) >= self.failures_allowed and not self.is_locked(user):
            self._locked_until[user] = self._now() + timedelta(seconds=self.unlock_seconds)

    def _expire(self) -> None:
        oldest = self._now() - timedelta(seconds=self.idle_seconds)
        self._open = {token: session for token, session in self._open.items() if session.used_at >= oldest}
