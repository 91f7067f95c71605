import re

import pytest
from esx_drift.domain.stored.types import Coverage
from esx_drift.domain.text.wording import (
    clean_sentence,
    clean_text,
    end_sentence,
    find_shell_argument,
    format_between,
    format_count,
    format_elapsed,
    format_end,
    format_moment,
    format_share,
    join_names,
    join_reason,
    list_host_names,
    reword_times,
    split_vib_key,
)
from hypothesis import given
from hypothesis import strategies as st

TWELVE: Coverage = {"hosts": 12, "covered": 12, "failed": 0, "unsupported": 0}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("esx07", "esx07"),
        ("a\nb", "a b"),
        ("Failed.\r\n\r\n  See the\tlog.\n", "Failed. See the log."),
        ("a\x00b\x1b[31m", "a\ufffdb\ufffd[31m"),
        ("\n \n", "(no name)"),
        ("  a \u2028 b ", "a b"),
        ("\u202eevil", "\ufffdevil"),
        ("", "(no name)"),
        ("x" * 81, "x" * 79 + "…"),
    ],
)
def test_a_name_is_made_harmless(text: str, expected: str) -> None:
    """One line, no control or direction characters, of bounded length, never nothing."""
    assert clean_text(text) == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("mft(4.25.0.802-0)", ("mft", "4.25.0.802-0")),
        ("mft (4.25)", ("mft", "4.25")),
        ("a(b)(1.0)", ("a", "b)(1.0")),
        ("mft", ("mft", "")),
        ("(1.0)", ("(1.0)", "")),
    ],
)
def test_a_vib_is_split_into_name_and_version(key: str, expected: tuple[str, str]) -> None:
    """With or without a blank before the bracket; all of it is the name if it has no version."""
    assert split_vib_key(key) == expected


@pytest.mark.parametrize(
    ("reason", "ticket", "expected"),
    [
        ("new driver", "CHG-1", "CHG-1 · new driver"),
        ("new driver", None, "new driver"),
        ("", "CHG-1", "CHG-1"),
        ("CHG-1", "CHG-1", "CHG-1"),
        ("chg-1: new driver", "CHG-1", "chg-1: new driver"),
        ("as after CHG-12", "CHG-1", "CHG-1 · as after CHG-12"),
        ("(CHG-1-2)", "CHG-1", "CHG-1 · (CHG-1-2)"),
        ("see a+b7", "a+b7", "see a+b7"),
        ("done as in CHG-1.", "CHG-1", "done as in CHG-1."),
        ("see CHG-1.5", "CHG-1", "CHG-1 · see CHG-1.5"),
        ("see CR/CHG-1", "CHG-1", "CHG-1 · see CR/CHG-1"),
        ("1 new driver", "1", "1 · 1 new driver"),
        ("7", "7", "7"),
    ],
)
def test_a_ticket_that_a_reason_names_stands_once(reason: str, ticket: str | None, expected: str) -> None:
    """Whole, and however it is spelt."""
    assert join_reason(reason, ticket) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the secret a/b", "the secret a/b"),
        ("the  secret  a/b", "the secret a/b"),
        ("the secret a/bc", "the secret …"),
        ("a" * 15, "a" * 13 + "…"),
        ("", "(no name)"),
    ],
)
def test_no_name_of_a_sentence_is_cut_in_two(text: str, expected: str) -> None:
    """It may have to be typed; only one that is all of it is cut."""
    assert clean_sentence(text, 14) == expected


def test_what_is_longer_than_any_name_is_cut_where_the_sentence_is() -> None:
    """As a reply of compact JSON: else nothing of it would be left."""
    reply = '{"error":"x","detail":"disk-full"},' * 20
    assert clean_sentence(f"vc01 answered 500: {reply}") == clean_text(f"vc01 answered 500: {reply}", 400)


BRACKETED = re.compile(r"(?s)(?P<name>.+?) ?\((?P<version>.*)\)")
"""``name(version)`` by a pattern, which is exact, and takes quadratic time."""


@given(st.text("ab (). \n", max_size=12))
def test_a_vib_is_split_as_its_pattern_says(key: str) -> None:
    """At the first bracket that is not the very first character, if the last one closes it."""
    match = BRACKETED.fullmatch(key)
    expected = (clean_text(match["name"]), clean_text(match["version"])) if match else (clean_text(key), "")
    assert split_vib_key(key) == expected


