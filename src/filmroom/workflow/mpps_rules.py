"""What a performed procedure step must hold, when it is created, changed and ended (PS3.4 table F.7.2-1). Pure.

A fault is judged by its class in PS3.7 (10.1.3, 10.1.5). Modalities break this table daily, and a step refused for a
missing description hangs in the worklist for ever; so unless ``strict``, type 2 attributes that are missing are taken
as empty, and what is missing at the end is told as a warning.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final

from filmroom.dicom.dates import date_value, time_value
from filmroom.dicom.dictionary import keyword_of, vr_of
from filmroom.dicom.question import JsonDataset, hex_key

STATUS: Final = 0x00400252
SCHEDULED: Final = 0x00400270  # Scheduled Step Attributes Sequence
SERIES: Final = 0x00400340  # Performed Series Sequence
REASON: Final = 0x00400281  # Performed Procedure Step Discontinuation Reason Code Sequence
STATION: Final = 0x00400241
CHARACTER_SET: Final = "00080005"


class PerformedStatus(Enum):
    """Performed Procedure Step Status (0040,0252), PS3.4 table F.1-3."""

    IN_PROGRESS = "IN PROGRESS"
    DISCONTINUED = "DISCONTINUED"
    COMPLETED = "COMPLETED"


FINAL: Final = frozenset({PerformedStatus.DISCONTINUED, PerformedStatus.COMPLETED})


class Fault(Enum):
    """Why a request is refused, or what is warned of. Each edge has a status for each."""

    NOT_DECODED = "not-decoded"
    DUPLICATE = "duplicate"
    NO_SUCH_INSTANCE = "no-such-instance"
    BAD_INSTANCE = "bad-instance"
    WRONG_CLASS = "wrong-class"
    ENDED = "ended"  # may no longer be updated
    MISSING = "missing"  # an attribute that must be there
    MISSING_VALUE = "missing-value"
    BAD_VALUE = "bad-value"
    OUT_OF_RANGE = "out-of-range"  # warning: taken, without the bad values
    NOT_SETTABLE = "not-settable"  # warning: taken, without these attributes
    UNKNOWN_ATTRIBUTES = "unknown-attributes"  # warning of N-GET


WARNINGS: Final = frozenset({Fault.OUT_OF_RANGE, Fault.NOT_SETTABLE, Fault.UNKNOWN_ATTRIBUTES})


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault with the attributes concerned."""

    fault: Fault
    tags: tuple[int, ...] = ()
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A request as it is taken. ``finding`` None: without remark. Not ``taken``: refused because of it."""

    attributes: JsonDataset
    finding: Finding | None = None

    @property
    def taken(self) -> bool:
        return self.finding is None or self.finding.fault in WARNINGS


@dataclass(frozen=True, slots=True)
class Row:
    """One attribute: type in N-CREATE, whether N-SET may change it, type in the final state ('' as in N-CREATE)."""

    create: str
    settable: bool = False
    final: str = ""
    inside: Mapping[int, str] = field(default_factory=dict)


_STEP_ITEM: Final[Mapping[int, str]] = MappingProxyType(
    {
        0x0020000D: "1",  # Study Instance UID
        0x00081110: "2",  # Referenced Study Sequence
        0x00080050: "2",  # Accession Number
        0x00401001: "2",  # Requested Procedure ID
        0x00321060: "2",  # Requested Procedure Description
        0x00400009: "2",  # Scheduled Procedure Step ID
        0x00400007: "2",  # Scheduled Procedure Step Description
        0x00400008: "2",  # Scheduled Protocol Code Sequence
    }
)
_SERIES_ITEM: Final[Mapping[int, str]] = MappingProxyType(
    {
        0x00081050: "2",  # Performing Physician's Name
        0x00181030: "1",  # Protocol Name
        0x00081070: "2",  # Operators' Name
        0x0020000E: "1",  # Series Instance UID
        0x0008103E: "2",  # Series Description
        0x00080054: "2",  # Retrieve AE Title
        0x00081140: "2",  # Referenced Image Sequence
        0x00400220: "2",  # Referenced Non-Image Composite SOP Instance Sequence
    }
)

TABLE: Final[Mapping[int, Row]] = MappingProxyType(
    {
        SCHEDULED: Row("1", inside=_STEP_ITEM),
        0x00100010: Row("2"),  # Patient's Name
        0x00100020: Row("2"),  # Patient ID
        0x00100021: Row("3"),  # Issuer of Patient ID
        0x00100024: Row("3"),  # Issuer of Patient ID Qualifiers Sequence
        0x00101002: Row("3"),  # Other Patient IDs Sequence
        0x00100030: Row("2"),  # Patient's Birth Date
        0x00100040: Row("2"),  # Patient's Sex
        0x00081120: Row("2"),  # Referenced Patient Sequence
        0x00380010: Row("3"),  # Admission ID
        0x00380014: Row("3"),  # Issuer of Admission ID Sequence
        0x00380060: Row("3"),  # Service Episode ID
        0x00380064: Row("3"),  # Issuer of Service Episode ID Sequence
        0x00380062: Row("3"),  # Service Episode Description
        0x00400253: Row("1"),  # Performed Procedure Step ID
        STATION: Row("1"),
        0x00400242: Row("2"),  # Performed Station Name
        0x00400243: Row("2"),  # Performed Location
        0x00400244: Row("1"),  # Performed Procedure Step Start Date
        0x00400245: Row("1"),  # Performed Procedure Step Start Time
        STATUS: Row("1", settable=True),
        0x00400254: Row("2", settable=True),  # Performed Procedure Step Description
        0x00400255: Row("2", settable=True),  # Performed Procedure Type Description
        0x00081032: Row("2", settable=True),  # Procedure Code Sequence
        0x00401012: Row("3", settable=True),  # Reason for Performed Procedure Code Sequence
        0x00400250: Row("2", settable=True, final="1"),  # Performed Procedure Step End Date
        0x00400251: Row("2", settable=True, final="1"),  # Performed Procedure Step End Time
        0x00400280: Row("3", settable=True),  # Comments on the Performed Procedure Step
        REASON: Row("3", settable=True),
        0x00080060: Row("1"),  # Modality
        0x00200010: Row("2"),  # Study ID
        0x00400260: Row("2", settable=True),  # Performed Protocol Code Sequence
        SERIES: Row("2", settable=True, final="1", inside=_SERIES_ITEM),
    }
)

FINAL_COMMENT: Final = "Performed Procedure Step Object may no longer be updated"  # table F.7.2-2


def judge_creation(given: JsonDataset, *, strict: bool = False) -> Judged:
    """An N-CREATE's attribute list (F.7.2.1.3)."""
    given = _own(given)
    missing = [tag for tag, row in TABLE.items() if row.create == "1" and hex_key(tag) not in given]
    if strict:
        missing += [tag for tag, row in TABLE.items() if row.create == "2" and hex_key(tag) not in given]
    if missing:
        return Judged(given, Finding(Fault.MISSING, tuple(missing), _named("missing", missing)))
    empty = [tag for tag, row in TABLE.items() if row.create == "1" and not _has_value(given, tag)]
    if empty:
        return Judged(given, Finding(Fault.MISSING_VALUE, tuple(empty), _named("no value", empty)))
    if status_of(given) is not PerformedStatus.IN_PROGRESS:
        return Judged(given, Finding(Fault.BAD_VALUE, (STATUS,), "a step is created IN PROGRESS"))
    inner = _items_lack(given, SCHEDULED, "1") + (_items_lack(given, SERIES, "1") if strict else ())
    if inner:
        return Judged(given, Finding(Fault.MISSING_VALUE, inner, _named("item lacks a value", inner)))
    whole = {hex_key(tag): {"vr": vr_of(tag)} for tag, row in TABLE.items() if row.create == "2"} | given
    return _without_bad_values(whole)


