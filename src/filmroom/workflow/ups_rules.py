"""What a unified procedure step must hold when created, changed and ended (PS3.4 table CC.2.5-3). Pure.

Attributes of type 2 that are missing are taken as empty: most performers and requesters leave some out.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from filmroom.dicom.dates import datetime_value
from filmroom.dicom.dictionary import keyword_of, vr_of
from filmroom.dicom.question import JsonDataset, hex_key
from filmroom.workflow.attributes import element, first, items
from filmroom.workflow.ups_model import EventType, Fault, Finding, State

CHARACTER_SET: Final = 0x00080005
SOP_CLASS: Final = 0x00080016
SOP_INSTANCE: Final = 0x00080018
TRANSACTION_UID: Final = 0x00081195
STATE: Final = 0x00741000
PROGRESS: Final = 0x00741002
PERFORMED: Final = 0x00741216
PRIORITY: Final = 0x00741200
LABEL: Final = 0x00741204
WORKLIST_LABEL: Final = 0x00741202
READINESS: Final = 0x00404041
START: Final = 0x00404005
MODIFIED_AT: Final = 0x00404010
STATIONS: Final = 0x00404025
PERFORMERS: Final = 0x00404034
PERFORMER_CODES: Final = 0x00404009
PERFORMER_ORGANISATION: Final = 0x00404036
CANCELLED_AT: Final = 0x00404052
CANCEL_REASON: Final = 0x00741238
CANCEL_CODES: Final = 0x0074100E
CONTACT_URI: Final = 0x0074100A
CONTACT_NAME: Final = 0x0074100C
REQUESTING_AE: Final = 0x00741236

PUSH_CLASS: Final = "1.2.840.10008.5.1.4.34.6.1"
DEFAULT_WORKLIST: Final = "FILMROOM"

_REQUIRED: Final = (PRIORITY, LABEL, START, READINESS, STATE)
# Type 2: taken as empty when missing.
_EMPTY: Final = (
    *(0x00741210, STATIONS, 0x00404026, 0x00404027, 0x00404018, 0x00400400, 0x00404021, 0x00100010, 0x00100020),
    *(0x00100021, 0x00100024, 0x00101002, 0x00100030, 0x00100040, 0x00380010, 0x00380014, 0x00081080, 0x00081084),
    *(0x0040A370, PROGRESS, PERFORMED),
)
_CREATED_EMPTY: Final = (PROGRESS, PERFORMED)
# N-SET "not allowed": of whom the step is, and for which request, is said once.
_FIXED: Final = frozenset(
    {
        *(SOP_CLASS, SOP_INSTANCE, STATE, MODIFIED_AT, 0x00100010, 0x00100020, 0x00100021, 0x00100024, 0x00100030),
        *(0x00100040, 0x00380010, 0x00380014, 0x00081080, 0x00081084, 0x0040A370, 0x00741224),
    }
)
_VALUES: Final[Mapping[int, frozenset[str]]] = MappingProxyType(
    {
        PRIORITY: frozenset({"HIGH", "MEDIUM", "LOW"}),
        READINESS: frozenset({"INCOMPLETE", "UNAVAILABLE", "READY"}),
    }
)

# Final state codes R (both), P (COMPLETED) and X (CANCELED); those of items of PERFORMED and PROGRESS by their
# sequence. Output Information Sequence and Performed Station Name Code Sequence must be there and may be empty.
_FINAL: Final = (PRIORITY, START, READINESS, SOP_CLASS, SOP_INSTANCE)
_PERFORMED_VALUES: Final = (0x00404050, 0x00404051, 0x00404019)
_PERFORMED_PRESENT: Final = (0x00404028, 0x00404033)


@dataclass(frozen=True, slots=True)
class Judged:
    """A request as it is taken; refused when ``finding`` does not merely warn."""

    attributes: JsonDataset
    finding: Finding | None = None

    @property
    def taken(self) -> bool:
        return self.finding is None or self.finding.warns


def judge_creation(given: JsonDataset, sop_uid: str, now: datetime) -> Judged:
    """An N-CREATE's attribute list (CC.2.5.3)."""
    held = {name: one for name, one in given.items() if int(name, 16) not in (CHARACTER_SET, MODIFIED_AT)}
    if "00741000" in held and text(held, STATE) != State.SCHEDULED.value:
        comment = "the provided value of UPS State was not SCHEDULED"
        return Judged(given, Finding(Fault.NOT_CREATED_SCHEDULED, (STATE,), comment))
    if text(held, TRANSACTION_UID):
        return Judged(given, Finding(Fault.BAD_VALUE, (TRANSACTION_UID,), "the Transaction UID must be empty"))
    held.pop(hex_key(TRANSACTION_UID), None)
    if finding := _lacks(held) or _bad(held):
        return Judged(given, finding)
    emptied = [tag for tag in _CREATED_EMPTY if items(held, tag)]
    held |= {hex_key(tag): {"vr": "SQ"} for tag in emptied}
    whole = {hex_key(tag): {"vr": vr_of(tag)} for tag in _EMPTY} | held
    if not text(whole, WORKLIST_LABEL):
        whole |= element(WORKLIST_LABEL, DEFAULT_WORKLIST)
    whole |= element(SOP_CLASS, PUSH_CLASS) | element(SOP_INSTANCE, sop_uid) | element(MODIFIED_AT, moment(now))
    return Judged(whole, Finding(Fault.MODIFIED, tuple(emptied), _named("emptied", emptied)) if emptied else None)


