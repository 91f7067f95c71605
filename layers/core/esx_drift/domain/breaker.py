"""May this password be tried? The rules that keep the account from being locked.

vCenter Single Sign-On locks an account after 5 failures within 180 s, for everybody who uses it. While the
last verdict was a refusal, only one caller tries a password: the dispatcher, once in 180 s. It tries a new
version of the secret, and the refused one once more, since a vCenter may refuse a right password now and
then. Refused again, a version is never tried by itself. And whoever is no checker takes turns: no more logins
are under way at once than there are checkers, and one.
"""

from datetime import datetime, timedelta
from math import ceil
from typing import Final, Literal, NotRequired, TypedDict, cast

from esx_drift.domain.text.times import format_time, parse_time

type LoginActor = Literal["dispatcher", "checker", "doctor"]

LOCKOUT_WINDOW_SECONDS = 180
"""The window in which vCenter Single Sign-On counts failures, by default."""

CLAIM_SECONDS = 110
"""How long a turn holds that nobody gave back: longer than any login may take."""

MAX_AHEAD_SECONDS: Final = 120
"""A claim that ends later than this from now, or a try that lies further ahead, is void: we never wrote it.
That is longer than a turn by more than our clocks differ."""

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
    refused_once: NotRequired[str]
    holder: NotRequired[str]


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
    is_refused, vcenter = version in breaker["refused"], breaker["vcenter"]
    if is_refused and not is_second_try(breaker, version):
        return (
            f"this password was refused before, last at {breaker['refused_at']}. Put the new one into the"
            f" secret …/vcenter/{vcenter}, or if it is right after all: esx-drift doctor"
            f" --reset {vcenter}"
        )
    if not breaker["open"] and not is_refused:
        return None
    again = "the refused password once more" if is_refused else "a new password"
    if actor != "dispatcher":
        return f"the last login was refused, and only the dispatcher tries {again}"
    next_try = find_next_try(breaker, now)
    if next_try is None or now >= next_try:
        return None
    what = "it is tried once more" if is_refused else "the new password is tried"
    return f"the last login was refused; {what} after {format_time(next_try)}"


def is_second_try(breaker: Breaker, version: str) -> bool:
    """Tell whether ``version`` was refused by ``breaker``, and may be tried once more."""
    return breaker.get("refused_once") == version


def find_next_try(breaker: Breaker, now: datetime) -> datetime | None:
    """Find when ``breaker`` lets a password be tried again, as of ``now``; None if nothing was tried."""
    ahead = now + timedelta(seconds=MAX_AHEAD_SECONDS)
    tried = [parse_time(at) for at in (breaker["refused_at"], breaker["tried_at"]) if at is not None]
    last = max((at for at in tried if at <= ahead), default=None)
    return None if last is None else last + timedelta(seconds=LOCKOUT_WINDOW_SECONDS)


def find_wait_seconds(breaker: Breaker, version: str, now: datetime) -> int | None:
    """Find how long the dispatcher waits before it tries a version of the secret.

    Args:
        breaker: What is known of the vCenter's logins.
        version: The version's id.
        now: Since when it waits.

    Returns:
        Seconds; None if it never tries it by itself.
    """
    next_try = find_next_try(breaker, now)
    if next_try is None or (version in breaker["refused"] and not is_second_try(breaker, version)):
        return None
    return max(1, ceil((next_try - now).total_seconds()))


def is_turn_claimed(breaker: Breaker, now: datetime) -> bool:
    """Say whether a login is claimed in ``breaker`` and may still be under way at ``now``."""
    if breaker["claimed_until"] is None:
        return False
    until = parse_time(breaker["claimed_until"])
    return now < until <= now + timedelta(seconds=MAX_AHEAD_SECONDS)


def claim_turn(breaker: Breaker, holder: str, now: datetime) -> Breaker:
    """Build what replaces ``breaker`` before a login at ``now``; only who succeeds in writing it may try.

    ``holder`` is one login's own name: two who come in the same moment would else write the same bytes, and
    one of them, whose reply was lost, take what the other wrote for its own.
    """
    return {
        **breaker,
        "holder": holder,
        "tried_at": format_time(now) if breaker["open"] else breaker["tried_at"],
        "claimed_until": format_time(now + timedelta(seconds=CLAIM_SECONDS)),
    }


def is_held_by(breaker: Breaker, holder: str) -> bool:
    """Tell whether what is claimed in ``breaker`` was claimed by ``holder``."""
    return breaker.get("holder") == holder


def release_turn(breaker: Breaker, holder: str) -> Breaker:
    """Release what ``holder`` claimed in ``breaker``; leave any other's claim alone."""
    if not is_held_by(breaker, holder):
        return breaker
    kept = {name: value for name, value in breaker.items() if name != "holder"}
    return cast("Breaker", {**kept, "claimed_until": None})


def spend_second_try(breaker: Breaker, version: str) -> Breaker:
    """Build what replaces ``breaker`` before ``version`` is tried once more: whatever comes of it, it was."""
    return _drop_second_try(breaker) if is_second_try(breaker, version) else breaker


def give_back_second_try(breaker: Breaker, version: str) -> Breaker:
    """Build what replaces ``breaker`` after a second try of ``version`` that came to no verdict."""
    return {**breaker, "refused_once": version} if breaker["open"] else breaker


def record_refusal(breaker: Breaker, version: str, now: datetime, *, is_final: bool = False) -> Breaker:
    """Build the breaker after a version of the secret was refused.

    Args:
        breaker: The breaker as it is.
        version: The version.
        now: When it was refused.
        is_final: It was tried once more, or by a person: now it is not tried again by itself.
    """
    others = [other for other in breaker["refused"] if other != version]
    refused: Breaker = {
        **breaker,
        "open": True,
        "refused": [*others, version][-REFUSED_KEPT:],
        "refused_at": format_time(now),
    }
    is_first = version not in breaker["refused"]
    return {**refused, "refused_once": version} if is_first and not is_final else refused


def record_success(breaker: Breaker, version: str) -> Breaker:
    """Build what replaces ``breaker`` after a login with ``version``; others refused before stay refused."""
    refused = [other for other in breaker["refused"] if other != version]
    return {**_drop_second_try(breaker), "open": False, "refused": refused}


def _drop_second_try(breaker: Breaker) -> Breaker:
    kept = {name: value for name, value in breaker.items() if name != "refused_once"}
    return cast("Breaker", kept)
