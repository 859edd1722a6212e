"""C-GET (PS3.4 C.4.3): the objects come back on the association that asked, which has taken the SCP role for them."""

from contextlib import aclosing

import structlog

from filmroom.base.errors import Forbidden, Unavailable
from filmroom.net.dimse.fallback import Fallback
from filmroom.net.dimse.line import Exchange, Gathered, Intake
from filmroom.net.dimse.outgoing import send_objects
from filmroom.net.dimse.ports import Retrieve
from filmroom.net.dimse.scp.retrieve import Progress, gather, read_identifier, response
from filmroom.wire.dimse import status

log = structlog.get_logger()


class GetScp:
    """Sends what is asked back to who asks."""

    def __init__(self, retrieve: Retrieve, fallback: Fallback | None = None) -> None:
        self._retrieve = retrieve
        self._fallback = fallback

    def begin(self, exchange: Exchange) -> Intake:
        return Gathered(exchange, self._get)

    async def _get(self, exchange: Exchange, identifier: bytes) -> None:
        what = read_identifier(exchange, identifier)
        if what is None:
            return
        try:
            found = await gather(exchange, self._retrieve, what, self._fallback)
        except Unavailable as error:
            exchange.respond(response(exchange, status.CANNOT_COUNT_MATCHES, comment=str(error)))
            return
        except Forbidden:
            exchange.respond(response(exchange, status.NOT_AUTHORISED, comment="this AE title may not retrieve"))
            return
        progress = Progress(exchange, found.items)
        progress.missing(found.missing, found.why)
        async with aclosing(send_objects(exchange.line, self._retrieve, found.items)) as results:
            async for sent in results:
                progress.add(sent)
                if exchange.cancelled or progress.overdue:
                    break
        code = progress.finish(cancelled=exchange.cancelled and progress.tally.remaining > 0)
        tally = progress.tally
        log.info(
            "objects handed out",
            calling_ae=exchange.line.caller.ae_title,
            completed=tally.completed,
            failed=tally.failed,
            warning=tally.warning,
            status=code,
        )
