"""The REST routes: which request does what, and which privilege it needs."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.simulator import lists
from tests.simulator.errors import (
    ApiError,
    VimFault,
    entity_not_found,
    http_not_found,
    login_refused,
    unauthorized,
)
from tests.simulator.model import READ_SETTINGS, READ_TASKS, VCenter
from tests.simulator.notices import timestamp
from tests.simulator.reply import Reply, Request, json_reply

type Answer = Callable[[VCenter, Request, str], Reply]
TOKEN = "vmware-api-session-id"
COLLECTOR = "propertyCollector"
_CLUSTER = "/api/esx/settings/clusters/{cluster}"


@dataclass(frozen=True, slots=True)
class Route:
    """One operation; `{…}` in its path takes one segment, which `answer` is given."""

    method: str
    path: str
    answer: Answer
    needs_session: bool = True
    privilege: str | None = None
    since_803: bool = False

    @property
    def name(self) -> str:
        """How it is counted."""
        return f"{self.method} {self.path}"

    def segment(self, request: Request) -> str | None:
        """What the path's variable is in this request ("" if it has none); None: not this route."""
        if request.method != self.method:
            return None
        found = re.fullmatch(re.sub(r"\{\w+\}", "([^/]+)", self.path), request.path)
        return None if found is None else "".join(found.groups())


def route_of(request: Request) -> tuple[Route, str]:
    """The route and its variable; ApiError 404 httpNotFound if there is none."""
    for route in ROUTES:
        segment = route.segment(request)
        if segment is not None:
            return route, segment
    raise http_not_found()


def name_of(request: Request) -> str:
    """The name of the request's route, under which it is counted."""
    for route in ROUTES:
        if route.segment(request) is not None:
            return route.name
    return f"{request.method} (unknown)"


def answer(vcenter: VCenter, request: Request) -> Reply:
    """What the vCenter replies, errors included. Call it with the vCenter's lock held."""
    try:
        route, segment = route_of(request)
        if route.since_803 and not vcenter.knows_installed_images:
            raise http_not_found()
        if route.needs_session:
            vcenter.sessions.use(request.headers.get(TOKEN))
        if route.privilege not in vcenter.privileges | {None}:
            raise unauthorized()
        return route.answer(vcenter, request, segment)
    except ApiError as error:
        return json_reply(error.status, error.body())


def _about(vcenter: VCenter, _request: Request, _segment: str) -> Reply:
    about = {
        "_typeName": "AboutInfo",
        "name": "VMware vCenter Server",
        "fullName": f"VMware vCenter Server {vcenter.version} build-{vcenter.build}",
        "vendor": "VMware, Inc.",
        "version": vcenter.version,
        "build": vcenter.build,
        "apiType": "VirtualCenter",
        "apiVersion": "8.0.3.0",
        "instanceUuid": vcenter.instance_uuid,
    }
    collector = {"_typeName": "ManagedObjectReference", "type": "PropertyCollector", "value": COLLECTOR}
    return json_reply(200, {"_typeName": "ServiceContent", "propertyCollector": collector, "about": about})


def _service_versions(vcenter: VCenter, _request: Request, _segment: str) -> Reply:
    """The versions of the Web Services API, newest first: every release tells them, to anybody."""
    body = f"""<?xml version="1.0" encoding="UTF-8" ?>
<!--
   Copyright 2008-2024 VMware, Inc.  All rights reserved.
-->
<namespaces version="1.0">
 <namespace>
  <name>urn:vim25</name>
  <version>{vcenter.version}.0</version>
  <priorVersions>
   <version>7.0.3.0</version>
   <version>6.7.3</version>
  </priorVersions>
 </namespace>
 <namespace>
  <name>urn:vim2</name>
  <version>2.0</version>
 </namespace>
</namespaces>
"""
    return Reply(200, body.encode(), "text/xml")


