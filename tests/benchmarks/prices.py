"""List prices of AWS in us-east-1, each with where it was read, and when that page was written."""

from dataclasses import dataclass
from typing import Final

READ_ON: Final = "2026-11-28"
REGION: Final = "us-east-1"

CLOUDBURN: Final = "https://cloudburn.io/blog"
FACTUALMINDS: Final = "https://www.factualminds.com/blog"


@dataclass(frozen=True, slots=True)
class Price:
    """So many dollars for so many of a unit; without a source it is recalled, and has to be looked up."""

    usd: float
    per: float
    unit: str
    source: str = ""
    written: str = ""

    @property
    def each(self) -> float:
        """Dollars for one."""
        return self.usd / self.per


MILLION: Final = 1e6

PRICES: Final = {
    "Lambda, x86_64": Price(
        0.0000166667, 1, "GB-second", "https://cloudchipr.com/blog/aws-lambda-pricing", "2024"
    ),
    "Lambda, arm64": Price(
        0.0000133334, 1, "GB-second", "https://cloudchipr.com/blog/aws-lambda-pricing", "2024"
    ),
    "Lambda, requests": Price(
        0.20,
        MILLION,
        "requests",
        "https://git.mcrn.ar/mariano/lambda_local_runner/src/commit/957e45b8adae23ce50b966346229585b5df18b4d/docs/"
        "lambdas-md/lambda-13-cost.md",
    ),
    "SQS, standard queue": Price(0.40, MILLION, "requests", f"{CLOUDBURN}/amazon-sqs-pricing", "March 2026"),
    "SQS, fair queue, on top": Price(
        0.10, MILLION, "requests with a MessageGroupId", f"{CLOUDBURN}/amazon-sqs-pricing", "March 2026"
    ),
    "SNS, publish": Price(
        0.50,
        MILLION,
        "requests of 64 KB",
        f"{FACTUALMINDS}/amazon-sns-pricing-publishes-fanout-protocols/",
        "June 2026",
    ),
    "KMS": Price(0.03, 10_000, "requests", "https://www.wring.co/blog/aws-kms-pricing-guide"),
    "KMS, signing": Price(0.15, 10_000, "requests"),
    "KMS, key": Price(1.00, 1, "keys, a month"),
    "S3, PUT and LIST": Price(0.005, 1_000, "requests", "https://c3x.dev/blog/s3-request-fees-explained"),
    "S3, GET": Price(0.0004, 1_000, "requests", "https://c3x.dev/blog/s3-request-fees-explained"),
    "S3, Standard": Price(
        0.023,
        1,
        "GB-month",
        "https://gist.github.com/EverettBerry/a37438006529a55f42da6fdbc44a505c",
        "July 2022",
    ),
    "Secrets Manager": Price(
        0.40, 1, "secret-months", "https://aws.amazon.com/secrets-manager/pricing/", "September 2026"
    ),
    "Secrets Manager, calls": Price(
        0.05, 10_000, "calls", "https://aws.amazon.com/secrets-manager/pricing/", "September 2026"
    ),
    "CloudWatch, alarms": Price(
        0.10,
        1,
        "metrics in standard alarms, a month",
        "https://c3x.dev/resources/aws/aws_cloudwatch_metric_alarm",
    ),
    "CloudWatch, metrics": Price(
        0.30, 1, "custom metrics, a month", "https://signoz.io/guides/cloudwatch-pricing", "February 2026"
    ),
    "CloudWatch, dashboards": Price(
        3.00,
        1,
        "dashboards, a month",
        f"{FACTUALMINDS}/amazon-cloudwatch-pricing-metrics-logs-alarms-dashboards/",
        "June 2026",
    ),
    "CloudWatch Logs, written": Price(
        0.50,
        1,
        "GB",
        f"{FACTUALMINDS}/amazon-cloudwatch-pricing-metrics-logs-alarms-dashboards/",
        "June 2026",
    ),
    "CloudWatch Logs, kept": Price(0.03, 1, "GB-month"),
    "EventBridge Scheduler": Price(
        1.00, MILLION, "invocations", f"{CLOUDBURN}/amazon-eventbridge-pricing", "March 2026"
    ),
    "NAT gateway": Price(0.045, 1, "hours", f"{CLOUDBURN}/aws-nat-gateway-pricing", "February 2026"),
    "NAT gateway, data": Price(0.045, 1, "GB", f"{CLOUDBURN}/aws-nat-gateway-pricing", "February 2026"),
    "Public IPv4 address": Price(0.005, 1, "hours", f"{CLOUDBURN}/aws-nat-gateway-pricing", "February 2026"),
    "Interface endpoint": Price(
        0.01,
        1,
        "hours in an availability zone",
        "https://awsnegotiations.com/privatelink-cost-analysis.html",
        "May 2026",
    ),
    "Interface endpoint, data": Price(0.01, 1, "GB", "https://aws.amazon.com/privatelink/pricing/"),
}
