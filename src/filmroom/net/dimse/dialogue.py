"""Messages on an open association, both ways: the peer's requests go to service providers, ours get their answers.

An acceptor serves and, in C-GET, also uses; a requestor uses and, in C-GET, also serves. Both are this one class.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from filmroom.base.errors import FilmroomError
from filmroom.net.dimse.channel import Channel
from filmroom.net.dimse.errors import AssociationLost, ContextMissing, PeerTimeout
from filmroom.net.dimse.limits import MAX_IDENTIFIER_BYTES, MAX_WAITING_ANSWERS
from filmroom.net.dimse.line import Answer, Call, Exchange, Intake, Providers, Refused
from filmroom.wire.dimse import status
from filmroom.wire.dimse.assembler import Command, Data
from filmroom.wire.dimse.fragments import Parts, command_parts, data_parts, piece_size
from filmroom.wire.dimse.messages import CCancelRq, CStoreRq, Message, NEventReportRq, Request, Response
from filmroom.wire.ul.items import AbortReason
from filmroom.wire.ul.negotiation import Agreement, Context

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _Operation:
    exchange: Exchange
    intake: Intake
    task: asyncio.Task[None] | None = None


class Dialogue:
    """The messages of one open association. ``caller`` is whatever the providers know the peer by."""

    def __init__(self, channel: Channel, agreement: Agreement, providers: Providers, caller: Any, window: int) -> None:
        self.channel = channel
        self.agreement = agreement
        self.caller = caller
        self.loop = asyncio.get_running_loop()
        self.messages_in = self.messages_out = 0
        self.objects_in = self.objects_out = 0
        self._providers = providers
        self._window = max(1, window)
        self._size = piece_size(agreement.peer_max_length)
        self._operations: dict[int, _Operation] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._calls: dict[int, Call] = {}
        self._last_id = 0
        self._sink: _Operation | None = None  # whose data set is coming in
        self._answer: tuple[Call, Response, bytearray] | None = None
        self._holds: set[str] = set()
        self._sending = asyncio.Lock()  # held while one message leaves in several writes
        self._outbox: list[bytes] = []
        self._release_owed = False
        self._over = False
        self._recording = channel.recording
        channel.talk(agreement)

    # State

    @property
    def operation(self) -> str:
        """What the peer is doing, for the list of associations."""
        names = [type(o.exchange.request).__name__.removesuffix("Rq") for o in self._operations.values()]
        return ", ".join(names)

    @property
    def quiet(self) -> bool:
        """Whether no request of the peer is in progress."""
        return not self._operations

    async def finished(self) -> None:
        """Return when no work is left, whether or not the association stands."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def must_be_open(self) -> None:
        """Raises AssociationLost, or PeerTimeout, when the association is over."""
        if self._over or not self.channel.established:
            end = self.channel.end
            comment = end.comment if end is not None else ""
            if end is not None and end.by_peer:
                raise AssociationLost(f"the peer aborted the association (source {end.source}, reason {end.reason})")
            late = comment.startswith(("the peer does not", "a message", "a PDU"))
            raise (PeerTimeout if late else AssociationLost)(comment or "the association is closed")

    # From the channel

    def on_command(self, command: Command) -> None:
        self.messages_in += 1
        message = command.message
        if self._recording is not None:
            self._recording.came(command.context_id, message)
        if isinstance(message, Response):
            self._begin_answer(message)
        elif isinstance(message, CCancelRq):
            operation = self._operations.get(message.responding_to)
            if operation is not None:
                operation.exchange.cancelled = True
        elif isinstance(message, Request):
            self._begin(self.agreement.contexts[command.context_id], message)

    def on_data(self, data: Data) -> None:
        if self._recording is not None:
            self._recording.came_data(data.data, data.last)
        if self._answer is not None:
            self._gather(data)
            return
        operation = self._sink
        if operation is None:
            return
        if data.data:
            operation.intake.write(data.data)
        if data.last:
            self._sink = None
            self._start(operation)
        elif operation.intake.full:
            self._hold("full")
            self._spawn(self._drain(operation))

    def on_release_asked(self) -> None:
        """Answered when the last operation is done."""
        if self._operations:
            self._release_owed = True
        else:
            self.channel.answer_release()

    def on_over(self) -> None:
        """The association ended, however."""
        if self._over:
            return
        self._over = True
        self._sink = None
        for operation in tuple(self._operations.values()):
            if operation.task is None:
                self._spawn(self._abandon(operation))
            elif not operation.intake.survives:
                operation.task.cancel()
        for call in tuple(self._calls.values()):
            call.wake()

    # The peer's requests

    def _begin(self, context: Context, request: Request) -> None:
        exchange = Exchange(self, context, request)
        self.objects_in += isinstance(request, CStoreRq)
        operation = _Operation(exchange, self._open(exchange))
        self._operations.setdefault(request.message_id, operation)
        self.channel.busy = len(self._operations)
        if len(self._operations) > self._window:
            self._hold("window")
        if request.has_data:
            self._sink = operation
        else:
            self._start(operation)

    def _open(self, exchange: Exchange) -> Intake:
        request, context = exchange.request, exchange.context
        if request.message_id in self._operations:
            return Refused(exchange, status.DUPLICATE_INVOCATION)
        # A notification comes from the SCP; one that did not negotiate its role is understood all the same.
        if not (context.we_serve or isinstance(request, NEventReportRq)):
            return Refused(exchange, status.SOP_CLASS_NOT_SUPPORTED, "role not negotiated")
        provider = self._providers(request, context)
        if provider is None:
            return Refused(exchange, status.UNRECOGNIZED_OPERATION)
        return provider.begin(exchange)

    def _start(self, operation: _Operation) -> None:
        operation.task = self._spawn(self._run(operation))

    async def _run(self, operation: _Operation) -> None:
        exchange = operation.exchange
        try:
            await operation.intake.run()
        except AssociationLost:
            pass
        except FilmroomError as error:
            log.warning("request failed", request=type(exchange.request).__name__, error=type(error).__name__)
            self._refuse_late(exchange, error)
        except Exception as error:
            log.exception("a fault of ours fails a request", request=type(exchange.request).__name__)
            self._refuse_late(exchange, error)
        finally:
            self._end(operation)

    def _refuse_late(self, exchange: Exchange, error: Exception) -> None:
        if self._over:
            return
        comment = str(error) if isinstance(error, FilmroomError) else "internal fault"
        exchange.refuse(status.PROCESSING_FAILURE, comment)

    def _end(self, operation: _Operation) -> None:
        message_id = operation.exchange.request.message_id
        if self._operations.get(message_id) is operation:
            del self._operations[message_id]
        self.channel.busy = len(self._operations)
        if self._over:
            return
        if len(self._operations) <= self._window:
            self.relieve("window")
        if self._release_owed and not self._operations:
            self._release_owed = False
            self.channel.answer_release()

    async def _drain(self, operation: _Operation) -> None:
        try:
            await operation.intake.drain()
        except Exception:
            log.exception("an object could not be taken in")
            self.channel.abort("internal fault", AbortReason.NOT_SPECIFIED)
        finally:
            self.relieve("full")

    async def _abandon(self, operation: _Operation) -> None:
        try:
            await operation.intake.discard()
        except Exception:
            log.exception("an unfinished object could not be discarded")
        finally:
            self._end(operation)

    # Our requests

    def context_for(self, abstract_syntax: str, *, transfer_syntax: str = "") -> Context:
        """An accepted context in which we may be SCU. Raises ContextMissing."""
        for context in self.contexts_for(abstract_syntax):
            if transfer_syntax in ("", context.transfer_syntax):
                return context
        raise ContextMissing(f"the peer did not accept {abstract_syntax} {transfer_syntax}".rstrip())

    def contexts_for(self, abstract_syntax: str) -> list[Context]:
        """Every accepted context of a SOP class in which we may be SCU."""
        contexts = self.agreement.contexts.values()
        return [c for c in contexts if c.we_use and c.abstract_syntax == abstract_syntax]

    def new_id(self) -> int:
        """A message id that is not in use (PS3.7 9.1)."""
        self._last_id = self._last_id % 65_535 + 1
        while self._last_id in self._calls:
            self._last_id = self._last_id % 65_535 + 1
        return self._last_id

    def call(self, context: Context, request: Request, data: bytes = b"") -> Call:
        """Send a request whose data set, if any, is at hand. Raises AssociationLost."""
        call = self._open_call(context, request)
        self.send(context.id, [(request, data)])
        return call

    async def call_stream(self, context: Context, request: Request, chunks: AsyncIterator[bytes]) -> Call:
        """Send a request with a data set that comes in chunks; the last is known when there is no other."""
        async with self._sending:
            call = self._open_call(context, request)
            try:
                await self._stream(context.id, request, chunks)
            except BaseException:
                call.close()
                self.channel.abort("an object could not be sent to its end")
                raise
        self._flush()
        self.channel.touch()
        return call

    async def writable(self) -> None:
        """Return when the peer has read enough for more to be written. Raises AssociationLost."""
        await self.channel.writable()
        self.must_be_open()

    def send(self, context_id: int, messages: Sequence[tuple[Message, bytes]]) -> None:
        """Write whole messages at once; they wait while another leaves in pieces. Raises AssociationLost."""
        self.must_be_open()
        parts: Parts = []
        self.messages_out += len(messages)
        for message, data in messages:
            parts += command_parts(context_id, message.encode(), self._size)
            if self._recording is not None:
                self._recording.went(context_id, message, data)
            if message.has_data:
                parts += data_parts(context_id, data, self._size, last=True)
        pdus = b"".join(parts)
        if self._sending.locked():
            self._outbox.append(pdus)
        else:
            self.channel.send(pdus)

    def end_call(self, call: Call) -> None:
        if self._calls.get(call.message_id) is call:
            del self._calls[call.message_id]
            self.channel.awaiting = len(self._calls)
            self.relieve("answers")

    def relieve(self, reason: str) -> None:
        """A reason for holding the peer is gone."""
        if reason in self._holds:
            self._holds.discard(reason)
            if not self._holds:
                self.channel.go_on()

    def _open_call(self, context: Context, request: Request) -> Call:
        self.must_be_open()
        call = Call(self, context, request.message_id)
        self._calls[request.message_id] = call
        self.objects_out += isinstance(request, CStoreRq)
        self.channel.awaiting = len(self._calls)
        self.channel.touch()
        return call

    async def _stream(self, context_id: int, request: Request, chunks: AsyncIterator[bytes]) -> None:
        self.messages_out += 1
        parts = command_parts(context_id, request.encode(), self._size)
        note = self._recording.went(context_id, request, b"") if self._recording is not None else None
        held = b""
        async for chunk in chunks:
            if note is not None:
                note.size += len(chunk)
            if held:
                parts += data_parts(context_id, held, self._size, last=False)
                self.must_be_open()
                self.channel.send(b"".join(parts))
                parts = []
                await self.channel.writable()
            held = chunk
        parts += data_parts(context_id, held, self._size, last=True)
        self.must_be_open()
        self.channel.send(b"".join(parts))
        await self.channel.writable()

    def _flush(self) -> None:
        if self._outbox and not self._sending.locked() and self.channel.established:
            pdus, self._outbox = b"".join(self._outbox), []
            self.channel.send(pdus)

    def _begin_answer(self, response: Response) -> None:
        call = self._calls.get(response.responding_to)
        if call is None:
            log.info("an answer to nothing asked", message_id=response.responding_to)
            self._answer = None
        elif response.has_data:
            self._answer = (call, response, bytearray())
        else:
            self._deliver(call, Answer(response, b""))

    def _gather(self, data: Data) -> None:
        assert self._answer is not None
        call, response, gathered = self._answer
        if len(gathered) + len(data.data) > MAX_IDENTIFIER_BYTES:
            self.channel.abort("the data set of an answer is too long")
            return
        gathered += data.data
        if data.last:
            self._answer = None
            self._deliver(call, Answer(response, bytes(gathered)))

    def _deliver(self, call: Call, answer: Answer) -> None:
        call.ready.append(answer)
        call.wake()
        if len(call.ready) > MAX_WAITING_ANSWERS:
            self._hold("answers")

    def _hold(self, reason: str) -> None:
        self._holds.add(reason)
        self.channel.hold()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
