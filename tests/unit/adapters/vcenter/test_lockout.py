"""However many come with a wrong password: never enough refusals to lock the account."""

import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from threading import Barrier, Condition, Event

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError
from esx_drift.domain.breaker import (
    CLAIM_SECONDS,
    Breaker,
    LoginActor,
    build_closed_breaker,
    claim_turn,
    record_refusal,
)
from esx_drift.domain.stored.identifiers import encode_canonical_json, make_breaker_key
from esx_drift.errors import (
    TRIED_AGAIN_FACT,
    LoginRefused,
    LoginSuspended,
    OutOfTime,
    StoreConflict,
    StoreUnavailable,
    VCenterError,
    VCenterUnavailable,
    VCenterUnreachable,
)
from mypy_boto3_s3.type_defs import PutObjectRequestTypeDef

from tests.simulator import VCenter, fault_kinds
from tests.simulator.faults import Fault
from tests.simulator.reply import Reply
from tests.simulator.sessions import PASSWORD, USER
from tests.unit.adapters.vcenter.world import BUCKET, NAME, NOW, World

LOGIN = "POST /api/session"


def test_a_refusal_keeps_everybody_from_trying(world: World, vcenter: VCenter) -> None:
    """The dispatcher tries the same password once more, 180 s later; then nobody, however long it takes."""
    world.set_password("wrong")
    assert world.outcome() == LoginRefused.__name__
    world.wait(179)
    for actor in ("checker", "doctor", "dispatcher"):
        assert world.outcome(actor) == LoginSuspended.__name__
    world.wait(1)
    assert world.outcome("checker") == LoginSuspended.__name__
    assert world.outcome("dispatcher") == LoginRefused.__name__
    for _ in range(5):
        world.wait(3600)
        assert world.outcome("checker") == LoginSuspended.__name__
        assert world.outcome("dispatcher") == LoginSuspended.__name__
    assert len(vcenter.sessions.logins) == 2


def test_one_refusal_of_a_right_password_passes_by_itself(world: World, vcenter: VCenter) -> None:
    """Seen on vSphere 8: the second try lets everybody in, and no person has to act."""
    vcenter.faults.inject(LOGIN, fault_kinds.status(401), times=1)
    assert world.outcome("checker") == LoginRefused.__name__
    assert world.outcome("checker") == LoginSuspended.__name__
    world.wait(180)
    assert world.outcome("dispatcher") == "in"
    assert world.outcome("checker") == "in"


def test_a_second_try_that_reached_nobody_is_repeated(world: World, vcenter: VCenter) -> None:
    """No verdict came of it: the next dispatcher tries it, 180 s later again."""
    vcenter.faults.inject(LOGIN, fault_kinds.status(401), times=1)
    assert world.outcome("dispatcher") == LoginRefused.__name__
    vcenter.faults.inject(LOGIN, fault_kinds.status(503), times=1)
    world.wait(180)
    assert world.outcome("dispatcher") == VCenterUnavailable.__name__
    assert world.outcome("dispatcher") == LoginSuspended.__name__
    world.wait(180)
    assert world.outcome("dispatcher") == "in"


