"""How fast objects go out: no faster than a line may be filled, the most urgent first, each destination its share."""

import asyncio
import heapq
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from filmroom.archive.devices import Device
from filmroom.base.streams import closed_after
from filmroom.net.dimse.ports import Handout, Retrieve

# Awaited with a number of bytes before they go.
Pace = Callable[[int], Awaitable[None]]

# A chunk goes in pieces of this size, so that a slow line is filled evenly and its peer sees life.
PIECE_BYTES = 65_536


class Turnstile:
    """Lets ``places`` through at a time: the most urgent of those that wait, equals in the order in which they came."""

    def __init__(self, places: int = 1) -> None:
        self._free = places
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = count()

    @asynccontextmanager
    async def through(self, priority: int = 0) -> AsyncIterator[None]:
        await self._enter(priority)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, priority: int) -> None:
        if self._free and not self._waiting:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (-priority, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()
            raise

    def _leave(self) -> None:
        while self._waiting:
            *_, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class Meter:
    """A line of so many bytes a second, None for one without a limit."""

    def __init__(self, bytes_per_s: int | None = None) -> None:
        self.bytes_per_s = bytes_per_s
        self.turns = Turnstile()
        self._free_at = 0.0

    async def passed(self, size_bytes: int) -> None:
        """Return when so many bytes may go. Call it in turn only."""
        if not self.bytes_per_s:
            return
        loop = asyncio.get_running_loop()
        self._free_at = max(loop.time(), self._free_at) + size_bytes / self.bytes_per_s
        await asyncio.sleep(self._free_at - loop.time())


class Traffic:
    """What goes out of this process, to all destinations. ``bytes_per_s``: of all together, 0 for no limit.

    A destination has one piece at a time waiting for the common line, however many associations it has: so busy
    destinations get equal shares of it.
    """

    def __init__(self, bytes_per_s: int = 0) -> None:
        self._all = Meter(bytes_per_s or None)
        self._lines: dict[str, Meter] = {}

    def pace(self, to: Device, priority: int = 0) -> Pace | None:
        """How objects go to a device; None when nothing holds them back."""
        if to.policy.bytes_per_s is None and self._all.bytes_per_s is None:
            return None
        line = self._lines.setdefault(to.ae_title, Meter())
        line.bytes_per_s = to.policy.bytes_per_s

        async def passed(size_bytes: int) -> None:
            async with line.turns.through(priority):
                await line.passed(size_bytes)
                async with self._all.turns.through(priority):
                    await self._all.passed(size_bytes)

        return passed


class Paced:
    """The archive, with each data set at the pace of a line."""

    def __init__(self, retrieve: Retrieve, pace: Pace) -> None:
        self._retrieve = retrieve
        self._pace = pace
        self.locate = retrieve.locate

    async def handout(self, item: Any, acceptable: Sequence[str]) -> Handout:
        handout = await self._retrieve.handout(item, acceptable)
        return _PacedHandout(handout.transfer_syntax, self._chunks(handout.chunks))

    async def _chunks(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async with closed_after(chunks):
            async for chunk in chunks:
                for start in range(0, len(chunk), PIECE_BYTES):
                    piece = chunk[start : start + PIECE_BYTES]
                    await self._pace(len(piece))
                    yield piece


@dataclass(frozen=True, slots=True)
class _PacedHandout:
    transfer_syntax: str
    chunks: AsyncIterator[bytes]
