"""A faithful vCenter and a Slack that answers as Slack does, both over real HTTP(S) on loopback.

Nothing in here imports the product: it is written from the vSphere and Slack documentation alone.

    vcenter = VCenter()
    SCENARIOS["component"].prepare(vcenter)                        # or seeded_fleet(…), or inventory.add_…
    with VCenterServer(vcenter) as server, SlackReceiver() as slack:
        ...                                                        # look, at server.url
        vcenter.hosts.set_component("esx03", "Intel-i40en", "2.9.2.0-1OEM.800.1.0.20613240")
        vcenter.faults.inject("GET */installed-images", fault_kinds.status(503), times=2)
        ...                                                        # look again
        slack.wait_for(lambda received: len(received) == 1, timeout_seconds=10)

As a process: `python -m tests.simulator vcenter --port 0 --scenario component`, steered over HTTP
under `/_simulator/` (see `control`).
"""

from tests.simulator.model import VCenter
from tests.simulator.server import Tls
from tests.simulator.slack import SlackReceiver
from tests.simulator.vcenter_server import VCenterServer

__all__ = ["SlackReceiver", "Tls", "VCenter", "VCenterServer"]
