"""``esx-drift verify`` as an auditor runs it: what it prints, and its exit codes."""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import boto3
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from esx_drift.domain.stored.identifiers import compute_digest, compute_sha256, encode_canonical_json
from esx_drift.domain.text.times import parse_time
from esx_drift.domain.trail.digests import is_digest_key
from esx_drift.domain.trail.excerpt import EXCERPT_KEY, ExcerptClaim

from tests.unit.cli.conftest import CloudFormation, Run
from tests.unit.loopback import serving_by
from tests.unit.trail.played import key, trail, unsealed
from tests.unit.trail.sealed import SEALED_AT, make_key, public_key, seal, sign, write_copy

__all__ = ["key", "trail", "unsealed"]

type Trail = Mapping[str, bytes]


@pytest.fixture
def copy(trail: Trail, tmp_path: Path) -> Path:
    """A copy on disk."""
    return write_copy(trail, tmp_path / "copy")


@pytest.fixture
def pem(key: EllipticCurvePrivateKey, tmp_path: Path) -> Path:
    """The public key, as the auditor was given it."""
    (tmp_path / "key.pem").write_bytes(public_key(key).pem)
    return tmp_path / "key.pem"


def test_an_intact_copy(run: Run, copy: Path, pem: Path, trail: Trail) -> None:
    """With the key it is intact; without, only as far as the key that lies in it."""
    ran = run("verify", "--dir", copy)
    assert (ran.code, ran.err) == (0, "")
    records = sum(key.startswith("records/") for key in trail)
    assert ran.out.splitlines()[0] == f"{len(trail)} objects, {records} records, 1 digest."
    assert ran.out.endswith("Intact, key not pinned.\n")
    assert run("verify", "--dir", copy, "--public-key", pem).out.endswith("Intact.\n")


def test_only_what_is_sealed_is_intact(
    run: Run, unsealed: Trail, key: EllipticCurvePrivateKey, tmp_path: Path
) -> None:
    """What was written since is in no digest, and the verdict says so; it is no fault."""
    newest = max(one for one in unsealed if one.startswith("records/"))
    at = parse_time(json.loads(unsealed[newest])["checked_at"])
    sealed = seal({one: body for one, body in unsealed.items() if one != newest}, key, at)
    told = run("verify", "--dir", write_copy({**unsealed, **sealed}, tmp_path / "newer"))
    last = "Intact, key not pinned, as far as it is sealed: what is of later is not proved."
    assert (told.code, told.out.splitlines()[-1]) == (0, last), told.out


def test_a_damaged_copy(run: Run, copy: Path, trail: Trail) -> None:
    """One line an object, and the same for a program."""
    record = next(key for key in sorted(trail) if key.startswith("records/"))
    (copy / record).unlink()
    (copy / "notes\x1b.txt").write_text("mine")
    ran = run("verify", "--dir", copy)
    assert ran.code == 1
    assert "inserted  notes\\x1b.txt: is nothing that esx-drift writes" in ran.out
    assert re.search(rf"^missing   {re.escape(record)}: ", ran.out, re.MULTILINE)
    assert re.search(r"^Not intact: \d problems\.$", ran.out, re.MULTILINE)
    shown = json.loads(run("verify", "--dir", copy, "--format", "json").out)
    assert (shown["intact"], shown["key_pinned"], shown["digests"]) == (False, False, 1)
    assert {"notes\x1b.txt", record} <= {problem["key"] for problem in shown["problems"]}


def test_a_part_of_which_nothing_is_left_is_refused(run: Run, copy: Path) -> None:
    """Nothing was looked at, and that is not to look like a verdict. What nothing was kept for is counted."""
    ran = run("verify", "--dir", copy, "--since", "2026-12-01")
    assert (ran.code, ran.out) == (2, "")
    assert "nothing was verified: all that is here is sealed by digests/20261124T120000Z.json" in ran.err
    assert "Say an earlier --since" in ran.err


