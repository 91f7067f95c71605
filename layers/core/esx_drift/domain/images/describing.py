"""The labels of a snapshot, and whose they are where the images don't all say the same."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain

from esx_drift.domain.images.description import Descriptions
from esx_drift.domain.images.labels import Tables, make_part_name
from esx_drift.domain.images.report import Report
from esx_drift.domain.images.sources import Listed, Remembered, Source
from esx_drift.domain.stored.identifiers import encode_canonical_json
from esx_drift.domain.stored.types import Described, KnownHost, Labels, Snapshot
from esx_drift.domain.text.versions import make_natural_key, sort_naturally


def build_labels(
    report: Report, baseline: Snapshot | None, hosts: Mapping[str, KnownHost]
) -> tuple[Labels, list[Described]]:
    """What the images of these hosts say of their parts: the report's words, else what was known."""
    covered = frozenset(hosts.keys() & report.runs.keys())
    sources = [*_listed(report, covered), *(_remembered(baseline, hosts, covered) if baseline else ())]
    tables = Tables()
    for source in sources:
        source.tell(tables)
    labels = tables.labels()
    return labels, _described(sources, tables, labels) if tables.several else []


def _listed(report: Report, covered: frozenset[str]) -> Iterator[Source]:
    """An image without a host that was seen may stand in the report all the same, and says nothing."""
    for digest in {report.runs[host] for host in covered}:
        for listing in report.listings[digest]:
            hosts = covered.intersection(chain.from_iterable(listing.host_lists))
            if hosts:
                yield Listed(hosts, listing.info)


def _remembered(
    baseline: Snapshot, hosts: Mapping[str, KnownHost], covered: Collection[str]
) -> Iterator[Source]:
    known = Descriptions(baseline)
    groups: dict[tuple[str, str], list[str]] = {}
    for host, it in hosts.items():
        if host not in covered and it["image"] is not None:
            groups.setdefault((it["image"], known.of(host).key), []).append(host)
    for (digest, _), several in groups.items():
        yield Remembered(several, baseline["images"][digest], known.of(several[0]))


def _described(sources: Sequence[Source], tables: Tables, labels: Labels) -> list[Described]:
    """The hosts by what their images say of parts that are not described alike everywhere."""
    by_host: dict[str, tuple[int, ...]] = {}
    for number, source in enumerate(sources):
        for host in source.hosts:
            by_host[host] = (*by_host.get(host, ()), number)
    told: dict[tuple[int, ...], list[str]] = {}
    for host, numbers in by_host.items():
        told.setdefault(numbers, []).append(host)
    groups: dict[bytes, Described] = {}
    for numbers, several in told.items():
        found = _own([sources[number] for number in numbers], tables, labels)
        same = groups.setdefault(encode_canonical_json([found["main"], found["alternatives"]]), found)
        same["hosts"] = sort_naturally([*same["hosts"], *several])
    own = (group for group in groups.values() if group["main"] or group["alternatives"])
    return sorted(own, key=lambda group: make_natural_key(group["hosts"][0]))


def _own(sources: Sequence[Source], tables: Tables, labels: Labels) -> Described:
    """What all of these say together of one image."""
    scopes = {name: _words(sources, name, tables, labels) for name in (None, *sources[0].alternatives)}
    main = scopes.pop(None)
    return {
        "hosts": [],
        "main": main,
        "alternatives": {str(name): words for name, words in scopes.items() if words},
    }


def _words(
    sources: Sequence[Source], alternative: str | None, tables: Tables, labels: Labels
) -> dict[str, list[int]]:
    words: dict[str, set[int]] = {}
    for (element, name), versions in tables.several.items():
        part = make_part_name(element, name)
        for source in sources:
            version, said = source.said(alternative, element, name) or ("", [])
            if said and version in versions:
                variants = labels[part][version]
                words.setdefault(part, set()).update(variants.index(label) for label in said)
    return {part: sorted(numbers) for part, numbers in words.items()}
