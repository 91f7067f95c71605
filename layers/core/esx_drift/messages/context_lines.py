"""What a message says around its news: where, between which looks, how much was seen, where it is kept."""

from collections.abc import Iterator, Sequence

from esx_drift.domain.dispatching.run import UNWATCHED_DETAIL
from esx_drift.domain.events import OPENING_TRANSITIONS
from esx_drift.domain.findings.kinds import OUTAGE_KINDS
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
    """Render between which two looks it happened; of what is not seen, when it last was. In UTC."""
    since, seen = data["since"], data["extracted_at"] or data["checked_at"]
    if _is_unseen(data):
        return f"Last look: {format_moment(since)} UTC." if since else "Never looked at before."
    if since is None:
        return f"First look, {format_moment(seen)} UTC."
    # An extraction is timed by the vCenter's clock: where that is behind, our own gives the order.
    until = data["checked_at"] if parse_time(seen) < parse_time(since) else seen
    return (
        f"{'Not seen between' if _count_unwatched(data) else 'Between'} {format_between(since, until)} UTC."
    )


def render_unwatched(news: Sequence[Finding]) -> tuple[str, ...]:
    """Render since when a vCenter is away, how often it was tried, and how many clusters nobody watches.

    Returns:
        One sentence, or nothing where no vCenter is away.
    """
    for finding in news:
        clusters, tries = finding["detail"].get(UNWATCHED_DETAIL), finding["detail"].get("tries")
        if isinstance(clusters, int):
            tried = f" ({tries} tries)" if isinstance(tries, int) else ""
            unwatched = (
                f"{format_count(clusters, 'cluster')} unwatched"
                if clusters
                else "none of its clusters known yet"
            )
            return (f"Since {format_moment(finding['opened_at'])} UTC{tried}: {unwatched}.",)
    return ()


def render_watched_again(data: EventData) -> str:
    """Render what happens now to the clusters of a vCenter that is back; empty where none was away."""
    clusters = _count_unwatched(data)
    if not clusters:
        return ""
    return f"{format_count(clusters, 'cluster')} checked again now; you hear what changed meanwhile."


def render_still_open(data: EventData) -> str:
    """Render what is open from before, and what is left out on purpose; empty if nothing."""
    still, suppressed = data["totals"]["still"], sum(data["suppressed"].values())
    sentences = [f"{format_count(still, 'earlier finding')} still open."] if still else []
    sentences += [f"{format_count(suppressed, 'change')} not repeated here."] if suppressed else []
    return " ".join(sentences)


def render_facts(data: EventData) -> tuple[str, ...]:
    """Render how much was seen, when, how bad it is or was, and where it is kept."""
    facts = (*_list_seen(data), _render_severity(data), f"record {_format_number(data['record'])}")
    return (*facts, "shortened: the record has it all") if data["truncated"] else facts


def _list_seen(data: EventData) -> Iterator[str]:
    coverage, extracted = data["coverage"], data["extracted_at"]
    if coverage:
        share = format_share(coverage["covered"], coverage["hosts"])
        yield f"{share} checked" if coverage["hosts"] else "no hosts in it"
    if not _is_unseen(data):
        yield from (f"extracted {format_moment(extracted)} UTC",) if extracted else ()
    elif not coverage:
        yield "no new look" if _is_decision(data) else "not seen"


def _render_severity(data: EventData) -> str:
    """Render ``was critical`` where all that was so bad is over, and what holds now is milder."""
    news = [finding for finding in data["findings"] if finding["transition"] in OPENING_TRANSITIONS]
    holding = [rank_severity(item["severity"]) for item in (*data["changes"], *news)]
    over = not data["truncated"] and max(holding, default=0) < rank_severity(data["severity"])
    return f"was {data['severity']}" if over else data["severity"]


def count_unlisted(data: EventData) -> int:
    """Count the changes and findings that the event itself had no room for."""
    totals = data["totals"]
    return max(0, totals["changes"] + totals["findings"] - len(data["changes"]) - len(data["findings"]))


def _is_unseen(data: EventData) -> bool:
    """Whether nothing was seen. Of a vCenter as a whole there is no coverage, so its open findings decide."""
    coverage = data["coverage"]
    if coverage:
        return coverage["covered"] == 0 < coverage["hosts"]
    return data["cluster"] is not None or _is_decision(data) or any(map(_is_outage, data["findings"]))


def _is_outage(finding: Finding) -> bool:
    """Whether it keeps a vCenter from being listed; one that is listed in part was looked at."""
    is_listed = "listed" in finding["detail"]
    return finding["transition"] != "resolved" and finding["kind"] in OUTAGE_KINDS and not is_listed


def _is_decision(data: EventData) -> bool:
    """Whether all of it is a person's decision: then nobody looked, and nothing failed."""
    reasons = {
        finding["resolved_because"] for finding in data["findings"] if finding["transition"] != "still"
    }
    return bool(reasons) and reasons <= {"accepted", "retired"} and data["coverage"] is None


def _count_unwatched(data: EventData) -> int:
    """Count the clusters that a vCenter left unwatched that is back now."""
    recovered = [finding for finding in data["findings"] if finding["resolved_because"] == "recovered"]
    counts = [finding["detail"].get(UNWATCHED_DETAIL) for finding in recovered]
    return max((number for number in counts if isinstance(number, int)), default=0)


def _format_number(record: str | None) -> str:
    name = (record or "").rpartition("/")[2].removesuffix(".json")
    return f"{int(name):06d}" if name.isdecimal() else clean_text(name)
