"""One more try of a password that was refused, when a person says that it is right after all.

Whoever comes in through here has told everybody else to wait before he tries: the account must not be locked.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from esx_drift.adapters.breaker import S3Breakers
from esx_drift.adapters.secrets import VCenterSecret
from esx_drift.domain.breaker import (
    LOCKOUT_WINDOW_SECONDS,
    Breaker,
    after_refusal,
    after_success,
    fresh,
    is_claimed,
)
from esx_drift.domain.doctor import FIX
from esx_drift.domain.names import breaker_key
from esx_drift.domain.times import text_of, time_of
from esx_drift.errors import LoginRefused, LoginSuspended, StoreConflict, StoreUnavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class Reset:
    """Tries one vCenter's password once, whatever its breaker says, unless that could lock the account."""

    s3: "S3Client"
    bucket: str
    clock: Callable[[], datetime]

    @contextmanager
    def admission(self, vcenter: str, secret: VCenterSecret) -> Iterator[None]:
        """Around the login. Raises ``LoginSuspended`` if another one was tried within 180 s."""
        breakers, now = S3Breakers(self.s3, self.bucket), self.clock()
        etag = self._etag(vcenter)
        known = fresh(vcenter) if etag is None else _readable(breakers, vcenter)
        if is_claimed(known, now):
            raise _suspended(vcenter, "somebody else is just logging in", "Try again in 3 minutes.")
        _refuse_too_early(known, now)
        refused = [version for version in known["refused"] if version != secret.version_id]
        # Open, so that no checker tries; with a try just announced, so that the dispatcher waits as well.
        refused_at = known["refused_at"] or text_of(now)
        claimed: Breaker = {**known, "open": True, "refused_at": refused_at, "tried_at": text_of(now)}
        claim: Breaker = {**claimed, "refused": refused}
        if not breakers.write(claim, etag):
            raise _suspended(vcenter, "somebody else is just trying a password", "Try again in 3 minutes.")
        try:
            yield
        except LoginRefused:
            _keep(breakers, vcenter, lambda held: after_refusal(held, secret.version_id, now))
            raise
        _keep(breakers, vcenter, after_success)

    def _etag(self, vcenter: str) -> str | None:
        """The ETag of the breaker, be it readable or not; none if there is none."""
        key = breaker_key(vcenter)
        try:
            return self.s3.head_object(Bucket=self.bucket, Key=key)["ETag"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "404":
                return None
            raise StoreUnavailable(f"S3 could not serve {key}: {error}") from error
        except BotoCoreError as error:
            raise StoreUnavailable(f"S3 could not serve {key}: {error}") from error


def _readable(breakers: S3Breakers, vcenter: str) -> Breaker:
    try:
        stored = breakers.read(vcenter)
    except LoginSuspended:
        # It can't be read, which is why nobody logs in: this is what ends it.
        return fresh(vcenter)
    return fresh(vcenter) if stored is None else stored.breaker


def _refuse_too_early(known: Breaker, now: datetime) -> None:
    for at in (known["refused_at"], known["tried_at"]):
        until = time_of(at) + timedelta(seconds=LOCKOUT_WINDOW_SECONDS) if at else now
        if now < until:
            why = (
                f"the last try was at {at}, and 5 failures within {LOCKOUT_WINDOW_SECONDS} s lock the account"
            )
            raise _suspended(known["vcenter"], why, f"Run it again after {text_of(until)}.")


def _suspended(vcenter: str, why: str, fix: str) -> LoginSuspended:
    return LoginSuspended(f"login to {vcenter} not tried: {why}", {FIX: fix})


def _keep(breakers: S3Breakers, vcenter: str, change: Callable[[Breaker], Breaker]) -> None:
    """Write the outcome over our own claim, which keeps everybody else away meanwhile."""
    stored = breakers.read(vcenter)
    if stored is None or not breakers.write(change(stored.breaker), stored.etag):
        raise StoreConflict(f"the breaker of {vcenter} was written by somebody else")
