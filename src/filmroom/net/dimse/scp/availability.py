"""N-CREATE of instance availability notifications (PS3.4 annex R)."""

from typing import Final, Protocol

import structlog

from filmroom.base.errors import Forbidden, RemoteFault, Unavailable
from filmroom.dicom.question import JsonDataset
from filmroom.net.dimse.line import Exchange, Gathered, Intake
from filmroom.net.dimse.models import AVAILABILITY
from filmroom.net.dimse.scp.identifiers import decode
from filmroom.security.principals import Principal
from filmroom.wire.dimse import status
from filmroom.wire.dimse.messages import NCreateRq, NCreateRsp
from filmroom.workflow.availability import Noted

log = structlog.get_logger()

NOTED_STATUS: Final = {  # PS3.7 10.1.5.1.6: the service has no codes of its own (R.3.2.1.4)
    Noted.TAKEN: status.SUCCESS,
    Noted.DUPLICATE: 0x0111,
    Noted.BAD_INSTANCE: 0x0117,
    Noted.INCOMPLETE: 0x0121,
}


class Notified(Protocol):
    """Where notices of others are kept."""

    async def note(self, who: Principal, sop_uid: str, given: JsonDataset, *, source: str = "") -> tuple[Noted, str]:
        """What became of it, and its instance UID."""
        ...


class AvailabilityScp:
    """Takes notifications; each becomes a fact."""

    def __init__(self, notified: Notified) -> None:
        self._notified = notified

    def begin(self, exchange: Exchange) -> Intake:
        return _Surviving(exchange, self._note)

    async def _note(self, exchange: Exchange, data: bytes) -> None:
        request, caller = exchange.request, exchange.line.caller
        assert isinstance(request, NCreateRq)
        if request.sop_class != AVAILABILITY:
            exchange.refuse(0x0119)
            return
        try:
            given = decode(data, exchange.context.transfer_syntax)
            noted, uid = await self._notified.note(caller.principal, request.sop_uid, given, source=caller.ae_title)
        except RemoteFault as fault:
            exchange.refuse(status.PROCESSING_FAILURE, str(fault))
        except Unavailable as error:
            exchange.refuse(0x0213, str(error))
        except Forbidden:
            exchange.refuse(status.NOT_AUTHORISED, "this AE title may not notify")
        else:
            code = NOTED_STATUS[noted]
            log.info("availability notified", calling_ae=caller.ae_title, status=code)
            answer = NCreateRsp(responding_to=request.message_id, status=code, sop_class=AVAILABILITY, sop_uid=uid)
            exchange.respond(answer)


class _Surviving(Gathered):
    """What was told in full is kept, whether or not the teller waits for the answer."""

    survives = True
