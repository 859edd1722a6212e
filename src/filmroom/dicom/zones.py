"""Dates and times in another time zone: what an asker sees that said where it is (PS3.4 C.5.1.1, byte 4).

Only a date with a time is a point that can be moved; a date alone stays. Values of DT carry their own offset.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from filmroom.dicom.dates import date_value, minutes, shift, time_value
from filmroom.dicom.question import JsonDataset, Match, Range, Single, Universal, hex_key

TIMEZONE: Final = "00080201"

# A date and its time, which combined matching takes as one (PS3.4 C.2.2.2.5.3).
DATE_TIME_PAIRS: Final = (
    (0x00080020, 0x00080030),  # study
    (0x00080021, 0x00080031),  # series
    (0x00080022, 0x00080032),  # acquisition
    (0x00080023, 0x00080033),  # content
    (0x00400002, 0x00400003),  # scheduled procedure step start
    (0x00400244, 0x00400245),  # performed procedure step start
)
ZONED_TAGS: Final = frozenset(tag for pair in DATE_TIME_PAIRS for tag in pair)
_NAMES: Final = tuple((hex_key(date), hex_key(time)) for date, time in DATE_TIME_PAIRS)


def zone_of(dataset: JsonDataset) -> str | None:
    """The offset that a data set's times are in, None when it does not say."""
    value = next(iter(dataset.get(TIMEZONE, {}).get("Value") or ()), None)
    return value if isinstance(value, str) and minutes(value) is not None else None


def moved(date: str, time: str, source: str, target: str) -> tuple[str, str]:
    """A date and time of one zone as they read in another; unchanged when they are no point in time."""
    day, clock = date_value(date), time_value(time)
    if not day or not clock or minutes(source) == minutes(target):
        return date, time
    there = shift(day + clock, source, target)
    return (there[:8], there[8:]) if there != day + clock else (date, time)


def in_zone(dataset: JsonDataset, source: str, target: str) -> JsonDataset:
    """The data set with every date and time that belong together as they read in ``target``."""
    changed: dict[str, dict[str, Any]] = {}
    for date, time in _NAMES:
        if date in dataset and time in dataset:
            before = _first(dataset[date]), _first(dataset[time])
            after = moved(*before, source, target)
            if after != before:
                changed[date] = {"vr": "DA", "Value": [after[0]]}
                changed[time] = {"vr": "TM", "Value": [_short(after[1])]}
    return dataset | changed if changed else dataset


def widened(match: Match) -> Match:
    """A date key as it must be asked of dates in any zone: a day more at both ends, or everything."""
    match match:
        case Single(value):
            return Range(_day(value, -1), _day(value, 1))
        case Range(low, high):
            return Range(_day(low, -1) if low else "", _day(high, 1) if high else "")
    return Universal()


def _first(element: Mapping[str, Any]) -> str:
    return str(next(iter(element.get("Value") or ()), "") or "")


def _short(time: str) -> str:
    whole, _, part = time.partition(".")
    return time if part.strip("0") else whole


def _day(date: str, days: int) -> str:
    try:
        return f"{datetime.strptime(date[:8], '%Y%m%d') + timedelta(days=days):%Y%m%d}"  # noqa: DTZ007
    except (ValueError, OverflowError):
        return date
