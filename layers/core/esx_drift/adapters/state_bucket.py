"""What the StateBucket holds beside the states of logs.

That is the fleet file, which each invocation reads anew, ``breaker/<v>.json``: which passwords a vCenter
refused, and ``routes/<channel>/<secret>.json``: whether the routes of a webhook may be posted to.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from msgspec import Struct

from esx_drift.adapters.s3_objects import S3Object, S3Objects
from esx_drift.contracts import list_fleet_errors, parse_payload, parse_sent_json
from esx_drift.domain.breaker import Breaker, build_closed_breaker
from esx_drift.domain.deliveries import RouteState, build_route_state
from esx_drift.domain.fleet.fleet import MAX_FLEET_BYTES, Fleet, Route, build_fleet
from esx_drift.domain.stored.identifiers import (
    FLEET_KEY,
    FLEET_SOURCE_KEY,
    compute_sha256,
    encode_canonical_json,
    make_breaker_key,
    make_route_key,
)
from esx_drift.domain.text.wording import clean_text
from esx_drift.errors import ContractViolation, FleetInvalid, FleetMissing, LoginSuspended
from esx_drift.ports import StoredBreaker, StoredRouteState

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from esx_drift.domain.fleet.fleet import FleetDocument


class FleetFile(Struct, frozen=True):
    """``config/fleet.json`` of one bucket; ``client`` gives the same S3 client each time."""

    client: Callable[[], "S3Client"]
    bucket: str

    def read(self) -> tuple[Fleet, str]:
        """Read the fleet, and compute the sha256 of the file's bytes.

        Raises:
            FleetMissing: There is no file.
            FleetInvalid: It has faults: every one is named.
            StoreUnavailable: S3 could not serve it.
        """
        stored = self.read_stored()
        if stored is None:
            raise FleetMissing(
                f"there is no fleet file at s3://{self.bucket}/{FLEET_KEY}: write one, then run"
                " esx-drift fleet push FILE"
            )
        return parse_fleet(stored.body), compute_sha256(stored.body)

    def read_stored(self) -> S3Object | None:
        """The file as it is, valid or not; None if there is none."""
        return self._objects.read(FLEET_KEY)

    def write(self, body: bytes, over: S3Object | None) -> bool:
        """Write ``body`` as the file if it still is ``over`` (None: if there still is none).

        Returns:
            Whether it was written: False if somebody else was faster.
        """
        etag = None if over is None else over.etag
        return self._objects.replace(FLEET_KEY, body, etag, "application/json") is not None

    def read_source(self) -> S3Object | None:
        """The file as a person wrote it when it was pushed last; None if that was not kept."""
        return self._objects.read(FLEET_SOURCE_KEY)

    def write_source(self, text: bytes, over: S3Object | None) -> None:
        """Keep the file as a person wrote it: ``text``, over what is kept, ``over`` (None: nothing yet)."""
        etag = None if over is None else over.etag
        self._objects.replace(FLEET_SOURCE_KEY, text, etag, "application/yaml")

    @property
    def _objects(self) -> S3Objects:
        return S3Objects(self.client(), self.bucket)


def parse_fleet(body: bytes) -> Fleet:
    """Parse the file's bytes.

    Raises:
        FleetInvalid: The bytes hold no valid fleet; every fault is named.
    """
    if len(body) > MAX_FLEET_BYTES:
        problem = f"expected at most {MAX_FLEET_BYTES} bytes, got {len(body)}"
        raise FleetInvalid(f"{FLEET_KEY} is too large to be a fleet file", (problem,))
    try:
        document = parse_sent_json(body)
    except ContractViolation as error:
        raise FleetInvalid(f"{FLEET_KEY} can't be read", (error.message,)) from error
    problems = list_fleet_errors(document)
    if problems:
        raise FleetInvalid(f"{FLEET_KEY} is not a valid fleet file", tuple(problems))
    return build_fleet(cast("FleetDocument", document))


class S3Breakers(Struct, frozen=True):
    """``ports.BreakerStore`` on the StateBucket. Every call may raise ``StoreUnavailable``."""

    s3: "S3Client"
    bucket: str

    def read(self, vcenter: str) -> StoredBreaker | None:
        """Read the breaker and its ETag; None if there is none yet.

        Raises:
            LoginSuspended: What is stored is no breaker: not knowing must not lock the account.
        """
        key = make_breaker_key(vcenter)
        stored = self._objects.read(key)
        if stored is None:
            return None
        try:
            return StoredBreaker(_parse_breaker(stored.body, vcenter), stored.etag)
        except ContractViolation as error:
            reset = f"esx-drift doctor --reset {vcenter}"
            sentence = f"no login to {vcenter} is tried, because {key} can't be read: {reset}"
            raise LoginSuspended(sentence) from error

    def read_for_reset(self, vcenter: str) -> StoredBreaker | None:
        """The same, but one that can't be read counts as one that refused nobody: a reset replaces it."""
        stored = self._objects.read(make_breaker_key(vcenter))
        if stored is None:
            return None
        try:
            return StoredBreaker(_parse_breaker(stored.body, vcenter), stored.etag)
        except ContractViolation:
            return StoredBreaker(build_closed_breaker(vcenter), stored.etag)

    def write(self, breaker: Breaker, etag: str | None) -> bool:
        """Write it if it still has this ETag (None: if there is none); whether it was written."""
        key = make_breaker_key(breaker["vcenter"])
        return self._objects.replace(key, encode_canonical_json(breaker), etag) is not None

    @property
    def _objects(self) -> S3Objects:
        return S3Objects(self.s3, self.bucket)


def _parse_breaker(body: bytes, vcenter: str) -> Breaker:
    breaker = cast("Breaker", parse_payload("breaker", body))
    if breaker["vcenter"] != vcenter:
        # What came of a login would be written to the other one's.
        raise ContractViolation(f"the breaker of {clean_text(breaker['vcenter'])}, not of {vcenter}")
    return breaker


class S3RouteStates(Struct, frozen=True):
    """``ports.RouteStates`` on the StateBucket. Every call may raise ``StoreUnavailable``.

    ``client`` gives the same S3 client each time.
    """

    client: Callable[[], "S3Client"]
    bucket: str

    def read(self, route: Route) -> StoredRouteState:
        """Read the state of a route's webhook; what is no state is replaced by the next write."""
        stored = self._objects.read(make_route_key(*route.webhook))
        if stored is None:
            return StoredRouteState(build_route_state(route.name), None)
        try:
            state = cast("RouteState", parse_payload("route-state", stored.body))
        except ContractViolation:
            state = build_route_state(route.name)
        return StoredRouteState({**state, "route": route.name}, stored.etag)

    def write(self, route: Route, state: RouteState, etag: str | None) -> str | None:
        """Write it if it still has this ETag; the new one, or None if somebody else was faster."""
        key = make_route_key(*route.webhook)
        return self._objects.replace(key, encode_canonical_json(state), etag)

    @property
    def _objects(self) -> S3Objects:
        return S3Objects(self.client(), self.bucket)
