"""An object whose SOP Instance UID is here already: what becomes of it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final


class Replacing(Enum):
    """When another object with a known UID, in the same series, replaces the one that is here."""

    NEVER = "never"
    IF_DIFFERENT = "if-different"
    SAME_SOURCE = "same-source"
    SAME_SERIES = "same-series"
    SAME_SOURCE_AND_SERIES = "same-source-and-series"
    ALWAYS = "always"


class NotReplaced(Enum):
    """What becomes of an object with other content that does not replace the one that is here."""

    QUARANTINE = "quarantine"  # kept apart, the sender is told (0111)
    IGNORE = "ignore"  # dropped, the sender is told that all is well


class Elsewhere(Enum):
    """What becomes of an object whose UID is here under another series or study."""

    QUARANTINE = "quarantine"
    IGNORE = "ignore"
    REJECT = "reject"  # A77B
    REPLACE = "replace"
    BESIDE = "beside"  # both are kept


REPLACING_HELP: Final[Mapping[Replacing, str]] = MappingProxyType(
    {
        Replacing.NEVER: "the first stays; the same bytes are answered as stored, others go to quarantine (default)",
        Replacing.IF_DIFFERENT: "other bytes replace it, whoever sends them",
        Replacing.SAME_SOURCE: "other bytes replace it when the same AE title sends them",
        Replacing.SAME_SERIES: "other bytes replace it when they are of the same series and study",
        Replacing.SAME_SOURCE_AND_SERIES: "other bytes replace it when both are the same",
        Replacing.ALWAYS: "it is replaced even by the same bytes",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicatePolicy:
    """``kept_days``: how long a replaced version is kept; it can be restored until then."""

    replacing: Replacing = Replacing.NEVER
    not_replaced: NotReplaced = NotReplaced.QUARANTINE
    elsewhere: Elsewhere = Elsewhere.QUARANTINE
    kept_days: int = 30


@dataclass(frozen=True, slots=True)
class Copy:
    """One of the two: the object that is here, or the one that comes."""

    study_uid: str
    series_uid: str
    source: str
    digest: bytes

    @property
    def where(self) -> tuple[str, str]:
        """Study and series."""
        return self.study_uid, self.series_uid


class Duplicate(Enum):
    """What is done about it."""

    ALREADY = "already"  # the same bytes: nothing to do, 0000
    IGNORE = "ignore"  # other bytes, dropped, 0000
    CONFLICT = "conflict"  # to quarantine, 0111
    REJECT = "reject"  # A77B
    REPLACE = "replace"  # the one that is here becomes a superseded version
    BESIDE = "beside"


@dataclass(frozen=True, slots=True)
class Decided:
    """With the reason, for the journal and for people."""

    what: Duplicate
    reason: str


def decide(here: Copy, coming: Copy, policy: DuplicatePolicy) -> Decided:
    """What to do with ``coming``."""
    same_bytes = here.digest == coming.digest
    if same_bytes and policy.replacing is not Replacing.ALWAYS:
        return Decided(Duplicate.ALREADY, "the same object is here")
    if here.where != coming.where:
        where = "series" if here.study_uid == coming.study_uid else "study"
        return Decided(_ELSEWHERE[policy.elsewhere], f"the SOP Instance UID is here in another {where}")
    if _replaces(policy.replacing, here.source == coming.source):
        return Decided(Duplicate.REPLACE, f"replaced by rule: {policy.replacing.value}")
    if policy.not_replaced is NotReplaced.IGNORE:
        return Decided(Duplicate.IGNORE, "the SOP Instance UID is here with other content, which stays")
    return Decided(Duplicate.CONFLICT, "the SOP Instance UID is here with other content")


def _replaces(when: Replacing, same_source: bool) -> bool:
    """In the same series."""
    match when:
        case Replacing.NEVER:
            return False
        case Replacing.SAME_SOURCE | Replacing.SAME_SOURCE_AND_SERIES:
            return same_source
        case _:
            return True


_ELSEWHERE: Final = {
    Elsewhere.QUARANTINE: Duplicate.CONFLICT,
    Elsewhere.IGNORE: Duplicate.IGNORE,
    Elsewhere.REJECT: Duplicate.REJECT,
    Elsewhere.REPLACE: Duplicate.REPLACE,
    Elsewhere.BESIDE: Duplicate.BESIDE,
}
