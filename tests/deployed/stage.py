"""What several of these tests need: a small vCenter, a hand-made request, a queue that soon gives up."""

import json

from esx_drift.adapters.audit_store import S3Store
from esx_drift.domain.stored.types import CheckRequest

from tests.lab.local_aws.rig import Rig
from tests.simulator import VCenter
from tests.simulator.extraction import Pace
from tests.unit import dispatches
from tests.unit.logs import Subscribers

CLUSTER = "domain-c9"
HOSTS = ["esx01", "esx02", "esx03"]
I40EN = "Intel-i40en"
BY_HAND, BY_HAND_AGAIN = "2.9.2.0-1OEM.800.1.0.20613240", "2.9.3.0-1OEM.800.1.0.20613240"
FOOTHOLD = "smntemp(910.1.0.0005-5vmw.803.0.0.24022510)"


def small(seed: int = 0) -> VCenter:
    """A vCenter with one cluster, prod-a, of three hosts; an extraction ends at the first poll."""
    vcenter = VCenter(seed)
    vcenter.inventory.add_cluster("prod-a")
    for host in HOSTS:
        vcenter.inventory.add_host("prod-a", host)
    vcenter.extractions.pace = Pace(())
    return vcenter


def request_of(run: str, vcenter: str, rig: Rig) -> CheckRequest:
    """What the dispatcher sends for prod-a, with the record that it writes before."""
    store, now = (
        S3Store(lambda: rig.stack.aws.s3, rig.audit_bucket, rig.state_bucket),
        rig.vcenters[vcenter].now(),
    )
    dispatched = dispatches.append_dispatch(store, Subscribers(), vcenter, run, {CLUSTER: "prod-a"}, now)
    return dispatches.request_of(dispatched, CLUSTER, now, extract=True)


def send(rig: Rig, queue: str, *bodies: object) -> None:
    """Put messages into a queue, by logical id: text as it is, all else as JSON."""
    texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    rig.stack.aws.sqs.send_message_batch(
        QueueUrl=rig.stack.resources[queue],
        Entries=[{"Id": str(number), "MessageBody": text} for number, text in enumerate(texts)],
    )


def give_up_after(rig: Rig, queue: str, tries: int, seconds: int | None = None) -> None:
    """Let a queue hand out a message so many times in all, and again after so many seconds if any are given.

    What takes longer than these seconds, as a cold start may, is handed out while it is still in work.
    """
    sqs, url = rig.stack.aws.sqs, rig.stack.resources[queue]
    shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])
    policy = json.loads(shown["Attributes"]["RedrivePolicy"]) | {"maxReceiveCount": tries}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps(policy)})
    if seconds is not None:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(seconds)})
