"""C-FIND of the modality worklist (PS3.4 annex K): one worklist item each, however wrongly the modality asks."""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

import structlog

from filmroom.base.errors import Forbidden, RemoteFault, Unavailable
from filmroom.dicom.question import JsonDataset
from filmroom.net.dimse.line import Exchange, Gathered, Intake, Refused
from filmroom.net.dimse.scp.fragments import AnswerWriter
from filmroom.net.dimse.scp.identifiers import decode
from filmroom.security.principals import Principal
from filmroom.wire.dimse import status
from filmroom.wire.dimse.messages import CFindRsp, Response
from filmroom.workflow.asking import Asked, read

log = structlog.get_logger()

# Responses that leave in one write; and the longest that the first of them waits for the others.
BATCH_RESPONSES = 32
BATCH_S = 0.02

# Queries that may wait to be remembered; beyond it they are forgotten, for the debugger can do without.
MAX_UNREMEMBERED = 100


class Worklist(Protocol):
    """Where worklist queries are answered and remembered."""

    def find(self, who: Principal, asked: Asked) -> AsyncIterator[JsonDataset]: ...
    async def remember(self, asked: Asked, *, matches: int, status: int, took_ms: float) -> None: ...


class WorklistScp:
    """Answers worklist queries. ``max_results`` 0: no limit."""

    def __init__(self, worklist: Worklist, *, max_results: int = 0) -> None:
        self._worklist = worklist
        self._max_results = max_results
        self._remembering: set[asyncio.Task[None]] = set()

    def begin(self, exchange: Exchange) -> Intake:
        if not exchange.request.has_data:
            return Refused(exchange, status.DATA_SET_MISMATCH, "no identifier")
        return Gathered(exchange, self._answer)

    async def _answer(self, exchange: Exchange, identifier: bytes) -> None:
        began = exchange.line.loop.time()
        try:
            asked = _read(exchange, identifier)
        except RemoteFault as fault:
            exchange.respond(_response(exchange, status.DATA_SET_MISMATCH, comment=str(fault)))
            return
        answers = _Answers(exchange, asked)
        try:
            code, comment = await self._match(exchange, asked, answers)
        except Unavailable as error:
            code, comment = status.OUT_OF_RESOURCES, str(error)
        except Forbidden:
            code, comment = status.NOT_AUTHORISED, "this AE title may not query"
        answers.close(_response(exchange, code, comment=comment))
        took_ms = (exchange.line.loop.time() - began) * 1000
        caller = exchange.line.caller.ae_title
        log.info("answered a worklist query", calling_ae=caller, matches=answers.count, status=code, ms=round(took_ms))
        self._remember_soon(exchange, asked, answers.count, code, took_ms)

    async def _match(self, exchange: Exchange, asked: Asked, answers: "_Answers") -> tuple[int, str]:
        async for match in self._worklist.find(exchange.line.caller.principal, asked):
            if exchange.cancelled:
                return status.CANCEL, ""
            if self._max_results and answers.count == self._max_results:
                return status.OUT_OF_RESOURCES, f"more than {self._max_results} matches"
            answers.add(match)
            if answers.due():
                answers.flush()
                await exchange.line.writable()
                await asyncio.sleep(0)  # a C-CANCEL must get in even when matches never wait
        return (status.CANCEL if exchange.cancelled else status.SUCCESS), ""

    def _remember_soon(self, exchange: Exchange, asked: Asked, matches: int, code: int, took_ms: float) -> None:
        """Beside the association: the asker may use the same message id again at once."""
        if len(self._remembering) < MAX_UNREMEMBERED:
            task = exchange.line.loop.create_task(self._remember(asked, matches, code, took_ms))
            self._remembering.add(task)
            task.add_done_callback(self._remembering.discard)

    async def _remember(self, asked: Asked, matches: int, code: int, took_ms: float) -> None:
        try:
            await self._worklist.remember(asked, matches=matches, status=code, took_ms=took_ms)
        except Unavailable:
            log.warning("a worklist query could not be remembered", calling_ae=asked.calling_ae)


def _read(exchange: Exchange, identifier: bytes) -> Asked:
    caller = exchange.line.caller
    agreed = exchange.line.agreement.extended.get(exchange.context.abstract_syntax, b"")
    return read(
        decode(identifier, exchange.context.transfer_syntax),
        calling_ae=caller.ae_title,
        policy=caller.policy.worklist,
        fuzzy=len(agreed) > 2 and agreed[2] == 1,
    )


class _Answers:
    """The pending responses of one query, gathered into batches."""

    def __init__(self, exchange: Exchange, asked: Asked) -> None:
        self.count = 0
        self._exchange = exchange
        self._writer = AnswerWriter(exchange.context.transfer_syntax, asked.charset)
        pending = status.PENDING_OPTIONAL_KEYS if asked.unsupported else status.PENDING
        self._pending = _response(exchange, pending, has_data=True)
        self._batch: list[tuple[Response, bytes]] = []
        self._loop = exchange.line.loop
        self._since = self._loop.time()

    def add(self, match: JsonDataset) -> None:
        self._batch.append((self._pending, self._writer.write(match)))
        self.count += 1

    def due(self) -> bool:
        return len(self._batch) >= BATCH_RESPONSES or self._loop.time() - self._since > BATCH_S

    def flush(self) -> None:
        self._since = self._loop.time()
        if self._batch:
            self._exchange.respond_all(self._batch)
            self._batch = []

    def close(self, final: Response) -> None:
        """The rest and the final response, in one write."""
        self._batch.append((final, b""))
        self.flush()


def _response(exchange: Exchange, code: int, *, comment: str = "", has_data: bool = False) -> CFindRsp:
    return CFindRsp(
        responding_to=exchange.request.message_id,
        status=code,
        sop_class=exchange.context.abstract_syntax,
        comment=status.comment(comment),
        has_data=has_data,
    )
