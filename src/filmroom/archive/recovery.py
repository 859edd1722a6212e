"""Bytes without a row, brought back: filed through the one door, then their old place is given back.

A crash between sync and commit leaves some that nobody was promised; a database restored from an older backup leaves
many that somebody was.
"""

import asyncio

from filmroom.archive.consistency import Consistency, Finding
from filmroom.archive.door import Ingest
from filmroom.archive.duplicates_store import expired
from filmroom.archive.model import Outcome, Stored
from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError
from filmroom.db.pool import Database
from filmroom.security.policy import Action, demand
from filmroom.security.principals import Principal
from filmroom.storage.blobs import Blobs
from filmroom.storage.online import OnlineStore
from filmroom.storage.reclaim import reclaim

SOURCE = "recovery"

# What leaves the bytes kept elsewhere: filed, there already, or in quarantine with a reason.
_KEPT = frozenset({Stored.NEW, Stored.ALREADY, Stored.CONFLICT, Stored.QUARANTINED})


async def forget_versions(database: Database, online: OnlineStore, clock: Clock) -> int:
    """Give back the bytes of replaced versions whose time is over; how many. Rows first: a crash in between leaves
    bytes without a row, which the next check names."""
    total = 0
    while True:
        async with database.transaction() as tx:
            old = await expired(tx, clock.now())
        for where in old:
            await asyncio.to_thread(reclaim, online, where)
        total += len(old)
        if not old:
            return total


class Recovery:
    """Files what no row knows."""

    def __init__(self, consistency: Consistency, online: OnlineStore, blobs: Blobs, door: Ingest) -> None:
        self._consistency = consistency
        self._online = online
        self._blobs = blobs
        self._door = door

    async def adopt(self, who: Principal, orphan: Finding) -> Outcome | None:
        """File the bytes of ``orphan``; None when a row knows them by now. They leave their old place once kept.

        Raises FilmroomError when they cannot be read or filed now; then nothing has changed.
        """
        demand(who, Action.ADMINISTER)
        where = orphan.where
        if where is None or orphan.instance_pk is not None:
            raise FilmroomError("only bytes without a row can be adopted")
        if not await self._consistency.is_orphan(where):
            return None
        incoming = self._door.begin(who, door="import", source=SOURCE, transfer_syntax=None, part10=True)
        try:
            async for chunk in self._blobs.stream(where):
                incoming.write(chunk)
                if incoming.full:
                    await incoming.drain()
        except BaseException:
            await incoming.discard()
            raise
        outcome = await incoming.finish()
        if outcome.result in _KEPT and await self._consistency.is_orphan(where):
            await asyncio.to_thread(reclaim, self._online, where)
        return outcome
