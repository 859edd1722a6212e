"""Telling subscribers of work items that the archive has begun again, or ends (SCP Status Change, PS3.4 CC.2.4)."""

import asyncio
import contextlib
from datetime import timedelta
from typing import Final

import structlog

from filmroom.base.clock import Clock
from filmroom.base.errors import FilmroomError
from filmroom.db.pool import Database
from filmroom.db.queries import load
from filmroom.workflow.ups_events import Events

_sql = load("filmroom.workflow", "ups.sql")
log = structlog.get_logger()

# After this long a process that ended without a word is known to be gone (archive.devices_live).
SETTLE_S: Final = 16.0
# Processes that begin together are one start.
TOGETHER: Final = timedelta(seconds=30)
# How long the end waits for subscribers to hear of it, and how long it is worth telling.
LAST_WORDS_S: Final = 3.0
LAST_WORDS_HOURS: Final = 0.005
_LOOK_S: Final = 0.1


class ProviderStatus:
    """``start`` when event reports are being delivered, ``stop`` while they still are."""

    def __init__(self, database: Database, clock: Clock, *, retry_hours: float, settle_s: float = SETTLE_S) -> None:
        self._database = database
        self._clock = clock
        self._events = Events(retry_hours)
        self._last_words = Events(LAST_WORDS_HOURS)
        self._settle_s = settle_s
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._begin())

    async def stop(self) -> None:
        """Say so, if no other process goes on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(FilmroomError, TimeoutError):
            async with asyncio.timeout(LAST_WORDS_S):
                await self._end()

    async def _begin(self) -> None:
        started = self._clock.now()
        await asyncio.sleep(self._settle_s)
        with contextlib.suppress(FilmroomError):
            async with self._database.transaction() as tx:
                await _sql.announcing.run(tx)
                if await _sql.others_went_on.value(tx, before=started - TOGETHER, silent_s=self._settle_s):
                    return
                if await _sql.announced_since.value(tx, since=started - TOGETHER):
                    return
                told = await self._events.provider(tx, self._clock.now(), "RESTARTED")
            if told:
                log.info("subscribers are told of the restart", receivers=told)

    async def _end(self) -> None:
        async with self._database.transaction() as tx:
            await _sql.announcing.run(tx)
            if await _sql.nodes.value(tx, silent_s=self._settle_s) > 1:
                return
            if not await self._last_words.provider(tx, self._clock.now(), "GOING DOWN"):
                return
        while True:
            async with self._database.connection() as connection:
                if not await _sql.untold.value(connection):
                    return
            await asyncio.sleep(_LOOK_S)
