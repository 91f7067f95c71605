"""Every error of esx-drift, in one tree.

    EsxDriftError
    ├── TransientError            the same call may succeed later: leave the message to its queue
    │   ├── VCenterUnreachable    no TCP, TLS or HTTP answer        (vcenter-unreachable)
    │   ├── VCenterUnavailable    429, 502, 503, 504, a service gone (vcenter-unavailable)
    │   ├── VCenterError          500, and what no vCenter answers  (vcenter-error)
    │   ├── StoreUnavailable      S3 did not answer, or throttled
    │   │   └── LogUnusable       a log is of a newer version, or damaged all over
    │   ├── StoreConflict         a conditional write lost three rounds
    │   ├── TopicUnavailable      SNS did not take the event
    │   ├── QueueUnavailable      SQS did not take the message
    │   ├── SignerUnavailable     KMS did not sign
    │   ├── SecretUnavailable     Secrets Manager did not answer
    │   ├── OutOfTime             not begun: this run of the function ends too soon
    │   ├── InternalError         a bug of ours: an exception that nobody foresaw
    │   ├── WebhookUnavailable    Slack: 5xx or no answer
    │   ├── WebhookUnclear        Slack: an answer of no known meaning, such as 200 without ok
    │   └── WebhookThrottled      Slack: 429, with seconds to wait
    └── PermanentError            the same call fails again: a person has to act
        ├── LoginRefused          401 on the login                  (vcenter-authentication)
        ├── LoginSuspended        not tried: this password was refused before (vcenter-authentication)
        ├── NotAuthorized         403                               (vcenter-authorization)
        ├── VCenterReplaced       another instance than before      (vcenter-replaced)
        ├── ApiUnsupported        it says that it is too old        (api-unsupported)
        ├── ClusterNotFound       404 EntityNotFound                (cluster-missing)
        ├── NoReport              404 of any other kind             (extraction-unavailable)
        ├── NotEligible           400 UNSUPPORTED on extract        (eligibility-failed)
        ├── ContractViolation     data that a schema or the API's rules refuse
        ├── FleetInvalid          the fleet file is wrong
        │   └── FleetMissing      there is none yet
        ├── SecretInvalid         a secret is missing or wrong
        ├── TrailDamaged          an object of the trail is not what the log names (trail-damaged)
        ├── RequestRefused        a message names what the fleet does not know, or no record vouches for it
        ├── MessageRefused        Slack: this message is refused, and another may be taken
        └── WebhookRefused        Slack: the webhook is of no use until a person mends it

Adapters translate into these, handlers decide between "again" and "dead letter". A ``reason`` is a
metric's label, and for a vCenter's failure it is the kind of the finding.

Longer than 250 lines, because it is one tree.
"""

from collections.abc import Container, Mapping
from types import MappingProxyType
from typing import ClassVar

FIX_FACT = "fix"
"""The fact of an error that says what to do about it, where its kind alone doesn't."""
TRIED_AGAIN_FACT = "tried_again_after_seconds"
"""The fact of a login that the dispatcher tries (again) by itself, after so long."""
SECRET_NAME_FACT = "secret_name"  # noqa: S105 -- a name
"""The fact of a login that was refused: the whole name of the secret that its password stands in."""


HIDDEN_HOSTS_FACT = "hidden_hosts"
"""The fact of a list of hosts that lacks over half of those that a report names: so many are missing."""


UNENDED_FACT = "unended_tries"
"""The fact of a listing that was never completed: how many tries of it were not."""


BUG_FACT = "bug"
"""The fact of an ``InternalError`` that says which exception it was, and where."""


