"""Pictures of stored images, whichever door asks: one frame, moving, or one after another."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from typing import Any

import orjson

from filmroom.archive import pixeltasks
from filmroom.archive.moving import MP4
from filmroom.archive.pixelpool import PixelPool
from filmroom.archive.pixeltasks import State
from filmroom.archive.retrieve import Located
from filmroom.base.errors import NotFound, NotReadable, Unsupported
from filmroom.dicom.render_picture import GIF, RenderParams
from filmroom.dicom.render_report import SR_CLASSES
from filmroom.dicom.render_state import STATE_CLASSES
from filmroom.dicom.transfersyntax import lookup
from filmroom.net.web.dicomweb.annotation import patient_lines, technique_lines
from filmroom.net.web.ports import Retrieve, SeriesDocuments
from filmroom.security.principals import Principal

RENDER_TIMEOUT_S = 60.0
# Small pictures kept: some three thousand thumbnails.
KEPT_BYTES = 16 * 2**20
KEPT_BELOW_BYTES = 64 * 1024
DOCUMENT_CLASSES = "1.2.840.10008.5.1.4.1.1.104."
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"


class Pictures:
    """Renders in worker processes; keeps the small ones."""

    def __init__(self, retrieve: Retrieve, documents: SeriesDocuments, pixels: PixelPool) -> None:
        self._retrieve = retrieve
        self._documents = documents
        self._pixels = pixels
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._kept_bytes = 0

    async def frame(self, item: Located, frame: int, params: RenderParams, state: Located | None = None) -> bytes:
        """One frame, counted from 0. Raises NotFound, NotReadable, Unsupported, LimitReached, Unavailable."""
        key = etag_of(item, frame, params, state)
        if (kept := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return kept
        where, under = self._retrieve.stored_data(item), self._under(item, state)
        data: bytes = await self._pixels.run(
            pixeltasks.render_frame, where, frame, params, under, timeout_s=RENDER_TIMEOUT_S
        )
        self._keep(key, data)
        return data

    async def moving(self, item: Located, params: RenderParams, state: Located | None = None) -> bytes:
        """All frames as a moving picture."""
        where, under = self._retrieve.stored_data(item), self._under(item, state)
        data: bytes = await self._pixels.run(
            pixeltasks.render_cine, where, params, under, timeout_s=2 * RENDER_TIMEOUT_S
        )
        return data

    async def each(
        self, wanted: Sequence[tuple[Located, int]], params: RenderParams, state: Located | None = None
    ) -> AsyncIterator[tuple[Located, int, bytes]]:
        """Frames one after another, the next one rendered while the last one is sent; what cannot be is left out."""
        ahead: asyncio.Task[bytes] | None = None
        try:
            for place, (item, frame) in enumerate(wanted):
                current = ahead or self._soon(item, frame, params, state)
                rest = wanted[place + 1 : place + 2]
                ahead = self._soon(*rest[0], params, state) if rest else None
                try:
                    yield item, frame, await current
                except (NotReadable, Unsupported, NotFound):
                    continue
        finally:
            if ahead is not None:
                ahead.cancel()

    async def metadata(self, who: Principal, item: Located) -> dict[str, Any]:
        """The metadata of an object as they are now."""
        document = await self._documents.series_metadata(who, item.study_uid, item.series_uid)
        found = await asyncio.to_thread(document.instance, item.sop_uid)
        if found is None:
            raise NotFound("there is no such instance")
        metadata: dict[str, Any] = orjson.loads(found)[0]
        return metadata

    async def lines(
        self, who: Principal, item: Located, wanted: frozenset[str]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The annotation of a picture: left and right lines."""
        if not wanted:
            return (), ()
        found = await self.metadata(who, item)
        return (
            patient_lines(found) if "patient" in wanted else (),
            technique_lines(found) if "technique" in wanted else (),
        )

    async def referenced(self, who: Principal, state: Located) -> list[Located]:
        """The images that a presentation state is about, in its order. Raises NotFound when none is here."""
        found = await self.metadata(who, state)
        uids = [
            str(uid)
            for series in found.get("00081115", {}).get("Value", ())
            for image in (series or {}).get("00081140", {}).get("Value", ())
            for uid in (image or {}).get("00081155", {}).get("Value", ())
        ]
        items = await self._retrieve.locate(who, studies=(state.study_uid,), instances=uids) if uids else []
        if not items:
            raise NotFound("none of the images that the presentation state is about is here")
        return sorted(items, key=lambda item: uids.index(item.sop_uid))

    def _soon(self, item: Located, frame: int, params: RenderParams, state: Located | None) -> "asyncio.Task[bytes]":
        task = asyncio.create_task(self.frame(item, frame, params, state))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    def _under(self, item: Located, state: Located | None) -> State | None:
        return None if state is None else State(self._retrieve.stored_data(state), item.sop_uid)

    def _keep(self, key: str, data: bytes) -> None:
        if len(data) > KEPT_BELOW_BYTES or key in self._kept:
            return
        self._kept[key] = data
        self._kept_bytes += len(data)
        while self._kept_bytes > KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popitem(last=False)[1])


def etag_of(item: Located, frame: int | None, params: RenderParams, state: Located | None = None) -> str:
    """The strong ETag of a rendering: it changes with the object, the parameters and the presentation state."""
    parts = (item.digest.hex(), frame, params, state.digest.hex() if state is not None else "")
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"'


def is_state(item: Located) -> bool:
    """Whether the object is a presentation state that can be rendered."""
    return item.sop_class in STATE_CLASSES


def is_report(item: Located) -> bool:
    """Whether the object is a structured report."""
    return item.sop_class.startswith(SR_CLASSES)


def is_document(item: Located) -> bool:
    """Whether the object encapsulates a document."""
    return item.sop_class.startswith(DOCUMENT_CLASSES)


def is_video(item: Located) -> bool:
    """Whether the object holds a video stream."""
    return lookup(item.transfer_syntax).video


def can_move(item: Located, media: str) -> bool:
    """Whether the rendering is a moving picture."""
    return media in (GIF, "image/apng", MP4) and (item.frames or 1) > 1


def picturable(found: Sequence[Located]) -> list[Located]:
    """Those that hold images, in their order."""
    return [item for item in found if (item.frames is not None and not is_video(item)) or _has_pixels(item)]


def representative(found: Sequence[Located]) -> Located:
    """The instance that stands for many: in the middle of the first series that has pictures. Raises Unsupported."""
    pictures = picturable(found)
    # A segmentation says little without what it lies over.
    pictures = [item for item in pictures if item.sop_class != SEGMENTATION] or pictures
    if not pictures:
        raise Unsupported("there is nothing to look at in it")
    first = [item for item in pictures if item.series_uid == pictures[0].series_uid]
    return first[len(first) // 2]


def _has_pixels(item: Located) -> bool:
    enough = item.header_bytes + item.dataset_offset + 1024 < item.size_bytes
    return enough and not (is_report(item) or is_document(item) or is_state(item) or is_video(item))
