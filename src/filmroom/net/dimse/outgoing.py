"""Objects on their way out of the archive over one association: the next is read while the last one travels."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import structlog

from filmroom.base.errors import FilmroomError, Retry, Unsupported
from filmroom.net.dimse.errors import BadAnswer
from filmroom.net.dimse.line import Line
from filmroom.net.dimse.ports import Handout, Located, Retrieve
from filmroom.wire.dimse import status
from filmroom.wire.dimse.messages import PRIORITY_HIGH, PRIORITY_LOW, PRIORITY_MEDIUM, CStoreRq, CStoreRsp
from filmroom.wire.dimse.status import StatusClass, status_class
from filmroom.wire.ul.negotiation import Context

log = structlog.get_logger()

# Objects prepared ahead of the one being sent; each holds at most two chunks of its data set in memory.
AHEAD = 2

# As (0000,0700) says it (PS3.7 E.1-1).
WIRE_PRIORITY: Final = {1: PRIORITY_HIGH, 0: PRIORITY_MEDIUM, -1: PRIORITY_LOW}


@dataclass(frozen=True, slots=True)
class Originator:
    """Who asked for a C-MOVE: its AE title and message id go into each C-STORE-RQ (PS3.7 9.1.1.1)."""

    ae_title: str
    message_id: int


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one object. ``status`` is the peer's, or None when it never got that far; then ``retry`` says
    whether to try again, and ``away`` that there was no association to send it on. ``through``: the other address of
    the peer that took it, '' for its own."""

    sop_class: str
    sop_uid: str
    status: int | None
    comment: str = ""
    retry: Retry = Retry.NEVER
    away: bool = False
    through: str = ""

    @property
    def outcome(self) -> StatusClass:
        """SUCCESS, WARNING or FAILURE."""
        return StatusClass.FAILURE if self.status is None else status_class(self.status)


@dataclass(frozen=True, slots=True)
class _Ready:
    """An object whose first bytes are at hand, in the context it goes out on."""

    context: Context
    first: bytes
    handout: Handout

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The data set, always one chunk ahead of the one being sent."""
        following = asyncio.ensure_future(_next(self.handout.chunks))
        try:
            if self.first:
                yield self.first
            while chunk := await following:
                following = asyncio.ensure_future(_next(self.handout.chunks))
                yield chunk
        finally:
            await _quietly(following)


async def send_objects(
    line: Line,
    retrieve: Retrieve,
    items: Iterable[Located],
    originator: Originator | None = None,
    preferred: Sequence[str] = (),
    priority: int = 0,
) -> AsyncGenerator[Sent, None]:
    """Send each object by C-STORE, in order; one result for each that was tried.

    Raises AssociationLost; the object in progress then has no result. Close the iterator to stop early.
    """
    async with _prepared(line, retrieve, items, preferred) as prepared:
        async for item, ready in prepared:
            if isinstance(ready, _Ready):
                yield await _send(line, item, ready, originator, priority)
            else:
                retry = getattr(ready, "retry", Retry.NEVER)
                yield Sent(item.sop_class, item.sop_uid, None, str(ready) or type(ready).__name__, retry)


async def _send(line: Line, item: Located, ready: _Ready, originator: Originator | None, priority: int) -> Sent:
    request = CStoreRq(
        message_id=line.new_id(),
        sop_class=item.sop_class,
        sop_uid=item.sop_uid,
        priority=WIRE_PRIORITY[priority],
        has_data=True,
        move_originator_ae=originator.ae_title if originator is not None else "",
        move_originator_id=originator.message_id if originator is not None else None,
    )
    try:
        async with aclosing(ready.chunks()) as chunks:
            call = await line.call_stream(ready.context, request, chunks)
    finally:
        await _close(ready.handout)
    response = (await call.only_answer()).response
    if not isinstance(response, CStoreRsp):
        raise BadAnswer("a C-STORE was answered by another message")
    return Sent(item.sop_class, item.sop_uid, response.status, response.comment)


@asynccontextmanager
async def _prepared(
    line: Line, retrieve: Retrieve, items: Iterable[Located], preferred: Sequence[str]
) -> AsyncIterator[AsyncIterator[tuple[Located, _Ready | Exception]]]:
    """The objects in order, each made ready while those before it are sent."""
    source = iter(items)
    queue: deque[tuple[Located, asyncio.Task[_Ready | Exception]]] = deque()

    def fill() -> None:
        while len(queue) < AHEAD and (item := next(source, None)) is not None:
            queue.append((item, asyncio.ensure_future(_prepare(line, retrieve, item, preferred))))

    async def each() -> AsyncIterator[tuple[Located, _Ready | Exception]]:
        fill()
        while queue:
            item, task = queue.popleft()
            ready = await task
            fill()
            yield item, ready

    try:
        yield each()
    finally:
        for _, task in queue:
            ready = await _quietly(task)
            if isinstance(ready, _Ready):
                await _close(ready.handout)


async def _prepare(line: Line, retrieve: Retrieve, item: Located, preferred: Sequence[str]) -> _Ready | Exception:
    """Never raises: what is wrong with one object must not end the others."""
    try:
        contexts = line.contexts_for(item.sop_class)
        if not contexts:
            raise Unsupported("the peer takes no objects of this SOP class")
        handout = await _handed_out(retrieve, item, wishes(contexts, item.transfer_syntax, preferred))
        context = next((c for c in contexts if c.transfer_syntax == handout.transfer_syntax), None)
        if context is None:
            await _close(handout)
            raise Unsupported(f"made as {handout.transfer_syntax}, which was not asked for")
        return _Ready(context, await _next(handout.chunks), handout)
    except (FilmroomError, OSError) as error:
        log.warning("object cannot be handed out", sop_uid=item.sop_uid, error=type(error).__name__)
        return error
    except Exception as error:
        log.exception("a fault of ours keeps an object back", sop_uid=item.sop_uid)
        return error


async def _handed_out(retrieve: Retrieve, item: Located, wanted: Sequence[tuple[str, ...]]) -> Handout:
    """In the first of the choices that it can be written in. Raises Unsupported of the last."""
    for choice in wanted[:-1]:
        try:
            return await retrieve.handout(item, choice)
        except Unsupported:
            continue  # the peer would rather have had this one
    return await retrieve.handout(item, wanted[-1])


def wishes(contexts: Sequence[Context], stored: str, preferred: Sequence[str]) -> list[tuple[str, ...]]:
    """What to try in turn: the peer's preferred syntaxes down to the stored one, then whatever it takes."""
    offered = [context.transfer_syntax for context in contexts]
    before = preferred[: preferred.index(stored)] if stored in preferred else preferred
    return [*((uid,) for uid in before if uid in offered), acceptable(contexts, stored)]


