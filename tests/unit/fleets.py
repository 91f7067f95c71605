"""Fleet documents that are valid, for tests to break and to compare."""

from typing import Any

from hypothesis import strategies as st

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
PATTERNS = st.lists(
    st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=8),
    min_size=1,
    max_size=3,
    unique=True,
)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "extract": st.booleans(),
        "confirm_after_seconds": st.integers(1, 100),
        "blind_after_seconds": st.integers(601, 10_000),
        "stall_after_seconds": st.integers(1, 10_000),
        "max_age_seconds": st.integers(1, 10_000),
        "first_delay_seconds": st.integers(10, 100),
        "extract_deadline_seconds": st.integers(101, 10_000),
    },
)


def fleet(**parts: object) -> dict[str, Any]:
    """The smallest fleet of two vCenters, with whatever else is given."""
    return {"schema_version": 1, "vcenters": [{"name": "vc01"}, {"name": "vc02"}], **parts}


@st.composite
def fleets(draw: st.DrawFn) -> dict[str, Any]:
    """Valid fleet documents: unique names, scopes that name vCenters of the file, times in order."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    clusters = st.fixed_dictionaries({}, optional={"include": PATTERNS, "exclude": PATTERNS.map(_some)})
    scope = {"vcenters": st.lists(st.sampled_from(names), min_size=1, unique=True), "clusters": PATTERNS}

    def listed(required: dict[str, Any], optional: dict[str, Any]) -> list[dict[str, Any]]:
        chosen = draw(st.lists(NAMES, max_size=3, unique=True))
        return [
            {"name": name, **required, **draw(st.fixed_dictionaries({}, optional=optional))}
            for name in chosen
        ]

    return {
        "schema_version": 1,
        "settings": draw(SETTINGS),
        "vcenters": [{"name": name, **draw(SETTINGS), "clusters": draw(clusters)} for name in names],
        "routes": listed(
            {}, {**scope, "secret": NAMES, "min_severity": st.sampled_from(["info", "critical"])}
        ),
        "ignore": listed({"reason": "known", "keys": ["mft(*)"]}, {**scope, "hosts": PATTERNS}),
        "maintenance": listed(
            {"reason": "CHG-1", "from": "2026-12-05T20:00:00+01:00", "to": "2026-12-05T20:00:00Z"}, scope
        ),
    }


def _some(patterns: list[str]) -> list[str]:
    return [pattern for pattern in patterns if pattern != "*"]
