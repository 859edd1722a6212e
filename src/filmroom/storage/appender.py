"""Appending to one file past the page cache, where the file system allows it.

New data that go through the page cache are copied into fresh pages, which a busy archive pays for with more CPU than
for all else it does with them (1.4 of 4.2 ms for a CT slice in a virtual machine), and most are not read again while
they are there. Written directly they go from one buffer, which is used again and again, to the disk.
"""

import contextlib
import errno
import mmap
from collections.abc import Sequence

from filmroom.storage.disk import Disk

# Address, offset and length of a direct write are multiples of this: what every disk of today accepts.
ALIGN = 4096
# What one write takes at most; larger ones gain nothing.
BUFFER_BYTES = 2 << 20


class Buffer:
    """Memory for direct writes; one user at a time. Pages come into being with their first use."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, BUFFER_BYTES)
        self.view = memoryview(self._memory)

    def close(self) -> None:
        self.view.release()
        self._memory.close()


class Appender:
    """The end of one file. After an OSError the file holds an unknown part of what was to be appended."""

    def __init__(self, disk: Disk, fd: int, buffer: Buffer) -> None:
        self._disk = disk
        self._fd = fd
        self._view = buffer.view
        self._direct = disk.bypass_cache(fd)
        self._tail = b""  # of a direct file: what stands in its last, incomplete unit, to be written again with more
        self.end = 0

    def append(self, buffers: Sequence[bytes]) -> None:
        """Write; durable after ``sync``."""
        size = sum(map(len, buffers))
        if not self._direct:
            self._disk.write(self._fd, buffers, self.end)
        else:
            try:
                self._append_directly(buffers)
            except OSError as error:
                if error.errno != errno.EINVAL:
                    raise
                self._through_cache(buffers)  # not as this disk likes it: nothing of it was written
        self.end += size

    def sync(self) -> None:
        self._disk.sync(self._fd)

    def cut(self) -> None:
        """Drop what is behind the end: padding, and what was prepared and not needed."""
        self._disk.truncate(self._fd, self.end)

    def close(self) -> None:
        self._disk.close(self._fd)

    def _append_directly(self, buffers: Sequence[bytes]) -> None:
        """The first unit is written again, its old bytes the same: a torn write cannot hurt what was promised."""
        view, tail = self._view, self._tail
        position = self.end - len(tail)
        filled = len(tail)
        view[:filled] = tail
        for data in buffers:
            done, size = 0, len(data)
            while done < size:
                step = min(size - done, BUFFER_BYTES - filled)
                view[filled : filled + step] = data if step == size else memoryview(data)[done : done + step]
                done += step
                filled += step
                if filled == BUFFER_BYTES:
                    self._disk.write(self._fd, [view], position)
                    position += BUFFER_BYTES
                    filled = 0
        whole = filled - filled % ALIGN
        if filled > whole:
            view[filled : whole + ALIGN] = bytes(whole + ALIGN - filled)
            self._disk.write(self._fd, [view[: whole + ALIGN]], position)
        elif whole:
            self._disk.write(self._fd, [view[:whole]], position)
        self._tail = bytes(view[whole:filled])

    def _through_cache(self, buffers: Sequence[bytes]) -> None:
        with contextlib.suppress(OSError):
            self._disk.use_cache(self._fd)
        self._direct = False
        self._disk.write(self._fd, buffers, self.end)
