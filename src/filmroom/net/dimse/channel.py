"""One connection: the socket around ``wire.ul``. Reads into the reactor's shared buffer, holds the peer when its user
cannot take more, and keeps the deadlines.
"""

import asyncio
import socket
from collections import deque
from typing import Protocol, cast

import structlog

from filmroom.net.dimse.limits import MIN_RATE_BYTES_S, WRITE_HIGH_BYTES, ChannelLimits
from filmroom.net.dimse.reactor import Reactor
from filmroom.net.dimse.recorder import Recording
from filmroom.net.dimse.tls import Secured, secured_by
from filmroom.wire.dimse.assembler import Assembler, Command, Data
from filmroom.wire.dimse.commandset import CommandFault
from filmroom.wire.ul.items import AbortReason
from filmroom.wire.ul.machine import (
    Aborted,
    AssociateConfirmation,
    AssociateIndication,
    Do,
    Effect,
    Released,
    Send,
    Side,
    UpperLayer,
)
from filmroom.wire.ul.negotiation import Agreement
from filmroom.wire.ul.pdu import HEADER, AbortSource, AssociateAc, AssociateRj, AssociateRq
from filmroom.wire.ul.reader import Fragment
from filmroom.wire.ul.states import State

log = structlog.get_logger()

NO_LIMIT = 0xFFFFFFFF
_RELEASE_ASKED = frozenset({State.STA8, State.STA9, State.STA10, State.STA12})


class ChannelUser(Protocol):
    """Who is told what happens on a channel. Called from the event loop; must not block."""

    def on_requested(self, request: AssociateRq) -> None: ...
    def on_answered(self, answer: AssociateAc | AssociateRj) -> None: ...
    def on_command(self, command: Command) -> None: ...
    def on_data(self, data: Data) -> None: ...
    def on_release_asked(self) -> None: ...
    def on_released(self) -> None: ...
    def on_aborted(self, why: Aborted) -> None: ...
    def on_closed(self) -> None: ...


