"""A vCenter to examine, over real sockets and TLS, with its secret and breaker in a simulated AWS."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from esx_drift.adapters.secrets import Secrets
from esx_drift.adapters.state_bucket import S3Breakers
from esx_drift.doctoring.examination import StepResult
from esx_drift.doctoring.password_reset import PasswordReset
from esx_drift.doctoring.vcenter import TimeBounds, VCenterDoctor
from esx_drift.domain.fleet.fleet import VCenterSettings as Watched

from tests.simulator import VCenter
from tests.simulator.sessions import PASSWORD, USER
from tests.unit.adapters.vcenter.conftest import Pki, _hostile_environment, pki, server, vcenter, world
from tests.unit.adapters.vcenter.world import BUCKET, NAME, World

__all__ = ["_hostile_environment", "pki", "server", "vcenter", "world"]

PATIENCE_SECONDS = 60
type Examine = Callable[..., dict[str, StepResult]]


@dataclass(slots=True)
class Clinic:
    """Examines the vCenter that its secret names."""

    world: World
    vcenter: VCenter
    pki: Pki
    time_left_ms: Callable[[], float] = lambda: math.inf

    def put_secret(self, **changes: object) -> None:
        """Write a new version of the secret; ``changes`` are its fields, or None for a field that goes."""
        secret = {
            "host": "127.0.0.1",
            "port": self.world.port,
            "username": USER,
            "password": PASSWORD,
            "ca_bundle": self.world.ca_bundle,
            **changes,
        }
        text = json.dumps({name: value for name, value in secret.items() if value is not None})
        self.world.secretsmanager.put_secret_value(SecretId=f"esx-drift/vcenter/{NAME}", SecretString=text)

    def lines(self, *, reset: bool = False, **fleet: Any) -> list[StepResult]:  # noqa: ANN401 -- fields of the fleet
        """What the doctor says of the vCenter; ``fleet`` is what the fleet file says of it."""
        doctor = VCenterDoctor(
            vcenter=Watched(NAME, **fleet),
            secrets=Secrets(lambda: self.world.secretsmanager),
            breakers=S3Breakers(self.world.s3, BUCKET),
            reset=PasswordReset(self.world.s3, BUCKET, self.world.clock) if reset else None,
            clock=self.world.clock,
            pause=lambda seconds: self.world.wait(int(seconds)),
            bounds=TimeBounds(self.world.clock() + timedelta(seconds=PATIENCE_SECONDS), self.time_left_ms),
        )
        return doctor.examine()

    def examine(self, *, reset: bool = False, **fleet: Any) -> dict[str, StepResult]:  # noqa: ANN401 -- see above
        """The lines by their step."""
        return {line["step"]: line for line in self.lines(reset=reset, **fleet)}


@pytest.fixture
def clinic(world: World, vcenter: VCenter, pki: Pki) -> Clinic:
    """All is well with the vCenter."""
    made = Clinic(world, vcenter, pki)
    made.put_secret()
    vcenter.extractions.reports.clear()
    vcenter.extract_all()
    return made


def outcomes(lines: dict[str, StepResult]) -> str:
    """Each step's outcome, a letter each: o(k), f(ailed), u(ntried)."""
    return "".join(line["outcome"][0] for line in lines.values())
