"""A process that looks at a vCenter over TLS, as the functions do, and prints what that cost.

Arguments: ``check`` or ``dispatch``, the port, and how often. The CA's certificate comes on standard input;
AWS is where ``AWS_ENDPOINT_URL`` says. Prints a line of JSON: how it ended, the most memory that the process
ever held, and the time that it worked.
"""

import json
import resource
import sys
import time

import boto3
from esx_drift.contracts import list_violations
from esx_drift.dispatching.dispatcher import Dispatcher
from esx_drift.domain.dispatching.run import Run, build_listing_request
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.runtime.runtime import open_runtime

from tests.simulator.sessions import PASSWORD, USER
from tests.unit.checking.unchanged_process import check, deployed

TIME_MS = 300_000


def main(job: str, port: int, times: int) -> None:
    """Look so many times."""
    sqs = boto3.client("sqs")
    queues = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("CHECK", "RETRY")}
    environment = deployed() | {f"{name}_QUEUE_URL": url for name, url in queues.items()}
    secret = {
        "host": "127.0.0.1",
        "port": port,
        "username": USER,
        "password": PASSWORD,
        "ca_bundle": sys.stdin.read(),
    }
    secrets = boto3.client("secretsmanager")
    secrets.create_secret(Name="esx-drift/vcenter/vc01", SecretString=json.dumps(secret))
    started = time.process_time()
    look = {"check": check, "dispatch": dispatch}[job]
    outcomes = [look(environment) for _ in range(times)]
    seconds = time.process_time() - started
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"outcomes": outcomes, "peak_mb": peak_mb, "seconds": seconds}))  # noqa: T201  # read by the test


def dispatch(environment: dict[str, str]) -> str:
    """One run of the dispatcher, wired as the function is; its record's outcome."""
    with open_runtime(environment, "dispatcher", lambda: TIME_MS) as invocation:
        runtime = invocation.runtime
        request = build_listing_request(Run("run", "schedule"), "vc01")
        reply = Dispatcher(runtime).handle(request, receives=1)
        assert list_violations("dispatch-reply", reply) == []
        return runtime.store.record("vc01", VCENTER_LOG, 1)[0]["outcome"]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
