"""What happens to hosts: software changes, orphaned VIBs, lost connections, failing extractions."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy

from tests.simulator import catalogue
from tests.simulator.inventory import ConnectionState, Host, HostNames, Inventory, PowerState
from tests.simulator.wire import Level
from tests.simulator.wire_software import AlternativeImage, Component, Software, Solution


class HostChanges:
    """Changes to hosts of an inventory, each named by id or name (one, or a list)."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    def edit(self, hosts: HostNames, change: Callable[[Software], object]) -> None:
        """Give each host its own changed copy of its software."""
        with self._picked(hosts) as picked:
            for host in picked:
                software = deepcopy(host.software)
                change(software)
                host.software = software

    def upgrade(self, hosts: HostNames, release: str) -> None:
        """Bring the hosts to an ESXi release: base image and inbox components."""
        self.edit(hosts, lambda software: software["components"].update(catalogue.inbox(release)))
        self.set_base_image(hosts, release)

    def set_base_image(self, hosts: HostNames, release: str) -> None:
        """Change only the base image."""
        self.edit(hosts, lambda software: software.update({"base_image": catalogue.base_image(release)}))

    def set_add_on(self, hosts: HostNames, version: str | None, vendor: str = "hpe") -> None:
        """Install another add-on, or (None) take it away."""

        def change(software: Software) -> None:
            software.pop("add_on", None)
            if version is not None:
                software["add_on"] = catalogue.add_on(vendor, version)

        self.edit(hosts, change)

    def set_component(self, hosts: HostNames, name: str, version: str) -> None:
        """Install a component, or another version of it."""
        new = catalogue.component(name, version)
        self.edit(hosts, lambda software: software["components"].update({name: new}))

    def uninstall_component(self, hosts: HostNames, name: str) -> None:
        """Take a component off the hosts; KeyError if it isn't there."""
        self.edit(hosts, lambda software: software["components"].pop(name))

    def set_removed_component(self, hosts: HostNames, name: str, version: str | None = None) -> None:
        """Mark a component of the base image or add-on as removed."""
        entry: Component = {} if version is None else {"version": version}
        self.edit(hosts, lambda software: software.setdefault("removed_components", {}).update({name: entry}))

    def set_solution(self, hosts: HostNames, version: str, name: str = catalogue.SOLUTION_ID) -> None:
        """Install a solution, or another version of it."""
        new: Solution = catalogue.solution(version)
        self.edit(hosts, lambda software: software["solutions"].update({name: new}))

    def set_hardware_support(self, hosts: HostNames, version: str) -> None:
        """Install the hardware support package in this version."""
        new = catalogue.hardware_support(version)
        self.edit(hosts, lambda software: software.update({"hardware_support": new}))

    def set_alternative_image(self, hosts: HostNames, name: str, release: str) -> None:
        """Give the image that the hosts run an alternative image (vSphere 9.0)."""
        new: AlternativeImage = catalogue.alternative_image(release)
        self.edit(hosts, lambda software: software.setdefault("alternative_images", {}).update({name: new}))

    def add_orphaned_vib(self, hosts: HostNames, vib: str) -> None:
        """Install a VIB, spelt `name(version)`, that belongs to no component."""
        with self._picked(hosts) as picked:
            for host in picked:
                host.orphaned_vibs |= {vib}

    def remove_orphaned_vib(self, hosts: HostNames, vib: str) -> None:
        """Uninstall an orphaned VIB."""
        with self._picked(hosts) as picked:
            for host in picked:
                host.orphaned_vibs -= {vib}

    def disconnect(
        self, hosts: HostNames, state: ConnectionState = "NOT_RESPONDING", power: PowerState | None = None
    ) -> None:
        """Lose the hosts: their extraction fails until they are reconnected."""
        with self._picked(hosts) as picked:
            for host in picked:
                host.connection_state, host.power_state = state, power

    def reconnect(self, hosts: HostNames) -> None:
        """Bring lost hosts back."""
        self.disconnect(hosts, "CONNECTED", "POWERED_ON")

    def fail_extraction(self, hosts: HostNames, error: str | None = "The host is out of disk space.") -> None:
        """Make the hosts' extraction fail with this error (None: it works again)."""
        with self._picked(hosts) as picked:
            for host in picked:
                host.extraction_error = error

    def notify(
        self,
        hosts: HostNames,
        text: str | None = "Reading the installed software met an error.",
        message_id: str = "com.vmware.vcIntegrity.lifecycle.InstalledImages.HostError",
        level: Level = "ERROR",
    ) -> None:
        """Put a notification on the hosts into reports, whether they are read or not (None: no longer)."""
        with self._picked(hosts) as picked:
            for host in picked:
                host.notice = None if text is None else (level, text, message_id)

    def leave_out(self, hosts: HostNames, *, left_out: bool = True) -> None:
        """Leave the hosts out of reports, though they stay in the inventory."""
        with self._picked(hosts) as picked:
            for host in picked:
                host.left_out = left_out

    def hide(self, hosts: HostNames, *, hidden: bool = True) -> None:
        """Take the account's permission on the hosts away: they vanish from lists, and not from reports."""
        with self._picked(hosts) as picked:
            for host in picked:
                host.hidden = hidden

    def make_witness(self, hosts: HostNames) -> None:
        """Turn the hosts into vSAN witnesses."""
        with self._picked(hosts) as picked:
            for host in picked:
                host.is_vsan_witness = True

    def move(self, hosts: HostNames, cluster: str | None) -> None:
        """Move the hosts to another cluster (None: to none), keeping their ids."""
        home = None if cluster is None else self._inventory.cluster(cluster).cluster
        with self._picked(hosts) as picked:
            for host in picked:
                host.cluster = home

    @contextmanager
    def _picked(self, hosts: HostNames) -> Iterator[list[Host]]:
        with self._inventory.changing():
            yield self._inventory.picked(hosts)