class Channel(asyncio.BufferedProtocol):
    """A connection and its upper layer.

    ``busy`` and ``awaiting`` are kept by the user: operations of the peer in progress here, and answers of the peer
    that are due.
    """

    def __init__(self, side: Side, limits: ChannelLimits, reactor: Reactor, user: ChannelUser) -> None:
        self.user = user
        self.busy = 0
        self.awaiting = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.pdus_out = 0
        self.end: Aborted | None = None
        self.lost: Exception | None = None  # what ended the connection, where the transport knows
        self.peer_host = ""
        self.secured: Secured | None = None
        self.recording: Recording | None = None
        self._layer = UpperLayer(side, limits.max_pdu_bytes or NO_LIMIT)
        self._limits = limits
        self._reactor = reactor
        self._assembler: Assembler | None = None
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None
        self._held = False
        self._waiting: deque[Effect] = deque()  # came while held; fragments are copies
        self._writable: asyncio.Future[None] | None = None  # set while the peer does not read
        now = reactor.loop.time()
        self._touched = now
        self._artim_until: float | None = None
        self._closing_since: float | None = None
        self._stalled_since = 0.0
        self._stalled_bytes = 0
        self._pdu_since: float | None = None
        self._pdu_number = 0
        self._message_since: float | None = None
        self._message_bytes = 0

    # What the user asks for

    @property
    def established(self) -> bool:
        return self._layer.established

    @property
    def state(self) -> State:
        return self._layer.state

    @property
    def open(self) -> bool:
        """Whether the transport connection stands."""
        return self._transport is not None and self._closing_since is None

    @property
    def pdus_in(self) -> int:
        return self._layer.pdus_begun

    @property
    def idle_s(self) -> float:
        return self._reactor.loop.time() - self._touched

    def request(self, request: AssociateRq) -> None:
        """Before the connection opens: what to ask when it does."""
        self._layer.request(request)

    def limit(self, limits: ChannelLimits) -> None:
        """Keep these deadlines from now on; the largest PDU was agreed on and stays."""
        self._limits = limits

    def accept(self, answer: AssociateAc) -> None:
        self._perform(self._layer.accept(answer))

    def reject(self, answer: AssociateRj) -> None:
        self._perform(self._layer.reject(answer))

    def talk(self, agreement: Agreement) -> None:
        """Take messages in the contexts agreed on."""
        self._assembler = Assembler(agreement.contexts)

    def send(self, pdus: bytes) -> None:
        """Write encoded P-DATA-TF PDUs. Raises NotNow when the association is not open."""
        self._perform(self._layer.send(pdus))

    async def writable(self) -> None:
        """Return when the peer has read enough for more to be written."""
        if self._writable is not None:
            await asyncio.shield(self._writable)

    def release(self) -> None:
        self._perform(self._layer.release())

    def answer_release(self) -> None:
        """Agree to the peer's release, unless it has gone on to something else since it asked."""
        if self._layer.state in _RELEASE_ASKED:
            self._perform(self._layer.answer_release())

    def abort(self, comment: str = "", reason: AbortReason | None = None) -> None:
        """Abort by the user, or by the provider when a ``reason`` is given. Nothing happens on a closed channel."""
        if self._closing_since is not None or self._layer.state in (State.STA1, State.STA13):
            return
        if self._layer.state is State.STA2:  # nothing to abort yet
            self._perform([Do.STOP_ARTIM, Do.CLOSE])
            return
        source = AbortSource.USER if reason is None else AbortSource.PROVIDER
        why = reason or AbortReason.NOT_SPECIFIED
        effects = self._layer.abort(source, why)
        self._perform([*effects, Aborted(source, why, by_peer=False, comment=comment)])

    def close(self) -> None:
        """Drop the connection without waiting for the peer, once what was written has left."""
        if self._transport is not None and self._closing_since is None:
            self._do(Do.CLOSE)

    def drop(self) -> None:
        """Cut the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def hold(self) -> None:
        """Stop reading; what was read already waits."""
        if not self._held:
            self._held = True
            if self._transport is not None and not self._transport.is_closing():
                self._transport.pause_reading()

    def go_on(self) -> None:
        """Read on after ``hold``."""
        if not self._held:
            return
        self._held = False
        self._touched = self._reactor.loop.time()
        try:
            while self._waiting and not self._held:
                self._one(self._waiting.popleft())
        except Exception:
            self._fault_of_ours()
        self._note_progress(0)
        if not self._held and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    # asyncio.BufferedProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's are none by inheritance
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.peer_host = str(peer[0]) if isinstance(peer, tuple) and peer else ""
        self.secured = secured_by(transport.get_extra_info("ssl_object"))
        if self.recording is not None:
            self.recording.secured = self.secured
        self._socket = _socket_of(transport)
        transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)
        self._reactor.watch(self)
        self._perform(self._layer.connected())

    def get_buffer(self, sizehint: int) -> memoryview:
        """Before every read. Without TCP_QUICKACK, senders without TCP_NODELAY wait 40 ms for each other packet."""
        if self._socket is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return self._reactor.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.bytes_in += nbytes
        self._touched = self._reactor.loop.time()
        try:
            for effect in self._layer.receive(self._reactor.buffer[:nbytes]):
                if self._held:
                    self._waiting.append(_owned(effect))
                else:
                    self._one(effect)
        except Exception:
            self._fault_of_ours()
        self._note_progress(nbytes)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = exc
        self._reactor.forget(self)
        self._transport = None
        if self._socket is not None:
            self._socket.detach()  # the transport closes it
            self._socket = None
        self._waiting.clear()
        self.resume_writing()
        self._perform(self._layer.closed())
        self.user.on_closed()

    def pause_writing(self) -> None:
        self._writable = self._reactor.loop.create_future()
        self._stalled_since = self._reactor.loop.time()

    def resume_writing(self) -> None:
        if self._writable is not None:
            self._writable.set_result(None)
            self._writable = None

    # Effects

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            self._one(effect)

    def _one(self, effect: Effect) -> None:
        if isinstance(effect, Fragment):
            self._fragment(effect)
            return
        match effect:
            case Send(data):
                self._write(data)
            case Do():
                self._do(effect)
            case AssociateIndication(request):
                self.user.on_requested(request)
            case AssociateConfirmation(answer):
                self.user.on_answered(answer)
            case Released.ASKED:
                self.user.on_release_asked()
            case Released.CONFIRMED:
                self.user.on_released()
            case Aborted():
                if self.end is None:
                    self.end = effect
                    self.user.on_aborted(effect)

    def _fragment(self, fragment: Fragment) -> None:
        if self._assembler is None or self.end is not None:
            return
        try:
            event = self._assembler.receive(fragment)
        except CommandFault as fault:
            self._assembler = None
            self.abort(str(fault), AbortReason.INVALID_PARAMETER)
            return
        if isinstance(event, Data):
            self.user.on_data(event)
        elif event is not None:
            self.user.on_command(event)

    def _fault_of_ours(self) -> None:
        log.exception("a fault of ours ends an association")
        self._waiting.clear()
        self.abort("internal fault")

    def _write(self, data: bytes) -> None:
        if self._transport is not None and self._closing_since is None:
            self.bytes_out += len(data)
            self.pdus_out += pdus_of(data)
            self._transport.write(data)

    def _do(self, effect: Do) -> None:
        now = self._reactor.loop.time()
        match effect:
            case Do.START_ARTIM:
                self._artim_until = now + self._limits.artim_timeout_s
            case Do.STOP_ARTIM:
                self._artim_until = None
            case Do.CLOSE:
                if self._transport is not None and self._closing_since is None:
                    self._closing_since = now
                    self._transport.close()
            case Do.CONNECT:
                pass  # whoever made this protocol is connecting it

    # Deadlines

    def _note_progress(self, nbytes: int) -> None:
        """When the PDU and the message now in progress began."""
        if not self._layer.mid_pdu:
            self._pdu_since = None
        elif self._pdu_since is None or self._pdu_number != self._layer.pdus_begun:
            self._pdu_since, self._pdu_number = self._touched, self._layer.pdus_begun
        if self._assembler is None or not self._assembler.mid_message:
            self._message_since = None
        elif self._message_since is None:
            self._message_since, self._message_bytes = self._touched, nbytes
        else:
            self._message_bytes += nbytes

    def check(self, now: float) -> float | None:
        """Act on a deadline that passed; when to look again (loop time)."""
        if self._closing_since is not None:
            return self._check_closing(now)
        self._note_reading(now)
        deadline, what = self._deadline()
        if now < deadline:
            return deadline
        self._overdue(what)
        return now

    def _note_reading(self, now: float) -> None:
        """A peer that reads slowly is not one that does not read."""
        if self._writable is not None and self._transport is not None:
            size = self._transport.get_write_buffer_size()
            if size != self._stalled_bytes:
                self._stalled_bytes, self._stalled_since = size, now

    def _check_closing(self, now: float) -> float | None:
        """A peer that does not read keeps the last bytes from leaving: then they are dropped."""
        assert self._closing_since is not None
        deadline = self._closing_since + self._limits.artim_timeout_s
        if now >= deadline and self._transport is not None:
            self._transport.abort()
            return None
        return deadline

    def _deadline(self) -> tuple[float, str]:
        limits = self._limits
        if self._artim_until is not None:
            return self._artim_until, "artim"
        if self._writable is not None:
            return self._stalled_since + limits.pdu_timeout_s, "the peer does not read"
        if self._held:
            return float("inf"), ""
        deadlines = [(float("inf"), "")]
        if self._pdu_since is not None:
            deadlines.append((self._pdu_since + limits.pdu_timeout_s, "a PDU takes too long"))
        if self._message_since is not None:
            earned = self._message_bytes / MIN_RATE_BYTES_S
            deadlines.append((self._message_since + limits.pdu_timeout_s + earned, "a message takes too long"))
            deadlines.append((self._touched + limits.pdu_timeout_s, "a message stopped half-way"))
        elif self.awaiting or self._layer.state in (State.STA5, State.STA7, State.STA10, State.STA11):
            deadlines.append((self._touched + limits.response_timeout_s, "the peer does not answer"))
        elif not self.busy and self._layer.state is State.STA6:
            deadlines.append((self._touched + limits.idle_timeout_s, "the association stood idle"))
        return min(deadlines)

    def _overdue(self, what: str) -> None:
        if what == "artim":
            self._artim_until = None
            self._perform(self._layer.artim_expired())
        elif self._writable is not None and self._transport is not None:
            self.abort(what)
            self.drop()  # what stands in the buffer will never be read
        else:
            self.abort(what)

    def touch(self) -> None:
        """Count the deadline of an answer from now."""
        self._touched = self._reactor.loop.time()


def pdus_of(data: bytes) -> int:
    """How many PDUs stand one after another in ``data``."""
    count = position = 0
    while position < len(data):
        position += HEADER.size + HEADER.unpack_from(data, position)[1]
        count += 1
    return count


def _socket_of(transport: asyncio.BaseTransport) -> socket.socket | None:
    """The transport's TCP socket with our options, as an object of our own: the event loops lend slow ones."""
    lent = transport.get_extra_info("socket")
    if lent is None or lent.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    ours = socket.socket(lent.family, lent.type, lent.proto, fileno=lent.fileno())
    ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return ours


def _owned(effect: Effect) -> Effect:
    """The effect with its own bytes: the receive buffer is about to be filled again."""
    if isinstance(effect, Fragment):
        return effect._replace(data=memoryview(bytes(effect.data)))
    return effect
