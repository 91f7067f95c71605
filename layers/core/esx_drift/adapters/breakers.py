"""``breaker/<v>.json`` in the StateBucket: which passwords a vCenter refused."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from esx_drift.adapters.s3_objects import S3Objects
from esx_drift.contracts import parse_payload
from esx_drift.domain.breaker import Breaker, build_closed_breaker
from esx_drift.domain.stored.identifiers import encode_canonical_json, make_breaker_key
from esx_drift.domain.text.wording import clean_text
from esx_drift.errors import ContractViolation, LoginSuspended
from esx_drift.ports import StoredBreaker

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class S3Breakers:
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
