"""Advice where a kind alone says too little: by the facts of the finding, and by whose log it stands in."""

from collections.abc import Callable, Mapping
from copy import replace
from types import MappingProxyType
from typing import Final

from esx_drift.domain.dispatching.overdue import NOW_KNOWN
from esx_drift.domain.findings.extraction import UNPROVEN_DETAIL
from esx_drift.domain.findings.kinds import FINDING_KINDS, OUTAGE_KINDS, VCENTER_NOT_SEEN_NOTE, Advice
from esx_drift.domain.stored.identifiers import VCENTER_LOG
from esx_drift.domain.stored.types import Finding, FindingKind
from esx_drift.messages.vcenter_advice import VCENTER_CASES, AdviceCase, has_fact

CLUSTER_NOT_SEEN_NOTE: Final = "This cluster is not checked meanwhile; its findings stay open."


def find_advice(finding: Finding, *, of_cluster: bool) -> Advice:
    """Find the advice for a finding: the first case that fits, else what the registry says of its kind.

    Args:
        finding: The finding.
        of_cluster: It stands in a cluster's own log. There the vCenter is named ("vCenter not reachable"),
            since the place is the cluster's.
    """
    kind = finding["kind"]
    fitting = (advice for fits, advice in ADVICE_CASES.get(kind, ()) if fits(finding))
    advice = next(fitting, FINDING_KINDS[kind].advice)
    return _word_for_cluster(kind, advice) if of_cluster else advice


def _is_of_vcenter_log(finding: Finding) -> bool:
    return f"/{VCENTER_LOG}" in finding["subject"]


def _word_for_cluster(kind: FindingKind, advice: Advice) -> Advice:
    if kind == "cluster-missing":
        return replace(
            advice, headline="no longer found in the vCenter", end_headline="found in the vCenter again"
        )
    if kind not in OUTAGE_KINDS or "{vcenter}" in advice.headline:
        return advice
    return replace(
        advice,
        headline=f"vCenter {advice.headline}",
        end_headline=f"vCenter {advice.end_headline}",
        note=CLUSTER_NOT_SEEN_NOTE if advice.note == VCENTER_NOT_SEEN_NOTE else advice.note,
    )


def _is_harmless(finding: Finding) -> bool:
    return finding["severity"] == "info"


def _has_no_task(finding: Finding) -> bool:
    return finding["detail"].get("task_status", "") is None


type AdviceStep = tuple[Callable[[Finding], bool], str, str]
"""Whether it fits a finding, the step, and its command; empty: none."""

_FREE_SPACE: Final = (
    "free space on {first}, and the next check reads it. Old logs and core dumps fill it most often. To see "
    "which volume is full, run in its shell:"
)
_NOT_REACHED: Final = (
    "vCenter does not reach {first}. Look at its console: is it up, or rebooting for an upgrade? Does its "
    "network reach vCenter?"
)
FULL_VOLUME_COMMAND: Final = "df -h; vdf -h"
"""On a host: its volumes, and its ramdisks such as /tmp and /var/run, which df leaves out."""


def _has_state(name: str, *states: str) -> Callable[[Finding], bool]:
    return lambda finding: finding["detail"].get(name) in states


def _is_disk_full(finding: Finding) -> bool:
    """By the vCenter's words: of such an error no document names the id."""
    messages = str(finding["detail"].get("messages", "")).casefold()
    return "disk space" in messages or "no space left" in messages


def _build_host_cases(kind: FindingKind) -> tuple[AdviceCase, ...]:
    """Build the steps by why a host was not read, as far as the vCenter says so itself."""
    steps: tuple[AdviceStep, ...] = (
        (
            _is_disk_full,
            _FREE_SPACE,
            FULL_VOLUME_COMMAND,
        ),
        (
            _has_state("power_state", "POWERED_OFF", "STANDBY"),
            "it is switched off: power {first} on, or take it out of the cluster if that is for good.",
            "",
        ),
        (
            _has_state("connection_state", "DISCONNECTED"),
            "somebody disconnected it: connect {first} again in vCenter, or take it out of the cluster.",
            "",
        ),
        (
            _has_state("connection_state", "NOT_RESPONDING"),
            _NOT_REACHED,
            "",
        ),
    )
    advice = FINDING_KINDS[kind].advice
    return tuple((fits, replace(advice, step=step, command=command)) for fits, step, command in steps)


ADVICE_CASES: Final[Mapping[FindingKind, tuple[AdviceCase, ...]]] = MappingProxyType(
    {
        **VCENTER_CASES,
        "check-overdue": (
            (
                has_fact(NOW_KNOWN),
                replace(
                    FINDING_KINDS["check-overdue"].advice,
                    end_headline="now known why {clusters} is not checked",
                ),
            ),
        ),
        "document-inconsistent": (
            (
                has_fact("vcenter_date"),
                Advice(
                    "the report is from the future, and was not used",
                    "the report's time is right again",
                    "the vCenter's clock was put back, or goes wrong: its own page at port 5480 > Time. The "
                    "next extraction after that is used.",
                ),
            ),
        ),
        "extraction-timeout": (
            (
                has_fact(UNPROVEN_DETAIL),
                Advice(
                    "no new report of its image came in time",
                    "its image can be extracted again",
                    "in vCenter > {cluster} > Monitor > Tasks, read how the last extraction of its image "
                    "ended.",
                ),
            ),
            (
                _has_no_task,
                Advice(
                    "busy with something else, so that its image can't be extracted",
                    "its image can be extracted again",
                    "in vCenter > {cluster} > Monitor > Tasks, see what doesn't end.",
                ),
            ),
        ),
        "extraction-unavailable": (
            (_is_harmless, Advice("no hosts, so nothing to check", "has hosts that can be checked", "")),
        ),
        "eligibility-failed": (
            (
                _is_harmless,
                replace(
                    FINDING_KINDS["eligibility-failed"].advice,
                    step="nothing, as long as baselines manage it. To have it watched, see in vCenter > "
                    "{cluster} > Updates > Image which hosts don't meet the requirements.",
                ),
            ),
        ),
        "trail-damaged": (
            (
                _is_of_vcenter_log,
                replace(
                    FINDING_KINDS["trail-damaged"].advice,
                    command="esx-drift accept @{vcenter}",
                ),
            ),
        ),
        "host-failed": _build_host_cases("host-failed"),
        "host-not-covered": _build_host_cases("host-not-covered"),
        "host-unsupported": (
            (
                _is_harmless,
                replace(
                    FINDING_KINDS["host-unsupported"].advice,
                    step="nothing, as long as nobody has to watch it: that needs ESXi 7.0.2 or later.",
                ),
            ),
        ),
    }
)
"""By kind; the first that fits is taken, else the kind's own advice."""
