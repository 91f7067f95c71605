"""What SAM packages once is put into each local AWS; what it can't package is said in its words."""

import subprocess
import sys
import zipfile
from importlib.util import cache_from_source
from io import BytesIO
from pathlib import Path

import pytest

from tests.lab.local_aws import stack
from tests.lab.local_aws.fixtures import local_aws, trusted_authority
from tests.lab.local_aws.local_aws import LocalAws
from tests.lab.local_aws.place import BUILT, CHECKOUT, NotReadyError, environment

__all__ = ["local_aws", "trusted_authority"]

PLAYED = """
from tests.lab.local_aws.place import NotReadyError

def main():
    raise NotReadyError("The build failed:\\nno room is left")
"""
FAILING_SAM = "#!/bin/sh\necho no room is left >&2\nexit 1\n"


def test_a_packaging_that_fails_says_what_sam_said(
    local_aws: LocalAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And leaves nothing behind that the next one would take for a package."""
    sam = tmp_path / "sam" / "bin" / "sam"
    sam.parent.mkdir(parents=True)
    sam.write_text(FAILING_SAM)
    sam.chmod(0o755)
    monkeypatch.setattr(stack, "TOOLS", tmp_path)
    monkeypatch.setattr(stack, "build_app", lambda: tmp_path / "build" / "template.yaml")
    monkeypatch.setattr(stack, "CODE_BUCKET", "broken")
    (tmp_path / "build").mkdir()
    with pytest.raises(NotReadyError, match="could not package the application:\nno room is left"):
        stack.package(local_aws)
    assert [path.name for path in (tmp_path / "build").iterdir()] == []
    assert [path.name for path in tmp_path.glob("packaged-*")] == []


def _list_names(archive: bytes) -> set[str]:
    """The names of the files in an archive of code."""
    with zipfile.ZipFile(BytesIO(archive)) as opened:
        return {*opened.namelist()}


def test_what_is_kept_is_what_the_local_aws_has(local_aws: LocalAws) -> None:
    """Object by object, and the template names each; each module has its compiled file beside it there."""
    template = stack.package(local_aws)
    kept = {path.name: path.read_bytes() for path in (template.parent / stack.CODE_BUCKET).iterdir()}
    assert template.parent.parent == BUILT
    listed = local_aws.aws.s3.list_objects_v2(Bucket=stack.CODE_BUCKET)["Contents"]
    assert {entry["Key"] for entry in listed} >= set(kept)
    text = template.read_text()
    assert [name for name in kept if f"s3://{stack.CODE_BUCKET}/{name}" not in text] == []
    archives = [*map(_list_names, kept.values())]
    assert len(archives) > 2
    for names in archives:
        assert {cache_from_source(name) for name in names if name.endswith(".py")} <= names


def test_whoever_watches_reads_what_is_missing_and_no_traceback(tmp_path: Path) -> None:
    """One line of ours, and what the tool said."""
    (tmp_path / "played.py").write_text(PLAYED)
    ran = subprocess.run(
        [sys.executable, "-m", "tests.lab.interruptible", "played"],
        cwd=CHECKOUT,
        env=environment({"PYTHONPATH": f"{CHECKOUT}:{tmp_path}"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (1, "The build failed:\nno room is left\n")
