"""Protocol data units of the upper layer (PS3.8 9.3), typed, both ways, except for the contents of P-DATA-TF:
those are never held as a whole (see ``reader`` and ``wire.dimse.fragments``).
"""

import struct
from dataclasses import dataclass, field
from enum import IntEnum

from filmroom.wire.ul.items import (
    APPLICATION_CONTEXT,
    AbortReason,
    AnsweredContext,
    ItemType,
    PduFault,
    ProposedContext,
    UserInformation,
    decode_answered,
    decode_proposed,
    decode_user,
    encode_answered,
    encode_proposed,
    encode_user,
    item,
    items,
    text,
    unique_ids,
)

PROTOCOL_VERSION = 1  # bit 0 of the field (PS3.8 table 9-11)
HEADER = struct.Struct(">BxI")
_FIXED = struct.Struct(">H2x16s16s32x")


class PduType(IntEnum):
    """PDU types (PS3.8 9.3.1)."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    P_DATA_TF = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class AbortSource(IntEnum):
    """Who aborted (PS3.8 table 9-26)."""

    USER = 0
    PROVIDER = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociateRq:
    """A-ASSOCIATE-RQ (PS3.8 9.3.2). AE titles without padding, otherwise as sent."""

    called_ae: str
    calling_ae: str
    contexts: tuple[ProposedContext, ...]
    user: UserInformation
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = PROTOCOL_VERSION

    def encode(self) -> bytes:
        contexts = b"".join(encode_proposed(c) for c in self.contexts)
        return _associate(PduType.ASSOCIATE_RQ, self, contexts)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociateAc:
    """A-ASSOCIATE-AC (PS3.8 9.3.3); the AE titles repeat the request's."""

    called_ae: str
    calling_ae: str
    contexts: tuple[AnsweredContext, ...]
    user: UserInformation
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = PROTOCOL_VERSION

    def encode(self) -> bytes:
        contexts = b"".join(encode_answered(c) for c in self.contexts)
        return _associate(PduType.ASSOCIATE_AC, self, contexts)


@dataclass(frozen=True, slots=True)
class AssociateRj:
    """A-ASSOCIATE-RJ (PS3.8 9.3.4). ``comment`` is for our own log; it is not sent."""

    result: int
    source: int
    reason: int
    comment: str = field(default="", compare=False)

    def encode(self) -> bytes:
        return HEADER.pack(PduType.ASSOCIATE_RJ, 4) + bytes((0, self.result, self.source, self.reason))


@dataclass(frozen=True, slots=True)
class ReleaseRq:
    """A-RELEASE-RQ (PS3.8 9.3.6)."""

    def encode(self) -> bytes:
        return HEADER.pack(PduType.RELEASE_RQ, 4) + bytes(4)


@dataclass(frozen=True, slots=True)
class ReleaseRp:
    """A-RELEASE-RP (PS3.8 9.3.7)."""

    def encode(self) -> bytes:
        return HEADER.pack(PduType.RELEASE_RP, 4) + bytes(4)


@dataclass(frozen=True, slots=True)
class Abort:
    """A-ABORT (PS3.8 9.3.8)."""

    source: int
    reason: int = AbortReason.NOT_SPECIFIED

    def encode(self) -> bytes:
        return HEADER.pack(PduType.ABORT, 4) + bytes((0, 0, self.source, self.reason))


Pdu = AssociateRq | AssociateAc | AssociateRj | ReleaseRq | ReleaseRp | Abort

# Reasons of A-ASSOCIATE-RJ as (result, source, reason), PS3.8 table 9-21.
REJECTED_NO_REASON = AssociateRj(1, 1, 1, "no reason given")
REJECTED_APPLICATION_CONTEXT = AssociateRj(1, 1, 2, "application context name not supported")
REJECTED_CALLING_AE = AssociateRj(1, 1, 3, "calling AE title not recognised")
REJECTED_CALLED_AE = AssociateRj(1, 1, 7, "called AE title not recognised")
REJECTED_PROTOCOL_VERSION = AssociateRj(1, 2, 2, "protocol version not supported")
REJECTED_CONGESTION = AssociateRj(2, 3, 1, "temporary congestion")
REJECTED_LOCAL_LIMIT = AssociateRj(2, 3, 2, "local limit exceeded")


