"""Conditions asked of an object or a peer: compiled to closures where it must be fast, explained where people look."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final, Protocol

from filmroom.dicom.conditions import (
    WEEKDAYS,
    And,
    Attribute,
    Condition,
    Not,
    Or,
    Path,
    Span,
    Subject,
    Test,
    show,
    tests,
)
from filmroom.dicom.dictionary import vr_of
from filmroom.dicom.names import fold, normalise_name

Holds = Callable[["Asked"], bool]

# A regular expression looks at no more than this of a value; see conditions_parse.MAX_LOOSE_REPEATS.
MAX_MATCHED_CHARACTERS: Final = 200

# Where codes of procedures, protocols and body regions stand.
CODE_SEQUENCES: Final = (0x00081032, 0x00321064, 0x00400260, 0x00081084, 0x00082218)
_CODE_VALUE, _CODE_SCHEME = 0x00080100, 0x00080102
_AGE, _BIRTH_DATE, _STUDY_DATE = (0x00101010,), (0x00100030,), (0x00080020,)
_AGE_DAYS: Final = {"d": 1.0, "w": 7.0, "m": 30.4375, "y": 365.25}
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


class Values(Protocol):
    """A data set as conditions see it."""

    def texts(self, path: Path) -> Sequence[str]:
        """The values of an attribute as text, of all items where sequences are on the way; names with ``=``."""
        ...


@dataclass(frozen=True, slots=True)
class JsonValues:
    """A data set in the DICOM JSON model."""

    dataset: Mapping[str, Mapping[str, Any]]

    def texts(self, path: Path) -> Sequence[str]:
        return _texts(self.dataset, path)


NO_VALUES: Final = JsonValues({})


_LONG_AGO: Final = datetime(1900, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a condition is asked about. ``now`` is the time at this server."""

    values: Values = NO_VALUES
    calling: str = ""
    called: str = ""
    host: str = ""
    door: str = ""
    now: datetime = _LONG_AGO


@dataclass(frozen=True, slots=True)
class Explained:
    """Why a condition is true or not: ``found`` are the values that a test saw."""

    text: str
    holds: bool
    found: tuple[str, ...] = ()
    parts: tuple["Explained", ...] = ()

    def lines(self, depth: int = 0) -> Iterable[str]:
        """For people: a line for each part."""
        seen = f"   found {', '.join(map(repr, self.found)) or 'nothing'}" if not self.parts else ""
        yield f"{'  ' * depth}{'yes' if self.holds else 'no '}  {self.text}{seen}"
        for part in self.parts:
            yield from part.lines(depth + 1)


def attributes_of(condition: Condition) -> frozenset[int]:
    """The top-level attributes that must be at hand to ask it."""
    found: set[int] = set()
    for test in tests(condition):
        if isinstance(test.subject, Attribute):
            found.add(test.subject.path[0])
        elif test.subject.name == "age":
            found |= {_AGE[0], _BIRTH_DATE[0], _STUDY_DATE[0]}
        elif test.subject.name == "code":
            found |= set(CODE_SEQUENCES)
    return frozenset(found)


def compiled(condition: Condition) -> Holds:
    """The condition as a function; the same answer as ``explained`` gives."""
    match condition:
        case And(parts):
            return _all_of([compiled(part) for part in parts])
        case Or(parts):
            return _any_of([compiled(part) for part in parts])
        case Not(part):
            inner = compiled(part)
            return lambda asked: not inner(asked)
        case Test():
            return _test(condition)


def explained(condition: Condition, asked: Asked) -> Explained:
    """The answer with its reasons; every part is asked, also where the answer is known without it."""
    match condition:
        case And(parts) | Or(parts):
            below = tuple(explained(part, asked) for part in parts)
            together = all if isinstance(condition, And) else any
            return Explained(show(condition), together(each.holds for each in below), (), below)
        case Not(part):
            inner = explained(part, asked)
            return Explained(show(condition), not inner.holds, (), (inner,))
        case Test():
            found = tuple(_getter(condition.subject)(asked))
            return Explained(show(condition), _test(condition)(asked), found)


