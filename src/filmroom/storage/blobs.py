"""Reading what is stored, whatever store it is in."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from filmroom.base.errors import NotFound, Unavailable
from filmroom.storage.model import BlobRange
from filmroom.storage.ports import BlobStore

CHUNK_BYTES = 1 << 20


class Blobs:
    """Every store of this archive. Offsets count from the start of the range, not of its blob.

    Raises NotFound when the bytes are gone, Corrupt when some of them are missing, Unavailable when the store does
    not answer.
    """

    def __init__(self, stores: Iterable[BlobStore]) -> None:
        self._stores = {store.name: store for store in stores}

    def read_sync(self, where: BlobRange, offset: int = 0, length: int | None = None) -> bytes:
        """``length`` bytes from ``offset``, or all to the end; blocks."""
        start, size = _inside(where, offset, length)
        return self.store(where.store).read(where.key, start, size)

    async def read(self, where: BlobRange, offset: int = 0, length: int | None = None) -> bytes:
        """The same, without holding up the event loop."""
        return await asyncio.to_thread(self.read_sync, where, offset, length)

    async def stream(
        self, where: BlobRange, offset: int = 0, length: int | None = None, chunk_bytes: int = CHUNK_BYTES
    ) -> AsyncIterator[bytes]:
        """The same in chunks, the next one read while the present one is being used."""
        start, size = _inside(where, offset, length)
        store, key, end = self.store(where.store), where.key, start + size
        if start == end:
            return
        ahead = asyncio.ensure_future(asyncio.to_thread(store.read, key, start, min(chunk_bytes, end - start)))
        try:
            while True:
                chunk = await ahead
                start += len(chunk)
                if start >= end:
                    yield chunk
                    return
                ahead = asyncio.ensure_future(asyncio.to_thread(store.read, key, start, min(chunk_bytes, end - start)))
                yield chunk
        finally:
            ahead.cancel()

    def path(self, where: BlobRange) -> tuple[Path, int]:
        """The local file that holds the range and its first byte there. Raises Unavailable when there is none."""
        path = self.store(where.store).path(where.key)
        if path is None:
            raise Unavailable(f"store {where.store} keeps no local files")
        return path, where.start

    def present(self, where: BlobRange) -> bool:
        """Whether the blob is there and long enough; blocks."""
        try:
            return self.store(where.store).size(where.key) >= where.start + where.size_bytes
        except NotFound:
            return False

    def store(self, name: str) -> BlobStore:
        """The store of that name."""
        try:
            return self._stores[name]
        except KeyError:
            raise Unavailable(f"no store is called {name!r} here") from None


def _inside(where: BlobRange, offset: int, length: int | None) -> tuple[int, int]:
    size = where.size_bytes - offset if length is None else length
    if offset < 0 or size < 0 or offset + size > where.size_bytes:
        raise ValueError(f"{size} bytes from {offset} are not inside a range of {where.size_bytes}")
    return where.start + offset, size
