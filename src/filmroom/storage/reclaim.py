"""Giving back the room of bytes that no row knows any more.

A blob of its own is removed. A member of a pack becomes a hole: the pack keeps its layout, stays a whole TAR, and the
file system has the blocks back.
"""

import ctypes
import errno
import os

from filmroom.base.errors import Unavailable
from filmroom.storage import tar
from filmroom.storage.disk import as_fault
from filmroom.storage.model import BlobRange
from filmroom.storage.online import OnlineStore

_KEEP_SIZE, _PUNCH_HOLE = 1, 2  # linux/falloc.h


def reclaim(online: OnlineStore, where: BlobRange) -> None:
    """Give back ``where``. Whoever calls has made sure that no row refers to it. Raises Unavailable."""
    if not where.key.startswith("pack/"):
        online.store.delete(where.key)
        return
    try:
        fd = os.open(online.root / where.key, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except OSError as error:
        raise as_fault(error) from error
    try:
        _punch(fd, where.start, where.size_bytes)
    except OSError as error:
        raise as_fault(error) from error
    finally:
        os.close(fd)


def is_reclaimed(first_block: bytes) -> bool:
    """Whether a member was given back: no object begins with a block of zeros, for "DICM" stands in it."""
    return first_block == bytes(min(len(first_block), tar.BLOCK))


def _punch(fd: int, start: int, size_bytes: int) -> None:
    function = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)
    if function is None:
        raise Unavailable("this system cannot give back a part of a file")
    function.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    if function(fd, _PUNCH_HOLE | _KEEP_SIZE, start, size_bytes) == 0:
        return
    if ctypes.get_errno() not in (errno.EOPNOTSUPP, errno.ENOSYS):
        raise OSError(ctypes.get_errno(), "fallocate")
    # No holes on this file system: the content goes, the blocks stay until the pack does.
    os.pwrite(fd, bytes(min(size_bytes, tar.BLOCK)), start)
