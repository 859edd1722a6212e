"""Storage commitment (PS3.4 annex J): N-ACTION of those who ask us, N-EVENT-REPORT of those whom we asked."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol
from weakref import WeakKeyDictionary

import structlog

from filmroom.archive.commitment import Taken
from filmroom.archive.commitment_asked import Heard
from filmroom.archive.commitment_model import Result, Transaction
from filmroom.base.errors import FilmroomError, Forbidden, RemoteFault, Unavailable
from filmroom.base.ids import is_uid
from filmroom.net.dimse.commit_data import BadCommitment, event_type, read_request, read_result, write_result
from filmroom.net.dimse.line import Exchange, Gathered, Intake, Line, Provider
from filmroom.net.dimse.models import COMMITMENT, COMMITMENT_INSTANCE
from filmroom.security.principals import Principal
from filmroom.wire.dimse import status
from filmroom.wire.dimse.messages import (
    NActionRq,
    NActionRsp,
    NEventReportRq,
    NEventReportRsp,
    Request,
    refusal,
)
from filmroom.wire.dimse.status import StatusClass, status_class
from filmroom.wire.ul.negotiation import Context

log = structlog.get_logger()

NO_SUCH_INSTANCE: Final = 0x0112
NO_SUCH_EVENT_TYPE: Final = 0x0113
INVALID_ARGUMENT: Final = 0x0115
INVALID_INSTANCE: Final = 0x0117
CLASS_INSTANCE_CONFLICT: Final = 0x0119
NO_SUCH_ACTION: Final = 0x0123
RESOURCE_LIMITATION: Final = 0x0213

TAKEN_STATUS: Final[Mapping[Taken, int]] = {  # PS3.7 10.1.4.1.10; 0131 is of PS3.3 C.14.1.1
    Taken.ACCEPTED: status.SUCCESS,
    Taken.DUPLICATE: 0x0131,
}
HEARD_STATUS: Final[Mapping[Heard, int]] = {  # PS3.7 10.1.1.1.8
    Heard.TAKEN: status.SUCCESS,
    Heard.AGAIN: status.SUCCESS,
    Heard.UNKNOWN: INVALID_ARGUMENT,
}

REQUEST_COMMITMENT = 1  # action type, PS3.4 table J.3-1

# Reports may wait for so many requests; older ones go out on new associations.
MAX_KEPT = 2000
# A peer that does not answer a report on the association of its request gets it on a new one.
ANSWER_WITHIN_S = 15.0


class Commitments(Protocol):
    """Where requests are kept and checked."""

    async def take(self, who: Principal, peer: str, our_ae: str, transaction: Transaction) -> Taken: ...
    def look(self) -> None: ...


class AskedCommitments(Protocol):
    """Where answers to our own requests go."""

    async def heard(self, peer: str, result: Result) -> Heard: ...


@dataclass(slots=True)
class _Asker:
    """The association on which a request came."""

    line: Line
    context: Context
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def stands(self) -> bool:
        try:
            self.line.must_be_open()
        except FilmroomError:
            return False
        return True


class OpenLines:
    """The associations on which commitment was asked, for reports on them. One report at a time on each."""

    def __init__(self) -> None:
        self._askers: dict[tuple[str, str], _Asker] = {}
        self._turns: WeakKeyDictionary[Line, asyncio.Lock] = WeakKeyDictionary()

    def keep(self, peer: str, transaction_uid: str, exchange: Exchange) -> _Asker:
        """The report of this transaction may go out on the association of ``exchange``, once that is answered."""
        if len(self._askers) >= MAX_KEPT:
            self._askers = {key: each for key, each in self._askers.items() if each.stands}
        asker = _Asker(exchange.line, exchange.context)
        if len(self._askers) < MAX_KEPT:
            self._askers[peer, transaction_uid] = asker
        return asker

    def drop(self, peer: str, transaction_uid: str) -> None:
        self._askers.pop((peer, transaction_uid), None)

    async def report(self, peer: str, result: Result) -> bool:
        """Report on the association of the request; False when it does not stand, or the peer did not answer well."""
        asker = self._askers.pop((peer, result.transaction_uid), None)
        if asker is None:
            return False
        await asker.answered.wait()
        turn = self._turns.setdefault(asker.line, asyncio.Lock())
        try:
            async with turn, asyncio.timeout(ANSWER_WITHIN_S):
                return asker.stands and status_class(await send_report(asker.line, asker.context, result)) in _WELL
        except (FilmroomError, TimeoutError) as error:
            log.info("no report on the association of the request", peer=peer, reason=str(error))
            return False


_WELL = frozenset({StatusClass.SUCCESS, StatusClass.WARNING})


async def send_report(line: Line, context: Context, result: Result) -> int:
    """N-EVENT-REPORT; the peer's status. Raises AssociationLost."""
    request = NEventReportRq(
        message_id=line.new_id(),
        sop_class=COMMITMENT,
        sop_uid=COMMITMENT_INSTANCE,
        event_type=event_type(result),
        has_data=True,
    )
    call = line.call(context, request, write_result(result, context.transfer_syntax))
    return (await call.only_answer()).response.status


