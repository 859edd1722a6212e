"""A store in memory, for tests: the same promises, no durability."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from filmroom.base.errors import Corrupt, NotFound
from filmroom.storage.model import is_key


class MemoryStore:
    """Blobs in a dictionary; see storage.ports.BlobStore."""

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self._blobs: dict[str, bytes] = {}

    def put(self, key: str, chunks: Iterable[bytes]) -> int:
        if not is_key(key):
            raise NotFound(f"no blob can be called {key!r}")
        if key in self._blobs:
            raise FileExistsError(key)
        data = b"".join(chunks)
        self._blobs[key] = data
        return len(data)

    def read(self, key: str, start: int, size_bytes: int) -> bytes:
        data = self._get(key)[start : start + size_bytes]
        if len(data) < size_bytes:
            raise Corrupt(f"{size_bytes - len(data)} of {size_bytes} bytes are missing in the store")
        return data

    def size(self, key: str) -> int:
        return len(self._get(key))

    def delete(self, key: str) -> None:
        self._blobs.pop(key, None)

    def keys(self, prefix: str = "") -> Iterator[str]:
        return (key for key in list(self._blobs) if key.startswith(prefix))

    def path(self, key: str) -> Path | None:
        return None

    def _get(self, key: str) -> bytes:
        try:
            return self._blobs[key]
        except KeyError:
            raise NotFound(f"no blob {key} in store {self.name}") from None
