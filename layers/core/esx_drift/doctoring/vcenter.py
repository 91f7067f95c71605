"""The examination of one vCenter, from its name in DNS to one extraction, by the calls that a check makes."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from msgspec import Struct

from esx_drift.adapters.secrets import Secrets, VCenterSecret
from esx_drift.adapters.tls import build_tls_context
from esx_drift.adapters.vcenter.connection_errors import Peer
from esx_drift.adapters.vcenter.http_client import TIME_FOR_A_CALL_MS, HttpAnswer, HttpClient
from esx_drift.adapters.vcenter.session import open_vcenter
from esx_drift.doctoring.examination import NO_TIME, Examination, StepResult, find_fix
from esx_drift.doctoring.extraction import PRIVILEGES_BY_STEP, ExtractionDoctor
from esx_drift.doctoring.network_path import PATH_STEPS, Destination, examine_path
from esx_drift.doctoring.password_reset import PasswordReset
from esx_drift.domain.findings.vcenter_failures import MAX_SKEW_SECONDS
from esx_drift.domain.fleet.fleet import VCenterSettings, find_excluding_pattern
from esx_drift.domain.host_history import UNREAD_UUIDS
from esx_drift.domain.stored.types import VCenterIdentity
from esx_drift.domain.text.wording import clean_text, format_count, join_names
from esx_drift.domain.vcenter_api import (
    ABOUT_PATH,
    MAX_ABOUT_BYTES,
    PRIVILEGE_LIFECYCLE_SETTINGS,
    PRIVILEGE_READ,
    find_privilege,
    is_usable_id,
)
from esx_drift.errors import (
    FIX_FACT,
    SECRET_NAME_FACT,
    VCENTER_FAILURES,
    EsxDriftError,
    LoginSuspended,
    NotAuthorized,
    OutOfTime,
)
from esx_drift.ports import BreakerStore, InventoryEntry, ListedCluster, LoginGuard, VCenterSession
from esx_drift.vcenter_sessions import OpenableSession, VCenterSessions

VCENTER_STEPS = ("secret", *PATH_STEPS, "clock", "login", "version", *PRIVILEGES_BY_STEP, "extraction")

MAX_CLUSTERS_SEARCHED = 5
"""How many clusters are searched for one with a host; if all are empty, the first is examined."""

UNEXAMINED_UUIDS = (
    "whether hosts' hardware UUIDs can be read was not examined, because too little time is left."
)

NO_CLUSTER_FIX = (
    "Were its clusters removed for good? Then retire each (esx-drift retire), and take it out of the fleet"
    " file. Else give the account's role this privilege at the vCenter's root, with propagation:"
    f" {PRIVILEGE_READ}"
)

EXAMINE_ALONE_FIX = "Examine it alone, which leaves more time: esx-drift doctor --vcenter {name}"


class TimeBounds(Struct, frozen=True):
    """``ends_at``: when waiting for a task ends. ``time_left_ms``: how long this run still lasts."""

    ends_at: datetime
    time_left_ms: Callable[[], float]


class VCenterDoctor(Struct, frozen=True):
    """Examines one vCenter of the fleet. ``reset``: tries a password again that was refused."""

    vcenter: VCenterSettings
    secrets: Secrets
    breakers: BreakerStore
    reset: PasswordReset | None
    clock: Callable[[], datetime]
    pause: Callable[[float], object]
    bounds: TimeBounds

    def examine(self) -> list[StepResult]:
        """Take the steps until one fails. Returns a line for each, untried ones too."""
        exam = Examination(self.vcenter.name, VCENTER_STEPS)
        try:
            self._take_steps(exam)
        except OutOfTime as error:
            # Its turn to log in may not have come as well, which costs little of the time.
            if self._has_time():
                exam.add_failed(error.message, find_fix(error, {}))
            else:
                exam.stop_for_time(EXAMINE_ALONE_FIX.format(name=self.vcenter.name))
        except EsxDriftError as error:
            exam.add_failed(error.message, self._find_fix(exam, error))
        return exam.finish()

    def _take_steps(self, exam: Examination) -> None:
        if not self._has_time():
            raise OutOfTime(NO_TIME)
        secret = self.secrets.vcenter(self.vcenter.name)
        exam.add_ok(f"read; the user is {secret.username}")
        destination = Destination(secret.host, secret.port, secret.ca_bundle, secret.tls_strict, secret.proxy)
        examine_path(exam, destination)
        about = self._read_about(secret, destination)
        self._check_clock(exam, about)
        opened = VCenterSessions(
            self.secrets, self.breakers, self._open_session, "doctor", self.clock, self.pause
        )
        with opened as sessions:
            session = self._log_in(sessions, secret)
            exam.add_ok(f"{secret.username} is let in")
            exam.add_ok(_describe_version(session.about()))
            cluster = self._choose_cluster(exam, session)
            ends_at = self.bounds.ends_at
            ExtractionDoctor(self.vcenter, session, cluster, self.clock, self.pause, ends_at).examine(exam)

    def _has_time(self) -> bool:
        return self.bounds.time_left_ms() >= TIME_FOR_A_CALL_MS

    def _read_about(self, secret: VCenterSecret, destination: Destination) -> HttpAnswer:
        context = build_tls_context(secret.ca_bundle, strict=secret.tls_strict)
        peer = Peer(destination.address, secret.proxy)
        client = HttpClient(peer, context, self.clock, time_left_ms=self.bounds.time_left_ms)
        try:
            return client.call("GET", ABOUT_PATH, MAX_ABOUT_BYTES)
        finally:
            client.close()

    def _check_clock(self, exam: Examination, about: HttpAnswer) -> None:
        ahead = about.date - self.clock().replace(microsecond=0)
        direction = "ahead of" if ahead > timedelta() else "behind"
        sentence = f"the vCenter's clock is {abs(ahead.total_seconds()):.0f} s {direction} ours"
        if abs(ahead.total_seconds()) > MAX_SKEW_SECONDS:
            exam.add_failed(sentence, "Set the vCenter's time servers: appliance page (port 5480) > Time.")
        else:
            exam.add_ok(sentence)

    def _open_session(self, secret: VCenterSecret, login_guard: LoginGuard) -> OpenableSession:
        """Open a session as a check does; for a reset, one whose login is tried in spite of the breaker."""
        reset = self.reset
        if reset is not None:
            login_guard = partial(reset.guard_login, self.vcenter.name, secret)
        return open_vcenter(secret, login_guard, self.clock, self.bounds.time_left_ms)

    def _log_in(self, sessions: VCenterSessions[VCenterSecret], secret: VCenterSecret) -> VCenterSession:
        try:
            return sessions.session(self.vcenter.name)
        except LoginSuspended as error:
            raise LoginSuspended(
                error.message, {FIX_FACT: self._find_login_fix(secret), **error.facts}
            ) from error

    def _find_login_fix(self, secret: VCenterSecret) -> str:
        """Find what makes a login possible that was not tried with this version of the secret."""
        name = self.vcenter.name
        reset = f"esx-drift doctor --reset {name}"
        try:
            stored = self.breakers.read(name)
        except LoginSuspended:
            return f"What is known of its logins can't be read; begin anew: {reset}"
        if stored is not None and secret.version_id in stored.breaker["refused"]:
            return f"Put the right password into the secret {secret.name}; if it is right: {reset}"
        return f"Nothing: a dispatch tries this password three minutes after the last refusal; or: {reset}"

    def _choose_cluster(self, exam: Examination, session: VCenterSession) -> ListedCluster:
        listed = session.clusters()
        watched = sorted(
            (
                cluster
                for cluster in listed
                if is_usable_id(cluster.id)
                and find_excluding_pattern(self.vcenter, cluster.id, cluster.name) is None
            ),
            key=lambda cluster: cluster.name,
        )
        clusters = format_count(len(listed), "cluster")
        if not listed:
            raise NotAuthorized("the account is shown no cluster at all", {FIX_FACT: NO_CLUSTER_FIX})
        if not watched:
            fix = "Correct the vCenter's cluster patterns in the fleet file, then: esx-drift fleet push FILE"
            sentence = f"{clusters} listed, and the fleet file leaves each of them out"
            raise NotAuthorized(sentence, {FIX_FACT: fix})
        chosen, hosts = _find_cluster_with_hosts(session, watched)
        standalone = format_count(session.standalone_hosts(), "host")
        sentence = f"{PRIVILEGE_READ}: {clusters} listed, {len(watched)} watched; {standalone} in no cluster"
        exam.add_ok(sentence, self._describe_unread_uuids(session, hosts))
        return chosen

    def _describe_unread_uuids(self, session: VCenterSession, hosts: Sequence[InventoryEntry]) -> str:
        """Describe which connected ``hosts`` have no UUID that ``session`` can read; empty if all have one.

        It is a warning: a check can do without. Empty never means that nobody looked.
        """
        asked = {host.id: clean_text(host.name) for host in hosts if host.uuid is None and host.is_connected}
        try:
            read = session.host_uuids(asked) if asked else {}
            unread = [name for host, name in asked.items() if host not in read]
            why = f"the vCenter gives none of {join_names(unread)}" if unread else ""
        except OutOfTime:
            return f"Warning: {UNEXAMINED_UUIDS} {EXAMINE_ALONE_FIX.format(name=self.vcenter.name)}"
        except VCENTER_FAILURES as error:
            why = error.message
        return f"Warning: {UNREAD_UUIDS}: {why}" if why else ""

    def _find_fix(self, exam: Examination, error: EsxDriftError) -> str:
        operation, step = error.facts.get("operation", ""), exam.steps[len(exam.lines)]
        by_step = PRIVILEGES_BY_STEP.get(step, PRIVILEGE_LIFECYCLE_SETTINGS)
        privilege = find_privilege(operation) or by_step
        if isinstance(error, NotAuthorized) and FIX_FACT not in error.facts:
            return (
                f"Give the account's role this privilege at the vCenter's root, with propagation: {privilege}"
            )
        places = {
            "vcenter": self.vcenter.name,
            "cluster": "the cluster",
            "scope": "the cluster",
            "secret": error.facts.get(SECRET_NAME_FACT, ""),
        }
        return find_fix(error, places)


def _find_cluster_with_hosts(
    session: VCenterSession, clusters: Sequence[ListedCluster]
) -> tuple[ListedCluster, tuple[InventoryEntry, ...]]:
    """Find the first of ``clusters`` that has hosts by ``session``, and these; if none has, the first."""
    for cluster in clusters[:MAX_CLUSTERS_SEARCHED]:
        hosts = session.hosts(cluster.id)
        if hosts:
            return cluster, hosts
    return clusters[0], ()


def _describe_version(about: VCenterIdentity) -> str:
    return f"{about['version']} build {about['build']}"
