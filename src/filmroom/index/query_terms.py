"""Predicates: one key of a question as SQL, its values bound as parameters, never written into the text.

Each function gives the text of a condition, or None where the key asks nothing (universal matching). ``NEVER`` is a
condition that nothing meets: values that PostgreSQL cannot hold as text match nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from filmroom.dicom.matching import name_patterns
from filmroom.dicom.names import fold, name_query_terms
from filmroom.dicom.question import AllOf, AnyOf, EmptyValue, Match, Range, Single, Universal, Wildcard
from filmroom.dicom.simplified import simplified

NEVER: Final = "false"
_INT4 = 2**31 - 1
_NAME_COLUMNS: Final = ("p.name_alphabetic", "p.name_ideographic", "p.name_phonetic")
# Their indexes leave out rows without a value. A plan that is kept for any value, and a pattern, use such an index only
# when the condition says itself that there is one.
_PARTLY_INDEXED: Final = frozenset(
    {"s.accession", "s.study_id", "s.referring", "e.station_name", "e.body_part", "e.institution"}
)

Prepare = Callable[[str], str]


class Parameters:
    """The values of one statement, numbered as they come."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def add(self, value: Any, kind: str = "text") -> str:
        """``$n::kind`` for a new value."""
        self.values.append(value)
        return f"${len(self.values)}::{kind}"


def storable(text: str) -> bool:
    """Whether PostgreSQL can hold it: no zero character, no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


def like_pattern(wildcard: str) -> str:
    """A DICOM wildcard as pattern of LIKE: ``%``, ``_`` and the escape itself become literal (PS3.4 C.2.2.2.4)."""
    escaped = wildcard.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%").replace("?", "_")


def is_pattern(text: str) -> bool:
    """Whether it holds a wildcard character."""
    return "*" in text or "?" in text


def any_of(conditions: Iterable[str]) -> str:
    """Joined by OR; NEVER of none."""
    parts = [each for each in conditions if each != NEVER]
    return "(" + " OR ".join(parts) + ")" if len(parts) > 1 else parts[0] if parts else NEVER


def all_of(conditions: Iterable[str | None]) -> str | None:
    """Joined by AND; those that ask nothing are left out."""
    parts = [each for each in conditions if each is not None]
    return " AND ".join(parts) if parts else None


def _same(text: str) -> str:
    return text


def text_condition(column: str, match: Match, at: Parameters, prepare: Prepare = _same) -> str | None:
    """A column with one text value, '' where there is none. ``prepare`` makes a value comparable with the column."""
    condition = _text_condition(column, match, at, prepare)
    if column in _PARTLY_INDEXED and condition not in (None, NEVER) and not isinstance(match, EmptyValue):
        return f"{condition} AND {column} <> ''"
    return condition


def _text_condition(column: str, match: Match, at: Parameters, prepare: Prepare) -> str | None:
    match match:
        case Universal():
            return None
        case EmptyValue():
            return f"{column} = ''"
        case Single(value):
            return _equals(column, prepare(value), at)
        case Wildcard(pattern):
            return _like(column, prepare(pattern), at)
        case AnyOf(values, wildcard):
            if wildcard:
                return any_of(_like(column, prepare(one), at) for one in values)
            return _equals_any(column, [prepare(one) for one in values], at)
        case AllOf(values):
            return all_of(_equals(column, prepare(one), at) for one in values)
        case Range(low, high):
            return all_of((f"{column} <> ''" if not low else None, *_ends(column, low, high, at)))
    return NEVER


def folded_condition(column: str, match: Match, at: Parameters) -> str | None:
    """A column that holds names.fold of the value."""
    return text_condition(column, match, at, fold)


def number_condition(column: str, match: Match, at: Parameters) -> str | None:
    """An integer column, null where there is no value."""
    match match:
        case Universal():
            return None
        case EmptyValue():
            return f"{column} IS NULL"
        case Single(value):
            wanted: Sequence[str] = (value,)
        case AnyOf(values, _):
            wanted = values
        case AllOf(values):
            wanted = values if len(set(map(float, values))) == 1 else ()
        case _:
            return NEVER
    whole = [int(float(one)) for one in wanted if float(one).is_integer() and abs(float(one)) <= _INT4]
    return f"{column} = ANY({at.add(whole, 'int[]')})" if whole else NEVER


def list_condition(column: str, match: Match, at: Parameters) -> str | None:
    """A column of text[]: some value of it matches (all of several, for AllOf)."""
    match match:
        case Universal():
            return None
        case EmptyValue():
            return f"{column} = '{{}}'"
        case Single(value):
            return f"{column} && {at.add([value], 'text[]')}" if storable(value) else NEVER
        case AnyOf(values, False):
            return f"{column} && {at.add([one for one in values if storable(one)], 'text[]')}"
        case AllOf(values):
            return f"{column} @> {at.add(list(values), 'text[]')}" if all(map(storable, values)) else NEVER
    inner = text_condition("one", match, at)
    return f"EXISTS (SELECT FROM unnest({column}) AS one WHERE {inner})"


def names_condition(match: Match, at: Parameters, *, fuzzy: bool) -> str | None:
    """Patient's Name by its three columns, or by its terms when ``fuzzy``."""
    some = any_of(f"{column} <> ''" for column in _NAME_COLUMNS)
    match match:
        case Universal():
            return None
        case EmptyValue():
            return f"NOT {some}"
        case Single(text) | Wildcard(text):
            return (_fuzzy(text, at) if fuzzy else _name(text, at)) or some
        case AnyOf(texts):
            return any_of((_fuzzy(text, at) if fuzzy else _name(text, at)) or some for text in texts)
        case AllOf(texts):
            return all_of(_name(text, at) or some for text in texts)
    return NEVER


