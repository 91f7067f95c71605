"""Every call of a session against the simulated vCenter, as it is when all is well."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from esx_drift.domain.vcenter_api import UNUSABLE_ID, is_usable_id
from esx_drift.errors import NotAuthorized, VCenterError, VCenterUnavailable, VCenterUnreachable
from esx_drift.ports import InventoryEntry, ListedCluster

from tests.simulator import VCenter, fault_kinds
from tests.simulator.faults import Fault
from tests.simulator.model import LIST_CLUSTERS
from tests.simulator.reply import Reply, json_reply
from tests.unit.adapters.vcenter.conftest import CLUSTER, Door, Pki
from tests.unit.adapters.vcenter.servers import proxy_server, raw_server
from tests.unit.adapters.vcenter.world import NOW


def test_lists_clusters_and_hosts(door: Door) -> None:
    """Listings give ids, names and states as the vCenter says them; a host in no cluster is only counted."""
    session = door.login()
    assert session.clusters() == (
        ListedCluster("domain-c9", "prod-a"),
        ListedCluster("domain-c1008", "prod-b"),
    )
    assert session.hosts(CLUSTER) == (
        InventoryEntry("host-16", "prod-a-esx01", "CONNECTED", "POWERED_ON"),
        InventoryEntry("host-17", "prod-a-esx02", "CONNECTED", "POWERED_ON"),
    )
    assert session.hosts("domain-c404") == ()
    assert session.standalone_hosts() == 1


def test_reads_the_uuids_of_hosts(door: Door, vcenter: VCenter) -> None:
    """By one call, whatever their number; of a host that is not there, or not connected, there is none."""
    vcenter.inventory.host("prod-a-esx02").connection_state = "DISCONNECTED"
    session = door.login()
    session.about()
    before = len(vcenter.journal)
    assert session.host_uuids(["host-16", "host-17", "host-404"]) == {
        "host-16": vcenter.inventory.host("host-16").host_uuid
    }
    assert session.host_uuids(["host-404"]) == {}
    (first, _) = list(vcenter.journal)[before:]
    assert (first.method, first.path) == (
        "POST",
        "/sdk/vim25/8.0.3.0/PropertyCollector/propertyCollector/RetrievePropertiesEx",
    )


def test_what_the_account_may_not_read_has_no_uuid(door: Door, vcenter: VCenter) -> None:
    """The vCenter says of each property by itself that it is missing."""
    session = door.login()
    vcenter.revoke(LIST_CLUSTERS)
    assert session.host_uuids(["host-16", "host-17"]) == {}


def test_a_list_of_vcenter_9_has_the_uuids(door: Door, vcenter: VCenter) -> None:
    """As ``host_uuid``, in whatever case; what is no UUID is none."""
    vcenter.version = "9.0.2"
    first, second = (vcenter.inventory.host(f"prod-a-esx0{number}") for number in (1, 2))
    expected, first.host_uuid, second.host_uuid = first.host_uuid, first.host_uuid.upper(), "Not Specified"
    assert [host.uuid for host in door.login().hosts(CLUSTER)] == [expected, None]


UUID = "4c4c4544-0042-3510-8052-b3c04f4b4e32"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (UUID, UUID),
        ({"_typeName": "string", "_value": UUID.upper()}, UUID),
        ({"_typeName": "string"}, None),
        (f"{{{UUID}}}", None),
        (UUID.replace("-", ""), None),
        (f"urn:uuid:{UUID}", None),
        (f" {UUID[1:]}", None),
        ("\u0664c4c4544-0042-3510-8052-b3c04f4b4e32", None),
        ("\ud83d", None),
        ("", None),
        (7, None),
        ([UUID], None),
        (None, None),
    ],
)
def test_only_a_uuid_in_its_usual_spelling_is_one(
    door: Door, vcenter: VCenter, value: object, expected: str | None
) -> None:
    """By itself or boxed, as the VI/JSON API writes a value of any type."""
    found = read_properties(door, vcenter, [{"name": "hardware.systemInfo.uuid", "val": value}])
    assert found == ({} if expected is None else {"host-16": expected})


def read_properties(door: Door, vcenter: VCenter, properties: object, host: object = "host-16") -> object:
    """What is made of a host's properties, whatever stands there."""
    content = {"obj": {"type": "HostSystem", "value": host}, "propSet": properties}
    result = {"objects": [content, {"obj": {"value": "host-17"}}, {"obj": "host-16"}, None]}
    body = json.dumps(result).encode()
    vcenter.faults.inject("POST /sdk/*", Fault("odd", instead=lambda _: Reply(200, body)))
    return door.login().host_uuids(["host-16", "host-17"])


