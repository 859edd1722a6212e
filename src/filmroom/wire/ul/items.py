"""Items of the A-ASSOCIATE PDUs (PS3.8 9.3.2 and 9.3.3, PS3.7 annex D.3.3), typed, both ways.

Unknown items are skipped, as PS3.8 9.3.1 asks. Text is taken as Latin-1 so that every byte survives until somebody
judges it.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from filmroom.base.errors import RemoteFault

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"  # PS3.7 annex A.2.1

_HEADER = struct.Struct(">BxH")


class AbortReason(IntEnum):
    """Why a provider aborts (PS3.8 table 9-26)."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PARAMETER = 4
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER = 6


class PduFault(RemoteFault):
    """The peer sent bytes that are no valid protocol data unit (PS3.8 9.3)."""

    def __init__(self, message: str, reason: AbortReason = AbortReason.INVALID_PARAMETER) -> None:
        super().__init__(message)
        self.reason = reason


class ItemType(IntEnum):
    """Item types of PS3.8 tables 9-11 to 9-19 and PS3.7 annex D."""

    APPLICATION_CONTEXT = 0x10
    PROPOSED_CONTEXT = 0x20
    ANSWERED_CONTEXT = 0x21
    ABSTRACT_SYNTAX = 0x30
    TRANSFER_SYNTAX = 0x40
    USER_INFORMATION = 0x50
    MAX_LENGTH = 0x51
    IMPLEMENTATION_CLASS = 0x52
    ASYNC_WINDOW = 0x53
    ROLE = 0x54
    IMPLEMENTATION_VERSION = 0x55
    EXTENDED = 0x56
    COMMON_EXTENDED = 0x57
    USER_IDENTITY = 0x58
    USER_IDENTITY_ANSWER = 0x59


class ContextResult(IntEnum):
    """What became of a proposed presentation context (PS3.8 table 9-18)."""

    ACCEPTED = 0
    USER_REJECTION = 1
    PROVIDER_REJECTION = 2
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


@dataclass(frozen=True, slots=True)
class ProposedContext:
    """A presentation context as the requestor offers it (PS3.8 table 9-13)."""

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnsweredContext:
    """The acceptor's word on one presentation context (PS3.8 table 9-18)."""

    id: int
    result: int
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Role:
    """SCP/SCU role selection of the association's requestor for a SOP class (PS3.7 D.3.3.4)."""

    sop_class: str
    scu: bool
    scp: bool


@dataclass(frozen=True, slots=True)
class AsyncWindow:
    """Outstanding operations that the sender may invoke and perform; 0 is unlimited (PS3.7 D.3.3.3)."""

    invoked: int
    performed: int


@dataclass(frozen=True, slots=True)
class Extended:
    """SOP class extended negotiation: bytes whose meaning the service class gives (PS3.7 D.3.3.5)."""

    sop_class: str
    info: bytes


@dataclass(frozen=True, slots=True)
class CommonExtended:
    """SOP class common extended negotiation: service class and related general classes (PS3.7 D.3.3.6)."""

    sop_class: str
    service_class: str
    related: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """User identity (PS3.7 D.3.3.7). Type 1 name, 2 name and passcode, 3 Kerberos, 4 SAML, 5 JWT."""

    type: int
    answer_wanted: bool
    primary: bytes = field(repr=False)
    secondary: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserInformation:
    """The user information item (PS3.8 9.3.2.3, PS3.7 D.3.3). ``max_length`` in bytes, 0 for no limit."""

    max_length: int = 0
    implementation_class_uid: str = ""
    implementation_version: str = ""
    async_window: AsyncWindow | None = None
    roles: tuple[Role, ...] = ()
    extended: tuple[Extended, ...] = ()
    common_extended: tuple[CommonExtended, ...] = ()
    user_identity: UserIdentity | None = None
    user_identity_answer: bytes | None = field(default=None, repr=False)


