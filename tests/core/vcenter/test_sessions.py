"""Sessions of an invocation: one a vCenter, always ended, and never enough refusals to lock an account."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from threading import Barrier

import boto3
import pytest
from esx_drift.adapters.breaker import S3Breakers
from esx_drift.adapters.secrets import Secrets, VCenterSecret
from esx_drift.adapters.vcenter import connect
from esx_drift.domain.breaker import Actor, Breaker, after_refusal, announced, fresh
from esx_drift.domain.names import breaker_key, canonical_json
from esx_drift.errors import (
    EsxDriftError,
    LoginRefused,
    LoginSuspended,
    SecretInvalid,
    StoreConflict,
    StoreUnavailable,
    VCenterError,
    VCenterUnreachable,
)
from esx_drift.sessions import VCenterSessions
from moto import mock_aws
from mypy_boto3_s3 import S3Client
from mypy_boto3_secretsmanager import SecretsManagerClient

from tests.core.vcenter.conftest import NOW, Pki
from tests.core.vcenter.servers import listening
from tests.simulator import VCenter, VCenterServer, fault_kinds
from tests.simulator.sessions import PASSWORD, USER

BUCKET = "state"
NAME = "vc01"


@dataclass(slots=True)
class World:
    """A vCenter, its secret, the StateBucket, and the time that all of them go by."""

    s3: S3Client
    secretsmanager: SecretsManagerClient
    ca_bundle: str
    port: int
    now: list[datetime] = field(default_factory=lambda: [NOW])

    def clock(self) -> datetime:
        """The time now."""
        return self.now[0]

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.now[0] += timedelta(seconds=seconds)

    def set_password(self, password: str, port: int | None = None) -> None:
        """Write a new version of the secret."""
        secret = {
            "host": "127.0.0.1",
            "port": port or self.port,
            "username": USER,
            "password": password,
            "ca_bundle": self.ca_bundle,
        }
        self.secretsmanager.put_secret_value(
            SecretId=f"esx-drift/vcenter/{NAME}", SecretString=json.dumps(secret)
        )

    def sessions(self, actor: Actor = "checker") -> VCenterSessions[VCenterSecret]:
        """What an invocation of that function has."""
        return VCenterSessions(
            Secrets(lambda: self.secretsmanager),
            S3Breakers(self.s3, BUCKET),
            partial(connect, clock=self.clock),
            actor,
            self.clock,
        )

    def outcome(self, actor: Actor = "checker") -> str:
        """How one invocation fares that wants to log in."""
        with self.sessions(actor) as sessions:
            try:
                sessions.session(NAME)
            except EsxDriftError as error:
                return type(error).__name__
            return "in"


@pytest.fixture
def world(
    vcenter: VCenter, server: VCenterServer, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """All is well; the vCenter's clock is the world's."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket=BUCKET)
        secretsmanager = boto3.client("secretsmanager", region_name="us-east-1")
        secretsmanager.create_secret(Name=f"esx-drift/vcenter/{NAME}")
        made = World(s3, secretsmanager, pki.authority.pem, server.port)
        vcenter._clock = made.clock  # noqa: SLF001 -- both must go by the same time
        made.set_password(PASSWORD)
        yield made
    vcenter.faults.clear()
    assert vcenter.sessions.open_count == 0


def test_one_session_serves_an_invocation(world: World, vcenter: VCenter) -> None:
    """Messages of one vCenter share its session, and it ends with the invocation."""
    with world.sessions() as sessions:
        assert sessions.session(NAME) is sessions.session(NAME)
        assert vcenter.sessions.open_count == 1
    assert vcenter.sessions.open_count == 0
    assert len(vcenter.sessions.logins) == 1


def test_sessions_end_when_the_invocation_fails(world: World, vcenter: VCenter) -> None:
    """Whatever breaks the invocation off, the session is ended, and the error is not swallowed."""
    with pytest.raises(TimeoutError), world.sessions() as sessions:  # noqa: PT012 -- the block is the invocation
        sessions.session(NAME)
        assert vcenter.sessions.open_count == 1
        raise TimeoutError
    assert vcenter.sessions.open_count == 0


def test_a_session_that_cannot_be_ended_is_told_and_no_more(
    world: World, vcenter: VCenter, caplog: pytest.LogCaptureFixture
) -> None:
    """What the invocation did still counts; the log says which vCenter has a session left."""
    with world.sessions() as sessions:
        sessions.session(NAME)
        vcenter.faults.inject("DELETE /api/session", fault_kinds.status(500))
    (told,) = (vars(record) for record in caplog.records if record.levelname == "WARNING")
    assert (told["message"], told["vcenter"], told["reason"]) == ("session left open", NAME, "vcenter-error")
    vcenter.sessions.close_all()


