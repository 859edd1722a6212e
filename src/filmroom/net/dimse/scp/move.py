"""C-MOVE (PS3.4 C.4.2): the objects go to a registered device, over associations that we open."""

from contextlib import aclosing

import structlog

from filmroom.archive.devices import Device
from filmroom.base.errors import Forbidden, Unavailable
from filmroom.net.dimse.line import Exchange, Gathered, Intake
from filmroom.net.dimse.outgoing import Originator
from filmroom.net.dimse.ports import Devices, Located, Retrieve
from filmroom.net.dimse.scp.identifiers import Wanted
from filmroom.net.dimse.scp.retrieve import Progress, find_objects, read_identifier, response
from filmroom.net.dimse.sender import Sender
from filmroom.wire.dimse import status
from filmroom.wire.dimse.messages import CMoveRq

log = structlog.get_logger()


class MoveScp:
    """Sends what is asked to the device that is named."""

    def __init__(self, retrieve: Retrieve, devices: Devices, sender: Sender) -> None:
        self._retrieve = retrieve
        self._devices = devices
        self._sender = sender

    def begin(self, exchange: Exchange) -> Intake:
        return Gathered(exchange, self._move)

    async def _move(self, exchange: Exchange, identifier: bytes) -> None:
        try:
            destination = await destination_of(exchange, self._devices)
            what = read_identifier(exchange, identifier) if destination is not None else None
            if destination is None or what is None:
                return
            items = await find_objects(exchange, self._retrieve, what)
        except Unavailable as error:
            exchange.respond(response(exchange, status.CANNOT_COUNT_MATCHES, comment=str(error)))
            return
        except Forbidden:
            exchange.respond(response(exchange, status.NOT_AUTHORISED, comment="this AE title may not retrieve"))
            return
        await self._send(exchange, destination, items, what)

    async def _send(self, exchange: Exchange, destination: Device, items: list[Located], what: Wanted) -> None:
        caller = exchange.line.caller.ae_title
        progress = Progress(exchange, items)
        originator = Originator(caller, exchange.request.message_id)
        async with aclosing(self._sender.send(destination, items, originator=originator)) as results:
            async for sent in results:
                progress.add(sent)
                if exchange.cancelled or progress.overdue:
                    break
        code = progress.finish(cancelled=exchange.cancelled and progress.tally.remaining > 0)
        log.info(
            "objects sent",
            calling_ae=caller,
            destination=destination.ae_title,
            level=what.level.value,
            completed=progress.tally.completed,
            failed=progress.tally.failed,
            warning=progress.tally.warning,
            status=code,
        )


async def destination_of(exchange: Exchange, devices: Devices) -> Device | None:
    """The device to send to; None after the refusal was answered. Nothing is opened before (A801)."""
    request = exchange.request
    assert isinstance(request, CMoveRq)
    allowed = exchange.line.caller.policy.destinations
    if allowed is not None and request.destination not in allowed:
        comment = f"{request.destination} is no destination of yours"
        exchange.respond(response(exchange, status.NOT_AUTHORISED, comment=comment))
        return None
    device = await devices.find(request.destination)
    if device is None or not device.enabled:
        comment = f"{request.destination} is not registered"
        exchange.respond(response(exchange, status.MOVE_DESTINATION_UNKNOWN, comment=comment))
        return None
    if "store" not in device.policy.outgoing:
        comment = f"nothing may be sent to {request.destination}"
        exchange.respond(response(exchange, status.NOT_AUTHORISED, comment=comment))
        return None
    return device
