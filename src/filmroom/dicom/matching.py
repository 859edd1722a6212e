"""Attribute matching (PS3.4 C.2.2.2): the form of questions, their readers, and the reference matcher.

How strings compare, where the standard leaves it open: person names without regard to case, accents and width, one
query group against each component group, or group by group when the query has ``=``; the descriptions of study and
series without regard to case and accents; all others exactly. Fuzzy matching looks for the words of the query among
the name's terms (names.name_terms).
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

from filmroom.dicom.asking import (
    NUMBER_VRS,
    moments,
    path_of,
    query_level,
    question_from_dataset,
    question_from_query,
)
from filmroom.dicom.dates import DAY_START, date_value, datetime_value, time_value
from filmroom.dicom.names import fold, name_query_terms, name_terms, normalise_name
from filmroom.dicom.question import (
    ALL,
    All,
    AllOf,
    AnyOf,
    EmptyValue,
    JsonDataset,
    Key,
    Level,
    Match,
    Order,
    Path,
    Question,
    Range,
    SequenceMatch,
    Single,
    Universal,
    Wildcard,
    hex_key,
    paths_of,
)
from filmroom.dicom.zones import DATE_TIME_PAIRS, in_zone, zone_of

__all__ = [
    "ALL",
    "DATE_TIME_PAIRS",
    "FOLDED_TAGS",
    "All",
    "AllOf",
    "AnyOf",
    "EmptyValue",
    "JsonDataset",
    "Key",
    "Level",
    "Match",
    "Order",
    "Path",
    "Question",
    "Range",
    "SequenceMatch",
    "Single",
    "Universal",
    "Wildcard",
    "hex_key",
    "matches",
    "matches_all",
    "moments",
    "name_patterns",
    "path_of",
    "paths_of",
    "query_level",
    "question_from_dataset",
    "question_from_query",
]

# Compared without case and accents, as their search columns are kept: StudyDescription, SeriesDescription.
FOLDED_TAGS: Final = frozenset({0x00081030, 0x0008103E})

_Equal = Callable[[str], bool]


def matches_all(question: Question, dataset: JsonDataset) -> bool:
    """Whether an entity's attributes satisfy every key of a question; its times are first read in the asker's zone."""
    source = zone_of(dataset)
    if question.timezone and source:
        dataset = in_zone(dataset, source, question.timezone)
    keys = list(question.keys)
    if question.combined_datetime:
        for pair in DATE_TIME_PAIRS:
            keys = _take_pair(keys, pair, dataset)
    return all(matches(key, dataset, fuzzy=question.fuzzy) for key in keys)


def _take_pair(keys: list[Key], pair: tuple[int, int], dataset: JsonDataset) -> list[Key]:
    """Keys without a date and time that were matched as one; none can match when they did not."""
    found = {key.path[0]: key for key in keys if key.path[0] in pair}
    if len(found) < 2:
        return keys
    span = moments(found[pair[0]].match, found[pair[1]].match)
    if span is None:
        return keys
    date = next((date_value(one) for one in _values(dataset, pair[0])), "")
    time = next((time_value(one) for one in _values(dataset, pair[1])), "") or DAY_START
    if not date or not _in_range(date + time, span):
        return [Key((pair[0],), "CS", AnyOf(()))]
    return [key for key in keys if key not in found.values()]


def matches(key: Key, dataset: JsonDataset, *, fuzzy: bool = False) -> bool:
    """Whether one key is satisfied. An attribute without a value satisfies universal and empty value matching only."""
    tag = key.path[0]
    match key.match:
        case Universal():
            return True
        case SequenceMatch(keys):
            items = dataset.get(hex_key(tag), {}).get("Value") or []
            universal = all(isinstance(inner.match, Universal) for inner in keys)
            return universal or any(all(matches(k, item or {}, fuzzy=fuzzy) for k in keys) for item in items)
        case EmptyValue():
            return not any(True for _ in _values(dataset, tag))
    values = list(_values(dataset, tag))
    if key.vr == "PN":
        return any(_name_matches(key.match, one, fuzzy) for one in values)
    return _strings_match(key, values)


def _strings_match(key: Key, values: Sequence[str]) -> bool:
    tag, vr = key.path[0], key.vr
    match key.match:
        case AllOf(wanted):
            return all(any(_equal(tag, vr, one)(value) for value in values) for one in wanted)
        case AnyOf(wanted, wildcard):
            tests = [_like(tag, one) if wildcard else _equal(tag, vr, one) for one in wanted]
            return any(test(value) for test in tests for value in values)
        case Wildcard(pattern):
            return any(map(_like(tag, pattern), values))
        case Single(wanted):
            return any(map(_equal(tag, vr, wanted), values))
        case Range() as span:
            comparable = _COMPARABLE.get(vr, str)
            return any(_in_range(comparable(value), span) for value in values)
    return False


_COMPARABLE: Final[dict[str, Callable[[str], str]]] = {"DA": date_value, "TM": time_value, "DT": datetime_value}


def _in_range(value: str, span: Range) -> bool:
    return bool(value) and (not span.low or value >= span.low) and (not span.high or value <= span.high)


def _equal(tag: int, vr: str, wanted: str) -> _Equal:
    if tag in FOLDED_TAGS:
        return lambda value: fold(value) == fold(wanted)
    if vr in NUMBER_VRS:
        return lambda value: _number(value) == float(wanted)
    comparable = _COMPARABLE.get(vr, str)
    return lambda value: comparable(value) == wanted


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _like(tag: int, pattern: str) -> _Equal:
    if tag in FOLDED_TAGS:
        test = _pattern(fold(pattern))
        return lambda value: test.fullmatch(fold(value)) is not None
    test = _pattern(pattern)
    return lambda value: test.fullmatch(value) is not None


@lru_cache(maxsize=512)
def _pattern(pattern: str) -> re.Pattern[str]:
    """``*`` and ``?`` as an expression, everything else literal; runs of ``*`` count once, to stay cheap."""
    parts = (".*" if one.startswith("*") else "." if one == "?" else re.escape(one) for one in _PIECES.findall(pattern))
    return re.compile("".join(parts), re.DOTALL)


_PIECES = re.compile(r"\*+|\?|[^*?]+")


def name_patterns(text: str) -> tuple[tuple[str, ...], ...]:
    """A PN key, normalised, for each component group it names; alternatives within a group.

    One group: it is tried on the alphabetic, ideographic and phonetic name alike. Several: each on its own name, and an
    empty tuple asks nothing. ``DOE^*`` is also met by a name without further components.
    """
    groups = [normalise_name(group) for group in text.split("=")[:3]]
    return tuple(_alternatives(group) if group not in ("", "*") else () for group in groups)


def _alternatives(pattern: str) -> tuple[str, ...]:
    bare = re.sub(r"(?:\^\*+)+$", "", pattern)
    return (pattern,) if bare == pattern else (pattern, bare)


def _name_matches(match: Match, value: str, fuzzy: bool) -> bool:
    names = [normalise_name(group) for group in value.split("=")[:3]]
    names += [""] * (3 - len(names))
    match match:
        case Single(text) | Wildcard(text):
            return _fuzzy(text, names) if fuzzy else _name_like(text, names)
        case AnyOf(texts):
            return any(_fuzzy(text, names) if fuzzy else _name_like(text, names) for text in texts)
        case AllOf(texts):
            return all(_name_like(text, names) for text in texts)
    return False


def _name_like(text: str, names: Sequence[str]) -> bool:
    groups = name_patterns(text)
    if len(groups) == 1:
        return not groups[0] or any(_one_of(groups[0], name) for name in names if name)
    return all(not patterns or _one_of(patterns, name) for patterns, name in zip(groups, names, strict=False))


def _one_of(patterns: Iterable[str], name: str) -> bool:
    return any(_pattern(pattern).fullmatch(name) for pattern in patterns)


def _fuzzy(text: str, names: Sequence[str]) -> bool:
    terms = name_terms(*names)
    return all(
        any(term.startswith(wanted[:-1]) for term in terms) if wanted.endswith("*") else wanted in terms
        for wanted in name_query_terms(text)
    )


def _values(dataset: JsonDataset, tag: int) -> Iterable[str]:
    """The values of an attribute that are not empty, each as text; names with ``=`` between their groups."""
    for value in dataset.get(hex_key(tag), {}).get("Value") or ():
        text = _text(value)
        if text:
            yield text


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "=".join(value.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")).rstrip("=")
    return "" if value is None else str(value)
