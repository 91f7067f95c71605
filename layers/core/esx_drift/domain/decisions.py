"""What a person's decision does to a log: accepting what he was shown, retiring a cluster, or maintenance.

Nothing is widened: what is no longer as he was shown it is refused, host by host.

Longer than 250 lines, because who may decide, and what that does, are read together.
"""

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from msgspec import Struct, field

from esx_drift.domain.acceptance import (
    MAX_ACCEPTED_FOR,
    accept_software,
    find_expiry,
    list_differences,
    list_net_changes,
)
from esx_drift.domain.findings.condition import Condition
from esx_drift.domain.findings.kinds import PERSON_KINDS
from esx_drift.domain.findings.look_conditions import find_unreviewed, rate_unreviewed_software
from esx_drift.domain.images.labels import list_release_names
from esx_drift.domain.stored.identifiers import make_window_name
from esx_drift.domain.stored.types import (
    ENDED_DETAIL,
    EXPIRY_DETAIL,
    Accepted,
    AcceptedPart,
    Change,
    DecidedMaintenance,
    Decision,
    EventDecision,
    Finding,
    Image,
    Json,
    KnownCluster,
    LogState,
    OpenWindow,
    RecordedDecision,
    ResolvedBecause,
    Severity,
    ShownHost,
    Snapshot,
    drop_marks,
    rank_severity,
)
from esx_drift.domain.suppression import FLEET_FILE, build_open_window
from esx_drift.domain.text.times import format_time, parse_time
from esx_drift.domain.text.versions import sort_naturally

REPLACED = "vcenter-replaced"


class DecisionEffect(Struct, frozen=True):
    """The log afterwards, every finding with its transition, and for what it was taken or refused.

    ``taken`` and ``refused`` hold the ids of hosts; the cluster's where it was retired, and where another
    vCenter was accepted its instance UUID. ``objects``: what the log refers to then and is not stored yet, by
    key. ``release_names``: what releases of ESXi are called, by version.
    """

    after: LogState
    findings: list[Finding]
    taken: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    host_names: Mapping[str, str] = field(default_factory=dict)
    objects: Mapping[str, bytes] = field(default_factory=dict)
    release_names: Mapping[str, str] = field(default_factory=dict)


def find_sender_fault(decision: Decision, sender_id: str | None, own_role_ids: Container[str]) -> str | None:
    """Find why a decision is not its sender's own; None if it is.

    SQS names the sender of each message, and nobody can choose that name: it is the unique id by which STS
    knows a caller (``UserId``), a user's ``AIDA…``, of an assumed role ``AROA…:session``, of an account's
    root the account's number
    (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html,
    https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html and, for its forms,
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html).

    Args:
        decision: What was sent.
        sender_id: Who sent it, as SQS says (``SenderId``); None if SQS does not say.
        own_role_ids: The unique ids of the functions' roles: one that was broken into is not to decide.

    Returns:
        What is wrong, and what to do about it.
    """
    user_id = decision.get("user_id")
    if sender_id is None:
        return "SQS did not say who sent it. Decide again"
    if sender_id.partition(":")[0] in own_role_ids:
        return (
            f"{sender_id} is a function of esx-drift, which may send only what a record of the last days asks"
            " for. Find out who had it sent, and delete the message"
        )
    if user_id is None:
        return (
            f"{sender_id} sent it without a user_id, as an esx-drift command of an older version does. Update"
            " the command and decide again"
        )
    if user_id != sender_id:
        return (
            f"it says that {user_id} decided, and SQS says that {sender_id} sent it. Nobody decides in"
            " another's name: who meant it decides again, and the message may be deleted"
        )
    return None


def build_recorded_decision(
    decision: Decision, sender_id: str | None, effect: DecisionEffect
) -> RecordedDecision:
    """Build what a record keeps of a ``decision``, which ``sender_id`` sent and which had this ``effect``."""
    recorded: RecordedDecision = {
        "by": decision["by"],
        "sender_id": sender_id,
        "reason": decision["reason"],
        "shown_at": decision["shown_at"],
        "instance_uuid": decision["instance_uuid"],
        "taken": effect.taken,
        "refused": effect.refused,
    }
    if "ticket" in decision:
        recorded["ticket"] = decision["ticket"]
    if "until" in decision:
        recorded["until"] = decision["until"]
    return recorded


