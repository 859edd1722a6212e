"""The associations that are open now: for limits, and for whoever watches over the archive."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationReport:
    """One association as it is now. Sizes in bytes, age in seconds. ``operation`` is '' when nothing is asked."""

    id: int
    peer: str
    calling_ae: str
    called_ae: str
    opened_at: datetime
    age_s: float
    idle_s: float
    operation: str
    messages: int
    bytes_in: int
    bytes_out: int


class LiveAssociation(Protocol):
    """An association that can be looked at and ended."""

    @property
    def calling_ae(self) -> str: ...
    def report(self) -> AssociationReport: ...
    def abort(self) -> None: ...


class AssociationRegistry:
    """Every open association by its id; ids are not used again."""

    def __init__(self) -> None:
        self._live: dict[int, LiveAssociation] = {}
        self._by_ae: Counter[str] = Counter()
        self._last_id = 0

    def __len__(self) -> int:
        return len(self._live)

    def __iter__(self) -> Iterator[LiveAssociation]:
        return iter(tuple(self._live.values()))

    def count_of(self, calling_ae: str) -> int:
        """Open associations of one AE title."""
        return self._by_ae[calling_ae]

    def add(self, association: LiveAssociation) -> int:
        """Enter it; its id."""
        self._last_id += 1
        self._live[self._last_id] = association
        self._by_ae[association.calling_ae] += 1
        return self._last_id

    def remove(self, id: int) -> None:
        association = self._live.pop(id, None)
        if association is None:
            return
        self._by_ae[association.calling_ae] -= 1
        if not self._by_ae[association.calling_ae]:
            del self._by_ae[association.calling_ae]

    def reports(self) -> list[AssociationReport]:
        """All of them as they are now."""
        return [association.report() for association in self]

    def abort(self, id: int) -> bool:
        """End one; false when it is already gone."""
        association = self._live.get(id)
        if association is None:
            return False
        association.abort()
        return True
