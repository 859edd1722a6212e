"""What is kept for a time only is forgotten when that has passed."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from filmroom.base.errors import FilmroomError
from filmroom.db.background import Background

log = structlog.get_logger()

EVERY_S = 600.0


class Upkeep(Background):
    """Does small recurring work, each under its name; what fails is tried again the next time. Any number of processes
    may: everything done here may be done twice."""

    def __init__(self, work: Mapping[str, Callable[[], Awaitable[object]]], every_s: float = EVERY_S) -> None:
        self._work = work
        self._every_s = every_s

    async def once(self) -> None:
        """All of it, now."""
        for name, work in self._work.items():
            try:
                await work()
            except FilmroomError as fault:
                log.warning("upkeep not done", work=name, reason=str(fault))
            except Exception:
                log.exception("upkeep not done", work=name)

    async def _run(self) -> None:
        while True:
            await self.once()
            await asyncio.sleep(self._every_s)