def test_a_copy_that_was_broken_off(run: Run, copy: Path, tmp_path: Path) -> None:
    """Nobody can tell it from one out of which objects were taken: it is not intact, and what to do is said.

    Where not one object came, nothing can be looked at.
    """
    for path in sorted(copy.glob("records/*/*/*"))[1:]:
        path.unlink()
    ran = run("verify", "--dir", copy)
    assert (ran.code, "missing   records/" in ran.out) == (1, True)
    way = f"Was the copy broken off? This completes it: aws s3 sync s3://AUDIT-BUCKET {copy}"
    assert ran.err == f"info: {way}\n"
    (tmp_path / "begun" / "records").mkdir(parents=True)
    ran = run("verify", "--dir", tmp_path / "begun")
    assert (ran.code, ran.out) == (2, "")
    assert "the trail is empty: nothing was ever recorded there\n  Was the copy broken off?" in ran.err
    for command in (("history", "prod-a"), ("as-of", "prod-a", "2026-11-23"), ("orphans", "prod-a")):
        ran = run(*command, "--dir", tmp_path / "begun")
        assert (ran.code, ran.out) == (2, "")
        assert ran.err.startswith("esx-drift: no record is here: nothing was checked yet, or this copy was")


def test_what_no_record_names_is_counted(
    run: Run, unsealed: Trail, key: EllipticCurvePrivateKey, tmp_path: Path
) -> None:
    """It is no fault of the trail."""
    body = gzip.compress(b"{}", mtime=0)
    folder = next(each for each in sorted(unsealed) if each.startswith("documents/")).rpartition("/")[0]
    kept = {**unsealed, f"{folder}/{compute_sha256(body)}.json.gz": body}
    ran = run("verify", "--dir", write_copy(seal(kept, key), tmp_path / "kept"))
    assert ran.code == 0
    assert "Named by no record: 1 object, which a digest names: what a check kept" in ran.out


def test_a_part_and_what_is_not_sealed(run: Run, copy: Path, unsealed: Trail, tmp_path: Path) -> None:
    """Neither is a failure, and both are said."""
    (copy / "records" / "foreign").write_bytes(b"")
    ran = run("verify", "--dir", copy, "--since", "2026-12-01")
    assert (ran.code, ran.out.splitlines()[2][:28]) == (1, "Taken for verified: what dig")
    ran = run("verify", "--dir", write_copy(unsealed, tmp_path / "unsealed"))
    assert (ran.code, f"Not sealed yet: {len(unsealed)} objects" in ran.out) == (0, True)
    assert "ntact" not in ran.out
    assert "Nothing is signed: no digest is here. All agrees with itself, and that is no proof" in ran.out
    shown = json.loads(run("verify", "--dir", tmp_path / "unsealed", "--format", "json").out)
    assert (shown["signed"], shown["intact"], shown["sealed_until"]) == (False, True, None)


def test_a_copy_whose_digests_are_all_gone(run: Run, copy: Path, pem: Path, trail: Trail) -> None:
    """Of more than a day it is not intact, by the times in its records: the sealer makes a digest a day."""
    shutil.rmtree(copy / "digests")
    first = min(each for each in trail if each.startswith("records/"))
    record = json.loads(trail[first])
    record["checked_at"] = "2026-11-20T00:00:00.000Z"
    (copy / first).write_bytes(encode_canonical_json(record))
    for pinned in ((), ("--public-key", pem)):
        ran = run("verify", "--dir", copy, *pinned)
        assert ran.code == 1
        text = "no digest counts, and the oldest object is of 2026-11-20T00:00:00Z"
        assert f"missing   digests/: {text}" in ran.out


def test_what_the_sealer_could_not_read(
    run: Run, copy: Path, trail: Trail, key: EllipticCurvePrivateKey
) -> None:
    """By its key: nothing proves it."""
    (name,) = filter(is_digest_key, trail)
    digest = {**json.loads(trail[name]), "unread": ["large\x1b.bin", "records/x"]}
    for each, body in sign({name: encode_canonical_json(digest)}, key).items():
        (copy / each).write_bytes(body)
    ran = run("verify", "--dir", copy)
    assert ran.code == 0
    assert "Not sealed: large\ufffd.bin, which the sealer could not read.\nNot sealed: records/x, " in ran.out
    shown = json.loads(run("verify", "--dir", copy, "--format", "json").out)
    assert shown["unread"] == ["large\x1b.bin", "records/x"]


