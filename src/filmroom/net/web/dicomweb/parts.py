"""Pieces of stored files and short byte strings, gathered into large chunks while the last chunk is being sent."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from filmroom.storage.model import BlobRange

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Slice:
    """Bytes of a stored blob."""

    where: BlobRange
    offset: int
    size_bytes: int


Piece: TypeAlias = bytes | Slice


class Reader(Protocol):
    def read_sync(self, where: BlobRange, offset: int = 0, length: int | None = None) -> bytes: ...


def stored_file(where: BlobRange) -> Slice:
    """A whole Part 10 file; its preamble was made harmless when it was filed."""
    return Slice(where, 0, where.size_bytes)


async def gathered(
    reader: Reader, pieces: AsyncIterator[Piece], chunk_bytes: int = CHUNK_BYTES
) -> AsyncIterator[bytes]:
    """All pieces in order, in chunks of about ``chunk_bytes``; never more than two chunks are held."""
    loop = asyncio.get_running_loop()
    ahead: asyncio.Future[bytes] | None = None
    batch: list[Piece] = []
    size = 0
    try:
        async for piece in pieces:
            for part in _cut(piece, chunk_bytes):
                batch.append(part)
                size += len(part) if isinstance(part, bytes) else part.size_bytes
                if size >= chunk_bytes:
                    following = loop.run_in_executor(None, _read, reader, batch)
                    if ahead is not None:
                        yield await _handing_over(ahead, following)
                    ahead, batch, size = following, [], 0
        if ahead is not None:
            following, ahead = ahead, None
            yield await following
        if batch:
            yield await loop.run_in_executor(None, _read, reader, batch)
    finally:
        if ahead is not None:
            ahead.cancel()
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()


async def _handing_over(ahead: "asyncio.Future[bytes]", following: "asyncio.Future[bytes]") -> bytes:
    try:
        return await ahead
    except BaseException:
        following.cancel()
        raise


def _cut(piece: Piece, chunk_bytes: int) -> list[Piece]:
    if isinstance(piece, bytes) or piece.size_bytes <= chunk_bytes:
        return [piece]
    end = piece.offset + piece.size_bytes
    starts = range(piece.offset, end, chunk_bytes)
    return [Slice(piece.where, start, min(chunk_bytes, end - start)) for start in starts]


def _read(reader: Reader, batch: list[Piece]) -> bytes:
    parts = [
        piece if isinstance(piece, bytes) else reader.read_sync(piece.where, piece.offset, piece.size_bytes)
        for piece in batch
    ]
    return parts[0] if len(parts) == 1 else b"".join(parts)
