"""Pack files: many small objects in one plain TAR, so that a sync covers many of them and folders stay small.

A pack is appended to by the process that made it and by no other, and never again after a failure or a restart. What
a crash leaves behind its last synced member belongs to nobody and is never read. A pack that was made ready ahead of
need (storage.spare) has zeros behind its last member while it is written: to TAR that is its end.
"""

import contextlib
import fcntl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from filmroom.storage import tar
from filmroom.storage.appender import Appender, Buffer
from filmroom.storage.disk import Disk
from filmroom.storage.model import LOCAL, BlobRange
from filmroom.storage.spare import Ready, Spares


@dataclass(frozen=True, slots=True)
class NewMember:
    """An object to be packed: its parts in order, ``size_bytes`` together."""

    parts: Sequence[bytes]
    size_bytes: int


@dataclass(slots=True)
class _Pack:
    """``spare``: the file was made ready, and has this name too."""

    key: str
    file: Appender
    limit: int
    spare: Path | None = None
    members: int = 0


class PackWriter:
    """Appends to one pack at a time and begins the next when it is full. Not for two threads at once."""

    def __init__(
        self,
        disk: Disk,
        root: Path,
        *,
        new_key: Callable[[], str],
        now_s: Callable[[], float],
        size_bytes: int,
        spares: Spares,
    ) -> None:
        self._disk = disk
        self._root = root
        self._new_key = new_key
        self._now_s = now_s
        self._limit = size_bytes
        self._spares = spares
        self._buffer = Buffer()
        self._pack: _Pack | None = None

    def append(self, members: Sequence[NewMember]) -> list[BlobRange]:
        """Where the members are, durable in this order. Raises OSError; then none of them is stored."""
        if self._pack is not None and self._pack.spare is None and self._spares.ready:
            self._end()
        pack = self._pack or self._begin()
        places, buffers = self._lay_out(pack, members)
        try:
            pack.file.append(buffers)
            pack.file.sync()
        except OSError:
            self._abandon()
            raise
        pack.members += len(members)
        if pack.file.end >= pack.limit:
            self._end()
        return places

    def prepare(self) -> None:
        """Make a pack ready now, so that the first objects find it."""
        self._spares.need()

    def close(self) -> None:
        """End the pack in order, if one is open. A pack without its end marker is still a whole one."""
        self._end()
        self._spares.close()

    def _lay_out(self, pack: _Pack, members: Sequence[NewMember]) -> tuple[list[BlobRange], list[bytes]]:
        places: list[BlobRange] = []
        buffers: list[bytes] = []
        position, stem, modified = pack.file.end, Path(pack.key).stem, int(self._now_s())
        for number, member in enumerate(members, pack.members + 1):
            size = member.size_bytes
            buffers.append(tar.header(f"{stem}/{number:07d}.dcm", size, modified))
            buffers += member.parts
            buffers.append(bytes(-size % tar.BLOCK))
            places.append(BlobRange(LOCAL, pack.key, position + tar.BLOCK, size))
            position += tar.BLOCK + size + (-size % tar.BLOCK)
        return places, buffers

    def _begin(self) -> _Pack:
        key = self._new_key()
        path = self._root / key
        self._disk.make_folders(self._root, path.parent)
        spare = self._name_spare(path)
        fd = self._disk.create(path) if spare is None else spare.fd
        try:
            # Held while the pack is open: the consistency check leaves its unfinished tail alone.
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._disk.sync_folder(path.parent)
        except OSError:
            self._disk.close(fd)
            raise
        file = Appender(self._disk, fd, self._buffer)
        if spare is None:
            self._pack = _Pack(key, file, self._limit)
        else:
            self._pack = _Pack(key, file, min(self._limit, spare.size_bytes), spare.path)
        self._spares.need()
        return self._pack

    def _name_spare(self, path: Path) -> Ready | None:
        """The pack that was made ready, if there is one, under its name."""
        spare = self._spares.take()
        if spare is not None:
            try:
                self._disk.link(spare.path, path)
            except OSError:  # a file system without second names, perhaps: do not ask it again
                spare.drop(self._disk)
                self._spares.close()
                return None
        return spare

    def _end(self) -> None:
        pack, self._pack = self._pack, None
        if pack is None:
            return
        with contextlib.suppress(OSError):
            pack.file.append([tar.END])
            pack.file.cut()
            pack.file.sync()
            self._forget_spare(pack)
        pack.file.close()

    def _abandon(self) -> None:
        """Never believe a file again that failed once; cut off what was half written."""
        pack, self._pack = self._pack, None
        assert pack is not None
        with contextlib.suppress(OSError):
            pack.file.cut()
            self._forget_spare(pack)
        pack.file.close()

    def _forget_spare(self, pack: _Pack) -> None:
        """The file is cut to its size: it needs no second name."""
        if pack.spare is not None:
            self._disk.remove(pack.spare)


def is_being_written(path: Path) -> bool:
    """Whether a living process appends to this pack."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
