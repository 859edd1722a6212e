"""What all associations of one event loop share: a receive buffer, and a coarse wheel of deadlines."""

import asyncio
from collections.abc import Iterable
from typing import Any, Protocol

# One read takes at most this much. Loopback gains nothing beyond; a shared buffer makes idle connections free.
RECEIVE_BYTES = 524_288

# A watched connection is looked at again after at most this many ticks, for its deadline may have come nearer.
MAX_TICKS = 5


class Watched(Protocol):
    """Something with deadlines."""

    def check(self, now: float) -> float | None:
        """Act on what is overdue at ``now`` (loop time, seconds); when to look again, or None for never."""
        ...


class Reactor:
    """Shared by the connections of an event loop; not safe between threads.

    Deadlines are kept to one tick (``tick_s``): a thousand idle associations cost a thousand looks in five ticks, and
    no task or timer each.
    """

    def __init__(self, tick_s: float = 1.0) -> None:
        self.loop = asyncio.get_running_loop()
        # Filled and consumed between get_buffer and buffer_updated, with no other connection in between.
        self.buffer = memoryview(bytearray(RECEIVE_BYTES))
        self.calls: set[Any] = set()  # the associations that we opened and that stand (scu.Association)
        self._tick_s = tick_s
        self._slots: dict[int, set[Watched]] = {}
        self._slot_of: dict[Watched, int] = {}
        self._next = 0
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def for_timeouts(cls, timeouts_s: Iterable[float]) -> "Reactor":
        """A reactor whose tick suits the shortest of the timeouts."""
        return cls(min(1.0, max(0.02, min(timeouts_s) / 10)))

    def watch(self, watched: Watched) -> None:
        """Look at it regularly until its ``check`` returns None or ``forget``."""
        self._place(watched, self._tick_of(self.loop.time()) + 1)
        self._wind()

    def forget(self, watched: Watched) -> None:
        slot = self._slot_of.pop(watched, None)
        if slot is not None and slot in self._slots:
            self._slots[slot].discard(watched)

    def _tick_of(self, moment: float) -> int:
        return int(moment / self._tick_s)

    def _place(self, watched: Watched, slot: int) -> None:
        self.forget(watched)
        self._slot_of[watched] = slot
        self._slots.setdefault(slot, set()).add(watched)

    def _wind(self) -> None:
        if self._timer is None:
            self._next = self._tick_of(self.loop.time())
            self._timer = self.loop.call_later(self._tick_s, self._turn)

    def _turn(self) -> None:
        now = self.loop.time()
        tick = self._tick_of(now)
        for slot in range(self._next, tick + 1):
            for watched in tuple(self._slots.pop(slot, ())):
                if self._slot_of.get(watched) == slot:  # not forgotten by one looked at before
                    self._look(watched, now, tick)
        self._next = tick + 1
        self._timer = self.loop.call_later(self._tick_s, self._turn) if self._slot_of else None

    def _look(self, watched: Watched, now: float, tick: int) -> None:
        self._slot_of.pop(watched, None)
        again = watched.check(now)
        if again is not None:
            soon = min(again, now + MAX_TICKS * self._tick_s)
            self._place(watched, max(self._tick_of(soon), tick) + 1)
