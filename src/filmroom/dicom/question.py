"""What a query asks, free of how it was asked (C-FIND or QIDO-RS) and of how it is answered (PS3.4 C.2.2.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

JsonDataset = dict[str, dict[str, Any]]  # DICOM JSON model, PS3.18 F.2: key = eight upper-case hex digits

Path = tuple[int, ...]  # tags from the outermost sequence to the attribute


class Level(Enum):
    """Level of the query model (PS3.4 C.6)."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


@dataclass(frozen=True, slots=True)
class Universal:
    """Matches everything, attributes that are absent included (C.2.2.2.3)."""


@dataclass(frozen=True, slots=True)
class Single:
    """Equality with one value (C.2.2.2.1). ``value`` is stripped of padding."""

    value: str


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Equality with any of several values: list of UID matching (C.2.2.2.2).

    Several values of another VR mean the same here, which the standard leaves open without negotiation (C.2.2.2.8
    note 4); then ``wildcard`` says that some value is a pattern, and each is to be read as one.
    """

    values: tuple[str, ...]
    wildcard: bool = False


@dataclass(frozen=True, slots=True)
class Wildcard:
    """``*`` stands for any run of characters and ``?`` for exactly one; all else is literal (C.2.2.2.4)."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Range:
    """A value from ``low`` to ``high``, both inclusive; '' is an open end (C.2.2.2.5).

    Ends are as the index holds values: DA ``YYYYMMDD``; TM ``HHMMSS.FFFFFF``; DT ``YYYYMMDDHHMMSS.FFFFFF`` without
    offset. A truncated end is already filled: ``10`` becomes 100000.000000 as low and 105959.999999 as high.
    """

    low: str
    high: str


@dataclass(frozen=True, slots=True)
class SequenceMatch:
    """Some item of the sequence matches all of ``keys`` (C.2.2.2.6). Their paths begin inside the item.

    When all of ``keys`` are universal, entities without the sequence match too.
    """

    keys: tuple["Key", ...]


@dataclass(frozen=True, slots=True)
class EmptyValue:
    """The attribute is present without a value, or absent (C.2.2.2.7)."""


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every one of several values is among the attribute's (multiple value matching, when negotiated, C.2.2.2.8)."""

    values: tuple[str, ...]


Match = Universal | Single | AnyOf | AllOf | Wildcard | Range | SequenceMatch | EmptyValue


@dataclass(frozen=True, slots=True)
class Key:
    """One attribute of a question and what its value must be.

    ``path`` has one tag; what lies inside a sequence is a SequenceMatch. PN values are as asked, IS and DS values as
    numbers are written in JSON (``1``, ``1.5``), all others without padding.
    """

    path: Path
    vr: str
    match: Match


@dataclass(frozen=True, slots=True)
class All:
    """Every attribute that is known of the entity (QIDO ``includefield=all``)."""


ALL: Final = All()


@dataclass(frozen=True, slots=True)
class Order:
    """One sort key of a QIDO answer."""

    path: Path
    descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One query. A key that only asks for a value back is Universal.

    ``returns`` are the paths asked for beyond what the service always returns; a sequence's own path asks for whole
    items. ``combined_datetime``: a date range and
    a time range of the same event are one range of points in time (C.2.2.2.5.3). ``timezone`` is the asker's offset
    (``+0800``) when it gave one. ``after`` is an opaque keyset cursor of the answering side.
    ``words`` is what somebody typed into a search box: the beginning of a name's part, of a Patient ID or of an
    accession number.
    """

    level: Level
    keys: tuple[Key, ...] = ()
    returns: tuple[Path, ...] | All = ()
    fuzzy: bool = False
    relational: bool = False
    combined_datetime: bool = False
    timezone: str | None = None
    character_set: str = ""
    words: str = ""
    order: tuple[Order, ...] = ()
    limit: int | None = None
    offset: int = 0
    after: Any = None
    warnings: tuple[str, ...] = ()

    def key(self, *path: int) -> Key | None:
        """The key of one attribute, None when it was not asked."""
        return next((key for key in self.keys if key.path == path), None)


def hex_key(tag: int) -> str:
    """A tag as DICOM JSON writes it."""
    return f"{tag:08X}"


def paths_of(keys: Sequence[Key]) -> tuple[Path, ...]:
    """Every attribute path that the keys name, those inside sequences with their whole path."""
    found: list[Path] = []
    for key in keys:
        found.append(key.path)
        if isinstance(key.match, SequenceMatch):
            found.extend(key.path + inner for inner in paths_of(key.match.keys))
    return tuple(found)
