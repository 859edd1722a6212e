"""What is made already of documents of series that still grow, so that the last image finds nearly all of it done."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from filmroom.archive.seriesdoc_work import Made

# From so many new objects on a series gets a further part. Fewer are made in the time of a question (0.15 ms each).
PART_OBJECTS: Final = 64
# Most of one part: what a worker does in a quarter of a second.
MAX_PART_OBJECTS: Final = 1000
# Memory: about 300 bytes for each object and 70 for its line.
MAX_OBJECTS: Final = 20_000
MAX_SERIES: Final = 1000
# What a worker unpacks for one series: two and a half times as much as its headers take.
MAX_HEADER_BYTES: Final = 32 * 2**20

Uids = tuple[str, str]  # study, series


@dataclass(slots=True)
class _Series:
    last_pk: int = 0
    news: int = 0
    parts: list[Made] = field(default_factory=list)
    objects: int = 0
    header_bytes: int = 0

    def hold(self, parts: list[Made]) -> None:
        self.parts = parts
        self.objects = sum(len(part.sources) for part in parts)
        self.header_bytes = sum(source.length for part in parts for source in part.sources)


class Growing:
    """Parts of documents by series, those that had news longest ago forgotten first."""

    def __init__(self) -> None:
        self._series: OrderedDict[Uids, _Series] = OrderedDict()

    def news(self, uids: Uids, objects: int) -> None:
        """Objects have come to a series."""
        series = self._series.setdefault(uids, _Series())
        self._series.move_to_end(uids)
        series.news += objects
        if len(self._series) > MAX_SERIES:
            self._series.popitem(last=False)

    def due(self) -> list[tuple[Uids, int]]:
        """Series of which another part is worth making, and the key of the last object that has one."""
        due = [(uids, each.last_pk) for uids, each in self._series.items() if each.news >= PART_OBJECTS]
        for uids, _ in due:
            self._series[uids].news = 0
        return due

    def add(self, uids: Uids, part: Made, last_pk: int) -> None:
        """Another part, whose last object has this key."""
        series = self._series.setdefault(uids, _Series())
        series.hold([*series.parts, part])
        series.last_pk = max(series.last_pk, last_pk)
        self._forget()

    def whole(self, uids: Uids, document: Made, last_pk: int) -> None:
        """The document itself, in place of its parts. Only of series that grow."""
        if (series := self._series.get(uids)) is not None:
            series.hold([document])
            series.last_pk, series.news = max(series.last_pk, last_pk), 0
            self._forget()

    def parts(self, uids: Uids) -> list[Made]:
        """What there is of a series."""
        series = self._series.get(uids)
        return list(series.parts) if series is not None else []

    def _forget(self) -> None:
        kept = {uids: each for uids, each in self._series.items() if each.header_bytes <= MAX_HEADER_BYTES}
        self._series = OrderedDict(kept)
        objects = sum(series.objects for series in kept.values())
        while objects > MAX_OBJECTS:
            objects -= self._series.popitem(last=False)[1].objects
