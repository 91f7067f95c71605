"""Which cluster a person means by a name or an id, by what the vCenters' own logs know."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from esx_drift.cli.options import StackOptions
from esx_drift.cli.terminal import fail
from esx_drift.domain.fleet.fleet import Fleet
from esx_drift.domain.stored.types import KnownCluster
from esx_drift.domain.text.wording import clean_text, join_names


@dataclass(frozen=True, slots=True)
class ClusterRef:
    """A cluster, or with the id ``@vcenter`` a vCenter, that a command is about."""

    vcenter: str
    cluster: str
    name: str

    def render(self) -> str:
        """Its name, id and vCenter, in words."""
        return f"{clean_text(self.name)} ({self.cluster}) on {self.vcenter}"


@dataclass(frozen=True, slots=True)
class ClusterFinder:
    """Finds clusters among those that were ever listed; ends the command where it can't.

    ``read_clusters`` reads those of a vCenter, by id.
    """

    options: StackOptions
    fleet: Fleet
    read_clusters: Callable[[str], Mapping[str, KnownCluster]]

    def find(self, cluster: str, vcenter: str | None) -> ClusterRef:
        """Find the one cluster of that name or id; end the command if there is none, or more than one.

        Args:
            cluster: Its name or id.
            vcenter: The vCenter to look in; none for all of the fleet file.
        """
        known = [
            ClusterRef(name, cluster_id, entry["name"])
            for name in self.select_vcenters(vcenter)
            for cluster_id, entry in self.read_clusters(name).items()
        ]
        matches = [ref for ref in known if cluster in {ref.cluster, ref.name, f"{ref.vcenter}/{ref.name}"}]
        if not matches:
            self._fail_unknown(cluster, vcenter, known)
        if len(matches) > 1:
            which = join_names([match.render() for match in matches])
            fail(f"{cluster} may be {which}.\nSay which: by --vcenter NAME, or by its id.")
        return matches[0]

    def select_vcenters(self, vcenter: str | None) -> list[str]:
        """Select that vCenter of the fleet file, or all where ``vcenter`` is none."""
        all_names = [watched.name for watched in self.fleet.vcenters]
        if vcenter is None:
            return all_names
        if vcenter not in all_names:
            nearest = describe_nearest(vcenter, all_names)
            fail(f"the fleet file has no vCenter called {vcenter}{nearest}\nIt has {join_names(all_names)}.")
        return [vcenter]

    def _fail_unknown(self, cluster: str, vcenter: str | None, known: list[ClusterRef]) -> None:
        all_of = join_names(self.select_vcenters(vcenter))
        nearest = describe_nearest(cluster, (name for ref in known for name in (ref.name, ref.cluster)))
        show = self.options.name_command("status")
        fail(f"no cluster called {cluster} was ever listed by {all_of}{nearest}\n{show} shows all.")


def describe_nearest(wanted: str, known: Iterable[str]) -> str:
    """Describe which of the ``known`` names is nearest to the one ``wanted``; nothing if none is near."""
    by_folded = {name.casefold(): name for name in known}
    near = get_close_matches(wanted.casefold(), by_folded, n=1)
    return f": did you mean {clean_text(by_folded[near[0]])}?" if near else ""
