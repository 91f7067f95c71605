"""Having a cluster retired that is gone."""

from esx_drift.cli.deciding import Desk, Meant, Word
from esx_drift.cli.terminal import FOUND, fail, say
from esx_drift.domain.deciding import is_listed
from esx_drift.domain.fleets.fleet import excluded_by
from esx_drift.domain.judging.findings import rank
from esx_drift.domain.telling.wording import clean, counted, moment


def retire_cluster(desk: Desk, meant: Meant, word: Word) -> None:
    """Retire it, unless its vCenter listed it when it was last asked."""
    entry = desk.clusters(meant.vcenter)[meant.cluster]
    where = f"{clean(meant.name)} ({meant.cluster}) on {meant.vcenter}"
    if entry["retired_at"] is not None:
        say(f"{where} is retired already, since {moment(entry['retired_at'])} UTC.")
        return
    if _is_watched(desk, meant):
        fail(
            f"{where} was listed {moment(entry['last_listed_at'])} UTC, when the vCenter was last asked.\n"
            "It would be watched again at once. To leave it out, exclude it in the fleet file and push that.",
            FOUND,
        )
    state = desk.state(meant.vcenter, meant.cluster)
    say(f"{where} was last listed {moment(entry['last_listed_at'])} UTC", "bold")
    findings = state["after"]["findings"].values() if state else ()
    for finding in sorted(findings, key=lambda finding: (-rank(finding["severity"]), finding["kind"])):
        say(f"  closes {finding['kind']}: {clean(finding['summary'], 200)}")
    person = desk.person()
    word.confirmed(f"Check it no more, as {person}?")
    head = state["head"] if state else None
    decision = word.decision(person, head["seq"] if head else None, {})
    seq, decided = desk.decided("retire", meant, decision, word.wait_seconds)
    if decided["refused"]:
        fail(f"refused (record {seq}): {meant.vcenter} lists it again", FOUND)
    closed = counted(len(findings), "finding")
    say(
        f"Retired (record {seq}), {closed} closed. If it is listed again, it is watched again.",
        "green",
    )


def _is_watched(desk: Desk, meant: Meant) -> bool:
    vcenter, state = desk.fleet.vcenter(meant.vcenter), desk.state(meant.vcenter)
    left_out = vcenter is not None and excluded_by(vcenter, meant.cluster, meant.name) is not None
    return state is not None and is_listed(state["after"], meant.cluster) and not left_out
