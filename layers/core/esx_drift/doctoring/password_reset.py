"""One more try of a password that was refused, when a person says that it is right after all.

Before the login, the breaker is written so that everybody else waits: the account must not be locked.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from msgspec import Struct

from esx_drift.adapters.secrets import VCenterSecret
from esx_drift.adapters.state_bucket import S3Breakers
from esx_drift.domain.breaker import (
    LOCKOUT_WINDOW_SECONDS,
    Breaker,
    build_closed_breaker,
    find_next_try,
    is_turn_claimed,
    record_refusal,
    record_success,
    release_turn,
    spend_second_try,
)
from esx_drift.domain.text.times import format_time
from esx_drift.errors import FIX_FACT, LoginRefused, LoginSuspended, StoreConflict
from esx_drift.vcenter_sessions import write_claim

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class PasswordReset(Struct, frozen=True):
    """Tries one vCenter's password once, whatever its breaker says, unless that could lock the account."""

    s3: "S3Client"
    bucket: str
    clock: Callable[[], datetime]

    @contextmanager
    def guard_login(self, vcenter: str, secret: VCenterSecret) -> Iterator[None]:
        """Guard one login to ``vcenter`` with the password in ``secret``: to be entered around the login.

        Raises:
            LoginSuspended: Another login was tried within 180 s, or is being tried.
            StoreConflict: Somebody else wrote the breaker meanwhile, so that the outcome is not kept.
        """
        breakers, holder, now = S3Breakers(self.s3, self.bucket), str(uuid4()), self.clock()
        stored = breakers.read_for_reset(vcenter)
        breaker, etag = (
            (build_closed_breaker(vcenter), None) if stored is None else (stored.breaker, stored.etag)
        )
        if is_turn_claimed(breaker, now):
            raise _build_suspension(vcenter, "somebody else is just logging in", "Try again in 3 minutes.")
        _refuse_too_early(breaker, now)
        refused = [version for version in breaker["refused"] if version != secret.version_id]
        # Open, so that no checker tries; with a try just announced, so that the dispatcher waits as well.
        refused_at = breaker["refused_at"] or format_time(now)
        claimed: Breaker = {
            **spend_second_try(breaker, secret.version_id),
            "open": True,
            "refused_at": refused_at,
            "tried_at": format_time(now),
        }
        claim: Breaker = {**claimed, "refused": refused, "holder": holder}
        if not write_claim(breakers, claim, etag):
            raise _build_suspension(
                vcenter, "somebody else is just trying a password", "Try again in 3 minutes."
            )
        try:
            yield
        except LoginRefused:
            _write_outcome(
                breakers,
                vcenter,
                lambda held: record_refusal(
                    release_turn(held, holder), secret.version_id, now, is_final=True
                ),
            )
            raise
        _write_outcome(
            breakers, vcenter, lambda held: record_success(release_turn(held, holder), secret.version_id)
        )


def _refuse_too_early(breaker: Breaker, now: datetime) -> None:
    until = find_next_try(breaker, now)
    if until is not None and now < until:
        last = format_time(until - timedelta(seconds=LOCKOUT_WINDOW_SECONDS))
        reason = (
            f"the last try was at {last}, and 5 failures within {LOCKOUT_WINDOW_SECONDS} s lock the account"
        )
        raise _build_suspension(breaker["vcenter"], reason, f"Run it again after {format_time(until)}.")


def _build_suspension(vcenter: str, reason: str, fix: str) -> LoginSuspended:
    return LoginSuspended(f"login to {vcenter} not tried: {reason}", {FIX_FACT: fix})


def _write_outcome(breakers: S3Breakers, vcenter: str, change: Callable[[Breaker], Breaker]) -> None:
    """Write the outcome over our own claim, which has kept everybody else away."""
    stored = breakers.read(vcenter)
    if stored is None or not breakers.write(change(stored.breaker), stored.etag):
        raise StoreConflict(f"the breaker of {vcenter} was written by somebody else")