@pytest.mark.parametrize(
    ("properties", "host"),
    [
        ([{"name": "hardware.systemInfo.uuid", "val": UUID}], "host-99"),
        ([{"name": "hardware.systemInfo.uuid", "val": UUID}], 16),
        ([{"name": "name", "val": UUID}], "host-16"),
        ([UUID, None], "host-16"),
        (UUID, "host-16"),
        (None, "host-16"),
    ],
)
def test_odd_properties_are_none(door: Door, vcenter: VCenter, properties: object, host: object) -> None:
    """Of a host that nobody asked for, of another name, or of another form: the others of the answer stay."""
    assert read_properties(door, vcenter, properties, host) == {}


@pytest.mark.parametrize("collector", ["ha-property-collector", "..", "", None, 7])
def test_the_vcenter_says_what_its_collector_is_called(
    door: Door, vcenter: VCenter, collector: object
) -> None:
    """Else, and where what it says is of no use, it is the one that every vCenter has."""
    about = {"instanceUuid": "x", "version": "8.0.3", "build": "1"}
    content = {"about": about, "propertyCollector": {"value": collector} if collector else collector}
    vcenter.faults.inject("GET /sdk/vim25/*", Fault("odd", instead=lambda _: json_reply(200, content)))
    session = door.login()
    session.about()
    with suppress(VCenterError):
        session.host_uuids(["host-16"])
    used = collector if collector == "ha-property-collector" else "propertyCollector"
    assert vcenter.journal[-1].path.split("/")[-2] == used


def test_what_got_no_answer_is_not_asked_again(door: Door, vcenter: VCenter) -> None:
    """It may hang for a minute, and a check does without; an error is an answer."""
    session = door.login()
    vcenter.faults.inject("POST /sdk/*", fault_kinds.fault_of_vim("InvalidProperty"), times=1)
    with pytest.raises(VCenterError, match="InvalidProperty"):
        session.host_uuids(["host-16"])
    vcenter.faults.inject("POST /sdk/*", fault_kinds.connection("close"))
    for _ in range(3):
        with pytest.raises(VCenterUnreachable):
            session.host_uuids(["host-16"])
    assert sum(call.status == 0 for call in vcenter.journal) == 1
    assert len(vcenter.sessions.logins) == 1


def test_a_session_that_is_not_known_there_is_no_reason_to_log_in(door: Door, vcenter: VCenter) -> None:
    """The VI/JSON API says so in its own words."""
    session = door.login()
    vcenter.sessions.close_all()
    with pytest.raises(VCenterError, match="NotAuthenticated"):
        session.host_uuids(["host-16"])
    assert len(vcenter.sessions.logins) == 1


def test_a_host_without_power_state_is_listed(door: Door, vcenter: VCenter) -> None:
    """The power state is optional: a host that is not responding has none."""
    host = vcenter.inventory.host("prod-a-esx01")
    host.connection_state, host.power_state = "NOT_RESPONDING", None
    assert door.login().hosts(CLUSTER)[0] == InventoryEntry("host-16", "prod-a-esx01", "NOT_RESPONDING", None)


def test_a_cluster_cannot_pass_for_a_log_of_ours(door: Door, vcenter: VCenter) -> None:
    """An id with an @ in front is one of ours alone: a vCenter that lists one is not believed in that."""
    vcenter.inventory.add_cluster("hostile", "@vcenter")
    names = {cluster.id: cluster.name for cluster in door.login().clusters()}
    assert names == {CLUSTER: "prod-a", "domain-c1008": "prod-b", "@unusable @vcenter": "hostile"}


def test_about_needs_no_login(door: Door, vcenter: VCenter) -> None:
    """Which vCenter this is can be read before anybody logs in."""
    about = door.connect().about()
    assert about == {"instance_uuid": vcenter.instance_uuid, "version": "8.0.3", "build": "24674346"}
    assert vcenter.sessions.logins == []


