"""Questions as peers write them, read into the common form: C-FIND identifiers and QIDO-RS parameters."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from filmroom.base.errors import RemoteFault
from filmroom.base.ids import is_uid
from filmroom.base.limits import MAX_SEQUENCE_DEPTH
from filmroom.dicom.dates import DAY_END, DAY_START, date_value, datetime_value, minutes, time_value
from filmroom.dicom.dictionary import keyword_of, show, tag_of, vr_of
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
)

# PS3.4 C.2.2.2.4: the VRs in which * and ? are more than characters.
WILDCARD_VRS: Final = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
NUMBER_VRS: Final = frozenset({"DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"})
_EMPTY: Final = '""'  # C.2.2.2.7
# A question with more values than this is no question (a UID list of one study's images stays far below).
MAX_VALUES: Final = 100_000
MAX_RETURNS: Final = 1000

# Attributes of an identifier that say how to answer, and are not matched (PS3.4 C.4.1.1.3).
_NOT_KEYS: Final = frozenset({0x00080005, 0x00080052, 0x00080053, 0x00080201})
_TIMEZONE, _QUERY_LEVEL = "00080201", "00080052"

_OFFSET = r"(?:[+-](?:0\d|1[0-4])[0-5]\d)?"
_DATETIME = r"\d{4}(?:\d{2}){0,5}(?:\.\d{1,6})?" + _OFFSET
_ONE_DATETIME = re.compile(_DATETIME, re.ASCII)
_DATETIME_RANGE = re.compile(f"({_DATETIME})?-({_DATETIME})?", re.ASCII)


def question_from_dataset(
    identifier: JsonDataset,
    level: Level | None = None,
    *,
    relational: bool = False,
    combined_datetime: bool = False,
    fuzzy: bool = False,
    multiple_values: bool = False,
    zoned: bool = False,
    character_set: str = "",
) -> Question:
    """A C-FIND identifier as a question; the flags are what extended negotiation agreed on (PS3.4 C.5.1.1); ``zoned``
    that its Timezone Offset From UTC (0008,0201) is meant.

    ``level`` overrides Query/Retrieve Level (0008,0052); ``character_set`` is the asker's (0008,0005).
    Raises RemoteFault, saying which key is wrong.
    """
    keys: list[Key] = []
    returns: list[Path] = []
    for name, element in identifier.items():
        tag = _tag(name)
        if tag not in _NOT_KEYS:
            keys.append(_key_of_element(tag, element, multiple_values))
            returns.extend(_asked(tag, element))
    return Question(
        level=level or query_level(identifier),
        keys=tuple(keys),
        returns=tuple(returns),
        fuzzy=fuzzy,
        relational=relational,
        combined_datetime=combined_datetime,
        timezone=_timezone(identifier) if zoned else None,
        character_set=character_set,
    )


def query_level(identifier: JsonDataset) -> Level:
    """What Query/Retrieve Level (0008,0052) says. Raises RemoteFault when it is missing or unknown."""
    values = identifier.get(_QUERY_LEVEL, {}).get("Value") or [""]
    try:
        return Level(str(values[0]).strip().upper())
    except ValueError:
        raise RemoteFault("QueryRetrieveLevel (0008,0052) is not PATIENT, STUDY, SERIES or IMAGE") from None


def question_from_query(
    params: Iterable[tuple[str, str]], level: Level, *, fixed: Mapping[int, str] | None = None
) -> Question:
    """QIDO-RS parameters, already percent-decoded, as a question (PS3.18 8.3.4 and 10.6).

    ``fixed`` are UIDs from the resource's path. Values of one attribute may come as a repeated parameter, and UI and
    CS lists with commas or backslashes. Raises RemoteFault for what cannot be understood.
    """
    options, values = _split_parameters(params)
    every = _flag(options, "multiplevaluematching")
    empty = _flag(options, "emptyvaluematching")
    for tag, uid in (fixed or {}).items():
        values[(tag,)] = [uid]
    keys = _keys_of_paths(values, every, empty)
    return Question(
        level=level,
        keys=keys,
        returns=_include_fields(options.get("includefield", [])),
        fuzzy=_flag(options, "fuzzymatching"),
        relational=True,
        order=tuple(_order(options.get("orderby", []))),
        limit=_count(options, "limit"),
        offset=_count(options, "offset") or 0,
    )


_OPTIONS: Final = frozenset(
    {"includefield", "fuzzymatching", "limit", "offset", "orderby", "emptyvaluematching", "multiplevaluematching"}
)


def _split_parameters(params: Iterable[tuple[str, str]]) -> tuple[dict[str, list[str]], dict[Path, list[str]]]:
    options: dict[str, list[str]] = {}
    values: dict[Path, list[str]] = {}
    for name, value in params:
        option = name.lower()
        if option in _OPTIONS:
            options.setdefault(option, []).append(value)
        elif option not in ("accept", "charset"):  # PS3.18 8.3.3: these are not for the search
            values.setdefault(path_of(name), []).append(value)
    return options, values


def path_of(text: str) -> Path:
    """A path of keywords or eight-digit tags with dots between. Raises RemoteFault for an unknown one."""
    tags = tuple(tag_of(part) for part in text.split("."))
    if None in tags or len(tags) > MAX_SEQUENCE_DEPTH:
        raise RemoteFault(f"'{text[:64]}' is no attribute")
    path = tuple(tag for tag in tags if tag is not None)
    for tag in path[:-1]:
        if vr_of(tag) != "SQ":
            raise RemoteFault(f"{_name(tag)} is no sequence")
    return path


def _keys_of_paths(values: Mapping[Path, Sequence[str]], every: bool, empty: bool) -> tuple[Key, ...]:
    """Keys in which paths through the same sequence are one SequenceMatch: the same item must satisfy them all."""
    keys: list[Key] = []
    inside: dict[int, dict[Path, Sequence[str]]] = {}
    for path, texts in values.items():
        if len(path) > 1:
            inside.setdefault(path[0], {})[path[1:]] = texts
        else:
            vr = vr_of(path[0])
            keys.append(Key(path, vr, _match(path[0], vr, _query_values(vr, texts), every, empty)))
    for tag, inner in inside.items():
        keys.append(Key((tag,), "SQ", SequenceMatch(_keys_of_paths(inner, every, empty))))
    return tuple(keys)


def _query_values(vr: str, texts: Sequence[str]) -> list[str]:
    separator = r"[,\\]" if vr in ("UI", "CS", "AE") else r"\\"
    return [one.strip(" \0") for text in texts for one in re.split(separator, text) if one.strip(" \0")]


def _include_fields(texts: Sequence[str]) -> tuple[Path, ...] | All:
    names = [one.strip() for text in texts for one in text.split(",") if one.strip()]
    if any(name.lower() == "all" for name in names):
        return ALL
    if len(names) > MAX_RETURNS:
        raise RemoteFault(f"more than {MAX_RETURNS} attributes in includefield")
    return tuple(dict.fromkeys(path_of(name) for name in names))


def _order(texts: Sequence[str]) -> Iterable[Order]:
    for name in (one.strip() for text in texts for one in text.split(",")):
        if name:
            yield Order(path_of(name.lstrip("+-")), descending=name.startswith("-"))


def _flag(options: Mapping[str, Sequence[str]], name: str) -> bool:
    text = options.get(name, ["false"])[-1].lower()
    if text not in ("true", "false"):
        raise RemoteFault(f"{name} is neither true nor false")
    return text == "true"


def _count(options: Mapping[str, Sequence[str]], name: str) -> int | None:
    texts = options.get(name)
    if texts is None:
        return None
    if not texts[-1].isascii() or not texts[-1].isdigit() or len(texts[-1]) > 18:
        raise RemoteFault(f"{name} is not a number from 0")
    return int(texts[-1])


def _tag(name: str) -> int:
    tag = tag_of(name)
    if tag is None:
        raise RemoteFault(f"'{name[:64]}' is no attribute")
    return tag


def _name(tag: int) -> str:
    return f"{keyword_of(tag)} {show(tag)}".strip()


def _timezone(identifier: JsonDataset) -> str | None:
    values = identifier.get(_TIMEZONE, {}).get("Value") or [None]
    return values[0] if isinstance(values[0], str) and minutes(values[0]) is not None else None


def _asked(tag: int, element: Mapping[str, Any]) -> Iterable[Path]:
    """The paths that an identifier's element asks back: of a sequence, those in its item."""
    items = element.get("Value") if element.get("vr") == "SQ" else None
    if not items or not items[0]:
        yield (tag,)
        return
    for name, inner in items[0].items():
        for path in _asked(_tag(name), inner):
            yield (tag, *path)


