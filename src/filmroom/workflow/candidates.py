"""Which scheduled steps are looked at: the selective keys in SQL, over the indexes of open steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from filmroom.base.ids import StudyUid
from filmroom.db.pool import Connection
from filmroom.dicom.question import JsonDataset, Key, Match, Range, SequenceMatch, Single, Universal, hex_key
from filmroom.index.query_terms import Parameters, list_condition, names_condition, text_condition
from filmroom.security.view import EVERYTHING, View
from filmroom.workflow import attributes
from filmroom.workflow.attributes import STEP_SEQUENCE, element, first, name_text
from filmroom.workflow.model import OPEN, Step, StepStatus
from filmroom.workflow.sight import step_seen

_SELECT: Final = """
SELECT s.pk, s.order_pk, s.step_id, s.stations, s.modality, s.start_date, s.start_time, s.status,
       s.attributes AS step, r.procedure_id, r.study_uid, r.attributes AS procedure,
       o.accession, o.accession_issuer, o.patient_id, o.patient_issuer, o.attributes AS request,
       p.attributes AS patient
FROM scheduled_step s
JOIN requested_procedure r ON r.pk = s.procedure_pk
JOIN imaging_order o ON o.pk = s.order_pk
JOIN patient p ON p.pk = o.patient_pk
"""
_ORDER: Final = " ORDER BY s.start_date, s.start_time, s.pk LIMIT "

# Keys with a column of their own. All keys are matched afterwards too: these may be wider than the key, never narrower.
_STEP_COLUMNS: Final[Mapping[int, str]] = {
    attributes.START_DATE: "s.start_date",
    attributes.MODALITY: "s.modality",
    attributes.STEP_ID: "s.step_id",
    attributes.STEP_STATUS: "s.status",
}
_COLUMNS: Final[Mapping[int, str]] = {
    attributes.PATIENT_ID: "o.patient_id",
    attributes.ACCESSION: "o.accession",
    attributes.PROCEDURE_ID: "r.procedure_id",
    attributes.STUDY_UID: "r.study_uid",
    attributes.ADMISSION_ID: "o.admission_id",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """A choice of steps. ``keys`` are of the whole item, ``statuses`` and ``modalities`` allow, ``days`` bounds, and
    nothing is chosen that ``view`` keeps out of sight."""

    keys: tuple[Key, ...] = ()
    statuses: frozenset[StepStatus] = OPEN
    modalities: frozenset[str] | None = None
    days: Range = field(default_factory=lambda: Range("", ""))
    fuzzy: bool = False
    view: View = EVERYTHING


@dataclass(frozen=True, slots=True)
class Entry:
    """One candidate: its place in the order of worklists, and its whole worklist item."""

    place: tuple[str, str, int]
    status: StepStatus
    item: JsonDataset
    row: Any


def condition(wanted: Candidates, at: Parameters) -> str:
    """The WHERE of a choice."""
    names = ", ".join(f"'{status.value}'" for status in sorted(wanted.statuses, key=lambda one: one.value))
    parts = [f"s.status IN ({names})" if names else "false"]
    if wanted.modalities is not None:
        parts.append(f"s.modality = ANY({at.add(sorted(wanted.modalities), 'text[]')})")
    if wanted.days.low or wanted.days.high:
        parts.append(text_condition("s.start_date", wanted.days, at) or "true")
    for key in wanted.keys:
        if key.path[0] == STEP_SEQUENCE and isinstance(key.match, SequenceMatch):
            parts += [each for inner in key.match.keys if (each := _of_step(inner, at)) is not None]
        elif (each := _of_item(key, at, wanted.fuzzy)) is not None:
            parts.append(each)
    if wanted.view.narrow:
        parts.append(step_seen(wanted.view, at))
    return " AND ".join(parts)


def _of_step(key: Key, at: Parameters) -> str | None:
    tag = key.path[0]
    if tag == attributes.STATION:
        return list_condition("s.stations", key.match, at)
    column = _STEP_COLUMNS.get(tag)
    return text_condition(column, _plain(key.match), at) if column is not None else None


def _of_item(key: Key, at: Parameters, fuzzy: bool) -> str | None:
    tag = key.path[0]
    if tag == attributes.PATIENT_NAME:
        return names_condition(key.match, at, fuzzy=fuzzy)
    column = _COLUMNS.get(tag)
    return text_condition(column, _plain(key.match), at) if column is not None else None


def _plain(match: Match) -> Match:
    return Universal() if isinstance(match, SequenceMatch) else match


async def entries(
    connection: Connection, wanted: Candidates, limit: int, after: tuple[str, str, int] | None = None
) -> list[Entry]:
    """Up to ``limit`` candidates by start, those that follow ``after``."""
    at = Parameters()
    where = condition(wanted, at)
    if after is not None:
        date, time, pk = (at.add(after[0]), at.add(after[1]), at.add(after[2], "bigint"))
        where += f" AND (s.start_date, s.start_time, s.pk) > ({date}, {time}, {pk})"
    rows = await connection.fetch(f"{_SELECT} WHERE {where}{_ORDER}{int(limit)}", *at.values)
    return [_entry(row) for row in rows]


def _entry(row: Any) -> Entry:
    place = (row["start_date"], row["start_time"], row["pk"])
    return Entry(place, StepStatus(row["status"]), item(row), row)


def item(row: Any) -> JsonDataset:
    """The whole worklist item of a candidate: the patient as known now, under the identifier that the order named."""
    step = {**row["step"], **element(attributes.STEP_STATUS, row["status"])}
    return {
        **row["patient"],
        **row["request"],
        **row["procedure"],
        **element(attributes.PATIENT_ID, row["patient_id"]),
        **(element(attributes.ISSUER, row["patient_issuer"]) if row["patient_issuer"] else {}),
        hex_key(STEP_SEQUENCE): {"vr": "SQ", "Value": [step]},
    }


async def steps(connection: Connection, wanted: Candidates, limit: int) -> list[Step]:
    """Up to ``limit`` steps by start."""
    return [step_of(entry) for entry in await entries(connection, wanted, limit)]


def step_of(entry: Entry) -> Step:
    """A candidate as the step it is."""
    row = entry.row
    return Step(
        pk=row["pk"],
        order_pk=row["order_pk"],
        step_id=row["step_id"],
        procedure_id=row["procedure_id"],
        accession=row["accession"],
        study_uid=StudyUid(row["study_uid"]),
        patient_id=row["patient_id"],
        patient_name=name_text(first(entry.item, attributes.PATIENT_NAME)),
        modality=row["modality"],
        stations=tuple(row["stations"]),
        start_date=row["start_date"],
        start_time=row["start_time"],
        status=entry.status,
        description=str(first(row["step"], 0x00400007)),
        attributes=row["step"],
    )


def one_of(tag: int, vr: str, value: str) -> Key:
    """A key by one value, for choices that are not asked by DICOM."""
    return Key((tag,), vr, Single(value))
