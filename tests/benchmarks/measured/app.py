"""A function's handler, and the CPU time that it takes for each event.

Copied beside the function's own files, whose handler `MEASURED` names; run by awslambdaric like that one.
"""

import importlib
import os
import time
from typing import Any

# Loaded with this module, as Lambda loads a handler before its first event.
handle = importlib.import_module(os.environ["MEASURED"]).handler


def handler(event: Any, context: Any) -> dict[str, Any]:  # noqa: ANN401 -- whatever the function takes
    """What the function replies, and the seconds of CPU time of the whole process meanwhile."""
    began = time.process_time()
    reply = handle(event, context)
    return {"reply": reply, "cpu_seconds": time.process_time() - began}
