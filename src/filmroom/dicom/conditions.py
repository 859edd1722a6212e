"""The one language of conditions: its tree and its text. Routing, retention, coercion, compression and access use it.

``Modality in (CT, MR) and calling like "CT*" and not (age < 18y or hour in (22..6))``. A test is a subject, an operator
and values. A subject is an attribute (keyword, ``00100010`` or ``(0010,0010)``, through sequences with dots: some item
must pass) or one of SUBJECTS. ``and`` binds closer than ``or``, ``not`` closest; ``always`` is true. A value with other
characters than letters, digits and ``_ . * ? ^ : / + -`` stands in double quotes, where ``\\`` takes the next character
as it is. ``a..b`` is a range, ends included. Text is compared without case, accents and width, names by component; an
attribute with several values passes when one of them does, and ``!=`` when none is equal (absent ones included).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from filmroom.dicom.dictionary import keyword_of

Path = tuple[int, ...]

# What can be asked about besides attributes, with the sentence of the generated table.
SUBJECTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "calling": "AE title of the sender (of who asks, for access rules)",
        "called": "AE title of ours that was called",
        "host": "address of the sender",
        "door": "how it came: dimse, stow, import",
        "code": "code of the procedure, protocol or body region: value, or value^scheme",
        "age": "age of the patient at the study: a number with d, w, m or y",
        "hour": "hour of the day at this server, 0 to 23; 22..6 goes over midnight",
        "time": "time of the day at this server, HH:MM; 22:00..06:30 goes over midnight",
        "weekday": "mon, tue, wed, thu, fri, sat or sun; fri..mon goes over the weekend",
    }
)
OPERATORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "=": "some value is equal",
        "!=": "no value is equal",
        "<": "some value is smaller: numbers by size, dates and times by order",
        "<=": "some value is smaller or equal",
        ">": "some value is greater",
        ">=": "some value is greater or equal",
        "in": "some value is one of a list in parentheses, which may hold ranges",
        "like": "some value is of a pattern: * any characters, ? one",
        "matches": "some value is of a regular expression as a whole (a limited kind, so that it ends in time)",
        "exists": "there is a value; takes none",
    }
)
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Attribute:
    """A subject that is in the data set: tags from the outermost sequence in."""

    path: Path


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject of SUBJECTS."""

    name: str


@dataclass(frozen=True, slots=True)
class Span:
    """A value that is a range."""

    low: str
    high: str


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison. ``values`` has one value, for ``in`` any number, for ``exists`` none."""

    subject: Attribute | Subject
    operator: str
    values: tuple[str | Span, ...] = ()

    __test__ = False  # no test class, whatever its name looks like


@dataclass(frozen=True, slots=True)
class And:
    """All parts are true; of no parts: ``always``."""

    parts: tuple["Condition", ...] = ()


@dataclass(frozen=True, slots=True)
class Or:
    """Some part is true."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part is not true."""

    part: "Condition"


Condition = And | Or | Not | Test
ALWAYS: Final = And()

_BARE: Final = re.compile(r"[A-Za-z0-9_^:/+\-*?\u00c0-\U0010ffff]+(?:\.[A-Za-z0-9_^:/+\-*?\u00c0-\U0010ffff]+)*")
_WORDS: Final = frozenset({"and", "or", "not", "in", "like", "matches", "exists", "always"})


def show(condition: Condition) -> str:
    """The text of a condition; parsing it gives the same condition."""
    match condition:
        case And(parts) | Or(parts):
            if not parts:
                return "always"
            word = " and " if isinstance(condition, And) else " or "
            return word.join(_nested(part, condition) for part in parts)
        case Not(part):
            return "not " + _nested(part, condition)
        case Test():
            return _show_test(condition)


def tests(condition: Condition) -> Iterator[Test]:
    """Every test in it, from left to right."""
    match condition:
        case And(parts) | Or(parts):
            for part in parts:
                yield from tests(part)
        case Not(part):
            yield from tests(part)
        case Test():
            yield condition


def quoted(value: str) -> str:
    """A value as it stands in the text."""
    if _BARE.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def show_subject(subject: Attribute | Subject) -> str:
    """An attribute by its keywords where it has some, else a name."""
    if isinstance(subject, Subject):
        return subject.name
    return ".".join(keyword_of(tag) or f"{tag:08X}" for tag in subject.path)


def _show_test(test: Test) -> str:
    subject = show_subject(test.subject)
    if test.operator == "exists":
        return f"{subject} exists"
    if test.operator == "in":
        return f"{subject} in ({', '.join(_show_values(test.values))})"
    return f"{subject} {test.operator} {next(iter(_show_values(test.values)))}"


def _show_values(values: Iterable[str | Span]) -> Iterator[str]:
    for value in values:
        yield quoted(value) if isinstance(value, str) else f"{quoted(value.low)}..{quoted(value.high)}"


def _nested(part: Condition, around: Condition) -> str:
    text = show(part)
    if isinstance(part, Test | Not) or not part.parts:
        return text
    loose = isinstance(around, Or) and isinstance(part, And) and len(part.parts) > 1
    return text if loose else f"({text})"