def decode(kind: int, body: bytes) -> Pdu:
    """The PDU of type ``kind`` whose variable field is ``body``. Raises PduFault."""
    match kind:
        case PduType.ASSOCIATE_RQ:
            return _decode_rq(body)
        case PduType.ASSOCIATE_AC:
            return _decode_ac(body)
        case PduType.ASSOCIATE_RJ:
            _exactly_four(body)
            return AssociateRj(body[1], body[2], body[3])
        case PduType.RELEASE_RQ:
            _exactly_four(body)
            return ReleaseRq()
        case PduType.RELEASE_RP:
            _exactly_four(body)
            return ReleaseRp()
        case PduType.ABORT:
            _exactly_four(body)
            return Abort(body[2], body[3])
        case _:
            raise PduFault(f"PDU type {kind:02X}H is unknown", AbortReason.UNRECOGNIZED_PDU)


def _associate(kind: PduType, pdu: AssociateRq | AssociateAc, contexts: bytes) -> bytes:
    called, calling = (ae.encode("latin-1").ljust(16)[:16] for ae in (pdu.called_ae, pdu.calling_ae))
    application = item(ItemType.APPLICATION_CONTEXT, pdu.application_context.encode("latin-1"))
    body = _FIXED.pack(pdu.protocol_version, called, calling) + application + contexts + encode_user(pdu.user)
    return HEADER.pack(kind, len(body)) + body


def _decode_rq(body: bytes) -> AssociateRq:
    version, called, calling = _fixed(body)
    application, user = "", UserInformation()
    contexts: list[ProposedContext] = []
    for kind, value in items(body[_FIXED.size :]):
        if kind == ItemType.APPLICATION_CONTEXT:
            application = text(value)
        elif kind == ItemType.PROPOSED_CONTEXT:
            contexts.append(decode_proposed(value))
        elif kind == ItemType.USER_INFORMATION:
            user = decode_user(value)
    unique_ids(contexts)
    return AssociateRq(
        called_ae=called,
        calling_ae=calling,
        contexts=tuple(contexts),
        user=user,
        application_context=application,
        protocol_version=version,
    )


def _decode_ac(body: bytes) -> AssociateAc:
    version, called, calling = _fixed(body)
    application, user = "", UserInformation()
    contexts: list[AnsweredContext] = []
    for kind, value in items(body[_FIXED.size :]):
        if kind == ItemType.APPLICATION_CONTEXT:
            application = text(value)
        elif kind == ItemType.ANSWERED_CONTEXT:
            contexts.append(decode_answered(value))
        elif kind == ItemType.USER_INFORMATION:
            user = decode_user(value)
    unique_ids(contexts)
    return AssociateAc(
        called_ae=called,
        calling_ae=calling,
        contexts=tuple(contexts),
        user=user,
        application_context=application,
        protocol_version=version,
    )


def _fixed(body: bytes) -> tuple[int, str, str]:
    """Protocol version and AE titles. Some peers pad titles with NUL instead of space."""
    if len(body) < _FIXED.size:
        raise PduFault("the fixed part of an A-ASSOCIATE PDU is cut short")
    version, called, calling = _FIXED.unpack_from(body)
    return version, _title(called), _title(calling)


def _title(raw: bytes) -> str:
    return raw.decode("latin-1").rstrip("\0").strip(" ")


def _exactly_four(body: bytes) -> None:
    if len(body) != 4:
        raise PduFault(f"the PDU has {len(body)} bytes where the standard has 4")
