"""A faithful vCenter and a Slack that answers as Slack does, both over real HTTP(S) on loopback.

Nothing in here imports the product: it is written from the vSphere and Slack documentation alone.
"""

from tests.simulator.model import VCenter
from tests.simulator.server import Tls
from tests.simulator.slack import SlackReceiver
from tests.simulator.vcenter_server import VCenterServer

__all__ = ["SlackReceiver", "Tls", "VCenter", "VCenterServer"]