def test_a_failure_is_met_once_an_invocation(world: World, vcenter: VCenter) -> None:
    """Sixty messages of a vCenter that is down wait for it once, and a wrong password is tried once."""
    world.set_password("wrong")
    with world.sessions() as sessions:
        for _ in range(3):
            with pytest.raises(LoginRefused):
                sessions.session(NAME)
    assert len(vcenter.sessions.logins) == 1


def test_a_vcenter_that_is_down_opens_no_breaker(world: World) -> None:
    """Only a refusal says something about the password."""
    with listening() as gone:
        port = gone.getsockname()[1]
    world.set_password(PASSWORD, port)
    assert world.outcome("dispatcher") == VCenterUnreachable.__name__
    world.set_password(PASSWORD)
    assert world.outcome() == "in"


def test_an_unusable_secret_is_told(world: World) -> None:
    """A secret that is missing is no failure of the vCenter."""
    with world.sessions() as sessions, pytest.raises(SecretInvalid):
        sessions.session("vc99")


def test_a_refusal_keeps_everybody_from_trying(world: World, vcenter: VCenter) -> None:
    """One refusal is enough: the same password is not tried again by anybody, however long it takes."""
    world.set_password("wrong")
    assert world.outcome() == LoginRefused.__name__
    for _ in range(5):
        world.wait(3600)
        assert world.outcome("checker") == LoginSuspended.__name__
        assert world.outcome("dispatcher") == LoginSuspended.__name__
    assert len(vcenter.sessions.logins) == 1


def test_a_suspended_login_says_what_to_do(world: World) -> None:
    """User, secret and command are named; the password is not."""
    world.set_password("wr0ng!")
    world.outcome()
    with world.sessions() as sessions, pytest.raises(LoginSuspended) as caught:
        sessions.session(NAME)
    assert caught.value.facts == {"user": USER}
    for part in (USER, f"esx-drift/vcenter/{NAME}", f"doctor --reset {NAME}"):
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
    vcenter.faults.inject("POST /api/session", fault_kinds.status(500), times=1)
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
    """Somebody else writes this breaker just before each write of ours."""
    somebody = boto3.client("s3", region_name="us-east-1")

    def interfere(**_: object) -> None:
        somebody.put_object(Bucket=BUCKET, Key=breaker_key(NAME), Body=canonical_json(breaker))

    world.s3.meta.events.register_first("before-call.s3.PutObject", interfere)


def test_a_trial_that_another_run_announced_first(world: World, vcenter: VCenter) -> None:
    """Who loses the race between reading and writing the breaker does not try."""
    world.set_password("wrong")
    world.outcome()
    world.set_password(PASSWORD)
    world.wait(180)
    _before_each_write(world, announced(after_refusal(fresh(NAME), "version-1", NOW), world.clock()))
    assert world.outcome("dispatcher") == LoginSuspended.__name__
    assert len(vcenter.sessions.logins) == 1


def test_a_refusal_that_cannot_be_kept(world: World) -> None:
    """A breaker that others write each time gives up in the end, and says so."""
    world.set_password("wrong")
    _before_each_write(world, fresh(NAME))
    assert world.outcome() == StoreConflict.__name__


def test_sixty_clusters_never_lock_the_account(world: World, vcenter: VCenter) -> None:
    """Three checkers and the dispatcher at once, message after message: 4 refusals at most, never 5."""
    world.set_password("wrong")
    start = Barrier(4)

    def run(actor: Actor) -> list[str]:
        start.wait()
        return [world.outcome(actor) for _ in range(20)]

    actors: list[Actor] = ["dispatcher", "checker", "checker", "checker"]
    with ThreadPoolExecutor(4) as pool:
        outcomes = [
            name for future in [pool.submit(run, actor) for actor in actors] for name in future.result()
        ]
    assert set(outcomes) == {"LoginRefused", "LoginSuspended"}
    assert vcenter.sessions.refused_count <= 4
    assert not vcenter.sessions.is_locked(USER)


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
    world.s3.put_object(Bucket=BUCKET, Key=breaker_key(NAME), Body=body)
    assert world.outcome("dispatcher") == LoginSuspended.__name__
    assert vcenter.sessions.logins == []


def test_without_the_bucket_nobody_logs_in(world: World, vcenter: VCenter) -> None:
    """A breaker that S3 does not give is not one that is closed."""
    world.s3.delete_bucket(Bucket=BUCKET)
    assert world.outcome() == StoreUnavailable.__name__
    assert vcenter.sessions.logins == []
