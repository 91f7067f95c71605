"""Records, each held to what names its bytes: the record after it, or of the newest one a digest.

A record that somebody wrote over reads as well as any other. So whoever asks for a record reads the next one,
too, which names its sha256: of records in a row that costs one request more, or none. The newest one is
named by the head of its log in the newest digest, if it is sealed: a LIST and a GET a command.

That a record is what the next one names is no proof of the next one: for that there is ``verify``.
"""

from collections.abc import Iterator, Sequence
from typing import Final, cast

from msgspec import Struct, field

from esx_drift.contracts import parse_payload
from esx_drift.contracts.unpacking import parse_record
from esx_drift.domain.stored.identifiers import (
    DIGEST_PREFIX,
    compute_sha256,
    make_numbered_key,
    make_record_key,
)
from esx_drift.domain.stored.types import Record
from esx_drift.domain.trail.digests import Digest, SealedHead, list_signed
from esx_drift.errors import ContractViolation, TrailDamaged
from esx_drift.log_reader import read_all
from esx_drift.ports import TrailFiles

KEPT_OBJECTS: Final = 16
"""So many objects that were read last are kept: the next question is mostly about the same ones."""

DIGESTS_TRIED: Final = 2
"""Of an excerpt the newest digest may be of later; what it names stands in the one before."""

type _Body = bytes | TrailDamaged | None


class _ReadRecord(Struct, frozen=True):
    """What lies in a record's place: the ``record``, else what is damaged; the ``sha256`` of its bytes."""

    record: Record | None = None
    damage: TrailDamaged | None = None
    sha256: str = ""


class LinkedRecords(Struct):
    """Reads the records of the trail ``files``; what is damaged of them goes into ``damages``.

    ``ends`` are the highest numbers of logs, by the prefix of their keys, as far as they were listed;
    ``digests`` the keys of the newest digests, and ``heads`` what those say that were read.
    """

    files: TrailFiles
    damages: list[TrailDamaged]
    ends: dict[str, int] = field(default_factory=dict)
    _kept: dict[str, _Body] = field(default_factory=dict)
    digests: list[str] | None = None
    heads: dict[str, dict[str, SealedHead]] = field(default_factory=dict)

    def read(self, prefix: str, numbers: Sequence[int]) -> Iterator[Record]:
        """Read the records under ``prefix`` with these ``numbers``, without those that are not as named."""
        following = {number + 1 for number in numbers if number < self.ends.get(prefix, number + 1)}
        bodies = self._read_bodies(prefix, sorted({*numbers, *following}))
        last: dict[int, _ReadRecord] = {}
        for number in numbers:
            pair = {
                each: last.get(each) or _parse(make_numbered_key(prefix, each), bodies[each])
                for each in (number, number + 1)
                if each in bodies
            }
            last, own, after = pair, pair[number], pair.get(number + 1)
            if after is not None and number + 1 not in numbers and bodies[number + 1] is not None:
                self._note_once(after.damage)
            damage = own.damage or self._find_contradiction(prefix, number, own, after)
            if damage is not None:
                self.damages.append(damage)
            else:
                yield cast("Record", own.record)

    def adopt_heads(self, other: "LinkedRecords") -> None:
        """Adopt what an ``other`` one read of digests, but for what was damaged, which each names itself."""
        self.digests = other.digests
        self.heads |= {key: heads for key, heads in other.heads.items() if heads}

    def read_alone(self, key: str) -> Record | None:
        """Read the record under ``key``, held to nothing: to look for another; none if it is damaged."""
        found = _parse(key, self.read_bytes(key))
        if found.damage is not None:
            self.damages.append(found.damage)
        return found.record

    def read_bytes(self, key: str) -> _Body:
        """Read what lies under ``key``; where something is in its place that can't be read, what it is."""
        try:
            return self.files.read(key)
        except TrailDamaged as damage:
            return damage

    def _read_bodies(self, prefix: str, numbers: Sequence[int]) -> dict[int, _Body]:
        keys = {number: make_numbered_key(prefix, number) for number in numbers}
        wanted = [key for key in keys.values() if key not in self._kept]
        found = {**self._kept, **dict(zip(wanted, read_all(self.read_bytes, wanted), strict=True))}
        self._kept = {key: found[key] for key in [*keys.values()][-KEPT_OBJECTS:]}
        return {number: found[key] for number, key in keys.items()}

    def _note_once(self, damage: TrailDamaged | None) -> None:
        if damage is not None and damage.key not in {one.key for one in self.damages}:
            self.damages.append(damage)

    def _find_contradiction(
        self, prefix: str, number: int, own: _ReadRecord, after: _ReadRecord | None
    ) -> TrailDamaged | None:
        """Find whether a record has other bytes than what comes after it names."""
        key = make_numbered_key(prefix, number)
        if after is not None and after.sha256:
            named = after.record["previous"] if after.record is not None else None
            is_named = named is not None and (named["seq"], named["sha256"]) == (number, own.sha256)
            if after.record is None or is_named:
                return None
            next_key = make_numbered_key(prefix, number + 1)
            return TrailDamaged(f"{key} is not what {next_key} names as the record before it", key)
        for digest, heads in self.list_heads():
            head = heads.get(prefix)
            if head is None or head["seq"] < number:
                return None
            if head["seq"] == number:
                is_named = head["sha256"] == own.sha256
                return None if is_named else TrailDamaged(f"{key} has other bytes than {digest} names", key)
        return None

    def list_heads(self) -> Iterator[tuple[str, dict[str, SealedHead]]]:
        """List the heads of all logs by prefix, as the newest digests have them, each with its key."""
        if self.digests is None:
            keys = {found.key for found in self.files.list_objects(DIGEST_PREFIX)}
            self.digests = list_signed(keys)[:DIGESTS_TRIED]
        for key in self.digests:
            if key not in self.heads:
                self.heads[key] = self._read_heads(key)
            yield key, self.heads[key]

    def _read_heads(self, key: str) -> dict[str, SealedHead]:
        body = self.read_bytes(key)
        try:
            digest = cast("Digest", parse_payload("digest", _require_bytes(key, body)))
        except (ContractViolation, ValueError) as error:
            self.damages.append(
                TrailDamaged(f"{key} is no digest that this version knows: {str(error)[:200]}", key)
            )
            return {}
        except TrailDamaged as damage:
            self.damages.append(damage)
            return {}
        return {head["key"].rpartition("/")[0] + "/": head for head in digest["heads"]}


def _parse(key: str, body: _Body) -> _ReadRecord:
    sha256 = compute_sha256(body) if isinstance(body, bytes) else ""
    try:
        return _ReadRecord(_require_record(key, body), sha256=sha256)
    except TrailDamaged as damage:
        return _ReadRecord(damage=damage, sha256=sha256)


def _require_bytes(key: str, body: _Body) -> bytes:
    if isinstance(body, TrailDamaged):
        raise body
    if body is None:
        raise TrailDamaged(f"{key} is not there any more", key)
    return body


def _require_record(key: str, body: _Body) -> Record:
    try:
        record = parse_record(_require_bytes(key, body))
    except ContractViolation as error:
        raise TrailDamaged(f"{key} is no record: {error}", key) from error
    own = make_record_key(record["vcenter"], record["cluster"], record["seq"])
    if own != key:
        raise TrailDamaged(f"{key} is the record that belongs under {own}", key)
    return record
