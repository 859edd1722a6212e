"""STOW-RS: objects come in as files, are passed on while they arrive, and answered when they are durable
(PS3.18 10.5)."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from filmroom.archive.door import Incoming, Ingest
from filmroom.archive.model import MAX_COMMENT_CHARACTERS, Outcome
from filmroom.base.errors import NotReadable, RemoteFault, Unsupported
from filmroom.dicom.attributes import text
from filmroom.dicom.headertap import HeaderTap
from filmroom.dicom.part10 import read_meta
from filmroom.dicom.question import JsonDataset
from filmroom.dicom.render_report import first_text
from filmroom.net.web.bodies import chunks
from filmroom.net.web.dicomweb.addresses import base, uids
from filmroom.net.web.dicomweb.negotiate import DICOM, DICOM_JSON, DICOM_XML, JSON, choose
from filmroom.net.web.dicomweb.stow_answer import CANNOT_UNDERSTAND, Wrong, report, status_of
from filmroom.net.web.dicomweb.stow_parts import Described
from filmroom.net.web.dicomweb.xml import xml_answer
from filmroom.net.web.door import who
from filmroom.net.web.errors import Refused
from filmroom.security.policy import Action, demand
from filmroom.security.principals import Principal
from filmroom.settings import WebSettings
from filmroom.wire.http.mediatypes import MULTIPART, MediaType, parse
from filmroom.wire.http.multipart import PartBegin, PartData, reader

# Objects of one request that wait for the disk together; their bytes are within the archive's own budget.
FILING_AT_ONCE = 16
_SOP_CLASS, _SOP_UID, _STUDY_UID = 0x00080016, 0x00080018, 0x0020000D
_LOOKED_AT = frozenset({_SOP_CLASS, _SOP_UID, _STUDY_UID})


class Stow:
    """The store transaction."""

    def __init__(self, ingest: Ingest, settings: WebSettings, folder: Path) -> None:
        self._ingest = ingest
        self._settings = settings
        self._folder = folder

    async def store(self, request: Request) -> Response:
        answer_as = choose(request, DICOM_JSON, JSON, DICOM_XML)
        study, _, _ = uids(request)
        media = parse(request.headers.get("content-type") or "none/none")
        body = chunks(request, most_bytes=self._settings.max_store_bytes)
        intake = _Intake(self._ingest, who(request), study)
        try:
            if media.name == DICOM:
                await intake.take_file(body)
            elif media.name == MULTIPART and media.parameters.get("type", DICOM).lower() == DICOM:
                await intake.take_multipart(body, media)
            elif media.name == MULTIPART and media.parameters["type"].lower() in (DICOM_JSON, JSON, DICOM_XML):
                await intake.take_described(body, media, self._folder)
            else:
                raise Refused(415, f"send {MULTIPART} or {DICOM}", {"accept-post": f"{MULTIPART}, {DICOM}"})
            outcomes = await intake.outcomes()
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        finally:
            await intake.close()
        if not outcomes and not intake.wrong:
            raise NotReadable("there is no object in the request")
        return self._answer(request, answer_as, outcomes, intake.wrong)

    def _answer(self, request: Request, media: str, outcomes: list[Outcome], wrong: list[Wrong]) -> Response:
        status = status_of(outcomes, len(wrong))
        body = report(outcomes, wrong, base(request, self._settings.public_url))
        headers = {"cache-control": "no-store"}
        if status in {503, 507}:
            headers["retry-after"] = "5"
        if media == DICOM_XML:
            return xml_answer([body], headers, status)
        return Response(orjson.dumps(body), status, media_type=media, headers=headers)


class _Intake:
    """The objects of one request. ``wrong``: those that are not handed on, and why."""

    def __init__(self, ingest: Ingest, who: Principal, study: str) -> None:
        self._ingest = ingest
        self._who = who
        self._study = study
        self._open: _Object | None = None
        self._filing: deque[asyncio.Task[Outcome]] = deque()
        self._done: list[Outcome] = []
        self.wrong: list[Wrong] = []

    async def take_file(self, body: AsyncIterator[bytes]) -> None:
        """The body is one object."""
        await self._begin()
        async for chunk in body:
            await self._write(chunk)
        await self._end()

    async def take_multipart(self, body: AsyncIterator[bytes], media: MediaType) -> None:
        """Every part of the body is one object."""
        parts = reader(media)
        async for chunk in body:
            for event in parts.receive(chunk):
                if isinstance(event, PartData):
                    await self._write(event.data)
                elif isinstance(event, PartBegin):
                    _check_type(event.headers.get("content-type", DICOM))
                    await self._begin()
                else:
                    await self._end()
        parts.finish()

    async def take_described(self, body: AsyncIterator[bytes], media: MediaType, folder: Path) -> None:
        """Metadata and bulk data in parts of their own; nothing is filed before all of them are here."""
        demand(self._who, Action.STORE)
        described = Described(folder)
        try:
            parts = reader(media)
            async for chunk in body:
                for event in parts.receive(chunk):
                    if isinstance(event, PartData):
                        await described.write(event.data)
                    elif isinstance(event, PartBegin):
                        described.begin(dict(event.headers))
                    else:
                        await described.end()
            parts.finish()
            await described.flush()
            for dataset in described.datasets:
                await self._put_together(described, dataset)
        finally:
            described.close()

    async def _put_together(self, described: Described, dataset: JsonDataset) -> None:
        names = (first_text(dataset, "00080016"), first_text(dataset, "00080018"))
        if self._study and first_text(dataset, "0020000D") != self._study:
            self.wrong.append(Wrong(*names))
            return
        try:
            async with aclosing(described.file_of(dataset)) as chunks_of_file:
                async for chunk in chunks_of_file:
                    if self._open is None:
                        await self._begin()
                    await self._write(chunk)
        except (RemoteFault, Unsupported) as error:
            if self._open is not None:
                await self._open.incoming.discard()
                self._open = None
            self.wrong.append(Wrong(*names, reason=CANNOT_UNDERSTAND, comment=str(error)[:MAX_COMMENT_CHARACTERS]))
            return
        await self._end()

    async def outcomes(self) -> list[Outcome]:
        """What became of the objects, in the order they came."""
        while self._filing:
            self._done.append(await self._filing.popleft())
        return self._done

    async def close(self) -> None:
        """Nothing more comes; what is only begun is dropped, what is whole is filed."""
        if self._open is not None:
            await self._open.incoming.discard()
            self._open = None
        await asyncio.gather(*self._filing, return_exceptions=True)

    async def _begin(self) -> None:
        incoming = self._ingest.begin(self._who, door="stow", source=self._who.name, transfer_syntax=None, part10=True)
        self._open = _Object(incoming, self._study)

    async def _write(self, data: bytes | memoryview) -> None:
        assert self._open is not None
        self._open.write(data)
        if self._open.incoming.full:
            await self._open.incoming.drain()

    async def _end(self) -> None:
        assert self._open is not None
        ended, self._open = self._open, None
        if ended.elsewhere():
            self.wrong.append(Wrong(*ended.names))
            await ended.incoming.discard()
            return
        self._filing.append(asyncio.create_task(ended.incoming.finish()))
        if len(self._filing) >= FILING_AT_ONCE:
            self._done.append(await self._filing.popleft())


class _Object:
    """One object, its header read along while it passes when the address names a study."""

    def __init__(self, incoming: Incoming, study: str) -> None:
        self.incoming = incoming
        self.names = ("", "")
        self._study = study
        self._prefix: bytearray | None = bytearray() if study else None
        self._tap: HeaderTap | None = None
        self._reading = False

    def write(self, data: bytes | memoryview) -> None:
        self.incoming.write(data)
        if self._reading:
            self._feed(data)
        elif self._prefix is not None:
            self._prefix += data
            self._open(complete=False)

    def elsewhere(self) -> bool:
        """Whether the object, now whole, belongs to another study than the address says.

        What cannot be read is not elsewhere: filing says what is wrong with it.
        """
        if self._prefix is not None:
            self._open(complete=True)
        if self._tap is None:
            return False
        try:
            header = self._tap.finish()
        except RemoteFault:
            return False
        self.names = (text(header, _SOP_CLASS), text(header, _SOP_UID))
        return text(header, _STUDY_UID) != self._study

    def _open(self, *, complete: bool) -> None:
        prefix = bytes(self._prefix or b"")
        try:
            meta = read_meta(prefix, complete=complete)
        except RemoteFault:
            self._prefix = None
            return
        if meta is None:
            return
        self._prefix = None
        self._tap, self._reading = HeaderTap(meta.transfer_syntax, _LOOKED_AT), True
        self._feed(prefix[meta.dataset_offset :])

    def _feed(self, data: bytes | memoryview) -> None:
        assert self._tap is not None
        try:
            self._reading = self._tap.feed(data)
        except RemoteFault:
            self._tap, self._reading = None, False


def _check_type(text: str) -> None:
    if parse(text).name != DICOM:
        raise Refused(415, f"every part must be {DICOM}")
