"""The way to each Slack route, tried from where the notifier runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from urllib3.util import parse_url

from esx_drift.adapters.secrets import SlackSecret
from esx_drift.doctoring.way import DEFAULT_PORTS, WAY_STEPS, Target, walk
from esx_drift.domain.doctor import FIX, Examination, Line, fix_of
from esx_drift.domain.fleets.fleet import Route
from esx_drift.errors import EsxDriftError, WebhookRefused
from esx_drift.ports import Webhook

STEPS = ("secret", *WAY_STEPS, "message")


@dataclass(frozen=True, slots=True)
class RouteDoctor:
    """Examines one route. ``read`` gives its secret; ``hosts`` are the only ones that are ever posted to."""

    route: Route
    read: Callable[[str], SlackSecret]
    hosts: tuple[str, ...]
    webhook: Webhook
    send: bool

    def lines(self) -> list[Line]:
        """A line a step; what needs a step that failed is not tried."""
        exam = Examination(f"route {self.route.name}", STEPS)
        try:
            self._examine(exam)
        except EsxDriftError as error:
            exam.failed(error.message, fix_of(error, {}))
        return exam.ended()

    def _examine(self, exam: Examination) -> None:
        secret = self.read(self.route.secret)
        url = parse_url(secret.url)
        if url.host not in self.hosts:
            fix = "Add the host to the stack's parameter WebhookHosts, or correct the secret's url."
            raise WebhookRefused("the secret's url is on a host that is not in WebhookHosts", {FIX: fix})
        exam.ok("read; its host is allowed")
        walk(exam, Target(url.host, url.port or DEFAULT_PORTS["https"], secret.ca_bundle, tls_strict=True))
        if not self.send:
            exam.untried("only --send posts a drill")
            return
        self.webhook.post(self.route.secret, drill_message(self.route.name))
        exam.ok("Slack took a drill")


def drill_message(route: str) -> Mapping[str, object]:
    """The payload of a drill: a route's name has no character that Slack would act on."""
    said = (
        f"Drill: esx-drift can post here by its route {route}. Nothing happened, and nothing is to be done."
    )
    return {"text": said, "mrkdwn": False, "unfurl_links": False}
