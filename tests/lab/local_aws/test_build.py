"""What makes the application be built again, and what does not."""

import subprocess

import pytest

from tests.lab.local_aws.place import CHECKOUT, build_app, environment


def _is_built(*given: str) -> bool:
    asked = subprocess.run(
        ["make", "--silent", "--question", *given, "build"], cwd=CHECKOUT, env=environment({}), check=False
    )
    return asked.returncode == 0


def test_what_python_keeps_beside_the_code_is_no_change() -> None:
    """Each import writes there, and a build takes ten seconds."""
    build_app()
    kept = CHECKOUT / "functions" / "checker" / "__pycache__"
    kept.mkdir(exist_ok=True)
    (kept / "test.pyc").touch()
    (kept / "test.pyc").unlink()
    kept.parent.touch()
    assert _is_built()


@pytest.mark.parametrize("given", ["--what-if=template.yaml", "SOURCES=template.yaml"])
def test_what_is_built_again(given: str) -> None:
    """After a change of what goes in, and where a file came or went."""
    build_app()
    assert not _is_built(given)
