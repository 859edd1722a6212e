"""The system calls of the write path, in one object: tests put one in that fails at the n-th call."""

import ctypes
import errno
import fcntl
import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from filmroom.base.errors import FilmroomError, NoSpace, Unavailable

# What a write takes; a memory map is one as well.
Piece: TypeAlias = bytes | memoryview | mmap.mmap

_MAX_BUFFERS = 1024  # IOV_MAX on Linux
_FULL = {errno.ENOSPC, errno.EDQUOT}
_SYNC_FILE_RANGE_WRITE = 2
_O_DIRECT: int = getattr(os, "O_DIRECT", 0)


class Disk:
    """Plain calls on local files."""

    def create(self, path: Path) -> int:
        """A descriptor of a new file; raises FileExistsError when it is there already."""
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o640)

    def write(self, fd: int, buffers: Sequence[Piece], offset: int) -> int:
        """Write everything at ``offset``; the number of bytes. A failure leaves an unknown part written."""
        total = 0
        for first in range(0, len(buffers), _MAX_BUFFERS):
            group = buffers[first : first + _MAX_BUFFERS]
            size = sum(map(len, group))
            done = os.pwritev(fd, group, offset + total)
            if done != size:
                self._rest(fd, b"".join(group)[done:], offset + total + done)
            total += size
        return total

    @staticmethod
    def _rest(fd: int, data: bytes, offset: int) -> None:
        while data:
            done = os.pwrite(fd, data, offset)
            if done == 0:
                raise OSError(errno.EIO, "nothing was written")
            data, offset = data[done:], offset + done

    def bypass_cache(self, fd: int) -> bool:
        """Have writes go past the page cache, if the file system can; they must be aligned then (storage.appender)."""
        if not _O_DIRECT:
            return False
        try:
            fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | _O_DIRECT)
        except OSError:
            return False
        return True

    def use_cache(self, fd: int) -> None:
        """Take ``bypass_cache`` back."""
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) & ~_O_DIRECT)

    def link(self, source: Path, target: Path) -> None:
        os.link(source, target)

    def sync(self, fd: int) -> None:
        """Return once the bytes are on the disk. A failure must never be answered by trying again: the kernel
        reports it once and drops the pages."""
        os.fdatasync(fd)

    def start_writeback(self, fd: int, offset: int, size_bytes: int) -> None:
        """Have the kernel begin to write a range, so that a later ``sync`` finds little left to do. Only a hint."""
        if _sync_file_range is not None:
            _sync_file_range(fd, offset, size_bytes, _SYNC_FILE_RANGE_WRITE)

    def truncate(self, fd: int, size_bytes: int) -> None:
        os.ftruncate(fd, size_bytes)

    def close(self, fd: int) -> None:
        os.close(fd)

    def rename(self, source: Path, target: Path) -> None:
        os.rename(source, target)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """Return once the folder's entries are on the disk."""
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def make_folders(self, root: Path, folder: Path) -> None:
        """``folder`` under ``root``, with every entry on the way to it durable."""
        if folder.is_dir():
            return
        if folder != root:
            self.make_folders(root, folder.parent)
        folder.mkdir(mode=0o750, exist_ok=True)
        self.sync_folder(folder.parent)

    def free_bytes(self, path: Path) -> int:
        """What an unprivileged process may still write there."""
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize


def as_fault(error: OSError) -> FilmroomError:
    """What an operator is told of a failed call: full, or not working."""
    if error.errno in _FULL:
        return NoSpace("the store has no room left")
    return Unavailable(f"the store does not answer: {error.strerror}")


def _find_sync_file_range() -> Any:
    try:
        function = ctypes.CDLL(None, use_errno=True).sync_file_range
    except (OSError, AttributeError):  # not Linux
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    return function


_sync_file_range = _find_sync_file_range()
