"""One story for each element of a software image, and for each way in which hosts come and go."""

from tests.simulator import fault_kinds as kinds
from tests.simulator.catalogue import ORPHANED_VIBS
from tests.simulator.model import VCenter
from tests.simulator.scenario import PROD_A, PROD_A_HOSTS, Scenario

_NEW_I40EN = "2.9.2.0-1OEM.800.1.0.20613240"
_OLD_I40EN = "1.8.6.0-1OEM.700.1.0.15843807"
_ORPHAN, _TOOL = ORPHANED_VIBS[:2]
_NEWER_TOOL = "mft(4.26.1.101-0)"


def _tool_upgraded(vcenter: VCenter) -> None:
    vcenter.hosts.remove_orphaned_vib("esx01", _TOOL)
    vcenter.hosts.add_orphaned_vib("esx01", _NEWER_TOOL)


def _re_added(vcenter: VCenter) -> None:
    vcenter.inventory.re_add_host("esx04")
    vcenter.hosts.set_component("esx04", "Intel-i40en", _NEW_I40EN)


def _renamed(vcenter: VCenter) -> None:
    vcenter.inventory.re_add_host("esx04", "esx09")
    vcenter.hosts.set_component("esx09", "Intel-i40en", _OLD_I40EN)


def _replaced(vcenter: VCenter) -> None:
    software = vcenter.inventory.host("esx04").software
    vcenter.inventory.remove_host("esx04")
    vcenter.inventory.add_host(PROD_A, "esx04", software, "4c4c4544-0042-3510-8052-b3c04f4b4e32")
    vcenter.hosts.uninstall_component("esx04", "Intel-i40en")


def _without_uuids(vcenter: VCenter) -> None:
    vcenter.faults.inject("POST */RetrievePropertiesEx", kinds.fault_of_vim())


def _with_one_uuid(vcenter: VCenter) -> None:
    for host in vcenter.inventory.hosts.values():
        host.host_uuid = "03000200-0400-0500-0006-000700080009"


def _moved_changed(vcenter: VCenter) -> None:
    vcenter.hosts.move("esx04", "prod-b")
    vcenter.hosts.set_component("esx04", "Intel-i40en", _OLD_I40EN)


def _joined_unlike_others(vcenter: VCenter) -> None:
    vcenter.inventory.add_host(PROD_A, "esx08", vcenter.inventory.host("esx01").software)
    vcenter.hosts.uninstall_component("esx08", "Intel-i40en")


def _joined_unread(vcenter: VCenter) -> None:
    _joined_unlike_others(vcenter)
    vcenter.hosts.fail_extraction("esx08")


def _with_tool(vcenter: VCenter) -> None:
    vcenter.hosts.add_orphaned_vib("esx01", _TOOL)
    vcenter.extract_all()


def _with_firmware(vcenter: VCenter) -> None:
    vcenter.hosts.set_hardware_support(PROD_A_HOSTS, "2024.09.00.00")
    vcenter.extract_all()


def _version_9(vcenter: VCenter) -> None:
    vcenter.version = "9.0.2"
    vcenter.hosts.upgrade(PROD_A_HOSTS, "9.0.2")
    vcenter.extract_all()


