"""Dates and times of DICOM made comparable as text (PS3.5 table 6.2-1, DA TM DT), and back to what was meant."""

import re
from calendar import monthrange
from datetime import date, datetime, timedelta
from typing import Final

_DATE = re.compile(r"(\d{4})[.\-]?(\d{2})[.\-]?(\d{2})", re.ASCII)
_TIME = re.compile(r"(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,6}))?)?)?", re.ASCII)
_DATETIME = re.compile(
    r"(\d{4})(\d{2})?(\d{2})?((?<=\d{8})\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?)?([+-]\d{4})?", re.ASCII
)
_OFFSET = re.compile(r"([+-])(\d{2})(\d{2})", re.ASCII)

DAY_START: Final = "000000.000000"
DAY_END: Final = "235959.999999"


def date_value(text: str) -> str:
    """``YYYYMMDD`` of a DA value, the dotted form of ACR-NEMA included; '' when it is no date."""
    match = _DATE.fullmatch(text.strip(" \0"))
    if match is None:
        return ""
    year, month, day = map(int, match.groups())
    try:
        date(year, month, day)
    except ValueError:
        return ""
    return "".join(match.groups())


def time_value(text: str, *, high: bool = False) -> str:
    """``HHMMSS.FFFFFF`` of a TM value, the form with colons included; '' when it is no time.

    What is not given is filled with its lowest value, or with its highest when ``high``.
    """
    match = _TIME.fullmatch(text.strip(" \0"))
    if match is None:
        return ""
    hour, minute, second, fraction = match.groups()
    if int(hour) > 23 or int(minute or 0) > 59 or int(second or 0) > 60:
        return ""
    last = "59" if high else "00"
    filled = (fraction or "").ljust(6, "9" if high else "0")
    return f"{hour}{minute or last}{second or last}.{filled}"


def datetime_value(text: str, *, high: bool = False, timezone: str | None = None) -> str:
    """``YYYYMMDDHHMMSS.FFFFFF`` of a DT value, '' when it is none. Missing parts are filled as in ``time_value``.

    A value with an offset of its own is moved to ``timezone`` (``+HHMM``) when that is given.
    """
    match = _DATETIME.fullmatch(text.strip(" \0"))
    if match is None:
        return ""
    year, month, day, clock, offset = match.groups()
    month = month or ("12" if high else "01")
    day = day or (_last_day(int(year), int(month)) if high else "01")
    time = time_value(clock, high=high) if clock else DAY_END if high else DAY_START
    if not date_value(year + month + day) or not time:
        return ""
    moment = f"{year}{month}{day}{time}"
    return shift(moment, offset, timezone) if offset and timezone else moment


def _last_day(year: int, month: int) -> str:
    if not 1 <= month <= 12 or not year >= 1:
        return "00"
    return f"{monthrange(year, month)[1]}"


def minutes(offset: str | None) -> int | None:
    """Minutes east of UTC of ``+HHMM``; None when it is no offset (PS3.3 C.12.1.1.8)."""
    match = _OFFSET.fullmatch((offset or "").strip(" \0"))
    if match is None:
        return None
    total = int(match[2]) * 60 + int(match[3])
    return -total if match[1] == "-" else total


def shift(moment: str, source: str | None, target: str | None) -> str:
    """A moment of one time zone in another; unchanged when either zone is unknown."""
    here, there = minutes(source), minutes(target)
    if here is None or there is None or here == there:
        return moment
    try:
        point = datetime.strptime(moment, "%Y%m%d%H%M%S.%f") + timedelta(minutes=there - here)  # noqa: DTZ007
    except (ValueError, OverflowError):
        return moment
    return f"{point:%Y%m%d%H%M%S}.{point.microsecond:06d}" if point.year >= 1000 else moment
