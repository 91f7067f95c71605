"""The look of one check: gather, believe, judge; then the draft of what it came to."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from esx_drift.checking.restarting import former_findings, restarted
from esx_drift.checking.scene import Scene
from esx_drift.checking.sight import Gaze, Sight, asked_at
from esx_drift.checking.taking import Taking
from esx_drift.checking.untaken import failed, not_fresh, not_possible, refused
from esx_drift.contracts import notices_of, read_document
from esx_drift.domain.fleets.fleet import VCenter
from esx_drift.domain.images.consistency import inconsistencies_of_form
from esx_drift.domain.images.document import Document
from esx_drift.domain.images.report import Report, read_report
from esx_drift.domain.judging.freshness import Expected, Freshness, judge
from esx_drift.domain.shapes import CheckRequest, Finding
from esx_drift.domain.times import time_of
from esx_drift.errors import (
    VCENTER_FAILURES,
    ContractViolation,
    EsxDriftError,
    LoginRefused,
    LoginSuspended,
    OutOfTime,
    SecretInvalid,
    VCenterReplaced,
)
from esx_drift.failing import is_told_by_vcenter, too_slow
from esx_drift.log import Draft, Later, Log, Turn
from esx_drift.ports import Reply, Store, Topic, VCenters

LOGIN_FAILURES = (LoginRefused, LoginSuspended, SecretInvalid)


@dataclass(frozen=True, slots=True)
class CheckLook:
    """The look that answers one request."""

    vcenters: VCenters
    store: Store
    topic: Topic
    vcenter: VCenter
    request: CheckRequest
    fleet_sha256: str
    clock: Callable[[], datetime]
    code_version: str
    former: tuple[Finding, ...] = ()
    """What was open before this log began anew."""

    def __call__(self, turn: Turn) -> Draft | Later:
        """The draft of a record, or what to ask for when the vCenter is not done."""
        started_at, sight = self.clock(), Sight()
        gaze = Gaze(self.vcenters, self.vcenter, self.request, self.clock)
        try:
            reply = gaze.gather(turn.after, sight)
            if isinstance(reply, Later):
                return reply
            return self._seen(self._scene(turn, sight, started_at), gaze, reply)
        except (*VCENTER_FAILURES, SecretInvalid, ContractViolation) as error:
            if isinstance(error, VCenterReplaced) and self._is_accepted(error.facts["now"]):
                anew = replace(self, former=former_findings(turn))
                return anew(restarted(turn, error.facts["now"]))
            return self._failed(self._scene(turn, sight, started_at), error)
        except OutOfTime as error:
            slow = too_slow(error, started_at, self.clock())
            return self._failed(self._scene(turn, sight, started_at), slow)

    def _failed(self, scene: Scene, error: EsxDriftError) -> Draft:
        return failed(scene, error, self._teller(scene.sight, error))

    def _seen(self, scene: Scene, gaze: Gaze, reply: Reply) -> Draft | Later:
        """What a report comes to; raises what asking the vCenter more about it raises."""
        try:
            document = _document_in(reply)
        except ContractViolation as error:
            return refused(scene, reply, error)
        report = read_report(document)
        freshness = self._judge(scene, reply, report)
        if freshness == "fresh":
            later = gaze.wait_for_first(scene.after, report.completion_time)
            if later is not None:
                return later
            gaze.question(report, scene.sight)
            of_form = inconsistencies_of_form(document)
            return Taking(scene, self.store, reply, report, notices_of(document), of_form).draft()
        if freshness == "future":
            return not_possible(scene, reply, report)
        return gaze.wait(scene.after) or not_fresh(scene, reply, report, freshness)

    def _scene(self, turn: Turn, sight: Sight, started_at: datetime) -> Scene:
        return Scene(
            turn=turn,
            vcenter=self.vcenter,
            request=self.request,
            sight=sight,
            started_at=started_at,
            now=self.clock(),
            uri=self.store.uri(self.vcenter.name, self.request["cluster"], turn.seq),
            code_version=self.code_version,
            fleet_sha256=self.fleet_sha256,
            former=self.former,
        )

    def _is_accepted(self, instance_uuid: str) -> bool:
        """Whether the vCenter that answers is the one that its own log knows."""
        return Log(self.store, self.topic, self.vcenter.name).after()["instance_uuid"] == instance_uuid

    def _teller(self, sight: Sight, error: EsxDriftError) -> Literal["vcenter", "cluster"]:
        """What is the vCenter's as a whole is left to its own log, which the dispatcher keeps.

        Unless a second try meets it again, and that log knows nothing: then it would go untold.
        """
        known = Log(self.store, self.topic, self.vcenter.name).after()
        told = is_told_by_vcenter(error, self.request["cluster"], known)
        if isinstance(error, LOGIN_FAILURES):
            # A token that expired is replaced by a login, in the middle of any call.
            sight.at = "login"
        if sight.at == "login" or isinstance(error, VCenterReplaced):
            told = told or self.request["attempt"] == 0
        return "vcenter" if told else "cluster"

    def _judge(self, scene: Scene, reply: Reply, report: Report) -> Freshness:
        taken = scene.after["last_taken"]
        expected = Expected(
            asked_at=asked_at(self.request, scene.sight.task),
            taken_at=time_of(taken["completion_time"]) if taken else None,
            max_age_seconds=self.vcenter.max_age_seconds,
        )
        return judge(report.completion_time, reply.date, expected)


def _document_in(reply: Reply) -> Document:
    if reply.cut:
        most = len(reply.body)
        raise ContractViolation(
            f"the report is too large: more than {most} bytes. Its beginning is kept in quarantine",
            (f": expected at most {most} bytes, got more",),
        )
    return read_document(reply.body)
