"""Single frames and bulk values of stored objects, found by an index that is made once and kept in memory."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from filmroom.archive import pixeltasks
from filmroom.archive.pixelpool import PixelPool
from filmroom.archive.retrieve import ANY, PREFERRED, Located, Retrieve
from filmroom.base.errors import Corrupt, NotFound, Unsupported
from filmroom.dicom.frames import EncapsulatedFrames, FrameIndex, read_spans
from filmroom.dicom.json import inflate
from filmroom.dicom.pixels_elements import PIXEL_DATA, PIXEL_TAGS, Attributes, Encoding, Truncated
from filmroom.dicom.pixels_object import StoredObject, StoredPixels, swap
from filmroom.dicom.transcode import Rules
from filmroom.dicom.transfersyntax import EXPLICIT_LE, lookup
from filmroom.storage.blobs import Blobs
from filmroom.storage.model import BlobRange

# Frame indexes kept: a cine of 10,000 frames takes 160 KB, a plain image a few hundred bytes.
INDEX_CACHE_BYTES = 16 * 2**20
# Frames of one answer are read this many at a time, so that the next ones are ready while one is being sent.
READ_AHEAD_FRAMES = 4
FRAME_TIMEOUT_S = 60.0
# The header up to a wanted element; more is read where that is not enough.
_HEADER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Frames:
    """Frames of one object in the order asked for, all in ``transfer_syntax``. ``chunks``: one frame each."""

    transfer_syntax: str
    count: int
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Bulk:
    """One value as stored, little endian. Either ``where`` it lies, or its ``data`` where it must be prepared first."""

    vr: str
    where: BlobRange | None
    data: bytes = b""
    encapsulated: bool = False


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is needed to read frames of one object without opening it again; ``index`` offsets count in the data set.

    ``by_worker``: the object must be opened whole each time (deflated, bytes swapped).
    """

    transfer_syntax: str
    index: FrameIndex
    frames: int
    video: bool
    by_worker: bool

    @property
    def weight_bytes(self) -> int:
        """Memory it takes, about."""
        if isinstance(self.index, EncapsulatedFrames):
            return 512 + 8 * len(self.index.pairs) + 4 * len(self.index.first)
        return 512


