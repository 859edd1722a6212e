"""When a destination takes deliveries: spans of the day, over midnight too, on some days of the week. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN: Final = re.compile(r"(?:(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))? )?(?P<begin>\d\d:\d\d)-(?P<end>\d\d:\d\d)")
DAY_MINUTES: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class Span:
    """From ``begin`` to ``end`` (minutes of the day, the end excluded) on days ``first`` to ``last`` (0: Monday).

    One that ends at or before its beginning goes on into the day after.
    """

    begin: int
    end: int
    first: int = 0
    last: int = 6

    def __str__(self) -> str:
        times = f"{_clock(self.begin)}-{_clock(self.end)}"
        if (self.first, self.last) == (0, 6):
            return times
        days = DAYS[self.first] if self.first == self.last else f"{DAYS[self.first]}-{DAYS[self.last]}"
        return f"{days} {times}"

    def covers(self, at: datetime) -> bool:
        """Whether a moment lies in it, in the moment's own time zone."""
        minute = at.hour * 60 + at.minute
        if self.begin < self.end:
            return self._on(at.weekday()) and self.begin <= minute < self.end
        if minute >= self.begin:
            return self._on(at.weekday())
        return minute < self.end and self._on((at.weekday() - 1) % 7)

    def _on(self, day: int) -> bool:
        return self.first <= day <= self.last if self.first <= self.last else day >= self.first or day <= self.last


def span(text: str) -> Span:
    """What ``19:00-06:30`` or ``sat-sun 00:00-24:00`` says. Raises ValueError."""
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"{text!r} is no span of the day")
    begin, end = _minutes(found["begin"]), _minutes(found["end"])
    if begin == DAY_MINUTES:
        raise ValueError("a span cannot begin at 24:00")
    first = DAYS.index(found["first"]) if found["first"] else 0
    last = DAYS.index(found["last"]) if found["last"] else first if found["first"] else 6
    return Span(begin, end, first, last)


def opening(hours: Sequence[str], now: datetime) -> datetime | None:
    """When deliveries may leave next, to the minute: ``now`` within the hours, None when there is no such moment."""
    spans = [span(each) for each in hours]
    if not spans or any(each.covers(now) for each in spans):
        return now
    whole = now.replace(second=0, microsecond=0)
    for day in range(9):
        midnight = whole.replace(hour=0, minute=0) + timedelta(days=day)
        moments = sorted(midnight + timedelta(minutes=m) for m in {0, *(each.begin for each in spans)})
        for at in moments:
            if at > now and any(each.covers(at) for each in spans):
                return at
    return None


def _minutes(text: str) -> int:
    hour, minute = int(text[:2]), int(text[3:])
    if hour * 60 + minute > DAY_MINUTES or minute > 59:
        raise ValueError(f"{text} is no time of the day")
    return hour * 60 + minute


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
