"""Which trail a command reads, and what it says of a place that holds none."""

from pathlib import Path
from typing import Annotated

import boto3
import pytest
import typer
from esx_drift.adapters.trail_files import DirectoryTrailFiles, S3TrailFiles
from esx_drift.cli.options import StackOptions
from esx_drift.cli.trail_source import TrailSource, with_trail_options
from esx_drift.errors import PermanentError
from typer.testing import CliRunner

TARGET = StackOptions("drift-test", "eu-west-1")


@with_trail_options
def show(record: Annotated[str, typer.Argument()], *, source: TrailSource) -> None:
    """Show which trail would be read."""
    typer.echo(f"{record} {source.directory} {source.target.stack} {source.target.region}")


def test_a_command_takes_a_copy_or_a_stack() -> None:
    """Beside its own arguments."""
    app = typer.Typer()
    app.command()(show)
    runner = CliRunner(env={"AWS_REGION": None, "ESX_DRIFT_STACK": None})
    assert runner.invoke(app, ["7", "--dir", "copy"]).output == "7 copy esx-drift None\n"
    assert runner.invoke(app, ["7", "--stack", "s", "--region", "r"]).output == "7 None s r\n"


def test_a_copy_is_opened_if_a_trail_may_be_in_it(tmp_path: Path) -> None:
    """One folder of a trail is enough: of a vCenter that was never reached there are only records."""
    (tmp_path / "records").mkdir()
    assert TrailSource(tmp_path, TARGET).open() == DirectoryTrailFiles(tmp_path)


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("missing", "missing can't be read: No such file or directory\nA copy is made by: aws s3 sync"),
        ("file", "file can't be read: Not a directory\nA copy is made by: aws s3 sync"),
        ("empty", "empty is empty: it holds no trail\nA copy is made by: aws s3 sync"),
        ("other", "other is no copy of an AuditBucket: it has no folder records\nA copy is made by"),
        (
            "copy/records",
            "no copy of an AuditBucket: it has no folder records\nName the folder above it: --dir",
        ),
        ("copy/digests", "Name the folder above it: --dir"),
        (
            "evidence",
            "evidence is no copy of an AuditBucket: it has no folder records\nName the excerpt in it: --dir",
        ),
    ],
)
def test_a_folder_without_a_trail_is_refused(tmp_path: Path, folder: str, said: str) -> None:
    """With what to do about it."""
    (tmp_path / "file").touch()
    for name in ("empty", "other/photos", "copy/records/vcenter=vc01", "copy/digests/keys", "evidence/trail"):
        (tmp_path / name).mkdir(parents=True)
    with pytest.raises(PermanentError) as refused:
        TrailSource(tmp_path / folder, TARGET).open()
    assert said in refused.value.message


def test_how_a_copy_is_completed_is_said_of_a_copy_alone() -> None:
    """To be pasted, but for the bucket, which a copy does not name."""
    said = TrailSource(Path("my copy"), TARGET).copy_advice
    assert said.endswith("aws s3 sync s3://AUDIT-BUCKET 'my copy'")
    assert TrailSource(None, TARGET).copy_advice == ""


def test_a_stack_is_asked_where_its_trail_is(stack: None, aws: None) -> None:  # noqa: ARG001 -- asked
    """Its AuditBucket is an output."""
    opened = TrailSource(None, StackOptions()).open()
    assert isinstance(opened, S3TrailFiles)
    assert opened.bucket == "audit"
    assert opened.client().meta.region_name == boto3.Session().region_name


def test_a_command_that_is_named_reads_the_same_trail() -> None:
    """Also from a folder whose name a shell would take apart."""
    assert TrailSource(None, TARGET).name_command("show 7") == TARGET.name_command("show 7")
    assert TrailSource(Path("my copy"), TARGET).name_command("show 7") == "esx-drift show 7 --dir 'my copy'"
