"""The setting of a story: where, between which looks, how much was seen, where it is kept."""

from collections.abc import Sequence

from esx_drift.domain.shapes import EventData, Finding
from esx_drift.domain.telling.wording import between, clean, counted, moment, share


def place(data: EventData) -> str:
    """``prod-a · vc01``; the vCenter alone where it is meant as a whole."""
    vcenter, cluster = clean(data["vcenter"]), data["cluster"]
    return f"{clean(cluster['name'] or cluster['id'])} · {vcenter}" if cluster else vcenter


def when(data: EventData) -> str:
    """Between which two looks; of what is not seen, when it last was. In UTC."""
    since, seen = data["since"], data["extracted_at"] or data["checked_at"]
    if _is_blind(data):
        return f"Last look: {moment(since)} UTC." if since else "Never looked at before."
    return f"Between {between(since, seen)} UTC." if since else f"First look, {moment(seen)} UTC."


def unwatched(news: Sequence[Finding]) -> tuple[str, ...]:
    """Since when a vCenter is away, how often that was tried, and how much of the fleet nobody watches."""
    for finding in news:
        clusters, tries = finding["detail"].get("clusters_unwatched"), finding["detail"].get("tries")
        if isinstance(clusters, int):
            tried = f" ({tries} tries)" if isinstance(tries, int) else ""
            since = f"Since {moment(finding['opened_at'])} UTC{tried}: "
            return (f"{since}{counted(clusters, 'cluster')} unwatched.",)
    return ()


def also(data: EventData) -> str:
    """What is open from before, and what is left out on purpose; empty if nothing."""
    still, kept = data["totals"]["still"], sum(data["suppressed"].values())
    said = [f"{counted(still, 'earlier finding')} still open."] if still else []
    said += [f"{counted(kept, 'change')} not repeated here."] if kept else []
    return " ".join(said)


def facts(data: EventData) -> tuple[str, ...]:
    """How much was seen, when, how bad it is, and where it is kept."""
    coverage, extracted = data["coverage"], data["extracted_at"]
    said = [f"{share(coverage['covered'], coverage)} checked"] if coverage else []
    if _is_blind(data):
        said += ["not seen"]
    elif extracted:
        said += [f"extracted {moment(extracted)} UTC"]
    said += [data["severity"], f"record {_number(data['record'])}"]
    return (*said, "shortened: the record has it all") if data["truncated"] else tuple(said)


def unlisted(data: EventData) -> int:
    """How many changes and findings the event itself had no room for."""
    totals = data["totals"]
    return max(0, totals["changes"] + totals["findings"] - len(data["changes"]) - len(data["findings"]))


def _is_blind(data: EventData) -> bool:
    """Whether nothing was seen. Of a vCenter as a whole there is no coverage: its open findings tell."""
    if data["coverage"] or data["cluster"]:
        return data["coverage"] is None
    held = (finding["kind"] for finding in data["findings"] if finding["transition"] != "resolved")
    return any(kind.startswith(("vcenter-", "api-")) for kind in held)


def _number(record: str) -> str:
    name = record.rpartition("/")[2].removesuffix(".json")
    return f"{int(name):06d}" if name.isdecimal() else clean(name)
