"""What checks have to tell, as values: true to life, hostile, and at random."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from esx_drift.domain.findings.kinds import FINDING_KINDS
from esx_drift.domain.stored.identifiers import VCENTER_LOG, make_fingerprint
from esx_drift.domain.stored.records import RecordHeading, build_empty_state, build_record
from esx_drift.domain.stored.types import Change, Event, Finding, LogState, Record
from esx_drift.domain.text.times import parse_time
from esx_drift.messages.publication import build_publishable_events
from hypothesis import strategies as st

SINCE = "2026-11-23T01:14:00.000Z"
EXTRACTED = "2026-11-23T02:13:20.000Z"
CHECKED = "2026-11-23T02:14:00.000Z"
RECORD = "s3://audit/records/vcenter=vc01/cluster=domain-c9/0000000041.json"
HOST_NAMES = {f"host-{number}": f"esx{number:02d}" for number in range(1, 13)}
VIB = "smntemp(910.1.0.0005-5vmw.803.0.0.24022510)"
HOSTILE = st.sampled_from(
    [
        "<!channel>",
        "<@U123>",
        "*bold*",
        "&lt;",
        "`code`",
        "{vcenter}",
        "\u202eevil",
        "a\nb\x00",
        "x" * 10_000,
        "",
    ]
)
TEXTS = st.one_of(HOSTILE, st.text(max_size=30))
NAMES = TEXTS.filter(bool)


def build_ended_window(**parts: object) -> dict[str, Any]:
    """Build what is told of a maintenance window that is over and hid nothing, but for these ``parts``."""
    window = {
        "name": "record 2",
        "by": "arn:aws:iam::1:user/alice",
        "reason": "CHG-2050",
        "from": "2026-11-22T22:00:00.000Z",
        "to": "2026-11-23T02:00:00.000Z",
        "changes": {},
        "findings": {},
        "still_open": [],
        "still_open_total": 0,
        "accept": False,
        "accepted": [],
        "accepted_total": 0,
    }
    return {**window, **parts}


@dataclass(frozen=True, slots=True)
class Check:
    """A record, and what else its events are made of."""

    record: Record
    address: str = RECORD
    since: str | None = SINCE
    host_names: Mapping[str, str] = field(default_factory=lambda: HOST_NAMES)


def build_events(check: Check) -> list[Event]:
    """The events as they are published."""
    return build_publishable_events(check.record, check.address, check.since, check.host_names)


def told(**parts: Any) -> Check:  # noqa: ANN401 -- any field of the record, or beside it
    """A check of prod-a on vc01 that saw 12 of 12 hosts, with whatever else is given."""
    beside = {name: parts.pop(name) for name in ("since", "host_names") if name in parts}
    cluster = parts.pop("cluster", {"id": "domain-c9", "name": "prod-a"})
    extracted_at = parts.pop("extracted_at", EXTRACTED)
    seq = parts.pop("seq", 41)
    taken = {"completion_time": extracted_at, "task_id": None, "raw_sha256": "0" * 64, "seq": 1}
    heading = {
        "vcenter": parts.pop("vcenter", "vc01"),
        "cluster": cluster["id"] if cluster else VCENTER_LOG,
        "cluster_name": cluster["name"] if cluster else None,
        "seq": seq,
        "request_id": "00000000-0000-0000-0000-000000000000",
        "run_id": None,
        "started_at": CHECKED,
        "code_version": "test",
        "fleet_sha256": "f" * 64,
    }
    after = {**build_empty_state(), "last_taken": taken if extracted_at else None}
    record = {
        **build_record(
            cast("RecordHeading", heading),
            parts.pop("outcome", "changed"),
            parse_time(CHECKED),
            cast("LogState", after),
        ),
        "coverage": {"hosts": 12, "covered": 12, "failed": 0, "unsupported": 0},
        **parts,
    }
    return Check(cast("Record", record), **beside)


def not_looked(**parts: Any) -> Check:  # noqa: ANN401 -- any field of the record, or beside it
    """A check of vc02 as a whole that saw nothing."""
    whole = {
        "vcenter": "vc02",
        "cluster": None,
        "coverage": None,
        "extracted_at": None,
        "outcome": "not-looked",
        "seq": 7,
    }
    return told(**{**whole, **parts})


def change(element: str, kind: str, key: str, **parts: object) -> Change:
    """A change on esx07, a warning."""
    plain = {"from": None, "to": None, "hosts": ["host-7"], "severity": "warning"}
    return cast(
        "Change",
        {
            **plain,
            "element": element,
            "kind": kind,
            "key": key,
            "alternative_image": None,
            "detail": None,
            **parts,
        },
    )


def finding(family: str, kind: str, subject: str, summary: str, **parts: object) -> Finding:
    """A finding that has just been opened, a warning, on no host."""
    return cast(
        "Finding",
        {
            "fingerprint": make_fingerprint(family, kind, subject),
            "family": family,
            "kind": kind,
            "subject": subject,
            "severity": "warning",
            "hosts": [],
            "opened_at": CHECKED,
            "last_seen": CHECKED,
            "transition": "opened",
            "resolved_because": None,
            "summary": summary,
            "detail": {},
            **parts,
        },
    )


SEVERITIES = st.sampled_from(["info", "warning", "critical"])
HOSTS = st.lists(st.one_of(st.sampled_from(sorted(HOST_NAMES)), NAMES), max_size=6, unique=True)
IMAGE_ELEMENTS = [
    "base_image",
    "add_on",
    "component",
    "solution",
    "hardware_support_package",
    "removed_component",
    "alternative_image",
]
TRANSITIONS = st.sampled_from(["opened", "raised", "still", "resolved"])
REASONS = st.sampled_from(["reverted", "removed", "host-left", "accepted", "recovered", "retired"])
TIMES = st.sampled_from(["2026-11-16T00:00:00.000Z", SINCE, EXTRACTED, CHECKED])
DETAILS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=6,
)


def family_of(kind: str) -> str:
    """The family of a finding's kind, by the design's table."""
    if kind in {"image-not-uniform", "drift-unreviewed"}:
        return "drift"
    return "orphaned-vib" if kind == "orphaned-vib" else "failure"


def _details_of(element: str, kind: str) -> st.SearchStrategy[Any]:
    """What a change may say beside from and to."""
    if element == "orphaned_vib":
        return st.just({"brought_along": True})
    if element != "host" or kind == "relabelled":
        return st.dictionaries(NAMES, DETAILS, max_size=3)
    version = st.one_of(st.none(), TEXTS)
    difference = {"element": st.sampled_from(IMAGE_ELEMENTS), "key": NAMES, "from": version, "to": version}
    moved = st.fixed_dictionaries({"id": NAMES, "name": TEXTS})
    new = {
        "compared_with": st.integers(0, 3),
        "differences": st.lists(st.fixed_dictionaries(difference), max_size=6),
        "more": st.integers(0, 3),
    }
    late = {"was_unseen": st.just(value=True), "moved_from": moved, "other_machine": moved}
    return st.one_of(
        st.fixed_dictionaries({"moved_from": moved}),
        st.fixed_dictionaries({"other_machine": moved}),
        st.fixed_dictionaries(new, optional=late),
    )


@st.composite
def changes(draw: st.DrawFn) -> Change:
    """Any change that its schema allows, with names from hostile hosts."""
    element = draw(st.sampled_from([*IMAGE_ELEMENTS, "host", "orphaned_vib"]))
    kinds = {"host": ["added", "removed", "changed"], "orphaned_vib": ["added", "removed"]}
    image_kinds = ["added", "removed", "upgraded", "downgraded", "changed", "relabelled"]
    kind = draw(st.sampled_from(kinds.get(element, image_kinds)))
    bare = element == "orphaned_vib" or (element == "host" and kind != "changed")
    vib = st.builds("{}({})".format, NAMES, TEXTS)
    key = element if element in {"base_image", "add_on"} else draw(st.one_of(NAMES, vib))
    return change(
        element,
        kind,
        key,
        hosts=draw(HOSTS),
        severity=draw(SEVERITIES),
        detail=draw(st.one_of(st.none(), _details_of(element, kind))),
        alternative_image=draw(st.one_of(st.none(), NAMES)) if element in IMAGE_ELEMENTS else None,
        **{
            "from": None if bare or kind == "added" else draw(TEXTS),
            "to": None if bare or kind == "removed" else draw(TEXTS),
        },
    )


@st.composite
def findings(draw: st.DrawFn) -> Finding:
    """Any finding that its schema allows, with names from hostile hosts."""
    kind = draw(st.sampled_from(sorted(FINDING_KINDS)))
    transition = draw(TRANSITIONS)
    return finding(
        family_of(kind),
        kind,
        draw(TEXTS),
        draw(NAMES),
        severity=draw(SEVERITIES),
        hosts=draw(HOSTS),
        opened_at=draw(TIMES),
        transition=transition,
        resolved_because=draw(REASONS) if transition == "resolved" else None,
        detail=draw(st.dictionaries(NAMES, DETAILS, max_size=3)),
    )


@st.composite
def tellings(draw: st.DrawFn) -> Check:
    """Anything that a check may have to tell."""
    names = draw(st.dictionaries(NAMES, TEXTS, max_size=4))
    parts: dict[str, Any] = {
        "changes": draw(st.lists(changes(), max_size=6)),
        "findings": draw(st.lists(findings(), max_size=6)),
        "host_names": HOST_NAMES | names,
        "since": draw(st.one_of(st.none(), TIMES)),
        "outcome": draw(st.sampled_from(["changed", "baseline", "unchanged"])),
    }
    if draw(st.booleans()):
        parts["cluster"] = {"id": draw(NAMES), "name": draw(TEXTS)}
    elif parts["outcome"] != "baseline" and draw(st.booleans()):
        return not_looked(**{key: value for key, value in parts.items() if key != "outcome"})
    return told(**parts)
