"""N-CREATE, N-SET and N-GET of modality performed procedure steps (PS3.4 annex F)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol

import structlog

from filmroom.base.errors import Forbidden, RemoteFault, Unavailable
from filmroom.base.ids import SopUid
from filmroom.dicom.dictionary import vr_of
from filmroom.dicom.json_encode import json_to_dataset
from filmroom.dicom.question import JsonDataset, hex_key
from filmroom.net.dimse.line import Exchange, Gathered, Intake
from filmroom.net.dimse.scp.identifiers import decode
from filmroom.security.principals import Principal
from filmroom.wire.dimse import status
from filmroom.wire.dimse.messages import RESPONSES, NCreateRq, NGetRq, NResponse, NSetRq
from filmroom.workflow.mpps import Performed
from filmroom.workflow.mpps_rules import Fault, Finding

log = structlog.get_logger()

MPPS_STATUS: Final[Mapping[Fault, int]] = {  # PS3.7 10.1.2, 10.1.3, 10.1.5; PS3.4 F.7.2.1.3, F.7.2.2.3, table F.8.2-2
    Fault.NOT_DECODED: 0x0110,
    Fault.DUPLICATE: 0x0111,
    Fault.NO_SUCH_INSTANCE: 0x0112,
    Fault.BAD_INSTANCE: 0x0117,
    Fault.WRONG_CLASS: 0x0119,
    Fault.ENDED: 0x0110,
    Fault.MISSING: 0x0120,
    Fault.MISSING_VALUE: 0x0121,
    Fault.BAD_VALUE: 0x0106,
    Fault.OUT_OF_RANGE: 0x0116,
    Fault.NOT_SETTABLE: 0x0107,
    Fault.UNKNOWN_ATTRIBUTES: 0x0001,
}
MAY_NO_LONGER_BE_UPDATED: Final = 0xA710  # Error ID, PS3.4 table F.7.2-2

# What says which attributes are meant: their tags (PS3.7 C.4.2, C.5.13), or a data set of them (C.4.3, C.5.11, C.5.14).
_BY_TAGS: Final = frozenset({Fault.MISSING, Fault.NOT_SETTABLE})
_BY_DATA_SET: Final = frozenset({Fault.MISSING_VALUE, Fault.BAD_VALUE, Fault.OUT_OF_RANGE})


class PerformedSteps(Protocol):
    """Where performed procedure steps are kept."""

    async def create(
        self,
        who: Principal,
        sop_uid: str,
        given: JsonDataset,
        *,
        source: str = "",
        charset: str = "",
        strict: bool = False,
    ) -> Performed: ...
    async def set(self, who: Principal, sop_uid: str, given: JsonDataset, *, strict: bool = False) -> Performed: ...
    async def get(self, who: Principal, sop_uid: str, tags: Sequence[int] = ()) -> Performed: ...
    async def exists(self, sop_uid: str) -> bool: ...


class MppsScp:
    """Serves the MPPS and the MPPS retrieve SOP classes."""

    def __init__(self, performed: PerformedSteps) -> None:
        self._performed = performed

    def begin(self, exchange: Exchange) -> Intake:
        work = {NCreateRq: self._create, NSetRq: self._set, NGetRq: self._get}[type(exchange.request)]
        return _Surviving(exchange, _guarded(work))

    async def _create(self, exchange: Exchange, data: bytes) -> None:
        request = exchange.request
        assert isinstance(request, NCreateRq)
        if request.sop_class != exchange.context.abstract_syntax:
            _respond(exchange, Performed(sop_uid=SopUid(request.sop_uid), finding=Finding(Fault.WRONG_CLASS)))
            return
        given = decode(data, exchange.context.transfer_syntax)
        caller = exchange.line.caller
        done = await self._performed.create(
            caller.principal,
            request.sop_uid,
            given,
            source=caller.ae_title,
            charset="\\".join(str(one or "") for one in (given.get("00080005") or {}).get("Value") or ()),
            strict=caller.policy.strict_mpps,
        )
        _respond(exchange, done, given)

    async def _set(self, exchange: Exchange, data: bytes) -> None:
        request = exchange.request
        assert isinstance(request, NSetRq)
        if await self._is_of_another_class(exchange, request):
            return
        given = decode(data, exchange.context.transfer_syntax)
        caller = exchange.line.caller
        done = await self._performed.set(caller.principal, request.sop_uid, given, strict=caller.policy.strict_mpps)
        _respond(exchange, done, given)

    async def _get(self, exchange: Exchange, data: bytes) -> None:
        request = exchange.request
        assert isinstance(request, NGetRq)
        if await self._is_of_another_class(exchange, request):
            return
        _respond(
            exchange, await self._performed.get(exchange.line.caller.principal, request.sop_uid, request.attributes)
        )

    async def _is_of_another_class(self, exchange: Exchange, request: NSetRq | NGetRq) -> bool:
        """Answer with 0119 (or 0112) when the class is not the context's."""
        if request.sop_class == exchange.context.abstract_syntax:
            return False
        known = await self._performed.exists(request.sop_uid)
        fault = Fault.WRONG_CLASS if known else Fault.NO_SUCH_INSTANCE
        _respond(exchange, Performed(sop_uid=SopUid(request.sop_uid), finding=Finding(fault)))
        return True


class _Surviving(Gathered):
    """What a modality told in full is kept, whether or not it waits for the answer."""

    survives = True


def _guarded(
    work: Callable[[Exchange, bytes], Awaitable[None]],
) -> Callable[[Exchange, bytes], Awaitable[None]]:
    async def guarded(exchange: Exchange, data: bytes) -> None:
        try:
            await work(exchange, data)
        except RemoteFault as fault:
            exchange.refuse(MPPS_STATUS[Fault.NOT_DECODED], str(fault))
        except Unavailable as error:
            exchange.refuse(0x0213, str(error))  # resource limitation, PS3.7 C.5.22: worth another try
        except Forbidden:
            exchange.refuse(status.NOT_AUTHORISED, "this AE title may not tell of procedure steps")

    return guarded


def _respond(exchange: Exchange, done: Performed, given: JsonDataset | None = None) -> None:
    request, context = exchange.request, exchange.context
    kind = RESPONSES[type(request)]
    assert issubclass(kind, NResponse)
    finding = done.finding
    code = MPPS_STATUS[finding.fault] if finding is not None else status.SUCCESS
    dataset = _data_set(done, given or {})
    exchange.respond(
        kind(
            responding_to=request.message_id,
            status=code,
            sop_class=context.abstract_syntax,
            sop_uid=done.sop_uid,
            comment=status.comment(finding.comment) if finding is not None else "",
            error_id=MAY_NO_LONGER_BE_UPDATED if finding is not None and finding.fault is Fault.ENDED else None,
            attributes=finding.tags if finding is not None and finding.fault in _BY_TAGS else (),
            has_data=dataset is not None,
        ),
        b"" if dataset is None else json_to_dataset(dataset, context.transfer_syntax, done.charset),
    )
    if code:
        log.info(
            "performed step answered",
            calling_ae=exchange.line.caller.ae_title,
            request=type(request).__name__,
            sop_uid=done.sop_uid,
            status=code,
        )


def _data_set(done: Performed, given: JsonDataset) -> JsonDataset | None:
    """The data set of a response: the attributes got, or those that are at fault."""
    finding = done.finding
    if done.attributes is not None:
        return done.attributes
    if finding is None or finding.fault not in _BY_DATA_SET or not finding.tags:
        return None
    return {hex_key(tag): given.get(hex_key(tag)) or {"vr": vr_of(tag)} for tag in finding.tags}