def acceptable(contexts: Sequence[Context], stored: str) -> tuple[str, ...]:
    """Transfer syntaxes that the peer takes, the stored one alone when it is among them."""
    offered = [context.transfer_syntax for context in contexts]
    return (stored,) if stored in offered else tuple(offered)


async def _next(chunks: AsyncIterator[bytes]) -> bytes:
    """The next chunk that is not empty, or b'' at the end."""
    async for chunk in chunks:
        if chunk:
            return chunk
    return b""


async def _close(handout: Handout) -> None:
    closing = getattr(handout.chunks, "aclose", None)
    if closing is not None:
        await closing()


async def _quietly(task: asyncio.Future[_Ready | Exception] | asyncio.Future[bytes]) -> object:
    """End a task whose result nobody waits for."""
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        return await task
    return None


@dataclass(slots=True)
class Tally:
    """The counts of a retrieve's sub-operations (PS3.4 C.4.2.1.6 to C.4.2.1.9)."""

    total: int
    completed: int = 0
    failed: int = 0
    warning: int = 0
    failed_uids: list[str] = field(default_factory=list)

    @property
    def remaining(self) -> int:
        return self.total - self.completed - self.failed - self.warning

    def add(self, sent: Sent) -> None:
        if sent.outcome is StatusClass.SUCCESS:
            self.completed += 1
        elif sent.outcome is StatusClass.WARNING:
            self.warning += 1
        else:
            self.fail(sent.sop_uid)

    def fail(self, sop_uid: str) -> None:
        self.failed += 1
        self.failed_uids.append(sop_uid)

    def final_status(self) -> int:
        """PS3.4 table C.4-2: all failed is a failure, some is a warning."""
        if self.failed and self.failed == self.total:
            return status.CANNOT_PERFORM_SUB_OPERATIONS
        return status.SUB_OPERATIONS_FAILED if self.failed or self.warning else status.SUCCESS