def judge_change(kept: JsonDataset, given: JsonDataset, *, strict: bool = False) -> Judged:
    """An N-SET's modification list against the object as it is; the whole object afterwards (F.7.2.2.3)."""
    if status_of(kept) is not PerformedStatus.IN_PROGRESS:
        return Judged(kept, Finding(Fault.ENDED, (), FINAL_COMMENT))
    given = _own(given)
    if hex_key(STATUS) in given and status_of(given) is None:
        return Judged(kept, Finding(Fault.BAD_VALUE, (STATUS,), "no status of table F.1-3"))
    foreign = tuple(
        tag
        for name, element in given.items()
        if (row := TABLE.get(tag := int(name, 16))) is not None and not row.settable and element != kept.get(name)
    )
    settable = {name: one for name, one in given.items() if (row := TABLE.get(int(name, 16))) is None or row.settable}
    judged = _without_bad_values(settable)
    whole = {**kept, **judged.attributes}
    finding = judged.finding
    if foreign:
        finding = Finding(Fault.NOT_SETTABLE, foreign, _named("not set", foreign))
    if judged.finding is not None and not judged.taken:
        return Judged(kept, judged.finding)
    if status_of(whole) in FINAL and (lack := _final_lack(whole)):
        if strict:
            return Judged(kept, Finding(Fault.MISSING_VALUE, lack, _named("final state needs", lack)))
        finding = Finding(Fault.OUT_OF_RANGE, lack, _named("final state needs", lack))
    return Judged(whole, finding)


