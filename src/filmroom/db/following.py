"""Dealing with the feed's facts in turn, up to a cursor in the database."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from filmroom.base.errors import FilmroomError
from filmroom.db import feed
from filmroom.db.background import Background
from filmroom.db.feed import FeedWatch, Recorded
from filmroom.db.pool import Database

log = structlog.get_logger()

AT_ONCE: Final = 500
WAIT_S: Final = 5.0
# What arrives within this is dealt with together: a study in arrival is looked at once a second, not once an object.
TOGETHER_S: Final = 1.0


class Follower(Background):
    """Follows the feed as ``reader``. Whoever derives from it says in ``_deal`` what it does with facts."""

    def __init__(self, database: Database, watch: FeedWatch, reader: str) -> None:
        self._database = database
        self._watch = watch
        self._reader = reader

    async def catch_up(self) -> None:
        """Deal with all that has happened."""
        while await self._some():
            pass

    async def round(self) -> None:
        """Deal with what has happened; what comes meanwhile waits for the next round: while objects come in, there is
        always something."""
        while await self._some() == AT_ONCE:
            pass

    async def _deal(self, seen: int, facts: Sequence[Recorded]) -> int:
        """Deal with the facts after number ``seen`` and ``feed.advance`` the reader. How many it were; 0: another
        process is at it."""
        raise NotImplementedError

    async def _seen(self) -> int:
        async with self._database.connection() as connection:
            return await feed.cursor(connection, self._reader)

    async def _some(self) -> int:
        seen = await self._seen()
        facts = await feed.read(self._database, seen, AT_ONCE)
        return await self._deal(seen, facts) if facts else 0

    async def _run(self) -> None:
        while True:
            try:
                await self.round()
                await self._watch.wait(await self._seen(), WAIT_S)
            except FilmroomError as fault:
                log.warning("the feed is not followed now", reader=self._reader, reason=str(fault))
            except Exception:
                log.exception("the feed is not followed", reader=self._reader)
                await asyncio.sleep(WAIT_S)
            await asyncio.sleep(TOGETHER_S)
