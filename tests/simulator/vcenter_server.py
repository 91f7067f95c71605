"""Serves a simulated vCenter."""

from tests.simulator.control import CONTROL, control
from tests.simulator.model import VCenter
from tests.simulator.reply import Reply, Request
from tests.simulator.routes import answer, name_of
from tests.simulator.server import HttpServer, Tls


class VCenterServer(HttpServer):
    """One vCenter on loopback while it is entered: `host`, `port`, `url`."""

    def __init__(self, vcenter: VCenter, port: int = 0, tls: Tls | None = None) -> None:
        self.vcenter = vcenter
        super().__init__(self._reply, port, tls, vcenter.now, vcenter.requests_at_once)

    def _reply(self, request: Request) -> Reply:
        if request.path.startswith(CONTROL):
            return control(self.vcenter, request)
        reply = self.vcenter.faults.applied(request, self._answer)
        status = 0 if reply.delivery.is_silent else reply.status
        self.vcenter.note(name_of(request), request.method, request.path, status)
        return reply

    def _answer(self, request: Request) -> Reply:
        with self.vcenter.lock:
            return answer(self.vcenter, request)
