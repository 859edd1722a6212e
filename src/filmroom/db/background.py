"""Work that goes on beside everything else."""

import asyncio


class Background:
    """One coroutine, ``_run``, from ``start`` to ``stop``."""

    _running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Interrupt it and wait until it has ended."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _run(self) -> None:
        raise NotImplementedError