def list_acceptable_hosts(snapshot: Snapshot, unseen: Container[str]) -> dict[str, ShownHost]:
    """List the hosts of ``snapshot`` that can be accepted: those whose image the last look saw.

    ``unseen`` holds the ids of the hosts that the newest report did not cover.

    Returns:
        What a person is shown of each host, by its id.
    """
    return {
        host: {"image": entry["image"], "orphaned_vibs": entry["orphaned_vibs"]}
        for host, entry in snapshot["hosts"].items()
        if host not in unseen and entry["image"] is not None and entry["orphaned_vibs"] is not None
    }


def find_until_fault(decision: Decision, now: datetime, *, accepts_hosts: bool) -> str | None:
    """Find what is wrong with the end of an acceptance; None if nothing is, or it has none.

    Args:
        decision: What was sent.
        now: When it is carried out.
        accepts_hosts: Whether it is about what hosts run; all else is decided for good.
    """
    if "until" not in decision:
        return None
    until = decision["until"]
    if not accepts_hosts:
        return f"only what hosts run can be accepted until a time, here {until}"
    if not now < parse_time(until) <= now + MAX_ACCEPTED_FOR:
        return f"it ends at {until}, which is over, or more than {MAX_ACCEPTED_FOR.days} days ahead"
    return None


def accept_hosts(
    after: LogState,
    decision: Decision,
    snapshot: Snapshot,
    snapshot_key: str,
    now: datetime,
    shown_findings: Collection[str],
    images: Mapping[str, Image] = MappingProxyType({}),
) -> DecisionEffect:
    """Accept hosts of a cluster as they were shown; accepting all of them accepts damage of the trail, too.

    Damage that was found since stays open: nobody accepts what he was not shown.

    Args:
        after: The log's newest state.
        decision: What a person was shown, and why he accepts it, perhaps until a time.
        snapshot: The log's newest snapshot.
        snapshot_key: Where that lies.
        now: When the decision is carried out.
        shown_findings: The fingerprints of what was open in the record that he was shown.
        images: Those that were accepted so far, by digest; what is not there is not told apart.
    """
    acceptable = list_acceptable_hosts(snapshot, after["uncovered_since"])
    taken = {host: shown for host, shown in decision["hosts"].items() if acceptable.get(host) == shown}
    refused = sort_naturally(decision["hosts"].keys() - taken.keys())
    if not taken:
        return DecisionEffect(after, _hold_all(after), refused=refused)
    accepted = accept_software(after["accepted"], taken, snapshot_key, now, _find_temporary(decision))
    review = _Review(snapshot, after["accepted"], accepted, images, decision)
    is_whole = decision["hosts"].keys() >= acceptable.keys()
    transitions = [
        _close_finding(finding, "accepted", decision)
        if is_whole and _is_shown_damage(finding, shown_findings)
        else review.review(finding)
        for finding in after["findings"].values()
    ]
    return DecisionEffect(
        {**after, "accepted": accepted, "findings": _keep_open(transitions)},
        transitions,
        sort_naturally(taken),
        refused,
        list_names_by_id(snapshot),
        release_names=list_release_names(snapshot["labels"]),
    )


def _find_temporary(decision: Decision) -> EventDecision | None:
    """Find who decided until when; None where it has no end."""
    if "until" not in decision:
        return None
    found: EventDecision = {"by": decision["by"], "reason": decision["reason"], "until": decision["until"]}
    if "ticket" in decision:
        found["ticket"] = decision["ticket"]
    return found


