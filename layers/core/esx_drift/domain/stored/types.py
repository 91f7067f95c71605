"""The JSON that is stored and published, as types. The schemas in ``schemas/`` say the same, with bounds.

Stored JSON stays JSON from end to end (no second form to convert to), so these are typed dictionaries.
All times are RFC 3339 in UTC with milliseconds and ``Z``; all hosts are ids (``host-16``), sorted naturally.

Longer than 250 lines, because whoever reads a record finds all of its types in one place, in the order in
which they stand in it, and a test holds them to the schemas one by one.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, NotRequired, TypedDict

type Json = bool | int | float | str | list[Json] | dict[str, Json] | None


type Element = Literal[
    "base_image",
    "add_on",
    "component",
    "solution",
    "hardware_support_package",
    "removed_component",
    "alternative_image",
    "host",
    "orphaned_vib",
]


type ChangeKind = Literal["added", "removed", "upgraded", "downgraded", "changed", "relabelled"]


type Severity = Literal["info", "warning", "critical"]


type Family = Literal["drift", "failure", "orphaned-vib"]


type FindingKind = Literal[
    "image-not-uniform",
    "drift-unreviewed",
    "orphaned-vib",
    "vcenter-unreachable",
    "vcenter-unavailable",
    "vcenter-error",
    "vcenter-authentication",
    "vcenter-authorization",
    "vcenter-replaced",
    "api-unsupported",
    "cluster-missing",
    "document-invalid",
    "document-inconsistent",
    "extraction-unavailable",
    "extraction-failed",
    "extraction-timeout",
    "extraction-stale",
    "eligibility-failed",
    "host-failed",
    "host-not-covered",
    "host-unsupported",
    "host-error",
    "host-hidden",
    "check-overdue",
    "clock-skewed",
    "cluster-renamed",
    "trail-damaged",
    "nothing-watched",
]
"""Those of the entries in ``domain.findings.kinds``, from which ``test_kinds.py`` writes this anew."""


type Transition = Literal["opened", "raised", "still", "resolved"]


type ResolvedBecause = Literal["reverted", "removed", "host-left", "accepted", "recovered", "retired"]


type CallName = Literal["login", "listing", "about", "extract", "task", "hosts", "report"]


type Outcome = Literal[
    "baseline",  # the first copy of the cluster was taken
    "changed",  # a newer report was taken: something differs, or a finding moved
    "unchanged",  # a newer report was taken: equal seal, equal coverage, no transition
    "same-report",  # the vCenter still serves the report taken last
    "superseded",  # it serves an older one
    "not-covered",  # a fresh report that covers no host
    "not-looked",  # the cluster could not be seen
    "accepted",
    "retired",
    "maintenance",
    "dispatched",  # the dispatcher's own log
    "not-dispatched",  # the same, when the vCenter could not be listed
]


Change = TypedDict(  # the functional form, because "from" is a keyword
    "Change",
    {
        "element": Element,
        "kind": ChangeKind,
        "key": str,
        "from": str | None,
        "to": str | None,
        "hosts": list[str],
        "severity": Severity,
        "alternative_image": str | None,
        "detail": dict[str, Json] | None,
        "put_back": NotRequired[bool],
        "suppressed_by": NotRequired[str],
    },
)
"""One difference between baseline and snapshot; ``detail`` is null where from and to say it all.

