"""The end of the feed, held in memory once a process for everybody who follows it.

One task reads each fact once; thousands of followers look into the same ring. Nobody has a queue of their own: who
falls behind the ring's beginning is told so, and goes on from the database.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence

import structlog

from filmroom.base.errors import FilmroomError
from filmroom.db import feed
from filmroom.db.background import Background
from filmroom.db.feed import FeedWatch, Record
from filmroom.db.pool import Database

log = structlog.get_logger()

# A fact of a full batch carries 256 UIDs, some 20 kB; most are a tenth of a kilobyte.
RING = 2048
READ_AT_ONCE = 500
LOOK_S = 30.0


class FellBehind(FilmroomError):
    """What comes next for this follower is no longer held in memory."""


class FeedTail(Background):
    """The last facts. ``start`` begins at the feed's present end."""

    def __init__(self, database: Database, watch: FeedWatch, *, ring: int = RING) -> None:
        self._database = database
        self._watch = watch
        self._ring: deque[Record] = deque(maxlen=ring)
        self._news = asyncio.Event()
        self.last = 0

    async def start(self) -> None:
        self.last = await feed.head(self._database)
        await super().start()

    def after(self, seq: int) -> Sequence[Record]:
        """The facts held that follow number ``seq``. Raises FellBehind when some of them are held no longer."""
        if seq >= self.last:
            return ()
        if not self._ring or self._ring[0].seq > seq + 1:
            raise FellBehind
        return [record for record in self._ring if record.seq > seq]

    async def wait(self, seq: int, timeout_s: float) -> bool:
        """Whether there is a fact after number ``seq`` within the time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.last <= seq:
                    await self._news.wait()
        return self.last > seq

    async def _run(self) -> None:
        while True:
            try:
                if await self._watch.wait(self.last, LOOK_S):
                    await self._take()
            except FilmroomError as fault:
                log.warning("the feed cannot be followed now", reason=str(fault))
                await asyncio.sleep(feed.LOOK_ANYWAY_S)

    async def _take(self) -> None:
        upto = self._watch.latest
        while self.last < upto:
            async with self._database.connection() as connection:
                found = await feed.records(connection, self.last, upto, limit=READ_AT_ONCE)
            self._ring.extend(found)
            self.last = found[-1].seq if len(found) == READ_AT_ONCE else upto
            news, self._news = self._news, asyncio.Event()
            news.set()
