"""Command sets (PS3.7 section 6.3 and annex E): group 0000 in implicit VR little endian, both ways."""

import struct
from collections.abc import Mapping
from enum import Enum

from filmroom.base.errors import RemoteFault

Value = int | str | tuple[int, ...]


class CommandFault(RemoteFault):
    """The peer sent a command set that PS3.7 does not know."""


class Kind(Enum):
    """How the value of a command element is written (PS3.5 table 6.2-1)."""

    US = "unsigned short"
    UI = "unique identifier"
    AE = "application entity"
    LO = "long string"
    AT = "attribute tags"


# Command elements in use (PS3.7 table E.1-1); retired ones are skipped on reading.
ELEMENTS: Mapping[int, Kind] = {
    0x0002: Kind.UI,  # Affected SOP Class UID
    0x0003: Kind.UI,  # Requested SOP Class UID
    0x0100: Kind.US,  # Command Field
    0x0110: Kind.US,  # Message ID
    0x0120: Kind.US,  # Message ID Being Responded To
    0x0600: Kind.AE,  # Move Destination
    0x0700: Kind.US,  # Priority
    0x0800: Kind.US,  # Command Data Set Type
    0x0900: Kind.US,  # Status
    0x0901: Kind.AT,  # Offending Element
    0x0902: Kind.LO,  # Error Comment
    0x0903: Kind.US,  # Error ID
    0x1000: Kind.UI,  # Affected SOP Instance UID
    0x1001: Kind.UI,  # Requested SOP Instance UID
    0x1002: Kind.US,  # Event Type ID
    0x1005: Kind.AT,  # Attribute Identifier List
    0x1008: Kind.US,  # Action Type ID
    0x1020: Kind.US,  # Number of Remaining Sub-operations
    0x1021: Kind.US,  # Number of Completed Sub-operations
    0x1022: Kind.US,  # Number of Failed Sub-operations
    0x1023: Kind.US,  # Number of Warning Sub-operations
    0x1030: Kind.AE,  # Move Originator Application Entity Title
    0x1031: Kind.US,  # Move Originator Message ID
}

NO_DATA_SET = 0x0101  # Command Data Set Type: any other value announces a data set
HAS_DATA_SET = 0x0001

_ELEMENT = struct.Struct("<HHI")
_US_ELEMENT = struct.Struct("<HHIH")
_GROUP_LENGTH = struct.Struct("<HHII")
_US = struct.Struct("<H")


def encode(elements: Mapping[int, Value]) -> bytes:
    """The command set with its group length, in ascending order of element."""
    parts: list[bytes] = []
    for element in sorted(elements):
        value = elements[element]
        if type(value) is int:
            parts.append(_US_ELEMENT.pack(0, element, 2, value))
        else:
            raw = _raw(ELEMENTS[element], value)
            parts.append(_ELEMENT.pack(0, element, len(raw)) + raw)
    body = b"".join(parts)
    return _GROUP_LENGTH.pack(0, 0, 4, len(body)) + body


def decode(data: bytes) -> dict[int, Value]:
    """The elements of a command set; unknown ones and the group length are skipped. Raises CommandFault."""
    found: dict[int, Value] = {}
    position, end = 0, len(data)
    while position < end:
        if position + 8 > end:
            raise CommandFault("a command element is cut short")
        group, element, length = _ELEMENT.unpack_from(data, position)
        position += 8
        if group or length > end - position:
            raise CommandFault(f"element ({group:04X},{element:04X}) of {length} bytes does not fit the command set")
        kind = ELEMENTS.get(element)
        if kind is Kind.US:
            if length == 2:
                found[element] = _US.unpack_from(data, position)[0]
            elif length:
                raise CommandFault(f"element (0000,{element:04X}) has {length} bytes where 2 belong")
        elif kind is not None:
            found[element] = _value(kind, data[position : position + length])
        position += length
    return found


def _raw(kind: Kind, value: Value) -> bytes:
    if isinstance(value, tuple):
        return b"".join(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in value)
    raw = str(value).encode("latin-1", "replace")
    return raw + (b"\0" if kind is Kind.UI else b" ") if len(raw) % 2 else raw


def _value(kind: Kind, raw: bytes) -> Value:
    if kind is Kind.AT:
        if len(raw) % 4:
            raise CommandFault("a list of attribute tags is cut short")
        return tuple(group << 16 | element for group, element in struct.iter_unpack("<HH", raw))
    return raw.decode("latin-1").strip(" \0")
