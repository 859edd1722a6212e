"""Objects handed out in part: some frames of one as a new object (PS3.4 annex Y), or all but the bulk data (annex Z).

Both take the header as ``Retrieve`` hands it out, so that corrections are in it. A new object is never filed here: it
is made for who asks, and carries what it was made from.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from filmroom import __version__
from filmroom.archive.retrieve import Handout, Located, Retrieve, targets
from filmroom.archive.retrieve_frames import FrameReader
from filmroom.base.clock import Clock
from filmroom.base.errors import LimitReached, NotFound, Unsupported
from filmroom.base.streams import closed_after
from filmroom.dicom.extract import (
    FrameRequest,
    extracted_header,
    extracting_equipment,
    frame_list,
    framed,
    pixel_element,
    read_header,
    without_bulk_data,
    write_header,
)
from filmroom.dicom.headertap import HeaderTap
from filmroom.dicom.pixels_object import StoredObject
from filmroom.dicom.transcode import Rules, transcoded
from filmroom.dicom.transfersyntax import EXPLICIT_LE, IMPLICIT_LE, lookup
from filmroom.security.principals import Principal
from filmroom.storage.blobs import CHUNK_BYTES

# A header with a large document or waveform in it is read whole to leave that out.
MAX_HEADER_BYTES = 256 * 2**20
_READABLE = (EXPLICIT_LE, IMPLICIT_LE)


@dataclass(frozen=True, slots=True)
class Extract:
    """A new object that waits in a nameless file; stands where a ``Located`` stands on the way out."""

    sop_uid: str
    sop_class: str
    transfer_syntax: str
    file: BinaryIO
    size_bytes: int


class WithoutBulk:
    """Retrieve, but what is handed out has no bulk data. Always plain little endian."""

    def __init__(self, retrieve: Retrieve) -> None:
        self._retrieve = retrieve

    async def locate(self, who: Principal, **what: Any) -> list[Located]:
        return await self._retrieve.locate(who, **what)

    async def handout(self, item: Located, acceptable: Sequence[str]) -> Handout:
        """Raises Unsupported when neither explicit nor implicit little endian is acceptable."""
        target = next((uid for uid in _READABLE if uid in acceptable), None)
        if target is None:
            raise Unsupported("without bulk data an object is sent in little endian only")
        data, syntax = await _header_of(self._retrieve, item)
        made = await asyncio.to_thread(_without_bulk, data, syntax, target)
        return Handout(target, len(made), _once(made))


class FrameExtraction:
    """Makes new objects of some frames."""

    def __init__(
        self,
        retrieve: Retrieve,
        frames: FrameReader,
        clock: Clock,
        new_uid: Callable[[], str],
        *,
        scratch: Path | None = None,
    ) -> None:
        self._retrieve = retrieve
        self._frames = frames
        self._clock = clock
        self._new_uid = new_uid
        self._scratch = scratch or Path(tempfile.gettempdir())

    async def extract(self, who: Principal, sop_uid: str, request: FrameRequest) -> Extract:
        """The frames asked for of one object, as a new object.

        Raises NotFound, NoSuchFrames, NotTimed, Unsupported (no frames to be told apart), Forbidden, Unavailable.
        """
        found = await self._retrieve.locate(who, instances=(sop_uid,))
        if not found:
            raise NotFound("there is no such instance")
        item = found[0]
        if lookup(item.transfer_syntax).video:
            raise Unsupported("the frames of a video stream cannot be told apart")
        data, stored_as = await _header_of(self._retrieve, item)
        header = await asyncio.to_thread(read_header, data, stored_as)
        numbers = frame_list(request, header)
        frames = await self._frames.frames(item, numbers)
        equipment = extracting_equipment("Filmroom", __version__, self._clock.now())
        new_uid = self._new_uid()
        made = extracted_header(header, request, numbers, sop_uid=new_uid, equipment=equipment)
        if frames.transfer_syntax != stored_as:  # native ones come little endian, and so must the header
            data = await asyncio.to_thread(
                _re_encoded, write_header(made, stored_as), stored_as, frames.transfer_syntax
            )
        else:
            data = write_header(made, stored_as)
        file, size = await self._write(
            data, frames.chunks, frames.transfer_syntax, int(made.get("BitsAllocated") or 16)
        )
        return Extract(new_uid, item.sop_class, frames.transfer_syntax, file, size)

    async def handout(self, item: Extract, acceptable: Sequence[str]) -> Handout:
        """As made, or transcoded. Raises Unsupported."""
        if item.transfer_syntax in acceptable:
            return Handout(item.transfer_syntax, item.size_bytes, _read(item.file, item.size_bytes))
        for target in targets(item.transfer_syntax, acceptable):
            try:
                stored = await asyncio.to_thread(_open, item)
                return Handout(target, None, _pieces(transcoded(stored, target, Rules())))
            except Unsupported:
                continue
        raise Unsupported("none of the transfer syntaxes offered can be written")

    async def _write(
        self, header: bytes, chunks: AsyncIterator[bytes], syntax: str, bits_allocated: int
    ) -> tuple[BinaryIO, int]:
        """Header and frames into one file. The frames come first to another: their sizes stand before them."""
        sizes: list[int] = []
        body = _nameless(self._scratch)
        async for frame in chunks:
            sizes.append(len(frame))
            await asyncio.to_thread(body.write, b"".join(framed(frame, syntax)))
        head, tail = pixel_element(sizes, syntax, bits_allocated)
        body.write(tail)
        whole = _nameless(self._scratch)
        with body:
            await asyncio.to_thread(_append, whole, header + head, body)
        whole.flush()
        return whole, os.fstat(whole.fileno()).st_size


async def _header_of(retrieve: Retrieve, item: Located) -> tuple[bytes, str]:
    """The elements before the pixels as they go out, and their transfer syntax (never a deflated one)."""
    deflated = lookup(item.transfer_syntax).deflated
    handout = await retrieve.handout(item, (EXPLICIT_LE,) if deflated else ("*",))
    tap = HeaderTap(handout.transfer_syntax, frozenset())
    data = bytearray()
    async with closed_after(handout.chunks) as chunks:
        async for chunk in chunks:
            data += chunk
            if len(data) > MAX_HEADER_BYTES:
                raise LimitReached("the object is too large to be handed out in part")
            if not tap.feed(chunk):
                break
    return bytes(data[: tap.finish().header_bytes]), handout.transfer_syntax


def _without_bulk(data: bytes, stored_as: str, target: str) -> bytes:
    return _re_encoded(write_header(without_bulk_data(read_header(data, stored_as)), stored_as), stored_as, target)


def _re_encoded(header: bytes, source: str, target: str) -> bytes:
    """Elements without pixels, in another encoding. Compressed syntaxes write elements as explicit little endian."""
    source = EXPLICIT_LE if lookup(source).encapsulated else source
    target = EXPLICIT_LE if lookup(target).encapsulated else target
    if source == target:
        return header
    return b"".join(transcoded(StoredObject.of(header, source), target, Rules()))


def _open(item: Extract) -> StoredObject:
    def read(offset: int, length: int) -> bytes:
        return os.pread(item.file.fileno(), max(0, min(length, item.size_bytes - offset)), offset)

    return StoredObject.open(read, item.size_bytes, item.transfer_syntax)


def _nameless(folder: Path) -> BinaryIO:
    return tempfile.TemporaryFile(dir=folder)


def _append(whole: BinaryIO, head: bytes, body: BinaryIO) -> None:
    whole.write(head)
    body.seek(0)
    while chunk := body.read(CHUNK_BYTES):
        whole.write(chunk)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _read(file: BinaryIO, size_bytes: int) -> AsyncIterator[bytes]:
    for start in range(0, size_bytes, CHUNK_BYTES):
        yield await asyncio.to_thread(os.pread, file.fileno(), min(CHUNK_BYTES, size_bytes - start), start)


async def _pieces(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (piece := await asyncio.to_thread(partial(next, pieces, None))) is not None:
        yield piece
