"""What makes the application be built again, and what does not."""

import json
import re
import subprocess
import sys
from importlib.machinery import SourcelessFileLoader
from importlib.metadata import distributions
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import measure_layers
from tests.lab.local_aws.place import BUILT, CHECKOUT, build_app, environment
from tests.unit.template.application import written


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


LAYER = BUILT / "DependenciesLayer" / "python"
BESIDE = {"requirements.txt"}
"""What SAM leaves there that no distribution brought."""


def _list_distributions() -> dict[str, str]:
    """The versions of the distributions that lie in the built layer, by their names as PyPI writes them."""
    found = distributions(path=[str(LAYER)])
    return {re.sub(r"[-_.]+", "-", each.name).lower(): each.version for each in found}


def test_the_list_of_what_the_layer_holds_names_just_what_lies_there() -> None:
    """Name, version and address of each distribution, in CycloneDX, made of the layer that was built."""
    build_app()
    bill = json.loads((CHECKOUT / "build" / "sbom.json").read_text("utf-8"))
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", "esx-drift")
    lying = _list_distributions()
    assert {"aws-lambda-powertools", "jsonschema-rs", "urllib3"} <= set(lying)
    listed = {component["purl"]: component for component in bill["components"]}
    assert set(listed) == {f"pkg:pypi/{name}@{version}" for name, version in lying.items()}
    assert len(listed) == len(bill["components"])
    for purl, component in listed.items():
        name, _, version = purl.removeprefix("pkg:pypi/").partition("@")
        assert component["version"] == version
        assert re.sub(r"[-_.]+", "-", component["name"]).lower() == name


def test_nothing_lies_in_the_layer_that_is_not_listed() -> None:
    """Each file is one that its distribution names; what is compiled is made of these."""
    build_app()
    named = {
        (LAYER / path).resolve() for each in distributions(path=[str(LAYER)]) for path in each.files or ()
    }
    lying = {
        path.resolve()
        for path in LAYER.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and path.name not in BESIDE
    }
    assert sorted(lying - named) == []


def test_the_layers_are_no_larger_than_their_targets() -> None:
    """Of `make bench`: whoever adds a package sees here what it weighs."""
    build_app()
    sizes = {result.name: result for result in measure_layers()}
    assert set(sizes) == {"layer-zip-mb", "own-zip-mb", "layer-unpacked-mb"}
    assert {name: result.spread.median for name, result in sizes.items() if not result.holds} == {}


RUNTIME = "python3.13"
HASHED_AND_UNCHECKED = 0b01
"""The flags of PEP 552: it holds the hash of its source, which is not compared when it is loaded."""


def test_every_module_is_shipped_compiled() -> None:
    """By the interpreter that runs it, from just the source beside it, and valid whatever date a file has.

    Else each cold start would compile what it imports, and keep none of it: layers are read-only.
    """
    build_app()
    assert written()["Globals"]["Function"]["Runtime"] == RUNTIME
    assert sys.implementation.cache_tag == "cpython-313"
    sources = [path for path in BUILT.rglob("*.py") if "packaged" not in path.parts]
    assert {path.relative_to(BUILT).parts[0] for path in sources} == {
        name for name, each in written()["Resources"].items() if each["Type"].startswith("AWS::Serverless::")
    }
    compiled = {Path(cache_from_source(source)): source for source in sources}
    for path, source in compiled.items():
        header = path.read_bytes()[:16]
        kept = (header[:4], int.from_bytes(header[4:8], "little"), header[8:])
        assert kept == (MAGIC_NUMBER, HASHED_AND_UNCHECKED, source_hash(source.read_bytes())), path
        assert SourcelessFileLoader(source.stem, str(path)).get_code(source.stem) is not None
    assert {*BUILT.rglob("*.pyc")} == {*compiled}


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