def judge_change(kept: JsonDataset, given: JsonDataset, now: datetime) -> Judged:
    """An N-SET's modification list, whose right to be made is already known (CC.2.6.3)."""
    changes = {name: one for name, one in given.items() if int(name, 16) not in (CHARACTER_SET, TRANSACTION_UID)}
    if "00741000" in changes and text(changes, STATE) != text(kept, STATE):
        return Judged(kept, Finding(Fault.BAD_VALUE, (STATE,), "the state is changed by N-ACTION"))
    foreign = [int(name, 16) for name, one in changes.items() if int(name, 16) in _FIXED and one != kept.get(name)]
    settable = {name: one for name, one in changes.items() if int(name, 16) not in _FIXED}
    whole = {**kept, **settable, **element(MODIFIED_AT, moment(now))}
    if finding := _lacks(whole) or _bad(settable):
        return Judged(kept, finding)
    if not text(whole, WORKLIST_LABEL):
        whole |= element(WORKLIST_LABEL, DEFAULT_WORKLIST)
    return Judged(whole, Finding(Fault.NOT_SETTABLE, tuple(foreign), _named("not set", foreign)) if foreign else None)


def final_lack(held: JsonDataset, state: State) -> tuple[int, ...]:
    """What the final state requirements miss (CC.2.5.1.1)."""
    lack = [tag for tag in _FINAL if not text(held, tag)]
    if state is State.COMPLETED:
        done = items(held, PERFORMED)
        if not done:
            return (*lack, PERFORMED)
        lack += [tag for tag in _PERFORMED_VALUES if not all(_valued(one, tag) for one in done)]
        lack += [tag for tag in _PERFORMED_PRESENT if not all(hex_key(tag) in one for one in done)]
    elif not all(_valued(one, CANCEL_CODES) for one in items(held, PROGRESS) or [{}]):
        lack.append(CANCEL_CODES)
    return tuple(dict.fromkeys(lack))


def cancelled(held: JsonDataset, now: datetime, given: JsonDataset | None = None) -> JsonDataset:
    """The item with its cancellation date and time filled in, and with why when that is told (0040,4052 X)."""
    progress: JsonDataset = {**(items(held, PROGRESS) or [{}])[0]}
    for tag in (CANCEL_REASON, CANCEL_CODES):
        if given is not None and hex_key(tag) in given:
            progress[hex_key(tag)] = given[hex_key(tag)]
    if not text(progress, CANCELLED_AT):
        progress |= element(CANCELLED_AT, moment(now))
    return {**held, hex_key(PROGRESS): {"vr": "SQ", "Value": [progress]}}


# DICOM code for a cancel that is not explained: (110513, DCM), CID 9301.
NO_REASON: Final[JsonDataset] = {
    "00080100": {"vr": "SH", "Value": ["110513"]},
    "00080102": {"vr": "SH", "Value": ["DCM"]},
    "00080104": {"vr": "LO", "Value": ["Discontinued for unspecified reason"]},
}