def accept_replaced_vcenter(after: LogState, decision: Decision, now: datetime) -> DecisionEffect:
    """Accept that another vCenter answers under this name.

    All its clusters of before are retired: whichever of them it lists begins anew, with a first look.

    Args:
        after: The state that the newest record of the vCenter's own log left.
        decision: Which instance UUID is accepted; refused unless an open finding says that it answers now.
        now: When the decision is carried out, and since when the clusters are retired.
    """
    uuid = str(decision["instance_uuid"])
    replaced = [finding for finding in after["findings"].values() if finding["kind"] == REPLACED]
    if uuid not in [finding["detail"].get("now") for finding in replaced]:
        return DecisionEffect(after, _hold_all(after), refused=[uuid])
    transitions = [_close_former_finding(finding, decision) for finding in after["findings"].values()]
    clusters = {cluster: _retire_entry(entry, now) for cluster, entry in (after["clusters"] or {}).items()}
    moved: LogState = {
        **after,
        "instance_uuid": uuid,
        "clusters": clusters,
        "findings": _keep_open(transitions),
    }
    return DecisionEffect(moved, transitions, [uuid])


def _is_shown_damage(finding: Finding, shown_findings: Collection[str]) -> bool:
    return finding["kind"] in PERSON_KINDS and finding["fingerprint"] in shown_findings


def accept_trail_damage(
    after: LogState, decision: Decision, shown_findings: Collection[str]
) -> DecisionEffect:
    """Accept what is damaged of a log, as it was shown; the keys of the objects are taken.

    Args:
        after: The log's newest state, which else stays as it is.
        decision: Who accepts it, and why.
        shown_findings: The fingerprints of what was open in the record that he was shown.
    """
    damages = [each for each in after["findings"].values() if _is_shown_damage(each, shown_findings)]
    others = [each for each in after["findings"].values() if not _is_shown_damage(each, shown_findings)]
    transitions = [
        *(_close_finding(finding, "accepted", decision) for finding in damages),
        *(_hold_finding(finding) for finding in others),
    ]
    moved: LogState = {**after, "findings": _keep_open(transitions)}
    return DecisionEffect(moved, transitions, [finding["subject"] for finding in damages])


def close_retired_cluster(
    after: LogState, cluster: str, decision: Decision, snapshot: Snapshot | None, now: datetime
) -> DecisionEffect:
    """Close all that is open on a cluster that is watched no more; what it last ran stays known.

    Maintenance that a person began ends with it: it must hide nothing of a cluster that is listed again.

    A decision with an instance UUID is about what that vCenter replaced: a log that has begun anew since
    is not meant.

    Args:
        after: The state that the newest record of the cluster's log left.
        cluster: The cluster's id.
        decision: Who retired the cluster, and why.
        snapshot: The log's newest snapshot, for the hosts' names; None if there is none, or nothing is open.
        now: When it is retired.
    """
    if decision["instance_uuid"] is not None and decision["instance_uuid"] == after["instance_uuid"]:
        return DecisionEffect(after, _hold_all(after), refused=[cluster])
    transitions = [_close_finding(finding, "retired", decision) for finding in after["findings"].values()]
    moved: LogState = {
        **after,
        "findings": {},
        "suspects": {},
        "turns": {},
        "rollout": None,
        "uncovered_since": {},
        "blind_since": None,
    }
    if after["maintenance"] is not None:
        running = list_begun_windows(after, now)
        windows = after["maintenance"]["windows"]
        moved["maintenance"] = {
            "windows": [_end_window(window, now) if window in running else window for window in windows]
        }
    return DecisionEffect(
        moved, transitions, [cluster], host_names=list_names_by_id(snapshot) if snapshot else {}
    )


def _end_window(window: OpenWindow, now: datetime) -> OpenWindow:
    """End it where nobody looks any more: nothing done in it is accepted, also if it was to be."""
    ended: OpenWindow = {**window, "to": format_time(now)}
    return {**ended, "accepted": []} if window["accept"] else ended


def refuse_decision(after: LogState, refused: Iterable[str]) -> DecisionEffect:
    """Refuse a decision on all that it is about, such as to retire a cluster that is listed and watched.

    Args:
        after: The log's state, which it stays.
        refused: The ids of the hosts, or of the cluster.
    """
    return DecisionEffect(after, _hold_all(after), refused=sort_naturally(refused))


def find_retired_since(vcenter: LogState, cluster: str) -> str | None:
    """Find since when ``cluster``, an id, is retired: nothing is decided on it until it is listed again.

    Args:
        vcenter: The state that the newest record of the vCenter's own log left.
        cluster: The cluster's id.

    Returns:
        The time; None if it is not retired.
    """
    entry = (vcenter["clusters"] or {}).get(cluster)
    return None if entry is None else entry["retired_at"]


