"""WADO-RS frames and bulk data (PS3.18 10.4.1.1.5, 10.4.1.1.6)."""

import secrets
from collections.abc import AsyncIterator, Sequence

from starlette.requests import Request
from starlette.responses import Response

from filmroom.archive.retrieve import ANY, Located
from filmroom.archive.retrieve_frames import Bulk, Frames, parse_path
from filmroom.base.errors import LimitReached, NotFound, NotReadable, Unsupported
from filmroom.net.web.dicomweb.addresses import uids
from filmroom.net.web.dicomweb.etags import unchanged, weak_etag
from filmroom.net.web.dicomweb.negotiate import OCTETS, as_stored_first, frame_media, frame_syntaxes, wanted
from filmroom.net.web.dicomweb.parts import Slice, gathered
from filmroom.net.web.dicomweb.pictures import is_video
from filmroom.net.web.dicomweb.renderings import DOCUMENT_VALUE, Renderings, ranged, ranged_bytes
from filmroom.net.web.door import who
from filmroom.net.web.ports import FrameReader, Retrieve
from filmroom.net.web.streams import Stream
from filmroom.storage.blobs import Blobs
from filmroom.wire.http import mediatypes, multipart
from filmroom.wire.http.mediatypes import Choice

# One request for every frame of the longest cine is allowed, twice that is not.
MAX_FRAMES = 100_000
# Up to this an answer is sent as one piece; longer ones as they are read.
WHOLE_BELOW = 4

# What is under an instance's address never changes; the session that may see it does.
_KEPT = {"cache-control": "private, max-age=3600", "vary": "accept, cookie"}


class FramesAndBulk:
    """Retrieve transactions that give parts of an instance."""

    def __init__(self, retrieve: Retrieve, frames: FrameReader, blobs: Blobs, renderings: Renderings) -> None:
        self._retrieve = retrieve
        self._frames = frames
        self._blobs = blobs
        self._renderings = renderings

    async def frames(self, request: Request) -> Response:
        numbers = frame_numbers(request.path_params["frames"])
        return await self._answer(request, await self._one(request), numbers)

    async def pixels(self, request: Request) -> Response:
        """All frames (PS3.18 10.4.1.1.7, pixel data of an instance)."""
        return await self._answer(request, await self._one(request), ())

    async def bulk(self, request: Request) -> Response:
        item = await self._one(request)
        path = parse_path(request.path_params["path"])
        if path == DOCUMENT_VALUE and not any(choice.media == OCTETS for choice in wanted(request)):
            return await self._renderings.document(request, item)
        found = await self._frames.bulk(item, path)
        if found.encapsulated:
            return await self._answer(request, item, ())
        choice = next((each for each in wanted(request) if each.covers(OCTETS)), None)
        if choice is None:
            raise Unsupported(f"bulk data can be given as {OCTETS}")
        if choice.multipart:
            return self._bulk_part(found)
        etag = weak_etag([item], path).removeprefix("W/")
        if found.where is not None:
            return ranged(request, self._blobs, [found.where], OCTETS, etag)
        return ranged_bytes(request, found.data, OCTETS, etag)

    async def _one(self, request: Request) -> Located:
        study, series, instance = uids(request)
        found = await self._retrieve.locate(who(request), studies=(study,), series=(series,), instances=(instance,))
        if not found:
            raise NotFound("there is no such instance")
        return found[0]

    async def _answer(self, request: Request, item: Located, numbers: Sequence[int]) -> Response:
        reason = "these frames cannot be given in any of the asked media types"
        tag = weak_etag([item], numbers, request.headers.get("accept"), request.query_params.getlist("accept"))
        if unchanged(request, tag):
            return Response(status_code=304, headers={**_KEPT, "etag": tag})
        for choice in as_stored_first(wanted(request), item.transfer_syntax):
            syntaxes = frame_syntaxes(choice, item.transfer_syntax)
            if not syntaxes or (choice.multipart is False and len(numbers) != 1):
                continue
            if is_video(item):
                if ANY not in syntaxes and item.transfer_syntax not in syntaxes:
                    continue
                return await self._video(request, item, numbers, choice)
            try:
                found = await self._frames.frames(item, numbers, syntaxes)
            except Unsupported as error:
                reason = str(error)
                continue
            answer = await _in_parts(found, choice) if choice.multipart is not False else await _alone(found, choice)
            answer.headers["etag"] = tag
            return answer
        raise Unsupported(reason)

    async def _video(self, request: Request, item: Located, numbers: Sequence[int], choice: Choice) -> Response:
        """The stream of a video, which is one frame to the address and may be gigabytes long."""
        if tuple(numbers) not in {(), (1,)}:
            raise NotFound("the frames of a video have no addresses of their own")
        runs = await self._frames.stored_runs(item, 1)
        media = frame_media(choice, item.transfer_syntax)
        part_type = mediatypes.write(media, transfer_syntax=item.transfer_syntax)
        if choice.multipart is False:
            return ranged(request, self._blobs, runs, part_type, weak_etag([item], media).removeprefix("W/"))
        boundary = secrets.token_hex(16)

        async def pieces() -> AsyncIterator[bytes | Slice]:
            size = sum(run.size_bytes for run in runs)
            yield multipart.open_part(boundary, {"Content-Type": part_type, "Content-Length": str(size)}, first=True)
            for run in runs:
                yield Slice(run, 0, run.size_bytes)
            yield multipart.close(boundary)

        content_type = multipart.content_type(media, boundary)
        return Stream(gathered(self._blobs, pieces()), headers=_KEPT, media_type=content_type)

    def _bulk_part(self, found: Bulk) -> Response:
        boundary = secrets.token_hex(16)
        head = multipart.open_part(boundary, {"Content-Type": OCTETS}, first=True)

        async def pieces() -> AsyncIterator[bytes | Slice]:
            yield head
            yield found.data if found.where is None else Slice(found.where, 0, found.where.size_bytes)
            yield multipart.close(boundary)

        media = multipart.content_type(OCTETS, boundary)
        return Stream(gathered(self._blobs, pieces()), headers=_KEPT, media_type=media)