ELEMENTS = (
    Scenario(
        "base-image",
        "One host gets another ESXi base image, and nothing else.",
        ("base_image",),
        (lambda vcenter: vcenter.hosts.set_base_image("esx01", "8.0 U3e"),),
    ),
    Scenario(
        "base-image-downgraded",
        "One host goes back to an older ESXi base image.",
        ("base_image",),
        (lambda vcenter: vcenter.hosts.set_base_image("esx01", "8.0 U3"),),
    ),
    Scenario(
        "add-on",
        "One host gets another version of HPE's add-on.",
        ("add_on",),
        (lambda vcenter: vcenter.hosts.set_add_on("esx02", "803.0.0.11.8.0-6"),),
    ),
    Scenario(
        "add-on-removed",
        "One host loses its add-on.",
        ("add_on",),
        (lambda vcenter: vcenter.hosts.set_add_on("esx02", None),),
    ),
    Scenario(
        "component",
        "One driver is updated by hand on one host.",
        ("component",),
        (lambda vcenter: vcenter.hosts.set_component("esx03", "Intel-i40en", _NEW_I40EN),),
    ),
    Scenario(
        "component-removed",
        "One driver disappears from one host.",
        ("component",),
        (lambda vcenter: vcenter.hosts.uninstall_component("esx03", "Intel-igbn"),),
    ),
    Scenario(
        "solution",
        "Every host of a cluster gets a newer vSphere with Tanzu.",
        ("solution",),
        (lambda vcenter: vcenter.hosts.set_solution(PROD_A_HOSTS, "0.1.12-24280767"),),
    ),
    Scenario(
        "hardware-support-package",
        "Firmware of every host of a cluster is updated by its hardware support manager.",
        ("hardware_support_package",),
        (lambda vcenter: vcenter.hosts.set_hardware_support(PROD_A_HOSTS, "2024.11.00.00"),),
        preparation=_with_firmware,
    ),
    Scenario(
        "removed-component",
        "A component of the add-on is marked as removed.",
        ("removed_component",),
        (lambda vcenter: vcenter.hosts.set_removed_component(PROD_A_HOSTS, "HPE-hpv2-hpsa-plugin"),),
    ),
    Scenario(
        "alternative-image",
        "The image of a cluster on vSphere 9 gets an alternative image for another hardware model.",
        ("alternative_image",),
        (lambda vcenter: vcenter.hosts.set_alternative_image(PROD_A_HOSTS, "alternative-r760", "9.0.2"),),
        preparation=_version_9,
    ),
    Scenario(
        "host",
        "A host joins the cluster.",
        ("host",),
        (
            lambda vcenter: vcenter.inventory.add_host(
                PROD_A, "esx08", vcenter.inventory.host("esx01").software
            ),
        ),
    ),
    Scenario(
        "host-left",
        "A host is taken out of the cluster.",
        ("host",),
        (lambda vcenter: vcenter.inventory.remove_host("esx04"),),
    ),
    Scenario(
        "host-re-added",
        "A host is taken out, and comes back under a new id with another driver.",
        ("host", "component"),
        (_re_added,),
    ),
    Scenario(
        "host-renamed",
        "A host is taken out and comes back under another name and id, with an older driver.",
        ("host", "component"),
        (_renamed,),
    ),
    Scenario(
        "host-replaced",
        "A host is taken out, and another machine comes under its name, without a driver.",
        ("host",),
        (_replaced,),
    ),
    Scenario(
        "uuids-refused",
        "The account may not read hosts' hardware; one comes back under another name and id.",
        ("host",),
        (_renamed,),
        preparation=_without_uuids,
    ),
    Scenario(
        "uuids-shared",
        "The firmware of all hosts says the same of them; one comes back under another name and id.",
        ("host",),
        (_renamed,),
        preparation=_with_one_uuid,
    ),
    Scenario(
        "host-moved",
        "A host moves to the other cluster under its id.",
        ("host",),
        (lambda vcenter: vcenter.hosts.move("esx04", "prod-b"),),
    ),
    Scenario(
        "host-moved-changed",
        "A host moves to the other cluster, with an older driver on the way.",
        ("host", "component"),
        (_moved_changed,),
    ),
    Scenario(
        "host-unlike-others",
        "A host joins that nobody knows, without a driver that all others have.",
        ("host", "image-not-uniform"),
        (_joined_unlike_others,),
    ),
    Scenario(
        "host-read-at-last",
        "A host joins without a driver that all others have, and can't be read before the next look.",
        ("host", "host-failed", "image-not-uniform"),
        (_joined_unread, lambda vcenter: vcenter.hosts.fail_extraction("esx08", None)),
    ),
    Scenario(
        "orphaned-vib",
        "A VIB that belongs to no component appears on two hosts.",
        ("orphaned_vib", "orphaned-vib"),
        (lambda vcenter: vcenter.hosts.add_orphaned_vib(["esx02", "esx03"], _ORPHAN),),
    ),
    Scenario(
        "orphaned-vib-upgraded",
        "A known orphaned VIB, there at the first look, is upgraded.",
        ("orphaned_vib", "orphaned-vib"),
        (_tool_upgraded,),
        preparation=_with_tool,
    ),
)
