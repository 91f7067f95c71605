"""Metrics, as lines of the log in CloudWatch's embedded metric format.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format.html
"""

from aws_lambda_powertools import single_metric
from aws_lambda_powertools.metrics import MetricUnit


def count_metric(metric: str, value: int = 1, **dimensions: str) -> None:
    """Count something of this function (dimension ``service``), at once: also if it fails afterwards."""
    with single_metric(name=metric, unit=MetricUnit.Count, value=value) as made:
        for name, said in dimensions.items():
            made.add_dimension(name, said)
