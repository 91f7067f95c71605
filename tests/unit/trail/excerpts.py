"""Excerpts of a played trail, and manifests that somebody wrote on purpose."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from esx_drift.adapters.public_keys import parse_public_key
from esx_drift.domain.stored.identifiers import ClusterRef, compute_digest, encode_canonical_json
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.trail.excerpt import EXCERPT_KEY, AuditPeriod
from esx_drift.trail.excerpt import ExcerptRequest, copy_excerpt

from tests.unit.checking.world import PROD_A, PROD_B
from tests.unit.trail.sealed import MemoryTrail, seal_in_steps

type Trail = Mapping[str, bytes]

VCENTER: Final = "vc01.example.com"
CLUSTERS: Final = (PROD_A, PROD_B)
MADE_AT: Final = datetime(2026, 12, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Copied:
    """``ports.TrailCopy`` into memory."""

    objects: dict[str, bytes] = field(default_factory=dict)

    def write(self, key: str, body: bytes) -> None:
        """Nothing is written twice."""
        assert key not in self.objects
        self.objects[key] = body


def copied(
    trail: Trail | MemoryTrail,
    period: AuditPeriod,
    clusters: tuple[str, ...] = CLUSTERS[:1],
    made_at: datetime = MADE_AT,
    days: int = 400,
) -> dict[str, bytes]:
    """The excerpt."""
    logs = tuple(ClusterRef(VCENTER, cluster, f"name of {cluster}") for cluster in clusters)
    request = ExcerptRequest(logs, period, made_at, days, parse_public_key)
    copy = Copied()
    copy_excerpt(trail if isinstance(trail, MemoryTrail) else MemoryTrail(trail), copy, request)
    return copy.objects


def times_of(trail: Trail) -> list[datetime]:
    """When checks were made."""
    return sorted(
        parse_time(json.loads(body)["checked_at"])
        for key, body in trail.items()
        if key.startswith("records/")
    )


@pytest.fixture(scope="session")
def steps(unsealed: Trail, key: EllipticCurvePrivateKey) -> Trail:
    """The played trail, sealed between its runs."""
    first, *_, last = times_of(unsealed)
    number = int((last - first) / timedelta(hours=4)) + 2
    return seal_in_steps(unsealed, key, [first + timedelta(hours=2 + 4 * each) for each in range(number)])


@pytest.fixture(scope="session")
def middle(steps: Trail) -> AuditPeriod:
    """A period with digests before and behind."""
    times = times_of(steps)
    return AuditPeriod(times[len(times) // 3], times[2 * len(times) // 3])


def claim(excerpt: Trail, change: Callable[[Any], None]) -> dict[str, bytes]:
    """The excerpt with another manifest, which somebody wrote on purpose."""
    manifest = json.loads(excerpt[EXCERPT_KEY])
    change(manifest["excerpt"])
    manifest["sha256"] = compute_digest(manifest["excerpt"])
    return {**excerpt, EXCERPT_KEY: encode_canonical_json(manifest)}
