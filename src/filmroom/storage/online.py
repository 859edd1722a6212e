"""The online store: the folder into which objects arrive.

``pack/`` holds small objects in TAR files, ``file/`` large ones each in its own, ``quarantine/`` what could not be
filed, ``incoming/`` what is arriving now (a folder a process, removed by whoever finds its process gone).
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import structlog

from filmroom.base.clock import Clock
from filmroom.base.errors import Unavailable
from filmroom.settings import StorageSettings
from filmroom.storage.backends.filesystem import FilesystemStore
from filmroom.storage.disk import Disk, as_fault
from filmroom.storage.model import dated_key
from filmroom.storage.pack import PackWriter
from filmroom.storage.space import SpaceWatch
from filmroom.storage.spare import SUFFIX, Spares, cut_abandoned
from filmroom.storage.spool import SpoolFile

log = structlog.get_logger()

# Says that this folder is the store. When it is missing, another file system is mounted over it, or none at all.
MARKER = "filmroom.store"
LOCK = "lock"
# Room that is made ready ahead of need, at most.
SPARE_BYTES = 64 * 2**20


class StoreNotThere(Unavailable):
    """The folder of the online store is not the one that the database knows: is its file system mounted?"""


class OnlineStore:
    """Where new objects are written. Everything here blocks."""

    def __init__(
        self,
        root: Path,
        settings: StorageSettings,
        *,
        clock: Clock,
        monotonic: Callable[[], float],
        unique: Callable[[], str],
        disk: Disk | None = None,
    ) -> None:
        self.root = root
        self.disk = disk or Disk()
        self.settings = settings
        self.store = FilesystemStore(root, disk=self.disk)
        self.space = SpaceWatch(self.disk, root, settings.reserve_bytes, monotonic)
        self._clock = clock
        self._unique = unique
        self._incoming = root / "incoming"
        self._own: Path | None = None
        self._lock_fd = -1

    def open(self, *, expected: bool = False) -> None:
        """Take the folder into use. ``expected``: the database knows objects in it, so it must be there already.

        Raises StoreNotThere, NoSpace or Unavailable.
        """
        try:
            if expected and not (self.root / MARKER).exists():
                raise StoreNotThere(f"{self.root} is not the online store: is its file system mounted?")
            self.root.mkdir(parents=True, exist_ok=True)
            if not (self.root / MARKER).exists():
                (self.root / MARKER).write_text("This folder belongs to a Filmroom archive. Do not change it.\n")
                self.disk.sync_folder(self.root)
            self._incoming.mkdir(mode=0o750, exist_ok=True)
            with (self.root / MARKER).open("rb") as marker:
                fcntl.flock(marker, fcntl.LOCK_EX)  # one process at a time looks for leftovers and makes its folder
                self._remove_leftovers()
                self._take_own_folder()
        except OSError as error:
            raise as_fault(error) from error

    def close(self) -> None:
        """Leave the folder."""
        self.store.close()
        if self._own is not None:
            shutil.rmtree(self._own, ignore_errors=True)
            os.close(self._lock_fd)
            self._own = None

    def new_key(self, kind: str, suffix: str = "dcm") -> str:
        """A key nobody has used. Raises StoreNotThere when the store's file system has gone away."""
        if not (self.root / MARKER).exists():
            raise StoreNotThere(f"{self.root} is not the online store any more: is its file system mounted?")
        return dated_key(kind, self._clock.now(), self._unique(), suffix)

    def pack_writer(self) -> PackWriter:
        """A writer with packs of its own."""
        return PackWriter(
            self.disk,
            self.root,
            new_key=lambda: self.new_key("pack", "tar"),
            now_s=lambda: self._clock.now().timestamp(),
            size_bytes=self.settings.pack_size_bytes,
            spares=Spares(self.disk, self._new_spare, min(self.settings.pack_size_bytes, SPARE_BYTES), self._has_room),
        )

    def spool(self) -> SpoolFile:
        """A new file for an object that is arriving. Raises OSError."""
        assert self._own is not None
        return SpoolFile(self.disk, self._own / self._unique())

    def _new_spare(self) -> Path:
        assert self._own is not None
        return self._own / f"{self._unique()}{SUFFIX}"

    def _has_room(self, size_bytes: int) -> bool:
        return self.space.ask() - size_bytes >= self.settings.reserve_bytes

    def _take_own_folder(self) -> None:
        own = self._incoming / self._unique()
        own.mkdir(mode=0o750)
        self._lock_fd = os.open(own / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
        fcntl.flock(self._lock_fd, fcntl.LOCK_EX)
        self._own = own

    def _remove_leftovers(self) -> None:
        """Objects whose sender never got an answer, of processes that are gone."""
        for folder in self._incoming.iterdir():
            if not _in_use(folder / LOCK):
                cut_abandoned(list(folder.iterdir()))
                shutil.rmtree(folder, ignore_errors=True)
                log.info("leftovers removed", folder=folder.name)


def _in_use(lock: Path) -> bool:
    with contextlib.suppress(FileNotFoundError), lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
