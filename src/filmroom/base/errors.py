"""What went wrong, who is at fault, and whether repeating is safe.

The docstring of each class is the sentence an operator reads.
"""

from enum import Enum


class Retry(Enum):
    """Whether the same attempt may be made again."""

    SAFE = "safe"
    UNSURE = "unsure"  # the peer may have acted
    NEVER = "never"


class FilmroomError(Exception):
    """Something went wrong inside Filmroom."""

    retry = Retry.NEVER


class RemoteFault(FilmroomError):
    """What the other side sent breaks the standard or a limit of ours."""


class NotReadable(RemoteFault):
    """The object cannot be read as DICOM."""


class NoSpace(FilmroomError):
    """The store has no room left."""

    retry = Retry.SAFE


class Unavailable(FilmroomError):
    """A part of Filmroom that this needs (database, store) is not reachable now."""

    retry = Retry.SAFE


class NotFound(FilmroomError):
    """There is no such thing, or it may not be seen by who asks (the two are not told apart)."""


class Forbidden(FilmroomError):
    """Who asks may not do this."""


class Corrupt(FilmroomError):
    """The bytes in the store are not the bytes that were received."""


class Unsupported(FilmroomError):
    """The request is well-formed but names something Filmroom cannot do."""


class LimitReached(RemoteFault):
    """A named limit of Filmroom was reached."""