def test_an_excerpt_says_so_first(run: Run, trail: Trail, tmp_path: Path) -> None:
    """Of which clusters, by their ids, and which days, before anything else: nobody signed that."""
    claimed: ExcerptClaim = {
        "made_at": "2026-11-25T00:00:00.000Z",
        "from": "2026-11-23T00:00:00.000Z",
        "to": "2026-11-24T00:00:00.000Z",
        "document_days": 400,
        "clusters": [
            {"vcenter": "vc01.example.com", "cluster": each, "name": name}
            for each, name in (("domain-c9", "prod-a"), ("domain-c1008", "prod-b"))
        ],
        "base": None,
    }
    manifest = {"schema_version": 1, "excerpt": claimed, "sha256": compute_digest(claimed)}
    own = {each: body for each, body in trail.items() if not each.startswith("deliveries/groups/")}
    copy = write_copy({**own, EXCERPT_KEY: encode_canonical_json(manifest)}, tmp_path / "copy")
    (copy / "foreign").write_bytes(b"")
    ran = run("verify", "--dir", copy)
    assert ran.code == 1
    said, advice, problem, *_ = ran.out.splitlines()
    assert said.startswith(
        "Excerpt: 2 of 2 clusters (prod-a (domain-c9) on vc01.example.com, prod-b (domain-c1008) on"
        " vc01.example.com), 2026-11-23T00:00:00.000Z to 2026-11-24T00:00:00.000Z. "
    )
    assert advice == "So says excerpt.json, which is not signed: of a whole trail, say --whole."
    assert problem.startswith("inserted  foreign: ")
    (copy / "foreign").unlink()
    ran = run("verify", "--dir", copy)
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "Intact as an excerpt, key not pinned.")
    claimed["to"] = "2026-11-24T12:00:00.000Z"
    manifest = {"schema_version": 1, "excerpt": claimed, "sha256": compute_digest(claimed)}
    (copy / EXCERPT_KEY).write_bytes(encode_canonical_json(manifest))
    ran = run("verify", "--dir", copy)
    said = "Intact as an excerpt, key not pinned, as far as it is sealed: what is of later is not proved."
    assert (ran.code, ran.out.splitlines()[-1]) == (0, said)
    ran = run("verify", "--dir", copy, "--whole")
    assert (ran.code, "Excerpt: " in ran.out) == (1, False)
    assert "\ninserted  excerpt.json: is nothing that esx-drift writes\n" in ran.out
    assert "missing   deliveries/groups/" in ran.out


def test_an_excerpt_calls_clusters_as_records_do(run: Run, trail: Trail, tmp_path: Path) -> None:
    """Another name is a problem; where no record is here, that is said. However hostile a name is."""
    clusters = [
        {"vcenter": "vc01.example.com", "cluster": each, "name": "prod\x1b"}
        for each in ("domain-c9", "no-one")
    ]
    claimed = {
        "made_at": "2026-11-25T00:00:00.000Z", "from": "2026-11-23T00:00:00.000Z",
        "to": "2026-11-24T11:00:00.000Z", "document_days": 1, "clusters": clusters, "base": None,
    }  # fmt: skip
    manifest = {"schema_version": 1, "excerpt": claimed, "sha256": compute_digest(claimed)}
    expired = ("deliveries/groups/", "documents/", "quarantine/")
    own = {each: body for each, body in trail.items() if not each.startswith(expired) and "c1008" not in each}
    copy = write_copy({**own, EXCERPT_KEY: encode_canonical_json(manifest)}, tmp_path / "copy")
    ran = run("verify", "--dir", copy)
    assert ran.code == 1
    assert "(prod\ufffd (domain-c9) on vc01.example.com, prod\ufffd (no-one) on vc01.example.com)" in ran.out
    assert "altered   excerpt.json: it calls domain-c9 prod\\x1b, and its records call it prod-a\n" in ran.out
    assert "No record is here of prod\ufffd (no-one) on vc01.example.com: nothing is proved of it." in ran.out
    assert ", which are kept for 1 day, as excerpt.json says, which is not signed.\n" in ran.out
    shown = json.loads(run("verify", "--dir", copy, "--format", "json").out)
    assert shown["excerpt"]["sealed_to_end"] is True


