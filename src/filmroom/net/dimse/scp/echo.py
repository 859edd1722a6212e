"""C-ECHO (PS3.4 annex A): the answer says only that we are here."""

from filmroom.net.dimse.line import Exchange, Intake
from filmroom.wire.dimse import status
from filmroom.wire.dimse.messages import CEchoRsp


class EchoScp:
    """Answers at once, ready or not (PS3.4 A.2)."""

    def begin(self, exchange: Exchange) -> Intake:
        return _Echo(exchange)


class _Echo:
    survives = False
    full = False

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def write(self, chunk: memoryview) -> None:
        """C-ECHO has no data set; one that comes all the same goes nowhere."""

    async def drain(self) -> None:
        pass

    async def run(self) -> None:
        exchange = self._exchange
        exchange.respond(
            CEchoRsp(
                responding_to=exchange.request.message_id,
                status=status.SUCCESS,
                sop_class=exchange.context.abstract_syntax,
            )
        )

    async def discard(self) -> None:
        pass
