"""What the dispatcher asks a vCenter: who it is, what time it has, which clusters it lists."""

from dataclasses import dataclass

from esx_drift.domain.findings.vcenter_failures import require_same_vcenter
from esx_drift.domain.stored.types import ClockFacts, VCenterIdentity
from esx_drift.domain.vcenter_api import require_supported_release
from esx_drift.errors import VCENTER_FAILURES
from esx_drift.ports import VCenters, VCenterSession


@dataclass(frozen=True, slots=True)
class VCenterListing:
    """What a vCenter answered. ``clusters`` maps ids to names; hosts in no cluster may be left uncounted."""

    about: VCenterIdentity
    clock: ClockFacts | None
    clusters: dict[str, str]
    standalone_hosts: int | None
    notices: list[str]


def list_vcenter(vcenters: VCenters, vcenter: str, known_uuid: str | None) -> VCenterListing:
    """List a vCenter's clusters.

    Raises one of ``VCENTER_FAILURES``, ``SecretInvalid`` or a ``TransientError``. Nothing is asked of one
    that is not the instance known.
    """
    session = vcenters.session(vcenter)
    about = session.about()
    require_same_vcenter(vcenter, known_uuid, about)
    require_supported_release(vcenter, about)
    clusters = {cluster.id: cluster.name for cluster in session.clusters()}
    standalone_hosts, notices = _standalone(session)
    return VCenterListing(about, session.clock(), clusters, standalone_hosts, notices)


def _standalone(session: VCenterSession) -> tuple[int | None, list[str]]:
    """Nobody watches them anyway: that they can't be counted keeps no cluster from being checked."""
    try:
        return session.standalone_hosts(), []
    except VCENTER_FAILURES as error:
        return None, [f"hosts in no cluster were not counted: {error.message}"]
