"""Software with true-to-life names and versions, of which hosts are made."""

from tests.simulator.releases import RELEASES
from tests.simulator.wire_software import (
    AddOn,
    AlternativeImage,
    BaseImage,
    Component,
    HardwareSupport,
    ImageSelection,
    Software,
    Solution,
)

_INBOX = {
    "Broadcom-bnxt-Net-RoCE": ("216.0.0.0-1vmw.803.0.0.24022510", "Broadcom"),
    "Broadcom-lsi-mr3": ("7.728.02.00-1vmw.803.0.0.24022510", "Broadcom"),
    "Broadcom-ntg3": ("4.1.14.0-4vmw.803.0.0.24022510", "Broadcom"),
    "Cisco-nenic": ("1.0.35.0-7vmw.803.0.0.24022510", "Cisco"),
    "Cisco-nfnic": ("4.0.0.87-1vmw.803.0.0.24022510", "Cisco"),
    "Intel-i40en": ("2.7.2.0-1OEM.800.1.0.20613240", "Intel"),
    "Intel-igbn": ("1.11.2.0-3vmw.803.0.0.24022510", "Intel"),
    "Intel-ixgben": ("1.15.1.0-1vmw.803.0.0.24022510", "Intel"),
    "Intel-ne1000": ("0.9.2-1vmw.803.0.0.24022510", "Intel"),
    "Intel-NVMe-Vol-Mgmt-Dev-Plugin": ("2.0.0-3vmw.803.0.0.24022510", "Intel"),
    "Intel-Volume-Mgmt-Device": ("3.0.0.1038-2vmw.803.0.0.24022510", "Intel"),
    "MRVL-E4-CNA-Driver-Bundle": ("5.0.305.0-1OEM.800.1.0.20613240", "Marvell"),
    "MRVL-QLogic-FC": ("5.4.82.0-1OEM.800.1.0.20613240", "Marvell"),
    "Mellanox-nmlx5": ("4.23.6.2-25vmw.803.0.0.24022510", "Mellanox"),
    "Microchip-smartpqi": ("80.4495.0.5000-7vmw.803.0.0.24022510", "Microchip"),
    "VMware-NVMe-PCIe": ("1.2.4.14-1vmw.803.0.0.24022510", "VMware"),
    "VMware-ahci": ("2.0.17-1vmw.803.0.0.24022510", "VMware"),
    "VMware-icen": ("1.13.2.0-1vmw.803.0.0.24022510", "VMware"),
}
ORPHANED_VIBS = (
    "smntemp(910.1.0.0005-5vmw.803.0.0.24022510)",
    "mft(4.25.0.802-0)",
    "ilorest(800.5.0.0.0.2-21495797)",
    "amsdv(701.11.6.0.3-1OEM.701.0.0.16850804)",
    "sut(800.5.0.0.11-1OEM.800.1.0.20613240)",
    "ssacli2(6.30.8.0-8.0.0.20143090.oem)",
    "Synology-ESX-syno-nfs-vaai-plugin(2.0-1109)",
)
SOLUTION_ID = "com.vmware.vsphere-wcp"
HARDWARE_SUPPORT_MANAGER = "com.hpe.oneview4vcenter"


def component(name: str, version: str, vendor: str | None = None) -> Component:
    """A component as the depot describes it; the display version is the part before the dash."""
    return {
        "version": version,
        "details": {
            "display_name": f"{name.replace('-', ' ')} driver",
            "vendor": vendor or name.partition("-")[0],
            "display_version": version.partition("-")[0],
        },
    }


def base_image(release: str) -> BaseImage:
    """The base image of one of RELEASES."""
    known = RELEASES[release]
    return {
        "version": known.version,
        "details": {
            "display_name": "ESXi",
            "display_version": known.display_version,
            "release_date": known.release_date,
        },
    }


def inbox(release: str) -> dict[str, Component]:
    """The components that differ from release to release."""
    known = RELEASES[release]
    return {
        "VMware-VM-Tools": component("VMware-VM-Tools", known.vm_tools),
        "Broadcom-ELX-lpfc": component("Broadcom-ELX-lpfc", known.lpfc),
    }


def components(release: str, count: int) -> dict[str, Component]:
    """`count` components: the release's own, then well-known drivers, then numbered OEM agents."""
    found = inbox(release) | {name: component(name, *what) for name, what in _INBOX.items()}
    for number in range(len(found), count):
        name = f"OEM-agent-{number:03}"
        found[name] = component(name, f"8.{number % 7}.{number}.0-1OEM.800.1.0.20613240", "OEM")
    return dict(list(found.items())[:count])


def add_on(vendor: str, version: str) -> AddOn:
    """HPE's or Dell's add-on, in the given version."""
    name, maker = {
        "hpe": ("HPE-Custom-AddOn", "Hewlett Packard Enterprise"),
        "dell": ("DEL-ESXi", "Dell Inc."),
    }[vendor]
    return {
        "name": name,
        "version": version,
        "details": {"display_name": f"{name} for ESXi", "vendor": maker, "display_version": version},
    }


def solution(version: str, *parts: str) -> Solution:
    """A solution of the named components (by default what vSphere with Tanzu installs)."""
    names = parts or ("VMware-Spherelet", "VMware-NSX-datapath")
    return {
        "version": version,
        "components": [{"component": name} for name in names],
        "details": {
            "display_name": "vSphere with Tanzu",
            "display_version": version,
            "components": [
                {"component": name, "display_name": name, "vendor": "VMware", "display_version": version}
                for name in names
            ],
        },
    }


def hardware_support(version: str) -> HardwareSupport:
    """One firmware package of HPE's hardware support manager; both names are plausible, not proven."""
    package = "Service Pack for ProLiant Gen10"
    return {"packages": {HARDWARE_SUPPORT_MANAGER: {"pkg": package, "version": version}}}


def alternative_image(release: str, selection: ImageSelection | None = None) -> AlternativeImage:
    """Another image for some of the cluster's hosts, by default for one hardware model."""
    by_model: ImageSelection = {
        "selection_type": "HOST_HARDWARE_SPEC",
        "host_hardware_spec": {"vendor": "Dell Inc.", "models": ["PowerEdge R760"]},
    }
    return {
        "base_image": base_image(release),
        "components": inbox(release),
        "solutions": {},
        "display_name": "For the R760 hosts",
        "selection_criteria": selection or by_model,
    }


def software(release: str = "8.0 U3b", vendor: str = "hpe", component_count: int = 22) -> Software:
    """What a healthy host of this vendor runs."""
    version = {"hpe": "803.0.0.11.7.0-23", "dell": "803.24280767-A02"}[vendor]
    return {
        "base_image": base_image(release),
        "add_on": add_on(vendor, version),
        "components": components(release, component_count),
        "solutions": {SOLUTION_ID: solution("0.1.11-24022510")},
        "removed_components": {"HPE-nhpsa": {}} if vendor == "hpe" else {},
    }
