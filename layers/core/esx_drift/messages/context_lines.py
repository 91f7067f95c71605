"""The setting of a story: where, between which looks, how much was seen, where it is kept."""

from collections.abc import Iterator, Sequence

from esx_drift.domain.dispatching.follow_up_requests import UNWATCHED_DETAIL
from esx_drift.domain.stored.types import EventData, Finding, rank_severity
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.text.wording import (
    clean_text,
    format_between,
    format_count,
    format_moment,
    format_share,
)


def render_place(data: EventData) -> str:
    """``prod-a · vc01``; the vCenter alone where it is meant as a whole."""
    vcenter, cluster = clean_text(data["vcenter"]), data["cluster"]
    return f"{clean_text(cluster['name'] or cluster['id'])} · {vcenter}" if cluster else vcenter


def render_when(data: EventData) -> str:
    """Between which two looks; of what is not seen, when it last was. In UTC."""
    since, seen = data["since"], data["extracted_at"] or data["checked_at"]
    if _is_blind(data):
        return f"Last look: {format_moment(since)} UTC." if since else "Never looked at before."
    if since is None:
        return f"First look, {format_moment(seen)} UTC."
    # An extraction is timed by the vCenter's clock: where that is behind, our own tells the order.
    until = data["checked_at"] if parse_time(seen) < parse_time(since) else seen
    return f"{'Not seen between' if _unwatched(data) else 'Between'} {format_between(since, until)} UTC."


def render_unwatched(news: Sequence[Finding]) -> tuple[str, ...]:
    """Since when a vCenter is away, how often that was tried, and how much of the fleet nobody watches."""
    for finding in news:
        clusters, tries = finding["detail"].get(UNWATCHED_DETAIL), finding["detail"].get("tries")
        if isinstance(clusters, int):
            tried = f" ({tries} tries)" if isinstance(tries, int) else ""
            what = (
                f"{format_count(clusters, 'cluster')} unwatched"
                if clusters
                else "none of its clusters known yet"
            )
            return (f"Since {format_moment(finding['opened_at'])} UTC{tried}: {what}.",)
    return ()


def render_watched_again(data: EventData) -> str:
    """What happens now to the clusters of a vCenter that is back; empty where none was away."""
    clusters = _unwatched(data)
    if not clusters:
        return ""
    return f"{format_count(clusters, 'cluster')} checked again now; you hear what changed meanwhile."


def render_still_open(data: EventData) -> str:
    """What is open from before, and what is left out on purpose; empty if nothing."""
    still, kept = data["totals"]["still"], sum(data["suppressed"].values())
    said = [f"{format_count(still, 'earlier finding')} still open."] if still else []
    said += [f"{format_count(kept, 'change')} not repeated here."] if kept else []
    return " ".join(said)


def render_facts(data: EventData, *, over: bool = False) -> tuple[str, ...]:
    """How much was seen, when, how bad it is, or if it is ``over``, was, and where it is kept."""
    severity = f"was {data['severity']}" if over else _severity(data)
    said = [*_seen(data), severity, f"record {_number(data['record'])}"]
    return (*said, "shortened: the record has it all") if data["truncated"] else tuple(said)


def _seen(data: EventData) -> Iterator[str]:
    coverage, extracted = data["coverage"], data["extracted_at"]
    if coverage:
        yield (
            f"{format_share(coverage['covered'], coverage)} checked"
            if coverage["hosts"]
            else "no hosts in it"
        )
    if not _is_blind(data):
        yield from (f"extracted {format_moment(extracted)} UTC",) if extracted else ()
    elif not coverage:
        yield "no new look" if _is_decided(data) else "not seen"


def _severity(data: EventData) -> str:
    """What is over was as bad as the event says; what it leaves may be harmless."""
    news = [one for one in data["findings"] if one["transition"] in {"opened", "raised"}]
    holding = [rank_severity(item["severity"]) for item in (*data["changes"], *news)]
    over = not data["truncated"] and max(holding, default=0) < rank_severity(data["severity"])
    return f"was {data['severity']}" if over else data["severity"]


def count_unlisted(data: EventData) -> int:
    """How many changes and findings the event itself had no room for."""
    totals = data["totals"]
    return max(0, totals["changes"] + totals["findings"] - len(data["changes"]) - len(data["findings"]))


def _is_blind(data: EventData) -> bool:
    """Whether nothing was seen. Of a vCenter as a whole there is no coverage: its open findings tell."""
    coverage = data["coverage"]
    if coverage:
        return coverage["covered"] == 0 < coverage["hosts"]
    return data["cluster"] is not None or _is_decided(data) or any(map(_blinds, data["findings"]))


def _blinds(finding: Finding) -> bool:
    """Whether it keeps a vCenter from being listed; what is only listed in part was looked at."""
    lists = "listed" in finding["detail"]
    return (
        finding["transition"] != "resolved" and finding["kind"].startswith(("vcenter-", "api-")) and not lists
    )


def _is_decided(data: EventData) -> bool:
    """Whether all of it is a person's decision: then nobody looked, and nothing failed."""
    reasons = {one["resolved_because"] for one in data["findings"] if one["transition"] != "still"}
    return bool(reasons) and reasons <= {"accepted", "retired"} and data["coverage"] is None


def _unwatched(data: EventData) -> int:
    """How many clusters a vCenter left unwatched that is back now."""
    over = [one for one in data["findings"] if one["resolved_because"] == "recovered"]
    counts = [one["detail"].get(UNWATCHED_DETAIL) for one in over]
    return max((number for number in counts if isinstance(number, int)), default=0)


def _number(record: str) -> str:
    name = record.rpartition("/")[2].removesuffix(".json")
    return f"{int(name):06d}" if name.isdecimal() else clean_text(name)