class CommitScp:
    """Serves requests to commit: kept durably, answered at once; what comes of them is reported later."""

    def __init__(self, commitments: Commitments, lines: OpenLines) -> None:
        self._commitments = commitments
        self._lines = lines

    def begin(self, exchange: Exchange) -> Intake:
        return _Surviving(exchange, _guarded(self._request))

    async def _request(self, exchange: Exchange, data: bytes) -> None:
        request = exchange.request
        assert isinstance(request, NActionRq)
        fault = _misdirected(request.sop_class, request.sop_uid)
        if fault is None and request.action_type != REQUEST_COMMITMENT:
            fault = NO_SUCH_ACTION
        if fault is not None:
            _respond(exchange, fault)
            return
        transaction = read_request(data, exchange.context.transfer_syntax)
        peer = exchange.line.caller.ae_title
        keeps = exchange.line.caller.policy.commit != "new"
        asker = self._lines.keep(peer, transaction.uid, exchange) if keeps else None
        taken = None
        try:
            taken = await self._commitments.take(
                exchange.line.caller.principal, peer, exchange.line.agreement.called_ae.strip(), transaction
            )
            _respond(exchange, TAKEN_STATUS[taken])
        finally:
            if asker is not None:
                asker.answered.set()
            if taken is not Taken.ACCEPTED:
                self._lines.drop(peer, transaction.uid)
        self._commitments.look()
        log.info(
            "commitment asked",
            calling_ae=peer,
            objects=len(transaction.references),
            status=TAKEN_STATUS[taken],
        )


class CommitReports:
    """Takes the reports on what we asked of ``peer``; of the caller when that is None."""

    def __init__(self, asked: AskedCommitments, peer: str | None = None) -> None:
        self._asked = asked
        self._peer = peer

    def provider(self, request: Request, context: Context) -> Provider | None:
        """For associations that we open."""
        return self if isinstance(request, NEventReportRq) and context.abstract_syntax == COMMITMENT else None

    def begin(self, exchange: Exchange) -> Intake:
        return _Surviving(exchange, _guarded(self._report))

    async def _report(self, exchange: Exchange, data: bytes) -> None:
        request = exchange.request
        assert isinstance(request, NEventReportRq)
        fault = _misdirected(request.sop_class, request.sop_uid)
        if fault is None and request.event_type not in (1, 2):
            fault = NO_SUCH_EVENT_TYPE
        if fault is not None:
            _respond(exchange, fault)
            return
        result = read_result(data, exchange.context.transfer_syntax)
        peer = self._peer if self._peer is not None else exchange.line.caller.ae_title
        _respond(exchange, HEARD_STATUS[await self._asked.heard(peer, result)])


class _Surviving(Gathered):
    """What came in full is kept, whether or not the peer waits for the answer."""

    survives = True


def _misdirected(sop_class: str, sop_uid: str) -> int | None:
    """What is wrong with the object that a request names: there is one only (PS3.4 J.3.5)."""
    if not is_uid(sop_uid):
        return INVALID_INSTANCE
    if sop_uid != COMMITMENT_INSTANCE:
        return NO_SUCH_INSTANCE
    return None if sop_class == COMMITMENT else CLASS_INSTANCE_CONFLICT


def _guarded(
    work: Callable[[Exchange, bytes], Awaitable[None]],
) -> Callable[[Exchange, bytes], Awaitable[None]]:
    async def guarded(exchange: Exchange, data: bytes) -> None:
        try:
            await work(exchange, data)
        except BadCommitment as fault:
            _respond(exchange, INVALID_ARGUMENT, str(fault))
        except RemoteFault as fault:
            _respond(exchange, status.PROCESSING_FAILURE, str(fault))
        except Unavailable as error:
            _respond(exchange, RESOURCE_LIMITATION, str(error))
        except Forbidden:
            _respond(exchange, status.NOT_AUTHORISED, "this AE title may not ask for commitment")

    return guarded


def _respond(exchange: Exchange, code: int, comment: str = "") -> None:
    """Answer; nothing happens when the peer is gone, for it may go as soon as it has asked."""
    request = exchange.request
    response = dataclasses.replace(refusal(request, code, status.comment(comment)), sop_class=COMMITMENT)
    if isinstance(request, NActionRq) and isinstance(response, NActionRsp):
        response = dataclasses.replace(response, action_type=request.action_type)
    elif isinstance(request, NEventReportRq) and isinstance(response, NEventReportRsp):
        response = dataclasses.replace(response, event_type=request.event_type)
    with suppress(FilmroomError):
        exchange.respond(response)
