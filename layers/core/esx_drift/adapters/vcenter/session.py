"""A vCenter's REST API (``/api``) as ``ports.VCenterSession``.

https://developer.broadcom.com/xapis/vsphere-automation-api/latest/ describes the operations.

Longer than 250 lines, because every call to a vCenter is found here, beside what a session does about it.
"""

import math
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from http import HTTPStatus

from esx_drift.adapters.secrets import VCenterSecret, encode_login
from esx_drift.adapters.tls import build_tls_context
from esx_drift.adapters.vcenter.connection_errors import Peer
from esx_drift.adapters.vcenter.error_answers import (
    parse_api_error,
    translate_error_answer,
    translate_refused_login,
)
from esx_drift.adapters.vcenter.http_client import TIME_FOR_A_CALL_MS, HttpAnswer, HttpClient
from esx_drift.adapters.vcenter.listings import (
    build_host_uuids_request,
    collect_entries,
    list_everything,
    parse_cluster,
    parse_host,
    parse_host_uuids,
)
from esx_drift.adapters.vcenter.responses import (
    is_session_ended,
    parse_enabled,
    parse_identity,
    parse_property_collector,
    parse_report_reply,
    parse_service_version,
    parse_submission,
    parse_task,
    parse_text_body,
    translate_missing_route,
)
from esx_drift.domain.stored.types import ClockFacts, VCenterIdentity
from esx_drift.domain.vcenter_api import (
    ABOUT_PATH,
    INVENTORY_PATH,
    MAX_ABOUT_BYTES,
    MAX_CLUSTER_HOSTS,
    MAX_ENABLEMENT_BYTES,
    MAX_HOST_UUIDS_BYTES,
    MAX_LISTED_CLUSTERS,
    MAX_LISTING_BYTES,
    MAX_REPORT_BYTES,
    MAX_STANDALONE_HOSTS,
    MAX_TASK_BYTES,
    MAX_TOKEN_BYTES,
    PROPERTY_COLLECTOR,
    SERVICE_VERSIONS_PATH,
    SESSION_PATH,
    build_enablement_path,
    build_properties_path,
    build_report_path,
    build_task_path,
    name_vcenter_release,
)
from esx_drift.errors import (
    EsxDriftError,
    OutOfTime,
    VCenterUnreachable,
)
from esx_drift.ports import (
    ExtractionTask,
    InventoryEntry,
    ListedCluster,
    LoginGuard,
    ReportReply,
    SubmittedExtraction,
)


def open_vcenter(
    secret: VCenterSecret,
    login_guard: LoginGuard,
    clock: Callable[[], datetime],
    time_left_ms: Callable[[], float] = lambda: math.inf,
) -> "RestSession":
    """Make a session of the vCenter that the secret names. Nothing is sent before ``login``.

    Args:
        secret: Where the vCenter is, and who logs in.
        login_guard: Entered around each login.
        clock: The time now, which stands in for an answer without ``Date``.
        time_left_ms: How long this run of the function still lasts.
    """
    host = f"[{secret.host}]" if ":" in secret.host else secret.host
    context = build_tls_context(secret.ca_bundle, strict=secret.tls_strict)
    http = HttpClient(Peer(f"{host}:{secret.port}", secret.proxy), context, clock, time_left_ms=time_left_ms)
    return RestSession(http, secret, login_guard)


