"""What decisions share: which cluster a name stands for, who decides, and the checker's answer.

Longer than 250 lines, because what a person may say beside his decision is refused before anything is sent.
"""

import re
import shlex
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, Final, Literal
from uuid import uuid4

import typer
from msgspec import Struct

from esx_drift.cli.options import ClusterFinder
from esx_drift.cli.terminal import EXIT_DIFFERENCES, fail, read_clock, require_yes
from esx_drift.domain.acceptance import MAX_ACCEPTED_FOR
from esx_drift.domain.decisions import find_retired_since
from esx_drift.domain.stored.identifiers import VCENTER_LOG, ClusterRef
from esx_drift.domain.stored.records import build_check_request
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.text.wording import format_moment

if TYPE_CHECKING:
    from esx_drift.adapters.audit_store import S3Store
    from esx_drift.adapters.messaging import SqsQueue
    from esx_drift.cli.options import StackOptions
    from esx_drift.domain.fleet.fleet import Fleet
    from esx_drift.domain.stored.types import (
        CheckRequest,
        Decision,
        KnownCluster,
        Record,
        RecordedDecision,
        ShownHost,
    )
    from esx_drift.log_reader import LogEnd

POLL_SECONDS = 0.5
MAX_REASON_CHARACTERS = 1000
MAX_TICKET_CHARACTERS: Final = 100
"""What the schema of a request takes; the longest ids of ticket systems have some dozens."""

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")

_PLACEHOLDER: Final = re.compile(
    r"(?i)why|text|reason|to ?do|tbd|x+|<.*>|\W*|[a-z]{2,}[-_ ]?(?:x{2,}|n{2,}|0{3,}|\.{2,}|…)"
)
"""What a message, the help or a form has in the place of a reason: WHY, TEXT, <reason>, …, CHG-XXXX."""


class Person(Struct, frozen=True):
    """Who decides, as STS says: an ARN to read, and the unique id by which SQS knows the sender."""

    arn: str
    user_id: str


class DecisionOptions(Struct, frozen=True):
    """What a person said beside what he decides on.

    ``ask``: whether he is asked to confirm, once he was shown what it comes to. ``until``: when what he
    accepts ends, as text.
    """

    reason: str
    ask: bool
    wait_seconds: int
    ticket: str | None = None
    until: str | None = None

    def require_confirmation(self, question: str) -> None:
        """End the command unless he says yes, or wanted not to be asked."""
        if self.ask:
            require_yes(question, "nothing was sent")

    def build_decision(
        self, person: Person, shown_at: int | None, hosts: "dict[str, ShownHost]"
    ) -> "Decision":
        """The decision as it goes to the checker, which compares it with how things are by then.

        Args:
            person: Who decides.
            shown_at: The number of the last record when he was shown it; none if there was none.
            hosts: The hosts that he accepts, as he was shown them, by id.
        """
        decision: Decision = {
            "by": person.arn,
            "user_id": person.user_id,
            "reason": self.reason,
            "shown_at": shown_at,
            "hosts": hosts,
            "instance_uuid": None,
        }
        if self.ticket is not None:
            decision["ticket"] = self.ticket
        if self.until is not None:
            decision["until"] = self.until
        return decision


def parse_decision_options(
    reason: str | None, ticket: str | None, *, ask: bool, wait_seconds: int
) -> DecisionOptions:
    """Parse the options that decisions share; end the command if reason or ticket is not one line of text.

    Args:
        reason: Why he decides so; None: because of the ticket, and without one he is asked, so that a command
            of a message can be pasted as it is.
        ticket: The ticket that it belongs to, if he named one.
        ask: Whether he is asked to confirm.
        wait_seconds: How long to wait for the checker's answer.
    """
    named = parse_ticket(ticket)
    why = named if reason is None else reason
    line = _parse_line("--reason", _ask_reason() if why is None else why, MAX_REASON_CHARACTERS)
    if _PLACEHOLDER.fullmatch(line):
        fail(
            f"--reason {line} only stands for a reason, and would stay in the log: say why, or which --ticket"
        )
    return DecisionOptions(line, ask, wait_seconds, named)


def _ask_reason() -> str:
    """Ask for the reason at a terminal; elsewhere end the command, and say how it is to be typed."""
    if not (sys.stdin and sys.stdin.isatty()):
        # The … is a placeholder that is refused, too.
        typed = f"esx-drift {shlex.join(sys.argv[1:])}"
        fail(f"say why, or name a ticket, at the end:\n{typed} --reason '…'\n{typed} --ticket '…'")
    return str(typer.prompt("Why? It stays in the log"))


def _parse_line(option: str, text: str, most: int) -> str:
    line = text.strip()
    if not line or len(line) > most or not line.isprintable():
        fail(f"{option} takes one line of 1 to {most} characters")
    return line


def parse_ticket(ticket: str | None) -> str | None:
    """Parse the ticket that a decision belongs to; end the command if it is no line, or stands for a ticket.

    Returns:
        The ticket; None where ``ticket`` is.
    """
    if ticket is None:
        return None
    line = _parse_line("--ticket", ticket, MAX_TICKET_CHARACTERS)
    if _PLACEHOLDER.fullmatch(line) or line.lower() == "ticket":
        fail(f"--ticket {line} only stands for a ticket, and would stay in the log: say which")
    return line


