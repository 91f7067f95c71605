"""What a version before stored and sent, as if it had run until now: for tests of our own upgrade."""

import gzip
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from esx_drift.domain.stored.identifiers import compute_digest, compute_sha256
from esx_drift.domain.text.times import format_time, parse_time

from tests.paths import GOLDEN
from tests.simulator import VCenter
from tests.simulator.inventory import Host

VERSIONS = sorted(path for path in (GOLDEN / "stored").iterdir() if path.name.startswith("v"))
STORED_VCENTER = "vc-stored"
TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
DIGEST = re.compile(r"\b[0-9a-f]{64}\b")


def restore_hosts(vcenter: VCenter, cluster: str, documents: list[Any]) -> None:
    """Give a vCenter the hosts of the newest of a cluster's documents, and nothing that is sent only today.

    Each runs what it ran in the last document that has it.
    """
    newest = documents[-1]
    software = {
        host: image["software_info"]
        for document in documents
        for image in _list_images(document["image_categories"])
        for host in image["host_list"]
    }
    inventory = vcenter.inventory
    with inventory.changing():
        for gone in inventory.hosts_of(cluster):
            del inventory.hosts[gone.host]
        for host, info in newest["host_info"].items():
            hardware = str(uuid5(NAMESPACE_DNS, host))
            inventory.hosts[host] = Host(host, info["name"], cluster, software[host], hardware)
    for vib, hosts in newest["orphaned_vibs"].items():
        vcenter.hosts.add_orphaned_vib(hosts, vib)
    vcenter.hosts.fail_extraction(newest["failed_hosts"])


def _list_images(categories: dict[str, Any]) -> list[dict[str, Any]]:
    named = [categories.get(place) for place in ("most_widely_used_image", "highest_versioned_image")]
    return [image for image in (*named, *categories.get("host_image_list", ())) if image]


@dataclass(frozen=True)
class MovedToNow:
    """All that a version stored, moved by whole days so that it ended within the last one.

    A request is good for days only, and the trail names each record by its digest: so these are made anew, in
    the order of each log. Records name the bucket called ``bucket``.
    """

    version: Path
    now: datetime
    bucket: str

    @cached_property
    def audit(self) -> Mapping[str, bytes]:
        """The objects of the AuditBucket by their keys."""
        records = {key: text.encode() for key, text in self._records[0].items()}
        others = self._list_files("audit")
        return {**{key: path.read_bytes() for key, path in others.items()}, **records}

    @cached_property
    def state(self) -> Mapping[str, bytes]:
        """The objects of the StateBucket by their keys."""
        return {key: self._move(path.read_text()).encode() for key, path in self._list_files("state").items()}

    def read_messages(self, kind: str) -> dict[str, Any]:
        """The messages of a kind, by what they are about."""
        files = sorted((self.version / "messages" / kind).glob("*.json"))
        return {path.stem: json.loads(self._move(path.read_text())) for path in files}

    def list_documents(self, cluster: str) -> list[Any]:
        """The documents of a cluster, the newest last."""
        kept = (json.loads(text) for key, text in self._records[0].items() if f"cluster={cluster}/" in key)
        keys = [record["document"]["key"] for record in kept if record["document"]]
        return [json.loads(gzip.decompress(self.audit[key])) for key in keys]

    @cached_property
    def _records(self) -> tuple[dict[str, str], dict[str, str]]:
        """Each record by its key, and the new digest of each old one."""
        moved: dict[str, str] = {}
        digests: dict[str, str] = {}
        for key, path in self._list_files("audit/records").items():
            old = path.read_text()
            new = _replace_digests(self._move_times(old), digests)
            moved[f"records/{key}"] = new
            digests[compute_sha256(old.encode())] = compute_sha256(new.encode())
            digests[compute_digest(json.loads(old)["after"])] = compute_digest(json.loads(new)["after"])
        return moved, digests

    def _move(self, text: str) -> str:
        return _replace_digests(self._move_times(text), self._records[1])

    def _move_times(self, text: str) -> str:
        by = timedelta(days=(self.now - self._ended_at).days)
        later = TIME.sub(lambda found: format_time(parse_time(found[0]) + by), text)
        return later.replace("s3://audit/", f"s3://{self.bucket}/")

    @cached_property
    def _ended_at(self) -> datetime:
        records = self._list_files("audit/records").values()
        return max(parse_time(json.loads(path.read_text())["checked_at"]) for path in records)

    def _list_files(self, folder: str) -> dict[str, Path]:
        found: Iterable[Path] = sorted(path for path in (self.version / folder).rglob("*") if path.is_file())
        return {str(path.relative_to(self.version / folder)): path for path in found}


def _replace_digests(text: str, digests: Mapping[str, str]) -> str:
    return DIGEST.sub(lambda found: digests.get(found[0], found[0]), text)