class RestSession:
    """``ports.VCenterSession`` over HTTPS. A call whose token has expired logs in again, once."""

    def __init__(self, http: HttpClient, secret: VCenterSecret, login_guard: LoginGuard) -> None:
        self._http = http
        self._http.sent.add_login(secret.username, secret.password)
        self._secret = secret
        self._login_guard = login_guard
        self._token: str | None = None
        self._release: str | None = None
        self._collector = PROPERTY_COLLECTOR
        self._unread_uuids: VCenterUnreachable | None = None

    def login(self) -> None:
        """Open the session.

        Raises:
            LoginRefused: The vCenter answered 401.
            EsxDriftError: What the guard raises, or another failure of the call.
        """
        with self._login_guard():
            # Not requests' own Basic: it writes Latin-1, and the vCenter reads UTF-8.
            basic = encode_login(self._secret.username, self._secret.password)
            answer = self._http.call(
                "POST", SESSION_PATH, MAX_TOKEN_BYTES, headers={"Authorization": f"Basic {basic}"}
            )
            if answer.status == HTTPStatus.UNAUTHORIZED:
                raise translate_refused_login(answer, self._secret.username)
            if answer.status not in {HTTPStatus.OK, HTTPStatus.CREATED}:
                raise self._explain_not_found(answer) or translate_error_answer(answer)
            self._token = parse_text_body(answer)
            self._http.sent.add(self._token)

    def close(self) -> None:
        """End the session, if one is open, and close the connections.

        Raises:
            EsxDriftError: The failure that keeps the session open until the vCenter ends it for idleness.
        """
        try:
            if self._token is not None:
                answer = self._send("DELETE", SESSION_PATH, MAX_TOKEN_BYTES, ())
                if not is_session_ended(answer):
                    raise translate_error_answer(answer)
        finally:
            self._token = None
            self._http.close()

    def about(self) -> VCenterIdentity:
        """Read which vCenter this is; needs no login.

        Raises:
            ApiUnsupported: The vCenter is older than 8.0 U3.
        """
        answer = self._http.call("GET", ABOUT_PATH, MAX_ABOUT_BYTES)
        if answer.status != HTTPStatus.OK:
            raise self._explain_not_found(answer) or translate_error_answer(answer)
        identity = parse_identity(answer)
        self._release = name_vcenter_release(identity)
        self._collector = parse_property_collector(answer)
        return identity

    def clock(self) -> ClockFacts | None:
        """Its clock against ours, as of its last answer; none if that had no ``Date``."""
        return self._http.clock_facts

    def clusters(self) -> tuple[ListedCluster, ...]:
        """Every cluster that the account may see, each once."""
        answers = list_everything(self._get_listing, f"{INVENTORY_PATH}cluster")
        return collect_entries(answers, parse_cluster, MAX_LISTED_CLUSTERS)

    def hosts(self, cluster: str) -> tuple[InventoryEntry, ...]:
        """The hosts of one cluster; none also where there is no such cluster."""
        return self._list_hosts([("clusters", cluster)], MAX_CLUSTER_HOSTS)

    def find_hosts(self, hosts: Collection[str]) -> tuple[InventoryEntry, ...]:
        """Find those of the hosts with these ids that the account sees, in whatever cluster."""
        return self._list_hosts([("hosts", host) for host in sorted(hosts)], MAX_CLUSTER_HOSTS)

    def host_uuids(self, hosts: Collection[str]) -> dict[str, str]:
        """The UUIDs of the machines of those hosts that have one; sent only if another call could follow.

        By RetrievePropertiesEx of the VI/JSON API, which the same session serves since 8.0 U3. Nobody logs
        in for it, and where it got no answer it is not sent again: a check does without.
        """
        if self._unread_uuids is not None:
            raise self._unread_uuids
        path, request = build_properties_path(self._collector), build_host_uuids_request(hosts)
        try:
            answer = self._http.call(
                "POST",
                path,
                MAX_HOST_UUIDS_BYTES,
                headers=self._build_headers(),
                json=request,
                spare_ms=TIME_FOR_A_CALL_MS,
            )
        except VCenterUnreachable as error:
            self._unread_uuids = error
            raise
        if answer.status != HTTPStatus.OK:
            raise translate_error_answer(answer)
        return parse_host_uuids(answer, hosts)

    def standalone_hosts(self) -> int:
        """How many hosts are in no cluster."""
        return len(self._list_hosts([("standalone", "true")], MAX_STANDALONE_HOSTS))

    def extract(self, cluster: str) -> SubmittedExtraction:
        """Start an extraction, or learn that the cluster is busy."""
        path = f"{build_report_path(cluster)}?action=extract&vmw-task=true"
        return parse_submission(self._call("POST", path, MAX_TOKEN_BYTES))

    def task(self, task_id: str) -> ExtractionTask | None:
        """One task; none when the vCenter no longer has it."""
        params = [("exclude_result", "true")]
        answer = self._call("GET", build_task_path(task_id), MAX_TASK_BYTES, params)
        if answer.status == HTTPStatus.NOT_FOUND and parse_api_error(answer).is_vcenters:
            return None
        if answer.status != HTTPStatus.OK:
            raise translate_error_answer(answer)
        return parse_task(task_id, answer)

    def installed_images(self, cluster: str) -> ReportReply:
        """The last extracted report, byte for byte; cut off where it is too large."""
        return parse_report_reply(self._call("GET", build_report_path(cluster), MAX_REPORT_BYTES))

    def managed_by_image(self, cluster: str) -> bool:
        """Whether the cluster is managed by a single image; by baselines if not."""
        answer = self._call("GET", build_enablement_path(cluster), MAX_ENABLEMENT_BYTES)
        if answer.status != HTTPStatus.OK:
            raise translate_error_answer(answer)
        return parse_enabled(answer)

    def _list_hosts(self, params: Sequence[tuple[str, str]], most: int) -> tuple[InventoryEntry, ...]:
        answers = list_everything(self._get_listing, f"{INVENTORY_PATH}host", params)
        return collect_entries(answers, parse_host, most)

    def _get_listing(self, path: str, params: Sequence[tuple[str, str]]) -> HttpAnswer:
        return self._call("GET", path, MAX_LISTING_BYTES, params)

    def _call(
        self, method: str, path: str, max_bytes: int, params: Sequence[tuple[str, str]] = ()
    ) -> HttpAnswer:
        answer = self._send(method, path, max_bytes, params)
        if answer.status == HTTPStatus.UNAUTHORIZED and parse_api_error(answer).is_vcenters:
            # Mostly the session is dead already; where it is not, it must not stay open beside the new one.
            self._send("DELETE", SESSION_PATH, MAX_TOKEN_BYTES, ())
            self.login()
            answer = self._send(method, path, max_bytes, params)
        if answer.status == HTTPStatus.NOT_FOUND and parse_api_error(answer).is_missing_route:
            raise translate_missing_route(answer, self._release or self._ask_release())
        return answer

    def _explain_not_found(self, answer: HttpAnswer) -> EsxDriftError | None:
        """Explain a 404 to a call that every vCenter knows from 8.0 U3 on; None for any other answer.

        Whoever says which release he is, is a vCenter, also where a page answered; who does not, may be any
        web server.
        """
        if answer.status != HTTPStatus.NOT_FOUND:
            return None
        release = self._ask_release()
        is_vcenter = release is not None or parse_api_error(answer).is_vcenters
        return translate_missing_route(answer, release) if is_vcenter else None

    def _ask_release(self) -> str | None:
        """Ask, without a login, which release of the API it has, in the way that every release answers."""
        try:
            version = parse_service_version(self._http.call("GET", SERVICE_VERSIONS_PATH, MAX_ABOUT_BYTES))
        except (VCenterUnreachable, OutOfTime):
            return None  # what was answered before is what is told
        return None if version is None else f"vSphere API {version}"

    def _send(self, method: str, path: str, max_bytes: int, params: Sequence[tuple[str, str]]) -> HttpAnswer:
        return self._http.call(method, path, max_bytes, params, self._build_headers())

    def _build_headers(self) -> dict[str, str]:
        return {} if self._token is None else {"vmware-api-session-id": self._token}
