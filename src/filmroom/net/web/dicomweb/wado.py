"""WADO-RS: studies, series and instances as they are stored, or in another transfer syntax (PS3.18 10.4)."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence

from starlette.requests import Request
from starlette.responses import Response

from filmroom.archive.retrieve import ANY, Handout, Located, targets
from filmroom.base.errors import Corrupt, NotFound, Unsupported
from filmroom.dicom.transfersyntax import lookup
from filmroom.net.web.dicomweb.addresses import base, resource, uids
from filmroom.net.web.dicomweb.etags import unchanged, weak_etag
from filmroom.net.web.dicomweb.negotiate import DICOM, ZIP, file_syntaxes, wanted
from filmroom.net.web.dicomweb.parts import Piece, gathered, stored_file
from filmroom.net.web.dicomweb.zipped import zip_names, zip_stream
from filmroom.net.web.door import who
from filmroom.net.web.ports import Retrieve, SeriesDocuments
from filmroom.net.web.streams import Stream
from filmroom.security.policy import Action
from filmroom.storage.blobs import Blobs
from filmroom.storage.model import BlobRange
from filmroom.wire.http import mediatypes, multipart
from filmroom.wire.http.mediatypes import Choice

_UNCACHED = {"cache-control": "private, no-cache", "vary": "accept, cookie"}


class Wado:
    """Retrieve transactions that give whole objects."""

    def __init__(self, retrieve: Retrieve, documents: SeriesDocuments, blobs: Blobs, *, public_url: str) -> None:
        self._retrieve = retrieve
        self._documents = documents
        self._blobs = blobs
        self._public_url = public_url

    async def objects(self, request: Request) -> Response:
        """A study, a series or an instance."""
        study, series, instance = uids(request)
        choices = wanted(request)
        first = next((c for c in choices if c.covers(DICOM) or (c.covers(ZIP) and c.multipart is False)), None)
        if first is None:
            raise Unsupported(f"objects can be given as {DICOM}, in multipart/related or alone, or as {ZIP}")
        items = await self._retrieve.locate(
            who(request),
            studies=(study,),
            series=(series,) if series else (),
            instances=(instance,) if instance else (),
            # Who takes a ZIP file takes the study out.
            action=Action.EXPORT if first.media == ZIP else Action.VIEW,
        )
        if not items:
            raise NotFound("there is no such resource")
        same = [c for c in choices if c.covers(first.media) and c.multipart == first.multipart]
        headers = {**_UNCACHED, "etag": weak_etag(items, same, first.multipart)}
        if unchanged(request, headers["etag"]):
            return Response(status_code=304, headers=headers)
        if first.media == ZIP:
            return await self._zip(request, items, same, headers, instance or series or study)
        if first.multipart is False:
            return await self.alone(request, items, same)
        return await self._multipart(request, items, same, headers)

    async def alone(self, request: Request, items: Sequence[Located], choices: Sequence[Choice]) -> Response:
        """One instance as a file. Raises Unsupported for several, or when it cannot be written as asked."""
        if len(items) != 1:
            raise Unsupported("only one instance can be given alone; ask for multipart/related")
        tag = weak_etag(items, choices)
        if unchanged(request, tag):
            return Response(status_code=304, headers={**_UNCACHED, "etag": tag})
        made = await self._retrieve.file(items[0], file_syntaxes(choices, items[0].transfer_syntax))
        headers = {
            **_UNCACHED,
            "content-disposition": f'attachment; filename="{items[0].sop_uid}.dcm"',
            "etag": tag,
        }
        media = mediatypes.write(DICOM, transfer_syntax=made.transfer_syntax)
        return Stream(self._bytes_of(made), headers=headers, media_type=media, size_bytes=made.size_bytes)

    async def _multipart(
        self, request: Request, items: Sequence[Located], choices: Sequence[Choice], headers: dict[str, str]
    ) -> Response:
        there = await asyncio.to_thread(self._present, items)
        able = [(item, file_syntaxes(choices, item.transfer_syntax)) for item in there]
        given = [(item, syntaxes) for item, syntaxes in able if _can_be_given(item, syntaxes)]
        if items and not there:
            raise Corrupt("the bytes of these objects are missing")
        # What cannot be written is found out for one object before anything is said; the others are of its kind.
        first = await self._retrieve.file(*given[0]) if given else None
        if first is None:
            raise Unsupported("none of the transfer syntaxes asked for can be written")
        boundary = secrets.token_hex(16)
        pieces = self._pieces(given, first, boundary, base(request, self._public_url))
        if left := len(items) - len(given):
            headers["warning"] = f'299 Filmroom "{left} of {len(items)} instances cannot be given as asked"'
            headers.pop("etag", None)
        return Stream(
            gathered(self._blobs, pieces),
            206 if left else 200,
            headers,
            media_type=multipart.content_type(DICOM, boundary),
        )

    def _present(self, items: Sequence[Located]) -> list[Located]:
        """Those whose bytes are where they should be; one look for each blob where nothing is amiss."""
        ends: dict[tuple[str, str], int] = {}
        for item in items:
            key = (item.where.store, item.where.key)
            ends[key] = max(ends.get(key, 0), item.where.start + item.where.size_bytes)
        whole = {key for key, end in ends.items() if self._blobs.present(BlobRange(*key, 0, end))}
        return [
            item for item in items if (item.where.store, item.where.key) in whole or self._blobs.present(item.where)
        ]

    async def _pieces(
        self, given: Sequence[tuple[Located, tuple[str, ...]]], first: Handout, boundary: str, root: str
    ) -> AsyncIterator[Piece]:
        for number, (item, syntaxes) in enumerate(given):
            made = first if number == 0 else await self._retrieve.file(item, syntaxes)
            headers = {
                "Content-Type": mediatypes.write(DICOM, transfer_syntax=made.transfer_syntax),
                "Content-Location": resource(root, item.study_uid, item.series_uid, item.sop_uid),
            }
            if made.size_bytes is not None:
                headers["Content-Length"] = str(made.size_bytes)
            yield multipart.open_part(boundary, headers, first=number == 0)
            if made.where is not None:
                yield stored_file(made.where)
            else:
                async for chunk in made.chunks:
                    yield chunk
        yield multipart.close(boundary)

    def _bytes_of(self, made: Handout) -> AsyncIterator[bytes]:
        if made.where is None:
            return made.chunks
        return gathered(self._blobs, _only(stored_file(made.where)))

    async def _zip(
        self,
        request: Request,
        items: Sequence[Located],
        choices: Sequence[Choice],
        headers: dict[str, str],
        name: str,
    ) -> Response:
        """As stored unless a transfer syntax is asked for: who takes a ZIP file keeps it."""
        syntaxes = tuple(choice.transfer_syntax for choice in choices if choice.transfer_syntax) or (ANY,)
        named = await zip_names(self._documents, who(request), items)
        headers["content-disposition"] = f'attachment; filename="{name}.zip"'
        return Stream(zip_stream(self._retrieve, named, syntaxes), headers=headers, media_type=ZIP)


async def _only(piece: Piece) -> AsyncIterator[Piece]:
    yield piece


def _can_be_given(item: Located, syntaxes: tuple[str, ...]) -> bool:
    if ANY in syntaxes or item.transfer_syntax in syntaxes:
        return True
    return not lookup(item.transfer_syntax).video and bool(targets(item.transfer_syntax, syntaxes))
