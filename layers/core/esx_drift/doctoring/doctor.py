"""``esx-drift doctor`` where the checks run: how checker and sender answer to ``{"doctor": ...}``.

The checker examines AWS and the vCenters, the sender the way to each route.

Longer than 250 lines, because both read the same request, and refuse the same names in the same words.
"""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import cast

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from esx_drift import __version__
from esx_drift.adapters.audit_store import S3Store
from esx_drift.adapters.aws_clients import s3, secrets_manager, sns, sqs
from esx_drift.adapters.secrets import Secrets
from esx_drift.adapters.state_bucket import FleetFile, S3Breakers
from esx_drift.adapters.vcenter.http_client import TIME_FOR_A_CALL_MS
from esx_drift.channels import ChannelSettings, open_channels
from esx_drift.config import CheckConfig, SenderConfig
from esx_drift.contracts import read_payload
from esx_drift.doctoring.aws_access import AwsDoctor, build_drill_event, examine_sdk
from esx_drift.doctoring.examination import (
    AWS_FIX,
    DoctorReply,
    DoctorRequest,
    Examination,
    StepResult,
    find_fix,
    is_narrowed,
)
from esx_drift.doctoring.network_path import PATH_STEPS, Destination, examine_path
from esx_drift.doctoring.password_reset import PasswordReset
from esx_drift.doctoring.vcenter import TimeBounds, VCenterDoctor
from esx_drift.domain.fleet.fleet import Fleet, Route, VCenterSettings
from esx_drift.domain.stored.identifiers import FLEET_KEY, VCENTER_LOG
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.text.wording import format_count, format_elapsed, join_names
from esx_drift.errors import EsxDriftError, RequestRefused
from esx_drift.log_reader import LogReader
from esx_drift.ports import Channel

ROUTE_STEPS = ("secret", *PATH_STEPS, "message")


class RouteDoctor(Struct, frozen=True):
    """Examines one route by its channel. ``send``: whether a drill is posted."""

    route: Route
    channel: Channel
    send: bool

    def examine(self) -> list[StepResult]:
        """A line a step; what needs a step that failed is not tried."""
        exam = Examination(f"route {self.route.name}", ROUTE_STEPS)
        try:
            self._examine(exam)
        except EsxDriftError as error:
            exam.add_failed(error.message, find_fix(error, {}))
        return exam.finish()

    def _examine(self, exam: Examination) -> None:
        address = self.channel.find_address(self.route.secret)
        if address is None:
            for _ in ("secret", *PATH_STEPS):
                exam.add_skipped(f"{self.channel.title} needs none")
        else:
            exam.add_ok("read; its host is allowed")
            examine_path(exam, Destination(address.host, address.port, address.ca_bundle, tls_strict=True))
        if not self.send:
            exam.add_skipped("only --send posts a drill")
            return
        self.channel.post_drill(self.route.secret, self.route.name)
        exam.add_ok(f"{self.channel.title} took a drill")


MAX_KNOWN_NAMES = 20
MAX_PARALLEL_EXAMINATIONS = 16

OVERDUE_RUNS = 2
RUN_GRACE = timedelta(hours=1)
"""A run is overdue after 2 intervals and an hour: one may have failed, and each may begin 15 minutes late."""

RUN_FIX = "Is the schedule enabled? If it is, the dispatcher's log and DispatcherDeadLetterQueue say more."
MAX_RECORDS_SEARCHED = 300
"""More than an outage of two days leaves in a vCenter's log, at a try every 15 minutes."""


