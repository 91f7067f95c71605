"""Names made to harm, through the whole pipeline: neither a key nor a message does what they ask for."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from esx_drift.domain.stored.identifiers import compute_digest, make_record_key, make_state_key

from tests.deployed.stage import BY_HAND, I40EN
from tests.lab.local_aws.rig import Rig
from tests.simulator import VCenter
from tests.simulator.extraction import Pace

if TYPE_CHECKING:
    from esx_drift.domain.stored.types import Record

HOSTILE = [
    "<!channel> <!here> <@U024BE7LH>",
    "\"quoted\" and 'quoted' and `quoted`",
    "../../../etc/passwd",
    "a/b\\\\c?d=e#f&g;h%2F%00",
    "<https://evil.example|click here> & *bold* _it_ ~no~",
    "prod\nINFO forged log line\r\n\x1b[31m\x00",
    "\u202egnp.exe \u200b\u2066",
    "Größe-東京-🦄",
    "@vcenter",
    "__proto__",
    "{0.__class__} %s ${HOME} $(id)",
    " ",
    "x" * 300,
]
"""Each is the name of a cluster, and of a host in it."""

IDS = ["domain-c9'\"<&>", "domain c9:ü", "-c" * 150]
"""Ids as no real vCenter makes them."""

SAFE_KEY = re.compile(r"[A-Za-z0-9_=%~@./-]+")
VCENTER = "hostile"


@pytest.fixture(scope="module")
def looked(rig: Rig) -> dict[str, "Record"]:
    """The second look, by cluster id: each cluster's only host has got another driver."""
    vcenter = VCenter()
    vcenter.extractions.pace = Pace(())
    for number, name in enumerate(HOSTILE):
        cluster = vcenter.inventory.add_cluster(name, IDS[number] if number < len(IDS) else None)
        vcenter.inventory.add_host(cluster, name)
    rig.add_vcenter(VCENTER, vcenter)
    rig.put_fleet(rig.fleet())
    rig.check()
    rig.slack.clear()
    vcenter.hosts.set_component([*vcenter.inventory.hosts], I40EN, BY_HAND)
    return {record["cluster"]: record for record in rig.check()}


def test_each_cluster_is_followed_under_its_own_name(looked: dict[str, "Record"]) -> None:
    """None is confused with another one, or with our own log of the vCenter; control characters are gone."""
    names = [re.sub(r"[\x00-\x1f]", "\ufffd", name) for name in HOSTILE]
    assert sorted(str(record["cluster_name"]) for record in looked.values()) == sorted(names)
    assert {record["outcome"] for record in looked.values()} == {"changed"}
    assert {len(record["changes"]) for record in looked.values()} == {1}


def test_keys_are_harmless(looked: dict[str, "Record"], rig: Rig) -> None:
    """No blank, no quote, no dot-dot, nothing over 120 bytes in a part, and each cluster its own."""
    keys = [*rig.audit_keys()]
    assert all(SAFE_KEY.fullmatch(key) and ".." not in key for key in keys)
    assert max(len(part) for key in keys for part in key.split("/")) <= 120 + len("cluster=")
    logs = {key.rsplit("/", 1)[0] for key in keys if key.startswith("records/")}
    assert len(logs) == len(HOSTILE) + 1
    for cluster, record in looked.items():
        assert rig.log_end(VCENTER, cluster).head == {
            "seq": 2,
            "key": make_record_key(VCENTER, cluster, 2),
            "sha256": compute_digest(record),
        }
        assert SAFE_KEY.fullmatch(make_state_key(VCENTER, cluster))


def test_slack_takes_every_message(looked: dict[str, "Record"], rig: Rig) -> None:
    """Within its limits; what happened together is told together."""
    assert {answered.answer for answered in rig.slack.received} == {"ok"}
    assert 0 < len(rig.slack.accepted) <= len(looked)


def test_no_name_is_ever_read_as_markup(looked: dict[str, "Record"], rig: Rig) -> None:  # noqa: ARG001  # what was looked at
    """A name is only in plain and in rich text; where Slack could parse a text, its signs are escaped."""
    for payload in rig.slack.accepted:
        assert payload["mrkdwn"] is False
        assert "<" not in payload["text"]
        assert ">" not in payload["text"]
        kinds = {element["type"] for element in _elements(payload["blocks"])}
        assert not kinds & {"mrkdwn", "link", "user", "broadcast", "usergroup", "channel", "emoji"}


def test_no_message_holds_a_character_that_hides_or_reorders(looked: dict[str, "Record"], rig: Rig) -> None:  # noqa: ARG001  # what was looked at
    """No control and no direction character: what is read is what is there."""
    texts = [element["text"] for payload in rig.slack.accepted for element in _elements(payload["blocks"])]
    said = "".join(text for text in texts if isinstance(text, str)).replace("\n", "")
    assert said.isprintable()


def test_every_log_line_is_one_line(looked: dict[str, "Record"], rig: Rig) -> None:  # noqa: ARG001  # what was looked at
    """A name with a line break forges none."""
    for function in ("DispatcherFunction", "CheckerFunction", "NotifierFunction", "SenderFunction"):
        lines = "\n".join(rig.stack.log_of(function)).splitlines()
        assert not any(line.startswith("INFO forged") for line in lines)


def _elements(value: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401  # any JSON
    """Every object that has a type and a text, however deep."""
    if isinstance(value, list):
        for item in value:
            yield from _elements(item)
    elif isinstance(value, dict):
        if "type" in value and "text" in value:
            yield value
        for item in value.values():
            yield from _elements(item)
