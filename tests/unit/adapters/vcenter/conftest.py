from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from copy import replace
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

import boto3
import pytest
from esx_drift.adapters.secrets import VCenterSecret
from esx_drift.adapters.vcenter.session import RestSession as Session
from esx_drift.adapters.vcenter.session import open_vcenter

from tests.simulator import Tls, VCenter, VCenterServer
from tests.simulator.certificates import Authority, authority
from tests.simulator.sessions import PASSWORD, USER
from tests.unit.adapters.vcenter.world import BUCKET, NAME, NOW, World
from tests.unit.simulated_aws import OneAtATime, simulated_aws

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CLUSTER = "domain-c9"
CALLS: dict[str, Callable[[Session], object]] = {
    "clusters": lambda session: session.clusters(),
    "hosts": lambda session: session.hosts(CLUSTER),
    "host_uuids": lambda session: session.host_uuids(["host-16", "host-17"]),
    "standalone_hosts": lambda session: session.standalone_hosts(),
    "extract": lambda session: session.extract(CLUSTER),
    "task": lambda session: session.task("task-1"),
    "installed_images": lambda session: session.installed_images(CLUSTER),
    "about": lambda session: session.about(),
}


@dataclass(frozen=True, slots=True)
class Pki:
    """An authority, a server's certificate of it, and where to write more."""

    authority: Authority
    tls: Tls
    directory: Path


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """A good authority, and a good certificate for 127.0.0.1."""
    directory = tmp_path_factory.mktemp("pki")
    own = authority(datetime.now(UTC))
    return Pki(own, own.issue(directory, datetime.now(UTC)), directory)


@pytest.fixture(autouse=True)
def _hostile_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every test runs on a machine whose environment would lead astray whoever listens to it."""
    wrong = str(authority(datetime.now(UTC), "Another CA").write(tmp_path))
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "AWS_CA_BUNDLE"):
        monkeypatch.setenv(name, wrong)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NETRC", str(netrc))


@pytest.fixture
def vcenter() -> VCenter:
    """Two clusters of two hosts, each extracted once, and a standalone host."""
    made = VCenter()
    for name in ("prod-a", "prod-b"):
        cluster = made.inventory.add_cluster(name)
        for number in (1, 2):
            made.inventory.add_host(cluster, f"{name}-esx0{number}")
    made.inventory.add_host(None, "alone")
    made.extract_all()
    return made


@pytest.fixture
def server(vcenter: VCenter, pki: Pki) -> Iterator[VCenterServer]:
    """It, served over TLS."""
    with VCenterServer(vcenter, tls=pki.tls) as running:
        yield running


@pytest.fixture
def secret(server: VCenterServer, pki: Pki) -> VCenterSecret:
    """A secret that is right in everything."""
    return VCenterSecret(
        server.host,
        server.port,
        USER,
        PASSWORD,
        pki.authority.pem,
        True,
        None,
        "version-1",
        "esx-drift/vcenter/vc01",
    )


@dataclass(slots=True)
class Door:
    """Opens sessions and ends them with the test."""

    secret: VCenterSecret
    opened: list[Session] = field(default_factory=list)
    admission: Callable[[], AbstractContextManager[None]] = nullcontext

    def connect(self, **changes: object) -> Session:
        """A session that is not logged in; ``changes`` are fields of the secret."""
        secret = replace(self.secret, **changes)  # type: ignore[arg-type]  # the tests name real fields
        self.opened.append(open_vcenter(secret, self.admission, lambda: NOW))
        return self.opened[-1]

    def login(self, **changes: object) -> Session:
        """The same, logged in."""
        session = self.connect(**changes)
        session.login()
        return session


@pytest.fixture
def door(secret: VCenterSecret, vcenter: VCenter) -> Iterator[Door]:
    """What a test opens is ended, and the vCenter has no session left."""
    made = Door(secret)
    yield made
    vcenter.faults.clear()
    for session in made.opened:
        session.close()
    assert vcenter.sessions.open_count == 0


@pytest.fixture
def world(
    vcenter: VCenter, server: VCenterServer, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """All is well; the vCenter's clock is the world's."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with simulated_aws():
        s3 = cast("S3Client", OneAtATime(boto3.client("s3", region_name="us-east-1")))
        s3.create_bucket(Bucket=BUCKET)
        secretsmanager = boto3.client("secretsmanager", region_name="us-east-1")
        secretsmanager.create_secret(Name=f"esx-drift/vcenter/{NAME}")
        made = World(s3, secretsmanager, pki.authority.pem, server.port)
        vcenter._clock = made.clock  # noqa: SLF001 -- both must go by the same time
        made.set_password(PASSWORD)
        yield made
    vcenter.faults.clear()
    assert vcenter.sessions.open_count == 0