``put_back`` is there, and true, where it brought the hosts back to what was accepted for them.
``suppressed_by`` is why people are not told of it: ``rollout``, ``flapping``, or the rule of the fleet file
as ``ignore:<name>`` or ``maintenance:<name>``. It is published all the same.
"""


def is_end(change: Change) -> bool:
    """Tell whether a change ends something: it put back what was accepted, or an orphaned VIB has gone."""
    return "put_back" in change or (change["element"], change["kind"]) == ("orphaned_vib", "removed")


class HostMove(TypedDict):
    """The ``detail`` of a host that was in another cluster before."""

    moved_from: "ClusterName"


HostDifference = TypedDict(  # the functional form, because "from" is a keyword
    "HostDifference", {"element": Element, "key": str, "from": str | None, "to": str | None}
)
"""A part that others have ``from``, and a new host ``to``; null where it is absent."""


class FormerHost(TypedDict):
    """The id and the name that a host had."""

    id: str
    name: str


class OtherMachine(TypedDict):
    """The ``detail`` of a host that joined unseen under the name of a known one, and is another machine."""

    other_machine: FormerHost


class NewHost(TypedDict):
    """The ``detail`` of a host that was never compared before: how it differs from what most others run.

    ``compared_with``: how many they are; 0 where there are none. ``more``: differences that are not listed.
    ``was_unseen``: it was there before, but no look had seen what it runs. ``moved_from``: it was in another
    cluster, where nobody had seen it either. ``other_machine``: the known host of the same name, which by its
    UUID is another machine; of one that joined unseen it is all that there is to say.

    A version before this one wrote this of hosts not seen yet, too: ``compared_with`` is 0, and the change
    an ``info``.
    """

    compared_with: int
    differences: list[HostDifference]
    more: int
    was_unseen: NotRequired[Literal[True]]
    moved_from: "NotRequired[ClusterName]"
    other_machine: NotRequired[FormerHost]


NetDifference = TypedDict(  # the functional form, because "from" is a keyword
    "NetDifference",
    {
        "element": Element,
        "kind": ChangeKind,
        "key": str,
        "from": str | None,
        "to": str | None,
        "alternative_image": str | None,
        "hosts": list[str],
    },
)
"""What hosts have otherwise than it was last accepted for them: ``from`` accepted, ``to`` now."""


class AcceptedPart(TypedDict):
    """What of a finding a person accepted: on which hosts, and how bad the finding was before.

    ``differences`` are those of its ``total`` that are listed; of an orphaned VIB there is none.
    """

    hosts: list[str]
    was: Severity
    differences: list[NetDifference]
    total: int


class BroughtVib(TypedDict):
    """The ``detail`` of an orphaned VIB that came with a host which was known to have it."""

    brought_along: Literal[True]


class Finding(TypedDict):
    """A condition that holds, or has just ceased to. ``summary`` is one sentence for a person.

    ``suppressed_by`` is why people are not told of its transition, as for a ``Change``. ``accepted`` is there
    only in the record of a decision that accepted some or all of it.
    """

    fingerprint: str
    family: Family
    kind: FindingKind
    subject: str
    severity: Severity
    hosts: list[str]
    opened_at: str
    last_seen: str
    transition: Transition
    resolved_because: ResolvedBecause | None
    summary: str
    detail: dict[str, Json]
    suppressed_by: NotRequired[str]
    accepted: NotRequired[AcceptedPart]


def drop_marks(finding: Finding) -> Finding:
    """Drop from a ``finding`` that stays open what is said of it only in the record of one check."""
    kept = finding.copy()
    kept.pop("accepted", None)
    kept.pop("suppressed_by", None)
    return kept


class SuspectedFinding(TypedDict):
    """A condition that was met but must be met again, ``confirm_after`` later, to open a finding."""

    kind: FindingKind
    count: int
    first_at: str


class Coverage(TypedDict):
    """How much of a cluster a look saw, in numbers of hosts of the inventory."""

    hosts: int
    covered: int
    failed: int
    unsupported: int


class UncoveredHost(TypedDict):
    """A host that a look did not see, and what the inventory says of it."""

    host: str
    name: str
    why: str
    connection_state: str | None
    power_state: str | None


type Parts = dict[str, Json]
"""What an image holds, by element and id: ``base_image``, ``component:Intel-i40en`` and the like."""


type Labels = dict[str, dict[str, Json]]
"""What only describes a part (display names, vendors, dates), by the part and its version."""


class Image(TypedDict):
    """One software image in its keyed form: its own parts, and those of each alternative image by its id."""

    main: Parts
    alternatives: dict[str, Parts]


class KnownHost(TypedDict):
    """What was last seen of a host. ``image`` and ``orphaned_vibs`` are null if it was never covered."""

    name: str
    image: str | None
    orphaned_vibs: list[str] | None
    witness: bool


class Snapshot(TypedDict):
    """A document's canonical form. ``images`` is keyed by the digest of the image.

    ``schema_version``: the version of the canonical form, ``CANONICAL_VERSION`` of that time.
    """

    schema_version: int
    images: dict[str, Image]
    labels: Labels
    hosts: dict[str, KnownHost]


class StoredObject(TypedDict):
    """An object in the AuditBucket and the sha256 of its stored bytes."""

    key: str
    sha256: str


class AcceptedSoftware(TypedDict):
    """What is accepted for a host; ``snapshot`` is the key of one that holds the image."""

    image: str | None
    orphaned_vibs: list[str]
    snapshot: str


class Accepted(AcceptedSoftware):
    """What a person last approved for a host, or its first copy.

    Attributes:
        decided_at: When a person did; absent of a first copy, and in version 0.1.
        until: When that ends; absent where it has no end.
        before: What holds again then.
        expired_at: When an acceptance ended that was not renewed since.
        decision: Who accepted it until then, or had, and why.
    """

    decided_at: NotRequired[str]
    until: NotRequired[str]
    before: NotRequired[AcceptedSoftware]
    expired_at: NotRequired[str]
    decision: NotRequired["EventDecision"]


def list_vouched_hosts(accepted: Mapping[str, Accepted]) -> frozenset[str]:
    """List the ids of hosts whose ``accepted`` software a person accepted: a first copy is nobody's word."""
    return frozenset(host for host, entry in accepted.items() if "decided_at" in entry)


