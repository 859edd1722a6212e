"""The query compiler: a question (dicom.matching) as one SQL statement that finds a page of rows, or counts them.

Relational by nature: keys of any level may be combined; keys below the question's level mean "some series (object) of
it". Pages go by keyset, so the thousandth costs what the first does.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from filmroom.dicom.question import AnyOf, Key, Level, Order, Path, Question, Single, Universal
from filmroom.index.query_fields import ALIAS, FIELDS, Field, Kind, is_above_or_at
from filmroom.index.query_narrow import NEAR, Pages, four_plans, two_plans
from filmroom.index.query_terms import Parameters, all_of
from filmroom.index.query_where import FROM, Where, points, support
from filmroom.security.view import EVERYTHING, View

_NO_NUMBER: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Term:
    """One term of the order; ``kind`` is its SQL type."""

    sql: str
    kind: str = "text"
    descending: bool = False


# The order of answers where none is asked for: newest study first, then as they are numbered.
_STUDY_ORDER: Final = (
    Term("s.study_date", "text", True),
    Term("s.study_time", "text", True),
    Term("s.pk", "bigint", True),
)
_SERIES_ORDER: Final = (*_STUDY_ORDER, Term(f"coalesce(e.series_number, {_NO_NUMBER})", "int"), Term("e.pk", "bigint"))
_ORDER: Final[Mapping[Level, tuple[Term, ...]]] = MappingProxyType(
    {
        Level.PATIENT: (Term("p.name_sort"), Term("p.pk", "bigint")),
        Level.STUDY: _STUDY_ORDER,
        Level.SERIES: _SERIES_ORDER,
        Level.IMAGE: (
            *_SERIES_ORDER,
            Term(f"coalesce(i.instance_number, {_NO_NUMBER})", "int"),
            Term("i.pk", "bigint"),
        ),
    }
)
_STUDY_ROWS: Final = """s.study_uid, s.attributes, s.modalities, s.sop_classes, s.n_series, s.n_instances,
    s.patient_pk, p.attributes AS patient_attributes, id.value AS patient_id, id.issuer
FROM ({page}) AS page
JOIN study AS s ON s.pk = page.pk
JOIN patient AS p ON p.pk = s.patient_pk
LEFT JOIN LATERAL (
    SELECT value, issuer FROM patient_identifier
    WHERE patient_pk = p.pk AND value <> '' ORDER BY is_primary DESC, pk LIMIT 1
) AS id ON true"""

# What the answers at series and image level are made of, beyond the rows of the levels above.
_OWN_COLUMNS: Final[Mapping[Level, str]] = MappingProxyType(
    {
        Level.PATIENT: "",
        Level.STUDY: "",
        Level.SERIES: ", e.series_uid, e.attributes, e.n_instances, e.study_pk",
        Level.IMAGE: ", i.sop_uid, i.sop_class, i.transfer_syntax, i.instance_number, i.rows, i.columns,"
        " i.bits_allocated, i.frames, i.content_date, i.content_time, i.attributes, i.series_pk",
    }
)

Cursor = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A statement. Rows of a page are ``pk`` and ``o1`` ... ``on``, the cursor of the row; those of studies, series and
    images go on with what their answers are made of, which saves a round trip.

    ``residual`` are keys that the rows must still be asked about with dicom.matching; ``varied`` says that a good plan
    depends on the values.
    """

    sql: str
    values: tuple[Any, ...]
    residual: tuple[Key, ...] = ()
    varied: bool = True
    order: tuple[Term, ...] = ()


def compile_page(
    question: Question, limit: int, *, after: Cursor | None = None, offset: int = 0, view: View = EVERYTHING
) -> Compiled:
    """The statement that finds up to ``limit`` rows of the question's level behind ``after`` (or ``offset`` rows)."""
    at, order = Parameters(), order_of(question)
    where = _where(question, at, view)
    conditions = [*where.conditions, _behind(order, after, at) if after is not None else None]
    columns, sorting = _listed(order)
    columns += _OWN_COLUMNS[question.level]
    rows = at.add(limit, "bigint")
    window = f"LIMIT {rows}" + (f" OFFSET {at.add(offset, 'bigint')}" if offset else "")
    sorted_window = f"ORDER BY {sorting} {window}"

    def found(source: str, further: Iterable[str]) -> str:
        return (
            f"SELECT {ALIAS[question.level]}.pk AS pk, {columns} FROM {source} WHERE {all_of([*conditions, *further])}"
        )

    def page(*further: str) -> str:
        return f"{found(where.source, further)} {sorted_window}"

    def near(*further: str) -> str:
        return f"{found(_newest(where, conditions[-1] if after is not None else None), further)} {sorted_window}"

    def all_sorted(*further: str) -> str:
        return f"SELECT * FROM ({found(where.source, further)} OFFSET 0) AS all_found {sorted_window}"

    varied = _varied(question) or where.by_scope
    if not varied or where.narrow is None:
        sql = page()
    elif order == _STUDY_ORDER and not where.by_name:
        sql = four_plans(where.narrow, Pages(page, near, all_sorted, rows), sorting)
    else:
        sql = two_plans(where.narrow, page, sorting)
    if question.level is Level.STUDY:
        sql = f"SELECT page.*, {_STUDY_ROWS.format(page=sql)} ORDER BY {sorting}"
    return Compiled(sql=sql, values=tuple(at.values), residual=tuple(where.residual), varied=varied, order=order)


