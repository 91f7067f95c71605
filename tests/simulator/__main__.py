"""The simulator as a process: `python -m tests.simulator vcenter|slack --port P …`.

It prints one line of JSON with its address when it is ready, and serves until SIGTERM or SIGINT.
"""

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.simulator.model import VCenter
from tests.simulator.scenario import play
from tests.simulator.scenarios import SCENARIOS
from tests.simulator.server import HttpServer, Tls
from tests.simulator.sessions import PASSWORD, USER
from tests.simulator.slack import SlackReceiver
from tests.simulator.vcenter_server import VCenterServer


def main(arguments: Sequence[str]) -> int:
    """Serve what the arguments ask for; 0 when ended."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.list_scenarios:
        print("\n".join(SCENARIOS))  # noqa: T201 - the answer to --list-scenarios
        return 0
    if options.command is None:
        parser.error("vcenter, slack or --list-scenarios")
    if (options.tls_cert is None) != (options.tls_key is None):
        parser.error("--tls-cert and --tls-key go together")
    tls = None if options.tls_cert is None else Tls(options.tls_cert, options.tls_key)
    server = SlackReceiver(options.port, tls) if options.command == "slack" else _vcenter(options, tls)
    return _serve(server)


def _parser() -> argparse.ArgumentParser:
    login = f"user of the vCenter: {USER}, password: {PASSWORD}"
    parser = argparse.ArgumentParser("python -m tests.simulator", description=__doc__, epilog=login)
    listing = argparse.ArgumentParser(add_help=False)
    listing.add_argument("--list-scenarios", action="store_true", default=argparse.SUPPRESS)
    parser.add_argument("--list-scenarios", action="store_true", help="name the scenarios, one a line")
    commands = parser.add_subparsers(dest="command")
    vcenter = commands.add_parser("vcenter", parents=[listing], help="a vCenter")
    slack = commands.add_parser("slack", parents=[listing], help="a Slack that takes webhooks")
    for command in (vcenter, slack):
        command.add_argument("--port", type=int, default=0, help="on 127.0.0.1; 0: a free one (default)")
        command.add_argument("--tls-cert", type=Path, help="serve HTTPS with this certificate (PEM)")
        command.add_argument("--tls-key", type=Path, help="the certificate's key (PEM)")
    story = "the story that looks drive on"
    vcenter.add_argument("--scenario", default="healthy", choices=SCENARIOS, metavar="NAME", help=story)
    vcenter.add_argument("--hold", action="store_true", help="prepare the scenario only; steer over HTTP")
    vcenter.add_argument("--seed", type=int, default=0, help="of the instance UUID and of every order")
    return parser


def _vcenter(options: argparse.Namespace, tls: Tls | None) -> HttpServer:
    vcenter = VCenter(options.seed)
    scenario = SCENARIOS[options.scenario]
    if options.hold:
        scenario.prepare(vcenter)
    else:
        play(scenario, vcenter)
    return VCenterServer(vcenter, options.port, tls)


def _serve(server: HttpServer) -> int:
    # Blocked before the server's threads begin, so that they inherit it and the signal waits for us.
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    with server:
        ready = {"ready": True, "url": server.url, "host": server.host, "port": server.port}
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        signal.sigwait(ends)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
