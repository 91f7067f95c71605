"""``esx-drift validate``: its exit codes, and the lines that it writes about a document that is none."""

import gzip
import json
from pathlib import Path

import pytest
from esx_drift.cli.terminal import EXIT_DIFFERENCES, EXIT_TROUBLE
from esx_drift.contracts.violations import LEGACY_MAP

from tests.unit.cli.conftest import Run


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"[]", '"" (the whole document): expected an object, got a list of 0 items'),
        (b"nonsense", '"" (the whole document): expected JSON, got something else at line 1 column 1'),
        (b" " * 33_000_000, '"" (the whole document): expected at most 8000000 bytes, got 33000000 bytes'),
        (b"\x1f\x8b" + b" " * 9_000_000, '"" (the whole document): expected at most 8000000 bytes, got more'),
        (
            gzip.compress(b" " * 33_000_000, 1),
            '"" (the whole document): expected at most 8000000 bytes, got more',
        ),
    ],
    ids=["list", "nonsense", "large", "large when packed", "large when unpacked"],
)
def test_what_is_wrong_with_the_whole_is_readable(
    content: bytes, line: str, tmp_path: Path, run: Run, good: Path
) -> None:
    """Its JSON Pointer is empty, and an empty one is written in quotes, as in JSON."""
    bad = tmp_path / "bad"
    bad.write_bytes(content)
    ran = run("validate", bad)
    assert (ran.code, ran.out[: len(line)], ran.err) == (EXIT_DIFFERENCES, line, "")
    assert line in run("diff", bad, good).err


def test_an_invalid_document_is_told_line_by_line(good: Path, tmp_path: Path, run: Run) -> None:
    """Where by JSON Pointer, and what was expected there; sorted."""
    document = json.loads(good.read_text())
    del document["status"]
    document |= {"uniform_image": "yes", "host_info": [{"key": "host-1", "value": {"name": "a"}}]}
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps(document))
    ran = run("validate", bad)
    assert (ran.code, ran.err) == (EXIT_DIFFERENCES, "")
    assert ran.out.splitlines() == [
        f"/host_info: expected an object, got {LEGACY_MAP}",
        "/status: expected a value, got nothing",
        '/uniform_image: expected true or false, got "yes"',
    ]


def test_what_can_not_be_read_is_trouble_for_validate(tmp_path: Path, run: Run) -> None:
    """Not to be read is not the same as invalid."""
    broken = tmp_path / "broken.gz"
    broken.write_bytes(b"\x1f\x8b" + b"\x00" * 20)
    assert run("validate", tmp_path / "none.json").code == EXIT_TROUBLE
    assert run("validate", tmp_path).code == EXIT_TROUBLE
    assert run("validate", broken).code == EXIT_TROUBLE