def list_accepted_keys(entry: Accepted) -> list[str]:
    """List the keys of the snapshots that hold what ``entry`` accepts, now and when that ends."""
    return [entry["snapshot"], *([entry["before"]["snapshot"]] if "before" in entry else [])]


class Departed(TypedDict):
    """The last known of a host that left the inventory, for the day it comes back.

    ``seen_at``: when it was last seen, before it was found gone at ``left_at``; absent in version 0.1.
    ``uuid``: its machine's; absent where that is not known.
    """

    name: str
    image: str | None
    orphaned_vibs: list[str] | None
    snapshot: str
    seen_at: NotRequired[str]
    left_at: str
    uuid: NotRequired[str]


class KnownMachines(TypedDict):
    """The UUIDs of the machines that a cluster's hosts are, by the host's id.

    ``uuids``: null where one was asked for and not given. ``asked_at``: when some were last asked for by a
    call of their own; null: never.
    """

    uuids: dict[str, str | None]
    asked_at: str | None


class LastTaken(TypedDict):
    """The report that was taken last; ``seq`` is the record whose archived document stands for it."""

    completion_time: str
    task_id: str | None
    raw_sha256: str
    seq: int


class Answered(TypedDict):
    """A request and the record that answers it; ``at``: when it was written."""

    request_id: str
    seq: int
    at: NotRequired[str]


class KnownCluster(TypedDict):
    """A cluster as the dispatcher last knew it. ``watched_as``: the last name that no pattern left out."""

    name: str
    watched_as: str
    first_listed_at: str
    last_listed_at: str
    retired_at: str | None


class Flapping(TypedDict):
    """A finding that comes and goes. ``turned_at``: when it last came or went.

    ``severity`` is the worst that was said of it, and ``is_said`` whether anything was; ``gone`` is the
    finding while it is gone.
    """

    since: str
    times: int
    severity: Severity
    turned_at: str
    is_said: bool
    gone: Finding | None


class Openings(TypedDict):
    """When a finding opened, the last few times; and whether it comes and goes by now."""

    opened: list[str]
    flapping: NotRequired[Flapping]


class RolloutLead(TypedDict):
    """The change that a rollout is about: the step of one part, as it spreads from host to host.

    Attributes:
        from_release: The release before, in words; null where it is no base image.
        to_release: The release after.
        started_at: When it was first seen.
        moved_at: When it last reached another host.
        severity: How bad it was said to be when it began: so its end is told.
        steps: What else changed with it, as short digests.
        unheard: There, and true, as long as a rule keeps from people that it began.
        held_back: Since when a drift is open that people do not hear of because of it; else absent.
    """

    element: Element
    key: str
    from_version: str | None
    to_version: str | None
    from_release: str | None
    to_release: str | None
    started_at: str
    moved_at: str
    severity: Severity
    steps: list[str]
    unheard: NotRequired[bool]
    held_back: NotRequired[str]


class RecentSteps(TypedDict):
    """Steps of parts that people heard of, as short digests, and when they were last seen."""

    at: str
    steps: list[str]


class Rollout(TypedDict):
    """What spreads over a cluster, so that it is not told host by host."""

    lead: RolloutLead | None
    recent: list[RecentSteps]


