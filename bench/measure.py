"""What a server costs while something is measured: CPU seconds and resident memory of all its processes."""

import contextlib
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.waiting import pause

_SAMPLE_S = 0.2
_SETTLED_CORE_SHARE = 0.05


@dataclass(slots=True)
class Cost:
    """CPU of the whole tree, and the highest memory seen (bytes).

    ``main_rss`` is the server's first process, ``process_rss`` the largest single one, ``tree_pss`` all processes with
    shared pages counted once, ``database_pss`` the part of it that is PostgreSQL.
    """

    cpu_s: float = 0.0
    main_rss: int = 0
    process_rss: int = 0
    tree_pss: int = 0
    database_pss: int = 0
    main_cpu_s: float = 0.0
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Tree:
    """The processes of a server: its main process first; ``database`` are those of a PostgreSQL of its own."""

    main: int
    others: Sequence[int]
    database: Sequence[int]

    def all(self) -> list[int]:
        return [self.main, *self.others, *self.database]


def tree(main: int, folder: Path) -> Tree:
    """The process tree of ``main``, and of any PostgreSQL whose postmaster.pid lies in ``folder``."""
    below = _below(main)
    database: list[int] = []
    for mark in _postmasters(folder):
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int(mark.read_text().split()[0])
            if psutil.pid_exists(pid):
                database += [pid, *_below(pid)]
    return Tree(main, [pid for pid in below if pid not in database], database)


def _below(pid: int) -> list[int]:
    try:
        return [each.pid for each in psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return []


def _postmasters(folder: Path) -> Iterator[Path]:
    for depth in range(5):
        yield from folder.glob("*/" * depth + "postmaster.pid")


def cpu_seconds(pids: Sequence[int]) -> float:
    """CPU used so far by ``pids`` and by children of theirs that have ended."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            times = psutil.Process(pid).cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def settle(processes: Callable[[], Tree], timeout_s: float = 10.0) -> None:
    """Wait until the server has nothing left to do, so that work it put off is counted as its own."""
    waited = 0.0
    while waited < timeout_s:
        before = cpu_seconds(processes().all())
        pause(0.4)
        waited += 0.4
        if cpu_seconds(processes().all()) - before <= _SETTLED_CORE_SHARE * 0.4:
            return


@contextlib.contextmanager
def watch(processes: Callable[[], Tree]) -> Iterator[Cost]:
    """Fill a Cost over the block; memory peaks are exact per process (kernel high-water mark), sampled for the tree."""
    cost = Cost()
    at_start = processes()
    for pid in at_start.all():
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/clear_refs").write_text("5")
    begun, main_begun = cpu_seconds(at_start.all()), cpu_seconds([at_start.main])
    done = threading.Event()
    sampler = threading.Thread(target=_sample, args=(processes, cost, done), daemon=True)
    sampler.start()
    try:
        yield cost
    finally:
        done.set()
        sampler.join()
        settle(processes)
        at_end = processes()
        cost.cpu_s = max(0.0, cpu_seconds(at_end.all()) - begun)
        cost.main_cpu_s = max(0.0, cpu_seconds([at_end.main]) - main_begun)
        cost.main_rss = _high_water(at_end.main)
        cost.process_rss = max(map(_high_water, at_end.all()), default=0)


def _sample(processes: Callable[[], Tree], cost: Cost, done: threading.Event) -> None:
    while True:
        now = processes()
        database = sum(map(_pss, now.database))
        cost.database_pss = max(cost.database_pss, database)
        cost.tree_pss = max(cost.tree_pss, database + _pss(now.main) + sum(map(_pss, now.others)))
        if done.wait(_SAMPLE_S):
            return


def _field(path: str, name: str) -> int:
    with contextlib.suppress(OSError, ValueError):
        if found := re.search(rf"^{name}:\s+(\d+) kB", Path(path).read_text(), re.M):
            return int(found[1]) * 1024
    return 0


def _high_water(pid: int) -> int:
    return _field(f"/proc/{pid}/status", "VmHWM")


def _pss(pid: int) -> int:
    return _field(f"/proc/{pid}/smaps_rollup", "Pss")
