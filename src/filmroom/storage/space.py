"""Whether there is room: asked before every object, so the file system is asked about once a second."""

from collections.abc import Callable
from pathlib import Path

from filmroom.base.errors import NoSpace, Unavailable
from filmroom.storage.disk import Disk

# Long enough to cost nothing, short enough that what is written meanwhile fits into any sensible reserve.
ASK_EVERY_S = 1.0


class SpaceWatch:
    """Keeps ``reserve_bytes`` of the file system under ``path`` free."""

    def __init__(self, disk: Disk, path: Path, reserve_bytes: int, monotonic: Callable[[], float]) -> None:
        self._disk = disk
        self._path = path
        self._reserve = reserve_bytes
        self._monotonic = monotonic
        self._asked_at = float("-inf")
        self._free = 0

    def check(self, size_bytes: int = 0) -> None:
        """Raises NoSpace when ``size_bytes`` more would touch the reserve; Unavailable when the store is gone."""
        now = self._monotonic()
        if now - self._asked_at >= ASK_EVERY_S:
            self.ask()
            self._asked_at = now
        if self._free - size_bytes < self._reserve:
            raise NoSpace("the store has no room left")

    def ask(self) -> int:
        """Free bytes, asked of the file system now."""
        try:
            self._free = self._disk.free_bytes(self._path)
        except OSError as error:
            raise Unavailable(f"the store does not answer: {error.strerror}") from error
        return self._free

    def taken(self, size_bytes: int) -> None:
        """So much was written since the last look."""
        self._free -= size_bytes
