"""The seam behind which stores differ: a folder today, an object store later."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol


class BlobStore(Protocol):
    """A place of blobs that are written once. Calls block: they are made from worker threads.

    Raises NotFound for a key that is not there, NoSpace when full, Unavailable when the store does not answer,
    Corrupt when fewer bytes are there than asked for.
    """

    @property
    def name(self) -> str:
        """As in location rows."""
        ...

    def put(self, key: str, chunks: Iterable[bytes]) -> int:
        """Write a new blob; its size in bytes. Durable on return; raises FileExistsError when the key is taken."""
        ...

    def read(self, key: str, start: int, size_bytes: int) -> bytes:
        """Exactly ``size_bytes`` bytes from ``start``."""
        ...

    def size(self, key: str) -> int:
        """Bytes in the blob."""
        ...

    def delete(self, key: str) -> None:
        """Remove the blob; one that is not there is no fault."""
        ...

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Every key that begins with ``prefix``, in no promised order."""
        ...

    def path(self, key: str) -> Path | None:
        """The local file of the blob, where there is one."""
        ...
