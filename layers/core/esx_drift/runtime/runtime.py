"""What the two functions that look at vCenters work with: all real, put together once an invocation."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from msgspec import Struct

from esx_drift import __version__
from esx_drift.adapters.audit_store import S3Store
from esx_drift.adapters.aws_clients import s3, secrets_manager, sns, sqs
from esx_drift.adapters.messaging import SnsTopic, SqsQueue
from esx_drift.adapters.secrets import Secrets
from esx_drift.adapters.state_bucket import FleetFile, S3Breakers
from esx_drift.adapters.vcenter.session import open_vcenter
from esx_drift.config import CheckConfig
from esx_drift.domain.breaker import LoginActor
from esx_drift.messages.publication import build_publication
from esx_drift.ports import Runtime
from esx_drift.vcenter_sessions import VCenterSessions


class Invocation(Struct, frozen=True):
    """One invocation of a function: its environment, and what its job needs."""

    config: CheckConfig
    runtime: Runtime


@contextmanager
def open_runtime(
    environment: Mapping[str, str], actor: LoginActor, time_left_ms: Callable[[], float]
) -> Iterator[Invocation]:
    """Open what one invocation works with; every vCenter's session ends with it.

    Args:
        environment: The function's environment variables.
        actor: Which function logs in: breakers let the dispatcher try passwords that a checker may not.
        time_left_ms: Gives how long this run of the function still lasts, in milliseconds.

    Raises:
        FleetMissing, FleetInvalid, StoreUnavailable: Without a fleet file there is nothing to look at.
    """
    config = CheckConfig.from_environment(environment)
    fleet, fleet_sha256 = FleetFile(s3, config.state_bucket).read()
    breakers = S3Breakers(s3(), config.state_bucket)
    with VCenterSessions(
        Secrets(secrets_manager, config.secret_prefix),
        breakers,
        lambda secret, admission: open_vcenter(secret, admission, _now, time_left_ms),
        actor,
        _now,
    ) as vcenters:
        runtime = Runtime(
            fleet=fleet,
            fleet_sha256=fleet_sha256,
            vcenters=vcenters,
            store=S3Store(s3, config.audit_bucket, config.state_bucket),
            topic=SnsTopic(sns, config.drift_topic_arn, build_publication),
            queue=SqsQueue(sqs, config.check_queue_url, config.retry_queue_url),
            clock=_now,
            time_left_ms=time_left_ms,
            code_version=__version__,
            stack=config.stack_name,
            check_interval_hours=config.check_interval_hours,
        )
        yield Invocation(config, runtime)


def _now() -> datetime:
    return datetime.now(UTC)
