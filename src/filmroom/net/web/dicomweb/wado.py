"""WADO-RS: studies, series and instances as they are stored, or in another transfer syntax (PS3.18 10.4)."""

import secrets
from collections.abc import AsyncIterator, Sequence

from starlette.requests import Request
from starlette.responses import Response

from filmroom.archive.retrieve import ANY, Handout, Located, targets
from filmroom.base.errors import NotFound, Unsupported
from filmroom.dicom.transfersyntax import lookup
from filmroom.net.web.dicomweb.addresses import base, resource, uids
from filmroom.net.web.dicomweb.negotiate import DICOM, ZIP, file_syntaxes, wanted
from filmroom.net.web.dicomweb.parts import Piece, gathered, stored_file
from filmroom.net.web.dicomweb.zipped import zip_stream
from filmroom.net.web.door import who
from filmroom.net.web.ports import Retrieve
from filmroom.net.web.streams import Stream
from filmroom.storage.blobs import Blobs
from filmroom.wire.http import mediatypes, multipart
from filmroom.wire.http.mediatypes import Choice

_UNCACHED = {"cache-control": "private, no-cache", "vary": "accept, cookie"}


class Wado:
    """Retrieve transactions that give whole objects."""

    def __init__(self, retrieve: Retrieve, blobs: Blobs, *, public_url: str) -> None:
        self._retrieve = retrieve
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
        )
        if not items:
            raise NotFound("there is no such resource")
        if first.media == ZIP:
            return self._zip(items, instance or series or study)
        same = [c for c in choices if c.covers(DICOM) and c.multipart == first.multipart]
        if first.multipart is False:
            return await self._alone(items, same)
        return await self._multipart(request, items, same)

    async def _alone(self, items: Sequence[Located], choices: Sequence[Choice]) -> Response:
        if len(items) != 1:
            raise Unsupported("only one instance can be given alone; ask for multipart/related")
        made = await self._retrieve.file(items[0], file_syntaxes(choices, items[0].transfer_syntax))
        headers = {**_UNCACHED, "content-disposition": f'attachment; filename="{items[0].sop_uid}.dcm"'}
        media = mediatypes.write(DICOM, transfer_syntax=made.transfer_syntax)
        return Stream(self._bytes_of(made), headers=headers, media_type=media, size_bytes=made.size_bytes)

    async def _multipart(self, request: Request, items: Sequence[Located], choices: Sequence[Choice]) -> Response:
        able = [(item, file_syntaxes(choices, item.transfer_syntax)) for item in items]
        given = [(item, syntaxes) for item, syntaxes in able if _can_be_given(item, syntaxes)]
        # What cannot be written is found out for one object before anything is said; the others are of its kind.
        first = await self._retrieve.file(*given[0]) if given else None
        if first is None:
            raise Unsupported("none of the transfer syntaxes asked for can be written")
        boundary = secrets.token_hex(16)
        pieces = self._pieces(given, first, boundary, base(request, self._public_url))
        headers = dict(_UNCACHED)
        if len(given) < len(items):
            headers["warning"] = f'299 Filmroom "{len(items) - len(given)} instances cannot be given as asked"'
        return Stream(
            gathered(self._blobs, pieces),
            206 if len(given) < len(items) else 200,
            headers,
            media_type=multipart.content_type(DICOM, boundary),
        )

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

    def _zip(self, items: Sequence[Located], name: str) -> Response:
        headers = {**_UNCACHED, "content-disposition": f'attachment; filename="{name}.zip"'}
        return Stream(zip_stream(self._blobs, items), headers=headers, media_type=ZIP)


async def _only(piece: Piece) -> AsyncIterator[Piece]:
    yield piece


def _can_be_given(item: Located, syntaxes: tuple[str, ...]) -> bool:
    if ANY in syntaxes or item.transfer_syntax in syntaxes:
        return True
    return not lookup(item.transfer_syntax).video and bool(targets(item.transfer_syntax, syntaxes))
