"""What an unchanged check loads beside what the function loads at its start: nothing more sneaks in."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.deployed.stage import CLUSTER, small
from tests.lab.local_aws.local_aws import LocalAws
from tests.lab.local_aws.place import BUILT
from tests.lab.local_aws.rig import Rig
from tests.lab.local_aws.runtime import make_sqs_record, run_code
from tests.lab.local_aws.waiting import until
from tests.paths import GOLDEN

GOLDEN_LIST = GOLDEN / "starts" / "checker-unchanged.txt"
VCENTER = "vc01"
FUNCTION_SECONDS = 300
"""Of the template. With little time left a check is put off."""

NOTING = """
import sys
from checker import handler as handle

STARTED = {*sys.modules}

def handler(event, context):
    reply = handle(event, context)
    assert reply == {"batchItemFailures": []}, reply
    return sorted({*sys.modules} - STARTED)
"""


def _take_check(rig: Rig) -> dict[str, Any]:
    """The next event of the checker, whose mapping is off; what waits is waited for."""
    sqs, url = rig.stack.aws.sqs, rig.stack.resources["CheckQueue"]

    def receive() -> list[Any]:
        return sqs.receive_message(QueueUrl=url, AttributeNames=["All"], WaitTimeSeconds=1).get(
            "Messages", []
        )

    (message,) = until(receive, "a request", 60)
    return {"Records": [make_sqs_record(message)]}


def _list_loaded(event: Mapping[str, Any], variables: Mapping[str, str], folder: Path) -> set[str]:
    """The modules that one event has the built function load, in a process of Lambda's own runtime."""
    shutil.copy(BUILT / "CheckerFunction" / "app.py", folder / "checker.py")
    (folder / "app.py").write_text(NOTING)
    (loaded,) = run_code(folder, [event], variables, timeout_seconds=FUNCTION_SECONDS)
    assert isinstance(loaded, list)
    return {*loaded}


def test_an_unchanged_check_loads_nothing_more_than_was_agreed(
    rig: Rig, local_aws: LocalAws, tmp_path: Path, *, refresh_goldens: bool
) -> None:
    """From asking for an extraction to the record; --refresh-goldens writes the list."""
    rig.add_vcenter(VCENTER, small())
    rig.put_fleet(rig.fleet(VCENTER))
    rig.check()
    variables = local_aws.environment | rig.stack.variables_of("CheckerFunction")
    with rig.without_checker():
        rig.dispatch()
        loaded = _list_loaded(_take_check(rig), variables, tmp_path)
        loaded |= _list_loaded(_take_check(rig), variables, tmp_path)
    assert [record["outcome"] for record in rig.records(VCENTER, CLUSTER)] == ["baseline", "unchanged"]
    listed = "\n".join([*sorted(loaded), ""])
    if refresh_goldens:
        GOLDEN_LIST.write_text(listed, "utf-8")
    assert listed == GOLDEN_LIST.read_text("utf-8")
