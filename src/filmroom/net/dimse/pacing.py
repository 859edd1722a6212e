"""Objects handed out no faster than a line may be filled."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from filmroom.net.dimse.ports import Handout, Retrieve

# Awaited with a number of bytes before they go.
Pace = Callable[[int], Awaitable[None]]

# A chunk goes in pieces of this size, so that a slow line is filled evenly and its peer sees life.
PIECE_BYTES = 65_536


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
        async with aclosing(chunks):  # type: ignore[type-var]
            async for chunk in chunks:
                for start in range(0, len(chunk), PIECE_BYTES):
                    piece = chunk[start : start + PIECE_BYTES]
                    await self._pace(len(piece))
                    yield piece


@dataclass(frozen=True, slots=True)
class _PacedHandout:
    transfer_syntax: str
    chunks: AsyncIterator[bytes]
