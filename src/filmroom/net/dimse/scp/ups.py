"""The UPS SOP classes (PS3.4 annex CC): push, pull, watch and query, whose instances are all of the push class."""

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol

import structlog

from filmroom.base.errors import Forbidden, RemoteFault, Unavailable
from filmroom.base.ids import SopUid
from filmroom.dicom.dictionary import vr_of
from filmroom.dicom.json_encode import json_to_dataset
from filmroom.dicom.question import JsonDataset, hex_key
from filmroom.net.dimse.line import Exchange, Gathered, Intake
from filmroom.net.dimse.models import UPS_PULL, UPS_PUSH, UPS_QUERY, UPS_WATCH
from filmroom.net.dimse.scp.identifiers import decode, values
from filmroom.net.dimse.scp.worklist import BATCH_RESPONSES
from filmroom.security.principals import Principal
from filmroom.wire.dimse import status
from filmroom.wire.dimse.messages import (
    RESPONSES,
    CFindRq,
    CFindRsp,
    NActionRq,
    NActionRsp,
    NCreateRq,
    NGetRq,
    NResponse,
    NSetRq,
    Request,
    Response,
)
from filmroom.workflow.ups_model import Done, Fault, Finding

log = structlog.get_logger()

UPS_STATUS: Final[Mapping[Fault, int]] = {  # PS3.4 tables CC.2.1-2, .2-2, .3-3, .5-4, .6-1, .7-1; PS3.7 annex C
    Fault.DUPLICATE: 0x0111,
    Fault.BAD_INSTANCE: 0x0117,
    Fault.WRONG_CLASS: 0x0119,
    Fault.NO_SUCH_ITEM: 0xC307,
    Fault.DELETED: 0xC307,
    Fault.MISSING: 0x0120,
    Fault.MISSING_VALUE: 0x0121,
    Fault.BAD_VALUE: 0x0106,
    Fault.NOT_DECODED: 0x0110,
    Fault.NOT_CREATED_SCHEDULED: 0xC309,
    Fault.ENDED: 0xC300,
    Fault.WRONG_TRANSACTION: 0xC301,
    Fault.UNDER_WAY: 0xC302,
    Fault.NOT_BACK: 0xC303,
    Fault.FINAL_LACKS: 0xC304,
    Fault.UNKNOWN_RECEIVER: 0xC308,
    Fault.NOT_UNDER_WAY: 0xC310,
    Fault.COMPLETED_ALREADY: 0xC311,
    Fault.PERFORMER_AWAY: 0xC312,
    Fault.PERFORMER_GOES_ON: 0xC313,
    Fault.NOT_FOR_THIS: 0xC314,
    Fault.NO_REPORTS: 0xC315,
    Fault.NO_SUCH_ACTION: 0x0123,
    Fault.MODIFIED: 0xB300,
    Fault.LOCK_NOT_GRANTED: 0xB301,
    Fault.CANCELED_BEFORE: 0xB304,
    Fault.COERCED: 0xB305,
    Fault.COMPLETED_BEFORE: 0xB306,
    Fault.NOT_SETTABLE: 0x0107,
    Fault.UNKNOWN_ATTRIBUTES: 0x0001,
}

# Tables CC.2-1 to CC.2-5: who may be asked for what.
ACTIONS: Final[Mapping[str, frozenset[int]]] = {
    UPS_PUSH: frozenset({2}),
    UPS_PULL: frozenset({1}),
    UPS_WATCH: frozenset({2, 3, 4, 5}),
}
SERVED: Final = (
    *((NCreateRq, UPS_PUSH), (NGetRq, UPS_PUSH), (NGetRq, UPS_PULL), (NGetRq, UPS_WATCH), (NSetRq, UPS_PULL)),
    *((NActionRq, UPS_PUSH), (NActionRq, UPS_PULL), (NActionRq, UPS_WATCH)),
    *((CFindRq, UPS_PULL), (CFindRq, UPS_WATCH), (CFindRq, UPS_QUERY)),
)

_BY_TAGS: Final = frozenset({Fault.MISSING, Fault.NOT_SETTABLE})
_BY_DATA_SET: Final = frozenset({Fault.MISSING_VALUE, Fault.BAD_VALUE})
RECEIVING_AE: Final = "00741234"
DELETION_LOCK: Final = "00741230"


