"""Predicates on attributes that have no column: they are looked for in the row's DICOM JSON (PS3.18 F.2).

Most are exact. Names, times and dates need more than SQL knows: their conditions are met by every match, and perhaps by
others, which the caller sorts out with dicom.matching (``exact`` is False then).
"""

from dataclasses import dataclass
from typing import Final

from filmroom.dicom.asking import NUMBER_VRS
from filmroom.dicom.question import (
    AllOf,
    AnyOf,
    EmptyValue,
    Key,
    Match,
    Range,
    SequenceMatch,
    Single,
    Universal,
    Wildcard,
    hex_key,
)
from filmroom.index.query_terms import NEVER, Parameters, all_of, text_condition

_BY_CALLER: Final = frozenset({"PN", "TM", "DT"})


@dataclass(frozen=True, slots=True)
class JsonCondition:
    """``sql`` is None where nothing is asked of the database."""

    sql: str | None
    exact: bool = True


def json_condition(dataset: str, key: Key, at: Parameters, depth: int = 0) -> JsonCondition:
    """One key against the DICOM JSON that the expression ``dataset`` gives."""
    # Eight hex digits made here; no text of the question.
    element = f"{dataset}->'{hex_key(key.path[0])}'->'Value'"
    one = f"v{depth}"
    match key.match:
        case Universal():
            return JsonCondition(None)
        case SequenceMatch(keys):
            inner = [json_condition(f"{one}.item", each, at, depth + 1) for each in keys]
            exact = all(each.exact for each in inner)
            where = all_of(each.sql for each in inner)
            if where is None:
                asks = any(not isinstance(each.match, Universal) for each in keys)
                return JsonCondition(f"{_some(element)}" if asks else None, exact)
            return JsonCondition(
                f"EXISTS (SELECT FROM jsonb_array_elements({element}) AS {one}(item) WHERE {where})", exact
            )
        case EmptyValue():
            return JsonCondition(f"NOT {_exists(element, one, f'{one}.text <> {_EMPTY}')}")
    if key.vr in _BY_CALLER:
        return JsonCondition(_some(element), exact=False)
    if key.vr in NUMBER_VRS:
        return JsonCondition(_numbers(element, one, key.match, at))
    if key.vr == "DA":
        plain = f"translate({one}.text, '.-', '')"
        return JsonCondition(_exists(element, one, text_condition(plain, key.match, at) or "true"), exact=False)
    return JsonCondition(_texts(element, one, key.match, at))


_EMPTY: Final = "''"


def _some(element: str) -> str:
    return f"jsonb_array_length({element}) > 0"


def _exists(element: str, one: str, condition: str) -> str:
    return f"EXISTS (SELECT FROM jsonb_array_elements_text({element}) AS {one}(text) WHERE {condition})"


def _texts(element: str, one: str, match: Match, at: Parameters) -> str:
    if isinstance(match, AllOf):
        parts = [
            _exists(element, one, text_condition(f"{one}.text", Single(value), at) or "true") for value in match.values
        ]
        return " AND ".join(parts)
    return _exists(element, one, text_condition(f"{one}.text", match, at) or "true")


def _numbers(element: str, one: str, match: Match, at: Parameters) -> str:
    match match:
        case Single(value):
            wanted: tuple[str, ...] = (value,)
        case AnyOf(values, _) | AllOf(values):
            wanted = values
        case Wildcard() | Range() | _:
            return NEVER
    source = f"jsonb_array_elements({element}) AS {one}(item)"
    number = f"CASE WHEN jsonb_typeof({one}.item) = 'number' THEN {one}.item::text::float8 END"
    parts = [f"EXISTS (SELECT FROM {source} WHERE {number} = {at.add(float(each), 'float8')})" for each in wanted]
    return " AND ".join(parts) if isinstance(match, AllOf) else "(" + " OR ".join(parts) + ")"
