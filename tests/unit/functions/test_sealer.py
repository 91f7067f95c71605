import json
from datetime import datetime
from typing import Any

import pytest
from esx_drift.adapters import aws_clients as clients
from esx_drift.adapters.s3_objects import S3Objects
from esx_drift.errors import ContractViolation, SignerUnavailable, StoreUnavailable, TrailDamaged
from moto.s3.models import s3_backends

from tests.unit.functions.conftest import Deployed, FunctionLog
from tests.unit.simulated_aws import REGION


def _list_keys(bucket: str = "audit") -> list[str]:
    found = clients.s3().list_objects_v2(Bucket=bucket, Prefix="digests/")
    return [one["Key"] for one in found.get("Contents", [])]


def test_an_empty_trail_is_sealed_before_there_is_a_fleet_file(
    deployed: Deployed, function_log: FunctionLog, capfd: pytest.CaptureFixture[str]
) -> None:
    """The alarm on missing seals counts that; the next hour finds nothing to do, and counts nothing."""
    clients.s3().delete_object(Bucket="state", Key="config/fleet.json")
    reply = deployed.invoke("sealer", {})
    assert (len(reply["sealed"]), reply["complete"], reply["busy"]) == (1, True, False)
    assert len(_list_keys()) == 3
    assert '"TrailsSealed"' in capfd.readouterr().out
    (line,) = function_log.lines("trail sealed")
    assert line["sealed"] == reply["sealed"]
    assert deployed.invoke("sealer", {})["sealed"] == []
    assert "TrailsSealed" not in capfd.readouterr().out


def test_a_person_seals_at_once_what_the_day_s_digest_left(deployed: Deployed) -> None:
    """As often as somebody asks."""
    deployed.invoke("sealer", {})
    for _ in range(2):
        assert len(deployed.invoke("sealer", {"settle_seconds": 0})["sealed"]) == 1


@pytest.mark.parametrize(
    "event", [{"settle_seconds": 86_401}, {"settle_seconds": "0"}, {"settle": 0}, [], "now", None]
)
def test_an_event_that_asks_wrongly_is_refused(deployed: Deployed, event: Any) -> None:  # noqa: ANN401 -- any JSON
    """Nothing is sealed then."""
    with pytest.raises(ContractViolation):
        deployed.invoke("sealer", event)
    assert _list_keys() == []


def test_copies_go_to_the_bucket_of_the_parameter(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is wrong with that keeps no trail from being sealed; the next hour makes up for it."""
    monkeypatch.setenv("SEAL_COPY_BUCKET", "elsewhere")
    with pytest.raises(StoreUnavailable, match="NoSuchBucket"):
        deployed.invoke("sealer", {})
    assert '"TrailsSealed"' in capfd.readouterr().out
    clients.s3().create_bucket(
        Bucket="elsewhere",
        CreateBucketConfiguration={"LocationConstraint": REGION},
    )
    assert deployed.invoke("sealer", {})["sealed"] == []
    assert _list_keys("elsewhere") == _list_keys()


def test_a_digest_that_nobody_of_ours_wrote_fails_the_run_at_its_end(
    deployed: Deployed, capfd: pytest.CaptureFixture[str]
) -> None:
    """The trail is sealed beside it, and the alarm on errors rings."""
    key = "digests/20260101T000000Z.json"
    clients.s3().put_object(Bucket="audit", Key=key, Body=json.dumps({"forged": True}).encode())
    with pytest.raises(TrailDamaged, match=f"not signed, since no run of the sealer made them: {key}"):
        deployed.invoke("sealer", {})
    assert '"TrailsSealed"' in capfd.readouterr().out
    assert f"{key}.sig" not in _list_keys()
    assert deployed.invoke("sealer", {})["sealed"] == []


def test_a_key_that_is_disabled_fails_the_run(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sentence says what to look at, and nothing is left that is not signed."""
    good = clients.kms().create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    monkeypatch.setenv("SIGNING_KEY_ID", "00000000-0000-0000-0000-000000000000")
    with pytest.raises(SignerUnavailable, match="may the SealerRole use it"):
        deployed.invoke("sealer", {})
    assert _list_keys() == []
    monkeypatch.setenv("SIGNING_KEY_ID", good)
    assert len(deployed.invoke("sealer", {})["sealed"]) == 1


def test_what_cannot_be_read_is_counted_and_logged_each_hour_until_it_is_sealed(
    deployed: Deployed,
    function_log: FunctionLog,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Beside it, the trail is sealed: the alarm on missing seals is another one."""
    key, refuses = "documents/in-an-archive", True
    clients.s3().put_object(Bucket="audit", Key=key, Body=b"x")
    s3_backends["123456789012"]["aws"].buckets["audit"].keys[key].last_modified = datetime(2026, 1, 1)  # noqa: DTZ001 -- as moto has it
    original = S3Objects.hash_pieces

    def refuse(objects: S3Objects, name: str, most: int) -> str | None:
        if name == key and refuses:
            raise TrailDamaged(f"S3 refuses {key}: InvalidObjectState ()", key)
        return original(objects, name, most)

    monkeypatch.setattr(S3Objects, "hash_pieces", refuse)
    for sealed in (1, 0):
        reply = deployed.invoke("sealer", {})
        assert (len(reply["sealed"]), reply["complete"], reply["unread"]) == (sealed, True, 1)
        assert '"ObjectsNotSealed":[1.0]' in capfd.readouterr().out
    assert [line["key"] for line in function_log.lines("object not sealed")] == [key, key]
    refuses = False
    reply = deployed.invoke("sealer", {})
    assert (len(reply["sealed"]), reply["unread"]) == (1, 0)
    assert "ObjectsNotSealed" not in capfd.readouterr().out
