"""What can become of an object that is handed in."""

from dataclasses import dataclass
from enum import Enum


class Stored(Enum):
    """The end of one ingest. NEW and ALREADY promise that bytes and rows are durable."""

    NEW = "new"
    ALREADY = "already"  # the same object, bit for bit, was here before
    CONFLICT = "conflict"  # the UID is taken by other content: these bytes wait in quarantine
    QUARANTINED = "quarantined"  # cannot be filed: the bytes wait in quarantine
    NO_SPACE = "no-space"
    UNAVAILABLE = "unavailable"  # the database or the store does not answer now: repeating is safe
    REFUSED = "refused"  # not wanted: the study is being deleted, say


# (0000,0902) Error Comment is an LO: 64 characters.
MAX_COMMENT_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one object. UIDs are '' where they could not be read; ``comment`` fits an Error Comment."""

    result: Stored
    sop_class: str = ""
    sop_uid: str = ""
    study_uid: str = ""
    series_uid: str = ""
    comment: str = ""
    warnings: tuple[str, ...] = ()
    status: int = 0  # of a C-STORE, where a rule refused the object; else 0

    @property
    def safe(self) -> bool:
        """Whether the object is durably here as it was sent."""
        return self.result in (Stored.NEW, Stored.ALREADY)
