"""Whether index and store agree, both ways: rows whose bytes are missing or wrong, bytes that no row knows.

Bytes without rows are what a crash leaves between the sync and the commit: harmless, never served. The reverse must
never be found.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from filmroom.base.clock import Clock
from filmroom.base.errors import Corrupt, FilmroomError, NotFound
from filmroom.db.pool import Database
from filmroom.db.queries import load
from filmroom.security.policy import Action, demand
from filmroom.security.principals import Principal
from filmroom.storage import tar
from filmroom.storage.blobs import Blobs
from filmroom.storage.model import LOCAL, BlobRange
from filmroom.storage.online import OnlineStore
from filmroom.storage.pack import is_being_written
from filmroom.storage.reclaim import is_reclaimed

_sql = load("filmroom.archive", "consistency.sql")

PAGE = 500
READ_BYTES = 1 << 20


class Fault(Enum):
    """What does not agree."""

    NO_LOCATION = "no-location"  # a row that says of no bytes where they are
    MISSING = "missing"  # the blob is gone
    SHORT = "short"  # it ends too early
    WRONG = "wrong"  # its digest is another one
    UNREADABLE = "unreadable"  # it cannot be read now
    ORPHAN = "orphan"  # bytes that no row knows


# What a copy's row says then; a store that does not answer says nothing of the copy.
_STATES = {Fault.MISSING: "missing", Fault.SHORT: "corrupt", Fault.WRONG: "corrupt", Fault.UNREADABLE: None}


@dataclass(frozen=True, slots=True)
class Finding:
    """One disagreement. ``instance_pk`` and ``sop_uid`` are None for bytes without a row."""

    fault: Fault
    where: BlobRange | None
    instance_pk: int | None = None
    sop_uid: str | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """What a part of the check found. ``next_after`` is where to go on, None at the end."""

    rows: int
    findings: tuple[Finding, ...]
    next_after: int | None


class Consistency:
    """Compares index and online store."""

    def __init__(self, database: Database, online: OnlineStore, blobs: Blobs, clock: Clock) -> None:
        self._database = database
        self._online = online
        self._blobs = blobs
        self._clock = clock

    async def check(self, who: Principal, *, after: int = 0, limit: int = PAGE, digests: bool = True) -> Checked:
        """Look at ``limit`` objects after row ``after``: are their bytes there and (``digests``) the right ones?"""
        demand(who, Action.ADMINISTER)
        async with self._database.connection() as connection:
            rows = await _sql.rows_after.all(connection, store=LOCAL, after=after, limit=limit)
            last = rows[-1]["pk"] if len(rows) == limit else 2**62
            lost = await _sql.without_location.all(connection, after=after, upto=last)
        findings = [Finding(Fault.NO_LOCATION, None, row["pk"], row["sop_uid"]) for row in lost]
        examined = await asyncio.to_thread(self._examine, rows, digests)
        await self._note(rows, examined)
        findings += examined
        return Checked(len(rows), tuple(findings), last if len(rows) == limit else None)

    async def check_all(self, who: Principal, *, digests: bool = True) -> list[Finding]:
        """Everything, rows first and then the store."""
        findings: list[Finding] = []
        after: int | None = 0
        while after is not None:
            part = await self.check(who, after=after, digests=digests)
            findings += part.findings
            after = part.next_after
        findings += [finding async for finding in self.orphans(who)]
        return findings

    async def objects(self, who: Principal) -> int:
        """How many objects a full check looks at."""
        demand(who, Action.ADMINISTER)
        async with self._database.connection() as connection:
            return int(await _sql.objects.value(connection))

    async def orphans(self, who: Principal, *, min_age_s: float = 0) -> AsyncIterator[Finding]:
        """Members of packs and files that no row knows; packs that are being written are left alone.

        What was written less than ``min_age_s`` ago is passed over: its rows may be on their way.
        """
        demand(who, Action.ADMINISTER)
        for key in await asyncio.to_thread(lambda: sorted(self._online.store.keys())):
            kind = key.split("/", 1)[0]
            if await asyncio.to_thread(self._is_young, key, min_age_s):
                continue
            if kind == "pack":
                async for finding in self._orphans_of_pack(key):
                    yield finding
            elif kind in ("file", "quarantine"):
                async with self._database.connection() as connection:
                    if not await _sql.refers_to.value(connection, key=key, store=LOCAL):
                        size = await asyncio.to_thread(self._online.store.size, key)
                        yield Finding(Fault.ORPHAN, BlobRange(LOCAL, key, 0, size))

    async def is_orphan(self, where: BlobRange) -> bool:
        """Whether still no row refers to these bytes."""
        async with self._database.connection() as connection:
            if not where.key.startswith("pack/"):
                return not await _sql.refers_to.value(connection, key=where.key, store=LOCAL)
            starts = await _sql.starts_in.all(connection, key=where.key, store=LOCAL)
            return where.start not in {row["start"] for row in starts}

    def _is_young(self, key: str, min_age_s: float) -> bool:
        try:
            written = (self._online.root / key).stat().st_mtime
        except FileNotFoundError:
            return True
        return min_age_s > 0 and self._clock.now().timestamp() - written < min_age_s

    async def _orphans_of_pack(self, key: str) -> AsyncIterator[Finding]:
        path = self._online.root / key
        if await asyncio.to_thread(is_being_written, path):
            return
        members = await asyncio.to_thread(_members, path)
        async with self._database.connection() as connection:
            known = {row["start"] for row in await _sql.starts_in.all(connection, key=key, store=LOCAL)}
        for member in members:
            if member.start not in known:
                yield Finding(Fault.ORPHAN, BlobRange(LOCAL, key, member.start, member.size_bytes))

    async def _note(self, rows: list[Any], examined: list[Finding]) -> None:
        """Write down the state of the copies: a missing one is not offered as if it were there."""
        states: dict[str, list[int]] = {"good": [], "missing": [], "corrupt": []}
        found = {each.instance_pk: _STATES.get(each.fault) for each in examined}
        for row in rows:
            state = found.get(row["pk"], "good")
            if state is not None and state != row["state"]:
                states[state].append(row["pk"])
        for state, pks in states.items():
            if pks:
                async with self._database.connection() as connection:
                    await _sql.note_state.run(connection, state=state, pks=pks, store=LOCAL)

    def _examine(self, rows: list[Any], digests: bool) -> list[Finding]:
        findings = []
        for row in rows:
            where = BlobRange(row["store"], row["key"], row["start"], row["size_bytes"])
            fault = self._fault(where, row, digests)
            if fault is not None:
                findings.append(Finding(fault, where, row["pk"], row["sop_uid"]))
        return findings

    def _fault(self, where: BlobRange, row: Any, digests: bool) -> Fault | None:
        try:
            if not digests:
                size = self._blobs.store(where.store).size(where.key)
                return None if size >= where.start + where.size_bytes else Fault.SHORT
            right = self._digest(where, row["dataset_offset"]) == (row["digest"], row["dataset_digest"])
            return None if right else Fault.WRONG
        except NotFound:
            return Fault.MISSING
        except Corrupt:
            return Fault.SHORT
        except FilmroomError:
            return Fault.UNREADABLE

    def _digest(self, where: BlobRange, dataset_offset: int) -> tuple[bytes, bytes]:
        """The digest of the stored blob and that of its data set, as ingest made them (see table ``location``)."""
        head = hashlib.sha256(self._blobs.read_sync(where, 0, dataset_offset)).digest()
        digest = hashlib.sha256()
        for piece in _pieces(where.size_bytes, dataset_offset):
            digest.update(self._blobs.read_sync(where, *piece))
        return hashlib.sha256(head + digest.digest()).digest(), digest.digest()


def _pieces(size_bytes: int, start: int) -> Iterator[tuple[int, int]]:
    while start < size_bytes:
        length = min(READ_BYTES, size_bytes - start)
        yield start, length
        start += length


def _members(path: Path) -> list[tar.Member]:
    """The whole members of a pack; one that was cut off or given back does not count."""
    size = path.stat().st_size
    with path.open("rb") as file:

        def read(start: int, length: int) -> bytes:
            file.seek(start)
            return file.read(length)

        return [
            member
            for member in tar.members(read, size)
            if member.start + member.size_bytes <= size
            and not is_reclaimed(read(member.start, min(member.size_bytes, tar.BLOCK)))
        ]
