"""Whether a series is in sight, decided once for a session and not for each of its two thousand frames."""

from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Final, Protocol

from filmroom.db.pool import Connection
from filmroom.index.query_view import series_in_sight
from filmroom.security.policy import Action
from filmroom.security.principals import Principal
from filmroom.security.view import View


class Looks(Protocol):
    """Told that somebody opens studies, before anything is handed out; as often as it happens."""

    async def __call__(self, who: Principal, action: Action, studies: Collection[str]) -> None: ...


async def unwatched(who: Principal, action: Action, studies: Collection[str]) -> None:
    """Nobody keeps account."""


# A decision holds for this long; on the node that changes rights, protects a patient or ends a broken glass, not at all
# (``forget``). A study is opened, and its frames are fetched, within this time.
KEPT_S: Final = 30.0
# One entry is a few hundred bytes; a thousand people with fifty series each.
MAX_KEPT: Final = 50_000


class Sight:
    """Decisions of a few seconds, by view and series."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kept: OrderedDict[tuple[View, int], tuple[float, bool]] = OrderedDict()
        self.asked = 0  # times that the database decided

    async def of(self, connection: Connection, view: View, series_pks: Collection[int]) -> set[int]:
        """Which of these series are in sight."""
        if not view.narrow:
            return set(series_pks)
        now = self._monotonic()
        seen: set[int] = set()
        unknown: set[int] = set()
        for pk in set(series_pks):
            until, verdict = self._kept.get((view, pk), (0.0, False))
            if until < now:
                unknown.add(pk)
            elif verdict:
                seen.add(pk)
        if unknown:
            self.asked += 1
            found = await series_in_sight(connection, view, sorted(unknown))
            seen |= found
            for pk in unknown:
                self._kept[view, pk] = (now + KEPT_S, pk in found)
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return seen

    def forget(self) -> None:
        """Decide everything anew: rights have changed."""
        self._kept.clear()
