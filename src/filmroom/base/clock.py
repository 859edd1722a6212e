"""Time is passed in, never fetched by the code that decides."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where a use case gets the time from."""

    def now(self) -> datetime:
        """The present moment, with its time zone (UTC)."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class FixedClock:
    """A clock for tests; it stands until it is set."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at
