"""Unified procedure steps as values: states, faults, and the state machine (PS3.4 tables CC.1.1-1 and CC.1.1-2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from filmroom.base.errors import FilmroomError, NotFound
from filmroom.base.ids import SopUid
from filmroom.dicom.question import JsonDataset

# CC.2.3, CC.3.1.2: these stand for all work items.
GLOBAL: Final = "1.2.840.10008.5.1.4.34.5"
FILTERED_GLOBAL: Final = "1.2.840.10008.5.1.4.34.5.1"


class State(Enum):
    """Procedure Step State (0074,1000)."""

    SCHEDULED = "SCHEDULED"
    IN_PROGRESS = "IN PROGRESS"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"


FINAL: Final = frozenset({State.COMPLETED, State.CANCELED})


class Ask(Enum):
    """What is asked of an item; ``_KEYLESS`` without its correct transaction UID."""

    CREATE = "create"
    START = "start"
    START_KEYLESS = "start without a transaction UID"
    BACK = "back to SCHEDULED"
    COMPLETE = "complete"
    COMPLETE_KEYLESS = "complete without the transaction UID"
    REQUEST_CANCEL = "request cancel"
    CANCEL = "cancel"
    CANCEL_KEYLESS = "cancel without the transaction UID"


class Fault(Enum):
    """Why a request is refused, or what is warned of. Each edge has a status for each."""

    DUPLICATE = "duplicate"
    BAD_INSTANCE = "bad-instance"
    WRONG_CLASS = "wrong-class"
    NO_SUCH_ITEM = "no-such-item"
    DELETED = "deleted"
    MISSING = "missing"
    MISSING_VALUE = "missing-value"
    BAD_VALUE = "bad-value"
    NOT_DECODED = "not-decoded"
    NOT_CREATED_SCHEDULED = "not-created-scheduled"
    ENDED = "ended"  # may no longer be updated
    WRONG_TRANSACTION = "wrong-transaction"
    UNDER_WAY = "under-way"  # is in progress already
    NOT_BACK = "not-back"  # SCHEDULED only by creation
    FINAL_LACKS = "final-lacks"
    UNKNOWN_RECEIVER = "unknown-receiver"
    NOT_UNDER_WAY = "not-under-way"
    COMPLETED_ALREADY = "completed-already"
    NOT_FOR_THIS = "not-for-this"
    NO_SUCH_ACTION = "no-such-action"
    PERFORMER_AWAY = "performer-away"  # nobody who performs it would hear of a cancel request
    PERFORMER_GOES_ON = "performer-goes-on"  # we perform it and do not stop; Filmroom performs no step of its own yet
    NO_REPORTS = "no-reports"  # this archive sends no event reports
    # Warnings: taken all the same.
    MODIFIED = "modified"
    LOCK_NOT_GRANTED = "lock-not-granted"
    CANCELED_BEFORE = "canceled-before"
    COMPLETED_BEFORE = "completed-before"
    COERCED = "coerced"
    NOT_SETTABLE = "not-settable"
    UNKNOWN_ATTRIBUTES = "unknown-attributes"


WARNINGS: Final = frozenset(
    {
        Fault.MODIFIED,
        Fault.LOCK_NOT_GRANTED,
        Fault.CANCELED_BEFORE,
        Fault.COMPLETED_BEFORE,
        Fault.COERCED,
        Fault.NOT_SETTABLE,
        Fault.UNKNOWN_ATTRIBUTES,
    }
)

S, A, F = State, Ask, Fault

# Table CC.1.1-2, row by row; no state: no such item. A state that follows still has to meet the final state
# requirements; REQUEST_CANCEL of an item in progress changes nothing, it is reported to whoever performs it.
NEXT: Final[Mapping[tuple[State | None, Ask], State | Fault]] = MappingProxyType(
    {
        (None, A.CREATE): S.SCHEDULED,
        **{(state, A.CREATE): F.DUPLICATE for state in S},
        **{(None, ask): F.NO_SUCH_ITEM for ask in A if ask is not A.CREATE},
        (S.SCHEDULED, A.START): S.IN_PROGRESS,
        (S.IN_PROGRESS, A.START): F.UNDER_WAY,
        (S.COMPLETED, A.START): F.ENDED,
        (S.CANCELED, A.START): F.ENDED,
        **{(state, A.START_KEYLESS): F.WRONG_TRANSACTION for state in S},
        **{(state, A.BACK): F.NOT_BACK for state in S},
        (S.SCHEDULED, A.COMPLETE): F.NOT_UNDER_WAY,
        (S.IN_PROGRESS, A.COMPLETE): S.COMPLETED,
        (S.COMPLETED, A.COMPLETE): F.COMPLETED_BEFORE,
        (S.CANCELED, A.COMPLETE): F.ENDED,
        **{(state, A.COMPLETE_KEYLESS): F.WRONG_TRANSACTION for state in S},
        (S.SCHEDULED, A.REQUEST_CANCEL): S.CANCELED,
        (S.IN_PROGRESS, A.REQUEST_CANCEL): S.IN_PROGRESS,
        (S.COMPLETED, A.REQUEST_CANCEL): F.COMPLETED_ALREADY,
        (S.CANCELED, A.REQUEST_CANCEL): F.CANCELED_BEFORE,
        (S.SCHEDULED, A.CANCEL): F.NOT_UNDER_WAY,
        (S.IN_PROGRESS, A.CANCEL): S.CANCELED,
        (S.COMPLETED, A.CANCEL): F.ENDED,
        (S.CANCELED, A.CANCEL): F.CANCELED_BEFORE,
        **{(state, A.CANCEL_KEYLESS): F.WRONG_TRANSACTION for state in S},
    }
)


class EventType(Enum):
    """Event Type ID (table CC.2.4-1)."""

    STATE_REPORT = 1
    CANCEL_REQUESTED = 2
    PROGRESS = 3
    PROVIDER_STATUS = 4
    ASSIGNED = 5


class NoSuchWorkitem(NotFound):
    """There is no such work item."""


class WorkitemRefused(FilmroomError):
    """What is asked of a work item cannot be done to it as it is."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault with the attributes concerned."""

    fault: Fault
    tags: tuple[int, ...] = ()
    comment: str = ""

    @property
    def warns(self) -> bool:
        return self.fault in WARNINGS


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of a request. ``finding`` refuses or warns; ``attributes`` are the object's, where they are asked."""

    sop_uid: SopUid
    finding: Finding | None = None
    attributes: JsonDataset | None = None
    charset: str = ""

    @property
    def refused(self) -> bool:
        return self.finding is not None and not self.finding.warns
