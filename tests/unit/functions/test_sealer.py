import json
from typing import Any

import pytest
from esx_drift.adapters import aws_clients as clients
from esx_drift.errors import ContractViolation, SignerUnavailable, StoreUnavailable, TrailDamaged

from tests.unit.functions.conftest import REGION, Deployed, FunctionLog


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
    with pytest.raises(TrailDamaged, match=f"not signed, since the trail gives other digests: {key}"):
        deployed.invoke("sealer", {})
    assert '"TrailsSealed"' in capfd.readouterr().out
    assert f"{key}.sig" not in _list_keys()
    assert deployed.invoke("sealer", {})["sealed"] == []


def test_a_key_that_is_disabled_fails_the_run(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sentence says what to look at; once it signs again, the digest that was left is signed."""
    good = clients.kms().create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    monkeypatch.setenv("SIGNING_KEY_ID", "00000000-0000-0000-0000-000000000000")
    with pytest.raises(SignerUnavailable, match="may the SealerRole use it"):
        deployed.invoke("sealer", {})
    (left,) = _list_keys()
    monkeypatch.setenv("SIGNING_KEY_ID", good)
    assert deployed.invoke("sealer", {})["sealed"][0] == left