def test_trouble(run: Run, copy: Path, tmp_path: Path) -> None:
    """Said plainly: nothing is known of the trail then."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "no-key.pem").write_bytes(b"no key")
    other = Ed25519PrivateKey.generate().public_key()
    (tmp_path / "other.pem").write_bytes(other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    for arguments, said in [
        (("--dir", tmp_path / "empty"), "empty is empty: it holds no trail"),
        (("--dir", tmp_path / "none"), "can't be read: No such file or directory"),
        (("--dir", copy, "--public-key", tmp_path / "none.pem"), "none.pem can't be read: No such file"),
        (("--dir", copy, "--public-key", tmp_path / "no-key.pem"), "it is no public key in PEM"),
        (("--dir", copy, "--public-key", tmp_path / "other.pem"), "a key of another kind"),
    ]:
        ran = run("verify", *arguments)
        assert (ran.code, ran.out) == (2, "")
        assert said in ran.err


def test_a_key_that_signed_none_of_it_is_trouble(
    run: Run, trail: Trail, key: EllipticCurvePrivateKey, tmp_path: Path
) -> None:
    """Said plainly, with both fingerprints: of another trail, or all was signed anew. No success either way.

    A trail of a single digest shows no more than one of many, and is judged in the same way: its digest is
    named besides.
    """
    other = make_key()
    (tmp_path / "other.pem").write_bytes(public_key(other).pem)
    (tmp_path / "third.pem").write_bytes(public_key(make_key()).pem)
    for copied in (trail, seal(trail, key, SEALED_AT + timedelta(days=1))):
        copy = write_copy(copied, tmp_path / f"copy-{len(copied)}")
        ran = run("verify", "--dir", copy, "--public-key", tmp_path / "other.pem")
        assert ran.code == 2
        signed, given = public_key(key).fingerprint, public_key(other).fingerprint
        assert ran.err.startswith(
            f"esx-drift: no digest here is signed by {given}, which was given: they are signed by {signed}\n"
        )
        assert "or somebody signed all of this one anew. Nothing here is proved." in ran.err
        assert ran.out.splitlines()[-1] == "Not proved: no digest here is signed by a key that was given."
        for digest in filter(is_digest_key, copied):
            assert f"altered   {digest}: it is signed by {signed}, and not by the key given" in ran.out
        shown = run("verify", "--dir", copy, "--public-key", tmp_path / "other.pem", "--format", "json")
        assert (shown.code, json.loads(shown.out)["intact"]) == (2, False)
    changed = write_copy(seal(trail, make_key(), SEALED_AT + timedelta(days=1)), tmp_path / "changed")
    several = ("--public-key", tmp_path / "other.pem", "--public-key", tmp_path / "third.pem")
    ran = run("verify", "--dir", changed, *several)
    assert (ran.code, " nor by " in ran.err, f"{public_key(key).fingerprint}" in ran.err) == (2, True, True)


def test_a_digest_signed_anew_among_others_is_named(
    run: Run, trail: Trail, key: EllipticCurvePrivateKey, pem: Path, tmp_path: Path
) -> None:
    """Exit code 1: the key is this trail's, as the other digests show."""
    (first,) = filter(is_digest_key, trail)
    both = seal(trail, key, SEALED_AT + timedelta(days=1))
    thief = make_key()
    anew = sign({each: body for each, body in both.items() if each != f"{first}.sig"}, thief)
    ran = run("verify", "--dir", write_copy(anew, tmp_path / "copy"), "--public-key", pem)
    text = f"it is signed by {public_key(thief).fingerprint}, and not by the key given"
    assert (ran.code, f"altered   {first}: {text}\n" in ran.out) == (1, True)


