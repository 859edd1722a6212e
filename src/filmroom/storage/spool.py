"""Large objects on their way in: each in a file of its own, written while it arrives, renamed when it is whole."""

import contextlib
import hashlib
from collections.abc import Sequence
from pathlib import Path

from filmroom.storage.disk import Disk
from filmroom.storage.model import LOCAL, BlobRange

# The kernel is asked to begin writing each time this much has come: the sync at the end then has little to wait for.
WRITEBACK_BYTES = 8 * 2**20
COPY_BYTES = 1 << 20


class SpoolFile:
    """One incoming object. Its calls block and are made one after another, from any thread. Raises OSError.

    The digest runs along with the writing, so that the bytes are touched once while they are in the cache.
    """

    def __init__(self, disk: Disk, path: Path) -> None:
        self._disk = disk
        self._path = path
        self._fd = disk.create(path)
        self._hash = hashlib.sha256()
        self._undigested = 0
        self._pushed = 0
        self.size_bytes = 0
        self.kept: BlobRange | None = None

    def skip_digest(self, size_bytes: int) -> None:
        """Leave the first ``size_bytes`` out of the digest: they are the file's header, not the data set."""
        self._undigested = size_bytes

    def write(self, parts: Sequence[bytes]) -> None:
        """Append."""
        for part in parts:
            if self._undigested:
                skipped = min(self._undigested, len(part))
                self._undigested -= skipped
                self._hash.update(memoryview(part)[skipped:])
            else:
                self._hash.update(part)
        self.size_bytes += self._disk.write(self._fd, parts, self.size_bytes)
        if self.size_bytes - self._pushed >= WRITEBACK_BYTES:
            self._disk.start_writeback(self._fd, self._pushed, self.size_bytes - self._pushed)
            self._pushed = self.size_bytes

    def copy_behind(self, head: bytes, other: "SpoolFile") -> None:
        """Write ``head``, which the digest leaves out, and after it all of ``other``."""
        self.skip_digest(len(head))
        self.write([head])
        with other._path.open("rb") as file:
            while piece := file.read(COPY_BYTES):
                self.write([piece])

    def digest(self) -> bytes:
        """SHA-256 of what was written, less what was to be left out."""
        return self._hash.digest()

    def keep(self, root: Path, key: str) -> BlobRange:
        """Make the file durable under its final key."""
        target = root / key
        self._disk.sync(self._fd)
        self._disk.close(self._fd)
        self._fd = -1
        self._disk.make_folders(root, target.parent)
        self._disk.rename(self._path, target)
        self._path = target  # from here on ``discard`` removes it there
        self._disk.sync_folder(target.parent)
        self.kept = BlobRange(LOCAL, key, 0, self.size_bytes)
        return self.kept

    def discard(self) -> None:
        """Remove the file, whatever state it is in. Also after ``keep``, when nothing will refer to it."""
        with contextlib.suppress(OSError):
            if self._fd >= 0:
                self._disk.close(self._fd)
                self._fd = -1
        with contextlib.suppress(OSError):
            self._disk.remove(self._path)
