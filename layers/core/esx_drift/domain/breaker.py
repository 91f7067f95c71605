"""May this password be tried? The rules that keep the account from being locked.

vCenter Single Sign-On locks an account after 5 failures within 180 s, for everybody who uses it. A refused
version of the secret is therefore never tried again, and while the last verdict was a refusal, a new version
is tried by one caller only: the dispatcher, once in 180 s. And whoever is no checker takes turns: no more
logins are under way at once than there are checkers, and one.
"""

from datetime import datetime, timedelta
from typing import Literal, TypedDict

from esx_drift.domain.text.times import format_time, parse_time

type LoginActor = Literal["dispatcher", "checker", "doctor"]

LOCKOUT_WINDOW_SECONDS = 180
"""The window in which vCenter Single Sign-On counts failures, by default."""

CLAIM_SECONDS = 120
"""How long a turn holds that nobody gave back: longer than any login may take."""

REFUSED_KEPT = 100
"""Secrets Manager keeps about as many versions of a secret: an older one can't come back."""


class Breaker(TypedDict):
    """What is known of one vCenter's logins; as stored, see ``breaker.schema.json``."""

    schema_version: int
    vcenter: str
    open: bool
    refused: list[str]
    refused_at: str | None
    tried_at: str | None
    claimed_until: str | None


def build_closed_breaker(vcenter: str) -> Breaker:
    """Build the breaker of a vCenter that refused no login; a reset writes the same."""
    return {
        "schema_version": 1,
        "vcenter": vcenter,
        "open": False,
        "refused": [],
        "refused_at": None,
        "tried_at": None,
        "claimed_until": None,
    }


def explain_forbidden_login(breaker: Breaker, actor: LoginActor, version: str, now: datetime) -> str | None:
    """Explain why a version of the secret may not be tried now.

    Args:
        breaker: What is known of the vCenter's logins.
        actor: Who wants to log in; after a refusal only the dispatcher may try another version.
        version: The version's id in Secrets Manager.
        now: When the login would be tried.

    Returns:
        The reason, in words for a person; None if the login may be tried.
    """
    if version in breaker["refused"]:
        vcenter = breaker["vcenter"]
        return (
            f"this password was refused before, last at {breaker['refused_at']}. Put the new one into the"
            f" secret esx-drift/vcenter/{vcenter}, or if it is right after all: esx-drift doctor"
            f" --reset {vcenter}"
        )
    if not breaker["open"]:
        return None
    if actor != "dispatcher":
        return "the last login was refused, and only the dispatcher tries a new password"
    return _explain_too_early(breaker, now)


def _explain_too_early(breaker: Breaker, now: datetime) -> str | None:
    last = max(parse_time(at) for at in (breaker["refused_at"], breaker["tried_at"]) if at is not None)
    next_try = last + timedelta(seconds=LOCKOUT_WINDOW_SECONDS)
    if now >= next_try:
        return None
    return f"the last login was refused; the new password is tried after {format_time(next_try)}"


def is_turn_claimed(breaker: Breaker, now: datetime) -> bool:
    """Say whether a login is claimed in ``breaker`` and may still be under way at ``now``."""
    until = breaker["claimed_until"]
    return until is not None and now < parse_time(until)


def claim_turn(breaker: Breaker, now: datetime) -> Breaker:
    """Build what replaces ``breaker`` before a login at ``now``; only who succeeds in writing it may try."""
    return {
        **breaker,
        "tried_at": format_time(now) if breaker["open"] else breaker["tried_at"],
        "claimed_until": format_time(now + timedelta(seconds=CLAIM_SECONDS)),
    }


def release_turn(breaker: Breaker, claim: str | None) -> Breaker:
    """Release the claim in ``breaker`` that holds until ``claim``, a time as text; leave any other alone.

    None stands for no claim: nothing is released.
    """
    return {**breaker, "claimed_until": None} if breaker["claimed_until"] == claim else breaker


def record_refusal(breaker: Breaker, version: str, now: datetime) -> Breaker:
    """Build what replaces ``breaker`` after ``version`` of the secret was refused at ``now``."""
    refused = [other for other in breaker["refused"] if other != version]
    return {
        **breaker,
        "open": True,
        "refused": [*refused, version][-REFUSED_KEPT:],
        "refused_at": format_time(now),
    }


def record_success(breaker: Breaker) -> Breaker:
    """Build the breaker after a login succeeded; versions refused before stay refused."""
    return {**breaker, "open": False}
