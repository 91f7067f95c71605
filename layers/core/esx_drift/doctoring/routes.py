"""The way to each Slack route, tried from where the notifier runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from urllib3.util import parse_url

from esx_drift.adapters.secrets import SlackSecret
from esx_drift.doctoring.examination import FIX_FACT, Examination, StepResult, find_fix
from esx_drift.doctoring.network_path import DEFAULT_PORTS, PATH_STEPS, Destination, examine_path
from esx_drift.domain.fleet.fleet import Route
from esx_drift.errors import EsxDriftError, WebhookRefused
from esx_drift.ports import WebhookPort

ROUTE_STEPS = ("secret", *PATH_STEPS, "message")


@dataclass(frozen=True, slots=True)
class RouteDoctor:
    """Examines one route. ``read`` gives its secret; ``hosts`` are the only ones that are ever posted to."""

    route: Route
    read: Callable[[str], SlackSecret]
    hosts: tuple[str, ...]
    webhook: WebhookPort
    send: bool

    def examine(self) -> list[StepResult]:
        """A line a step; what needs a step that failed is not tried."""
        exam = Examination(f"route {self.route.name}", ROUTE_STEPS)
        try:
            self._examine(exam)
        except EsxDriftError as error:
            exam.add_failed(error.message, find_fix(error, {}))
        return exam.finish()

    def _examine(self, exam: Examination) -> None:
        secret = self.read(self.route.secret)
        url = parse_url(secret.url)
        if url.host not in self.hosts:
            fix = "Add the host to the stack's parameter WebhookHosts, or correct the secret's url."
            raise WebhookRefused("the secret's url is on a host that is not in WebhookHosts", {FIX_FACT: fix})
        exam.add_ok("read; its host is allowed")
        examine_path(
            exam, Destination(url.host, url.port or DEFAULT_PORTS["https"], secret.ca_bundle, tls_strict=True)
        )
        if not self.send:
            exam.add_untried("only --send posts a drill")
            return
        self.webhook.post(self.route.secret, build_drill_message(self.route.name))
        exam.add_ok("Slack took a drill")


def build_drill_message(route: str) -> Mapping[str, object]:
    """The payload of a drill: a route's name has no character that Slack would act on."""
    said = (
        f"Drill: esx-drift can post here by its route {route}. Nothing happened, and nothing is to be done."
    )
    return {"text": said, "mrkdwn": False, "unfurl_links": False}
