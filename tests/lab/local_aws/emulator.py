"""Starts the emulator, with what our template needs of AWS and it lacks.

Run by the Python of its own tools, and by nothing else: `.tools/aws/bin/python emulator.py`.
"""

import asyncio
import json
import os
import re
import signal
import sys
import threading
import zipfile
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from pathlib import Path
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any, Final
from uuid import uuid4

from ministack import app
from ministack.core import iam_actions, iam_evaluator, lambda_runtime
from ministack.core.responses import AccountRegionScopedDict, json_response
from ministack.services import cloudwatch, cloudwatch_logs, lambda_svc, scheduler, sqs
from ministack.services.cloudformation import provisioners

CONDITIONAL_HEADERS = ("if-match", "if-none-match")

type Context = dict[str, Any]
type Receive = Callable[[], Awaitable[Context]]
type Send = Callable[[Context], Awaitable[None]]
type Serve = Callable[[Context, Receive, Send], Awaitable[None]]
type SendMessage = Callable[[Context, str], Context]
type BuildAlarm = Callable[[str, Context], Context]
type EvaluateAlarm = Callable[[Context], None]
type FilterRecords = Callable[[list[Context], Context], list[Context]]
type ReadContext = Callable[[str, Mapping[str, Any], str, Mapping[str, str]], Context]
type AnswerLogs = Callable[[str, str, Mapping[str, str], bytes, Mapping[str, Any]], Awaitable[Any]]
type ResolveKey = Callable[[str, Any], Any]


def add_conditional_writes(read: ReadContext) -> ReadContext:
    """Let policies ask whether a write is conditional, as S3's condition keys do.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
    """

    def read_more(action: str, query: Mapping[str, Any], path: str, headers: Mapping[str, str]) -> Context:
        sent = {f"s3:{name}": headers[name] for name in CONDITIONAL_HEADERS if headers.get(name)}
        return {**read(action, query, path, headers), **(sent if action == "s3:PutObject" else {})}

    return read_more


def name_roles(resolve: ResolveKey) -> ResolveKey:
    """Let a policy see the role of a session as ``aws:PrincipalArn``, as IAM shows it, and not the session.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
    """

    def resolve_role(key: str, context: Any) -> Any:  # noqa: ANN401 -- the emulator's own
        found = resolve(key, context)
        if key.lower() != "aws:principalarn" or ":assumed-role/" not in str(found):
            return found
        account, _, session = str(found).partition(":assumed-role/")
        return f"{account.replace(':sts:', ':iam:')}:role/{session.partition('/')[0]}"

    return resolve_role


HURRY: Final = 12
"""A simulated vCenter is done within moments: 10 seconds, and a tenth of that, become none; 20 become one."""