@pytest.mark.parametrize("part", ["", ".sig"])
def test_a_signature_of_nobody_is_no_wrong_key(
    run: Run, trail: Trail, pem: Path, tmp_path: Path, part: str
) -> None:
    """One bit of the only digest or of its signature: the object is named, and the key is not blamed."""
    (digest,) = filter(is_digest_key, trail)
    body = bytearray(trail[f"{digest}{part}"])
    body[len(body) // 2] ^= 1
    copy = write_copy({**trail, f"{digest}{part}": bytes(body)}, tmp_path / "flipped")
    ran = run("verify", "--dir", copy, "--public-key", pem)
    assert (ran.code, ran.err) == (1, "")
    assert f"{digest}{part}" in ran.out


COMMAND = [sys.executable, "-c", "from esx_drift.cli import main; main()"]


def test_progress_is_shown_on_a_terminal_and_nowhere_else(copy: Path, trail: Trail) -> None:
    """How many objects are done, of all of them; what a program or a file gets is without it."""
    verifying = [*COMMAND, "verify", "--dir", str(copy)]
    terminal, end = os.openpty()
    with subprocess.Popen(verifying, stdout=subprocess.PIPE, stderr=end) as process:
        os.close(end)
        assert process.stdout is not None
        shown = b"".join(iter(lambda: read_terminal(terminal), b"")).decode()
        told = process.stdout.read()
    os.close(terminal)
    done = [(int(one), int(all_)) for one, all_ in re.findall(r"(\d+)/(\d+)", shown)]
    objects = len(trail)
    assert "Verifying" in shown
    assert done[-1] == (objects, objects)
    assert (process.returncode, told.decode().splitlines()[-1]) == (0, "Intact, key not pinned.")
    piped = subprocess.run(verifying, capture_output=True, check=False)
    assert (piped.returncode, piped.stderr, piped.stdout) == (0, b"", told)


def read_terminal(terminal: int) -> bytes:
    """What was written to it; nothing once nobody has it open any more."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def test_up_to_when_a_copy_is_sealed(run: Run, copy: Path, pem: Path, trail: Trail) -> None:
    """And how long ago that is: a copy whose end was cut off is whole in itself."""
    (digest,) = filter(is_digest_key, trail)
    lines = run("verify", "--dir", copy, "--public-key", pem).out.splitlines()
    (line,) = [each for each in lines if each.startswith("Sealed up to")]
    assert re.fullmatch(rf"Sealed up to 2026-11-24T11:45:00Z, .+ ago \(digest {re.escape(digest)}\)\.", line)
    shown = json.loads(run("verify", "--dir", copy, "--format", "json").out)
    assert (shown["sealed_until"], shown["sealed_by"]) == ("2026-11-24T11:45:00.000Z", digest)


def test_a_copy_without_digests_is_nothing_that_a_key_proves(run: Run, copy: Path, pem: Path) -> None:
    """Of the first hours it is neither intact nor altered: said plainly, with what to do."""
    shutil.rmtree(copy / "digests")
    ran = run("verify", "--dir", copy, "--public-key", pem)
    assert ran.code == 2
    assert "missing" not in ran.out
    last = "Not proved: nothing is sealed yet. What is here agrees with itself."
    assert ran.out.splitlines()[-1] == last
    assert ran.err.startswith("esx-drift: nothing is sealed yet: no digest is here that the key could have")
    assert "of the deployment: esx-drift doctor says when. Without" in ran.err
    asked = ("--stack", "drift 2", "--profile", "ops")
    other = run("verify", "--dir", copy, "--public-key", pem, *asked)
    assert ": esx-drift doctor --stack 'drift 2' --profile ops says when. Without" in other.err
    shown = run("verify", "--dir", copy, "--public-key", pem, "--format", "json")
    assert (shown.code, json.loads(shown.out)["intact"], json.loads(shown.out)["problems"]) == (2, False, [])
    shown = json.loads(run("verify", "--dir", copy, "--format", "json").out)
    assert (shown["sealed_until"], shown["sealed_by"]) == (None, None)


def test_documents_that_are_gone(run: Run, copy: Path, trail: Trail) -> None:
    """Too early, unless the auditor knows that the stack keeps them for a shorter time."""
    shutil.rmtree(copy / "documents")
    number = sum(key.startswith("documents/") for key in trail)
    ran = run("verify", "--dir", copy)
    assert (ran.code, ran.out.count("missing   documents/")) == (1, number)
    (copy / "deliveries" / "groups").rename(copy / "groups")
    shutil.rmtree(copy / "groups")
    shutil.rmtree(copy / "quarantine")
    ran = run("verify", "--dir", copy, "--retention-days", 1)
    assert ran.code == 0
    assert re.search(r"^Expired: \d+ objects, which are kept for 1 day\.$", ran.out, re.MULTILINE)


def test_documents_are_kept_for_no_longer_than_s3_can(run: Run, copy: Path) -> None:
    """A slip of the pen, and what no date can say."""
    ran = run("verify", "--dir", copy, "--retention-days", 36_501)
    assert (ran.code, ran.out) == (2, "")
    assert "36501 days are more than the 36500 that S3 can keep" in ran.err


def test_hostile_names_of_a_copy(run: Run, copy: Path) -> None:
    """They are printed, and the rest is answered."""
    (copy / os.fsdecode(b"records/\xff\xfe")).write_bytes(b"x")
    ran = run("verify", "--dir", copy)
    assert (ran.code, ran.err) == (1, "")
    assert "inserted  records/\\udcff\\udcfe: is nothing that esx-drift writes\n" in ran.out
    (problem,) = json.loads(run("verify", "--dir", copy, "--format", "json").out)["problems"]
    assert problem["key"] == "records/\udcff\udcfe"


class Denying(BaseHTTPRequestHandler):
    """S3, which lets nobody in."""

    def do_GET(self) -> None:
        """Refuse."""
        body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name it has there
        """Say nothing."""


@pytest.mark.usefixtures("stack", "buckets")
def test_a_bucket_without_rights(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trouble, and no word of what is in it."""
    with serving_by(Denying) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        ran = run("verify")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines() == [
        "esx-drift: S3 could not serve s3://audit: AccessDenied (Access Denied)",
        "  Which policy this command needs says docs/operations.md, Who may do what.",
    ]


@pytest.mark.usefixtures("stack", "buckets")
def test_the_trail_of_a_stack(run: Run, trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    """From S3, where times and versions are looked at; with the days that the stack keeps documents."""
    ran = run("verify")
    assert (ran.code, "the trail is empty: nothing was ever recorded there" in ran.err) == (2, True)
    client = boto3.client("s3")
    for each, body in trail.items():
        client.put_object(Bucket="audit", Key=each, Body=body)
    monkeypatch.setattr(CloudFormation, "parameters", {"DocumentRetentionDays": "400"})
    ran = run("verify")
    assert ran.code == 1
    assert " and S3 got it at " in ran.out
    client.delete_bucket_policy(Bucket="audit")
    monkeypatch.setattr(CloudFormation, "outputs", {**CloudFormation.outputs, "AuditBucketName": "nowhere"})
    ran = run("verify")
    assert (ran.code, "NoSuchBucket" in ran.err) == (2, True)


@pytest.mark.usefixtures("stack", "buckets")
def test_a_record_of_another_stack_is_not_that_of_this_one(run: Run, trail: Trail) -> None:
    """Though it has the same key there."""
    record = next(each for each in sorted(trail) if each.startswith("records/"))
    for each, body in trail.items():
        boto3.client("s3").put_object(Bucket="audit", Key=each, Body=body)
    assert run("show", f"s3://audit/{record}").code == 0
    told = run("show", f"s3://other-audit/{record}")
    assert (told.code, told.out) == (2, "")
    assert f"s3://other-audit/{record} is in another bucket than that of this stack" in told.err


def test_openssl_says_the_same_without_us(copy: Path, pem: Path, trail: Trail) -> None:
    """By the commands that operations names."""
    (digest,) = filter(is_digest_key, trail)
    command = ["openssl", "dgst", "-sha256", "-verify", str(pem), "-signature", f"{digest}.sig", digest]
    ran = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "Verified OK\n")


def test_a_key_that_was_changed(
    run: Run, trail: Trail, key: EllipticCurvePrivateKey, pem: Path, tmp_path: Path
) -> None:
    """Each is given by an option of its own; which digests each signed is said, and which signed none."""
    other, third = make_key(), make_key()
    copy = write_copy(seal(trail, other, SEALED_AT + timedelta(days=1)), tmp_path / "copy")
    keys = [tmp_path / "other.pem", tmp_path / "third.pem"]
    for path, each in zip(keys, (other, third), strict=True):
        path.write_bytes(public_key(each).pem)
    both = ("--public-key", keys[0], "--public-key", pem, "--public-key", pem)
    ran = run("verify", "--dir", copy, *both)
    first, second = sorted(filter(is_digest_key, trail)), max(copy.glob("digests/*Z.json"))
    digests = (first[0], f"digests/{second.name}")
    assert (ran.code, ran.out.splitlines()[-3:]) == (
        0,
        [
            *(
                f"Signed by: {public_key(one).fingerprint}, {digest} to {digest}"
                for one, digest in zip((key, other), digests, strict=True)
            ),
            "Intact.",
        ],
    )
    ran = run("verify", "--dir", copy, *both, "--public-key", keys[1])
    unused = public_key(third).fingerprint
    assert f"\nNo digest here is signed by {unused}, which was given.\n" in ran.out
    shown = json.loads(run("verify", "--dir", copy, *both, "--public-key", keys[1], "--format", "json").out)
    assert (shown["intact"], shown["key_pinned"], shown["unused_keys"]) == (True, True, [unused])
    assert shown["signers"] == sorted(public_key(one).fingerprint for one in (key, other))
    ran = run("verify", "--dir", copy, "--public-key", pem)
    text = f"it is signed by {public_key(other).fingerprint}, and not by the key given"
    assert (ran.code, f"altered   {digests[1]}: {text}\n" in ran.out) == (1, True)
