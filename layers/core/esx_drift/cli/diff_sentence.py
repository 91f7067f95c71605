"""A comparison in one sentence, for the first line."""

from collections import defaultdict
from collections.abc import Iterator

from esx_drift.cli.comparison import Comparison
from esx_drift.domain.images.labels import release_of
from esx_drift.domain.judging.uniformity import Group, groups_of
from esx_drift.domain.shapes import Change
from esx_drift.domain.telling.wording import clean, counted, listed, named, vib

MAX_NAMES = 3
_ONLY = {"base_image": "ESXi", "add_on": "add-on"}
_NOUNS = {
    "solution": "solution",
    "hardware_support_package": "firmware of",
    "removed_component": "removed component",
    "alternative_image": "alternative image",
}
_HOST_VERBS = {"added": "joined", "removed": "left", "changed": "was added again"}


def sentence_of(compared: Comparison) -> str:
    """What changed, then how the cluster stands."""
    told = [*_software(compared), *_hosts(compared), *_vibs(compared)]
    nothing = "nothing changed but descriptions" if compared.changes else "nothing changed"
    said = "; ".join([*(told or [nothing]), *_stand(compared), *_unread(compared)])
    return f"{said[0].upper()}{said[1:]}."


def _share(compared: Comparison, hosts: set[str]) -> str:
    total = compared.current.coverage["hosts"]
    return f"{len(hosts)} of {counted(total, 'host')}"


def _software(compared: Comparison) -> Iterator[str]:
    """The move from release to release if all changes come with one, else the one change, or how many."""
    told = [change for change in compared.changes if change["kind"] != "relabelled"]
    software = [change for change in told if change["element"] not in {"host", "orphaned_vib"}]
    hosts = {host for change in software for host in change["hosts"]}
    moves = _moves(compared, hosts)
    if len(moves) == 1 and next(iter(moves.values())) == hosts:
        old, new = next(iter(moves))
        product, _, short = new.partition(" ")
        kinds = {change["kind"] for change in software if change["key"] == "base_image"}
        verb = "went back" if kinds == {"downgraded"} else "moved"
        yield f"{_share(compared, hosts)} {verb} from {old} to {short if old.startswith(product) else new}"
    elif len(software) == 1:
        yield f"{_share(compared, hosts)} changed: {_step(software[0])}"
    elif software:
        yield f"{_share(compared, hosts)} changed in {len(software)} ways"


def _moves(compared: Comparison, hosts: set[str]) -> dict[tuple[str, str], set[str]]:
    """Who went from which release to which."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for host in hosts:
        old, new = _release(compared, "baseline", host), _release(compared, "current", host)
        if old and new and old != new:
            found[old, new].add(host)
    return found


def _release(compared: Comparison, side: str, host: str) -> str | None:
    snapshot = (compared.baseline if side == "baseline" else compared.current).snapshot
    known = snapshot["hosts"].get(host)
    if known is None or known["image"] is None:
        return None
    return clean(release_of(snapshot["images"][known["image"]], snapshot["labels"]))


def _step(change: Change) -> str:
    name = f"{_NOUNS.get(change['element'], '')} {clean(change['key'])}".strip()
    name = _ONLY.get(change["element"], name)
    if change["kind"] in {"added", "removed"} or change["from"] == change["to"]:
        return f"{name} {change['kind']}"
    old, new = clean(change["from"] or "no version"), clean(change["to"] or "no version")
    return f"{name} {change['kind']} from {old} to {new}"


def _hosts(compared: Comparison) -> Iterator[str]:
    for kind, verb in _HOST_VERBS.items():
        hosts = [
            change["key"]
            for change in compared.changes
            if change["element"] == "host" and change["kind"] == kind
        ]
        if hosts:
            one = len(hosts) == 1
            names = _listed(compared, hosts)
            yield f"{'host' if one else 'hosts'} {names} {verb if one else verb.replace('was', 'were')}"


def _vibs(compared: Comparison) -> Iterator[str]:
    for kind, verb in (("added", "appeared on"), ("removed", "is gone from")):
        found = [
            change
            for change in compared.changes
            if change["element"] == "orphaned_vib" and change["kind"] == kind
        ]
        if len(found) == 1:
            name, version = vib(found[0]["key"])
            yield (
                f"orphaned VIB {name} {version}".rstrip() + f" {verb} {_listed(compared, found[0]['hosts'])}"
            )
        elif found:
            hosts = {host for change in found for host in change["hosts"]}
            plural = verb.replace("is", "are")
            yield f"{len(found)} orphaned VIBs {plural} {counted(len(hosts), 'host')}"


def _unread(compared: Comparison) -> Iterator[str]:
    coverage = compared.current.coverage
    unread = coverage["hosts"] - coverage["covered"]
    if unread:
        yield f"{unread} of {counted(coverage['hosts'], 'host')} could not be compared"


def _stand(compared: Comparison) -> Iterator[str]:
    """Who is alone now, or that nobody is any more."""
    before, after = _groups(compared, "baseline"), _groups(compared, "current")
    if len(after) == 1:
        hosts = len(after[0].hosts)
        if len(before) > 1 and hosts > 1:
            yield f"all {hosts} now run the same software"
        return
    lonely = {group.hosts for group in before if len(group.hosts) == 1}
    odd = [group.hosts for group in after[1:] if len(group.hosts) == 1 and group.hosts not in lonely]
    if len(odd) != 1 or len(after[0].hosts) == 1:
        if after:
            yield f"hosts run {len(after)} different images"
        return
    release = _release(compared, "current", odd[0][0])
    others = {_release(compared, "current", group.hosts[0]) for group in after if group.hosts != odd[0]}
    where = "of its image" if release in others else f"on {release}"
    yield f"{_listed(compared, list(odd[0]))} is now the only one {where}"


def _groups(compared: Comparison, side: str) -> list[Group]:
    of = compared.baseline if side == "baseline" else compared.current
    ordinary = {host: image for host, image in of.report.runs.items() if host not in of.report.witnesses}
    return groups_of(of.report.images, ordinary) if ordinary else []


def _listed(compared: Comparison, hosts: list[str]) -> str:
    return listed(named(hosts, compared.names), MAX_NAMES)
