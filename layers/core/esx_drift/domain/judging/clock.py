"""Whether a vCenter's clock goes right: messages show its times beside ours, and a report is judged by it."""

from typing import TYPE_CHECKING, Final

from esx_drift.domain.judging.condition import Condition

if TYPE_CHECKING:
    from esx_drift.domain.shapes import ClockFacts

MAX_SKEW_SECONDS: Final = 300
MINUTE_SECONDS: Final = 60
CLOCK_SKEWED: Final = "clock-skewed"


def list_clock_conditions(clock: "ClockFacts | None") -> list[Condition]:
    """One condition if the clock is more than 5 minutes off; none where the vCenter did not say."""
    if clock is None or abs(clock["skew_seconds"]) <= MAX_SKEW_SECONDS:
        return []
    minutes = abs(clock["skew_seconds"]) / MINUTE_SECONDS
    way = "ahead of" if clock["skew_seconds"] > 0 else "behind"
    summary = f"the vCenter's clock is {minutes:.0f} min {way} ours"
    detail = {"skew_seconds": clock["skew_seconds"]}
    return [Condition("failure", CLOCK_SKEWED, "", "warning", summary, detail=detail)]
