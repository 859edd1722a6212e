"""Metadata for clients that see us below a proxy's path: the addresses of bulk data in it are moved."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import zstandard
from starlette.requests import Request

from filmroom.net.web.dicomweb.addresses import ROOT
from filmroom.net.web.ports import Document
from filmroom.net.web.proxies import prefix_of

# Documents kept moved; a series of 500 images takes 30 kB.
MOVED_DOCUMENTS: Final = 64
_ADDRESS = f'"BulkDataURI":"{ROOT}/'.encode()


@dataclass(frozen=True, slots=True)
class MovedDocument:
    """The document of a series version below a prefix."""

    original: Document
    prefix: str
    etag: str
    compressed: bytes

    @property
    def json(self) -> bytes:
        return zstandard.ZstdDecompressor().decompressobj().decompress(self.compressed)

    def instance(self, sop_uid: str) -> bytes | None:
        found = self.original.instance(sop_uid)
        return None if found is None else _moved(found, self.prefix)


class MovedDocuments:
    """Moves documents where it must, and keeps what it moved."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], MovedDocument] = OrderedDict()

    async def seen(self, request: Request, found: Document) -> Document:
        """The document as whoever asks needs it."""
        prefix = prefix_of(request.scope)
        if not prefix:
            return found
        key = (prefix, found.etag)
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = await asyncio.to_thread(_move, found, prefix)
        self._kept.move_to_end(key)
        if len(self._kept) > MOVED_DOCUMENTS:
            self._kept.popitem(last=False)
        return kept


def _move(found: Document, prefix: str) -> MovedDocument:
    squeezed = zstandard.ZstdCompressor(level=3).compress(_moved(found.json, prefix))
    return MovedDocument(found, prefix, f"{found.etag}{prefix.replace('/', '-')}", squeezed)


def _moved(body: bytes, prefix: str) -> bytes:
    return body.replace(_ADDRESS, _ADDRESS.replace(ROOT.encode(), prefix.encode() + ROOT.encode()))
