"""docs/costs.md and the README say what the measured calls cost at the prices that are written down."""

import re

import pytest

from tests.benchmarks.costs import FLEETS, Fleet, count_calls, price_month, price_network, read_table
from tests.benchmarks.costs_page import ARCHITECTURES, PAGE, PARTS, README, main, put_parts
from tests.benchmarks.prices import PRICES


def test_the_page_and_the_line_are_current(*, refresh_goldens: bool) -> None:
    """--refresh-goldens writes both, as make costs does."""
    if refresh_goldens:
        main()
    for path in (PAGE, README):
        assert path.read_text() == put_parts(path.read_text())
    marks = re.findall(r"<!-- (\w+) -->", PAGE.read_text())
    assert {*marks, "costs"} == PARTS.keys()
    assert "<!-- costs -->\nAbout $" in README.read_text()


def test_a_cluster_more_costs_what_its_checks_ask_for() -> None:
    """Three invocations a run, and the dispatcher's message; nothing else grows with it."""
    steps = {name: step["calls"] for name, step in read_table()["steps"].items()}
    few, many = count_calls(Fleet(10, 1)), count_calls(Fleet(11, 1))
    more = {call: round((many[call] - few[call]) / (730 / 4), 3) for call in many}
    quiet = sum(steps[step].get("s3 GetObject", 0) for step in ("extract", "poll", "collect, nothing new"))
    # Four checks a month find something, read two objects more for it, and have six read to tell it.
    # Reports read where its log ends once an hour, and seven records once a day.
    reported = 2 * 730 + 7 * 730 / 24
    # The sealer reads each record, and what a change leaves beside it: 4 objects.
    sealed = 730 / 4 + 4 * 4
    expected = quiet + (4 * (2 + 6) + reported + sealed) / (730 / 4)
    assert more["s3 GetObject"] == pytest.approx(expected, abs=0.001)
    assert more["sqs SendMessage"] == pytest.approx(3 + 4 / (730 / 4), abs=0.001)


def test_what_must_be_dearer_is() -> None:
    """More clusters, the dearer processor, and a VPC of its own."""
    for architecture in ARCHITECTURES:
        sums = [sum(price_month(fleet, architecture).values()) for fleet in FLEETS]
        assert sums == sorted(sums)
    for fleet in FLEETS:
        by_processor = {name: price_month(fleet, name) for name in ARCHITECTURES}
        assert by_processor["arm64"]["Lambda"] < by_processor["x86_64"]["Lambda"]
        assert all(price > 0 for price in (*by_processor["arm64"].values(), *price_network(fleet).values()))


def test_each_price_says_where_it_is_from() -> None:
    """Or that it is recalled: those are few."""
    recalled = {name for name, price in PRICES.items() if not price.source}
    assert recalled == {"CloudWatch Logs, kept", "KMS, key", "KMS, signing"}
    assert all(price.usd > 0 and price.unit for price in PRICES.values())
