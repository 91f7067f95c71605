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


CACHES = "UV_CACHE_DIR", "PIP_CACHE_DIR", "__SAM_CLI_APP_DIR"


@pytest.mark.parametrize(
    ("given", "where"), [("CACHE=.tools/cache", f"{CHECKOUT}/.tools/cache/"), ("CACHE=", "")]
)
def test_whoever_wants_has_the_caches_in_the_folder_too(given: str, where: str) -> None:
    """uv's, pip's and SAM's; else each keeps its own place."""
    shown = "; ".join(f"echo $${name}" for name in CACHES)
    told = subprocess.run(
        ["make", "--silent", f"--eval=shown:; @{shown}", "shown", given],
        cwd=CHECKOUT,
        env=environment({}),
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    assert told == [f"{where}{name}" if where else "" for name in ("uv", "pip", "sam")]