OpenWindow = TypedDict(  # the functional form, because "from" is a keyword
    "OpenWindow",
    {
        "name": str,
        "by": str,
        "reason": str,
        "from": str,
        "to": str,
        "accept": bool,
        "unreviewed": list[str],
        "excepted": list[str],
        "hosts": list[str],
        "changes": dict[str, int],
        "findings": dict[str, int],
        "accepted": NotRequired[list[str]],
        "grown": NotRequired[list[str]],
        "ticket": NotRequired[str],
    },
)
"""A maintenance window of a log, and what it kept from people so far.

``by``: who started it, as an ARN, or ``fleet file``. ``unreviewed``: hosts that were not as accepted when it
began. ``hosts``: those that it may have changed; ``excepted``: those of changes that no window hides.
``changes``: how many it hid, by element; ``findings``: by kind. ``accepted``: the hosts that were accepted at
its end; absent until that is settled, and where it accepts nothing. ``grown``: hosts for which a drift that
people know of came to hold, though it hid that: they hear so at its end. ``ticket``: only if a person who
started it named one.
"""


class Maintenance(TypedDict):
    """The maintenance windows of a log, in the order in which they hide: those of the fleet file first."""

    windows: list[OpenWindow]


class OpenAtEnd(TypedDict):
    """A finding that a window kept from people, and that is still open at its end."""

    kind: FindingKind
    subject: str
    severity: Severity
    summary: str


EndedWindow = TypedDict(  # the functional form, because "from" is a keyword
    "EndedWindow",
    {
        "name": str,
        "by": str,
        "reason": str,
        "from": str,
        "to": str,
        "changes": dict[str, int],
        "findings": dict[str, int],
        "still_open": list[OpenAtEnd],
        "still_open_total": int,
        "accept": bool,
        "accepted": list[str],
        "accepted_total": int,
        "ticket": NotRequired[str],
    },
)
"""What a maintenance window kept from people, as its end tells it. Lists are cut, totals are exact."""


class LogState(TypedDict):
    """All that the next check of the same log needs.

    ``turns`` are by fingerprint; they and ``machines`` are absent in version 0.1.
    """

    schema_version: int
    cluster_name: str | None
    instance_uuid: str | None
    seal: str | None
    snapshot: StoredObject | None
    first_look_at: str | None
    last_look_at: str | None
    last_taken: LastTaken | None
    coverage: Coverage | None
    findings: dict[str, Finding]
    suspects: dict[str, SuspectedFinding]
    accepted: dict[str, Accepted]
    departed: dict[str, Departed]
    machines: NotRequired[KnownMachines]
    uncovered_since: dict[str, str]
    blind_since: str | None
    notices: list[str]
    maintenance: Maintenance | None
    rollout: Rollout | None
    clusters: dict[str, KnownCluster] | None
    answered: list[Answered]
    turns: NotRequired[dict[str, Openings]]


class Head(TypedDict):
    """The newest record of a log."""

    seq: int
    key: str
    sha256: str


class LogPointer(TypedDict):
    """The state of a log: its newest record, and the records with events not yet published.

    ``after``: what versions before 0.2 kept there of the newest record; it is not read.
    """

    schema_version: int
    vcenter: str
    cluster: str
    head: Head | None
    after: NotRequired[dict[str, Json]]
    outbox: list[int]


class ClusterName(TypedDict):
    """A cluster's id, and its name as the vCenter last gave it."""

    id: str
    name: str


class Totals(TypedDict):
    """Exact numbers, also where the lists of an event were cut."""

    changes: int
    findings: int
    opened: int
    raised: int
    still: int
    resolved: int


class EventDecision(TypedDict):
    """Who decided what an event tells, and why; ``until``: when it stops to hold."""

    by: str
    reason: str
    ticket: NotRequired[str]
    until: NotRequired[str]


class EventData(TypedDict):
    """The ``data`` of an event; ``report`` is there only in events of the family report.

    ``stack``: whose function found it; absent before version 0.2. ``decision``: only where there was one.
    ``release_names``: what releases of ESXi that it mentions are called, by version, as far as it is known.
    """

    schema_version: int
    vcenter: str
    cluster: ClusterName | None
    check_id: str
    checked_at: str
    extracted_at: str | None
    since: str | None
    coverage: Coverage | None
    severity: Severity
    changes: list[Change]
    findings: list[Finding]
    host_names: dict[str, str]
    totals: Totals
    suppressed: dict[str, int]
    record: str | None
    truncated: bool
    stack: NotRequired[str]
    decision: NotRequired[EventDecision]
    release_names: NotRequired[dict[str, str]]
    report: NotRequired[dict[str, Json]]


