"""Statuses of DIMSE responses, with their names (PS3.7 annex C; PS3.4 for the service classes)."""

from collections.abc import Mapping
from enum import Enum
from typing import Final

SUCCESS: Final = 0x0000
PENDING: Final = 0xFF00
PENDING_OPTIONAL_KEYS: Final = 0xFF01  # PS3.4 C.4.1.1.4: an optional key is not supported
CANCEL: Final = 0xFE00
SOP_CLASS_NOT_SUPPORTED: Final = 0x0122
NOT_AUTHORISED: Final = 0x0124
DUPLICATE_SOP_INSTANCE: Final = 0x0111
PROCESSING_FAILURE: Final = 0x0110
UNRECOGNIZED_OPERATION: Final = 0x0211
DUPLICATE_INVOCATION: Final = 0x0210
OUT_OF_RESOURCES: Final = 0xA700
CANNOT_COUNT_MATCHES: Final = 0xA701
CANNOT_PERFORM_SUB_OPERATIONS: Final = 0xA702
MOVE_DESTINATION_UNKNOWN: Final = 0xA801
DATA_SET_MISMATCH: Final = 0xA900  # for queries: identifier does not match the SOP class
CANNOT_UNDERSTAND: Final = 0xC000
SUB_OPERATIONS_FAILED: Final = 0xB000  # for C-STORE: coercion of data elements
MAX_COMMENT_CHARACTERS: Final = 64  # LO, PS3.7 table C.4-1


class StatusClass(Enum):
    """PS3.7 annex C.1 to C.5."""

    SUCCESS = "success"
    WARNING = "warning"
    FAILURE = "failure"
    CANCEL = "cancel"
    PENDING = "pending"


# Statuses with one meaning in every service (PS3.7 annex C).
GENERAL: Mapping[int, str] = {
    0x0000: "Success",
    0x0001: "Requested optional attributes are not supported",
    0x0105: "No such attribute",
    0x0106: "Invalid attribute value",
    0x0107: "Attribute list error",
    0x0110: "Processing failure",
    0x0111: "Duplicate SOP instance",
    0x0112: "No such SOP instance",
    0x0113: "No such event type",
    0x0114: "No such argument",
    0x0115: "Invalid argument value",
    0x0116: "Attribute value out of range",
    0x0117: "Invalid SOP instance",
    0x0118: "No such SOP class",
    0x0119: "Class-instance conflict",
    0x0120: "Missing attribute",
    0x0121: "Missing attribute value",
    0x0122: "SOP class not supported",
    0x0123: "No such action type",
    0x0124: "Refused: not authorised",
    0x0131: "Duplicate transaction UID",
    0x0210: "Duplicate invocation",
    0x0211: "Unrecognized operation",
    0x0212: "Mistyped argument",
    0x0213: "Resource limitation",
    0xFE00: "Cancel",
}

# Per service: (first status, last status, name). PS3.4 tables B.2-1, C.4-1, C.4-2, C.4-3.
C_STORE = (
    (0xA700, 0xA7FF, "Refused: out of resources"),
    (0xA900, 0xA9FF, "Error: data set does not match SOP class"),
    (0xB000, 0xB000, "Warning: coercion of data elements"),
    (0xB006, 0xB006, "Warning: elements discarded"),
    (0xB007, 0xB007, "Warning: data set does not match SOP class"),
    (0xC000, 0xCFFF, "Error: cannot understand"),
)
C_FIND = (
    (0xA700, 0xA700, "Refused: out of resources"),
    (0xA900, 0xA900, "Error: identifier does not match SOP class"),
    (0xC000, 0xCFFF, "Failed: unable to process"),
    (0xFE00, 0xFE00, "Matching terminated due to cancel request"),
    (0xFF00, 0xFF00, "Matches are continuing"),
    (0xFF01, 0xFF01, "Matches are continuing, but an optional key is not supported"),
)
C_MOVE = (
    (0xA701, 0xA701, "Refused: out of resources, unable to calculate number of matches"),
    (0xA702, 0xA702, "Refused: out of resources, unable to perform sub-operations"),
    (0xA801, 0xA801, "Refused: move destination unknown"),
    (0xA900, 0xA900, "Error: identifier does not match SOP class"),
    (0xAA00, 0xAA00, "Failed: none of the frames requested were found in the SOP instance"),
    (0xAA01, 0xAA01, "Failed: unable to create new object for this SOP class"),
    (0xAA02, 0xAA02, "Failed: unable to extract frames"),
    (0xAA03, 0xAA03, "Failed: time-based request for a non-time-based original SOP instance"),
    (0xAA04, 0xAA04, "Failed: invalid request"),
    (0xB000, 0xB000, "Warning: sub-operations complete, one or more failures or warnings"),
    (0xC000, 0xCFFF, "Failed: unable to process"),
    (0xFE00, 0xFE00, "Sub-operations terminated due to a cancel indication"),
    (0xFF00, 0xFF00, "Sub-operations are continuing"),
)
C_GET = C_MOVE


def status_class(status: int) -> StatusClass:
    """PS3.7 annex C: 0001, 0107, 0116 and Bxxx warn; what is not listed failed."""
    if status == SUCCESS:
        return StatusClass.SUCCESS
    if status in (PENDING, PENDING_OPTIONAL_KEYS):
        return StatusClass.PENDING
    if status == CANCEL:
        return StatusClass.CANCEL
    if status in (0x0001, 0x0107, 0x0116) or status >> 12 == 0xB:
        return StatusClass.WARNING
    return StatusClass.FAILURE


def status_name(status: int, service: tuple[tuple[int, int, str], ...] = ()) -> str:
    """What the status says, in a service whose table is given or in general."""
    for first, last, name in service:
        if first <= status <= last:
            return name
    return GENERAL.get(status) or f"{status_class(status).value.capitalize()} ({status:04X}H)"


def comment(text: str) -> str:
    """``text`` fit for Error Comment: printable ASCII without backslash, at most 64 characters (PS3.7 C.4.2)."""
    plain = "".join(c if " " <= c <= "~" and c != "\\" else "?" for c in text)
    return plain[:MAX_COMMENT_CHARACTERS].strip()