def status_of(dataset: JsonDataset) -> PerformedStatus | None:
    """The status that a data set says; None when it is none of the table."""
    values = (dataset.get(hex_key(STATUS)) or {}).get("Value") or [""]
    try:
        return PerformedStatus(str(values[0]).strip())
    except ValueError:
        return None


def _named(what: str, tags: Iterable[int]) -> str:
    """An error comment that says which attributes are meant, for whoever reads the modality's log."""
    return f"{what}: {', '.join(map(keyword_of, tags))}"


def _own(given: JsonDataset) -> JsonDataset:
    """Without what says how the data set is written."""
    return {name: element for name, element in given.items() if name != CHARACTER_SET}


def _has_value(dataset: JsonDataset, tag: int) -> bool:
    return any(value not in (None, "", {}) for value in (dataset.get(hex_key(tag)) or {}).get("Value") or ())


def _items(dataset: JsonDataset, tag: int) -> Iterable[JsonDataset]:
    return (item or {} for item in (dataset.get(hex_key(tag)) or {}).get("Value") or ())


def _items_lack(dataset: JsonDataset, sequence: int, kind: str) -> tuple[int, ...]:
    """The sequence, when an item of it has no value for an attribute of type ``kind``."""
    wanted = [tag for tag, needed in TABLE[sequence].inside.items() if needed == kind]
    lacks = any(not _has_value(item, tag) for item in _items(dataset, sequence) for tag in wanted)
    return (sequence,) if lacks else ()


def _final_lack(dataset: JsonDataset) -> tuple[int, ...]:
    lack = tuple(tag for tag, row in TABLE.items() if row.final == "1" and not _has_value(dataset, tag))
    return lack + tuple(tag for tag in _items_lack(dataset, SERIES, "1") if tag not in lack)


def _without_bad_values(dataset: JsonDataset) -> Judged:
    """Dates and times that are none: refused where a value is required, else left empty with a warning (0116)."""
    bad = [int(name, 16) for name, element in dataset.items() if not _is_good(element)]
    if not bad:
        return Judged(dataset)
    vital = tuple(tag for tag in bad if tag in TABLE and TABLE[tag].create == "1")
    if vital:
        return Judged(dataset, Finding(Fault.BAD_VALUE, vital, _named("bad value", vital)))
    kept = {name: {"vr": one["vr"]} if int(name, 16) in bad else one for name, one in dataset.items()}
    return Judged(kept, Finding(Fault.OUT_OF_RANGE, tuple(bad), _named("left empty", bad)))


def _is_good(element: Mapping[str, object]) -> bool:
    test = {"DA": date_value, "TM": time_value}.get(str(element.get("vr")))
    values = element.get("Value")
    return test is None or not isinstance(values, list) or all(test(str(one)) for one in values if one)