class RunDoctor(Struct, frozen=True):
    """Looks when a run by schedule last came to the vCenter ``name``, by its log; ``now`` is the time."""

    name: str
    config: CheckConfig
    now: datetime

    def examine(self) -> list[StepResult]:
        """Look. Returns one line."""
        exam = Examination(self.name, ("last run",))
        limit = self.now - OVERDUE_RUNS * timedelta(hours=self.config.check_interval_hours) - RUN_GRACE
        try:
            last = self._find_last_run(limit)
            newest = last or self._find_fleet_time()
        except (EsxDriftError, ClientError, BotoCoreError) as error:
            exam.add_failed(f"its log can't be read: {error}", AWS_FIX)
            return exam.finish()
        interval = f"one every {format_count(self.config.check_interval_hours, 'hour')}"
        if newest < limit:
            exam.add_failed(f"none by schedule since {format_time(limit)}; {interval}", RUN_FIX)
        elif last is None:
            exam.add_ok(f"none since the fleet file was pushed, {self._format_age(newest)} ago; {interval}")
        else:
            exam.add_ok(f"by schedule {self._format_age(newest)} ago; {interval}")
        return exam.finish()

    def _find_last_run(self, limit: datetime) -> datetime | None:
        """Find the newest run by schedule, or any time before ``limit`` where the vCenter was known then."""
        store = S3Store(s3, self.config.audit_bucket, self.config.state_bucket)
        for record in LogReader(store, self.name, VCENTER_LOG).list_newest(MAX_RECORDS_SEARCHED):
            checked_at, dispatch = parse_time(record["checked_at"]), record["dispatch"]
            is_whole = dispatch and dispatch["trigger"] == "schedule" and not dispatch["selected"]
            if is_whole or checked_at < limit:
                return checked_at
        return None

    def _find_fleet_time(self) -> datetime:
        return s3().get_object(Bucket=self.config.state_bucket, Key=FLEET_KEY)["LastModified"]

    def _format_age(self, moment: datetime) -> str:
        return format_elapsed(format_time(moment), format_time(self.now))


RESERVE_SECONDS = TIME_FOR_A_CALL_MS / 1000 + 15
"""Kept of the function's time for what follows an extraction: no call is begun with less than it may take."""


MAX_EXTRACTION_WAIT_SECONDS = 150
"""How long an extraction is waited for; a large cluster takes longer, which is told and is no failure."""


def examine_vcenters(
    event: Mapping[str, object], environment: Mapping[str, str], run_id: str, remaining_ms: int
) -> DoctorReply:
    """Examine AWS, the fleet file and the vCenters asked for, and build the checker's answer.

    Args:
        event: The request; it names the vCenters, or none for all of them.
        environment: The function's environment variables.
        run_id: The id of this run.
        remaining_ms: The time left; a step that it can't hold is not begun.

    Raises:
        ContractViolation: The request is malformed.
        RequestRefused: The fleet does not know a vCenter.
    """
    request = _request(event)
    config = CheckConfig.from_environment(environment)
    ends = time.monotonic() + remaining_ms / 1000
    ends_at = _now() + timedelta(
        seconds=min(MAX_EXTRACTION_WAIT_SECONDS, remaining_ms / 1000 - RESERVE_SECONDS)
    )
    bounds = TimeBounds(ends_at, lambda: (ends - time.monotonic()) * 1000)
    lines, fleet = _read_fleet(config)
    asked = _list_asked_vcenters(fleet, request)
    if "drill" in request:
        events = [build_drill_event(vcenter.name, run_id, _now()) for vcenter in asked[:1]]
        topics = [AwsDoctor(config, s3, sqs, sns, event) for event in events]
        return _reply([*lines, *(line for topic in topics for line in topic.examine_topic())])
    send = request.get("send", False)
    if send or not is_narrowed(request):
        drill = build_drill_event(asked[0].name, run_id, _now()) if send and asked else None
        lines += [*AwsDoctor(config, s3, sqs, sns, drill).examine(), *examine_sdk("AWS")]
    secrets_manager()  # made here, since boto3 can't make clients in several threads at a time
    doctors = [_doctor(vcenter, request, config, bounds) for vcenter in asked]
    with ThreadPoolExecutor(MAX_PARALLEL_EXAMINATIONS) as pool:
        examined = list(pool.map(VCenterDoctor.examine, doctors))
    for vcenter, of in zip(asked, examined, strict=True):
        lines += [*RunDoctor(vcenter.name, config, _now()).examine(), *of]
    return _reply(lines)


