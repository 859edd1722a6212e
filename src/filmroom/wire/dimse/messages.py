"""DIMSE messages (PS3.7 sections 9.3 and 10.3), typed: what their command sets say, both ways.

A field whose value is None, "" or () is left out of the command set. ``has_data`` tells of a data set that follows.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from filmroom.wire.dimse import commandset
from filmroom.wire.dimse.commandset import HAS_DATA_SET, NO_DATA_SET, CommandFault, Value

COMMAND_FIELD = 0x0100
DATA_SET_TYPE = 0x0800
RESPONSE = 0x8000  # bit of the command field (PS3.7 table E.1-1)

PRIORITY_MEDIUM, PRIORITY_HIGH, PRIORITY_LOW = 0, 1, 2


def _element(number: int, default: Any = dataclasses.MISSING) -> Any:
    return dataclasses.field(default=default, metadata={"element": number})


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What every DIMSE message has. ``COMMAND`` is its Command Field."""

    COMMAND: ClassVar[int] = 0
    has_data: bool = False

    def encode(self) -> bytes:
        """The command set."""
        elements: dict[int, Value] = {
            COMMAND_FIELD: self.COMMAND,
            DATA_SET_TYPE: HAS_DATA_SET if self.has_data else NO_DATA_SET,
        }
        for name, number, _ in _FIELDS[type(self)]:
            value = getattr(self, name)
            if value is not None and value != "" and value != ():
                elements[number] = value
        return commandset.encode(elements)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Message):
    """A request; ``message_id`` is unique among its sender's outstanding ones (PS3.7 9.1.1.1.1)."""

    message_id: int = _element(0x0110)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(Message):
    """A response to the request with message id ``responding_to``."""

    responding_to: int = _element(0x0120)
    status: int = _element(0x0900)
    sop_class: str = _element(0x0002, "")
    comment: str = _element(0x0902, "")
    offending: tuple[int, ...] = _element(0x0901, ())
    error_id: int | None = _element(0x0903, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CEchoRq(Request):
    COMMAND = 0x0030
    sop_class: str = _element(0x0002, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class CEchoRsp(Response):
    COMMAND = 0x8030


@dataclass(frozen=True, slots=True, kw_only=True)
class CStoreRq(Request):
    COMMAND = 0x0001
    sop_class: str = _element(0x0002)
    sop_uid: str = _element(0x1000)
    priority: int = _element(0x0700, PRIORITY_MEDIUM)
    move_originator_ae: str = _element(0x1030, "")
    move_originator_id: int | None = _element(0x1031, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CStoreRsp(Response):
    COMMAND = 0x8001
    sop_uid: str = _element(0x1000, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class CFindRq(Request):
    COMMAND = 0x0020
    sop_class: str = _element(0x0002)
    priority: int = _element(0x0700, PRIORITY_MEDIUM)


@dataclass(frozen=True, slots=True, kw_only=True)
class CFindRsp(Response):
    COMMAND = 0x8020


@dataclass(frozen=True, slots=True, kw_only=True)
class CGetRq(Request):
    COMMAND = 0x0010
    sop_class: str = _element(0x0002)
    priority: int = _element(0x0700, PRIORITY_MEDIUM)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrieveRsp(Response):
    """What C-GET-RSP and C-MOVE-RSP share: the counts of sub-operations."""

    remaining: int | None = _element(0x1020, None)
    completed: int | None = _element(0x1021, None)
    failed: int | None = _element(0x1022, None)
    warning: int | None = _element(0x1023, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CGetRsp(RetrieveRsp):
    COMMAND = 0x8010


@dataclass(frozen=True, slots=True, kw_only=True)
class CMoveRq(Request):
    COMMAND = 0x0021
    sop_class: str = _element(0x0002)
    destination: str = _element(0x0600)
    priority: int = _element(0x0700, PRIORITY_MEDIUM)


@dataclass(frozen=True, slots=True, kw_only=True)
class CMoveRsp(RetrieveRsp):
    COMMAND = 0x8021


@dataclass(frozen=True, slots=True, kw_only=True)
class CCancelRq(Message):
    """C-CANCEL-RQ names the request to stop; it has no answer of its own (PS3.7 9.3.2.3)."""

    COMMAND = 0x0FFF
    responding_to: int = _element(0x0120)


@dataclass(frozen=True, slots=True, kw_only=True)
class NResponse(Response):
    """What the N-service responses share; ``attributes`` names those at fault (PS3.7 C.4.2, C.5.13, C.5.17)."""

    sop_uid: str = _element(0x1000, "")
    attributes: tuple[int, ...] = _element(0x1005, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class NEventReportRq(Request):
    COMMAND = 0x0100
    sop_class: str = _element(0x0002)
    sop_uid: str = _element(0x1000)
    event_type: int = _element(0x1002)


@dataclass(frozen=True, slots=True, kw_only=True)
class NEventReportRsp(NResponse):
    COMMAND = 0x8100
    event_type: int | None = _element(0x1002, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class NGetRq(Request):
    COMMAND = 0x0110
    sop_class: str = _element(0x0003)
    sop_uid: str = _element(0x1001)
    attributes: tuple[int, ...] = _element(0x1005, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class NGetRsp(NResponse):
    COMMAND = 0x8110


@dataclass(frozen=True, slots=True, kw_only=True)
class NSetRq(Request):
    COMMAND = 0x0120
    sop_class: str = _element(0x0003)
    sop_uid: str = _element(0x1001)


@dataclass(frozen=True, slots=True, kw_only=True)
class NSetRsp(NResponse):
    COMMAND = 0x8120


@dataclass(frozen=True, slots=True, kw_only=True)
class NActionRq(Request):
    COMMAND = 0x0130
    sop_class: str = _element(0x0003)
    sop_uid: str = _element(0x1001)
    action_type: int = _element(0x1008)


@dataclass(frozen=True, slots=True, kw_only=True)
class NActionRsp(NResponse):
    COMMAND = 0x8130
    action_type: int | None = _element(0x1008, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class NCreateRq(Request):
    COMMAND = 0x0140
    sop_class: str = _element(0x0002)
    sop_uid: str = _element(0x1000, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class NCreateRsp(NResponse):
    COMMAND = 0x8140


@dataclass(frozen=True, slots=True, kw_only=True)
class NDeleteRq(Request):
    COMMAND = 0x0150
    sop_class: str = _element(0x0003)
    sop_uid: str = _element(0x1001)


@dataclass(frozen=True, slots=True, kw_only=True)
class NDeleteRsp(NResponse):
    COMMAND = 0x8150


_ALL: tuple[type[Message], ...] = (
    CStoreRq,
    CStoreRsp,
    CGetRq,
    CGetRsp,
    CFindRq,
    CFindRsp,
    CMoveRq,
    CMoveRsp,
    CEchoRq,
    CEchoRsp,
    CCancelRq,
    NEventReportRq,
    NEventReportRsp,
    NGetRq,
    NGetRsp,
    NSetRq,
    NSetRsp,
    NActionRq,
    NActionRsp,
    NCreateRq,
    NCreateRsp,
    NDeleteRq,
    NDeleteRsp,
)
MESSAGES: dict[int, type[Message]] = {kind.COMMAND: kind for kind in _ALL}

# The response of each request.
RESPONSES: dict[type[Request], type[Response]] = {
    request: response
    for request in _ALL
    if issubclass(request, Request)
    for response in (MESSAGES[request.COMMAND | RESPONSE],)
    if issubclass(response, Response)
}

# Per message: (attribute, element, whether it must be there).
_FIELDS: dict[type[Message], tuple[tuple[str, int, bool], ...]] = {
    kind: tuple(
        (f.name, f.metadata["element"], f.default is dataclasses.MISSING)
        for f in dataclasses.fields(kind)
        if "element" in f.metadata
    )
    for kind in _ALL
}


def decode(data: bytes) -> Message:
    """The message of a command set. Raises CommandFault when it is none, or lacks what it must have."""
    found = commandset.decode(data)
    field = found.get(COMMAND_FIELD)
    kind = MESSAGES.get(field) if isinstance(field, int) else None
    if kind is None:
        raise CommandFault("the command field is missing or unknown")
    values: dict[str, Any] = {"has_data": found.get(DATA_SET_TYPE, NO_DATA_SET) != NO_DATA_SET}
    for name, number, required in _FIELDS[kind]:
        value = found.get(number)
        if value is not None:
            values[name] = value
        elif required:
            raise CommandFault(f"{kind.__name__} lacks element (0000,{number:04X})")
    return kind(**values)


def refusal(request: Request, status: int, comment: str = "") -> Response:
    """The response that refuses ``request`` with ``status``."""
    kind = RESPONSES[type(request)]
    named = {name for name, _, _ in _FIELDS[kind]}
    values: dict[str, Any] = {"sop_class": getattr(request, "sop_class", "")}
    if "sop_uid" in named:
        values["sop_uid"] = getattr(request, "sop_uid", "")
    return kind(responding_to=request.message_id, status=status, comment=comment, **values)