def frame_numbers(text: str) -> tuple[int, ...]:
    """The frame list of an address, counted from 1. Raises NotReadable, LimitReached."""
    parts = text.split(",")
    if len(parts) > MAX_FRAMES:
        raise LimitReached(f"at most {MAX_FRAMES} frames in one request")
    if not all(part.strip().isascii() and part.strip().isdecimal() and len(part) < 12 for part in parts):
        raise NotReadable("frames are a list of numbers with commas")
    numbers = tuple(int(part) for part in parts)
    if min(numbers) < 1:
        raise NotReadable("frames are counted from 1")
    return numbers


def _part_type(found: Frames, choice: Choice) -> tuple[str, str]:
    media = frame_media(choice, found.transfer_syntax)
    return media, mediatypes.write(media, transfer_syntax=found.transfer_syntax)


async def _alone(found: Frames, choice: Choice) -> Response:
    _, content_type = _part_type(found, choice)
    body = b"".join([chunk async for chunk in found.chunks])
    return Response(body, headers={**_KEPT, "content-type": content_type})


async def _in_parts(found: Frames, choice: Choice) -> Response:
    boundary = secrets.token_hex(16)
    media, part_type = _part_type(found, choice)
    content_type = multipart.content_type(media, boundary)
    chunks = _parts(found, boundary, part_type)
    if found.count < WHOLE_BELOW:
        body = b"".join([chunk async for chunk in chunks])
        return Response(body, headers={**_KEPT, "content-type": content_type})
    return Stream(chunks, headers=_KEPT, media_type=content_type)


async def _parts(found: Frames, boundary: str, part_type: str) -> AsyncIterator[bytes]:
    first = True
    async for frame in found.chunks:
        headers = {"Content-Type": part_type, "Content-Length": str(len(frame))}
        yield multipart.open_part(boundary, headers, first=first)
        yield frame
        first = False
    yield multipart.close(boundary, empty=first)
