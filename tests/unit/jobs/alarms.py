"""The alarms of the template, and which of them ring by what was counted."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from math import floor
from typing import Any

from tests.unit.template.application import target, written

STACK = "esx-drift"

type Metric = tuple[str, str, frozenset[tuple[str, str]]]
"""Namespace, name, and the dimensions."""


def name_metric(namespace: str, name: str, dimensions: Mapping[str, str]) -> Metric:
    """Name a metric with exactly these dimensions."""
    return namespace, name, frozenset(dimensions.items())


@dataclass(slots=True)
class Metrics:
    """What CloudWatch was told, and when."""

    counted: dict[Metric, list[tuple[datetime, float]]] = field(default_factory=lambda: defaultdict(list))

    def count(self, at: datetime, value: float, metric: Metric) -> None:
        """Take a number."""
        self.counted[metric].append((at, value))

    def list_ringing(self, since: datetime, until: datetime) -> list[str]:
        """List the alarms that ring at some time between two times, as the runbook calls them."""
        return [name for name, alarm in read_alarms().items() if self._rings(alarm, since, until)]

    def is_silent(self, name: str, since: datetime, until: datetime) -> bool:
        """Tell whether nothing came of what an alarm misses: it rings where that lasts."""
        (counted, _) = read_resources()[f"{name}Alarm"]["Properties"]["Metrics"]
        found = self.counted.get(_read_metric(counted["MetricStat"]["Metric"]), ())
        return not any(since <= at < until for at, _ in found)

    def _rings(self, alarm: Mapping[str, Any], since: datetime, until: datetime) -> bool:
        """Tell whether enough periods in a row were over the threshold; one without data is not."""
        seconds, values = alarm["Period"], defaultdict[int, list[float]](list)
        for at, value in self.counted.get(_read_metric(alarm), ()):
            if since <= at < until:
                values[floor(at.timestamp() / seconds)].append(value)
        gather = sum if alarm["Statistic"] == "Sum" else max
        over = {period for period, found in values.items() if gather(found) >= alarm["Threshold"]}
        running = alarm["EvaluationPeriods"]
        least = alarm.get("DatapointsToAlarm", running)
        return any(len(over & {*range(end - running + 1, end + 1)}) >= least for end in over)


@cache
def read_resources() -> dict[str, Any]:
    """Read the resources of the template, by logical id."""
    found: dict[str, Any] = written()["Resources"]
    return found


@cache
def read_alarms() -> dict[str, dict[str, Any]]:
    """Read what the template says of alarms on one metric: the others count what is missing, for hours."""
    found = {}
    for name, one in read_resources().items():
        alarm = one.get("Properties", {})
        if one["Type"] == "AWS::CloudWatch::Alarm" and "MetricName" in alarm:
            assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
            assert alarm["TreatMissingData"] == "notBreaching"
            found[name.removesuffix("Alarm")] = alarm
    return found


def _read_metric(alarm: Mapping[str, Any]) -> Metric:
    dimensions = {one["Name"]: _resolve(one["Value"]) for one in alarm["Dimensions"]}
    return name_metric(alarm["Namespace"], alarm["MetricName"], dimensions)


def _resolve(value: Any) -> str:  # noqa: ANN401 -- a reference has many shapes
    if isinstance(value, str):
        return value
    return STACK if value == {"Ref": "AWS::StackName"} else target(value)
