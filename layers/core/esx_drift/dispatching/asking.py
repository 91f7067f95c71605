"""What the dispatcher asks a vCenter: who it is, what time it has, which clusters it lists."""

from dataclasses import dataclass

from esx_drift.domain.images.release import refuse_old
from esx_drift.domain.shapes import About, ClockFacts
from esx_drift.errors import VCENTER_FAILURES
from esx_drift.failing import refuse_replaced
from esx_drift.ports import VCenters, VCenterSession


@dataclass(frozen=True, slots=True)
class Listing:
    """What a vCenter answered. ``clusters`` maps ids to names; hosts in no cluster may be left uncounted."""

    about: About
    clock: ClockFacts | None
    clusters: dict[str, str]
    standalone_hosts: int | None
    notices: list[str]


def ask(vcenters: VCenters, vcenter: str, known_uuid: str | None) -> Listing:
    """List a vCenter's clusters.

    Raises one of ``VCENTER_FAILURES``, ``SecretInvalid`` or a ``TransientError``. Nothing is asked of one
    that is not the instance known.
    """
    session = vcenters.session(vcenter)
    about = session.about()
    refuse_replaced(vcenter, known_uuid, about)
    refuse_old(vcenter, about)
    clusters = {cluster.id: cluster.name for cluster in session.clusters()}
    standalone_hosts, notices = _standalone(session)
    return Listing(about, session.clock(), clusters, standalone_hosts, notices)


def _standalone(session: VCenterSession) -> tuple[int | None, list[str]]:
    """Nobody watches them anyway: that they can't be counted keeps no cluster from being checked."""
    try:
        return session.standalone_hosts(), []
    except VCENTER_FAILURES as error:
        return None, [f"hosts in no cluster were not counted: {error.message}"]
