"""WADO-RS frames and bulk data (PS3.18 10.4.1.1.5, 10.4.1.1.6)."""

import secrets
from collections.abc import AsyncIterator, Sequence

from starlette.requests import Request
from starlette.responses import Response

from filmroom.archive.retrieve import Located
from filmroom.archive.retrieve_frames import Bulk, Frames, parse_path
from filmroom.base.errors import LimitReached, NotFound, NotReadable, Unsupported
from filmroom.net.web.dicomweb.addresses import uids
from filmroom.net.web.dicomweb.negotiate import OCTETS, frame_media, frame_syntaxes, wanted
from filmroom.net.web.dicomweb.parts import Slice, gathered
from filmroom.net.web.dicomweb.ranges import asked_range
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

    def __init__(self, retrieve: Retrieve, frames: FrameReader, blobs: Blobs) -> None:
        self._retrieve = retrieve
        self._frames = frames
        self._blobs = blobs

    async def frames(self, request: Request) -> Response:
        numbers = frame_numbers(request.path_params["frames"])
        return await self._answer(request, await self._one(request), numbers)

    async def pixels(self, request: Request) -> Response:
        """All frames (PS3.18 10.4.1.1.7, pixel data of an instance)."""
        return await self._answer(request, await self._one(request), ())

    async def bulk(self, request: Request) -> Response:
        item = await self._one(request)
        found = await self._frames.bulk(item, parse_path(request.path_params["path"]))
        if found.encapsulated:
            return await self._answer(request, item, ())
        choice = next((each for each in wanted(request) if each.covers(OCTETS)), None)
        if choice is None:
            raise Unsupported(f"bulk data can be given as {OCTETS}")
        if choice.multipart:
            return self._bulk_part(found)
        return self._bulk_alone(request, found)

    async def _one(self, request: Request) -> Located:
        study, series, instance = uids(request)
        found = await self._retrieve.locate(who(request), studies=(study,), series=(series,), instances=(instance,))
        if not found:
            raise NotFound("there is no such instance")
        return found[0]

    async def _answer(self, request: Request, item: Located, numbers: Sequence[int]) -> Response:
        reason = "these frames cannot be given in any of the asked media types"
        for choice in wanted(request):
            syntaxes = frame_syntaxes(choice, item.transfer_syntax)
            if not syntaxes or (choice.multipart is False and len(numbers) != 1):
                continue
            try:
                found = await self._frames.frames(item, numbers, syntaxes)
            except Unsupported as error:
                reason = str(error)
                continue
            return await _in_parts(found, choice) if choice.multipart is not False else await _alone(found, choice)
        raise Unsupported(reason)

    def _bulk_part(self, found: Bulk) -> Response:
        boundary = secrets.token_hex(16)
        head = multipart.open_part(boundary, {"Content-Type": OCTETS}, first=True)

        async def pieces() -> AsyncIterator[bytes | Slice]:
            yield head
            yield found.data if found.where is None else Slice(found.where, 0, found.where.size_bytes)
            yield multipart.close(boundary)

        media = multipart.content_type(OCTETS, boundary)
        return Stream(gathered(self._blobs, pieces()), headers=_KEPT, media_type=media)

    def _bulk_alone(self, request: Request, found: Bulk) -> Response:
        size = len(found.data) if found.where is None else found.where.size_bytes
        headers = {**_KEPT, "accept-ranges": "bytes"}
        start, length, status = 0, size, 200
        if (part := asked_range(request.headers.get("range"), size)) is not None:
            (start, length), status = part, 206
            headers["content-range"] = f"bytes {start}-{start + length - 1}/{size}"
        if found.where is None:
            body = found.data[start : start + length]
            return Response(body, status, media_type=OCTETS, headers=headers)
        chunks = gathered(self._blobs, _only(Slice(found.where, start, length)))
        return Stream(chunks, status, headers, media_type=OCTETS, size_bytes=length)


async def _only(piece: Slice) -> AsyncIterator[bytes | Slice]:
    yield piece


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