def strike_off_cluster(after: LogState, cluster: str, decision: Decision, now: datetime) -> DecisionEffect:
    """Mark a known cluster as retired in its vCenter's list, so that it is dispatched no more.

    Args:
        after: The state that the newest record of the vCenter's own log left; its list has the cluster.
        cluster: The cluster's id.
        decision: Who retired the cluster, and why.
        now: Since when it is retired, unless it was retired before.
    """
    before = after["clusters"] or {}
    clusters = {**before, cluster: _retire_entry(before[cluster], now)}
    transitions = [
        _close_finding(finding, "retired", decision)
        if finding["subject"] == cluster
        else _hold_finding(finding)
        for finding in after["findings"].values()
    ]
    return DecisionEffect(
        {**after, "clusters": clusters, "findings": _keep_open(transitions)}, transitions, [cluster]
    )


def decide_maintenance(
    after: LogState, cluster: str, decision: Decision, seq: int, now: datetime
) -> DecisionEffect:
    """Begin maintenance of a cluster, or end what a person began; refused where there is nothing to end.

    Args:
        after: The log's newest state.
        cluster: The cluster's id.
        decision: Who decided, why, and for how long.
        seq: The number of the record that it becomes, after which the window is called.
        now: When it begins, or ends.
    """
    nothing: DecidedMaintenance = {"for_seconds": None, "accept": False}
    wanted = decision.get("maintenance", nothing)
    windows = list((after["maintenance"] or {"windows": []})["windows"])
    if wanted["for_seconds"] is None:
        ended = list_begun_windows(after, now)
        if not ended:
            return DecisionEffect(after, _hold_all(after), refused=[cluster])
        windows = [{**window, "to": format_time(now)} if window in ended else window for window in windows]
    else:
        times = (format_time(now), format_time(now + timedelta(seconds=wanted["for_seconds"])))
        name = make_window_name(seq)
        window = build_open_window(
            name, decision["by"], decision["reason"], times, after, accept=wanted["accept"]
        )
        if "ticket" in decision:
            window["ticket"] = decision["ticket"]
        windows.append(window)
    return DecisionEffect({**after, "maintenance": {"windows": windows}}, _hold_all(after), [cluster])


def list_begun_windows(after: LogState, now: datetime) -> list[OpenWindow]:
    """List the maintenance windows that a person began, and that run ``now``, of a log's state ``after``."""
    windows = (after["maintenance"] or {"windows": []})["windows"]
    return [window for window in windows if is_begun_by_person(window) and parse_time(window["to"]) > now]


def is_begun_by_person(window: OpenWindow) -> bool:
    """Say whether a person started a ``window``: only such a one can be ended before its time."""
    return window["by"] != FLEET_FILE


def is_listed(after: LogState, cluster: str) -> bool:
    """Say whether the vCenter's last listing had ``cluster``, an id.

    ``after`` is the state that the newest record of the vCenter's own log left.
    """
    entry = (after["clusters"] or {}).get(cluster)
    return entry is not None and entry["last_listed_at"] == after["last_look_at"]


def _retire_entry(entry: KnownCluster, now: datetime) -> KnownCluster:
    return {**entry, "retired_at": entry["retired_at"] or format_time(now)}


