"""Where bytes are."""

import re
from dataclasses import dataclass
from datetime import datetime

# The one store of this release; the name is written into every location row, so that others can join it.
LOCAL = "local"

_KEY = re.compile(r"[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*(?:\.[a-z0-9]+)?")
MAX_KEY_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class BlobRange:
    """``size_bytes`` bytes from ``start`` of the blob ``key`` in the store called ``store``."""

    store: str
    key: str
    start: int
    size_bytes: int


def is_key(key: str) -> bool:
    """Whether ``key`` names a place inside a store: plain components, no way out of it."""
    return len(key) <= MAX_KEY_CHARACTERS and _KEY.fullmatch(key) is not None


def dated_key(kind: str, at: datetime, unique: str, suffix: str) -> str:
    """A key of our own making, by the day it was made: ``pack/2026/11/22/3f9c....tar``."""
    return f"{kind}/{at:%Y/%m/%d}/{unique}.{suffix}"
