"""The tables of docs/costs.md, and the line in the README. ``make costs`` writes both."""

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from tests.benchmarks import costs
from tests.benchmarks.costs import FLEETS, Fleet
from tests.benchmarks.fleet import COMPONENTS
from tests.benchmarks.prices import PRICES, READ_ON, REGION
from tests.paths import ROOT

PAGE: Final = ROOT / "docs" / "costs.md"
README: Final = ROOT / "README.md"
ARCHITECTURES: Final = ("x86_64", "arm64")


REPORT_READS: Final = (
    "each time it reads 2 objects a vCenter, once an hour 2 a cluster, "
    f"and once a day the day's records, {costs.DAY_RECORDS:g} of each log"
)


def main() -> int:
    """Write the tables of the page, and the README's line."""
    for path in (PAGE, README):
        path.write_text(put_parts(path.read_text()))
    sys.stdout.write(f"{_render_line()}\n")
    return 0


def put_parts(text: str) -> str:
    """Put what is rendered into its places in a page."""
    for name, render in PARTS.items():
        opening, closing = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        if opening in text:
            before, _, rest = text.partition(opening)
            text = "".join((before, opening, render(), closing, rest.partition(closing)[2]))
    return text


def _render_line() -> str:
    totals = [f"${_total(fleet, 'x86_64'):,.0f}" for fleet in FLEETS]
    clusters = [f"{fleet.clusters:,}" for fleet in FLEETS]
    network = costs.price_network(FLEETS[0])
    low, high = min(network.values()), max(network.values())
    return (
        f"About {_join(totals)} a month for {_join(clusters)} clusters at AWS's list prices,\n"
        f"and ${low:,.0f} to ${high:,.0f} more for a VPC's way out: [docs/costs.md](docs/costs.md).\n"
    )


def _total(fleet: Fleet, architecture: str, network: str = "") -> float:
    way_out = costs.price_network(fleet)[network] if network else 0.0
    return sum(costs.price_month(fleet, architecture).values()) + way_out


def _render_totals() -> str:
    networks = {"": "no VPC", **{name: f"VPC, {name}" for name in costs.price_network(FLEETS[0])}}
    heading = ["clusters", "vCenters", "processor", *networks.values()]
    rows = [
        [f"{fleet.clusters:,}", str(fleet.vcenters), architecture]
        + [_dollars(_total(fleet, architecture, network)) for network in networks]
        for fleet in FLEETS
        for architecture in ARCHITECTURES
    ]
    return _render_table(heading, rows)


def _render_services() -> str:
    months = [costs.price_month(fleet, ARCHITECTURES[0]) for fleet in FLEETS]
    rows = [[service, *(_dollars(month[service]) for month in months)] for service in months[0]]
    rows.append(["**sum**", *(_dollars(sum(month.values())) for month in months)])
    stored = [f"{costs.measure_stored(fleet):,.1f} GB" for fleet in FLEETS]
    rows.append(["stored after a year", *stored])
    rows.append(["GB-seconds", *(f"{costs.count_gigabyte_seconds(fleet):,.0f}" for fleet in FLEETS)])
    return _render_table(["service", *(f"{fleet.clusters:,} clusters" for fleet in FLEETS)], rows)


def _render_steps() -> str:
    steps = costs.read_table()["steps"]
    calls = sorted({call for step in steps.values() for call in step["calls"]})
    rows = [
        [
            name,
            *(str(step["calls"].get(call, "")) for call in calls),
            _render_bytes(step["stored_bytes"]),
            f"{step['log_bytes'] / 1000:.1f} kB",
        ]
        for name, step in sorted(steps.items())
    ]
    names = [call.partition(" ")[2] for call in calls]
    return _render_table(["invocation", *names, "stored", "logged"], rows)


