"""What a look shows of single hosts: not read, not covered, too old, or with an error of its own."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from esx_drift.domain.images.coverage import explain_uncovered
from esx_drift.domain.images.versions import sort_naturally
from esx_drift.domain.judging.condition import Condition
from esx_drift.domain.judging.told import list_error_texts, quote_first, summarize_messages
from esx_drift.domain.judging.unseen import UncoveredHosts

if TYPE_CHECKING:
    from esx_drift.domain.shapes import Json, Severity

_WHY = {
    "in-two-images": "is listed under more than one image, so that it is not known which one it runs",
    "in-no-image": "was read, but is listed under no image",
    "missing": "is missing from the report",
}


def list_host_conditions(unseen: UncoveredHosts) -> Iterator[Condition]:
    """One condition for each host that was not seen, or has an error of its own."""
    for host in unseen.hosts:
        why = explain_uncovered(unseen.report, host)
        if why == "failed":
            yield _failed(unseen, host)
        elif why == "unsupported":
            yield _unsupported(unseen, host)
        else:
            yield _not_covered(unseen, host, why)
    for host in sort_naturally(unseen.inventory.keys() & unseen.report.runs.keys()):
        errors = list_error_texts(unseen.report.host_notifications.get(host))
        if errors:
            summary = f"vCenter reports an error on {unseen.host_name(host)}{quote_first(errors)}"
            yield _condition(unseen, "host-error", host, summary)


def _failed(unseen: UncoveredHosts, host: str) -> Condition:
    said = quote_first(list_error_texts(unseen.report.host_notifications.get(host)))
    summary = f"{unseen.host_name(host)} could not be read{unseen.format_unusual_state(host)}{unseen.format_not_seen_since(host)}{said}"
    return _condition(unseen, "host-failed", host, summary)


def _not_covered(unseen: UncoveredHosts, host: str, why: str) -> Condition:
    said = quote_first(list_error_texts(unseen.report.host_notifications.get(host)))
    summary = f"{unseen.host_name(host)} {_WHY[why]}{unseen.format_unusual_state(host)}{unseen.format_not_seen_since(host)}{said}"
    return _condition(unseen, "host-not-covered", host, summary)


def _unsupported(unseen: UncoveredHosts, host: str) -> Condition:
    summary = f"{unseen.host_name(host)} runs a release that is too old to be read{unseen.format_not_seen_since(host)}"
    return _condition(unseen, "host-unsupported", host, summary)


def _condition(unseen: UncoveredHosts, kind: str, host: str, summary: str) -> Condition:
    otherwise: Severity = "info" if kind == "host-unsupported" else "warning"
    detail: dict[str, Json] = {
        **unseen.build_detail(host),
        "messages": summarize_messages(unseen.report.host_notifications.get(host)),
    }
    severity = unseen.rate([host], otherwise)
    return Condition("failure", kind, host, severity, summary, (host,), detail)
