"""A study as a ZIP archive, made while it is sent: stored, not compressed, for pixels do not shrink twice."""

import asyncio
import zipfile
from collections.abc import AsyncIterator, Generator, Iterator, Sequence

from filmroom.archive.retrieve import Located
from filmroom.net.web.dicomweb.parts import CHUNK_BYTES, Reader


class _Sink:
    """What zipfile writes into; it cannot seek, so sizes follow the data."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.held = 0

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        self.held += len(data)
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def take(self) -> bytes:
        taken, self._parts, self.held = b"".join(self._parts), [], 0
        return taken


async def zip_stream(reader: Reader, items: Sequence[Located]) -> AsyncIterator[bytes]:
    """The archive in chunks; one folder a series, one file an instance."""
    chunks = _chunks(reader, items)
    try:
        while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
            yield chunk
    finally:
        chunks.close()


def _chunks(reader: Reader, items: Sequence[Located]) -> Generator[bytes]:
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for name, item in _named(items):
            with archive.open(name, "w", force_zip64=item.where.size_bytes >= 2**31) as file:
                for start in range(0, item.where.size_bytes, CHUNK_BYTES):
                    file.write(reader.read_sync(item.where, start, min(CHUNK_BYTES, item.where.size_bytes - start)))
                    if sink.held >= CHUNK_BYTES:
                        yield sink.take()
    yield sink.take()


def _named(items: Sequence[Located]) -> Iterator[tuple[str, Located]]:
    folders: dict[str, str] = {}
    for number, item in enumerate(items, 1):
        folder = folders.setdefault(item.series_uid, f"SE{len(folders) + 1:06d}")
        yield f"{folder}/IM{number:06d}.dcm", item
