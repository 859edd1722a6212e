"""Pack files: many small objects in one plain TAR, so that a sync covers many of them and folders stay small.

A pack is appended to by the process that made it and by no other, and never again after a failure or a restart. What
a crash leaves behind its last synced member belongs to nobody and is never read.
"""

import contextlib
import fcntl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from filmroom.storage import tar
from filmroom.storage.disk import Disk
from filmroom.storage.model import LOCAL, BlobRange


@dataclass(frozen=True, slots=True)
class NewMember:
    """An object to be packed: its parts in order, ``size_bytes`` together."""

    parts: Sequence[bytes]
    size_bytes: int


@dataclass(slots=True)
class _Pack:
    key: str
    fd: int
    end: int = 0
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
    ) -> None:
        self._disk = disk
        self._root = root
        self._new_key = new_key
        self._now_s = now_s
        self._limit = size_bytes
        self._pack: _Pack | None = None

    def append(self, members: Sequence[NewMember]) -> list[BlobRange]:
        """Where the members are, durable in this order. Raises OSError; then none of them is stored."""
        pack = self._pack or self._begin()
        places, buffers, end = self._lay_out(pack, members)
        try:
            self._disk.write(pack.fd, buffers, pack.end)
            self._disk.sync(pack.fd)
        except OSError:
            self._abandon()
            raise
        pack.end = end
        pack.members += len(members)
        if end >= self._limit:
            self.close()
        return places

    def close(self) -> None:
        """End the pack in order, if one is open. A pack without its end marker is still a whole one."""
        pack, self._pack = self._pack, None
        if pack is not None:
            with contextlib.suppress(OSError):
                self._disk.write(pack.fd, [tar.END], pack.end)
                self._disk.sync(pack.fd)
            self._disk.close(pack.fd)

    def _lay_out(self, pack: _Pack, members: Sequence[NewMember]) -> tuple[list[BlobRange], list[bytes], int]:
        places: list[BlobRange] = []
        buffers: list[bytes] = []
        position, stem, modified = pack.end, Path(pack.key).stem, int(self._now_s())
        for number, member in enumerate(members, pack.members + 1):
            size = member.size_bytes
            buffers.append(tar.header(f"{stem}/{number:07d}.dcm", size, modified))
            buffers += member.parts
            buffers.append(bytes(-size % tar.BLOCK))
            places.append(BlobRange(LOCAL, pack.key, position + tar.BLOCK, size))
            position += tar.BLOCK + size + (-size % tar.BLOCK)
        return places, buffers, position

    def _begin(self) -> _Pack:
        key = self._new_key()
        path = self._root / key
        self._disk.make_folders(self._root, path.parent)
        fd = self._disk.create(path)
        try:
            # Held while the pack is open: the consistency check leaves its unfinished tail alone.
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._disk.sync_folder(path.parent)
        except OSError:
            self._disk.close(fd)
            raise
        self._pack = _Pack(key, fd)
        return self._pack

    def _abandon(self) -> None:
        """Never believe a file again that failed once; cut off what was half written."""
        pack, self._pack = self._pack, None
        assert pack is not None
        with contextlib.suppress(OSError):
            self._disk.truncate(pack.fd, pack.end)
        self._disk.close(pack.fd)


def is_being_written(path: Path) -> bool:
    """Whether a living process appends to this pack."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