def _retrieve_properties(vcenter: VCenter, request: Request, collector: str) -> Reply:
    """RetrievePropertiesEx of the VI/JSON API: of hosts, and of these one property."""
    if collector != COLLECTOR:
        raise VimFault(500, "ManagedObjectNotFound")
    try:
        vcenter.sessions.use(request.headers.get(TOKEN))
    except ApiError:
        raise VimFault(500, "NotAuthenticated") from None
    try:
        (spec,) = json.loads(request.body)["specSet"]
        hosts = [each["obj"]["value"] for each in spec["objectSet"]]
        paths = [path for each in spec["propSet"] for path in each["pathSet"]]
        tolerant = spec["reportMissingObjectsInResults"]
    except (ValueError, KeyError, TypeError):
        raise VimFault(500, "InvalidRequest") from None
    if paths != [lists.HOST_UUID]:
        raise VimFault(500, "InvalidProperty")
    seen = lists.properties(vcenter, hosts)
    if len(seen) < len(hosts) and not tolerant:
        raise VimFault(500, "ManagedObjectNotFound")
    return json_reply(200, {"_typeName": "RetrieveResult", "objects": seen} if seen else None)


def _login(vcenter: VCenter, request: Request, _segment: str) -> Reply:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise login_refused() from None
    if scheme.lower() != "basic":
        raise login_refused()
    return json_reply(201, vcenter.sessions.login(user, password))


def _whoami(vcenter: VCenter, request: Request, _segment: str) -> Reply:
    session = vcenter.sessions.use(request.headers.get(TOKEN))
    created, used = timestamp(session.created_at), timestamp(session.used_at)
    return json_reply(200, {"user": session.user, "created_time": created, "last_accessed_time": used})


def _logout(vcenter: VCenter, request: Request, _segment: str) -> Reply:
    vcenter.sessions.logout(request.headers.get(TOKEN))
    return Reply(204)


def _report(vcenter: VCenter, _request: Request, cluster: str) -> Reply:
    _visible(vcenter, cluster)
    report = vcenter.extractions.report(cluster)
    vcenter.looked(cluster)
    return json_reply(200, report)


def _extract(vcenter: VCenter, request: Request, cluster: str) -> Reply:
    if request.first("action") != "extract" or request.first("vmw-task") != "true":
        raise http_not_found()
    _visible(vcenter, cluster)
    vcenter.on_extract(cluster)
    user = vcenter.sessions.use(request.headers.get(TOKEN)).user
    name, _, domain = user.partition("@")
    return json_reply(202, vcenter.extractions.start(cluster, f"{name}@{domain.upper()}"))


def _task(vcenter: VCenter, request: Request, task: str) -> Reply:
    excluded = request.first("exclude_result", "false") == "true"
    return json_reply(200, vcenter.extractions.poll(task, with_result=not excluded))


def _enablement(vcenter: VCenter, _request: Request, cluster: str) -> Reply:
    _visible(vcenter, cluster)
    return json_reply(200, {"enabled": vcenter.inventory.clusters[cluster].managed_by_image})


def _visible(vcenter: VCenter, cluster: str) -> None:
    if cluster not in vcenter.inventory.clusters:
        raise entity_not_found(cluster)
    if vcenter.inventory.clusters[cluster].hidden:
        raise unauthorized()


def _listed(list_objects: Callable[[VCenter, Request], list[dict[str, object]]]) -> Answer:
    return lambda vcenter, request, _segment: json_reply(200, list_objects(vcenter, request))


def _routes() -> Iterator[Route]:
    about = "/sdk/vim25/8.0.3.0/ServiceInstance/ServiceInstance/content"
    yield Route("GET", about, _about, needs_session=False, since_803=True)
    properties = "/sdk/vim25/8.0.3.0/PropertyCollector/{collector}/RetrievePropertiesEx"
    yield Route("POST", properties, _retrieve_properties, needs_session=False, since_803=True)
    yield Route("GET", "/sdk/vimServiceVersions.xml", _service_versions, needs_session=False)
    yield Route("POST", "/api/session", _login, needs_session=False)
    yield Route("GET", "/api/session", _whoami)
    yield Route("DELETE", "/api/session", _logout)
    for noun, listed in lists.LISTS.items():
        yield Route("GET", f"/api/vcenter/{noun}", _listed(listed))
    images = f"{_CLUSTER}/installed-images"
    yield Route("GET", images, _report, privilege=READ_SETTINGS, since_803=True)
    yield Route("POST", images, _extract, privilege=READ_SETTINGS, since_803=True)
    yield Route("GET", "/api/cis/tasks/{task}", _task, privilege=READ_TASKS)
    yield Route("GET", f"{_CLUSTER}/enablement/software", _enablement, privilege=READ_SETTINGS)


ROUTES = tuple(_routes())
