"""Objects that could not be filed: kept with their reason until somebody decides."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog

from filmroom.archive.door import Ingest
from filmroom.archive.model import Outcome, Stored
from filmroom.archive.quarantine_release import edited_file, released_edit
from filmroom.archive.sight_lists import demand_whole, quarantine_seen
from filmroom.base.clock import Clock
from filmroom.base.errors import NotFound, Unavailable
from filmroom.base.facts import ObjectQuarantined
from filmroom.db import feed
from filmroom.db.pool import Database
from filmroom.db.queries import load
from filmroom.dicom.edits import Edit
from filmroom.index.narrowed import rows_seen
from filmroom.index.query_terms import Parameters
from filmroom.security.policy import Action, demand, view_for
from filmroom.security.principals import Principal
from filmroom.storage.blobs import Blobs
from filmroom.storage.disk import as_fault
from filmroom.storage.model import LOCAL, BlobRange
from filmroom.storage.online import OnlineStore
from filmroom.storage.spool import SpoolFile

_sql = load("filmroom.archive", "quarantine.sql")
log = structlog.get_logger()

MAX_DETAIL_CHARACTERS = 500
# Given up in one go; the rest at the next.
MAX_EXPIRED = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """One object in quarantine.

    ``reason`` is a code (not-readable, uid-differs, conflict, not-indexable); ``state`` is waiting, requeued or
    discarded.
    """

    pk: int
    at: datetime
    door: str
    source: str
    reason: str
    detail: str
    sop_class: str
    sop_uid: str
    transfer_syntax: str
    where: BlobRange
    state: str


class Quarantine:
    """The shelf apart."""

    def __init__(self, database: Database, online: OnlineStore, blobs: Blobs, clock: Clock) -> None:
        self._database = database
        self._online = online
        self._blobs = blobs
        self._clock = clock

    async def take(
        self,
        *,
        door: str,
        source: str,
        reason: str,
        detail: str,
        sop_class: str,
        sop_uid: str,
        transfer_syntax: str,
        parts: Sequence[bytes],
        spool: SpoolFile | None,
        digest: bytes = b"",
    ) -> int:
        """Keep the bytes (``spool``, or else ``parts``) durably with the reason; the entry's id.

        Raises NoSpace or Unavailable.
        """
        try:
            where, found = await asyncio.to_thread(self._keep, parts, spool)
        except OSError as error:
            raise as_fault(error) from error
        async with self._database.transaction() as tx:
            pk: int = await _sql.add.value(
                tx,
                at=self._clock.now(),
                door=door,
                source=source,
                reason=reason,
                detail=_plain(detail)[:MAX_DETAIL_CHARACTERS],
                sop_class=_plain(sop_class),
                sop_uid=_plain(sop_uid),
                transfer_syntax=_plain(transfer_syntax),
                key=where.key,
                size_bytes=where.size_bytes,
                digest=digest or found,
            )
            await feed.append(tx, [ObjectQuarantined(quarantine_id=pk, reason=reason)], self._clock.now())
        log.info("quarantined", id=pk, door=door, source=source, reason=reason)
        return pk

    async def count(self, who: Principal, *, state: str = "waiting") -> int:
        """How many objects are in quarantine."""
        demand(who, Action.ADMINISTER)
        async with self._database.connection() as connection:
            rows = await rows_seen(connection, _sql.count, _seen_by(who), state=state)
            return int(rows[0][0])

    async def list(
        self, who: Principal, *, state: str = "waiting", before: int | None = None, limit: int = 100
    ) -> list[Entry]:
        """The newest entries, or those older than entry ``before``."""
        demand(who, Action.ADMINISTER)
        async with self._database.connection() as connection:
            rows = await rows_seen(
                connection, _sql.page, _seen_by(who), state=state, before=before or 2**62, limit=limit
            )
        return [_entry(row) for row in rows]

    async def get(self, who: Principal, pk: int) -> Entry:
        """One entry. Raises NotFound."""
        demand(who, Action.ADMINISTER)
        async with self._database.connection() as connection:
            rows = await rows_seen(connection, _sql.one, _seen_by(who), pk=pk)
        if not rows:
            raise NotFound(f"nothing in quarantine has the number {pk}")
        return _entry(rows[0])

    async def read(self, who: Principal, pk: int) -> AsyncIterator[bytes]:
        """The bytes of an entry, as they were kept."""
        entry = await self.get(who, pk)
        demand_whole(who, Action.ADMINISTER, "an object in quarantine is nobody's yet")
        async for chunk in self._blobs.stream(entry.where):
            yield chunk

    async def discard(self, who: Principal, pk: int, *, why: str = "") -> None:
        """Give an object up. The row stays and says so; then its bytes go. Raises NotFound."""
        demand(who, Action.DELETE)
        async with self._database.connection() as connection:
            if not await rows_seen(connection, _sql.one, _seen_by(who, Action.DELETE), pk=pk):
                raise NotFound(f"nothing in quarantine has the number {pk}")
        await self._settle(who, pk, "discarded", why)

    async def expire(self, who: Principal, *, days: int) -> int:
        """Give up what has waited, or was released, for longer than so many days; how many objects."""
        demand(who, Action.DELETE)
        before = self._clock.now() - timedelta(days=days)
        async with self._database.connection() as connection:
            old = await _sql.older.all(connection, before=before, limit=MAX_EXPIRED)
        for row in old:
            if row["state"] == "waiting":
                await self._settle(who, row["pk"], "discarded", f"nobody decided within {days} days")
            else:
                await self._forget(row["pk"])
        return len(old)

    async def requeue(self, who: Principal, pk: int, door: Ingest) -> Outcome:
        """Try once more to file an object; when that succeeds it leaves quarantine. Raises NotFound."""
        demand(who, Action.ADMINISTER)
        entry = await self.get(who, pk)
        if entry.state != "waiting":
            raise NotFound(f"number {pk} has been decided about already")
        outcome = await self._offer(who, entry, door)
        if outcome.safe or outcome.result in (Stored.CONFLICT, Stored.QUARANTINED):
            await self._settle(
                who, pk, "requeued", ""
            )  # refused again, it is back under a new number with today's reason
        return outcome

    async def release(self, who: Principal, pk: int, door: Ingest, changes: Mapping[str, Any], *, why: str) -> Outcome:
        """File an object with attributes set right (by keyword or tag, UIDs too; None removes one).

        What is filed is another object than the one that came, so that one stays, released, until ``expire``.
        Raises NotFound, BadCorrection, NotReadable.
        """
        demand(who, Action.ADMINISTER)
        entry = await self.get(who, pk)
        if entry.state != "waiting":
            raise NotFound(f"number {pk} has been decided about already")
        edit = released_edit(changes, entry.source, self._clock.now())
        outcome = await self._offer(who, entry, door, edit)
        if outcome.safe:
            async with self._database.transaction() as tx:
                await _sql.release.value(tx, pk=pk, at=self._clock.now(), who=who.name, why=why)
                await _sql.write.run(
                    tx,
                    at=self._clock.now(),
                    who=who.name,
                    why=why,
                    target=f"instance:{outcome.sop_uid}",
                    after={"quarantine": pk, "attributes": dict(edit.changes)},
                )
        return outcome

    async def _offer(self, who: Principal, entry: Entry, door: Ingest, edit: Edit | None = None) -> Outcome:
        incoming = door.begin(who, door=entry.door, source=entry.source, transfer_syntax=None, part10=True)
        try:
            stream = self._blobs.stream(entry.where)
            async for chunk in stream if edit is None else edited_file(stream, edit):
                incoming.write(chunk)
                if incoming.full:
                    await incoming.drain()
        except BaseException:
            await incoming.discard()
            raise
        return await incoming.finish()

    async def _forget(self, pk: int) -> None:
        """The bytes of an object that was released in another form."""
        async with self._database.transaction() as tx:
            key = await _sql.forget.value(tx, pk=pk)
        if key is not None:
            await asyncio.to_thread(self._blobs.store(LOCAL).delete, key)

    async def _settle(self, who: Principal, pk: int, state: str, why: str) -> None:
        async with self._database.transaction() as tx:
            key = await _sql.settle.value(tx, pk=pk, state=state, at=self._clock.now(), who=who.name, why=why)
        if key is None:
            raise NotFound(f"nothing that waits in quarantine has the number {pk}")
        await asyncio.to_thread(self._blobs.store(LOCAL).delete, key)

    def _keep(self, parts: Sequence[bytes], spool: SpoolFile | None) -> tuple[BlobRange, bytes]:
        if spool is not None and spool.kept is not None:
            return spool.kept, spool.digest()
        spool, given = spool or self._online.spool(), spool
        try:
            if given is None:
                spool.write(parts)
            return spool.keep(self._online.root, self._online.new_key("quarantine")), spool.digest()
        except (OSError, Unavailable):
            spool.discard()
            raise


def _seen_by(who: Principal, action: Action = Action.ADMINISTER) -> Callable[[Parameters], str]:
    return partial(quarantine_seen, view_for(who, action))


def _entry(row: Any) -> Entry:
    return Entry(
        pk=row["pk"],
        at=row["at"],
        door=row["door"],
        source=row["source"],
        reason=row["reason"],
        detail=row["detail"],
        sop_class=row["sop_class"] or "",
        sop_uid=row["sop_uid"] or "",
        transfer_syntax=row["transfer_syntax"] or "",
        where=BlobRange(LOCAL, row["key"], 0, row["size_bytes"]),
        state=row["state"],
    )


def _plain(text: str) -> str:
    """What the database can hold of a text from outside."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
