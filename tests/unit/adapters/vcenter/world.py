"""A vCenter, its secret and its breaker, over a simulated AWS and real sockets."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event

from esx_drift.adapters.secrets import Secrets, VCenterSecret
from esx_drift.adapters.state_bucket import S3Breakers
from esx_drift.adapters.vcenter.session import open_vcenter
from esx_drift.domain.breaker import LoginActor
from esx_drift.errors import EsxDriftError
from esx_drift.vcenter_sessions import VCenterSessions
from mypy_boto3_s3 import S3Client
from mypy_boto3_secretsmanager import SecretsManagerClient

from tests.simulator.sessions import USER

NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
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

    def pause(self, _: float) -> None:
        """Let the other threads come first; the clock stands still."""
        Event().wait(0.001)

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

    def sessions(self, actor: LoginActor = "checker") -> VCenterSessions[VCenterSecret]:
        """What an invocation of that function has."""
        return VCenterSessions(
            Secrets(lambda: self.secretsmanager),
            S3Breakers(self.s3, BUCKET),
            partial(open_vcenter, clock=self.clock),
            actor,
            self.clock,
            self.pause,
        )

    def outcome(self, actor: LoginActor = "checker") -> str:
        """How one invocation fares that wants to log in."""
        with self.sessions(actor) as sessions:
            try:
                sessions.session(NAME)
            except EsxDriftError as error:
                return type(error).__name__
            return "in"