class _Review(Struct, frozen=True):
    """Findings by what is ``accepted`` now, and what a decision changed in that."""

    snapshot: Snapshot
    before: Mapping[str, Accepted]
    accepted: Mapping[str, Accepted]
    images: Mapping[str, Image]
    decision: Decision

    def review(self, finding: Finding) -> Finding:
        if finding["kind"] == "orphaned-vib":
            return self._review_vib(finding)
        return (
            self._review_drift(finding) if finding["kind"] == "drift-unreviewed" else _hold_finding(finding)
        )

    def _review_vib(self, finding: Finding) -> Finding:
        """An orphaned VIB stays one, but is no alarm where it is accepted everywhere."""
        new = [host for host in finding["hosts"] if not self._is_accepted(host, finding["subject"])]
        detail: dict[str, Json] = {
            **{
                key: value
                for key, value in finding["detail"].items()
                if key not in {EXPIRY_DETAIL, ENDED_DETAIL}
            },
            "not_accepted_on": [*new],
            **find_expiry(new, self.accepted),
        }
        reviewed: Finding = {
            **_hold_finding(finding),
            "detail": detail,
            "severity": finding["severity"] if new else "warning",
        }
        decided = [host for host in finding["hosts"] if self._is_decided(host, finding["subject"])]
        return _mark_accepted(reviewed, finding["severity"], decided, ()) if decided else reviewed

    def _review_drift(self, finding: Finding) -> Finding:
        """What is not as accepted, without the hosts that are now; closed where none is left."""
        names = list_names_by_id(self.snapshot)
        left = next(find_unreviewed(self.snapshot, self.snapshot["hosts"], self.accepted, names), None)
        reviewed = self._narrow(finding, left) if left else _close_finding(finding, "accepted", self.decision)
        decided = [host for host in finding["hosts"] if left is None or host not in left.hosts]
        there = [host for host in decided if host in self.snapshot["hosts"] and host in self.before]
        changes = list_net_changes(self.snapshot, there, self.before, self.images)
        return _mark_accepted(reviewed, finding["severity"], decided, changes) if decided else reviewed

    def _narrow(self, finding: Finding, left: Condition) -> Finding:
        changes = list_net_changes(self.snapshot, left.hosts, self.accepted, self.images)
        software = rate_unreviewed_software(changes, list_release_names(self.snapshot["labels"]))
        worst = max((change["severity"] for change in changes), key=rank_severity, default=None)
        return {
            **_hold_finding(finding),
            "hosts": list(left.hosts),
            "summary": software.add_to(left.summary),
            "severity": min(worst or finding["severity"], finding["severity"], key=rank_severity),
            "detail": {**software.detail, **left.detail},
        }

    def _is_accepted(self, host: str, vib: str) -> bool:
        return host in self.accepted and vib in self.accepted[host]["orphaned_vibs"]

    def _is_decided(self, host: str, vib: str) -> bool:
        """Whether this very decision accepts the VIB on the host, or until another time than before."""
        now, before = self.accepted.get(host), self.before.get(host)
        if now is None or now == before or vib not in now["orphaned_vibs"]:
            return False
        known = before is not None and "decided_at" in before and vib in before["orphaned_vibs"]
        return not known or (before is not None and before.get("until") != now.get("until"))


def _mark_accepted(finding: Finding, was: Severity, hosts: list[str], changes: Sequence[Change]) -> Finding:
    part: AcceptedPart = {
        "hosts": hosts,
        "was": was,
        "differences": list_differences(changes),
        "total": len(changes),
    }
    return {**finding, "accepted": part}


def list_names_by_id(snapshot: Snapshot) -> dict[str, str]:
    """List the names of the hosts in ``snapshot`` by their ids."""
    return {host: entry["name"] for host, entry in snapshot["hosts"].items()}


def _close_former_finding(finding: Finding, decision: Decision) -> Finding:
    """A finding on a vCenter that was replaced: those on its clusters went with it."""
    if finding["kind"] == REPLACED:
        return _close_finding(finding, "accepted", decision)
    return _close_finding(finding, "retired", decision) if finding["subject"] else _hold_finding(finding)


def _close_finding(finding: Finding, because: ResolvedBecause, decision: Decision) -> Finding:
    detail = {**finding["detail"], "decided_by": decision["by"], "reason": decision["reason"]}
    return {**finding, "transition": "resolved", "resolved_because": because, "detail": detail}


def _hold_finding(finding: Finding) -> Finding:
    return {**finding, "transition": "still"}


def _hold_all(after: LogState) -> list[Finding]:
    return [_hold_finding(finding) for finding in after["findings"].values()]


def _keep_open(transitions: Sequence[Finding]) -> dict[str, Finding]:
    """What stays open, without what is said of it only once."""
    return {
        finding["fingerprint"]: drop_marks(finding)
        for finding in transitions
        if finding["transition"] != "resolved"
    }