def test_who_comes_while_a_second_try_is_under_way_waits_for_its_end(
    world: World, vcenter: VCenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same message, or a run of the schedule: it would else tell people of a password that is right."""
    vcenter.faults.inject(LOGIN, fault_kinds.status(401), times=1)
    assert world.outcome("dispatcher") == LoginRefused.__name__
    world.wait(180)
    waits, others = Event(), list[Future[str]]()

    def pause(_: World, __: float) -> None:
        waits.set()
        Event().wait(0.001)

    monkeypatch.setattr(World, "pause", pause)
    with ThreadPoolExecutor(1) as pool:

        def come_meanwhile(reply: Reply) -> Reply:
            others.append(pool.submit(world.outcome, "dispatcher"))
            assert waits.wait(10)
            return reply

        vcenter.faults.inject(LOGIN, Fault("meanwhile", alter=come_meanwhile), times=1)
        assert world.outcome("dispatcher") == "in"
    assert [other.result() for other in others] == ["in"]


def test_a_refusal_says_whether_it_is_tried_once_more(world: World) -> None:
    """To the dispatcher, which does it: first in how long, then that it was."""
    world.set_password("wrong")
    for again, words in ((180, "it is tried once more in 180 s"), (100, "it is tried once more after")):
        with (
            world.sessions("dispatcher") as sessions,
            pytest.raises((LoginRefused, LoginSuspended)) as caught,
        ):
            sessions.session(NAME)
        assert words in caught.value.message
        assert caught.value.facts[TRIED_AGAIN_FACT] == str(again)
        world.wait(80)
    world.wait(20)
    with (
        world.sessions("dispatcher") as sessions,
        pytest.raises(LoginRefused, match="also on a second try") as last,
    ):
        sessions.session(NAME)
    assert TRIED_AGAIN_FACT not in last.value.facts


def test_a_suspended_login_says_what_to_do(world: World) -> None:
    """User, secret and command are named; the password is not."""
    world.set_password("wr0ng!")
    world.outcome()
    world.wait(180)
    world.outcome("dispatcher")
    with world.sessions() as sessions, pytest.raises(LoginSuspended) as caught:
        sessions.session(NAME)
    facts = {"user": USER, "password": "refused before", "secret_name": f"esx-drift/vcenter/{NAME}"}
    assert caught.value.facts == facts
    for part in (USER, f"…/vcenter/{NAME}", f"doctor --reset {NAME}"):
        assert part in caught.value.message
    assert "wr0ng!" not in caught.value.message


def test_a_new_password_is_tried_by_the_dispatcher_and_lets_all_in(world: World, vcenter: VCenter) -> None:
    """At least 180 s after the refusal, once, by the dispatcher; then everybody goes on by themselves."""
    world.set_password("wrong")
    world.outcome()
    world.set_password(PASSWORD)
    world.wait(179)
    assert world.outcome("dispatcher") == LoginSuspended.__name__
    world.wait(1)
    assert world.outcome("checker") == LoginSuspended.__name__
    assert world.outcome("dispatcher") == "in"
    assert world.outcome("checker") == "in"
    assert [login.accepted for login in vcenter.sessions.logins] == [False, True, True]


def test_a_new_password_that_is_wrong_too(world: World, vcenter: VCenter) -> None:
    """It is refused once, and the third one has to wait again."""
    world.set_password("wrong")
    world.outcome()
    world.set_password("wrong as well")
    world.wait(180)
    assert world.outcome("dispatcher") == LoginRefused.__name__
    world.set_password(PASSWORD)
    world.wait(100)
    assert world.outcome("dispatcher") == LoginSuspended.__name__
    world.wait(80)
    assert world.outcome("dispatcher") == "in"
    assert len(vcenter.sessions.logins) == 3


def test_a_trial_that_reached_nobody_is_repeated(world: World, vcenter: VCenter) -> None:
    """If the vCenter is down when the new password is tried, the next dispatcher tries it."""
    world.set_password("wrong")
    world.outcome()
    world.set_password(PASSWORD)
    world.wait(180)
    vcenter.faults.inject(LOGIN, fault_kinds.status(500), times=1)
    assert world.outcome("dispatcher") == VCenterError.__name__
    assert world.outcome("dispatcher") == LoginSuspended.__name__
    world.wait(180)
    assert world.outcome("dispatcher") == "in"


def test_two_dispatchers_make_one_trial(world: World, vcenter: VCenter) -> None:
    """Of runs at the same moment only the one that announces it first tries the new password."""
    world.set_password("wrong")
    world.outcome()
    world.set_password("wrong as well")
    world.wait(180)
    start = Barrier(4)

    def run() -> str:
        start.wait()
        return world.outcome("dispatcher")

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(future.result() for future in [pool.submit(run) for _ in range(4)])
    assert outcomes == ["LoginRefused", *["LoginSuspended"] * 3]
    assert len(vcenter.sessions.logins) == 2


def _before_each_write(world: World, breaker: Breaker) -> None:
    """Somebody else writes this breaker just before each write of ours, each time with a refusal more."""
    somebody = boto3.client("s3", region_name="us-east-1")

    def interfere(**_: object) -> None:
        breaker["refused"].append(f"somebody's {len(breaker['refused'])}")
        somebody.put_object(Bucket=BUCKET, Key=make_breaker_key(NAME), Body=encode_canonical_json(breaker))

    world.s3.meta.events.register_first("before-call.s3.PutObject", interfere)


def test_a_trial_that_another_run_announced_first(world: World, vcenter: VCenter) -> None:
    """Who loses the race between reading and writing the breaker waits for the other, and does not try."""
    world.set_password("wrong")
    world.outcome()
    world.set_password(PASSWORD)
    world.wait(180)
    _before_each_write(
        world,
        claim_turn(record_refusal(build_closed_breaker(NAME), "version-1", NOW), "other", world.clock()),
    )
    assert world.outcome("dispatcher") == VCenterUnreachable.__name__
    assert len(vcenter.sessions.logins) == 1


def test_a_refusal_that_cannot_be_kept(world: World) -> None:
    """A breaker that others write each time gives up in the end, and says so."""
    world.set_password("wrong")
    _before_each_write(world, build_closed_breaker(NAME))
    assert world.outcome() == StoreConflict.__name__


def _held_until_there_are(number: int) -> Fault:
    """Each login is kept waiting until so many are under way: the most that ever are, are so at once."""
    under_way, changed = list[None](), Condition()

    def wait_for_the_others(reply: Reply) -> Reply:
        with changed:
            under_way.append(None)
            changed.notify_all()
            changed.wait_for(lambda: len(under_way) >= number, timeout=10)
        return reply

    return Fault("held", alter=wait_for_the_others)


def test_whoever_comes_at_once_never_locks_the_account(world: World, vcenter: VCenter) -> None:
    """Three checkers, runs, retries, persons and doctors, message after message: 4 refusals, and no more."""
    world.set_password("wrong")
    vcenter.faults.inject(LOGIN, _held_until_there_are(4))
    others: tuple[LoginActor, ...] = ("dispatcher", "doctor") * 3
    actors: tuple[LoginActor, ...] = ("checker", "checker", "checker", *others)
    start = Barrier(len(actors))

    def run(actor: LoginActor) -> list[str]:
        start.wait()
        return [world.outcome(actor) for _ in range(20)]

    with ThreadPoolExecutor(len(actors)) as pool:
        outcomes = [
            name for future in [pool.submit(run, actor) for actor in actors] for name in future.result()
        ]
    assert set(outcomes) == {"LoginRefused", "LoginSuspended"}
    assert vcenter.sessions.refused_count == 4
    assert not vcenter.sessions.is_locked(USER)


def test_turns_are_given_back(world: World, vcenter: VCenter) -> None:
    """Whatever becomes of a login: who comes next need not wait, and nobody is kept out for good."""
    assert world.outcome("dispatcher") == "in"
    vcenter.faults.inject(LOGIN, fault_kinds.status(500), times=1)
    assert world.outcome("doctor") == VCenterError.__name__
    assert world.outcome("dispatcher") == "in"
    with ThreadPoolExecutor(6) as pool:
        outcomes = [pool.submit(world.outcome, actor) for actor in ("dispatcher", "doctor") for _ in range(3)]
        assert {outcome.result() for outcome in outcomes} == {"in"}


def test_a_turn_that_is_not_given_back(world: World, vcenter: VCenter) -> None:
    """Its process ended within the login: the others wait a while, come again, and go in when it is over."""
    world.s3.put_object(
        Bucket=BUCKET,
        Key=make_breaker_key(NAME),
        Body=encode_canonical_json(claim_turn(build_closed_breaker(NAME), "me", world.clock())),
    )
    assert world.outcome("checker") == "in"
    assert world.outcome("doctor") == OutOfTime.__name__
    assert world.outcome("dispatcher") == VCenterUnreachable.__name__
    assert len(vcenter.sessions.logins) == 1
    world.wait(CLAIM_SECONDS)
    assert world.outcome("dispatcher") == "in"


def lose_the_first_reply(world: World, meanwhile: Callable[[bytes], bytes]) -> None:
    """The first write's reply gets lost, so that it is sent again; it meets what ``meanwhile`` left there.

    That is given what was sent, and gives what lies there then.
    """
    somebody, bodies, lost = boto3.client("s3", region_name="us-east-1"), list[bytes](), count()

    def hear(params: PutObjectRequestTypeDef, **_: object) -> None:
        assert isinstance(params["Body"], bytes)
        bodies.append(params["Body"])

    def lose(**_: object) -> None:
        if next(lost) == 0:
            somebody.put_object(Bucket=BUCKET, Key=make_breaker_key(NAME), Body=meanwhile(bodies[0]))
            raise ReadTimeoutError(endpoint_url="https://s3.test")

    world.s3.meta.events.register_first("provide-client-params.s3.PutObject", hear)
    world.s3.meta.events.register_first("before-send.s3.PutObject", lose)


@pytest.mark.parametrize("actor", ["dispatcher", "doctor"])
def test_a_claim_of_the_same_moment_is_not_taken_for_ones_own(
    world: World, vcenter: VCenter, actor: LoginActor
) -> None:
    """The reply was lost, and it is somebody else's claim that lies there: only he logs in."""
    other = claim_turn(build_closed_breaker(NAME), "other", world.clock())
    lose_the_first_reply(world, lambda _: encode_canonical_json(other))
    assert world.outcome(actor) in {VCenterUnreachable.__name__, OutOfTime.__name__}
    assert len(vcenter.sessions.logins) == 0


@pytest.mark.parametrize("actor", ["dispatcher", "doctor"])
@pytest.mark.parametrize("somebody_wrote", [False, True])
def test_a_claim_whose_reply_was_lost_is_still_ones_own(
    world: World, vcenter: VCenter, actor: LoginActor, *, somebody_wrote: bool
) -> None:
    """Nobody waits for himself, also where a checker's outcome lies over the claim by then."""

    def write_over(sent: bytes) -> bytes:
        claim = json.loads(sent)
        return encode_canonical_json({**claim, "refused": ["old"]} if somebody_wrote else claim)

    lose_the_first_reply(world, write_over)
    assert world.outcome(actor) == "in"
    assert len(vcenter.sessions.logins) == 1
    kept = json.loads(world.s3.get_object(Bucket=BUCKET, Key=make_breaker_key(NAME))["Body"].read())
    assert kept == {**build_closed_breaker(NAME), "refused": ["old"] * somebody_wrote}


def test_a_turn_claimed_for_ever_is_void(world: World, vcenter: VCenter) -> None:
    """Whoever may write to the bucket keeps nobody out by it."""
    claimed = {**build_closed_breaker(NAME), "claimed_until": "2999-01-01T00:00:00.000Z"}
    world.s3.put_object(Bucket=BUCKET, Key=make_breaker_key(NAME), Body=encode_canonical_json(claimed))
    assert world.outcome("dispatcher") == "in"
    assert len(vcenter.sessions.logins) == 1


def test_a_session_lost_while_the_password_changed(world: World, vcenter: VCenter) -> None:
    """Logging in again within an invocation asks the breaker too, and a refusal opens it."""
    with world.sessions() as sessions, world.sessions() as others:
        session, another = sessions.session(NAME), others.session(NAME)
        vcenter.sessions.accounts[USER] = "changed"
        vcenter.sessions.close_all()
        with pytest.raises(LoginRefused):
            session.clusters()
        with pytest.raises(LoginSuspended):
            another.clusters()
    assert vcenter.sessions.refused_count == 1


@pytest.mark.parametrize("body", [b"", b"{}", b'{"open": false}', b"\xff", b"[" * 9999])
def test_a_breaker_that_cannot_be_read_stops_logins(world: World, vcenter: VCenter, body: bytes) -> None:
    """Not knowing what was refused must not end in a locked account."""
    world.s3.put_object(Bucket=BUCKET, Key=make_breaker_key(NAME), Body=body)
    assert world.outcome("dispatcher") == LoginSuspended.__name__
    assert vcenter.sessions.logins == []


def test_without_the_bucket_nobody_logs_in(world: World, vcenter: VCenter) -> None:
    """A breaker that S3 does not give is not one that is closed."""
    world.s3.delete_bucket(Bucket=BUCKET)
    assert world.outcome() == StoreUnavailable.__name__
    assert vcenter.sessions.logins == []
