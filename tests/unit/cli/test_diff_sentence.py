"""The text of a comparison, its first sentence above all: whoever reads only that must not miss anything."""

from typing import TYPE_CHECKING, Any, cast

import pytest
from esx_drift.cli.comparison import compare_documents, read_both
from esx_drift.cli.diff import print_comparison
from esx_drift.cli.diff_moves import render_names, shorten_release
from esx_drift.cli.diff_sentence import render_sentence
from hypothesis import given

from tests.unit.domain.changes.clusters import ClusterModel, HostModel, Wire, document_of
from tests.unit.domain.changes.sample import component, software
from tests.unit.domain.changes.strategies import pairs
from tests.unit.examples import try_examples

if TYPE_CHECKING:
    from esx_drift.domain.images.document import Document

VERSIONS = {
    "": "8.0.0-1.0.20513097",
    "U2": "8.0.2-0.0.22380479",
    "U3b": "8.0.3-0.35.24280767",
    "U3c": "8.0.3-0.55.24414501",
    "U3d": "8.0.3-0.60.24585383",
    "U3e": "8.0.3-0.70.24674464",
}
VIB = "smntemp(910.1.0.0005-5vmw.803.0.0.24022510)"


def on(release: str, **versions: str) -> Wire:
    """An image of this release of ESXi 8.0 ("": the first one), and the versions of some components."""
    image = software()
    display = f"8.0 {release} - {VERSIONS[release].rpartition('.')[2]}"
    image["base_image"]["version"] = VERSIONS[release]
    image["base_image"]["details"]["display_version"] = display
    image["components"] |= {name: component(version) for name, version in versions.items()}
    return image


def numbered(*groups: tuple[int, Wire]) -> dict[str, HostModel]:
    """So many hosts on each of these images: esx01, esx02 and so on."""
    images = [image for count, image in groups for _ in range(count)]
    return {f"host-{number}": HostModel(f"esx{number:02}", image) for number, image in enumerate(images, 1)}


def sentence(before: ClusterModel, after: ClusterModel, **more: Any) -> str:  # noqa: ANN401 -- any field of a document
    """The sentence for two looks at a cluster; ``more`` is put into the newer document."""
    documents = [document_of(before), document_of(after) | more]
    return render_sentence(
        compare_documents(*read_both(*(cast("Document", document) for document in documents)))
    )