def _all_of(parts: Sequence[Holds]) -> Holds:
    if len(parts) == 2:
        first, second = parts
        return lambda asked: first(asked) and second(asked)
    return lambda asked: all(part(asked) for part in parts)


def _any_of(parts: Sequence[Holds]) -> Holds:
    return lambda asked: any(part(asked) for part in parts)


def _test(test: Test) -> Holds:
    get = _getter(test.subject)
    name = test.subject.name if isinstance(test.subject, Subject) else ""
    if test.operator == "exists":
        return lambda asked: any(get(asked))
    if name in ("hour", "time", "weekday"):
        return _round(get, _ROUND_KEYS[name], test)
    if name == "age":
        return _ordered(get, _days, test)
    normal = _normal(test.subject)
    if test.operator in ("=", "!=", "in"):
        return _listed(get, normal, test)
    value = test.values[0]
    assert isinstance(value, str)
    if test.operator == "like":
        pattern = re.compile(_like(normal(value)), re.DOTALL)
        return lambda asked: any(pattern.fullmatch(normal(each)) is not None for each in get(asked))
    if test.operator == "matches":
        expression = re.compile(value)
        return lambda asked: any(expression.fullmatch(each[:MAX_MATCHED_CHARACTERS]) for each in get(asked))
    return _ordered(get, None, test)


def _listed(get: "_Getter", normal: Callable[[str], str], test: Test) -> Holds:
    wanted = frozenset(normal(each) for each in test.values if isinstance(each, str))
    spans = [each for each in test.values if isinstance(each, Span)]
    if test.operator == "!=":
        return lambda asked: all(normal(each) not in wanted for each in get(asked))
    if not spans:
        return lambda asked: any(normal(each) in wanted for each in get(asked))
    return lambda asked: any(
        normal(each) in wanted or any(_less(span.low, each, True) and _less(each, span.high, True) for span in spans)
        for each in get(asked)
    )


def _ordered(get: "_Getter", key: Callable[[str], float] | None, test: Test) -> Holds:
    """Comparison by size; ``key`` makes numbers of values that have a unit."""
    if key is None:
        return lambda asked: any(_compare(each, test) for each in get(asked))
    spans = [_number_span(each, key) for each in test.values]

    def inside(asked: Asked) -> bool:
        return any(low <= key(each) <= high for each in get(asked) for low, high in spans)

    if test.operator in ("=", "in"):
        return inside
    if test.operator == "!=":
        return lambda asked: not inside(asked)
    limit, operator = spans[0][0], test.operator
    return lambda asked: any(_by_sign(key(each), limit, operator) for each in get(asked))


def _round(get: "_Getter", key: Callable[[str], float], test: Test) -> Holds:
    """What begins anew each day or week: a range whose end is before its start goes over the turn."""
    spans = [_number_span(each, key) for each in test.values]

    def inside(asked: Asked) -> bool:
        at = key(get(asked)[0])
        return any(low <= at <= high if low <= high else at >= low or at <= high for low, high in spans)

    if test.operator in ("=", "in"):
        return inside
    if test.operator == "!=":
        return lambda asked: not inside(asked)
    limit, operator = spans[0][0], test.operator
    return lambda asked: _by_sign(key(get(asked)[0]), limit, operator)


def _number_span(value: str | Span, key: Callable[[str], float]) -> tuple[float, float]:
    return (key(value), key(value)) if isinstance(value, str) else (key(value.low), key(value.high))


def _compare(found: str, test: Test) -> bool:
    value = test.values[0]
    assert isinstance(value, str)
    match test.operator:
        case "<":
            return _less(found, value, False)
        case "<=":
            return _less(found, value, True)
        case ">":
            return _less(value, found, False)
        case _:
            return _less(value, found, True)


def _by_sign(found: float, limit: float, operator: str) -> bool:
    match operator:
        case "<":
            return found < limit
        case "<=":
            return found <= limit
        case ">":
            return found > limit
        case _:
            return found >= limit


def _less(low: str, high: str, or_equal: bool) -> bool:
    """By size when both are numbers (dates and times are), else as folded text."""
    if _NUMBER.fullmatch(low) and _NUMBER.fullmatch(high):
        return float(low) <= float(high) if or_equal else float(low) < float(high)
    a, b = fold(low), fold(high)
    return a <= b if or_equal else a < b


