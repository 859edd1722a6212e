"""What is not an image as people see it: reports as pages, encapsulated documents and videos as they are
(PS3.18 table 8.7.4-1)."""

from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response

from filmroom.archive.retrieve import Located
from filmroom.base.errors import Unsupported
from filmroom.dicom.render_report import first_text, report_html, report_text
from filmroom.net.web.dicomweb.etags import unchanged, weak_etag
from filmroom.net.web.dicomweb.negotiate import OCTETS, wanted
from filmroom.net.web.dicomweb.parts import Slice, gathered
from filmroom.net.web.dicomweb.pictures import Pictures
from filmroom.net.web.dicomweb.ranges import asked_range
from filmroom.net.web.door import who
from filmroom.net.web.ports import FrameReader
from filmroom.net.web.streams import Stream
from filmroom.storage.blobs import Blobs
from filmroom.storage.model import BlobRange
from filmroom.wire.http.mediatypes import Choice

HTML, TEXT, PDF = "text/html", "text/plain", "application/pdf"
DOCUMENT_VALUE = (0x00420011,)
# What encapsulated document classes hold where the object itself does not say (PS3.3 A.45, A.104).
_DOCUMENT_TYPES = {
    "1.2.840.10008.5.1.4.1.1.104.1": PDF,
    "1.2.840.10008.5.1.4.1.1.104.2": "text/xml",
    "1.2.840.10008.5.1.4.1.1.104.3": "model/stl",
    "1.2.840.10008.5.1.4.1.1.104.4": "model/obj",
    "1.2.840.10008.5.1.4.1.1.104.5": "model/mtl",
}
_KEPT = {"cache-control": "private, no-cache", "vary": "accept, accept-language, cookie"}
# The same things by other names.
_ALIASES = {"application/xml": "text/xml", "application/sla": "model/stl", "video/mpeg4": "video/mp4"}


class Renderings:
    """Reports, documents and videos of instances."""

    def __init__(self, pictures: Pictures, frames: FrameReader, blobs: Blobs) -> None:
        self._pictures = pictures
        self._frames = frames
        self._blobs = blobs

    async def report(self, request: Request, item: Located, media: str = "") -> Response:
        """A structured report as HTML or text; ``media`` where it is settled already."""
        media = media or _chosen(wanted(request), (HTML, TEXT))
        headers = {**_KEPT, "etag": weak_etag([item], media, _language(request))}
        if unchanged(request, headers["etag"]):
            return Response(status_code=304, headers=headers)
        found = await self._pictures.metadata(who(request), item)
        write = report_html if media == HTML else report_text
        body = write(found, _language(request))
        return Response(body, media_type=f"{media}; charset=utf-8", headers=headers)

    async def document(self, request: Request, item: Located, choices: list[Choice] | None = None) -> Response:
        """An encapsulated document in its own media type, or a part of it."""
        found = await self._pictures.metadata(who(request), item)
        said = first_text(found, "00420012").strip().lower()
        media = said or _DOCUMENT_TYPES.get(item.sop_class, OCTETS)
        known = (_ALIASES.get(media, media), media)
        choices = wanted(request) if choices is None else choices
        if not any(choice.covers(name) and choice.multipart is not True for choice in choices for name in known):
            raise Unsupported(f"the document can be given as {media}")
        value = await self._frames.bulk(item, DOCUMENT_VALUE)
        size = value.where.size_bytes if value.where is not None else len(value.data)
        told = first_text(found, "00420015")
        if told.isdecimal() and size - 1 <= int(told) <= size:
            size = int(told)  # without the padding to even length
        if value.where is None:
            return ranged_bytes(request, value.data[:size], media, _etag(item))
        return ranged(request, self._blobs, [cut(value.where, 0, size)], media, _etag(item))

    async def video(self, request: Request, item: Located, choices: list[Choice] | None = None) -> Response:
        """A video stream as it is stored, or a part of it; its container must be one that the media type means."""
        runs = await self._frames.stored_runs(item, 1)
        start = await self._blobs.read(runs[0], 0, min(12, runs[0].size_bytes))
        media = "video/mp4" if start[4:8] == b"ftyp" else "video/mp2t" if start[:1] == b"\x47" else "video/mpeg"
        choices = wanted(request) if choices is None else choices
        if not any(choice.covers(media) and choice.multipart is not True for choice in choices):
            raise Unsupported(f"the video can be given as {media}")
        return ranged(request, self._blobs, runs, media, _etag(item))


def ranged(request: Request, blobs: Blobs, runs: list[BlobRange], media: str, etag: str) -> Response:
    """Stored bytes as one body, or the range of it that is asked for (RFC 9110 14.2)."""
    size = sum(run.size_bytes for run in runs)
    headers = {**_KEPT, "accept-ranges": "bytes", "etag": etag}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    start, length, status = 0, size, 200
    valid = request.headers.get("if-range", etag) == etag
    if valid and (part := asked_range(request.headers.get("range"), size)) is not None:
        (start, length), status = part, 206
        headers["content-range"] = f"bytes {start}-{start + length - 1}/{size}"
    chunks = gathered(blobs, _slices(runs, start, length))
    return Stream(chunks, status, headers, media_type=media, size_bytes=length)


def ranged_bytes(request: Request, data: bytes, media: str, etag: str) -> Response:
    """The same for bytes that are at hand."""
    headers = {**_KEPT, "accept-ranges": "bytes", "etag": etag}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    if (part := asked_range(request.headers.get("range"), len(data))) is None:
        return Response(data, media_type=media, headers=headers)
    start, length = part
    headers["content-range"] = f"bytes {start}-{start + length - 1}/{len(data)}"
    return Response(data[start : start + length], 206, media_type=media, headers=headers)


def cut(where: BlobRange, start: int, size_bytes: int) -> BlobRange:
    """A part of a range."""
    return BlobRange(where.store, where.key, where.start + start, size_bytes)


async def _slices(runs: list[BlobRange], start: int, length: int) -> AsyncIterator[bytes | Slice]:
    for run in runs:
        if start < run.size_bytes and length > 0:
            taken = min(length, run.size_bytes - start)
            yield Slice(run, start, taken)
            length -= taken
            start = 0
        else:
            start = max(0, start - run.size_bytes)


def _chosen(choices: list[Choice], offers: tuple[str, ...]) -> str:
    for choice in choices:
        for offer in offers:
            if choice.covers(offer) and choice.multipart is not True:
                return offer
    raise Unsupported(f"this can be given as {', '.join(offers)}")


def _language(request: Request) -> str:
    first = request.headers.get("accept-language", "").split(",")[0].strip().lower()
    return "zh" if first.startswith("zh") else "en"


def _etag(item: Located) -> str:
    return f'"{item.digest.hex()[:32]}"'
