"""C-FIND (PS3.4 C.4.1): one question, its matches one pending response each, several responses a write."""

import asyncio

import structlog

from filmroom.base.errors import Forbidden, RemoteFault, Unavailable
from filmroom.dicom.asking import question_from_dataset
from filmroom.dicom.charset import UTF8_TERM, reads_gb
from filmroom.dicom.json_encode import AnswersEncoder
from filmroom.dicom.question import JsonDataset, Question
from filmroom.net.dimse.line import Exchange, Gathered, Intake
from filmroom.net.dimse.models import FIND_MODELS, QUERY_RETRIEVE_LEVEL, RETRIEVE_AE_TITLE
from filmroom.net.dimse.ports import Query
from filmroom.net.dimse.scp.identifiers import BadIdentifier, character_set, decode, demand_keys_above, level_of
from filmroom.wire.dimse import status
from filmroom.wire.dimse.messages import CFindRq, CFindRsp, Response

log = structlog.get_logger()

# Responses that leave in one write; and the longest that the first of them waits for the others.
BATCH_RESPONSES = 64
BATCH_S = 0.02


class FindScp:
    """Answers queries of the patient, study and patient/study only models. ``ae_title`` is where to retrieve from."""

    def __init__(self, query: Query, *, ae_title: str, max_results: int = 0) -> None:
        self._query = query
        self._ae_title = ae_title
        self._max_results = max_results

    def begin(self, exchange: Exchange) -> Intake:
        return Gathered(exchange, self._answer)

    async def _answer(self, exchange: Exchange, identifier: bytes) -> None:
        try:
            question = self._question(exchange, identifier)
        except RemoteFault as fault:
            offending = fault.offending if isinstance(fault, BadIdentifier) else ()
            exchange.respond(_final(exchange, status.DATA_SET_MISMATCH, str(fault), offending))
            return
        limited = bool(question.warnings or self._query.unsupported(question))
        answers = _Answers(exchange, question, exchange.line.caller.called_ae or self._ae_title, limited=limited)
        try:
            code, comment = await self._match(exchange, question, answers)
        except Unavailable as error:
            code, comment = status.OUT_OF_RESOURCES, str(error)
        except Forbidden:
            code, comment = status.NOT_AUTHORISED, "this AE title may not query"
        answers.close(_final(exchange, code, comment))
        log.info("answered a query", calling_ae=exchange.line.caller.ae_title, matches=answers.count, status=code)

    async def _match(self, exchange: Exchange, question: Question, answers: "_Answers") -> tuple[int, str]:
        async for match in self._query.find(exchange.line.caller.principal, question):
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

    def _question(self, exchange: Exchange, identifier: bytes) -> Question:
        policy = exchange.line.caller.policy
        dataset = decode(identifier, exchange.context.transfer_syntax, policy.character_set)
        model = FIND_MODELS[exchange.context.abstract_syntax]
        level = level_of(dataset, model)
        agreed = exchange.line.agreement.extended.get(exchange.context.abstract_syntax, b"")
        relational = _asks(agreed, 0) or policy.lenient_relational
        if not relational:
            demand_keys_above(dataset, model, level)
        return question_from_dataset(
            dataset,
            level,
            relational=relational,
            combined_datetime=_asks(agreed, 1),
            fuzzy=_asks(agreed, 2),
            zoned=_asks(agreed, 3),
            multiple_values=_asks(agreed, 6),
            character_set=policy.response_character_set or character_set(dataset) or policy.character_set,
        )


class _Answers:
    """The pending responses of one query, gathered into batches."""

    def __init__(self, exchange: Exchange, question: Question, ae_title: str, *, limited: bool) -> None:
        self.count = 0
        self._exchange = exchange
        asker = question.character_set
        self._encoder = AnswersEncoder(
            exchange.context.transfer_syntax, asker, "GB18030" if reads_gb(asker) else UTF8_TERM
        )
        self._always: JsonDataset = {
            QUERY_RETRIEVE_LEVEL: {"vr": "CS", "Value": [question.level.value]},
            RETRIEVE_AE_TITLE: {"vr": "AE", "Value": [ae_title]},
        }
        self._pending = CFindRsp(
            responding_to=exchange.request.message_id,
            status=status.PENDING_OPTIONAL_KEYS if limited else status.PENDING,
            sop_class=exchange.context.abstract_syntax,
            has_data=True,
        )
        self._batch: list[tuple[Response, bytes]] = []
        self._loop = exchange.line.loop
        self._since = self._loop.time()

    def add(self, match: JsonDataset) -> None:
        self._batch.append((self._pending, self._encoder.encode(match | self._always)))
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


def _asks(agreed: bytes, position: int) -> bool:
    return len(agreed) > position and agreed[position] == 1


def _final(exchange: Exchange, code: int, comment: str = "", offending: tuple[int, ...] = ()) -> CFindRsp:
    request = exchange.request
    assert isinstance(request, CFindRq)
    return CFindRsp(
        responding_to=request.message_id,
        status=code,
        sop_class=request.sop_class,
        comment=status.comment(comment),
        offending=offending,
    )
