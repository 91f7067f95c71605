from tests.simulator import VCenter
from tests.simulator.conftest import Client, images
from tests.simulator.model import LIST_CLUSTERS, READ_SETTINGS, READ_TASKS

CLUSTERS, HOSTS = "/api/vcenter/cluster", "/api/vcenter/host"


def _names(listed: list[dict[str, str]]) -> list[str]:
    return [item["name"] for item in listed]


def test_lists_are_filtered_by_what_is_asked_for(client: Client) -> None:
    """Values of a filter are alternatives, filters must all hold."""
    assert _names(client.get(CLUSTERS)) == ["prod-a", "prod-b"]
    assert _names(client.get(CLUSTERS, {"names": ["prod-b", "other"]})) == ["prod-b"]
    assert client.get(CLUSTERS, {"folders": "group-h5", "datacenters": "datacenter-4"}) == []
    assert _names(client.get(HOSTS, {"clusters": "domain-c1008"})) == ["esx05", "esx06", "esx07"]
    assert len(client.get(HOSTS, {"clusters": ["domain-c9", "domain-c1008"]})) == 7
    assert _names(client.get("/api/vcenter/datacenter")) == ["DC-Nuremberg"]
    assert client.get("/api/vcenter/folder")[0]["type"] == "HOST"


def test_an_unknown_filter_is_an_invalid_argument(client: Client) -> None:
    """So that a misspelt one does not list everything."""
    assert client.call("GET", HOSTS, {"cluster": "domain-c9"}).status_code == 400


def test_hosts_are_listed_with_their_states(vcenter: VCenter, client: Client) -> None:
    """Standalone ones too; the hardware's UUID only since 9.0."""
    vcenter.hosts.disconnect("esx01", "DISCONNECTED")
    alone = vcenter.inventory.add_host(None, "lab")
    assert client.get(HOSTS, {"connection_states": "DISCONNECTED"}) == [
        {"host": "host-16", "name": "esx01", "connection_state": "DISCONNECTED"}
    ]
    assert [item["host"] for item in client.get(HOSTS, {"standalone": "true"})] == [alone]
    vcenter.version = "9.0.2"
    assert "host_uuid" in client.get(HOSTS)[0]


def test_more_than_a_list_can_hold_is_a_500_that_no_retry_helps_against(
    vcenter: VCenter, client: Client
) -> None:
    """There is no paging."""
    vcenter.host_cap, vcenter.cluster_cap = 6, 1
    for path in (CLUSTERS, HOSTS):
        reply = client.call("GET", path)
        assert reply.status_code == 500
        assert reply.json() == {"error_type": "UNABLE_TO_ALLOCATE_RESOURCE", "messages": []}


def test_a_lost_permission_makes_lists_shorter_without_an_error(vcenter: VCenter, client: Client) -> None:
    """And calls about what is hidden answer 403."""
    vcenter.inventory.hide_cluster("prod-a")
    assert _names(client.get(CLUSTERS)) == ["prod-b"]
    assert len(client.get(HOSTS)) == 3
    assert client.call("GET", images()).status_code == 403
    vcenter.revoke(LIST_CLUSTERS)
    assert client.get(CLUSTERS) == []
    assert client.get(HOSTS) == []


def test_a_missing_privilege_is_a_403_on_what_needs_it(vcenter: VCenter, client: Client) -> None:
    """With the real body."""
    task = client.extract().json()
    vcenter.revoke(READ_SETTINGS, READ_TASKS)
    enablement = "/api/esx/settings/clusters/domain-c9/enablement/software"
    for path in (images(), f"/api/cis/tasks/{task}", enablement):
        reply = client.call("GET", path)
        assert (reply.status_code, reply.json()["error_type"]) == (403, "UNAUTHORIZED")
    assert client.extract().status_code == 403
    vcenter.grant_all()
    assert client.get(enablement) == {"enabled": True}


def test_an_older_vcenter_knows_no_report(vcenter: VCenter, client: Client) -> None:
    """It answers as for any unknown route."""
    vcenter.version = "8.0.2"
    for reply in (client.call("GET", images()), client.extract(), client.call("GET", "/api/nothing")):
        assert reply.status_code == 404
        assert reply.json()["messages"][0]["id"] == "com.vmware.vapi.rest.httpNotFound"


def test_hosts_come_go_and_return_under_a_new_id(vcenter: VCenter, client: Client) -> None:
    """The name and the hardware stay the host's."""
    before = vcenter.inventory.host("esx01").host_uuid
    new = vcenter.inventory.re_add_host("esx01")
    assert {"host": new, "name": "esx01"}.items() <= client.get(HOSTS, {"names": "esx01"})[0].items()
    assert vcenter.inventory.host(new).host_uuid == before
    vcenter.inventory.remove_host(new)
    assert client.get(HOSTS, {"names": "esx01"}) == []


def test_a_replaced_vcenter_has_another_identity_and_knows_nobody(vcenter: VCenter, client: Client) -> None:
    """Its ids are the same, and nothing was extracted."""
    before = vcenter.instance_uuid
    vcenter.replace()
    assert client.call("GET", CLUSTERS).status_code == 401
    client.login()
    assert _names(client.get(CLUSTERS)) == ["prod-a", "prod-b"]
    assert vcenter.instance_uuid != before
    assert client.call("GET", images()).status_code == 404
