"""A store that is a folder."""

import contextlib
import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Lock

from filmroom.base.errors import Corrupt, NotFound
from filmroom.storage.disk import Disk, as_fault
from filmroom.storage.model import LOCAL, is_key

# Descriptors kept open for reading. A process may have 1,024 unless told otherwise, and associations need them too.
OPEN_FILES = 128


class _Opened:
    """A descriptor that closes when the last reader lets go of it."""

    __slots__ = ("fd",)

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):
            os.close(self.fd)


class FilesystemStore:
    """Blobs as files under ``root``; see storage.ports.BlobStore."""

    def __init__(self, root: Path, *, name: str = LOCAL, disk: Disk | None = None) -> None:
        self.root = root
        self.name = name
        self._disk = disk or Disk()
        self._open: OrderedDict[str, _Opened] = OrderedDict()
        self._lock = Lock()

    def put(self, key: str, chunks: Iterable[bytes]) -> int:
        path = self._path(key)
        try:
            self._disk.make_folders(self.root, path.parent)
            fd = self._disk.create(path)
        except FileExistsError:
            raise
        except OSError as error:
            raise as_fault(error) from error
        size = 0
        try:
            try:
                for chunk in chunks:
                    size += self._disk.write(fd, [chunk], size)
                self._disk.sync(fd)
            finally:
                self._disk.close(fd)
            self._disk.sync_folder(path.parent)
        except BaseException as error:
            with contextlib.suppress(OSError):
                self._disk.remove(path)
            if isinstance(error, OSError):
                raise as_fault(error) from error
            raise
        return size

    def read(self, key: str, start: int, size_bytes: int) -> bytes:
        opened = self._opened(key)
        try:
            data = os.pread(opened.fd, size_bytes, start)
            if len(data) < size_bytes:  # the end of the file, or more than one read gives (2 GiB)
                data = self._read_on(opened.fd, data, start, size_bytes)
        except OSError as error:
            raise as_fault(error) from error
        return data

    def size(self, key: str) -> int:
        try:
            return self._path(key).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(f"no blob {key} in store {self.name}") from None
        except OSError as error:
            raise as_fault(error) from error

    def delete(self, key: str) -> None:
        with self._lock:
            self._open.pop(key, None)
        try:
            self._disk.remove(self._path(key))
        except OSError as error:
            raise as_fault(error) from error

    def keys(self, prefix: str = "") -> Iterator[str]:
        for folder, _, files in os.walk(self.root):
            for file in files:
                key = str((Path(folder) / file).relative_to(self.root))
                if key.startswith(prefix) and is_key(key):
                    yield key

    def path(self, key: str) -> Path | None:
        return self._path(key)

    def close(self) -> None:
        """Let go of every descriptor."""
        with self._lock:
            self._open.clear()

    def _path(self, key: str) -> Path:
        if not is_key(key):
            raise NotFound(f"no blob can be called {key!r}")
        return self.root / key

    def _opened(self, key: str) -> _Opened:
        with self._lock:
            opened = self._open.get(key)
            if opened is not None:
                self._open.move_to_end(key)
                return opened
        try:
            opened = _Opened(self._path(key))
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(f"no blob {key} in store {self.name}") from None
        except OSError as error:
            raise as_fault(error) from error
        with self._lock:
            self._open[key] = opened
            while len(self._open) > OPEN_FILES:
                self._open.popitem(last=False)
        return opened

    def _read_on(self, fd: int, data: bytes, start: int, size_bytes: int) -> bytes:
        parts, have = [data], len(data)
        while have < size_bytes:
            part = os.pread(fd, size_bytes - have, start + have)
            if not part:
                raise Corrupt(f"{size_bytes - have} of {size_bytes} bytes are missing in the store")
            parts.append(part)
            have += len(part)
        return b"".join(parts)