D, E = on("U3d"), on("U3e")
OLD = on("U3d", lpfc="14.2")
FEW = on("U3d", one="1", two="1", three="1", four="1")
FEWER = on("U3d", one="0", two="0", three="0", four="0")
TWELVE = (12, D)
CASES: dict[str, tuple[list[tuple[int, Wire]], list[tuple[int, Wire]], str]] = {
    "the last one left behind": (
        [(3, D), (3, E), (1, on("U3c")), (5, E)],
        [(6, E), (1, on("U3c")), (5, E)],
        "3 of 12 hosts moved from ESXi 8.0 U3d to 8.0 U3e; esx07 is now the only one on U3c.",
    ),
    "alone before, and others move on": (
        [(6, D), (1, on("U3c")), (5, D)],
        [(3, E), (3, D), (1, on("U3c")), (5, D)],
        "3 of 12 hosts moved from ESXi 8.0 U3d to 8.0 U3e; esx07 is now the only one on U3c.",
    ),
    "two left alone": (
        [(8, D), (2, on("U3c")), (2, on("U3b"))],
        [(8, D), (1, D), (1, on("U3c")), (1, D), (1, on("U3b"))],
        (
            "2 of 12 hosts moved to ESXi 8.0 U3d: 1 from U3b, 1 from U3c;"
            " esx10 is now the only one on U3c, esx12 on U3b."
        ),
    ),
    "the first release is named whole, though its display version has two blanks": (
        [(11, on("")), (1, on("U2"))],
        [(3, on("U3d")), (8, on("")), (1, on("U2"))],
        "3 of 12 hosts moved from ESXi 8.0 to 8.0 U3d; esx12 is now the only one on 8.0 U2.",
    ),
    "another release beside the first one": (
        [(2, on("")), (10, D)],
        [(1, on("")), (1, on("U2")), (10, D)],
        ("1 of 12 hosts moved from ESXi 8.0 to 8.0 U2; esx01 is now the only one on 8.0, esx02 on 8.0 U2."),
    ),
    "from the first release and a later one": (
        [(10, on("")), (2, on("U2"))],
        [TWELVE],
        "12 of 12 hosts moved to ESXi 8.0 U3d: 10 from 8.0, 2 from 8.0 U2; all 12 now run the same software.",
    ),
    "some stay on a release beside the first one": (
        [(3, on("")), (9, on("U2"))],
        [(3, on("U2")), (4, D), (5, on("U2"))],
        (
            "4 of 12 hosts moved from ESXi 8.0 U2 to 8.0 U3d; 3 moved from ESXi 8.0 to 8.0 U2;"
            " 5 hosts are still on 8.0 U2."
        ),
    ),
    "a rollout in part": (
        [TWELVE],
        [(5, E), (7, D)],
        "5 of 12 hosts moved from ESXi 8.0 U3d to 8.0 U3e; 7 hosts are still on U3d.",
    ),
    "two ways to one release": (
        [(11, D), (1, on("U3b"))],
        [(12, E)],
        "12 of 12 hosts moved to ESXi 8.0 U3e: 11 from U3d, 1 from U3b; all 12 now run the same software.",
    ),
    "some forth and some back": (
        [(4, D), (2, E), (6, E)],
        [(4, E), (2, D), (6, E)],
        (
            "2 of 12 hosts went back from ESXi 8.0 U3e to 8.0 U3d; 4 moved from ESXi 8.0 U3d to 8.0 U3e;"
            " the hosts now run 2 different images."
        ),
    ),
    "a downgrade beside an upgrade": (
        [(8, D), (4, on("U3d", lpfc="14.4"))],
        [(3, E), (5, D), (1, OLD), (3, on("U3d", lpfc="14.4"))],
        (
            "Critical: lpfc downgraded from 14.4 to 14.2 on esx09;"
            " 3 of 12 hosts moved from ESXi 8.0 U3d to 8.0 U3e;"
            " esx09 now differs from the others in component lpfc."
        ),
    ),
    "a downgrade inside an upgrade": (
        [(12, on("U3d", lpfc="14.4"))],
        [(12, on("U3e", lpfc="14.2"))],
        (
            "Critical: lpfc downgraded from 14.4 to 14.2 on esx01, esx02, esx03 and 9 more;"
            " 12 of 12 hosts moved from ESXi 8.0 U3d to 8.0 U3e."
        ),
    ),
    "what goes back with a release is part of it": (
        [(3, on("U3e", lpfc="14.4"))],
        [(3, on("U3d", lpfc="14.2"))],
        "3 of 3 hosts went back from ESXi 8.0 U3e to 8.0 U3d.",
    ),
    "many downgrades": (
        [(3, FEW)],
        [(3, FEWER)],
        "Critical: four, one, three and 1 more downgraded on 3 hosts.",
    ),
    "another part on a host that did not move": (
        [TWELVE],
        [(3, E), (8, D), (1, on("U3d", mft="4.25"))],
        (
            "3 of 12 hosts moved from ESXi 8.0 U3d to 8.0 U3e; mft added on esx12;"
            " esx12 now differs from the others in component mft."
        ),
    ),
    "several parts in several ways": (
        [(3, on("U3d", one="1", two="1"))],
        [(2, on("U3d", one="2", three="1")), (1, on("U3d", one="1", two="1"))],
        "2 of 3 hosts changed: one, three, two; esx03 now differs from the others in 3 parts.",
    ),
    "one of those that moved is odd": (
        [TWELVE],
        [(3, E), (1, on("U3e", mft="4.25")), (8, D)],
        (
            "4 of 12 hosts moved from ESXi 8.0 U3d to 8.0 U3e;"
            " esx04 now differs from the others on U3e in component mft."
        ),
    ),
    "two odd ones": (
        [(6, D)],
        [(4, D), (1, on("U3d", one="1")), (1, on("U3d", two="1"))],
        "2 of 6 hosts changed: one, two added; esx05, esx06 now each differ from all others.",
    ),
    "no two alike any more": (
        [(3, D)],
        [(1, D), (1, on("U3d", one="1")), (1, on("U3d", two="1"))],
        "2 of 3 hosts changed: one, two added; all 3 hosts now run different software.",
    ),
    "two hosts that differed before": (
        [(1, D), (1, E)],
        [(1, D), (1, on("U3e", one="1"))],
        "1 of 2 hosts changed: one added.",
    ),
    "many paths to many releases": (
        [(1, on("U3b")), (1, on("U3c")), (1, D), (1, D), (2, on("U3b"))],
        [(1, on("U3c")), (1, D), (1, on("U3b")), (1, E), (2, E)],
        (
            "1 of 6 hosts went back from ESXi 8.0 U3d to 8.0 U3b; 2 moved from ESXi 8.0 U3b to 8.0 U3e;"
            " 1 moved from ESXi 8.0 U3b to 8.0 U3c; 2 more hosts moved between other releases;"
            " esx01 is now the only one on U3c, esx02 on U3d, esx03 on U3b."
        ),
    ),
    "a host that was odd before stays so without a word": (
        [(3, D), (1, on("U3c")), (1, on("U3d", one="1"))],
        [(3, on("U3d", two="2")), (1, on("U3c")), (1, on("U3d", one="1"))],
        "3 of 5 hosts changed: two added.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_sentence_says_what_happened_and_how_the_cluster_stands(case: str) -> None:
    """Releases where hosts moved, whatever is critical, and who is alone now."""
    before, after, said = CASES[case]
    assert sentence(ClusterModel(numbered(*before)), ClusterModel(numbered(*after))) == said


def test_an_orphaned_vib_comes_first() -> None:
    """Whatever else happened."""
    after = numbered((3, E), (9, D))
    after["host-9"].vibs = frozenset({VIB})
    assert sentence(ClusterModel(numbered(TWELVE)), ClusterModel(after)).startswith(
        "Orphaned VIB smntemp 910.1.0.0005-5vmw.803.0.0.24022510 appeared on esx09; 3 of 12 hosts moved from"
    )


def test_an_orphaned_vib_on_a_host_that_was_not_read_is_told() -> None:
    """It is no change, since the host was not compared, and yet the worst there is."""
    hosts = numbered((3, D))
    before = ClusterModel(hosts)
    after = ClusterModel(dict(list(hosts.items())[:2]), failed={"host-3": "esx03"})
    assert sentence(before, after, orphaned_vibs={VIB: ["host-3"]}) == (
        "Orphaned VIB smntemp 910.1.0.0005-5vmw.803.0.0.24022510 is reported on esx03;"
        " 1 of 3 hosts could not be compared (esx03)."
    )


def test_what_only_the_newer_document_shows_could_not_be_compared() -> None:
    """A host that BASELINE knows by name only; four of them are too many to name."""
    hosts = numbered((6, D))
    part = ClusterModel(dict(list(hosts.items())[:2]), failed={host: hosts[host].name for host in hosts})
    part.failed = dict(list(part.failed.items())[2:])
    assert sentence(part, ClusterModel(hosts)) == "Nothing changed; 4 of 6 hosts could not be compared."


CRITICAL = ("orphaned vib", "downgraded", "went back")


@try_examples(150)
@given(pairs())
def test_whatever_is_critical_is_in_the_sentence(pair: tuple[ClusterModel, ClusterModel]) -> None:
    """For any two documents, whatever their hosts and parts are called; and it is one line."""
    sides = read_both(*(cast("Document", document_of(cluster)) for cluster in pair))
    compared = compare_documents(*sides)
    said = render_sentence(compared)
    assert said.isprintable()
    assert said.endswith(".")
    worst = {change["element"] for change in compared.changes if change["severity"] == "critical"}
    assert not worst or any(word in said.lower() for word in CRITICAL)
    assert "orphaned_vib" not in worst or "rphaned VIB" in said[: len("99 orphaned VIBs")]


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (("esx01.corp", "esx02.corp"), "esx01, esx02"),
        (("esx01.corp", "esx02.other"), "esx01.corp, esx02.other"),
        (("esx01.corp", "esx01.corp"), "esx01.corp, esx01.corp"),
        (("10.1.2.3", "11.1.2.3"), "10.1.2.3, 11.1.2.3"),
        (("esx01", "esx02"), "esx01, esx02"),
    ],
)
def test_a_domain_that_all_hosts_have_is_left_out(names: tuple[str, str], shown: str) -> None:
    """Nobody needs it twelve times in a line; but names stay names, and addresses whole."""
    before, after = numbered((2, D)), numbered((2, E))
    for hosts in (before, after):
        for model, name in zip(hosts.values(), names, strict=True):
            model.name = name
    sides = [cast("Document", document_of(ClusterModel(hosts))) for hosts in (before, after)]
    assert render_names(["host-1", "host-2"], compare_documents(*read_both(*sides))) == shown


