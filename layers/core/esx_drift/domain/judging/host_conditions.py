"""What a look shows of single hosts: not read, not covered, too old, or with an error of its own."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from esx_drift.domain.images.coverage import why_uncovered
from esx_drift.domain.images.versions import sorted_naturally
from esx_drift.domain.judging.condition import Condition
from esx_drift.domain.judging.told import errors_of, messages_of, quoted
from esx_drift.domain.judging.unseen import Unseen

if TYPE_CHECKING:
    from esx_drift.domain.shapes import Json, Severity

_WHY = {
    "in-two-images": "is listed under more than one image, so that it is not known which one it runs",
    "in-no-image": "was read, but is listed under no image",
    "missing": "is missing from the report",
}


def host_conditions(unseen: Unseen) -> Iterator[Condition]:
    """One condition for each host that was not seen, or has an error of its own."""
    for host in unseen.hosts:
        why = why_uncovered(unseen.report, host)
        if why == "failed":
            yield _failed(unseen, host)
        elif why == "unsupported":
            yield _unsupported(unseen, host)
        else:
            yield _not_covered(unseen, host, why)
    for host in sorted_naturally(unseen.inventory.keys() & unseen.report.runs.keys()):
        errors = errors_of(unseen.report.host_notifications.get(host))
        if errors:
            summary = f"vCenter reports an error on {unseen.name(host)}{quoted(errors)}"
            yield _condition(unseen, "host-error", host, summary)


def _failed(unseen: Unseen, host: str) -> Condition:
    said = quoted(errors_of(unseen.report.host_notifications.get(host)))
    summary = f"{unseen.name(host)} could not be read{unseen.state(host)}{unseen.not_since(host)}{said}"
    return _condition(unseen, "host-failed", host, summary)


def _not_covered(unseen: Unseen, host: str, why: str) -> Condition:
    said = quoted(errors_of(unseen.report.host_notifications.get(host)))
    summary = f"{unseen.name(host)} {_WHY[why]}{unseen.state(host)}{unseen.not_since(host)}{said}"
    return _condition(unseen, "host-not-covered", host, summary)


def _unsupported(unseen: Unseen, host: str) -> Condition:
    summary = f"{unseen.name(host)} runs a release that is too old to be read{unseen.not_since(host)}"
    return _condition(unseen, "host-unsupported", host, summary)


def _condition(unseen: Unseen, kind: str, host: str, summary: str) -> Condition:
    otherwise: Severity = "info" if kind == "host-unsupported" else "warning"
    detail: dict[str, Json] = {
        **unseen.facts(host),
        "messages": messages_of(unseen.report.host_notifications.get(host)),
    }
    severity = unseen.severity([host], otherwise)
    return Condition("failure", kind, host, severity, summary, (host,), detail)
