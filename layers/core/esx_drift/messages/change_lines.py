"""Changes as headlines and lines for a person.

Longer than 250 lines, because a title and the line below it go by the same rules, side by side, and what the
one says the other leaves out.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from copy import replace
from typing import Any, Final, cast

from msgspec import Struct, field

from esx_drift.domain.images.part_words import (
    cut_tail,
    cut_tails,
    format_earlier_release,
    format_release,
    format_version,
    name_part,
    render_difference,
)
from esx_drift.domain.stored.types import Change, Coverage
from esx_drift.domain.text.wording import (
    clean_text,
    format_count,
    format_share,
    join_names,
    list_host_names,
    split_vib_key,
)

_HOST_STEPS: Final = ("joined", "checked for the first time", "moved here", "left", "added again")
"""What hosts do. One that joined unseen is read later; one that moved may have another id, too."""
_HOST_COMPARISONS: Final[Mapping[str, str]] = {
    "": "",  # known from before, or nobody has read it yet
    "alike": "",
    "unlike": ", unlike the others",
    "alone": ", never compared",
}
"""How a host that was never compared before is beside the others, and how a title says it."""
_OTHER_MACHINE: Final = "another machine under a known name"

MAX_TITLE_HOSTS: Final = 5
"""So many hosts a title names where it matters which they are."""

MAX_COMPANIONS: Final = 3
"""So many parts that came with a new release are named; more are its whole image, and counted."""


class ChangeWords(Struct, frozen=True):
    """What changes are worded with.

    Attributes:
        names: The names of hosts by id.
        coverage: How many hosts there are; None: not known.
        releases: What releases of ESXi are called, by version.
        at_least: There are more changes than the event had room for.
        counts_hosts: Hosts are counted instead of named: they are of several clusters.
        left_vibs: The orphaned VIBs that only left with their hosts, as changes name them.
    """

    names: Mapping[str, str]
    coverage: Coverage | None = None
    releases: Mapping[str, str] = field(default_factory=dict)
    at_least: bool = False
    counts_hosts: bool = False
    left_vibs: frozenset[str] = frozenset()

    def name_hosts(self, hosts: Collection[str]) -> str:
        """Name the one host; of several, say how many they are: ``all 12 hosts``, ``3 of 12 hosts``."""
        if len(hosts) == 1:
            return list_host_names([*hosts], self.names)[0]
        number = self.coverage["hosts"] if self.coverage else None
        share = f"all {len(hosts)} hosts" if len(hosts) == number else format_share(len(hosts), number)
        return f"at least {share}" if self.at_least else share

    def name_movers(self, hosts: Sequence[str]) -> str:
        """Name the one host that came or left; of several, say how many they are."""
        return self.name_hosts(hosts) if len(hosts) == 1 else format_count(len(hosts), "host")

    def name_few(self, hosts: Collection[str]) -> str:
        """Name up to ``MAX_TITLE_HOSTS`` hosts; of more, say how many they are."""
        if self.counts_hosts or len(hosts) > MAX_TITLE_HOSTS:
            return self.name_hosts(hosts)
        return ", ".join(list_host_names([*hosts], self.names))

    def list_hosts(self, hosts: Sequence[str]) -> str:
        """List the hosts by name, or count them where they are all of the cluster or of several."""
        if self.counts_hosts or (self.coverage and len(hosts) == self.coverage["hosts"] > 1):
            return self.name_hosts(hosts)
        return join_names(list_host_names(hosts, self.names))


class ChangeLine(Struct, frozen=True):
    """One thing that changed.

    Attributes:
        short: What a title says of it: without what vendors write behind their versions.
        long: What a list says of it.
        hosts: The ids of its hosts.
        is_host: It is about the hosts themselves, not about what they run.
        is_critical: It leads.
        rest: What a list says of it below a title that has said ``short``; empty: nothing is left to say.
        link: What stands in a title between ``short`` and the hosts.
    """

    short: str
    long: str
    hosts: tuple[str, ...]
    is_host: bool = False
    is_critical: bool = False
    rest: str = ""
    link: str = "on"


def list_change_lines(changes: Sequence[Change], words: ChangeWords) -> list[ChangeLine]:
    """List a line for each thing that changed, the worst first.

    A VIB replaced by another version of itself is one line, and so is a new release with all its parts.

    Args:
        changes: The changes.
        words: What they are worded with.
    """
    pairs = _pair_replaced_vibs(changes)
    release = _find_whole_release(changes)
    single = {id(change) for pair in pairs for change in pair}
    single |= {id(change) for change in release} if release else set()
    lines = [_build_line(change, words) for change in changes if id(change) not in single]
    lines += [_build_replacement(old, new) for old, new in pairs]
    if release:
        lines.insert(0, _build_release_line(release, words))
    merged = _merge_host_lines(lines)
    return sorted(merged, key=lambda line: (not line.is_critical, line.is_host))


def render_change_lines(changes: Sequence[Change], words: ChangeWords) -> list[str]:
    """Render what ``list_change_lines`` lists of ``changes``, with the hosts as ``words`` has them."""
    return [render_change_line(line, words) for line in list_change_lines(changes, words)]


def render_change_line(line: ChangeLine, words: ChangeWords) -> str:
    """Render a ``line`` of a list: what changed, and on which hosts; ``words`` has their names."""
    return f"{line.long} · {words.list_hosts(line.hosts)}" if line.hosts else line.long


def render_change_title(lines: Sequence[ChangeLine], words: ChangeWords, *, names_few: bool = False) -> str:
    """Render ``Intel-i40en 2.7.2.0 → 2.9.2.0 and 2 more changes on esx07``, ``esx12 joined``.

    Args:
        lines: What changed, the worst first; at least one.
        words: What it is worded with.
        names_few: Whether a few hosts are named instead of counted.
    """
    software = [line for line in lines if not line.is_host]
    parts = []
    if software:
        hosts = dict.fromkeys(host for line in software for host in line.hosts)
        more = f" and {format_count(len(software) - 1, 'more change')}" if len(software) > 1 else ""
        link = "on" if len(software) > 1 else software[0].link
        named = words.name_few(hosts) if names_few else words.name_hosts(hosts)
        where = f" {link} {named}" if hosts else ""
        parts.append(f"{software[0].short}{more}{where}")
    parts += [f"{words.name_movers(line.hosts)} {line.short}" for line in lines if line.is_host]
    return ", ".join(parts)


def list_rest_lines(lines: Sequence[ChangeLine], words: ChangeWords) -> list[str]:
    """List what is left to say below the title that ``render_change_title`` makes of the same ``lines``.

    A title that names the one host of all lines leaves the name out of them, as ``words`` has it.
    """
    is_one_change = sum(not line.is_host for line in lines) == 1
    everywhere = {host for line in lines for host in line.hosts}
    rest = []
    for line in lines:
        text = line.rest if line.is_host or is_one_change else line.long
        listed = words.list_hosts(line.hosts)
        says_where = words.counts_hosts or len(everywhere) == 1
        if not line.hosts or (says_where and everywhere.issubset(line.hosts)):
            rest += [text] if text else []
        elif text:
            rest.append(f"{text} · {listed}")
        elif listed != words.name_hosts(line.hosts):
            rest.append(f"On {listed}")
    return rest


def _merge_host_lines(lines: Iterable[ChangeLine]) -> list[ChangeLine]:
    """Merge those of one text: each host that came or left is a change of its own."""
    merged: dict[tuple[str, bool], ChangeLine] = {}
    for line in lines:
        known = merged.get((line.long, line.is_host))
        hosts = line.hosts if known is None else tuple(dict.fromkeys((*known.hosts, *line.hosts)))
        is_critical = line.is_critical or (known is not None and known.is_critical)
        merged[line.long, line.is_host] = replace(line, hosts=hosts, is_critical=is_critical)
    return [*merged.values()]


def _build_line(change: Change, words: ChangeWords) -> ChangeLine:
    hosts, is_critical = tuple(change["hosts"]), change["severity"] == "critical"
    if change["element"] == "host":
        return _build_host_line(change, words)
    if change["element"] == "orphaned_vib":
        return _build_vib_line(change, words)
    short, long = (
        render_difference(change, words.releases, in_title=True),
        render_difference(change, words.releases, in_title=False),
    )
    return ChangeLine(short, long, hosts, is_critical=is_critical, rest="" if short == long else long)


def _find_whole_release(changes: Sequence[Change]) -> list[Change]:
    """Find a new base image and the parts that came with it on the same hosts, if these are many."""
    bases = [change for change in changes if change["element"] == "base_image"]
    if len(bases) != 1 or bases[0]["alternative_image"]:
        return []
    base, hosts = bases[0], set(bases[0]["hosts"])
    with_it = [
        change
        for change in changes
        if change["element"] == "component"
        and change["severity"] in {"info", base["severity"], "warning"}
        and not change["alternative_image"]
        and hosts.issuperset(change["hosts"])
    ]
    return [base, *with_it] if len(with_it) > MAX_COMPANIONS else []


def _build_release_line(release: Sequence[Change], words: ChangeWords) -> ChangeLine:
    base = release[0]
    short = render_difference(base, words.releases, in_title=True)
    companions = f"{len(release) - 1} components with it"
    long = f"{short}, {companions}"
    is_critical = base["severity"] == "critical"
    return ChangeLine(short, long, tuple(base["hosts"]), is_critical=is_critical, rest=companions)


def _build_vib_line(change: Change, words: ChangeWords) -> ChangeLine:
    name, version = split_vib_key(change["key"])
    full = " ".join(filter(None, (name, version)))
    cut = " ".join(filter(None, (name, cut_tail(version))))
    verb, title_verb, link = _choose_vib_verbs(change, words)
    return ChangeLine(
        f"VIB {cut} {title_verb}",
        f"VIB {full} {verb}",
        tuple(change["hosts"]),
        is_critical=change["severity"] == "critical",
        rest="" if full == cut else full,
        link=link,
    )


def _choose_vib_verbs(change: Change, words: ChangeWords) -> tuple[str, str, str]:
    """Choose the verb of a line, and that of a title with what links it to the hosts."""
    if change["kind"] == "removed" and change["key"] in words.left_vibs:
        return "left with its host", "left", "with"
    if change["kind"] == "removed":
        return "gone", "gone", "from"
    return ("came with its host", "came", "with") if change["detail"] else ("appeared", "appeared", "on")


def _pair_replaced_vibs(changes: Sequence[Change]) -> list[tuple[Change, Change]]:
    """Pair VIBs gone and appeared by the same name on the same hosts, one of each: the old, the new."""
    by_name: dict[tuple[str, tuple[str, ...]], list[Change]] = defaultdict(list)
    for change in changes:
        if change["element"] == "orphaned_vib":
            by_name[split_vib_key(change["key"])[0], tuple(change["hosts"])].append(change)
    groups = (sorted(group, key=lambda change: change["kind"]) for group in by_name.values())
    kinds = ["added", "removed"]
    return [(group[1], group[0]) for group in groups if [change["kind"] for change in group] == kinds]


def _build_replacement(old: Change, new: Change) -> ChangeLine:
    name, version = split_vib_key(old["key"])
    newer = split_vib_key(new["key"])[1]
    short, long = " → ".join(cut_tails(version, newer)), f"{version} → {newer}"
    is_critical = new["severity"] == "critical"
    return ChangeLine(
        f"VIB {name} {short}",
        f"VIB {name} {long}",
        tuple(new["hosts"]),
        is_critical=is_critical,
        rest="" if short == long else f"{name} {long}",
    )


def is_unlike_others(change: Change) -> bool:
    """Tell whether a change is of a host that was never compared before, and no other here runs the same."""
    return change["element"] == "host" and _find_host_comparison(change) in {"unlike", "alone"}


def is_read_at_last(change: Change) -> bool:
    """Tell whether a change says no more than that a host was checked for the first time."""
    is_read = change["element"] == "host" and _find_host_step(change) == "checked for the first time"
    return is_read and not is_replaced_host(change)


def is_replaced_host(change: Change) -> bool:
    """Tell whether a change is of a host that has a known name and is, by its UUID, another machine."""
    return change["element"] == "host" and "other_machine" in (change["detail"] or {})


def _find_host_step(change: Change) -> str:
    detail = change["detail"] or {}
    if change["kind"] == "removed":
        return "left"
    if "moved_from" in detail:
        return "moved here"
    if change["kind"] == "changed":
        return "added again"
    return "checked for the first time" if "was_unseen" in detail else "joined"


def _find_host_comparison(change: Change) -> str:
    detail = change["detail"] or {}
    if "compared_with" not in detail:
        return ""
    if not detail["compared_with"]:
        # A version before this one said so of a host that nobody had read yet, too.
        return "" if change["severity"] == "info" else "alone"
    return "unlike" if detail["differences"] else "alike"


def _build_host_line(change: Change, words: ChangeWords) -> ChangeLine:
    detail = cast("dict[str, Any]", change["detail"] or {})
    step, comparison = _find_host_step(change), _find_host_comparison(change)
    origin = f" from {clean_text(detail['moved_from']['name'])}" if step == "moved here" else ""
    rest = [*_list_new_names(change, words.names)]
    if comparison in {"unlike", "alone"} and step != "checked for the first time":
        rest.append("never compared before")
    rest += [_render_comparison(detail, comparison, words.releases)] if comparison else []
    beginning = "New host" if step == "joined" and comparison else f"Host {step}{origin}"
    other = ""
    if is_replaced_host(change):
        other = f", {_OTHER_MACHINE}"
        beginning = _OTHER_MACHINE.capitalize() if step == "joined" else f"{beginning}{other}"
    said = ", ".join(rest).removeprefix("and ")
    said = f"its id: {said.removeprefix('id ')}" if said.startswith("id ") else said
    return ChangeLine(
        f"{step}{origin}{other}{_HOST_COMPARISONS[comparison]}",
        ", ".join((beginning, *rest)),
        tuple(change["hosts"]),
        is_host=True,
        rest=f"{said[0].upper()}{said[1:]}" if said else "",
    )


def _list_new_names(change: Change, names: Mapping[str, str]) -> Iterator[str]:
    if change["kind"] == "changed":
        yield f"id {format_version(change['from'])} → {format_version(change['to'])}"
        old, new = (clean_text(names.get(change[side] or "", "")) for side in ("from", "to"))
        if change["from"] in names and change["to"] in names and old != new:
            yield f"called {old} before"


def _render_comparison(detail: Mapping[str, Any], comparison: str, releases: Mapping[str, str]) -> str:
    """What sets a host apart that was never compared with anything."""
    if comparison == "alone":
        return "and there is nothing to compare it with"
    number = detail["compared_with"]
    others = format_count(number, "other host")
    if comparison == "alike":
        return f"runs what {others} here {'runs' if number == 1 else 'run'}"
    parts = [_render_difference(difference, releases) for difference in detail["differences"]]
    parts += [f"{detail['more']} more"] if detail["more"] else []
    return f"unlike {others}: {', '.join(parts)}"


def _render_difference(difference: Mapping[str, Any], releases: Mapping[str, str]) -> str:
    theirs, own = difference["from"], difference["to"]
    if difference["element"] == "base_image" and own and theirs:
        return f"{format_release(own, releases)} instead of {format_release(theirs, releases)}"
    element = name_part(difference["element"], difference["key"])
    if own is None:
        return f"no {element}"
    if theirs is None or theirs == own:
        return f"{element} {format_version(own)}{'' if theirs is None else ' with other content'}"
    return f"{element} {format_version(own)} instead of {format_version(theirs)}"


def render_accepted(
    differences: Sequence[Mapping[str, Any]],
    total: int,
    words: ChangeWords,
    *,
    says_from: bool = False,
    is_least: bool = False,
) -> str:
    """Render what was accepted: ``Intel-i40en 2.9.2.0 and 2 more changes on esx07``.

    Args:
        differences: What hosts have otherwise than it was accepted before; at least one.
        total: How many differences there are, listed or not.
        words: What they are worded with.
        says_from: Whether the version before is said as well.
        is_least: Whether there may be more than ``total``.
    """
    first = differences[0]
    hosts = dict.fromkeys(host for difference in differences for host in difference["hosts"])
    more = (
        f" and {'at least ' if is_least else ''}{format_count(total - 1, 'more change')}" if total > 1 else ""
    )
    more = " and maybe more changes" if is_least and not more else more
    named = _name_difference(first, words) if says_from else _name_accepted(first, words)
    return f"{named}{more} on {words.name_hosts(hosts)}"


def _name_difference(difference: Mapping[str, Any], words: ChangeWords) -> str:
    """Name what differs with the version before: ``Intel-i40en 2.7.2.0 → 2.9.2.0``."""
    old, new = difference.get("from"), difference["to"]
    named = _name_accepted(difference, words)
    if not old or not new or old == new:
        return named
    if difference["element"] == "base_image":
        return f"{named} from {format_earlier_release(format_release(old, words.releases), named)}"
    versions = " → ".join(cut_tails(format_version(old), format_version(new)))
    return f"{name_part(difference['element'], difference['key'])} {versions}"


def _name_accepted(difference: Mapping[str, Any], words: ChangeWords) -> str:
    version = difference["to"]
    if difference["element"] == "base_image" and version is not None:
        return format_release(version, words.releases)
    element = name_part(difference["element"], difference["key"])
    return f"{element} removed" if version is None else f"{element} {format_version(cut_tail(version))}"
