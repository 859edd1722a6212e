"""Worker processes for everything that decodes pixels, so that no codec ever runs where associations are held.

A call that crashes its worker, hangs, or asks for too much memory fails alone; the worker is replaced.
"""

import asyncio
import contextlib
import json
import os
import pickle
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from filmroom.archive.pixelworker import BYTES, ERROR, JSON, LENGTH, READY
from filmroom.base.errors import (
    Corrupt,
    FilmroomError,
    LimitReached,
    NotFound,
    NotReadable,
    RemoteFault,
    Unavailable,
    Unsupported,
)

log = structlog.get_logger()

# What one call may take above the idle worker: a frame at its limit, its encoded form, and what a codec needs beside.
MEMORY_BYTES: Final = 2**30

# Longer than the slowest honest call (a 300 MB cine to JPEG 2000 takes about a minute), so that a hung one is noticed.
TIMEOUT_S: Final = 120.0

# Starting takes 0.5 s on a quiet machine; a crowded one gets a minute.
_START_TIMEOUT_S: Final = 60.0

# Callers in line beyond this are told to come back: at 10 ms a call they would wait 10 s.
MAX_WAITING: Final = 1000

_ERRORS: Final[Mapping[str, type[FilmroomError]]] = {
    kind.__name__: kind
    for kind in (Corrupt, LimitReached, NotFound, NotReadable, RemoteFault, Unavailable, Unsupported)
}


class PixelPool:
    """Runs functions of importable modules in ``workers`` processes, which start when first needed."""

    def __init__(self, workers: int = 2, *, memory_bytes: int = MEMORY_BYTES, max_waiting: int = MAX_WAITING) -> None:
        self._free = asyncio.Semaphore(workers)
        self._workers = workers
        self._memory_bytes = memory_bytes
        self._max_waiting = max_waiting
        self._waiting = 0
        self._idle: list[_Worker] = []
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def run(self, function: Callable[..., Any], *args: Any, timeout_s: float = TIMEOUT_S) -> Any:
        """The result of ``function(*args)``: bytes, or what JSON can carry. Arguments must be small and picklable.

        Raises what the function raised if it is an error of Filmroom's; NotReadable when the worker died of the call;
        LimitReached after ``timeout_s`` of work or beyond the memory limit; Unavailable when too many wait.
        """
        if self._closed or self._waiting >= self._max_waiting:
            raise Unavailable("too many pixel calls are waiting" if not self._closed else "the pixel pool is closed")
        call = pickle.dumps((function, args), protocol=pickle.HIGHEST_PROTOCOL)
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        if self._closed:
            self._free.release()
            raise Unavailable("the pixel pool is closed")
        # A caller that goes away leaves its call to finish: cheaper than a new worker.
        task = asyncio.create_task(self._call(call, function.__name__, timeout_s))
        self._running.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def warm(self) -> None:
        """Start all workers now, so that the first users do not wait for them."""
        missing = self._workers - len(self._idle) - len(self._running)
        self._idle += await asyncio.gather(*(self._start() for _ in range(max(0, missing))))

    async def close(self) -> None:
        """End every worker; calls still running fail with Unavailable."""
        self._closed = True
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await asyncio.gather(*(worker.end() for worker in self._idle))
        self._idle.clear()

    def pids(self) -> list[int]:
        """Process ids of the idle workers, for measuring."""
        return [worker.process.pid for worker in self._idle]

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._running.discard(task)
        self._free.release()
        if not task.cancelled():
            task.exception()  # seen: nobody may be waiting for it any more

    async def _call(self, call: bytes, name: str, timeout_s: float) -> Any:
        worker = self._idle.pop() if self._idle else await self._start()
        kept = False
        try:
            async with asyncio.timeout(timeout_s):
                kind, payload = await worker.ask(call)
            kept = True
        except TimeoutError as error:
            log.warning("pixel call timed out", call=name, timeout_s=timeout_s)
            raise LimitReached("the work took longer than it may") from error
        except (asyncio.IncompleteReadError, OSError) as error:
            log.warning("pixel worker died", call=name)
            raise NotReadable("the work ended its worker process") from error
        except asyncio.CancelledError as error:
            raise Unavailable("the pixel pool is closed") from error
        finally:
            if kept and not self._closed:
                self._idle.append(worker)
            else:
                await worker.end()
        if kind == ERROR:
            error_name, message = json.loads(payload)
            raise _ERRORS.get(error_name, NotReadable)(message)
        return payload if kind == BYTES else json.loads(payload)

    async def _start(self) -> "_Worker":
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # modules come from the installation, never from the folder the server was started in
            "-m",
            "filmroom.archive.pixelworker",
            str(self._memory_bytes),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment,
            limit=2**21,
            start_new_session=True,  # Ctrl-C on the terminal is for the server, which then ends its workers
        )
        worker = _Worker(process)
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                kind, _ = await worker.answer()
        except (TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            await worker.end()
            raise Unavailable("a pixel worker could not be started") from error
        except BaseException:
            await worker.end()
            raise
        assert kind == READY
        return worker


class _Worker:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def ask(self, call: bytes) -> tuple[bytes, bytes]:
        assert self.process.stdin is not None
        self.process.stdin.write(LENGTH.pack(len(call)) + call)
        return await self.answer()

    async def answer(self) -> tuple[bytes, bytes]:
        assert self.process.stdout is not None
        head = await self.process.stdout.readexactly(1 + LENGTH.size)
        kind, length = head[:1], LENGTH.unpack(head[1:])[0]
        if kind not in (BYTES, JSON, ERROR, READY):
            raise OSError("the worker says nonsense")
        return kind, await self.process.stdout.readexactly(length)

    async def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        if self.process.stdin is not None:
            self.process.stdin.close()
        await self.process.wait()