class Workitems(Protocol):
    """Where work items are kept."""

    async def create(
        self, who: Principal, sop_uid: str, given: JsonDataset, *, source: str = "", charset: str = ""
    ) -> Done: ...
    async def get(self, who: Principal, sop_uid: str, tags: Sequence[int] = ()) -> Done: ...
    async def set(self, who: Principal, sop_uid: str, given: JsonDataset) -> Done: ...
    async def change_state(self, who: Principal, sop_uid: str, given: JsonDataset) -> Done: ...
    async def request_cancel(self, who: Principal, sop_uid: str, given: JsonDataset, *, asked_by: str = "") -> Done: ...
    def find(self, who: Principal, identifier: JsonDataset, *, fuzzy: bool = False) -> AsyncIterator[JsonDataset]: ...


class Subscriptions(Protocol):
    """Who hears of them."""

    async def subscribe(
        self,
        who: Principal,
        target: str,
        receiver: str,
        *,
        deletion_lock: bool = False,
        keys: JsonDataset | None = None,
        must_be_device: bool = False,
    ) -> Done: ...
    async def unsubscribe(
        self, who: Principal, target: str, receiver: str, *, must_be_device: bool = False
    ) -> Done: ...
    async def suspend(self, who: Principal, target: str, receiver: str, *, must_be_device: bool = False) -> Done: ...


class UpsScp:
    """Serves requests about work items."""

    def __init__(self, workitems: Workitems, subscriptions: Subscriptions) -> None:
        self._workitems = workitems
        self._subscriptions = subscriptions

    def begin(self, exchange: Exchange) -> Intake:
        if isinstance(exchange.request, CFindRq):
            return Gathered(exchange, self._find)
        works: Mapping[type[Request], Callable[[Exchange, bytes], Awaitable[None]]] = {
            NCreateRq: self._create,
            NSetRq: self._set,
            NGetRq: self._get,
            NActionRq: self._act,
        }
        return _Surviving(exchange, _guarded(works[type(exchange.request)]))

    async def _create(self, exchange: Exchange, data: bytes) -> None:
        request = exchange.request
        assert isinstance(request, NCreateRq)
        if _of_another_class(exchange, request.sop_class, request.sop_uid):
            return
        given, caller = decode(data, exchange.context.transfer_syntax), exchange.line.caller
        charset = "\\".join(map(str, values(given, "00080005")))
        done = await self._workitems.create(
            caller.principal, request.sop_uid, given, source=caller.ae_title, charset=charset
        )
        _respond(exchange, done, given)

    async def _set(self, exchange: Exchange, data: bytes) -> None:
        request = exchange.request
        assert isinstance(request, NSetRq)
        if _of_another_class(exchange, request.sop_class, request.sop_uid):
            return
        given = decode(data, exchange.context.transfer_syntax)
        _respond(exchange, await self._workitems.set(exchange.line.caller.principal, request.sop_uid, given), given)

    async def _get(self, exchange: Exchange, data: bytes) -> None:
        request = exchange.request
        assert isinstance(request, NGetRq)
        if _of_another_class(exchange, request.sop_class, request.sop_uid):
            return
        who = exchange.line.caller.principal
        _respond(exchange, await self._workitems.get(who, request.sop_uid, request.attributes))

    async def _act(self, exchange: Exchange, data: bytes) -> None:
        request = exchange.request
        assert isinstance(request, NActionRq)
        if _of_another_class(exchange, request.sop_class, request.sop_uid):
            return
        if request.action_type not in ACTIONS[exchange.context.abstract_syntax]:
            _respond(exchange, Done(sop_uid=SopUid(request.sop_uid), finding=Finding(Fault.NO_SUCH_ACTION)))
            return
        given = decode(data, exchange.context.transfer_syntax) if data else {}
        _respond(exchange, await self._action(exchange, request, given), given)

    async def _action(self, exchange: Exchange, request: NActionRq, given: JsonDataset) -> Done:
        caller = exchange.line.caller
        who, uid = caller.principal, request.sop_uid
        if request.action_type == 1:
            return await self._workitems.change_state(who, uid, given)
        if request.action_type == 2:
            return await self._workitems.request_cancel(who, uid, given, asked_by=caller.ae_title)
        receiver = str((values(given, RECEIVING_AE) or [""])[0]).strip()
        if not receiver:
            return Done(sop_uid=SopUid(uid), finding=Finding(Fault.MISSING_VALUE, (0x00741234,), "no Receiving AE"))
        if request.action_type == 3:
            lock = values(given, DELETION_LOCK) == ["TRUE"]
            return await self._subscriptions.subscribe(
                who, uid, receiver, deletion_lock=lock, keys=given, must_be_device=True
            )
        work = self._subscriptions.unsubscribe if request.action_type == 4 else self._subscriptions.suspend
        return await work(who, uid, receiver, must_be_device=True)

    async def _find(self, exchange: Exchange, data: bytes) -> None:
        try:
            identifier = decode(data, exchange.context.transfer_syntax)
            code, comment, count = await self._matches(exchange, identifier)
        except RemoteFault as fault:
            code, comment, count = status.DATA_SET_MISMATCH, str(fault), 0
        except Unavailable as error:
            code, comment, count = status.OUT_OF_RESOURCES, str(error), 0
        except Forbidden:
            code, comment, count = status.NOT_AUTHORISED, "this AE title may not query", 0
        exchange.respond(_found(exchange, code, comment=comment))
        log.info("answered a work item query", calling_ae=exchange.line.caller.ae_title, matches=count, status=code)

    async def _matches(self, exchange: Exchange, identifier: JsonDataset) -> tuple[int, str, int]:
        caller, context = exchange.line.caller, exchange.context
        agreed = exchange.line.agreement.extended.get(context.abstract_syntax, b"")
        charset = "\\".join(map(str, values(identifier, "00080005")))
        batch: list[tuple[Response, bytes]] = []
        pending, count = _found(exchange, status.PENDING, has_data=True), 0
        fuzzy = len(agreed) > 2 and agreed[2] == 1
        async for match in self._workitems.find(caller.principal, identifier, fuzzy=fuzzy):
            if exchange.cancelled:
                return status.CANCEL, "", count
            batch.append((pending, json_to_dataset(match, context.transfer_syntax, charset)))
            count += 1
            if len(batch) >= BATCH_RESPONSES:
                exchange.respond_all(batch)
                batch = []
                await exchange.line.writable()
        if batch:
            exchange.respond_all(batch)
        return (status.CANCEL if exchange.cancelled else status.SUCCESS), "", count


