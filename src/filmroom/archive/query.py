"""Answer questions about what is filed: C-FIND and QIDO-RS meet here."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

from filmroom.archive.query_answers import Answers, Found, Row, Service, full_dataset, in_zone_of
from filmroom.archive.query_private import PrivateAttributes, private_of
from filmroom.db.pool import Connection, Database
from filmroom.db.queries import load
from filmroom.dicom.matching import matches, matches_all
from filmroom.dicom.question import JsonDataset, Key, Level, Path, Question
from filmroom.index import query as compiler
from filmroom.index.query import Compiled, Cursor
from filmroom.index.query_view import patient_counts, study_counts
from filmroom.security.policy import Action, demand
from filmroom.security.principals import Principal
from filmroom.security.view import View

# Rows of one statement: the first page is what a person looks at, later ones what a program reads to the end. A page
# is all of an answer that is ever held, about 4 KB a study; images are small, and a series is wanted at once.
FIRST_PAGE_ROWS = 250
FIRST_PAGE_IMAGES = 1000
MAX_PAGE_ROWS = 2000


class Asks(Protocol):
    """Told what somebody asked, and how many answers the first page has."""

    async def __call__(self, who: Principal, question: Question, answers: int) -> None: ...


async def _unasked(who: Principal, question: Question, answers: int) -> None:
    """Nobody keeps account."""


class Query:
    """Use cases of asking. Every method raises Forbidden, or Unavailable when the database is not there."""

    def __init__(
        self,
        db: Database,
        *,
        retrieve_ae_title: str,
        asked: Asks = _unasked,
        private: PrivateAttributes | None = None,
    ) -> None:
        self._db = db
        self._private = private
        self._asked = asked
        self._service = Service(retrieve_ae_title)
        self._sql = load("filmroom.index", "query.sql")

    async def find(self, who: Principal, question: Question) -> AsyncIterator[JsonDataset]:
        """Every answer, one after another, however many. No connection is held between pages."""
        left, first = question.limit, True
        offset, after, size = question.offset, question.after, _first_page(question)
        while left is None or left > 0:
            rows = size if left is None else min(size, left)
            page, after = await self._page(who, replace(question, limit=rows, offset=offset, after=after))
            if first:  # on record before anything is told
                await self._asked(who, question, len(page))
                first = False
            for answer in page:
                yield answer
            if after is None:
                return
            left = None if left is None else left - len(page)
            offset, size = 0, min(size * 2, MAX_PAGE_ROWS)

    async def page(self, who: Principal, question: Question) -> tuple[list[JsonDataset], Cursor | None]:
        """Up to ``limit`` answers, and the cursor to ask for those after them; None when there are none."""
        page, after = await self._page(who, question)
        await self._asked(who, question, len(page))
        return page, after

    async def _page(self, who: Principal, question: Question) -> tuple[list[JsonDataset], Cursor | None]:
        demand(who, Action.VIEW)
        answers = Answers(question, self._service)
        limit = _first_page(question) if question.limit is None else question.limit
        made: list[JsonDataset] = []
        after, offset, skip = question.after, question.offset, 0
        if offset and compiler.compile_count(question, who.view).residual:
            offset, skip = 0, question.offset  # only rows that are really matched count
        while True:
            # One row more than wanted tells whether there is a next page.
            step = min(MAX_PAGE_ROWS, limit - len(made) + skip) if limit else 0
            compiled = compiler.compile_page(question, step + 1, after=after, offset=offset, view=who.view)
            async with self._db.connection() as connection:
                rows = await _fetch(connection, compiled)
                found = await self._load(connection, question.level, rows[:step], answers, who.view)
            if question.timezone is not None:
                found = [in_zone_of(question, each) for each in found]
            kept = [(row, each) for row, each in zip(rows, found, strict=False) if _kept(each, question, compiled)]
            new = [answers.make(each) for _, each in kept[skip:]]
            if self._private is not None and private_of(question):
                async with self._db.connection() as connection:
                    await self._private.fill(connection, question, [each for _, each in kept[skip:]], new)
            made += new
            skip, offset = max(0, skip - len(kept)), 0
            if len(rows) <= step or not step:
                return made, None
            after = tuple(rows[step - 1])[1 : 1 + len(compiled.order)]
            if len(made) >= limit:
                return made, after

    async def count(self, who: Principal, question: Question) -> int:
        """How many answers there are; ``limit``, ``offset`` and ``after`` do not count."""
        demand(who, Action.VIEW)
        compiled = compiler.compile_count(question, who.view)
        if not compiled.residual:
            async with self._db.connection() as connection:
                rows = await _fetch(connection, compiled)
            return int(rows[0][0])
        total = 0
        async for _ in self.find(who, replace(question, limit=None, offset=0, after=None)):
            total += 1
        return total

    async def count_to(self, who: Principal, question: Question, most: int) -> int:
        """The same, but no more than ``most``: a list on a screen says "more than" beyond."""
        demand(who, Action.VIEW)
        compiled = compiler.compile_count_to(question, most, who.view)
        if compiled.residual:
            return min(most, await self.count(who, question))
        async with self._db.connection() as connection:
            rows = await _fetch(connection, compiled)
        return int(rows[0][0])

    def unsupported(self, question: Question) -> tuple[Path, ...]:
        """The attributes that are neither matched nor known: a Pending answer is then FF01 (PS3.4 C.4.1.1.4)."""
        return compiler.unsupported(question)

    async def _load(
        self, connection: Connection, level: Level, page: Sequence[Row], answers: Answers, view: View
    ) -> list[Found]:
        """The rows that the answers of one page are made of, in its order."""
        if not page:
            return []
        if level is Level.STUDY:
            page = await _as_seen(connection, page, view)
            counts = await self._counts(connection, _distinct(page, "patient_pk"), answers, view)
            return [Found(_patient_of(row), row, counts=counts.get(row["patient_pk"], {})) for row in page]
        pks = [row["pk"] for row in page]
        if level is Level.PATIENT:
            patients = _by_pk(await self._sql.patients.all(connection, pks=pks))
            counts = await self._counts(connection, pks, answers, view)
            return [Found(patient=patients[pk], counts=counts.get(pk, {})) for pk in pks if pk in patients]
        series = _by_pk(page)
        if level is Level.IMAGE:
            series = _by_pk(await self._sql.series.all(connection, pks=_distinct(page, "series_pk")))
        above = await self._sql.studies.all(connection, pks=_distinct(series.values(), "study_pk"))
        studies = _by_pk(await _as_seen(connection, above, view))
        patients = {row["patient_pk"]: _patient_of(row) for row in studies.values()}
        counts = await self._counts(connection, list(patients), answers, view)
        found = []
        for row in page:
            # What went away since the page was found is left out.
            one_series = series.get(row["series_pk"]) if level is Level.IMAGE else row
            study = studies.get(one_series["study_pk"]) if one_series is not None else None
            if one_series is None or study is None:
                continue
            patient = study["patient_pk"]
            instance = row if level is Level.IMAGE else {}
            found.append(Found(patients[patient], study, one_series, instance, counts.get(patient, {})))
        return found

    async def _counts(
        self, connection: Connection, patients: Sequence[int], answers: Answers, view: View
    ) -> dict[int, Row]:
        if not answers.wants_patient_counts:
            return {}
        if view.narrow:
            return await patient_counts(connection, view, patients)
        return _by_pk(await self._sql.patient_counts.all(connection, pks=patients))


def _first_page(question: Question) -> int:
    return FIRST_PAGE_IMAGES if question.level is Level.IMAGE else FIRST_PAGE_ROWS


async def _fetch(connection: Connection, compiled: Compiled) -> list[Any]:
    """The rows. Where the plan depends on the values, it is made for them, not kept for any."""
    rows: list[Any]
    if compiled.varied:
        # A statement without a name is planned for its values each time, and forgotten.
        rows = await (await connection.prepare(compiled.sql, name="")).fetch(*compiled.values)
    else:
        rows = await connection.fetch(compiled.sql, *compiled.values)
    return rows


def _kept(found: Found, question: Question, compiled: Compiled) -> bool:
    """Whether keys that SQL could only narrow down are really matched."""
    if not compiled.residual:
        return True
    dataset = full_dataset(found)
    asked: tuple[Key, ...] = compiled.residual
    if question.combined_datetime:
        return matches_all(replace(question, keys=asked), dataset)
    return all(matches(key, dataset, fuzzy=question.fuzzy) for key in asked)


async def _as_seen(connection: Connection, studies: Sequence[Row], view: View) -> list[Row]:
    """Rows of studies that count only the series in sight."""
    if not view.by_series or not studies:
        return list(studies)
    counts = await study_counts(connection, view, [row["pk"] for row in studies])
    return [{**row, **counts[row["pk"]]} for row in studies if row["pk"] in counts]


def _by_pk(rows: Sequence[Row]) -> dict[int, Row]:
    return {row["pk"]: row for row in rows}


def _distinct(rows: Any, column: str) -> list[int]:
    return list(dict.fromkeys(row[column] for row in rows))


def _patient_of(study: Row) -> Row:
    return {
        "attributes": study["patient_attributes"],
        "patient_id": study["patient_id"],
        "issuer": study["issuer"],
    }
