"""All bulk data, or all pixel data, of a study, a series or an instance (PS3.18 10.4.1.1.6, 10.4.1.1.7, 10.4.3.3.5)."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import Response

from filmroom.archive.retrieve import ANY, Located
from filmroom.archive.retrieve_frames import parse_path
from filmroom.base.errors import FilmroomError, NotFound, Unsupported
from filmroom.dicom.pixels_elements import PIXEL_TAGS
from filmroom.net.web.dicomweb.addresses import base, resource, uids
from filmroom.net.web.dicomweb.negotiate import OCTETS, frame_media, frame_syntaxes, wanted
from filmroom.net.web.dicomweb.parts import Piece, Slice, gathered
from filmroom.net.web.dicomweb.pictures import is_video
from filmroom.net.web.door import who
from filmroom.net.web.ports import FrameReader, Retrieve, SeriesDocuments
from filmroom.net.web.streams import Stream
from filmroom.storage.blobs import Blobs
from filmroom.wire.http import mediatypes, multipart
from filmroom.wire.http.mediatypes import Choice

log = structlog.get_logger()
_HEADERS = {"cache-control": "private, no-cache", "vary": "accept, cookie"}


class AllBulk:
    """Every value that metadata only refers to, one part each; compressed pixels one part a frame."""

    def __init__(
        self, retrieve: Retrieve, documents: SeriesDocuments, frames: FrameReader, blobs: Blobs, *, public_url: str
    ) -> None:
        self._retrieve = retrieve
        self._documents = documents
        self._frames = frames
        self._blobs = blobs
        self._public_url = public_url

    async def values(self, request: Request) -> Response:
        """Every bulk value."""
        return await self._answer(request, only_pixels=False)

    async def pixels(self, request: Request) -> Response:
        """Pixel data only."""
        return await self._answer(request, only_pixels=True)

    async def _answer(self, request: Request, *, only_pixels: bool) -> Response:
        study, series, instance = uids(request)
        asking = who(request)
        choices = [choice for choice in wanted(request) if choice.multipart is not False]
        if not choices:
            raise Unsupported("bulk data of a resource can be given in multipart/related")
        items = await self._retrieve.locate(
            asking,
            studies=(study,),
            series=(series,) if series else (),
            instances=(instance,) if instance else (),
        )
        if not items:
            raise NotFound("there is no such resource")
        documents = [
            await self._documents.series_metadata(asking, study, uid)
            for uid in dict.fromkeys(item.series_uid for item in items)
        ]
        boundary = secrets.token_hex(16)
        pieces = self._pieces(items, documents, choices, boundary, base(request, self._public_url), only_pixels)
        media = choices[0].media if "*" not in choices[0].media else OCTETS
        return Stream(
            gathered(self._blobs, pieces), headers=_HEADERS, media_type=multipart.content_type(media, boundary)
        )

    async def _pieces(
        self,
        items: Sequence[Located],
        documents: Sequence[Any],
        choices: Sequence[Choice],
        boundary: str,
        root: str,
        only_pixels: bool,
    ) -> AsyncIterator[Piece]:
        first = True
        for item in items:
            for path in await asyncio.to_thread(_paths, documents, item):
                if only_pixels and path[-1] not in PIXEL_TAGS:
                    continue
                address = resource(root, item.study_uid, item.series_uid, item.sop_uid)
                try:
                    async for head, piece in self._value(item, path, choices, address):
                        if head:
                            yield multipart.open_part(boundary, head, first=first)
                            first = False
                        yield piece
                except FilmroomError as error:
                    log.warning("bulk value left out", sop_uid=item.sop_uid, error=type(error).__name__)
        yield multipart.close(boundary, empty=first)

    async def _value(
        self, item: Located, path: tuple[int, ...], choices: Sequence[Choice], address: str
    ) -> AsyncIterator[tuple[dict[str, str], Piece]]:
        """One value: each part's headers before its first piece, empty headers before the others."""
        found = await self._frames.bulk(item, path)
        if found.encapsulated:
            async for part in self._compressed(item, choices, address):
                yield part
            return
        name = "/".join(f"{part:08X}" if not place % 2 else str(part) for place, part in enumerate(path))
        head = {"Content-Type": OCTETS, "Content-Location": f"{address}/bulkdata/{name}"}
        yield head, found.data if found.where is None else Slice(found.where, 0, found.where.size_bytes)

    async def _compressed(
        self, item: Located, choices: Sequence[Choice], address: str
    ) -> AsyncIterator[tuple[dict[str, str], Piece]]:
        if is_video(item):
            head = {
                "Content-Type": mediatypes.write(OCTETS, transfer_syntax=item.transfer_syntax),
                "Content-Location": f"{address}/frames/1",
            }
            for run in await self._frames.stored_runs(item, 1):
                yield head, Slice(run, 0, run.size_bytes)
                head = {}
            return
        choice, syntaxes = next(
            ((each, found) for each in choices if (found := frame_syntaxes(each, item.transfer_syntax))),
            (Choice(OCTETS, "*", True), (ANY,)),
        )
        frames = await self._frames.frames(item, (), syntaxes)
        media = mediatypes.write(frame_media(choice, frames.transfer_syntax), transfer_syntax=frames.transfer_syntax)
        number = 0
        async for frame in frames.chunks:
            number += 1
            yield {"Content-Type": media, "Content-Location": f"{address}/frames/{number}"}, frame


def _paths(documents: Sequence[Any], item: Located) -> list[tuple[int, ...]]:
    line = next((found for each in documents if (found := each.instance(item.sop_uid)) is not None), None)
    return list(_addresses(orjson.loads(line)[0])) if line is not None else []


def _addresses(found: dict[str, Any]) -> Iterator[tuple[int, ...]]:
    for _, element in sorted(found.items()):
        if uri := element.get("BulkDataURI"):
            yield parse_path(uri.partition("/bulkdata/")[2])
        for item in element.get("Value", ()) if element.get("vr") == "SQ" else ():
            yield from _addresses(item or {})