class _Surviving(Gathered):
    """What was told in full is done, whether or not the asker waits for the answer."""

    survives = True


def _of_another_class(exchange: Exchange, sop_class: str, sop_uid: str) -> bool:
    """Answer with 0119 when the instance is said to be of another class than UPS Push (CC.3.1)."""
    if sop_class == UPS_PUSH:
        return False
    _respond(exchange, Done(sop_uid=SopUid(sop_uid), finding=Finding(Fault.WRONG_CLASS)))
    return True


def _guarded(
    work: Callable[[Exchange, bytes], Awaitable[None]],
) -> Callable[[Exchange, bytes], Awaitable[None]]:
    async def guarded(exchange: Exchange, data: bytes) -> None:
        try:
            if exchange.line.caller.read_only and not isinstance(exchange.request, NGetRq):
                raise Forbidden
            await work(exchange, data)
        except RemoteFault as fault:
            exchange.refuse(UPS_STATUS[Fault.NOT_DECODED], str(fault))
        except Unavailable as error:
            exchange.refuse(0x0213, str(error))  # resource limitation, PS3.7 C.5.22: worth another try
        except Forbidden:
            exchange.refuse(status.NOT_AUTHORISED, "this AE title may not do this to work items")

    return guarded


def _respond(exchange: Exchange, done: Done, given: JsonDataset | None = None) -> None:
    request, context, finding = exchange.request, exchange.context, done.finding
    kind = RESPONSES[type(request)]
    assert issubclass(kind, NResponse)
    code = UPS_STATUS[finding.fault] if finding is not None else status.SUCCESS
    dataset = _data_set(done, given or {})
    response = kind(
        responding_to=request.message_id,
        status=code,
        sop_class=UPS_PUSH,
        sop_uid=done.sop_uid,
        comment=status.comment(finding.comment) if finding is not None else "",
        attributes=finding.tags if finding is not None and finding.fault in _BY_TAGS else (),
        has_data=dataset is not None,
    )
    if isinstance(request, NActionRq) and isinstance(response, NActionRsp):
        response = dataclasses.replace(response, action_type=request.action_type)
    body = b"" if dataset is None else json_to_dataset(dataset, context.transfer_syntax, done.charset)
    exchange.respond(response, body)
    if code:
        log.info(
            "work item request answered",
            calling_ae=exchange.line.caller.ae_title,
            request=type(request).__name__,
            sop_uid=done.sop_uid,
            status=code,
        )


def _data_set(done: Done, given: JsonDataset) -> JsonDataset | None:
    """The attributes got, or those that are at fault."""
    if done.attributes is not None:
        return done.attributes
    finding = done.finding
    if finding is None or finding.fault not in _BY_DATA_SET or not finding.tags:
        return None
    return {hex_key(tag): given.get(hex_key(tag)) or {"vr": vr_of(tag)} for tag in finding.tags}


def _found(exchange: Exchange, code: int, *, comment: str = "", has_data: bool = False) -> CFindRsp:
    return CFindRsp(
        responding_to=exchange.request.message_id,
        status=code,
        sop_class=exchange.context.abstract_syntax,
        comment=status.comment(comment),
        has_data=has_data,
    )
