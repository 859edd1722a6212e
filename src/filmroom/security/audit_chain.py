"""The chain: each record's hash covers the one before it; a signed end says how far it went. Pure."""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from filmroom.security.audit import AuditEvent, AuditKind, AuditPatient

START: Final = b""


def text_of(event: AuditEvent) -> str:
    """The record as it is kept and hashed: JSON with sorted names, times in UTC, nothing that says nothing."""
    row: dict[str, Any] = {
        "id": event.id,
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "kind": event.kind.value,
        "who": event.who,
        "who_name": event.who_name,
        "who_kind": event.who_kind,
        "outcome": event.outcome,
    }
    for name in ("roles", "door", "address", "what", "studies", "destination", "query", "detail"):
        if value := getattr(event, name):
            row[name] = value
    if event.instances is not None:
        row["instances"] = event.instances
    if event.patients:
        row["patients"] = [[each.id, each.issuer, each.name] for each in event.patients]
    return orjson.dumps(row, option=orjson.OPT_SORT_KEYS).replace(b"\\u0000", b"").decode()


def event_of(text: str) -> AuditEvent:
    """The record that a text keeps. Raises ValueError, KeyError."""
    row = orjson.loads(text)
    return AuditEvent(
        id=row["id"],
        at=datetime.fromisoformat(row["at"]),
        kind=AuditKind(row["kind"]),
        who=row["who"],
        who_name=row["who_name"],
        who_kind=row["who_kind"],
        roles=tuple(row.get("roles", ())),
        door=row.get("door", ""),
        address=row.get("address", ""),
        outcome=row["outcome"],
        what=row.get("what", ""),
        patients=tuple(AuditPatient(*each) for each in row.get("patients", ())),
        studies=tuple(row.get("studies", ())),
        instances=row.get("instances"),
        destination=row.get("destination", ""),
        query=row.get("query", ""),
        detail=row.get("detail", {}),
    )


def link(before: bytes, seq: int, text: str) -> bytes:
    """The hash of record ``seq``: over its number, the hash before it, and its text."""
    return hashlib.sha256(seq.to_bytes(8, "big") + len(before).to_bytes(1, "big") + before + text.encode()).digest()


@dataclass(frozen=True, slots=True)
class Seal:
    """A signed statement: record ``seq`` was the last, with this hash, at this time. ``kind``: head, checkpoint, or
    pruned (what was up to ``seq`` has been forgotten, and the chain goes on from ``hash``)."""

    seq: int
    hash: bytes
    at: datetime
    kind: str
    key_id: str
    signature: bytes

    def to_line(self) -> bytes:
        """One line of the file that is kept outside the database."""
        fields = (str(self.seq), self.hash.hex(), _time(self.at), self.kind, self.key_id, self.signature.hex())
        return " ".join(fields).encode()


def seal_from(line: bytes) -> Seal:
    """The inverse of ``to_line``. Raises ValueError."""
    seq, hashed, at, kind, key_id, signature = line.decode("ascii").split()
    return Seal(int(seq), bytes.fromhex(hashed), datetime.fromisoformat(at), kind, key_id, bytes.fromhex(signature))


class Signer:
    """Signs with the archive's own key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key()
        self.key_id = key_id(self.public)

    def seal(self, seq: int, hashed: bytes, at: datetime, kind: str) -> Seal:
        """The signed statement."""
        return Seal(seq, hashed, at, kind, self.key_id, self._key.sign(_said(seq, hashed, at, kind)))


def key_id(public: Ed25519PublicKey) -> str:
    """The short name of a key."""
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    return base64.b32encode(hashlib.sha256(raw).digest()[:10]).decode()


def genuine(seal: Seal, keys: Mapping[str, Ed25519PublicKey]) -> bool:
    """Whether one of these keys signed it."""
    public = keys.get(seal.key_id)
    if public is None:
        return False
    try:
        public.verify(seal.signature, _said(seal.seq, seal.hash, seal.at, seal.kind))
    except InvalidSignature:
        return False
    return True


def _said(seq: int, hashed: bytes, at: datetime, kind: str) -> bytes:
    return f"filmroom audit {kind}\n{seq}\n{hashed.hex()}\n{_time(at)}".encode()


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


@dataclass(frozen=True, slots=True)
class Row:
    """A stored record: the columns that are searched are copies of what the text says."""

    seq: int
    text: str
    hash: bytes
    columns: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """Where the trail is not what was written, and what is wrong there."""

    seq: int
    what: str


def columns_of(event: AuditEvent) -> tuple[Any, ...]:
    """What the searched columns of a record hold."""
    return (
        event.id,
        event.at,
        event.kind.value,
        event.outcome,
        event.who,
        event.who_name,
        event.door,
        [each.id for each in event.patients if each.id],
        list(event.studies),
    )


class Verifier:
    """Goes along the chain and tells the first things that are wrong."""

    def __init__(self, after: int = 0, hashed: bytes = START, seals: Iterable[Seal] = (), most: int = 20) -> None:
        self.seq = after
        self.hash = hashed
        self.faults: list[Fault] = []
        self._seals: dict[int, list[Seal]] = {}
        for seal in seals:
            self._seals.setdefault(seal.seq, []).append(seal)
        self._most = most

    def feed(self, row: Row) -> bool:
        """One more row, in order of number; false when enough is wrong."""
        if row.seq != self.seq + 1:
            missing = f"record {self.seq + 1}" + (f" to {row.seq - 1}" if row.seq > self.seq + 2 else "")
            self._wrong(self.seq + 1, f"{missing} is missing: it was deleted")
            self.hash = row.hash  # go on from here
        elif link(self.hash, row.seq, row.text) != row.hash:
            self._wrong(row.seq, "the record does not fit the chain: it was changed, put in or moved")
            self.hash = row.hash
        else:
            self.hash = row.hash
            self._copies(row)
        self.seq = row.seq
        self._sealed(row.seq)
        return len(self.faults) < self._most

    def finish(self, ends: Iterable[Seal]) -> list[Fault]:
        """What is wrong, with the known ends of the chain: no record that was signed for may be missing."""
        for seal in sorted(ends, key=lambda each: each.seq):
            if seal.seq > self.seq:
                self._wrong(
                    self.seq + 1, f"records {self.seq + 1} to {seal.seq} at the end are missing: they were deleted"
                )
                break
        return self.faults

    def _copies(self, row: Row) -> None:
        if not row.columns:
            return
        try:
            same = columns_of(event_of(row.text)) == row.columns
        except (KeyError, ValueError, TypeError):
            same = False
        if not same:
            self._wrong(row.seq, "a column that is searched says something else than the record")

    def _sealed(self, seq: int) -> None:
        for seal in self._seals.get(seq, ()):
            if seal.hash != self.hash:
                self._wrong(seq, "the chain was written anew up to here: its hash is not the one that was signed")
                break

    def _wrong(self, seq: int, what: str) -> None:
        self.faults.append(Fault(seq, what))
