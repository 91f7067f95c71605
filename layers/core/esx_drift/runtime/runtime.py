"""What the two functions that look at vCenters work with: all real, put together once an invocation."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from esx_drift import __version__
from esx_drift.adapters.audit_store import S3Store
from esx_drift.adapters.aws_clients import s3, secrets_manager, sns, sqs
from esx_drift.adapters.breakers import S3Breakers
from esx_drift.adapters.fleet_file import FleetFile
from esx_drift.adapters.queues import SqsQueue
from esx_drift.adapters.secrets import Secrets
from esx_drift.adapters.topic import SnsTopic
from esx_drift.adapters.vcenter.session import open_vcenter
from esx_drift.config import LookingConfig
from esx_drift.domain.breaker import LoginActor
from esx_drift.domain.fleet.fleet import Fleet
from esx_drift.ports import Queue, Store, Topic, VCenters
from esx_drift.vcenter_sessions import VCenterSessions


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a job that looks at vCenters works with."""

    config: LookingConfig
    fleet: Fleet
    fleet_sha256: str
    vcenters: VCenters
    store: Store
    topic: Topic
    queue: Queue
    clock: Callable[[], datetime]
    code_version: str


@contextmanager
def open_runtime(
    environment: Mapping[str, str], actor: LoginActor, time_left_ms: Callable[[], float]
) -> Iterator[Runtime]:
    """The world of one invocation, which lives ``time_left_ms``; every vCenter's session ends with it.

    Raises ``FleetInvalid`` or ``StoreUnavailable``: without a fleet file there is nothing to look at.
    """
    config = LookingConfig.of(environment)
    fleet, fleet_sha256 = FleetFile(s3, config.state_bucket).read()
    breakers = S3Breakers(s3(), config.state_bucket)
    with VCenterSessions(
        Secrets(secrets_manager),
        breakers,
        lambda secret, admission: open_vcenter(secret, admission, _now, time_left_ms),
        actor,
        _now,
    ) as vcenters:
        yield Runtime(
            config=config,
            fleet=fleet,
            fleet_sha256=fleet_sha256,
            vcenters=vcenters,
            store=S3Store(s3, config.audit_bucket, config.state_bucket),
            topic=SnsTopic(sns, config.drift_topic_arn),
            queue=SqsQueue(sqs, config.check_queue_url, config.retry_queue_url),
            clock=_now,
            code_version=__version__,
        )


def _now() -> datetime:
    return datetime.now(UTC)
