"""What a step of the demo can do: change vCenters and settings, look, and type commands as a person."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.stored.types import Event
from esx_drift.domain.text.times import parse_time

from tests.lab.local_aws.rig import Rig
from tests.lab.local_aws.waiting import until
from tests.simulator import VCenter
from tests.simulator.sessions import USER

BOUND_SECONDS = 60
"""For what takes a second or two on a quiet machine."""

type Look = Callable[["Scene"], object]


@dataclass(frozen=True, slots=True)
class Scene:
    """The deployed product with its vCenters, and the environment of a person's shell."""

    rig: Rig
    shell: Mapping[str, str]

    def vcenter(self, name: str) -> VCenter:
        """The model of a vCenter."""
        return self.rig.vcenters[name]

    def run(self, command: str) -> None:
        """Type a command of ``esx-drift``, and have it done as shown.

        Raises:
            subprocess.CalledProcessError: it did not end well.
        """
        program = Path(sys.executable).with_name("esx-drift")
        subprocess.run(
            [program, *command.split(), "--yes"],
            env=self.shell,
            check=True,
            capture_output=True,
            timeout=BOUND_SECONDS,
        )

    def put_settings(self, **settings: int) -> None:
        """Put a fleet file with these settings in place of the demo's own."""
        self.rig.put_fleet(self.rig.fleet(**settings))

    def change_password(self, name: str, password: str) -> None:
        """Change in vCenter the password of the product's account, which ends its sessions."""
        sessions = self.vcenter(name).sessions
        sessions.accounts[USER] = password
        sessions.close_all()

    def check(self, vcenter: str, cluster: str) -> None:
        """Have one cluster checked, and wait until all is told."""
        found = self.vcenter(vcenter).inventory.cluster(cluster).cluster
        self.rig.check({"clusters": [{"vcenter": vcenter, "cluster": found}]})

    def await_decision(self, vcenter: str, cluster: str) -> None:
        """Wait until what a person just decided on a cluster is told."""
        found = self.vcenter(vcenter).inventory.cluster(cluster).cluster
        self.rig.await_told(self.rig.records(vcenter, found)[-1]["events"])

    def await_transition(self, vcenter: str, kind: str, transition: str) -> None:
        """Wait until a vCenter's own log has a finding of this kind opened or resolved, and that is told."""
        found = until(
            partial(self._find_events, vcenter, kind, transition),
            f"{kind} of {vcenter} to be {transition}",
            BOUND_SECONDS,
        )
        self.rig.await_told(found)

    def await_age(self, vcenter: str, cluster: str, seconds: int) -> None:
        """Wait until the last look at a cluster is longer ago than a setting of so many seconds."""
        found = self.vcenter(vcenter).inventory.cluster(cluster).cluster
        last_look_at = self.rig.log_end(vcenter, found).after["last_look_at"]
        assert last_look_at is not None
        old = parse_time(last_look_at) + timedelta(seconds=seconds)
        until(
            lambda: datetime.now(UTC) > old,
            f"the last look at {cluster} to be {seconds} s ago",
            BOUND_SECONDS,
        )

    def _find_events(self, vcenter: str, kind: str, transition: str) -> list[Event]:
        return [
            event
            for record in self.rig.records(vcenter, VCENTER_LOG)
            for event in record["events"]
            if any(
                (finding["kind"], finding["transition"]) == (kind, transition)
                for finding in event["data"]["findings"]
            )
        ]