class Event(TypedDict):
    """A CloudEvent 1.0 in structured JSON (https://github.com/cloudevents/spec, v1.0.2)."""

    specversion: Literal["1.0"]
    id: str
    type: str
    source: str
    subject: str
    time: str
    datacontenttype: Literal["application/json"]
    dataschema: str
    data: EventData


class ReportFacts(TypedDict):
    """What the report said of itself, and how it was judged."""

    completion_time: str
    status: str
    uniform_image: bool
    freshness: Literal["fresh", "same", "older", "stale", "future"]


class TaskFacts(TypedDict):
    """The extraction's task, as far as it was seen."""

    id: str | None
    submitted_at: str
    status: str | None
    start_time: str | None
    end_time: str | None
    message: str | None


class ClockFacts(TypedDict):
    """The vCenter's clock against ours; positive ``skew_seconds``: the vCenter is ahead."""

    vcenter_date: str
    skew_seconds: float


class VCenterIdentity(TypedDict):
    """Which vCenter answered."""

    instance_uuid: str
    version: str
    build: str


class ExpectedCluster(TypedDict):
    """A cluster that a run dispatched."""

    cluster: str
    name: str
    request_id: str
    listed: bool


class ExcludedCluster(TypedDict):
    """A cluster that a run left out, and the pattern that did it."""

    cluster: str
    name: str
    pattern: str


class FailedCluster(TypedDict):
    """A cluster that a run could not dispatch, or knows but did not find listed."""

    cluster: str
    name: str


type Trigger = Literal["schedule", "retry", "direct"]


class Dispatch(TypedDict):
    """What a run of the dispatcher meant to do on one vCenter."""

    run_id: str
    trigger: Trigger
    selected: bool
    expected: list[ExpectedCluster]
    excluded: list[ExcludedCluster]
    missing: list[FailedCluster]
    failed: list[FailedCluster]
    standalone_hosts: int | None
    retry_after_seconds: int | None


class Failure(TypedDict):
    """Why there is no look: the kind of its finding, a sentence, facts, and at which call it happened.

    ``told_by``: in whose log the finding stands. A failure at login is the vCenter's, not each cluster's.
    """

    reason: str
    message: str
    facts: dict[str, str]
    at: CallName
    told_by: Literal["vcenter", "cluster"]


class RecordedDecision(TypedDict):
    """A person's decision as it was carried out: for which hosts, and for which no longer.

    ``sender_id``: who sent it, as SQS said; null if it did not. Version 0.1.0 did not keep it. ``ticket`` and
    ``until`` are there only if he gave them.
    """

    by: str
    sender_id: NotRequired[str | None]
    reason: str
    ticket: NotRequired[str]
    until: NotRequired[str]
    shown_at: int | None
    instance_uuid: str | None
    taken: list[str]
    refused: list[str]


class Record(TypedDict):
    """The immutable object that one check leaves. ``stack``: whose function did; absent in version 0.1."""

    schema_version: int
    vcenter: str
    cluster: str
    cluster_name: str | None
    seq: int
    check_id: str
    request_id: str
    run_id: str | None
    code_version: str
    stack: NotRequired[str]
    started_at: str
    checked_at: str
    outcome: Outcome
    failure: Failure | None
    report: ReportFacts | None
    task: TaskFacts | None
    clock: ClockFacts | None
    about: VCenterIdentity | None
    coverage: Coverage | None
    uncovered: list[UncoveredHost]
    changes: list[Change]
    findings: list[Finding]
    notices: list[str]
    document: StoredObject | None
    snapshot: StoredObject | None
    quarantine: StoredObject | None
    raw_sha256: str | None
    same_as: int | None
    fleet_sha256: str | None
    dispatch: Dispatch | None
    decision: RecordedDecision | None
    maintenance_ended: NotRequired[list[EndedWindow]]
    events: list[Event]
    previous: Head | None
    before_sha256: str
    after: LogState
    unpublished: list[int]


class TaskRequest(TypedDict):
    """The extraction that a request in phase ``collect`` waits for.

    Without an id there is none to read: the cluster was busy, and ``busy`` is what the vCenter said of it.
    """

    id: str | None
    submitted_at: str
    deadline_at: str
    polls: int
    busy: str | None


class ShownHost(TypedDict):
    """A host as a person was shown it."""

    image: str
    orphaned_vibs: list[str]


class DecidedMaintenance(TypedDict):
    """That maintenance begins now, for so long; none: what was begun ends now."""

    for_seconds: int | None
    accept: bool