def examine_routes(event: Mapping[str, object], environment: Mapping[str, str]) -> DoctorReply:
    """Examine each route of the fleet file, and build the sender's answer.

    Args:
        event: The request; it says whether to post a drill to each route.
        environment: The function's environment variables.

    Raises:
        ContractViolation: The request is malformed.
        FleetInvalid: The fleet file has faults.
        RequestRefused: The fleet does not know a route.
    """
    request = _request(event)
    config = SenderConfig.from_environment(environment)
    lines = examine_sdk("sender")
    fleet, _ = FleetFile(s3, config.state_bucket).read()
    secrets = Secrets(secrets_manager, config.secret_prefix)
    settings = ChannelSettings(secrets, config.webhook_hosts, sns, config.amazon_q_topic_arn)
    with open_channels(settings) as channels:
        send = request.get("send", False) or "drill" in request
        asked = _list_asked_routes(fleet, request)
        doctors = [RouteDoctor(route, channels[route.channel], send) for route in asked]
        return _reply([*lines, *(line for doctor in doctors for line in doctor.examine())])


def _request(event: Mapping[str, object]) -> DoctorRequest:
    request = cast("Mapping[str, object]", read_payload("doctor-request", event))
    return cast("DoctorRequest", request["doctor"])


def _read_fleet(config: CheckConfig) -> tuple[list[StepResult], Fleet | None]:
    exam = Examination("AWS", ("fleet file",))
    try:
        fleet, _ = FleetFile(s3, config.state_bucket).read()
    except EsxDriftError as error:
        exam.add_failed(error.message, find_fix(error, {}))
        return exam.lines, None
    exam.add_ok(f"{format_count(len(fleet.vcenters), 'vCenter')}, {format_count(len(fleet.routes), 'route')}")
    return exam.lines, fleet


def _list_asked_vcenters(fleet: Fleet | None, request: DoctorRequest) -> list[VCenterSettings]:
    if fleet is None:
        return []
    vcenters = {vcenter.name: vcenter for vcenter in fleet.vcenters}
    names = request.get("vcenters") or ([request["reset"]] if "reset" in request else [*vcenters])
    for name in (*names, *([request["reset"]] if "reset" in request else [])):
        if name not in vcenters:
            known = join_names([*vcenters], MAX_KNOWN_NAMES)
            raise RequestRefused(f"the fleet file has no vCenter called {name}. It has: {known}")
    return [vcenters[name] for name in names]


def _list_asked_routes(fleet: Fleet, request: DoctorRequest) -> tuple[Route, ...]:
    routes = {route.name: route for route in fleet.routes}
    for name in request.get("routes", ()):
        if name not in routes:
            known = join_names([*routes], MAX_KNOWN_NAMES) or "none"
            raise RequestRefused(f"the fleet file has no route called {name}. It has: {known}")
    return tuple(routes[name] for name in request.get("routes", routes))


def _doctor(
    vcenter: VCenterSettings, request: DoctorRequest, config: CheckConfig, bounds: TimeBounds
) -> VCenterDoctor:
    reset = PasswordReset(s3(), config.state_bucket, _now) if request.get("reset") == vcenter.name else None
    return VCenterDoctor(
        vcenter=vcenter,
        secrets=Secrets(secrets_manager, config.secret_prefix),
        breakers=S3Breakers(s3(), config.state_bucket),
        reset=reset,
        clock=_now,
        pause=time.sleep,
        bounds=bounds,
    )


def _reply(lines: list[StepResult]) -> DoctorReply:
    return {"schema_version": 1, "code_version": __version__, "lines": lines}


def _now() -> datetime:
    return datetime.now(UTC)
