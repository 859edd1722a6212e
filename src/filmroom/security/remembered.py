"""A small cache of who somebody is, so that the thousand requests of one opened study ask the database once."""

import hashlib
from datetime import datetime, timedelta
from typing import Generic, Protocol, TypeVar

from filmroom.base.clock import Clock

# A revoked session or token works this much longer on other nodes; on the node that revokes, not at all.
KEPT_FOR = timedelta(seconds=5)
MAX_KEPT = 10_000


class Expires(Protocol):
    @property
    def expires_at(self) -> datetime | None: ...


T = TypeVar("T", bound=Expires)


def digest(secret: str) -> bytes:
    """What is stored and compared in place of a secret of full entropy."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


class Remembered(Generic[T]):
    """Values by digest for a few seconds; never past their own end."""

    def __init__(self, clock: Clock, kept_for: timedelta = KEPT_FOR) -> None:
        self._clock = clock
        self._kept_for = kept_for
        self._kept: dict[bytes, tuple[datetime, T]] = {}

    def get(self, key: bytes) -> T | None:
        entry = self._kept.get(key)
        if entry is None:
            return None
        until, value = entry
        if self._clock.now() >= until:
            del self._kept[key]
            return None
        return value

    def put(self, key: bytes, value: T) -> None:
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        until = self._clock.now() + self._kept_for
        if value.expires_at is not None:
            until = min(until, value.expires_at)
        self._kept[key] = (until, value)

    def forget(self, key: bytes) -> None:
        self._kept.pop(key, None)

    def clear(self) -> None:
        self._kept.clear()
