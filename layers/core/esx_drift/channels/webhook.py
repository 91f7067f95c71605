"""Post to incoming webhooks over HTTPS: all that channels which are webhooks have in common.

The URL of a webhook is the secret: it never reaches an error or a log. What a service looks like and what
its answers mean is its own module's, as a ``WebhookService``.

Longer than 250 lines, because what is sent and what comes of an answer are one conversation.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Final, NoReturn, Self

import requests
from msgspec import Struct
from urllib3 import Retry
from urllib3.util import Url, parse_url

from esx_drift.adapters.secrets import Secrets, SentSecrets, blame_secret, list_url_secrets
from esx_drift.adapters.tls import open_https_session
from esx_drift.domain.events import MessageContent
from esx_drift.domain.stored.types import Json
from esx_drift.errors import (
    FIX_FACT,
    MessageRefused,
    SecretInvalid,
    WebhookRefused,
    WebhookThrottled,
    WebhookUnavailable,
    WebhookUnclear,
)
from esx_drift.ports import ChannelAddress

HTTPS_PORT: Final = 443
FIX_HOST: Final = "Add the host to the stack's parameter WebhookHosts, or correct the secret's url."

WEBHOOK_CONNECT_SECONDS = 5.0

WEBHOOK_READ_SECONDS = 10.0
"""Such services answer within a second or two."""

DEFAULT_RETRY_AFTER_SECONDS = 30
MAX_RETRY_AFTER_DIGITS: Final = 9
"""Longer numbers are no time to wait."""

MAX_ANSWER_CHARACTERS = 100
"""Of an answer: such services say one word."""

READ_BYTES = 4096
"""Of an answer, before it is cut: a secret that it repeats must not be cut in its middle."""

SERVER_ERRORS: Final = range(500, 600)

AGAIN: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, *SERVER_ERRORS})
"""Answers that may pass by themselves."""

MESSAGE_REFUSALS: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.CONTENT_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_CONTENT,
    }
)
"""Answers to what was sent, and not about the webhook: RFC 9110, 15.5."""

FIX_MESSAGE: Final = (
    "The service does not like how esx-drift writes it: please report it. What it tells stands in its record."
)

RETRY: Final = Retry(
    total=2,
    read=False,  # the message may have been posted: only the queue takes the risk of posting it twice
    status=0,  # what the service asks to wait for is waited for by all that is to be posted there
    other=0,  # a certificate that is refused stays refused
    redirect=0,
    respect_retry_after_header=False,
    backoff_factor=0.2,
    backoff_jitter=0.2,
    raise_on_status=False,
)


class WebhookAnswer(Struct, frozen=True):
    """What a webhook answered: the start of its body, without spaces around it."""

    status: int
    body: str
    retry_after: str


class WebhookService(Struct, frozen=True):
    """One service with incoming webhooks.

    Attributes:
        title: Its name for people.
        kind: The channel's name in those of its secrets: ``<prefix>/<kind>/<name that the route gives>``.
        render_message: Renders the payload of a message.
        render_drill: Renders the payload of a drill of this route.
        is_posted: Whether this answer says that the message was posted.
        find_reason: Finds the answer's reason where it can be shown: never what may echo the message.
        find_url_fault: Finds what is wrong with a webhook's URL that the service itself would not refuse.
        dead_reasons: Reasons that are about the webhook, whatever status comes with them.
    """

    title: str
    kind: str
    render_message: Callable[[MessageContent], dict[str, Json]]
    render_drill: Callable[[str], dict[str, Json]]
    is_posted: Callable[[WebhookAnswer], bool]
    find_reason: Callable[[WebhookAnswer], str | None]
    find_url_fault: Callable[[Url], str | None] = lambda _: None
    dead_reasons: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """The secret of a webhook. Whoever has ``url`` can post."""

    url: str = field(repr=False)
    ca_bundle: str | None = field(repr=False)


def read_webhook_secret(secrets: Secrets, service: WebhookService, name: str) -> WebhookSecret:
    """Read the secret that a route calls ``name`` from ``secrets``; ``service`` says of which kind it is.

    Raises:
        SecretInvalid, SecretUnavailable: The secret can't be used, or can't be read now.
    """
    whole_name = secrets.make_name(service.kind, name)
    with blame_secret(whole_name):
        fields, _ = secrets.read(whole_name)
        url = fields.https_url("url")
        fault = service.find_url_fault(url)
        if fault is not None:
            fields.refuse("url", fault)
        secret = WebhookSecret(url.url, fields.ca_bundle("ca_bundle"))
        fields.refuse_others()
    return secret


class WebhookChannel:
    """``ports.Channel``: each secret is read once, each connection kept, until the context ends."""

    def __init__(
        self,
        service: WebhookService,
        read_secret: Callable[[str], WebhookSecret],
        allowed_hosts: tuple[str, ...],
    ) -> None:
        """``allowed_hosts`` are the only ones that are ever posted to."""
        self.title = service.title
        self._service = service
        self._read_secret = read_secret
        self._allowed_hosts = allowed_hosts
        self._open: dict[str, tuple[str, requests.Session]] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def post(self, secret: str, content: MessageContent) -> None:
        """Post one message."""
        self.post_payload(secret, self._service.render_message(content))

    def post_drill(self, secret: str, route: str) -> None:
        """Post a message that says that it is a drill."""
        self.post_payload(secret, self._service.render_drill(route))

    def post_payload(self, secret: str, payload: Mapping[str, object]) -> None:
        """Post ``payload`` as JSON to the webhook of the secret that a route calls ``secret``.

        Raises:
            WebhookUnavailable: No answer, or one that may pass: 408, 425, 5xx.
            WebhookThrottled: 429.
            WebhookUnclear: Another answer below 300: the message may have been posted.
            MessageRefused: 400, 413, 415 or 422, without a reason that is about the webhook.
            WebhookRefused: Any other answer.
            SecretInvalid: The secret can't be used, or its webhook is on a host that is not allowed.
            SecretUnavailable: The secret can't be read now.
        """
        if secret not in self._open:
            self._open[secret] = self._connect(secret)
        url, session = self._open[secret]
        answer = _post(session, url, payload)
        if isinstance(answer, str):
            raise WebhookUnavailable(f"the webhook of {secret} gave no answer: {answer}", self._wait())
        self.judge(secret, answer)

    def judge(self, secret: str, answer: WebhookAnswer) -> None:
        """Judge the ``answer`` of the webhook of ``secret``; raises as ``post_payload`` for any but a yes."""
        if not self._service.is_posted(answer):
            self._refuse(secret, answer)

    def find_address(self, secret: str) -> ChannelAddress:
        """Find where the messages of a secret go.

        Raises:
            WebhookRefused: The host is not allowed.
        """
        stored = self._read_secret(secret)
        url = parse_url(stored.url)
        if url.host is None or url.host not in self._allowed_hosts:
            raise WebhookRefused(
                "the secret's url is on a host that is not in WebhookHosts", {FIX_FACT: FIX_HOST}
            )
        return ChannelAddress(url.host, url.port or HTTPS_PORT, stored.ca_bundle)

    def _connect(self, name: str) -> tuple[str, requests.Session]:
        secret = self._read_secret(name)
        # urllib3's own parser, since it decides where the request goes: others read odd URLs differently.
        url = parse_url(secret.url)
        if url.scheme != "https" or url.host not in self._allowed_hosts:
            raise SecretInvalid(
                f"the secret …/{self._service.kind}/{name} has a url that is not https"
                " on a host in WEBHOOK_HOSTS"
            )
        with blame_secret(f"…/{self._service.kind}/{name}"):
            session = open_https_session(secret.ca_bundle, RETRY)
        return secret.url, self._stack.enter_context(session)

    def _refuse(self, secret: str, answer: WebhookAnswer) -> NoReturn:
        detail = self._service.find_reason(answer)
        reason = f"{answer.status} {detail}" if detail else str(answer.status)
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            after = answer.retry_after
            is_number = after.isdecimal() and len(after) <= MAX_RETRY_AFTER_DIGITS
            seconds = int(after) if is_number else DEFAULT_RETRY_AFTER_SECONDS
            raise WebhookThrottled(f"the webhook of {secret} asks to wait {seconds} s", seconds)
        sentence = f"the webhook of {secret} answered {reason}"
        if answer.status in AGAIN:
            raise WebhookUnavailable(sentence, self._wait())
        if answer.status < HTTPStatus.MULTIPLE_CHOICES:
            unclear = "does that mean that it was posted? It is no answer of the service; is a proxy between?"
            raise WebhookUnclear(f"{sentence}: {unclear}", self._wait())
        if answer.status in MESSAGE_REFUSALS and detail not in self._service.dead_reasons:
            raise MessageRefused(sentence, {FIX_FACT: FIX_MESSAGE})
        fix = f"Make a new webhook in {self.title} and put its URL into the secret."
        raise WebhookRefused(sentence, {FIX_FACT: fix})

    def _wait(self) -> dict[str, str]:
        return {FIX_FACT: f"Try again in a few minutes; {self.title}'s own state is told at its status page."}


def _post(session: requests.Session, url: str, payload: Mapping[str, object]) -> WebhookAnswer | str:
    """The answer, or why there is none; nothing that carries the URL gets out of here."""
    sent = SentSecrets(*list_url_secrets(url))
    try:
        with session.post(
            url,
            json=payload,
            timeout=(WEBHOOK_CONNECT_SECONDS, WEBHOOK_READ_SECONDS),
            allow_redirects=False,
            stream=True,
        ) as response:
            body = sent.strike_out_bytes(next(response.iter_content(READ_BYTES), b""))
            said = body.decode("utf-8", "replace").strip()[:MAX_ANSWER_CHARACTERS]
            return WebhookAnswer(response.status_code, said, response.headers.get("Retry-After", ""))
    except requests.exceptions.SSLError:
        return (
            "TLS failed; if a company's own CA signed its certificate, put that into the secret's ca_bundle"
        )
    except requests.Timeout:
        return "it took too long"
    except requests.RequestException as error:
        return type(error).__name__