def _newest(where: Where, behind: str | None) -> str:
    """The source of a page of studies, of the newest only."""
    order = ", ".join(f"{term.sql} DESC" for term in _STUDY_ORDER)
    newest = (
        f"(SELECT * FROM study AS s WHERE {all_of([where.visible[Level.STUDY], behind])}"
        f" ORDER BY {order} LIMIT {NEAR}) AS s"
    )
    return where.source.replace(FROM[Level.STUDY], newest, 1)


def compile_count(question: Question, view: View = EVERYTHING) -> Compiled:
    """The statement that counts the rows; only right where there is no ``residual``."""
    at = Parameters()
    where = _where(question, at, view, narrows=False)
    sql = f"SELECT count(*) FROM {where.source} WHERE {all_of(where.conditions)}"
    return Compiled(sql=sql, values=tuple(at.values), residual=tuple(where.residual))


def compile_count_to(question: Question, most: int, view: View = EVERYTHING) -> Compiled:
    """The same, but counting stops at ``most``, so that a wide question costs little."""
    at = Parameters()
    where = _where(question, at, view)
    window = f"LIMIT {at.add(most, 'bigint')}"

    def rows(*further: str) -> str:
        return (
            f"SELECT {ALIAS[question.level]}.pk AS pk FROM {where.source}"
            f" WHERE {all_of([*where.conditions, *further])} {window}"
        )

    sql = rows() if where.narrow is None else two_plans(where.narrow, rows, "pk")
    return Compiled(
        sql=f"SELECT count(*) FROM ({sql}) AS meant", values=tuple(at.values), residual=tuple(where.residual)
    )


def _where(question: Question, at: Parameters, view: View, *, narrows: bool = True) -> Where:
    return Where(question, at, view, [term.sql for term in order_of(question)], narrows=narrows)


def unsupported(question: Question) -> tuple[Path, ...]:
    """Attributes that are asked for and not known to the index: not matched, given back empty (status FF01)."""
    asked = [] if not isinstance(question.returns, tuple) else [path[0] for path in question.returns]
    missing = {tag for tag in asked if tag not in FIELDS or not is_above_or_at(FIELDS[tag].level, question.level)}
    missing |= {key.path[0] for key in question.keys if support(key, question) is None}
    return tuple((tag,) for tag in sorted(missing))


def order_of(question: Question) -> tuple[Term, ...]:
    """The terms that put the rows of an answer in one total order."""
    return _order(question.level, question.order)


@lru_cache(maxsize=256)
def _order(level: Level, orders: tuple[Order, ...]) -> tuple[Term, ...]:
    default = _ORDER[level]
    asked: list[Term] = []
    for order in orders:
        field = FIELDS.get(order.path[0])
        if len(order.path) == 1 and field is not None and is_above_or_at(field.level, level):
            asked += [Term(sql, kind, order.descending) for sql, kind in _sortable(order.path[0], field)]
    known = {term.sql for term in asked}
    return (*asked, *(term for term in default if term.sql not in known)) if asked else default


@lru_cache(maxsize=256)
def _listed(order: tuple[Term, ...]) -> tuple[str, str]:
    """The terms as columns, and what to sort by them."""
    columns = ", ".join(f"{term.sql} AS o{n}" for n, term in enumerate(order, 1))
    sorting = ", ".join(f"o{n} DESC" if term.descending else f"o{n}" for n, term in enumerate(order, 1))
    return columns, sorting


def _sortable(tag: int, field: Field) -> list[tuple[str, str]]:
    match field.kind:
        case Kind.NAMES:
            return [("p.name_sort", "text")]
        case Kind.NUMBER:
            return [(f"coalesce({field.column}, {_NO_NUMBER})", "int")]
        case Kind.TEXT | Kind.FOLDED | Kind.NAME | Kind.DATE | Kind.TIME:
            return [(field.column, "text")]
        case Kind.IDENTIFIER:
            column = f"(SELECT min(x.{field.column}) FROM patient_identifier AS x WHERE x.patient_pk = p.pk)"
            return [(f"coalesce({column}, '')", "text")]
    return []


def _behind(order: Sequence[Term], after: Sequence[Any], at: Parameters) -> str:
    """Rows that come after the row whose terms are ``after``; terms of one direction go as one row comparison, which
    an index answers."""
    same = next((n for n, term in enumerate(order) if term.descending != order[0].descending), len(order))
    row = "(" + ", ".join(term.sql for term in order[:same]) + ")"
    mark = "(" + ", ".join(at.add(value, term.kind) for term, value in zip(order[:same], after, strict=False)) + ")"
    sign = "<" if order[0].descending else ">"
    if same == len(order):
        return f"{row} {sign} {mark}"
    return f"({row} {sign}= {mark} AND ({row} <> {mark} OR {_behind(order[same:], after[same:], at)}))"


def _varied(question: Question) -> bool:
    if question.words:
        return True
    asked = [key for key in question.keys if not isinstance(key.match, Universal)]
    return bool(asked) and not (points(question) and all(isinstance(key.match, (Single, AnyOf)) for key in asked))