def item(kind: int, body: bytes) -> bytes:
    """One item: type, reserved byte, 16-bit length, body."""
    return _HEADER.pack(kind, len(body)) + body


def items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The items in ``data`` one after another. Raises PduFault when a length passes the end."""
    position = 0
    while position < len(data):
        if position + 4 > len(data):
            raise PduFault("an item header is cut short")
        kind, length = _HEADER.unpack_from(data, position)
        position += 4
        if position + length > len(data):
            raise PduFault(f"item {kind:02X}H passes the end of what holds it")
        yield kind, data[position : position + length]
        position += length


def text(data: bytes) -> str:
    """A UID or name of an item; padding, which the standard forbids here and peers send, is dropped."""
    return data.decode("latin-1").strip(" \0")


def encode_proposed(context: ProposedContext) -> bytes:
    syntaxes = b"".join(item(ItemType.TRANSFER_SYNTAX, uid.encode("latin-1")) for uid in context.transfer_syntaxes)
    abstract = item(ItemType.ABSTRACT_SYNTAX, context.abstract_syntax.encode("latin-1"))
    return item(ItemType.PROPOSED_CONTEXT, bytes((context.id, 0, 0, 0)) + abstract + syntaxes)


def decode_proposed(body: bytes) -> ProposedContext:
    _need(body, 4, "presentation context")
    abstract = ""
    syntaxes: list[str] = []
    for kind, value in items(body[4:]):
        if kind == ItemType.ABSTRACT_SYNTAX:
            abstract = text(value)
        elif kind == ItemType.TRANSFER_SYNTAX:
            syntaxes.append(text(value))
    return ProposedContext(_context_id(body[0]), abstract, tuple(syntaxes))


def encode_answered(context: AnsweredContext) -> bytes:
    syntax = item(ItemType.TRANSFER_SYNTAX, context.transfer_syntax.encode("latin-1"))
    return item(ItemType.ANSWERED_CONTEXT, bytes((context.id, 0, context.result, 0)) + syntax)


def decode_answered(body: bytes) -> AnsweredContext:
    _need(body, 4, "presentation context")
    syntax = next((text(value) for kind, value in items(body[4:]) if kind == ItemType.TRANSFER_SYNTAX), "")
    return AnsweredContext(_context_id(body[0]), body[2], syntax)


def encode_user(user: UserInformation) -> bytes:
    parts = [item(ItemType.MAX_LENGTH, struct.pack(">I", user.max_length))]
    if user.implementation_class_uid:
        parts.append(item(ItemType.IMPLEMENTATION_CLASS, user.implementation_class_uid.encode("latin-1")))
    if user.async_window is not None:
        window = struct.pack(">HH", user.async_window.invoked, user.async_window.performed)
        parts.append(item(ItemType.ASYNC_WINDOW, window))
    parts += [item(ItemType.ROLE, _counted(r.sop_class) + bytes((r.scu, r.scp))) for r in user.roles]
    if user.implementation_version:
        parts.append(item(ItemType.IMPLEMENTATION_VERSION, user.implementation_version.encode("latin-1")))
    parts += [item(ItemType.EXTENDED, _counted(e.sop_class) + e.info) for e in user.extended]
    parts += [item(ItemType.COMMON_EXTENDED, _common_extended(c)) for c in user.common_extended]
    if user.user_identity is not None:
        parts.append(item(ItemType.USER_IDENTITY, _user_identity(user.user_identity)))
    if user.user_identity_answer is not None:
        answer = user.user_identity_answer
        parts.append(item(ItemType.USER_IDENTITY_ANSWER, struct.pack(">H", len(answer)) + answer))
    return item(ItemType.USER_INFORMATION, b"".join(parts))


def decode_user(body: bytes) -> UserInformation:
    """The user information in ``body``; a sub-item that comes twice counts the last time."""
    found: dict[str, object] = {}
    roles: list[Role] = []
    extended: list[Extended] = []
    common: list[CommonExtended] = []
    for kind, value in items(body):
        match kind:
            case ItemType.MAX_LENGTH:
                found["max_length"] = _integer(value, ">I", "maximum length")
            case ItemType.IMPLEMENTATION_CLASS:
                found["implementation_class_uid"] = text(value)
            case ItemType.IMPLEMENTATION_VERSION:
                found["implementation_version"] = text(value)
            case ItemType.ASYNC_WINDOW:
                found["async_window"] = _decode_window(value)
            case ItemType.ROLE:
                roles.append(_decode_role(value))
            case ItemType.EXTENDED:
                extended.append(Extended(*_decode_counted(value)))
            case ItemType.COMMON_EXTENDED:
                common.append(_decode_common_extended(value))
            case ItemType.USER_IDENTITY:
                found["user_identity"] = _decode_user_identity(value)
            case ItemType.USER_IDENTITY_ANSWER:
                found["user_identity_answer"] = _take(value, 0)[0]
            case _:
                pass
    lists = {"roles": tuple(roles), "extended": tuple(extended), "common_extended": tuple(common)}
    return UserInformation(**found, **lists)  # type: ignore[arg-type]


def unique_ids(contexts: Iterable[ProposedContext | AnsweredContext]) -> None:
    """Raises PduFault when two contexts carry one id (PS3.8 7.1.1.13)."""
    seen: set[int] = set()
    for context in contexts:
        if context.id in seen:
            raise PduFault(f"presentation context id {context.id} comes twice")
        seen.add(context.id)


def _context_id(value: int) -> int:
    if value % 2 == 0:
        raise PduFault(f"presentation context id {value} is not odd")
    return value


def _need(body: bytes, size: int, what: str) -> None:
    if len(body) < size:
        raise PduFault(f"the {what} item is cut short")


def _integer(body: bytes, form: str, what: str) -> int:
    _need(body, struct.calcsize(form), what)
    return int(struct.unpack_from(form, body)[0])


def _counted(uid: str) -> bytes:
    raw = uid.encode("latin-1")
    return struct.pack(">H", len(raw)) + raw


def _take(body: bytes, position: int) -> tuple[bytes, int]:
    """The 16-bit-counted field at ``position`` and where it ends."""
    _need(body, position + 2, "user information")
    (length,) = struct.unpack_from(">H", body, position)
    end = position + 2 + int(length)
    _need(body, end, "user information")
    return body[position + 2 : end], end


def _decode_counted(body: bytes) -> tuple[str, bytes]:
    uid, end = _take(body, 0)
    return text(uid), body[end:]


def _decode_window(body: bytes) -> AsyncWindow:
    _need(body, 4, "asynchronous window")
    return AsyncWindow(*struct.unpack_from(">HH", body))


def _decode_role(body: bytes) -> Role:
    uid, rest = _decode_counted(body)
    _need(rest, 2, "role selection")
    return Role(uid, rest[0] == 1, rest[1] == 1)


def _common_extended(value: CommonExtended) -> bytes:
    related = b"".join(_counted(uid) for uid in value.related)
    return _counted(value.sop_class) + _counted(value.service_class) + struct.pack(">H", len(related)) + related


def _decode_common_extended(body: bytes) -> CommonExtended:
    sop_class, position = _take(body, 0)
    service_class, position = _take(body, position)
    listed, _ = _take(body, position)
    related: list[str] = []
    position = 0
    while position < len(listed):
        uid, position = _take(listed, position)
        related.append(text(uid))
    return CommonExtended(text(sop_class), text(service_class), tuple(related))


def _user_identity(value: UserIdentity) -> bytes:
    head = bytes((value.type, value.answer_wanted)) + struct.pack(">H", len(value.primary)) + value.primary
    return head + struct.pack(">H", len(value.secondary)) + value.secondary


def _decode_user_identity(body: bytes) -> UserIdentity:
    _need(body, 2, "user identity")
    primary, position = _take(body, 2)
    secondary, _ = _take(body, position)
    return UserIdentity(body[0], body[1] == 1, primary, secondary)
