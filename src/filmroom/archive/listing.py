"""What lists on a screen ask: studies and patients by what somebody typed, a page at a time, and one study whole.

A page goes on where the last one ended, so the thousandth costs what the first does, and nothing is shown twice when
studies arrive meanwhile.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import orjson

from filmroom.archive.query import Query
from filmroom.base.errors import NotFound, NotReadable
from filmroom.db.pool import Database
from filmroom.db.queries import load
from filmroom.dicom.asking import question_from_query
from filmroom.dicom.question import JsonDataset, Level, Question
from filmroom.index.query import Cursor, order_of
from filmroom.index.query_terms import storable
from filmroom.security.policy import Action, demand
from filmroom.security.principals import Principal

# Counting ends here; beyond, a list says "more than".
MOST_COUNTED = 10_000

_STUDY = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime"),
    *("ModalitiesInStudy", "StudyDescription", "AccessionNumber", "ReferringPhysicianName", "StudyInstanceUID"),
    *("NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"),
)
_SERIES = ("SeriesInstanceUID", "SeriesNumber", "Modality", "SeriesDescription", "BodyPartExamined")
_SERIES_MORE = ("SeriesDate", "SeriesTime", "ProtocolName", "StationName", "NumberOfSeriesRelatedInstances")
_PATIENT = ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")
SORTS = {
    "name": "PatientName",
    "id": "PatientID",
    "date": "StudyDate",
    "time": "StudyTime",
    "accession": "AccessionNumber",
    "description": "StudyDescription",
    "birth": "PatientBirthDate",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySearch:
    """What a list is narrowed by; '' and () narrow nothing. ``words`` is the search box, the rest are the columns' own
    filters; dates are YYYYMMDD. ``sort`` is a key of SORTS, with a minus for descending."""

    words: str = ""
    name: str = ""
    patient_id: str = ""
    issuer: str = ""
    accession: str = ""
    description: str = ""
    referring: str = ""
    from_day: str = ""
    to_day: str = ""
    modalities: Sequence[str] = ()
    sort: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One study or series of a list: what is known of it as DICOM JSON, and what the archive itself knows."""

    attributes: JsonDataset
    size_bytes: int = 0
    received_at: datetime | None = None
    record: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Rows, and where the next page begins; '' after the last one."""

    rows: Sequence[Listed]
    next: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyWhole:
    """A study with its series. ``patient`` is the number of its patient in the journal."""

    study: Listed
    series: Sequence[Listed] = field(default_factory=tuple)
    patient: int = 0


class Listing:
    """The use cases. Each raises Forbidden; a place that is none raises NotReadable."""

    def __init__(self, database: Database, query: Query) -> None:
        self._database = database
        self._query = query
        self._sql = load("filmroom.archive", "listing.sql")

    async def studies(self, who: Principal, search: StudySearch, *, after: str = "", limit: int = 100) -> Page:
        """Studies, newest first unless sorted otherwise."""
        question = replace(_of_studies(search), limit=limit)
        found, end = await self._query.page(who, replace(question, after=_place(question, after)))
        known = await self._known("studies", [text(each, "0020000D") for each in found])
        rows = [_listed(each, known.get(text(each, "0020000D"), {})) for each in found]
        return Page(rows=rows, next=_marked(end))

    async def count_studies(self, who: Principal, search: StudySearch) -> tuple[int, bool]:
        """How many there are, and whether there are more than were counted."""
        return _bounded(await self._query.count_to(who, _of_studies(search), MOST_COUNTED + 1))

    async def patients(self, who: Principal, words: str, *, sort: str = "", after: str = "", limit: int = 100) -> Page:
        """Patients by name as Chinese is sorted too: by its pinyin."""
        question = replace(_of_patients(words, sort), limit=limit)
        found, end = await self._query.page(who, replace(question, after=_place(question, after)))
        return Page(rows=[Listed(attributes=each) for each in found], next=_marked(end))

    async def count_patients(self, who: Principal, words: str) -> tuple[int, bool]:
        """How many there are, and whether there are more than were counted."""
        return _bounded(await self._query.count_to(who, _of_patients(words, ""), MOST_COUNTED + 1))

    async def study(self, who: Principal, uid: str) -> StudyWhole:
        """One study with its series in their order. Raises NotFound."""
        demand(who, Action.VIEW)
        asked = [("StudyInstanceUID", uid)]
        found, _ = await self._query.page(who, replace(_question(asked, Level.STUDY, _STUDY), limit=1))
        if not found:
            raise NotFound("there is no such study")
        below = _question(asked, Level.SERIES, (*_SERIES, *_SERIES_MORE))
        series = [each async for each in self._query.find(who, below)]
        known = await self._known("studies", [uid])
        async with self._database.connection() as connection:
            rows = {row["uid"]: row for row in await self._sql.series.all(connection, study=uid)}
        own = known.get(uid, {})
        return StudyWhole(
            study=_listed(found[0], own),
            series=[_listed(each, rows.get(text(each, "0020000E"), {})) for each in series],
            patient=own.get("patient_pk", 0),
        )

    async def _known(self, name: str, uids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        if not uids:
            return {}
        async with self._database.connection() as connection:
            rows = await getattr(self._sql, name).all(connection, uids=list(uids))
        return {row["uid"]: row for row in rows}


def text(dataset: JsonDataset, key: str) -> str:
    """The first value of an attribute, '' where there is none or it is no text or number."""
    value = (dataset.get(key, {}).get("Value") or [""])[0]
    return "" if value is None or isinstance(value, dict) else str(value)


def _listed(found: JsonDataset, known: Mapping[str, Any]) -> Listed:
    return Listed(
        attributes=found,
        size_bytes=known.get("size_bytes", 0),
        received_at=known.get("received_last"),
        record=known.get("pk", 0),
    )


def _of_studies(search: StudySearch) -> Question:
    asked = [
        ("PatientName", _starred(search.name)),
        ("PatientID", _starred(search.patient_id)),
        ("IssuerOfPatientID", search.issuer),
        ("AccessionNumber", _starred(search.accession)),
        ("StudyDescription", f"*{search.description}*" if search.description else ""),
        ("ReferringPhysicianName", _starred(search.referring)),
        ("StudyDate", f"{search.from_day}-{search.to_day}" if search.from_day or search.to_day else ""),
        ("ModalitiesInStudy", ",".join(search.modalities)),
    ]
    asked = [(name, value) for name, value in asked if value]
    question = _question([*asked, ("fuzzymatching", "true")], Level.STUDY, _STUDY, search.sort)
    return replace(question, words=search.words.strip())


def _of_patients(words: str, sort: str) -> Question:
    counts = ("NumberOfPatientRelatedStudies", "NumberOfPatientRelatedInstances")
    return replace(_question([], Level.PATIENT, (*_PATIENT, *counts), sort), words=words.strip())


def _question(asked: Sequence[tuple[str, str]], level: Level, returns: Sequence[str], sort: str = "") -> Question:
    name = SORTS.get(sort.removeprefix("-"))
    order = [("orderby", "-" * sort.startswith("-") + name)] if name else []
    return question_from_query([*asked, ("includefield", ",".join(returns)), *order], level)


def _starred(value: str) -> str:
    return value if not value or "*" in value or "?" in value else f"{value}*"


def _bounded(counted: int) -> tuple[int, bool]:
    return min(counted, MOST_COUNTED), counted > MOST_COUNTED


def _marked(end: Cursor | None) -> str:
    return "" if end is None else base64.urlsafe_b64encode(orjson.dumps(list(end))).decode().rstrip("=")


def _place(question: Question, after: str) -> Cursor | None:
    """Where a page begins. It is the client's to keep and never believed: its types are checked against the order."""
    if not after:
        return None
    try:
        values = orjson.loads(base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)))
    except (binascii.Error, orjson.JSONDecodeError, ValueError) as error:
        raise NotReadable("this is not the place of a page") from error
    order = order_of(question)
    kinds = [str if term.kind == "text" else int for term in order]
    if not isinstance(values, list) or [type(each) for each in values] != kinds or not all(map(_usable, values)):
        raise NotReadable("this place belongs to a list in another order")
    return tuple(values)


def _usable(value: str | int) -> bool:
    return storable(value) if isinstance(value, str) else abs(value) < 2**63