def _render_bytes(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{kind} {size / 1000:.1f} kB" for kind, size in sizes.items())


def _render_assumptions() -> str:
    functions = costs.read_resources("AWS::Serverless::Function")
    polling = "https://github.com/getlift/lift/issues/132"
    key = "https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html"
    fleet = FLEETS[-1]
    reads, listings = costs.count_verified(fleet)
    price = costs.price_verifying(fleet)
    (logs, others), sealing = costs.count_sealer_listings(fleet), costs.price_sealer_listings(fleet)
    rows = {
        "a cluster": f"{costs.HOSTS} hosts of one image of {COMPONENTS} components",
        "a run": f"every {costs.INTERVAL_HOURS} hours, {costs.RUNS:g} a month",
        "an extraction": f"3 minutes: asked after {costs.POLLS} time in vain",
        "what Lambda bills": "cold starts and slow vCenters included: "
        + ", ".join(f"{step} {value:g} s" for step, value in costs.SECONDS.items()),
        "memory": ", ".join(f"{name} {each['MemorySize']} MB" for name, each in functions.items()),
        "reports": f"the reporter runs every 15 minutes; {REPORT_READS}",
        "seals": "the sealer looks every hour, and seals once a day: it lists each log once and all else by "
        f"{costs.KEYS_A_LISTING:,} keys, here of a year, and reads each new object: of "
        f"{fleet.clusters:,} clusters {logs:,.0f} listings of logs and {others:,.0f} of all else a seal, "
        f"${sealing:,.2f} a month",
        "verifying": f"not in the sums: a year of {fleet.clusters:,} clusters takes {reads:,.0f} reads and "
        f"{listings:,.0f} listings, ${price:,.2f} each time; a copy takes none",
        "checks that find something": f"{costs.CHANGES} a month and cluster; one event and one route each",
        "messages": "each received, handled and deleted by itself: batches make it less",
        "fair queues": "what they cost on top is taken for sending, receiving and deleting",
        "empty receives": f"{costs.EMPTY_RECEIVES_A_MINUTE} a minute and queue: {costs.POLLERS} pollers with "
        f"long polls of 20 s, as [others counted]({polling}); a low MaximumConcurrency may make it less",
        "custom metrics": f"{len(costs.read_table()['metrics'])} in a quiet month, billed for the hours in "
        f"which they are sent: {costs.METRIC_SHARE:.0%} of it",
        "alarms": f"{costs.count_alarm_metrics()} metrics, as the template has them",
        "the dashboard": "paid for, though an account's first three are free; `Dashboard=DISABLED` leaves it "
        "out",
        "logs": f"what was measured, and {costs.LAMBDAS_OWN_LOG_BYTES} bytes an invocation by Lambda itself; "
        f"kept for {costs.LOG_MONTHS} months",
        "secrets": "one a vCenter, and one of a Slack route",
        "the topic's key": f"two calls an event, and no more than [AWS's formula]({key}) gives",
        "a VPC": f"{costs.VPC_KILOBYTES} kB an invocation to {_join(costs.VPC_ENDPOINTS)}; interface "
        f"endpoints in {costs.ZONES} availability zones, in one half of that",
    }
    return _render_table(["assumption", "value"], rows.items())


def _render_prices() -> str:
    rows = [
        [
            name,
            f"${f'{price.usd:.10f}'.rstrip('0').rstrip('.')}",
            f"{price.per:,.0f} {price.unit}" if price.per > 1 else price.unit,
            f"[{price.written or 'undated'}]({price.source})"
            if price.source
            else "**recalled**, not looked up",
        ]
        for name, price in PRICES.items()
    ]
    return _render_table(["price", REGION, "for", f"from, as read on {READ_ON}"], rows)


def _render_table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heading = [*heading]
    lines = [heading, ["---"] * len(heading), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _dollars(number: float) -> str:
    return f"{number:,.2f}"


def _join(items: Iterable[str]) -> str:
    *most, last = items
    return f"{', '.join(most)} and {last}"


PARTS: Final[Mapping[str, Callable[[], str]]] = {
    "totals": _render_totals,
    "services": _render_services,
    "calls": _render_steps,
    "assumptions": _render_assumptions,
    "prices": _render_prices,
    "costs": _render_line,
}
"""What stands between marks of these names in the page and in the README."""


if __name__ == "__main__":
    sys.exit(main())