def parse_until(until: str | None, now: datetime) -> str | None:
    """Parse when an acceptance ends; end the command if that is no time, over, or more than a year ahead.

    Args:
        until: A date, of which the whole day in UTC is meant, or a time with its zone; None: it has no end.
        now: The time that it is held against.

    Returns:
        The time as text; None where ``until`` is.
    """
    if until is None:
        return None
    text = until.strip()
    try:
        is_date = _DATE.fullmatch(text) is not None
        end = parse_time(f"{text}T00:00:00Z") + timedelta(days=1) if is_date else parse_time(text)
    except (ValueError, OverflowError):
        fail(f"--until {text} is no date such as 2026-12-24, and no time with its zone: 2026-12-24T18:00:00Z")
    if not now < end <= now + MAX_ACCEPTED_FOR:
        fail(f"--until {text} has to be ahead of now, and by {MAX_ACCEPTED_FOR.days} days at most")
    return format_time(end)


class DecisionClient(Struct, frozen=True):
    """Reads what the logs know, and sends decisions to the checker, which alone writes the logs."""

    options: "StackOptions"
    fleet: "Fleet"
    store: "S3Store"
    queue: "SqsQueue"
    identify_person: Callable[[], Person]

    def read_log(self, vcenter: str, cluster: str = VCENTER_LOG) -> "LogEnd":
        """Read where the log of ``cluster`` on ``vcenter`` ends; ``@vcenter`` is the vCenter's own."""
        from esx_drift.log_reader import LogReader  # noqa: PLC0415 -- the help needs none of it

        return LogReader(self.store, vcenter, cluster).read()

    def read_clusters(self, vcenter: str) -> "dict[str, KnownCluster]":
        """Every cluster that a vCenter ever listed, by id."""
        return self._finder.read_clusters(vcenter)

    def find_cluster(self, cluster: str, vcenter: str | None) -> ClusterRef:
        """The one cluster of that name or id; ends the command if there is none, or more than one.

        Args:
            cluster: Its name or id.
            vcenter: The vCenter to look in; none for all of the fleet file.
        """
        return self._finder.find(cluster, vcenter)

    def require_watched(self, cluster: ClusterRef) -> None:
        """End the command if the cluster is retired: nothing is decided on it until it is listed again."""
        since = find_retired_since(self.read_log(cluster.vcenter).after, cluster.cluster)
        if since is not None:
            when = format_moment(since, read_clock().year)
            fail(
                f"{cluster.render()} is retired since {when} UTC: nobody looks at it, and nothing is"
                " decided on it\n"
                f"It is looked at again once {cluster.vcenter} lists it and no pattern leaves it out.",
                EXIT_DIFFERENCES,
            )

    def require_vcenter(self, vcenter: str) -> None:
        """End the command if the fleet file has no such ``vcenter``; it is said which ones it has."""
        self._finder.select_vcenters(vcenter)

    @property
    def _finder(self) -> ClusterFinder:
        return ClusterFinder(self.options, self.fleet, self.store)

    def send_decision(
        self,
        action: Literal["accept", "retire", "maintenance"],
        cluster: ClusterRef,
        decision: "Decision",
        wait_seconds: int,
    ) -> "tuple[int, RecordedDecision]":
        """Send a decision to the checker and wait for its answer; ends the command if none comes in time.

        Args:
            action: Which command decides.
            cluster: The cluster, or the vCenter, that is decided on.
            decision: The decision, as ``build_decision`` builds it.
            wait_seconds: How long to wait; with 0 the answer is looked for once.

        Returns:
            The number of the record that the checker wrote, and what it took and what it refused.
        """
        request = build_check_request(
            action,
            str(uuid4()),
            None,
            cluster.vcenter,
            (cluster.cluster, cluster.name),
            read_clock(),
            decision=decision,
        )
        self.queue.send_check(request, 0)
        record = self._wait_for_record(request, wait_seconds)
        if record is None or record["decision"] is None:
            fail(
                f"sent, but not answered within {wait_seconds} s. It is not lost: the checker still has it.\n"
                f"See in a while whether it was done: {self.options.name_command('status')}\n"
                "If not, look into CheckQueue, its dead letter queue and the checker's log"
                f" for request {request['request_id']}."
            )
        return record["seq"], record["decision"]

    def _wait_for_record(self, request: "CheckRequest", wait_seconds: int) -> "Record | None":
        from esx_drift.cli.aws import find_answer  # noqa: PLC0415 -- boto3 takes long to load

        until, pause = monotonic() + wait_seconds, Event()
        while True:
            found = find_answer(self.store, request["vcenter"], request["cluster"], request["request_id"])
            if found is not None or monotonic() >= until:
                return found
            pause.wait(POLL_SECONDS)


def open_decision_client(options: "StackOptions") -> DecisionClient:
    """The client for a deployed stack."""
    # A command imports this module also to show its help or to refuse its options.
    from esx_drift.adapters.messaging import SqsQueue  # noqa: PLC0415 -- boto3 takes long to load
    from esx_drift.cli.aws import explain_aws_errors, open_stack  # noqa: PLC0415 -- boto3 takes long to load

    stack = open_stack(options)
    aws = stack.clients
    (queue,), store = stack.read_outputs("CheckQueueUrl"), stack.open_store()
    fleet = stack.read_fleet(store.state_bucket)

    def identify_person() -> Person:
        with explain_aws_errors("Asking AWS STS who you are"):
            caller = aws.sts().get_caller_identity()
            return Person(caller["Arn"], caller["UserId"])

    return DecisionClient(options, fleet, store, SqsQueue(aws.sqs, queue, ""), identify_person)
