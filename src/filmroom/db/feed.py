"""The feed: facts in the order of their commits, numbered without gaps, read by cursor.

A writer appends as the last thing in its transaction: from there to the commit it holds the feed's lock. A reader that
has seen number n has seen every fact up to n. Notices (LISTEN, NOTIFY) are a courtesy that saves waiting; nothing is
lost with them.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from filmroom.base.errors import Unavailable
from filmroom.base.facts import Fact
from filmroom.db.pool import Connection, Database
from filmroom.db.queries import load

_sql = load("filmroom.db", "feed.sql")

CHANNEL = "filmroom_feed"
# How long a reader waits before it looks anyway, should a notice have been lost.
LOOK_ANYWAY_S = 1.0
# Notices of a busy writer are gathered for this long: hundreds of batches a second need no look each.
GATHER_S = 0.1
# The same for objects that keep coming: the first is told of at once, the next of a long row this long after another.
GATHER_MOST_S = 0.5
# Rows of one transaction of forgetting: short enough to be in nobody's way.
PRUNE_AT_ONCE = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownFact(Fact):
    """A fact of a kind that this release does not know."""

    kind: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A fact in its place."""

    seq: int
    at: datetime
    fact: Fact


@dataclass(frozen=True, slots=True)
class Record:
    """A fact in its place, as it is written down."""

    seq: int
    at: datetime
    kind: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """Which numbers there are: ``first`` is the oldest kept (or the next to come), ``last`` the newest given."""

    first: int
    last: int


async def append(tx: Connection, facts: Sequence[Fact], at: datetime) -> int:
    """Record facts as the last thing before the commit; the number of the first. Readers are told at the commit."""
    if not facts:
        return 0
    kinds = [type(fact).__name__ for fact in facts]
    first: int = await _sql.append.value(tx, at=at, kinds=kinds, bodies=[msgspec.to_builtins(fact) for fact in facts])
    await _sql.announce.value(tx, channel=CHANNEL, payload="")
    return first


async def read(database: Database, after: int, limit: int = 1000) -> list[Recorded]:
    """Up to ``limit`` facts that follow number ``after``."""
    async with database.connection() as connection:
        rows = await _sql.read.all(connection, after=after, limit=limit)
    kinds = {kind.__name__: kind for kind in _kinds(Fact)}
    return [Recorded(row["seq"], row["at"], _fact(kinds, row["kind"], row["body"])) for row in rows]


async def head(database: Database) -> int:
    """The number of the last fact, 0 before the first."""
    async with database.connection() as connection:
        seq: int = await _sql.head.value(connection)
    return seq


async def span(database: Database) -> Span:
    """The oldest number that is kept, and the newest."""
    async with database.connection() as connection:
        row = await _sql.span.one(connection)
    assert row is not None  # feed_head has one row
    return Span(row["first"], row["last"])


async def records(
    connection: Connection, after: int, upto: int, *, kinds: Sequence[str] | None = None, limit: int = 1000
) -> list[Record]:
    """Facts numbered from ``after`` + 1 to ``upto`` as they are written down; of some kinds only, or of all (None)."""
    rows = await _sql.records.all(
        connection, after=after, upto=upto, kinds=None if kinds is None else list(kinds), limit=limit
    )
    return [Record(*row) for row in rows]


async def number_before(database: Database, moment: datetime) -> int:
    """The number of the last fact before a moment (numbers rise with time, but for the length of a transaction)."""
    there = await span(database)
    low, high = there.first - 1, there.last
    async with database.connection() as connection:
        while low < high:
            middle = (low + high + 1) // 2
            at = await _sql.at_of.value(connection, seq=middle)
            if at is None or at < moment:
                low = middle
            else:
                high = middle - 1
    return low


async def prune(database: Database, before: datetime) -> int:
    """Forget facts older than ``before`` that every reader with a cursor has dealt with; how many."""
    total = 0
    while True:
        async with database.transaction() as tx:
            count: int = await _sql.prune.value(tx, before=before, limit=PRUNE_AT_ONCE)
        total += count
        if count < PRUNE_AT_ONCE:
            return total


async def cursor(connection: Connection, reader: str) -> int:
    """The last number that ``reader`` has dealt with."""
    return await _sql.cursor.value(connection, reader=reader) or 0


async def advance(tx: Connection, reader: str, seq: int) -> None:
    """``reader`` has dealt with everything up to ``seq``; in the transaction of what it did with it."""
    await _sql.advance.run(tx, reader=reader, seq=seq)


class FeedWatch:
    """Knows when to look again. One per process, over one connection of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stale = asyncio.Event()
        self._fresh = asyncio.Event()
        self._unsent = asyncio.Event()
        self._latest = -1
        self._name = uuid.uuid4().hex  # our own notices are no news to us
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(each) for each in (self._listen(), self._tell(), self._look())]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    @property
    def latest(self) -> int:
        """The newest number seen, -1 before the first look."""
        return self._latest

    def appended(self) -> None:
        """Facts were committed by this process without a notice of their own (the ingest path): send one soon."""
        self._unsent.set()

    async def wait(self, after: int, timeout_s: float) -> bool:
        """Whether facts after number ``after`` have come within the time."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while True:
            if not self._tasks:  # nobody looks for us
                await self._read_head()
            if self._latest > after:
                return True
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, LOOK_ANYWAY_S)):
                    await self._fresh.wait()

    def _heard(self, connection: object, pid: int, channel: str, payload: str) -> None:
        del connection, pid, channel
        if payload != self._name:
            self._notice()

    def _notice(self) -> None:
        self._stale.set()

    async def _look(self) -> None:
        """Read the head once for all who wait, not oftener than GATHER_S."""
        while True:
            await self._read_head()
            await asyncio.sleep(GATHER_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_ANYWAY_S):
                    await self._stale.wait()
            self._stale.clear()

    async def _read_head(self) -> None:
        with contextlib.suppress(Unavailable):
            self._latest = await head(self._database)
            fresh, self._fresh = self._fresh, asyncio.Event()
            fresh.set()

    async def _listen(self) -> None:
        while True:
            with contextlib.suppress(Unavailable):
                async with self._database.listen(CHANNEL, self._heard) as closed:
                    self._notice()
                    await closed
            await asyncio.sleep(LOOK_ANYWAY_S)

    async def _tell(self) -> None:
        pause = GATHER_S
        while True:
            if not self._unsent.is_set():  # there was a rest
                pause = GATHER_S
            await self._unsent.wait()
            self._unsent.clear()
            self._notice()
            with contextlib.suppress(Unavailable):
                async with self._database.connection() as connection:
                    await _sql.announce.value(connection, channel=CHANNEL, payload=self._name)
            await asyncio.sleep(pause)
            pause = min(2 * pause, GATHER_MOST_S)


def _kinds(base: type[Fact]) -> Iterator[type[Fact]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)


def _fact(kinds: dict[str, type[Fact]], kind: str, body: dict[str, Any]) -> Fact:
    known = kinds.get(kind)
    if known is None or known is UnknownFact:
        return UnknownFact(kind=kind, body=body)
    return msgspec.convert(body, known, strict=False)
