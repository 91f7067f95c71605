import os
import subprocess
from collections.abc import Callable, Mapping

import pytest

from tests.lab.local_aws.local_aws import LocalAws
from tests.lab.local_aws.place import BUILT, TOOLS
from tests.lab.local_aws.runtime import LAYERS, HandlerError, run_handler
from tests.lab.local_aws.stack import Stack

FUNCTIONS = ("DispatcherFunction", "CheckerFunction", "NotifierFunction", "SenderFunction")
CORE = BUILT / "CoreLayer" / "python"


@pytest.fixture(scope="module")
def stack(new_stack: Callable[[Mapping[str, str]], Stack]) -> Stack:
    """A stack whose fleet file is still missing."""
    return new_stack({})


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_handler_finds_all_it_imports_in_its_layers(
    function: str, stack: Stack, local_aws: LocalAws
) -> None:
    """With nothing but boto3 and our layers, a handler gets as far as the missing fleet file."""
    variables = local_aws.environment | stack.variables_of(function)
    with pytest.raises(HandlerError, match="FleetMissing"):
        run_handler(function, {"Records": []}, variables)


ON_WORKSTATIONS = ("esx_drift.cli", "esx_drift.adapters.public_keys")
"""What only the command line needs, and with it what no layer holds."""


@pytest.mark.usefixtures("packaged")
def test_every_module_finds_all_it_imports() -> None:
    """Also what is imported only when needed is in the layers; what only a workstation needs, needs more."""
    files = (file.relative_to(CORE).with_suffix("") for file in CORE.rglob("*.py"))
    modules = sorted({".".join(file.parts).removesuffix(".__init__") for file in files})
    needed = [module for module in modules if not module.startswith(ON_WORKSTATIONS)]
    assert "esx_drift.config" in needed
    imported = subprocess.run(
        [TOOLS / "runtime" / "bin" / "python", "-c", f"import {', '.join(needed)}, deepdiff"],
        env={"PYTHONPATH": os.pathsep.join(str(BUILT / layer / "python") for layer in LAYERS)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert imported.stderr == ""
