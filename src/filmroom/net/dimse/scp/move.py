"""C-MOVE (PS3.4 C.4.2): the objects go to a registered device, over associations that we open."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Final

import structlog

from filmroom.archive.devices import Device
from filmroom.base.errors import Forbidden, Unavailable
from filmroom.net.dimse.fallback import Fallback
from filmroom.net.dimse.line import Exchange, Gathered, Intake
from filmroom.net.dimse.outgoing import Originator
from filmroom.net.dimse.pacing import Turnstile
from filmroom.net.dimse.ports import Devices, Retrieve
from filmroom.net.dimse.scp.identifiers import Wanted
from filmroom.net.dimse.scp.retrieve import (
    SIGN_OF_LIFE_S,
    Gathering,
    Progress,
    gather,
    read_identifier,
    response,
)
from filmroom.net.dimse.sender import Sender
from filmroom.wire.dimse import status
from filmroom.wire.dimse.messages import PRIORITY_HIGH, PRIORITY_LOW, PRIORITY_MEDIUM, CMoveRq

log = structlog.get_logger()

URGENCY: Final = {PRIORITY_HIGH: 1, PRIORITY_MEDIUM: 0, PRIORITY_LOW: -1}

# C-MOVEs that send to one destination at a time; others wait, the most urgent first.
MOVES_AT_ONCE: Final = 4

IsOurs = Callable[[str], Awaitable[bool]]


class MoveScp:
    """Sends what is asked to the device that is named. ``ours``: whether an AE title is one of the archive itself."""

    def __init__(
        self,
        retrieve: Retrieve,
        devices: Devices,
        sender: Sender,
        ours: IsOurs | None = None,
        fallback: Fallback | None = None,
    ) -> None:
        self._fallback = fallback
        self._retrieve = retrieve
        self._devices = devices
        self._sender = sender
        self._ours = ours
        self._turns: dict[str, Turnstile] = {}

    def begin(self, exchange: Exchange) -> Intake:
        return Gathered(exchange, self._move)

    async def _move(self, exchange: Exchange, identifier: bytes) -> None:
        try:
            destination = await destination_of(exchange, self._devices, self._ours)
            what = read_identifier(exchange, identifier) if destination is not None else None
            if destination is None or what is None:
                return
            found = await gather(exchange, self._retrieve, what, self._fallback)
        except Unavailable as error:
            exchange.respond(response(exchange, status.CANNOT_COUNT_MATCHES, comment=str(error)))
            return
        except Forbidden:
            exchange.respond(response(exchange, status.NOT_AUTHORISED, comment="this AE title may not retrieve"))
            return
        await self._send(exchange, destination, found, what)

    async def _send(self, exchange: Exchange, destination: Device, found: Gathering, what: Wanted) -> None:
        request = exchange.request
        assert isinstance(request, CMoveRq)
        caller = exchange.line.caller.ae_title
        progress, items = Progress(exchange, found.items), found.items
        progress.missing(found.missing, found.why)
        originator = Originator(caller, request.message_id)
        priority = URGENCY.get(request.priority, 0)
        turns = self._turns.setdefault(destination.ae_title, Turnstile(MOVES_AT_ONCE))
        waiting = asyncio.create_task(_keep_awake(exchange, progress))
        try:
            async with turns.through(priority):
                results = self._sender.send(destination, items, originator=originator, priority=priority)
                async with aclosing(results):
                    async for sent in results:
                        progress.add(sent)
                        if exchange.cancelled or progress.overdue:
                            break
        finally:
            waiting.cancel()
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


async def _keep_awake(exchange: Exchange, progress: Progress) -> None:
    """Say now and then that it goes on, also while nothing moves."""
    while True:
        await asyncio.sleep(SIGN_OF_LIFE_S)
        progress.say()


async def destination_of(exchange: Exchange, devices: Devices, ours: IsOurs | None = None) -> Device | None:
    """The device to send to; None after the refusal was answered. Nothing is opened before (A801)."""
    request = exchange.request
    assert isinstance(request, CMoveRq)
    allowed = exchange.line.caller.policy.destinations
    if allowed is not None and request.destination not in allowed:
        comment = f"{request.destination} is no destination of yours"
        exchange.respond(response(exchange, status.NOT_AUTHORISED, comment=comment))
        return None
    if ours is not None and await ours(request.destination):
        comment = f"{request.destination} is this archive itself: what it has is here already"
        exchange.respond(response(exchange, status.MOVE_DESTINATION_UNKNOWN, comment=comment))
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