def cancelled_by_us(held: JsonDataset, now: datetime, given: JsonDataset) -> JsonDataset:
    """A scheduled item as a cancel request ends it: with a reason code in any case (CC.2.2.3)."""
    made = cancelled(held, now, given)
    progress = items(made, PROGRESS)[0]
    if not items(progress, CANCEL_CODES):
        progress = {**progress, hex_key(CANCEL_CODES): {"vr": "SQ", "Value": [NO_REASON]}}
    return {**made, hex_key(PROGRESS): {"vr": "SQ", "Value": [progress]}}


Event = tuple[EventType, JsonDataset]


def state_report(held: JsonDataset) -> Event:
    """A UPS State Report (event type 1)."""
    report = {hex_key(tag): held.get(hex_key(tag)) or {"vr": vr_of(tag)} for tag in (STATE, READINESS)}
    progress = (items(held, PROGRESS) or [{}])[0]
    if text(held, STATE) == State.CANCELED.value:
        report |= {hex_key(t): progress[hex_key(t)] for t in (CANCEL_REASON, CANCEL_CODES) if hex_key(t) in progress}
    return EventType.STATE_REPORT, report


def cancel_report(asked_by: str, given: JsonDataset) -> Event:
    """UPS Cancel Requested (event type 2)."""
    told = {
        hex_key(tag): given[hex_key(tag)]
        for tag in (CANCEL_REASON, CANCEL_CODES, CONTACT_URI, CONTACT_NAME)
        if hex_key(tag) in given
    }
    return EventType.CANCEL_REQUESTED, element(REQUESTING_AE, asked_by) | told


def events_of(before: JsonDataset, after: JsonDataset) -> Iterator[Event]:
    """What subscribers hear of a change (CC.2.4.3)."""
    if any(before.get(hex_key(tag)) != after.get(hex_key(tag)) for tag in (STATE, READINESS)):
        yield state_report(after)
    if before.get(hex_key(PROGRESS)) != after.get(hex_key(PROGRESS)):
        yield EventType.PROGRESS, {hex_key(PROGRESS): after[hex_key(PROGRESS)]}
    if any(before.get(hex_key(tag)) != after.get(hex_key(tag)) for tag in (STATIONS, PERFORMERS)):
        yield assigned(after)


def assigned(held: JsonDataset) -> Event:
    """UPS Assigned (event type 5)."""
    report: JsonDataset = {}
    if items(held, STATIONS):
        report[hex_key(STATIONS)] = held[hex_key(STATIONS)]
    performer = (items(held, PERFORMERS) or [{}])[0]
    for tag in (PERFORMER_CODES, PERFORMER_ORGANISATION):
        if _valued(performer, tag):
            report[hex_key(tag)] = performer[hex_key(tag)]
    return EventType.ASSIGNED, report


def moment(now: datetime) -> str:
    """A date and time as DT, in the hospital's time."""
    return f"{now.astimezone():%Y%m%d%H%M%S}"


def text(held: JsonDataset, tag: int) -> str:
    """The first value of an attribute as text, '' when there is none."""
    return str(first(held, tag)).strip(" \0")


def columns(held: JsonDataset) -> dict[str, Any]:
    """The search columns of an item."""
    return {
        "label": text(held, LABEL),
        "worklist_label": text(held, WORKLIST_LABEL),
        "priority": text(held, PRIORITY),
        "readiness": text(held, READINESS),
        "start_at": datetime_value(text(held, START)),
        "patient_id": text(held, 0x00100020),
        "study_uid": text(held, 0x0020000D),
    }


def _lacks(held: JsonDataset) -> Finding | None:
    missing = [tag for tag in _REQUIRED if hex_key(tag) not in held]
    if missing:
        return Finding(Fault.MISSING, tuple(missing), _named("missing", missing))
    empty = [tag for tag in _REQUIRED if not text(held, tag)]
    return Finding(Fault.MISSING_VALUE, tuple(empty), _named("no value", empty)) if empty else None


def _bad(held: JsonDataset) -> Finding | None:
    bad = [tag for tag, known in _VALUES.items() if hex_key(tag) in held and text(held, tag) not in known]
    if hex_key(START) in held and not datetime_value(text(held, START)):
        bad.append(START)
    return Finding(Fault.BAD_VALUE, tuple(bad), _named("bad value", bad)) if bad else None


def _valued(held: JsonDataset, tag: int) -> bool:
    return any(value not in (None, "", {}) for value in (held.get(hex_key(tag)) or {}).get("Value") or ())


def _named(what: str, tags: Iterable[int]) -> str:
    return f"{what}: {', '.join(map(keyword_of, tags))}"
