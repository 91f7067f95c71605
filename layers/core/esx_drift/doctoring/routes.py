"""The way to each route, tried from where the notifier runs."""

from dataclasses import dataclass

from esx_drift.doctoring.examination import Examination, StepResult, find_fix
from esx_drift.doctoring.network_path import PATH_STEPS, Destination, examine_path
from esx_drift.domain.fleet.fleet import Route
from esx_drift.errors import EsxDriftError
from esx_drift.ports import Channel

ROUTE_STEPS = ("secret", *PATH_STEPS, "message")


@dataclass(frozen=True, slots=True)
class RouteDoctor:
    """Examines one route by its channel. ``send``: whether a drill is posted."""

    route: Route
    channel: Channel
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
        address = self.channel.find_address(self.route.secret)
        exam.add_ok("read; its host is allowed")
        examine_path(exam, Destination(address.host, address.port, address.ca_bundle, tls_strict=True))
        if not self.send:
            exam.add_untried("only --send posts a drill")
            return
        self.channel.post_drill(self.route.secret, self.route.name)
        exam.add_ok(f"{self.channel.title} took a drill")
