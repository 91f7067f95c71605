"""Clusters of every shape that the API allows, with names made to harm."""

from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from tests.unit.domain.changes.clusters import ClusterModel, HostModel, Wire

HOSTILE = [
    "Intel-i40en",
    "'single' and \"double\"",
    "root['a'].b",
    "__private",
    "a.b[0]",
    "host-9",
    "host-16",
    "component:x",
    "\u202ereversed",
    "ключ-\U0001f600",
    "line\nbreak\\n",
    "",
    "x" * 300,
    "None",
    "0" * 300,
]
texts = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(codec="utf-8"), max_size=4))
ids = st.one_of(st.sampled_from(HOSTILE), st.integers(1, 30).map("host-{}".format))
versions = st.one_of(
    st.builds("{}.{}-{}{}".format, st.integers(0, 20), st.integers(0, 20), st.integers(1, 9), st.just("vmw")),
    st.sampled_from(["8.0.3-0.35.24280767", "8.0.3-0.70.24674464", "803.24280767-A02", "", "1.0", "1-0"]),
    texts,
)


def _optional(**fields: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    """Absent, null, or there."""
    return {name: st.none() | values for name, values in fields.items()}


details = st.fixed_dictionaries(
    {"display_name": texts, "vendor": texts}, optional=_optional(display_version=texts)
)
components = st.dictionaries(
    texts,
    st.fixed_dictionaries({}, optional=_optional(version=versions, details=details)),
    max_size=4,
)
_named = st.fixed_dictionaries({"component": texts})
_described = st.fixed_dictionaries(
    {"component": texts, "display_name": texts, "vendor": texts}, optional=_optional(display_version=texts)
)
solutions = st.dictionaries(
    texts,
    st.fixed_dictionaries(
        {"version": versions, "components": st.lists(_named, max_size=3)},
        optional=_optional(
            details=st.fixed_dictionaries(
                {
                    "display_name": texts,
                    "display_version": texts,
                    "components": st.lists(_described, max_size=2),
                }
            )
        ),
    ),
    max_size=2,
)
base_images = st.fixed_dictionaries(
    {"version": versions},
    optional=_optional(
        details=st.fixed_dictionaries(
            {
                "display_name": texts,
                "display_version": texts,
                "release_date": st.just("2025-04-10T00:00:00.000Z"),
            },
            optional=_optional(quick_patch_compatible_versions=st.dictionaries(texts, texts, max_size=2)),
        )
    ),
)
add_ons = st.fixed_dictionaries(
    {"name": texts, "version": versions},
    optional=_optional(
        details=st.fixed_dictionaries({"display_name": texts, "vendor": texts, "display_version": texts})
    ),
)
hardware_support = st.fixed_dictionaries(
    {
        "packages": st.dictionaries(
            texts, st.fixed_dictionaries({"pkg": texts, "version": versions}), max_size=2
        )
    }
)
_sets = st.lists(texts, unique=True, max_size=3)
_hardware = st.fixed_dictionaries(
    {"vendor": texts}, optional=_optional(models=_sets, families=_sets, oem_strings=_sets)
)
criteria = st.one_of(
    st.fixed_dictionaries({"selection_type": st.just("HOST_UUID"), "host_uuids": _sets}),
    st.fixed_dictionaries({"selection_type": st.just("HOST_HARDWARE_SPEC"), "host_hardware_spec": _hardware}),
    st.just({"selection_type": "UNKNOWN"}),
    st.just({"selection_type": "OF_A_LATER_RELEASE"}),
)
_required = {"base_image": base_images, "components": components, "solutions": solutions}
_further = _optional(add_on=add_ons, hardware_support=hardware_support, removed_components=components)
alternatives = st.fixed_dictionaries(
    {**_required, "display_name": texts, "selection_criteria": criteria}, optional=_further
)
software: st.SearchStrategy[Wire] = st.fixed_dictionaries(
    _required,
    optional={**_further, **_optional(alternative_images=st.dictionaries(texts, alternatives, max_size=2))},
)


@st.composite
def clusters(draw: st.DrawFn, *, covered: bool = False) -> ClusterModel:
    """Up to five hosts on up to three images; ``covered``: all of them were read."""
    images = draw(st.lists(software, min_size=1, max_size=3))
    hosts = draw(st.lists(ids, unique=True, max_size=5))
    vibs = st.frozensets(texts, max_size=2)
    read = hosts if covered else hosts[: draw(st.integers(0, len(hosts)))]
    rest = hosts[len(read) :]
    return ClusterModel(
        {
            host: HostModel(f"esx-{number}", draw(st.sampled_from(images)), draw(vibs), draw(st.booleans()))
            for number, host in enumerate(read)
        },
        failed={host: f"dead-{number}" for number, host in enumerate(rest) if number % 2 == 0},
        unsupported={host: f"old-{number}" for number, host in enumerate(rest) if number % 2},
    )


@st.composite
def pairs(draw: st.DrawFn, *, covered: bool = False) -> tuple[ClusterModel, ClusterModel]:
    """Two states of a cluster, which share hosts and images as often as not."""
    before, other = draw(clusters(covered=covered)), draw(clusters(covered=covered))
    after = other.copy()
    for host, model in before.hosts.items():
        if host in after.hosts or draw(st.booleans()):
            for unread in (after.failed, after.unsupported):
                unread.pop(host, None)
            software_now = draw(
                st.sampled_from([model.software, *(m.software for m in other.hosts.values())])
            )
            after.hosts[host] = HostModel(model.name, software_now, model.vibs, model.witness)
    return before, after


def _reworded(draw: st.DrawFn, image: Wire) -> Wire:
    """The image, each of its parts described in one of few ways or not at all, and perhaps upgraded."""
    found = deepcopy(image)
    scopes = [found, *(found.get("alternative_images") or {}).values()]
    for scope in scopes:
        parts = [scope["base_image"], scope.get("add_on"), *scope["components"].values()]
        parts += [*(scope.get("removed_components") or {}).values(), *scope["solutions"].values()]
        for part in filter(None, parts):
            name = draw(st.sampled_from(["one", "two", None]))
            said = {"display_name": name, "vendor": "x", "display_version": "1"}
            dated = {"release_date": "2025-04-10T00:00:00.000Z", "components": []}
            part["details"] = None if name is None else said | dated
    for alternative in scopes[1:]:
        alternative["display_name"] = draw(st.sampled_from(["one", "two"]))
    if draw(st.integers(0, 3)) == 0:
        found["base_image"]["version"] = "9.9"
    return found


@st.composite
def looks(draw: st.DrawFn) -> list[ClusterModel]:
    """Three looks at up to four hosts on one image in different words; not every host is read each time."""
    image = draw(software)
    names = {f"host-{number}": f"esx-{number}" for number in range(1, draw(st.integers(1, 4)) + 1)}
    wordings = [_reworded(draw, image) for _ in range(3)]
    found = []
    for _ in range(3):
        read = draw(st.sets(st.sampled_from(sorted(names)), min_size=1))
        hosts = {host: HostModel(names[host], draw(st.sampled_from(wordings))) for host in sorted(read)}
        unread = {host: name for host, name in names.items() if host not in read}
        found.append(ClusterModel(hosts, failed=unread))
    return found
