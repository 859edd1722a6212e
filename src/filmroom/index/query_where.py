"""The conditions of a question on the rows of its level, and which of them narrow the search."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from filmroom.dicom.asking import moments
from filmroom.dicom.dates import DAY_START
from filmroom.dicom.question import AnyOf, Key, Level, Match, Question, Range, Single, Universal, Wildcard
from filmroom.dicom.zones import DATE_TIME_PAIRS, ZONED_TAGS, widened
from filmroom.index.query_fields import (
    ALIAS,
    FIELDS,
    LEVELS,
    MODALITIES_IN_STUDY,
    MODALITY,
    SOP_CLASS,
    SOP_CLASSES_IN_STUDY,
    Field,
    Kind,
    is_above_or_at,
)
from filmroom.index.query_json import json_condition
from filmroom.index.query_narrow import Narrow
from filmroom.index.query_terms import (
    Parameters,
    all_of,
    any_of,
    folded_condition,
    list_condition,
    name_condition,
    names_condition,
    number_condition,
    text_condition,
)
from filmroom.index.query_view import scope_candidates, seen, seen_below, visible, within
from filmroom.index.query_words import words
from filmroom.security.view import View

# Keys that name one thing.
_POINTED: Final = frozenset({0x0020000D, 0x0020000E, 0x00080018, 0x00100020, 0x00080050})

# Keys of studies whose patterns are estimated badly, and are counted quickly; and those that are counted slowly.
_STUDY_PATTERNS: Final = frozenset({"s.accession", "s.study_id"})
_STUDY_TEXTS: Final = frozenset({"s.description"})
# With these an estimate is good enough.
_CERTAIN: Final = frozenset({"p.birth_date", "s.study_id"})
# Keys of "some series" by which the studies are found when few have it.
_SERIES_TEXTS: Final = frozenset({"e.station_name", "e.institution", "e.body_part"})

# Names of referring physicians with more than an alphabetic group, which is all that the column holds: an index has
# exactly these (migration 0003).
_REFERRING, _OTHER_GROUPS = "'{00080090,Value,0}'", "'{Ideographic,Phonetic}'"


FROM: Final[Mapping[Level, str]] = MappingProxyType(
    {
        Level.PATIENT: "patient AS p",
        Level.STUDY: "study AS s",
        Level.SERIES: "series AS e JOIN study AS s ON s.pk = e.study_pk",
        Level.IMAGE: "instance AS i JOIN series AS e ON e.pk = i.series_pk JOIN study AS s ON s.pk = i.study_pk",
    }
)
# How the rows of a level are found from those of a level above.
_BELOW: Final[Mapping[tuple[Level, Level], str]] = MappingProxyType(
    {
        (Level.PATIENT, Level.STUDY): "study AS s WHERE s.patient_pk = p.pk",
        (Level.PATIENT, Level.SERIES): "study AS s JOIN series AS e ON e.study_pk = s.pk WHERE s.patient_pk = p.pk",
        (Level.PATIENT, Level.IMAGE): "study AS s JOIN series AS e ON e.study_pk = s.pk"
        " JOIN instance AS i ON i.series_pk = e.pk WHERE s.patient_pk = p.pk",
        (Level.STUDY, Level.SERIES): "series AS e WHERE e.study_pk = s.pk",
        (Level.STUDY, Level.IMAGE): "series AS e JOIN instance AS i ON i.series_pk = e.pk WHERE e.study_pk = s.pk",
        (Level.SERIES, Level.IMAGE): "instance AS i WHERE i.series_pk = e.pk",
    }
)


def points(question: Question) -> bool:
    """Whether a key names one thing: every plan for it is the same, and may be kept by the database."""
    return any(key.path[0] in _POINTED and isinstance(key.match, (Single, AnyOf)) for key in question.keys)


@dataclass(frozen=True, slots=True)
class _Condition:
    """One key as SQL; ``exact`` is False where it also lets through what does not match."""

    sql: str | None
    exact: bool = True


def support(key: Key, question: Question) -> Field | None:
    """Where a key is matched; None when it cannot be."""
    field = FIELDS.get(key.path[0])
    if field is None or (field.kind is Kind.COMPUTED and not isinstance(key.match, Universal)):
        return None
    if not is_above_or_at(field.level, question.level) and not isinstance(key.match, Universal):
        condition = _condition(key, field, Parameters(), question.fuzzy)
        return field if condition.exact else None
    return field


class Where:
    """The conditions of a question, and what they are conditions on.

    ``order`` are the terms its rows are sorted by. ``narrows``: the statement will use ``narrow``, which may bring
    parameters of its own.
    """

    def __init__(self, question: Question, at: Parameters, view: View, order: Sequence[str], *, narrows: bool) -> None:
        self._question = question
        self._at = at
        self._view = view
        self.visible = visible(view)
        self.residual: list[Key] = []
        self.conditions: list[str | None] = []
        self.narrow: Narrow | None = None
        self._narrows = narrows
        self.by_name = False
        self.by_scope = False
        self._uncertain: list[str] = []
        self._common: list[str] = []
        self._bounded = False  # by dates
        self._certain = False
        self._of_series: list[str] = []
        level = question.level
        for each in (Level.STUDY, Level.SERIES, Level.IMAGE) if level is not Level.PATIENT else (Level.PATIENT,):
            if is_above_or_at(each, level):
                self.conditions.append(self.visible[each])
        self.conditions += seen(view, level, at)
        keys, combined = self._pairs(question)
        here = [key for key in keys if is_above_or_at(FIELDS[key.path[0]].level, level)]
        self.conditions += [*combined, *self._own(here), *self._below([key for key in keys if key not in here])]
        self.narrow = self._narrowed()
        if question.words and level in (Level.PATIENT, Level.STUDY):
            typed = words(question.words, level, at)
            self.conditions.append(typed.condition)
            self.narrow = Narrow(typed.candidates, "s.pk") if level is Level.STUDY else None
        self.source = FROM[level] + (" JOIN patient AS p ON p.pk = s.patient_pk" if self._needs_patient(order) else "")

    def _needs_patient(self, order: Sequence[str]) -> bool:
        if self._question.level is Level.PATIENT:
            return False
        texts = [*filter(None, self.conditions), *order]
        return any("p." in text for text in texts)

    def _pairs(self, question: Question) -> tuple[list[Key], list[str | None]]:
        """Keys to be matched one by one, and conditions of dates combined with their times (C.2.2.2.5.3)."""
        keys = [k for k in question.keys if not isinstance(k.match, Universal) and support(k, question) is not None]
        conditions: list[str | None] = []
        for date, time in DATE_TIME_PAIRS if question.combined_datetime else ():
            both = [key for tag in (date, time) for key in keys if key.path == (tag,)]
            span = moments(both[0].match, both[1].match) if len(both) == 2 else None
            if span is None:
                continue
            fields = [FIELDS[date], FIELDS[time]]
            if question.timezone is not None and is_above_or_at(fields[0].level, question.level):
                self.residual += both
                conditions.append(text_condition(fields[0].column, widened(_days(span)), self._at))
            elif not all(field.column for field in fields) or not is_above_or_at(fields[0].level, question.level):
                self.residual += both
            else:
                conditions.append(self._moment(fields[0].column, fields[1].column, span))
            keys = [key for key in keys if key not in both]
        return keys, conditions

    def _moment(self, date: str, time: str, span: Range) -> str | None:
        day = _days(span)
        point = f"({date} || CASE {time} WHEN '' THEN '{DAY_START}' ELSE {time} END)"
        return all_of([text_condition(date, day, self._at), text_condition(point, span, self._at)])

    def _own(self, keys: Iterable[Key]) -> Iterable[str | None]:
        identifiers = []
        for key in keys:
            field = FIELDS[key.path[0]]
            if self._question.timezone is not None and key.path[0] in ZONED_TAGS:
                self.residual.append(key)
                if field.kind is Kind.DATE:
                    yield text_condition(field.column, widened(key.match), self._at)
                continue
            if field.kind is Kind.IDENTIFIER:
                identifiers.append((field.column, key.match))
                continue
            condition = _condition(key, field, self._at, self._question.fuzzy)
            if not condition.exact:
                self.residual.append(key)
            self._narrow_by(key, field, condition.sql)
            yield condition.sql
            if (only_seen := self._of_what_is_seen(key)) is not None:
                yield only_seen
        if identifiers:
            patient = "p.pk" if self._question.level is Level.PATIENT else "s.patient_pk"
            yield _identified(patient, identifiers, self._at)

    def _of_what_is_seen(self, key: Key) -> str | None:
        """The study's own lists tell of series that are out of sight too: some series in sight must have the value."""
        list_of = {MODALITIES_IN_STUDY: "ARRAY[e.modality]", SOP_CLASSES_IN_STUDY: "e.sop_classes"}.get(key.path[0])
        if list_of is None or not self._view.by_series:
            return None
        condition = list_condition(list_of, key.match, self._at)
        there = [self.visible[Level.SERIES], *within(self._view, self._at, series=True)]
        return f"EXISTS (SELECT FROM series AS e WHERE e.study_pk = s.pk AND {all_of([condition, *there])})"

    def _narrow_by(self, key: Key, field: Field, sql: str | None) -> None:
        """Patterns of names are what estimates go wrong for, or else those of a study's texts, and its modalities."""
        if sql is None or self._question.level is Level.PATIENT:
            return
        if field.kind is Kind.NAMES:
            self.narrow, self.by_name = Narrow(f"SELECT p.pk FROM patient AS p WHERE {sql}", "s.patient_pk"), True
        elif field.kind is Kind.LIST or (field.column in _STUDY_TEXTS and isinstance(key.match, Wildcard)):
            self._common.append(sql)
        elif field.kind is Kind.NAME or (field.column in _STUDY_PATTERNS and isinstance(key.match, Wildcard)):
            self._uncertain.append(sql)
        elif field.column == "s.study_date" and not (
            isinstance(key.match, Range) and "" in (key.match.low, key.match.high)
        ):
            self._bounded = True
        elif field.column in _CERTAIN and isinstance(key.match, (Single, AnyOf)):
            self._certain = True

    def _narrowed(self) -> Narrow | None:
        """The names if they are asked; else, where no dates bound the walk, uncertain keys of studies or of series, and
        the scopes of who asks, and only then those that are true of many."""
        if self.narrow is not None or self._question.level is Level.PATIENT or self._bounded:
            return self.narrow
        if self._uncertain:
            return Narrow(f"SELECT s.pk FROM study AS s WHERE {all_of(self._uncertain)}", "s.pk")
        if self._of_series:
            return Narrow(f"SELECT e.study_pk AS pk FROM series AS e WHERE {self._of_series[0]}", "s.pk")
        if self._narrows and not (self._question.words or self._certain or points(self._question)):
            in_scope = scope_candidates(self._view, self._at) if self._question.level is Level.STUDY else None
            if in_scope is not None:
                self.by_scope = True
                return Narrow(in_scope[0], "s.pk", common=in_scope[1], beside=True)
        if self._common and not self._certain:
            return Narrow(f"SELECT s.pk FROM study AS s WHERE {all_of(self._common)}", "s.pk", common=True)
        return None

    def _below(self, keys: Sequence[Key]) -> Iterable[str | None]:
        """Some row below the level satisfies every key of its level or above it."""
        level = self._question.level
        if level is Level.STUDY:
            short = [condition for key in keys if (condition := _short_cut(key, self._at)) is not None]
            self._common += short
            yield from short
            if len(keys) == len(short) == 1 and not self._view.by_series:
                return
        if not keys:
            if level is Level.PATIENT:
                some = [self.visible[Level.STUDY], *seen_below(self._view, level, Level.STUDY, self._at)]
                yield f"EXISTS (SELECT FROM {_BELOW[level, Level.STUDY]} AND {all_of(some)})"
            return
        deepest = max((FIELDS[key.path[0]].level for key in keys), key=LEVELS.index)
        between = LEVELS[LEVELS.index(level) + 1 : LEVELS.index(deepest) + 1]
        conditions = [self.visible[each] for each in between] + seen_below(self._view, level, deepest, self._at)
        for key in keys:
            if (sql := self._below_condition(key)) is not None:
                conditions.append(sql)
                if FIELDS[key.path[0]].column in _SERIES_TEXTS:
                    self._of_series.append(sql)
        yield f"EXISTS (SELECT FROM {_BELOW[level, deepest]} AND {all_of(conditions)})"

    def _below_condition(self, key: Key) -> str | None:
        return _condition(key, FIELDS[key.path[0]], self._at, self._question.fuzzy).sql


