"""The functions' environment variables, read once by each handler. The template sets exactly these names."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

DEFAULT_SECRET_PREFIX: Final = "esx-drift"  # noqa: S105 -- a name, and no secret
"""What the names of all secrets begin with, where the stack says nothing else."""

DEFAULT_STACK: Final = "esx-drift"
"""The stack that commands ask where none is named."""

COUNTING = frozenset(
    {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL", "STACK_NAME"}
)
"""What logs and metrics need."""

OWN_ROLE_IDS = "OWN_ROLE_IDS"
"""The unique ids of the functions' roles, with commas: what they send is nobody's decision."""

_CHECK_VARIABLES = frozenset(
    {
        "AUDIT_BUCKET",
        "STATE_BUCKET",
        "CHECK_QUEUE_URL",
        "RETRY_QUEUE_URL",
        "DRIFT_TOPIC_ARN",
        "CHECK_INTERVAL_HOURS",
        "SECRET_PREFIX",
    }
)

_SEND_VARIABLES = frozenset(
    {
        "AUDIT_BUCKET",
        "STATE_BUCKET",
        "DELIVERY_QUEUE_URL",
        "DELIVERY_DEAD_LETTER_QUEUE_URL",
        "WEBHOOK_HOSTS",
        "AMAZON_Q_TOPIC_ARN",
        "SECRET_PREFIX",
    }
)

ENVIRONMENT: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "dispatcher": COUNTING | _CHECK_VARIABLES,
        "checker": COUNTING | _CHECK_VARIABLES | {OWN_ROLE_IDS},
        "notifier": COUNTING
        | {"AUDIT_BUCKET", "STATE_BUCKET", "SECRET_PREFIX", "NOTIFY_QUEUE_URL", "DELIVERY_QUEUE_URL"},
        "sender": COUNTING | _SEND_VARIABLES,
        "reporter": COUNTING
        | {
            "AUDIT_BUCKET",
            "STATE_BUCKET",
            "SECRET_PREFIX",
            "DRIFT_TOPIC_ARN",
            "CHECK_INTERVAL_HOURS",
            "DAILY_REPORT_HOUR",
            "REPORT_TIME_ZONE",
            "HEARTBEAT",
        },
        "sealer": COUNTING
        | {"AUDIT_BUCKET", "STATE_BUCKET", "SECRET_PREFIX", "SIGNING_KEY_ID", "SEAL_COPY_BUCKET"},
    }
)
"""What each function reads, beside what Lambda itself sets."""


class CheckConfig(Struct, frozen=True):
    """The dispatcher's and the checker's environment."""

    audit_bucket: str
    state_bucket: str
    check_queue_url: str
    retry_queue_url: str
    drift_topic_arn: str
    check_interval_hours: int
    secret_prefix: str
    stack_name: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables.

        Raises:
            KeyError, ValueError: The template does not fit the code.
        """
        return cls(
            audit_bucket=environment["AUDIT_BUCKET"],
            state_bucket=environment["STATE_BUCKET"],
            check_queue_url=environment["CHECK_QUEUE_URL"],
            retry_queue_url=environment["RETRY_QUEUE_URL"],
            drift_topic_arn=environment["DRIFT_TOPIC_ARN"],
            check_interval_hours=int(environment["CHECK_INTERVAL_HOURS"]),
            secret_prefix=environment["SECRET_PREFIX"],
            stack_name=environment["STACK_NAME"],
        )


def read_own_role_ids(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Read the unique ids of the functions' roles.

    Raises:
        KeyError, ValueError: The template does not fit the code: without them a function might decide.
    """
    ids = tuple(environment[OWN_ROLE_IDS].split(","))
    if not all(ids):
        raise ValueError(f"{OWN_ROLE_IDS} has to name roles, and is {environment[OWN_ROLE_IDS]!r}")
    return ids


class NotifierConfig(Struct, frozen=True):
    """The notifier's environment."""

    audit_bucket: str
    state_bucket: str
    notify_queue_url: str
    delivery_queue_url: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables.

        Raises:
            KeyError: The template does not fit the code.
        """
        return cls(
            audit_bucket=environment["AUDIT_BUCKET"],
            state_bucket=environment["STATE_BUCKET"],
            notify_queue_url=environment["NOTIFY_QUEUE_URL"],
            delivery_queue_url=environment["DELIVERY_QUEUE_URL"],
        )


class SenderConfig(Struct, frozen=True):
    """The sender's environment."""

    audit_bucket: str
    state_bucket: str
    delivery_queue_url: str
    dead_letter_queue_url: str
    webhook_hosts: tuple[str, ...]
    amazon_q_topic_arn: str
    secret_prefix: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables; ``WEBHOOK_HOSTS`` is a list with commas, ``AMAZON_Q_TOPIC_ARN`` may be empty.

        Raises:
            KeyError: The template does not fit the code.
        """
        hosts = (host.strip().lower() for host in environment["WEBHOOK_HOSTS"].split(","))
        return cls(
            audit_bucket=environment["AUDIT_BUCKET"],
            state_bucket=environment["STATE_BUCKET"],
            delivery_queue_url=environment["DELIVERY_QUEUE_URL"],
            dead_letter_queue_url=environment["DELIVERY_DEAD_LETTER_QUEUE_URL"],
            webhook_hosts=tuple(host for host in hosts if host),
            amazon_q_topic_arn=environment["AMAZON_Q_TOPIC_ARN"],
            secret_prefix=environment["SECRET_PREFIX"],
        )


class ReporterConfig(Struct, frozen=True):
    """The reporter's environment. ``has_heartbeat``: a service outside is called, by the secret's address."""

    stack_name: str
    audit_bucket: str
    state_bucket: str
    drift_topic_arn: str
    check_interval_hours: int
    daily_report_hour: int
    report_time_zone: ZoneInfo
    secret_prefix: str
    has_heartbeat: bool

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables.

        Raises:
            KeyError, ValueError: The template does not fit the code, or there is no such time zone.
        """
        return cls(
            stack_name=environment["STACK_NAME"],
            audit_bucket=environment["AUDIT_BUCKET"],
            state_bucket=environment["STATE_BUCKET"],
            drift_topic_arn=environment["DRIFT_TOPIC_ARN"],
            check_interval_hours=int(environment["CHECK_INTERVAL_HOURS"]),
            daily_report_hour=int(environment["DAILY_REPORT_HOUR"]),
            report_time_zone=_find_zone(environment["REPORT_TIME_ZONE"]),
            secret_prefix=environment["SECRET_PREFIX"],
            has_heartbeat=environment["HEARTBEAT"] == "ENABLED",
        )


class SealerConfig(Struct, frozen=True):
    """The sealer's environment. ``copy_bucket``: where digests go too; empty: nowhere."""

    audit_bucket: str
    state_bucket: str
    signing_key_id: str
    copy_bucket: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables.

        Raises:
            KeyError: The template does not fit the code.
        """
        return cls(
            audit_bucket=environment["AUDIT_BUCKET"],
            state_bucket=environment["STATE_BUCKET"],
            signing_key_id=environment["SIGNING_KEY_ID"],
            copy_bucket=environment["SEAL_COPY_BUCKET"],
        )


def _find_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        sentence = (
            f"there is no time zone {name!r}: deploy with a ReportTimeZone as in Europe/Berlin, or with UTC"
        )
        raise ValueError(sentence) from error
