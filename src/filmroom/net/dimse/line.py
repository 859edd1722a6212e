"""One request on an association, seen from each end: the peer's ``Exchange`` with its ``Intake``, and our ``Call``."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from filmroom.net.dimse.limits import MAX_IDENTIFIER_BYTES
from filmroom.wire.dimse import status
from filmroom.wire.dimse.messages import CCancelRq, Message, Request, Response, refusal
from filmroom.wire.ul.negotiation import Agreement, Context


@dataclass(frozen=True, slots=True)
class Answer:
    """One response of the peer with its data set."""

    response: Response
    data: bytes


class Line(Protocol):
    """What an exchange and a call need of the dialogue they are part of."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...
    @property
    def agreement(self) -> Agreement: ...
    @property
    def caller(self) -> Any: ...
    def must_be_open(self) -> None: ...
    def send(self, context_id: int, messages: Sequence[tuple[Message, bytes]]) -> None: ...
    async def writable(self) -> None: ...
    def contexts_for(self, abstract_syntax: str) -> list[Context]: ...
    def new_id(self) -> int: ...
    def call(self, context: Context, request: Request, data: bytes = b"") -> "Call": ...
    async def call_stream(self, context: Context, request: Request, chunks: AsyncIterator[bytes]) -> "Call": ...
    def end_call(self, call: "Call") -> None: ...
    def relieve(self, reason: str) -> None: ...


class Exchange:
    """One request of the peer, and the way back. ``cancelled`` once a C-CANCEL for it came."""

    def __init__(self, line: Line, context: Context, request: Request) -> None:
        self.line = line
        self.context = context
        self.request = request
        self.cancelled = False

    def respond(self, response: Response, data: bytes = b"") -> None:
        """Send one response; ``data`` is its data set when ``response.has_data``."""
        self.line.send(self.context.id, [(response, data)])

    def respond_all(self, responses: Sequence[tuple[Response, bytes]]) -> None:
        """Send several responses in one write."""
        self.line.send(self.context.id, responses)

    def refuse(self, code: int, comment: str = "") -> None:
        """Answer with a failure."""
        self.respond(refusal(self.request, code, status.comment(comment)))


class Intake(Protocol):
    """Where one request's data set goes, and the work that follows it.

    ``survives``: the work goes on when the association is lost after the data set is complete.
    """

    @property
    def survives(self) -> bool: ...
    @property
    def full(self) -> bool: ...
    def write(self, chunk: memoryview) -> None: ...
    async def drain(self) -> None: ...
    async def run(self) -> None: ...
    async def discard(self) -> None: ...


class Provider(Protocol):
    """A service class provider: opens an intake for one request."""

    def begin(self, exchange: Exchange) -> Intake: ...


Providers = Callable[[Request, Context], Provider | None]


class Refused:
    """Takes a data set to nowhere and answers with a failure."""

    survives = False
    full = False

    def __init__(self, exchange: Exchange, code: int, comment: str = "") -> None:
        self._exchange = exchange
        self._code = code
        self._comment = comment

    def write(self, chunk: memoryview) -> None:
        pass

    async def drain(self) -> None:
        pass

    async def run(self) -> None:
        self._exchange.refuse(self._code, self._comment)

    async def discard(self) -> None:
        pass


class Gathered:
    """Gathers a small data set, an identifier for instance, and then does ``work`` with it."""

    survives = False
    full = False

    def __init__(self, exchange: Exchange, work: Callable[[Exchange, bytes], Awaitable[None]]) -> None:
        self._exchange = exchange
        self._work = work
        self._data = bytearray()
        self._too_long = False

    def write(self, chunk: memoryview) -> None:
        if len(self._data) + len(chunk) > MAX_IDENTIFIER_BYTES:
            self._too_long = True
            self._data.clear()
        if not self._too_long:
            self._data += chunk

    async def drain(self) -> None:
        pass

    async def run(self) -> None:
        if self._too_long:
            self._exchange.refuse(status.DATA_SET_MISMATCH, "the identifier is too long")
        else:
            await self._work(self._exchange, bytes(self._data))

    async def discard(self) -> None:
        pass


class Call:
    """A request of ours, until its final answer."""

    def __init__(self, line: Line, context: Context, message_id: int) -> None:
        self.context = context
        self.message_id = message_id
        self.ready: deque[Answer] = deque()
        self._line = line
        self._waiter: asyncio.Future[None] | None = None

    async def answer(self) -> Answer:
        """The next answer. Raises AssociationLost when none can come any more."""
        while not self.ready:
            self._line.must_be_open()
            self._waiter = self._line.loop.create_future()
            await self._waiter
        found = self.ready.popleft()
        if not self.ready:
            self._line.relieve("answers")
        return found

    async def only_answer(self) -> Answer:
        """The answer of a request that has one."""
        try:
            return await self.answer()
        finally:
            self.close()

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def cancel(self) -> None:
        """Ask the peer to stop; the final answer still comes."""
        self._line.send(self.context.id, [(CCancelRq(responding_to=self.message_id), b"")])

    def close(self) -> None:
        """Expect nothing more."""
        self._line.end_call(self)
