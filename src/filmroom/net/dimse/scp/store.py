"""C-STORE (PS3.4 annex B): the data set streams into one ingest, and its outcome becomes the status."""

from collections.abc import Mapping

import structlog

from filmroom.archive.door import Incoming, Ingest
from filmroom.archive.model import Outcome, Stored
from filmroom.base.errors import Forbidden, NoSpace, Unavailable
from filmroom.net.dimse.line import Exchange, Intake, Refused
from filmroom.wire.dimse import status
from filmroom.wire.dimse.messages import CStoreRq, CStoreRsp

log = structlog.get_logger()

C_STORE_STATUS: Mapping[Stored, int] = {  # PS3.4 table B.2-1, PS3.7 annex C
    Stored.NEW: status.SUCCESS,
    Stored.ALREADY: status.SUCCESS,
    Stored.CONFLICT: status.DUPLICATE_SOP_INSTANCE,
    Stored.QUARANTINED: status.CANNOT_UNDERSTAND,
    Stored.NO_SPACE: status.OUT_OF_RESOURCES,
    Stored.UNAVAILABLE: status.OUT_OF_RESOURCES,
    Stored.REFUSED: status.NOT_AUTHORISED,
}


class StoreScp:
    """Hands each object to the archive's one door."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    def begin(self, exchange: Exchange) -> Intake:
        request = exchange.request
        assert isinstance(request, CStoreRq)
        if not request.has_data:
            return Refused(exchange, status.CANNOT_UNDERSTAND, "no data set")
        caller = exchange.line.caller
        try:
            incoming = self._ingest.begin(
                caller.principal,
                door="dimse",
                source=caller.ae_title,
                transfer_syntax=exchange.context.transfer_syntax,
                sop_class=request.sop_class,
                sop_uid=request.sop_uid,
                part10=False,
                called=caller.called_ae,
                host=caller.host,
            )
        except (NoSpace, Unavailable) as error:
            return Refused(exchange, status.OUT_OF_RESOURCES, str(error))
        except Forbidden:
            return Refused(exchange, status.NOT_AUTHORISED, "this AE title may not store")
        return _Store(exchange, request, incoming)


class _Store:
    """One object on its way in. Once complete it is filed, whether or not its sender is still there."""

    survives = True

    def __init__(self, exchange: Exchange, request: CStoreRq, incoming: Incoming) -> None:
        self._exchange = exchange
        self._request = request
        self._incoming = incoming
        self.write = incoming.write
        self.drain = incoming.drain
        self.discard = incoming.discard

    @property
    def full(self) -> bool:
        return self._incoming.full

    async def run(self) -> None:
        outcome = await self._incoming.finish()
        request = self._request
        self._exchange.respond(
            CStoreRsp(
                responding_to=request.message_id,
                status=store_status(outcome, request),
                sop_class=request.sop_class,
                sop_uid=request.sop_uid,
                comment="" if outcome.safe else status.comment(outcome.comment),
            )
        )


def store_status(outcome: Outcome, request: CStoreRq) -> int:
    """The status of one outcome. What was not filed and is not what the command said it is gets A900."""
    if outcome.status:
        return outcome.status
    if outcome.result is Stored.QUARANTINED and _differs(outcome, request):
        return status.DATA_SET_MISMATCH
    return C_STORE_STATUS[outcome.result]


def _differs(outcome: Outcome, request: CStoreRq) -> bool:
    pairs = ((outcome.sop_class, request.sop_class), (outcome.sop_uid, request.sop_uid))
    return any(found and found != told for found, told in pairs)