class EsxDriftError(Exception):
    """An error: a sentence for a person, a ``reason`` for a metric, and ``facts``, which hold no secret."""

    reason: ClassVar[str] = "error"

    def __init__(self, message: str, facts: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.facts: Mapping[str, str] = MappingProxyType(dict(facts or {}))


class TransientError(EsxDriftError):
    """The same call may succeed later."""

    reason = "transient"


class PermanentError(EsxDriftError):
    """The same call fails again until a person acts."""

    reason = "permanent"


class VCenterUnreachable(TransientError):
    """No answer over TCP, TLS or HTTP: DNS, refused, timed out, cut off, certificate not trusted."""

    reason = "vcenter-unreachable"


class VCenterUnavailable(TransientError):
    """429, 502, 503, 504, or a missing route of a release that has it: a service is down or overloaded."""

    reason = "vcenter-unavailable"


class VCenterError(TransientError):
    """500 (see the fact ``error_type``), an answer that the API does not document, or something else's."""

    reason = "vcenter-error"


class StoreUnavailable(TransientError):
    """S3 did not answer, or answered with a fault of its own."""

    reason = "store-unavailable"


class LogUnusable(StoreUnavailable):
    """What a log holds is of a newer version, or too much of it is damaged: it helps only to mend that."""


class StoreConflict(TransientError):
    """A conditional write met another writer each time it was tried."""

    reason = "store-conflict"


class TopicUnavailable(TransientError):
    """SNS did not take the event."""

    reason = "topic-unavailable"


class QueueUnavailable(TransientError):
    """SQS did not take the message."""

    reason = "queue-unavailable"


class SignerUnavailable(TransientError):
    """KMS did not sign a digest, or its key can't be used."""

    reason = "signer-unavailable"


class SecretUnavailable(TransientError):
    """Secrets Manager did not answer."""

    reason = "secret-unavailable"


class OutOfTime(TransientError):
    """Not begun, since this run of the function might end in its middle."""

    reason = "out-of-time"


class InternalError(TransientError):
    """A bug of ours. It says which exception it was and where, and nothing of the values worked on."""

    reason = "bug"


class WebhookUnavailable(TransientError):
    """The webhook answered 5xx, or not at all."""

    reason = "webhook-unavailable"


class WebhookUnclear(TransientError):
    """The webhook gave an answer that has no known meaning: the message may have been posted."""

    reason = "webhook-unclear"


class WebhookThrottled(TransientError):
    """The webhook answered 429; ``retry_after_seconds`` is what it asked for."""

    reason = "webhook-throttled"

    def __init__(self, message: str, retry_after_seconds: int) -> None:
        super().__init__(message, {"retry_after_seconds": str(retry_after_seconds)})
        self.retry_after_seconds = retry_after_seconds


class LoginRefused(PermanentError):
    """401 on the login. Trying again and again with the same password locks the account."""

    reason = "vcenter-authentication"


def is_final_refusal(facts: Container[str]) -> bool:
    """Tell by the ``facts`` of a refused login whether it stays refused until a person does something.

    One that is tried once more does not, nor does what something else answered in the vCenter's place.
    """
    return TRIED_AGAIN_FACT not in facts and "answered_by" not in facts


class LoginSuspended(PermanentError):
    """The login was not tried, because this version of the password was refused before."""

    reason = "vcenter-authentication"


class NotAuthorized(PermanentError):
    """403: the account lacks a privilege."""

    reason = "vcenter-authorization"


class VCenterReplaced(PermanentError):
    """The vCenter's instance UUID is not the one known: its ``domain-c9`` is another cluster."""

    reason = "vcenter-replaced"


class ApiUnsupported(PermanentError):
    """The vCenter says that it is older than 8.0 U3: it has no such route."""

    reason = "api-unsupported"


class ClusterNotFound(PermanentError):
    """404 ``EntityNotFound``: the vCenter has no such cluster, or does not show it to this account."""

    reason = "cluster-missing"


class NoReport(PermanentError):
    """404 of any other kind on the report: nothing was ever extracted."""

    reason = "extraction-unavailable"


class NotEligible(PermanentError):
    """400 UNSUPPORTED on extract: a host of the cluster does not meet the requirements for images."""

    reason = "eligibility-failed"


class ContractViolation(PermanentError):
    """Data that a schema refuses. ``violations`` are lines: JSON Pointer, then what was expected."""

    reason = "document-invalid"

    def __init__(self, message: str, violations: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.violations = violations


class FleetInvalid(PermanentError):
    """The fleet file is wrong; ``problems`` names each error with its path."""

    reason = "fleet-invalid"

    def __init__(self, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__("\n".join((message, *problems)))
        self.problems = problems


class FleetMissing(FleetInvalid):
    """There is no fleet file: nobody said yet what to watch."""


class SecretInvalid(PermanentError):
    """A secret is missing, is not JSON or lacks a field. Sentence and facts name it, and never its value."""

    reason = "secret-invalid"


class TrailDamaged(PermanentError):
    """An object of the trail is missing, unreadable, or not what the log names; ``key`` says which."""

    reason = "trail-damaged"

    def __init__(self, message: str, key: str) -> None:
        super().__init__(message, {"key": key})
        self.key = key


class RequestRefused(PermanentError):
    """A message that is malformed, names what the fleet does not know, or that no record vouches for."""

    reason = "request-refused"


class MessageRefused(PermanentError):
    """The service refuses this one message for good, and nothing is wrong with the webhook."""

    reason = "message-refused"


class WebhookRefused(PermanentError):
    """The webhook is refused for good. The sentence never holds the webhook's address."""

    reason = "webhook-refused"


type VCenterFailure = (
    VCenterUnreachable
    | VCenterUnavailable
    | VCenterError
    | LoginRefused
    | LoginSuspended
    | NotAuthorized
    | VCenterReplaced
    | ApiUnsupported
    | ClusterNotFound
    | NoReport
    | NotEligible
)

VCENTER_FAILURES = (
    VCenterUnreachable,
    VCenterUnavailable,
    VCenterError,
    LoginRefused,
    LoginSuspended,
    NotAuthorized,
    VCenterReplaced,
    ApiUnsupported,
    ClusterNotFound,
    NoReport,
    NotEligible,
)
