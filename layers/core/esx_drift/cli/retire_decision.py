"""Having a cluster retired that is gone."""

from esx_drift.cli.decision_client import ClusterRef, DecisionClient, DecisionOptions
from esx_drift.cli.terminal import EXIT_DIFFERENCES, fail, print_line
from esx_drift.domain.decisions import is_listed
from esx_drift.domain.fleet.fleet import find_excluding_pattern
from esx_drift.domain.stored.types import rank_severity
from esx_drift.domain.text.wording import clean_text, format_count, format_moment


def retire_cluster(desk: DecisionClient, meant: ClusterRef, word: DecisionOptions) -> None:
    """Retire it, unless its vCenter listed it when it was last asked."""
    entry = desk.read_clusters(meant.vcenter)[meant.cluster]
    where = f"{clean_text(meant.name)} ({meant.cluster}) on {meant.vcenter}"
    if entry["retired_at"] is not None:
        print_line(f"{where} is retired already, since {format_moment(entry['retired_at'])} UTC.")
        return
    if _is_watched(desk, meant):
        fail(
            f"{where} was listed {format_moment(entry['last_listed_at'])} UTC, when the vCenter was last asked.\n"
            "It would be watched again at once. To leave it out, exclude it in the fleet file and push that.",
            EXIT_DIFFERENCES,
        )
    state = desk.read_state(meant.vcenter, meant.cluster)
    print_line(f"{where} was last listed {format_moment(entry['last_listed_at'])} UTC", "bold")
    findings = state["after"]["findings"].values() if state else ()
    for finding in sorted(
        findings, key=lambda finding: (-rank_severity(finding["severity"]), finding["kind"])
    ):
        print_line(f"  closes {finding['kind']}: {clean_text(finding['summary'], 200)}")
    person = desk.identify_person()
    word.require_confirmation(f"Check it no more, as {person}?")
    head = state["head"] if state else None
    decision = word.build_decision(person, head["seq"] if head else None, {})
    seq, decided = desk.send_decision("retire", meant, decision, word.wait_seconds)
    if decided["refused"]:
        fail(f"refused (record {seq}): {meant.vcenter} lists it again", EXIT_DIFFERENCES)
    closed = format_count(len(findings), "finding")
    print_line(
        f"Retired (record {seq}), {closed} closed. If it is listed again, it is watched again.",
        "green",
    )


def _is_watched(desk: DecisionClient, meant: ClusterRef) -> bool:
    vcenter, state = desk.fleet.vcenter(meant.vcenter), desk.read_state(meant.vcenter)
    left_out = vcenter is not None and find_excluding_pattern(vcenter, meant.cluster, meant.name) is not None
    return state is not None and is_listed(state["after"], meant.cluster) and not left_out
