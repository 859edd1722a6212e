"""WADO-RS metadata: the ready-made document of each series (PS3.18 10.4.1.1.2)."""

import asyncio
import gzip
import hashlib
from collections import OrderedDict
from collections.abc import Sequence

import orjson
from starlette.requests import Request
from starlette.responses import Response

from filmroom.base.errors import NotFound
from filmroom.net.web.dicomweb.addresses import uids
from filmroom.net.web.dicomweb.metadata_moved import MovedDocuments
from filmroom.net.web.dicomweb.negotiate import DICOM_JSON, DICOM_XML, JSON, choose
from filmroom.net.web.dicomweb.xml import xml_answer
from filmroom.net.web.door import who
from filmroom.net.web.ports import Document, SeriesDocuments
from filmroom.wire.http.mediatypes import encodings

# Documents squeezed for clients that know gzip only; a series of 500 images takes 30 kB.
GZIP_CACHE = 64
GZIP_LEVEL = 1


class Metadata:
    """Metadata at the three levels."""

    def __init__(self, documents: SeriesDocuments) -> None:
        self._documents = documents
        self._moved = MovedDocuments()
        self._gzipped: OrderedDict[str, bytes] = OrderedDict()

    async def series(self, request: Request) -> Response:
        media = choose(request, DICOM_JSON, JSON, DICOM_XML)
        study, series, _ = uids(request)
        found = await self._moved.seen(request, await self._documents.series_metadata(who(request), study, series))
        headers = _headers(found.etag, media)
        if _unchanged(request, headers["etag"]):
            return Response(status_code=304, headers=headers)
        if media == DICOM_XML:
            return xml_answer(orjson.loads(found.json), headers)
        known = encodings(request.headers.get("accept-encoding"))
        if "zstd" in known:
            return _answer(found.compressed, media, headers, "zstd")
        if "gzip" in known:
            return _answer(await self._gzip(found), media, headers, "gzip")
        return _answer(await asyncio.to_thread(lambda: found.json), media, headers, "")

    async def study(self, request: Request) -> Response:
        media = choose(request, DICOM_JSON, JSON, DICOM_XML)
        study, _, _ = uids(request)
        stored = await self._documents.study_metadata(who(request), study)
        found = [await self._moved.seen(request, each) for each in stored]
        headers = _headers(hashlib.sha256("".join(each.etag for each in found).encode()).hexdigest()[:32], media)
        if _unchanged(request, headers["etag"]):
            return Response(status_code=304, headers=headers)
        return await _packed(request, await asyncio.to_thread(_joined, found), media, headers)

    async def instance(self, request: Request) -> Response:
        media = choose(request, DICOM_JSON, JSON, DICOM_XML)
        study, series, instance = uids(request)
        found = await self._moved.seen(request, await self._documents.series_metadata(who(request), study, series))
        headers = _headers(f"{found.etag}-{instance}", media)
        if _unchanged(request, headers["etag"]):
            return Response(status_code=304, headers=headers)
        one = await asyncio.to_thread(found.instance, instance)
        if one is None:
            raise NotFound("there is no such instance")
        return await _packed(request, one, media, headers)

    async def _gzip(self, found: Document) -> bytes:
        kept = self._gzipped.get(found.etag)
        if kept is None:
            kept = await asyncio.to_thread(gzip.compress, found.json, GZIP_LEVEL, mtime=0)
            self._gzipped[found.etag] = kept
            if len(self._gzipped) > GZIP_CACHE:
                self._gzipped.popitem(last=False)
        return kept


def _joined(found: Sequence[Document]) -> bytes:
    """One array of the arrays of every series."""
    bodies = (each.json.strip()[1:-1].strip() for each in found)
    return b"[" + b",\n".join(each for each in bodies if each) + b"]"


async def _packed(request: Request, body: bytes, media: str, headers: dict[str, str]) -> Response:
    if media == DICOM_XML:
        return xml_answer(orjson.loads(body), headers)
    if "gzip" in encodings(request.headers.get("accept-encoding")) and len(body) > 4096:
        return _answer(await asyncio.to_thread(gzip.compress, body, GZIP_LEVEL, mtime=0), media, headers, "gzip")
    return _answer(body, media, headers, "")


def _answer(body: bytes, media: str, headers: dict[str, str], coding: str) -> Response:
    more = {"content-encoding": coding} if coding else {}
    return Response(body, media_type=media, headers={**headers, **more})


def _headers(etag: str, media: str) -> dict[str, str]:
    # Weak: the same document whatever coding carries it.
    tag = f'W/"{etag}-{media[-4:]}"'
    return {"etag": tag, "cache-control": "private, no-cache", "vary": "accept, accept-encoding, cookie"}


def _unchanged(request: Request, etag: str) -> bool:
    asked = request.headers.get("if-none-match", "")
    return asked.strip() == "*" or etag in [each.strip() for each in asked.split(",")]
