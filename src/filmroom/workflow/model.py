"""Orders as the ward speaks of them, and the states of a scheduled procedure step (PS3.3 C.4.10)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

from filmroom.base.errors import FilmroomError, NotFound
from filmroom.base.ids import StudyUid
from filmroom.dicom.question import JsonDataset


class StepStatus(Enum):
    """Scheduled Procedure Step Status (0040,0020): the defined terms, and how a step ends."""

    SCHEDULED = "SCHEDULED"
    ARRIVED = "ARRIVED"  # the patient is here
    READY = "READY"  # and prepared
    STARTED = "STARTED"  # at least one performed procedure step exists
    DEPARTED = "DEPARTED"  # the patient is gone; images may still come
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELED"  # spelled as PS3.4 CC.1.1 does
    DISCONTINUED = "DISCONTINUED"


class StepEvent(Enum):
    """What happens to a step."""

    RESCHEDULED = "rescheduled"
    ARRIVED = "arrived"  # ADT A10, or the front desk
    PREPARED = "prepared"
    BEGUN = "begun"  # MPPS IN PROGRESS, or the first image
    LEFT = "left"
    DONE = "done"  # MPPS COMPLETED, the last image, or a report
    BROKEN_OFF = "broken-off"  # MPPS DISCONTINUED
    CANCELLED = "cancelled"
    REOPENED = "reopened"


S, E = StepStatus, StepEvent

# A step that was called off and is performed all the same has been begun: what happened is stronger than the plan.
NEXT: Final[Mapping[tuple[StepStatus, StepEvent], StepStatus]] = MappingProxyType(
    {
        (S.SCHEDULED, E.RESCHEDULED): S.SCHEDULED,
        (S.SCHEDULED, E.ARRIVED): S.ARRIVED,
        (S.SCHEDULED, E.PREPARED): S.READY,
        (S.SCHEDULED, E.BEGUN): S.STARTED,
        (S.SCHEDULED, E.DONE): S.COMPLETED,
        (S.SCHEDULED, E.BROKEN_OFF): S.DISCONTINUED,
        (S.SCHEDULED, E.CANCELLED): S.CANCELLED,
        (S.ARRIVED, E.RESCHEDULED): S.SCHEDULED,
        (S.ARRIVED, E.PREPARED): S.READY,
        (S.ARRIVED, E.BEGUN): S.STARTED,
        (S.ARRIVED, E.LEFT): S.DEPARTED,
        (S.ARRIVED, E.DONE): S.COMPLETED,
        (S.ARRIVED, E.BROKEN_OFF): S.DISCONTINUED,
        (S.ARRIVED, E.CANCELLED): S.CANCELLED,
        (S.READY, E.RESCHEDULED): S.SCHEDULED,
        (S.READY, E.ARRIVED): S.ARRIVED,
        (S.READY, E.BEGUN): S.STARTED,
        (S.READY, E.LEFT): S.DEPARTED,
        (S.READY, E.DONE): S.COMPLETED,
        (S.READY, E.BROKEN_OFF): S.DISCONTINUED,
        (S.READY, E.CANCELLED): S.CANCELLED,
        (S.STARTED, E.BEGUN): S.STARTED,
        (S.STARTED, E.LEFT): S.DEPARTED,
        (S.STARTED, E.DONE): S.COMPLETED,
        (S.STARTED, E.BROKEN_OFF): S.DISCONTINUED,
        (S.STARTED, E.CANCELLED): S.DISCONTINUED,
        (S.DEPARTED, E.BEGUN): S.STARTED,
        (S.DEPARTED, E.ARRIVED): S.ARRIVED,
        (S.DEPARTED, E.DONE): S.COMPLETED,
        (S.DEPARTED, E.BROKEN_OFF): S.DISCONTINUED,
        (S.DEPARTED, E.CANCELLED): S.DISCONTINUED,
        (S.COMPLETED, E.BEGUN): S.STARTED,  # more is acquired under the same step
        (S.COMPLETED, E.DONE): S.COMPLETED,
        (S.COMPLETED, E.REOPENED): S.SCHEDULED,
        (S.CANCELLED, E.BEGUN): S.STARTED,
        (S.CANCELLED, E.DONE): S.COMPLETED,
        (S.CANCELLED, E.CANCELLED): S.CANCELLED,
        (S.CANCELLED, E.REOPENED): S.SCHEDULED,
        (S.DISCONTINUED, E.BEGUN): S.STARTED,
        (S.DISCONTINUED, E.DONE): S.COMPLETED,
        (S.DISCONTINUED, E.BROKEN_OFF): S.DISCONTINUED,
        (S.DISCONTINUED, E.REOPENED): S.SCHEDULED,
    }
)

# A step in one of these stays off the worklists unless the asker names its status.
CLOSED: Final = frozenset({S.COMPLETED, S.CANCELLED, S.DISCONTINUED})
OPEN: Final = frozenset(S) - CLOSED


class WrongState(FilmroomError):
    """The step is not in a state in which this can happen to it."""


class NoSuchOrder(NotFound):
    """There is no such order, procedure or step."""


class OrderExists(FilmroomError):
    """Another order has this accession number."""


class BadOrder(FilmroomError):
    """An order lacks what every order must have, or holds what cannot be kept."""


def after(status: StepStatus, event: StepEvent) -> StepStatus:
    """The status that follows. Raises WrongState."""
    try:
        return NEXT[status, event]
    except KeyError:
        raise WrongState(f"a step that is {status.value} cannot be {event.value}") from None


class StudyUidRule(Enum):
    """Where the Study Instance UID of a procedure comes from when the order brings none."""

    GENERATE = "generate"
    FROM_ACCESSION = "from-accession"  # the same order, sent again, gets the same UID
    REQUIRE = "require"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRules:
    """How what an order lacks is filled in.

    Patterns are formatted with ``at`` (the moment) and ``n`` (a number that is never given twice); an identifier has at
    most 16 characters (SH).
    """

    accession: str = "A{at:%y%m%d}{n:06d}"
    procedure_id: str = "RP{n:08d}"
    step_id: str = "SPS{n:08d}"
    study_uid: StudyUidRule = StudyUidRule.GENERATE


@dataclass(frozen=True, slots=True)
class Code:
    """A coded entry (PS3.3 table 8.8-1)."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedPatient:
    """For whom. ``name`` as PN value, groups separated by ``=``; ``birth_date`` YYYYMMDD; ``issuer`` '' is ours.

    ``more`` is further DICOM JSON of the patient, kept with it when it is new.
    """

    id: str
    name: str
    issuer: str = ""
    birth_date: str = ""
    sex: str = ""
    more: JsonDataset = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedStep:
    """One scheduled step. ``start`` is the hospital's local time, without zone; ``more`` is of the sequence item."""

    modality: str
    start: datetime
    stations: tuple[str, ...] = ()
    station_names: tuple[str, ...] = ()
    location: str = ""
    description: str = ""
    performing: str = ""
    protocols: tuple[Code, ...] = ()
    pre_medication: str = ""
    contrast: str = ""
    comments: str = ""
    id: str = ""
    status: StepStatus = StepStatus.SCHEDULED
    more: JsonDataset = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedProcedure:
    """One requested procedure: its images are one study. ``priority``: STAT HIGH ROUTINE MEDIUM LOW."""

    steps: tuple[OrderedStep, ...]
    description: str = ""
    code: Code | None = None
    priority: str = ""
    reason: str = ""
    transport: str = ""
    comments: str = ""
    id: str = ""
    study_uid: str = ""
    more: JsonDataset = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """An order as it is placed; what is '' is generated or stays unknown.

    ``more`` is further DICOM JSON of the request, the visit, and the patient as of now (weight, allergies).
    """

    patient: OrderedPatient
    procedures: tuple[OrderedProcedure, ...]
    accession: str = ""
    accession_issuer: str = ""
    placer_number: str = ""
    filler_number: str = ""
    admission_id: str = ""
    referring: str = ""
    requesting: str = ""
    service: str = ""
    patient_location: str = ""
    more: JsonDataset = field(default_factory=dict)
    site_pk: int | None = None
    department_pk: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A scheduled step as it stands, with what identifies it. ``start`` is DICOM date and time, as kept."""

    pk: int
    order_pk: int
    step_id: str
    procedure_id: str
    accession: str
    study_uid: StudyUid
    patient_id: str
    patient_name: str
    modality: str
    stations: tuple[str, ...]
    start_date: str
    start_time: str
    status: StepStatus
    description: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """An order as it is listed."""

    pk: int
    accession: str
    accession_issuer: str
    patient_id: str
    patient_issuer: str
    state: str
    placer_number: str
    filler_number: str
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What an order became."""

    order_pk: int
    accession: str
    study_uids: tuple[StudyUid, ...]
    procedure_ids: tuple[str, ...]
    step_ids: tuple[str, ...]
