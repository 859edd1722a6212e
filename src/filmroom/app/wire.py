"""What every association of this process shares, and what opens associations to others."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filmroom.app.core import Core
from filmroom.archive.devices_live import LiveBoard

if TYPE_CHECKING:
    from filmroom.net.dimse.limits import ChannelLimits
    from filmroom.net.dimse.live import LiveHere
    from filmroom.net.dimse.pacing import Traffic
    from filmroom.net.dimse.reactor import Reactor
    from filmroom.net.dimse.recorder import Recorder
    from filmroom.net.dimse.sender import Sender
    from filmroom.net.dimse.tls import Certificates


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """What every association of this process shares."""

    certificates: "Certificates"
    recorder: "Recorder | None"
    live: "LiveHere"
    traffic: "Traffic"


@asynccontextmanager
async def open_wire(core: Core) -> AsyncIterator[Wire]:
    from filmroom.net.dimse.live import LiveHere
    from filmroom.net.dimse.pacing import Traffic
    from filmroom.net.dimse.recorder import Recorder
    from filmroom.net.dimse.tls import Certificates

    certificates = Certificates.of(core.settings.dimse)
    recorder = Recorder(core.recordings, core.clock) if core.settings.recordings.enabled else None
    if recorder is not None:
        await recorder.start()
    here = LiveHere(core.clock)
    board = LiveBoard(core.database, uuid.uuid4().hex[:8], here.handles)
    await board.start()
    try:
        traffic = Traffic(core.settings.delivery.bytes_per_s)
        yield Wire(certificates=certificates, recorder=recorder, live=here, traffic=traffic)
    finally:
        await board.stop()
        if recorder is not None:
            await recorder.stop()


def sender_of(core: Core, wire: Wire) -> "tuple[Sender, ChannelLimits, Reactor]":
    """What opens associations to send, and what it keeps to."""
    from filmroom.net.dimse.limits import ChannelLimits
    from filmroom.net.dimse.reactor import Reactor
    from filmroom.net.dimse.sender import Sender

    limits = ChannelLimits.of(core.settings.dimse)
    reactor = Reactor.for_timeouts(limits.timeouts_s())
    wire.live.add_calls(reactor)
    sender = Sender(
        core.retrieve,
        calling_ae=core.settings.dimse.ae_title,
        limits=limits,
        reactor=reactor,
        certificates=wire.certificates,
        recorder=wire.recorder,
        traffic=wire.traffic,
    )
    return sender, limits, reactor