def _days(span: Range) -> Range:
    return Range(span.low[:8], span.high[:8])


def _short_cut(key: Key, at: Parameters) -> str | None:
    """A condition on the study's own lists that every study with such a series or object meets; they are indexed."""
    column = {MODALITY: "s.modalities", SOP_CLASS: "s.sop_classes"}.get(key.path[0])
    return list_condition(column, key.match, at) if column and isinstance(key.match, (Single, AnyOf)) else None


def _identified(patient: str, keys: Sequence[tuple[str, Match]], at: Parameters) -> str:
    """Some identifier of the patient; those that Filmroom makes up for itself have no value and are none."""
    parts: list[str | None] = []
    for column, match in keys:
        condition = text_condition(f"x.{column}", match, at)
        if column == "value" and condition == "x.value = ''":
            return f"NOT EXISTS (SELECT FROM patient_identifier AS x WHERE x.patient_pk = {patient} AND x.value <> '')"
        parts.append(condition)
    return (
        f"EXISTS (SELECT FROM patient_identifier AS x WHERE x.patient_pk = {patient} AND x.value <> ''"
        f" AND {all_of(parts)})"
    )


def _condition(key: Key, field: Field, at: Parameters, fuzzy: bool) -> _Condition:
    column, match = field.column, key.match
    match field.kind:
        case Kind.TEXT | Kind.DATE | Kind.TIME:
            return _Condition(text_condition(column, match, at))
        case Kind.FOLDED:
            return _Condition(folded_condition(column, match, at))
        case Kind.NUMBER:
            return _Condition(number_condition(column, match, at))
        case Kind.LIST:
            return _Condition(list_condition(column, match, at))
        case Kind.NAMES:
            return _Condition(names_condition(match, at, fuzzy=fuzzy))
        case Kind.IDENTIFIER:
            return _Condition(_identified("p.pk", [(column, match)], at))
        case Kind.NAME:
            own = None if fuzzy else name_condition(column, match, at)
            other = f"({ALIAS[field.level]}.attributes #> {_REFERRING}) ?| {_OTHER_GROUPS}"
            return _Condition(None if own is None else any_of([own, other]), exact=False)
    made = json_condition(f"{ALIAS[field.level]}.attributes", key, at)
    return _Condition(made.sql, made.exact)