def _normal(subject: Attribute | Subject) -> Callable[[str], str]:
    if isinstance(subject, Attribute) and vr_of(subject.path[-1]) == "PN":
        return _one_name
    return fold


@lru_cache(maxsize=4096)
def _one_name(name: str) -> str:
    groups = [normalise_name(group) for group in name.split("=")]
    return "=".join(groups).rstrip("=")


def _like(pattern: str) -> str:
    """``*`` and ``?`` as a regular expression: what stands between stars is taken where it first fits (atomic), which
    is enough, and ends in time."""
    made = [re.escape(each).replace(r"\?", ".") for each in re.split(r"\*+", pattern)]
    if len(made) == 1:
        return made[0]
    first, last = made[0], made[-1]
    middle = "".join(f"(?>.*?{each})" for each in made[1:-1] if each)
    return f"{first}{middle}.*{last}"


_Getter = Callable[[Asked], Sequence[str]]


def _getter(subject: Attribute | Subject) -> _Getter:
    if isinstance(subject, Attribute):
        path = subject.path
        return lambda asked: asked.values.texts(path)
    return _SUBJECT_GETTERS[subject.name]


def _codes(asked: Asked) -> Sequence[str]:
    found: list[str] = []
    for sequence in CODE_SEQUENCES:
        values = asked.values.texts((sequence, _CODE_VALUE))
        schemes = asked.values.texts((sequence, _CODE_SCHEME))
        found += values
        if len(schemes) == len(values):
            found += [f"{value}^{scheme}" for value, scheme in zip(values, schemes, strict=True)]
    return found


def _age(asked: Asked) -> Sequence[str]:
    said = [each.lower() for each in asked.values.texts(_AGE) if re.fullmatch(r"\d{3}[DWMY]", each.strip())]
    if said:
        return said
    born, studied = (_date(asked.values.texts(path)) for path in (_BIRTH_DATE, _STUDY_DATE))
    if born is None:
        return ()
    at = studied or asked.now.date()
    return (f"{(at - born).days}d",) if at >= born else ()


def _date(texts: Sequence[str]) -> date | None:
    try:
        return datetime.strptime(texts[0].strip(), "%Y%m%d").date() if texts else None  # noqa: DTZ007 - a day has no zone
    except ValueError:
        return None


def _days(age: str) -> float:
    return int(age[:-1]) * _AGE_DAYS[age[-1]]


_ROUND_KEYS: Final[Mapping[str, Callable[[str], float]]] = {
    "hour": float,
    "time": lambda text: int(text[:2]) * 60.0 + int(text[3:]),
    "weekday": lambda text: float(WEEKDAYS.index(text)),
}
_SUBJECT_GETTERS: Final[Mapping[str, _Getter]] = {
    "calling": lambda asked: (asked.calling,) if asked.calling else (),
    "called": lambda asked: (asked.called,) if asked.called else (),
    "host": lambda asked: (asked.host,) if asked.host else (),
    "door": lambda asked: (asked.door,) if asked.door else (),
    "code": _codes,
    "age": _age,
    "hour": lambda asked: (str(asked.now.hour),),
    "time": lambda asked: (asked.now.strftime("%H:%M"),),
    "weekday": lambda asked: (WEEKDAYS[asked.now.weekday()],),
}


def _texts(dataset: Mapping[str, Mapping[str, Any]], path: Path) -> list[str]:
    element = dataset.get(f"{path[0]:08X}")
    values = element.get("Value") if element else None
    if not values:
        return []
    if len(path) > 1:
        return [text for item in values if isinstance(item, dict) for text in _texts(item, path[1:])]
    return [text for text in map(text_of, values) if text]


def text_of(value: Any) -> str:
    """One value of the DICOM JSON model as text; a name with its groups, '' for none and for items."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        groups = (str(value.get(group) or "") for group in ("Alphabetic", "Ideographic", "Phonetic"))
        return "=".join(groups).rstrip("=")
    return "" if value is None else str(value)