def test_an_extraction_from_start_to_report(door: Door, vcenter: VCenter) -> None:
    """An extraction gives a task, the task ends, and the report is newer than the task's beginning."""
    vcenter.skew_seconds = 3600
    session = door.login()
    submitted = session.extract(CLUSTER)
    assert submitted.task_id is not None
    assert submitted.busy is None
    assert abs(submitted.date - vcenter.now()) < timedelta(seconds=5)
    while (task := session.task(submitted.task_id)) is not None and task.status != "SUCCEEDED":
        assert task.status in {"PENDING", "RUNNING"}
    assert task is not None
    assert task.start_time is not None
    assert task.end_time is not None
    reply = session.installed_images(CLUSTER)
    completed = datetime.fromisoformat(json.loads(reply.body)["completion_time"])
    assert completed >= task.start_time
    assert abs(reply.date - vcenter.now()) < timedelta(seconds=5)


def test_a_second_extraction_gives_no_task(door: Door) -> None:
    """A busy cluster is no failure: there is just no task of ours to wait for."""
    session = door.login()
    session.extract(CLUSTER)
    second = session.extract(CLUSTER)
    assert second.task_id is None
    assert second.busy == f"Another operation is in progress on cluster '{CLUSTER}'."


def test_an_unknown_task_is_none(door: Door) -> None:
    """A task that the vCenter has forgotten is no failure."""
    assert door.login().task("52f9f1b0-160a-25fe-fd1e-e7526df80e0d:com.vmware.x") is None


@pytest.mark.parametrize("identity", ["", ".", ".."])
def test_an_id_cannot_climb_out_of_its_path(door: Door, vcenter: VCenter, identity: str) -> None:
    """Dots as an id would call another operation: never sent, and the fault of the vCenter that gave it."""
    session = door.login()
    before = len(vcenter.journal)
    for call in (session.installed_images, session.task, session.extract, session.managed_by_image):
        with pytest.raises(VCenterError):
            call(identity)
    assert len(vcenter.journal) == before


@pytest.mark.parametrize("identity", [".", ".."])
def test_an_id_of_dots_is_refused_where_it_is_given(door: Door, vcenter: VCenter, identity: str) -> None:
    """A task's: no message with it is ever sent. A cluster's is one that nobody can check."""
    session = door.login()
    vcenter.faults.inject("POST /api/esx/*", Fault("dots", instead=lambda _: json_reply(202, identity)))
    with pytest.raises(VCenterError, match=r"with a task whose id is '[.]+'"):
        session.extract(CLUSTER)
    vcenter.inventory.add_cluster("hostile", identity)
    assert [cluster.id for cluster in session.clusters() if not is_usable_id(cluster.id)] == [
        f"{UNUSABLE_ID} {identity}"
    ]


def test_hostile_ids_stay_one_segment(door: Door, vcenter: VCenter) -> None:
    """Slashes, question marks and the like reach the vCenter as part of the id."""
    session = door.login()
    for identity in ("../../../session", "a/b?c#d", "%2e%2e", "ä ö"):
        # The simulator has no route for ids with a slash.
        with suppress(VCenterUnavailable):
            assert session.task(identity) is None
        tasks = [call.path for call in vcenter.journal if call.path.startswith("/api/")]
        assert tasks[-1] == f"/api/cis/tasks/{identity}"


def test_names_and_passwords_in_any_script(door: Door, vcenter: VCenter) -> None:
    """User and password travel as UTF-8."""
    vcenter.sessions.accounts["jürgen@vsphere.local"] = "пароль:€"
    door.login(username="jürgen@vsphere.local", password="пароль:€")
    assert vcenter.sessions.logins[-1].accepted