def _key_of_element(tag: int, element: Mapping[str, Any], every: bool) -> Key:
    known = vr_of(tag)
    vr = known if known != "UN" else str(element.get("vr", "UN"))
    values = element.get("Value") or []
    if vr == "SQ":
        return Key((tag,), vr, _sequence(values, every))
    texts = [_text(one) for one in values]
    return Key((tag,), vr, _match(tag, vr, [one for one in texts if one], every, True))


def _sequence(items: Sequence[JsonDataset], every: bool) -> Match:
    keys = tuple(_key_of_element(_tag(name), inner, every) for name, inner in items[0].items()) if items else ()
    return SequenceMatch(keys) if keys else Universal()


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        groups = [value.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")]
        return "=".join(groups).rstrip("=")
    if value is None:
        return ""
    return _number_text(value) if isinstance(value, (int, float)) else str(value).strip(" \0")


def _number_text(value: float) -> str:
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(value)


def _match(tag: int, vr: str, values: Sequence[str], every: bool, empty: bool) -> Match:
    if not values or list(values) == ["*"]:
        return Universal()
    if len(values) > MAX_VALUES:
        raise RemoteFault(f"{_name(tag)} has more than {MAX_VALUES} values")
    if empty and list(values) == [_EMPTY]:
        return EmptyValue()
    read = _READERS.get(vr)
    if read is not None:
        if len(values) > 1:
            raise RemoteFault(f"{_name(tag)} has more than one value")
        return read(tag, values[0])
    if vr in NUMBER_VRS:
        values = [_number(tag, one) for one in values]
    elif vr == "UI" and not all(map(is_uid, values)):
        raise RemoteFault(f"{_name(tag)} is not a UID")
    wild = vr in WILDCARD_VRS and any("*" in one or "?" in one for one in values)
    if len(values) == 1:
        return Wildcard(values[0]) if wild else Single(values[0])
    if every and vr != "UI" and not wild:
        return AllOf(tuple(values))
    return Universal() if wild and "*" in values else AnyOf(tuple(dict.fromkeys(values)), wild)


def _number(tag: int, text: str) -> str:
    try:
        return _number_text(float(text))
    except (ValueError, OverflowError):
        raise RemoteFault(f"{_name(tag)} is not a number") from None


def _wrong(tag: int, what: str) -> RemoteFault:
    return RemoteFault(f"{_name(tag)} is neither {what} nor a range of them")


def _date(tag: int, text: str) -> Match:
    if "-" not in text:
        return Single(_need(tag, date_value(text), "a date"))
    low, _, high = text.partition("-")
    ends = [_need(tag, date_value(one), "a date") if one.strip() else "" for one in (low, high)]
    return Range(*ends) if any(ends) else Universal()


def _time(tag: int, text: str) -> Match:
    low, dash, high = text.partition("-")
    if not dash:
        high = low
    first = _need(tag, time_value(low), "a time") if low.strip() else ""
    last = _need(tag, time_value(high, high=True), "a time") if high.strip() else ""
    if first and first == last:
        return Single(first)
    return Range(first, last) if first or last else Universal()


def _datetime(tag: int, text: str) -> Match:
    """DT; a hyphen before four digits up to 1459 is an offset, for no year is meant (C.2.2.2.5.2)."""
    if _ONE_DATETIME.fullmatch(text):
        low = high = text
    else:
        match = _DATETIME_RANGE.fullmatch(text)
        if match is None:
            raise _wrong(tag, "a date and time")
        low, high = match[1] or "", match[2] or ""
    first = _need(tag, datetime_value(low), "a date and time") if low else ""
    last = _need(tag, datetime_value(high, high=True), "a date and time") if high else ""
    if first and first == last:
        return Single(first)
    return Range(first, last) if first or last else Universal()


def _need(tag: int, value: str, what: str) -> str:
    if not value:
        raise _wrong(tag, what)
    return value


_READERS: Final[Mapping[str, Callable[[int, str], Match]]] = {"DA": _date, "TM": _time, "DT": _datetime}


def moments(date: Match, time: Match) -> Range | None:
    """A date key and a time key as one range of points in time, ``YYYYMMDDHHMMSS.FFFFFF`` (C.2.2.2.5.3).

    None when the two are not both ranges or values: then they are matched one by one.
    """
    if not isinstance(date, (Single, Range)) or not isinstance(time, (Single, Range)):
        return None
    low_date, high_date = (date.value, date.value) if isinstance(date, Single) else (date.low, date.high)
    low_time, high_time = (time.value, time.value) if isinstance(time, Single) else (time.low, time.high)
    low = low_date + (low_time or DAY_START) if low_date else ""
    high = high_date + (high_time or DAY_END) if high_date else ""
    return Range(low, high)
