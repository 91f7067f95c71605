"""The record before anything is known of it."""

from datetime import UTC, datetime

import pytest
from esx_drift.contracts import list_violations
from esx_drift.domain.stored.identifiers import make_check_id
from esx_drift.domain.stored.records import (
    build_empty_state,
    build_record,
    list_new_notices,
    remember_notices,
)

from tests.unit.logs import heading_of

NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
REQUEST = "6f0d0c53-6f5c-5b6e-9a2f-6b1f6a1de5d7"


def test_a_blank_record_lacks_only_what_ties_it_into_the_log() -> None:
    """Every field is there; the sha256 of what it began from is the log's to fill in."""
    record = build_record(heading_of(7, REQUEST), "not-looked", NOW, build_empty_state())
    assert record["check_id"] == make_check_id("vc01", "domain-c9", 7)
    assert record["started_at"] == record["checked_at"] == "2026-11-23T02:14:00.000Z"
    lacking = list_violations("record", record)
    assert [line.partition(":")[0] for line in lacking] == ["/before_sha256"]
    failure = {"reason": "x", "message": "x", "facts": {}, "at": "login", "told_by": "vcenter"}
    assert list_violations("record", {**record, "before_sha256": "0" * 64, "failure": failure}) == []


@pytest.mark.parametrize(
    ("known", "new"),
    [
        ([], ["/a: not known", "/b: not known", "and more"]),
        (["/a: not known"], ["/b: not known", "and more"]),
        (["/a: not known", "/b: not known"], []),
        (["/a: not known", "/b: not known", "and 250 more"], []),
        (["/a: not known", "/b: not known", "and more"], []),
    ],
)
def test_that_there_is_more_is_no_news_by_itself(known: list[str], new: list[str]) -> None:
    """Nor where a version before said it in other words: an upgrade of ours notices nothing."""
    reported = ["/a: not known", "/b: not known", "and more"]
    assert list_new_notices(known, reported) == new
    assert list_new_notices(remember_notices(known, reported), reported) == []