def test_an_answer_without_date_takes_our_clock(door: Door, pki: Pki) -> None:
    """No Date, or one that can't be read, is replaced by the time here; a Date without zone is UTC."""
    for header, expected in (
        (b"", NOW),
        (b"Date: yesterday\r\n", NOW),
        (b"Date: Fri, 31 Dec 9999 23:59:59 GMT\r\n", NOW),
        (b"Date: Fri, 31 Dec 9999 23:59:59 -1200\r\n", NOW),
        (b"Date: Mon, 01 Jan 1066 00:00:00 +1200\r\n", NOW),
        (b"Date: Mon, 23 Nov 2026 03:00:00 +0200\r\n", datetime(2026, 11, 23, 1, tzinfo=UTC)),
        (b"Date: Mon, 23 Nov 2026 01:00:00 -0000\r\n", datetime(2026, 11, 23, 1, tzinfo=UTC)),
        (b"Date: Mon, 23 Nov 2026 01:00:00 GMT\r\n", datetime(2026, 11, 23, 1, tzinfo=UTC)),
    ):
        answer = b"HTTP/1.1 200 OK\r\n" + header + b'Content-Length: 17\r\n\r\n{"host_info": {}}'
        with raw_server(pki.tls, answer) as port:
            assert door.connect(port=port).installed_images(CLUSTER).date == expected


def test_one_connection_serves_a_session(door: Door) -> None:
    """Calls one after another share a connection: TLS is not shaken hands over for each."""
    with proxy_server() as proxy:
        session = door.login(proxy=f"http://127.0.0.1:{proxy.port}")
        for _ in range(3):
            session.clusters()
        session.installed_images(CLUSTER)
        session.close()
    assert len(proxy.heads) == 1


def test_more_clusters_than_a_list_may_hold(door: Door, vcenter: VCenter) -> None:
    """Above the cap the clusters are listed by datacenter, then by folder, each once."""
    vcenter.datacenters["datacenter-7"] = "DC-Berlin"
    vcenter.folders["group-h8"] = "more"
    for number in range(4):
        cluster = vcenter.inventory.cluster(vcenter.inventory.add_cluster(f"extra-{number}"))
        cluster.datacenter = "datacenter-7" if number < 2 else "datacenter-3"
        cluster.folder = "group-h8" if number % 2 else "group-h5"
    vcenter.cluster_cap = 3
    names = [cluster.name for cluster in door.login().clusters()]
    assert sorted(names) == ["extra-0", "extra-1", "extra-2", "extra-3", "prod-a", "prod-b"]


def test_a_folder_that_holds_too_many(door: Door, vcenter: VCenter) -> None:
    """What can't be divided any more fails by the vCenter's own error, instead of counting too few."""
    vcenter.host_cap = 0
    with pytest.raises(VCenterError) as caught:
        door.login().standalone_hosts()
    assert caught.value.facts["error_type"] == "UNABLE_TO_ALLOCATE_RESOURCE"


def test_a_place_that_cannot_be_listed(door: Door, vcenter: VCenter) -> None:
    """If the datacenters can't be listed, that is told: fewer clusters would look like lost ones."""
    vcenter.cluster_cap = 1
    vcenter.faults.inject("GET /api/vcenter/datacenter", fault_kinds.status(403))
    with pytest.raises(NotAuthorized):
        door.login().clusters()


@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints", b"199 Later"])
def test_interim_answers_are_waited_past(door: Door, pki: Pki, interim: bytes) -> None:
    """Whatever comes before the answer is not the answer, with headers of its own or not."""
    before = b"HTTP/1.1 " + interim + b"\r\nLink: </x>; rel=preload\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"
    with raw_server(pki.tls, before * 3 + answer) as port:
        assert door.connect(port=port).clusters() == ()


def test_interim_answers_of_a_proxy_are_waited_past(door: Door) -> None:
    """To CONNECT as well."""
    refusal = b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 403 Forbidden\r\n\r\n"
    with proxy_server(refusal) as proxy, pytest.raises(VCenterUnreachable, match="failed: 403 Forbidden"):
        door.login(proxy=f"http://127.0.0.1:{proxy.port}")


@pytest.mark.parametrize(
    "moment", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "9999-12-31T00:00:00Z"]
)
def test_a_task_of_no_usable_time_has_none(door: Door, vcenter: VCenter, moment: str) -> None:
    """The report is then held against the time at which it was asked for."""
    session = door.login()
    task = {"status": "SUCCEEDED", "start_time": moment, "end_time": moment}
    vcenter.faults.inject("GET /api/cis/tasks/*", Fault("odd", instead=lambda _: json_reply(200, task)))
    found = session.task("t")
    assert found is not None
    assert (found.start_time, found.end_time) == (None, None)
