"""Somebody who decides: what he was shown, and the requests that come of it."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from esx_drift.domain.decisions import list_acceptable_hosts
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.stored.types import CheckRequest, Decision, Record, RecordedDecision, ShownHost

from tests.unit.checking.world import PROD_A, World

ALICE = "arn:aws:sts::123456789012:assumed-role/Admin/alice"
ALICE_ID = "AROAADMINEXAMPLE:alice"


@dataclass(slots=True)
class Person:
    """Who decides in a world, through the queue."""

    world: World

    def shown(self, cluster: str = PROD_A) -> dict[str, ShownHost]:
        """The hosts that can be accepted, as they are now."""
        unseen = self.world.after(cluster)["uncovered_since"]
        return list_acceptable_hosts(self.world.snapshot(cluster), unseen)

    def request(
        self,
        action: Literal["accept", "retire", "maintenance"],
        cluster: str = PROD_A,
        hosts: dict[str, ShownHost] | None = None,
        instance_uuid: str | None = None,
    ) -> CheckRequest:
        """A message as the command line sends it."""
        decision: Decision = {
            "by": ALICE,
            "user_id": ALICE_ID,
            "reason": "CHG-42",
            "shown_at": 1,
            "hosts": hosts or {},
            "instance_uuid": instance_uuid,
        }
        known = cluster in self.world.vcenter.inventory.clusters
        made: CheckRequest = {
            **self.world.request(PROD_A),
            "run_id": None,
            "action": action,
            "cluster": cluster,
            "cluster_name": self.world.vcenter.inventory.clusters[cluster].name if known else cluster,
            "phase": "collect",
            "decision": decision,
        }
        return {**made, "request_id": str(UUID(int=1_000_000 + self.world.requests))}

    def accept(
        self,
        hosts: dict[str, ShownHost],
        cluster: str = PROD_A,
        *,
        until: str | None = None,
        ticket: str | None = None,
    ) -> Record:
        """The record that answers."""
        request = self.request("accept", cluster, hosts)
        assert request["decision"] is not None
        if until is not None:
            request["decision"]["until"] = until
        if ticket is not None:
            request["decision"]["ticket"] = ticket
        return answered(self.world, request)

    def accept_vcenter(self, instance_uuid: str) -> Record:
        """The same, for a vCenter that was replaced."""
        return answered(self.world, self.request("accept", VCENTER_LOG, instance_uuid=instance_uuid))

    def maintain(
        self,
        seconds: int | None,
        cluster: str = PROD_A,
        *,
        accept: bool = False,
        ticket: str | None = None,
    ) -> Record:
        """The same, for maintenance that begins for so long, or ends now."""
        request = self.request("maintenance", cluster)
        decision = request["decision"]
        assert decision is not None
        decision["maintenance"] = {"for_seconds": seconds, "accept": accept}
        if ticket is not None:
            decision["ticket"] = ticket
        return answered(self.world, request)

    def retire(self, cluster: str = PROD_A) -> Record:
        """The same, for a cluster that is gone."""
        return answered(self.world, self.request("retire", cluster))


def answered(world: World, request: CheckRequest) -> Record:
    """The record that answers a request at once."""
    record = world.handle(request)
    assert record is not None
    return record


def decided(record: Record) -> RecordedDecision:
    """What a record says of a decision."""
    assert record["decision"] is not None
    return record["decision"]


def retire_requests(world: World) -> list[CheckRequest]:
    """The requests to retire clusters that were sent to the CheckQueue, in their order."""
    return [sent.body for sent in world.aws.sent if sent.body.get("action") == "retire"]  # type: ignore[misc]  # its schema was held when it was sent
