"""Conditions from their text. A fault says where it is and what was expected there."""

import importlib
import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from filmroom.base.errors import NotReadable
from filmroom.dicom.conditions import (
    ALWAYS,
    OPERATORS,
    SUBJECTS,
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
)
from filmroom.dicom.dictionary import tag_of

# No condition that a person writes is longer or deeper.
MAX_CHARACTERS: Final = 10_000
MAX_DEPTH: Final = 30
MAX_PATTERN_CHARACTERS: Final = 200
# Repetitions without a small bound that one expression may hold: with values cut at 200 characters
# (conditions_eval), three cost some milliseconds at worst.
MAX_LOOSE_REPEATS: Final = 3
_SMALL_REPEAT: Final = 20

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<tag>\(\s*[0-9A-Fa-f]{4}\s*,\s*[0-9A-Fa-f]{4}\s*\))
    | (?P<text>"(?:[^"\\]|\\.)*")
    | (?P<span>\.\.)
    | (?P<word>[A-Za-z0-9_^:/+\-*?\u00c0-\U0010ffff]+(?:\.[A-Za-z0-9_^:/+\-*?\u00c0-\U0010ffff]+)*)
    | (?P<sign><=|>=|!=|[=<>(),.])
    )""",
    re.VERBOSE | re.DOTALL,
)
_AGE = re.compile(r"\d{1,5}[dwmy]")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_HOUR = re.compile(r"\d|1\d|2[0-3]")
_COMPARISONS: Final = frozenset({"=", "!=", "<", "<=", ">", ">="})
_ORDERED_SUBJECTS: Final = frozenset({"age", "hour", "time", "weekday"})


class BadCondition(NotReadable):
    """The condition cannot be read. ``at`` is the place of the fault, in characters from 0."""

    def __init__(self, text: str, at: int, expected: str) -> None:
        found = text[at : at + 20].split("\n")[0]
        where = f"at {found!r}" if found else "at the end"
        super().__init__(f"character {at + 1}, {where}: expected {expected}")
        self.at = at
        self.expected = expected


def parse(text: str) -> Condition:
    """The condition that ``text`` says; an empty one is ``always``. Raises BadCondition."""
    if len(text) > MAX_CHARACTERS:
        raise BadCondition(text, MAX_CHARACTERS, f"at most {MAX_CHARACTERS} characters")
    parser = _Parser(text)
    if parser.token.kind == "end":
        return ALWAYS
    condition = parser.either(0)
    if parser.token.kind != "end":
        parser.fail("'and', 'or' or the end")
    return condition


class _Token(NamedTuple):
    kind: str  # tag, text, span, word, sign, end
    text: str
    at: int


class _Parser:
    """By recursive descent, one token ahead."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._read(text)
        self._next = 0

    @property
    def token(self) -> _Token:
        return self._tokens[self._next]

    def fail(self, expected: str, at: int | None = None) -> None:
        raise BadCondition(self._text, self.token.at if at is None else at, expected)

    def either(self, depth: int) -> Condition:
        parts = [self._all(depth)]
        while self._takes("or"):
            parts.append(self._all(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all(self, depth: int) -> Condition:
        parts = [self._one(depth)]
        while self._takes("and"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self, depth: int) -> Condition:
        if depth > MAX_DEPTH:
            self.fail(f"at most {MAX_DEPTH} levels")
        if self._takes("not"):
            return Not(self._one(depth + 1))
        if self._takes("("):
            inside = self.either(depth + 1)
            self._demand(")")
            return inside
        if self._takes("always"):
            return ALWAYS
        return self._test()

    def _test(self) -> Test:
        subject = self._subject()
        token = self.token
        operator = token.text.lower() if token.kind in ("word", "sign") else ""
        if operator not in OPERATORS:
            self.fail("one of " + " ".join(OPERATORS))
        name = subject.name if isinstance(subject, Subject) else ""
        if name in _ORDERED_SUBJECTS and operator in ("like", "matches"):
            self.fail(f"a comparison: {name} is no text")
        self._next += 1
        if operator == "exists":
            return Test(subject, operator)
        if operator == "in":
            return Test(subject, operator, self._list(name))
        at = self.token.at
        value = self._value("a pattern" if operator in ("like", "matches") else "a value", name)
        if operator == "matches":
            check_expression(self._text, at, value)
        return Test(subject, operator, (value,))

    def _subject(self) -> Attribute | Subject:
        token = self.token
        if token.kind == "word" and token.text.lower() in SUBJECTS:
            self._next += 1
            return Subject(token.text.lower())
        path: list[int] = []
        while True:
            path += self._tags()
            if not (self.token.kind == "sign" and self.token.text == "."):
                return Attribute(tuple(path))
            self._next += 1

    def _tags(self) -> Path:
        token = self.token
        if token.kind == "tag":
            self._next += 1
            return (int(re.sub(r"[\s(),]", "", token.text), 16),)
        if token.kind != "word":
            self.fail("an attribute's keyword or tag, or one of " + " ".join(SUBJECTS))
        tags, at = [], token.at
        for name in token.text.split("."):
            if (tag := tag_of(name)) is None:
                self.fail(f"an attribute: {name} is none of DICOM's keywords, nor one of {' '.join(SUBJECTS)}", at)
                raise AssertionError
            tags.append(tag)
            at += len(name) + 1
        self._next += 1
        return tuple(tags)

    def _list(self, name: str) -> tuple[str | Span, ...]:
        self._demand("(")
        values: list[str | Span] = []
        while True:
            low = self._value("a value", name)
            if self.token.kind == "span":
                self._next += 1
                values.append(Span(low, self._value("the end of the range", name)))
            else:
                values.append(low)
            if self._takes(")"):
                return tuple(values)
            if not self._takes(","):
                self.fail("',' or ')'")

    def _value(self, expected: str, name: str) -> str:
        token = self.token
        if token.kind == "text":
            value = re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL)
        elif token.kind == "word":
            value = token.text
        else:
            self.fail(expected)
            raise AssertionError
        value = self._of_subject(name, value)
        self._next += 1
        return value

    def _of_subject(self, name: str, value: str) -> str:
        if name not in _ORDERED_SUBJECTS:
            return value
        value = value.lower()
        if name == "age" and not _AGE.fullmatch(value):
            self.fail("an age such as 6m or 18y")
        if name == "hour" and not _HOUR.fullmatch(value):
            self.fail("an hour from 0 to 23")
        if name == "time" and not _TIME.fullmatch(value):
            self.fail("a time of the day as HH:MM")
        if name == "weekday" and value not in WEEKDAYS:
            self.fail("one of " + " ".join(WEEKDAYS))
        return value

    def _takes(self, text: str) -> bool:
        token = self.token
        if token.kind in ("word", "sign") and token.text.lower() == text:
            self._next += 1
            return True
        return False

    def _demand(self, text: str) -> None:
        if not self._takes(text):
            self.fail(f"'{text}'")

    @staticmethod
    def _read(text: str) -> list[_Token]:
        tokens: list[_Token] = []
        position, end = 0, len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position)
            if match is None:
                at = position + len(text[position:]) - len(text[position:].lstrip())
                what = "the closing quote" if text[at] == '"' else "a name, a value or a sign"
                raise BadCondition(text, at, what)
            kind = match.lastgroup or ""
            if kind == "tag" and tokens and tokens[-1].kind == "word" and tokens[-1].text.lower() == "in":
                at = match.start(kind)  # a list of two numbers
                tokens.append(_Token("sign", "(", at))
                position = at + 1
                continue
            tokens.append(_Token(kind, match[kind], match.start(kind)))
            position = match.end()
        tokens.append(_Token("end", "", len(text)))
        return tokens


