"""Clients as processes that prepare, wait for one another, and then run at once."""

import multiprocessing
import traceback
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from typing import Any

_spawn = multiprocessing.get_context("spawn")


@dataclass(slots=True)
class Lap:
    """What one client did between ``begun`` and ``ended`` (seconds of the machine's monotonic clock)."""

    begun: float = 0.0
    ended: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    size_bytes: int = 0
    count: int = 0


# A job prepares, yields once, works against the clock, and returns its Lap.
Job = Callable[..., Generator[None, None, Lap]]


class ClientFailed(Exception):
    """A client raised; the message is its traceback."""


class Clients:
    """A pool of client processes, started once."""

    def __init__(self, count: int) -> None:
        self._members: list[tuple[Any, Pipe]] = []
        for _ in range(count):
            ours, theirs = _spawn.Pipe()
            process = _spawn.Process(target=_serve, args=(theirs,), daemon=True)
            process.start()
            theirs.close()
            self._members.append((process, ours))

    def run(self, job: Job, arguments: Sequence[tuple[Any, ...]]) -> list[Lap]:
        """Run ``job`` once per tuple of arguments, each in its own process, all starting together."""
        pipes = [pipe for _, pipe in self._members[: len(arguments)]]
        assert len(pipes) == len(arguments), "more clients asked for than there are"
        for pipe, each in zip(pipes, arguments, strict=True):
            pipe.send((job, each))
        trouble = [answer for pipe in pipes if (answer := pipe.recv()) is not None]
        for pipe in pipes:
            pipe.send(not trouble)
        answers = [pipe.recv() for pipe in pipes]
        trouble += [each for each in answers if isinstance(each, str)]
        if trouble:
            raise ClientFailed(trouble[0])
        return answers

    def close(self) -> None:
        for process, pipe in self._members:
            pipe.close()
            process.join(5)
            if process.is_alive():
                process.kill()


def elapsed_s(laps: Sequence[Lap]) -> float:
    return max(each.ended for each in laps) - min(each.begun for each in laps)


def _serve(pipe: Pipe) -> None:
    while True:
        try:
            job, arguments = pipe.recv()
        except (EOFError, OSError, KeyboardInterrupt):
            return
        running = None
        try:
            running = job(*arguments)
            next(running)
            pipe.send(None)
        except BaseException:
            pipe.send(traceback.format_exc())
            running = None
        go = pipe.recv()
        pipe.send(_finish(running) if go and running is not None else Lap())


def _finish(running: Generator[None, None, Lap]) -> "Lap | str":
    try:
        next(running)
    except StopIteration as done:
        lap: Lap = done.value
        return lap
    except BaseException:
        return traceback.format_exc()
    return "the job yielded twice"
