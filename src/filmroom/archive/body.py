"""The bytes of one object on their way in: in memory while they are few, in a file of their own once they are many."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from filmroom.base.errors import FilmroomError, Unavailable
from filmroom.settings import StorageSettings
from filmroom.storage.disk import as_fault
from filmroom.storage.online import OnlineStore
from filmroom.storage.spool import SpoolFile

log = structlog.get_logger()

# One write to a spool file: large enough that a thread is worth its switch.
STEP_BYTES: Final = 1 << 20
# What one object may have waiting for its file before its sender has to wait.
WAITING_BYTES: Final = 4 << 20


@dataclass(slots=True)
class Budget:
    """Memory of all objects that arrive."""

    settings: StorageSettings
    held_bytes: int = 0

    @property
    def over(self) -> bool:
        return self.held_bytes > self.settings.ingest_memory_bytes


class Body:
    """One object's bytes. ``head`` gives the file header to put in front when they begin to go to a file, or b""."""

    __slots__ = (
        "_budget",
        "_fault",
        "_head",
        "_held",
        "_job",
        "_online",
        "_skipped",
        "_waiting",
        "parts",
        "size_bytes",
        "spool",
        "spooling",
    )

    def __init__(self, online: OnlineStore, budget: Budget, head: Callable[[], bytes]) -> None:
        self.parts: list[bytes] = []  # what is in memory
        self.size_bytes = 0  # without the file header
        self.spool: SpoolFile | None = None
        self.spooling = False
        self._online = online
        self._budget = budget
        self._head = head
        self._skipped = 0  # bytes of the file header, which the digest leaves out
        self._waiting = 0  # bytes in ``parts``
        self._held = 0  # of the budget
        self._job: asyncio.Task[None] | None = None
        self._fault: FilmroomError | None = None

    def take(self, data: bytes) -> None:
        """The next bytes. Never waits; ``full`` says when the sender must."""
        size = len(data)
        budget = self._budget
        self.parts.append(data)
        self._waiting += size
        self.size_bytes += size
        self._held += size
        budget.held_bytes += size
        if self.spooling:
            if self._waiting >= STEP_BYTES and self._job is None:
                self._spill()
        elif self._waiting >= budget.settings.pack_below_bytes or budget.over:
            self._begin_spooling()

    @property
    def full(self) -> bool:
        """Whether the sender must wait in ``drain``."""
        return self.spooling and self._waiting >= (STEP_BYTES if self._budget.over else WAITING_BYTES)

    async def drain(self) -> None:
        """Wait until there is room for more."""
        while self.full and self._job is not None:
            await asyncio.shield(self._job)

    async def end(self) -> None:
        """All has come: what goes to a file is in it on return. Raises NoSpace or Unavailable; then nothing stays."""
        if not self.spooling:
            return
        while self._job is not None:
            await asyncio.shield(self._job)
        if self._waiting and self._fault is None:
            await self._write_out()
        if self._fault is not None:
            if self.spool is not None:
                await asyncio.to_thread(self.spool.discard)
            raise self._fault

    async def put_in_front(self, head: bytes) -> None:
        """A file header that was found too late: the file is written once more. Raises NoSpace or Unavailable."""
        if self.spool is None:
            return
        bare, headed = self.spool, await asyncio.to_thread(self._online.spool)
        try:
            await asyncio.to_thread(headed.copy_behind, head, bare)
        except OSError as error:
            await asyncio.to_thread(headed.discard)
            raise as_fault(error) from error
        finally:
            await asyncio.to_thread(bare.discard)
        self.spool = headed

    async def discard(self) -> None:
        """Nothing of it stays."""
        self.release()
        self.parts = []
        if self._job is not None:
            await asyncio.wait([self._job])
        if self.spool is not None:
            await asyncio.to_thread(self.spool.discard)

    def release(self) -> None:
        """Give the memory back to the budget; who still has the parts answers for them."""
        self._give_back(self._held)

    def _give_back(self, size: int) -> None:
        size = min(size, self._held)
        self._held -= size
        self._budget.held_bytes -= size

    def _begin_spooling(self) -> None:
        self.spooling = True
        head = self._head()
        if head:
            self._skipped = len(head)
            self.parts.insert(0, head)
            self._waiting += len(head)
        self._spill()

    def _spill(self) -> None:
        self._job = asyncio.get_running_loop().create_task(self._write_out())

    async def _write_out(self) -> None:
        """Write what waits, in steps, until less than a step is left."""
        try:
            while self._waiting and self._fault is None:
                parts, size = self.parts, self._waiting
                self.parts, self._waiting = [], 0
                await asyncio.to_thread(self._write_step, parts)
                self._give_back(size)
                self._online.space.taken(size)
                self._online.space.check()
                if self._waiting < STEP_BYTES:
                    break
        except OSError as error:
            self._fault = as_fault(error)
        except FilmroomError as fault:
            self._fault = fault
        except Exception:  # bytes are missing in the file from here on: it must not pass for whole
            log.exception("an object could not be written")
            self._fault = Unavailable("internal fault")
        finally:
            self._job = None
            if self._fault is not None:  # the rest only passes through; its sender is told at the end
                self.parts, self._waiting = [], 0
                self.release()

    def _write_step(self, parts: list[bytes]) -> None:
        if self.spool is None:
            self.spool = self._online.spool()
            self.spool.skip_digest(self._skipped)
        self.spool.write(parts)