def hurry_extractions(send: SendMessage) -> SendMessage:
    """Let what waits for an extraction wait for a twelfth of its time; any other delay stays as it is."""

    def send_sooner(data: Context, url: str) -> Context:
        if '"phase":"collect"' in data.get("MessageBody", ""):
            data = {**data, "DelaySeconds": int(data.get("DelaySeconds", 0)) // HURRY}
        return send(data, url)

    return send_sooner


SENDERS: Final[dict[str, str]] = {}
"""Who sent a message, by its id: a user's own id, where the emulator names the account whoever it was."""


def note_sender(send: SendMessage) -> SendMessage:
    """Note which user sent a message, where it was one."""

    def send_noted(data: Context, url: str) -> Context:
        sent = send(data, url)
        caller = iam_evaluator.resolve_caller_identity(iam_evaluator._verified_key.get())  # noqa: SLF001
        if caller is not None:
            SENDERS[sent["MessageId"]] = caller["userId"]
        return sent

    return send_noted


def name_senders(select: FilterRecords) -> FilterRecords:
    """Say in what a function is invoked with who sent each message."""

    def select_named(records: list[Context], source: Context) -> list[Context]:
        for record in records:
            if record.get("messageId") in SENDERS:
                record["attributes"]["SenderId"] = SENDERS[record["messageId"]]
        return select(records, source)

    return select_named


def watch_one_metric(build: BuildAlarm) -> BuildAlarm:
    """Let an alarm over a calculation watch the metric that it is made of: the emulator takes no other."""

    def build_simply(name: str, properties: Context) -> Context:
        for query in properties.get("Metrics", ()):
            if "MetricStat" in query:
                made_of, kept = query["MetricStat"], {**properties}
                del kept["Metrics"]
                statistic = {"Period": made_of["Period"], "Statistic": made_of["Stat"]}
                return build(name, kept | made_of["Metric"] | statistic)
        return build(name, properties)

    return build_simply


DIMENSIONS: ContextVar[str | None] = ContextVar("DIMENSIONS", default=None)
"""Those of the alarm that is being evaluated, as the emulator writes them."""


class MetricsOfOneAlarm(AccountRegionScopedDict):  # type: ignore[misc]  # the emulator has no types
    """All metrics; while an alarm is evaluated, the one of its dimensions, as in CloudWatch.

    The emulator reads all of that name: an error of one function would raise the alarm of every other.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#Dimension
    """

    __slots__ = ()

    def items(self) -> list[tuple[tuple[str, str, str], Any]]:
        """Each metric's namespace, name and dimensions, with its data points."""
        wanted = DIMENSIONS.get()
        return [(key, points) for key, points in super().items() if wanted in {None, key[2]}]


def evaluate_own_metric(evaluate: EvaluateAlarm) -> EvaluateAlarm:
    """Let an alarm see the metric of its own dimensions alone."""

    def evaluate_alone(alarm: Context) -> None:
        dimensions = {each["Name"]: each["Value"] for each in alarm.get("Dimensions") or ()}
        token = DIMENSIONS.set(cloudwatch._dims_key(dimensions))  # noqa: SLF001
        try:
            evaluate(alarm)
        finally:
            DIMENSIONS.reset(token)

    return evaluate_alone


UNPACKED: Final[dict[tuple[tuple[str, int], ...], Path]] = {}
"""Where each archive of code was unpacked, by the names and checksums of what is in it."""

UNPACKING = threading.Lock()


class UnpackedOnce(zipfile.ZipFile):
    """An archive of code that is unpacked once, and linked to for each process of a function.

    The emulator unpacks both layers, thousands of files, for each of them, which took more time than all that
    the functions did. Nobody writes there: in Lambda a layer is read-only.
    """

    def namelist(self) -> list[str]:
        """The names to look at before it is unpacked: none where that is done."""
        return [] if self._key in UNPACKED else super().namelist()

    def extractall(self, path: Any = None, members: Any = None, pwd: Any = None) -> None:  # noqa: ANN401 -- as there
        """Have all of it in a folder."""
        with UNPACKING:
            if self._key not in UNPACKED:
                folder = Path(mkdtemp(prefix="unpacked-"))
                super().extractall(folder, members, pwd)
                UNPACKED[self._key] = folder
        for each in UNPACKED[self._key].iterdir():
            (Path(path) / each.name).symlink_to(each)

    @property
    def _key(self) -> tuple[tuple[str, int], ...]:
        return tuple((each.filename, each.CRC) for each in self.infolist())


def make_nothing(name: str, properties: Mapping[str, Any], stack: str) -> tuple[str, Context]:
    """Stand in for a resource that nothing of the product's work depends on."""
    return f"{stack}-{name}-{len(properties)}", {}


HOLD_PATH: Final = "/_held"
"""Where a test says which call it wants held, asks whether it is, and lets it go."""


class HeldCalls:
    """Holds one call, as a network does that lost it or its answer: its caller can be killed meanwhile.

    A call that is held before it was carried out never is. One that is held after has been.
    """

    def __init__(self, serve: Serve) -> None:
        """Stand before what answers each request."""
        self._serve = serve
        self._wanted: Context | None = None
        self._is_holding = False
        self._released = asyncio.Event()

    async def __call__(self, scope: Context, receive: Receive, send: Send) -> None:
        """Answer a request (https://asgi.readthedocs.io/en/latest/specs/www.html)."""
        if scope["type"] != "http":
            await self._serve(scope, receive, send)
            return
        body = await _read_body(receive)
        if scope["path"] == HOLD_PATH:
            await _answer(send, 200, self._control(scope["method"], body))
            return
        replayed = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive_again() -> Context:
            return next(replayed, None) or await receive()

        when = self._take(scope, body)
        if when == "before":
            await self._hold()
            await _answer(send, 503, b"")
            return
        answer: list[Context] = []

        async def keep(message: Context) -> None:
            answer.append(message)

        await self._serve(scope, receive_again, keep if when else send)
        if when:
            await self._hold()
            for message in answer:
                await send(message)

    def _control(self, method: str, body: bytes) -> bytes:
        if method == "PUT":
            self._wanted, self._is_holding = json.loads(body), False
            self._released = asyncio.Event()
        elif method == "DELETE":
            self._wanted = None
            self._released.set()
        return json.dumps({"holding": self._is_holding}).encode()

    def _take(self, scope: Context, body: bytes) -> str | None:
        """Take the call if it is the one that is wanted; when it is to be held."""
        wanted = self._wanted
        if wanted is None or scope["method"] != wanted["method"]:
            return None
        if not re.search(wanted["path"], scope["path"]) or not all(
            part.encode() in body for part in wanted["body"]
        ):
            return None
        self._wanted = None
        return str(wanted["when"])

    async def _hold(self) -> None:
        self._is_holding = True
        await self._released.wait()


async def _read_body(receive: Receive) -> bytes:
    body, is_more = b"", True
    while is_more:
        message = await receive()
        body += message.get("body", b"")
        is_more = message.get("more_body", False)
    return body


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


QUERIES: Final[dict[str, Context]] = {}
"""Saved queries of Logs Insights, by their ids."""


def save_query(_name: str, properties: Mapping[str, Any], _stack: str) -> tuple[str, Context]:
    """Keep a saved query."""
    own = str(uuid4())
    QUERIES[own] = {"queryDefinitionId": own, "name": properties["Name"]}
    return own, {}


def forget_query(own: str, _properties: Mapping[str, Any]) -> None:
    """Remove a saved query."""
    QUERIES.pop(own, None)


def list_queries(answer: AnswerLogs) -> AnswerLogs:
    """Let CloudWatch Logs tell which queries are saved, and remove one."""

    async def answer_more(
        method: str, path: str, headers: Mapping[str, str], body: bytes, params: Mapping[str, Any]
    ) -> Any:  # noqa: ANN401 -- the emulator's own
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        if operation == "DescribeQueryDefinitions":
            return json_response({"queryDefinitions": [*QUERIES.values()]})
        if operation == "DeleteQueryDefinition":
            return json_response(
                {"success": QUERIES.pop(json.loads(body)["queryDefinitionId"], None) is not None}
            )
        return await answer(method, path, headers, body, params)

    return answer_more


# A run of a schedule would meet whatever a test or the demo is at: who wants one invokes its function.
scheduler._tick_schedules = lambda: None  # noqa: SLF001
iam_evaluator._resolve_condition_key = name_roles(iam_evaluator._resolve_condition_key)  # noqa: SLF001
iam_actions._s3_object_context = add_conditional_writes(iam_actions._s3_object_context)  # noqa: SLF001
sqs._act_send_message = note_sender(hurry_extractions(sqs._act_send_message))  # noqa: SLF001
sqs._HANDLERS["SendMessage"] = sqs._act_send_message  # noqa: SLF001
lambda_svc._apply_filter_criteria = name_senders(lambda_svc._apply_filter_criteria)  # noqa: SLF001
provisioners._cw_metric_alarm_record = watch_one_metric(provisioners._cw_metric_alarm_record)  # noqa: SLF001
cloudwatch._metrics = MetricsOfOneAlarm()  # noqa: SLF001
cloudwatch._evaluate_alarm = evaluate_own_metric(cloudwatch._evaluate_alarm)  # noqa: SLF001
lambda_runtime.zipfile = SimpleNamespace(**{**vars(zipfile), "ZipFile": UnpackedOnce})
# Unknown to the emulator, which refuses a type even where a condition leaves the resource out.
for kind, make, remove in (
    ("AWS::Athena::NamedQuery", make_nothing, lambda *_: None),
    ("AWS::Logs::QueryDefinition", save_query, forget_query),
):
    provisioners._RESOURCE_HANDLERS[kind] = {"create": make, "delete": remove}  # noqa: SLF001
cloudwatch_logs.handle_request = list_queries(cloudwatch_logs.handle_request)


def end_with_parent() -> None:
    """End this process and its functions' once the process that started it is gone, whatever ended that one.

    It holds the other end of the standard input, and writes nothing.
    """
    sys.stdin.read()
    os.killpg(0, signal.SIGKILL)


app.app = HeldCalls(app.app)

if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    app.main()
