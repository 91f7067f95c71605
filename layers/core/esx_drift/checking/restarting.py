"""A cluster's log that begins anew, since a person accepted that another vCenter answers under this name.

Its id may be given again there, to another cluster: nothing that was known of it holds any more.
"""

from esx_drift.domain.shapes import Finding
from esx_drift.log import Position, build_empty_state


def restart_position(turn: Position, instance_uuid: str) -> Position:
    """The turn as a first look's, in the same log, at the vCenter that was accepted."""
    answered = turn.after["answered"]
    return Position({**build_empty_state(), "answered": answered, "instance_uuid": instance_uuid}, turn.seq)


def close_former_findings(turn: Position) -> tuple[Finding, ...]:
    """What was open on the cluster of before, closed. Its hosts go unnamed: their ids are others' now."""
    return tuple(
        {**finding, "transition": "resolved", "resolved_because": "retired", "hosts": []}
        for finding in turn.after["findings"].values()
    )