def name_condition(column: str, match: Match, at: Parameters) -> str | None:
    """A column with the alphabetic group of a name: a condition that names with other groups may also meet.

    Only for one-group questions; others are for the caller to match by the name itself.
    """
    match match:
        case Single(text) | Wildcard(text):
            texts: Sequence[str] = (text,)
        case AnyOf(values, _):
            texts = values
        case _:
            return None
    parts = []
    for text in texts:
        groups = name_patterns(text)
        if len(groups) != 1 or not groups[0]:
            return None
        parts += [_like(column, one, at) for one in groups[0]]
    return f"({column} <> '' AND {any_of(parts)})"


def _name(text: str, at: Parameters) -> str | None:
    groups = name_patterns(text)
    if len(groups) > 1:
        pairs = zip(_NAME_COLUMNS, groups, strict=False)
        return all_of(any_of(_like(column, one, at) for one in patterns) for column, patterns in pairs if patterns)
    if not groups[0]:
        return None
    together = any_of(f"({c} <> '' AND {any_of(_like(c, one, at) for one in groups[0])})" for c in _NAME_COLUMNS)
    pairs_in = [pair for one in groups[0] for pair in _pairs_of(one)]
    if len(groups[0]) == 1 and pairs_in and groups[0][0].startswith(("*", "?")):
        # Two Chinese characters are less than a trigram: their pair among the name's terms narrows the search.
        return f"p.name_terms @> {at.add([simplified(pair) for pair in pairs_in], 'text[]')} AND {together}"
    return together


def _pairs_of(pattern: str) -> list[str]:
    """Neighbouring Chinese characters that a matching name must contain within one component."""
    pieces = "".join(" " if c in "*?^ " else c for c in pattern).split()
    pairs = (piece[at : at + 2] for piece in pieces for at in range(len(piece) - 1))
    return [pair for pair in pairs if all("\u4e00" <= c <= "\u9fff" for c in pair)]


def _fuzzy(text: str, at: Parameters) -> str | None:
    wanted = [one for one in name_query_terms(text) if storable(one)]
    whole = [one for one in wanted if not one.endswith("*")]
    starts = [like_pattern(one[:-1]) for one in wanted if one.endswith("*") and one != "*"]
    parts = [f"p.name_terms @> {at.add(whole, 'text[]')}"] if whole else []
    parts += [f"name_terms_text(p.name_terms) LIKE {at.add(f'% {start}%')}" for start in starts]
    return all_of(parts)


def _equals(column: str, value: str, at: Parameters) -> str:
    return f"{column} = {at.add(value)}" if value and storable(value) else NEVER


def _equals_any(column: str, values: Sequence[str], at: Parameters) -> str:
    held = [one for one in values if one and storable(one)]
    return f"{column} = ANY({at.add(held, 'text[]')})" if held else NEVER


def _like(column: str, pattern: str, at: Parameters) -> str:
    if not is_pattern(pattern):
        return _equals(column, pattern, at)
    if not storable(pattern):
        return NEVER
    if not pattern.strip("*"):
        return f"{column} <> ''"
    return f"{column} LIKE {at.add(like_pattern(pattern))}"


def _ends(column: str, low: str, high: str, at: Parameters) -> Iterable[str]:
    if low:
        yield f"{column} >= {at.add(low)}"
    if high:
        yield f"{column} <= {at.add(high)}"