class Decision(TypedDict):
    """What a person decided, on what he was shown at record ``shown_at``.

    ``by`` and ``user_id``: his ARN and his unique id, as STS gave them to the command. Where a record of the
    vCenter's own log asks for it there is no ``user_id``; nor did version 0.1.0 send one. ``until``: when an
    acceptance ends; it and ``ticket`` are there only if he gave them.
    """

    by: str
    user_id: NotRequired[str]
    reason: str
    ticket: NotRequired[str]
    until: NotRequired[str]
    shown_at: int | None
    hosts: dict[str, ShownHost]
    instance_uuid: str | None
    maintenance: NotRequired[DecidedMaintenance]


class CheckRequest(TypedDict):
    """A message in the CheckQueue.

    ``dispatch_seq``: the record of the vCenter's own log that vouches for a check, or for a cluster's
    retirement that follows from it. Absent for a person's decision, and in what version 0.1.0 sent.
    """

    schema_version: int
    action: Literal["check", "accept", "retire", "maintenance"]
    request_id: str
    run_id: str | None
    vcenter: str
    cluster: str
    cluster_name: str
    requested_at: str
    phase: Literal["extract", "collect"]
    attempt: int
    task: TaskRequest | None
    decision: Decision | None
    dispatch_seq: NotRequired[int]


class RetryRequest(TypedDict):
    """A message in the RetryQueue: a vCenter to be listed, for a run or because it could not be before.

    ``clusters``: just these (ids or names) are to be checked; null: all. ``dispatch_seq``: the record of the
    vCenter's own log that vouches for a retry. Version 0.1.0 sent retries only, without the last three.
    """

    schema_version: int
    vcenter: str
    run_id: str
    attempt: int
    reason: str
    trigger: NotRequired[Trigger]
    clusters: NotRequired[list[str] | None]
    dispatch_seq: NotRequired[int]


type ReportKind = Literal["first-look", "daily", "reminder", "route-dead"]


class TrailSeal(TypedDict):
    """Up to when the trail is sealed, and the sha256 of the public key (DER) that was kept last."""

    until: str
    key_sha256: str


class StoredReport(TypedDict):
    """A report as it is kept before it is published. ``route``: whom it is for; null: all it may reach."""

    schema_version: int
    report_id: str
    kind: ReportKind
    route: str | None
    made_at: str
    events: list[Event]


class OpenCritical(TypedDict):
    """A critical finding that is open. ``reminded``: when each route was last reminded of it, by name."""

    told_at: str
    reminded: dict[str, str]


class ReportState(TypedDict):
    """What reports have told so far. Logs are named by the keys of their states.

    ``first_look_at``: when the fleet's first look was told; null: not yet. ``looked``: clusters whose first
    look was. ``reported_until``: the end of the day that the last daily report was about. ``criticals``: by
    log and fingerprint. ``outbox``: reports whose events are not published yet. ``dead_routes``: routes that
    were reported to be dead, by name, with the time since when; absent: none ever was.
    """

    schema_version: int
    first_look_at: str | None
    looked: list[str]
    reported_until: str
    swept_at: str | None
    criticals: dict[str, OpenCritical]
    outbox: list[StoredObject]
    dead_routes: NotRequired[dict[str, str]]


EXPIRY_DETAIL = "expired_at"
"""What a finding says of an acceptance that ended; two times as text are compared like two times."""

ENDED_DETAIL = "ended"
"""What a finding says of whose acceptance that was, on which hosts."""

KEPT_REPLY_DETAIL = "kept_reply"
"""What a finding's detail names: the key under which the vCenter's reply is kept that was not used."""

HIDDEN_DETAIL = "hidden_by"
"""The detail of a finding that is told now, and was held back by this rule before."""

NO_ROLLOUT_DETAIL = "rollout_given_up"
"""What a drift says that a rollout held back which is none any more, and never came to its end."""

LEFT_DETAIL = "left_with_hosts"
"""The detail of an orphaned VIB that is on fewer hosts than before, and only since those left the cluster."""

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
"""From harmless to urgent."""


def rank_severity(severity: Severity) -> int:
    """0 for info, 1 for warning, 2 for critical."""
    return SEVERITIES.index(severity)


def rank_worst(findings: Iterable[Finding]) -> int:
    """Rank the worst of ``findings`` as ``rank_severity`` does; -1 where there is none."""
    return max((rank_severity(finding["severity"]) for finding in findings), default=-1)