_parser: Any = importlib.import_module("re._parser")


def check_expression(text: str, at: int, pattern: str) -> None:
    """Refuse what could take long: only few loose repetitions, none within another, nothing that looks around."""
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise BadCondition(text, at, f"an expression of at most {MAX_PATTERN_CHARACTERS} characters")
    try:
        tree = _parser.parse(pattern)
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as fault:
        raise BadCondition(text, at, f"a regular expression ({fault})") from None
    if _loose_repeats(text, at, tree, False) > MAX_LOOSE_REPEATS:
        raise BadCondition(text, at, f"an expression with at most {MAX_LOOSE_REPEATS} repetitions without a bound")


def _loose_repeats(text: str, at: int, tree: Iterable[Any], repeated: bool) -> int:
    count = 0
    for code, value in tree:
        name = str(code)
        if name in ("GROUPREF", "GROUPREF_EXISTS", "ASSERT", "ASSERT_NOT"):
            raise BadCondition(text, at, "an expression without references and without looking around")
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            _, most, inside = value
            if repeated and most > 1:
                raise BadCondition(text, at, "an expression without a repetition within a repetition")
            count += (most > _SMALL_REPEAT) + _loose_repeats(text, at, inside, repeated or most > 1)
        elif name == "SUBPATTERN":
            count += _loose_repeats(text, at, value[-1], repeated)
        elif name == "ATOMIC_GROUP":
            count += _loose_repeats(text, at, value, repeated)
        elif name == "BRANCH":
            count += sum(_loose_repeats(text, at, each, repeated) for each in value[1])
    return count