def test_splitting_a_vib_tries_nothing_twice() -> None:
    """It has no loop and no pattern: a key of brackets alone takes no longer than any other one."""
    code = split_vib_key.__code__
    assert {"find", "endswith", "removesuffix", "clean_text"} >= {*code.co_names}
    assert split_vib_key("(" * 260_000) == ("(" * 79 + "…", "")
    assert split_vib_key("(" * 260_000 + ")") == ("(", "(" * 79 + "…")


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ("2026-11-23T02:14:00Z", "2026-11-23T02:14:59Z", "less than a minute"),
        ("2026-11-23T02:14:00Z", "2026-11-23T03:01:00Z", "47 min"),
        ("2026-11-23T02:14:00Z", "2026-11-23T07:54:00Z", "5 h 40 min"),
        ("2026-11-23T02:14:00Z", "2026-11-24T02:14:00Z", "24 h"),
        ("2026-11-16T02:14:00Z", "2026-11-23T02:14:00Z", "7 days"),
    ],
)
def test_a_duration_is_said_as_people_say_it(since: str, until: str, expected: str) -> None:
    """Minutes, then hours, then days."""
    assert format_elapsed(since, until) == expected


def test_two_looks_on_different_days_are_told_apart() -> None:
    """The day is only said where it matters."""
    assert format_between("2026-11-23T01:14:00Z", "2026-11-23T02:14:00Z") == "01:14 and 02:14"
    assert format_between("2026-11-23T01:14:05Z", "2026-11-23T01:14:41Z") == "01:14:05 and 01:14:41"
    assert format_between("2026-11-22T23:14:00Z", "2026-11-23T02:14:00Z") == "22 Nov 23:14 and 23 Nov 02:14"


def test_what_holds_for_a_whole_day_ends_on_that_day() -> None:
    """It is kept as the midnight behind it, which is the next day's."""
    assert format_end("2026-12-25T00:00:00.000Z") == "2026-12-24"
    assert format_end("2027-01-01T00:00:00Z") == "2026-12-31"
    assert format_end("2026-12-24T19:30:00+01:00") == "2026-12-24 18:30 UTC"


@pytest.mark.parametrize(("year", "said"), [(2025, "30 Nov 02:14"), (2026, "30 Nov 2025 02:14")])
def test_a_time_of_another_year_has_its_year(year: int, said: str) -> None:
    """Else it reads as one of a year later. Where nothing is known of when it is read, it has none."""
    time = "2025-11-30T02:14:09.000Z"
    assert format_moment(time, year) == said
    assert format_moment(time) == "30 Nov 02:14"
    assert reword_times(f"not seen since {time}", year) == f"not seen since {said} UTC"
    assert reword_times(f"again at {time}.", year, has_seconds=True) == f"again at {said}:09 UTC."


def test_numbers_agree_with_their_nouns() -> None:
    """And "of M" is only said where M can be right."""
    assert [format_count(number, "host") for number in (0, 1, 2)] == ["0 hosts", "1 host", "2 hosts"]
    assert format_share(3, 12) == "3 of 12 hosts"
    assert format_share(3, None) == "3 hosts"
    assert format_share(13, 12) == "13 hosts"


def test_a_list_of_names_has_an_end() -> None:
    """What is left out is counted; a host without a name goes by its id."""
    assert join_names(["a", "b"], 2) == "a, b"
    assert join_names(["a", "b", "c", "d"], 2) == "a, b and 2 more"
    assert list_host_names(["host-1", "host-2"], {"host-1": "esx01"}) == ["esx01", "host-2"]


def test_a_sentence_ends_once() -> None:
    """A full stop is added where there is none, not even in the quotation that ends it."""
    assert end_sentence('It failed: "why."') == 'It failed: "why."'
    assert end_sentence('It failed: "why"') == 'It failed: "why".'
    assert end_sentence("It failed") == "It failed."
    assert end_sentence("It failed.") == "It failed."


@pytest.mark.parametrize("name", ["x; rm -rf /", "-f", "$(id)", "a b", "", "a\n", "é", "x" * 81])
def test_only_a_plain_name_goes_into_a_command(name: str) -> None:
    """No blank, no option, nothing that a shell reads, and nothing that a message has no room for."""
    assert find_shell_argument(name) is None
    assert find_shell_argument("Synology-ESX-syno-nfs-vaai-plugin") == "Synology-ESX-syno-nfs-vaai-plugin"
