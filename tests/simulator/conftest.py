"""A client without conveniences, and a served vCenter of two clusters."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tests.simulator import VCenter, VCenterServer
from tests.simulator.scenarios import SCENARIOS
from tests.simulator.sessions import PASSWORD, USER

TIMEOUT_SECONDS = 10
type Query = dict[str, str | list[str]]


@dataclass(slots=True)
class Client:
    """Speaks to a server; logged in after `login`."""

    url: str
    http: requests.Session

    def call(self, method: str, path: str, query: Query | None = None) -> requests.Response:
        """The reply, whatever its status."""
        return self.http.request(
            method, self.url + path, params=query, timeout=TIMEOUT_SECONDS, allow_redirects=False
        )

    def get(self, path: str, query: Query | None = None) -> Any:  # noqa: ANN401 - any JSON
        """The JSON of a 200."""
        reply = self.call("GET", path, query)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def login(self, password: str = PASSWORD) -> requests.Response:
        """Try to log in; later calls carry the token."""
        reply = self.http.post(f"{self.url}/api/session", auth=(USER, password), timeout=TIMEOUT_SECONDS)
        if reply.status_code == 201:
            self.http.headers["vmware-api-session-id"] = reply.json()
        return reply

    def extract(self, cluster: str = "domain-c9") -> requests.Response:
        """Ask for an extraction."""
        return self.call("POST", images(cluster), {"action": "extract", "vmw-task": "true"})

    def look(self, cluster: str = "domain-c9") -> Any:  # noqa: ANN401 - any JSON
        """Extract, poll until the task has ended, and get the report."""
        task = self.extract(cluster).json()
        while self.get(f"/api/cis/tasks/{task}")["status"] not in {"SUCCEEDED", "FAILED"}:
            pass
        return self.get(images(cluster))

    def control(self, method: str, path: str, body: object = None) -> requests.Response:
        """Steer the simulator."""
        return self.http.request(method, f"{self.url}/_simulator/{path}", json=body, timeout=TIMEOUT_SECONDS)


def images(cluster: str = "domain-c9") -> str:
    """The path of a cluster's report."""
    return f"/api/esx/settings/clusters/{cluster}/installed-images"


@pytest.fixture
def vcenter() -> VCenter:
    """A vCenter of two clusters and seven hosts."""
    made = VCenter(seed=1)
    SCENARIOS["healthy"].prepare(made)
    return made


@pytest.fixture
def http() -> Iterator[requests.Session]:
    """A session that ignores the machine's proxies and certificate bundles."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture
def guest(vcenter: VCenter, http: requests.Session) -> Iterator[Client]:
    """A client of the served vCenter, not logged in."""
    with VCenterServer(vcenter) as server:
        yield Client(server.url, http)


@pytest.fixture
def client(guest: Client) -> Client:
    """A client of the served vCenter, logged in."""
    guest.login()
    return guest
