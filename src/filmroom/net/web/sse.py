"""Server-sent events: the feed's end, to thousands of browsers at once.

All streams of a process look into one ring (``db.feed_tail``) and hold nothing of their own. A client that takes what
it is sent too slowly is cut; it comes back with the number of the last event it saw, and misses nothing.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from filmroom.archive.changes import Changes, visible_kinds
from filmroom.db.feed import Record
from filmroom.db.feed_tail import FellBehind
from filmroom.net.web.errors import Refused
from filmroom.security.principals import Principal

EVENT_STREAM = "text/event-stream"

HEARTBEAT_S = 15.0
# A client that does not take an event for this long is cut.
SLOW_S = 20.0
# Then the client comes again, and is asked again who it is: a session that has ended does not go on hearing.
LASTS_S = 900.0
# Streams of one person or program: windows of a browser, and then a loop without end.
MAX_EACH = 50
READ_AT_ONCE = 500
RETRY_MS = 2000


class Following:
    """How many streams there are, and whose."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: Counter[str] = Counter()

    def enter(self, who: Principal) -> "Place":
        """Raises Refused (429, or 503 when the process has all it takes)."""
        if self._of.total() >= self._most:
            raise Refused(503, "too many event streams are open here", {"retry-after": "30"})
        if self._of[who.id] >= MAX_EACH:
            raise Refused(429, f"one account has at most {MAX_EACH} event streams", {"retry-after": "30"})
        return Place(self._of, who.id)

    @property
    def count(self) -> int:
        return self._of.total()


class Place:
    """Leave to follow, until it is left."""

    def __init__(self, of: Counter[str], whose: str) -> None:
        self._of, self._whose = of, whose

    @contextmanager
    def taken(self) -> Iterator[None]:
        self._of[self._whose] += 1
        try:
            yield
        finally:
            self._of[self._whose] -= 1
            if not self._of[self._whose]:
                del self._of[self._whose]


class EventStream(Response):
    """One client's stream."""

    def __init__(
        self, changes: Changes, who: Principal, *, after: int | None, kinds: Sequence[str], place: Place
    ) -> None:
        self._changes = changes
        self._who = who
        self._after = changes.tail.last if after is None else after
        self._kinds = kinds
        self._place = place
        self.status_code = 200
        self.background = None
        self.init_headers(
            {"content-type": EVENT_STREAM, "cache-control": "no-store", "x-accel-buffering": "no"},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        with self._place.taken():
            sending = asyncio.create_task(self._send(send))
            gone = asyncio.create_task(_disconnected(receive))
            try:
                await asyncio.wait([sending, gone], timeout=LASTS_S, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (sending, gone):
                    task.cancel()
                await asyncio.gather(sending, gone, return_exceptions=True)
        # The end: to one that was cut for being slow this cannot be sent either.
        with contextlib.suppress(TimeoutError, OSError, RuntimeError):
            async with asyncio.timeout(1):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send) -> None:
        async for block in self._blocks():
            async with asyncio.timeout(SLOW_S):
                await send({"type": "http.response.body", "body": block, "more_body": True})

    async def _blocks(self) -> AsyncIterator[bytes]:
        visible = visible_kinds(self._who)
        wanted = frozenset(self._kinds) or None
        yield b"retry: %d\nid: %d\n\n" % (RETRY_MS, self._after)
        while True:
            try:
                records = self._changes.tail.after(self._after)
            except FellBehind:
                async for block in self._from_database():
                    yield block
                continue
            if not records:
                if not await self._changes.tail.wait(self._after, HEARTBEAT_S):
                    yield b": still here\n\n"
                continue
            self._after = records[-1].seq
            records = await self._changes.in_sight(self._who, records)
            shown = [
                each
                for each in records
                if (visible is None or each.kind in visible) and (wanted is None or each.kind in wanted)
            ]
            if shown:
                yield b"".join(event(each) for each in shown)

    async def _from_database(self) -> AsyncIterator[bytes]:
        """Until the ring has what comes next. What is kept no longer ends the stream: the next try is told so."""
        page = await self._changes.page(
            self._who, after=self._after, limit=READ_AT_ONCE, kinds=self._kinds, states=False
        )
        self._after = page.after
        if page.changes:
            yield b"".join(event(Record(each.seq, each.at, each.kind, dict(each.data))) for each in page.changes)


def event(record: Record) -> bytes:
    """One event. JSON without line breaks needs one ``data`` line."""
    data = orjson.dumps({"seq": record.seq, "at": record.at, "kind": record.kind, "data": record.body})
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (record.seq, record.kind.encode(), data)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
