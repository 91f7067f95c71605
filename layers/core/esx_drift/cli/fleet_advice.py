"""What is wrong with a fleet file, in the words of whoever wrote it: as typed, and how it would be right."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, get_args

from esx_drift.cli.fleet_spelling import find_value, get_pointer
from esx_drift.cli.fleet_yaml import FleetText
from esx_drift.domain.stored.types import ChangeKind, Element, FindingKind
from esx_drift.domain.text.wording import join_all

_FORMS: Final = (("from", "to"), ("cron", "timezone", "for"))
_TIMELESS: Final = "expected either from and to, or cron, timezone and for, got "
_ZONELESS: Final = re.compile(r"expected a time with its zone, such as [^,]+, ")
_AHEAD: Final = timedelta(days=60)
"""How far from now the times are that lines name as examples."""
_RULE_ITEM: Final = re.compile(r"/ignore/\d+/(elements|kinds|findings)/\d+: expected one of ")
_RULE_VALUES: Final = {
    "elements": get_args(Element.__value__),
    "kinds": get_args(ChangeKind.__value__),
    "findings": get_args(FindingKind.__value__),
}
_CLUSTERS: Final = re.compile(r"/vcenters/\d+/clusters: expected an object, got a list")


def explain_faults(faults: list[str], advice: Mapping[str, str], text: FleetText, now: datetime) -> list[str]:
    """Explain each of the ``faults``, a line each, JSON Pointer first.

    Args:
        faults: What is wrong.
        advice: How else to write a value, by the fault of it that this mends.
        text: The file as it was written.
        now: When it is read.
    """
    day = f"{now + _AHEAD:%Y-%m-%d}"
    times = f"expected a day, such as {day}, or a time with its zone, such as {day}T20:00:00+01:00, "
    explained = [_ZONELESS.sub(times, _explain_fault(fault, text), count=1) for fault in faults]
    return [
        ": ".join(filter(None, (line, advice.get(fault))))
        for line, fault in zip(explained, faults, strict=True)
    ]


def _explain_fault(fault: str, text: FleetText) -> str:
    """Say it in the words of the file, or with what was probably meant."""
    pointer = get_pointer(fault)
    value: Any = find_value(text.document, pointer)
    if (written := text.written.get(pointer)) is not None:
        expected, got, shown = fault.partition(", got ")
        return f"{expected}{got}{shown.replace(value, written)}"
    if fault.startswith(f"{pointer}: {_TIMELESS}"):
        return f"{pointer}: {_TIMELESS}{_describe_times(value)}"
    if _CLUSTERS.match(fault):
        return f"{fault}: write {{include: {json.dumps(value, ensure_ascii=False)}}}"
    if (found := _RULE_ITEM.match(fault)) is not None:
        field = next((name for name, values in _RULE_VALUES.items() if value in values), None)
        return fault if field is None else f"{fault} (did you mean {field} in place of {found[1]}?)"
    return fault


def _describe_times(entry: Mapping[str, object]) -> str:
    """Describe which of the fields that say when a window is are there, and which lack or are too many."""
    given = [name for names in _FORMS for name in names if name in entry]
    if not given:
        return "none of them"
    meant, other = sorted(_FORMS, key=lambda names: sum(name not in entry for name in names) / len(names))
    missing = [name for name in meant if name not in entry]
    extra = [name for name in other if name in entry]
    parts = [
        f"{join_all(missing, 'and')} {'are' if len(missing) > 1 else 'is'} missing" if missing else "",
        f"{join_all(extra, 'and')} can't stand beside {join_all(meant, 'and')}" if extra else "",
    ]
    return f"{join_all(given, 'and')}: {', and '.join(filter(None, parts))}"
