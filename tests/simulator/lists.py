"""Lists of clusters, hosts, datacenters and folders: their filters and their caps; there is no paging."""

from collections.abc import Callable, Iterable

from tests.simulator.errors import invalid_argument, too_many
from tests.simulator.inventory import Cluster, Host
from tests.simulator.model import LIST_CLUSTERS, VCenter
from tests.simulator.reply import Request

type Listed = list[dict[str, object]]
_COMMON_CAP = 1000
HOST_UUID = "hardware.systemInfo.uuid"
"""The one property that is simulated."""


def clusters(vcenter: VCenter, request: Request) -> Listed:
    """Clusters that the account may see; a lost permission makes them fewer, not an error."""
    _known(request, "names", "clusters", "folders", "datacenters")
    found = [
        cluster
        for cluster in vcenter.inventory.clusters.values()
        if _sees(vcenter, cluster)
        and _chosen(request, names=cluster.name, clusters=cluster.cluster)
        and _chosen(request, folders=cluster.folder, datacenters=cluster.datacenter)
    ]
    return _capped(vcenter.cluster_cap, (_cluster(cluster) for cluster in found))


def hosts(vcenter: VCenter, request: Request) -> Listed:
    """Hosts that the account may see."""
    known = ("names", "hosts", "clusters", "folders", "datacenters", "standalone", "connection_states")
    _known(request, *known, "host_uuids")
    found = [host for host in vcenter.inventory.hosts.values() if _is_asked(vcenter, request, host)]
    is_9 = vcenter.version.startswith("9.")
    return _capped(vcenter.host_cap, (_host(host, with_uuid=is_9) for host in found))


def datacenters(vcenter: VCenter, request: Request) -> Listed:
    """Datacenters, by default the one that every cluster is in."""
    _known(request, "names", "datacenters", "folders")
    found = [(key, name) for key, name in vcenter.datacenters.items() if LIST_CLUSTERS in vcenter.privileges]
    chosen = [pair for pair in found if _chosen(request, datacenters=pair[0], names=pair[1])]
    return _capped(_COMMON_CAP, ({"datacenter": key, "name": _escape(name)} for key, name in chosen))


def folders(vcenter: VCenter, request: Request) -> Listed:
    """Host folders; others are not simulated."""
    _known(request, "names", "folders", "datacenters", "parent_folders", "type")
    found = [(key, name) for key, name in vcenter.folders.items() if LIST_CLUSTERS in vcenter.privileges]
    chosen = [pair for pair in found if _chosen(request, folders=pair[0], names=pair[1], type="HOST")]
    return _capped(
        _COMMON_CAP, ({"folder": key, "name": _escape(name), "type": "HOST"} for key, name in chosen)
    )


LISTS: dict[str, Callable[[VCenter, Request], Listed]] = {
    "cluster": clusters,
    "host": hosts,
    "datacenter": datacenters,
    "folder": folders,
}


def properties(vcenter: VCenter, hosts: Iterable[str]) -> Listed:
    """Each of the hosts that is there, as an ObjectContent of the VI/JSON API with the host's UUID.

    A host that is not connected has none; of what the account may not read it is said that it is missing.
    """
    there = (vcenter.inventory.hosts[host] for host in hosts if host in vcenter.inventory.hosts)
    return [_content(vcenter, host) for host in there if not host.hidden]


def _content(vcenter: VCenter, host: Host) -> dict[str, object]:
    reference = {"_typeName": "ManagedObjectReference", "type": "HostSystem", "value": host.host}
    content: dict[str, object] = {"_typeName": "ObjectContent", "obj": reference}
    home = vcenter.inventory.clusters.get(host.cluster or "")
    if LIST_CLUSTERS not in vcenter.privileges or (home is not None and home.hidden):
        fault = {"_typeName": "NoPermission", "privilegeId": LIST_CLUSTERS}
        localized = {"_typeName": "LocalizedMethodFault", "fault": fault, "localizedMessage": ""}
        missing = {"_typeName": "MissingProperty", "path": HOST_UUID, "fault": localized}
        return content | {"missingSet": [missing]}
    if host.connection_state != "CONNECTED":
        return content
    boxed = {"_typeName": "string", "_value": host.host_uuid}
    return content | {"propSet": [{"_typeName": "DynamicProperty", "name": HOST_UUID, "val": boxed}]}


def _is_asked(vcenter: VCenter, request: Request, host: Host) -> bool:
    home = vcenter.inventory.clusters.get(host.cluster or "")
    if home is None:
        seen, where = LIST_CLUSTERS in vcenter.privileges, {"clusters": ""}
    else:
        seen = _sees(vcenter, home)
        where = {"clusters": home.cluster, "folders": home.folder, "datacenters": home.datacenter}
    itself = {"names": host.name, "hosts": host.host, "host_uuids": host.host_uuid}
    standalone = "true" if home is None else "false"
    return (
        seen
        and not host.hidden
        and _chosen(request, **where, **itself)
        and _chosen(request, standalone=standalone, connection_states=host.connection_state)
    )


def _escape(name: str) -> str:
    """The name as vSphere gives it: with these three characters escaped."""
    return name.replace("%", "%25").replace("/", "%2f").replace("\\", "%5c")


def _cluster(cluster: Cluster) -> dict[str, object]:
    return {
        "cluster": cluster.cluster,
        "name": _escape(cluster.name),
        "ha_enabled": cluster.ha_enabled,
        "drs_enabled": cluster.drs_enabled,
    }


def _host(host: Host, *, with_uuid: bool) -> dict[str, object]:
    found: dict[str, object] = {
        "host": host.host,
        "name": _escape(host.name),
        "connection_state": host.connection_state,
    }
    if host.power_state is not None:
        found["power_state"] = host.power_state
    return found | ({"host_uuid": host.host_uuid} if with_uuid else {})


def _sees(vcenter: VCenter, cluster: Cluster) -> bool:
    return LIST_CLUSTERS in vcenter.privileges and not cluster.hidden


def _chosen(request: Request, **values: str) -> bool:
    """Whether each filter that the request gives names this object's value."""
    return all(value in request.query.get(name, [value]) for name, value in values.items())


def _known(request: Request, *names: str) -> None:
    for name in request.query:
        if name not in names:
            raise invalid_argument(name)


def _capped(cap: int, found: Iterable[dict[str, object]]) -> Listed:
    listed = list(found)
    if len(listed) > cap:
        raise too_many()
    return listed