class FrameReader:
    """Frames and bulk values. Raises NotFound for what the object does not have, Unsupported, NotReadable, Corrupt."""

    def __init__(self, retrieve: Retrieve, blobs: Blobs, pixels: PixelPool) -> None:
        self._retrieve = retrieve
        self._blobs = blobs
        self._pixels = pixels
        self._plans: OrderedDict[tuple[int, bytes], _Plan] = OrderedDict()
        self._weight_bytes = 0

    async def frames(self, item: Located, numbers: Sequence[int], acceptable: Sequence[str] = (ANY,)) -> Frames:
        """The frames ``numbers`` (from 1, as the standard counts; empty: all), stored or decoded to what is acceptable.

        Native frames are given little endian. ``acceptable`` names transfer syntaxes; the stored one goes first.
        """
        plan = await self._plan(item)
        wanted = [number - 1 for number in numbers] or list(range(plan.index.frames))
        if bad := next((n for n in wanted if not 0 <= n < plan.index.frames), None):
            raise NotFound(f"the object has {plan.index.frames} frames, not {bad + 1}")
        given = _given_as(plan)
        if ANY in acceptable or given in acceptable or (_native(given) and EXPLICIT_LE in acceptable):
            return Frames(given, len(wanted), self._as_stored(item, plan, wanted))
        target = _target(acceptable)
        first = await self._decoded(item, wanted[0], target)  # now, so that what cannot be done is said in time
        return Frames(target, len(wanted), self._all_decoded(item, wanted, target, first))

    async def stored_runs(self, item: Located, number: int) -> list[BlobRange]:
        """Where the stored bytes of frame ``number`` (from 1) lie, for frames too long to be held: videos."""
        plan = await self._plan(item)
        where = item.dataset
        return [
            BlobRange(where.store, where.key, where.start + offset, length)
            for offset, length in plan.index.spans(number - 1)
        ]

    async def bulk(self, item: Located, path: Sequence[int]) -> Bulk:
        """A value by its path (tag, or sequence tag, item number from 0, tag ...). Raises NotFound."""
        return await asyncio.to_thread(self._bulk, item, tuple(path))

    async def _plan(self, item: Located) -> _Plan:
        key = (item.pk, item.digest)
        plan = self._plans.get(key)
        if plan is not None:
            self._plans.move_to_end(key)
            return plan
        plan = await asyncio.to_thread(self._make_plan, item)
        if key not in self._plans:
            self._plans[key] = plan
            self._weight_bytes += plan.weight_bytes
        while self._weight_bytes > INDEX_CACHE_BYTES and len(self._plans) > 1:
            self._weight_bytes -= self._plans.popitem(last=False)[1].weight_bytes
        return plan

    def _make_plan(self, item: Located) -> _Plan:
        where = item.dataset

        def read(offset: int, length: int) -> bytes:
            length = max(0, min(length, where.size_bytes - offset))
            return self._blobs.read_sync(where, offset, length) if length else b""

        stored = StoredObject.open(read, where.size_bytes, item.transfer_syntax)
        pixels: StoredPixels = stored.pixels()
        syntax = lookup(item.transfer_syntax)
        return _Plan(
            transfer_syntax=pixels.transfer_syntax,
            index=pixels.index,
            frames=pixels.format.frames,
            video=syntax.video,
            by_worker=syntax.deflated or pixels.big_endian or pixels.format.bits_allocated == 1,
        )

    async def _as_stored(self, item: Located, plan: _Plan, wanted: Sequence[int]) -> AsyncIterator[bytes]:
        if plan.by_worker and not lookup(plan.transfer_syntax).encapsulated:
            for number in wanted:
                yield await self._decoded(item, number, EXPLICIT_LE)
            return
        ahead = asyncio.ensure_future(asyncio.to_thread(self._read, item, plan, wanted[:1]))
        try:
            start, size = 1, READ_AHEAD_FRAMES
            while True:
                parts = await ahead
                rest = wanted[start : start + size]
                if rest:
                    ahead = asyncio.ensure_future(asyncio.to_thread(self._read, item, plan, rest))
                for part in parts:
                    yield part
                if not rest:
                    return
                start += size
        finally:
            ahead.cancel()

    def _read(self, item: Located, plan: _Plan, wanted: Sequence[int]) -> list[bytes]:
        where = item.dataset
        return [
            read_spans(lambda offset, length: self._blobs.read_sync(where, offset, length), plan.index.spans(number))
            for number in wanted
        ]

    async def _all_decoded(
        self, item: Located, wanted: Sequence[int], target: str, first: bytes
    ) -> AsyncIterator[bytes]:
        yield first
        for number in wanted[1:]:
            yield await self._decoded(item, number, target)

    async def _decoded(self, item: Located, number: int, target: str) -> bytes:
        where = self._retrieve.stored_data(item)
        data: bytes = await self._pixels.run(
            pixeltasks.frame_as, where, number, target, Rules(), timeout_s=FRAME_TIMEOUT_S
        )
        return data

    def _bulk(self, item: Located, path: tuple[int, ...]) -> Bulk:
        where, syntax = item.dataset, lookup(item.transfer_syntax)
        if not path or len(path) % 2 == 0:
            raise NotFound("a bulk value is named by a tag, or by sequence, item and tag")
        encoding = Encoding(syntax.implicit, syntax.big_endian)
        whole = inflate(self._blobs.read_sync(where)) if syntax.deflated else None
        attributes = Attributes.scan(whole, encoding) if whole is not None else self._header(item, encoding)
        for sequence, number in zip(path[::2], path[1::2], strict=False):
            inside = attributes.item(sequence, number)
            if inside is None:
                raise NotFound("the object has no such item")
            attributes = inside
        element = attributes.found.get(path[-1])
        if element is None:
            raise NotFound("the object has no such value")
        vr = attributes.vr(path[-1])
        if element.undefined and element.tag in PIXEL_TAGS:
            return Bulk(vr, None, encapsulated=True)
        if element.value_end > (len(whole) if whole is not None else where.size_bytes):
            raise Corrupt("the stored object is cut short inside this value")
        if whole is not None:
            return Bulk(vr, None, whole[element.value : element.value_end])
        value = BlobRange(where.store, where.key, where.start + element.value, element.value_end - element.value)
        width = _WIDTH.get(vr, 1)
        if encoding.big and width > 1:
            return Bulk(vr, None, swap(self._blobs.read_sync(value), width))
        return Bulk(vr, value)

    def _header(self, item: Located, encoding: Encoding) -> Attributes:
        """Everything up to the pixel element's own header; what stands behind the pixels has no address."""
        where = item.dataset
        size = min(where.size_bytes, item.header_bytes + 12)
        try:
            return Attributes.scan(self._blobs.read_sync(where, 0, size), encoding)
        except Truncated:
            return Attributes.scan(self._blobs.read_sync(where), encoding)


_WIDTH = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8, "US": 2, "SS": 2, "UL": 4, "SL": 4, "FL": 4, "FD": 8}


def parse_path(text: str) -> tuple[int, ...]:
    """The element path of a bulk data address: ``00720026``, or ``54000100/0/54001010``. Raises NotFound."""
    parts = text.split("/")
    try:
        path = tuple(int(part, 10 if place % 2 else 16) for place, part in enumerate(parts))
    except ValueError:
        path = ()
    well_formed = all(len(part) == 8 for part in parts[::2]) and all(0 < len(part) <= 6 for part in parts[1::2])
    if not path or not well_formed or len(path) % 2 == 0 or any(number < 0 for number in path):
        raise NotFound("this is not the address of a value")
    return path


def format_path(path: Sequence[int]) -> str:
    """The inverse of ``parse_path``."""
    return "/".join(str(part) if place % 2 else f"{part:08X}" for place, part in enumerate(path))


def _native(transfer_syntax: str) -> bool:
    return not lookup(transfer_syntax).encapsulated


def _given_as(plan: _Plan) -> str:
    """What stored frames are called when given as they are: native ones are plain little endian whatever the file."""
    return EXPLICIT_LE if _native(plan.transfer_syntax) else plan.transfer_syntax


def _target(acceptable: Sequence[str]) -> str:
    for uid in (*(uid for uid in PREFERRED if uid in acceptable), *acceptable):
        if not lookup(uid).big_endian and not lookup(uid).deflated:
            return EXPLICIT_LE if _native(uid) else uid
    raise Unsupported("none of the transfer syntaxes asked for can hold a frame")


__all__ = ["PIXEL_DATA", "Bulk", "FrameReader", "Frames", "format_path", "parse_path"]
