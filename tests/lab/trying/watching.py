"""One check of a vCenter in the local AWS, watched until each cluster has its record."""

import json
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from esx_drift.adapters.audit_store import S3Store
from esx_drift.doctoring.examination import StepResult
from esx_drift.domain.stored.identifiers import FLEET_KEY, VCENTER_LOG, make_request_id
from esx_drift.log_reader import LogReader
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.lab.local_aws.stack import Stack
from tests.lab.local_aws.waiting import until
from tests.lab.trying.asking import Asked
from tests.lab.trying.telling import answer
from tests.lab.trying.wording import here

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import Record

EXTRACTION_SECONDS = 1800
"""The deadline of an extraction; a cluster of many hosts takes minutes."""

FIRST_DELAY_SECONDS = 10
BOUND_SECONDS = EXTRACTION_SECONDS + 900
"""The deadline, and the longest pause before the last look at a task, twice over."""

LEFT_TO_THE_CHECK = frozenset({"tasks", "extraction"})
NAMED = 3
"""So many of the clusters that are waited for are named."""


ENDING_SECONDS = 120
"""For what is in flight: a call that gets no answer at all, and the end of the session."""

QUEUES = ("CheckQueue", "RetryQueue")


@dataclass(slots=True)
class Trial:
    """A stack that knows one vCenter and no route: only the calls to the vCenter leave this machine.

    `dispatched`: extractions were asked for. `calls` were made in a thread of their own, so that whoever
    stops waiting for one can still see it end.
    """

    stack: Stack
    asked: Asked
    dispatched: bool = False
    calls: list[Future[object]] = field(default_factory=list)
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    def prepare(self) -> None:
        """Put the secret where the functions read it. The local AWS keeps it in memory alone."""
        text = json.dumps(self.asked.secret)
        self.stack.aws.secrets.create_secret(Name=f"esx-drift/vcenter/{self.asked.name}", SecretString=text)

    def examine(self) -> list[StepResult]:
        """What a check needs, step by step; the extraction is left to the check itself."""
        self._put_fleet(extract=False)
        reply: Any = self._invoke("CheckerFunction", {"doctor": {}})
        self._put_fleet(extract=True)
        lines: list[StepResult] = reply["lines"]
        return [here(line, has_ca=bool(self.asked.given.ca_bundle)) for line in lines if _is_news(line)]

    def check(self, console: Console) -> "list[Record]":
        """Dispatch once and tell each answer as it comes; the records, that of the vCenter last.

        Raises ``TimeoutError`` if a cluster has none in time.
        """
        self.dispatched = True
        reply: Any = self._invoke("DispatcherFunction", {})
        request_id = make_request_id(reply["run_id"], self.asked.name, VCENTER_LOG)
        with console.status("Listing its clusters"):
            listed = until(lambda: self._record(VCENTER_LOG, request_id), "the listing", BOUND_SECONDS)
        assert listed is not None
        assert listed["dispatch"] is not None
        waited = {one["cluster"]: one for one in listed["dispatch"]["expected"]}
        records: list[Record] = []
        with _progress(console) as progress:
            bar = progress.add_task("", total=len(waited))

            def all_answered() -> bool:
                for cluster, one in list(waited.items()):
                    record = self._record(cluster, one["request_id"])
                    if record is not None:
                        del waited[cluster]
                        records.append(record)
                        progress.console.print(f"  {answer(record)}", highlight=False, markup=False)
                progress.update(
                    bar,
                    completed=len(records),
                    description=_waiting([one["name"] for one in waited.values()]),
                )
                return not waited

            until(all_answered, "every cluster's record", BOUND_SECONDS)
        return [*records, self._last(VCENTER_LOG)]

    def end(self, console: Console) -> None:
        """Begin nothing more, and let what is in flight end, which ends its session on the vCenter."""
        functions = self.stack.aws.functions
        for source in functions.list_event_source_mappings()["EventSourceMappings"]:
            functions.update_event_source_mapping(UUID=source["UUID"], Enabled=False)
        quiet = [not self._in_flight()]
        if not quiet[0]:
            console.print(
                "\nEnding what is in flight, so that no session stays open on the vCenter:"
                f" at most {ENDING_SECONDS} s. Another Ctrl-C ends it at once.",
                highlight=False,
            )

        def stays_quiet() -> bool:
            # Twice: a message may just have been taken when the queues were stopped.
            quiet.append(not self._in_flight())
            return all(quiet[-2:])

        try:
            until(stays_quiet, "what is in flight", ENDING_SECONDS)
        except TimeoutError:
            console.print("Given up: a session may stay open there until the vCenter ends it for being idle.")

    def leave(self, directory: Path) -> None:
        """Copy the trail: each record, document and snapshot, as the AuditBucket holds it."""
        s3, bucket = self.stack.aws.s3, self.stack.outputs["AuditBucketName"]
        shutil.rmtree(directory, ignore_errors=True)
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for found in page.get("Contents", []):
                path = directory / found["Key"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read())

    def _invoke(self, function: str, event: object) -> object:
        call = self.pool.submit(self.stack.invoke, function, event)
        self.calls.append(call)
        return call.result()

    def _in_flight(self) -> bool:
        if not all(call.done() for call in self.calls):
            return True
        for queue in QUEUES:
            url = self.stack.resources[queue]
            shown = self.stack.aws.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
            if int(shown["Attributes"]["ApproximateNumberOfMessagesNotVisible"]):
                return True
        return False

    def _put_fleet(self, *, extract: bool) -> None:
        settings = {
            "extract": extract,
            "first_delay_seconds": FIRST_DELAY_SECONDS,
            "extract_deadline_seconds": EXTRACTION_SECONDS,
        }
        vcenter: dict[str, object] = {"name": self.asked.name}
        if self.asked.given.cluster:
            vcenter["clusters"] = {"include": [self.asked.given.cluster]}
        fleet = {"schema_version": 1, "settings": settings, "vcenters": [vcenter]}
        bucket = self.stack.outputs["StateBucketName"]
        self.stack.aws.s3.put_object(Bucket=bucket, Key=FLEET_KEY, Body=json.dumps(fleet).encode())

    def _record(self, cluster: str, request_id: str) -> "Record | None":
        """The record that answers a request; none if there is none yet."""
        answered = self._log(cluster).read().after["answered"]
        seqs = [one["seq"] for one in answered if one["request_id"] == request_id]
        return self.store.record(self.asked.name, cluster, seqs[0])[0] if seqs else None

    def _last(self, cluster: str) -> "Record":
        head = self._log(cluster).read().head
        assert head is not None, "the dispatcher has answered"
        return self.store.record(self.asked.name, cluster, head["seq"])[0]

    def _log(self, cluster: str) -> LogReader:
        return LogReader(self.store, self.asked.name, cluster)

    @property
    def store(self) -> S3Store:
        """The two buckets."""
        outputs = self.stack.outputs
        return S3Store(lambda: self.stack.aws.s3, outputs["AuditBucketName"], outputs["StateBucketName"])


def _is_news(line: StepResult) -> bool:
    """Whether a line is about the vCenter that is tried, and not about what was made to try it."""
    made_here = line["about"] == "AWS" or line["step"] == "last run"
    well = line["step"] == "secret" and line["outcome"] == "ok"
    return not (made_here or well or line["step"] in LEFT_TO_THE_CHECK)


def _waiting(clusters: list[str]) -> str:
    if not clusters:
        return "Done"
    more = f" and {len(clusters) - NAMED} more" if len(clusters) > NAMED else ""
    return f"Extracting {', '.join(clusters[:NAMED])}{more}"


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), console=console, transient=True)
