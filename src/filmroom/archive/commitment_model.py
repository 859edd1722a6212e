"""Storage commitment (PS3.4 annex J, PS3.3 C.14) as values."""

from dataclasses import dataclass
from typing import Final

# Failure Reason (0008,1197), PS3.3 C.14.1.1. COMMITTED is ours: the same column says yes.
COMMITTED: Final = 0x0000
PROCESSING_FAILURE: Final = 0x0110
NO_SUCH_INSTANCE: Final = 0x0112
CLASS_CONFLICT: Final = 0x0119
CLASS_NOT_SUPPORTED: Final = 0x0122
NO_RESOURCES: Final = 0x0213


@dataclass(frozen=True, slots=True)
class Reference:
    """One object by its class and UID."""

    sop_class: str
    sop_uid: str


@dataclass(frozen=True, slots=True)
class Transaction:
    """A request to commit to the keeping of objects."""

    uid: str
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """An object that is not committed to, and why."""

    reference: Reference
    reason: int


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a request: each of its objects is in one of the two lists. ``retrieve_ae`` is '' when unknown."""

    transaction_uid: str
    committed: tuple[Reference, ...]
    failed: tuple[Failure, ...] = ()
    retrieve_ae: str = ""