def test_what_is_only_described_otherwise_is_named_with_its_hosts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Five of it; a host of which something else is told than its name stays as it is called."""
    components = {f"part-{number}": "1" for number in range(5)}
    before, after = numbered((2, on("U3d", **components))), numbered((2, on("U3d", **components)))
    after["host-2"].witness = True
    for name in components:
        after["host-1"].software["components"][name]["details"]["vendor"] = "Other"
    sides = [cast("Document", document_of(ClusterModel(hosts))) for hosts in (before, after)]
    print_comparison(compare_documents(*read_both(*sides)))
    assert (
        "Only described otherwise: host esx02; component part-0 on all 2; component part-1 on all 2;"
        " component part-2 on all 2; component part-3 on all 2; and 1 more\n"
    ) in capsys.readouterr().out


def test_more_than_three_that_are_alone_are_counted() -> None:
    """The table names them."""
    before = numbered((8, D))
    after = numbered((4, D), *((1, on("U3d")) for _ in range(4)))
    for number, host in enumerate(("host-5", "host-6", "host-7", "host-8")):
        after[host].software["base_image"] = {"version": f"9.{number}"}
    assert sentence(ClusterModel(before), ClusterModel(after)).endswith(
        "1 more host moved between other releases; 4 hosts are now each alone on a release."
    )
    after = numbered((1, E), (3, E))
    olds = numbered(*((1, on("U3d")) for _ in range(4)))
    for number, host in enumerate(olds):
        olds[host].software["base_image"] = {"version": f"7.{number}"}
    assert sentence(ClusterModel(olds), ClusterModel(after)).startswith(
        "4 of 4 hosts moved to ESXi 8.0 U3e: 1 from 7.0, 1 from 7.1, 1 from 7.2, 1 from others"
    )


@pytest.mark.parametrize(
    ("release", "than", "short"),
    [
        ("ESXi 8.0 U3c", "ESXi 8.0 U3e", "U3c"),
        ("ESXi 8.0 U2", "ESXi 8.0", "8.0 U2"),
        ("ESXi 8.0", "ESXi 8.0 U2", "8.0"),
        ("ESXi 9.0.2.0", "ESXi 8.0 U2", "9.0.2.0"),
    ],
)
def test_a_release_is_shortened_to_what_says_something(release: str, than: str, short: str) -> None:
    """``U2`` alone beside ``8.0`` would say nothing."""
    assert shorten_release(release, than) == short
