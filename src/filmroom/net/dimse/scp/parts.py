"""Retrieval in part (PS3.4 annex Y and Z): instances by their UID alone, some frames of one, all but the bulk data."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from filmroom.archive.devices import Device
from filmroom.base.errors import FilmroomError, Forbidden, NotFound, RemoteFault, Unavailable, Unsupported
from filmroom.dicom.extract import CALCULATED, SIMPLE, TIME_RANGE, FrameRequest, NoSuchFrames, NotTimed, frame_request
from filmroom.dicom.question import JsonDataset
from filmroom.net.dimse.line import Exchange, Gathered, Intake
from filmroom.net.dimse.models import QUERY_RETRIEVE_LEVEL, WITHOUT_BULK_GET
from filmroom.net.dimse.outgoing import Originator, Sent, send_objects
from filmroom.net.dimse.ports import Devices, Handout, Retrieve
from filmroom.net.dimse.scp.identifiers import BadIdentifier, decode, instance_uids, values
from filmroom.net.dimse.scp.move import destination_of
from filmroom.net.dimse.scp.retrieve import Progress, response
from filmroom.net.dimse.sender import Sender
from filmroom.security.principals import Principal
from filmroom.wire.dimse import status
from filmroom.wire.dimse.messages import CMoveRq

log = structlog.get_logger()

# PS3.4 table Y.4-1.
NO_SUCH_FRAMES, CANNOT_MAKE_OBJECT, CANNOT_EXTRACT, NOT_TIME_BASED, INVALID_REQUEST = range(0xAA00, 0xAA05)
_FRAME_KEYS = (SIMPLE, CALCULATED, TIME_RANGE)


class Extraction(Protocol):
    """Makes new objects of frames, and hands them out."""

    async def extract(self, who: Principal, sop_uid: str, request: FrameRequest) -> Any: ...
    async def handout(self, item: Any, acceptable: Any) -> Handout: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What hands out in part."""

    without_bulk: Retrieve
    extraction: Extraction


class PartsScp:
    """Answers C-GET and C-MOVE of the three SOP classes."""

    def __init__(self, retrieve: Retrieve, parts: Parts, devices: Devices, sender: Sender) -> None:
        self._retrieve = retrieve
        self._without_bulk = parts.without_bulk
        self._extraction = parts.extraction
        self._devices = devices
        self._sender = sender

    def begin(self, exchange: Exchange) -> Intake:
        return Gathered(exchange, self._answer)

    async def _answer(self, exchange: Exchange, identifier: bytes) -> None:
        destination: Device | None = None
        try:
            if isinstance(exchange.request, CMoveRq):
                destination = await destination_of(exchange, self._devices)
                if destination is None:
                    return
            items, source = await self._wanted(exchange, identifier)
        except (FilmroomError, OSError) as error:
            code, offending = _refusal(error)
            exchange.respond(response(exchange, code, comment=str(error), offending=offending))
            return
        progress = Progress(exchange, items)
        async with aclosing(self._send(exchange, destination, items, source)) as results:
            async for sent in results:
                progress.add(sent)
                if exchange.cancelled or progress.overdue:
                    break
        code = progress.finish(cancelled=exchange.cancelled and progress.tally.remaining > 0)
        log.info(
            "objects handed out in part", calling_ae=exchange.line.caller.ae_title, objects=len(items), status=code
        )

    def _send(
        self, exchange: Exchange, destination: Device | None, items: list[Any], source: Any
    ) -> AsyncGenerator[Sent, None]:
        if destination is None:
            return send_objects(exchange.line, source, items)
        originator = Originator(exchange.line.caller.ae_title, exchange.request.message_id)
        return self._sender.send(destination, items, originator=originator, retrieve=source)

    async def _wanted(self, exchange: Exchange, identifier: bytes) -> tuple[list[Any], Any]:
        """The objects to send, and who hands them out."""
        who = exchange.line.caller.principal
        sop_class = exchange.context.abstract_syntax
        dataset = decode(identifier, exchange.context.transfer_syntax)
        instances = instance_uids(dataset)
        level = str(next(iter(values(dataset, QUERY_RETRIEVE_LEVEL)), "")).strip().upper()
        if level == "FRAME" and sop_class != WITHOUT_BULK_GET:
            if len(instances) != 1:
                raise BadIdentifier("frames are taken from one object", 0x00080018)
            return [await self._extraction.extract(who, instances[0], _request(dataset))], self._extraction
        if level != "IMAGE" and (level or sop_class != WITHOUT_BULK_GET):
            raise BadIdentifier("Query/Retrieve Level is unknown", 0x00080052)
        source = self._without_bulk if sop_class == WITHOUT_BULK_GET else self._retrieve
        return list(await source.locate(who, instances=instances)), source


def _request(dataset: JsonDataset) -> FrameRequest:
    keys = [tag for tag in _FRAME_KEYS if values(dataset, f"{tag:08X}")]
    if len(keys) != 1:
        raise _InvalidRequest("one of Simple Frame List, Calculated Frame List and Time Range is wanted")
    return frame_request(keys[0], values(dataset, f"{keys[0]:08X}"))


class _InvalidRequest(RemoteFault):
    """Not one frame key."""


def _refusal(error: Exception) -> tuple[int, tuple[int, ...]]:
    """The status of PS3.4 table Y.4-1, and the offending elements."""
    if isinstance(error, BadIdentifier):
        return status.DATA_SET_MISMATCH, error.offending
    if isinstance(error, Forbidden):
        return status.NOT_AUTHORISED, ()
    if isinstance(error, Unavailable):
        return status.CANNOT_COUNT_MATCHES, ()
    if isinstance(error, NotFound | Unsupported):
        return CANNOT_EXTRACT, ()
    if isinstance(error, NoSuchFrames):
        return NO_SUCH_FRAMES, ()
    if isinstance(error, NotTimed):
        return NOT_TIME_BASED, ()
    return INVALID_REQUEST if isinstance(error, RemoteFault) else CANNOT_MAKE_OBJECT, ()
